package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/operate"
)

func newTest(e env) *cobra.Command {
	var export, junit string
	c := &cobra.Command{
		Use:   "test CASES",
		Short: "Test what a router's firewall does with packets",
		Long: `Check a router's firewall against the tests of a file: what has to become of which
packets, who reaches which service, before and after a knock. rosknock init writes a first file;
docs/tests.md describes every key. Nothing is written to the router.

A test is about all packets that it leaves open: each source port, each interface of a list, each
stranger. It is computed over all of them at once, as the proof of a change is. A test that does not
hold is shown with a packet, with the rules that the packet meets, and as rosknock trace takes it.

What can't be decided, because it hangs on a limit or a mark or on something that an export does not
show, is unknown, and does not hold. Exit code 1 when a test does not hold.`,
		Example: `  rosknock test tests.yaml -r admin@192.0.2.1
  rosknock test tests.yaml --export router.rsc
  rosknock test tests.yaml -i fleet.yaml -l branches --junit tests.xml`,
		Args: exactly(1, "test takes one file of tests"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			t := &testRun{access: e, file: args[0]}
			if err := t.prepare(c.Context(), export); err != nil {
				return err
			}
			r := t.results(c.Context(), junit)
			if err := readAll(c.Context(), e, export, t.extent(), nil, r); err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			if t.failed.Load() {
				return shown(exitFailed)
			}
			return r.code(c.Context())
		}),
	}
	c.Flags().StringVar(&junit, "junit", "", "write the tests as test cases for a CI system, a `FILE.xml`")
	exportFlags(c, &export, nil)
	return c
}

// testRun is a run of tests over routers.
type testRun struct {
	access
	file   string
	cases  expect.Cases
	plans  map[string][]plans.Plan // by the router's name; of an export by ""
	owners map[string]router       // whose secrets they are
	failed atomic.Bool
}

// prepare reads the tests and the plans that they name. Every mistake is found before a router is
// asked.
func (t *testRun) prepare(ctx context.Context, export string) error {
	data, err := readFile(t.file, maxPlan)
	if err != nil {
		return invalid(err)
	}
	if t.cases, err = expect.Read(t.file, data); err != nil {
		return err
	}
	t.plans, t.owners = map[string][]plans.Plan{}, map[string]router{}
	if t.cases.Plan == "" && !t.cases.NeedsPlan() {
		return nil
	}
	jobs, err := t.jobs(ctx, export)
	if err != nil {
		return err
	}
	var problems []error
	for _, j := range jobs {
		t.plans[j.Name], t.owners[j.Name] = j.plans, j.router
		if err := t.cases.Fits(t.file, j.plans); err != nil && problems == nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// jobs are the routers with the plans that their tests name; an export is one without a name.
func (t *testRun) jobs(ctx context.Context, export string) ([]job, error) {
	var named []string
	switch {
	case t.cases.Plan != "":
		named = []string{filepath.Join(filepath.Dir(t.file), t.cases.Plan)}
		if filepath.IsAbs(t.cases.Plan) {
			named[0] = t.cases.Plan
		}
	case export != "" || len(t.inventories) == 0:
		return nil, invalid(fmt.Errorf("%s: a test names a door, or the allow-list of a plan: name the plan with plan: FILE.yaml", t.file))
	}
	resolve := func(p plans.Plan, r router) (plans.Plan, error) {
		if !t.cases.NeedsPlan() {
			return p, nil
		}
		return t.resolved(ctx, p, r)
	}
	if export == "" {
		routers, err := t.routersOf()
		if err != nil {
			return nil, err
		}
		return t.plannedWith(routers, named, resolve)
	}
	p, err := readPlan(t.settings, named[0])
	if err == nil && t.cases.NeedsPlan() {
		err = t.mayRun(ctx, p)
	}
	if err == nil {
		p, err = resolve(p, router{})
	}
	return []job{{plans: []plans.Plan{p}}}, err
}

// extent is how much of a router is read: with its clock where a plan needs that.
func (t *testRun) extent() operate.Extent {
	for _, of := range t.plans {
		for _, p := range of {
			if p.Rotates() {
				return operate.WithClock
			}
		}
	}
	return operate.Rules
}

// results show the tests on standard output, and in a file for a CI system.
func (t *testRun) results(ctx context.Context, junit string) *results {
	r := &results{}
	r.begin = func(routers int) ([]flow, error) {
		to := []taker[view.Tested]{view.TestsOf(t.sink(r), routers == 1 || t.Verbose)}
		if junit != "" {
			f, err := intoFile(t.access, r, "junit", junit, func(sink view.Sink) (taker[view.Tested], error) { return view.TestsJUnitOf(sink), nil })
			if err != nil {
				return nil, err
			}
			to = append(to, f)
		}
		return []flow{of[view.Tested]{to, func(r operate.Result) view.Tested { return t.tested(ctx, r) }}}, nil
	}
	return r
}

// tested runs the tests on a router that was read.
func (t *testRun) tested(ctx context.Context, r operate.Result) view.Tested {
	out := view.Tested{Result: r, File: t.file}
	if r.Err != nil {
		return out
	}
	owner, known := t.owners[r.Name]
	if !known {
		owner = t.owners[""]
	}
	of, err := t.standingAt(ctx, owner, r)
	if err != nil {
		t.failed.Store(true)
		out.Result = r.Failed(err)
		return out
	}
	out.Tests = expect.Check(t.cases, *r.Snapshot, of)
	if !out.Holds() {
		t.failed.Store(true)
	}
	return out
}

// standingAt are the plans of a router, with the knocks of doors that rotate as they stand on it.
func (t *testRun) standingAt(ctx context.Context, owner router, r operate.Result) ([]plans.Plan, error) {
	var out []plans.Plan
	for _, p := range t.plans[owner.Name] {
		if p.Rotates() && t.cases.NeedsPlan() {
			var err error
			p, err = operate.Standing(p, *r.Snapshot, t.knocksAt(), func(c plans.Credential) (string, error) { return t.credential(ctx, c, owner) })
			if err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}
