package proof

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// forwards shows what is promised about services behind the router: no source is forwarded to one
// that was not forwarded before, except those to whom the plan opens it; and in the end they reach
// it, and nobody else does, whatever rule sends packets there.
func (f *table) forwards() {
	if !f.forwarding() {
		return
	}
	for n := 1; n < len(f.states); n++ {
		f.sentOn(n)
		f.cutOff(n)
	}
	n := len(f.states) - 1
	f.narrow(n)
	for _, one := range f.Forwarding.Forwards {
		f.broken(Failure{
			Promise: OnlyByKnock, Risk: OpenGate, After: n,
			What:   "a stranger would still reach the forward " + one.Name,
			Remedy: "move the rule of the forward chain that accepts the packet below those of the plan, or narrow it",
		}, "is forwarded by", f.space.Minus(f.space.And(f.reached(n, one), f.space.States(firewall.New)), f.visitors(one)), f.space.Stranger())
		f.usable(n, one)
	}
}

// forwarding reports whether forwards play a part in the change: the plan has some, or it had.
func (f *table) forwarding() bool {
	if len(f.Forwarding.Forwards) > 0 {
		return true
	}
	return slices.ContainsFunc(f.before.Rules[f.Family.NAT()], func(r routeros.Rule) bool { return f.ours(&r) }) ||
		slices.ContainsFunc(f.before.Rules[f.Menu], func(r routeros.Rule) bool { return f.ours(&r) && f.behind(&r) })
}

// behind reports whether only packets to other hosts meet a rule of the plan.
func (f *table) behind(r *routeros.Rule) bool {
	return r.Chain() == "forward" || compile.IsBehind(f.want.Plan, r.Chain())
}

// users are the packets of those who may use a forward.
func (f *table) users(one compile.Forward) space.Set {
	s := f.space
	out := s.Or(s.States(firewall.Established, firewall.Related), s.Listed(f.after, compile.AllowList(f.want.Plan)))
	for _, list := range one.Trusted {
		out = s.Or(out, s.Listed(f.after, list))
	}
	return s.Or(out, f.want.Allowed.Set(s, f.after))
}

// visitors are the packets of those who may reach the host and port of a forward, by this forward
// or by another one to the same place.
func (f *table) visitors(one compile.Forward) space.Set {
	var out space.Set
	for _, other := range f.Forwarding.Forwards {
		if other.Protocol == one.Protocol && other.To == one.To && other.ToPort == one.ToPort {
			out = f.space.Or(out, f.users(other))
		}
	}
	if f.Bogons == nil {
		return out
	}
	known := f.space.Or(f.space.Listed(f.after, compile.AllowList(f.want.Plan)), f.space.States(firewall.Established, firewall.Related))
	known = f.space.Or(known, f.want.Allowed.Set(f.space, f.after))
	return f.space.Minus(out, f.space.Minus(f.suspects(), known)) // a forged source is not trusted
}

// reached are the packets that reach a forward's host and port in a state.
func (f *table) reached(n int, one compile.Forward) space.Set {
	s := f.space
	number, _ := routeros.ParseProtocol(one.Protocol)
	there := s.And(s.Sent(f.results[n], one.To, one.ToPort), s.Protocol(number))
	return s.And(s.And(there, f.results[n].Forwarded), f.domain)
}

// sentOn: no state forwards a source that was not forwarded before, unless the plan opens a forward
// to it.
func (f *table) sentOn(n int) {
	s := f.space
	elsewhere := s.Minus(f.results[n].Forwarded, s.NotIn(f.results[0].Forwarded, f.unfilled()...))
	var fresh space.Set
	for _, one := range f.Forwarding.Forwards {
		reached, users := f.reached(n, one), f.visitors(one)
		fresh = s.Or(fresh, s.Minus(s.Minus(reached, users), s.NotIn(f.reached(0, one), f.unfilled()...)))
		elsewhere = s.Minus(elsewhere, s.And(reached, users))
	}
	fresh = s.Or(fresh, elsewhere)
	f.broken(Failure{
		Promise: NoExposure, Risk: Exposure, After: n,
		What:   f.state(n) + " a packet would be forwarded that was not forwarded before",
		Remedy: "narrow the rule that accepts it, or keep the forward under gate",
	}, "is forwarded by", s.And(fresh, f.domain), s.Stranger())
}

