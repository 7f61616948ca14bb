package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rosknock/rosknock/plans/undo"
)

// mostSessions is how many sessions may be lost before settle gives up: each has logged in and
// read, so waiting will not help.
const mostSessions = 8

// settle finds out the state of a router whose session was lost, over new sessions, until it is as
// before or time is up. It waits for the protection: safe mode of a dead session ends only after
// its time-out, and a router that lets nobody in rolls back when the dead-man runs.
func (r *run) settle(ctx context.Context, cause error) {
	r.result.Outcome, r.result.Err = Unknown, cause
	if r.options.Dial == nil {
		return
	}
	patience := r.guard.horizon()
	if ctx.Err() != nil {
		ctx, patience = context.WithoutCancel(ctx), min(patience, 30*time.Second) // after an interrupt, nobody wants to wait long
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.doing("the session was lost (%v); looking at the router over a new one", cause)
	var last error
	for sessions, pause := 0, time.Second; ; pause = min(2*pause, 15*time.Second) {
		s, err := r.box.another(ctx)
		if r.box.elsewhere != nil {
			r.strayed(errors.Join(cause, r.box.elsewhere))
			return
		}
		if err == nil {
			sessions++
			var done bool
			done, err = r.look(ctx, s, cause)
			_ = s.Close()
			if done {
				return
			}
		}
		if err != nil && (last == nil || ctx.Err() == nil || sessions > 0) {
			last = err
		}
		if sessions == mostSessions || !sleep(ctx, pause) {
			r.result.Outcome = Unknown
			r.result.Err = errors.Join(cause, fmt.Errorf("the state of the router is unknown: %w; look at it with diff", last))
			return
		}
	}
}

// sleep waits; false when the context has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look finds out what it can over a new session; done says that the result is final.
func (r *run) look(ctx context.Context, s Session, cause error) (done bool, err error) {
	held, why, err := r.guard.pending(ctx, s)
	if err != nil {
		return false, err
	}
	if held && r.guard.name() == SafeMode {
		r.doing("%s: waiting until the router gives up the lost session and rolls the changes back", why)
		for held {
			if sleep(ctx, 5*time.Second) {
				held, _, err = r.guard.pending(ctx, s)
			}
			switch {
			case ctx.Err() != nil:
				return false, errors.New(why)
			case err != nil:
				return false, err
			}
		}
	}
	now, err := s.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	r.result.After = &now
	switch {
	case len(undo.Left(now, r.before, r.changes, r.options.Plan)) == 0:
		r.result.Outcome, r.result.Err = Reverted, cause
		if len(r.result.Receipts) == 0 {
			r.result.Outcome = Refused // nothing had been sent that could have changed anything
		}
		return r.disarmed(ctx, s, held)
	case r.confirmed && len(r.differences(now)) == 0:
		// Everything was done and confirmed; only the answer to the last command was lost.
		r.result.Outcome, r.result.Err = Changed, nil
		return r.disarmed(ctx, s, held)
	}
	err = r.rollBack(ctx, s)
	r.wentBack(cause, err)
	return !lost(err), err
}

// disarmed releases a protection that is still in place when the result is final.
func (r *run) disarmed(ctx context.Context, s Session, held bool) (bool, error) {
	if !held || r.guard.name() == SafeMode {
		return true, nil
	}
	err := release(ctx, s, r.guard)
	return err == nil, err
}
