package proof

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// prover is a proof under way.
type prover struct {
	before  routeros.Snapshot
	want    compile.RuleSet
	changes change.ChangeSet
	session change.Management
	states  []routeros.Snapshot
	// doubtful are foreign rules whose effect could not be decided even before the plan, or before
	// the change that is rolled back.
	doubtful map[routeros.Menu][]routeros.Rule
	unfit    error // why the steps don't fit the router
	proof    Proof
}

func newProver(before routeros.Snapshot, want compile.RuleSet, changes change.ChangeSet, session change.Management) *prover {
	p := &prover{before: before, want: want, changes: changes, session: session}
	p.states, p.unfit = change.States(before, changes)
	p.proof.States = len(p.states)
	if len(session.Operators) == 0 || session.Service == "" {
		p.leaveOut(KeepOperator, "the operator's address is unknown: name yours with --operator")
	}
	return p
}

// sideBySide makes checks at once, each with a proof of its own, and adds what they found in their
// order: the families of addresses have no packet in common.
func (p *prover) sideBySide(checks ...func(*prover)) {
	parts := make([]prover, len(checks))
	var all sync.WaitGroup
	for i, check := range checks {
		parts[i] = *p
		parts[i].proof = Proof{}
		all.Go(func() { check(&parts[i]) })
	}
	all.Wait()
	for _, part := range parts {
		p.add(part.proof)
	}
}

// add takes over what a part of the proof has found.
func (p *prover) add(part Proof) {
	for _, f := range slices.Concat(part.Failures, part.Accepted) {
		p.fail(f)
	}
	for _, text := range part.Notes {
		p.note(text)
	}
	for which, why := range part.Unasked {
		p.leaveOut(which, why)
	}
	p.proof.Classes += part.Classes
	p.proof.Doors = append(p.proof.Doors, part.Doors...)
	p.proof.Overrides = append(p.proof.Overrides, part.Overrides...)
	p.proof.Peers = append(p.proof.Peers, part.Peers...)
	p.proof.Opens = append(p.proof.Opens, part.Opens...)
}

// checkFit: steps that do not fit the router can't be followed, and nobody can accept them.
func (p *prover) checkFit() bool {
	if p.unfit != nil {
		p.proof.Failures = append(p.proof.Failures,
			Failure{Promise: KeepForeign, Risk: ForeignRule, What: p.unfit.Error(), Remedy: "compute the change set again"})
	}
	return p.unfit != nil
}

// Unread is the name of the failure that nobody can accept: what the router does is not known.
const Unread = "unread-rows"

// checkReadable: where a row of the firewall could not be read, nothing can be shown about packets.
func (p *prover) checkReadable() bool {
	rows := p.before.Unread
	if len(rows) == 0 {
		return false
	}
	shown := rows[:min(len(rows), mostUnread)]
	var texts []string
	for _, row := range shown {
		texts = append(texts, row.String())
	}
	if more := len(rows) - len(shown); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	p.proof.Failures = append(p.proof.Failures, Failure{
		Promise: NoExposure, Risk: Unread,
		What:   "the export has rows that can't be read, and nobody can say what they do: " + strings.Join(texts, "; "),
		Remedy: "correct these lines, or take a new export from the router with /export",
	})
	for _, promise := range []Promise{KeepOperator, OnlyByKnock, NotVoid} {
		p.leaveOut(promise, "rows of the firewall can't be read")
	}
	return true
}

// mostUnread is how many of such rows a refusal lists.
const mostUnread = 10

// TrackingOff is the name of the failure that nobody can accept: without connection tracking no
// packet is new or established.
const TrackingOff = "tracking-off"

// checkTracking: where connections are not tracked, no knock and no accept of established traffic
// works (routeros-facts § 15.1).
func (p *prover) checkTracking() bool {
	if p.before.Tracking != routeros.TrackingOff || p.want.Removes {
		return false
	}
	p.proof.Failures = append(p.proof.Failures, Failure{
		Promise: NotVoid, Risk: TrackingOff,
		What:   "connection tracking is switched off: no packet is new, so no knock counts and no door opens",
		Remedy: "switch it on with /ip firewall connection tracking set enabled=auto",
	})
	for _, promise := range []Promise{KeepOperator, NoExposure, OnlyByKnock} {
		p.leaveOut(promise, "connection tracking is switched off")
	}
	return true
}

