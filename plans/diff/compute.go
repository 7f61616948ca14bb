// Package diff finds the fewest steps that bring a router from a snapshot to a rule set, in an
// order in which every state between two steps is safe.
//
// The result is a [change.ChangeSet]. Nothing in here talks to a router. Foreign rules are pinned
// members of the desired order, so no step ever names one except as the anchor of a placement.
package diff

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// Compute returns the fewest steps that bring the router of the snapshot to the rule set. The
// error, if any, is a *[change.RefusalError].
func Compute(s routeros.Snapshot, want compile.RuleSet, session change.Management) (change.ChangeSet, error) {
	c, err := compute(s, want, session)
	if err != nil {
		return change.ChangeSet{}, err
	}
	c.Snapshot, c.Plan = s.Digest(), want.PlanDigest
	return c, nil
}

// Left returns what [Compute] has to do yet.
func Left(s routeros.Snapshot, want compile.RuleSet, session change.Management) ([]change.Step, error) {
	c, err := compute(s, want, session)
	return c.Steps, err
}

// compute is [Compute] without saying of what.
func compute(s routeros.Snapshot, want compile.RuleSet, session change.Management) (change.ChangeSet, error) {
	c := change.ChangeSet{Notes: slices.Clone(want.Notes)}
	if err := guard(session, s, want); err != nil {
		return change.ChangeSet{}, err
	}
	if want.Removes {
		return removalOf(s, want, c)
	}
	entries, err := entrySteps(s, want)
	if err != nil {
		return change.ChangeSet{}, err
	}
	var prepare, anchors, build, met []change.Step
	for _, t := range want.Tables {
		table, notes, err := tableSteps(s, want, t)
		if err != nil {
			return change.ChangeSet{}, err
		}
		prepare = append(prepare, table.prepare...)
		for _, step := range table.build { // one answer tells the ids of the anchors of all tables
			to := &build
			if step.Op == change.Add && step.ID != "" {
				to = &anchors
			}
			*to = append(*to, step)
		}
		met = slices.Concat(met, table.met, natSteps(s, want, t))
		c.Notes = append(c.Notes, notes...)
	}
	services := serviceSteps(s, want, &c.Notes)
	return arranged(s, c, slices.Concat(prepare, entries.open, anchors, build, met, entries.removeOpen, services))
}

// arranged is a change set with steps in their final order.
func arranged(s routeros.Snapshot, c change.ChangeSet, steps []change.Step) (change.ChangeSet, error) {
	var err error
	c.Steps, err = change.Arrange(s, steps)
	return c, err
}

// ComputeThrough returns the steps that bring the router of the snapshot to one rule set after the
// other, as compile.Through gives them. From the first to the last only ports change, in place, so
// that no row is added and goes again within one change. Where that is not enough, the last is gone
// to straight away, and the proof says whether that will do.
func ComputeThrough(s routeros.Snapshot, sets []compile.RuleSet, session change.Management) (change.ChangeSet, error) {
	last := sets[len(sets)-1]
	if len(sets) == 2 {
		c, err := Compute(s, sets[0], session)
		if err != nil {
			return change.ChangeSet{}, err
		}
		now, err := change.Rehearse(s, c, len(c.Steps))
		if err != nil {
			return change.ChangeSet{}, err
		}
		c.Steps = append(c.Steps, narrowing(now, last)...)
		if now, err = change.Rehearse(s, c, len(c.Steps)); err != nil {
			return change.ChangeSet{}, err
		}
		if rest, err := Left(now, last, session); err == nil && len(rest) == 0 {
			c.Plan = last.PlanDigest
			return arranged(s, c, c.Steps)
		}
	}
	return Compute(s, last, session)
}

