package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// segment is a run of wanted rules within one chain of one table, and the window in which they have
// to stand: below the row floor, above the row anchor.
type segment struct {
	menu    routeros.Menu
	chain   string
	plan    string
	rules   []routeros.Rule // wanted, in order, chain set, each with a mark
	floor   string          // id of a foreign row, "" for none
	anchor  string          // id of a foreign row, "" for the end of the table
	anchors string          // anchor for people
}

// editor collects the steps that bring one table to its segments. Steps are kept by what they
// do to traffic, so that the change set can let in before it shuts out.
type editor struct {
	rows    []routeros.Rule // the whole table
	claimed map[string]bool // ids of rows that serve a wanted rule
	base    string          // the row before which chains are built, once there is one
	steps
}

// steps in the order in which they are safe: first what packets don't meet, then what lets traffic
// in or only looks at it, then what shuts it out, and what is removed goes last, drops before
// accepts.
type steps struct {
	prepare, open, shut, removeShut, removeOpen []change.Step
}

func (s steps) all() []change.Step { return slices.Concat(s.prepare, s.met()) }

// met are the steps that packets meet.
func (s steps) met() []change.Step {
	return slices.Concat(s.open, s.shut, s.removeShut, s.removeOpen)
}

func (s *steps) remove(step change.Step, rule routeros.Rule) {
	if change.Shuts(rule) {
		s.removeShut = append(s.removeShut, step)
		return
	}
	s.removeOpen = append(s.removeOpen, step)
}

// change files a step that adds, sets or moves a rule.
func (s *steps) change(step change.Step, rule routeros.Rule) {
	if change.Shuts(rule) {
		s.shut = append(s.shut, step)
		return
	}
	s.open = append(s.open, step)
}

// chosen is a wanted rule with the row that serves it, if there is one.
type chosen struct {
	want routeros.Rule
	slot string
	row  *routeros.Rule
	kept bool // it stays where it is
	// prepared is the row that is added, disabled, before anything else; empty for none.
	prepared string
}

// lay compares a segment with the table and files the steps that are missing. Rows that carry our
// mark in this chain but serve no wanted rule are removed by [editor.sweep].
func (e *editor) lay(seg segment) {
	ours := e.ours(seg)
	members := e.choose(seg, ours)
	e.prepareRows(seg, members, ours)
	for i, m := range members {
		var before anchor
		if m.row == nil || !m.kept {
			before = nextKept(members[i+1:], seg)
		}
		switch {
		case m.prepared != "":
			e.change(change.Step{
				Op: change.Enable, Menu: seg.menu, ID: m.prepared, Slot: m.slot, Why: "goes live",
				Set: routeros.MakeAttributes("disabled", "false"), Was: routeros.MakeAttributes("disabled", "true"),
			}, m.want)
		case m.row == nil:
			e.rename(seg, m, ours[m.slot])
			e.change(change.Step{
				Op: change.Add, Menu: seg.menu, Slot: m.slot, Before: before.id, BeforeText: before.text,
				Set: m.want.Attrs, Why: "missing",
			}, m.want)
		case !m.kept:
			e.change(change.Step{
				Op: change.Move, Menu: seg.menu, ID: m.row.ID, Slot: m.slot, Before: before.id, BeforeText: before.text,
				Why: "out of place",
			}, m.want)
		}
		if m.row != nil {
			e.edit(seg.menu, m)
		}
	}
}

// prepareRows adds the missing rows that stop packets or lead them to a chain, disabled. They go
// live by a step of their own, which the router refuses when the row is gone: so none can come to
// stand on a router that has lost what was done before it.
func (e *editor) prepareRows(seg segment, members []chosen, ours map[string][]int) {
	refs := make([]string, len(members))
	for i, m := range members {
		if m.row != nil || !change.Shuts(m.want) && m.want.Action() != "jump" {
			continue
		}
		e.rename(seg, m, ours[m.slot])
		before := nextKept(members[i+1:], seg) // those that are added here come in their order before the next that is there
		refs[i] = fmt.Sprintf("+%s %s %s %s %d", seg.menu, seg.chain, seg.anchor, m.slot, i)
		e.prepare = append(e.prepare, change.Step{
			Op: change.Add, Menu: seg.menu, ID: refs[i], Slot: m.slot, Before: before.id, BeforeText: before.text,
			Set: m.want.Attrs.With("disabled", "true"), Why: "missing",
		})
	}
	for i, ref := range refs {
		members[i].prepared = ref
	}
}

