package diff

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/packet"
)

// Session is what is known of the connection over which the change will be made. The zero value is none:
// an export, or a rehearsal.
type Session struct {
	// Service is the service that carries the session: api or api-ssl.
	Service string
	// Operators are the addresses from which it may come, as the router sees it: usually one, several when the same
	// user is logged in more than once and nobody can tell which session is this.
	Operators []netip.Addr
	// Accepted names the risks that the operator takes: lose-session.
	Accepted []string
}

// LoseSession is the name of the risk of shutting out the operator himself.
const LoseSession = "lose-session"

// guard refuses to touch the service that carries the session: there would be no way back.
func (o Session) guard(s routeros.Snapshot, want compile.RuleSet) error {
	if o.Service == "" || slices.Contains(o.Accepted, LoseSession) {
		return nil
	}
	for _, w := range want.Services {
		row, ok := s.Service(w.Name)
		if w.Name != o.Service || !ok {
			continue
		}
		set, _ := serviceDifference(row, w)
		switch {
		case set.Get("disabled") == "true":
			return o.lose(fmt.Sprintf("the plan disables the service %s, which carries this session", w.Name), "take it out of services.disable, or connect through another service")
		case set.Has("port"):
			return o.lose(fmt.Sprintf("the plan moves the service %s, which carries this session, to another port", w.Name), "take it out of services.ports, or connect through another service")
		case set.Has(row.FromName) && !o.covered(w.From):
			return o.lose(fmt.Sprintf("the plan limits the service %s, which carries this session, to prefixes without this session's own source (%s)", w.Name, o.source()), "add the source to services.from, or connect through another service")
		}
	}
	return nil
}

func (o Session) lose(what, remedy string) error {
	return &RefusalError{Risk: LoseSession, What: what, Remedy: remedy + ", or accept with --accept-risk=" + LoseSession}
}

func (o Session) source() string {
	if len(o.Operators) == 0 {
		return "unknown"
	}
	names := make([]string, len(o.Operators))
	for i, a := range o.Operators {
		names[i] = a.String()
	}
	return strings.Join(names, " or ")
}

// covered reports whether a service that is limited to prefixes answers the operator, wherever he is of the places
// known. An operator of whom nothing is known is not.
func (o Session) covered(prefixes []string) bool {
	return len(o.Operators) > 0 && !slices.ContainsFunc(o.Operators, func(a netip.Addr) bool { return !covers(prefixes, a) })
}

func covers(prefixes []string, a netip.Addr) bool {
	if len(prefixes) == 0 {
		return true
	}
	return slices.ContainsFunc(prefixes, func(p string) bool {
		r, err := routeros.ParseAddressRange(p)
		return err == nil && r.Contains(a)
	})
}

// check tries the rule set out on the router as it will be: each door must open to a stranger who knocks,
// the gate must stop one who doesn't, and the operator must get in again wherever he does now.
func check(before routeros.Snapshot, want compile.RuleSet, c ChangeSet, session Session) error {
	after := Rehearse(before, c, len(c.Steps))
	for _, t := range want.Tables {
		trial := trial{
			snapshot: after, world: packet.NewWorld(after), table: t,
			probes: compile.NewProbes(after, t.Family), plan: want.Plan,
		}
		for _, d := range t.Doors {
			if err := trial.door(d); err != nil {
				return err
			}
		}
		if err := trial.gate(); err != nil {
			return err
		}
	}
	return session.keeps(before, c)
}

type trial struct {
	snapshot routeros.Snapshot
	world    *packet.World
	table    compile.Table
	probes   compile.Probes
	plan     string
}

