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
	"github.com/rosknock/rosknock/routeros"
)

// TestEveryFixturePlan: the proof of each fixture plan holds, and fails without any one of its
// rules on at least one of two routers: one drops everything in its last rule, on the other only
// the plan drops.
func TestEveryFixturePlan(t *testing.T) {
	for _, name := range []string{"seed.yaml", "inline.yaml", "minimal.yaml", "branch.yaml", "quarantine.yaml", "forward.yaml", "hygiene.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := fixtures.Plan(name)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plans.Read(name, data)
			if err != nil {
				t.Fatal(err)
			}
			needed := map[string]bool{}
			for _, s := range []routeros.Snapshot{fixture(t, "defconf.rsc"), withoutDrops(fixture(t, "defconf.rsc"))} {
				for slot, is := range neededRules(t, s, p) {
					needed[slot] = needed[slot] || is
				}
			}
			for slot, is := range needed {
				if !is {
					t.Errorf("without %s the proof holds", slot)
				}
			}
			if len(needed) < 4 {
				t.Errorf("%d rules: the plan does not suit the test", len(needed))
			}
		})
	}
}

// withoutDrops is a router whose own rules shut nothing, and forward to a server for everybody.
func withoutDrops(s routeros.Snapshot) routeros.Snapshot {
	rules := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range s.Rules {
		rules[menu] = slices.DeleteFunc(slices.Clone(rows), func(r routeros.Rule) bool { return r.Action() == "drop" })
	}
	show := routeros.NewRule("chain", "dstnat", "action", "dst-nat", "protocol", "tcp", "dst-port", "4000", "in-interface", "ether1", "to-addresses", "192.168.88.10", "to-ports", "3389")
	show.ID = "*F00"
	rules[routeros.NAT] = append(rules[routeros.NAT], show)
	s.Rules = rules
	return s
}

// neededRules says of each rule of a plan, on a router, whether the proof fails without it.
func neededRules(t *testing.T, s routeros.Snapshot, p plans.Plan) map[string]bool {
	t.Helper()
	session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.20")}}
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	if good, _ := proved(t, s, want, session); good.Err() != nil {
		t.Fatalf("the good one fails: %v", good.Err())
	}
	needed := map[string]bool{}
	for at, rule := range places(want) {
		mark, _ := rule.Mark()
		if strings.HasSuffix(mark.Slot, "/log") {
			continue // it decides nothing
		}
		result, _ := proved(t, s, mutated(want, at, routeros.Rule{}), session)
		slot := want.Tables[at.table].Family.String() + " " + mark.Slot
		needed[slot] = needed[slot] || !result.Holds()
	}
	return needed
}
