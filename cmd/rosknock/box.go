package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros/api"
)

// otherHardware is the name of the refusal of a router that is another box than the one that is
// known by its name: it was exchanged, or a name leads elsewhere now.
const otherHardware = "other-hardware"

// sameBox refuses a router whose serial number is another one than is remembered of it. A
// router that told none so far, or of which none is remembered, may be any.
func (e env) sameBox(s settings, r router, serial string) error {
	known, err := e.remembered(s)
	if err != nil {
		return err
	}
	was, place := known.Serial(r.key())
	if was == "" || was == serial {
		return nil
	}
	return &codeError{code: exitRefused, err: fmt.Errorf("%s: this is another box: its serial number is %s, and %s is known by %s (%s): find out why; where it was exchanged: %s",
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
			view.Say(e.err, "%s: it tells no serial number, so another box in its place would be known by its certificate alone\n", r.Name)
		}
		return nil
	}
	if _, err := e.state(s); err != nil {
		return err
	}
	return known.AddSerial(r.key(), serial)
}

// reach is [env.read] for a router that is compared or changed: one that is another box than the
// one that is known is refused.
func (e env) reach(ctx context.Context, s settings, r router, rotates bool) (*api.Session, change.Management, view.Router) {
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

// begin is reach for a router that is about to be changed: which box it is, is written down.
func (e env) begin(ctx context.Context, s settings, r router, rotates, dryRun bool) (*api.Session, change.Management, view.Router) {
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
