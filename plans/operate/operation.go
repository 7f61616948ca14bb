package operate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Operation is something that can be done to a router: a way of computing its change set, and the
// words for it. [ToPlan], [Remove], [Undo] and [Adopt] make them. It holds nothing of a router, so
// it can be done to several at once.
type Operation struct {
	command string     // as the journal has it
	holds   string     // what another run reads that finds the router locked
	plan    plans.Plan // as it was written, with its name at least; an undo learns it late
	traced  bool       // the journal keeps which plan it was
	removes bool
	undoes  string // the name of a change; "" for the last one
	undo    bool
	alone   bool // nobody else may be changing the router, whether anybody is asked or not

	// prepare comes before the login, where there is something to do.
	prepare func(*attempt) error
	// compute finds the change set of the router that was read, and its proof.
	compute func(context.Context, *attempt)
}

// Plan is the name of the plan that the operation is about.
func (o Operation) Plan() string { return o.plan.Name }

// attempt is one operation on one router.
type attempt struct {
	Desk
	Options
	Operation
	router  Router
	looks   bool // and writes nothing, not even the journal
	session *api.Session
	out     Result
	lists   *api.Lists // of the router, for all its sessions
	// familiar says that the router is the box that the state folder remembers.
	familiar bool

	// What follows is set with the change set.
	carrier change.Management
	undone  state.Backup                                 // the change that an undo rolls back
	left    func(after routeros.Snapshot) error          // what is left to do on a router that was read again
	check   func(context.Context, apply.Session) error   // before a change is confirmed
	after   func(context.Context, *api.Session, *Result) // what follows a change
}

// Run carries out an operation on a router, and writes down what became of it.
func Run(ctx context.Context, d Desk, o Options, op Operation, r Router) Result {
	a := &attempt{Desk: d, Options: o, Operation: op, router: r, out: r.Result(), lists: listsOf(op)}
	a.run(ctx)
	if !op.undo && a.out.Plan == "" {
		a.out.Plan = op.plan.Name
	}
	if a.out.Removes = op.removes; !o.DryRun {
		a.ended()
	}
	return a.out
}

// Look reads a router and computes operations on it. Nothing is written. Where refusals are wanted,
// it also checks whether an operation with the default protection would be refused.
func Look(ctx context.Context, d Desk, o Options, r Router, refusals bool, ops ...Operation) []Result {
	read := &attempt{Desk: d, Options: o, router: r, looks: true, out: r.Result(), lists: listsOf(ops...)}
	extent := Rules
	if slices.ContainsFunc(ops, func(op Operation) bool { return op.plan.Rotates() }) {
		extent = WithClock
	}
	if read.read(ctx, extent) {
		defer read.session.Close()
		read.sameBox()
	}
	out := make([]Result, len(ops))
	for i, op := range ops {
		a := *read
		if a.Operation = op; a.out.Err == nil {
			op.compute(ctx, &a)
		}
		if a.out.Plan = op.plan.Name; refusals {
			a.obstacles(ctx, apply.Options{Plan: op.plan.Name})
		}
		out[i] = a.out
	}
	return out
}

// Extent is how much of a router is read.
type Extent uint8

// The extents: what a change rests on; with what sets the clock, for plans that rotate; with the
// router's own servers, for an audit; with all of that and with what renews certificates, for lint.
// The last one costs another round trip.
const (
	Rules Extent = iota
	WithClock
	WithServers
	WithAll
)

// Read logs in to a router and reads it. Another box than the known one is only warned of.
func Read(ctx context.Context, d Desk, o Options, r Router, extent Extent) Result {
	a := &attempt{Desk: d, Options: o, router: r, out: r.Result(), lists: &api.Lists{}}
	if a.read(ctx, extent) {
		a.session.Close()
		if err := SameBox(d, r, a.out.Snapshot.Serial); err != nil { // what it is, is shown all the same
			d.Tell(Notice, "rosknock: warning: %s: %v\n", r.Name, err)
		}
	}
	return a.out
}

