package change_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/routeros"
)

// three is a router with a row of each kind in three menus.
func three() routeros.Snapshot {
	s := changetest.Filter("*1 input accept", "*2 input drop protocol=tcp [gate/tcp]", "*3 forward accept")
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
		{ID: "*1", List: "l", Address: "192.0.2.1", Comment: "x [rosknock p/allow]", Created: "2026-01-02 03:04:05"},
		{ID: "*2", List: "l", Address: "192.0.2.2", Dynamic: true, Timed: true, Timeout: 60e9},
	}}
	s.Services = []routeros.Service{
		{ID: "*7", Name: "api", Port: 8728, Dynamic: true, Connection: true, FromName: "address"},
		{ID: "*7", Name: "api", Port: 8728, From: []string{"10.0.0.0/8"}, FromName: "address"},
	}
	return s
}

// TestRehearseStep: what each kind of step does to the rows of a rule table.
func TestRehearseStep(t *testing.T) {
	attrs := routeros.MakeAttributes
	for _, test := range []struct {
		name string
		step change.Step
		want []string
	}{
		{"add at the end", change.Step{Op: change.Add, Set: changetest.Rule("input log").Attrs}, []string{"*1 input accept", "*2 input drop protocol=tcp [gate/tcp]", "*3 forward accept", "+4 input log"}},
		{"add before", change.Step{Op: change.Add, Before: "*2", Set: changetest.Rule("input log").Attrs}, []string{"*1 input accept", "+4 input log", "*2 input drop protocol=tcp [gate/tcp]", "*3 forward accept"}},
		{"set another", change.Step{Op: change.Set, ID: "*2", Set: attrs("dst-port", "22", "protocol", "udp")}, []string{"*1 input accept", "*2 input drop dst-port=22 protocol=udp [gate/tcp]", "*3 forward accept"}},
		{"set takes away", change.Step{Op: change.Set, ID: "*2", Set: attrs("protocol", "")}, []string{"*1 input accept", "*2 input drop [gate/tcp]", "*3 forward accept"}},
		{"set no comment", change.Step{Op: change.Set, ID: "*2", Set: attrs("comment", "")}, []string{"*1 input accept", "*2 input drop protocol=tcp", "*3 forward accept"}},
		{"disable", change.Step{Op: change.Disable, ID: "*2"}, []string{"*1 input accept", "*2 input drop disabled=true protocol=tcp [gate/tcp]", "*3 forward accept"}},
		{"enable", change.Step{Op: change.Enable, ID: "*2"}, []string{"*1 input accept", "*2 input drop disabled=false protocol=tcp [gate/tcp]", "*3 forward accept"}},
		{"move up", change.Step{Op: change.Move, ID: "*3", Before: "*1"}, []string{"*3 forward accept", "*1 input accept", "*2 input drop protocol=tcp [gate/tcp]"}},
		{"move down", change.Step{Op: change.Move, ID: "*1", Before: "*3"}, []string{"*2 input drop protocol=tcp [gate/tcp]", "*1 input accept", "*3 forward accept"}},
		{"move to the end", change.Step{Op: change.Move, ID: "*1"}, []string{"*2 input drop protocol=tcp [gate/tcp]", "*3 forward accept", "*1 input accept"}},
		{"remove", change.Step{Op: change.Remove, ID: "*2"}, []string{"*1 input accept", "*3 forward accept"}},
	} {
		before := three()
		test.step.Menu = routeros.Filter
		after, err := change.RehearseStep(before, test.step, 4)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		changetest.Expect(t, test.name, changetest.Lines(after), test.want)
		changetest.Expect(t, test.name+": the router before", changetest.Lines(before), changetest.Lines(three()))
	}
}

// TestRehearseEntries: lists keep what a step does not say, and when an entry was made.
func TestRehearseEntries(t *testing.T) {
	s := three()
	step := func(op change.Op, id string, pairs ...string) change.Step {
		return change.Step{Op: op, Menu: routeros.AddressList, ID: id, Set: routeros.MakeAttributes(pairs...)}
	}
	c := change.ChangeSet{Steps: []change.Step{
		step(change.Add, "", "list", "l", "address", "192.0.2.3"),
		step(change.Disable, "*1"),
		step(change.Set, "*1", "comment", "y"),
		step(change.Remove, "*2"),
	}}
	after, err := change.Rehearse(s, c, 4)
	if err != nil {
		t.Fatal(err)
	}
	want := []routeros.ListEntry{
		{ID: "*1", List: "l", Address: "192.0.2.1", Comment: "y", Disabled: true, Created: "2026-01-02 03:04:05"},
		{ID: "+0", List: "l", Address: "192.0.2.3"},
	}
	if got := after.Entries[routeros.AddressList]; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if len(s.Entries[routeros.AddressList]) != 2 || s.Entries[routeros.AddressList][0].Disabled {
		t.Error("the router before is another")
	}
}

