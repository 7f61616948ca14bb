package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/diff"
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
}

func (a *applying) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&a.dryRun, "dry-run", false, "show the steps and stop there")
	f.StringVar(&a.protect, "protect", string(apply.Auto), "what takes the changes back when nobody can: `auto`, safe-mode, dead-man or none")
	f.DurationVar(&a.after, "undo-after", apply.DefaultDelay, "after what `TIME` a dead-man takes the changes back")
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
		return &codeError{code: exitRefused, err: fmt.Errorf("without protection nothing brings the router back when a change shuts everybody out: if you can get at it otherwise, name the risk with --accept-risk=%s", apply.Unprotected)}
	}
	return nil
}

func newApply(e env) *cobra.Command {
	var how applying
	var changes string
	c := &cobra.Command{
		Use:   "apply PLAN | apply --changes FILE",
		Short: "Bring routers to the plan",
		Long: `Read each router, show what has to change, ask, and carry it out, so that nobody is shut out whatever fails.

Before the first step the router is told to come back by itself: RouterOS 7.18 and later are put into safe mode, older ones get a
dead-man, an entry in their scheduler that takes the changes back after --undo-after, also after a reboot. Then come the steps. The router is
read again and compared, a new connection has to log in, and only then is the protection given up. With --verify-knock the right
knock of each door is played from here and must open it, after a wrong one that must not.

If anything goes wrong, a difference, a refusal, a lost answer, Ctrl-C, what was done is taken back, and the outcome says so. rosknock undo
takes back a change later. A second run changes nothing.

With --changes, what diff --save kept is carried out, on the routers that it was computed for, if each is still exactly as it
was then; one that changed meanwhile is refused with exit code 6 and the difference.

Without a terminal to ask on, --yes is needed.`,
		Example: `  rosknock apply branch.yaml -r admin@192.0.2.1
  rosknock apply branch.yaml -r 192.0.2.1 -r 192.0.2.2 --yes -o json
  rosknock apply branch.yaml -r 192.0.2.1 --dry-run
  rosknock apply branch.yaml -r 192.0.2.1 --protect dead-man --undo-after 10m --verify-knock`,
		Args: func(_ *cobra.Command, args []string) error {
			if changes != "" && len(args) > 0 {
				return usagef("apply takes a plan or --changes, not both")
			}
			if changes == "" && len(args) != 1 {
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
			if changes != "" {
				routers, err := e.applySaved(c.Context(), s, changes, how)
				if err != nil {
					return err
				}
				return finishApply(c.Context(), e, s, routers, how.dryRun)
			}
			p, err := readPlan(args[0])
			if err != nil {
				return err
			}
			targets, err := routersOf(s)
			if err != nil {
				return err
			}
			routers := make([]view.Router, len(targets))
			for i, r := range targets {
				routers[i] = applyRouter(c.Context(), e, s, p, r, how, nil)
			}
			return finishApply(c.Context(), e, s, routers, how.dryRun)
		},
	}
	c.Flags().StringVar(&changes, "changes", "", "carry out the changes in a `FILE` of diff --save")
	c.Flags().BoolVar(&how.verify, "verify-knock", false, "play a wrong and the right knock from here before the changes are confirmed")
	how.flags(c)
	return c
}

func finishApply(ctx context.Context, e env, s settings, routers []view.Router, dryRun bool) error {
	if err := showApplied(e, s, routers, dryRun); err != nil {
		return err
	}
	return outcomeCode(ctx, routers)
}

func showApplied(e env, s settings, routers []view.Router, dryRun bool) error {
	if dryRun && s.Output == "text" {
		return showChanges(e, s, "diff", routers)
	}
	return showChanges(e, s, "apply", routers)
}

// applyRouter carries the plan out on one router. With saved changes, they have to be the ones that are computed now.
func applyRouter(ctx context.Context, e env, s settings, p plans.Plan, r router, how applying, saved *state.SavedRouter) view.Router {
	if ctx.Err() != nil {
		return view.Router{Name: r.name, Address: r.target.HostPort(), Outcome: apply.Skipped, Err: context.Cause(ctx)}
	}
	if !how.dryRun {
		release, err := e.lock(s, r, "apply "+p.Name)
		if err != nil {
			return view.Router{Name: r.name, Address: r.target.HostPort(), Outcome: apply.Refused, Err: err}
		}
		defer release()
		e.remind(s, r)
	}
	session, carrier, out := e.reach(ctx, s, r)
	if out.Err != nil {
		return out
	}
	defer session.Close()
	if err := unmoved(out, saved); err != nil {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	out = withChanges(out, p, carrier)
	if err := sameSteps(out, saved); err != nil {
		out.Outcome, out.Err = apply.Refused, err
	}
	if (out.Err != nil || out.Changes.Changed()) && !how.dryRun {
		// In the middle of somebody else's change a router reads strangely: that is said rather than what comes of it.
		if err := apply.Vacant(ctx, session, out.Snapshot.Version); err != nil {
			out.Outcome, out.Err = apply.Refused, err
		}
	}
	switch {
	case out.Err != nil:
		return out
	case !out.Changes.Changed():
		out.Outcome = apply.Unchanged
		return out
	case how.dryRun:
		out.Outcome = apply.Skipped
		return out
	}
	if ok, err := e.confirm(ctx, s, out); err != nil || !ok {
		out.Outcome, out.Err = apply.Skipped, err
		if err == nil {
			fmt.Fprintf(e.err, "%s: nothing was changed\n", r.name)
		}
		return out
	}
	return e.recorded(s, change{command: "apply", plan: p.Name}, out, func(name string) view.Router {
		o := how.options(out, p.Name)
		o.Change = name
		o.Wanted = func(after routeros.Snapshot) error { return wanted(after, p, carrier) }
		o.Dial = e.redial(s, r)
		if how.verify {
			o.Confirm = e.verifyKnocks(p, session, carrier, r)
		}
		return e.carryOut(ctx, session, out, o)
	})
}

// options are those of a run on a router.
func (a applying) options(out view.Router, plan string) apply.Options {
	return apply.Options{Before: *out.Snapshot, Plan: plan, Protect: apply.Protection(a.protect), Delay: a.after, Owner: actor()}
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
func wanted(after routeros.Snapshot, p plans.Plan, carrier diff.Session) error {
	rest, err := changesFor(after, p, carrier)
	if err != nil {
		return fmt.Errorf("reads back in a state that is refused: %w", err)
	}
	if n := len(rest.Steps); n > 0 {
		return fmt.Errorf("reads back with %d differences, the first: %s %s", n, rest.Steps[0].Op, rest.Steps[0].Slot)
	}
	return nil
}

// carryOut runs the change set of a router and follows it on standard error.
func (e env) carryOut(ctx context.Context, session *api.Session, out view.Router, o apply.Options) view.Router {
	total := len(out.Changes.Steps)
	o.Observe = func(event apply.Event) {
		switch {
		case event.Done != nil && event.Done.Err == nil:
			fmt.Fprintf(e.err, "%s: step %d of %d done: %s %s\n", out.Name, event.Done.Index+1, total, event.Done.Step.Op, event.Done.Step.Slot)
		case event.Doing != "":
			fmt.Fprintf(e.err, "%s: %s\n", out.Name, event.Doing)
		}
	}
	result := apply.Run(ctx, session, *out.Changes, o)
	out.Result, out.Outcome, out.Err = &result, result.Outcome, result.Err
	return out
}

// confirm shows what would change and asks, unless it was told yes.
func (e env) confirm(ctx context.Context, s settings, r view.Router) (bool, error) {
	if s.Yes {
		return true, nil
	}
	style := e.style(s)
	view.Changes(e.err, []view.Router{r}, style)
	fmt.Fprintf(e.err, "carry this out on %s? [y/N] ", r.Name)
	answer, err := answered(ctx, func() (string, error) { return readLine(e.in) })
	if err != nil && answer == "" {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
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
