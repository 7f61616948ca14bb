package space_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// faced is a state whose rules ask for interfaces in every way.
func faced(t *rapid.T) routeros.Snapshot {
	s := state(t)
	s.InterfaceLists = []routeros.InterfaceList{{Name: "LAN"}, {Name: "VPN"}, {Name: "both", Include: []string{"LAN", "VPN"}}, {Name: "rest", Include: []string{"all"}, Exclude: []string{"both"}}, {Name: "ring", Include: []string{"ring", "VPN"}}}
	rows := s.Rules[routeros.Filter]
	for i := range rows {
		name := pick(t, "matcher", "in-interface", "in-interface-list", "")
		switch name {
		case "in-interface":
			rows[i].Attrs = rows[i].Attrs.Without("in-interface-list").With(name, pick(t, name, "all-ppp", "!all-ppp", "all-ethernet", "all-vlan", "all-wireless", "!all-wireless", "ether1", "!ether1", "*4", "!*4", "ether5"))
		case "in-interface-list":
			rows[i].Attrs = rows[i].Attrs.Without("in-interface").With(name, pick(t, name, "LAN", "!LAN", "VPN", "!VPN", "both", "!both", "rest", "ring", "!rest", "dynamic", "!dynamic", "static", "all", "none", "*2000010", "!*2000010"))
		}
	}
	s.Interfaces = append(s.Interfaces, routeros.Interface{Name: "ether5", Type: "ether", Slave: true})
	return s
}

// TestOpenWorld: what an open space says of the interface that the router does not show is what
// happens once there is one, whatever its kind and its lists.
func TestOpenWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := faced(t)
		classes := space.New(routeros.IPv4, space.Cuts{Lists: []string{"a", "b", "c"}, Open: true}, s)
		result := classes.Walk(s)
		for range 20 {
			e := classes.Answered(some(t), func(string) bool { return rapid.Bool().Draw(t, "answer") })
			if rapid.Bool().Draw(t, "unseen") {
				var lists []string
				for _, list := range []string{"LAN", "VPN", "both", "rest", "ring"} {
					if rapid.IntRange(0, 3).Draw(t, list) == 0 {
						lists = append(lists, list)
					}
				}
				e = e.Unseen(pick(t, "kind", "", "all-ppp", "all-vlan", "all-ethernet", "all-wireless"), rapid.Bool().Draw(t, "dynamic"), lists...)
			}
			fate := classes.Replay(s, e)
			if got, want := classes.Holds(result.Accepted, e), fate.Verdict == firewall.Accept; got != want {
				t.Fatalf("accepted %v, the evaluator says %v by %v\n%v %v", got, fate.Verdict, fate.Rule, e, show(s))
			}
		}
		for _, set := range []space.Set{result.Accepted, classes.Minus(classes.All(), result.Accepted)} {
			set = classes.And(set, classes.Unseen())
			if e, ok := classes.Pick(set); ok {
				if got := classes.Replay(s, e).Verdict == firewall.Accept; !classes.Holds(set, e) || got != classes.Holds(result.Accepted, e) {
					t.Fatalf("%v in %v: accept %v %s", e.Packet, e.Joins(), got, show(s))
				}
			}
		}
	})
}

// TestClosed: without being asked, a space has the interfaces of the router alone.
func TestClosed(t *testing.T) {
	s := routeros.Snapshot{Interfaces: []routeros.Interface{{Name: "ether1"}, {Name: "ether2", Slave: true}, {Name: "ether3", Disabled: true}, {Name: "lo"}}}
	if got := space.New(routeros.IPv4, space.Cuts{}, s).Interfaces(); !slices.Equal(got, []string{"ether1"}) {
		t.Errorf("closed: %q", got)
	}
	if got := space.New(routeros.IPv4, space.Cuts{Open: true}, s).Interfaces(); !slices.Equal(got, []string{"ether1", firewall.AnyOther}) {
		t.Errorf("open: %q", got)
	}
}

// TestDialIns: clients who dial in are one class where no rule tells them apart.
func TestDialIns(t *testing.T) {
	s := routeros.Snapshot{
		Interfaces:     []routeros.Interface{{Name: "ether1", Type: "ether"}},
		InterfaceLists: []routeros.InterfaceList{{Name: "staff"}},
		Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {
			routeros.NewRule("chain", "input", "action", "accept", "in-interface", "<ppp-7>", "protocol", "tcp"),
			routeros.NewRule("chain", "input", "action", "accept", "in-interface-list", "staff"),
			routeros.NewRule("chain", "input", "action", "drop"),
		}},
	}
	for i := range 100 {
		name := fmt.Sprintf("<ppp-%d>", i)
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: name, Type: "pppoe-in", Dynamic: true})
		if i%10 == 0 {
			s.ListMembers = append(s.ListMembers, routeros.ListMember{List: "staff", Interface: name, Dynamic: true})
		}
	}
	classes := space.New(routeros.IPv4, space.Cuts{}, s)
	if got, want := classes.Interfaces(), []string{"ether1", "<ppp-0>", "<ppp-1>", "<ppp-7>"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	accepted := classes.Walk(s).Accepted
	for name, want := range map[string]bool{"<ppp-50>": true, "<ppp-51>": false, "<ppp-7>": true, "ether1": false, "gone": false} {
		if got := !classes.And(accepted, classes.In(name)).Empty(); got != want {
			t.Errorf("%s: accepted %v", name, got)
		}
	}
}
