package starter_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/starter"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// knock is a strong one, as init draws it.
func knock() []plans.Stage {
	return []plans.Stage{{Protocol: "tcp", Port: 41711}, {Protocol: "udp", Port: 23456}, {Protocol: "tcp", Port: 51234}, {Protocol: "udp", Port: 34567}, {Protocol: "tcp", Port: 29876}}
}

// TestCorpus counts on how many of strangers' routers the plan holds as it is written.
func TestCorpus(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	holds := 0
	counts := map[string]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := rsc.Read(data).Snapshot(rsc.Options{})
		p, err := starter.For(s, starter.Options{Name: "main", Knock: knock(), Decoys: decoys()})
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		if _, err := plans.Read("main.yaml", p.Text); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
		if p.Holds() {
			holds++
			if len(p.Gated) == 0 {
				counts["gates nothing"]++
			}
			continue
		}
		counts[p.Refusals[0].Risk]++
		t.Logf("%s: %d tries, %v", filepath.Base(file), p.Tries, p.Gated)
		for _, r := range p.Refusals {
			t.Logf("    %s: %s", r.Risk, r.What)
		}
	}
	t.Logf("the plan holds as it is written on %d of %d routers", holds, len(files))
	for _, risk := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%d × %s", counts[risk], risk)
	}
}
