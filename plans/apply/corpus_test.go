package apply_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// bench is a simulated router with a session to it.
type bench struct {
	t       *testing.T
	router  *sim.Router
	session *api.Session
}

func newBench(t *testing.T, version string, export []byte) bench {
	t.Helper()
	v, err := routeros.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(export).Snapshot(rsc.Options{})
	s.Version = v
	for i := range s.Services {
		if s.Services[i].Name == "api" {
			// Many real routers have it disabled. This one needs it for the session.
			s.Services[i].Disabled, s.Services[i].From = false, nil
		}
	}
	router := simtest.New(t, sim.Options{Version: v, Users: []sim.User{{Name: "admin", Password: "secret", Group: "full"}}}, s)
	session, err := api.NewSession(t.Context(), simtest.Pipe(t, router), "admin", "secret", api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return bench{t, router, session}
}

// changes reads the router and computes what the plan would change there.
func (b bench) changes(p plans.Plan) (routeros.Snapshot, change.ChangeSet, error) {
	b.t.Helper()
	s, err := b.session.Snapshot(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := compute(s, p)
	return s, c, err
}

// wanted reports what is left to do.
func wanted(s routeros.Snapshot, p plans.Plan) error {
	c, err := steps(s, p)
	if err == nil && c.Changed() {
		err = fmt.Errorf("left to do: %s %s", c.Steps[0].Op, c.Steps[0].Slot)
	}
	return err
}

// compute returns a change set, with its proof.
func compute(s routeros.Snapshot, p plans.Plan) (change.ChangeSet, error) {
	c, err := steps(s, p)
	if err != nil {
		return c, err
	}
	rs, err := compile.Compile(p, s)
	if err != nil {
		return c, err
	}
	return c, proof.Prove(s, rs, c, change.Management{}).Err()
}

// steps returns a change set without a proof.
func steps(s routeros.Snapshot, p plans.Plan) (change.ChangeSet, error) {
	rs, err := compile.Compile(p, s)
	if err != nil {
		return change.ChangeSet{}, err
	}
	return diff.Compute(s, rs, change.Management{})
}

// apply applies the plan and returns the result.
func (b bench) apply(p plans.Plan) (apply.Result, error) {
	b.t.Helper()
	s, c, err := b.changes(p)
	if err != nil {
		return apply.Result{Outcome: apply.Refused}, err
	}
	return apply.Run(b.t.Context(), b.session, c, apply.Options{
		Before: s, Plan: p.Name,
		Wanted: func(after routeros.Snapshot) error { return wanted(after, p) },
	}), nil
}

func readPlan(t *testing.T, name string) plans.Plan {
	t.Helper()
	data, err := fixtures.Plan(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shared returns the folder of shared material beside the repository, or skips.
func shared(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no shared material: %v", err)
	}
	return path
}

// TestCorpus applies the seed's plan, one with a quarantine, one with bogons and one with a forward
// to every available real table, twice: the second run changes nothing, foreign rules stay as they
// were. If no place is safe, the plan is refused, and nothing is sent.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "corpus", "exports"), "*.rsc"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no exports: %v", err)
	}
	seed, quarantine := readPlan(t, "seed.yaml"), readPlan(t, "quarantine.yaml")
	hygiene, forward := readPlan(t, "hygiene.yaml"), readPlan(t, "forward.yaml")
	quarantine.Allow.InterfaceLists, hygiene.Allow.InterfaceLists, forward.Allow.InterfaceLists = nil, nil, nil // many don't have it
	hygiene.Firewall.Bogons.InterfaceLists = []string{"all"}
	for i := range 8 {
		p, layout := []plans.Plan{seed, quarantine, hygiene, forward}[i/2], []plans.Layout{plans.Chain, plans.Inline}[i%2]
		p.Firewall.Layout = layout
		counts := map[apply.Outcome]int{}
		for n, file := range files {
			if testing.Short() && n%8 != i { // each table once
				continue
			}
			export, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("%s/%s/%s", p.Name, layout, filepath.Base(file)), func(t *testing.T) {
				counts[applyTwice(t, p, export)]++
			})
		}
		t.Logf("%s, %s layout: %d tables: %d applied and stable, %d refused with a reason, %d otherwise", p.Name, layout, len(files), counts[apply.Changed], counts[apply.Refused],
			len(files)-counts[apply.Changed]-counts[apply.Refused])
	}
}

func applyTwice(t *testing.T, p plans.Plan, export []byte) apply.Outcome {
	t.Helper()
	b := newBench(t, "7.20", export)
	before := b.router.Snapshot()
	result, err := b.apply(p)
	if refused, ok := errors.AsType[*change.RefusalError](err); ok {
		t.Logf("refused: %v", err)
		if refused.Remedy == "" {
			t.Errorf("refused without a remedy: %v", err)
		}
		if got := b.router.Snapshot().Digest(); got != before.Digest() {
			t.Error("refused, and yet the router changed")
		}
		return apply.Refused
	}
	if err != nil || result.Err != nil || result.Outcome != apply.Changed {
		t.Fatalf("%v: %v, %v", result.Outcome, err, result.Err)
	}
	if d := change.Foreign(before, b.router.Snapshot(), p.Name); d != nil {
		t.Errorf("foreign rows changed: %v", d)
	}
	if got, want := foreign(b.router.Snapshot(), p.Name), foreign(before, p.Name); !slices.Equal(got, want) {
		t.Errorf("foreign rules:\n%q\nwere\n%q", got, want)
	}
	again, err := b.apply(p)
	if err != nil || again.Outcome != apply.Unchanged {
		t.Errorf("second run: %v, %v, %v", again.Outcome, err, again.Err)
	}
	return result.Outcome
}

// foreign lists everything in the filter and NAT tables that is not the plan's, to the byte and in
// order.
func foreign(s routeros.Snapshot, plan string) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, r := range slices.Concat(s.Rules[f.Filter()], s.Rules[f.NAT()]) {
			if mark, ok := r.Mark(); !r.Dynamic && (!ok || mark.Plan != plan) {
				out = append(out, r.ID+" "+r.Attrs.String())
			}
		}
	}
	return out
}