// resent: sources that foreign rules forward again once the plan is removed are reported, and have
// to be accepted by name; and no intermediate state forwards a source that is forwarded neither
// before nor after.
func (f *table) resent(remedy string) {
	if !f.forwarding() {
		return
	}
	s, last := f.space, len(f.states)-1
	before := s.NotIn(f.results[0].Forwarded, f.unfilled()...)
	end := s.And(s.Minus(f.results[last].Forwarded, before), f.domain)
	f.opening("a service behind the router", s.And(end, s.States(firewall.New)))
	f.broken(Failure{
		Promise: NoExposure, Risk: Exposure, After: last,
		What: "without the plan, other rules forward again to a host that it protected", Remedy: remedy,
	}, "is forwarded by", end, s.Stranger())
	for n := 1; n < last; n++ {
		f.broken(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   f.state(n) + " a packet would be forwarded that is forwarded neither before nor after the change",
			Remedy: remedy,
		}, "is forwarded by", s.And(s.Minus(s.Minus(f.results[n].Forwarded, before), f.results[last].Forwarded), f.domain), s.Stranger())
	}
}

// cutOff: the plan's rules in forward stop only packets to the plan's forwards.
func (f *table) cutOff(n int) {
	s := f.space
	var stopped, meant space.Set
	rows := f.states[n].Rules[f.Menu]
	for i := range rows {
		if f.ours(&rows[i]) && f.behind(&rows[i]) && rows[i].Action() == "drop" {
			stopped = s.Or(stopped, f.results[n].Hits(f.Menu, i))
		}
	}
	for _, one := range f.Forwarding.Forwards {
		number, _ := routeros.ParseProtocol(one.Protocol)
		meant = s.Or(meant, s.Minus(s.And(s.Sent(f.results[n], one.To, one.ToPort), s.Protocol(number)), f.visitors(one)))
	}
	f.broken(Failure{
		Promise: OnlyByKnock, Risk: CutOff, After: n,
		What:   f.state(n) + " a packet would be stopped that the plan does not shut",
		Remedy: "this is a bug in rosknock: please report it",
	}, "is stopped by", s.And(s.Minus(s.And(stopped, f.results[0].Forwarded), meant), f.domain), s.Stranger())
}

// narrow: the plan's own rules forward only packets to the router from sources that may use a
// forward, whatever else would stop them later; and in forward they match only connections to a
// forward's host. Other traffic through the router is not followed, so no rule of ours may match
// it.
func (f *table) narrow(n int) {
	s := f.space
	var users, sent space.Set
	for _, one := range f.Forwarding.Forwards {
		users = s.Or(users, s.And(f.users(one), traffic.Packets(s, f.nat, []traffic.Match{one.Outer()})))
	}
	for i, r := range f.after.Rules[f.Family.NAT()] {
		if f.ours(&r) {
			sent = s.Or(sent, s.And(f.results[n].Hits(f.Family.NAT(), i), s.States(firewall.New)))
		}
	}
	f.broken(Failure{
		Promise: OnlyByKnock, Risk: OpenGate, After: n,
		What:   "a rule of the plan would forward a stranger's packet",
		Remedy: "this is a bug in rosknock: please report it",
	}, "is decided by", s.And(s.Minus(sent, users), f.domain), s.Stranger())
	for _, r := range slices.Concat(f.after.Rules[f.Family.NAT()], f.after.Rules[f.Menu]) {
		c := f.space.Rule(&r)
		local, _ := c.Condition("dst-address-type")
		sends := local.Value == "local" && !local.Negated && r.Chain() == "dstnat"
		state, _ := c.Condition("connection-nat-state")
		lets := state.Test == firewall.NATStates{Dst: true} && !state.Negated && f.toForward(c)
		mark, _ := r.Mark()
		if !f.ours(&r) || r.Chain() != "dstnat" && !f.behind(&r) || slices.Contains([]string{"jump", "return"}, r.Action()) || sends || lets {
			continue
		}
		f.fail(Failure{
			Promise: OnlyByKnock, Risk: CutOff, After: n,
			What:   fmt.Sprintf("the rule %s would decide about packets that belong to no forward of the plan", mark.Slot),
			Remedy: "this is a bug in rosknock: please report it",
		})
	}
}

