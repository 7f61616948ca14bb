package proof

import (
	"fmt"
	"net/netip"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// operators is the packets of the operators of the session.
type operators struct{ *family }

// check checks that wherever the operator's packets, of the running session and of the next login,
// are accepted before, they are accepted in every state, except those that an undo does not owe
// them.
func (o operators) check() {
	service, ok := o.before.Service(o.session.Service)
	if !ok {
		return
	}
	for _, operator := range o.session.Operators {
		if operator.Is4() != (o.Family == routeros.IPv4) {
			continue
		}
		flow := o.packetsOfSession(operator, service.Port)
		if o.space.And(flow, o.space.All()).Empty() {
			o.leaveOut(KeepOperator, fmt.Sprintf("no packet can come from %s", operator))
			continue
		}
		known, owed := o.space.And(flow, o.packetsOfMember(operator)), o.packetsOwed()
		o.noteDoubt(known, owed)
		for n := 1; n < len(o.states); n++ {
			lost := o.space.And(known, o.space.Minus(owed, o.results[n].Accepted))
			o.checkEmpty(Failure{
				Promise: KeepOperator, Risk: LoseSession, After: n,
				What:   fmt.Sprintf("%s this session's own source %s could not reach %s any more", o.state(n), operator, o.session.Service),
				Remedy: o.remedy(),
			}, "is stopped by", lost)
		}
		o.checkNotForged(operator, flow)
	}
}

// remedy says how to let in a source that would be shut out.
func (o operators) remedy() string {
	if o.want.Removes {
		return "accept it with a rule of your own first"
	}
	return "add it to allow.addresses"
}

// packetsOfMember are the packets of sources that are in the lists in which a source is now, and in
// no others.
func (o operators) packetsOfMember(a netip.Addr) space.Set {
	out := o.space.All()
	lists := firewall.NewAddressLists(o.before, o.before.Clock)
	for _, list := range o.space.Lists() {
		if lists.Contains(o.Family, list, a, o.before.Clock) {
			out = o.space.And(out, o.space.Member(list))
		} else {
			out = o.space.Minus(out, o.space.Member(list))
		}
	}
	return out
}

// packetsOwed are the packets that have to be accepted during the undo wherever they are accepted
// now. If the original router's verdict about a packet can't be decided, the undo owes no more for
// it than that router did.
func (o operators) packetsOwed() space.Set {
	s, now, end := o.space, o.results[0].Accepted, o.results[len(o.results)-1].Accepted
	if len(o.doubtful) == 0 {
		return now
	}
	return s.And(now, s.Or(end, s.Minus(s.All(), s.SometimesBy(end, o.doubtful))))
}

// noteDoubt says which rule may finally stop packets of the operator that are accepted now and are
// owed nothing.
func (o operators) noteDoubt(flow, owed space.Set) {
	s := o.space
	e, ok := s.Pick(s.And(flow, s.Minus(o.results[0].Accepted, owed)))
	if !ok {
		return
	}
	o.note(fmt.Sprintf("%s may stop packets of this session in the end, as it could before: a single packet does not decide that", decidedBy(s.Replay(o.after, e))))
}

// checkNotForged reports an operator whose own packets would count as forged, since no door would
// open to them any more.
func (o operators) checkNotForged(operator netip.Addr, flow space.Set) {
	s := o.space
	flow = s.And(flow, s.States(firewall.New)) // running connections continue, and don't show on which interface they began
	flow = s.And(s.Minus(flow, s.Listed(o.after, compile.AllowList(o.want.Plan))), s.And(o.packetsForged(), o.results[0].Accepted))
	o.checkEmpty(Failure{
		Promise: KeepOperator, Risk: LoseSession, After: len(o.states) - 1,
		What:   fmt.Sprintf("this session's own source %s would be treated as forged, and no door would open to it any more", operator),
		Remedy: "put it under firewall.bogons.except, or under allow.addresses",
	}, "is accepted by", s.And(flow, o.packetsOfMember(operator)))
}
