package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// gate is the services that the plan shuts, and what it opens of them.
type gate struct{ *family }

// checkShut checks that in the end gated services are reached only by sources to which the plan
// opens them.
func (g gate) checkShut() {
	s := g.space
	n := len(g.states) - 1
	gated := traffic.Packets(s, g.nat, g.Dropped())
	reached := s.And(s.And(gated, s.States(firewall.New)), g.results[n].Accepted)
	g.checkEmpty(Failure{
		Promise: OnlyByKnock, Risk: OpenGate, After: n,
		What:   "a stranger would still reach a gated service",
		Remedy: "move that rule below, narrow it, or name the place with firewall.place",
	}, "is accepted by", s.Minus(reached, g.packetsOpenedIn(n)), s.Stranger())
}

// checkExposure checks that in no state a source reaches what it could not reach before, unless the
// plan opens it to that source.
func (g gate) checkExposure() {
	s := g.space
	if len(g.states) == 1 {
		return // nothing changes
	}
	// A source that can get into a list only now was not in it before.
	before := s.And(s.NotIn(g.results[0].Accepted, g.unfilledLists()...), g.domain)
	for n := 1; n < len(g.states); n++ {
		fresh := s.And(s.Minus(s.Minus(s.Minus(g.results[n].Accepted, before), g.packetsOpenedIn(n)), s.Or(g.packetsToLeftPorts(n), g.packetsNoLongerSent(n))), g.domain)
		g.checkEmpty(Failure{
			Promise: NoExposure, Risk: Exposure, After: n,
			What:   g.state(n) + " a packet would be accepted that was not accepted before",
			Remedy: "name another place with firewall.place, or narrow the rule that accepts it",
		}, "is accepted by", fresh, s.Stranger())
		services{g.family}.checkExposure(n, "put the service under gate, or limit it with services.from")
	}
}

// checkOwnDrops checks that the plan's own rules stop nothing that the plan does not shut.
func (g gate) checkOwnDrops() {
	s := g.space
	if len(g.states) == 1 {
		return // nothing changes
	}
	gated := traffic.Packets(s, g.nat, g.Dropped())
	for n := 1; n < len(g.states); n++ {
		var stopped space.Set
		rows := g.states[n].Rules[g.Menu]
		for _, i := range g.own[n] {
			if rows[i].Action() == "drop" {
				stopped = s.Or(stopped, g.results[n].Hits(g.Menu, i))
			}
		}
		gone := s.Minus(s.Minus(s.And(s.And(stopped, g.results[0].Accepted), g.domain), gated), g.packetsToLeftPorts(n))
		gone = s.Minus(gone, s.And(g.packetsForged(), g.packetsOfDoors()))
		g.checkEmpty(Failure{
			Promise: OnlyByKnock, Risk: CutOff, After: n,
			What:   g.state(n) + " a packet would be stopped that the plan does not shut",
			Remedy: "name it under gate if that is what you want",
		}, "is stopped by", gone, s.Stranger())
	}
}

// checkAllowed checks that the allow-list reaches everything that is gated or opened, from at least
// one interface.
func (g gate) checkAllowed() {
	s := g.space
	reach := slices.Clone(g.Gate)
	for _, d := range g.Doors {
		reach = append(reach, d.Opens...)
	}
	for _, one := range g.alone(g.guests()) {
		for _, m := range reach {
			asked := s.And(s.And(traffic.Packets(s, g.nat, []traffic.Match{m}), s.And(one.packets, s.Stranger())), s.And(g.domain, s.States(firewall.New)))
			if m.Protocol == "" {
				asked = s.And(asked, g.packetsSampled())
			}
			if seen := s.Minus(asked, s.Unseen()); !s.And(seen, s.All()).Empty() {
				asked = seen
			}
			if !s.And(asked, g.results[len(g.results)-1].Accepted).Empty() {
				continue
			}
			if e, ok := s.Pick(asked); ok {
				g.fail(Failure{
					Promise: NotVoid, Risk: VoidRule, After: len(g.states) - 1,
					What:   fmt.Sprintf("%s would not let anybody in: %s is stopped by %s", one.name, g.describe(e.Packet), decidedBy(s.Replay(g.after, e))),
					Remedy: "move that rule, or name another place with firewall.place",
				})
			}
		}
	}
}

// checkReached checks that some packet meets each rule of the plan.
func (g gate) checkReached() {
	n := len(g.states) - 1
	if !g.proof.Kept(NotVoid) || !g.proof.Kept(OnlyByKnock) {
		return // a door that does not open, or a gate that does not shut, is a better message
	}
	for _, menu := range []routeros.Menu{g.Menu, g.Family.NAT()} {
		rows := g.after.Rules[menu]
		for i := range rows {
			mark, ok := rows[i].Mark()
			if !g.isOurs(&rows[i]) || !ok || rows[i].Disabled() || mayBeVoid(mark.Slot) || !g.space.And(g.results[n].Hits(menu, i), g.domain).Empty() {
				continue
			}
			g.fail(Failure{
				Promise: NotVoid, Risk: VoidRule, After: n,
				What:   fmt.Sprintf("no packet would ever reach the rule %s%s", mark.Slot, g.decidedEarlier(menu, i)),
				Remedy: "move that rule, or name another place with firewall.place",
			})
		}
	}
}

// mayBeVoid reports whether a rule may be without packets: an interface list or an allow-list may
// be empty, and if only the plan forwards to a host, no other packet meets the drop for that host.
func mayBeVoid(slot string) bool {
	starts := func(kind string) bool { return strings.HasPrefix(slot, kind) }
	return slices.ContainsFunc([]string{"allow/", "established", "gate/forward", "jump-forward"}, starts) || strings.Contains(slot, "/spare-")
}

// decidedEarlier says which earlier rule decides about all packets of a rule.
func (g gate) decidedEarlier(menu routeros.Menu, row int) string {
	r := &g.after.Rules[menu][row]
	if g.isBehind(r) {
		return "" // packets get a new destination on the way there
	}
	meant := g.space.And(g.space.And(g.space.Asks(g.after, menu, r), g.domain), g.space.States(firewall.New))
	e, ok := g.space.Pick(meant, g.space.Stranger())
	if !ok {
		return ": its conditions can never be met"
	}
	return fmt.Sprintf(": %s is decided earlier by %s", maskedPacket(e.Packet), decidedBy(g.space.Replay(g.after, e)))
}
