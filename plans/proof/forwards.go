package proof

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// forwards is the services behind the router to which the plan forwards.
type forwards struct{ *family }

// check shows what is promised about services behind the router: no source is forwarded to one
// that was not forwarded before, except those to whom the plan opens it; and in the end they reach
// it, and nobody else does, whatever rule sends packets there.
func (fw forwards) check() {
	if !fw.hasForwards() {
		return
	}
	for n := 1; n < len(fw.states); n++ {
		fw.checkExposure(n)
		fw.checkDrops(n)
	}
	n := len(fw.states) - 1
	fw.checkOwnRules(n)
	for _, one := range fw.Forwarding.Forwards {
		fw.checkEmpty(Failure{
			Promise: OnlyByKnock, Risk: OpenGate, After: n,
			What:   "a stranger would still reach the forward " + one.Name,
			Remedy: "move the rule of the forward chain that accepts the packet below those of the plan, or narrow it",
		}, "is forwarded by", fw.space.Minus(fw.space.And(fw.packetsReaching(n, one), fw.space.States(firewall.New)), fw.packetsOfVisitors(one)), fw.space.Stranger())
		fw.checkUsable(n, one)
	}
}

// checkExposure checks that no state forwards a source that was not forwarded before, unless the
// plan opens a forward to it.
func (fw forwards) checkExposure(n int) {
	s := fw.space
	elsewhere := s.Minus(fw.results[n].Forwarded, s.NotIn(fw.results[0].Forwarded, fw.unfilledLists()...))
	var fresh space.Set
	for _, one := range fw.Forwarding.Forwards {
		reached, users := fw.packetsReaching(n, one), fw.packetsOfVisitors(one)
		fresh = s.Or(fresh, s.Minus(s.Minus(reached, users), s.NotIn(fw.packetsReaching(0, one), fw.unfilledLists()...)))
		elsewhere = s.Minus(elsewhere, s.And(reached, users))
	}
	fresh = s.Or(fresh, elsewhere)
	fw.checkEmpty(Failure{
		Promise: NoExposure, Risk: Exposure, After: n,
		What:   fw.state(n) + " a packet would be forwarded that was not forwarded before",
		Remedy: "narrow the rule that accepts it, or keep the forward under gate",
	}, "is forwarded by", s.And(fresh, fw.domain), s.Stranger())
}

// checkDrops checks that the plan's rules in forward stop only packets to the plan's forwards.
func (fw forwards) checkDrops(n int) {
	s := fw.space
	var stopped, meant space.Set
	rows := fw.states[n].Rules[fw.Menu]
	for _, i := range fw.own[n] {
		if fw.isBehind(&rows[i]) && rows[i].Action() == "drop" {
			stopped = s.Or(stopped, fw.results[n].Hits(fw.Menu, i))
		}
	}
	for _, one := range fw.Forwarding.Forwards {
		number, _ := routeros.ParseProtocol(one.Protocol)
		meant = s.Or(meant, s.Minus(s.And(s.Sent(fw.results[n], one.To, one.ToPort), s.Protocol(number)), fw.packetsOfVisitors(one)))
	}
	fw.checkEmpty(Failure{
		Promise: OnlyByKnock, Risk: CutOff, After: n,
		What:   fw.state(n) + " a packet would be stopped that the plan does not shut",
		Remedy: "this is a bug in rosknock: please report it",
	}, "is stopped by", s.And(s.Minus(s.And(stopped, fw.results[0].Forwarded), meant), fw.domain), s.Stranger())
}

// checkOwnRules checks that the plan's own rules forward only packets to the router from sources
// that may use a forward, whatever else would stop them later; and in forward they match only
// connections to a forward's host. Other traffic through the router is not followed, so no rule of
// ours may match it.
func (fw forwards) checkOwnRules(n int) {
	s := fw.space
	var users, sent space.Set
	for _, one := range fw.Forwarding.Forwards {
		users = s.Or(users, s.And(fw.packetsOfUsers(one), traffic.Packets(s, fw.nat, []traffic.Match{one.Outer()})))
	}
	for i, r := range fw.after.Rules[fw.Family.NAT()] {
		if fw.isOurs(&r) {
			sent = s.Or(sent, s.And(fw.results[n].Hits(fw.Family.NAT(), i), s.States(firewall.New)))
		}
	}
	fw.checkEmpty(Failure{
		Promise: OnlyByKnock, Risk: OpenGate, After: n,
		What:   "a rule of the plan would forward a stranger's packet",
		Remedy: "this is a bug in rosknock: please report it",
	}, "is decided by", s.And(s.Minus(sent, users), fw.domain), s.Stranger())
	for _, r := range slices.Concat(fw.after.Rules[fw.Family.NAT()], fw.after.Rules[fw.Menu]) {
		c := fw.space.Rule(&r)
		local, _ := c.Condition("dst-address-type")
		sends := local.Value == "local" && !local.Negated && r.Chain() == "dstnat"
		state, _ := c.Condition("connection-nat-state")
		lets := state.Test == firewall.NATStates{Dst: true} && !state.Negated && fw.namesHost(c)
		mark, _ := r.Mark()
		if !fw.isOurs(&r) || r.Chain() != "dstnat" && !fw.isBehind(&r) || slices.Contains([]string{"jump", "return"}, r.Action()) || sends || lets {
			continue
		}
		fw.fail(Failure{
			Promise: OnlyByKnock, Risk: CutOff, After: n,
			What:   fmt.Sprintf("the rule %s would decide about packets that belong to no forward of the plan", mark.Slot),
			Remedy: "this is a bug in rosknock: please report it",
		})
	}
}