// door plays the knock on every interface; on one at least it has to open what the door opens.
func (t trial) door(d compile.Door) error {
	var first error
	for _, in := range t.probes.Interfaces {
		err := t.knock(d, in)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return &RefusalError{
		Risk: "void-door", What: fmt.Sprintf("door %s would not open to a knock: %s", d.Name, first),
		Remedy: "move that rule, or name the place with firewall.place",
	}
}

func (t trial) knock(d compile.Door, in string) error {
	at := t.snapshot.Clock
	lists := packet.NewMemory(t.snapshot, at)
	for i, stage := range d.Knock {
		fate := t.decide(t.probes.Stage(in, stage), lists)
		if !t.ours(fate.Additions) {
			return fmt.Errorf("on %s the packet of stage %d is decided by %s", in, i+1, decidedBy(fate))
		}
		lists.Apply(fate.Additions, at)
	}
	if !lists.Contains(t.table.Family, d.Trusted, t.probes.Source, at) {
		return fmt.Errorf("on %s the last stage does not reach the list %s", in, d.Trusted)
	}
	for _, m := range d.Opens {
		for _, probe := range t.probes.To(in, m) {
			if fate := t.decide(probe, lists); fate.Verdict != packet.Accept {
				return fmt.Errorf("on %s a trusted source is stopped by %s", in, decidedBy(fate))
			}
		}
	}
	return nil
}

// decide returns the best that can come of a packet, where matchers can't be decided.
func (t trial) decide(p packet.Packet, lists packet.Lists) packet.Fate {
	fates := t.world.Fates(p, lists, t.snapshot.Clock)
	for _, f := range fates {
		if f.Verdict == packet.Accept && t.ours(f.Additions) {
			return f
		}
	}
	for _, f := range fates {
		if f.Verdict == packet.Accept || t.ours(f.Additions) {
			return f
		}
	}
	return fates[0]
}

// ours reports whether a rule of the plan added to a list.
func (t trial) ours(additions []packet.Addition) bool {
	return slices.ContainsFunc(additions, func(a packet.Addition) bool {
		_, ok := owned(*a.Rule, t.plan)
		return ok
	})
}

func decidedBy(f packet.Fate) string {
	if f.Rule == nil {
		return "no rule at all"
	}
	return fmt.Sprintf("%s %s", f.Table, f.Rule.Describe())
}

// gate sends a stranger to everything that is gated, on every interface that the plan does not allow.
func (t trial) gate() error {
	lists := packet.NewMemory(t.snapshot, t.snapshot.Clock)
	for _, in := range t.probes.Interfaces {
		for _, m := range t.table.Gate {
			for _, probe := range t.probes.To(in, m) {
				for _, f := range t.world.Fates(probe, lists, t.snapshot.Clock) {
					if f.Incomplete {
						return undecidable(in, f)
					}
					if f.Verdict != packet.Accept || t.allowed(f) {
						continue
					}
					return &RefusalError{
						Risk: "open-gate", What: fmt.Sprintf("a stranger on %s would still reach what the gate shuts, by %s", in, decidedBy(f)),
						Remedy: "move that rule below, narrow it, or name the place with firewall.place",
					}
				}
			}
		}
	}
	return nil
}

// undecidable is a packet of which the table asks more than can be followed.
func undecidable(in string, f packet.Fate) error {
	return &RefusalError{
		Risk: "undecidable", What: fmt.Sprintf("what becomes of a packet on %s can't be told: too many rules there hang on limits and the like, or chains jump in circles", in),
		Remedy: "simplify the chain of " + decidedBy(f) + ", or name a place above it with firewall.place",
	}
}

// allowed reports whether the plan's own allow-list let the packet in.
func (t trial) allowed(f packet.Fate) bool {
	if f.Rule == nil {
		return false
	}
	_, ours := owned(*f.Rule, t.plan)
	return ours
}

// keeps makes sure that the operator's running session goes on, and that he can log in again wherever he can
// now, in every state between two steps: a connection that is cut leaves the router in one of them.
func (o Session) keeps(before routeros.Snapshot, c ChangeSet) error {
	if o.Service == "" || slices.Contains(o.Accepted, LoseSession) {
		return nil
	}
	for _, operator := range o.Operators {
		if err := o.keepsOne(before, c, operator); err != nil {
			return err
		}
	}
	return nil
}

func (o Session) keepsOne(before routeros.Snapshot, c ChangeSet, operator netip.Addr) error {
	f := routeros.IPv4
	if operator.Is6() {
		f = routeros.IPv6
	}
	service, ok := before.Service(o.Service)
	if !ok || !before.HasMenu(f.Filter()) {
		return nil
	}
	accepted := flows(before, f, operator, service.Port)
	for n := range len(c.Steps) {
		if c.Steps[n].Menu != f.Filter() && c.Steps[n].Menu != f.AddressList() && n+1 < len(c.Steps) {
			continue // it changes nothing that decides about packets
		}
		after := Rehearse(before, c, n+1)
		world, lists := packet.NewWorld(after), packet.NewMemory(after, after.Clock)
		for _, flow := range accepted {
			for _, fate := range world.Fates(flow, lists, after.Clock) {
				if fate.Verdict != packet.Accept || fate.Incomplete {
					return o.lose(fmt.Sprintf("after step %d of %d this session's own source %s could not reach %s on %s: %s stops it", n+1, len(c.Steps), operator, o.Service, flow.InInterface, decidedBy(fate)), "add it to allow.addresses")
				}
			}
		}
	}
	return nil
}

// flows are the operator's packets that the router accepts now: of the running session, and of a new login.
func flows(before routeros.Snapshot, f routeros.Family, operator netip.Addr, port uint16) []packet.Packet {
	world := packet.NewWorld(before)
	probes := compile.NewProbes(before, f)
	probes.Source = operator
	var out []packet.Packet
	for _, in := range sides(before, operator, probes) {
		login := probes.New(in, "tcp", port)
		running := login
		running.State, running.TCPFlags = packet.Established, packet.ACK
		for _, flow := range []packet.Packet{login, running} {
			if accepts(world, before, flow) {
				out = append(out, flow)
			}
		}
	}
	return out
}

func accepts(w *packet.World, s routeros.Snapshot, p packet.Packet) bool {
	return slices.ContainsFunc(w.Fates(p, packet.NewMemory(s, s.Clock), s.Clock), func(f packet.Fate) bool { return f.Verdict == packet.Accept })
}

// sides are the interfaces on whose network the operator is, or all of them when he is on none.
func sides(s routeros.Snapshot, operator netip.Addr, p compile.Probes) []string {
	var out []string
	for _, a := range s.Addresses {
		if !a.Disabled && a.Prefix.Contains(operator) {
			out = append(out, a.Interface)
		}
	}
	if len(out) == 0 {
		return p.Interfaces
	}
	return out
}
