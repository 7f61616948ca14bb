package proof

import (
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// trial plays knocks on the router's final state, packet by packet.
type trial struct {
	snapshot routeros.Snapshot
	world    *firewall.Firewall
	table    compile.Table
	probes   traffic.Probes
	plan     string
	at       time.Time
}

// door plays the knock on an interface, and says why the door does not open. The knock of a window
// that is installed in advance is played in the middle of each of its hours. Where strangers reach
// everything anyway that the door opens, a knock makes no difference.
func (t trial) door(d compile.Door, in string) (differs bool, err error) {
	times := []time.Time{t.snapshot.Clock}
	if len(d.Hours) > 0 {
		times = nil
	}
	for _, h := range d.Hours {
		times = append(times, within(h, t.snapshot.Clock))
	}
	for _, t.at = range times {
		differs = differs || t.open(d, in, firewall.NewAddressLists(t.snapshot, t.at)) != nil
		if err == nil {
			err = t.knock(d, in)
		}
	}
	return differs, err
}

// within is the middle of some hours, on the first of their days from a time on.
func within(h routeros.Hours, from time.Time) time.Time {
	if from.IsZero() { // an export has no time
		from = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	day := from.Day()
	for !h.On(time.Date(from.Year(), from.Month(), day, 12, 0, 0, 0, from.Location()).Weekday()) {
		day++
	}
	middle := h.From + (h.Until-h.From)/2
	return time.Date(from.Year(), from.Month(), day, 0, 0, int(middle/time.Second), 0, from.Location())
}

func (t trial) knock(d compile.Door, in string) error {
	at := t.at
	lists := firewall.NewAddressLists(t.snapshot, at)
	for i, stage := range d.Knock {
		fate := t.decide(t.probes.Stage(in, stage), lists)
		if !t.ours(fate.Additions) {
			return fmt.Errorf("on %s the packet of stage %d is decided by %s", in, i+1, decidedBy(fate))
		}
		lists.Apply(fate.Additions, at)
		if d.Quarantine == nil {
			continue
		}
		for _, again := range d.Knock[max(0, i-1) : i+1] { // packets may arrive twice, and late
			lists.Apply(t.decide(t.probes.Stage(in, again), lists).Additions, at)
		}
		if lists.Contains(t.table.Family, d.Quarantine.List, t.probes.Source, at) {
			return fmt.Errorf("on %s the right knock is quarantined at stage %d", in, i+1)
		}
	}
	if !lists.Contains(t.table.Family, d.Trusted, t.probes.Source, at) {
		return fmt.Errorf("on %s the last stage does not reach the list %s", in, d.Trusted)
	}
	return t.open(d, in, lists)
}

// open reports why a source that is in some lists does not reach what a door opens; nil if it
// reaches all of it.
func (t trial) open(d compile.Door, in string, lists *firewall.AddressLists) error {
	for _, m := range d.Opens {
		for _, probe := range t.probes.To(in, m) {
			if fate := t.decide(probe, lists); fate.Verdict != firewall.Accept {
				return fmt.Errorf("on %s a trusted source is stopped by %s", in, decidedBy(fate))
			}
		}
	}
	for _, one := range t.table.Forwarding.Forwards {
		if slices.Contains(one.Trusted, d.Trusted) {
			if err := t.forwarded(in, one, lists); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide returns the best that can come of a packet, where matchers can't be decided.
func (t trial) decide(p firewall.Packet, lists firewall.Lists) firewall.Disposition {
	fates := t.world.Dispositions(p, lists, t.at)
	for _, f := range fates {
		if f.Verdict == firewall.Accept && t.ours(f.Additions) {
			return f
		}
	}
	for _, f := range fates {
		if f.Verdict == firewall.Accept || t.ours(f.Additions) {
			return f
		}
	}
	return fates[0]
}

// ours reports whether a rule of the plan added to a list.
func (t trial) ours(additions []firewall.Addition) bool {
	return slices.ContainsFunc(additions, func(a firewall.Addition) bool {
		mark, ok := a.Rule.Mark()
		return ok && !a.Rule.Dynamic && mark.Plan == t.plan
	})
}
