package proof_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestPlaces: on tables of every shape that routers have, place: auto finds a place where the proof
// holds; and there a stranger meets the gate, and the operator does not.
func TestPlaces(t *testing.T) {
	const winbox = "add chain=input action=accept protocol=tcp dst-port=8291 comment=winbox\n"
	for name, rules := range map[string]string{
		"the default":                             established + "add chain=input action=drop connection-state=invalid\nadd chain=input action=accept protocol=icmp\nadd chain=input action=drop in-interface-list=!LAN\n",
		"rules after the catch-all":               established + "add chain=input action=drop\n" + winbox + "add chain=input action=accept\n",
		"a drop for each interface":               established + "add chain=input action=drop in-interface=ether1\nadd chain=input action=drop in-interface=ether2\n",
		"no drop at all":                          established + winbox,
		"no rule at all":                          "",
		"a firewall that is switched off":         strings.ReplaceAll(established+winbox+"add chain=input action=drop\n", "chain=", "disabled=yes chain="),
		"winbox from anywhere above":              winbox + established + "add chain=input action=drop\n",
		"winbox from anywhere by a limit":         established + strings.Replace(winbox, "comment", "limit=5,5:packet comment", 1) + "add chain=input action=drop\n",
		"winbox from one address":                 established + strings.Replace(winbox, "comment", "src-address=203.0.113.50 comment", 1) + "add chain=input action=drop\n",
		"winbox from a list that anybody fills":   established + strings.Replace(winbox, "comment", "src-address-list=x comment", 1) + "add chain=input action=add-src-to-address-list address-list=x protocol=udp dst-port=9\nadd chain=input action=drop\n",
		"a drop in a chain of the operator's":     established + "add chain=input action=jump jump-target=outside in-interface=ether1\nadd chain=outside action=accept protocol=icmp\nadd chain=outside action=drop\n",
		"an accept in a chain of the operator's":  established + "add chain=input action=jump jump-target=services protocol=tcp\nadd chain=services action=accept dst-port=22,8291\nadd chain=services action=return\nadd chain=input action=drop\n",
		"a chain that returns early":              established + "add chain=input action=jump jump-target=c\nadd chain=c action=return in-interface-list=LAN\nadd chain=c action=drop\n",
		"pings accepted by a limit at the top":    "add chain=input action=accept protocol=icmp limit=50,5:packet\n" + established + "add chain=input action=drop\n",
		"established only after the drop of some": "add chain=input action=drop protocol=udp dst-port=53\n" + established + "add chain=input action=drop in-interface=ether1\n",
		"no accept of established":                "add chain=input action=accept in-interface-list=LAN\nadd chain=input action=drop\n",
		"a blacklist in raw":                      established + "add chain=input action=drop\n/ip firewall raw\nadd chain=prerouting action=drop src-address-list=black\n",
		"a port that is redirected to winbox":     established + "add chain=input action=accept connection-nat-state=dstnat\nadd chain=input action=drop\n/ip firewall nat\nadd chain=dstnat action=redirect protocol=tcp dst-port=8888 to-ports=8291\n",
	} {
		for i, layout := range []plans.Layout{plans.Chain, plans.Inline, plans.Chain, plans.Inline} {
			door := []string{"", quarantine}[i/2]
			t.Run(fmt.Sprintf("%s/%v, quarantine %v", name, layout, door != ""), func(t *testing.T) {
				s := table(rules)
				p := gatedPlan(t, layout, door)
				want, err := compile.Compile(p, s)
				if err != nil {
					t.Fatal(err)
				}
				session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.7")}, Accepted: []string{proof.Overrides}}
				changes, err := diff.Compute(s, want, session)
				if err != nil {
					t.Fatal(err)
				}
				if err := proof.Prove(s, want, changes, session).Err(); err != nil {
					t.Fatal(err)
				}
				gateStands(t, changetest.After(t, s, changes))
			})
		}
	}
}

// gateStands sends a stranger and the operator to winbox.
func gateStands(t *testing.T, s routeros.Snapshot) {
	t.Helper()
	probes := traffic.NewProbes(s, routeros.IPv4)
	for _, in := range probes.Interfaces {
		stranger := probes.New(in, "tcp", 8291)
		operator := stranger
		operator.Src = netip.MustParseAddr("198.51.100.7")
		world, lists := firewall.NewFirewall(s), firewall.NewAddressLists(s, s.Clock)
		if fate := world.Input(stranger, lists, s.Clock); fate.Verdict == firewall.Accept {
			t.Errorf("a stranger on %s gets in by %v", in, fate.Rule)
		}
		if fate := world.Input(operator, lists, s.Clock); fate.Verdict != firewall.Accept {
			t.Errorf("the allow-list on %s is stopped by %v", in, fate.Rule)
		}
	}
}
