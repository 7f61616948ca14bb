// Package apply applies the steps of a change set to one router so that nobody is locked out,
// whatever fails. Before the first step the protection is armed: safe mode, or a dead-man in the
// router's scheduler, with which the router rolls back by itself. Then come the steps, one receipt
// each. The router is read again and compared, and a new login has to work. Only then is the
// protection released. If anything fails, the steps are rolled back: by this session, by the next
// one that works, or by the router.
//
// The protection can vanish in the middle: another administrator takes safe mode over, or a clock
// jumps and the dead-man runs early. So before each step that packets meet, an answer has to show
// that the protection is in place and all steps so far are there (ground.go). And the steps are
// built such that the router refuses a step when the rules that it depends on are gone. Rows that
// no packet meets are removed before and after, without protection (sweep.go): no rollback has to
// restore them. It does not decide what to change: a change set comes in, a [Result] goes out that
// says what was done and with which outcome. A write whose answer was lost is unknown, and is never
// repeated blindly.
//
//	result := apply.Run(ctx, session, changes, apply.Options{Before: snapshot, Plan: "branch", Wanted: wanted, Dial: dial})
package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Session is what is needed of a router: *api.Session has it.
type Session interface {
	Run(ctx context.Context, c routeros.Command) (api.Reply, error)
	Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error)
	Snapshot(ctx context.Context) (routeros.Snapshot, error)
	SnapshotWith(ctx context.Context, also ...routeros.Command) (routeros.Snapshot, []api.Result, error)
	Close() error
}

// Outcome is the outcome of a run on one router. The texts are those of the JSON output.
type Outcome string

// The outcomes that a run can have.
const (
	Unchanged Outcome = "unchanged" // there was nothing to do
	Changed   Outcome = "changed"   // every step done, the router reads back as wanted, and a new login got in
	Refused   Outcome = "refused"   // nothing was changed
	Reverted  Outcome = "reverted"  // something failed, and the router reads back as it was before
	Failed    Outcome = "failed"    // something failed, and not everything could be rolled back
	Unknown   Outcome = "unknown"   // the router could not be read again
	Skipped   Outcome = "skipped"   // not tried
)

// Receipt is what the router answered to one step.
type Receipt struct {
	Index int // of the step in the change set
	Step  change.Step
	// ID is the id that the router gave to an added row.
	ID  string
	Err error
}

// Result says what was done, where it stopped, and what is left.
type Result struct {
	Outcome  Outcome
	Receipts []Receipt
	// Left are the steps that were not tried.
	Left []change.Step
	// Protection is the protection that was used.
	Protection Protection
	// After is the snapshot that was read at the end, if it could be read.
	After *routeros.Snapshot
	Err   error
}

// Event tells an observer about the progress. Done is a step that was answered; Doing describes
// work between steps.
type Event struct {
	Done  *Receipt
	Doing string
}

// Options of a run.
type Options struct {
	// Before is the snapshot from which the change set was computed. If the router differs from it
	// by now, nothing is sent.
	Before routeros.Snapshot
	// Plan is the plan's name.
	Plan string
	// Wanted says how the router that was read at the end differs from the plan; nil if it does
	// not.
	Wanted func(routeros.Snapshot) error
	// Protect selects the protection, Delay after what time a dead-man rolls the changes back; zero
	// is [DefaultDelay].
	Protect Protection
	Delay   time.Duration
	// Owner is the person who does this and Change the name of the change, for people who find the
	// dead-man. Login is the router's user of the session; empty if it is unknown.
	Owner, Change, Login string
	// Service is the router's service that carries the sessions, api or api-ssl; empty if it is
	// unknown. It tells a login for which no session is left from one that is shut out.
	Service string
	// Adopt names a change: if its run has left a dead-man on the router, this run continues under
	// it instead of refusing.
	Adopt string
	// Dial opens another session, to check that a login still works, and to find out the state of
	// the router after a session was lost. Without it neither is done.
	Dial func(context.Context) (Session, error)
	// Confirm, if set, checks more from outside, over that other session.
	Confirm func(context.Context, Session) error
	// Observe, when set, is called for every event, from the same goroutine.
	Observe func(Event)
}

