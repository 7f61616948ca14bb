package proof

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// trial plays knocks on the router's final state, packet by packet.
type trial struct {
	*family
	snapshot routeros.Snapshot
	world    *firewall.Firewall
	probes   traffic.Probes
	at       time.Time
}

// newTrial is the router's final state, with the interfaces that it does not show and on which a
// door has to open.
func newTrial(fam *family) trial {
	var outer []string
	for _, d := range fam.Doors {
		for _, name := range d.Outer {
			if traffic.Unseen(name) && !slices.Contains(outer, name) {
				outer = append(outer, name)
			}
		}
	}
	state := traffic.WithUnseen(fam.after, outer)
	return trial{family: fam, snapshot: state, world: firewall.NewFirewall(state), probes: traffic.NewProbes(state, fam.Family)}
}

// check plays each knock on the router's final state, on every interface on which the door has to
// open. Others on which it does not are named.
func (t trial) check() {
	for _, d := range t.Doors {
		outer, others := t.play(d, d.Outer), t.play(d, t.interfacesElsewhere(d))
		why := cmp.Or(outer.why, others.why, outer.same, others.same)
		switch {
		case why != nil && len(outer.opens)+len(others.opens) == 0 && (d.AsFound || len(outer.shut) == 0 || slices.Contains(d.Outer, firewall.AnyOther)):
			t.fail(Failure{
				Promise: NotVoid, Risk: VoidDoor, After: len(t.states) - 1,
				What:   fmt.Sprintf("door %s would not open to a knock: %s", d.Name, why),
				Remedy: t.remedy(d.Name, why, "move that rule, or name the place with firewall.place"),
			})
		case len(outer.shut) > 0 && !d.AsFound:
			t.fail(Failure{
				Promise: NotVoid, Risk: DoorShut, After: len(t.states) - 1,
				What:   fmt.Sprintf("door %s would not open on %s, where strangers come in: %s", d.Name, traffic.Names(outer.shut), outer.why),
				Remedy: t.remedy(d.Name, outer.why, fmt.Sprintf("move or narrow that rule, or name the interface lists on which the door has to open, with doors.%s.on", d.Name)),
			})
		case len(outer.shut)+len(others.shut) > 0:
			t.note(fmt.Sprintf("over %s door %s does not open on %s", t.Family, d.Name, traffic.Names(append(outer.shut, others.shut...))))
		}
	}
}

// tried is what came of a door's knock on some interfaces, of those on which it makes a difference.
type tried struct {
	opens, shut []string
	same        error // why it does not open on an interface where that makes no difference
	why         error // why it does not open on the first of shut
}

// interfacesElsewhere are the interfaces on which a door need not open, and on which somebody may
// have to knock.
func (t trial) interfacesElsewhere(d compile.Door) []string {
	var out []string
	for _, in := range append(slices.Clone(t.probes.Interfaces), firewall.AnyOther) {
		inside := slices.Contains(t.want.Allowed.Interfaces, in) ||
			slices.ContainsFunc(t.want.Allowed.InterfaceLists, func(list string) bool { return t.world.InInterfaceList(in, list) })
		if !inside && !slices.Contains(d.Outer, in) {
			out = append(out, in)
		}
	}
	return out
}

// play plays a knock on some interfaces.
func (t trial) play(d compile.Door, interfaces []string) tried {
	var out tried
	for _, in := range interfaces {
		switch differs, err := t.opensOn(d, in); {
		case err == nil:
			out.opens = append(out.opens, in)
		case !differs:
			out.same = cmp.Or(out.same, err)
		default:
			out.shut, out.why = append(out.shut, in), cmp.Or(out.why, err)
		}
	}
	return out
}

