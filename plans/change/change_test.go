package change_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/routeros"
)

// TestChangeSet: what a change set says of itself.
func TestChangeSet(t *testing.T) {
	none := change.ChangeSet{Notes: []string{"nothing to do here"}}
	if none.Changed() || none.Menus() != nil {
		t.Error("no step is a change")
	}
	c := change.ChangeSet{Steps: []change.Step{{Menu: routeros.AddressList}, {Menu: routeros.Filter}, {Menu: routeros.AddressList}, {Menu: routeros.ServiceMenu}}}
	if want := []routeros.Menu{routeros.AddressList, routeros.Filter, routeros.ServiceMenu}; !c.Changed() || !slices.Equal(c.Menus(), want) {
		t.Errorf("%v, want %v", c.Menus(), want)
	}
}

// TestWritten: enabling and disabling write one attribute, everything else what it says.
func TestWritten(t *testing.T) {
	set := routeros.MakeAttributes("dst-port", "22")
	for op, want := range map[change.Op]routeros.Attributes{
		change.Enable: routeros.MakeAttributes("disabled", "false"), change.Disable: routeros.MakeAttributes("disabled", "true"),
		change.Set: set, change.Add: set,
	} {
		if got := change.Written(change.Step{Op: op, Set: set}); !got.Equal(want) {
			t.Errorf("%s writes %s, want %s", op, got, want)
		}
	}
}

// TestPart: a part names the rows that it adds anew, and those of earlier parts by the ids that the
// router gave them. Carried out one after the other the parts do what the whole does.
func TestPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := changetest.Filter("*1 input accept", "*2 input drop", "*3 forward accept")
		c := change.ChangeSet{Plan: "p1", Snapshot: s.Digest(), Notes: []string{"n"}}
		names := []string{"*1", "*2", "*3"}
		for i := range rapid.IntRange(1, 8).Draw(t, "steps") {
			id := rapid.SampledFrom(names).Draw(t, "row")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0, 1:
				c.Steps = append(c.Steps, change.Step{Op: change.Add, Menu: routeros.Filter, Before: id, Set: changetest.Rule(fmt.Sprintf("input log log-prefix=%d", i)).Attrs})
				names = append(names, fmt.Sprintf("+%d", i))
			case 2:
				c.Steps = append(c.Steps, change.Step{Op: change.Set, Menu: routeros.Filter, ID: id, Set: routeros.MakeAttributes("dst-port", fmt.Sprint(i))})
			default:
				c.Steps = append(c.Steps, change.Step{Op: change.Disable, Menu: routeros.Filter, ID: id})
			}
		}
		whole, err := change.Rehearse(s, c, len(c.Steps))
		if err != nil {
			t.Fatal(err)
		}
		given := map[int]string{}
		now, from := s, 0
		for from < len(c.Steps) {
			to := rapid.IntRange(from+1, len(c.Steps)).Draw(t, "to")
			part := c.Part(change.Part{From: from, To: to}, given)
			if part.Snapshot != "" || part.Plan != "p1" || len(part.Steps) != to-from {
				t.Fatalf("%+v", part)
			}
			next, ids, err := change.After(now, part)
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				given[from+i] = id
			}
			now, from = next, to
		}
		got, want := now.Rules[routeros.Filter], whole.Rules[routeros.Filter]
		if !slices.EqualFunc(got, want, func(a, b routeros.Rule) bool { return a.Attrs.Equal(b.Attrs) }) {
			t.Fatalf("in parts %v, as a whole %v", got, want)
		}
	})
}
