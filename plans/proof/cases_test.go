package proof_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// caseOf is a small export of testdata/cases with one of the plans there.
func caseOf(t *testing.T, name, plan string) (routeros.Snapshot, plans.Plan) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "cases", name+"-*.rsc"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	path := filepath.Join("testdata", "cases", plan+".yaml")
	if text, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read(path, text)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// TestCases: what real exports do not say outright, cut down to a few lines.
func TestCases(t *testing.T) {
	for _, tt := range []struct {
		name, plan, risk string
		before           string // the rule before which the IPv4 rules stand, by id
		drops            string // of the plan, as far as it matters
		says             string
	}{
		{"02", "plan-open", "", "*2", "", ""},
		{"03", "plan-gate-wireguard", "", "*2", "udp/51820", ""},
		{"06", "plan-site", "", "*2", "", ""},
		{"07", "plan-gate-l2tp", "", "*3", "udp/500,1701,4500", ""},
		{"14", "plan-open", "", "*4", "", ""},
		{"15", "plan-site", "", "*4", "", "nobody is in the interface list VPN now"},
		{"16", "plan-site", proof.DoorShut, "", "", "ether1"},
		{"22", "plan-open", "", "*7", "", "the interface *4 is gone"},
		{"23", "plan-open", "", "*4", "", ""},
		{"31", "plan-gate-wireguard", proof.Overrides, "", "", "allow.addresses: [198.51.100.20]"},
	} {
		t.Run(tt.name+" "+tt.plan, func(t *testing.T) {
			s, p := caseOf(t, tt.name, tt.plan)
			risk, text, want, notes := judged(t, s, p)
			if risk != tt.risk || !strings.Contains(text+strings.Join(notes, "\n"), tt.says) {
				t.Fatalf("risk %q, want %q: %s %q", risk, tt.risk, text, notes)
			}
			if risk != "" {
				return
			}
			var drops []string
			for _, m := range want.Tables[0].Dropped() {
				drops = append(drops, m.Protocol+"/"+m.Ports.String())
			}
			if at := want.Tables[0].Place.Anchor; at != tt.before || !strings.Contains(strings.Join(drops, " "), tt.drops) {
				t.Errorf("before %q, want %q; drops %q, want %q", at, tt.before, drops, tt.drops)
			}
		})
	}
}
