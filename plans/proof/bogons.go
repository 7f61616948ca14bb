package proof

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// bogons is a family whose plan takes some sources for forged.
type bogons struct{ *family }

// check checks that a forged packet gets no source into a list of a door. It reaches nothing that
// is gated, and nothing because its source is trusted, unless the allow-list lets it in. The rules
// against forged packets stop their knocks and nothing else.
func (b bogons) check() {
	if b.Bogons == nil {
		return
	}
	s := b.space
	suspects := s.And(b.packetsForged(), b.domain)
	for _, d := range b.Doors {
		for _, fill := range b.final().Fills {
			of := fill.List == d.Trusted || slices.Contains(d.StageLists, fill.List) || d.Quarantine != nil && fill.List == d.Quarantine.List && b.isOurs(fill.Rule)
			if !fill.Source || !of {
				continue
			}
			b.checkEmptyMasked(s.And(fill.Packets, suspects), Failure{
				Risk: Forged, What: fmt.Sprintf("door %s: a forged source would get into the list %s by %s", d.Name, fill.List, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
	known := s.Or(s.Listed(b.after, compile.AllowList(b.want.Plan)), s.States(firewall.Established, firewall.Related))
	known = s.Or(known, b.want.Allowed.Set(s, b.after))
	reach := s.And(s.Minus(suspects, known), traffic.Packets(s, b.nat, traffic.Shut(b.Gate)))
	b.checkEmptyMasked(s.And(reach, b.final().Accepted), Failure{
		Risk: Forged, What: "a forged source would reach a gated service", Remedy: "move the rule that accepts it below, or narrow it",
	})
	b.checkAccepts(s.Minus(suspects, known))
	b.checkDrops(suspects)
}

// checkAccepts checks that no rule of the plan accepts a forged packet.
func (b bogons) checkAccepts(suspects space.Set) {
	rows := b.after.Rules[b.Menu]
	for _, i := range b.finalOwn() {
		if rows[i].Action() == "accept" {
			b.checkEmptyMasked(b.space.And(b.final().Hits(b.Menu, i), suspects), Failure{
				Risk: Forged, What: "a forged source would be let in by " + rows[i].Describe(), Remedy: "this is a bug in rosknock: please report it",
			})
		}
	}
}

// checkDrops checks that, except for the gate's, the plan's drops stop nothing but forged knocks.
// And only forged sources lose their trust: a packet that returns from the chain of a door's
// trusted sources is forged, or goes where the door doesn't lead.
func (b bogons) checkDrops(suspects space.Set) {
	s := b.space
	stopped, left := s.And(suspects, b.packetsOfDoors()), space.Set{}
	gated := traffic.Packets(s, b.nat, b.Dropped())
	rows := b.after.Rules[b.Menu]
	for _, i := range b.finalOwn() {
		if b.isBehind(&rows[i]) {
			continue
		}
		hits := s.And(b.final().Hits(b.Menu, i), b.domain)
		switch mark, _ := rows[i].Mark(); {
		case rows[i].Action() == "drop" && change.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, stopped))
		case rows[i].Action() == "drop":
			left = s.Or(left, s.Minus(hits, gated))
		case rows[i].Action() == "return" && change.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, suspects))
		}
	}
	b.checkEmptyMasked(left, Failure{
		Risk: CutOff, What: "a packet that is not forged would be treated as forged", Remedy: "remove foreign entries from the list " + b.Bogons.List,
	})
}