func (a *attempt) run(ctx context.Context) {
	if ctx.Err() != nil {
		a.out.Outcome, a.out.Err = apply.Skipped, context.Cause(ctx)
		return
	}
	if a.undoneBefore() {
		return
	}
	if !a.DryRun || a.undo {
		release, err := Lock(a.Desk, a.Actor, a.router, a.holds)
		if err != nil {
			a.out = a.out.Refused(err)
			return
		}
		defer release()
	}
	if !a.DryRun && !a.undo {
		a.remind()
	}
	if a.prepare != nil {
		if err := a.prepare(a); err != nil {
			a.out = a.out.Refused(err)
			return
		}
	}
	extent := Rules
	if a.plan.Rotates() {
		extent = WithClock
	}
	if !a.read(ctx, extent) {
		return
	}
	defer a.session.Close()
	if a.sameBox(); a.out.Err == nil && !a.DryRun {
		a.met()
	}
	if a.out.Err != nil {
		return
	}
	if a.compute(ctx, a); a.agreed(ctx) {
		a.recorded(func(name string) { a.carryOut(ctx, name) })
	}
	a.resumed()
}

// read logs in to the router and reads it. When that fails, the error is in the result and there is
// no session.
func (a *attempt) read(ctx context.Context, extent Extent) bool {
	var snapshot routeros.Snapshot
	err := a.Retries.Retry(ctx, func() error {
		var err error
		if a.session, err = a.Connect(ctx); err != nil {
			return err
		}
		a.session.UseLists(a.lists)
		read := a.session.Snapshot
		switch extent {
		case WithClock, WithAll:
			read = a.session.SnapshotWithNTP
		case WithServers:
			read = a.session.SnapshotWithServers
		case Rules:
		}
		if snapshot, err = read(ctx); err == nil && extent == WithAll {
			a.out.Renewals, err = readMore(ctx, a.session, &snapshot)
		}
		if err != nil {
			a.session.Close()
		}
		return err
	}, Final)
	if err != nil {
		a.out = a.out.Failed(err)
		return false
	}
	a.out.Snapshot = &snapshot
	a.carrier = change.Management{
		Service: a.router.Service, Operators: append(operators(snapshot, a.session, a.router.User), a.Operators...), Accepted: a.Accepted,
	}
	return true
}

// Final reports whether the next try to reach a router would fail, too: after a wrong password, a
// wrong certificate or a refusal by the router. After silence or a closed connection it may
// succeed.
func Final(err error) bool {
	var late *api.TimeoutError
	var lost *api.LostError
	var refused *api.RefusedError
	switch {
	case errors.As(err, &late):
		return late.Unknown
	case errors.As(err, &lost):
		return lost.Unknown
	}
	return !errors.As(err, &refused)
}

// operators returns the addresses from which this session may come, as the router sees it: those of
// the user's sessions over the API. Where the router does not tell, it is this end's own address,
// which NAT may change.
func operators(s routeros.Snapshot, session *api.Session, user string) []netip.Addr {
	var found []netip.Addr
	for _, a := range s.Active {
		addr, err := netip.ParseAddr(a.Address)
		addr = Bare(addr)
		if err == nil && a.Name == user && strings.HasPrefix(a.Via, "api") && !slices.Contains(found, addr) {
			found = append(found, addr)
		}
	}
	if len(found) > 0 {
		return found
	}
	if local, err := netip.ParseAddrPort(session.LocalAddr().String()); err == nil && !local.Addr().IsUnspecified() { // through SSH hosts it is
		return []netip.Addr{Bare(local.Addr())}
	}
	return nil
}

// Bare is an address as a router's rules see it: they know no zones.
func Bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// agreed reports whether the change set is to be carried out: there is something to do, nobody else
// is changing the router, and the person who is asked says yes. Otherwise the router has its
// outcome.
func (a *attempt) agreed(ctx context.Context) bool {
	changed := a.out.Changes != nil && a.out.Changes.Changed()
	if (a.out.Err != nil || changed && (a.Asks || a.alone)) && !a.DryRun && !a.undo {
		// While somebody else changes a router, it reads strangely. So say that, rather than what
		// comes of it. Where nobody is asked first, the run itself checks right away.
		if err := apply.Vacant(ctx, a.session, a.out.Snapshot.Version); err != nil {
			a.out = a.out.Refused(err)
		}
	}
	switch {
	case a.out.Err != nil, a.out.Changes == nil:
		return false
	case a.undo && a.DryRun, changed && a.DryRun:
		a.out.Outcome = apply.Skipped
		a.obstacles(ctx, a.options())
		return false
	case a.undo && !changed:
		return true // there may be a dead-man to remove
	case !changed:
		a.out.Outcome = apply.Unchanged
		return false
	}
	ok, err := a.Confirm(ctx, a.out)
	if err == nil && ok {
		return true
	}
	if a.out.Outcome, a.out.Err = apply.Skipped, err; err == nil {
		a.Tell(Remark, "%s: nothing was changed\n", a.router.Name)
	}
	return false
}

