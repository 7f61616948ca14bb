// Package undo undoes a change set on a router, however far it has been applied. There are two
// forms of an undo. [Changes] computes the steps from the router's present state, if rosknock can
// reach the router. [Script] writes them beforehand in the router's own language, for the scheduler
// of a router that nobody can reach any more. Both reverse the change set step by step, so that
// every intermediate state is one that was proved. Both skip steps that were never done, and
// neither names a foreign row except as the anchor of a placement.
//
//	back := undo.Changes(now, before, changes, "branch")
//	text := undo.Script(before, changes, "branch", []string{"rosknock-dead-man"})
package undo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Changes returns the steps that undo the applied part of a change set, which was computed on
// before, on the router in its present state. Foreign rules may have been added or removed
// meanwhile. Steps may name a row that an earlier one of them adds, as +N (see [diff.Step]). The
// notes say what can't be rolled back. The error, if any, is a *[diff.MisfitError]: the change set
// is not one of before.
func Changes(now, before routeros.Snapshot, done change.ChangeSet, plan string) (change.ChangeSet, error) {
	states, err := change.States(before, done)
	if err != nil {
		return change.ChangeSet{}, err
	}
	u := newUndoer(now, states, done, plan)
	u.recogniseAdded(before, done)
	steps, exact := u.progressOf(done)
	if !exact {
		// An earlier undo may have been interrupted, and may have restored rows already.
		u = newUndoer(now, states, done, plan)
		u.recogniseReturned(before, done)
		u.recogniseAdded(before, done)
		steps, exact = u.progressOf(done)
	}
	u.exact = exact
	for i, step := range slices.Backward(done.Steps[:steps]) {
		u.takeBack(u.states[i], step, i)
	}
	if u.misfit != nil {
		return change.ChangeSet{}, u.misfit
	}
	u.out.Steps, err = change.Arrange(now, u.out.Steps)
	return u.out, err
}

func newUndoer(now routeros.Snapshot, states []routeros.Snapshot, done change.ChangeSet, plan string) *undoer {
	return &undoer{
		plan: plan, cur: now, states: states, at: map[string]string{}, handed: handed(done, plan),
		out: change.ChangeSet{Snapshot: now.Digest(), Plan: done.Plan},
	}
}

// progressOf returns how far the change set has been applied: after how many steps the router would
// be in its present state, or at least the plan's rows, if foreign rows have changed. If that
// matches no number of steps, since somebody has edited our rows, it returns all steps, and those
// that were not done are skipped one by one.
func (u *undoer) progressOf(done change.ChangeSet) (steps int, exact bool) {
	menus := done.Menus()
	for _, foreign := range []bool{true, false} {
		now := map[routeros.Menu][]change.Row{}
		for _, m := range menus {
			now[m] = u.list(u.cur, m, foreign)
		}
		for n, state := range u.states {
			if !slices.ContainsFunc(menus, func(m routeros.Menu) bool { return !slices.EqualFunc(u.list(state, m, foreign), now[m], sameRow) }) {
				return n, true
			}
		}
	}
	return len(done.Steps), false
}

// list is a menu's rows in order, with their present ids: the plan's with their content, others, if
// requested, by their ids only.
func (u *undoer) list(s routeros.Snapshot, menu routeros.Menu, foreign bool) []change.Row {
	var out []change.Row
	for _, r := range change.Rows(s, menu) {
		mine := menu == routeros.ServiceMenu || u.owned(r)
		if r.Dynamic || !mine && !foreign {
			continue
		}
		if now, ok := u.at[key(menu, r.ID)]; ok {
			r.ID = now
		}
		if !mine {
			r.Attrs = nil
		}
		out = append(out, r)
	}
	if !menu.IsRuleTable() {
		slices.SortFunc(out, func(a, b change.Row) int { return strings.Compare(a.ID, b.ID) })
	}
	return out
}

