// Package trusted is the ledger of the sources that a router's doors let in: who is listed, until
// when, and how to add or revoke an address. Doors are found on the router itself, by the marks of
// their rules, so no plan is needed. All decisions are made from values; the session is only used
// to read and write. Nothing but address-list entries and connections is ever changed.
//
//	ledger, err := trusted.Read(ctx, session)
//	left, err := trusted.Revoke(ctx, session, ledger, address)
package trusted

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Session is what is needed of a router: *api.Session has it.
type Session interface {
	Run(ctx context.Context, c routeros.Command) (api.Reply, error)
	Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error)
}

// Door is a door as it stands on a router, in one family.
type Door struct {
	Family routeros.Family
	Plan   string
	Name   string
	// List is the trusted list, Stages are the lists of sources in the middle of a knock,
	// Quarantine is the list of sources with a wrong knock, "" if the door has none.
	List       string
	Stages     []string
	Quarantine string
	// Networks is the list of whole networks that are let in by hand, "" if the door has none.
	Networks string
}

// Lists are the lists whose members the door lets in.
func (d Door) Lists() []string {
	if d.Networks == "" {
		return []string{d.List}
	}
	return []string{d.List, d.Networks}
}

// Entry is one row of a list that a door lets in.
type Entry struct {
	Door
	// In is the list that holds it: one of the door's Lists.
	In      string
	ID      string
	Address string
	Comment string
	// Since is the router's own text.
	Since string
	// ExpiresIn is the time left, when Expires.
	ExpiresIn time.Duration
	Expires   bool
	Kind      Kind
	// Age is for how long it exists, by the router's clock, if Aged.
	Age  time.Duration
	Aged bool
	// Connections is how many it has open, when Counted.
	Connections int
	Counted     bool
}

// Kind says how an entry was made.
type Kind string

// The kinds. Timed is an entry with a time-out that carries our mark or a comment: somebody added
// it; rules leave no comment (routeros-facts § 13).
const (
	Knocked Kind = "knocked"
	Timed   Kind = "timed"
	Static  Kind = "static"
	DNS     Kind = "dns"
)

// Ledger is the doors of a router and who is listed at them.
type Ledger struct {
	Doors   []Door
	Entries []Entry
	// Serial tells the box, see [routeros.ReadSerial].
	Serial string
	// Own are the addresses from which the user of this session is logged in.
	Own []netip.Addr
}

// Read finds the doors of a router and reads the lists that they let in; other lists are not fetched,
// however long they are.
func Read(ctx context.Context, s Session) (Ledger, error) {
	var ledger Ledger
	var commands []routeros.Command
	for _, f := range routeros.Families() {
		commands = append(commands, routeros.Print(f.Filter()))
	}
	commands = append(commands, routeros.Print(routeros.UserActive), routeros.Print(routeros.Clock))
	for _, menu := range routeros.SerialMenus() {
		commands = append(commands, routeros.Print(menu))
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return Ledger{}, err
	}
	for i, f := range routeros.Families() {
		rows, err := rowsOf(results[i], f == routeros.IPv4)
		if err != nil {
			return Ledger{}, err
		}
		ledger.Doors = append(ledger.Doors, Doors(f, rules(rows))...)
	}
	for _, row := range results[2].Rows {
		if a, err := netip.ParseAddr(row.Get("address")); err == nil && strings.HasPrefix(row.Get("via"), "api") {
			ledger.Own = append(ledger.Own, a)
		}
	}
	ledger.Serial, err = api.Serial(results[4:])
	if _, untold := errors.AsType[*api.SerialUntoldError](err); err != nil && !untold {
		return Ledger{}, err
	}
	ledger.Entries, err = entries(ctx, s, ledger.Doors)
	if rows := results[3].Rows; len(rows) > 0 {
		clock, _ := routeros.ReadClock(rows[0])
		for i := range ledger.Entries {
			e := &ledger.Entries[i]
			e.Age, e.Aged = age(clock, e.Since)
		}
	}
	return ledger, err
}

// rowsOf returns a result's rows; a menu that the router doesn't have is empty unless it is needed.
func rowsOf(r api.Result, needed bool) ([]routeros.Attributes, error) {
	if missing(r.Err) && !needed {
		return nil, nil
	}
	return r.Rows, r.Err
}

// missing reports whether a router lacks a menu.
func missing(err error) bool {
	_, is := errors.AsType[*api.UnknownMenuError](err)
	return is
}

