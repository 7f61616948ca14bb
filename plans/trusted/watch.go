package trusted

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Event is a change of a trusted list.
type Event struct {
	Time  time.Time
	What  Change
	Entry Entry
}

// Change is what happened to an entry.
type Change string

// The changes. Expired is an entry whose time was up; Removed is one that was removed before.
const (
	Added   Change = "added"
	Renewed Change = "renewed"
	Expired Change = "expired"
	Removed Change = "removed"
)

// Listener is a session that reports changes as they happen: *api.Session is one.
type Listener interface {
	Session
	Listen(ctx context.Context, c routeros.Command, each func(routeros.Attributes) error) error
}

// Watch follows the trusted lists of one router over time, across sessions.
type Watch struct {
	mu    sync.Mutex
	doors []Door
	known map[key]held
	begun bool
	now   func() time.Time
}

// key is an entry's place: ids are each family's own.
type key struct {
	family routeros.Family
	id     string
}

// compare orders by family and by age: ids are counted up, in hexadecimal.
func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.family, o.family), cmp.Compare(len(k.id), len(o.id)), strings.Compare(k.id, o.id))
}

// held is an entry with the moment at which it expires.
type held struct {
	Entry
	until time.Time
}

// NewWatch returns a watch that knows nothing yet.
func NewWatch(now func() time.Time) *Watch { return &Watch{known: map[key]held{}, now: now} }

// On reads a router and then reports every change of its trusted lists to each, until the context
// or the session ends. A watch that is used again, after a session was lost, first reports what
// changed meanwhile. Calls of each never overlap. ready is called with the number of entries at the
// beginning.
func (w *Watch) On(ctx context.Context, s Listener, ready func(int), each func(Event) error) error {
	// Listening starts before reading: a change in between is seen twice rather than never.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first []routeros.Attributes
	reading := true
	failed := make(chan error, 2)
	for _, f := range routeros.Families() {
		go func() {
			failed <- s.Listen(ctx, routeros.NewCommand(f.AddressList().Verb("listen")), func(row routeros.Attributes) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				if reading {
					first = append(first, row.With("family", f.String()))
					return nil
				}
				return w.row(f, row, each)
			})
		}()
	}
	ledger, err := Read(ctx, s)
	if err != nil {
		return err
	}
	w.mu.Lock()
	err = w.catchUp(ledger, each)
	for _, row := range first {
		f := routeros.IPv4
		if row.Get("family") == routeros.IPv6.String() {
			f = routeros.IPv6
		}
		if err == nil {
			err = w.row(f, row.Without("family"), each)
		}
	}
	reading = false
	n := len(w.known)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	ready(n)
	return w.wait(ctx, failed)
}

// wait returns why watching ended. A router without IPv6 has only one list to listen to.
func (w *Watch) wait(ctx context.Context, failed <-chan error) error {
	var last error
	for range routeros.Families() {
		select {
		case last = <-failed:
			if last != nil && !missing(last) {
				return last
			}
		case <-ctx.Done():
			return nil
		}
	}
	return last
}

// catchUp reports how the ledger differs from what was known, once something was.
func (w *Watch) catchUp(l Ledger, each func(Event) error) error {
	w.doors = l.Doors
	fresh := map[key]held{}
	for _, e := range l.Entries {
		fresh[key{e.Family, e.ID}] = w.hold(e)
	}
	before := w.known
	w.known = fresh
	if !w.begun {
		w.begun = true
		return nil
	}
	for _, k := range slices.SortedFunc(maps.Keys(before), key.compare) {
		e := before[k]
		if now, still := fresh[k]; !still || now.Address != e.Address || now.In != e.In {
			if err := each(w.gone(e)); err != nil {
				return err
			}
		}
	}
	for _, entry := range l.Entries {
		k := key{entry.Family, entry.ID}
		e := fresh[k]
		was, known := before[k]
		if known = known && was.Address == e.Address && was.In == e.In; !known {
			if err := each(Event{w.now(), Added, e.Entry}); err != nil {
				return err
			}
		} else if e.until.Sub(was.until) > slack {
			if err := each(Event{w.now(), Renewed, e.Entry}); err != nil {
				return err
			}
		}
	}
	return nil
}

// slack is how much two readings of a remaining time may differ.
const slack = 3 * time.Second

func (w *Watch) hold(e Entry) held {
	h := held{Entry: e}
	if e.Expires {
		h.until = w.now().Add(e.ExpiresIn)
	}
	return h
}

func (w *Watch) gone(e held) Event {
	now := w.now()
	what := Removed
	if e.Expires && e.until.Sub(now) < slack {
		what = Expired
	}
	e.ExpiresIn = 0
	return Event{now, what, e.Entry}
}

// row is one sentence of a listen. A removal carries only the id, and .dead as true or yes
// (routeros-facts § 1.4).
func (w *Watch) row(f routeros.Family, row routeros.Attributes, each func(Event) error) error {
	k := key{f, row.Get(".id")}
	was, known := w.known[k]
	if dead := row.Get(".dead"); dead == "true" || dead == "yes" {
		if !known {
			return nil
		}
		delete(w.known, k)
		return each(w.gone(was))
	}
	e := routeros.ReadListEntry(row)
	at := slices.IndexFunc(w.doors, func(d Door) bool { return d.Family == f && slices.Contains(d.Lists(), e.List) })
	if e.Disabled || at < 0 {
		if known { // moved to another list, or switched off
			delete(w.known, k)
			return each(w.gone(was))
		}
		return nil
	}
	now := w.hold(entry(w.doors[at], e))
	w.known[k] = now
	switch {
	case !known:
		return each(Event{w.now(), Added, now.Entry})
	case was.Expires != now.Expires, now.until.Sub(was.until) > slack:
		return each(Event{w.now(), Renewed, now.Entry})
	}
	return nil
}