func sameRow(a, b change.Row) bool {
	return a.ID == b.ID && (slices.Equal(a.Attrs, b.Attrs) ||
		slices.Equal(routeros.Rule{Attrs: a.Attrs}.Canonical(), routeros.Rule{Attrs: b.Attrs}.Canonical()))
}

type undoer struct {
	plan   string
	cur    routeros.Snapshot   // the state after the steps so far
	states []routeros.Snapshot // of the change set that is rolled back
	// at is the id in cur of a row of the states, if it differs.
	at     map[string]string
	handed map[string]string // see [handed]
	exact  bool              // the router is as in one of the states
	out    change.ChangeSet
	misfit error
}

func key(menu routeros.Menu, id string) string { return string(menu) + " " + id }

// recogniseReturned finds rows that steps removed and that an interrupted undo has restored
// already, under other ids. Of identical rows, those that were removed last were restored first,
// and they are in their old order.
func (u *undoer) recogniseReturned(before routeros.Snapshot, done change.ChangeSet) {
	var seen []change.Step
	for _, step := range slices.Backward(done.Steps) {
		like := func(other change.Step) bool {
			return other.Op == change.Remove && other.Menu == step.Menu && !hasRow(u.cur, other.Menu, other.ID) && alike(change.Row{Attrs: other.Was}, step.Was, step.Menu)
		}
		if step.Op != change.Remove || !like(step) || slices.ContainsFunc(seen, like) {
			continue
		}
		seen = append(seen, step)
		var gone []string // the last first
		for _, other := range slices.Backward(done.Steps) {
			if like(other) {
				gone = append(gone, other.ID)
			}
		}
		var back []string
		for _, r := range u.fresh(before, step.Menu) {
			if alike(r, step.Was, step.Menu) {
				back = append(back, r.ID)
			}
		}
		gone = gone[:min(len(gone), len(back))]
		all := change.Rows(before, step.Menu)
		slices.SortFunc(gone, func(a, b string) int { return position(all, a) - position(all, b) })
		for i, id := range gone {
			u.at[key(step.Menu, id)] = back[i]
		}
	}
}

func position(rows []change.Row, id string) int {
	return slices.IndexFunc(rows, func(r change.Row) bool { return r.ID == id })
}

func (u *undoer) recogniseAdded(before routeros.Snapshot, done change.ChangeSet) {
	for i, step := range done.Steps {
		if step.Op == change.Add {
			u.recognise(before, step, i)
		}
	}
}

// recognise finds the row that a step added: of the same place in the plan and the same chain.
func (u *undoer) recognise(before routeros.Snapshot, step change.Step, i int) {
	best := ""
	for _, row := range u.fresh(before, step.Menu) {
		if samePlace(row, step) && (best == "" || sameContent(row, step)) {
			best = row.ID
		}
	}
	if best != "" {
		u.at[key(step.Menu, added(i))] = best
	}
}

// added is the id of states for the row that step i added.
func added(i int) string { return fmt.Sprintf("+%d", i) }

// fresh lists the plan's rows of a menu that did not exist before and are not assigned to a step
// yet.
func (u *undoer) fresh(before routeros.Snapshot, menu routeros.Menu) []change.Row {
	var out []change.Row
	for _, r := range change.Rows(u.cur, menu) {
		if u.owned(r) && !hasRow(before, menu, r.ID) && !u.claimed(menu, r.ID) {
			out = append(out, r)
		}
	}
	return out
}

func (u *undoer) claimed(menu routeros.Menu, id string) bool {
	for of, now := range u.at {
		if now == id && strings.HasPrefix(of, key(menu, "")) {
			return true
		}
	}
	return false
}

// mine is current for a row that is to be changed: it has to be the plan's still.
func (u *undoer) mine(menu routeros.Menu, id string) (change.Row, bool) {
	r, ok := u.current(menu, id)
	comment, gave := u.handed[key(menu, id)]
	return r, ok && (menu == routeros.ServiceMenu || u.owned(r) || gave && comment == r.Attrs.Get("comment"))
}