// TestRehearseServices: a step changes the static row, and no connection of the same id.
func TestRehearseServices(t *testing.T) {
	step := change.Step{Op: change.Set, Menu: routeros.ServiceMenu, ID: "*7", Set: routeros.MakeAttributes("disabled", "true", "port", "8700", "address", "192.0.2.0/24,2001:db8::/32")}
	s := three()
	after, err := change.RehearseStep(s, step, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", after.Services[1])
	if want := fmt.Sprintf("%+v", routeros.Service{ID: "*7", Name: "api", Port: 8700, Disabled: true, From: []string{"192.0.2.0/24", "2001:db8::/32"}, FromName: "address"}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if fmt.Sprintf("%+v", after.Services[0]) != fmt.Sprintf("%+v", s.Services[0]) || s.Services[1].Disabled {
		t.Error("another row was changed")
	}
}

// TestMisfits: a step that names a row which is not there is an error that says which, and changes
// nothing.
func TestMisfits(t *testing.T) {
	attrs := routeros.MakeAttributes("list", "l", "address", "192.0.2.9", "chain", "input")
	for _, test := range []struct {
		step change.Step
		id   string
	}{
		{change.Step{Op: change.Set, Menu: routeros.Filter, ID: "*9"}, "*9"},
		{change.Step{Op: change.Remove, Menu: routeros.Filter, ID: ""}, ""},
		{change.Step{Op: change.Remove, Menu: routeros.NAT, ID: "*1"}, "*1"},
		{change.Step{Op: change.Move, Menu: routeros.Filter, ID: "*1", Before: "*9"}, "*9"},
		{change.Step{Op: change.Move, Menu: routeros.Filter, ID: "*9", Before: "*1"}, "*9"},
		{change.Step{Op: change.Move, Menu: routeros.Filter, ID: "*1", Before: "*1"}, "*1"},
		{change.Step{Op: change.Add, Menu: routeros.Filter, Before: "+7", Set: attrs}, "+7"},
		{change.Step{Op: change.Enable, Menu: routeros.Filter, ID: "+1"}, "+1"},
		{change.Step{Op: change.Add, Menu: routeros.AddressList, Before: "*1", Set: attrs}, "*1"}, // lists have no order
		{change.Step{Op: change.Set, Menu: routeros.AddressList, ID: "*9"}, "*9"},
		{change.Step{Op: change.Set, Menu: routeros.ServiceMenu, ID: "*1"}, "*1"},
		{change.Step{Op: change.Add, Menu: routeros.ServiceMenu, Before: "*7"}, "*7"},
	} {
		c := change.ChangeSet{Steps: []change.Step{{Op: change.Disable, Menu: routeros.Filter, ID: "*1", Slot: "p/x"}, test.step}}
		c.Steps[1].Slot = "p/y"
		_, err := change.Rehearse(three(), c, 2)
		misfit := misfits(t, err)
		if misfit == nil || misfit.Index != 1 || misfit.ID != test.id || misfit.Step.Slot != "p/y" {
			t.Errorf("%s %s: %v", test.step.Op, test.step.Menu, err)
		}
		states, err := change.States(three(), c)
		if misfits(t, err) == nil || len(states) != 2 {
			t.Errorf("%s: %d states, %v", test.step.Op, len(states), err)
		}
		for name, f := range map[string]func() error{
			"After":   func() error { _, _, err := change.After(three(), c); return err },
			"PartsOf": func() error { _, err := change.PartsOf(three(), c); return err },
			"Halve":   func() error { _, err := change.Halve(three(), c, change.Part{To: 2}); return err },
			"Arrange": func() error { _, err := change.Arrange(three(), c.Steps); return err },
		} {
			if misfits(t, f()) == nil {
				t.Errorf("%s of %s takes a step that does not fit", name, test.step.Op)
			}
		}
	}
	err := &change.MisfitError{Index: 2, Step: change.Step{Op: change.Set, Menu: routeros.Filter, Slot: "p/y"}, ID: "*9"}
	if got, want := err.Error(), "step 3, set p/y in /ip/firewall/filter, names the row *9, which is not there"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// misfits is the error of a step that does not fit; nil for another, or none.
func misfits(t *testing.T, err error) *change.MisfitError {
	t.Helper()
	var misfit *change.MisfitError
	errors.As(err, &misfit)
	return misfit
}

// TestRehearseAnything: no change set makes a rehearsal panic, whatever it says: a saved one may be
// made for another router. What it can't do is a [diff.MisfitError], and all functions agree about
// it.
func TestRehearseAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := three()
		ids := rapid.SampledFrom([]string{"", "*1", "*2", "*3", "*7", "+0", "+1", "+2", "+9", "x"})
		c := change.ChangeSet{}
		for range rapid.IntRange(0, 6).Draw(t, "steps") {
			c.Steps = append(c.Steps, change.Step{
				Op:     rapid.SampledFrom([]change.Op{change.Add, change.Set, change.Move, change.Remove, change.Enable, change.Disable, "unheard-of"}).Draw(t, "op"),
				Menu:   rapid.SampledFrom([]routeros.Menu{routeros.Filter, routeros.NAT, routeros.AddressList, routeros.ServiceMenu, "/elsewhere"}).Draw(t, "menu"),
				ID:     ids.Draw(t, "id"),
				Before: ids.Draw(t, "before"),
				Set: routeros.MakeAttributes(
					rapid.SampledFrom([]string{"port", "address", "disabled", "timeout", "comment", "chain", ""}).Draw(t, "name"),
					rapid.SampledFrom([]string{"", "x", "-1", "yes", "70000", "\xff"}).Draw(t, "value")),
			})
		}
		states, err := change.States(s, c)
		if err != nil && !errors.As(err, new(*change.MisfitError)) {
			t.Fatalf("%T %v", err, err)
		}
		if err == nil && len(states) != len(c.Steps)+1 {
			t.Fatalf("%d states of %d steps", len(states), len(c.Steps))
		}
		for n := range c.Steps {
			if _, e := change.Rehearse(s, c, n); (e == nil) != (n < len(states)) {
				t.Fatalf("%d steps: %v; States: %v", n, e, err)
			}
		}
		if states[0].Digest() != three().Digest() {
			t.Fatal("the router before is another")
		}
		_, ids2, e := change.After(s, c)
		if (e == nil) != (err == nil) {
			t.Fatalf("After: %v, States: %v", e, err)
		}
		for i, id := range ids2 {
			if c.Steps[i].Op != change.Add || !strings.HasPrefix(id, "*") {
				t.Fatalf("step %d has the id %s", i, id)
			}
		}
	})
}

