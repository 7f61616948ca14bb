package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/wire"
)

// port is a service that takes only one of the two languages, and does something with the other.
type port struct {
	tls         bool
	certificate tls.Certificate
	strange     string // what it does with the other language: silence, hangs up, an answer

	mu    sync.Mutex
	heard bytes.Buffer
}

func (p *port) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go p.serve(far)
	return near, nil
}

func (p *port) serve(conn net.Conn) {
	defer conn.Close()
	buffered := bufio.NewReader(io.TeeReader(conn, p))
	first, err := buffered.Peek(1)
	if err != nil {
		return
	}
	switch isTLS := first[0] == 0x16; {
	case isTLS != p.tls:
		switch p.strange {
		case "silence":
			_, _ = io.Copy(io.Discard, buffered)
		case "hangs up":
		default:
			go func() { _, _ = io.Copy(io.Discard, buffered) }() // a pipe holds nothing
			_, _ = conn.Write([]byte(p.strange))
		}
	case isTLS:
		secure := tls.Server(&prefixed{conn, buffered}, &tls.Config{Certificates: []tls.Certificate{p.certificate}, MaxVersion: tls.VersionTLS12})
		_ = secure.Handshake()
		_, _ = secure.Read(make([]byte, 1))
	default:
		if _, err := wire.NewReader(buffered, wire.DefaultLimits()).Read(); err == nil {
			w := wire.NewWriter(conn)
			_ = w.Write("!fatal", "not logged in")
			_ = w.Flush()
		}
	}
}

// Write implements io.Writer: it keeps what is heard.
func (p *port) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.Write(b)
}

type prefixed struct {
	net.Conn
	from io.Reader
}

func (c *prefixed) Read(b []byte) (int, error) { return c.from.Read(b) }

// TestOtherService: whatever a port does with the wrong language, the error says which service it
// is and what to do, long before the time is over. The password goes to no port in clear that was
// not asked for.
func TestOtherService(t *testing.T) {
	for _, transport := range []api.Transport{api.TLS, api.Plain} {
		for _, strange := range []string{"silence", "hangs up", "\x15\x03\x01\x00\x02\x02\x46", "\x06!fatal\x0dnot logged in\x00"} {
			t.Run(string(transport)+" "+strange, func(t *testing.T) {
				cert := certificate(t)
				synctest.Test(t, func(t *testing.T) {
					p := &port{tls: transport == api.Plain, certificate: cert, strange: strange}
					_, err := api.Dial(t.Context(), api.Target{Address: "r1", User: "admin", Transport: transport}, "sesame", api.Options{Dial: p.dial})
					switch {
					case strings.HasPrefix(strange, "\x06") && transport == api.Plain:
						is[*api.NotLoggedInError](t, err) // it does speak the API
						return
					case strings.HasPrefix(strange, "\x15") && transport == api.TLS:
						if _, other := errors.AsType[*api.OtherServiceError](err); other || err == nil {
							t.Errorf("it does speak TLS: %v", err)
						}
						return
					}
					other := is[*api.OtherServiceError](t, err)
					remedy := map[api.Transport]string{api.TLS: "--transport api, which sends the password in clear", api.Plain: "leave --transport api out"}[transport]
					if other.Answers == transport || !strings.Contains(other.Error(), remedy) {
						t.Errorf("%v", err)
					}
					synctest.Wait()
					p.mu.Lock()
					defer p.mu.Unlock()
					if transport == api.TLS && strings.Contains(p.heard.String(), "sesame") {
						t.Error("the password went out in clear")
					}
				})
			})
		}
	}
}

// mute takes every language, and does the same with each.
func mute(hangsUp bool) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Read(make([]byte, 1))
			if hangsUp {
				far.Close()
				return
			}
			_, _ = io.Copy(io.Discard, far)
		}()
		return near, nil
	}
}

// TestNeitherService: what answers in no language is called silent, or one that hangs up.
func TestNeitherService(t *testing.T) {
	for _, transport := range []api.Transport{api.TLS, api.Plain} {
		for _, hangsUp := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				_, err := api.Dial(t.Context(), api.Target{Address: "r1", User: "admin", Transport: transport}, "sesame", api.Options{Dial: mute(hangsUp)})
				if _, other := errors.AsType[*api.OtherServiceError](err); other || err == nil {
					t.Fatalf("%v", err)
				}
				if !hangsUp {
					is[*api.TimeoutError](t, err)
				}
			})
		}
	}
}
