package diff_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// door is the rule set of a small plan: a stage, a door and a gate, between the floor *1 and the
// anchor *9 of the router's own rules.
func door(layout plans.Layout) compile.RuleSet {
	return compile.RuleSet{Plan: "p", PlanDigest: "p1", Layout: layout, Tables: []compile.Table{{
		Family: routeros.IPv4, Menu: routeros.Filter, Place: compile.Place{Floor: "*1", Anchor: "*9"},
		Rules: changetest.Rules(
			"- add-src-to-address-list address-list=l address-list-timeout=1m protocol=udp dst-port=7 [d/stage-1]",
			"- accept protocol=tcp dst-port=22 src-address-list=l [d/open]",
			"- drop protocol=tcp dst-port=22 [gate/tcp]"),
	}}}
}

// The router of [door] as it is when nothing has to be done.
func atRest(layout plans.Layout) []string {
	if layout == plans.Inline {
		return []string{
			"*1 input accept connection-state=established",
			"*2 input add-src-to-address-list address-list=l address-list-timeout=1m protocol=udp dst-port=7 [d/stage-1]",
			"*3 input accept protocol=tcp dst-port=22 src-address-list=l [d/open]",
			"*4 input drop protocol=tcp dst-port=22 [gate/tcp]",
			"*9 input drop in-interface-list=!LAN",
		}
	}
	return []string{
		"*1 input accept connection-state=established",
		"*5 input jump jump-target=rosknock-p-a #knock_rules_of_plan_p [jump]",
		"*9 input drop in-interface-list=!LAN",
		"*2 rosknock-p-a add-src-to-address-list address-list=l address-list-timeout=1m protocol=udp dst-port=7 [d/stage-1]",
		"*3 rosknock-p-a accept protocol=tcp dst-port=22 src-address-list=l [d/open]",
		"*4 rosknock-p-a drop protocol=tcp dst-port=22 [gate/tcp]",
	}
}

