package undo_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

func aheadPlan(t *rapid.T, layout string, at time.Time) plans.Plan {
	p, err := plans.Read("m.yaml", []byte(`version: 1
name: m
doors:
  a:
    rotate: {secret: "env:X", stages: 3, every: 6h, ahead: 1d}
    trusted: {list: t, for: 1h}
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

// TestScriptAhead: laying a day down, one window after another, and a whole day that nobody saw to,
// can be rolled back from wherever the change was cut off.
func TestScriptAhead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t)
		layout := rapid.SampledFrom([]string{"chain", "inline"}).Draw(t, "layout")
		later := rapid.SampledFrom([]time.Duration{0, 6 * time.Hour, 30 * time.Hour}).Draw(t, "later")
		if later > 0 {
			c := b.changes(aheadPlan(t, layout, *b.now), false)
			b.carryOut(c, len(c.Steps))
		}
		before := b.router.Snapshot()
		c := b.changes(aheadPlan(t, layout, b.now.Add(later)), false)
		steps := rapid.IntRange(0, len(c.Steps)).Draw(t, "steps")
		text := scriptOf(t, before, c, "m", []string{"rosknock-dead-man"})
		if err := b.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", text)); err != nil {
			t.Fatal(err)
		}
		b.carryOut(c, steps)
		*b.now = b.now.Add(5 * time.Minute)
		compare(t, picture(before), picture(b.router.Snapshot()))
	})
}
