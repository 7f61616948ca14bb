package operate

import (
	"context"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// ClockSkew names the risk of a router whose clock is wrong by more than a plan allows.
// ClockUnsynchronized names the risk of a router that holds knocks for the hours to come, while no
// server sets its clock.
const (
	ClockSkew           = "clock-skew"
	ClockUnsynchronized = "clock-unsynchronized"
)

// ready derives a plan's knocks for the router that was read, and refuses one whose clock is wrong.
func (a *attempt) ready(ctx context.Context, p plans.Plan) (plans.Plan, error) {
	if !p.Rotates() {
		return p, nil
	}
	if err := a.skewed(p); err != nil {
		return p, err
	}
	if err := a.unsynchronized(p); err != nil {
		return p, err
	}
	at := a.At
	if at.IsZero() {
		at = a.Now()
	}
	return Standing(p, *a.out.Snapshot, at, func(c plans.Credential) (string, error) { return a.Secret(ctx, c) })
}

// Standing derives the knocks of a plan's rotating doors that belong on a router at a time, by the
// router's local time.
func Standing(p plans.Plan, read routeros.Snapshot, at time.Time, secret func(plans.Credential) (string, error)) (plans.Plan, error) {
	return derived(p)(sequence.Standing(p, read.Identity, at.In(read.Clock.Location()), secret))
}

// Derive derives the knocks of a plan's rotating doors for a router by its own name, for the
// windows that are wanted.
func Derive(p plans.Plan, identity string, which func(sequence.Schedule) []int64, secret func(plans.Credential) (string, error)) (plans.Plan, error) {
	return derived(p)(sequence.Unroll(p, identity, which, secret))
}

// derived adds the plan to an error of deriving its knocks.
func derived(p plans.Plan) func(plans.Plan, error) (plans.Plan, error) {
	return func(out plans.Plan, err error) (plans.Plan, error) {
		if err != nil {
			return p, invalidf("plan %s: %w", p.Name, err)
		}
		return out, nil
	}
}

// skewed refuses a router whose clock differs by more than the overlap of a plan's windows.
func (a *attempt) skewed(p plans.Plan) error {
	clock := a.out.Snapshot.Clock
	overlap, rotates := sequence.Overlap(p)
	if !rotates || a.accepts(ClockSkew) || clock.IsZero() && p.Ahead() == 0 {
		return nil
	}
	if clock.IsZero() {
		return Refusef("the router's clock could not be read, and the knocks on the router depend on it: "+
			"let this user read /system clock, or accept with --accept-risk=%s", ClockSkew)
	}
	skew := clock.Sub(a.Now()).Round(time.Second)
	if skew.Abs() <= overlap {
		return nil
	}
	side := "ahead of"
	if skew < 0 {
		side = "behind"
	}
	return Refusef("the router's clock is %s %s this machine's, and the knocks overlap by %s: set the one that is wrong "+
		"(/system ntp client set enabled=yes servers=… on the router), make the overlap longer, or accept with --accept-risk=%s", skew.Abs(), side, overlap, ClockSkew)
}

// unsynchronized refuses to lay knocks in advance on a router whose clock no server sets: the clock
// drifts until nobody gets in.
func (a *attempt) unsynchronized(p plans.Plan) error {
	router := *a.out.Snapshot
	if p.Ahead() == 0 || router.NTP.Synchronized || a.accepts(ClockUnsynchronized) {
		return nil
	}
	how := "its NTP client is " + router.NTP.State
	if !router.NTP.Known {
		how = "what its NTP client does could not be read"
	}
	set := "servers=…"
	if router.Version.Major < 7 {
		set = "primary-ntp=…"
	}
	return Refusef("no server sets the router's clock (%s), and the knocks that are laid for %s depend on it: "+
		"set a server (/system ntp client set enabled=yes %s) and wait until it is synchronized, take ahead out of the plan, or accept with --accept-risk=%s",
		how, routeros.FormatDuration(p.Ahead()), set, ClockUnsynchronized)
}

// warnOfClock warns that no server sets the clock of a router on which a plan rotates. One day
// rotations would be refused for it.
func (a *attempt) warnOfClock() {
	if ntp := a.out.Snapshot.NTP; ntp.Known && !ntp.Synchronized && !a.accepts(ClockUnsynchronized) {
		a.Tell(Progress, "%s: warning: no server sets the router's clock (its NTP client is %s)\n", a.router.Name, ntp.State)
	}
}
