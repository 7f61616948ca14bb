package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
	"github.com/rosknock/rosknock/routeros/wire"
)

// willing answers everything with !done.
func willing(_ []string, tag string) ([][]string, error) { return [][]string{{"!done", tag}}, nil }

// stalled lets everybody in and then takes no byte any more.
func stalled(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	go func() {
		_, _ = wire.NewReader(server, wire.DefaultLimits()).Read()
		w := wire.NewWriter(server)
		_ = w.Write("!done")
		_ = w.Flush()
	}()
	t.Cleanup(func() { client.Close(); server.Close() })
	return client
}

// TestOverBefore: a call whose context is over sends nothing, and the session goes on.
func TestOverBefore(t *testing.T) {
	s := session(t, peer(t, willing), api.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Run(ctx, add())
	if _, unknown := errors.AsType[*api.LostError](err); unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("%T: %v", err, err)
	}
	if _, err := s.Run(t.Context(), show(routeros.Identity)); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

// TestNothingSent: a write that never left is not unknown.
func TestNothingSent(t *testing.T) {
	s := session(t, peer(t, willing), api.Options{})
	_ = s.Close()
	_, err := s.Run(t.Context(), add())
	if is[*api.LostError](t, err).Unknown {
		t.Error(err)
	}
}

// TestUnframed: a batch is refused whole, and nothing of it goes out with the next call.
func TestUnframed(t *testing.T) {
	paths := make(chan string, 3)
	s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
		paths <- words[0]
		return willing(words, tag)
	}), api.Options{})
	if _, err := s.Batch(t.Context(), []routeros.Command{add(), {}}); err == nil {
		t.Error("an empty word was framed")
	}
	if _, err := s.Run(t.Context(), show(routeros.Identity)); err != nil {
		t.Fatal(err)
	}
	if path := <-paths; path != "/system/identity/print" {
		t.Errorf("%s left with the next call", path)
	}
}

// TestStalledSending: a call that waits for its turn to send obeys its own context; what may have
// left in part is unknown.
func TestStalledSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := session(t, stalled(t), api.Options{})
		first := make(chan error, 1)
		go func() { _, err := s.Run(context.WithoutCancel(t.Context()), add()); first <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := s.Run(ctx, add())
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		if late := is[*api.TimeoutError](t, <-first); !late.Unknown {
			t.Error(late)
		}
	})
}

// TestListenEnds: the context ends a listen at once, even on a router that says nothing more.
func TestListenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := session(t, peer(t, func([]string, string) ([][]string, error) { return nil, nil }), api.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		err := s.Listen(ctx, routeros.NewCommand("/x/listen"), func(routeros.Attributes) error { return nil })
		if err != nil || time.Since(begun) != time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}

// TestListenOver: a listen that its context ends is no failure either when it could not begin.
func TestListenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := session(t, stalled(t), api.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 { // in the middle of its sentence, then before it
			if err := s.Listen(ctx, routeros.NewCommand("/x/listen"), func(routeros.Attributes) error { return nil }); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestListenKeepsRows: rows that came before the end are handed over, however late one looks.
func TestListenKeepsRows(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := session(t, peer(t, func(_ []string, tag string) ([][]string, error) {
				return [][]string{{"!re", tag, "=n=1"}, {"!re", tag, "=n=2"}, {"!re", tag, "=n=3"}, {"!done", tag}}, nil
			}), api.Options{})
			rows := 0
			err := s.Listen(t.Context(), routeros.NewCommand("/x/listen"), func(routeros.Attributes) error {
				rows++
				synctest.Wait() // until all has arrived
				return nil
			})
			if err != nil || rows != 3 {
				t.Errorf("%d of 3 rows, %v", rows, err)
			}
		})
	}
}

// TestForbidden: a table that may not be read is an error; a name that may not be read is not.
func TestForbidden(t *testing.T) {
	for menu, taken := range map[routeros.Menu]bool{routeros.Filter6: false, routeros.AddressList: false, routeros.InterfaceLists: false, routeros.Identity: true, routeros.UserActive: true} {
		s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
			switch words[0] {
			case menu.Verb("print"):
				return [][]string{{"!trap", tag, "=message=not enough permissions (9)"}, {"!done", tag}}, nil
			case "/system/resource/print":
				return [][]string{{"!re", tag, "=version=7.20 (stable)"}, {"!done", tag}}, nil
			}
			return willing(words, tag)
		}), api.Options{})
		if _, err := s.Snapshot(t.Context()); (err == nil) != taken {
			t.Errorf("%s: %v", menu, err)
		} else if !taken {
			is[*api.PermissionError](t, err)
		}
	}
}

// distant is a connection over which what is sent arrives a second later, all that is on its way
// at once; answers need no time. So the clock of a bubble counts round trips in seconds.
type distant struct {
	net.Conn
	sent chan parcel
	over chan struct{} // closed when nothing is on its way any more
}

type parcel struct {
	due  time.Time
	data []byte
}

func farther(near net.Conn) *distant {
	c := &distant{Conn: near, sent: make(chan parcel, 1000), over: make(chan struct{})}
	go func() {
		defer close(c.over)
		for p := range c.sent {
			time.Sleep(time.Until(p.due))
			_, _ = near.Write(p.data) // nobody may read it any more
		}
	}()
	return c
}

func (c *distant) Write(p []byte) (int, error) {
	c.sent <- parcel{time.Now().Add(time.Second), bytes.Clone(p)}
	return len(p), nil
}

// TestRoundTrips: with TLS 1.2, a login and a snapshot cost four after the TCP handshake.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		router, config := sim.New(sim.Options{}), &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MaxVersion: tls.VersionTLS12}
		go router.ServeConn(t.Context(), tls.Server(far, config))
		way, begun := farther(near), time.Now()
		defer func() { near.Close(); close(way.sent); <-way.over }()
		s, err := api.Dial(t.Context(), api.Target{Address: "192.0.2.1:8729", User: "admin", Trust: api.Trust{Insecure: true}}, "",
			api.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return way, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if trips := time.Since(begun); trips != 4*time.Second {
			t.Errorf("a second for each round trip: %s", trips)
		}
		_ = s.Close()
	})
}

// TestPlainRSA: a router that knows no key exchange but RSA's can be reached (routeros-facts §
// 1.7).
func TestPlainRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA} {
		address := simtest.Listen(t, sim.New(sim.Options{}), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		s, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin", Trust: api.Trust{Insecure: true}}, "", api.Options{})
		if err != nil {
			t.Errorf("%s: %v", tls.CipherSuiteName(suite), err)
			continue
		}
		_ = s.Close()
	}
}
