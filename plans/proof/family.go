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

// family is the packets of one family, followed through every state: what each check looks at. The
// checks of one story are the methods of a type of their own, such as gate, which holds the family.
type family struct {
	*prover
	compile.Table
	space   *space.Space
	results []space.Result // of each state
	nat     space.Result   // what destination NAT does, which no step changes
	after   routeros.Snapshot
	domain  space.Set   // packets that can arrive
	opened  space.Set   // what the plan opens, and to whom
	doors   []space.Set // what each door opens
	own     [][]int     // where the plan's rules stand in the filter of each state
	sent    space.Set   // packets that the plan's rules forwarded before, or dropped since they would
}

// final is what the last state does.
func (fam *family) final() space.Result { return fam.results[len(fam.results)-1] }

// finalOwn are the positions of the plan's rules in the filter of the last state.
func (fam *family) finalOwn() []int { return fam.own[len(fam.own)-1] }

// checkFamily shows the promises about the packets of one family.
func (p *prover) checkFamily(t compile.Table) {
	fam := p.walk(t)
	operators{fam}.check()
	tunnels{operators{fam}}.check()
	tunnels{operators{fam}}.count()
	gate{fam}.checkShut()
	newTrial(fam).check()
	overrides{fam}.check()
	gate{fam}.checkReached()
	gate{fam}.checkAllowed()
	gate{fam}.checkExposure()
	bogons{fam}.check()
	gate{fam}.checkOwnDrops()
	forwards{fam}.check()
	fam.checkDoors()
	fam.checkFollowed("simplify the chains that input jumps to, and forward where the plan has forwards, or name a place above them with firewall.place")
}

// walk follows the packets of one family through every state.
func (p *prover) walk(t compile.Table) *family {
	fam := &family{prover: p, Table: t, after: p.states[len(p.states)-1]}
	fam.space = space.New(t.Family, p.cuts(t), p.states...)
	fam.nat = traffic.Translated(fam.space, fam.after)
	// Without tracking there would be no established and no new; where tracking is on, packets
	// become untracked by rules only.
	fam.domain = fam.space.Minus(fam.space.All(), fam.space.States(firewall.Untracked))
	fam.opened = fam.packetsOpened()
	fam.own = p.ownRules(fam.Menu)
	relevant := scope{fam}.packets()
	for _, s := range p.states {
		fam.results = append(fam.results, fam.space.Walk(s, relevant...))
	}
	fam.sent = fam.packetsSentBefore()
	p.proof.Classes += fam.space.Classes()
	return fam
}

// cuts are the boundaries that the plan itself knows.
func (p *prover) cuts(t compile.Table) space.Cuts {
	c := space.Cuts{Open: true, Asked: p.want.Allowed.AddressLists}
	for _, a := range p.session.Operators {
		c.Sources = append(c.Sources, routeros.AddressRange{First: a, Last: a})
	}
	for _, peer := range p.carried() {
		c.Sources = append(c.Sources, routeros.AddressRange{First: peer.Endpoint, Last: peer.Endpoint})
		for _, m := range p.outerMatches(peer) {
			c.Ports = append(c.Ports, m.Ports...)
		}
	}
	if t.Bogons != nil {
		c.Apart = t.Bogons.Ranges
	}
	matches := slices.Concat(t.Gate, t.Forwarding.Outer)
	for _, one := range t.Forwarding.Forwards {
		c.Ports = append(c.Ports, routeros.PortRange{First: one.ToPort, Last: one.ToPort})
	}
	for _, d := range t.Doors {
		matches = append(matches, d.Opens...)
		c.Lists = append(c.Lists, d.LetIn()...)
		if d.Quarantine != nil {
			c.Lists = slices.Concat(c.Lists, d.StageLists, []string{d.Quarantine.List})
		}
		for _, stage := range append(slices.Clone(d.Knock), d.Decoys()...) {
			c.Ports = append(c.Ports, routeros.PortRange{First: stage.Port, Last: stage.Port})
			c.Sizes = append(c.Sizes, int(stage.Size))
		}
	}
	for _, m := range matches {
		c.Ports = append(c.Ports, m.Ports...)
	}
	return c
}