// narrowing lists the steps that give the plan's rows the ports that they are to have in the end.
func narrowing(s routeros.Snapshot, want compile.RuleSet) []change.Step {
	var open, shut []change.Step
	for _, t := range want.Tables {
		ports := map[string]string{}
		rules := slices.Clone(t.Rules)
		for _, chain := range t.Chains {
			rules = append(rules, chain.Rules...)
		}
		for _, r := range rules {
			if mark, ok := r.Mark(); ok && r.Attrs.Has("dst-port") {
				ports[mark.Slot] = r.Attrs.Get("dst-port")
			}
		}
		for _, r := range s.Rules[t.Menu] {
			mark, ours := change.Owned(r, want.Plan)
			wanted, ok := ports[mark.Slot]
			if !ours || !ok || routeros.Canonical("dst-port", wanted) == routeros.Canonical("dst-port", r.Attrs.Get("dst-port")) {
				continue
			}
			to := &open
			if change.Shuts(r) {
				to = &shut
			}
			*to = append(*to, change.Step{
				Op: change.Set, Menu: t.Menu, ID: r.ID, Slot: mark.Plan + "/" + mark.Slot, Set: routeros.MakeAttributes("dst-port", wanted),
				Was: r.Attrs.Only("dst-port"), Why: "let go of the port that the service has left",
			})
		}
	}
	return append(open, shut...)
}

// course is how the rules of one table get there: rows that are disabled, chains that are built
// where no packet comes, and what packets meet.
type course struct{ prepare, build, met []change.Step }

func (c course) all() []change.Step { return slices.Concat(c.prepare, c.build, c.met) }

// edited adds what an editor has filed.
func (c *course) edited(e *editor) {
	c.prepare, c.met = append(c.prepare, e.prepare...), append(c.met, e.met()...)
}

// and adds another course.
func (c *course) and(o course) {
	c.prepare, c.build, c.met = append(c.prepare, o.prepare...), append(c.build, o.build...), append(c.met, o.met...)
}

func tableSteps(s routeros.Snapshot, want compile.RuleSet, t compile.Table) (all course, notes []string, err error) {
	e := &editor{rows: s.Rules[t.Menu], claimed: map[string]bool{}}
	if want.Layout == plans.Inline || len(t.Rules) == 0 {
		return inlineSteps(e, want, t)
	}
	return chainSteps(e, want, t)
}

// inlineSteps is the inline layout: the rules stand in input itself, but for the chains that doors
// have for themselves. Each of those is a chain layout of its own: mended in place by one step, or
// built under its other name and switched to by the door's jump.
func inlineSteps(e *editor, want compile.RuleSet, t compile.Table) (all course, notes []string, err error) {
	targets := map[string]string{}
	for _, c := range t.Chains {
		names := compile.InlineChainNames(want.Plan, c.Name)
		live := liveChain(e.rows, want.Plan, c.Name+"/jump", names)
		group := func(name string) []segment {
			return []segment{{menu: t.Menu, chain: name, plan: want.Plan, rules: inChain(c.Rules, name, nil)}}
		}
		steps, said, target, err := groupSteps(e, want.Plan, names, live, group)
		if err != nil {
			return course{}, nil, err
		}
		all.and(steps)
		notes, targets[c.Name] = append(notes, said...), target
	}
	inInput, elsewhere := byChain(t.Rules)
	e.lay(segment{
		menu: t.Menu, chain: "input", plan: want.Plan, rules: inChain(inInput, "input", targets),
		floor: t.Place.Floor, anchor: t.Place.Anchor, anchors: t.Place.AnchorText,
	})
	for _, c := range elsewhere {
		e.lay(segment{menu: t.Menu, chain: c.Name, plan: want.Plan, rules: inChain(c.Rules, c.Name, nil)})
	}
	if f := t.Forwarding; len(f.Filter) > 0 {
		e.lay(segment{menu: t.Menu, chain: "forward", plan: want.Plan, rules: inChain(f.Filter, "forward", targets), anchor: f.FilterPlace.Anchor, anchors: f.FilterPlace.AnchorText})
	}
	e.sayWhy()
	e.sweep(t.Menu, want.Plan)
	all.edited(e)
	return all, notes, nil
}

