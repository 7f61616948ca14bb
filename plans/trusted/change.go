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

// NoNetworksError says that a door takes no whole networks.
type NoNetworksError struct {
	Door    Door
	Network routeros.AddressRange
}

// Error implements error.
func (e *NoNetworksError) Error() string {
	return fmt.Sprintf("door %s/%s takes single addresses only, and %s is a network: in the list %s, a knock from inside would extend the whole network; "+
		"write networks: %s-networks under doors.%s.trusted of the plan and apply it, or put the network under allow.addresses",
		e.Door.Plan, e.Door.Name, e.Network, e.Door.List, e.Door.List, e.Door.Name)
}

// Add puts an address on a door's trusted list for a time; zero means until it is removed. More
// than one address goes into the door's list of networks; a door without one gives a
// *[NoNetworksError]. An existing entry gets the new time; the result says whether there was one.
// The comment must not look like a mark.
func Add(ctx context.Context, s Session, d Door, address routeros.AddressRange, timeout time.Duration, comment string) (existed bool, err error) {
	if _, marked := routeros.FindMark(comment); marked {
		return false, fmt.Errorf("the comment %q looks like a mark of rosknock: choose another", comment)
	}
	if timeout > routeros.MaxListTimeout {
		return false, fmt.Errorf("%s is too long: the router accepts at most %s", routeros.FormatDuration(timeout), routeros.FormatDuration(routeros.MaxListTimeout))
	}
	list := d.List
	if address.First != address.Last {
		if list = d.Networks; list == "" {
			return false, &NoNetworksError{d, address}
		}
	}
	have, err := find(ctx, s, d.Family, list, address)
	if err != nil {
		return false, err
	}
	if have != nil {
		return true, renew(ctx, s, d, *have, timeout)
	}
	c := routeros.NewCommand(d.Family.AddressList().Verb("add"), "list", list, "address", address.String())
	if timeout > 0 {
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "timeout", Value: routeros.FormatDuration(timeout)})
	}
	if comment != "" {
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "comment", Value: comment})
	}
	_, err = s.Run(ctx, c)
	return false, err
}

func find(ctx context.Context, s Session, f routeros.Family, list string, address routeros.AddressRange) (*routeros.ListEntry, error) {
	reply, err := s.Run(ctx, routeros.Print(f.AddressList()).Where("list="+list))
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

// Revoke removes an address, or all addresses of a network, from the lists that every door lets in
// and from their stage lists, from which one more knock would bring them back. Then it removes them
// from their quarantines: this is as if they had never knocked, and helps somebody who was caught.
// Then it cuts their connections, reads the router again and says what is left. Entries that cover
// more than what is revoked are left alone and reported. The operator's own address is refused with
// an *[OwnAddressError] unless own is true.
func Revoke(ctx context.Context, s Session, l Ledger, address routeros.AddressRange, own bool) (Revocation, error) {
	if at := slices.IndexFunc(l.Own, address.Contains); at >= 0 && !own {
		return Revocation{}, &OwnAddressError{l.Own[at]}
	}
	f := address.Family()
	var done Revocation
	for range mostRounds {
		hits, wider, err := listed(ctx, s, l, f, address)
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
		trusted = append(trusted, d.Lists()...)
		if d.Quarantine != "" {
			quarantines = append(quarantines, d.Quarantine)
		}
	}
	return slices.Concat(stages, trusted, quarantines)
}

// letsIn reports whether a door of a family lets in the members of a list.
func (l Ledger) letsIn(f routeros.Family, list string) bool {
	return slices.ContainsFunc(l.Doors, func(d Door) bool { return d.Family == f && slices.Contains(d.Lists(), list) })
}

// listed finds the entries for nothing but what is revoked, in the order of the lists, and describes
// those that cover more.
func listed(ctx context.Context, s Session, l Ledger, f routeros.Family, address routeros.AddressRange) (ids, wider []string, err error) {
	lists := l.lists(f)
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
			case e.Disabled || !ok || !covers.Overlaps(address):
			case address.Contains(covers.First) && address.Contains(covers.Last):
				ids = append(ids, e.ID)
			default:
				text := fmt.Sprintf("the entry %s of the list %s covers it together with other addresses", e.Address, e.List)
				if l.letsIn(f, e.List) {
					text += ", and still lets it in: revoke " + e.Address + " too"
				}
				wider = append(wider, text)
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

// cut removes the connections of what is revoked and reports those that are left. A connection that
// the router picks up again in mid-stream returns.
func cut(ctx context.Context, s Session, l Ledger, f routeros.Family, address routeros.AddressRange, done Revocation) (Revocation, error) {
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
	hits, _, err := listed(ctx, s, l, f, address)
	if err != nil {
		return done, err
	}
	if len(hits) > 0 {
		done.Left = append(done.Left, fmt.Sprintf("list entries that came back: %d; the address keeps knocking", len(hits)))
	}
	return sessions(ctx, s, address, done)
}

// connections lists the ids of the connections that the addresses opened. Ports stand with the
// address or in a column of their own (routeros-facts § 7). blank is how many rows tell no address.
func connections(ctx context.Context, s Session, f routeros.Family, address routeros.AddressRange) (ids []string, blank int, err error) {
	rows, err := connectionRows(ctx, s, f, ".id", "src-address")
	for _, row := range rows {
		switch from := source(row.Get("src-address")); {
		case !from.IsValid() || row.Get(".id") == "":
			blank++
		case address.Contains(from.Unmap()):
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
func sessions(ctx context.Context, s Session, address routeros.AddressRange, done Revocation) (Revocation, error) {
	reply, err := s.Run(ctx, routeros.Print(routeros.UserActive))
	if err != nil {
		if _, refused := errors.AsType[*api.TrapError](err); refused {
			return done, nil
		}
		return done, err
	}
	for _, row := range reply.Rows {
		if from := source(row.Get("address")); from.IsValid() && address.Contains(from.Unmap()) {
			done.Left = append(done.Left, fmt.Sprintf("the user %q is logged in from it over %s", row.Get("name"), row.Get("via")))
		}
	}
	return done, nil
}
