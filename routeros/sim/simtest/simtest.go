// Package simtest starts simulated routers for tests: a router that holds what a snapshot shows,
// and lines to it. All of them end with the test.
//
//	router := simtest.New(t, sim.Options{Version: v}, snapshot)
//	session, err := api.NewSession(ctx, simtest.Pipe(t, router), "admin", "", api.Options{})
package simtest

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// Test is a test, a benchmark or a drawn case.
type Test interface {
	Helper()
	Fatal(args ...any)
	Cleanup(f func())
}

// New returns a router that holds what a snapshot shows.
func New(t Test, o sim.Options, s routeros.Snapshot) *sim.Router {
	t.Helper()
	router := sim.New(o)
	if err := router.Load(s); err != nil {
		t.Fatal(err)
	}
	return router
}

// Pipe returns the client's end of a connection to the router's API. It needs no network, so the
// clock of a bubble of testing/synctest goes on while it is idle.
func Pipe(t Test, router *sim.Router) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	serve(t, func(ctx context.Context) { router.ServeConn(ctx, far) })
	t.Cleanup(func() { near.Close() })
	return near
}

// Listen lets the router's API answer at an address of loopback, which it returns; with a
// configuration over TLS, with nil in clear.
func Listen(t Test, router *sim.Router, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	serve(t, func(ctx context.Context) { _ = router.Serve(ctx, l) })
	return address
}

// serve runs do until the end of the test, and waits for its end.
func serve(t Test, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { do(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
}
