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
	"github.com/rosknock/rosknock/routeros/api"
)

// fail rolls back what was done, over this session as long as it is there, and else over the next
// that gets through.
func (r *run) fail(ctx context.Context, s Session, cause error, gone bool) {
	r.result.Err = cause
	if r.adopted {
		// To go back from going back would lead away from where everybody wants to be.
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

// wentBack says what became of the way back; err is why it does not lead to its end.
func (r *run) wentBack(cause, err error) {
	cause = r.exposed(cause)
	r.result.Outcome = Failed
	switch _, held := errors.AsType[*HeldError](err); {
	case err == nil:
		r.result.Outcome = Reverted
		if r.gone != nil && r.gone.By != "" {
			err = fmt.Errorf("until %s ends safe mode, what was rolled back may come again: look with diff then", r.gone.By)
		}
	case held:
	case r.gone != nil:
		err = fmt.Errorf("what was done could not be rolled back: %w; look at the router with diff", err)
	default:
		err = fmt.Errorf("what was done could not be rolled back: %w%s", err, r.guard.hope())
	}
	if r.result.Err = cause; err != nil {
		r.result.Err = errors.Join(cause, err)
	}
}

// exposed says that the protection was lost, where that was found only on the way back; and how long
// packets can have met the router as without the plan, where it was lost after a switch from one plan to
// another.
func (r *run) exposed(cause error) error {
	_, said := errors.AsType[*GoneError](cause)
	if !said && r.gone == nil {
		return cause
	}
	if !said {
		cause = errors.Join(fmt.Errorf("protection lost: %w", r.gone), cause)
	}
	plans := func(s routeros.Snapshot) bool { return len(diff.Met(s, r.options.Plan)) > 0 }
	if !r.met.IsZero() && plans(r.before) && plans(r.states[len(r.states)-1]) {
		cause = errors.Join(cause, fmt.Errorf("for up to %s the router may have been as without the plan", max(time.Since(r.met), time.Millisecond).Round(time.Millisecond)))
	}
	return cause
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
	if isGone {
		r.gone = gone
	}
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
	if err := r.restored(ctx, s); err != nil {
		return err
	}
	return besideGone(r.guard.release(ctx, s)) // of a dead-man that is gone one of the two entries may be left
}

// besideGone is what an error says beside that the protection was not in place any more.
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

// answered is how many steps the router has carried out.
func (r *run) answered() int {
	n := 0
	for _, receipt := range r.result.Receipts {
		if receipt.Err == nil && receipt.Index >= r.part.From {
			n++
		}
	}
	return n
}

// stepBack rolls back step by step what was done. Somebody else may roll everything back meanwhile, and
// a step that was right before would then shut somebody out. So before each step that packets meet the
// router is read anew, and the way back is computed from there.
func (r *run) stepBack(ctx context.Context, s Session, now routeros.Snapshot) error {
	refused := 0
	for range 2*len(r.changes.Steps) + 10 {
		back, err := undo.Changes(now, r.before, r.changes, r.options.Plan)
		if err != nil || !back.Changed() {
			return err
		}
		states, err := diff.States(now, back)
		if err != nil {
			return err
		}
		grounds := grounded(states, back.Steps)
		w := &walker{session: s, steps: back.Steps, joins: joining(states, back.Steps)}
		for err == nil && w.more() && (w.at == 0 || !grounds[w.at]) {
			_, err = w.flight(ctx, nil)
		}
		switch trap, ok := errors.AsType[*api.TrapError](err); {
		case ok && trap.NoSuchItem(): // what the step names is gone: it is looked at once more
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
	return errors.New("the way back does not come to its end: somebody else is changing the router")
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
		fmt.Sprintf("safe mode is held by %s, so nothing more is written: packets meet what they met before, but rules that nothing uses are left", gone.By),
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