// DefaultDelay is how long a dead-man waits: long enough for a slow line, short enough for people
// who are locked out.
const DefaultDelay = 5 * time.Minute

// MovedError says that the router has changed since the change set was computed.
type MovedError struct{ What string }

// Error implements error.
func (e *MovedError) Error() string { return e.What }

// LockedOutError says that a new login failed after the change, which was then rolled back.
type LockedOutError struct{ err error }

// Error implements error.
func (e *LockedOutError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *LockedOutError) Unwrap() error { return e.err }

// Run applies a change set. When the context ends, the step under way is still answered, and the
// steps are rolled back.
func Run(ctx context.Context, s Session, c change.ChangeSet, o Options) Result {
	if !c.Changed() {
		return Result{Outcome: Unchanged}
	}
	if o.Delay == 0 {
		o.Delay = DefaultDelay
	}
	parts, guards, err := partsOf(o, c)
	if err != nil {
		return Result{Outcome: Refused, Left: c.Steps, Err: err}
	}
	r := &run{options: o, all: c, parts: parts, looks: !seesOthers(o, parts, guards), given: map[int]string{}, result: Result{Outcome: Changed, Left: c.Steps, Protection: None}, box: box{dial: o.Dial, serial: o.Before.Serial, untold: o.Before.SerialUntold()}}
	defer r.late.Wait()
	defer r.box.close()
	r.do(ctx, s)
	return r.result
}

// run is a run under way.
type run struct {
	options Options
	all     change.ChangeSet // every step
	parts   []change.Part
	result  Result
	looks   bool           // whether somebody else is at work is read before everything else
	given   map[int]string // the ids that the router gave the rows that steps have added
	stand   int            // how many steps are active and confirmed

	// Of the part that is applied under protection:
	part      change.Part
	before    routeros.Snapshot
	changes   change.ChangeSet
	states    []routeros.Snapshot // before, between and after its steps
	guard     guard
	ids       []string   // of the rows that its steps have added
	met       time.Time  // when the first step that packets meet was sent
	stepped   time.Time  // when the last step was answered
	confirmed bool       // all rows are as planned, and a new login worked
	gone      *GoneError // how the protection was lost, as read before the rollback
	adopted   bool       // the dead-man belongs to the run that is rolled back

	dead bool // the session was lost
	box  box
	late sync.WaitGroup // of new logins for which nobody waits any more
}

// do is the whole run.
func (r *run) do(ctx context.Context, s Session) {
	var adopted []routeros.Attributes
	if r.looks {
		var err error
		if adopted, err = vacant(ctx, s, r.options); err != nil {
			r.result.Outcome, r.result.Err = Refused, err
			return
		}
	}
	if len(adopted) > 0 { // this does the same as that dead-man, to the end
		r.parts = []change.Part{{From: 0, To: len(r.all.Steps), Met: true}}
	}
	r.before = r.options.Before
	from := 0 // of the sweep
	for i, part := range r.parts {
		switch {
		case part.Met:
			if !r.stands(ctx, s, part, adopted) {
				return
			}
			from = part.To
		case i == 0:
			if !r.clear(ctx, s, part) {
				return
			}
			from = part.To
		}
	}
	r.sweep(ctx, s, from)
}

// stands applies a part under protection, and reports whether it stands. If an earlier part stands
// and this one was rolled back, the router is in one of the states that were proved, but neither as
// before nor as planned.
func (r *run) stands(ctx context.Context, s Session, part change.Part, adopted []routeros.Attributes) bool {
	if r.dead && !r.box.redialled(ctx) {
		if r.box.elsewhere != nil {
			r.strayed(r.box.elsewhere)
			return false
		}
		r.result.Outcome, r.result.Err = Refused, errors.New("the session was lost, and no other could be opened")
	} else {
		if r.box.further != nil {
			s = r.box.further
		}
		r.dead = false
		r.change(ctx, s, part, adopted)
	}
	if r.result.Outcome == Changed {
		r.stand = part.To
		return true
	}
	if r.stand > 0 && (r.result.Outcome == Reverted || r.result.Outcome == Refused) {
		r.result.Outcome = Failed
		r.result.Err = fmt.Errorf("steps that are active and confirmed: the first %d of %d; the others were not done, or were rolled back; run it again: %w",
			r.stand, len(r.all.Steps), r.result.Err)
	}
	return false
}

