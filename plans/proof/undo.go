package proof

import (
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// Way shows what has to hold while a change is undone, even back to a router without a plan: the
// operator stays in, and nothing foreign changes. Afterwards, the reachability is as it was before
// the change. What this opens is reported and never refused: an undo must be possible when
// something has failed. The router is in its present state; original is its state before the
// change. If a single packet does not decide a rule, its effect on the operator's packets was
// already unknown before the change. It is no worse after the undo, so it is no reason to refuse.
func Way(now, original routeros.Snapshot, plan string, changes change.ChangeSet, session change.Management) Proof {
	p := newProver(now, compile.Removal(plan, now), changes, session)
	if p.checkFit() {
		return p.proof
	}
	for _, which := range []Promise{NoExposure, OnlyByKnock, NotVoid} {
		p.leaveOut(which, "the undo restores the state before the change; what this opens is listed")
	}
	p.checkForeign()
	p.doubtful = p.unchangedForeign(original)
	for _, t := range p.want.Tables {
		fam := p.walk(t)
		operators{fam}.check()
		tunnels{operators{fam}}.check()
		removal{fam}.list(fam.space.And(removal{fam}.packetsNewlyAccepted(len(fam.states)-1), fam.space.Stranger()))
	}
	return p.proof
}

// unchangedForeign are those that existed before and are unchanged.
func (p *prover) unchangedForeign(original routeros.Snapshot) map[routeros.Menu][]routeros.Rule {
	out := p.foreignRules(original)
	for menu, rows := range out {
		out[menu] = slices.DeleteFunc(rows, func(r routeros.Rule) bool {
			return !slices.ContainsFunc(p.before.Rules[menu], func(o routeros.Rule) bool { return o.ID == r.ID && o.SameMeaning(r) })
		})
	}
	return out
}

// foreignRules are the rules of a state that are not the plan's.
func (p *prover) foreignRules(s routeros.Snapshot) map[routeros.Menu][]routeros.Rule {
	out := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range s.Rules {
		out[menu] = slices.DeleteFunc(slices.Clone(rows), func(r routeros.Rule) bool { return p.isOurs(&r) })
	}
	return out
}
