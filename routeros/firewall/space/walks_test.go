package space_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// changed draws a state in which one row of a table is another one, stands elsewhere, is new or
// gone. All others are those of the state before.
func changed(t *rapid.T, before routeros.Snapshot, id int) routeros.Snapshot {
	menu := rapid.SampledFrom([]routeros.Menu{routeros.Raw, routeros.NAT, routeros.Filter}).Draw(t, "menu")
	base := map[routeros.Menu]string{routeros.Raw: "prerouting", routeros.NAT: "dstnat", routeros.Filter: "input"}[menu]
	rows := slices.Clone(before.Rules[menu])
	at := rapid.IntRange(0, len(rows)).Draw(t, "at")
	switch how := rapid.IntRange(0, 3).Draw(t, "how"); {
	case how == 0 || len(rows) == 0:
		rows = slices.Insert(rows, at, rule(t, id, menu, base))
	case how == 1:
		rows = slices.Delete(rows, at%len(rows), at%len(rows)+1)
	case how == 2:
		r := rows[at%len(rows)]
		rows = slices.Delete(rows, at%len(rows), at%len(rows)+1)
		rows = slices.Insert(rows, rapid.IntRange(0, len(rows)).Draw(t, "to"), r)
	default:
		r := &rows[at%len(rows)]
		r.Attrs = r.Attrs.With("disabled", pick(t, "disabled", "yes", "no"))
	}
	before.Rules = maps.Clone(before.Rules)
	before.Rules[menu] = rows
	return before
}

// TestWalks: what a walk finds does not depend on the walks before it, though they share what their
// states have in common; and a walk of some packets finds what that of all finds of these.
func TestWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		states := []routeros.Snapshot{state(t)}
		for i := range rapid.IntRange(1, 5).Draw(t, "changes") {
			states = append(states, changed(t, states[i], 0x500+i))
		}
		classes := space.New(routeros.IPv4, space.Cuts{}, states...)
		part := classes.Or(classes.Protocol(6), classes.In("bridge"))
		var narrow, whole []space.Result
		for _, s := range states {
			narrow = append(narrow, classes.Walk(s, part))
		}
		for _, s := range states {
			whole = append(whole, classes.Walk(s))
		}
		for i := range states {
			if classes.And(whole[i].Accepted, part) != narrow[i].Accepted || classes.And(whole[i].Forwarded, part) != narrow[i].Forwarded {
				t.Fatalf("a walk of some packets finds others than that of all, in\n%s", show(states[i]))
			}
		}
		for i, s := range states {
			classes.Forget()
			alone := classes.Walk(s)
			if whole[i].Accepted != alone.Accepted || whole[i].Forwarded != alone.Forwarded {
				t.Fatalf("after other walks other packets are let in, in\n%s", show(s))
			}
			for menu, rows := range s.Rules {
				for row := range rows {
					if whole[i].Hits(menu, row) != alone.Hits(menu, row) {
						t.Fatalf("after other walks other packets meet %s, in\n%s", rows[row].Describe(), show(s))
					}
				}
			}
		}
	})
}
