package sshjump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// chain is SSH connections, each through the one before.
type chain struct {
	hops    []Hop
	clients []*ssh.Client
	below   []*watched
	broken  chan struct{}
	drop    func() // closes all; any number of times
}

func newChain(hops []Hop) *chain {
	c := &chain{hops: hops, broken: make(chan struct{})}
	c.drop = sync.OnceFunc(func() {
		close(c.broken)
		for _, client := range slices.Backward(c.clients) {
			_ = client.Close() // it may be closed already
		}
	})
	return c
}

// watch drops the whole chain when a part of it breaks or does not answer.
func (c *chain) watch(keepAlive time.Duration) {
	for _, client := range c.clients {
		go func() {
			_ = client.Wait() // that it ended is enough
			c.drop()
		}()
	}
	if keepAlive > 0 {
		go c.keepAlive(keepAlive)
	}
}

// keepAlive checks that the last host answers, and so each host on the way.
func (c *chain) keepAlive(every time.Duration) {
	defer c.drop()
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-c.broken:
			return
		case <-timer.C:
		}
		answer := make(chan error, 1)
		go func() {
			_, _, err := c.last().SendRequest("keepalive@openssh.com", true, nil)
			answer <- err
		}()
		timer.Reset(every)
		select {
		case <-c.broken:
			return
		case <-timer.C:
			return
		case err := <-answer:
			if err != nil {
				return
			}
		}
	}
}

func (c *chain) last() *ssh.Client { return c.clients[len(c.clients)-1] }

func (c *chain) isBroken() bool { return c.isBrokenBelow(c.below) }

func (c *chain) isBrokenBelow(below []*watched) bool {
	select {
	case <-c.broken:
		return true
	default:
	}
	return slices.ContainsFunc(below, func(w *watched) bool { return w.ended.Load() })
}

// open opens a connection to the destination.
func (c *chain) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.through(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	last := len(c.hops) - 1
	if refusal, ok := errors.AsType[*ssh.OpenChannelError](err); ok {
		err = destinationError(refusal, clean(address), c.hops[last])
		if _, far := errors.AsType[*DestinationError](err); far {
			return nil, err
		}
		return nil, c.at(last, err)
	}
	if ctx.Err() != nil {
		return nil, c.at(last, &failure{"no answer to the request for a connection to " + clean(address), "check the destination and the host, or allow more time", ctx.Err()})
	}
	c.drop()
	return nil, c.at(last, lost())
}

// at puts the hop in front of an error.
func (c *chain) at(i int, err error) error {
	return &HopError{Number: i + 1, Of: len(c.hops), Hop: c.hops[i], Err: err}
}

// through opens a connection from the last host that has been reached.
func (c *chain) through(ctx context.Context, network, address string) (net.Conn, error) {
	i := len(c.clients) - 1
	raw, err := c.clients[i].DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	half, ok := raw.(channel)
	if !ok { // x/crypto's are; it does not promise it
		raw.Close()
		return nil, errors.New("the connection cannot be closed by halves")
	}
	below := c.below // as it is now: the chain may still be growing
	return newConn(half, address, func() error {
		if c.isBrokenBelow(below) {
			return c.at(i, lost())
		}
		return nil
	}), nil
}

// clock bounds the time for a hop, without the time in which a person types.
type clock struct {
	limit time.Duration
	timer *time.Timer
}

// pause stops the clock until resume, which gives the whole time again.
func (c *clock) pause() (resume func()) {
	c.timer.Stop()
	return func() { c.timer.Reset(c.limit) }
}

// builder builds one chain.
type builder struct {
	*chain
	options Options
	trust   *trust
	keys    []*key
	stage   *atomic.Pointer[HopError] // where it is
}

// connect adds the next hop.
func (b *builder) connect(ctx context.Context, i int) error {
	ctx, clock, stop := startClock(ctx, b.options.Timeout)
	defer stop()
	b.enter(i, "connecting")
	below, err := b.dial(ctx, i)
	if err != nil {
		if ctx.Err() != nil {
			return b.overdue(ctx)
		}
		var from *Hop
		if i > 0 {
			from = &b.hops[i-1]
		}
		return hopUnreachable(err, from)
	}
	return b.handshake(ctx, i, &watched{Conn: below}, clock)
}

func startClock(ctx context.Context, limit time.Duration) (context.Context, *clock, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	c := &clock{limit, time.AfterFunc(limit, func() { cancel(errTimeout) })}
	return ctx, c, func() {
		c.timer.Stop()
		cancel(nil)
	}
}

func (b *builder) enter(i int, doing string) {
	b.stage.Store(&HopError{i + 1, len(b.hops), b.hops[i], errors.New(doing)})
}

func (b *builder) dial(ctx context.Context, i int) (net.Conn, error) {
	if i == 0 {
		return b.options.Dial(ctx, "tcp", b.hops[0].Address())
	}
	return b.through(ctx, "tcp", b.hops[i].Address())
}

func (b *builder) handshake(ctx context.Context, i int, below *watched, clock *clock) error {
	l := &login{hop: b.hops[i], keys: b.keys, socket: b.options.AgentSocket, ctx: ctx, below: below, clock: clock}
	defer l.close()
	if b.options.Passphrase != nil {
		l.ask = func(file string) (string, error) {
			b.enter(i, "waiting for the passphrase of "+file)
			return b.options.Passphrase(ctx, file)
		}
	}
	var distrust atomic.Pointer[error]
	b.enter(i, "exchanging keys")
	release := context.AfterFunc(ctx, func() { below.Close() })
	up, channels, requests, err := ssh.NewClientConn(below, l.hop.Address(), b.config(i, l, &distrust))
	if !release() {
		below.Close()
		return b.overdue(ctx)
	}
	if err != nil {
		if d := distrust.Load(); d != nil {
			return *d
		}
		return l.explain(err)
	}
	b.clients, b.below = append(b.clients, ssh.NewClient(up, channels, requests)), append(b.below, below)
	return nil
}

// config is the SSH configuration for a hop. If its key is not trusted, distrust gets the reason.
func (b *builder) config(i int, l *login, distrust *atomic.Pointer[error]) *ssh.ClientConfig {
	return &ssh.ClientConfig{
		User:              l.hop.User,
		HostKeyAlgorithms: b.trust.algorithms(l.hop.Address()),
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			err := b.trust.verify(l.hop, b.hops[:i], key)
			if err != nil {
				distrust.Store(&err)
			}
			return err
		},
		AuthCallback: func(have *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			l.reached = true
			b.enter(i, "logging in")
			return l.next(have)
		},
	}
}

// overdue says why the context of a hop is over.
func (b *builder) overdue(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), errTimeout) {
		return &failure{fmt.Sprintf("no answer within %s while %v", b.options.Timeout, b.stage.Load().Err), "check the host and the network before it, or allow more time", errTimeout}
	}
	return net.ErrClosed
}

// explain turns an error of the handshake into one with a remedy.
func (l *login) explain(err error) error {
	if auth, ok := errors.AsType[*AuthError](err); ok {
		return auth
	}
	if l.reached {
		return l.hungUp()
	}
	if negotiation, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		return &failure{"the host and this program have no algorithm in common (" + clean(negotiation.Error()) + ")", "update the SSH server of that host", nil}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return &failure{"the host closed the connection before the login", "check that this is the port of an SSH server, and that it has free connections (MaxStartups) and accepts this address", nil}
	}
	return &failure{"the handshake failed (" + clean(err.Error()) + ")", "check that this is the port of an SSH server", nil}
}