// TestDrift: what people and interrupted runs do to rows of a plan, and what brings them back. Each
// case is the rows that are different, and the steps.
func TestDrift(t *testing.T) {
	for _, test := range []struct {
		name   string
		layout plans.Layout
		drift  func(rows []string) []string
		want   []string
	}{
		{"nothing", plans.Inline, nil, nil},
		{"nothing", plans.Chain, nil, nil},
		{"an accept is missing", plans.Inline, without("*3"), []string{"add input accept dst-port=22 protocol=tcp src-address-list=l [d/open] before *4"}},
		{"an accept is missing", plans.Chain, without("*3"), []string{"add rosknock-p-a accept dst-port=22 protocol=tcp src-address-list=l [d/open] before *4"}},
		{"the gate is missing", plans.Inline, without("*4"), []string{
			"add input drop disabled=true dst-port=22 protocol=tcp [gate/tcp] before *9",
			"enable +0",
		}},
		{"the gate is missing", plans.Chain, without("*4"), []string{
			"add rosknock-p-a drop disabled=true dst-port=22 protocol=tcp [gate/tcp] at the end",
			"enable +0",
		}},
		{"two rows are missing", plans.Chain, without("*3", "*4"), []string{
			"add rosknock-p-b drop dst-port=22 protocol=tcp [gate/tcp] at the end",
			"add rosknock-p-b add-src-to-address-list address-list=l address-list-timeout=1m dst-port=7 protocol=udp [d/stage-1] before +0",
			"add rosknock-p-b accept dst-port=22 protocol=tcp src-address-list=l [d/open] before +0",
			"set *5 jump-target=rosknock-p-b",
			"remove *2",
		}},
		{"the jump is missing", plans.Chain, without("*5"), []string{
			"add input jump disabled=true jump-target=rosknock-p-a #knock_rules_of_plan_p [jump] before *9",
			"enable +0",
		}},
		{"a row is there twice", plans.Inline, after("*9", "*A input accept protocol=tcp dst-port=22 src-address-list=l [d/open]"), []string{"remove *A"}},
		{"a row is there twice", plans.Chain, after("*4", "*A rosknock-p-a accept protocol=tcp dst-port=22 src-address-list=l [d/open]"), []string{"remove *A"}},
		{"an attribute of an accept is another", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=23 src-address-list=l [d/open]"), []string{"set *3 dst-port=22"}},
		{"an attribute of an accept is another", plans.Chain, instead("*3", "*3 rosknock-p-a accept protocol=tcp dst-port=23 src-address-list=l [d/open]"), []string{"set *3 dst-port=22"}},
		{"an attribute of the gate is another", plans.Inline, instead("*4", "*4 input drop protocol=tcp dst-port=23 [gate/tcp]"), []string{
			`set *4 comment="(old) [rosknock p/gate/tcp]"`,
			"add input drop disabled=true dst-port=22 protocol=tcp [gate/tcp] before *9",
			"enable +1",
			"remove *4",
		}},
		{"an attribute of the gate is another", plans.Chain, instead("*4", "*4 rosknock-p-a drop protocol=tcp dst-port=23 [gate/tcp]"), []string{
			"add rosknock-p-b drop dst-port=22 protocol=tcp [gate/tcp] at the end",
			"add rosknock-p-b add-src-to-address-list address-list=l address-list-timeout=1m dst-port=7 protocol=udp [d/stage-1] before +0",
			"add rosknock-p-b accept dst-port=22 protocol=tcp src-address-list=l [d/open] before +0",
			"set *5 jump-target=rosknock-p-b",
			"remove *4",
			"remove *2",
			"remove *3",
		}},
		{"a row has an attribute too many", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l src-address=192.0.2.1 [d/open]"), []string{
			`set *3 comment="(old) [rosknock p/d/open]"`,
			"add input accept dst-port=22 protocol=tcp src-address-list=l [d/open] before *4",
			"remove *3",
		}},
		{"a row has an attribute too few", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 [d/open]"), []string{"set *3 src-address-list=l"}},
		{"an accept stands below a foreign drop", plans.Inline, moved("*3", "*9"), []string{"move *3 before *4"}},
		{"the jump stands below a foreign drop", plans.Chain, moved("*5", "*9"), []string{"move *5 before *9"}},
		{"a stage stands below the gate", plans.Chain, moved("*2", "*4"), []string{"move *2 before *3"}},
		{"a row stands above the floor", plans.Inline, moved("*1", "*3"), []string{
			"move *2 before *4",
			"move *3 before *4",
		}},
		{"an accept is disabled", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l disabled=true [d/open]"), []string{"enable *3"}},
		{"the gate is disabled", plans.Inline, instead("*4", "*4 input drop protocol=tcp dst-port=22 disabled=yes [gate/tcp]"), []string{"enable *4"}},
		{"the jump is disabled", plans.Chain, instead("*5", "*5 input jump jump-target=rosknock-p-a disabled=true #knock_rules_of_plan_p [jump]"), []string{"enable *5"}},
		{"a comment was edited", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l #mine [d/open]"), []string{`set *3 comment="[rosknock p/d/open]"`}},
		{"a comment is not UTF-8", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l #caf\xe9 [d/open]"), []string{`set *3 comment="[rosknock p/d/open]"`}},
		{"the comment of a gate was edited", plans.Inline, instead("*4", "*4 input drop protocol=tcp dst-port=22 #mine [gate/tcp]"), []string{`set *4 comment="[rosknock p/gate/tcp]"`}},
		{"a mark was taken off", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l #mine"), []string{"add input accept dst-port=22 protocol=tcp src-address-list=l [d/open] before *4"}},
		{"a mark is another plan's", plans.Inline, instead("*3", "*3 input accept protocol=tcp dst-port=22 src-address-list=l [d/open@q]"), []string{"add input accept dst-port=22 protocol=tcp src-address-list=l [d/open] before *4"}},
		{"the jump leads elsewhere", plans.Chain, instead("*5", "*5 input jump jump-target=guest #knock_rules_of_plan_p [jump]"), []string{"set *5 jump-target=rosknock-p-a"}},
		{"the jump leads to the idle chain", plans.Chain, instead("*5", "*5 input jump jump-target=rosknock-p-b #knock_rules_of_plan_p [jump]"), []string{"set *5 jump-target=rosknock-p-a"}},
		{"half of the idle chain is left", plans.Chain, after("*4", "*A rosknock-p-b drop protocol=tcp dst-port=22 [gate/tcp]"), []string{"remove *A"}},
		{"half of the idle chain is left, and the live one is wrong", plans.Chain, func(rows []string) []string {
			return after("*4", "*A rosknock-p-b drop protocol=tcp dst-port=22 [gate/tcp]")(without("*2", "*3")(rows))
		}, []string{
			"remove *A",
			"add rosknock-p-b drop dst-port=22 protocol=tcp [gate/tcp] at the end",
			"add rosknock-p-b add-src-to-address-list address-list=l address-list-timeout=1m dst-port=7 protocol=udp [d/stage-1] before +1",
			"add rosknock-p-b accept dst-port=22 protocol=tcp src-address-list=l [d/open] before +1",
			"set *5 jump-target=rosknock-p-b",
			"remove *4",
		}},
		{"a row of ours stands in a foreign chain", plans.Inline, after("*9", "*A guest accept protocol=tcp dst-port=22 [d/open]"), []string{"remove *A"}},
		{"a slot that the plan does not have any more", plans.Inline, after("*3", "*A input accept protocol=tcp dst-port=8291 [e/open]"), []string{"remove *A"}},
		{"the layout is another", plans.Chain, func([]string) []string { return atRest(plans.Inline) }, []string{
			"add input jump disabled=true jump-target=rosknock-p-a #knock_rules_of_plan_p [jump] before *9",
			"add rosknock-p-a drop dst-port=22 protocol=tcp [gate/tcp] at the end",
			"add rosknock-p-a add-src-to-address-list address-list=l address-list-timeout=1m dst-port=7 protocol=udp [d/stage-1] before +1",
			"add rosknock-p-a accept dst-port=22 protocol=tcp src-address-list=l [d/open] before +1",
			"enable +0",
			"remove *4",
			"remove *2",
			"remove *3",
		}},
		{"the layout is another", plans.Inline, func([]string) []string { return atRest(plans.Chain) }, []string{
			"add input drop disabled=true dst-port=22 protocol=tcp [gate/tcp] before *9",
			"add input add-src-to-address-list address-list=l address-list-timeout=1m dst-port=7 protocol=udp [d/stage-1] before +0",
			"add input accept dst-port=22 protocol=tcp src-address-list=l [d/open] before +0",
			"enable +0",
			"disable *5",
			"remove *5",
			"remove *4",
			"remove *2",
			"remove *3",
		}},
	} {
		t.Run(test.name+", "+test.layout.String(), func(t *testing.T) {
			rows := atRest(test.layout)
			if test.drift != nil {
				rows = test.drift(rows)
			}
			s := changetest.Filter(rows...)
			c := converges(t, s, door(test.layout))
			changetest.Expect(t, "steps", changetest.Written(c.Steps), test.want)
		})
	}
}

// without takes rows away.
func without(ids ...string) func([]string) []string {
	return func(rows []string) []string {
		return slices.DeleteFunc(rows, func(row string) bool { return slices.Contains(ids, id(row)) })
	}
}

// after puts a row behind another.
func after(where, line string) func([]string) []string {
	return func(rows []string) []string { return slices.Insert(rows, at(rows, where)+1, line) }
}

// instead puts a row in the place of another.
func instead(where, line string) func([]string) []string {
	return func(rows []string) []string {
		rows[at(rows, where)] = line
		return rows
	}
}

// moved puts a row behind another that stands below it.
func moved(which, where string) func([]string) []string {
	return func(rows []string) []string {
		line := rows[at(rows, which)]
		return slices.Delete(after(where, line)(rows), at(rows, which), at(rows, which)+1)
	}
}

func at(rows []string, which string) int {
	return slices.IndexFunc(rows, func(row string) bool { return id(row) == which })
}

func id(row string) string { return row[:2] }

// converges computes a change set and checks what holds of every one: foreign rows stay as they are
// in every state, and when all is done nothing is left to do.
func converges(t *testing.T, s routeros.Snapshot, want compile.RuleSet) change.ChangeSet {
	t.Helper()
	c, err := diff.Compute(s, want, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Snapshot != s.Digest() || c.Plan != want.PlanDigest {
		t.Errorf("the change set starts from %q for %q", c.Snapshot, c.Plan)
	}
	states, err := change.States(s, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range states {
		if d := change.Foreign(s, state, "p", c.Steps...); d != nil {
			t.Errorf("after %d steps: %v", i, d)
		}
	}
	end, _, err := change.After(s, c)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := diff.Left(end, want, change.Management{}); err != nil || len(rest) > 0 {
		t.Errorf("there is something left to do (%v):\n%s", err, changetest.Listed(changetest.Written(rest)))
	}
	return c
}
