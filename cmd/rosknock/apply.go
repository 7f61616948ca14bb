package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

func newApply(e env) *cobra.Command {
	var dryRun bool
	var changes string
	c := &cobra.Command{
		Use:   "apply PLAN | apply --changes FILE",
		Short: "Bring routers to the plan",
		Long: `Read each router, show what has to change, ask, and carry it out: one step after the other, each answered
before the next. Then the router is read again and compared. A second run changes nothing.

With --changes, what diff --save kept is carried out, on the routers that it was computed for, if each is still exactly as it
was then; one that changed meanwhile is refused with exit code 6 and the difference.

Without a terminal to ask on, --yes is needed.`,
		Example: `  rosknock apply branch.yaml -r admin@192.0.2.1
  rosknock apply branch.yaml -r 192.0.2.1 -r 192.0.2.2 --yes -o json
  rosknock apply branch.yaml -r 192.0.2.1 --dry-run`,
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
			if !s.Yes && !dryRun && !e.inTerminal {
				return usagef("apply asks before it changes anything, and there is no terminal to ask on: use --yes, or --dry-run to look")
			}
			if changes != "" {
				routers, err := e.applySaved(c.Context(), s, changes, dryRun)
				if err != nil {
					return err
				}
				return finishApply(c.Context(), e, s, routers, dryRun)
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
				routers[i] = applyRouter(c.Context(), e, s, p, r, dryRun, nil)
			}
			return finishApply(c.Context(), e, s, routers, dryRun)
		},
	}
	c.Flags().StringVar(&changes, "changes", "", "carry out the changes in a `FILE` of diff --save")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show the steps and stop there")
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
func applyRouter(ctx context.Context, e env, s settings, p plans.Plan, r router, dryRun bool, saved *state.SavedRouter) view.Router {
	if ctx.Err() != nil {
		return view.Router{Name: r.name, Address: r.target.HostPort(), Outcome: apply.Skipped, Err: context.Cause(ctx)}
	}
	if !dryRun {
		release, err := e.lock(s, r, p)
		if err != nil {
			return view.Router{Name: r.name, Address: r.target.HostPort(), Outcome: apply.Refused, Err: err}
		}
		defer release()
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
	switch {
	case out.Err != nil:
		return out
	case !out.Changes.Changed():
		out.Outcome = apply.Unchanged
		return out
	case dryRun:
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
	if err := stillThe(ctx, session, out, s.Yes); err != nil {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	return e.recorded(s, p, out, func() view.Router {
		done := e.carryOut(ctx, p, session, carrier, out)
		if done.Outcome == apply.Unknown {
			return lookAgain(ctx, e, s, p, r, done)
		}
		return done
	})
}

// stillThe makes sure that the router is still as it was when the change set was shown: somebody else may have
// worked on it while the question stood on the terminal.
func stillThe(ctx context.Context, session *api.Session, shown view.Router, unasked bool) error {
	if unasked {
		return nil
	}
	now, err := session.Snapshot(ctx)
	if err != nil {
		return err
	}
	if now.Digest() != shown.Snapshot.Digest() {
		return &codeError{code: exitMoved, err: fmt.Errorf("%s: the router changed since these steps were computed: nothing was sent; run apply again", shown.Name)}
	}
	return nil
}

// lookAgain settles an unknown outcome: a new session reads what the lost command has done.
func lookAgain(ctx context.Context, e env, s settings, p plans.Plan, r router, out view.Router) view.Router {
	fmt.Fprintf(e.err, "%s: the answer to a command was lost; looking at the router again\n", r.name)
	fresh := diffRouter(ctx, e, s, p, r)
	switch {
	case fresh.Err != nil:
		out.Err = fmt.Errorf("%w; and a new session says: %w", out.Err, fresh.Err)
	case !fresh.Changes.Changed():
		out.Outcome, out.Err = apply.Changed, nil
	default:
		out.Outcome = apply.Failed
		out.Err = fmt.Errorf("%w; a new session finds %d steps still to do: run apply again", out.Err, len(fresh.Changes.Steps))
	}
	return out
}

// carryOut runs the change set of a router and follows it on standard error.
func (e env) carryOut(ctx context.Context, p plans.Plan, session *api.Session, carrier diff.Session, out view.Router) view.Router {
	total := len(out.Changes.Steps)
	result := apply.Run(ctx, session, *out.Changes, apply.Options{
		Before: *out.Snapshot, Plan: p.Name,
		Again: func(after routeros.Snapshot) (diff.ChangeSet, error) { return changesFor(after, p, carrier) },
		Observe: func(event apply.Event) {
			switch {
			case event.Done != nil && event.Done.Err == nil:
				fmt.Fprintf(e.err, "%s: step %d of %d done: %s %s\n", out.Name, event.Done.Index+1, total, event.Done.Step.Op, event.Done.Step.Slot)
			case event.Verifying:
				fmt.Fprintf(e.err, "%s: reading the router again\n", out.Name)
			}
		},
	})
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
