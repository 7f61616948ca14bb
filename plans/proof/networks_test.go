package proof_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestNetworks: a door with a list of networks keeps every promise, whatever is in that list; the
// proof says which networks come in without a knock, and refuses a rule that adds to the list.
func TestNetworks(t *testing.T) {
	const table = "/ip address\nadd address=198.51.100.1/24 interface=ether1\n/ip firewall filter\nadd chain=input action=accept connection-state=established,related,untracked\nadd chain=input action=drop\n"
	const list = "/ip firewall address-list\n"
	for _, layout := range []string{"chain", "inline"} {
		for name, c := range map[string]struct{ door, rows, note, failure string }{
			"nobody":               {},
			"a network":            {rows: list + "add list=guests address=203.0.113.0/28\n", note: "door a lets in 203.0.113.0/28 without a knock, by its list of networks guests"},
			"a host":               {rows: list + "add list=guests address=203.0.113.7\n"},
			"a quarantine":         {door: "    wrong-knock: quarantine\n"},
			"among who knocked":    {rows: list + "add list=staff address=203.0.113.0/28\n", note: "door a lets in 203.0.113.0/28 without a knock: the list staff holds it permanently"},
			"a rule adds sources":  {rows: "/ip firewall filter\nadd chain=input action=add-src-to-address-list address-list=guests address-list-timeout=1h protocol=udp dst-port=7 comment=theirs\n", failure: "fills its list of networks guests"},
			"a rule adds in front": {rows: "/ip firewall raw\nadd chain=prerouting action=add-dst-to-address-list address-list=guests comment=theirs\n", failure: "fills its list of networks guests"},
		} {
			t.Run(layout+"/"+name, func(t *testing.T) {
				p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259, tcp/52614]\n    trusted: {list: staff, networks: guests, for: 8h}\n    opens: [ssh]\n"+
					c.door+"gate: {services: [ssh, winbox]}\nfirewall: {families: [ipv4], layout: "+layout+"}\n"))
				if err != nil {
					t.Fatal(err)
				}
				s, _ := rsc.Read([]byte("# by RouterOS 7.20\n" + table + c.rows)).Snapshot(rsc.Options{})
				want, err := compile.Compile(p, s)
				if err != nil {
					t.Fatal(err)
				}
				changes, err := diff.Compute(s, want, change.Management{})
				if err != nil {
					t.Fatal(err)
				}
				got := proof.Prove(s, want, changes, change.Management{})
				if failed := got.Err(); (c.failure == "") != (failed == nil) || failed != nil && !strings.Contains(failed.Error(), c.failure) {
					t.Errorf("%v, want %q", failed, c.failure)
				}
				if said := slices.ContainsFunc(got.Notes, func(n string) bool { return strings.Contains(n, "lets in") }); said != (c.note != "") {
					t.Errorf("notes %q", got.Notes)
				}
				if !strings.Contains(strings.Join(got.Notes, "\n"), c.note) {
					t.Errorf("notes %q, want %q", got.Notes, c.note)
				}
			})
		}
	}
}

// TestNetworksEverywhere: with bogons, forwards, a quarantine and VPNs, in both layouts, a list of
// networks keeps every promise, and so does the step from the plan without it.
func TestNetworksEverywhere(t *testing.T) {
	router, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"branch.yaml", "forward.yaml", "hygiene.yaml", "quarantine.yaml"} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			t.Run(fmt.Sprint(name, "/", layout), func(t *testing.T) {
				text, err := fixtures.Plan(name)
				if err != nil {
					t.Fatal(err)
				}
				p, err := plans.Read(name, text)
				if err != nil {
					t.Fatal(err)
				}
				p.Firewall.Layout = layout
				s, _ := rsc.Read(router).Snapshot(rsc.Options{})
				for _, networks := range []string{"", "guests", ""} {
					p.Doors[0].Trusted.Networks = networks
					want, err := compile.Compile(p, s)
					if err != nil {
						t.Fatal(err)
					}
					changes, err := diff.Compute(s, want, change.Management{})
					if err != nil {
						t.Fatal(err)
					}
					if err := proof.Prove(s, want, changes, change.Management{}).Err(); err != nil {
						t.Fatalf("networks %q: %v", networks, err)
					}
					if s, _, err = change.After(s, changes); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}