// choose finds for every wanted rule the row that needs the least work, and marks the largest set
// of rows that can stay where they are: those inside the window that stand in the right order
// already, a longest increasing run. Everything else moves, which is the fewest moves there can be.
// Of several rows that serve one rule equally well, the run takes the one that makes it longest.
func (e *editor) choose(seg segment, rows map[string][]int) []chosen {
	members, fitting := make([]chosen, len(seg.rules)), make([][]int, len(seg.rules))
	low, high := e.window(seg)
	var places, which []int
	for i, want := range seg.rules {
		mark, _ := want.Mark()
		members[i] = chosen{want: want, slot: mark.Plan + "/" + mark.Slot}
		fitting[i] = e.fitting(want, rows[members[i].slot])
		for _, at := range slices.Backward(fitting[i]) { // from below, so that no two of one rule make a run
			if at > low && at < high {
				places, which = append(places, at), append(which, i)
			}
		}
	}
	for _, k := range longestIncreasing(places) {
		m := &members[which[k]]
		m.row, m.kept = &e.rows[places[k]], true
		e.claimed[m.row.ID] = true
	}
	for i := range members {
		for _, at := range fitting[i] {
			if members[i].row == nil && !e.claimed[e.rows[at].ID] {
				members[i].row = &e.rows[at]
				e.claimed[members[i].row.ID] = true
			}
		}
	}
	return members
}

// fitting returns the rows that need the least work to serve a wanted rule: those that are right
// already, and where there are none, those that a single set can mend. A row that would need
// attributes taken away serves nothing: between a set and an unset it would match too much or too
// little.
func (e *editor) fitting(want routeros.Rule, rows []int) []int {
	var right, mendable []int
	for _, at := range rows {
		row := e.rows[at]
		switch {
		case e.claimed[row.ID]:
		case row.Same(want):
			right = append(right, at)
		case len(surplus(row, want)) == 0 && !stopsMore(row, want):
			mendable = append(mendable, at)
		}
	}
	if len(right) > 0 {
		return right
	}
	return mendable
}

// stopsMore reports whether a row would stop other packets once it is set to what is wanted. Such a
// row is replaced: one that is added for it vanishes with what lets others in, should all be rolled
// back, and one that was there before does not.
func stopsMore(row, want routeros.Rule) bool {
	return change.Shuts(want) && !row.Disabled() && !row.SameMeaning(want)
}

// ours lists the positions of the plan's own rows in the segment's chain, by slot.
func (e *editor) ours(seg segment) map[string][]int {
	rows := map[string][]int{}
	for at, r := range e.rows {
		if mark, ok := change.Owned(r, seg.plan); ok && r.Chain() == seg.chain {
			slot := mark.Plan + "/" + mark.Slot
			rows[slot] = append(rows[slot], at)
		}
	}
	return rows
}

// surplus lists the attributes that the row has, by meaning, and the wanted rule has not.
func surplus(row, want routeros.Rule) []string {
	wanted := want.Canonical()
	var names []string
	for name := range row.Canonical().All() {
		if name != "comment" && name != "disabled" && !wanted.Has(name) {
			names = append(names, name)
		}
	}
	return names
}

func (e *editor) window(seg segment) (low, high int) {
	low, high = -1, len(e.rows)
	for at, r := range e.rows {
		switch r.ID {
		case "":
		case seg.floor:
			low = at
		case seg.anchor:
			high = at
		}
	}
	return low, high
}

type anchor struct {
	id, text string
}

// nextKept is where a rule goes: before the next member that stays where it is, or before the
// segment's anchor. Members between the two are placed later, before the same row, so they
// come out in order.
func nextKept(rest []chosen, seg segment) anchor {
	for _, m := range rest {
		switch {
		case m.prepared != "":
			return anchor{m.prepared, m.want.Describe()}
		case m.kept:
			return anchor{m.row.ID, m.row.Describe()}
		}
	}
	return anchor{seg.anchor, seg.anchors}
}

