package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/decide"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// ToPlan brings a router to a plan. command is its name in the journal. Saved changes, where there
// are any, must equal those that are computed when the router's turn comes.
func ToPlan(command string, p plans.Plan, saved *state.SavedRouter) Operation {
	return Operation{
		command: command, holds: "apply " + p.Name, plan: p, traced: true,
		prepare: func(a *attempt) error {
			if a.Verify && a.router.Behind {
				return errors.New("--verify-knock plays the knock from this machine, and the router is behind SSH hosts: leave one of the two out")
			}
			return nil
		},
		compute: func(ctx context.Context, a *attempt) { a.toPlan(ctx, p, saved) },
	}
}

func (a *attempt) toPlan(ctx context.Context, p plans.Plan, saved *state.SavedRouter) {
	if err := unmoved(*a.out.Snapshot, saved); err != nil {
		a.out = a.out.Refused(err)
		return
	}
	rotates := p.Rotates()
	p, err := a.ready(ctx, p)
	if err == nil {
		err = a.completed(ctx, p)
	}
	if _, refused := errors.AsType[*RefusedError](err); refused {
		a.out = a.out.Refused(err)
		return
	}
	if err != nil {
		a.out = a.out.Failed(err)
		return
	}
	if rotates && !a.looks {
		a.warnOfClock()
	}
	a.out = compared(a.Shared, a.out, p, a.carrier)
	a.sayLost()
	if err := sameSteps(a.out, saved); err != nil {
		a.out = a.out.Refused(err)
	}
	a.left = func(after routeros.Snapshot) error { return a.stillLeft(after, p) }
	if a.Verify {
		a.check = a.verifyKnocks(presentDoors(p, a.out.Snapshot.Clock))
	}
}

// Compare completes a router that was read with the steps to a plan whose knocks are all there, with
// their proof, and with findings.
func Compare(r Result, p plans.Plan, session change.Management) Result {
	return compared(nil, r, p, session)
}

// compared is [Compare] with what was computed for other routers.
func compared(shared *decide.Shared, r Result, p plans.Plan, session change.Management) Result {
	decision := shared.Decide(decide.See(p, *r.Snapshot, session))
	r.Changes, r.Proof, r.Findings = decision.Changes, decision.Proof, decision.Findings
	if _, refused := errors.AsType[*change.RefusalError](decision.Err); refused {
		r = r.Refused(decision.Err)
	} else if decision.Err != nil {
		r = r.Failed(decision.Err)
	}
	return r
}

// stillLeft says what is left to do on a router that was read again.
func (a *attempt) stillLeft(after routeros.Snapshot, p plans.Plan) error {
	rest, err := a.Shared.Steps(decide.See(p, after, a.carrier))
	return leftOver(rest, err, "difference", "")
}

// leftOver is the error of steps that should not be there any more.
func leftOver(rest change.ChangeSet, err error, word, end string) error {
	if err != nil {
		return fmt.Errorf("reads back in a state that is refused: %w", err)
	}
	if n := len(rest.Steps); n > 0 {
		return fmt.Errorf("reads back with %s%s, the first: %s %s", plural(n, word), end, rest.Steps[0].Op, rest.Steps[0].Name())
	}
	return nil
}