// byChain sorts the rules that were found in chains of the router's own from those that stand in
// input.
func byChain(rules []routeros.Rule) (inInput []routeros.Rule, elsewhere []compile.Chain) {
	for _, r := range rules {
		at := slices.IndexFunc(elsewhere, func(c compile.Chain) bool { return c.Name == r.Chain() })
		switch {
		case r.Chain() == "":
			inInput = append(inInput, r)
		case at < 0:
			elsewhere = append(elsewhere, compile.Chain{Name: r.Chain(), Rules: []routeros.Rule{r}})
		default:
			elsewhere[at].Rules = append(elsewhere[at].Rules, r)
		}
	}
	return inInput, elsewhere
}

// inChain puts rules into a chain; targets are the chains to which those of doors lead.
func inChain(rules []routeros.Rule, chain string, targets map[string]string) []routeros.Rule {
	out := make([]routeros.Rule, len(rules))
	for i, r := range rules {
		out[i] = routeros.Rule{Attrs: r.Attrs.With("chain", chain)}
		if door := r.Attrs.Get("jump-target"); door != "" {
			out[i].Attrs = out[i].Attrs.With("jump-target", targets[door])
		}
	}
	return out
}

// chainSteps is the chain layout: the rules stand in one of two chains of our own and one jump in
// input leads there; what a door has for itself stands in further chains, which go with the one
// that leads there.
func chainSteps(e *editor, want compile.RuleSet, t compile.Table) (all course, notes []string, err error) {
	names := compile.ChainNames(want.Plan)
	live := liveChain(e.rows, want.Plan, "jump", names)
	all, notes, target, err := groupSteps(e, want.Plan, names, live, func(name string) []segment { return chainGroup(want, t, name) })
	if err != nil {
		return course{}, nil, err
	}
	jump := &editor{rows: e.rows, claimed: e.claimed}
	jump.lay(segment{
		menu: t.Menu, chain: "input", plan: want.Plan, rules: []routeros.Rule{jumpRule(want.Plan, target)},
		floor: t.Place.Floor, anchor: t.Place.Anchor, anchors: t.Place.AnchorText,
	})
	built, said, err := forwardSteps(e, jump, want, t, target)
	if err != nil {
		return course{}, nil, err
	}
	all.and(built)
	jump.sayWhy()
	jump.sweepChain(t.Menu, want.Plan, "input")
	jump.sweep(t.Menu, want.Plan)
	all.edited(jump)
	return all, append(notes, said...), nil
}

// forwardSteps is the chain layout of what stands in forward: a pair of chains of its own, switched
// by one jump. The steps that build a chain are returned; the jump is laid by an editor that the
// caller goes on with. Chains to which its rules lead go with that of input.
func forwardSteps(e, jump *editor, want compile.RuleSet, t compile.Table, input string) (all course, notes []string, err error) {
	f := t.Forwarding
	if len(f.Filter) == 0 {
		return course{}, nil, nil
	}
	const slot = "jump-forward"
	names, targets := compile.ForwardChainNames(want.Plan), map[string]string{}
	for _, c := range t.Chains {
		targets[c.Name] = compile.DoorChain(input, c.Name)
	}
	e.rows = jump.rows
	all, notes, target, err := groupSteps(e, want.Plan, names, liveChain(e.rows, want.Plan, slot, names), func(name string) []segment {
		return []segment{{menu: t.Menu, chain: name, plan: want.Plan, rules: inChain(f.Filter, name, targets)}}
	})
	if err != nil {
		return course{}, nil, err
	}
	mark := routeros.Mark{Plan: want.Plan, Slot: slot}
	jump.rows = e.rows
	jump.lay(segment{
		menu: t.Menu, chain: "forward", plan: want.Plan, anchor: f.FilterPlace.Anchor, anchors: f.FilterPlace.AnchorText,
		rules: []routeros.Rule{routeros.NewRule("chain", "forward", "action", "jump", "jump-target", target, "comment", mark.Comment("forwards of plan "+want.Plan))},
	})
	return all, notes, nil
}