// change applies a part under protection. Once the protection is in place, the end of the context
// leads to a rollback.
func (r *run) change(ctx context.Context, s Session, part change.Part, adopted []routeros.Attributes) {
	r.part, r.ids, r.gone, r.met, r.confirmed = part, nil, nil, time.Time{}, false
	if r.result.After != nil && r.stand > 0 {
		r.before = *r.result.After
	}
	r.changes = r.all.Part(part, r.given)
	r.changes.Snapshot = r.before.Digest()
	var err error
	if r.states, err = change.States(r.before, r.changes); err == nil {
		r.guard, err = guardFor(r.options, r.before, r.changes)
	}
	if err != nil {
		r.result.Outcome, r.result.Err = Refused, err
		return
	}
	r.result.Protection = r.guard.name()
	firm := context.WithoutCancel(ctx)
	if begun, err := r.protect(firm, s, adopted); err != nil {
		r.unprotected(ctx, s, begun, err)
		return
	}
	if err = r.carryOut(ctx, s); err != nil {
		r.fail(ctx, s, err, lost(err))
		return
	}
	r.stepped = time.Now()
	outside := r.enter(ctx)
	if err = r.verify(firm, s); err != nil {
		r.drop(outside)
		r.fail(ctx, s, err, lost(err))
		return
	}
	check, err := r.confirm(ctx, s, outside)
	if err == nil {
		err = r.guard.check()
	}
	if r.box.elsewhere != nil {
		r.strayed(r.box.elsewhere)
		return
	}
	if err != nil {
		r.fail(ctx, s, err, false) // whatever happened to the new session, this one works
		return
	}
	r.confirmed = true
	r.release(ctx, s, check)
}

// protect arms the protection, and makes sure that the router is still the one that was read: from
// here on no other run of rosknock changes it. begun says that something was sent that leaves a
// trace.
func (r *run) protect(ctx context.Context, s Session, adopted []routeros.Attributes) (begun bool, err error) {
	if len(adopted) > 0 { // of the run that is rolled back here
		g := &scheduled{delay: r.options.Delay, clock: r.options.Before.Clock, adopted: true}
		r.guard, r.result.Protection, r.adopted = g, DeadMan, true
		r.doing("continuing under the dead-man that is armed already")
		return false, g.adopt(ctx, s, adopted)
	}
	r.doing("%s", r.guard.intent())
	now, err := r.guard.take(ctx, s)
	if err != nil {
		return true, err
	}
	if now.Digest() == r.changes.Snapshot {
		return true, nil
	}
	moved := &MovedError{"somebody else has changed the router since these steps were computed: nothing was done; run it again"}
	return true, errors.Join(moved, release(ctx, s, r.guard))
}

func (r *run) doing(format string, args ...any) {
	r.observe(Event{Doing: fmt.Sprintf(format, args...)})
}

func (r *run) observe(e Event) {
	if r.options.Observe != nil {
		r.options.Observe(e)
	}
}

// unprotected ends a run that has changed nothing. If it is unknown whether the protection is in
// place, it checks.
func (r *run) unprotected(ctx context.Context, s Session, begun bool, err error) {
	r.result.Outcome, r.result.Err = Refused, err
	if begun && lost(err) {
		r.dead = true
		_ = s.Close()
		r.settle(ctx, err)
	}
}

// verify reads the router again: our own rows must be as in the proof, everybody else's as before,
// and the protection in place.
func (r *run) verify(ctx context.Context, s Session) error {
	r.doing("reading the router again")
	after, results, err := s.SnapshotWith(ctx, r.guard.prints()...)
	if err != nil {
		return fmt.Errorf("the router could not be read again: %w", err)
	}
	r.result.After = &after
	if err := r.guard.standing(results, time.Now()); err != nil {
		return r.lostGround(len(r.changes.Steps), err)
	}
	return errors.Join(r.differences(after)...)
}

