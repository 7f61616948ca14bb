package apply_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestSent: the states of a router while a change is applied to it are those that were proved, in
// their order: on random tables, for random changes, and for their rollback.
func TestSent(t *testing.T) {
	variants := []string{"", "first", "rotated", "changed", "quarantined", "requarantined", "forwarded", "reforwarded"}
	rapid.Check(t, func(rt *rapid.T) {
		version := rapid.SampledFrom([]string{"6.49", "7.14", "7.20", "7.24"}).Draw(rt, "version")
		layout := rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(rt, "layout")
		p := newPlace(t, version, sim.Knobs{}, opened(version))
		defer p.close()
		if from := rapid.SampledFrom(variants).Draw(rt, "from"); from != "" {
			if got := p.run(layout, from, apply.Options{}); got.Outcome != apply.Changed {
				rt.Fatalf("preparing: %s, %v", got.Outcome, got.Err)
			}
			p.drift(rt)
		}
		other := rapid.SampledFrom([]plans.Layout{layout, layout, plans.Chain, plans.Inline}).Draw(rt, "then")
		to := rapid.SampledFrom(variants).Draw(rt, "to")
		if !strings.Contains(p.reach().operator, "api") {
			rt.Skip("the operator has shut themselves out")
		}
		s, before := p.read(t.Context())
		defer s.Close()
		want, err := wantVariant(t, before, other, to)
		if err != nil {
			rt.Skip(err)
		}
		session := operatorAt
		session.Accepted = []string{proof.Exposure}
		c, err := diff.Compute(before, want, session)
		if err != nil || !c.Changed() {
			rt.Skip(err)
		}
		shown := proof.Prove(before, want, c, session)
		if err := shown.Err(); err != nil {
			rt.Skip(err)
		}
		if states := changetest.States(rt, before, c); shown.States != len(states) {
			rt.Fatalf("the proof is about %d of %d states", shown.States, len(states))
		}
		p.sends(rt, s, before, c)
		if !rapid.Bool().Draw(rt, "and back") {
			return
		}
		again, now := p.read(t.Context())
		defer again.Close()
		back, err := undo.Changes(now, before, c, "m")
		if err != nil {
			rt.Fatal(err)
		}
		if way := proof.Way(now, before, "m", back, operatorAt); way.Err() == nil {
			p.sends(rt, again, now, back)
		}
	})
}

// drift is what somebody has done to our rows.
func (p *place) drift(t *rapid.T) {
	var ours []string
	for _, r := range p.router.Snapshot().Rules[routeros.Filter] {
		if _, ok := r.Mark(); ok {
			ours = append(ours, r.ID)
		}
	}
	for n := range rapid.IntRange(0, 2).Draw(t, "drifts") {
		id := rapid.SampledFrom(ours).Draw(t, fmt.Sprint("row ", n))
		command := rapid.SampledFrom([][]string{
			{"remove"}, {"disable"}, {"set", "log", "yes"}, {"set", "src-address", "192.0.2.77"}, {"move", "destination", ours[0]},
		}).Draw(t, fmt.Sprint("drift ", n))
		_ = p.router.Admin(routeros.NewCommand(routeros.Filter.Verb(command[0]), append([]string{"numbers", id}, command[1:]...)...)) // some are refused
	}
}

// sends applies a change, and compares the router's states with those of the change.
func (p *place) sends(t *rapid.T, s apply.Session, before routeros.Snapshot, c change.ChangeSet) {
	var want, is []string
	for _, state := range changetest.States(t, before, c) {
		want = append(want, look(state))
	}
	wrote := true
	p.on(func(q sim.Request) sim.Action {
		if wrote {
			is = append(is, look(p.router.Snapshot()))
		}
		wrote = !strings.HasSuffix(q.Words[0], "/print")
		return sim.Action{}
	})
	result := apply.Run(p.ctx, s, c, apply.Options{Before: before, Plan: "m", Dial: p.dial, Login: "admin"})
	p.calm()
	is = append(is, look(p.router.Snapshot()))
	if c.Changed() && result.Outcome != apply.Changed {
		t.Fatalf("%s, %v", result.Outcome, result.Err)
	}
	want, is = slices.Compact(want), slices.Compact(is)
	for i := range max(len(want), len(is)) {
		if i >= len(want) || i >= len(is) || want[i] != is[i] {
			t.Fatalf("state %d of %d, of %d that were proved, is not that one:\n%s", i, len(is), len(want), differing(want, is, i))
		}
	}
}

// differing are the lines in which two states differ.
func differing(want, is []string, i int) string {
	var out []string
	lines := func(states []string) []string {
		if i >= len(states) {
			return nil
		}
		return strings.Split(states[i], "\n")
	}
	for _, line := range lines(want) {
		if !slices.Contains(lines(is), line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range lines(is) {
		if !slices.Contains(lines(want), line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}

// look is all of a router that change sets touch, without the ids of its rows.
func look(s routeros.Snapshot) string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range s.Rules[menu] {
				if !r.Dynamic {
					out = append(out, fmt.Sprintf("%s %s", menu, r.Canonical()))
				}
			}
		}
		for _, e := range s.Entries[f.AddressList()] {
			if !e.Dynamic {
				out = append(out, fmt.Sprintf("%s %q %t %s", f, e.Key(), e.Disabled, e.Comment))
			}
		}
	}
	for _, v := range s.Services {
		if !v.Dynamic && !v.Connection {
			out = append(out, fmt.Sprintf("%s %s", v.Name, v.Attributes()))
		}
	}
	return strings.Join(out, "\n")
}
