package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

// changeFlags is how changes are carried out.
type changeFlags struct {
	command string // as the journal has it
	dryRun  bool
	protect string
	after   time.Duration // of the dead-man
	verify  bool          // play knocks
	rollout rollout

	resumable bool                    // a run over several routers has a name in the journal
	named     bool                    // so has one over a single router: its page shows the name
	run       string                  // that name
	begun     time.Time               // when the run that is resumed began
	finished  map[string]state.Record // what it has finished
}

func (a *changeFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&a.dryRun, "dry-run", false, "show the steps and stop there")
	f.StringVar(&a.protect, "protect", string(apply.Auto), "`HOW` the changes are rolled back when nobody can: auto, safe-mode, dead-man or none")
	f.DurationVar(&a.after, "undo-after", apply.DefaultDelay, "`TIME` after which a dead-man rolls the changes back")
	a.rollout.flags(c)
}

func (a *changeFlags) resumeFlag(c *cobra.Command) {
	a.resumable = true
	c.Flags().StringVar(&a.rollout.resume, "resume", "", "continue a `RUN` that stopped, or the last one; routers on which nothing is left to do are skipped")
}

func (a *changeFlags) verifyFlag(c *cobra.Command) {
	c.Flags().BoolVar(&a.verify, "verify-knock", false, "play a wrong and the right knock from here before the changes are confirmed")
}

// check looks at the flags.
func (a *changeFlags) check(e access) error {
	if !e.Yes && !a.dryRun && !e.inTerminal {
		return usagef("%s asks before it changes anything, and there is no terminal to ask on: use --yes, or --dry-run to look", a.command)
	}
	if !slices.Contains(apply.Protections(), apply.Protection(a.protect)) {
		return usagef("--protect %s: choose one of auto, safe-mode, dead-man, none", a.protect)
	}
	if a.after < 5*time.Second || a.after > 24*time.Hour {
		return usagef("--undo-after %s: from 5s to 24h", a.after)
	}
	if a.protect == string(apply.None) && !slices.Contains(e.accept, apply.Unprotected) {
		return operate.Refusef("without protection nothing rolls the router back when a change shuts everybody out: if you can reach it in another way, accept the risk with --accept-risk=%s", apply.Unprotected)
	}
	return nil
}

// wayBack says how a run over several routers is rolled back.
func wayBack(e access, of *results, dryRun bool) {
	if of.total < 2 || dryRun || !of.changed || e.Output != "text" {
		return
	}
	e.remark("rosknock undo%s%s rolls it back\n", e.selectingTurned(of), e.reaching())
}

// applyPlans carries out plans on the routers of the command line.
func applyPlans(ctx context.Context, e access, args []string, how changeFlags, to *results) error {
	routers, err := e.routersOf()
	if err != nil {
		return err
	}
	jobs, err := e.planned(ctx, routers, args)
	if err == nil && how.command == operate.Rotation {
		err = rotating(jobs)
	}
	if err != nil {
		return err
	}
	all := make([]task, len(jobs))
	for i, j := range jobs {
		all[i].router = j.router
		for _, p := range j.plans {
			all[i].operations = append(all[i].operations, operate.ToPlan(how.command, p, nil))
		}
	}
	return carryOut(ctx, e, all, how, to)
}

// task is what is done to one router, one after the other.
type task struct {
	router
	operations []operate.Operation
}

// carryOut does what is to be done to each router.
func carryOut(ctx context.Context, e access, all []task, how changeFlags, to *results) error {
	o, err := how.rollout.options(e.env, how.after)
	if err != nil {
		return err
	}
	if o.Admit != nil && !how.dryRun {
		if err := o.Admit(); err != nil {
			e.refusedRun(how.command, err)
			return err
		}
	}
	resumes := how.rollout.resume != ""
	if how.dryRun {
		o = fleet.Options{}
	} else if how.resumable && resumes { // what is finished is known before anybody is asked
		if err := e.begin(&how, len(all)); err != nil {
			return err
		}
	}
	if !how.dryRun && !e.Yes && len(all) > 1 {
		if ok, err := e.agreeAll(ctx, all, how, to); err != nil || !ok {
			return err
		}
	}
	if how.resumable && !how.dryRun && !resumes {
		if err := e.begin(&how, len(all)); err != nil {
			return err
		}
	}
	to.run = how.run
	t := e.fleet(all, how.command)
	t.options = o
	t.over(ctx, to, carried(all, how))
	if how.run != "" {
		e.runEnded(how.command, how.run, to)
	}
	return nil
}

// fleet is a run over the routers of tasks.
func (e access) fleet(all []task, verb string) fleetRun {
	t := fleetRun{access: e, verb: verb, changes: true}
	plan := map[string]string{}
	for _, one := range all {
		t.routers = append(t.routers, one.router)
		plan[one.Name] = one.operations[0].Plan()
	}
	t.plan = func(router string) string { return plan[router] }
	return t
}

// carried does the operations of a router one after the other.
func carried(all []task, how changeFlags) func(context.Context, access, router) []operate.Result {
	byName := map[string][]operate.Operation{}
	for _, one := range all {
		byName[one.Name] = append(byName[one.Name], one.operations...)
	}
	return func(ctx context.Context, e access, r router) []operate.Result {
		var out []operate.Result
		for _, op := range byName[r.Name] {
			one := operate.Run(ctx, e.desk(r), how.options(e), op, e.operated(r))
			if out = append(out, one); one.Err != nil {
				break // what a later plan relies on may be missing
			}
		}
		return out
	}
}

// options are those of operations that change routers.
func (a changeFlags) options(e access) operate.Options {
	o := e.options()
	o.DryRun, o.Protect, o.Delay, o.Verify, o.Run, o.Begun, o.Finished = a.dryRun, apply.Protection(a.protect), a.after, a.verify, a.run, a.begun, a.finished
	return o
}