// toForward reports whether a rule matches the host of one of the forwards, as destination or as
// the source of answers.
func (f *table) toForward(r *firewall.Rule) bool {
	return slices.ContainsFunc(f.Forwarding.Forwards, func(one compile.Forward) bool {
		host := routeros.AddressRange{First: one.To, Last: one.To}
		to, not, _ := r.Addresses(firewall.Destination)
		from, nor, _ := r.Addresses(firewall.Source)
		return to == host && !not || from == host && !nor
	})
}

// usable: each source that may use a forward reaches it from at least one interface, by the list
// that allows it alone, without the help of another list.
func (f *table) usable(n int, one compile.Forward) {
	s := f.space
	who := f.guests()
	for _, list := range one.Trusted {
		who = append(who, guest{"the list " + list, s.Listed(f.after, list)})
	}
	asked := s.And(s.And(traffic.Packets(s, f.nat, []traffic.Match{one.Outer()}), f.domain), s.States(firewall.New))
	for _, who := range f.alone(who) {
		alone := s.And(asked, who.packets)
		if e, ok := s.Pick(alone); ok && s.And(alone, f.reached(n, one)).Empty() {
			f.fail(Failure{
				Promise: NotVoid, Risk: VoidRule, After: n,
				What:   fmt.Sprintf("%s would not reach the forward %s: %s is stopped by %s", who.name, one.Name, f.describe(e.Packet), decidedBy(s.Replay(f.after, e))),
				Remedy: "move that rule, or name another port for the forward",
			})
		}
	}
}

// away are the packets that some rule, in some state, sends to another host, if forwards play a
// part.
func (f *table) away() space.Set {
	var out space.Set
	if !f.forwarding() {
		return out
	}
	seen := map[*routeros.Attribute]bool{}
	for _, state := range f.states {
		eachRule(state, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
			if menu == f.Family.NAT() && !seen[&r.Attrs[0]] && sendsAway(r) {
				seen[&r.Attrs[0]] = true
				out = f.space.Or(out, f.space.Asks(state, menu, r))
			}
		})
	}
	return out
}

// sendsAway reports whether a rule of destination NAT may send packets to other hosts.
func sendsAway(r *routeros.Rule) bool {
	switch r.Action() {
	case "accept", "jump", "return", "log", "passthrough", "redirect", "src-nat", "masquerade", "add-src-to-address-list", "add-dst-to-address-list":
		return false
	case "dst-nat":
		return r.Attrs.Get("to-addresses") != ""
	}
	return true // an unknown action may do anything
}

// returned are packets to the port of a forward that were forwarded before, or dropped for it, and
// that reach the router itself in a state: at ports where none of its services listens. So are forged
// knocks on an interface that the router does not show, which may be inside and outside at once.
func (f *table) returned(n int) space.Set {
	s := f.space
	var out space.Set
	for _, menu := range []routeros.Menu{f.Family.NAT(), f.Menu} {
		rows := f.before.Rules[menu]
		for i := range rows {
			mark, _ := rows[i].Mark()
			if f.ours(&rows[i]) && (menu != f.Menu || strings.HasPrefix(mark.Slot, "gate/forwarded-")) {
				out = s.Or(out, f.results[0].Hits(menu, i))
			}
			if f.ours(&rows[i]) && strings.HasPrefix(mark.Slot, "bogons/knock-") {
				out = s.Or(out, s.And(f.results[0].Hits(menu, i), s.Unseen()))
			}
		}
	}
	for _, service := range f.states[n].Services {
		if !service.Disabled && !service.Connection {
			out = s.Minus(out, s.And(s.Protocol(6), s.Ports(routeros.Ports{{First: service.Port, Last: service.Port}})))
		}
	}
	return out
}

// forwarded reports why a source that has knocked is not forwarded by a forward, whatever the
// answers to matchers that can't be decided; nil if it is.
func (t trial) forwarded(in string, one compile.Forward, lists firewall.Lists) error {
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
