package proof_test

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// wayOut is what a remedy has to name: a key of the plan, a flag or a command of the router.
var wayOut = regexp.MustCompile(`\b(allow|gate|doors|services|firewall)\.[a-zA-Z-]+|\b(opens|vpns|place): |--[a-z-]+|/(ip|ipv6|interface|export|system)\b`)

// TestCorpusRefusals tries every example plan on every available real table: whatever is refused
// has a way forward in its message.
func TestCorpusRefusals(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	for i, name := range []string{"branch.yaml", "forward.yaml", "hygiene.yaml", "inline.yaml", "minimal.yaml", "quarantine.yaml", "seed.yaml"} {
		text, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plans.Read(name, text)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for n, file := range files {
			if testing.Short() && n%7 != i { // each table once
				continue
			}
			export, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := rsc.Read(export).Snapshot(rsc.Options{})
			refusals := refusalsOf(t, s, withLists(p, s))
			if len(refusals) == 0 {
				counts["holds"]++
			}
			for _, r := range refusals {
				if counts[r.Risk]++; !wayOut.MatchString(r.Remedy) {
					t.Errorf("%s on %s: %s: %s has no way forward: %q", name, filepath.Base(file), r.Risk, r.What, r.Remedy)
				}
			}
		}
		for _, risk := range slices.Sorted(maps.Keys(counts)) {
			t.Logf("%s: %d × %s", name, counts[risk], risk)
		}
	}
}

// withLists is the plan without the interface lists that a router does not have: that refusal is
// one of many.
func withLists(p plans.Plan, s routeros.Snapshot) plans.Plan {
	if !s.HasInterfaceList("WAN") && p.Firewall.Bogons != nil {
		bogons := *p.Firewall.Bogons
		bogons.InterfaceLists = []string{"all"}
		p.Firewall.Bogons = &bogons
	}
	p.Allow.InterfaceLists = slices.DeleteFunc(slices.Clone(p.Allow.InterfaceLists), func(list string) bool { return !s.HasInterfaceList(list) })
	return p
}

// refusalsOf is why a plan is refused on a router.
func refusalsOf(t *testing.T, s routeros.Snapshot, p plans.Plan) []change.RefusalError {
	t.Helper()
	session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.200")}}
	if len(p.Allow.Addresses) > 0 {
		session.Operators[0] = p.Allow.Addresses[0].First
	}
	var refused *change.RefusalError
	want, err := compile.Compile(p, s)
	if errors.As(err, &refused) {
		return []change.RefusalError{*refused}
	} else if err != nil {
		t.Fatal(err)
	}
	changes, err := diff.Compute(s, want, session)
	if errors.As(err, &refused) {
		return []change.RefusalError{*refused}
	} else if err != nil {
		t.Fatal(err)
	}
	var out []change.RefusalError
	got := proof.Prove(s, want, changes, session)
	for _, f := range got.Failures {
		out = append(out, change.RefusalError{Risk: f.Risk, What: f.What, Remedy: f.Remedy})
	}
	for _, o := range got.Overrides {
		if o.Present && o.Allow+o.Way == "" {
			t.Errorf("%s is overridden, and nothing helps", o)
		}
	}
	return out
}
