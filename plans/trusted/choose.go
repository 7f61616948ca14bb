package trusted

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Filter selects entries. A zero field selects all.
type Filter struct {
	// OlderThan selects entries that exist for longer. An entry without a known beginning does not
	// match.
	OlderThan time.Duration
	// ExpiresWithin selects entries that expire within a time. Permanent entries do not match.
	ExpiresWithin time.Duration
	// Address selects entries that overlap a prefix. Names that are resolved do not match.
	Address netip.Prefix
	// Door is DOOR or PLAN/DOOR.
	Door string
}

// Choose returns the entries that fit.
func (f Filter) Choose(entries []Entry) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !f.fits(e) })
}

func (f Filter) fits(e Entry) bool {
	switch {
	case f.OlderThan > 0 && (!e.Aged || e.Age <= f.OlderThan),
		f.ExpiresWithin > 0 && (!e.Expires || e.ExpiresIn > f.ExpiresWithin),
		f.Door != "" && f.Door != e.Name && f.Door != e.Plan+"/"+e.Name:
		return false
	case !f.Address.IsValid():
		return true
	}
	r, err := routeros.ParseAddressRange(e.Address)
	return err == nil && (r.Contains(f.Address.Masked().Addr()) || f.Address.Contains(r.First))
}

// mostConnections is the largest table of connections that is read just for display: 100 bytes
// each.
const mostConnections = 50_000

// Count fills in how many connections each entry has open. The router can't filter them by address,
// since it prints the port with it (routeros-facts § 7), so all are read, unless there are too
// many: then, and on a router that does not show them, they stay unknown.
func (l *Ledger) Count(ctx context.Context, s Session) error {
	if len(l.Entries) == 0 {
		return nil
	}
	var sizes []routeros.Command
	for _, f := range routeros.Families() {
		c := routeros.NewCommand(f.Connection().Verb("print"))
		c.Attrs = routeros.Attributes{{Name: "count-only"}}
		sizes = append(sizes, c)
	}
	results, err := s.Batch(ctx, sizes)
	if err != nil {
		return err
	}
	for i, f := range routeros.Families() {
		n, err := strconv.Atoi(results[i].Ret)
		if results[i].Err != nil || err != nil || n > mostConnections || !slices.ContainsFunc(l.Entries, func(e Entry) bool { return e.Family == f }) {
			continue
		}
		rows, err := connectionRows(ctx, s, f, "src-address")
		if err != nil {
			if _, refused := err.(*api.TrapError); refused { //nolint:errorlint // anything else is the session's
				continue
			}
			return err
		}
		if !slices.ContainsFunc(rows, func(row routeros.Attributes) bool { return !source(row.Get("src-address")).IsValid() }) {
			l.count(f, rows)
		}
	}
	return nil
}

// count adds up connections by entry.
func (l *Ledger) count(f routeros.Family, rows []routeros.Attributes) {
	open := map[netip.Addr]int{}
	for _, row := range rows {
		open[source(row.Get("src-address"))]++
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		r, err := routeros.ParseAddressRange(e.Address)
		if e.Family != f || err != nil {
			continue
		}
		e.Connections, e.Counted = 0, true
		if r.First == r.Last {
			e.Connections = open[r.First]
			continue
		}
		for a, n := range open {
			if r.Contains(a) {
				e.Connections += n
			}
		}
	}
}

// age is for how long an entry exists, by the router's own clock.
func age(clock time.Time, created string) (time.Duration, bool) {
	then, ok := routeros.ParseMoment(created, clock)
	if !ok || clock.IsZero() || then.After(clock) {
		return 0, false
	}
	return clock.Sub(then), true
}
