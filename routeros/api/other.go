package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rosknock/rosknock/routeros/wire"
)

// A client that speaks TLS to the port of api, or the API to the port of api-ssl, usually gets no
// answer until its time-out, or its connection is closed: each side takes the other's bytes for the
// beginning of something longer. So if a port is silent for a while, or closes the connection
// before any answer, a second connection tries the other protocol. It sends no secret.

// suspicious is the part of the time-out after which silence is investigated, and the time for
// that.
const suspicious = 5

// listened is a connection that records the first two bytes that it received.
type listened struct {
	net.Conn
	first atomic.Pointer[[]byte] // nil: nothing has come
}

// Read implements io.Reader.
func (l *listened) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if first := l.heard(); n > 0 && len(first) < 2 {
		first = slices.Concat(first, p[:min(n, 2-len(first))])
		l.first.Store(&first)
	}
	return n, err
}

func (l *listened) heard() []byte {
	if first := l.first.Load(); first != nil {
		return *first
	}
	return nil
}

// errOther ends a context whose connection is to the other service.
var errOther = errors.New("the other service answers")

// suspect investigates silence, and ends the context that it returns if the other service answers.
// settled stops it.
func (l *listened) suspect(ctx context.Context, t Target, o Options) (_ context.Context, settled func()) {
	ctx, end := context.WithCancelCause(ctx)
	done := make(chan struct{})
	wait := time.NewTimer(t.timeout() / suspicious)
	go func() {
		defer close(done)
		defer wait.Stop()
		select {
		case <-ctx.Done():
		case <-wait.C:
			if len(l.heard()) == 0 && t.other(ctx, o) {
				end(errOther)
			}
		}
	}()
	return ctx, func() { end(nil); <-done }
}

// blame replaces an error by its reason, if that is the other service.
func (l *listened) blame(ctx context.Context, t Target, o Options, err error) error {
	if errors.Is(context.Cause(ctx), errOther) {
		return t.otherService()
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET)
	says := l.says()
	if says != "" && says != t.transport() || len(l.heard()) == 0 && ended && t.other(ctx, o) {
		return t.otherService()
	}
	return err
}

// says is the service that the first bytes are of, if they tell: a TLS record is an alert or a part
// of a handshake of version 3, and the sentence of a router begins with a word that begins with !.
func (l *listened) says() Transport {
	switch first := l.heard(); {
	case len(first) < 2:
		return ""
	case (first[0] == 0x15 || first[0] == 0x16) && first[1] == 3:
		return TLS
	case first[1] == '!':
		return Plain
	}
	return ""
}

// other reports whether the other service answers at a target.
func (t Target) other(ctx context.Context, o Options) bool {
	ctx, cancel := context.WithTimeout(ctx, t.timeout()/suspicious)
	defer cancel()
	conn, err := o.Dial(ctx, "tcp", t.HostPort())
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if t.transport() == Plain {
		// Whether it has a certificate, and whose, is not asked: only TLS says so.
		config := t.tlsConfig()
		config.VerifyConnection = nil
		var alert tls.AlertError
		err := tls.Client(conn, config).HandshakeContext(ctx)
		return err == nil || errors.As(err, &alert)
	}
	// Before a login every command is answered with !fatal (routeros-facts § 1.2), and this one
	// asks for no more than that.
	w := wire.NewWriter(conn)
	if errors.Join(w.Write("/quit"), w.Flush()) != nil {
		return false
	}
	sentence, err := wire.NewReader(conn, loginLimits(o.Limits)).Read()
	return err == nil && len(sentence) > 0 && sentence[0][0] == '!'
}

// otherService is not a [LostError]: a retry would change nothing.
func (t Target) otherService() error {
	if t.transport() == Plain {
		return &OtherServiceError{problem{t.HostPort(), "this is the port of api-ssl, but api was requested", "leave --transport api out, which also keeps the password secret, or name the port of api", nil}, TLS}
	}
	return &OtherServiceError{problem{t.HostPort(), "this is the port of api in clear, but api-ssl was requested",
		fmt.Sprintf("name the port of api-ssl (%s by default) and enable that service, or use --transport api, which sends the password in clear", TLS.Port()), nil}, Plain}
}
