package change_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/routeros"
)

// met is a router with rows that packets meet and others that none does.
func met() routeros.Snapshot {
	s := changetest.Filter(
		"*1 input accept protocol=tcp dst-port=22-23",
		"*2 input drop protocol=tcp dst-port=22",
		"*3 input log",
		"*4 input drop disabled=true",
		"*5 input accept src-address-list=asked",
		"*6 input jump jump-target=rosknock-p-a",
		"*7 rosknock-p-a drop protocol=udp",
		"*8 rosknock-p-b accept src-address-list=!idle",
		"*9 rosknock-p-b jump jump-target=rosknock-p-b-x")
	s.Rules[routeros.NAT] = changetest.Router(routeros.NAT, "*1 dstnat dst-nat dst-port=80").Rules[routeros.NAT]
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{ID: "*1", List: "asked", Address: "192.0.2.1"}, {ID: "*2", List: "idle", Address: "192.0.2.1"}}}
	s.Services = []routeros.Service{{ID: "*1", Name: "ssh", Port: 22, FromName: "address"}}
	return s
}

// TestReached: packets come into the chains of the router and of others, and into one of ours where
// an enabled jump leads there, also by others of ours.
func TestReached(t *testing.T) {
	rows := func(lines ...string) []routeros.Rule { return changetest.Filter(lines...).Rules[routeros.Filter] }
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
		if got := change.Reached(test.rows)[test.chain]; got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestRisks: what a step may do to a router that was rolled back under it, seen by the part into
// which it comes. A step that closes or shuts stands in no part with what it may count on.
func TestRisks(t *testing.T) {
	set := func(menu routeros.Menu, op change.Op, id string, pairs ...string) change.Step {
		return change.Step{Op: op, Menu: menu, ID: id, Set: routeros.MakeAttributes(pairs...)}
	}
	of := func(op change.Op, id string, pairs ...string) change.Step {
		return set(routeros.Filter, op, id, pairs...)
	}
	add := func(line string) change.Step {
		return change.Step{Op: change.Add, Menu: routeros.Filter, Set: changetest.Rule(line).Attrs}
	}
	gone := func(step change.Step, line string) change.Step {
		step.Was = changetest.Rule(line).Attrs
		return step
	}
	for _, test := range []struct {
		name string
		step change.Step
		want string
	}{
		{"add an accept", add("input accept"), "refused"},
		{"add a drop", add("input drop"), "refused"},
		{"add a drop, disabled", add("input drop disabled=true"), "harmless"},
		{"add where no packet comes", add("rosknock-p-b drop"), "harmless"},
		{"add where no packet comes, behind a jump of ours", add("rosknock-p-b-x drop"), "harmless"},
		{"remove an accept", gone(of(change.Remove, "*1"), "input accept"), "closing"},
		{"disable an accept", of(change.Disable, "*1"), "closing"},
		{"move an accept", of(change.Move, "*1"), "closing"},
		{"let an accept match other packets", of(change.Set, "*1", "dst-port", "24"), "closing"},
		{"let an accept match fewer", of(change.Set, "*1", "dst-port", "22"), "closing"},
		{"let an accept match more", of(change.Set, "*1", "dst-port", "20-30"), "refused"},
		{"let an accept match ports that can't be read", of(change.Set, "*1", "dst-port", "x"), "closing"},
		{"make an accept a drop", of(change.Set, "*1", "action", "drop"), "closing"},
		{"remove a gate", gone(of(change.Remove, "*2"), "input drop"), "refused"},
		{"disable a gate", of(change.Disable, "*2"), "refused"},
		{"move a gate", of(change.Move, "*2"), "shutting"},
		{"let a gate match more", of(change.Set, "*2", "dst-port", "22,80"), "shutting"},
		{"let a gate match others", of(change.Set, "*2", "dst-port", "80"), "shutting"},
		{"make a gate an accept", of(change.Set, "*2", "action", "accept"), "refused"},
		{"enable a gate", of(change.Enable, "*4"), "shutting"},
		{"remove a disabled gate", of(change.Remove, "*4"), "harmless"},
		{"change a rule that only looks", of(change.Set, "*3", "log-prefix", "x"), "harmless"},
		{"change a comment", of(change.Set, "*1", "comment", "x"), "harmless"},
		{"remove where no packet comes", gone(of(change.Remove, "*8"), "rosknock-p-b accept"), "harmless"},
		{"translate other packets", set(routeros.NAT, change.Set, "*1", "dst-port", "81"), "refused"},
		{"remove an address that is asked for", gone(set(routeros.AddressList, change.Remove, "*1"), "- x list=asked"), "closing"},
		{"disable an address", set(routeros.AddressList, change.Disable, "*1"), "closing"},
		{"remove an address that nobody asks for", gone(set(routeros.AddressList, change.Remove, "*2"), "- x list=idle"), "harmless"},
		{"add an address", set(routeros.AddressList, change.Add, "", "list", "asked", "address", "192.0.2.3"), "refused"},
		{"add an address that nobody asks for", set(routeros.AddressList, change.Add, "", "list", "idle", "address", "192.0.2.3"), "harmless"},
		{"enable an address", set(routeros.AddressList, change.Enable, "*1"), "refused"},
		{"move a service", set(routeros.ServiceMenu, change.Set, "*1", "port", "2222"), "refused"},
	} {
		if got := risk(t, met(), test.step); got != test.want {
			t.Errorf("%s is %s, want %s", test.name, got, test.want)
		}
	}
}

// risk finds out what kind a step is by the parts that it makes with others.
func risk(t *testing.T, s routeros.Snapshot, step change.Step) string {
	t.Helper()
	opens := change.Step{Op: change.Add, Menu: routeros.Filter, Set: changetest.Rule("input accept protocol=ospf").Attrs}
	closes := change.Step{Op: change.Disable, Menu: routeros.Filter, ID: "*5"}
	parts := func(steps ...change.Step) int {
		// A harmless step on either side keeps a removal of an idle row in the middle.
		harmless := change.Step{Op: change.Set, Menu: routeros.Filter, ID: "*3", Set: routeros.MakeAttributes("log-prefix", "y")}
		all, err := change.PartsOf(s, change.ChangeSet{Steps: slices.Concat([]change.Step{harmless}, steps, []change.Step{harmless})})
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

// TestArrange: steps are put into their parts and keep their order there; the rows that they add
// are named by their new places.
func TestArrange(t *testing.T) {
	step := func(op change.Op, id, before string, line string) change.Step {
		s := change.Step{Op: op, Menu: routeros.Filter, ID: id, Before: before}
		if line != "" {
			s.Set = changetest.Rule(line).Attrs
		}
		return s
	}
	steps := []change.Step{
		step(change.Disable, "*1", "", ""),                                                                   // closes
		step(change.Add, "one", "*2", "input accept"),                                                        // opens
		step(change.Add, "", "one", "input log"),                                                             // names what the one before adds
		step(change.Remove, "*8", "", ""),                                                                    // no packet meets it yet
		step(change.Set, "*6", "", "input jump jump-target=rosknock-p-b"),                                    // then none comes into the other chain any more
		step(change.Remove, "*7", "", ""),                                                                    // so this can wait
		{Op: change.Set, Menu: routeros.ServiceMenu, ID: "*1", Set: routeros.MakeAttributes("port", "2222")}, // behind what closes
	}
	steps[3].Was, steps[5].Was = changetest.Rule("rosknock-p-b accept").Attrs, changetest.Rule("rosknock-p-a drop").Attrs
	got, err := change.Arrange(met(), steps)
	if err != nil {
		t.Fatal(err)
	}
	changetest.Expect(t, "arranged", changetest.Written(got), []string{
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
	if again, err := change.Arrange(met(), got); err != nil || !slices.Equal(changetest.Written(again), changetest.Written(got)) {
		t.Errorf("arranged again: %v, %v", changetest.Written(again), err)
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
		got := change.Prepared(met(), change.Step{Op: change.Add, Menu: routeros.Filter, Slot: "p/x", Set: changetest.Rule(line).Attrs})
		if (got != nil) != want {
			t.Errorf("%s: %+v", line, got)
		}
		if got != nil && (got.Op != change.Enable || got.Slot != "p/x") {
			t.Errorf("%s: goes live by %+v", line, got)
		}
	}
	if got := change.Prepared(met(), change.Step{Op: change.Set, Menu: routeros.Filter, ID: "*1", Set: changetest.Rule("input drop").Attrs}); got != nil {
		t.Errorf("a set is prepared: %+v", got)
	}
}

// TestMet: what packets meet of a plan, whatever else is there of it.
func TestMet(t *testing.T) {
	s := changetest.Filter(
		"*1 input accept [x]", "*2 input accept disabled=true [x]", "*3 input accept [x@q]", "*4 rosknock-p-a drop [x]", "*5 input accept D [x]",
		"*6 input jump jump-target=rosknock-p-b [jump]", "*7 rosknock-p-b drop src-address-list=l [x]")
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
		{ID: "*1", List: "l", Address: "192.0.2.1", Comment: "[rosknock p/allow]"},
		{ID: "*2", List: "l", Address: "192.0.2.2", Comment: "[rosknock p/allow]", Disabled: true},
		{ID: "*3", List: "l", Address: "192.0.2.3", Comment: "[rosknock q/allow]"},
		{ID: "*4", List: "m", Address: "192.0.2.4", Comment: "[rosknock p/allow]"},
	}}
	changetest.Expect(t, "met", change.Met(s, "p"), []string{
		"/ip/firewall/filter action=accept chain=input",
		"/ip/firewall/filter action=jump chain=input jump-target=rosknock-p-b",
		"/ip/firewall/filter action=drop chain=rosknock-p-b src-address-list=l",
		"/ip/firewall/address-list l 192.0.2.1",
	})
}
