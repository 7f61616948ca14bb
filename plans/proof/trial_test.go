package proof_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// TestAllowedInterfacesProveNothing: access from an interface on which nobody needs to knock does
// not prove that the knock or the allow-list opens. On the default configuration, each rule that
// accepts packets from outside is needed.
func TestAllowedInterfacesProveNothing(t *testing.T) {
	for _, name := range []string{"branch.yaml", "quarantine.yaml", "hygiene.yaml"} {
		text, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			p, err := plans.Read(name, text)
			if err != nil {
				t.Fatal(err)
			}
			p.Firewall.Layout = layout
			s := fixture(t, "defconf.rsc")
			want, err := compile.Compile(p, s)
			if err != nil {
				t.Fatal(err)
			}
			if good, _ := proved(t, s, want, change.Management{}); good.Err() != nil {
				t.Fatalf("%s, %v: %v", name, layout, good.Err())
			}
			tried := 0
			for at, rule := range places(want) {
				mark, _ := rule.Mark()
				if !strings.Contains(mark.Slot, "/open-tcp") && !strings.HasPrefix(mark.Slot, "allow/addresses-tcp") {
					continue
				}
				tried++
				if bad, _ := proved(t, s, mutated(want, at, routeros.Rule{}), change.Management{}); bad.Holds() {
					t.Errorf("%s, %v: without %s in table %d the proof holds", name, layout, mark.Slot, at.table)
				}
			}
			if tried < 3 {
				t.Errorf("%s, %v: %d rules", name, layout, tried)
			}
		}
	}
}
