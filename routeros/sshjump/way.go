package sshjump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options says how to trust and log in to hops. The zero value works like ssh without a
// configuration file and without an agent.
type Options struct {
	// Dial connects to the first hop; nil: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// KnownHosts are files; none: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts where they are
	// there.
	KnownHosts []string
	// Keys are private key files; none: ~/.ssh/id_ed25519, id_ecdsa and id_rsa where they are
	// there.
	Keys []string
	// AgentSocket is the Unix socket of an agent, as SSH_AUTH_SOCK names it; empty: no agent. The
	// named pipe of OpenSSH for Windows is not supported: name key files there.
	AgentSocket string
	// Passphrase is called for the passphrase of a key file, once for each key that a host accepts.
	// Its time does not count. Its context ends when the hop is abandoned or the way is closed, not
	// with that of the first DialContext. Nil: encrypted keys are skipped, and named in the error.
	Passphrase func(ctx context.Context, keyFile string) (string, error)
	// Warn is called for problems that are not errors but should be corrected; may be nil.
	Warn func(string)
	// Timeout bounds connecting to and logging in to each hop; zero: 10 s.
	Timeout time.Duration
	// KeepAlive is how often the last hop has to answer. If it has not answered by the next time,
	// the chain counts as lost. Zero: 30 s; negative: never.
	KeepAlive time.Duration
}

func (o Options) complete() Options {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 30 * time.Second
	}
	return o
}

// Way is a chain of SSH connections that many sessions share.
type Way struct {
	hops    []Hop
	options Options
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	keys    func() ([]*key, error) // read once, so that each passphrase is asked for once

	mu       sync.Mutex
	chain    *chain   // nil while there is none
	building *attempt // nil unless one is under way
	final    error    // why no other attempt is made
}

// attempt is a chain being built, for all callers that wait for it.
type attempt struct {
	done  chan struct{}
	stage atomic.Pointer[HopError]
	chain *chain // these two once done
	err   error
}

// Open returns the way through the hops, and does not connect yet. Without hops it leads straight
// to the destination.
func Open(hops []Hop, o Options) *Way {
	o = o.complete()
	w := &Way{hops: append([]Hop(nil), hops...), options: o}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.keys = sync.OnceValues(func() ([]*key, error) { return readKeys(o.Keys, o.Warn) })
	return w
}

// DialContext connects to an address as the last hop sees it: names are resolved there. The first
// call builds the chain, for all who call meanwhile; a context that ends only ends the wait of its
// own call. A lost chain is built anew, once in each call. If a hop is not trusted or refuses the
// login, later calls get the same error at once, without further attempts there.
//
// Errors are of this package's types where there is one. errors.Is with syscall.ECONNREFUSED means
// that the destination refused, never a hop.
func (w *Way) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if len(w.hops) == 0 {
		return w.direct(ctx, network, address)
	}
	if err := checkDestination(network, address); err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		c, err := w.connected(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := c.open(ctx, network, address)
		switch {
		case err == nil:
			return conn, nil
		case w.ctx.Err() != nil:
			return nil, net.ErrClosed
		case again || ctx.Err() != nil || !c.isBroken():
			return nil, err
		}
	}
}

func (w *Way) direct(ctx context.Context, network, address string) (net.Conn, error) {
	if w.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	return w.options.Dial(ctx, network, address)
}

func checkDestination(network, address string) error {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return fmt.Errorf("SSH hosts forward TCP only, not %q", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("the destination is not host:port: %w", err)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return fmt.Errorf("the destination %q is not host:port: name a host and a port from 1 to 65535", address)
	}
	return nil
}

// connected returns the chain, and waits for it if it has to be built.
func (w *Way) connected(ctx context.Context) (*chain, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("on the way to %s: %w", w.hops[0], err)
	}
	w.mu.Lock()
	if err := w.final; err != nil || w.ctx.Err() != nil {
		w.mu.Unlock()
		if w.ctx.Err() != nil {
			return nil, net.ErrClosed
		}
		return nil, err
	}
	if w.chain != nil && !w.chain.isBroken() {
		defer w.mu.Unlock()
		return w.chain, nil
	}
	if w.building == nil {
		w.building = &attempt{done: make(chan struct{})}
		go w.build(w.building, w.chain)
	}
	a := w.building
	w.mu.Unlock()
	select {
	case <-a.done:
		return a.chain, a.err
	case <-w.ctx.Done():
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, a.unfinished(ctx.Err())
	}
}

// unfinished says how far the chain has come when a context ends.
func (a *attempt) unfinished(cause error) error {
	at := a.stage.Load()
	if at == nil {
		return fmt.Errorf("connecting to the jump hosts: %w", cause)
	}
	return &HopError{at.Number, at.Of, at.Hop, fmt.Errorf("still %w: %w", at.Err, cause)}
}

// build builds a chain in place of the old one.
func (w *Way) build(a *attempt, old *chain) {
	if old != nil {
		old.drop()
	}
	a.chain, a.err = w.through(&a.stage)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chain, w.building = a.chain, nil
	if isFinal(a.err) {
		w.final = a.err
	}
	if w.ctx.Err() != nil && a.chain != nil {
		a.chain.drop()
		w.chain, a.chain, a.err = nil, nil, net.ErrClosed
	}
	close(a.done)
}

func isFinal(err error) bool {
	_, auth := errors.AsType[*AuthError](err)
	_, unknown := errors.AsType[*UnknownHostError](err)
	_, changed := errors.AsType[*ChangedHostError](err)
	_, revoked := errors.AsType[*RevokedHostError](err)
	_, certified := errors.AsType[*HostCertificateError](err)
	return auth || unknown || changed || revoked || certified
}

// through connects to one hop after the other.
func (w *Way) through(stage *atomic.Pointer[HopError]) (*chain, error) {
	keys, err := w.keys()
	if err != nil {
		return nil, err
	}
	trust, err := readTrust(w.options.KnownHosts)
	if err != nil {
		return nil, err
	}
	b := &builder{newChain(w.hops), w.options, trust, keys, stage}
	for i := range w.hops {
		if err := b.connect(w.ctx, i); err != nil {
			b.drop()
			return nil, b.at(i, err)
		}
	}
	b.watch(w.options.KeepAlive)
	return b.chain, nil
}

// Close closes the chain and every connection over it, and ends every wait. It does not wait
// itself.
func (w *Way) Close() error {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.chain != nil {
		w.chain.drop()
		w.chain = nil
	}
	return nil
}
