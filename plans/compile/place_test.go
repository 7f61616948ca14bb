package compile

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// TestBypass: the first rule that lets somebody reach what is gated is the same whether all rules
// are looked at or those that may concern the gate.
func TestBypass(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawnRouter(t)
		p := plans.Plan{Name: "m", Gate: plans.Gate{Services: []string{"ssh", "winbox"}}, Firewall: plans.Firewall{Families: []routeros.Family{routeros.IPv4}}}
		if rapid.Bool().Draw(t, "vpn") {
			p.Gate.VPNs = []string{"l2tp-ipsec"}
		}
		about := subject{p, routeros.IPv4}
		c, place := compiler{subject: about, router: s}, placing{subject: about, router: s}
		table := Table{Family: routeros.IPv4, Menu: routeros.Filter, Gate: c.matches(p.Gate.Targets())}
		all, some := place.bypass(table, s), place.firstBypass(table, s)
		if all != some {
			t.Fatalf("%d by all rules, %d by those that concern the gate, in %v", all, some, s.Rules)
		}
		if all < len(s.Rules[routeros.Filter]) {
			found++
		}
	})
	if found == 0 {
		t.Error("nobody ever got by: the tables have no teeth")
	}
}

// drawnRouter has rules of all kinds in input, a chain that it jumps to, forward and dstnat.
func drawnRouter(t *rapid.T) routeros.Snapshot {
	pick := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
	s := routeros.Snapshot{
		Version: routeros.Version{Major: 7, Minor: 20}, Rules: map[routeros.Menu][]routeros.Rule{},
		Interfaces: []routeros.Interface{{Name: "ether1"}, {Name: "bridge"}},
		Services:   []routeros.Service{{ID: "*1", Name: "ssh", Port: 22}, {ID: "*2", Name: "winbox", Port: 8291}},
	}
	add := func(menu routeros.Menu, chain, action string, n int) {
		words := []string{"chain", chain, "action", action}
		if protocol := pick("protocol", "", "tcp", "udp", "!tcp", "17", "ipsec-esp"); protocol != "" {
			words = append(words, "protocol", protocol)
			if protocol == "tcp" || protocol == "udp" || protocol == "17" {
				if port := pick("dst-port", "", "22", "!22", "8291", "80", "1-65535", "20-23,500", "4500", "1701"); port != "" {
					words = append(words, "dst-port", port)
				}
			}
		}
		if list := pick("list", "", "", "a", "!a"); list != "" {
			words = append(words, "src-address-list", list)
		}
		switch action {
		case "jump":
			words = append(words, "jump-target", "c")
		case "add-src-to-address-list":
			words = append(words, "address-list", "a", "address-list-timeout", "1m")
		case "redirect":
			words = append(words, "to-ports", pick("to-ports", "22", "80", "500"))
		}
		if menu != routeros.NAT && pick("state", "", "", "new") != "" {
			words = append(words, "connection-state", "new")
		}
		r := routeros.NewRule(words...)
		r.ID = fmt.Sprintf("*%X", 100+n)
		s.Rules[menu] = append(s.Rules[menu], r)
	}
	for n := range rapid.IntRange(0, 8).Draw(t, "rules") {
		chain := pick("chain", "input", "input", "input", "c", "forward")
		actions := []string{"accept", "accept", "drop", "drop", "return", "log", "add-src-to-address-list"}
		if chain == "input" {
			actions = append(actions, "jump")
		}
		add(routeros.Filter, chain, pick("action", actions...), n)
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "translations") {
		add(routeros.NAT, "dstnat", "redirect", 50+n)
	}
	return s
}
