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
	allowed  []string // interface lists on which nobody needs to knock
	at       time.Time
}

// interfaces are those on which a knock makes a difference, or all if there are none.
func (t trial) interfaces() []string {
	out := slices.DeleteFunc(slices.Clone(t.probes.Interfaces), func(in string) bool {
		return slices.ContainsFunc(t.allowed, func(list string) bool { return t.world.InInterfaceList(in, list) })
	})
	if len(out) == 0 {
		return t.probes.Interfaces
	}
	return out
}

// door plays the knock on every interface on which it makes a difference; on at least one it has to
// open what the door opens. The knock of a window that is installed in advance is played in the
// middle of each of its hours.
func (t trial) door(d compile.Door) error {
	times := []time.Time{t.snapshot.Clock}
	if len(d.Hours) > 0 {
		times = nil
	}
	for _, h := range d.Hours {
		times = append(times, within(h, t.snapshot.Clock))
	}
	for _, t.at = range times {
		if err := t.anywhere(d); err != nil {
			return err
		}
	}
	return nil
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

func (t trial) anywhere(d compile.Door) error {
	var first error
	for _, in := range t.telling(d) {
		err := t.knock(d, in)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// telling are the interfaces on which a stranger does not already reach everything that a door
// opens: there a knock makes a difference.
func (t trial) telling(d compile.Door) []string {
	all := t.interfaces()
	out := slices.DeleteFunc(slices.Clone(all), func(in string) bool { return t.open(d, in, firewall.NewAddressLists(t.snapshot, t.at)) == nil })
	if len(out) == 0 {
		return all
	}
	return out
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
