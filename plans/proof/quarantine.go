package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// quarantine is a door that has one.
type quarantine struct{ door }

// check checks what a door with a quarantine promises in addition. A source in quarantine gets no
// further. A source that touches a decoy, or a stage out of order, gets into it, and no other
// source does. It outlasts everything that the stages remember, so a source that leaves it is at
// the start.
func (q quarantine) check() {
	s := q.space
	inside := s.And(s.Listed(q.after, q.Quarantine.List), q.domain)
	var seized space.Set
	for _, fill := range q.final().Fills {
		switch {
		case !fill.Source:
		case fill.List == q.Quarantine.List && q.isOurs(fill.Rule):
			seized = s.Or(seized, s.And(fill.Packets, q.domain))
		case fill.List == q.Trusted || slices.Contains(q.StageLists, fill.List):
			q.checkEmptyMasked(s.And(fill.Packets, inside), Failure{
				Risk:   OtherWay,
				What:   fmt.Sprintf("door %s: a source in quarantine would get into the list %s by %s", q.Name, fill.List, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
	due := q.packetsDue()
	q.checkEmptyMasked(s.Minus(due, seized), Failure{
		Risk: OtherWay, What: fmt.Sprintf("door %s: a wrong knock would not be quarantined", q.Name), Remedy: "this is a bug in rosknock: please report it",
	})
	q.checkEmptyMasked(s.Minus(seized, due), Failure{
		Risk: CutOff, What: fmt.Sprintf("door %s: a source without a wrong knock would be quarantined", q.Name), Remedy: "this is a bug in rosknock: please report it",
	})
	q.checkLasts()
}

// packetsDue are the packets that have to get their source into a door's quarantine: of those that
// arrive at the door's stages the ones to a stage from a source that is not in the list of the
// stage before, and those to decoys; but none of the trusted or of the allow-list.
func (q quarantine) packetsDue() space.Set {
	s := q.space
	var touched space.Set
	for _, decoy := range q.packetsOfStages(q.Decoys()) {
		touched = s.Or(touched, decoy)
	}
	for i, stage := range q.packetsOfKnock(q.Door) {
		if i > 0 && q.Quarantine.Turns {
			touched = s.Or(touched, s.Minus(stage, s.Listed(q.after, q.StageLists[i-1])))
		}
	}
	spared := s.Or(q.want.Allowed.Set(s, q.after), s.Listed(q.after, compile.AllowList(q.want.Plan)))
	for _, list := range q.LetIn() {
		spared = s.Or(spared, s.Listed(q.after, list))
	}
	return s.Minus(s.And(s.And(touched, q.packetsArriving()), q.domain), spared)
}

// packetsArriving are the packets that reach a door's stages: those that the plan's jumps send into
// their chain.
func (q quarantine) packetsArriving() space.Set {
	chains := map[string]bool{}
	rows := q.after.Rules[q.Menu]
	for _, i := range q.finalOwn() {
		if mark, _ := rows[i].Mark(); strings.HasPrefix(mark.Slot, q.Name+"/stage-") {
			chains[rows[i].Chain()] = true
		}
	}
	var out space.Set
	for _, i := range q.finalOwn() {
		if rows[i].Action() == "jump" && chains[rows[i].Attrs.Get("jump-target")] {
			out = q.space.Or(out, q.final().Hits(q.Menu, i))
		}
	}
	return out
}

// checkLasts checks that no rule releases a source before the stages have forgotten it, and ours
// keep it for as long as the plan says. Adding an entry again sets its time-out anew, so every rule
// counts, wherever it is.
func (q quarantine) checkLasts() {
	eachRule(q.after, q.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if r.Attrs.Get("address-list") != q.Quarantine.List || !strings.HasPrefix(r.Action(), "add-") {
			return
		}
		timeout, err := routeros.ParseListTimeout(r.Attrs.Get("address-list-timeout"))
		want := routeros.ListTimeout{Kind: routeros.Timed, For: q.Quarantine.For}
		if err == nil && !longer(want, timeout) && (timeout == want || !q.isOurs(r)) && q.Quarantine.For > q.StageTimeout {
			return
		}
		q.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(q.states) - 1,
			What:   fmt.Sprintf("door %s: a quarantine would last for %s instead of %s, by %s %s", q.Name, timeout, want, menu, r.Describe()),
			Remedy: "remove that rule, or give the door lists of its own with stage-lists",
		})
	})
}
