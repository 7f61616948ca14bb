package render_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestExports makes scripts for the example routers, and for real exports where they are at hand,
// and holds them against apply.
func TestExports(t *testing.T) {
	exports := map[string][]byte{}
	for _, pattern := range []string{"../../fixtures/routers/*.rsc", "../../fixtures/routers/wild/*.rsc", filepath.Join(shared(), "corpus", "exports", "*.rsc")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if exports[file], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	counts := map[string]int{}
	for _, name := range []string{"seed.yaml", "inline.yaml", "quarantine.yaml", "forward.yaml"} {
		text, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		p := readPlan(t, string(text))
		p.Allow.InterfaceLists = nil // many don't have it
		for file, export := range exports {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) { counts[scriptFor(t, p, export)]++ })
		}
	}
	t.Log(fmt.Sprint(counts))
	if counts["the same as apply"] < 30 {
		t.Errorf("hardly anything was tried: %v", counts)
	}
}

// shared is the folder of material beside the repository.
func shared() string {
	if root := os.Getenv("ROSKNOCK_SHARED"); root != "" {
		return root
	}
	return filepath.Join("..", "..", "..", "shared")
}

// scriptFor makes the scripts of a plan for an export, loads them into a router that is as it says,
// and tells what came of it.
func scriptFor(t *testing.T, p plans.Plan, export []byte) string {
	t.Helper()
	version := routeros.Version{Major: 7, Minor: 20}
	s, _ := rsc.Read(export).Snapshot(rsc.Options{Version: version})
	s.Version = version
	c, err := changesFor(p, s)
	if err != nil {
		return "no change set"
	}
	i := render.Import{Plan: p.Name, Router: "r", Before: s, Changes: c}
	there, err := i.Script()
	if _, ok := errors.AsType[*change.RefusalError](err); ok {
		t.Log(err)
		return "a twin"
	}
	back, undone := i.UndoScript()
	if err = errors.Join(err, undone); err != nil {
		t.Fatal(err)
	}
	a, b := newBench(t, version, s), newBench(t, version, s)
	before := picture(b.router.Snapshot())
	a.apply(c)
	if err := b.load(there); err != nil {
		t.Fatal(err)
	}
	same(t, "apply and the script differ", picture(a.router.Snapshot()), picture(b.router.Snapshot()))
	if err := b.load(back); err != nil {
		t.Fatal(err)
	}
	same(t, "the undo leads elsewhere", before, picture(b.router.Snapshot()))
	return "the same as apply"
}
