package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// clockSkew names the risk of a router whose clock is wrong by more than a plan allows.
// clockUnsynchronized names the risk of a router that holds knocks for the hours to come, while no
// server sets its clock.
const (
	clockSkew           = "clock-skew"
	clockUnsynchronized = "clock-unsynchronized"
)

func newRotate(e env) *cobra.Command {
	var how applying
	var files artefacts
	c := &cobra.Command{
		Use:   "rotate [PLAN]",
		Short: "Move rotating doors to the present window",
		Long: `Bring routers to their plans as apply does, with the knocks that are valid now: the
knock of the present window, and within the overlap also that of the window before or after it. Let
a timer run this more often than the overlap is long; between two windows there is nothing to do.
The knocks follow from the secret, from the names of plan, door and router, and from the time. A
client that has the secret can compute them without asking anybody.

With rotate.ahead in the plan, the knocks of a whole day or week are laid on the router in advance,
each with its hours by the router's own clock. Each run replaces the knocks that are over by those
that come a day or a week later. When no run does that any more, the same knocks come again at the
same hours, and rosknock knock tries them too.

A router whose clock differs from this machine's by more than the overlap is refused: one of the two
clocks is wrong, and times in the router's logs and lists may be, too. --accept-risk=clock-skew goes
on. Knocks are laid in advance only where an NTP server sets the router's clock, or with
--accept-risk=clock-unsynchronized.`,
		Example: `  rosknock rotate branch.yaml -r admin@192.0.2.1 --yes
  rosknock rotate -i fleet.yaml --yes --retries 3`,
		Args: atMost(1, "rotate takes one plan"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			if err := how.check(e, s, "rotate"); err != nil {
				return err
			}
			how.rotates = true
			r := e.changes(s, changeRun{command: rotation, files: files})
			if err := e.applyPlans(c.Context(), s, args, how, r); err != nil {
				return err
			}
			return r.finish(c.Context())
		},
	}
	how.flags(c)
	files.flags(c)
	return c
}

// at is the time for which knocks are derived.
func (e env) at(s settings) time.Time {
	if !s.at.IsZero() {
		return s.at
	}
	return e.now()
}

// unrolled derives the knocks of a plan's rotating doors that belong on a router now, by the
// router's local time.
func (e env) unrolled(ctx context.Context, s settings, p plans.Plan, r router, read routeros.Snapshot) (plans.Plan, error) {
	at := e.at(s).In(read.Clock.Location())
	return checked(p)(sequence.Standing(p, read.Identity, at, func(c plans.Credential) (string, error) { return e.credential(ctx, c, r) }))
}

func (e env) derived(ctx context.Context, p plans.Plan, r router, identity string, which func(sequence.Schedule) []int64) (plans.Plan, error) {
	return checked(p)(sequence.Unroll(p, identity, which, func(c plans.Credential) (string, error) { return e.credential(ctx, c, r) }))
}

// checked adds the plan to an error of deriving its knocks.
func checked(p plans.Plan) func(plans.Plan, error) (plans.Plan, error) {
	return func(out plans.Plan, err error) (plans.Plan, error) {
		if err != nil {
			return p, invalid(fmt.Errorf("plan %s: %w", p.Name, err))
		}
		return out, nil
	}
}

// skewed refuses a router whose clock differs by more than the overlap of a plan's windows.
func (e env) skewed(s settings, p plans.Plan, router routeros.Snapshot) error {
	overlap, rotates := sequence.Overlap(p)
	if !rotates || slices.Contains(s.accept, clockSkew) || router.Clock.IsZero() && p.Ahead() == 0 {
		return nil
	}
	if router.Clock.IsZero() {
		return &codeError{code: exitRefused, err: fmt.Errorf("the router's clock could not be read, and the knocks on the router depend on it: "+
			"let this user read /system clock, or accept with --accept-risk=%s", clockSkew)}
	}
	skew := router.Clock.Sub(e.now()).Round(time.Second)
	if skew.Abs() <= overlap {
		return nil
	}
	side := "ahead of"
	if skew < 0 {
		side = "behind"
	}
	return &codeError{code: exitRefused, err: fmt.Errorf("the router's clock is %s %s this machine's, and the knocks overlap by %s: set the one that is wrong "+
		"(/system ntp client set enabled=yes servers=… on the router), make the overlap longer, or accept with --accept-risk=%s", skew.Abs(), side, overlap, clockSkew)}
}

// unsynchronized refuses to lay knocks in advance on a router whose clock no server sets: the clock
// drifts until nobody gets in.
func (e env) unsynchronized(s settings, p plans.Plan, router routeros.Snapshot) error {
	if p.Ahead() == 0 || router.NTP.Synchronized || slices.Contains(s.accept, clockUnsynchronized) {
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
	return &codeError{code: exitRefused, err: fmt.Errorf("no server sets the router's clock (%s), and the knocks that are laid for %s depend on it: "+
		"set a server (/system ntp client set enabled=yes %s) and wait until it is synchronized, take ahead out of the plan, or accept with --accept-risk=%s",
		how, routeros.FormatDuration(p.Ahead()), set, clockUnsynchronized)}
}

// warnOfClock warns that no server sets the clock of a router on which a plan rotates. One day
// rotations would be refused for it.
func (e env) warnOfClock(s settings, p plans.Plan, r router, read routeros.Snapshot) {
	if p.Rotates() && read.NTP.Known && !read.NTP.Synchronized && !e.quiet && !slices.Contains(s.accept, clockUnsynchronized) {
		view.Say(e.err, "%s: warning: no server sets the router's clock (its NTP client is %s)\n", r.Name, read.NTP.State)
	}
}

// rotating refuses plans that do not rotate.
func rotating(jobs []job) error {
	for _, j := range jobs {
		if !slices.ContainsFunc(j.plans, plans.Plan.Rotates) {
			return usagef("%s: no door of its plan rotates: use rosknock apply", j.Name)
		}
	}
	return nil
}

// ready derives a plan's knocks for a router that was read, and refuses one whose clock is wrong.
func (e env) ready(ctx context.Context, s settings, p plans.Plan, r router, read operate.Result) (plans.Plan, error) {
	if !p.Rotates() {
		return p, nil
	}
	if err := e.skewed(s, p, *read.Snapshot); err != nil {
		return p, err
	}
	if err := e.unsynchronized(s, p, *read.Snapshot); err != nil {
		return p, err
	}
	return e.unrolled(ctx, s, p, r, *read.Snapshot)
}
