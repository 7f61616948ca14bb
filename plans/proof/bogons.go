package proof

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// suspects returns the packets whose source counts as forged on the interface where they arrive: by
// the plan, not by the entries of the list.
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

// forged: a forged packet gets no source into a list of a door. It reaches nothing that is gated,
// and nothing because its source is trusted, unless the allow-list lets it in. The rules against
// forged packets stop their knocks and nothing else.
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
	known = s.Or(known, f.want.Allowed.Set(s, f.after))
	reach := s.And(s.Minus(suspects, known), traffic.Packets(s, f.nat, traffic.Shut(f.Gate)))
	f.wrong(s.And(reach, final.Accepted), Failure{
		Risk: Forged, What: "a forged source would reach a gated service", Remedy: "move the rule that accepts it below, or narrow it",
	})
	f.believed(final, s.Minus(suspects, known))
	f.overdone(final, suspects)
}

// believed: no rule of the plan accepts a forged packet.
func (f *table) believed(final space.Result, suspects space.Set) {
	rows := f.after.Rules[f.Menu]
	for i := range rows {
		if f.ours(&rows[i]) && rows[i].Action() == "accept" {
			f.wrong(f.space.And(final.Hits(f.Menu, i), suspects), Failure{
				Risk: Forged, What: "a forged source would be let in by " + rows[i].Describe(), Remedy: "this is a bug in rosknock: please report it",
			})
		}
	}
}

// overdone: except for the gate's, the plan's drops stop nothing but forged knocks. And only forged
// sources lose their trust: a packet that returns from the chain of a door's trusted sources is
// forged, or goes where the door doesn't lead.
func (f *table) overdone(final space.Result, suspects space.Set) {
	s := f.space
	stopped, left := s.And(suspects, f.played()), space.Set{}
	gated := traffic.Packets(s, f.nat, f.Dropped())
	rows := f.after.Rules[f.Menu]
	for i := range rows {
		if !f.ours(&rows[i]) || f.behind(&rows[i]) {
			continue
		}
		hits := s.And(final.Hits(f.Menu, i), f.domain)
		switch mark, _ := rows[i].Mark(); {
		case rows[i].Action() == "drop" && change.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, stopped))
		case rows[i].Action() == "drop":
			left = s.Or(left, s.Minus(hits, gated))
		case rows[i].Action() == "return" && change.IsForged(mark.Slot):
			left = s.Or(left, s.Minus(hits, suspects))
		}
	}
	f.wrong(left, Failure{
		Risk: CutOff, What: "a packet that is not forged would be treated as forged", Remedy: "remove foreign entries from the list " + f.Bogons.List,
	})
}

// forgedOperator: reports an operator whose own packets would count as forged, since no door would
// open to them any more.
func (f *table) forgedOperator(operator netip.Addr, flow space.Set) {
	s := f.space
	flow = s.And(flow, s.States(firewall.New)) // running connections continue, and don't show on which interface they began
	flow = s.And(s.Minus(flow, s.Listed(f.after, compile.AllowList(f.want.Plan))), s.And(f.suspects(), f.results[0].Accepted))
	f.broken(Failure{
		Promise: KeepOperator, Risk: LoseSession, After: len(f.states) - 1,
		What:   fmt.Sprintf("this session's own source %s would be treated as forged, and no door would open to it any more", operator),
		Remedy: "put it under firewall.bogons.except, or under allow.addresses",
	}, "is accepted by", s.And(flow, f.memberships(operator)))
}
