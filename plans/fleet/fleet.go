// Package fleet runs one task on many routers: several at once, in waves, with a stop rule and a
// window. [Run] decides when a router's turn comes, and whether it comes at all; the caller decides
// what is done with a router. Run always waits for a task that has begun, and does nothing twice.
// [Select] chooses routers by patterns, [ParseWindow] reads a maintenance window. The package knows
// no router and no plan.
//
//	results := fleet.Run(ctx, len(routers), fleet.Options{Forks: 32}, func(ctx context.Context, i int) fleet.Verdict {
//		return apply(ctx, routers[i])
//	})
package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Verdict is the result of a task on a router.
type Verdict uint8

// The verdicts. Lockout is a router that can't be reached any more after it was changed: nothing
// else is begun after one.
const (
	Done Verdict = iota
	Failed
	Lockout
)

// Options say how to run a task on the routers. The zero value runs one after the other, and never
// stops early.
type Options struct {
	// Forks is how many routers at once, at least one.
	Forks int
	// Most, where it is more than Forks, is how far that number may grow: by one with each router that
	// is done, as long as Busy does not say that more would not help.
	Most int
	// Busy reports whether this machine has as much to do as it can; nil is never. It is asked when a
	// router is done, by one at a time.
	Busy func() bool
	// Waves divide the routers: a wave begins when the one before is over. None means all in one.
	Waves Waves
	// Pause is the time between two waves.
	Pause time.Duration
	// MaxFail is how many failures are allowed.
	MaxFail Limit
	// Admit is called right before a router's turn; an error prevents it and all later ones. Nil
	// admits all.
	Admit func() error
	// RouterTimeout bounds each router, when it is more than zero.
	RouterTimeout time.Duration
	// Observe, if set, is called for each event, one at a time.
	Observe func(Event)
}

// Event is something that happened in a run.
type Event struct {
	// Kind says what.
	Kind EventKind
	// Index is the router's, for Begun and Ended; Wave and Waves count from 1.
	Index, Wave, Waves int
	Verdict            Verdict
	// Stop is the reason to begin nothing more, for Stopped.
	Stop error
	// Pause is how long the run rests before the wave, for Rest.
	Pause time.Duration
}

// EventKind is a kind of event.
type EventKind uint8

// The kinds of event.
const (
	Begun EventKind = iota
	Ended
	Rest
	Stopped
)

// NotBegunError is why a router's turn did not come.
type NotBegunError struct{ Why error }

// Error implements error.
func (e *NotBegunError) Error() string { return "not begun: " + e.Why.Error() }

// Unwrap returns the reason.
func (e *NotBegunError) Unwrap() error { return e.Why }

// The reasons to begin nothing more, besides the end of the context and the errors of Admit.
var (
	ErrLockout  = errors.New("a router can't be reached any more after its change: look at it before you continue")
	ErrMaxFail  = errors.New("more routers failed than --max-fail allows")
	ErrBadWave  = errors.New("every router of the last wave failed")
	errFinished = errors.New("over")
)

// Run does a task for each of n routers, by index. The result has an error for each router whose
// turn did not come, and nil for the others. When the context ends nothing more is begun; what is
// under way is waited for: do sees the context and ends by itself.
func Run(ctx context.Context, n int, o Options, do func(ctx context.Context, i int) Verdict) []error {
	r := &run{o: o, do: do, total: n, out: make([]error, n), forks: max(o.Forks, 1)}
	r.free.L = &r.mu
	first := 0
	sizes := o.Waves.Sizes(n)
	for w, size := range sizes {
		if w > 0 && r.rest(ctx, w+1, len(sizes)) {
			break
		}
		r.wave(ctx, first, first+size, w+1, len(sizes))
		if len(o.Waves) > 0 && r.failedIn == size {
			r.halt(ErrBadWave)
		}
		first += size
	}
	for i := range n {
		if r.out[i] == nil {
			r.out[i] = &NotBegunError{r.why(ctx)}
		} else if errors.Is(r.out[i], errFinished) {
			r.out[i] = nil
		}
	}
	return r.out
}

// run is a run under way.
type run struct {
	o     Options
	do    func(ctx context.Context, i int) Verdict
	total int

	mu       sync.Mutex
	free     sync.Cond // a router has ended
	forks    int       // how many at once, by now
	working  int
	out      []error
	failed   int
	failedIn int // in this wave
	stop     error
}

// halt notes the reason to begin nothing more; the first one counts.
func (r *run) halt(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.haltLocked(why)
}

func (r *run) haltLocked(why error) {
	if r.stop == nil {
		r.stop = why
		r.observe(Event{Kind: Stopped, Stop: why})
	}
}

// observe tells of an event; the lock is held, so that events come one at a time.
func (r *run) observe(e Event) {
	if r.o.Observe != nil {
		r.o.Observe(e)
	}
}

func (r *run) why(ctx context.Context) error {
	if r.stop != nil {
		return r.stop
	}
	return context.Cause(ctx)
}

// rest waits between two waves; it reports whether there is nothing to wait for any more.
func (r *run) rest(ctx context.Context, wave, waves int) (over bool) {
	r.mu.Lock()
	over = r.stop != nil || ctx.Err() != nil
	if !over {
		r.observe(Event{Kind: Rest, Wave: wave, Waves: waves, Pause: r.o.Pause})
	}
	r.mu.Unlock()
	if over || r.o.Pause <= 0 {
		return over
	}
	return !sleep(ctx, r.o.Pause)
}

// wave does the routers from first to last, the last one excluded.
func (r *run) wave(ctx context.Context, first, last, wave, waves int) {
	r.failedIn = 0
	var working sync.WaitGroup
	for i := first; i < last; i++ {
		if !r.begin(ctx, i, wave, waves) {
			break
		}
		working.Go(func() { r.one(ctx, i, wave, waves) })
	}
	working.Wait()
}

// begin waits until there is room for a router, and reports whether its turn has come: failures
// until then count.
func (r *run) begin(ctx context.Context, i, wave, waves int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.working >= r.forks {
		r.free.Wait()
	}
	if r.stop != nil || ctx.Err() != nil {
		return false
	}
	if r.o.Admit != nil {
		if err := r.o.Admit(); err != nil {
			r.haltLocked(err)
			return false
		}
	}
	r.out[i] = errFinished
	r.working++
	r.observe(Event{Kind: Begun, Index: i, Wave: wave, Waves: waves})
	return true
}

func (r *run) one(ctx context.Context, i, wave, waves int) {
	within := ctx
	if r.o.RouterTimeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeoutCause(ctx, r.o.RouterTimeout, fmt.Errorf("the router took longer than %s", r.o.RouterTimeout))
		defer cancel()
	}
	verdict := r.do(within, i)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observe(Event{Kind: Ended, Index: i, Wave: wave, Waves: waves, Verdict: verdict})
	defer r.leave(verdict)
	if verdict == Done {
		return
	}
	r.failed++
	r.failedIn++
	switch {
	case verdict == Lockout:
		r.haltLocked(ErrLockout)
	case r.o.MaxFail.Exceeded(r.failed, r.total):
		r.haltLocked(ErrMaxFail)
	}
}

// leave makes room for the next router, and for one more where that helps.
func (r *run) leave(verdict Verdict) {
	if verdict == Done && r.forks < r.o.Most && (r.o.Busy == nil || !r.o.Busy()) {
		r.forks++
	}
	r.working--
	r.free.Broadcast()
}
