package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros/api"
)

// otherHardware names the refusal of a router that is another box than the one remembered under its
// name: the router was exchanged, or the name leads elsewhere now.
const otherHardware = "other-hardware"

// sameBox refuses a router whose serial number differs from the remembered one. Where the router
// shows none, or none is remembered, any box passes.
func (e env) sameBox(s settings, r router, serial string) error {
	known, err := e.remembered(s)
	if err != nil {
		return err
	}
	was, place := known.Serial(r.key())
	if was == "" || was == serial {
		return nil
	}
	return &codeError{code: exitRefused, err: fmt.Errorf("%s: this is another box: its serial number is %s, but %s is remembered with %s (%s): find out why; if it was exchanged: %s",
		otherHardware, cmp.Or(serial, "not told"), r.key(), was, place, r.accepting(s))}
}

// met remembers the serial number of a router that is about to be worked on.
func (e env) met(s settings, r router, serial string) error {
	known, err := e.remembered(s)
	if err != nil {
		return err
	}
	if was, _ := known.Serial(r.key()); serial == "" || was != "" {
		if serial == "" && s.Verbose {
			view.Say(e.err, "%s: it shows no serial number, so only its certificate tells whether another box is in its place\n", r.Name)
		}
		return nil
	}
	if _, err := e.state(s); err != nil {
		return err
	}
	return known.AddSerial(r.key(), serial)
}

// reach is [env.read] for a router that is compared or changed. It refuses another box than the
// known one.
func (e env) reach(ctx context.Context, s settings, r router, rotates bool) (*api.Session, change.Management, operate.Result) {
	session, carrier, out := e.read(ctx, s, r, rotates)
	if out.Err != nil {
		return nil, carrier, out
	}
	if err := e.sameBox(s, r, out.Snapshot.Serial); err != nil {
		session.Close()
		out.Outcome, out.Err = apply.Refused, err
		return nil, carrier, out
	}
	return session, carrier, out
}

// begin is reach for a router that is about to be changed. It also writes down which box the router
// is.
func (e env) begin(ctx context.Context, s settings, r router, rotates, dryRun bool) (*api.Session, change.Management, operate.Result) {
	session, carrier, out := e.reach(ctx, s, r, rotates)
	if out.Err != nil || dryRun {
		return session, carrier, out
	}
	if err := e.met(s, r, out.Snapshot.Serial); err != nil {
		session.Close()
		out.Outcome, out.Err = apply.Refused, err
		return nil, carrier, out
	}
	return session, carrier, out
}
