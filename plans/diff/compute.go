package diff

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// Compute returns the fewest steps that bring the router of the snapshot to the rule set. The
// error, if any, is a *[RefusalError].
func Compute(s routeros.Snapshot, want compile.RuleSet, session Session) (ChangeSet, error) {
	c := ChangeSet{Snapshot: s.Digest(), Plan: want.PlanDigest, Notes: slices.Clone(want.Notes)}
	if err := session.guard(s, want); err != nil {
		return ChangeSet{}, err
	}
	entries := entrySteps(s, want)
	c.Steps = append(c.Steps, entries.open...)
	for _, t := range want.Tables {
		steps, notes, err := tableSteps(s, want, t)
		if err != nil {
			return ChangeSet{}, err
		}
		c.Steps = append(c.Steps, steps...)
		c.Notes = append(c.Notes, notes...)
	}
	c.Steps = append(c.Steps, entries.removeOpen...)
	c.Steps = append(c.Steps, serviceSteps(s, want, &c.Notes)...)
	return c, nil
}

// ComputeThrough returns the steps that bring the router of the snapshot to one rule set after the other, as compile.Through gives them.
func ComputeThrough(s routeros.Snapshot, sets []compile.RuleSet, session Session) (ChangeSet, error) {
	c, err := Compute(s, sets[0], session)
	if err != nil {
		return ChangeSet{}, err
	}
	for _, want := range sets[1:] {
		more, err := Compute(Rehearse(s, c, len(c.Steps)), want, session)
		if err != nil {
			return ChangeSet{}, err
		}
		c.Steps, c.Plan = append(c.Steps, more.Steps...), more.Plan
		for _, note := range more.Notes {
			if !slices.Contains(c.Notes, note) {
				c.Notes = append(c.Notes, note)
			}
		}
	}
	return c, nil
}

func tableSteps(s routeros.Snapshot, want compile.RuleSet, t compile.Table) (all []Step, notes []string, err error) {
	e := &editor{rows: s.Rules[t.Menu], claimed: map[string]bool{}}
	if want.Layout == plans.Inline {
		e.lay(segment{
			menu: t.Menu, chain: "input", plan: want.Plan, rules: inChain(t.Rules, "input"),
			floor: t.Place.Floor, anchor: t.Place.Anchor, anchors: t.Place.AnchorText,
		})
		e.sweep(t.Menu, want.Plan)
		return e.all(), nil, nil
	}
	return chainSteps(e, want, t)
}

func inChain(rules []routeros.Rule, chain string) []routeros.Rule {
	out := make([]routeros.Rule, len(rules))
	for i, r := range rules {
		out[i] = routeros.Rule{Attrs: r.Attrs.With("chain", chain)}
	}
	return out
}

// chainSteps is the chain layout: the rules stand in one of two chains of our own and one jump in
// input leads there. What a single step can mend is mended in the live chain; everything else
// is built in the other chain, out of every packet's way, and switched to by the jump.
func chainSteps(e *editor, want compile.RuleSet, t compile.Table) (all []Step, notes []string, err error) {
	names := compile.ChainNames(want.Plan)
	live := liveChain(e.rows, want.Plan, names)
	target, mended := pickChain(e, want, t, live)
	if !mended {
		if err = vacate(e, want.Plan, target); err != nil {
			return nil, nil, err
		}
		all = append(all, build(e, t, want.Plan, target)...)
		notes = foreignNotes(e.rows, want.Plan, live)
	} else {
		fix := &editor{rows: e.rows, claimed: e.claimed}
		fix.lay(chainSegment(want, t, target))
		fix.sweepChain(t.Menu, want.Plan, target)
		all = append(all, fix.all()...)
	}
	jump := &editor{rows: e.rows, claimed: e.claimed}
	jump.lay(segment{
		menu: t.Menu, chain: "input", plan: want.Plan, rules: []routeros.Rule{jumpRule(want.Plan, target)},
		floor: t.Place.Floor, anchor: t.Place.Anchor, anchors: t.Place.AnchorText,
	})
	for i := range jump.open {
		if jump.open[i].Op == Set && jump.open[i].Set.Has("jump-target") {
			jump.open[i].Why = "switch to the new chain"
		}
	}
	jump.sweepChain(t.Menu, want.Plan, "input")
	jump.sweep(t.Menu, want.Plan)
	return append(all, jump.all()...), notes, nil
}

func jumpRule(plan, target string) routeros.Rule {
	mark := routeros.Mark{Plan: plan, Slot: "jump"}
	return routeros.NewRule("chain", "input", "action", "jump", "jump-target", target, "comment", mark.Comment("knock rules of plan "+plan))
}

