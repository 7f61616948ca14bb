package main

import (
	"context"
	"fmt"
	"io"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/api"
)

// Known reads once what the state folder remembers of routers. Without a state folder nothing
// is remembered, and every certificate has to prove itself.
func (e access) Known() (*state.Known, error) {
	m := e.memory
	m.pins.Do(func() {
		if dir, err := e.State(); err == nil {
			m.known, m.knownErr = dir.Known()
		}
	})
	if m.knownErr != nil {
		return m.known, invalid(m.knownErr)
	}
	return m.known, nil
}

// remembrance is what is remembered of a router's certificate.
type remembrance struct {
	place string
	// older is the address for which an older version kept the pin; from then on it is this
	// router's.
	older string
	// maybe is such a pin where several routers have that address.
	maybe string
	why   error
}

// known completes how a router's certificate is to be trusted by what is remembered of it.
func (e access) known(r router) (target api.Target, what remembrance, err error) {
	target = r.target
	if !r.remembers {
		return target, what, nil
	}
	known, err := e.Known()
	if err != nil {
		return target, what, err
	}
	if target.Trust.Pin, what.place = known.Pin(r.key()); target.Trust.Pin != "" {
		return target, what, nil
	}
	address := target.HostPort()
	pin, place := known.OlderPin(address)
	if pin == "" {
		return target, what, nil
	}
	if sharing := e.sharing(r); sharing != nil {
		if keys := sharing(); len(keys) > 1 {
			what.maybe, what.why = pin, &state.SharedError{Key: r.key(), Address: address, What: "a certificate", Sharing: keys}
			return target, what, nil
		}
	}
	target.Trust.Pin, what.place, what.older = pin, place, address
	return target, what, nil
}

// introduce asks whether a certificate that was never seen is the router's, and remembers it.
// Without a terminal, or after a no, it returns an error. why tells what was seen before that may
// have been this router's.
func (e access) introduce(ctx context.Context, r router, unknown *api.UntrustedError, why error) error {
	if why != nil {
		view.Say(e.err, "rosknock: warning: %v\n", why)
	}
	if !e.TLSAcceptNew {
		if !e.inTerminal {
			return fmt.Errorf("%w, or accept certificates that are seen for the first time with --tls-accept-new", unknown)
		}
		ok, err := e.agrees(ctx, &e.memory.takeIn, func(w io.Writer) {
			view.Say(w, "%s shows a certificate that is not known here:\n  %s\nOn the router, /certificate print shows its fingerprint. Is it the same? ", r.target.HostPort(), unknown.Got)
		})
		if err != nil {
			return err
		}
		if !ok {
			return unknown
		}
	}
	if err := e.keep(r, unknown.Got, ""); err != nil {
		return err
	}
	e.remark("%s: its certificate is remembered: %s\n", r.Name, unknown.Got)
	return nil
}

// keep remembers a certificate that was never seen, or takes over the older pin of an address.
func (e access) keep(r router, pin, from string) error {
	if _, err := e.State(); err != nil {
		return err
	}
	return e.memory.known.AddPin(r.key(), pin, from)
}