// namesHost reports whether a rule matches the host of one of the forwards, as destination or as
// the source of answers.
func (fw forwards) namesHost(r *firewall.Rule) bool {
	return slices.ContainsFunc(fw.Forwarding.Forwards, func(one compile.Forward) bool {
		host := routeros.AddressRange{First: one.To, Last: one.To}
		to, not, _ := r.Addresses(firewall.Destination)
		from, nor, _ := r.Addresses(firewall.Source)
		return to == host && !not || from == host && !nor
	})
}

// checkUsable checks that each source that may use a forward reaches it from at least one
// interface, by the list that allows it alone, without the help of another list.
func (fw forwards) checkUsable(n int, one compile.Forward) {
	s := fw.space
	who := fw.guests()
	for _, list := range one.Trusted {
		who = append(who, guest{"the list " + list, s.Listed(fw.after, list)})
	}
	asked := s.And(s.And(traffic.Packets(s, fw.nat, []traffic.Match{one.Outer()}), fw.domain), s.States(firewall.New))
	for _, who := range fw.alone(who) {
		alone := s.And(asked, who.packets)
		if e, ok := s.Pick(alone); ok && s.And(alone, fw.packetsReaching(n, one)).Empty() {
			fw.fail(Failure{
				Promise: NotVoid, Risk: VoidRule, After: n,
				What:   fmt.Sprintf("%s would not reach the forward %s: %s is stopped by %s", who.name, one.Name, fw.describe(e.Packet), decidedBy(s.Replay(fw.after, e))),
				Remedy: "move that rule, or name another port for the forward",
			})
		}
	}
}

// packetsReaching are the packets that reach a forward's host and port in a state.
func (fw forwards) packetsReaching(n int, one compile.Forward) space.Set {
	s := fw.space
	number, _ := routeros.ParseProtocol(one.Protocol)
	there := s.And(s.Sent(fw.results[n], one.To, one.ToPort), s.Protocol(number))
	return s.And(s.And(there, fw.results[n].Forwarded), fw.domain)
}

// packetsOfVisitors are the packets of those who may reach the host and port of a forward, by this
// forward or by another one to the same place.
func (fw forwards) packetsOfVisitors(one compile.Forward) space.Set {
	var out space.Set
	for _, other := range fw.Forwarding.Forwards {
		if other.Protocol == one.Protocol && other.To == one.To && other.ToPort == one.ToPort {
			out = fw.space.Or(out, fw.packetsOfUsers(other))
		}
	}
	if fw.Bogons == nil {
		return out
	}
	known := fw.space.Or(fw.space.Listed(fw.after, compile.AllowList(fw.want.Plan)), fw.space.States(firewall.Established, firewall.Related))
	known = fw.space.Or(known, fw.want.Allowed.Set(fw.space, fw.after))
	return fw.space.Minus(out, fw.space.Minus(fw.packetsForged(), known)) // a forged source is not trusted
}

// packetsOfUsers are the packets of those who may use a forward.
func (fw forwards) packetsOfUsers(one compile.Forward) space.Set {
	s := fw.space
	out := s.Or(s.States(firewall.Established, firewall.Related), s.Listed(fw.after, compile.AllowList(fw.want.Plan)))
	for _, list := range one.Trusted {
		out = s.Or(out, s.Listed(fw.after, list))
	}
	return s.Or(out, fw.want.Allowed.Set(s, fw.after))
}

// checkRemoval checks what is forwarded again once the plan is removed: it is reported, and has to
// be accepted by name. And no intermediate state forwards a source that is forwarded neither
// before nor after.
func (fw forwards) checkRemoval(remedy string) {
	if !fw.hasForwards() {
		return
	}
	s, last := fw.space, len(fw.states)-1
	before := s.NotIn(fw.results[0].Forwarded, fw.unfilledLists()...)
	end := s.And(s.Minus(fw.results[last].Forwarded, before), fw.domain)
	removal{fw.family}.add("a service behind the router", s.And(end, s.States(firewall.New)))
	fw.checkEmpty(Failure{
		Promise: NoExposure, Risk: Exposure, After: last,
		What: "without the plan, other rules forward again to a host that it protected", Remedy: remedy,
	}, "is forwarded by", end, s.Stranger())
	for n := 1; n < last; n++ {
		fw.checkEmpty(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   fw.state(n) + " a packet would be forwarded that is forwarded neither before nor after the change",
			Remedy: remedy,
		}, "is forwarded by", s.And(s.Minus(s.Minus(fw.results[n].Forwarded, before), fw.results[last].Forwarded), fw.domain), s.Stranger())
	}
}