// checkFollowed checks that all packets could be followed.
func (fam *family) checkFollowed(remedy string) {
	incomplete := slices.ContainsFunc(fam.results, func(r space.Result) bool { return r.Incomplete || r.Astray && fam.hasForwards() })
	if !fam.space.Complete() || incomplete {
		fam.fail(Failure{
			Promise: NoExposure, Risk: Undecidable, After: len(fam.changes.Steps),
			What:   fmt.Sprintf("the router's %s rules are too complex to follow, or their chains jump in circles", fam.Family),
			Remedy: remedy,
		})
	}
}

// checkEmpty records a failure if a set holds a packet. It adds the packet, its verdict and the
// deciding rule to the text. The text is never used as a format: it may hold anything that a router
// or an address contains.
func (fam *family) checkEmpty(which Failure, how string, set space.Set, wishes ...space.Set) {
	e, ok := fam.space.Pick(set, wishes...)
	if !ok {
		return
	}
	was, is := fam.space.Replay(fam.before, e), fam.space.Replay(fam.states[which.After], e)
	which.Packets, which.Was, which.Is = []Packet{{e, fam.isSecret(e.Packet)}}, &was, &is
	which.What += fmt.Sprintf(": %s %s %s", fam.describe(e.Packet), how, decidedBy(is))
	if which.Risk == Exposure && !fam.want.Removes && was.Rule != nil && fam.isOurs(was.Rule) && was.Verdict != firewall.Accept {
		which.Remedy = "keep it under gate until nothing listens there"
	}
	fam.fail(which)
}

// checkEmptyMasked is checkEmpty for the final state and packets that may be part of a knock: the
// text does not tell their port.
func (fam *family) checkEmptyMasked(set space.Set, failure Failure) {
	e, ok := fam.space.Pick(set, fam.space.Stranger())
	if !ok {
		return
	}
	failure.Promise, failure.After = OnlyByKnock, len(fam.states)-1
	failure.Packets = []Packet{{e, true}}
	failure.What += ": " + maskedPacket(e.Packet)
	fam.fail(failure)
}

// describe names a packet, without its port if that is part of a knock: these texts end up in logs.
func (fam *family) describe(p firewall.Packet) string {
	if fam.isSecret(p) {
		return maskedPacket(p)
	}
	return p.String()
}

// isSecret reports whether a packet is a stage of a door, of this plan or of another one on the
// router.
func (fam *family) isSecret(p firewall.Packet) bool {
	for i := range fam.after.Rules[fam.Menu] {
		r := &fam.after.Rules[fam.Menu][i]
		if mark, ok := r.Mark(); ok && routeros.TellsKnock(mark.Slot) {
			if ports, asks := fam.space.Rule(r).Ports(); asks && ports.Contains(p.DstPort) {
				return true
			}
		}
	}
	for _, d := range fam.Doors {
		for _, stage := range append(slices.Clone(d.Knock), d.Decoys()...) {
			if stage.Port != 0 && stage.Port == p.DstPort || stage.Protocol == "icmp" && int(stage.Size) == p.Size && p.DstPort == 0 {
				return true
			}
		}
	}
	return false
}

// maskedPacket describes a packet without its port, which may be one of a knock.
func maskedPacket(p firewall.Packet) string {
	return fmt.Sprintf("a packet of %s on %s", routeros.ProtocolName(p.Protocol), p.InInterface)
}

// decidedBy names the rule that decides about a packet.
func decidedBy(d firewall.Disposition) string {
	if d.Rule == nil {
		return "no rule at all, which accepts"
	}
	return fmt.Sprintf("%s %s", d.Table, d.Rule.Describe())
}

// eachRule calls do for each enabled rule of a family, in the order in which packets meet the
// tables.
func eachRule(s routeros.Snapshot, family routeros.Family, do func(routeros.Menu, *routeros.Rule)) {
	for _, menu := range []routeros.Menu{family.Raw(), family.NAT(), family.Filter()} {
		rows := s.Rules[menu]
		for i := range rows {
			if !rows[i].Disabled() {
				do(menu, &rows[i])
			}
		}
	}
}
