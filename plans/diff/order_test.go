package diff_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// met is a router with rows that packets meet and others that none does.
func met() routeros.Snapshot {
	s := filter(
		"*1 input accept protocol=tcp dst-port=22-23",
		"*2 input drop protocol=tcp dst-port=22",
		"*3 input log",
		"*4 input drop disabled=true",
		"*5 input accept src-address-list=asked",
		"*6 input jump jump-target=rosknock-p-a",
		"*7 rosknock-p-a drop protocol=udp",
		"*8 rosknock-p-b accept src-address-list=!idle",
		"*9 rosknock-p-b jump jump-target=rosknock-p-b-x")
	s.Rules[routeros.NAT] = router(routeros.NAT, "*1 dstnat dst-nat dst-port=80").Rules[routeros.NAT]
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{ID: "*1", List: "asked", Address: "192.0.2.1"}, {ID: "*2", List: "idle", Address: "192.0.2.1"}}}
	s.Services = []routeros.Service{{ID: "*1", Name: "ssh", Port: 22, FromName: "address"}}
	return s
}

// TestReached: packets come into the chains of the router and of others, and into one of ours where
// an enabled jump leads there, also by others of ours.
func TestReached(t *testing.T) {
	rows := func(lines ...string) []routeros.Rule { return filter(lines...).Rules[routeros.Filter] }
	for _, test := range []struct {
		name  string
		rows  []routeros.Rule
		chain string
		want  bool
	}{
		{"built in", nil, "forward", true},
		{"somebody else's, to which nothing leads", rows("*1 guest drop"), "guest", true},
		{"ours, to which nothing leads", rows("*1 rosknock-p-a drop"), "rosknock-p-a", false},
		{"ours", rows("*1 input jump jump-target=rosknock-p-a"), "rosknock-p-a", true},
		{"ours, by a disabled jump", rows("*1 input jump jump-target=rosknock-p-a disabled=yes"), "rosknock-p-a", false},
		{"ours, by one of ours", rows("*1 rosknock-p-a jump jump-target=rosknock-p-a-x", "*2 input jump jump-target=rosknock-p-a"), "rosknock-p-a-x", true},
		{"ours, by one of ours that is not reached", rows("*1 rosknock-p-a jump jump-target=rosknock-p-a-x"), "rosknock-p-a-x", false},
		{"ours, by somebody else's chain", rows("*1 guest jump jump-target=rosknock-p-a"), "rosknock-p-a", true},
		{"two that lead to each other", rows("*1 rosknock-p-a jump jump-target=rosknock-p-b", "*2 rosknock-p-b jump jump-target=rosknock-p-a"), "rosknock-p-a", false},
	} {
		if got := diff.Reached(test.rows)[test.chain]; got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestRisks: what a step may do to a router that was rolled back under it, seen by the part into
// which it comes. A step that closes or shuts stands in no part with what it may count on.
func TestRisks(t *testing.T) {
	set := func(menu routeros.Menu, op diff.Op, id string, pairs ...string) diff.Step {
		return diff.Step{Op: op, Menu: menu, ID: id, Set: routeros.MakeAttributes(pairs...)}
	}
	of := func(op diff.Op, id string, pairs ...string) diff.Step { return set(routeros.Filter, op, id, pairs...) }
	add := func(line string) diff.Step {
		return diff.Step{Op: diff.Add, Menu: routeros.Filter, Set: rule(line).Attrs}
	}
	gone := func(step diff.Step, line string) diff.Step {
		step.Was = rule(line).Attrs
		return step
	}
	for _, test := range []struct {
		name string
		step diff.Step
		want string
	}{
		{"add an accept", add("input accept"), "refused"},
		{"add a drop", add("input drop"), "refused"},
		{"add a drop, disabled", add("input drop disabled=true"), "harmless"},
		{"add where no packet comes", add("rosknock-p-b drop"), "harmless"},
		{"add where no packet comes, behind a jump of ours", add("rosknock-p-b-x drop"), "harmless"},
		{"remove an accept", gone(of(diff.Remove, "*1"), "input accept"), "closing"},
		{"disable an accept", of(diff.Disable, "*1"), "closing"},
		{"move an accept", of(diff.Move, "*1"), "closing"},
		{"let an accept match other packets", of(diff.Set, "*1", "dst-port", "24"), "closing"},
		{"let an accept match fewer", of(diff.Set, "*1", "dst-port", "22"), "closing"},
		{"let an accept match more", of(diff.Set, "*1", "dst-port", "20-30"), "refused"},
		{"let an accept match ports that can't be read", of(diff.Set, "*1", "dst-port", "x"), "closing"},
		{"make an accept a drop", of(diff.Set, "*1", "action", "drop"), "closing"},
		{"remove a gate", gone(of(diff.Remove, "*2"), "input drop"), "refused"},
		{"disable a gate", of(diff.Disable, "*2"), "refused"},
		{"move a gate", of(diff.Move, "*2"), "shutting"},
		{"let a gate match more", of(diff.Set, "*2", "dst-port", "22,80"), "shutting"},
		{"let a gate match others", of(diff.Set, "*2", "dst-port", "80"), "shutting"},
		{"make a gate an accept", of(diff.Set, "*2", "action", "accept"), "refused"},
		{"enable a gate", of(diff.Enable, "*4"), "shutting"},
		{"remove a disabled gate", of(diff.Remove, "*4"), "harmless"},
		{"change a rule that only looks", of(diff.Set, "*3", "log-prefix", "x"), "harmless"},
		{"change a comment", of(diff.Set, "*1", "comment", "x"), "harmless"},
		{"remove where no packet comes", gone(of(diff.Remove, "*8"), "rosknock-p-b accept"), "harmless"},
		{"translate other packets", set(routeros.NAT, diff.Set, "*1", "dst-port", "81"), "refused"},
		{"remove an address that is asked for", gone(set(routeros.AddressList, diff.Remove, "*1"), "- x list=asked"), "closing"},
		{"disable an address", set(routeros.AddressList, diff.Disable, "*1"), "closing"},
		{"remove an address that nobody asks for", gone(set(routeros.AddressList, diff.Remove, "*2"), "- x list=idle"), "harmless"},
		{"add an address", set(routeros.AddressList, diff.Add, "", "list", "asked", "address", "192.0.2.3"), "refused"},
		{"add an address that nobody asks for", set(routeros.AddressList, diff.Add, "", "list", "idle", "address", "192.0.2.3"), "harmless"},
		{"enable an address", set(routeros.AddressList, diff.Enable, "*1"), "refused"},
		{"move a service", set(routeros.ServiceMenu, diff.Set, "*1", "port", "2222"), "refused"},
	} {
		if got := risk(t, met(), test.step); got != test.want {
			t.Errorf("%s is %s, want %s", test.name, got, test.want)
		}
	}
}

// risk finds out what kind a step is by the parts that it makes with others.
func risk(t *testing.T, s routeros.Snapshot, step diff.Step) string {
	t.Helper()
	opens := diff.Step{Op: diff.Add, Menu: routeros.Filter, Set: rule("input accept protocol=ospf").Attrs}
	closes := diff.Step{Op: diff.Disable, Menu: routeros.Filter, ID: "*5"}
	parts := func(steps ...diff.Step) int {
		// A harmless step on either side keeps a removal of an idle row in the middle.
		harmless := diff.Step{Op: diff.Set, Menu: routeros.Filter, ID: "*3", Set: routeros.MakeAttributes("log-prefix", "y")}
		all, err := diff.PartsOf(s, diff.ChangeSet{Steps: slices.Concat([]diff.Step{harmless}, steps, []diff.Step{harmless})})
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	switch behindOpening, behindClosing, beforeClosing := parts(opens, step), parts(closes, step), parts(step, closes); {
	case behindOpening == 2 && behindClosing == 1:
		return "closing"
	case behindOpening == 2:
		return "shutting"
	case beforeClosing == 2:
		return "refused"
	}
	return "harmless"
}

// TestPartsHold: parts follow each other without a gap, and together are the change set; first and
// last come removals of what no packet meets, without a protection. Halving a part keeps its steps.
func TestPartsHold(t *testing.T) {
	for _, word := range someWords() {
		s, want := spelledOut(word)
		for _, layout := range []plans.Layout{plans.Inline, plans.Chain} {
			want.Layout = layout
			c, err := diff.Compute(s, want, diff.Session{})
			if err != nil {
				t.Fatal(err)
			}
			parts, err := diff.PartsOf(s, c)
			if err != nil {
				t.Fatal(err)
			}
			covers(t, word, parts, 0, len(c.Steps))
			for i, p := range parts {
				if idle := i == 0 || i == len(parts)-1; !p.Met && !idle {
					t.Errorf("%s: part %d of %d is not protected", word, i, len(parts))
				}
				for n := p.From; n < p.To && !p.Met; n++ {
					if c.Steps[n].Op != diff.Remove {
						t.Errorf("%s: %s without a protection", word, spellStep(c.Steps[n]))
					}
				}
				if p.Met && p.To-p.From > 1 {
					halves, err := diff.Halve(s, c, p)
					if err != nil || len(halves) < 2 {
						t.Errorf("%s: halves of %v: %v, %v", word, p, halves, err)
					}
					covers(t, word, halves, p.From, p.To)
				}
			}
		}
	}
}

// covers checks that parts are all of the steps from one to another.
func covers(t *testing.T, word string, parts []diff.Part, from, to int) {
	t.Helper()
	for _, p := range parts {
		if p.From != from || p.To <= p.From {
			t.Errorf("%s: parts %v", word, parts)
		}
		from = p.To
	}
	if from != to {
		t.Errorf("%s: parts %v end before %d", word, parts, to)
	}
}

// TestSafeOrder: in changes of small tables, in either layout,
//   - the row before which others are put is there before them,
//   - a gate or a jump that is missing is added switched off, and goes live once everything is there
//     that it lets through,
//   - a jump that leads to a chain of ours is switched off before it is removed,
//   - accepts of ours are removed only when all gates that were there are gone or replaced.
func TestSafeOrder(t *testing.T) {
	check := func(t *testing.T, name string, s routeros.Snapshot, c diff.ChangeSet) {
		states, err := diff.States(s, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range c.Steps {
			now := states[i]
			if step.Before != "" {
				if _, there := diff.FindRow(now, step.Menu, step.Before); !there {
					t.Errorf("%s: %s comes before its anchor", name, spellStep(step))
				}
			}
			if step.Op == diff.Add && step.Menu.IsRuleTable() && diff.Prepared(now, step) != nil {
				t.Errorf("%s: %s is live at once", name, spellStep(step))
			}
			if r, there := diff.FindRow(now, step.Menu, step.ID); step.Op == diff.Remove && there && r.Attrs.Get("action") == "jump" && !r.Attrs.Bool("disabled") && r.Attrs.Get("chain") == "input" {
				t.Errorf("%s: %s removes a live jump", name, spellStep(step))
			}
			if removes, _ := diff.FindRow(now, step.Menu, step.ID); step.Op == diff.Remove && removes.Attrs.Get("action") == "accept" && !diff.Unmet(now, step) {
				for _, later := range c.Steps[i:] {
					r, _ := diff.FindRow(now, later.Menu, later.ID)
					if later.Op == diff.Remove && r.Attrs.Get("action") == "drop" && !diff.Unmet(now, later) {
						t.Errorf("%s: %s goes before the gate %s", name, spellStep(step), later.ID)
					}
				}
			}
			if step.Op == diff.Enable && strings.HasPrefix(step.ID, "+") {
				for _, later := range c.Steps[i+1:] {
					if later.Op == diff.Add || later.Op == diff.Move {
						t.Errorf("%s: %s comes after %s", name, spellStep(later), spellStep(step))
					}
				}
			}
		}
	}
	for _, word := range someWords() {
		s, want := spelledOut(word)
		for _, layout := range []plans.Layout{plans.Inline, plans.Chain} {
			want.Layout = layout
			c := converges(t, s, want)
			check(t, fmt.Sprint(word, " ", layout), s, c)
			end, _, err := diff.After(s, c)
			if err != nil {
				t.Fatal(err)
			}
			want.Layout = map[plans.Layout]plans.Layout{plans.Inline: plans.Chain, plans.Chain: plans.Inline}[layout]
			check(t, fmt.Sprint(word, " from ", layout), end, converges(t, end, want))
			want.Removes = true
			check(t, fmt.Sprint(word, " away from ", layout), end, converges(t, end, want))
		}
	}
}

// TestArrange: steps are put into their parts and keep their order there; the rows that they add
// are named by their new places.
func TestArrange(t *testing.T) {
	step := func(op diff.Op, id, before string, line string) diff.Step {
		s := diff.Step{Op: op, Menu: routeros.Filter, ID: id, Before: before}
		if line != "" {
			s.Set = rule(line).Attrs
		}
		return s
	}
	steps := []diff.Step{
		step(diff.Disable, "*1", "", ""),                                // closes
		step(diff.Add, "one", "*2", "input accept"),                     // opens
		step(diff.Add, "", "one", "input log"),                          // names what the one before adds
		step(diff.Remove, "*8", "", ""),                                 // no packet meets it yet
		step(diff.Set, "*6", "", "input jump jump-target=rosknock-p-b"), // then none comes into the other chain any more
		step(diff.Remove, "*7", "", ""),                                 // so this can wait
		{Op: diff.Set, Menu: routeros.ServiceMenu, ID: "*1", Set: routeros.MakeAttributes("port", "2222")}, // behind what closes
	}
	steps[3].Was, steps[5].Was = rule("rosknock-p-b accept").Attrs, rule("rosknock-p-a drop").Attrs
	got, err := diff.Arrange(met(), steps)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "arranged", written(got), []string{
		"remove *8",
		"add input accept before *2",
		"add input log before +1",
		"set *6 action=jump chain=input jump-target=rosknock-p-b",
		"disable *1",
		`set service *1 port=2222`,
		"remove *7",
	})
	for i := range got {
		got[i].Slot = "x"
	}
	if again, err := diff.Arrange(met(), got); err != nil || !slices.Equal(written(again), written(got)) {
		t.Errorf("arranged again: %v, %v", written(again), err)
	}
}

// TestPrepared: a gate or a jump is added switched off where packets come, and everything else as
// it is.
func TestPrepared(t *testing.T) {
	for line, want := range map[string]bool{
		"input drop":                            true,
		"input reject":                          true,
		"input jump jump-target=rosknock-p-b":   true,
		"input accept":                          false,
		"input drop disabled=true":              false,
		"rosknock-p-b drop":                     false,
		"rosknock-p-a drop":                     true,
		"input drop [bogons/forged-1]":          false,
		"input add-src-to-address-list":         false,
		"output tarpit [gate/tcp]":              true,
		"rosknock-p-b-x jump jump-target=input": false,
	} {
		got := diff.Prepared(met(), diff.Step{Op: diff.Add, Menu: routeros.Filter, Slot: "p/x", Set: rule(line).Attrs})
		if (got != nil) != want {
			t.Errorf("%s: %+v", line, got)
		}
		if got != nil && (got.Op != diff.Enable || got.Slot != "p/x") {
			t.Errorf("%s: goes live by %+v", line, got)
		}
	}
	if got := diff.Prepared(met(), diff.Step{Op: diff.Set, Menu: routeros.Filter, ID: "*1", Set: rule("input drop").Attrs}); got != nil {
		t.Errorf("a set is prepared: %+v", got)
	}
}

// TestMet: what packets meet of a plan, whatever else is there of it.
func TestMet(t *testing.T) {
	s := filter(
		"*1 input accept [x]", "*2 input accept disabled=true [x]", "*3 input accept [x@q]", "*4 rosknock-p-a drop [x]", "*5 input accept D [x]",
		"*6 input jump jump-target=rosknock-p-b [jump]", "*7 rosknock-p-b drop src-address-list=l [x]")
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
		{ID: "*1", List: "l", Address: "192.0.2.1", Comment: "[rosknock p/allow]"},
		{ID: "*2", List: "l", Address: "192.0.2.2", Comment: "[rosknock p/allow]", Disabled: true},
		{ID: "*3", List: "l", Address: "192.0.2.3", Comment: "[rosknock q/allow]"},
		{ID: "*4", List: "m", Address: "192.0.2.4", Comment: "[rosknock p/allow]"},
	}}
	expect(t, "met", diff.Met(s, "p"), []string{
		"/ip/firewall/filter action=accept chain=input",
		"/ip/firewall/filter action=jump chain=input jump-target=rosknock-p-b",
		"/ip/firewall/filter action=drop chain=rosknock-p-b src-address-list=l",
		"/ip/firewall/address-list l 192.0.2.1",
	})
}

// TestMetIsEnough: a step of which [diff.Unmet] says that no packet fares differently leaves what
// packets meet of the plan as it is.
func TestMetIsEnough(t *testing.T) {
	words := make([]string, 0)
	for word := range distances([]string{"FABGZ"}, 2, true) {
		words = append(words, word)
	}
	slices.Sort(words)
	rapid.Check(t, func(t *rapid.T) {
		s, want := spelledOut(rapid.SampledFrom(words).Draw(t, "word"))
		want.Layout = rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "layout")
		c, err := diff.Compute(s, want, diff.Session{})
		if err != nil {
			t.Fatal(err)
		}
		states, err := diff.States(s, c)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range c.Steps {
			if same := slices.Equal(diff.Met(states[i], "p"), diff.Met(states[i+1], "p")); diff.Unmet(states[i], step) && !same {
				t.Fatalf("%s changes what packets meet", spellStep(step))
			}
		}
	})
}

// someWords are every third of the tables with up to two rows of ours.
func someWords() []string {
	var some []string
	for i, word := range slices.Sorted(maps.Keys(distances([]string{"FABGZ"}, 2, true))) {
		if i%3 == 0 {
			some = append(some, word)
		}
	}
	return some
}
