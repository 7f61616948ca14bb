package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
)

// fail rolls back what was done, over this session as long as it is there, and else over the next that gets through.
func (r *run) fail(ctx context.Context, s Session, cause error, gone bool) {
	r.result.Err = cause
	if g, ok := r.guard.(*scheduled); ok && g.adopted {
		// To go back from going back would lead away from where everybody wants to be.
		r.result.Outcome = Failed
		if gone {
			r.result.Outcome = Unknown
		}
		r.result.Err = fmt.Errorf("%w%s", cause, g.hope())
		return
	}
	if !gone {
		err := r.rollBack(context.WithoutCancel(ctx), s)
		if err == nil {
			r.result.Outcome = Reverted
			r.result.Err = r.exposed(cause)
			return
		}
		r.result.Outcome = Failed
		r.result.Err = errors.Join(r.exposed(cause), fmt.Errorf("what was done could not be rolled back: %w%s", err, r.guard.hope()))
		if !lost(err) {
			return
		}
	}
	_ = s.Close()
	r.settle(ctx, r.result.Err)
}

// exposed says how long packets can have met the router as without the plan, where the protection was lost after a switch.
func (r *run) exposed(cause error) error {
	_, gone := errors.AsType[*GoneError](cause)
	if !gone || r.met.IsZero() {
		return cause
	}
	return fmt.Errorf("%w; for up to %s the router was as without the plan", cause, max(time.Since(r.met), time.Millisecond).Round(time.Millisecond))
}

// rollBack brings the router back to where it was, and gives up the protection then.
func (r *run) rollBack(ctx context.Context, s Session) error {
	r.doing("rolling back what was done")
	now, results, err := s.SnapshotWith(ctx, r.guard.prints()...)
	if err != nil {
		return err
	}
	standing := r.guard.standing(results, time.Now())
	gone, isGone := errors.AsType[*GoneError](standing)
	if !isGone && len(diff.Foreign(r.before, now, r.options.Plan, r.changes.Steps...)) == 0 {
		// Others' changes would go too if safe mode were unrolled.
		undone, err := r.guard.unroll(ctx, s, r.answered())
		if err != nil {
			return err
		}
		if undone {
			return r.restored(ctx, s)
		}
	}
	if isGone && gone.By != "" && !r.harmful(now) {
		return r.leave(now, gone)
	}
	if err := r.stepBack(ctx, s, now); err != nil {
		return err
	}
	if err := r.restored(ctx, s); err != nil || isGone {
		return err
	}
	return r.guard.release(ctx, s)
}

// answered is how many steps the router has carried out.
func (r *run) answered() int {
	n := 0
	for _, receipt := range r.result.Receipts {
		if receipt.Err == nil && receipt.Index >= r.parts.Change {
			n++
		}
	}
	return n
}

// stepBack takes back step by step what was done.
func (r *run) stepBack(ctx context.Context, s Session, now routeros.Snapshot) error {
	back, err := undo.Changes(now, r.before, r.changes, r.options.Plan)
	if err != nil {
		return err
	}
	states, err := diff.States(now, back)
	if err != nil {
		return err
	}
	w := &walker{session: s, steps: back.Steps, joins: joining(states, back.Steps)}
	for w.more() {
		if _, err := w.flight(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// harmful reports whether packets meet anything else of the plan than before the change.
func (r *run) harmful(now routeros.Snapshot) bool {
	return !slices.Equal(diff.Met(now, r.options.Plan), diff.Met(r.before, r.options.Plan)) ||
		slices.ContainsFunc(r.changes.Steps, func(step diff.Step) bool {
			was, _ := diff.FindRow(r.before, step.Menu, step.ID)
			is, ok := diff.FindRow(now, step.Menu, step.ID)
			return step.Menu == routeros.ServiceMenu && ok && !was.Attrs.Equal(is.Attrs)
		})
}

// leave ends a run while somebody else holds safe mode: what is written now would go or stay with theirs.
func (r *run) leave(now routeros.Snapshot, gone *GoneError) error {
	left := undo.Left(now, r.before, r.changes, r.options.Plan)
	if len(left) == 0 {
		r.result.After = &now
		return nil
	}
	return &HeldError{
		fmt.Sprintf("safe mode is held by %s, so nothing more is written: packets meet what they met before, but rules that nothing leads to are left", gone.By),
		"run it again when they are done",
	}
}

// restored reads the router and says what is not as it was.
func (r *run) restored(ctx context.Context, s Session) error {
	now, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.result.After = &now
	var problems []error
	for _, what := range undo.Left(now, r.before, r.changes, r.options.Plan) {
		problems = append(problems, errors.New(what))
	}
	return errors.Join(problems...)
}
