package diff

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// TestLongestIncreasing holds the run against every subset of short lists.
func TestLongestIncreasing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfNDistinct(rapid.IntRange(0, 40), 0, 10, rapid.ID[int]).Draw(t, "values")
		run := longestIncreasing(values)
		for i := 1; i < len(run); i++ {
			if run[i-1] >= run[i] || values[run[i-1]] >= values[run[i]] {
				t.Fatalf("%v: %v is no increasing run", values, run)
			}
		}
		best := 0
		for mask := range 1 << len(values) {
			best = max(best, increasing(values, mask))
		}
		if len(run) != best {
			t.Fatalf("%v: run of %d, the longest has %d", values, len(run), best)
		}
	})
}

// increasing returns the length of the subset, or 0 when it does not increase.
func increasing(values []int, mask int) int {
	n, last := 0, -1
	for i, v := range values {
		if mask&(1<<i) == 0 {
			continue
		}
		if v <= last {
			return 0
		}
		n, last = n+1, v
	}
	return n
}

// wanted is a small rule set with stages, accepts and a drop, and with doors that have chains of
// their own.
func wanted(layout plans.Layout, ports []int, doors ...string) compile.RuleSet {
	rule := func(slot string, pairs ...string) routeros.Rule {
		return routeros.NewRule(append(pairs, "comment", routeros.Mark{Plan: "p", Slot: slot}.Comment("x"))...)
	}
	rules := []routeros.Rule{rule("established", "action", "accept", "connection-state", "established,related,untracked")}
	for i, port := range ports {
		rules = append(rules, rule(fmt.Sprintf("d/stage-%d", len(ports)-i), "action", "add-src-to-address-list", "address-list", fmt.Sprintf("l_%d", i),
			"address-list-timeout", "1m", "protocol", "tcp", "dst-port", fmt.Sprint(port)))
	}
	var chains []compile.Chain
	for _, name := range doors {
		rules = append(rules, rule(name+"/jump", "action", "jump", "jump-target", name, "src-address-list", "!q"))
		chain := compile.Chain{Name: name}
		for i, port := range ports {
			chain.Rules = append(chain.Rules, rule(fmt.Sprintf("%s/quarantine-%d", name, i), "action", "add-src-to-address-list", "address-list", "q",
				"address-list-timeout", "1m", "protocol", "udp", "dst-port", fmt.Sprint(port)))
		}
		chains = append(chains, chain)
	}
	rules = append(rules,
		rule("d/open", "action", "accept", "src-address-list", "trusted"),
		rule("gate/tcp", "action", "drop", "protocol", "tcp", "dst-port", "22"))
	return compile.RuleSet{Plan: "p", Layout: layout, Tables: []compile.Table{{Family: routeros.IPv4, Menu: routeros.Filter, Rules: rules, Chains: chains}}}
}

// foreignTable draws a table of other people's rules; the first dynamic rows are the router's own.
func foreignTable(t *rapid.T) []routeros.Rule {
	var rows []routeros.Rule
	if rapid.Bool().Draw(t, "dummy") {
		rows = append(rows, routeros.Rule{ID: "*D", Dynamic: true, Attrs: routeros.MakeAttributes("chain", "forward", "action", "passthrough")})
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "foreign") {
		chain := rapid.SampledFrom([]string{"input", "forward", "guest"}).Draw(t, "chain")
		comment := rapid.SampledFrom([]string{"", "defconf: drop invalid", "see [rosknock p/gate/tcp] above", "\xe9t\xe9"}).Draw(t, "comment")
		rows = append(rows, routeros.Rule{ID: fmt.Sprintf("*%X", i+0x20), Attrs: routeros.MakeAttributes("chain", chain, "action", "accept", "protocol", "udp", "comment", comment)})
	}
	return rows
}

