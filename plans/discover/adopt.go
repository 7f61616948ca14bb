package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// Adoption is how existing rules become a plan's.
type Adoption struct {
	// Changes give rules their marks: each step sets one comment. What the router does with packets
	// does not depend on it.
	Changes change.ChangeSet
	// Rest is what diff would still change afterwards, and Proof is the proof of the plan on the
	// resulting router.
	Rest  change.ChangeSet
	Proof *proof.Proof
	// Err is why nothing can be adopted: the plan is wrong, or can't be carried out on this router.
	Err error
}

// Clean reports whether the router matches the plan once the rules have their marks.
func (a Adoption) Clean() bool {
	return a.Err == nil && a.Changes.Changed() && !a.Rest.Changed() && a.Proof != nil && a.Proof.Holds()
}

// Why lists the obstacles to adopting; nil if there are none.
func (a Adoption) Why() []string {
	var out []string
	switch {
	case a.Err != nil:
		out = append(out, a.Err.Error())
	case !a.Changes.Changed() && !a.Rest.Changed():
		out = append(out, "every rule of the plan has its mark already")
	}
	for _, step := range a.Rest.Steps {
		out = append(out, left(step))
	}
	if a.Proof != nil {
		for _, f := range a.Proof.Failures {
			out = append(out, f.What)
		}
	}
	return out
}

// left describes a step that would still be left after adopting.
func left(step change.Step) string {
	switch {
	case step.Op == change.Add && strings.HasSuffix(step.Slot, "/established"):
		return "the router has no accept of established traffic above the rules, so rosknock would put one there: add one, and import again"
	case step.Op == change.Add:
		return fmt.Sprintf("no rule on the router means the same as %s, which the plan has", step.Slot)
	case step.Op == change.Remove:
		return fmt.Sprintf("the router has %s of a plan of this name already: choose another name", step.Slot)
	case step.Op == change.Move:
		return fmt.Sprintf("the rule for %s would have to move above %s", step.Slot, step.BeforeText)
	}
	return fmt.Sprintf("the rule for %s would have to be changed (%s)", step.Slot, step.Op)
}

// Adopt finds, for each rule of a plan, the router's row without a mark that means the same, and
// gives it the plan's mark.
func Adopt(p plans.Plan, s routeros.Snapshot, session change.Management) Adoption {
	var a Adoption
	if _, err := plans.Read("the plan", plans.Write(p)); err != nil {
		a.Err = fmt.Errorf("the rules make no plan: %w", err)
		return a
	}
	want, err := compile.Compile(p, s)
	if err != nil {
		a.Err = err
		return a
	}
	a.Changes = change.ChangeSet{Snapshot: s.Digest(), Plan: want.PlanDigest}
	for _, t := range want.Tables {
		a.Changes.Steps = append(a.Changes.Steps, marks(t, s.Rules[t.Menu])...)
	}
	after, err := change.Rehearse(s, a.Changes, len(a.Changes.Steps))
	if err == nil {
		want, err = compile.Compile(p, after)
	}
	if err != nil {
		a.Err = err
		return a
	}
	if a.Rest, a.Err = diff.Compute(after, want, session); a.Err != nil || a.Rest.Changed() {
		return a
	}
	proved := proof.Prove(after, want, a.Rest, session)
	a.Proof = &proved
	return a
}

// marks are the steps that give the rows of a table their marks.
func marks(t compile.Table, rows []routeros.Rule) []change.Step {
	var out []change.Step
	taken := map[string]bool{}
	for _, want := range t.Rules {
		if want.Chain() == "" {
			want.Attrs = want.Attrs.With("chain", "input")
		}
		at := slices.IndexFunc(rows, func(r routeros.Rule) bool {
			_, marked := r.Mark()
			return !marked && !r.Dynamic && !taken[r.ID] && r.SameMeaning(want)
		})
		if at < 0 {
			continue
		}
		row := rows[at]
		taken[row.ID] = true
		mark, _ := want.Mark()
		out = append(out, change.Step{
			Op: change.Set, Menu: t.Menu, ID: row.ID, Slot: mark.Plan + "/" + mark.Slot, Why: "adopted",
			Set: routeros.MakeAttributes("comment", want.Comment()), Was: routeros.MakeAttributes("comment", row.Comment()),
		})
	}
	return out
}
