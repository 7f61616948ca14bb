// Package apply carries out the steps of a change set on one router, one receipt each, and then
// reads the router again to see whether it is as the plan wants it.
//
// It decides nothing about what to change: a change set comes in, a [Result] goes out, and
// what was done when something went wrong is part of that value. A write whose answer was lost is
// unknown, and is never repeated blindly.
//
//	result := apply.Run(ctx, session, changes, apply.Options{Again: again})
package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Session is what is needed of a router: *api.Session has it.
type Session interface {
	Run(ctx context.Context, c routeros.Command) (api.Reply, error)
	Snapshot(ctx context.Context) (routeros.Snapshot, error)
}

// Outcome is what became of one router. The texts are those of the JSON output.
type Outcome string

// The outcomes that a run can have.
const (
	Unchanged Outcome = "unchanged" // there was nothing to do
	Changed   Outcome = "changed"   // every step done, and the router reads back as wanted
	Refused   Outcome = "refused"   // nothing was sent
	Failed    Outcome = "failed"    // stopped on the way, or the router reads back otherwise
	Unknown   Outcome = "unknown"   // the answer to a write was lost
	Skipped   Outcome = "skipped"   // not tried
)

// Receipt is what the router answered to one step.
type Receipt struct {
	Index int // of the step in the change set
	Step  diff.Step
	// ID is the id that the router gave to an added row.
	ID  string
	Err error
}

// Result says what was done, where it stopped, and what is left.
type Result struct {
	Outcome  Outcome
	Receipts []Receipt
	// Left are the steps that were not tried.
	Left []diff.Step
	// After is the snapshot that was read at the end, when it could be read.
	After *routeros.Snapshot
	Err   error
}

// Event tells an observer what is going on. Exactly one field is set.
type Event struct {
	Starting  *diff.Step
	Done      *Receipt
	Verifying bool
}

// Options of a run.
type Options struct {
	// Before is the snapshot from which the change set was computed; foreign rules are compared
	// with it at the end.
	Before routeros.Snapshot
	// Plan is the plan's name.
	Plan string
	// Again computes the change set anew, from what was read at the end; it has to come out empty.
	Again func(routeros.Snapshot) (diff.ChangeSet, error)
	// Observe, when set, is called for every event, from the same goroutine.
	Observe func(Event)
}

// Run carries out the steps in order, each answered before the next is sent, and stops at the first
// that fails. Then it reads the router again and compares. When the context ends, the step under way is
// still answered and no other is begun.
func Run(ctx context.Context, s Session, c diff.ChangeSet, o Options) Result {
	if !c.Changed() {
		return Result{Outcome: Unchanged}
	}
	observe := o.Observe
	if observe == nil {
		observe = func(Event) {}
	}
	result := carryOut(ctx, s, c, observe)
	if result.Outcome == Unknown {
		return result
	}
	observe(Event{Verifying: true})
	return verify(context.WithoutCancel(ctx), s, result, o)
}

func carryOut(ctx context.Context, s Session, c diff.ChangeSet, observe func(Event)) Result {
	result := Result{Outcome: Changed}
	for i, step := range c.Steps {
		if ctx.Err() != nil {
			result.Outcome, result.Left = Failed, c.Steps[i:]
			result.Err = fmt.Errorf("interrupted before step %d of %d: %w", i+1, len(c.Steps), context.Cause(ctx))
			return result
		}
		observe(Event{Starting: &step})
		id, err := one(context.WithoutCancel(ctx), s, step)
		receipt := Receipt{Index: i, Step: step, ID: id, Err: err}
		result.Receipts = append(result.Receipts, receipt)
		observe(Event{Done: &receipt})
		if err != nil {
			result.Outcome, result.Left = Failed, c.Steps[i+1:]
			if lost(err) {
				result.Outcome = Unknown
			}
			result.Err = fmt.Errorf("step %d of %d, %s %s: %w", i+1, len(c.Steps), step.Op, step.Slot, err)
			return result
		}
	}
	return result
}

func one(ctx context.Context, s Session, step diff.Step) (string, error) {
	command, err := Command(step)
	if err != nil {
		return "", err
	}
	if step.Op == diff.Move {
		if err := present(ctx, s, step); err != nil {
			return "", err
		}
	}
	reply, err := s.Run(ctx, command)
	if err == nil && step.Op == diff.Add && reply.Ret == "" {
		err = errors.New("the router added a row but did not say which: read it again with diff")
	}
	return reply.Ret, err
}

// present makes sure that the row before which another is to be moved is still there. The router takes
// a vanished one for the end of the table, and reports success (routeros-facts § 2.4).
func present(ctx context.Context, s Session, step diff.Step) error {
	if step.Before == "" {
		return nil
	}
	reply, err := s.Run(ctx, routeros.Print(step.Menu))
	if err != nil {
		return err
	}
	for _, row := range reply.Rows {
		if row.Get(".id") == step.Before && !row.Bool("dynamic") {
			return nil
		}
	}
	return fmt.Errorf("the rule %s, before which it belongs, is gone: somebody else is changing this router; run diff again", step.BeforeText)
}

// lost reports whether the error leaves open if the command took effect.
func lost(err error) bool {
	if l, ok := errors.AsType[*api.LostError](err); ok {
		return l.Unknown
	}
	late, ok := errors.AsType[*api.TimeoutError](err)
	return ok && late.Unknown
}

// verify reads the router again: our own rules must be as wanted, everybody else's as they were.
func verify(ctx context.Context, s Session, result Result, o Options) Result {
	after, err := s.Snapshot(ctx)
	if err != nil {
		result.Outcome = Unknown
		result.Err = errors.Join(result.Err, fmt.Errorf("the router could not be read again: %w", err))
		return result
	}
	result.After = &after
	var problems []error
	for _, difference := range diff.Foreign(o.Before, after, o.Plan) {
		problems = append(problems, errors.New(difference))
	}
	if o.Again != nil && result.Outcome == Changed {
		if rest, err := o.Again(after); err != nil {
			problems = append(problems, fmt.Errorf("reads back in a state that is refused: %w", err))
		} else if n := len(rest.Steps); n > 0 {
			problems = append(problems, fmt.Errorf("reads back with %d differences, the first: %s %s; run diff to see them", n, rest.Steps[0].Op, rest.Steps[0].Slot))
		}
	}
	if len(problems) > 0 {
		result.Outcome = Failed
		result.Err = errors.Join(append([]error{result.Err}, problems...)...)
	}
	return result
}
