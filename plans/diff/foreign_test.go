package diff_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// TestForeign: a rule that a step of the change adopts, and does nothing else to, is no change to somebody else's; everything else is.
func TestForeign(t *testing.T) {
	const mark = "theirs [rosknock p/a/stage-1]"
	table := func(second ...string) routeros.Snapshot {
		rows := []routeros.Rule{routeros.NewRule("chain", "input", "comment", "first"), routeros.NewRule(second...), routeros.NewRule("chain", "input", "action", "drop")}
		for i, id := range []string{"*1", "*2", "*3"} {
			rows[i].ID = id
		}
		return routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}}
	}
	swapped := table("chain", "input", "comment", mark)
	slices.Reverse(swapped.Rules[routeros.Filter])
	other := table("chain", "input", "comment", mark)
	other.Rules[routeros.Filter][1].ID = "*9"
	plain := table("chain", "input", "comment", "theirs")
	for _, test := range []struct {
		name string
		is   routeros.Snapshot
		same bool
	}{
		{"as it was", plain, true},
		{"adopted", table("chain", "input", "comment", mark), true},
		{"adopted and changed", table("chain", "input", "comment", mark, "protocol", "tcp"), false},
		{"adopted and switched off", table("chain", "input", "comment", mark, "disabled", "true"), false},
		{"by another plan", table("chain", "input", "comment", "theirs [rosknock q/a/stage-1]"), false},
		{"another comment", table("chain", "input", "comment", "mine"), false},
		{"another row", other, false},
		{"others in another order", swapped, false},
	} {
		adopts := diff.Step{Op: diff.Set, Menu: routeros.Filter, ID: "*2", Set: routeros.MakeAttributes("comment", mark), Was: routeros.MakeAttributes("comment", "theirs")}
		if d := diff.Foreign(plain, test.is, "p", adopts); (d == nil) != test.same {
			t.Errorf("%s: %q", test.name, d)
		}
		if d := diff.Foreign(plain, test.is, "p"); (d == nil) != (test.name == "as it was") {
			t.Errorf("%s, without a step: %q", test.name, d)
		}
	}
}