// rename gives a row that is about to be replaced by one with the same comment another comment
// first. So in every state a chain and a comment name one row, by which the router itself can find
// what it has to undo: the id of a row that is yet to be added is known to nobody. Only rows of the
// same slot can have the same comment.
func (e *editor) rename(seg segment, m chosen, slot []int) {
	old := "(old)"
	for _, at := range slot {
		r := e.rows[at]
		mark, _ := r.Mark()
		if e.claimed[r.ID] || r.Comment() != m.want.Comment() {
			continue
		}
		comment := mark.Comment(strings.TrimSpace(strings.TrimSuffix(r.Comment(), mark.String()) + old))
		old += " (old)" // of several, each gets a comment of its own
		e.prepare = append(e.prepare, change.Step{
			Op: change.Set, Menu: seg.menu, ID: r.ID, Slot: m.slot, Why: "replaced by the next",
			Set: routeros.MakeAttributes("comment", comment), Was: routeros.MakeAttributes("comment", r.Comment()),
		})
		e.rows = slices.Clone(e.rows)
		e.rows[at].Attrs = r.Attrs.With("comment", comment)
	}
}

// edit files the step that mends a row's content.
func (e *editor) edit(menu routeros.Menu, m chosen) {
	if m.row.Same(m.want) {
		return
	}
	set, was := difference(*m.row, m.want)
	step := change.Step{Op: change.Set, Menu: menu, ID: m.row.ID, Slot: m.slot, Set: set, Was: was, Why: "edited"}
	if m.row.Disabled() && len(set) == 1 && set.Has("disabled") {
		step.Op, step.Why = change.Enable, "disabled"
	}
	e.change(step, m.want)
}

// difference returns what has to be set on the row, and what stands there now.
func difference(row, want routeros.Rule) (set, was routeros.Attributes) {
	has := row.Canonical()
	for name, value := range want.Canonical().All() {
		if old, ok := has.Lookup(name); !ok || old != value {
			set = set.With(name, want.Attrs.Get(name))
			was = was.With(name, row.Attrs.Get(name))
		}
	}
	if row.Disabled() && !want.Disabled() {
		set, was = set.With("disabled", "false"), was.With("disabled", "true")
	}
	return set, was
}

// sweep files the removal of every row with the plan's mark that serves nothing.
func (e *editor) sweep(menu routeros.Menu, plan string) {
	var jumps, inner []change.Step
	for _, r := range e.rows {
		mark, ok := change.Owned(r, plan)
		if !ok || e.claimed[r.ID] {
			continue
		}
		e.claimed[r.ID] = true
		step := removal(menu, r, mark, "not in the plan, or twice")
		if r.Action() == "jump" { // what it leads to goes in one step, and then nobody sees the rest go
			if r.Chain() == "input" || r.Chain() == "forward" {
				if !r.Disabled() {
					jumps = append(jumps, change.Step{
						Op: change.Disable, Menu: menu, ID: r.ID, Slot: step.Slot, Why: step.Why,
						Set: routeros.MakeAttributes("disabled", "true"), Was: routeros.MakeAttributes("disabled", "false"),
					})
					step.Was = step.Was.With("disabled", "true")
				}
				jumps = append(jumps, step)
			} else {
				inner = append(inner, step)
			}
			continue
		}
		e.remove(step, r)
	}
	e.removeShut = slices.Concat(jumps, inner, e.removeShut)
}

func removal(menu routeros.Menu, r routeros.Rule, mark routeros.Mark, why string) change.Step {
	return change.Step{Op: change.Remove, Menu: menu, ID: r.ID, Slot: mark.Plan + "/" + mark.Slot, Was: r.Attrs, Why: why}
}

// longestIncreasing returns the indices of a longest strictly increasing run of values, in
// O(n log n): patience sorting with back links.
func longestIncreasing(values []int) []int {
	tails := []int{} // tails[k] is the index of the smallest value that ends a run of length k+1
	back := make([]int, len(values))
	for i, v := range values {
		k, _ := slices.BinarySearchFunc(tails, v, func(t, v int) int { return values[t] - v })
		back[i] = -1
		if k > 0 {
			back[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	run := make([]int, len(tails))
	if len(tails) == 0 {
		return run
	}
	for k, i := len(tails)-1, tails[len(tails)-1]; k >= 0; k, i = k-1, back[i] {
		run[k] = i
	}
	return run
}
