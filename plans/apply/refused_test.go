package apply_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestRefusedAmongMany: of several removals that were sent together, the first is refused and the
// others are done. Somebody else adds a rule, so safe mode must not be unrolled. The rollback puts
// every row in front of the one that is still there.
func TestRefusedAmongMany(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of runs")
	}
	for _, tr := range trials() {
		if strings.Join([]string{tr.version, string(tr.protect), tr.layout.String(), tr.name}, "/") != "7.20/auto/chain/rotation" {
			continue
		}
		tr.prepare(t)
		e := tr.clean(t)
		for at := 40; at < min(e.sentences, 60); at++ {
			for apart := 1; apart < 9; apart++ {
				var trouble []occurrence
				for _, f := range faults() {
					switch f.name {
					case "trap":
						trouble = append([]occurrence{{f, at}}, trouble...)
					case "another adds":
						trouble = append(trouble, occurrence{f, at + apart})
					}
				}
				if tr.try(t, e, trouble...); t.Failed() {
					return
				}
			}
		}
	}
}

// TestRefusedStepName: the error of a step that the router refuses names the family of its row.
func TestRefusedStepName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, "7.20", sim.Knobs{}, opened("7.20"))
		defer p.close()
		p.on(func(q sim.Request) sim.Action {
			if q.Words[0] == "/ipv6/firewall/filter/add" {
				return sim.Action{Kind: sim.Trap, Message: "failure: something went wrong"}
			}
			return sim.Action{}
		})
		result := p.run(plans.Chain, "first", apply.Options{})
		if result.Outcome != apply.Reverted || !strings.Contains(result.Err.Error(), " (IPv6): ") {
			t.Errorf("%s, %v", result.Outcome, result.Err)
		}
	})
}