// drift does to our own rows what people and interrupted runs do.
func drift(t *rapid.T, s routeros.Snapshot) routeros.Snapshot {
	rows := slices.Clone(s.Rules[routeros.Filter])
	for range rapid.IntRange(0, 6).Draw(t, "drifts") {
		var ours []int
		for i, r := range rows {
			if _, ok := change.Owned(r, "p"); ok {
				ours = append(ours, i)
			}
		}
		if len(ours) == 0 {
			break
		}
		at := rapid.SampledFrom(ours).Draw(t, "row")
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			rows[at].Attrs = rows[at].Attrs.With("disabled", "yes")
		case 1:
			rows[at].Attrs = rows[at].Attrs.With("dst-port", "9")
		case 2:
			rows = slices.Delete(rows, at, at+1)
		case 3:
			twin := rows[at]
			twin.ID = fresh(rows)
			rows = slices.Insert(rows, rapid.IntRange(firstStatic(rows), len(rows)).Draw(t, "to"), twin)
		case 4:
			row := rows[at]
			rows = slices.Delete(rows, at, at+1)
			rows = slices.Insert(rows, rapid.IntRange(firstStatic(rows), len(rows)).Draw(t, "to"), row)
		default:
			rows[at].Attrs = rows[at].Attrs.Without("protocol")
		}
	}
	s.Rules = map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}
	return s
}

// fresh returns an id that no row has.
func fresh(rows []routeros.Rule) string {
	for next := 0x90000; ; next++ {
		id := fmt.Sprintf("*%X", next)
		if !slices.ContainsFunc(rows, func(r routeros.Rule) bool { return r.ID == id }) {
			return id
		}
	}
}

func firstStatic(rows []routeros.Rule) int {
	if len(rows) > 0 && rows[0].Dynamic {
		return 1
	}
	return 0
}

// forwarded draws the part of a rule set that stands in forward, mostly none.
func forwarded(t *rapid.T, rows []routeros.Rule) compile.Forwarding {
	var f compile.Forwarding
	var drops []routeros.Rule
	for i := range rapid.IntRange(-2, 2).Draw(t, "forwards") + 1 {
		mark := func(slot string) string { return routeros.Mark{Plan: "p", Slot: slot}.Comment("x") }
		port := fmt.Sprint(rapid.IntRange(80, 82).Draw(t, "to"))
		f.Filter = append(f.Filter, routeros.NewRule("action", "accept", "protocol", "tcp", "dst-port", port, "src-address-list", "trusted", "comment", mark(fmt.Sprintf("d/forward-f%d", i))))
		drops = append(drops, routeros.NewRule("action", "drop", "protocol", "tcp", "dst-port", port, "comment", mark(fmt.Sprintf("gate/forward-f%d", i))))
	}
	f.Filter = append(f.Filter, drops...)
	f.FilterPlace = place(t, rows, "forward")
	f.FilterPlace.Floor = ""
	return f
}

// TestNATSteps: the rules of destination NAT are brought to what is wanted in the same way, and go
// with the plan.
func TestNATSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []routeros.Rule
		for i := range rapid.IntRange(0, 4).Draw(t, "foreign") {
			rows = append(rows, routeros.Rule{ID: fmt.Sprintf("*%X", i+0x20), Attrs: routeros.MakeAttributes("chain", rapid.SampledFrom([]string{"dstnat", "srcnat"}).Draw(t, "chain"), "action", "accept")})
		}
		for round := range 3 {
			var f compile.Forwarding
			for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
				f.NAT = append(f.NAT, routeros.NewRule("action", "dst-nat", "protocol", "tcp", "dst-port", fmt.Sprint(rapid.IntRange(80, 82).Draw(t, "port")), "to-addresses", "192.168.88.10",
					"comment", routeros.Mark{Plan: "p", Slot: fmt.Sprintf("d%d/forward-f", i)}.Comment("x")))
			}
			f.NATPlace = place(t, rows, "dstnat")
			f.NATPlace.Floor = ""
			s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.NAT: rows}}
			want := compile.RuleSet{Plan: "p", Tables: []compile.Table{{Family: routeros.IPv4, Menu: routeros.Filter, Forwarding: f}}}
			steps := change.Number(natSteps(s, want, want.Tables[0]))
			after, err := change.Rehearse(s, change.ChangeSet{Steps: steps}, len(steps))
			if err != nil {
				t.Fatal(err)
			}
			if d := change.Foreign(s, after, "p"); d != nil {
				t.Fatal(d)
			}
			rows = slices.Clone(after.Rules[routeros.NAT])
			var ours []routeros.Rule
			last, anchor := -1, len(rows)
			for i := range rows {
				if rows[i].ID[0] == '+' {
					rows[i].ID = fresh(rows)
				}
				if _, ok := change.Owned(rows[i], "p"); ok {
					ours, last = append(ours, rows[i]), i
				}
				if rows[i].ID == f.NATPlace.Anchor {
					anchor = i
				}
			}
			if !slices.EqualFunc(ours, inChain(f.NAT, "dstnat", nil), routeros.Rule.Same) || last >= anchor {
				t.Fatalf("round %d: got %v, want %v before %q", round, ours, f.NAT, f.NATPlace.Anchor)
			}
			if rest := natSteps(routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.NAT: rows}}, want, want.Tables[0]); len(rest) > 0 {
				t.Fatalf("second run: %+v", rest)
			}
		}
	})
}

