package proof_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// house is what the routers of these tests have in common.
const house = `# 2026-09-25 08:50:30 by RouterOS 7.20
/interface bridge
add name=bridge
/interface ethernet
set [ find default-name=ether1 ]
/interface list
add name=LAN
/interface list member
add interface=bridge list=LAN
/ip address
add address=192.168.88.1/24 interface=bridge network=192.168.88.0
add address=192.0.2.1/24 interface=ether1 network=192.0.2.0
/ip firewall filter
add action=accept chain=input connection-state=established,related,untracked
add action=drop chain=input in-interface-list=!LAN
`

// forwarding is a router that sends strangers to the very host and port of the example's forward,
// from its port and from another one, and to another host from a third.
const forwarding = house + `add action=accept chain=forward connection-state=established,related,untracked
add action=drop chain=forward connection-nat-state=!dstnat connection-state=new in-interface=ether1
/ip firewall nat
add action=dst-nat chain=dstnat dst-port=33890 in-interface=ether1 protocol=tcp to-addresses=192.168.88.10 to-ports=3389
add action=dst-nat chain=dstnat dst-port=13389 in-interface=ether1 protocol=tcp to-addresses=192.168.88.10 to-ports=3389
add action=dst-nat chain=dstnat dst-port=80 in-interface=ether1 protocol=tcp to-addresses=192.168.88.20
`

// strict stops what goes through it, running connections too.
const strict = house + `add action=drop chain=forward
`

func forwardPlan(t fataler, layout plans.Layout) plans.Plan {
	t.Helper()
	text, err := fixtures.Plan("forward.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read("forward.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	p.Firewall.Layout, p.Firewall.Families = layout, []routeros.Family{routeros.IPv4}
	return p
}

func operated() change.Management {
	return change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
}

// TestForwardMutants: when any rule of a forward is removed or weakened, the proof fails, unless it
// makes no difference.
func TestForwardMutants(t *testing.T) {
	tried, same := 0, 0
	for name, s := range map[string]routeros.Snapshot{"defconf": fixture(t, "defconf.rsc"), "no drop": fixture(t, "no-drop.rsc"), "strict": router(strict)} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			p := forwardPlan(t, layout)
			if name == "no drop" {
				p.Allow.InterfaceLists = nil
			}
			want, err := compile.Compile(p, s)
			if err != nil {
				t.Fatal(err)
			}
			good, changes := proved(t, s, want, operated())
			if err := good.Err(); err != nil {
				t.Fatalf("%s, %v: the good one fails: %v", name, layout, err)
			}
			for at, rule := range places(want) {
				if at.chain != inNAT && at.chain != inForward {
					continue
				}
				mark, _ := rule.Mark()
				cases := mutants(rule)
				cases["removed"] = routeros.Rule{}
				for change, mutant := range cases {
					bad, wrong := proved(t, s, mutated(want, at, mutant), operated())
					tried++
					switch {
					case !bad.Holds():
					case equal(routeros.IPv4, changetest.After(t, s, changes), changetest.After(t, s, wrong)):
						same++
					default:
						t.Errorf("%s, %v, %s: %s, and the proof holds", name, layout, mark.Slot, change)
					}
				}
			}
		}
	}
	t.Logf("%d mutants, %d of them without any effect", tried, same)
	if tried < 100 || same*3 > tried {
		t.Errorf("%d mutants, %d of them without any effect: the rule sets don't suit the test", tried, same)
	}
}

