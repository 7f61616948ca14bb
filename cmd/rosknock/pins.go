package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/jump"
)

// memory is what is read of the state folder once for all routers.
type memory struct {
	pins    sync.Once
	known   state.Pins
	pinsErr error

	mu     sync.Mutex
	newer  map[string]string // pins that were accepted meanwhile
	takeIn bool              // who was asked said yes for all

	carryOn atomic.Bool // as well, about changes

	clear, insecure sync.Once // warnings

	ways map[string]*jump.Way // SSH hosts, by how they are written

	journal sync.Once
	history *state.History
}

// known completes how a router's certificate is to be trusted by what is remembered of it. place says where that stands.
func (e env) known(s settings, r router) (target api.Target, place string, err error) {
	target = r.target
	if !r.remembers {
		return target, "", nil
	}
	m := e.memory
	m.pins.Do(func() {
		dir, err := e.state(s)
		if err != nil {
			return // nothing is remembered where there is no place for it: then the certificate has to prove itself
		}
		m.known, m.pinsErr = dir.Pins()
	})
	if m.pinsErr != nil {
		return target, "", invalid(m.pinsErr)
	}
	target.Trust.Pin, place = m.known.Get(target.HostPort())
	m.mu.Lock()
	defer m.mu.Unlock()
	if pin := m.newer[target.HostPort()]; pin != "" {
		target.Trust.Pin = pin
	}
	return target, place, nil
}

// introduce asks whether a certificate that was never seen is the router's, and remembers it. Without a terminal, or a no, it is an
// error.
func (e env) introduce(ctx context.Context, s settings, r router, unknown *api.UntrustedError) error {
	if !s.TLSAcceptNew {
		if !e.inTerminal {
			return fmt.Errorf("%w, or take what is seen for the first time with --tls-accept-new", unknown)
		}
		ok, err := e.askPin(ctx, r, unknown)
		if err != nil {
			return err
		}
		if !ok {
			return unknown
		}
	}
	dir, err := e.state(s)
	if err == nil {
		err = dir.AddPin(r.target.HostPort(), unknown.Got)
	}
	if err != nil {
		return err
	}
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	if e.memory.newer == nil {
		e.memory.newer = map[string]string{}
	}
	e.memory.newer[r.target.HostPort()] = unknown.Got
	view.Say(e.err, "%s: its certificate is remembered: %s\n", r.Name, unknown.Got)
	return nil
}

func (e env) askPin(ctx context.Context, r router, unknown *api.UntrustedError) (bool, error) {
	e.asking.Lock()
	defer e.asking.Unlock()
	e.memory.mu.Lock()
	all := e.memory.takeIn
	e.memory.mu.Unlock()
	if all {
		return true, nil
	}
	view.Say(e.err, "%s shows a certificate that is not known here:\n  %s\nOn the router, /certificate print shows its fingerprint. Is it the same? [y/N/all] ", r.target.HostPort(), unknown.Got)
	answer, err := answered(ctx, func() (string, error) { return readLine(e.in) })
	if err != nil && answer == "" {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "all", "a":
		e.memory.mu.Lock()
		e.memory.takeIn = true
		e.memory.mu.Unlock()
		return true, nil
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