// place draws a window between the foreign rows of a chain.
func place(t *rapid.T, rows []routeros.Rule, chain string) compile.Place {
	var input []routeros.Rule
	for _, r := range rows {
		if _, ours := change.Owned(r, "p"); !ours && !r.Dynamic && r.Chain() == chain {
			input = append(input, r)
		}
	}
	at := rapid.IntRange(0, len(input)).Draw(t, "anchor")
	var p compile.Place
	if at < len(input) {
		p.Anchor = input[at].ID
	}
	if at > 0 {
		p.Floor = input[rapid.IntRange(0, at-1).Draw(t, "floor")].ID
	}
	return p
}

// TestTableSteps: whatever stands on the router, the steps bring it to the rule set; then there is
// nothing left to do; foreign rows are as they were; no step names a foreign row but as an anchor.
func TestTableSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: foreignTable(t)}}
		doors := func(label string) []string {
			return rapid.SampledFrom([][]string{nil, {"x"}, {"x", "y"}, {"y"}}).Draw(t, label)
		}
		want := wanted(rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "layout"), []int{1, 2, 3}, doors("doors")...)
		want.Tables[0].Place = place(t, s.Rules[routeros.Filter], "input")
		want.Tables[0].Forwarding = forwarded(t, s.Rules[routeros.Filter])
		s = converge(t, s, want)
		s = renumber(s)

		next := wanted(rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "next layout"), rapid.SampledFrom([][]int{{1, 2, 3}, {1, 2}, {5, 2, 3}, {7, 8, 9, 10}}).Draw(t, "next"), doors("next doors")...)
		next.Tables[0].Place = place(t, s.Rules[routeros.Filter], "input")
		next.Tables[0].Forwarding = forwarded(t, s.Rules[routeros.Filter])
		converge(t, drift(t, s), next)
	})
}

func converge(t *rapid.T, s routeros.Snapshot, want compile.RuleSet) routeros.Snapshot {
	steps, err := arrangedTable(s, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if step.Op != change.Add && step.ID[0] != '+' && !ownedID(s, step.ID) {
			t.Fatalf("%s names the foreign row %s", step.Op, step.ID)
		}
	}
	after := s
	for i := range steps {
		apart(t, after, steps[i])
		if after, err = change.RehearseStep(after, steps[i], i); err != nil {
			t.Fatal(err)
		}
	}
	if d := change.Foreign(s, after, "p"); d != nil {
		t.Fatal(d)
	}
	rest, err := arrangedTable(renumber(after), want)
	if err != nil || len(rest) > 0 {
		t.Fatalf("second run: %v, %+v", err, rest)
	}
	inOrder(t, after, want)
	return after
}

func arrangedTable(s routeros.Snapshot, want compile.RuleSet) ([]change.Step, error) {
	all, _, err := tableSteps(s, want, want.Tables[0])
	if err != nil {
		return nil, err
	}
	return change.Arrange(s, all.all())
}

func ownedID(s routeros.Snapshot, id string) bool {
	return slices.ContainsFunc(s.Rules[routeros.Filter], func(r routeros.Rule) bool {
		_, ok := change.Owned(r, "p")
		return ok && r.ID == id
	})
}

// renumber gives added rows ids such as a router would.
func renumber(s routeros.Snapshot) routeros.Snapshot {
	rows := slices.Clone(s.Rules[routeros.Filter])
	for i := range rows {
		if rows[i].ID[0] == '+' {
			rows[i].ID = fresh(rows)
		}
	}
	s.Rules = map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}
	return s
}