// opensOn plays the knock on an interface, and says why the door does not open. The knock of a
// window that is installed in advance is played in the middle of each of its hours. Where strangers
// reach everything anyway that the door opens, a knock makes no difference.
func (t trial) opensOn(d compile.Door, in string) (differs bool, err error) {
	times := []time.Time{t.snapshot.Clock}
	if len(d.Hours) > 0 {
		times = nil
	}
	for _, h := range d.Hours {
		times = append(times, within(h, t.snapshot.Clock))
	}
	for _, t.at = range times {
		differs = differs || t.reaches(d, in, firewall.NewAddressLists(t.snapshot, t.at)) != nil
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

// knock plays one knock, and says why it does not open the door.
func (t trial) knock(d compile.Door, in string) error {
	at := t.at
	lists := firewall.NewAddressLists(t.snapshot, at)
	for i, stage := range d.Knock {
		fate := t.decide(t.probes.Stage(in, stage), lists)
		if !t.addsOurs(fate.Additions) {
			return fmt.Errorf("on %s the packet of stage %d is decided by %s", in, i+1, decidedBy(fate))
		}
		lists.Apply(fate.Additions, at)
		if d.Quarantine == nil {
			continue
		}
		for _, again := range d.Knock[max(0, i-1) : i+1] { // packets may arrive twice, and late
			lists.Apply(t.decide(t.probes.Stage(in, again), lists).Additions, at)
		}
		if lists.Contains(t.Family, d.Quarantine.List, t.probes.Source, at) {
			return fmt.Errorf("on %s the right knock is quarantined at stage %d", in, i+1)
		}
	}
	if !lists.Contains(t.Family, d.Trusted, t.probes.Source, at) {
		return fmt.Errorf("on %s the last stage does not reach the list %s", in, d.Trusted)
	}
	return t.reaches(d, in, lists)
}

// reaches reports why a source that is in some lists does not reach what a door opens; nil if it
// reaches all of it.
func (t trial) reaches(d compile.Door, in string, lists *firewall.AddressLists) error {
	for _, m := range d.Opens {
		for _, probe := range t.arriving(in, m, lists) {
			fate := t.decide(probe, lists)
			if fate.Verdict != firewall.Accept {
				return t.stopped(in, probe, fate)
			}
		}
	}
	for _, one := range t.Forwarding.Forwards {
		if slices.Contains(one.Trusted, d.Trusted) {
			if err := t.forwards(in, one, lists); err != nil {
				return err
			}
		}
	}
	return nil
}

// forwards reports why a source that has knocked is not forwarded by a forward, whatever the
// answers to matchers that can't be decided; nil if it is.
func (t trial) forwards(in string, one compile.Forward, lists firewall.Lists) error {
	fates := t.world.Dispositions(t.probes.New(in, one.Protocol, one.Port), lists, t.snapshot.Clock)
	sent := func(f firewall.Disposition) bool {
		return f.Verdict == firewall.Forwarded && f.To.Addr() == one.To && f.To.Port() == one.ToPort
	}
	if !slices.ContainsFunc(fates, sent) {
		return fmt.Errorf("on %s a trusted source does not reach the forward %s: %s decides", in, one.Name, decidedBy(fates[0]))
	}
	for _, fate := range t.probes.Running(t.world, in, one.Protocol, netip.AddrPortFrom(one.To, one.ToPort), lists) {
		if fate.Verdict != firewall.Accept {
			return fmt.Errorf("on %s a running connection of the forward %s is stopped by %s", in, one.Name, decidedBy(fate))
		}
	}
	return nil
}

// decide returns the best that can come of a packet, where matchers can't be decided.
func (t trial) decide(p firewall.Packet, lists firewall.Lists) firewall.Disposition {
	fates := t.world.Dispositions(p, lists, t.at)
	for _, f := range fates {
		if f.Verdict == firewall.Accept && t.addsOurs(f.Additions) {
			return f
		}
	}
	for _, f := range fates {
		if f.Verdict == firewall.Accept || t.addsOurs(f.Additions) {
			return f
		}
	}
	return fates[0]
}

// addsOurs reports whether a rule of the plan added to a list.
func (t trial) addsOurs(additions []firewall.Addition) bool {
	return slices.ContainsFunc(additions, func(a firewall.Addition) bool {
		mark, ok := a.Rule.Mark()
		return ok && !a.Rule.Dynamic && mark.Plan == t.want.Plan
	})
}