// current returns the row of cur that a row of the states has become.
func (u *undoer) current(menu routeros.Menu, id string) (change.Row, bool) {
	now, ok := u.at[key(menu, id)]
	switch {
	case ok:
		id = now
	case strings.HasPrefix(id, "+"): // a step that was never done; such an id of cur is that of a row that comes back
		return change.Row{}, false
	}
	return change.FindRow(u.cur, menu, id)
}

// handed lists the rows that a change set hands back to others, by the comment that they then have.
// Its undo takes them over again.
func handed(c change.ChangeSet, plan string) map[string]string {
	out := map[string]string{}
	for _, step := range c.Steps {
		if mark, ok := routeros.FindMark(step.Was.Get("comment")); ok && mark.Plan == plan && change.HandsOver(step, plan) {
			out[key(step.Menu, step.ID)] = step.Set.Get("comment")
		}
	}
	return out
}

func (u *undoer) owned(r change.Row) bool {
	mark, ok := routeros.FindMark(r.Attrs.Get("comment"))
	return ok && !r.Dynamic && mark.Plan == u.plan
}

func (u *undoer) step(s change.Step) {
	if u.misfit != nil {
		return
	}
	u.out.Steps = append(u.out.Steps, s)
	u.cur, u.misfit = change.RehearseStep(u.cur, s, len(u.out.Steps)-1)
}

// takeBack undoes one step; was is the state before it.
func (u *undoer) takeBack(was routeros.Snapshot, step change.Step, i int) {
	back := change.Step{Menu: step.Menu, Slot: step.Slot, Why: "undo"}
	switch step.Op {
	case change.Add:
		if r, ok := u.mine(step.Menu, added(i)); ok {
			back.Op, back.ID, back.Was = change.Remove, r.ID, r.Attrs
			u.step(back)
		}
	case change.Remove:
		if r, ok := u.current(step.Menu, step.ID); ok {
			u.goLive(r, step, back)
			return
		}
		back.Op, back.Set = change.Add, step.Was
		back.Before, back.BeforeText = u.place(was, step.Menu, step.ID)
		id := added(len(u.out.Steps))
		u.at[key(step.Menu, step.ID)] = id
		if live := change.Prepared(u.cur, back); live != nil { // as when it was first put there
			back.Set = back.Set.With("disabled", "true")
			u.step(back)
			live.ID = id
			u.step(*live)
			return
		}
		u.step(back)
	case change.Move:
		u.moveBack(was, step, back)
	case change.Set, change.Enable, change.Disable:
		u.setBack(was, step, back)
	}
}

// goLive enables a row that an interrupted undo has restored disabled.
func (u *undoer) goLive(r change.Row, step, back change.Step) {
	if r.ID != step.ID && r.Attrs.Bool("disabled") && !step.Was.Bool("disabled") {
		back.Op, back.ID = change.Enable, r.ID
		back.Set, back.Was = routeros.MakeAttributes("disabled", "false"), routeros.MakeAttributes("disabled", "true")
		u.step(back)
	}
}

func (u *undoer) moveBack(was routeros.Snapshot, step, back change.Step) {
	r, ok := u.mine(step.Menu, step.ID)
	if !ok {
		return
	}
	before, text := u.place(was, step.Menu, step.ID)
	if before == r.ID || u.follower(step.Menu, r.ID) == before {
		return // it is in its old place
	}
	back.Op, back.ID, back.Before, back.BeforeText = change.Move, r.ID, before, text
	u.step(back)
}

