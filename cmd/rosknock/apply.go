package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// applying is how changes are carried out.
type applying struct {
	dryRun  bool
	protect string
	after   time.Duration // of the dead-man
	verify  bool          // play knocks

	rotates bool      // every plan has to
	removes *removing // plans are taken off, not put on

	rollout rollout
	run     string                  // in the journal, of several routers
	done    map[string]state.Record // what the run that is resumed has finished
}

func (a *applying) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&a.dryRun, "dry-run", false, "show the steps and stop there")
	f.StringVar(&a.protect, "protect", string(apply.Auto), "what rolls the changes back when nobody can: `auto`, safe-mode, dead-man or none")
	f.DurationVar(&a.after, "undo-after", apply.DefaultDelay, "`TIME` after which a dead-man rolls the changes back")
	a.rollout.flags(c)
}

// command is the name of the command, as the journal has it.
func (a *applying) command() string {
	switch {
	case a.rotates:
		return rotation
	case a.removes != nil:
		return state.Removal
	}
	return "apply"
}

// check looks at the flags.
func (a *applying) check(e env, s settings, command string) error {
	if !s.Yes && !a.dryRun && !e.inTerminal {
		return usagef("%s asks before it changes anything, and there is no terminal to ask on: use --yes, or --dry-run to look", command)
	}
	if !slices.Contains(apply.Protections(), apply.Protection(a.protect)) {
		return usagef("--protect %s: choose one of auto, safe-mode, dead-man, none", a.protect)
	}
	if a.after < 5*time.Second || a.after > 24*time.Hour {
		return usagef("--undo-after %s: from 5s to 24h", a.after)
	}
	if a.protect == string(apply.None) && !slices.Contains(s.accept, apply.Unprotected) {
		return &codeError{code: exitRefused, err: fmt.Errorf("without protection nothing rolls the router back when a change shuts everybody out: if you can reach it in another way, accept the risk with --accept-risk=%s", apply.Unprotected)}
	}
	return nil
}