func rules(rows []routeros.Attributes) []routeros.Rule {
	out := make([]routeros.Rule, len(rows))
	for i, row := range rows {
		out[i] = routeros.ReadRule(row)
	}
	return out
}

// Doors finds the doors among the rules of one filter table: stage rules fill lists, and the list
// that an open rule accepts is the trusted one; that of networks has a rule of its own; rules for
// stages out of order and decoys fill the quarantine. A disabled door counts too.
func Doors(f routeros.Family, table []routeros.Rule) []Door {
	var doors []Door
	at := func(plan, name string) *Door {
		for i := range doors {
			if doors[i].Plan == plan && doors[i].Name == name {
				return &doors[i]
			}
		}
		doors = append(doors, Door{Family: f, Plan: plan, Name: name})
		return &doors[len(doors)-1]
	}
	for _, r := range table {
		mark, ok := r.Mark()
		name, part, inDoor := strings.Cut(mark.Slot, "/")
		if !ok || r.Dynamic || !inDoor {
			continue
		}
		switch {
		case strings.HasPrefix(part, "open"):
			at(mark.Plan, name).List = r.Attrs.Get("src-address-list")
		case strings.HasPrefix(part, "networks"):
			at(mark.Plan, name).Networks = r.Attrs.Get("src-address-list")
		case strings.HasPrefix(part, "forward-") && r.Attrs.Has("src-address-list"): // of a door that opens forwards only
			if door, networks := strings.CutSuffix(name, ".networks"); networks {
				at(mark.Plan, door).Networks = r.Attrs.Get("src-address-list")
			} else {
				at(mark.Plan, door).List = r.Attrs.Get("src-address-list")
			}
		case strings.HasPrefix(part, "stage-"):
			d := at(mark.Plan, name)
			if list := r.Attrs.Get("address-list"); !slices.Contains(d.Stages, list) {
				d.Stages = append(d.Stages, list)
			}
		case strings.HasPrefix(part, "quarantine-"), strings.HasPrefix(part, "decoy-"):
			at(mark.Plan, name).Quarantine = r.Attrs.Get("address-list")
		}
	}
	for i := range doors {
		doors[i].Stages = slices.DeleteFunc(doors[i].Stages, func(list string) bool { return list == doors[i].List })
	}
	return slices.DeleteFunc(doors, func(d Door) bool { return d.List == "" })
}

func entries(ctx context.Context, s Session, doors []Door) ([]Entry, error) {
	var commands []routeros.Command
	var of []Door // of each command
	for _, d := range doors {
		for _, list := range d.Lists() {
			commands, of = append(commands, routeros.Print(d.Family.AddressList()).Where("list="+list)), append(of, d)
		}
	}
	if len(commands) == 0 {
		return nil, nil
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for i, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		for _, row := range r.Rows {
			if e := routeros.ReadListEntry(row); !e.Disabled {
				out = append(out, entry(of[i], e))
			}
		}
	}
	return out, nil
}

func entry(d Door, e routeros.ListEntry) Entry {
	kind := Static
	_, isAddress := e.Range()
	switch {
	case !isAddress:
		kind = DNS
	case e.Dynamic && e.Comment == "":
		kind = Knocked
	case e.Dynamic && e.Timed:
		kind = Timed
	case e.Dynamic:
		kind = DNS
	}
	return Entry{Door: d, In: e.List, ID: e.ID, Address: e.Address, Comment: e.Comment, Since: e.Created, ExpiresIn: e.Timeout, Expires: e.Timed, Kind: kind}
}

// Choose returns the doors of a name, DOOR or PLAN/DOOR, in the families of the address; an empty
// name means the only door there is.
func (l Ledger) Choose(name string, f routeros.Family) (Door, error) {
	var found []Door
	var names []string
	for _, d := range l.Doors {
		full := d.Plan + "/" + d.Name
		if d.Family == f && (name == "" || name == d.Name || name == full) {
			found = append(found, d)
		}
		if !slices.Contains(names, full) {
			names = append(names, full)
		}
	}
	switch {
	case len(l.Doors) == 0:
		return Door{}, errors.New("the router has no door: apply a plan first")
	case len(found) == 0:
		return Door{}, fmt.Errorf("no door %q for %s: the router has %s", name, f, strings.Join(names, ", "))
	case len(found) > 1:
		return Door{}, fmt.Errorf("several doors are possible: name one of %s with --door", strings.Join(names, ", "))
	}
	return found[0], nil
}
