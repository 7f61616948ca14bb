package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync/atomic"
	"testing"

	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// keptTickets are TLS listeners that accept the sessions of each other.
func keptTickets(t *testing.T, c tls.Certificate, resumed *atomic.Int32) *tls.Config {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{c}, MaxVersion: tls.VersionTLS12, VerifyConnection: func(s tls.ConnectionState) error {
		if s.DidResume {
			resumed.Add(1)
		}
		return nil
	}}
	config.SetSessionTicketKeys([][32]byte{{1, 2, 3}})
	return config
}

// TestResumption: the second connection resumes the session of the first one, where the router
// offers that, and works where it does not. It never does so with another router.
func TestResumption(t *testing.T) {
	c := certificate(t)
	for name, offers := range map[string]bool{"tickets": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			var resumed atomic.Int32
			config := keptTickets(t, c, &resumed)
			config.SessionTicketsDisabled = !offers
			address, other := simtest.Listen(t, sim.New(sim.Options{}), config), simtest.Listen(t, sim.New(sim.Options{}), config)
			kept := &api.Resumption{}
			for i, to := range []string{address, address, other} {
				s, err := api.Dial(t.Context(), api.Target{Address: to, User: "admin", Trust: api.Trust{Pin: api.Pin(c.Leaf)}}, "", api.Options{Resume: kept})
				if err != nil {
					t.Fatal(err)
				}
				if s.Pin() != api.Pin(c.Leaf) {
					t.Errorf("connection %d: the pin is %s", i, s.Pin())
				}
				_ = s.Close()
				if want := map[bool]int32{true: 1}[offers && i > 0]; resumed.Load() != want {
					t.Errorf("after connection %d, %d were resumed", i, resumed.Load())
				}
			}
		})
	}
}

// TestResumptionTrust: a resumed session is checked as a new one is: by the pin and by the authority
// that count now.
func TestResumptionTrust(t *testing.T) {
	c, another := certificate(t), certificate(t)
	var resumed atomic.Int32
	address := simtest.Listen(t, sim.New(sim.Options{}), keptTickets(t, c, &resumed))
	for name, trust := range map[string]api.Trust{"pin": {Pin: api.Pin(another.Leaf)}, "authority": {Roots: x509.NewCertPool()}} {
		kept := &api.Resumption{}
		dial := func(trust api.Trust) error {
			s, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin", Trust: trust}, "", api.Options{Resume: kept})
			if err == nil {
				_ = s.Close()
			}
			return err
		}
		if err := dial(api.Trust{Insecure: true}); err != nil {
			t.Fatal(err)
		}
		if err := dial(trust); err == nil {
			t.Errorf("%s: a session with another certificate is trusted", name)
		}
	}
}

// TestResumptionOfAnotherCertificate: a router whose certificate was exchanged since shows the new one,
// and it is the new one that is compared.
func TestResumptionOfAnotherCertificate(t *testing.T) {
	old, renewed := certificate(t), certificate(t)
	var resumed atomic.Int32
	var now atomic.Pointer[tls.Config]
	now.Store(keptTickets(t, old, &resumed))
	address := simtest.Listen(t, sim.New(sim.Options{}), &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Load(), nil }})
	kept := &api.Resumption{}
	dial := func(pin string) error {
		s, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin", Trust: api.Trust{Pin: pin}}, "", api.Options{Resume: kept})
		if err == nil {
			_ = s.Close()
		}
		return err
	}
	if err := dial(api.Pin(old.Leaf)); err != nil {
		t.Fatal(err)
	}
	after := keptTickets(t, renewed, &resumed)
	after.SetSessionTicketKeys([][32]byte{{4, 5, 6}})
	now.Store(after)
	if wrong := is[*api.PinError](t, dial(api.Pin(old.Leaf))); wrong.Got != api.Pin(renewed.Leaf) {
		t.Errorf("%+v", wrong)
	}
	if err := dial(api.Pin(renewed.Leaf)); err != nil {
		t.Error(err)
	}
}

// TestResumptionRefused: where a router ends the handshake because of the offer, the connection is
// made without one.
func TestResumptionRefused(t *testing.T) {
	c := certificate(t)
	var resumed atomic.Int32
	config := keptTickets(t, c, &resumed)
	config.VerifyConnection = func(s tls.ConnectionState) error {
		if s.DidResume {
			resumed.Add(1)
			return net.ErrClosed
		}
		return nil
	}
	address := simtest.Listen(t, sim.New(sim.Options{}), config)
	kept := &api.Resumption{}
	for i := range 2 {
		s, err := api.Dial(t.Context(), api.Target{Address: address, User: "admin", Trust: api.Trust{Pin: api.Pin(c.Leaf)}}, "", api.Options{Resume: kept})
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = s.Close()
	}
	if resumed.Load() != 1 {
		t.Errorf("%d sessions were offered", resumed.Load())
	}
}