// TestForwardGate: where somebody else's rule sends strangers to the same host, every protective
// rule is needed, and the proof says by what packet.
func TestForwardGate(t *testing.T) {
	s := router(forwarding)
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		want, err := compile.Compile(forwardPlan(t, layout), s)
		if err != nil {
			t.Fatal(err)
		}
		if good, _ := proved(t, s, want, operated()); good.Err() != nil {
			t.Fatalf("%v: the good one fails: %v", layout, good.Err())
		}
		rules := places(want)
		find := func(chain int, slot string) (where, routeros.Rule) {
			for at, r := range rules {
				if mark, _ := r.Mark(); at.chain == chain && mark.Slot == slot {
					return at, r
				}
			}
			t.Fatalf("no rule %s", slot)
			return where{}, routeros.Rule{}
		}
		drop, dropped := find(inForward, "gate/forward-rdp")
		trusted, sent := find(inNAT, "office/forward-rdp")
		let, accepted := find(inForward, "office/forward-rdp")
		lan, listed := find(inNAT, "allow/interfaces-1/forward-rdp")
		for _, test := range []struct {
			what string
			at   where
			with routeros.Rule
			says string
		}{
			{"no drop", drop, routeros.Rule{}, "would still reach the forward rdp"},
			{"a disabled drop", drop, routeros.Rule{Attrs: dropped.Attrs.With("disabled", "true")}, "would still reach the forward rdp"},
			{"a drop of another host", drop, routeros.Rule{Attrs: dropped.Attrs.With("dst-address", "192.168.88.20")}, "would still reach the forward rdp"},
			{"a drop of another port", drop, routeros.Rule{Attrs: dropped.Attrs.With("dst-port", "33890")}, "would still reach the forward rdp"},
			{"a drop of running connections", drop, routeros.Rule{Attrs: dropped.Attrs.With("connection-state", "established")}, "would still reach the forward rdp"},
			{"a drop of one interface", drop, routeros.Rule{Attrs: dropped.Attrs.With("in-interface", "bridge")}, "would still reach the forward rdp"},
			{"a drop of what passes through", drop, routeros.Rule{Attrs: dropped.Attrs.Without("connection-nat-state")}, "belong to no forward of the plan"},
			{"everybody is forwarded", trusted, routeros.Rule{Attrs: sent.Attrs.Without("src-address-list")}, "forward a stranger"},
			{"everybody outside the LAN is forwarded", lan, routeros.Rule{Attrs: listed.Attrs.With("in-interface-list", "!LAN")}, "forward a stranger"},
			{"everybody is let through", let, routeros.Rule{Attrs: accepted.Attrs.Without("src-address-list")}, "would still reach the forward rdp"},
			{"no trusted source is let through", let, routeros.Rule{}, "the list desk would not reach the forward rdp"},
			{"trusted sources are sent elsewhere", trusted, routeros.Rule{Attrs: sent.Attrs.With("to-addresses", "192.168.88.66")}, "was not forwarded before"},
			{"a list that anybody is in", let, routeros.Rule{Attrs: accepted.Attrs.With("src-address-list", "!desk")}, "would still reach the forward rdp"},
		} {
			bad, _ := proved(t, s, mutated(want, test.at, test.with), operated())
			said := func(what string) bool {
				for _, f := range bad.Failures {
					if strings.Contains(f.What, what) {
						return true
					}
				}
				return false
			}
			if bad.Holds() || !said(test.says) {
				t.Errorf("%v: %s: %+v", layout, test.what, bad.Failures)
			}
		}
	}
}

// TestForwardForged: trust does not let a forged source through, and the proof fails without any of
// the rules for that.
func TestForwardForged(t *testing.T) {
	s := router(strings.Replace(forwarding, "add name=LAN\n", "add name=LAN\nadd name=WAN\n", 1) + "/interface list member\nadd interface=ether1 list=WAN\n")
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p := forwardPlan(t, layout)
		p.Firewall.Bogons = &plans.Bogons{InterfaceLists: []string{"WAN"}}
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		if good, _ := proved(t, s, want, change.Management{}); good.Err() != nil {
			t.Fatalf("%v: the good one fails: %v", layout, good.Err())
		}
		tried := 0
		for at, rule := range places(want) {
			mark, _ := rule.Mark()
			if at.chain < 0 || !strings.HasPrefix(mark.Slot, "office.rdp.forward/") {
				continue
			}
			tried++
			if bad, _ := proved(t, s, mutated(want, at, routeros.Rule{}), change.Management{}); bad.Holds() || !strings.Contains(fmt.Sprint(bad.Failures), "forged") {
				t.Errorf("%v: without %s: %v", layout, mark.Slot, bad.Err())
			}
		}
		if tried != 1 {
			t.Errorf("%v: %d rules about forged sources", layout, tried)
		}
	}
}

