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

// OwnAddressError says that a revocation would hit the operator's own session.
type OwnAddressError struct{ Address netip.Addr }

// Error implements error.
func (e *OwnAddressError) Error() string {
	return fmt.Sprintf("%s is where this session comes from: revoke it from elsewhere, or accept with --accept-risk=lose-session", e.Address)
}

// Add puts an address on a door's trusted list for a time; zero means until it is removed. An
// existing entry gets the new time; the result says whether there was one. The comment must not
// look like a mark.
func Add(ctx context.Context, s Session, d Door, address routeros.AddressRange, timeout time.Duration, comment string) (existed bool, err error) {
	if _, marked := routeros.FindMark(comment); marked {
		return false, fmt.Errorf("the comment %q looks like a mark of rosknock: choose another", comment)
	}
	if timeout > routeros.MaxListTimeout {
		return false, fmt.Errorf("%s is too long: the router accepts at most %s", routeros.FormatDuration(timeout), routeros.FormatDuration(routeros.MaxListTimeout))
	}
	have, err := find(ctx, s, d, address)
	if err != nil {
		return false, err
	}
	if have != nil {
		return true, renew(ctx, s, d, *have, timeout)
	}
	c := routeros.NewCommand(d.Family.AddressList().Verb("add"), "list", d.List, "address", address.String())
	if timeout > 0 {
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "timeout", Value: routeros.FormatDuration(timeout)})
	}
	if comment != "" {
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "comment", Value: comment})
	}
	_, err = s.Run(ctx, c)
	return false, err
}

func find(ctx context.Context, s Session, d Door, address routeros.AddressRange) (*routeros.ListEntry, error) {
	reply, err := s.Run(ctx, routeros.Print(d.Family.AddressList()).Where("list="+d.List))
	if err != nil {
		return nil, err
	}
	for _, row := range reply.Rows {
		e := routeros.ReadListEntry(row)
		if r, ok := e.Range(); ok && r == address && !e.Disabled {
			return &e, nil
		}
	}
	return nil, nil //nolint:nilnil // no entry is no error
}

// renew gives an entry a new time-out. A static entry stays: it lasts longer than any time.
func renew(ctx context.Context, s Session, d Door, e routeros.ListEntry, timeout time.Duration) error {
	switch {
	case !e.Dynamic:
		return nil
	case timeout == 0:
		return fmt.Errorf("%s is already listed for another %s, and an entry with a time-out can't be made permanent: revoke it first", e.Address, routeros.FormatDuration(e.Timeout))
	}
	_, err := s.Run(ctx, routeros.NewCommand(d.Family.AddressList().Verb("set"), ".id", e.ID, "timeout", routeros.FormatDuration(timeout)))
	return err
}

// Revocation is the result of a revocation.
type Revocation struct {
	Entries     int // list entries removed, those of stages and of the quarantine included
	Connections int // connections cut
	// Left says what still lets the address in, one sentence each.
	Left []string
}

// mostRounds bounds how often the router is read again: somebody who keeps knocking can't keep us
// busy.
const mostRounds = 4

// Revoke removes an address from the trusted list of every door and from their stage lists, from
// which one more knock would bring it back. Then it removes the address from their quarantines:
// this is as if it had never knocked, and helps somebody who was caught. Then it cuts the address's
// connections, reads the router again and says what is left. Entries that cover more than this
// address are left alone and reported. The operator's own address is refused with an
// *[OwnAddressError] unless own is true.
func Revoke(ctx context.Context, s Session, l Ledger, address netip.Addr, own bool) (Revocation, error) {
	if !own && slices.Contains(l.Own, address) {
		return Revocation{}, &OwnAddressError{address}
	}
	f := routeros.IPv4
	if address.Is6() {
		f = routeros.IPv6
	}
	var done Revocation
	for range mostRounds {
		hits, wider, err := listed(ctx, s, l.lists(f), f, address)
		if err != nil {
			return done, err
		}
		done.Left = wider
		if len(hits) == 0 {
			break
		}
		n, err := remove(ctx, s, f.AddressList(), hits)
		done.Entries += n
		if err != nil {
			return done, err
		}
	}
	return cut(ctx, s, l, f, address, done)
}

// lists returns the lists of a family's doors, those of the stages first: a source that is removed
// from the trusted list while it is in the list of the last stage needs only one knock to return.
// The quarantines come last, since until then they keep it from advancing.
func (l Ledger) lists(f routeros.Family) []string {
	var stages, trusted, quarantines []string
	for _, d := range l.Doors {
		if d.Family != f {
			continue
		}
		stages = append(stages, d.Stages...)
		trusted = append(trusted, d.List)
		if d.Quarantine != "" {
			quarantines = append(quarantines, d.Quarantine)
		}
	}
	return slices.Concat(stages, trusted, quarantines)
}

