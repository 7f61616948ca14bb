package knock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rosknock/rosknock/plans"
)

// The defaults of a visit.
const (
	defaultWait = 3 * time.Second
	// glance is how long a door is tried before a knock, to see whether it is open already.
	glance = time.Second
	// firstTry is how long the first try may take that nothing answers, and longestTry the last.
	firstTry   = 300 * time.Millisecond
	longestTry = time.Minute
	// pause is between two tries that were refused.
	pause = 100 * time.Millisecond
)

// ShutError says that a door did not open.
type ShutError struct {
	Why string // what the last try met with
}

func (e *ShutError) Error() string { return "the door stays shut: " + e.Why }

// Enter waits until a TCP port accepts a connection, and returns the connection. It uses the same
// source as a knock with the same options, which is the source that the router trusts. A port that
// refuses or is silent is tried again until the context ends; then the error is a [ShutError]. An
// error of this computer ends it at once.
func Enter(ctx context.Context, to netip.AddrPort, o Options) (*net.TCPConn, error) {
	k, err := dialer(to.Addr(), o)
	if err != nil {
		return nil, err
	}
	if to.Port() == 0 {
		return nil, errors.New("there is no port to connect to: give one")
	}
	if err := k.reach(ctx, to.Port()); err != nil && ctx.Err() == nil {
		return nil, err
	}
	why := "nothing answers"
	// A dropped SYN is soon followed by another, from a new socket. But the more time is left, the
	// longer a try may take, since the line may be slow.
	for patience := firstTry; ctx.Err() == nil; {
		trying, stop := context.WithTimeout(ctx, patience)
		conn, err := k.dialTCP(trying, to.Port())
		if silent(err) {
			// The connection's clock may be ahead of the context's: without waiting for that there
			// would be one SYN after the other.
			<-trying.Done()
		}
		stop()
		switch {
		case err == nil:
			return conn, nil
		case silent(err), ctx.Err() != nil:
			patience = min(3*patience, longestTry)
		case k.refused(err):
			why = "the connection is refused"
			_ = wait(ctx, pause)
		default:
			return nil, k.explain(err)
		}
	}
	return nil, &ShutError{why}
}

// dialer is a knocker that only connects.
func dialer(host netip.Addr, o Options) (knocker, error) {
	k := knocker{host: host.Unmap(), source: o.Source.Unmap()}
	if err := k.checkHost(); err != nil {
		return k, err
	}
	return k.settle(o.Interface)
}

// Visit is a knock at a door together with what shows that the door is open.
type Visit struct {
	Host    netip.Addr
	Stages  []plans.Stage
	Options Options
	// Passes is how often the knock is played; 1 when zero. With Try, the next pass is only played
	// when the door stays shut after the one before.
	Passes int
	// Try, when set, is a TCP port behind the door. It need not be of the same host.
	Try netip.AddrPort
	// Wait is how long the door may take to open after each pass; 3 s when zero.
	Wait time.Duration
	// IfShut leaves the knock out when the door is open already.
	IfShut bool
}

// Result is the result of a visit.
type Result struct {
	Passes int // that were begun
	Sent   int // stages of the last pass that were sent
	// Took is the time from the first packet until the door was open, or until the end.
	Took time.Duration
	// Conn is the connection to the port that was tried; nil without one.
	Conn *net.TCPConn
}

// Make makes the visit. The error is a [ShutError] when the door stays shut after all passes; the
// other errors are those of [Play] and [Enter].
func (v Visit) Make(ctx context.Context) (Result, error) {
	began := time.Now() //nolint:forbidigo // how long it takes is part of the result
	var r Result
	err := v.make(ctx, &r)
	r.Took = time.Since(began)
	return r, err
}

func (v Visit) make(ctx context.Context, r *Result) error {
	if v.Passes < 0 || v.Wait < 0 {
		return errors.New("the passes and the wait of a visit can't be negative")
	}
	if v.IfShut && v.Try.IsValid() {
		if err := v.enter(ctx, glance, r); !shut(err) {
			return err
		}
	}
	var err error
	for range max(v.Passes, 1) {
		r.Passes++
		if err = v.play(ctx, r); err != nil || !v.Try.IsValid() {
			if err != nil {
				return err
			}
			continue
		}
		if err = v.enter(ctx, v.wait(), r); !shut(err) {
			return err
		}
	}
	return err
}

// shut reports whether an error is a [ShutError].
func shut(err error) bool {
	_, is := errors.AsType[*ShutError](err)
	return is
}

func (v Visit) wait() time.Duration {
	if v.Wait == 0 {
		return defaultWait
	}
	return v.Wait
}

// play plays one pass and counts its stages.
func (v Visit) play(ctx context.Context, r *Result) error {
	r.Sent = 0
	o := v.Options
	o.Observe = func(stage int) {
		r.Sent = stage
		if v.Options.Observe != nil {
			v.Options.Observe(stage)
		}
	}
	return Play(ctx, v.Host, v.Stages, o)
}

// enter tries the door for a while. The end of the visit's own context is no shut door.
func (v Visit) enter(ctx context.Context, patience time.Duration, r *Result) error {
	trying, stop := context.WithTimeout(ctx, patience)
	defer stop()
	conn, err := Enter(trying, v.Try, v.Options)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("interrupted while waiting for the door: %w", context.Cause(ctx))
	}
	r.Conn = conn
	return err
}
