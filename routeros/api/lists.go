package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// mostEntries is how many entries of address lists a reading takes without asking what they are for.
// Beyond that the print is cancelled, and another flight asks for what decides.
const mostEntries = 2000

// longestReading bounds the reading of large lists, in time-outs: it goes on for as long as rows
// come, each within the time-out after the one before.
const longestReading = 30

// Lists is what the sessions with one router know of its address lists where these are too large to
// be read whole. It may be used by several sessions. The zero value reads every list that a rule
// names.
type Lists struct {
	// Scope says which lists are read. It is set before the first session.
	Scope routeros.ListScope

	mu    sync.Mutex
	known map[routeros.Menu]knownLists
}

// knownLists are the lists of other people in a menu, as they were read.
type knownLists struct {
	own, others []string
	entries     []routeros.ListEntry // of the others
	static      int                  // how many of them the router has counted that do not come and go
}

// UseLists makes a session share what it knows of large address lists with others. It is called
// before anything is read.
func (s *Session) UseLists(l *Lists) { s.lists = l }

// ReadLists reads the lists of a snapshot again that was not read whole, as its scope is now.
func (s *Session) ReadLists(ctx context.Context, snapshot *routeros.Snapshot) error {
	return s.large(ctx, snapshot, slices.Sorted(maps.Keys(snapshot.PartlyRead)))
}

func (l *Lists) of(m routeros.Menu) (knownLists, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.known[m]
	return k, ok
}

func (l *Lists) keep(m routeros.Menu, k knownLists) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[routeros.Menu]knownLists{}
	}
	l.known[m] = k
}

// countCommands ask how many entries a menu has, and how many its lists of other people; of each
// number also how many come and go.
func countCommands(m routeros.Menu, others []string) []routeros.Command {
	count := routeros.NewCommand(m.Verb("print"), "count-only", "")
	out := []routeros.Command{count, count.Where("dynamic=true")}
	if len(others) > 0 {
		out = append(out, count.Where(anyOf(others)...), count.Where(append(anyOf(others), "dynamic=true")...))
	}
	return out
}

// anyOf are the queries for the entries of some lists.
func anyOf(lists []string) []string {
	var out []string
	for i, list := range lists {
		if out = append(out, "list="+list); i > 0 {
			out = append(out, "#|")
		}
	}
	return out
}

// briefly are the columns of entries that decide about packets, with what tells the entries apart.
func briefly() []string { return []string{".id", "list", "address", "disabled", "dynamic", "timeout"} }

// large completes a snapshot with the lists of the menus that were too large to be read whole.
func (s *Session) large(ctx context.Context, snapshot *routeros.Snapshot, menus []routeros.Menu) error {
	for _, m := range menus {
		if err := s.largeMenu(ctx, snapshot, m); err != nil {
			return err
		}
	}
	return nil
}

// largeMenu reads a menu of which the snapshot has the rules that decide what is needed. What other
// people's lists hold is read once; later only their number is, as long as it stays the same.
func (s *Session) largeMenu(ctx context.Context, snapshot *routeros.Snapshot, m routeros.Menu) error {
	own, others := snapshot.Needed(m.Family(), s.lists.Scope)
	known, again := s.lists.of(m)
	again = again && slices.Equal(known.others, others)
	var entries, brief []routeros.ListEntry
	total, of, err := s.readLists(ctx, m, own, others, &entries, pick(!again, &brief))
	if err != nil {
		return err
	}
	if again && of == known.static {
		brief = known.entries
	} else {
		if again {
			if _, of, err = s.readLists(ctx, m, nil, others, nil, &brief); err != nil {
				return err
			}
		}
		if whole := statics(brief) == of && !slices.ContainsFunc(brief, incomplete); !whole {
			// Some builds lose rows or columns where columns are named (routeros-facts § 1.5); or the
			// list changes right now. Whole rows are what every router tells.
			if brief, err = s.readWhole(ctx, m, others); err != nil {
				return err
			}
			of = statics(brief)
		}
		s.lists.keep(m, knownLists{own, others, brief, of})
	}
	snapshot.PartlyRead = maps.Clone(snapshot.PartlyRead) // a copy of the snapshot keeps its own
	if snapshot.PartlyRead == nil {
		snapshot.PartlyRead = map[routeros.Menu]routeros.ListReading{}
	}
	snapshot.Entries = maps.Clone(snapshot.Entries)
	snapshot.PartlyRead[m] = routeros.ListReading{Lists: sortedNames(own, others), Unread: max(0, total-statics(entries)-statics(brief)), Brief: len(brief)}
	snapshot.Entries[m] = append(entries, brief...)
	return nil
}