// differences lists how a router differs from the state after the last step.
func (r *run) differences(now routeros.Snapshot) []error {
	var out []error
	for _, what := range change.Foreign(r.before, now, r.options.Plan, r.changes.Steps...) {
		out = append(out, errors.New(what))
	}
	for _, what := range undo.Left(now, r.states[len(r.states)-1], r.changes, r.options.Plan) {
		out = append(out, fmt.Errorf("after the last step, %s", what))
	}
	return out
}

func interrupted(ctx context.Context, done, all int) error {
	return fmt.Errorf("interrupted after step %d of %d: %w", done, all, context.Cause(ctx))
}

// release releases the protection and reads the router once more, in one batch: until that answer,
// somebody else may have rolled everything back. An answer about the protection right before it
// decides whether it is released.
func (r *run) release(ctx context.Context, s Session, check check) {
	firm := context.WithoutCancel(ctx)
	gave := check.err
	if !check.fresh {
		gave = r.guard.holds(firm, s)
	}
	var now routeros.Snapshot
	var err error
	if gave == nil {
		now, err, gave = r.releaseAndRead(firm, s)
	}
	if err := besideGone(gave); err != nil {
		r.fail(ctx, s, fmt.Errorf("everything was done and confirmed, but the protection could not be released: %w", err), lost(err))
		return
	}
	if gave != nil { // what the batch has read may be older than the end of the protection
		now, err = s.Snapshot(firm)
	} else {
		r.guard = unguarded{} // nothing is rolled back automatically any more
	}
	if err != nil {
		r.fail(ctx, s, fmt.Errorf("everything was done and confirmed, but the router could not be read again: %w", err), lost(err))
		return
	}
	r.result.After = &now
	if problems := r.differences(now); len(problems) > 0 {
		if gave == nil {
			gave = errors.New("somebody changed the router while the protection was released")
		}
		r.fail(ctx, s, errors.Join(append([]error{gave}, problems...)...), false)
	}
}

// releaseAndRead returns what was read, why it could not be read, and why the protection could not be
// released.
func (r *run) releaseAndRead(ctx context.Context, s Session) (now routeros.Snapshot, unread, gave error) {
	now, results, err := s.SnapshotWith(ctx, r.guard.ending()...)
	if results == nil && err != nil { // the session was lost
		return now, nil, err
	}
	return now, err, r.guard.ended(ctx, s, results)
}

// partsOf are the parts of a change set, and the protections of those that packets meet, in their
// order. A part whose undo script is too long for a router is halved: every intermediate state was
// proved, so any of them may stand.
func partsOf(o Options, c change.ChangeSet) (parts []change.Part, guards []guard, err error) {
	all, err := change.PartsOf(o.Before, c)
	if err != nil {
		return nil, nil, misfit(err)
	}
	for len(all) > 0 {
		part := all[0]
		if !part.Met {
			parts, all = append(parts, part), all[1:]
			continue
		}
		g, err := guardOf(o, c, part)
		if err != nil {
			return nil, nil, err
		}
		if man, ok := g.(*scheduled); ok && man.tooLong() != nil && part.To-part.From > 1 {
			halves, err := change.Halve(o.Before, c, part)
			if err != nil {
				return nil, nil, misfit(err)
			}
			all = append(halves, all[1:]...)
			continue
		}
		parts, guards, all = append(parts, part), append(guards, g), all[1:]
	}
	return parts, guards, nil
}

// misfit says which steps name rows that the router does not have.
func misfit(err error) error {
	return fmt.Errorf("the steps do not fit the router: %w: run diff again", err)
}

// guardOf is the protection of a part, as far as it is known beforehand: the ids of rows that
// earlier parts add are not known yet.
func guardOf(o Options, c change.ChangeSet, part change.Part) (guard, error) {
	before, given, err := change.After(o.Before, change.ChangeSet{Steps: c.Steps[:part.From]})
	if err != nil {
		return nil, misfit(err)
	}
	return guardFor(o, before, c.Part(part, given))
}

// lost reports whether an error means that the session ended, so that the result of the commands
// under way is unknown.
func lost(err error) bool {
	_, gone := errors.AsType[*api.LostError](err)
	_, late := errors.AsType[*api.TimeoutError](err)
	return gone || late
}
