package plans_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

const foundPlan = `version: 1
name: old
doors:
  admin:
    knock: [tcp/888, tcp/555, tcp/222]
    stage-lists: ["first", "second"]
    trusted: {list: secured, for: 30m}
firewall:
  layout: inline
  as-found:
    order: [admin/stage-1, admin/stage-2, admin/stage-3, admin/open]
    rules:
      admin/stage-1: {chain: pk, with: {in-interface-list: WAN, src-address-list: "!first"}, without: [connection-state]}
      admin/open: {comment: they have knocked}
`

// TestAsFound: what is said of rules that were there before is read, and printed back the same.
func TestFound(t *testing.T) {
	p, err := plans.Read("old.yaml", []byte(foundPlan))
	if err != nil {
		t.Fatal(err)
	}
	want := plans.AsFound{
		Order: []string{"admin/stage-1", "admin/stage-2", "admin/stage-3", "admin/open"},
		Rules: []plans.FoundRule{
			{Slot: "admin/stage-1", Chain: "pk", With: routeros.MakeAttributes("in-interface-list", "WAN", "src-address-list", "!first"), Without: []string{"connection-state"}},
			{Slot: "admin/open", Comment: "they have knocked"},
		},
	}
	if !reflect.DeepEqual(p.Firewall.AsFound, want) {
		t.Errorf("%+v", p.Firewall.AsFound)
	}
	if p.Doors[0].StageListOf(1) != "first" || p.Doors[0].StageListOf(2) != "second" {
		t.Errorf("stage lists %v", p.Doors[0].StageNames)
	}
	again, err := plans.Read("again.yaml", plans.Write(p))
	if err != nil || !reflect.DeepEqual(again, p) {
		t.Errorf("%v: %+v\n%s", err, again, plans.Write(p))
	}
}

// TestFoundMistakes: what can't be meant is said at its place, and no number of a knock is in it.
func TestFoundMistakes(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"layout: inline", "layout: chain", "write layout: inline"},
		{"layout: inline", "layout: inline\n  bogons: {interface-lists: [WAN]}", "remove as-found"},
		{`["first", "second"]`, `["first"]`, "the number of stage lists (1) does not fit the stages of the knock (3)"},
		{`["first", "second"]`, `["first", "first"]`, "repeated"},
		{`["first", "second"]`, `["first", "secured"]`, "would be"},
		{"admin/open: {", "other/open: {", "to no door of the plan"},
		{"admin/open: {", "open: {", "is not a slot"},
		{"in-interface-list: WAN", "dst-port: 888", `can't be "dst-port"`},
		{"in-interface-list: WAN", "connection-state: new", "with and without connection-state"},
		{"in-interface-list: WAN", `in-interface-list: ""`, "it is empty"},
		{"without: [connection-state]", "without: [protocol]", `can't be "protocol"`},
	} {
		_, err := plans.Read("old.yaml", []byte(strings.Replace(foundPlan, test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.new, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "888") {
			t.Errorf("%s: the knock is in %v", test.new, err)
		}
	}
}