// TestAfter: rows that are added get ids that no row has, above the highest of any menu.
func TestAfter(t *testing.T) {
	s := three()
	s.Entries[routeros.AddressList][1].ID = "*1F"
	c := change.ChangeSet{Steps: []change.Step{
		{Op: change.Add, Menu: routeros.Filter, Before: "*1", Set: changetest.Rule("input log").Attrs},
		{Op: change.Remove, Menu: routeros.Filter, ID: "*3"},
		{Op: change.Add, Menu: routeros.Filter, Before: "+0", Set: changetest.Rule("input passthrough").Attrs},
	}}
	after, ids, err := change.After(s, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 2 || ids[0] == ids[2] {
		t.Fatalf("ids %v", ids)
	}
	changetest.Expect(t, "after", changetest.Lines(after), []string{ids[2] + " input passthrough", ids[0] + " input log", "*1 input accept", "*2 input drop protocol=tcp [gate/tcp]"})
	for _, id := range ids {
		if !slices.Contains([]string{"*20", "*21"}, id) {
			t.Errorf("an id %s", id)
		}
	}
	c = change.ChangeSet{Steps: []change.Step{{Op: change.Add, Menu: routeros.AddressList, Set: routeros.MakeAttributes("list", "l", "address", "192.0.2.9")}}}
	after, ids, err = change.After(s, c)
	if got := after.Entries[routeros.AddressList]; err != nil || len(got) != 3 || got[2].ID != "*20" || ids[0] != "*20" {
		t.Errorf("%v, %+v, %v", err, got, ids)
	}
}