// setBack gives attributes their old values. A service that somebody has changed since is left as
// it is: they may depend on it to log in.
func (u *undoer) setBack(was routeros.Snapshot, step, back change.Step) {
	r, ok := u.mine(step.Menu, step.ID)
	if !ok {
		return
	}
	old, _ := change.FindRow(was, step.Menu, step.ID)
	back.ID = r.ID
	var values, gone routeros.Attributes
	for name, value := range change.Written(step).All() {
		current, before := routeros.Canonical(name, r.Attrs.Get(name)), old.Attrs.Get(name)
		switch {
		case current == routeros.Canonical(name, before), name == "disabled" && r.Attrs.Bool(name) == old.Attrs.Bool(name):
		case step.Menu == routeros.ServiceMenu && current != routeros.Canonical(name, value):
			u.out.Notes = append(u.out.Notes, fmt.Sprintf("the service %s was changed by somebody else since: its %s is left as it is", step.Slot, name))
		case name == "disabled":
			values = values.With(name, routeros.FormatBool(old.Attrs.Bool(name)))
		case before == "" && step.Menu.IsRuleTable() && name != "comment":
			gone = gone.With(name, "")
		default:
			values = values.With(name, before)
		}
	}
	if len(values) > 0 {
		set := back
		set.Op, set.Set, set.Was = change.Set, values, r.Attrs.Only(names(values)...)
		if disabled, ok := values.Lookup("disabled"); ok && len(values) == 1 {
			set.Op = map[string]change.Op{"true": change.Disable, "false": change.Enable}[disabled]
		}
		u.step(set)
	}
	for name := range gone.All() { // an attribute that did not exist is unset by a command of its own
		unset := back
		unset.Op, unset.Set, unset.Was = change.Set, routeros.MakeAttributes(name, ""), r.Attrs.Only(name)
		u.step(unset)
	}
}

func names(a routeros.Attributes) []string {
	var out []string
	for name := range a.All() {
		out = append(out, name)
	}
	return out
}

// place returns the row before which a row of a state has to stand now: the next one of its chain
// that still exists. If there is none, it is the row after its predecessor. If that is gone too,
// its original place counts: of steps that were sent together, one may have been refused and later
// ones done, so a row may still exist that the state no longer has. Otherwise it is the end of the
// table.
func (u *undoer) place(was routeros.Snapshot, menu routeros.Menu, id string) (before, text string) {
	if !menu.IsRuleTable() {
		return "", ""
	}
	first, second := was, u.states[0]
	if !u.exact && slices.ContainsFunc(second.Rules[menu], func(r routeros.Rule) bool { return r.ID == id }) {
		first, second = second, first // rows may exist that the state no longer has
	}
	if before, text = u.beside(first.Rules[menu], menu, id); text == "" {
		before, text = u.beside(second.Rules[menu], menu, id)
	}
	return before, text
}

// beside is place, by the order of given rows.
func (u *undoer) beside(rows []routeros.Rule, menu routeros.Menu, id string) (before, text string) {
	at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.ID == id })
	if at < 0 {
		return "", ""
	}
	for _, next := range rows[at+1:] {
		if next.Chain() != rows[at].Chain() || next.Dynamic {
			continue
		}
		if r, ok := u.current(menu, next.ID); ok && r.Attrs.Get("chain") == next.Chain() {
			return r.ID, next.Describe()
		}
	}
	for _, previous := range slices.Backward(rows[:at]) {
		if previous.Chain() != rows[at].Chain() || previous.Dynamic {
			continue
		}
		if r, ok := u.current(menu, previous.ID); ok && r.Attrs.Get("chain") == previous.Chain() {
			return u.follower(menu, r.ID), "what follows " + previous.Describe()
		}
	}
	return "", ""
}

// follower is the row of the same chain behind a row of cur.
func (u *undoer) follower(menu routeros.Menu, id string) string {
	rows := u.cur.Rules[menu]
	at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.ID == id })
	for _, next := range rows[at+1:] {
		if next.Chain() == rows[at].Chain() && !next.Dynamic {
			return next.ID
		}
	}
	return ""
}