// obstacles completes a router on which a change would be refused, with the words of that refusal.
// Other routers stay as they were. It costs a round trip where there are steps.
func (a *attempt) obstacles(ctx context.Context, o apply.Options) {
	if a.out.Err != nil || !a.out.Changes.Changed() {
		return
	}
	o.Before = *a.out.Snapshot
	obstacles, err := apply.ReadObstacles(ctx, a.session, o.Before.Version, a.router.User)
	if err != nil {
		a.out = a.out.Failed(err)
		return
	}
	for _, what := range obstacles.Unread() {
		a.Tell(Detail, "rosknock: %s: %s\n", a.router.Name, what)
	}
	if err := obstacles.Refusal(*a.out.Changes, o); err != nil {
		a.out = a.out.Refused(err)
	}
}

// options are those of a run on the router.
func (a *attempt) options() apply.Options {
	o := apply.Options{Before: *a.out.Snapshot, Plan: a.plan.Name, Protect: a.Protect, Delay: a.Delay, Owner: a.Actor, Login: a.router.User, Service: a.router.Service}
	if a.undo {
		o.Plan, o.Adopt = a.undone.Plan, a.undone.Change
	}
	return o
}

// carryOut sends the change set and tells how it goes on.
func (a *attempt) carryOut(ctx context.Context, name string) {
	if a.undo && !a.out.Changes.Changed() { // of what was never done, or has been rolled back already
		a.out.Outcome = apply.Unchanged
		if err := apply.Disarm(ctx, a.session, a.undone.Change); err != nil {
			a.out = a.out.Failed(err)
		}
		return
	}
	o := a.options()
	o.Change, o.Wanted, o.Confirm = name, a.left, a.check
	// The password that was found for the first session is that of the others.
	o.Dial = func(ctx context.Context) (apply.Session, error) {
		session, err := a.Connect(ctx)
		if err != nil {
			return nil, err
		}
		session.UseLists(a.lists)
		return session, nil
	}
	total := len(a.out.Changes.Steps)
	o.Observe = func(event apply.Event) {
		switch {
		case event.Done != nil && event.Done.Err == nil:
			a.Tell(Progress, "%s: step %d of %d done: %s %s\n", a.out.Name, event.Done.Index+1, total, event.Done.Step.Op, event.Done.Step.Name())
		case event.Doing != "":
			a.Tell(Progress, "%s: %s\n", a.out.Name, event.Doing)
		}
	}
	defer a.Changing(o.Protect)()
	result := apply.Run(ctx, a.session, *a.out.Changes, o)
	a.out.Applied, a.out.Outcome, a.out.Err = &result, result.Outcome, result.Err
	if a.after != nil && a.out.Outcome == apply.Changed {
		a.after(ctx, a.session, &a.out)
	}
}

// resumed completes a router that the resumed run had reached before, and that was read again.
// Where nothing is left to do, its note says what that run did.
func (a *attempt) resumed() {
	record, ok := a.Finished[a.router.Key+" "+a.plan.Name]
	if !ok || a.out.Outcome != apply.Unchanged {
		return // what there is to do, is done: somebody has changed the router since
	}
	a.out.Outcome = apply.Skipped
	a.out.Note = resumedNote(record, a.Run)
}

// resumedNote says what a run that is resumed has done on a router.
func resumedNote(r state.Record, run string) string {
	return fmt.Sprintf("%s in %s at %s, and nothing is left to do", r.Outcome, run, r.Time.Format(time.DateTime))
}
