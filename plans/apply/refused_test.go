package apply_test

import (
	"strings"
	"testing"
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
