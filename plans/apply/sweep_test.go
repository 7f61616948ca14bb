package apply_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// aheadPlan is a plan with a day of knocks in advance, for a time.
func aheadPlan(t *testing.T, layout string, at time.Time) plans.Plan {
	t.Helper()
	p, err := plans.Read("p.yaml", []byte(`version: 1
name: day
doors:
  admin:
    rotate: {secret: "env:X", ahead: 1d}
    trusted: {list: trusted, for: 1h}
    opens: [ssh]
gate: {services: [ssh]}
firewall: {layout: `+layout+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err = sequence.Standing(p, "r1", at, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSweep: a day of knocks can be removed under a dead-man, though an undo script for all of it
// would be too long for a router; and the next day is installed in its place. If the change is not
// confirmed, everything is as before.
func TestSweep(t *testing.T) {
	for _, layout := range []string{"chain", "inline"} {
		t.Run(layout, func(t *testing.T) {
			b := newBench(t, "6.49", defconf(t, "6.49"))
			at := time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)
			for _, later := range []time.Duration{0, time.Hour, 26 * time.Hour} {
				p := aheadPlan(t, layout, at.Add(later))
				result, err := b.apply(p)
				if err != nil || result.Outcome != apply.Changed || result.Protection != apply.DeadMan {
					t.Fatalf("%s: %v, %s, %v", later, err, result.Outcome, result.Err)
				}
				b.converged(p)
			}
			s, err := b.session.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := compile.Removal("day", s)
			c, err := diff.Compute(s, want, change.Management{})
			if err != nil {
				t.Fatal(err)
			}
			o := apply.Options{Before: s, Plan: "day", Wanted: func(after routeros.Snapshot) error {
				if rest, err := diff.Compute(after, want, change.Management{}); err != nil || rest.Changed() {
					return errors.New("something is left")
				}
				return nil
			}}
			doubtful := o
			doubtful.Dial = func(context.Context) (apply.Session, error) { return nil, errors.New("nobody gets in") }
			if result := apply.Run(t.Context(), b.session, c, doubtful); result.Outcome != apply.Reverted || len(b.ours("day")) != len(removals(c)) || len(result.Receipts)+len(result.Left) != len(c.Steps) {
				t.Fatalf("not confirmed: %s, %v; %d rules are left", result.Outcome, result.Err, len(b.ours("day")))
			}
			s, err = b.session.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c, err = diff.Compute(s, want, change.Management{}); err != nil {
				t.Fatal(err)
			}
			o.Before = s
			sweeps := func() bool { return len(b.ours("day")) < 100 }
			if result := apply.Run(t.Context(), dying{b.session, sweeps}, c, o); result.Outcome != apply.Failed || !strings.Contains(result.Err.Error(), "the change is active, but") {
				t.Fatalf("%s, %v", result.Outcome, result.Err)
			}
			if s, err = b.session.Snapshot(t.Context()); err != nil || jumps(s) {
				t.Fatal("what packets meet was brought back", err)
			}
			if c, err = diff.Compute(s, want, change.Management{}); err != nil || !c.Changed() {
				t.Fatal(err)
			}
			o.Before = s
			told := 0
			o.Observe = func(e apply.Event) {
				if e.Done != nil {
					if e.Done.Index != told {
						t.Errorf("step %d is told as %d", told, e.Done.Index)
					}
					told++
				}
			}
			result := apply.Run(t.Context(), b.session, c, o)
			if result.Outcome != apply.Changed || len(b.ours("day")) != 0 || len(result.Receipts) != len(c.Steps) || len(result.Left) != 0 || told != len(c.Steps) {
				t.Fatalf("%s, %v; %d of %d steps, %d rules are left", result.Outcome, result.Err, len(result.Receipts), len(c.Steps), len(b.ours("day")))
			}
		})
	}
}

// jumps reports whether any rule leads into a chain of ours.
func jumps(s routeros.Snapshot) bool {
	for _, f := range routeros.Families() {
		for _, r := range s.Rules[f.Filter()] {
			if r.Chain() == "input" && strings.HasPrefix(r.Attrs.Get("jump-target"), "rosknock-") {
				return true
			}
		}
	}
	return false
}

// dying is a session that is lost at a moment.
type dying struct {
	apply.Session
	lost func() bool
}

// Batch implements [apply.Session].
func (d dying) Batch(ctx context.Context, commands []routeros.Command) ([]api.Result, error) {
	if d.lost() {
		return nil, &api.LostError{}
	}
	return d.Session.Batch(ctx, commands)
}

func removals(c change.ChangeSet) (out []change.Step) {
	for _, step := range c.Steps {
		if step.Op == change.Remove && step.Menu.IsRuleTable() {
			out = append(out, step)
		}
	}
	return out
}
