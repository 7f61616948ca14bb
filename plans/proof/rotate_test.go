package proof_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// TestRotation follows a rotating door over a day, from one window to the next: each change is
// shown to be safe, both knocks open within the overlap, and a stage that has lost its list or its
// port is found.
func TestRotation(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		t.Run(layout.String(), func(t *testing.T) {
			p := gatedPlan(t, layout, "")
			p.Doors[0].Knock = nil
			p.Doors[0].Rotate = &plans.Rotate{Secret: plans.Credential{Kind: plans.FromEnv, Value: "X"}, Stages: 4, Ports: routeros.PortRange{First: 20000, Last: 60000}, Every: time.Hour, Overlap: 10 * time.Minute}
			s := fixture(t, "no-drop.rsc")
			at := time.Date(2026, 11, 21, 0, 5, 0, 0, time.UTC)
			for n := range 12 {
				now, err := sequence.Unroll(p, "r1", func(w sequence.Schedule) []int64 { return w.Valid(at) }, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
				if err != nil {
					t.Fatal(err)
				}
				want, err := compile.Compile(now, s)
				if err != nil {
					t.Fatal(err)
				}
				got, changes := proved(t, s, want, change.Management{})
				if !got.Holds() {
					t.Fatalf("at %s: %v", at, got.Err())
				}
				if n == 0 {
					losing(t, s, want)
				}
				s = changetest.After(t, s, changes)
				at = at.Add(25 * time.Minute)
			}
		})
	}
}

// losing takes something from each stage rule, and the proof has to find it.
func losing(t *testing.T, s routeros.Snapshot, want compile.RuleSet) {
	t.Helper()
	stages := 0
	for at, r := range places(want) {
		mark, _ := r.Mark()
		if !strings.Contains(mark.Slot, "/stage-") {
			continue
		}
		stages++
		broken := []routeros.Rule{{Attrs: r.Attrs.With("dst-port", "19999")}, {}}
		if r.Attrs.Has("src-address-list") {
			broken = append(broken, routeros.Rule{Attrs: r.Attrs.Without("src-address-list")})
		}
		for _, other := range broken {
			if got, _ := proved(t, s, mutated(want, at, other), change.Management{}); got.Kept(proof.OnlyByKnock) && got.Kept(proof.NotVoid) {
				t.Errorf("it holds without what %s needs: %v", mark.Slot, other.Attrs)
			}
		}
	}
	if stages != 8 {
		t.Errorf("%d stages of two windows", stages)
	}
}