// listed finds the entries for exactly the address, in the order of the lists, and describes those
// that cover it with others.
func listed(ctx context.Context, s Session, lists []string, f routeros.Family, address netip.Addr) (ids, wider []string, err error) {
	commands := make([]routeros.Command, len(lists))
	for i, list := range lists {
		commands[i] = routeros.Print(f.AddressList()).Where("list=" + list)
	}
	if len(commands) == 0 {
		return nil, nil, nil
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range results {
		if r.Err != nil {
			return nil, nil, r.Err
		}
		for _, row := range r.Rows {
			e := routeros.ReadListEntry(row)
			covers, ok := e.Range()
			switch {
			case e.Disabled || !ok || !covers.Contains(address):
			case covers.First == covers.Last:
				ids = append(ids, e.ID)
			default:
				wider = append(wider, fmt.Sprintf("the entry %s of the list %s covers it together with other addresses", e.Address, e.List))
			}
		}
	}
	return ids, wider, nil
}

// remove removes rows one by one; a row that has expired meanwhile counts as removed.
func remove(ctx context.Context, s Session, menu routeros.Menu, ids []string) (int, error) {
	commands := make([]routeros.Command, len(ids))
	for i, id := range ids {
		commands[i] = routeros.NewCommand(menu.Verb("remove"), ".id", id)
	}
	if len(commands) == 0 {
		return 0, nil
	}
	results, err := s.Batch(ctx, commands)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, r := range results {
		var trap *api.TrapError
		switch {
		case errors.As(r.Err, &trap) && trap.NoSuchItem():
		case r.Err != nil:
			return n, r.Err
		default:
			n++
		}
	}
	return n, nil
}

// cut removes the address's connections and reports those that are left. A connection that the
// router picks up again in mid-stream returns
func cut(ctx context.Context, s Session, l Ledger, f routeros.Family, address netip.Addr, done Revocation) (Revocation, error) {
	found, _, err := connections(ctx, s, f, address)
	if err != nil {
		return done, err
	}
	if done.Connections, err = remove(ctx, s, f.Connection(), found); err != nil {
		return done, err
	}
	again, blank, err := connections(ctx, s, f, address)
	if err != nil {
		return done, err
	}
	if len(again) > 0 {
		done.Left = append(done.Left, fmt.Sprintf("connections that are open again: %d", len(again)))
	}
	if blank > 0 {
		done.Left = append(done.Left, fmt.Sprintf("connections whose source the router does not show: %d; some may be from this address", blank))
	}
	hits, _, err := listed(ctx, s, l.lists(f), f, address)
	if err != nil {
		return done, err
	}
	if len(hits) > 0 {
		done.Left = append(done.Left, fmt.Sprintf("list entries that came back: %d; the address keeps knocking", len(hits)))
	}
	return sessions(ctx, s, address, done)
}

// connections lists the ids of the connections that the address opened. Ports stand with the
// address or in a column of their own (routeros-facts § 7). blank is how many rows tell no address.
func connections(ctx context.Context, s Session, f routeros.Family, address netip.Addr) (ids []string, blank int, err error) {
	rows, err := connectionRows(ctx, s, f, ".id", "src-address")
	for _, row := range rows {
		switch from := source(row.Get("src-address")); {
		case !from.IsValid() || row.Get(".id") == "":
			blank++
		case from.Unmap() == address:
			ids = append(ids, row.Get(".id"))
		}
	}
	return ids, blank, err
}

// connectionRows reads columns of the table of connections. Some versions answer with empty rows
// when columns are named (routeros-facts § 1.5): then the rows are read again, in full.
func connectionRows(ctx context.Context, s Session, f routeros.Family, names ...string) ([]routeros.Attributes, error) {
	reply, err := s.Run(ctx, routeros.Print(f.Connection(), names...))
	if err == nil && slices.ContainsFunc(reply.Rows, func(row routeros.Attributes) bool { return lacks(row, names) }) {
		reply, err = s.Run(ctx, routeros.Print(f.Connection()))
	}
	if missing(err) {
		return nil, nil
	}
	return reply.Rows, err
}

func lacks(row routeros.Attributes, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return row.Get(name) == "" })
}

func source(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr()
	}
	a, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return a
}

// sessions reports who is logged in on the router from the address. Ending a session needs a policy
// that a provisioning user lacks, and works differently from version to version (routeros-facts §
// 7).
func sessions(ctx context.Context, s Session, address netip.Addr, done Revocation) (Revocation, error) {
	reply, err := s.Run(ctx, routeros.Print(routeros.UserActive))
	if err != nil {
		if _, refused := errors.AsType[*api.TrapError](err); refused {
			return done, nil
		}
		return done, err
	}
	for _, row := range reply.Rows {
		if source(row.Get("address")) == address {
			done.Left = append(done.Left, fmt.Sprintf("the user %q is logged in from it over %s", row.Get("name"), row.Get("via")))
		}
	}
	return done, nil
}
