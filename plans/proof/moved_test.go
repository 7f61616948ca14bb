package proof_test

import (
	"errors"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// TestMovedService: a gated service that moves is moved under rules for both of its ports. Without
// them the proof shows how a stranger gets at it; with them it holds, and fails again as soon as
// one of the rules in between is missing.
func TestMovedService(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		t.Run(layout.String(), func(t *testing.T) {
			p := gatedPlan(t, layout, "")
			s := fixture(t, "no-drop.rsc")
			session := change.Management{}
			want, err := compile.Compile(p, s)
			if err != nil {
				t.Fatal(err)
			}
			_, first := proved(t, s, want, session)
			s = changetest.After(t, s, first)
			p.Services.Ports = append(p.Services.Ports, plans.ServicePort{Name: "winbox", Port: 18291})
			sets, err := compile.Through(p, s)
			if err != nil || len(sets) != 2 {
				t.Fatalf("%d rule sets, %v", len(sets), err)
			}
			at := sets[len(sets)-1]
			bare, err := diff.Compute(s, at, session)
			if err != nil {
				t.Fatal(err)
			}
			if got := proof.Prove(s, at, bare, session); got.Kept(proof.NoExposure) {
				t.Error("straight on, nobody would be exposed: the test is about nothing")
			}
			changes, err := diff.ComputeThrough(s, sets, session)
			if err != nil {
				t.Fatal(err)
			}
			if got := proof.Prove(s, at, changes, session); !got.Holds() {
				t.Errorf("%v", got.Err())
			}
			after := changetest.After(t, s, changes)
			again, err := compile.Through(p, after)
			if err != nil || len(again) != 1 {
				t.Fatalf("after it, %d rule sets, %v", len(again), err)
			}
			if rest, err := diff.ComputeThrough(after, again, session); err != nil || rest.Changed() {
				t.Errorf("after it, %d steps are left, %v", len(rest.Steps), err)
			}
			// Without the drop for both ports.
			for i, r := range sets[0].Tables[0].Rules {
				if r.Action() != "drop" {
					continue
				}
				broken := mutated(sets[0], where{0, -1, i}, routeros.Rule{Attrs: r.Attrs.With("action", "passthrough")})
				changes, err := diff.ComputeThrough(s, []compile.RuleSet{broken, at}, session)
				if err == nil {
					err = proof.Prove(s, at, changes, session).Err()
				}
				if _, refused := errors.AsType[*change.RefusalError](err); !refused {
					t.Errorf("without %s nothing is wrong: %v", r.Attrs.Get("comment"), err)
				}
			}
		})
	}
}
