package proof

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// suspects returns the packets whose source is taken for forged where they arrive: by what the plan says, not by what stands in the list.
func (f *table) suspects() space.Set {
	if f.Bogons == nil {
		return space.Set{}
	}
	s := f.space
	var sources, interfaces space.Set
	for _, r := range f.Bogons.Ranges {
		sources = s.Or(sources, s.Sources(r))
	}
	for _, list := range f.Bogons.InterfaceLists {
		interfaces = s.Or(interfaces, s.InList(list))
	}
	return s.And(sources, interfaces)
}

// played are the packets that are a stage or a decoy of some door.
func (f *table) played() space.Set {
	var out space.Set
	for _, d := range f.Doors {
		for _, set := range slices.Concat(f.stages(d), f.packets(d.Decoys())) {
			out = f.space.Or(out, set)
		}
	}
	return out
}

// forged: what is taken for forged gets no source into a list of a door, reaches nothing that is gated and nothing by the trust in its
// source, unless the allow-list lets it in; and the rules for it stop its knocks and nothing else.
func (f *table) forged(final space.Result) {
	if f.Bogons == nil {
		return
	}
	s := f.space
	suspects := s.And(f.suspects(), f.domain)
	for _, d := range f.Doors {
		for _, fill := range final.Fills {
			of := fill.List == d.Trusted || slices.Contains(d.StageLists, fill.List) || d.Quarantine != nil && fill.List == d.Quarantine.List && f.ours(fill.Rule)
			if !fill.Source || !of {
				continue
			}
			f.wrong(s.And(fill.Packets, suspects), Failure{
				Risk: Forged, What: fmt.Sprintf("door %s: a forged source would get into the list %s by %s", d.Name, fill.List, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
	known := s.Or(s.Listed(f.after, compile.AllowList(f.want.Plan)), s.States(firewall.Established, firewall.Related))
	for _, list := range f.want.AllowInterfaces {
		known = s.Or(known, s.InList(list))
	}
	reach := s.And(s.Minus(suspects, known), compile.Packets(s, f.nat, compile.Shut(f.Gate)))
	f.wrong(s.And(reach, final.Accepted), Failure{
		Risk: Forged, What: "what the gate shuts would be reached from a forged source", Remedy: "move the rule that accepts it below, or narrow it",
	})
	f.believed(final, s.Minus(suspects, known))
	f.overdone(final, suspects)
}

// believed: none of the plan's rules accepts what is taken for forged.
func (f *table) believed(final space.Result, suspects space.Set) {
	rows := f.after.Rules[f.Menu]
	for i := range rows {
		if f.ours(&rows[i]) && rows[i].Action() == "accept" {
			f.wrong(f.space.And(final.Hits(f.Menu, i), suspects), Failure{
				Risk: Forged, What: "a forged source would be let in by " + rows[i].Describe(), Remedy: "this is a mistake of rosknock: please report it",
			})
		}
	}
}

// overdone: of the plan's drops, those besides the gate's stop nothing but knocks that are taken for forged. And trust is kept from nobody
// else: whoever comes back from the chain of those whom a door trusts is forged, or goes where the door doesn't lead.
func (f *table) overdone(final space.Result, suspects space.Set) {
	s := f.space
	stopped, left := s.And(suspects, f.played()), space.Set{}
	gated := compile.Packets(s, f.nat, f.Dropped())
	rows := f.after.Rules[f.Menu]
	for i := range rows {
		if !f.ours(&rows[i]) || f.behind(&rows[i]) {
			continue
		}
		hits := s.And(final.Hits(f.Menu, i), f.domain)
		switch mark, _ := rows[i].Mark(); {
		case rows[i].Action() == "drop" && compile.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, stopped))
		case rows[i].Action() == "drop":
			left = s.Or(left, s.Minus(hits, gated))
		case rows[i].Action() == "return" && compile.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, suspects))
		}
	}
	f.wrong(left, Failure{
		Risk: CutOff, What: "a packet that is not forged would be taken for it", Remedy: "take foreign entries out of the list " + f.Bogons.List,
	})
}

// forgedOperator: an operator whose own packets would be taken for forged is told so, since no door would open to him any more.
func (f *table) forgedOperator(operator netip.Addr, flow space.Set) {
	s := f.space
	flow = s.And(flow, s.States(firewall.New)) // what runs goes on, and says nothing of the side it came from
	flow = s.And(s.Minus(flow, s.Listed(f.after, compile.AllowList(f.want.Plan))), s.And(f.suspects(), f.results[0].Accepted))
	f.broken(Failure{
		Promise: KeepOperator, Risk: LoseSession, After: len(f.states) - 1,
		What:   fmt.Sprintf("this session's own source %s would be taken for forged, and no door would open to it any more", operator),
		Remedy: "put it under firewall.bogons.except, or under allow.addresses",
	}, "is accepted by", s.And(flow, f.memberships(operator)))
}
