package diff_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// gone is what is wanted of a plan that is removed.
func gone(services ...compile.Service) compile.RuleSet {
	return compile.RuleSet{Plan: "p", PlanDigest: "none", Removes: true, Services: services}
}

// TestRemove: a plan goes with its rows in every menu, by their marks. Gates go before what they
// let through, a jump takes its chain along, and what opens comes last.
func TestRemove(t *testing.T) {
	for _, test := range []struct {
		name string
		rows []string
		want []string
	}{
		{"nothing", []string{"*1 input accept #mine"}, nil},
		{"inline", atRest(plans.Inline), []string{"remove *4", "remove *2", "remove *3"}},
		{"chain", atRest(plans.Chain), []string{"disable *5", "remove *5", "remove *4", "remove *2", "remove *3"}},
		{"a disabled jump", instead("*5", "*5 input jump jump-target=rosknock-p-a disabled=true [jump]")(atRest(plans.Chain)), []string{"remove *5", "remove *4", "remove *2", "remove *3"}},
		{"a door's own chain", []string{
			"*1 input jump jump-target=rosknock-p-a [jump]", "*2 rosknock-p-a jump jump-target=rosknock-p-a-x [x/jump]", "*3 rosknock-p-a-x accept [x/open]", "*4 forward jump jump-target=rosknock-p.forward-a [jump-forward]",
		}, []string{"disable *1", "disable *4", "remove *1", "remove *4", "remove *2", "remove *3"}},
		{"other plans' rows", []string{"*1 input drop [gate/tcp]", "*2 input drop [gate/tcp@q]", "*3 input drop D [gate/tcp]"}, []string{"remove *1"}},
	} {
		s := changetest.Filter(test.rows...)
		c := converges(t, s, gone())
		changetest.Expect(t, test.name, changetest.Written(c.Steps), test.want)
		for _, step := range c.Steps {
			if step.Why != "the plan is removed" {
				t.Errorf("%s: %s, since %s", test.name, changetest.SpellStep(step), step.Why)
			}
		}
	}
}

// TestRemoveEverywhere: translations go before what lets their packets pass, raw rules with the
// rest, and list entries behind all rules.
func TestRemoveEverywhere(t *testing.T) {
	s := changetest.Filter("*1 forward accept [d/forward]", "*2 forward drop [gate/forward]")
	s.Rules[routeros.NAT] = changetest.Router(routeros.NAT, "*1 dstnat accept [d/no-nat]", "*2 dstnat dst-nat [d/forward]", "*3 dstnat dst-nat #mine").Rules[routeros.NAT]
	s.Rules[routeros.Raw] = changetest.Router(routeros.Raw, "*1 prerouting drop [bogons/x]").Rules[routeros.Raw]
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {entry("*1", "192.0.2.1"), {ID: "*2", List: "allow", Address: "192.0.2.2"}}}
	c := converges(t, s, gone())
	changetest.Expect(t, "steps", changetest.Written(c.Steps), []string{
		"remove /ip/firewall/nat *2",
		"remove *2",
		"remove /ip/firewall/nat *1",
		"remove /ip/firewall/raw *1",
		"remove *1",
		"remove /ip/firewall/address-list *1",
	})
}

// TestGivenBack: a rule that was somebody's before the plan took it over gets its comment back and
// stays; one that another plan marked, or that is not there any more, is left alone. One that the
// plan had marked before it took it over is the plan's.
func TestGivenBack(t *testing.T) {
	want := gone()
	want.Returned = []compile.Returned{
		{Menu: routeros.Filter, ID: "*1", Comment: "mine"}, {Menu: routeros.Filter, ID: "*2", Comment: "theirs"}, {Menu: routeros.Filter, ID: "*9", Comment: "lost"},
		{Menu: routeros.NAT, ID: "*3", Comment: "of another menu"}, {Menu: routeros.Filter, ID: "*4", Comment: "still [rosknock p/x]"},
	}
	s := changetest.Filter("*1 input accept #mine [a]", "*2 input accept [b@q]", "*3 input accept [c]", "*4 input accept [d]")
	c := converges(t, s, want)
	changetest.Expect(t, "steps", changetest.Written(c.Steps), []string{"set *1 comment=mine", "remove *3", "remove *4"})
	back := c.Steps[0]
	if !change.HandsOver(back, "p") || back.Was.Get("comment") != "mine [rosknock p/a]" || back.Why == "the plan is removed" {
		t.Errorf("given back by %+v", back)
	}
}