// natSteps brings the rules of destination NAT to what is wanted, after those of the filter: who is
// sent on is let through by then, and nobody else is. None lets in anybody but those whom it names.
func natSteps(s routeros.Snapshot, want compile.RuleSet, t compile.Table) []change.Step {
	f, menu := t.Forwarding, t.Family.NAT()
	e := &editor{rows: s.Rules[menu], claimed: map[string]bool{}}
	if len(f.NAT) > 0 {
		e.lay(segment{menu: menu, chain: "dstnat", plan: want.Plan, rules: inChain(f.NAT, "dstnat", nil), anchor: f.NATPlace.Anchor, anchors: f.NATPlace.AnchorText})
	}
	e.sweep(menu, want.Plan)
	return e.all()
}

// chainGroup are the chains that are built and switched together, first those to which the others
// lead.
func chainGroup(want compile.RuleSet, t compile.Table, name string) []segment {
	var group []segment
	targets := map[string]string{}
	for _, c := range t.Chains {
		targets[c.Name] = compile.DoorChain(name, c.Name)
		group = append(group, segment{menu: t.Menu, chain: targets[c.Name], plan: want.Plan, rules: inChain(c.Rules, targets[c.Name], nil)})
	}
	return append(group, segment{menu: t.Menu, chain: name, plan: want.Plan, rules: inChain(t.Rules, name, targets)})
}

// groupSteps brings one of two groups of chains to what is wanted and says to which one packets
// shall go, by the name under which the group goes. What a single step can mend, and stages that
// are pre-provisioned, is mended in the live group; everything else is built in the other one, out
// of every packet's way.
func groupSteps(e *editor, plan string, names [2]string, live string, group func(name string) []segment) (all course, notes []string, target string, err error) {
	target, mended := pickChain(e, plan, names, live, group)
	if mended {
		fix := &editor{rows: e.rows, claimed: e.claimed}
		for _, seg := range group(target) {
			fix.lay(seg)
			fix.sweepChain(seg.menu, plan, seg.chain)
		}
		e.rows = fix.rows
		all.edited(fix)
		return all, leaving(e, plan, live, target, group), target, nil
	}
	for _, seg := range group(target) {
		if err = vacate(e, plan, seg.chain); err != nil {
			return course{}, nil, "", err
		}
		all.build = append(all.build, leftovers(e, seg)...)
	}
	all.build = append(all.build, e.buildChains(group(target))...)
	return all, leaving(e, plan, live, target, group), target, nil
}

// leaving tells of other people's rules in the live group, when packets are led to another one.
func leaving(e *editor, plan, live, target string, group func(name string) []segment) []string {
	if live == "" || live == target {
		return nil
	}
	var notes []string
	for _, seg := range group(live) {
		notes = append(notes, foreignNotes(e.rows, plan, seg.chain)...)
	}
	return notes
}

// sayWhy gives the reason of the steps that switch to another chain.
func (e *editor) sayWhy() {
	for i := range e.open {
		if e.open[i].Op == change.Set && e.open[i].Set.Has("jump-target") {
			e.open[i].Why = "switch to the new chain"
		}
	}
}

func jumpRule(plan, target string) routeros.Rule {
	mark := routeros.Mark{Plan: plan, Slot: "jump"}
	return routeros.NewRule("chain", "input", "action", "jump", "jump-target", target, "comment", mark.Comment("knock rules of plan "+plan))
}

// liveChain returns the chain to which our jump of a slot leads from input, or "". A disabled jump
// counts: somebody may enable it at any moment.
func liveChain(rows []routeros.Rule, plan, slot string, names [2]string) string {
	for _, r := range rows {
		mark, ok := change.Owned(r, plan)
		if ok && mark.Slot == slot && r.Action() == "jump" && slices.Contains(names[:], r.Attrs.Get("jump-target")) {
			return r.Attrs.Get("jump-target")
		}
	}
	return ""
}

// mostInPlace is how many steps mend a chain in place at most: the way back of more is too long for
// a script of the router, and that of a chain that is built anew is one step.
const mostInPlace = 200

