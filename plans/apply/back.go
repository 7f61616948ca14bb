package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// fail rolls back the steps, over this session if it still works, otherwise over the next one that
// works.
func (r *run) fail(ctx context.Context, s Session, cause error, gone bool) {
	r.result.Err = cause
	if r.adopted {
		// A rollback is not rolled back itself: that would lead away from the state that everybody
		// wants.
		r.result.Outcome = Failed
		if gone {
			r.result.Outcome = Unknown
		}
		r.result.Err = fmt.Errorf("%w%s", cause, r.guard.hope())
		return
	}
	if !gone {
		err := r.rollBack(context.WithoutCancel(ctx), s)
		r.wentBack(cause, err)
		if !lost(err) {
			return
		}
	}
	r.dead = true
	_ = s.Close()
	r.settle(ctx, r.result.Err)
}

// wentBack records the result of the rollback; err is why it failed.
func (r *run) wentBack(cause, err error) {
	cause = r.exposed(cause)
	r.result.Outcome = Failed
	switch _, held := errors.AsType[*HeldError](err); {
	case err == nil:
		r.result.Outcome = Reverted
		if r.gone != nil && r.gone.By != "" {
			err = fmt.Errorf("until %s ends safe mode, the rolled-back steps may return: look at the router with diff after that", r.gone.By)
		}
	case held:
	case r.gone != nil:
		err = fmt.Errorf("the steps could not be rolled back: %w; look at the router with diff", err)
	default:
		err = fmt.Errorf("the steps could not be rolled back: %w%s", err, r.guard.hope())
	}
	if r.result.Err = cause; err != nil {
		r.result.Err = errors.Join(cause, err)
	}
}

// exposed says that the protection was lost, if that was found only during the rollback; and, if it
// was lost after a switch from one plan to another, for how long packets may have met the router as
// without the plan.
func (r *run) exposed(cause error) error {
	_, said := errors.AsType[*GoneError](cause)
	if !said && r.gone == nil {
		return cause
	}
	if !said {
		cause = errors.Join(fmt.Errorf("protection lost: %w", r.gone), cause)
	}
	plans := func(s routeros.Snapshot) bool { return len(change.Met(s, r.options.Plan)) > 0 }
	if !r.met.IsZero() && plans(r.before) && plans(r.states[len(r.states)-1]) {
		cause = errors.Join(cause, fmt.Errorf("for up to %s the router may have been as without the plan", max(time.Since(r.met), time.Millisecond).Round(time.Millisecond)))
	}
	return cause
}

// rollBack restores the router's state before the change, and then releases the protection.
func (r *run) rollBack(ctx context.Context, s Session) error {
	r.doing("rolling back what was done")
	now, results, err := s.SnapshotWith(ctx, r.guard.prints()...)
	if err != nil {
		return err
	}
	standing := r.guard.standing(results, time.Now())
	gone, isGone := errors.AsType[*GoneError](standing)
	if isGone {
		r.gone = gone
	}
	if !isGone && len(change.Foreign(r.before, now, r.options.Plan, r.changes.Steps...)) == 0 {
		// Unrolling safe mode would also undo others' changes.
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
	if err := r.restored(ctx, s); err != nil {
		return err
	}
	return besideGone(release(ctx, s, r.guard)) // one of the two entries of a lost dead-man may be left
}

// besideGone is the rest of an error, without the fact that the protection was not in place any
// more.
func besideGone(err error) error {
	if _, gone := errors.AsType[*GoneError](err); !gone {
		return err
	}
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var rest []error
	for _, one := range several.Unwrap() {
		rest = append(rest, besideGone(one))
	}
	return errors.Join(rest...)
}

// answered is how many steps the router has executed.
func (r *run) answered() int {
	n := 0
	for _, receipt := range r.result.Receipts {
		if receipt.Err == nil && receipt.Index >= r.part.From {
			n++
		}
	}
	return n
}

// stepBack rolls back step by step. Somebody else may roll everything back meanwhile, and a step
// that was right before could then lock somebody out. So before each step that packets meet, the
// router is read anew, and the rollback is computed from that state.
func (r *run) stepBack(ctx context.Context, s Session, now routeros.Snapshot) error {
	refused := 0
	for range 2*len(r.changes.Steps) + 10 {
		back, err := undo.Changes(now, r.before, r.changes, r.options.Plan)
		if err != nil || !back.Changed() {
			return err
		}
		states, err := change.States(now, back)
		if err != nil {
			return err
		}
		grounds := grounded(states, back.Steps)
		w := &walker{session: s, steps: back.Steps, joins: joining(states, back.Steps)}
		for err == nil && w.more() && (w.at == 0 || !grounds[w.at]) {
			_, err = w.flight(ctx, nil)
		}
		switch trap, ok := errors.AsType[*api.TrapError](err); {
		case ok && trap.NoSuchItem(): // the row of the step is gone: the router is read once more
			if refused++; refused > 3 {
				return err
			}
		case err != nil || !w.more():
			return err
		}
		if now, err = s.Snapshot(ctx); err != nil {
			return err
		}
	}
	return errors.New("the rollback can't finish: somebody else is changing the router")
}

// harmful reports whether the plan's rules treat packets otherwise than before the change.
func (r *run) harmful(now routeros.Snapshot) bool {
	return !slices.Equal(change.Met(now, r.options.Plan), change.Met(r.before, r.options.Plan)) ||
		slices.ContainsFunc(r.changes.Steps, func(step change.Step) bool {
			was, _ := change.FindRow(r.before, step.Menu, step.ID)
			is, ok := change.FindRow(now, step.Menu, step.ID)
			return step.Menu == routeros.ServiceMenu && ok && !was.Attrs.Equal(is.Attrs)
		})
}

// leave ends a run while somebody else holds safe mode: anything written now would be kept or
// undone together with their changes.
func (r *run) leave(now routeros.Snapshot, gone *GoneError) error {
	left := undo.Left(now, r.before, r.changes, r.options.Plan)
	if len(left) == 0 {
		r.result.After = &now
		return nil
	}
	return &HeldError{
		fmt.Sprintf("safe mode is held by %s, so nothing more is written: packets are treated as before, but unused rules are left", gone.By),
		"run it again when they have finished",
	}
}

// restored reads the router and says what differs from the state before.
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
