package apply

import (
	"context"
	"fmt"
	"time"
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