// pickChain chooses the group that the router shall use, and says whether it can be brought there
// in place: by at most one step besides those of stages that are pre-provisioned where packets
// pass, by none where none do.
func pickChain(e *editor, plan string, names [2]string, live string, group func(name string) []segment) (chain string, mended bool) {
	work := func(chain string) (heavy, all int) {
		trial := &editor{rows: e.rows, claimed: map[string]bool{}}
		n := 0
		for _, seg := range group(chain) {
			trial.lay(seg)
			trial.sweepChain(seg.menu, plan, seg.chain)
			n += len(foreignIn(e.rows, plan, seg.chain)) * 2 // a foreign rule can't be mended
		}
		return n + trial.countsAsRebuild(), len(trial.all())
	}
	if live != "" {
		if n, all := work(live); n <= 1 && all <= mostInPlace {
			return live, true
		}
		other := names[0]
		if live == names[0] {
			other = names[1]
		}
		n, all := work(other)
		return other, n == 0 && all <= mostInPlace // somebody led packets away from a chain that is right
	}
	for _, name := range names {
		if n, _ := work(name); n == 0 {
			return name, true
		}
	}
	return names[0], false
}

// vacate makes sure that the chain which is about to be built is nobody else's: it refuses one in
// which somebody else's rule stands or into which somebody else jumps.
func vacate(e *editor, plan, chain string) error {
	if foreign := foreignIn(e.rows, plan, chain); len(foreign) > 0 {
		return &change.RefusalError{
			Risk: "foreign-rule", What: fmt.Sprintf("the rule %s stands in our chain %s", foreign[0].Describe(), chain),
			Remedy: "move it to a chain of your own, or remove it",
		}
	}
	for _, r := range e.rows {
		if _, ours := change.Owned(r, plan); !ours && r.Attrs.Get("jump-target") == chain {
			return &change.RefusalError{
				Risk: "foreign-rule", What: fmt.Sprintf("the rule %s jumps into our chain %s", r.Describe(), chain),
				Remedy: "remove that jump; rosknock makes its own",
			}
		}
	}
	return nil
}

// leftovers files the removal of leftovers in a chain that is about to be built.
func leftovers(e *editor, seg segment) []change.Step {
	var all []change.Step
	for _, r := range e.rows {
		if mark, ok := change.Owned(r, seg.plan); ok && r.Chain() == seg.chain {
			e.claimed[r.ID] = true
			all = append(all, removal(seg.menu, r, mark, "left over"))
		}
	}
	return all
}

// buildChains files the rules of chains that are built. Of all chains of a table that are built in
// one change the last row is added first, and every other one is put before it, in order. When
// somebody rolls back what was done so far, that row is gone, and the router refuses the rest: so a
// chain is whole or not there, never half.
func (e *editor) buildChains(chains []segment) []change.Step {
	var all []change.Step
	for _, seg := range chains {
		for _, want := range seg.rules {
			mark, _ := want.Mark()
			all = append(all, change.Step{
				Op: change.Add, Menu: seg.menu, Slot: mark.Plan + "/" + mark.Slot, Set: want.Attrs, Why: "build the chain",
				Before: e.base, BeforeText: "the last rule of what is built",
			})
		}
	}
	if e.base != "" || len(all) == 0 {
		return all
	}
	last := all[len(all)-1]
	e.base = fmt.Sprintf("+%s %s", last.Menu, last.Slot)
	for i := range all {
		all[i].Before = e.base
	}
	last.ID, last.Before, last.BeforeText = e.base, "", ""
	return slices.Insert(all[:len(all)-1], 0, last)
}

// sweepChain is [editor.sweep] for the rows of one chain.
func (e *editor) sweepChain(menu routeros.Menu, plan, chain string) {
	for _, r := range e.rows {
		if mark, ok := change.Owned(r, plan); ok && !e.claimed[r.ID] && r.Chain() == chain {
			e.claimed[r.ID] = true
			e.remove(removal(menu, r, mark, "not in the plan, or twice"), r)
		}
	}
}

// foreignIn lists the rows of a chain that are not the plan's.
func foreignIn(rows []routeros.Rule, plan, chain string) []routeros.Rule {
	var out []routeros.Rule
	for _, r := range rows {
		if _, ours := change.Owned(r, plan); !ours && r.Chain() == chain {
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