// TestForwardPasses: packets that pass through the router without destination NAT get the same
// verdict in every state, and so do packets that foreign rules forward to other hosts.
func TestForwardPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		text := strict
		if rapid.Bool().Draw(t, "forwarding") {
			text = forwarding
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
			text = strings.Replace(text, "/ip firewall filter\n", "/ip firewall filter\n"+fmt.Sprintf("add chain=forward comment=f%d %s action=%s\n", i,
				one("match", "in-interface=bridge", "dst-address=192.168.88.10", "protocol=tcp dst-port=3389", "connection-state=new", "connection-nat-state=dstnat", "src-address-list=desk", "in-interface-list=!LAN"), one("action", "accept", "drop", "return")), 1)
		}
		s := router(text)
		p := forwardPlan(t, rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "layout"))
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := diff.Compute(s, want, operated())
		if err != nil {
			t.Fatal(err)
		}
		states := changetest.States(t, s, changes)
		for range 20 {
			q := firewall.Packet{
				Protocol: 6, Src: netip.MustParseAddr(one("src", "192.168.88.77", "93.77.0.1", "198.51.100.7")), Dst: netip.MustParseAddr(one("dst", "192.168.88.10", "192.168.88.20", "93.77.0.9")),
				SrcPort: 51077, DstPort: rapid.SampledFrom([]uint16{3389, 33890, 80}).Draw(t, "port"), InInterface: one("in", "bridge", "ether1"), OutInterface: one("out", "bridge", "ether1"),
				Size: 60, TTL: 63, State: rapid.SampledFrom([]firewall.State{firewall.New, firewall.Established, firewall.Invalid}).Draw(t, "state"), DstNAT: rapid.Bool().Draw(t, "translated"),
			}
			if q.DstNAT && q.Dst.String() == "192.168.88.10" && q.DstPort == 3389 {
				continue
			}
			verdict := func(s routeros.Snapshot) firewall.Verdict {
				return firewall.NewFirewall(s).Walk(routeros.Filter, "forward", q, firewall.NewAddressLists(s, epoch), epoch).Verdict
			}
			for n, state := range states {
				if was, is := verdict(s), verdict(state); was != is {
					t.Fatalf("after %d steps %v, translated %v, %s: it was %s and is %s\n%s", n, q, q.DstNAT, q.State, was, is, text)
				}
			}
		}
	})
}

// TestForwardInCircles: chains of forward that jump in circles are a reason to refuse a plan with
// forwards, and no other one.
func TestForwardInCircles(t *testing.T) {
	rules := "add chain=forward action=jump jump-target=round\n"
	for i := range 70 {
		rules += fmt.Sprintf("add chain=round%d action=jump jump-target=round%d\n", i, (i+1)%70)
	}
	s := router(strings.Replace(forwarding, "/ip firewall filter\n", "/ip firewall filter\n"+strings.Replace(rules, "target=round\n", "target=round0\n", 1), 1))
	p := forwardPlan(t, plans.Chain)
	for _, with := range []bool{true, false} {
		if !with {
			p.Gate.Forwards, p.Gate.Services = nil, append(slices.Clone(p.Gate.Services), "www") // foreign forwards are followed
			p.Doors[0].Opens = p.Doors[0].Opens[1:]
		}
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		result, _ := proved(t, s, want, operated())
		if refused := strings.Contains(fmt.Sprint(result.Err()), "jump in circles"); refused != with || !with && result.Err() != nil {
			t.Errorf("with forwards %v: %v", with, result.Err())
		}
	}
}

// TestForwardGoes: a plan without its forward leaves nothing of it, and the change holds, also
// where others forward to the same host.
func TestForwardGoes(t *testing.T) {
	s := router(forwarding)
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p := forwardPlan(t, layout)
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		_, changes := proved(t, s, want, operated())
		with := changetest.After(t, s, changes)
		p.Gate.Forwards, p.Doors = nil, slices.Clone(p.Doors)
		p.Doors[0].Opens = []plans.Target{{Kind: plans.ServiceTarget, Name: "winbox"}}
		if want, err = compile.Compile(p, with); err != nil {
			t.Fatal(err)
		}
		gone, changes := proved(t, with, want, operated())
		if err := gone.Err(); err == nil || !strings.Contains(err.Error(), "forwarded that was not forwarded before") {
			t.Errorf("%v: strangers get to the host again by the rules of others, and nothing is said: %v", layout, err)
		}
		after := changetest.After(t, with, changes)
		for _, menu := range []routeros.Menu{routeros.NAT, routeros.Filter} {
			for _, r := range after.Rules[menu] {
				if strings.Contains(r.Comment(), "forward-rdp") || strings.Contains(r.Comment(), "jump-forward") {
					t.Errorf("%v: %s is left", layout, r.Comment())
				}
			}
		}
	}
}

// fataler is a test, of one packet or of many.
type fataler interface {
	Helper()
	Fatal(args ...any)
}
