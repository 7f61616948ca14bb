package proof_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

func hygiene(t *testing.T, layout plans.Layout) plans.Plan {
	t.Helper()
	text, err := fixtures.Plan("hygiene.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read("hygiene.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	p.Firewall.Layout = layout
	return p
}

// TestForgedMutants: with bogons and all kinds of stages, the proof notices every rule that is
// removed or weakened.
func TestForgedMutants(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p := hygiene(t, layout)
		p.Firewall.Families, p.Allow = []routeros.Family{routeros.IPv4}, plans.Allow{Addresses: gatedPlan(t, layout, "").Allow.Addresses}
		other := gatedPlan(t, layout, "\n    wrong-knock: ignore")
		other.Firewall.Bogons = &plans.Bogons{InterfaceLists: []string{"WAN"}}
		other.Doors[0].Knock[1].PayloadFrom, other.Doors[0].Knock[1].Payload = plans.Credential{Kind: plans.FromEnv, Value: "X"}, "c0ffee-7b91f2d4"
		for _, p := range []plans.Plan{p, other} {
			tried, same := tryMutants(t, "bogons, "+p.Name+", "+layout.String(), fixture(t, "defconf.rsc"), p)
			t.Logf("%v: %d mutants, %d of them without any effect", layout, tried, same)
			if same*3 > tried {
				t.Errorf("%v: %d mutants, %d of them without any effect", layout, tried, same)
			}
		}
	}
}

// TestForgedNeedsEachRule: without the drop of forged knocks, or the rule that keeps trust from
// forged sources, the proof says that they would get in; over both families and in both layouts.
func TestForgedNeedsEachRule(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		s, p := fixture(t, "defconf.rsc"), hygiene(t, layout)
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		if good, _ := proved(t, s, want, change.Management{}); good.Err() != nil {
			t.Fatalf("%v: %v", layout, good.Err())
		}
		tried := 0
		for at, rule := range places(want) {
			if mark, _ := rule.Mark(); !change.IsForged(mark.Slot) {
				continue
			}
			tried++
			bad, _ := proved(t, s, mutated(want, at, routeros.Rule{}), change.Management{})
			if !slices.ContainsFunc(bad.Failures, func(f proof.Failure) bool { return f.Risk == proof.Forged }) {
				t.Errorf("%v, %s: %v", layout, rule.Comment(), bad.Err())
			}
		}
		if tried != 2*(2+1) { // tcp and udp, and trust, over each family
			t.Errorf("%v: %d rules", layout, tried)
		}
	}
}

// TestForgedList: a missing entry lets its sources knock, a foreign entry keeps others from
// knocking: both are found. The router drops loopback and multicast before any rule, so nothing
// depends on their entries.
func TestForgedList(t *testing.T) {
	s, p := fixture(t, "defconf.rsc"), hygiene(t, plans.Chain)
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	unseen := []string{"127.0.0.0/8", "224.0.0.0/4", "ff00::/8"}
	for i, e := range want.Entries {
		if e.Entry.List != compile.BogonList(p.Name) {
			continue
		}
		less := want
		less.Entries = slices.Delete(slices.Clone(want.Entries), i, i+1)
		bad, _ := proved(t, s, less, change.Management{})
		if found := slices.ContainsFunc(bad.Failures, func(f proof.Failure) bool { return f.Risk == proof.Forged }); found == slices.Contains(unseen, e.Entry.Address) {
			t.Errorf("without %s: %v", e.Entry.Address, bad.Err())
		}
	}
	for _, line := range []string{"add list=rosknock-hygiene-bogons address=93.77.0.0/16", "add list=rosknock-hygiene-bogons address=host.example.net"} {
		text, err := fixtures.Router("defconf.rsc")
		if err != nil {
			t.Fatal(err)
		}
		s := router(string(text) + "/ip firewall address-list\n" + line + "\n")
		if bad, _ := proved(t, s, want, change.Management{}); !slices.ContainsFunc(bad.Failures, func(f proof.Failure) bool { return strings.Contains(f.What, "not forged") }) {
			t.Errorf("%s: %v", line, bad.Err())
		}
	}
}

// TestForgedOperator: the proof names the operator's source if it would count as forged, unless the
// operator never needs to knock, comes from another interface, or accepts the risk.
func TestForgedOperator(t *testing.T) {
	s := router(withWAN + established)
	tests := []struct {
		name, operator, bogons, allow string
		accepted                      []string
		refused                       bool
	}{
		{"from an unknown interface", "10.9.8.7", "", "", nil, true},
		{"who knows it", "10.9.8.7", "", "", []string{"lose-session"}, false},
		{"from the LAN", "192.168.88.5", "", "", nil, false},
		{"from the provider's network", "192.0.2.77", "", "", nil, true},
		{"from the provider's network, which is excepted", "192.0.2.77", ", except: [192.0.2.0/24]", "", nil, false},
		{"on the allow-list", "10.9.8.7", "", "allow: {addresses: [10.9.0.0/16]}\n", nil, false},
		{"from the internet", "93.77.1.2", "", "", nil, false},
		{"from what the plan adds", "100.64.3.4", ", also: [100.64.0.0/10]", "", nil, true},
		{"from the shared addresses", "100.64.3.4", "", "", nil, false},
	}
	for _, test := range tests {
		p := plan(t, test.allow+"firewall: {families: [ipv4], bogons: {interface-lists: [WAN]"+test.bogons+"}}\n")
		_, err := compute(s, p, change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr(test.operator)}, Accepted: test.accepted})
		if (err != nil) != test.refused || err != nil && (!strings.Contains(err.Error(), test.operator) || !strings.Contains(err.Error(), "except")) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
