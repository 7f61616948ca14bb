package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
)

// underway is which routers are in the middle of a change.
type underway struct {
	mu      sync.Mutex
	routers map[string]apply.Protection
	ever    bool
}

// begin notes that a change of a router begins, until done is called.
func (u *underway) begin(router string, p apply.Protection) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.routers == nil {
		u.routers = map[string]apply.Protection{}
	}
	u.routers[router], u.ever = p, true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.routers, router)
	}
}

// changing reports whether a change of a router was ever begun.
func (u *underway) changing() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ever
}

// left says what is left behind by a program that ends at once.
func (u *underway) left() string {
	guarded, bare := u.now()
	if len(guarded)+len(bare) == 0 {
		return "no router was being changed"
	}
	var parts []string
	if len(guarded) > 0 {
		parts = append(parts, fmt.Sprintf("what was sent to %s and not confirmed is rolled back by the router itself (safe mode or dead-man)", someOf(guarded)))
	}
	if len(bare) > 0 {
		parts = append(parts, fmt.Sprintf("nothing rolls back what was sent to %s", someOf(bare)))
	}
	return strings.Join(parts, "; ") + "; look with rosknock diff"
}

// now returns the routers that are being changed, those that come back by themselves and the
// others.
func (u *underway) now() (guarded, bare []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(u.routers)) {
		if u.routers[name] == apply.None {
			bare = append(bare, name)
		} else {
			guarded = append(guarded, name)
		}
	}
	return guarded, bare
}

// interrupts is what signals have asked of the program.
type interrupts struct {
	asked bool // to roll back and to end
	at    time.Time
}

// moment is within what time two signals come from one cause: timeout(1) sends SIGTERM to the
// program and then to its group.
const moment = 100 * time.Millisecond

// insists reports whether a signal is the second of a person who does not want to wait. A hangup
// never is: when a terminal goes away, both the shell and the system send one, and ending then
// would cut off the rollback that the first began.
func (i *interrupts) insists(s os.Signal, at time.Time) bool {
	switch {
	case s == syscall.SIGHUP:
		return false
	case !i.asked:
		i.asked, i.at = true, at
		return false
	}
	return s == os.Interrupt || at.Sub(i.at) > moment
}

// heed lets the first signal end the context, so that what is under way is rolled back. A second
// signal ends the program. A closed pipe ends neither: it is an error of the writing.
func heed(u *underway, to io.Writer, exit func(int)) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	asked := make(chan os.Signal, 8)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // under nohup it stays ignored
		signal.Notify(asked, syscall.SIGHUP)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // not ignored, for the programs that are started would ignore it too
	go func() {
		var said interrupts
		for s := range asked {
			if said.insists(s, time.Now()) {
				tell(to, "rosknock: ended at once: %s\n", u.left())
				exit(int(exitInterrupted))
			}
			if guarded, bare := u.now(); ctx.Err() == nil && len(guarded)+len(bare) > 0 {
				go tell(to, "rosknock: interrupted: what is under way is rolled back; a second Ctrl-C ends rosknock at once\n")
			}
			cancel(interruptedError{})
		}
	}()
	return ctx, func() { cancel(nil) }
}

// interruptedError is why a context ended, in the words of its user.
type interruptedError struct{}

// Error implements error.
func (interruptedError) Error() string { return "interrupted" }

// Is makes it the end of a context.
func (interruptedError) Is(target error) bool { return target == context.Canceled }

// tell writes a line and does not wait for a reader who takes nothing.
func tell(to io.Writer, format string, args ...any) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		view.Say(to, format, args...)
	}()
	select {
	case <-told:
	case <-time.After(time.Second):
	}
}
