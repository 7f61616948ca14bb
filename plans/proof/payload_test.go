package proof_test

import (
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// TestPayload: a stage that wants bytes is shown to open to them alone. Without the matcher, or
// with other bytes, the proof fails.
func TestPayload(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p := gatedPlan(t, layout, "")
		p.Doors[0].Knock[1].PayloadFrom, p.Doors[0].Knock[1].Payload = plans.Credential{Kind: plans.FromEnv, Value: "X"}, "c0ffee-7b91f2d4"
		s := fixture(t, "no-drop.rsc")
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := proved(t, s, want, change.Management{}); !got.Holds() {
			t.Errorf("%s: %v", layout, got.Err())
		}
		found := 0
		for at, r := range places(want) {
			if !r.Attrs.Has("content") {
				continue
			}
			found++
			for _, other := range []routeros.Rule{{Attrs: r.Attrs.Without("content")}, {Attrs: r.Attrs.With("content", "c0ffee")}, {Attrs: r.Attrs.With("content", "another")}} {
				if got, _ := proved(t, s, mutated(want, at, other), change.Management{}); got.Holds() {
					t.Errorf("%s: it holds with %s", layout, other.Attrs)
				}
			}
		}
		if found == 0 {
			t.Error("no rule asks for the bytes")
		}
	}
}