func newApply(e env) *cobra.Command {
	var how applying
	var changes string
	var files artefacts
	c := &cobra.Command{
		Use:   "apply [PLAN] | apply --changes FILE",
		Short: "Bring routers to the plan",
		Long: `Read each router, show what has to change, ask, and carry it out. Nobody is shut out,
whatever fails.

Before the first step, the router is set up to roll back by itself. RouterOS 7.18 and later use safe
mode. Older versions get a dead-man: an entry in the router's scheduler that rolls the changes back
after --undo-after, also after a reboot. Then the steps are carried out. The router is read again
and compared, and a new connection has to log in. Only then is the protection removed. With
--verify-knock, rosknock knocks at each door from here: first a wrong knock, which must not open the
door, then the right one, which must.

When anything fails (a difference, a refusal, a lost answer, Ctrl-C), what was done is rolled back,
and the outcome says so. rosknock undo rolls back a change later. A second run changes nothing.

SIGTERM and a lost terminal (SIGHUP, as when an SSH session drops) work like Ctrl-C; under nohup the
run goes on. A second Ctrl-C ends rosknock at once and leaves the rollback to the router. Closed
output stops nothing: the run goes on to its end, and the exit code is 1.

Over a fleet, --waves begins with a few routers, --max-fail stops a run with too many failures, and
--window keeps it within a maintenance window. When a router can't be reached after its change,
nothing else is begun. --resume continues a run that stopped.

--changes carries out what diff --save kept, on the routers that it was computed for. Each router
must still be exactly as it was then; a router that changed meanwhile is refused with exit code 6
and the difference. A file that was edited is refused. So is a file that was made elsewhere, unless
its key is shared (--changes-key) or you accept the risk by name (--accept-risk=foreign-changes).
Risks that were accepted when the file was made have to be accepted again.

Without a terminal to ask on, --yes is needed.`,
		Example: `  rosknock apply branch.yaml -r admin@192.0.2.1
  rosknock apply branch.yaml -r 192.0.2.1 -r 192.0.2.2 --yes -o json
  rosknock apply branch.yaml -r 192.0.2.1 --dry-run
  rosknock apply -i fleet.yaml -l branches --waves 1,10%,100% --max-fail 2% --yes
  rosknock apply branch.yaml -r 192.0.2.1 --protect dead-man --undo-after 10m --verify-knock`,
		Args: func(_ *cobra.Command, args []string) error {
			if changes != "" && len(args) > 0 {
				return usagef("apply takes a plan or --changes, not both")
			}
			if len(args) > 1 {
				return usagef("apply takes one plan: %d arguments were given", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			if err := how.check(e, s, "apply"); err != nil {
				return err
			}
			r := e.changes(s, changeRun{command: "apply", dryRun: how.dryRun, files: files})
			if changes != "" {
				err = e.applySaved(c.Context(), s, changes, how, r)
			} else {
				err = e.applyPlans(c.Context(), s, args, how, r)
			}
			if err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			e.wayBack(s, r, how.dryRun)
			return r.code(c.Context())
		},
	}
	c.Flags().StringVar(&changes, "changes", "", "carry out the changes in a `FILE` of diff --save")
	changesKeyFlag(c)
	c.Flags().StringVar(&how.rollout.resume, "resume", "", "continue a `RUN` that stopped, or the last one; routers on which nothing is left to do are skipped")
	c.Flags().BoolVar(&how.verify, "verify-knock", false, "play a wrong and the right knock from here before the changes are confirmed")
	how.flags(c)
	files.flags(c)
	return c
}

// wayBack says how a run over several routers is rolled back.
func (e env) wayBack(s settings, of *results, dryRun bool) {
	if of.total < 2 || dryRun || !of.changed || s.Output != "text" {
		return
	}
	words := []string{"rosknock undo"}
	for _, target := range []struct {
		flag   string
		values []string
	}{{"-i", s.inventories}, {"-l", s.limits}, {"-r", s.routers}} {
		for _, v := range target.values {
			words = append(words, target.flag, v)
		}
	}
	view.Say(e.err, "%s rolls it back\n", strings.Join(words, " "))
}

// applyPlans carries out plans on the routers of the command line.
func (e env) applyPlans(ctx context.Context, s settings, args []string, how applying, to *results) error {
	routers, err := e.routersOf(s)
	if err != nil {
		return err
	}
	jobs, err := e.planned(ctx, s, routers, args)
	if err == nil && how.rotates {
		err = rotating(jobs)
	}
	if err != nil {
		return err
	}
	todo := make([]todo, len(jobs))
	for i, j := range jobs {
		todo[i].router = j.router
		for _, p := range j.plans {
			todo[i].work = append(todo[i].work, work{plan: p})
		}
	}
	return e.applyAll(ctx, s, todo, how, to)
}

// todo is what is to be done on one router.
type todo struct {
	router
	work []work
}

// work is one plan. Saved changes must equal those that are computed when its turn comes.
type work struct {
	plan  plans.Plan
	saved *state.SavedRouter
}

// applyAll carries out what is to be done, on each router in turn.
func (e env) applyAll(ctx context.Context, s settings, todo []todo, how applying, to *results) error {
	o, err := how.rollout.options(e, how.after)
	if err != nil {
		return err
	}
	if o.Admit != nil && !how.dryRun {
		if err := o.Admit(); err != nil {
			e.refusedRun(s, how.command(), err)
			return err
		}
	}
	switch {
	case how.dryRun:
		o = fleet.Options{}
	case how.rotates: // a timer lets it run all day, mostly to find nothing to do, and nobody resumes it
	default:
		if how.run, how.done, err = e.begun(s, how.command(), how.rollout, len(todo)); err != nil {
			return err
		}
	}
	t := tour{env: e, settings: s, options: o, verb: how.command()}
	byName := map[string][]work{}
	for _, one := range todo {
		t.routers = append(t.routers, one.router)
		byName[one.Name] = append(byName[one.Name], one.work...)
	}
	t.plan = func(router string) string { return byName[router][0].plan.Name }
	do := applyRouter
	if how.removes != nil {
		do = removeRouter
	}
	t.over(ctx, to, func(ctx context.Context, e env, r router) []operate.Result {
		var out []operate.Result
		for _, w := range byName[r.Name] {
			one := do(ctx, e, s, w, r, how)
			if one.Plan = w.plan.Name; !how.dryRun {
				known, _ := e.fingerprint(s, w.plan) // without it, a run that is resumed looks again
				e.outcome(s, entry{command: how.command(), plan: w.plan.Name, run: how.run, fingerprint: known}, r, one)
			}
			out = append(out, one)
			if one.Err != nil {
				break // what a later plan relies on may be missing
			}
		}
		return out
	})
	if how.run != "" {
		e.runEnded(s, how.command(), how.run, to)
	}
	return nil
}

// resumed completes a router that the resumed run had reached before, and that was read again.
// Where nothing is left to do, its note says what that run did.
func (e env) resumed(w work, r router, out operate.Result, how applying) operate.Result {
	record, ok := how.done[r.key()+" "+w.plan.Name]
	if !ok || out.Outcome != apply.Unchanged {
		return out // what there is to do, is done: somebody has changed the router since
	}
	out.Outcome = apply.Skipped
	out.Note = fmt.Sprintf("%s in %s at %s, and nothing is left to do", record.Outcome, how.run, record.Time.Format(time.DateTime))
	return out
}

// applyRouter carries a plan out on one router.
func applyRouter(ctx context.Context, e env, s settings, w work, r router, how applying) operate.Result {
	p, saved := w.plan, w.saved
	refused := func(err error) operate.Result {
		return operate.Result{Name: r.Name, Key: r.key(), Address: r.target.HostPort(), Outcome: apply.Refused, Err: err}
	}
	if ctx.Err() != nil {
		return operate.Result{Name: r.Name, Key: r.key(), Address: r.target.HostPort(), Outcome: apply.Skipped, Err: context.Cause(ctx)}
	}
	if how.verify && r.jump != "" {
		return refused(errors.New("--verify-knock plays the knock from this machine, and the router is behind SSH hosts: leave one of the two out"))
	}
	if !how.dryRun {
		release, err := e.lock(s, r, "apply "+p.Name)
		if err != nil {
			return refused(err)
		}
		defer release()
		e.remind(s, r)
	}
	session, carrier, out := e.begin(ctx, s, r, p.Rotates(), how.dryRun)
	if out.Err != nil {
		return out
	}
	defer session.Close()
	var err error
	if err = unmoved(out, saved); err != nil {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	base := p
	if p, err = e.ready(ctx, s, p, r, out); err != nil {
		return notReady(out, err)
	}
	e.warnOfClock(s, base, r, *out.Snapshot)
	out = withChanges(out, p, carrier)
	if err := sameSteps(out, saved); err != nil {
		out.Outcome, out.Err = apply.Refused, err
	}
	out, agreed := e.agreed(ctx, s, session, out, base, r, how)
	if !agreed {
		return e.resumed(w, r, out, how)
	}
	what := entry{command: how.command(), plan: p.Name, run: how.run}
	if what.fingerprint, err = e.fingerprint(s, base); err != nil {
		return refused(err)
	}
	return e.recorded(s, what, r, out, func(name string) operate.Result {
		o := how.options(r, out, p.Name)
		o.Change = name
		o.Wanted = func(after routeros.Snapshot) error { return wanted(after, p, carrier) }
		o.Dial = e.redial(s, r)
		if how.verify {
			o.Confirm = e.verifyKnocks(presentDoors(p, out.Snapshot.Clock), session, carrier, r)
		}
		return e.carryOut(ctx, session, out, o)
	})
}

// agreed reports whether the steps of a router are to be carried out: there are some, nobody else
// is changing the router, and the person who is asked says yes. Otherwise the router has its
// outcome.
func (e env) agreed(ctx context.Context, s settings, session *api.Session, out operate.Result, p plans.Plan, r router, how applying) (operate.Result, bool) {
	if (out.Err != nil || out.Changes.Changed() && !s.Yes) && !how.dryRun {
		// While somebody else changes a router, it reads strangely. So say that, rather than what
		// comes of it. Where nobody is asked first, the run itself checks right away.
		if err := apply.Vacant(ctx, session, out.Snapshot.Version); err != nil {
			out.Outcome, out.Err = apply.Refused, err
		}
	}
	switch {
	case out.Err != nil:
		return out, false
	case !out.Changes.Changed():
		out.Outcome = apply.Unchanged
		return out, false
	case how.dryRun:
		out.Outcome = apply.Skipped
		return e.looked(ctx, s, session, r, out, how.options(r, out, p.Name)), false
	}
	if ok, err := e.confirm(ctx, s, out); err != nil || !ok {
		out.Outcome, out.Err = apply.Skipped, err
		if err == nil {
			view.Say(e.err, "%s: nothing was changed\n", r.Name)
		}
		return out, false
	}
	return out, true
}

// notReady is a router for which no knocks could be derived.
func notReady(out operate.Result, err error) operate.Result {
	if coded, ok := errors.AsType[*codeError](err); ok && coded.code == exitRefused {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	return failed(out, err)
}

// options are those of a run on a router.
func (a applying) options(r router, out operate.Result, plan string) apply.Options {
	return apply.Options{Before: *out.Snapshot, Plan: plan, Protect: apply.Protection(a.protect), Delay: a.after, Owner: actor(), Login: r.target.User}
}

// redial opens further sessions to a router, with the password that was found for the first.
func (e env) redial(s settings, r router) func(context.Context) (apply.Session, error) {
	return func(ctx context.Context) (apply.Session, error) {
		session, err := e.connect(ctx, s, r)
		if err != nil {
			return nil, err
		}
		return session, nil
	}
}

// wanted says what is left to do on a router that was read again.
func wanted(after routeros.Snapshot, p plans.Plan, carrier change.Management) error {
	rest, err := changesFor(after, p, carrier)
	if err != nil {
		return fmt.Errorf("reads back in a state that is refused: %w", err)
	}
	if n := len(rest.Steps); n > 0 {
		return fmt.Errorf("reads back with %s, the first: %s %s", view.Plural(n, "difference"), rest.Steps[0].Op, rest.Steps[0].Slot)
	}
	return nil
}

// carryOut runs the change set of a router and follows it on standard error.
func (e env) carryOut(ctx context.Context, session *api.Session, out operate.Result, o apply.Options) operate.Result {
	total := len(out.Changes.Steps)
	o.Observe = func(event apply.Event) {
		switch {
		case e.quiet:
		case event.Done != nil && event.Done.Err == nil:
			view.Say(e.err, "%s: step %d of %d done: %s %s\n", out.Name, event.Done.Index+1, total, event.Done.Step.Op, event.Done.Step.Slot)
		case event.Doing != "":
			view.Say(e.err, "%s: %s\n", out.Name, event.Doing)
		}
	}
	defer e.underway.begin(out.Name, o.Protect)()
	result := apply.Run(ctx, session, *out.Changes, o)
	out.Applied, out.Outcome, out.Err = &result, result.Outcome, result.Err
	return out
}

// confirm shows what would change and asks, unless it was told yes.
func (e env) confirm(ctx context.Context, s settings, r operate.Result) (bool, error) {
	if s.Yes {
		return true, nil
	}
	e.asking.Lock()
	defer e.asking.Unlock()
	if e.memory.carryOn.Load() {
		return true, nil
	}
	var shown bytes.Buffer // at once, so that no other router's message falls in between
	view.Changes(&shown, r, e.style(s))
	choice := "[y/N]"
	if e.among > 1 {
		choice = "[y/N/all]"
	}
	view.Say(&shown, "carry this out on %s? %s ", r.Name, choice)
	_, _ = e.err.Write(shown.Bytes())
	answer, err := answered(ctx, func() (string, error) { return readLine(e.in) })
	if err != nil && answer == "" {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "all", "a":
		e.memory.carryOn.Store(e.among > 1)
		return e.among > 1, nil
	}
	return yes(answer), nil
}

func yes(answer string) bool {
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// readLine reads one line and not a byte more, so that the next question finds its own answer.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}
