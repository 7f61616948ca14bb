package apply

import (
	"context"
	"fmt"

	"github.com/rosknock/rosknock/plans/diff"
)

// apart cuts a change set in two that is too large for a dead-man: what packets see, and the removal of rows in chains into which no packet
// comes any more. A script that brings hundreds of rows back is longer than a router takes, and nothing hangs on them: packets meet the same
// rules whether they go first or last, or stay. sweep is nil where nothing has to be cut, or nothing helps.
func apart(o Options, c diff.ChangeSet, g guard) (head, sweep []diff.Step) {
	man, ok := g.(*scheduled)
	if !ok || len(man.script) <= maxScript {
		return c.Steps, nil
	}
	states := diff.States(o.Before, c)
	for i, step := range c.Steps {
		if step.Op == diff.Remove && step.Menu.IsRuleTable() && idle(states[i].Rules[step.Menu], chainOf(step)) {
			sweep = append(sweep, step)
			continue
		}
		head = append(head, step)
	}
	if len(head) == 0 {
		return c.Steps, nil
	}
	return head, sweep
}

// runApart carries out what packets see, and when that stands and is confirmed, sweeps.
func runApart(ctx context.Context, s Session, c diff.ChangeSet, o Options, head, sweep []diff.Step) Result {
	first := o
	first.Wanted = nil // what is left to do is the rows that are swept
	c.Steps = head
	result := runOnce(ctx, s, c, first, guardFor(first, c))
	if result.Outcome != Changed || result.After == nil {
		result.Left = append(result.Left, sweep...)
		return result
	}
	second := o
	second.Before, second.Confirm = *result.After, nil
	if second.Observe != nil {
		second.Observe = func(e Event) {
			if e.Done != nil {
				done := *e.Done
				done.Index += len(head)
				e.Done = &done
			}
			o.Observe(e)
		}
	}
	c.Snapshot, c.Steps = second.Before.Digest(), sweep
	rest := runOnce(ctx, s, c, second, guardFor(second, c))
	for _, receipt := range rest.Receipts {
		receipt.Index += len(head)
		result.Receipts = append(result.Receipts, receipt)
	}
	result.Left, result.Protection = rest.Left, rest.Protection
	if rest.After != nil {
		result.After = rest.After
	}
	if rest.Outcome != Changed {
		result.Outcome = Failed
		result.Err = fmt.Errorf("all that packets meet is as it should be, but rows that none meets any more could not be removed: run it again: %w", rest.Err)
	}
	return result
}
