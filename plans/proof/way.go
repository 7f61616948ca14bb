package proof

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Way shows of the way back from a change what has to hold on it, also back to a router without a
// plan: that the operator stays in, and that nothing of others changes. Who reaches what then is as
// it was before the change; what more that is than now is said, and refused by nobody: a way back
// has to be there when things have gone wrong. The router is the one of now, and original what
// there was of it before the change.
//
// Of a rule that no packet settles nobody could say before the change what it does with the
// operator's packets. It is no worse after the way back, so it does not stand in the way.
func Way(now, original routeros.Snapshot, plan string, changes diff.ChangeSet, session diff.Session) Proof {
	p := newProver(now, compile.Removal(plan, now), changes, session)
	if p.misfit() {
		return p.proof
	}
	for _, which := range []Promise{NoExposure, OnlyByKnock, NotVoid} {
		p.unasked(which, "it leads back to what was there before; what that opens is said")
	}
	p.foreign()
	p.doubtful = p.stillTheirs(original)
	for _, t := range p.want.Tables {
		f := p.walk(t)
		f.operator()
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

// stillTheirs are those that stood there before and are as they were.
func (p *prover) stillTheirs(original routeros.Snapshot) map[routeros.Menu][]routeros.Rule {
	out := p.theirs(original)
	for menu, rows := range out {
		out[menu] = slices.DeleteFunc(rows, func(r routeros.Rule) bool {
			return !slices.ContainsFunc(p.before.Rules[menu], func(o routeros.Rule) bool { return o.ID == r.ID && o.SameMeaning(r) })
		})
	}
	return out
}

// owed are the packets that have to be accepted on the way wherever they are now. A way that leads
// to a router on which nobody can say what becomes of a packet owes no more for it than that
// router.
func (f *table) owed() space.Set {
	s, now, end := f.space, f.results[0].Accepted, f.results[len(f.results)-1].Accepted
	if len(f.doubtful) == 0 {
		return now
	}
	return s.And(now, s.Or(end, s.Minus(s.All(), s.SometimesBy(end, f.doubtful))))
}

// doubt says which rule may stop packets of the operator in the end that are accepted now, and are
// owed nothing.
func (f *table) doubt(flow, owed space.Set) {
	s := f.space
	e, ok := s.Pick(s.And(flow, s.Minus(f.results[0].Accepted, owed)))
	if !ok {
		return
	}
	note := fmt.Sprintf("%s may stop packets of this session in the end, as it could before: nothing tells that beforehand", decidedBy(s.Replay(f.after, e)))
	if !slices.Contains(f.proof.Notes, note) {
		f.proof.Notes = append(f.proof.Notes, note)
	}
}