// TestServicesBack: a service that the plan closed or moved goes back while the gate is still
// there, and opens when it is gone. Steps that do both are taken apart.
func TestServicesBack(t *testing.T) {
	yes, no, port := true, false, uint16(22)
	for _, test := range []struct {
		name string
		row  routeros.Service
		want compile.Service
		then []string
	}{
		{"switched on again", routeros.Service{Disabled: true}, compile.Service{Disabled: &no}, []string{"remove *1", "enable service *3"}},
		{"switched off again", routeros.Service{}, compile.Service{Disabled: &yes}, []string{"disable service *3", "remove *1"}},
		{"moved back", routeros.Service{Port: 2222}, compile.Service{Port: &port}, []string{"set service *3 port=22", "remove *1"}},
		{"moved back and switched on", routeros.Service{Port: 2222, Disabled: true}, compile.Service{Port: &port, Disabled: &no}, []string{"set service *3 port=22", "remove *1", "enable service *3"}},
		{"for more", routeros.Service{From: []string{"192.0.2.0/28"}}, compile.Service{WantFrom: true, From: []string{"192.0.2.0/24"}}, []string{"remove *1", "set service *3 address=192.0.2.0/24"}},
		{"for everybody", routeros.Service{From: []string{"192.0.2.0/28"}}, compile.Service{WantFrom: true}, []string{"remove *1", `set service *3 address=""`}},
		{"for fewer", routeros.Service{}, compile.Service{WantFrom: true, From: []string{"192.0.2.0/24"}}, []string{"set service *3 address=192.0.2.0/24", "remove *1"}},
		{"for others", routeros.Service{From: []string{"198.51.100.0/24"}}, compile.Service{WantFrom: true, From: []string{"192.0.2.0/24"}}, []string{"set service *3 address=192.0.2.0/24", "remove *1"}},
		{"for some of them and others", routeros.Service{From: []string{"192.0.2.0/28", "198.51.100.0/24"}}, compile.Service{WantFrom: true, From: []string{"192.0.2.0/24"}}, []string{"set service *3 address=192.0.2.0/24", "remove *1"}},
		{"for what can't be read", routeros.Service{From: []string{"x"}}, compile.Service{WantFrom: true, From: []string{"192.0.2.0/24"}}, []string{"set service *3 address=192.0.2.0/24", "remove *1"}},
	} {
		s := changetest.Filter("*1 input drop protocol=tcp [gate/tcp]")
		test.row.ID, test.row.Name, test.row.FromName = "*3", "ssh", "address"
		test.want.Name = "ssh"
		s.Services = []routeros.Service{test.row}
		c := converges(t, s, gone(test.want))
		changetest.Expect(t, test.name, changetest.Written(c.Steps), test.then)
		for _, step := range c.Steps {
			if step.Menu == routeros.ServiceMenu && step.Why != "as it was before the plan" {
				t.Errorf("%s: %s, since %s", test.name, changetest.SpellStep(step), step.Why)
			}
		}
	}
}

// TestListsLeft: what is said of lists that stay, and which lists mean nothing to anybody any more.
func TestListsLeft(t *testing.T) {
	s := changetest.Filter(
		"*1 input add-src-to-address-list address-list=trusted [d/stage-1]",
		"*2 input add-src-to-address-list address-list=shared [e/stage-1]",
		"*3 input add-src-to-address-list address-list=shared [f/stage-1]",
		"*4 forward accept src-address-list=!shared #mine",
		"*5 input add-src-to-address-list address-list=given [g/stage-1]",
		"*6 input accept src-address-list=allow D",
		"*7 input accept src-address-list=guests [d/networks-tcp]")
	list := func(list, address string) routeros.ListEntry {
		return routeros.ListEntry{ID: "*" + address, List: list, Address: "192.0.2." + address}
	}
	dynamic := list("trusted", "4")
	dynamic.Dynamic = true
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
		list("trusted", "1"), list("trusted", "2"), list("shared", "3"), list("guests", "8"), dynamic, entry("*5", "192.0.2.5"), list("elsewhere", "6"),
	}}
	want := gone()
	want.Returned = []compile.Returned{{Menu: routeros.Filter, ID: "*5", Comment: "mine"}}
	c := converges(t, s, want)
	changetest.Expect(t, "notes", c.Notes, []string{
		`the ipv4 list shared keeps its entries (1): the rule "mine" (*4), which is not the plan's, uses it too`,
		"the ipv4 list guests keeps its permanent entries (1): they do not carry the plan's mark; no rule asks for that list any more",
		"the ipv4 list trusted keeps its permanent entries (2): they do not carry the plan's mark; no rule asks for that list any more",
	})
	if got := changetest.Written(c.Steps); !slices.Contains(got, "remove /ip/firewall/address-list *5") {
		t.Errorf("the plan's own entry stays: %v", got)
	}
	if got, own := diff.OwnLists(s, want), []diff.List{{Family: routeros.IPv4, Name: "trusted"}, {Family: routeros.IPv4, Name: "guests"}}; !slices.Equal(got, own) {
		t.Errorf("lists %v, want %v", got, own)
	}
	s.Rules[routeros.Filter][3].Attrs = s.Rules[routeros.Filter][3].Attrs.With("src-address-list", "allow")
	if got := changetest.Written(converges(t, s, want).Steps); slices.Contains(got, "remove /ip/firewall/address-list *5") {
		t.Errorf("an entry of a list that another rule asks for is removed: %v", got)
	}
}

// TestStranded: others' rules in a chain to which only the plan leads are told of: no packet comes
// to them any more.
func TestStranded(t *testing.T) {
	rows := append(atRest(plans.Chain), "*A rosknock-p-a accept #mine")
	c := converges(t, changetest.Filter(rows...), gone())
	if len(c.Notes) != 1 || !strings.HasPrefix(c.Notes[0], `the rule "mine" (*A) stands in our chain rosknock-p-a`) {
		t.Errorf("notes %q", c.Notes)
	}
	c = converges(t, changetest.Filter(append(rows, "*B guest jump jump-target=rosknock-p-a #theirs")...), gone())
	if len(c.Notes) != 0 {
		t.Errorf("packets still come there: %q", c.Notes)
	}
}
