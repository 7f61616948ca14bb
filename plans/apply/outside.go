package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// outside is a new login, which goes on beside the first session. It begins after the answer to the
// last step: a connection that began before could still have met the old rules. What it finds counts
// only after the router was read again and is as planned.
type outside struct {
	end     context.CancelFunc
	entered chan struct{} // closed when a login worked, or failed
	over    chan struct{} // closed when nothing more is sent over it

	// From entered on:
	in bool // a login worked
	// From over on:
	session Session // nil after an error
	err     error
	box     box
}

// enter begins a new login; nil where none is wanted.
func (r *run) enter(ctx context.Context) *outside {
	if r.options.Dial == nil {
		return nil
	}
	ctx, end := context.WithCancel(ctx)
	o := &outside{end: end, entered: make(chan struct{}), over: make(chan struct{}), box: box{dial: r.box.dial, serial: r.box.serial, untold: r.box.untold}}
	r.late.Go(func() {
		defer close(o.over)
		s, err := o.box.dial(ctx)
		o.in = err == nil
		close(o.entered)
		if err == nil {
			if err = o.box.recognise(ctx, s); err != nil {
				_ = s.Close()
			}
		}
		if o.err = err; err == nil {
			o.session = s
		}
	})
	return o
}

// drop ends a login whose result nobody wants any more. It does not wait: the rollback comes first.
func (r *run) drop(o *outside) {
	if o == nil {
		return
	}
	o.end()
	r.late.Go(o.close)
}

// close waits for the end of the login, and closes its session.
func (o *outside) close() {
	<-o.over
	o.end()
	if o.session != nil {
		_ = o.session.Close()
	}
}

// check is an answer about the protection, as [guard.holds] gives it. It counts only if the release
// can be sent right after it, as if nothing else had been waited for.
type check struct {
	fresh bool
	err   error
}

// confirm checks that a new login still works.
func (r *run) confirm(ctx context.Context, s Session, o *outside) (check, error) {
	if ctx.Err() != nil {
		r.drop(o)
		return check{}, r.interrupted(ctx)
	}
	if o == nil {
		return check{}, nil
	}
	r.doing("logging in again")
	found, err := r.login(ctx, s, o)
	for pause := time.Second; err != nil; pause = min(2*pause, longestPause) {
		shut, is := errors.AsType[*LockedOutError](err)
		if !is {
			break
		}
		if err = r.crowded(ctx, s, shut, pause); err != nil {
			break
		}
		o.close()
		o = r.enter(ctx)
		found, err = r.login(ctx, s, o)
	}
	defer o.close()
	if err != nil || r.options.Confirm == nil {
		return found, err
	}
	return check{}, r.options.Confirm(ctx, o.session)
}

// login waits for a new login, and for the answer that shows to which box it leads. Together with
// that question it asks over the first session whether the protection is still in place.
func (r *run) login(ctx context.Context, s Session, o *outside) (found check, err error) {
	<-o.entered
	asked := time.Now()
	if o.in {
		found.err = r.guard.holds(context.WithoutCancel(ctx), s)
	}
	answered := time.Now()
	<-o.over
	found.fresh = o.in && time.Since(answered) <= answered.Sub(asked)/4
	r.box.elsewhere = o.box.elsewhere
	switch {
	case o.err == nil || o.box.elsewhere != nil:
		return found, o.err
	case ctx.Err() != nil:
		return found, r.interrupted(ctx)
	case o.in:
		return found, &LockedOutError{fmt.Errorf("a new connection gets no answer any more: %w", o.err)}
	}
	return found, &LockedOutError{fmt.Errorf("a new login does not work any more: %w", o.err)}
}

func (r *run) interrupted(ctx context.Context) error {
	return interrupted(ctx, len(r.result.Receipts), len(r.all.Steps))
}

// CrowdedError says that no new login was possible because all sessions of the service were in use. The
// change was rolled back, and nobody was locked out by it.
type CrowdedError struct {
	What, Remedy string
	Err          error // of the login
}

// Error implements error.
func (e *CrowdedError) Error() string { return e.What + ": " + e.Remedy }

// Unwrap returns the error of the login.
func (e *CrowdedError) Unwrap() error { return e.Err }

// longestPause is the longest time between two tries to log in to a service that is full.
const longestPause = 8 * time.Second

// crowded waits before another try to log in, if all sessions of the service are in use: that is no
// lock-out (routeros-facts § 1.7). The error is the one that ends the run: the lock-out, where a
// session is left; or the protection is gone, or has too little time left for another try.
func (r *run) crowded(ctx context.Context, s Session, shut *LockedOutError, pause time.Duration) error {
	commands := append(r.guard.prints(), routeros.Print(routeros.ServiceMenu), routeros.Print(routeros.UserActive))
	guards := len(commands) - 2
	results, err := s.Batch(context.WithoutCancel(ctx), commands)
	if err != nil {
		return errors.Join(shut.err, err)
	}
	if err := r.guard.standing(results[:guards], time.Now()); err != nil {
		return errors.Join(r.lostGround(len(r.changes.Steps), err), shut.err)
	}
	most := fullWith(r.options.Service, results[guards].Rows, results[guards+1].Rows)
	if most == 0 {
		return shut
	}
	what := fmt.Sprintf("all %d sessions of the router's service %s are in use", most, r.options.Service)
	if r.guard.check() != nil || time.Since(r.stepped)+pause > r.options.Delay/2 {
		return &CrowdedError{what + ", so a new login could not be tried", fmt.Sprintf("end some of them, or allow more with /ip/service/set %s max-sessions=%d, and run it again", r.options.Service, 2*most), shut.err}
	}
	r.doing("%s: trying again in %s", what, pause)
	if !sleep(ctx, pause) {
		return r.interrupted(ctx)
	}
	return nil
}

// fullWith returns how many sessions a service allows, if all of them are in use; else 0. From 7.19 on
// the services show all connections, on other versions only the users who are logged in are shown.
func fullWith(service string, services, active []routeros.Attributes) int {
	most, connections, users := 0, 0, 0
	for _, row := range services {
		switch {
		case row.Get("name") != service || service == "":
		case row.Bool("connection"):
			connections++
		default:
			most = max(most, number(row.Get("max-sessions")))
		}
	}
	for _, row := range active {
		if row.Get("via") == service {
			users++
		}
	}
	if max(connections, users) < most {
		return 0
	}
	return most
}

// number reads a number; 0 if it is none.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