func pick(want bool, into *[]routeros.ListEntry) *[]routeros.ListEntry {
	if want {
		return into
	}
	return nil
}

func sortedNames(own, others []string) []string {
	out := slices.Concat(own, others)
	slices.Sort(out)
	return out
}

func incomplete(e routeros.ListEntry) bool { return e.ID == "" || e.List == "" || e.Address == "" }

func statics(entries []routeros.ListEntry) int {
	n := 0
	for i := range entries {
		if !entries[i].Dynamic {
			n++
		}
	}
	return n
}

// readLists reads the own lists with all that there is, and those of others briefly, as far as there
// is room for them; and counts the entries that do not come and go, of the menu and of the others.
func (s *Session) readLists(ctx context.Context, m routeros.Menu, own, others []string, entries, brief *[]routeros.ListEntry) (total, of int, err error) {
	var asks []ask
	for _, c := range countCommands(m, others) {
		asks = append(asks, ask{command: c})
	}
	counts := len(asks)
	if len(own) > 0 && entries != nil {
		asks = append(asks, ask{routeros.Print(m).Where(anyOf(own)...), entries})
	}
	if len(others) > 0 && brief != nil {
		asks = append(asks, ask{routeros.Print(m, briefly()...).Where(anyOf(others)...), brief})
	}
	results, err := s.bulk(ctx, asks)
	if err != nil {
		return 0, 0, err
	}
	numbers := make([]int, 4)
	for i := range counts {
		if numbers[i], err = count(results[i]); err != nil {
			return 0, 0, err
		}
	}
	return numbers[0] - numbers[1], numbers[2] - numbers[3], nil
}

// readWhole reads lists with all columns.
func (s *Session) readWhole(ctx context.Context, m routeros.Menu, lists []string) ([]routeros.ListEntry, error) {
	var out []routeros.ListEntry
	_, err := s.bulk(ctx, []ask{{routeros.Print(m).Where(anyOf(lists)...), &out}})
	return out, err
}

// ask is a command with the place for the entries that it prints; without one, the answer is a
// number.
type ask struct {
	command routeros.Command
	into    *[]routeros.ListEntry
}

// bulk sends commands in one flight, and goes on for as long as rows come.
func (s *Session) bulk(ctx context.Context, asks []ask) ([]Result, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	quiet := time.AfterFunc(s.timeout, func() { end(errTimeout) })
	defer quiet.Stop()
	commands, calls := make([]routeros.Command, len(asks)), make([]*call, len(asks))
	for i, a := range asks {
		commands[i], calls[i] = a.command, &call{done: make(chan struct{})}
		if a.into != nil {
			gather := gatherer(a.into)
			calls[i].take = func(row routeros.Attributes) {
				quiet.Reset(s.timeout)
				gather(row)
			}
		}
	}
	results, err := s.batchFor(ctx, longestReading*s.timeout, commands, calls)
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
	}
	return results, nil
}

// gatherer appends entries to a table. Entries of one list, which usually follow each other, share
// its name.
func gatherer(into *[]routeros.ListEntry) func(routeros.Attributes) {
	list := ""
	return func(row routeros.Attributes) {
		e := routeros.ReadListEntry(row)
		if e.List == list {
			e.List = list
		}
		list = e.List
		*into = append(*into, e)
	}
}

func count(r Result) (int, error) {
	n, err := strconv.Atoi(r.Ret)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the router's number of list entries, %q, can't be read", brief(r.Ret, mostText))
	}
	return n, nil
}
