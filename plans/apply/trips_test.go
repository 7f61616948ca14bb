package apply_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
)

// far is a connection over which what is sent arrives a second later, all that is on its way at
// once; answers need no time. So the clock of a bubble counts round trips in seconds.
type far struct {
	net.Conn
	sent chan parcel
	end  sync.Once
}

type parcel struct {
	due  time.Time
	data []byte
}

func (p *place) farther(near net.Conn) *far {
	c := &far{Conn: near, sent: make(chan parcel, 1000)}
	p.lines.Go(func() {
		for p := range c.sent {
			time.Sleep(time.Until(p.due))
			_, _ = near.Write(p.data) // nobody may read it any more
		}
		_ = near.Close()
	})
	return c
}

func (c *far) Write(p []byte) (int, error) {
	c.sent <- parcel{time.Now().Add(time.Second), bytes.Clone(p)}
	return len(p), nil
}

func (c *far) Close() error {
	c.end.Do(func() {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // a reader of this end sees the end at once
		close(c.sent)
	})
	return nil
}

// dialFar opens a session over TLS 1.2 to a router that is a second away.
func (p *place) dialFar(config *tls.Config) func(context.Context) (apply.Session, error) {
	return func(ctx context.Context) (apply.Session, error) {
		return api.Dial(ctx, api.Target{Address: "192.0.2.1:8729", User: "admin", Trust: api.Trust{Insecure: true}}, "secret", api.Options{
			Dial: func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(time.Second) // the handshake of TCP
				near, end := net.Pipe()
				line := lined{end, &net.TCPAddr{IP: net.ParseIP(operator), Port: 40000 + int(p.port.Add(1))}}
				p.lines.Go(func() { p.router.ServeConn(p.ctx, tls.Server(line, config)) })
				return p.farther(near), nil
			},
		})
	}
}

func certified(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: tls.VersionTLS12}
}

// TestRoundTrips: how many round trips a first apply takes, with TCP, TLS 1.2 and the reading before
// it. docs/performance.md lists them.
func TestRoundTrips(t *testing.T) {
	for _, test := range []struct {
		version string
		protect apply.Protection
		trips   int
	}{{"7.20", apply.Auto, 17}, {"7.24", apply.Auto, 17}, {"7.24", apply.DeadMan, 35}, {"7.14", apply.Auto, 35}, {"6.49", apply.Auto, 35}} {
		t.Run(fmt.Sprint(test.version, "/", test.protect), func(t *testing.T) {
			config := certified(t)
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, test.version, sim.Knobs{}, opened(test.version))
				defer p.close()
				begun := time.Now()
				var flights []string
				p.on(func(q sim.Request) sim.Action {
					at := fmt.Sprintf("%2d, session %d:", int(time.Since(begun).Seconds()), q.Session)
					if n := len(flights) - 1; n >= 0 && strings.HasPrefix(flights[n], at) {
						flights[n] += " " + q.Words[0]
					} else {
						flights = append(flights, at+" "+q.Words[0])
					}
					return sim.Action{}
				})
				result := p.runOver(p.dialFar(config), plans.Chain, "first", apply.Options{Protect: test.protect, Login: "admin"})
				if trips := int(time.Since(begun).Seconds()); result.Outcome != apply.Changed || trips != test.trips {
					t.Errorf("%s, %v; %d round trips, not %d:\n%s", result.Outcome, result.Err, trips, test.trips, strings.Join(flights, "\n"))
				}
			})
		})
	}
}
