package change_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/routeros"
)

// TestForeign: a rule that a step of the change adopts, and does nothing else to, is no change to
// somebody else's; everything else is.
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
		adopts := change.Step{Op: change.Set, Menu: routeros.Filter, ID: "*2", Set: routeros.MakeAttributes("comment", mark), Was: routeros.MakeAttributes("comment", "theirs")}
		if d := change.Foreign(plain, test.is, "p", adopts); (d == nil) != test.same {
			t.Errorf("%s: %q", test.name, d)
		}
		if d := change.Foreign(plain, test.is, "p"); (d == nil) != (test.name == "as it was") {
			t.Errorf("%s, without a step: %q", test.name, d)
		}
	}
}

// TestForeignSays: what is somebody else's and is not as it was is named, a sentence for each table
// and list: the first row that is different. The plan's rows and the router's own don't count.
func TestForeignSays(t *testing.T) {
	rows := []string{"*1 input accept #first", "*2 input drop #caf\xe9", "*3 input accept [d/open]", "*4 input accept D", "*5 forward accept"}
	list := []routeros.ListEntry{
		{ID: "*1", List: "l", Address: "192.0.2.1"}, {ID: "*2", List: "l", Address: "192.0.2.2", Comment: "[rosknock p/allow]"},
		{ID: "*3", List: "l", Address: "192.0.2.3", Dynamic: true}, {ID: "*4", List: "l", Address: "192.0.2.4", Comment: "[rosknock q/allow]"},
	}
	router := func(list []routeros.ListEntry, rows ...string) routeros.Snapshot {
		s := changetest.Filter(rows...)
		s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: list}
		return s
	}
	disabled := slices.Clone(list)
	disabled[0].Disabled = true
	for _, test := range []struct {
		name string
		is   routeros.Snapshot
		want []string
	}{
		{"as it was", router(list, rows...), nil},
		{"the plan's and the router's rows are others", router(slices.Delete(slices.Clone(list), 1, 3), "*1 input accept #first", "*9 input drop [gate/tcp]", "*2 input drop #caf\xe9", "*5 forward accept"), nil},
		{"a rule is gone", router(list, rows[:4]...), []string{"/ip/firewall/filter: action=accept chain=forward (*5), which is not rosknock's, is gone"}},
		{"a rule is new", router(list, append(slices.Clone(rows), "*6 forward drop #new")...), []string{`/ip/firewall/filter: "new" (*6), which is not rosknock's, is new`}},
		{"a rule was removed and added again", router(list, append(slices.Clone(rows[:4]), "*7 forward accept")...), []string{"/ip/firewall/filter: where action=accept chain=forward (*5) stood there is now action=accept chain=forward (*7), and neither is rosknock's"}},
		{"a rule is another", router(list, append(slices.Clone(rows[:4]), "*5 forward drop")...), []string{"/ip/firewall/filter: where action=accept chain=forward (*5) stood there is now action=drop chain=forward (*5), and neither is rosknock's"}},
		{"an entry is gone", router(list[:3], rows...), []string{"/ip/firewall/address-list: l 192.0.2.4, which is not rosknock's, is gone"}},
		{"an entry is another", router(disabled, rows...), []string{"/ip/firewall/address-list: where l 192.0.2.1 stood there is now l 192.0.2.1, and neither is rosknock's"}},
		{"all of it", router(nil), []string{`/ip/firewall/filter: "first" (*1), which is not rosknock's, is gone`, "/ip/firewall/address-list: l 192.0.2.1, which is not rosknock's, is gone"}},
	} {
		changetest.Expect(t, test.name, change.Foreign(router(list, rows...), test.is, "p"), test.want)
	}
}