// inOrder checks that exactly the wanted rules are there, in order, inside their window.
func inOrder(t *rapid.T, s routeros.Snapshot, want compile.RuleSet) {
	table := want.Tables[0]
	rows := s.Rules[routeros.Filter]
	chain := "input"
	floor, anchor := -1, len(rows)
	for i, r := range rows {
		switch r.ID {
		case table.Place.Floor:
			floor = i
		case table.Place.Anchor:
			anchor = i
		}
		if mark, ok := change.Owned(r, "p"); ok && mark.Slot == "jump" && want.Layout == plans.Chain {
			chain = r.Attrs.Get("jump-target")
			if i <= floor || i >= anchor {
				t.Fatalf("the jump stands at %d, outside %d to %d", i, floor, anchor)
			}
		}
	}
	got, targets := map[string][]routeros.Rule{}, map[string]string{}
	total, passing := 0, "forward"
	for i, r := range rows {
		mark, ok := change.Owned(r, "p")
		if !ok || mark.Slot == "jump" {
			continue
		}
		if mark.Slot == "jump-forward" {
			if passing = r.Attrs.Get("jump-target"); r.Chain() != "forward" || want.Layout == plans.Inline {
				t.Fatalf("a jump from %s", r.Chain())
			}
			continue
		}
		total++
		got[r.Chain()] = append(got[r.Chain()], r)
		if door, jumps := strings.CutSuffix(mark.Slot, "/jump"); jumps {
			targets[door] = r.Attrs.Get("jump-target")
		}
		if want.Layout == plans.Inline && r.Chain() == "input" && (i <= floor || i >= anchor) {
			t.Fatalf("%s stands at %d, outside %d to %d", r.Describe(), i, floor, anchor)
		}
	}
	check := func(chain string, want []routeros.Rule) {
		total -= len(want)
		if !slices.EqualFunc(got[chain], want, routeros.Rule.Same) {
			t.Fatalf("got  %v\nwant %v", got[chain], want)
		}
	}
	check(chain, inChain(table.Rules, chain, targets))
	check(passing, inChain(table.Forwarding.Filter, passing, nil))
	if (passing == "forward") == (len(table.Forwarding.Filter) > 0 && want.Layout == plans.Chain) {
		t.Fatalf("forwards stand in %s", passing)
	}
	for _, c := range table.Chains {
		check(targets[c.Name], inChain(c.Rules, targets[c.Name], nil))
	}
	if total != 0 {
		t.Fatalf("%d rules too many", total)
	}
}

// apart checks that a step which is one of several to build a chain touches none that packets see.
func apart(t *rapid.T, s routeros.Snapshot, step change.Step) {
	if step.Why != "build the chain" && step.Why != "left over" {
		return
	}
	chain := step.Set.Get("chain") + step.Was.Get("chain")
	seen := map[string]bool{"input": true, "forward": true}
	for range 3 {
		for _, r := range s.Rules[routeros.Filter] {
			if r.Action() == "jump" && !r.Disabled() && seen[r.Chain()] {
				seen[r.Attrs.Get("jump-target")] = true
			}
		}
	}
	if seen[chain] {
		t.Fatalf("%s %s is done in %s, where packets come", step.Op, step.Slot, chain)
	}
}

// TestFewestMoves: one rule out of place is one move.
func TestFewestMoves(t *testing.T) {
	want := wanted(plans.Inline, []int{1, 2, 3})
	var rows []routeros.Rule
	for i, r := range inChain(want.Tables[0].Rules, "input", nil) {
		r.ID = fmt.Sprintf("*%d", i+1)
		rows = append(rows, r)
	}
	rows = append(rows[1:], rows[0])
	steps, err := arrangedTable(routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}}, want)
	if err != nil || len(steps) != 1 || steps[0].Op != change.Move || steps[0].ID != "*1" || steps[0].Before != "*2" {
		t.Fatalf("%v, %+v", err, steps)
	}
}

// TestRehearseNothing: a router of which only its name was read takes additions, and refuses
// what names a row.
func TestRehearseNothing(t *testing.T) {
	for _, menu := range []routeros.Menu{routeros.Filter, routeros.AddressList} {
		add := change.Step{Op: change.Add, Menu: menu, Set: routeros.MakeAttributes("list", "l", "address", "192.0.2.1", "chain", "input")}
		after, err := change.RehearseStep(routeros.Snapshot{}, add, 0)
		if _, there := change.FindRow(after, menu, "+0"); err != nil || !there {
			t.Errorf("%s: %v, %v", menu, after, err)
		}
		if _, err := change.RehearseStep(routeros.Snapshot{}, change.Step{Op: change.Remove, Menu: menu, ID: "*1"}, 0); err == nil {
			t.Errorf("%s: a row that is not there was removed", menu)
		}
	}
}
