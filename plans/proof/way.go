package proof

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Way shows what has to hold while a change is undone, even back to a router without a plan: the
// operator stays in, and nothing foreign changes. Afterwards, the reachability is as it was before
// the change. What this opens is reported and never refused: an undo must be possible when
// something has failed. The router is in its present state; original is its state before the
// change. If a single packet does not decide a rule, its effect on the operator's packets was
// already unknown before the change. It is no worse after the undo, so it is no reason to refuse.
func Way(now, original routeros.Snapshot, plan string, changes change.ChangeSet, session change.Management) Proof {
	p := newProver(now, compile.Removal(plan, now), changes, session)
	if p.misfit() {
		return p.proof
	}
	for _, which := range []Promise{NoExposure, OnlyByKnock, NotVoid} {
		p.unasked(which, "the undo restores the state before the change; what this opens is listed")
	}
	p.foreign()
	p.doubtful = p.stillTheirs(original)
	for _, t := range p.want.Tables {
		f := p.walk(t)
		f.operator()
		f.tunnels()
		f.openings(f.space.And(f.fresh(len(f.states)-1), f.space.Stranger()))
	}
	return p.proof
}

// theirs are the rules of a state that are not the plan's.
func (p *prover) theirs(s routeros.Snapshot) map[routeros.Menu][]routeros.Rule {
	out := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range s.Rules {
		out[menu] = slices.DeleteFunc(slices.Clone(rows), func(r routeros.Rule) bool { return p.ours(&r) })
	}
	return out
}

// stillTheirs are those that existed before and are unchanged.
func (p *prover) stillTheirs(original routeros.Snapshot) map[routeros.Menu][]routeros.Rule {
	out := p.theirs(original)
	for menu, rows := range out {
		out[menu] = slices.DeleteFunc(rows, func(r routeros.Rule) bool {
			return !slices.ContainsFunc(p.before.Rules[menu], func(o routeros.Rule) bool { return o.ID == r.ID && o.SameMeaning(r) })
		})
	}
	return out
}

// owed are the packets that have to be accepted during the undo wherever they are accepted now. If
// the original router's verdict about a packet can't be decided, the undo owes no more for it than
// that router did.
func (f *table) owed() space.Set {
	s, now, end := f.space, f.results[0].Accepted, f.results[len(f.results)-1].Accepted
	if len(f.doubtful) == 0 {
		return now
	}
	return s.And(now, s.Or(end, s.Minus(s.All(), s.SometimesBy(end, f.doubtful))))
}

// doubt says which rule may finally stop packets of the operator that are accepted now and are owed
// nothing.
func (f *table) doubt(flow, owed space.Set) {
	s := f.space
	e, ok := s.Pick(s.And(flow, s.Minus(f.results[0].Accepted, owed)))
	if !ok {
		return
	}
	note := fmt.Sprintf("%s may stop packets of this session in the end, as it could before: a single packet does not decide that", decidedBy(s.Replay(f.after, e)))
	if !slices.Contains(f.proof.Notes, note) {
		f.proof.Notes = append(f.proof.Notes, note)
	}
}