// liveChain returns the chain to which our jump leads, or "". A disabled jump counts: somebody may
// enable it at any moment.
func liveChain(rows []routeros.Rule, plan string, names [2]string) string {
	for _, r := range rows {
		mark, ok := owned(r, plan)
		if ok && mark.Slot == "jump" && r.Action() == "jump" && slices.Contains(names[:], r.Attrs.Get("jump-target")) {
			return r.Attrs.Get("jump-target")
		}
	}
	return ""
}

// pickChain chooses the chain that the router shall use, and says whether it can be brought
// there in place: by at most one step where packets pass, by any number where none do.
func pickChain(e *editor, want compile.RuleSet, t compile.Table, live string) (chain string, mended bool) {
	names := compile.ChainNames(want.Plan)
	work := func(chain string) int {
		trial := &editor{rows: e.rows, claimed: map[string]bool{}}
		trial.lay(chainSegment(want, t, chain))
		trial.sweepChain(t.Menu, want.Plan, chain)
		return trial.count()
	}
	if live != "" {
		if work(live) <= 1 && len(foreignIn(e.rows, want.Plan, live)) == 0 {
			return live, true
		}
		if live == names[0] {
			return names[1], false
		}
		return names[0], false
	}
	for _, name := range names {
		if work(name) == 0 && len(foreignIn(e.rows, want.Plan, name)) == 0 {
			return name, true
		}
	}
	return names[0], false
}

func chainSegment(want compile.RuleSet, t compile.Table, chain string) segment {
	return segment{menu: t.Menu, chain: chain, plan: want.Plan, rules: inChain(t.Rules, chain)}
}

// vacate makes sure that the chain which is about to be built is nobody else's: it refuses one in which somebody else's rule
// stands or into which somebody else jumps.
func vacate(e *editor, plan, chain string) error {
	if foreign := foreignIn(e.rows, plan, chain); len(foreign) > 0 {
		return &RefusalError{
			Risk: "foreign-rule", What: fmt.Sprintf("the rule %s stands in our chain %s", foreign[0].Describe(), chain),
			Remedy: "move it to a chain of your own, or remove it",
		}
	}
	for _, r := range e.rows {
		if _, ours := owned(r, plan); !ours && r.Attrs.Get("jump-target") == chain {
			return &RefusalError{
				Risk: "foreign-rule", What: fmt.Sprintf("the rule %s jumps into our chain %s", r.Describe(), chain),
				Remedy: "remove that jump; rosknock makes its own",
			}
		}
	}
	return nil
}

// build files the removal of leftovers in the chain and then every rule, each at the end of the table:
// within the chain that is the order in which they are added.
func build(e *editor, t compile.Table, plan, chain string) []Step {
	var all []Step
	for _, r := range e.rows {
		if mark, ok := owned(r, plan); ok && r.Chain() == chain {
			e.claimed[r.ID] = true
			all = append(all, removal(t.Menu, r, mark, "left over"))
		}
	}
	for _, want := range inChain(t.Rules, chain) {
		mark, _ := want.Mark()
		all = append(all, Step{Op: Add, Menu: t.Menu, Slot: mark.Plan + "/" + mark.Slot, Set: want.Attrs, Why: "build the chain"})
	}
	return all
}

// sweepChain is [editor.sweep] for the rows of one chain.
func (e *editor) sweepChain(menu routeros.Menu, plan, chain string) {
	for _, r := range e.rows {
		if mark, ok := owned(r, plan); ok && !e.claimed[r.ID] && r.Chain() == chain {
			e.claimed[r.ID] = true
			e.remove(removal(menu, r, mark, "not in the plan, or twice"), r)
		}
	}
}

// foreignIn lists the rows of a chain that are not the plan's.
func foreignIn(rows []routeros.Rule, plan, chain string) []routeros.Rule {
	var out []routeros.Rule
	for _, r := range rows {
		if _, ours := owned(r, plan); !ours && r.Chain() == chain {
			out = append(out, r)
		}
	}
	return out
}

// foreignNotes tells of other people's rules in a chain that will not be used any more.
func foreignNotes(rows []routeros.Rule, plan, chain string) []string {
	var notes []string
	for _, r := range foreignIn(rows, plan, chain) {
		notes = append(notes, fmt.Sprintf("the rule %s stands in our chain %s, which is about to be left: move it where you want it", r.Describe(), chain))
	}
	return notes
}
