package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// quarantine: what a door with a quarantine promises in addition. A source in quarantine gets no
// further. A source that touches a decoy, or a stage out of order, gets into it, and no other
// source does. It outlasts everything that the stages remember, so a source that leaves it is at
// the start.
func (f *table) quarantine(d compile.Door, final space.Result) {
	q := d.Quarantine
	if q == nil {
		return
	}
	s := f.space
	inside := s.And(s.Listed(f.after, q.List), f.domain)
	var seized space.Set
	for _, fill := range final.Fills {
		switch {
		case !fill.Source:
		case fill.List == q.List && f.ours(fill.Rule):
			seized = s.Or(seized, s.And(fill.Packets, f.domain))
		case fill.List == d.Trusted || slices.Contains(d.StageLists, fill.List):
			f.wrong(s.And(fill.Packets, inside), Failure{
				Risk:   OtherWay,
				What:   fmt.Sprintf("door %s: a source in quarantine would get into the list %s by %s", d.Name, fill.List, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
	due := f.due(d, final)
	f.wrong(s.Minus(due, seized), Failure{
		Risk: OtherWay, What: fmt.Sprintf("door %s: a wrong knock would not be quarantined", d.Name), Remedy: "this is a bug in rosknock: please report it",
	})
	f.wrong(s.Minus(seized, due), Failure{
		Risk: CutOff, What: fmt.Sprintf("door %s: a source without a wrong knock would be quarantined", d.Name), Remedy: "this is a bug in rosknock: please report it",
	})
	f.lasts(d)
}

// due are the packets that have to get their source into a door's quarantine: of those that arrive
// at the door's stages the ones to a stage from a source that is not in the list of the stage
// before, and those to decoys; but none of the trusted or of the allow-list.
func (f *table) due(d compile.Door, final space.Result) space.Set {
	s := f.space
	var touched space.Set
	for _, decoy := range f.packets(d.Quarantine.Decoys) {
		touched = s.Or(touched, decoy)
	}
	for i, stage := range f.stages(d) {
		if i > 0 && d.Quarantine.Turns {
			touched = s.Or(touched, s.Minus(stage, s.Listed(f.after, d.StageLists[i-1])))
		}
	}
	spared := s.Or(s.Listed(f.after, d.Trusted), s.Listed(f.after, compile.AllowList(f.want.Plan)))
	spared = s.Or(spared, f.want.Allowed.Set(s, f.after))
	return s.Minus(s.And(s.And(touched, f.arriving(d, final)), f.domain), spared)
}

// arriving are the packets that reach a door's stages: those that the plan's jumps send into their
// chain.
func (f *table) arriving(d compile.Door, final space.Result) space.Set {
	chains := map[string]bool{}
	rows := f.after.Rules[f.Menu]
	for i := range rows {
		if mark, _ := rows[i].Mark(); f.ours(&rows[i]) && strings.HasPrefix(mark.Slot, d.Name+"/stage-") {
			chains[rows[i].Chain()] = true
		}
	}
	var out space.Set
	for i := range rows {
		if f.ours(&rows[i]) && rows[i].Action() == "jump" && chains[rows[i].Attrs.Get("jump-target")] {
			out = f.space.Or(out, final.Hits(f.Menu, i))
		}
	}
	return out
}

// lasts: no rule releases a source before the stages have forgotten it, and ours keep it for as
// long as the plan says. Adding an entry again sets its time-out anew, so every rule counts,
// wherever it is.
func (f *table) lasts(d compile.Door) {
	q := d.Quarantine
	eachRule(f.after, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if r.Attrs.Get("address-list") != q.List || !strings.HasPrefix(r.Action(), "add-") {
			return
		}
		timeout, err := routeros.ParseListTimeout(r.Attrs.Get("address-list-timeout"))
		want := routeros.ListTimeout{Kind: routeros.Timed, For: q.For}
		if err == nil && !longer(want, timeout) && (timeout == want || !f.ours(r)) && q.For > d.StageTimeout {
			return
		}
		f.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(f.states) - 1,
			What:   fmt.Sprintf("door %s: a quarantine would last for %s instead of %s, by %s %s", d.Name, timeout, want, menu, r.Describe()),
			Remedy: "remove that rule, or give the door lists of its own with stage-lists",
		})
	})
}

// wrong records a broken promise about a door in the end, if there is a packet that breaks it.
func (f *table) wrong(set space.Set, failure Failure) {
	e, ok := f.space.Pick(set, f.space.Stranger())
	if !ok {
		return
	}
	failure.Promise, failure.After = OnlyByKnock, len(f.states)-1
	failure.Packets = []Packet{{e, true}}
	failure.What += ": " + maskedPacket(e.Packet)
	f.fail(failure)
}