// checkForeign shows that nothing foreign changes: no step names a row that is not the plan's, and
// all other rows are the same in the end.
func (p *prover) checkForeign() {
	for i, step := range p.changes.Steps {
		if step.Menu.IsRuleTable() && step.ID != "" && !p.isOwned(p.states[i], step) && !change.HandsOver(step, p.want.Plan) {
			p.fail(Failure{Promise: KeepForeign, Risk: ForeignRule, After: i + 1, What: fmt.Sprintf("step %d changes the rule %s, which is not the plan's", i+1, step.ID), Remedy: "this is a bug in rosknock: please report it"})
		}
	}
	for _, what := range change.Foreign(p.before, p.states[len(p.states)-1], p.want.Plan, p.changes.Steps...) {
		p.fail(Failure{Promise: KeepForeign, Risk: ForeignRule, After: len(p.changes.Steps), What: what, Remedy: "this is a bug in rosknock: please report it"})
	}
}

func (p *prover) isOwned(s routeros.Snapshot, step change.Step) bool {
	return slices.ContainsFunc(s.Rules[step.Menu], func(r routeros.Rule) bool { return r.ID == step.ID && p.isOurs(&r) })
}

// isOurs reports whether a rule carries the plan's mark.
func (p *prover) isOurs(r *routeros.Rule) bool {
	mark, ok := r.Mark()
	return ok && !r.Dynamic && mark.Plan == p.want.Plan
}

// ownRules returns for each state where the plan's rules stand in a table.
func (p *prover) ownRules(menu routeros.Menu) [][]int {
	out := make([][]int, len(p.states))
	var last []routeros.Rule
	var own []int // in the state before
	for n, state := range p.states {
		rows := state.Rules[menu]
		first, end := routeros.Differing(last, rows)
		shift := len(rows) - len(last)
		for _, at := range own {
			if at < first {
				out[n] = append(out[n], at)
			}
		}
		for at := first; at < end; at++ {
			if p.isOurs(&rows[at]) {
				out[n] = append(out[n], at)
			}
		}
		for _, at := range own {
			if at+shift >= end {
				out[n] = append(out[n], at+shift)
			}
		}
		last, own = rows, out[n]
	}
	return out
}

// checkConverges shows that after the last step nothing is left to do.
func (p *prover) checkConverges() {
	last := p.states[len(p.states)-1]
	rest, err := diff.Left(last, p.want, p.session)
	if err == nil && len(rest) == 0 {
		return
	}
	what := fmt.Sprint(err)
	if err == nil {
		what = fmt.Sprintf("%s %s", rest[0].Op, rest[0].Slot)
	}
	p.fail(Failure{
		Promise: NotVoid, Risk: VoidRule, After: len(p.changes.Steps),
		What: "after the steps the router would still differ from the plan: left to do is " + what, Remedy: "compute the change set again",
	})
}

func (p *prover) leaveOut(which Promise, why string) {
	if p.proof.Unasked == nil {
		p.proof.Unasked = map[Promise]string{}
	}
	p.proof.Unasked[which] = why
}

// fail records a broken promise, once for each risk.
func (p *prover) fail(f Failure) {
	same := func(o Failure) bool { return o.Risk == f.Risk }
	switch {
	case slices.ContainsFunc(p.proof.Failures, same), slices.ContainsFunc(p.proof.Accepted, same):
	case slices.Contains(p.session.Accepted, f.Risk):
		p.proof.Accepted = append(p.proof.Accepted, f)
	default:
		p.proof.Failures = append(p.proof.Failures, f)
	}
}

func (p *prover) note(text string) {
	if !slices.Contains(p.proof.Notes, text) {
		p.proof.Notes = append(p.proof.Notes, text)
	}
}

// state says after which of the steps something holds.
func (p *prover) state(n int) string {
	switch n {
	case 0:
		return "before the first step"
	case len(p.states) - 1:
		return "in the end"
	default:
		return fmt.Sprintf("after step %d of %d", n, len(p.states)-1)
	}
}
