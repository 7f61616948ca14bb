package render

import (
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// track is a change with every intermediate state: steps[i] leads from states[i] to states[i+1].
type track struct {
	states []routeros.Snapshot
	steps  []change.Step
}

func newTrack(before routeros.Snapshot, c change.ChangeSet) (track, error) {
	states, err := change.States(before, c)
	return track{states, c.Steps}, err
}

// back is the reverse track, over the same states.
func (t track) back() (track, error) {
	out := track{states: []routeros.Snapshot{t.states[len(t.steps)]}}
	for i := range slices.Backward(t.steps) {
		one, err := t.inverse(i)
		if err != nil {
			return out, err
		}
		out.steps = append(out.steps, one.steps...)
		out.states = append(out.states, one.states[1:]...)
	}
	return out, nil
}

// inverse undoes one step. Rows keep their ids of the states, so that the next steps find them.
func (t track) inverse(i int) (track, error) {
	was, is, step := t.states[i], t.states[i+1], t.steps[i]
	out := track{states: []routeros.Snapshot{is}}
	one := change.Step{Menu: step.Menu, ID: step.ID, Slot: step.Slot, Why: "undo"}
	switch step.Op {
	case change.Add:
		one.Op, one.ID = change.Remove, added(was, is, step.Menu)
		out.steps = append(out.steps, one)
	case change.Remove:
		one.Op, one.ID, one.Set, one.Before = change.Add, "", attributesOf(was, step.Menu, step.ID), behind(was, step.Menu, step.ID)
		out.steps = append(out.steps, one)
	case change.Move:
		one.Op, one.Before = change.Move, behind(was, step.Menu, step.ID)
		out.steps = append(out.steps, one)
	case change.Set, change.Enable, change.Disable:
		out.steps = append(out.steps, setBack(one, attributesOf(was, step.Menu, step.ID), change.Written(step))...)
	}
	for n, s := range out.steps {
		if n == len(out.steps)-1 {
			out.states = append(out.states, was)
			break
		}
		next, err := change.RehearseStep(out.states[n], s, n)
		if err != nil {
			return out, err
		}
		out.states = append(out.states, next)
	}
	return out, nil
}

// setBack gives a row its old values. An attribute that a rule did not have is unset by a step of
// its own.
func setBack(one change.Step, old, written routeros.Attributes) []change.Step {
	one.Op = change.Set
	var out []change.Step
	var values routeros.Attributes
	for name := range written.All() {
		value, had := old.Lookup(name)
		switch {
		case name == "disabled":
			values = values.With(name, routeros.FormatBool(old.Bool(name)))
		case !had && one.Menu.IsRuleTable() && name != "comment":
			gone := one
			gone.Set = routeros.MakeAttributes(name, "")
			out = append(out, gone)
		default:
			values = values.With(name, value)
		}
	}
	if len(values) > 0 {
		one.Set = values
		out = append(out, one)
	}
	return out
}

func attributesOf(s routeros.Snapshot, menu routeros.Menu, id string) routeros.Attributes {
	r, _ := change.FindRow(s, menu, id)
	return r.Attrs
}

// added is the id of the row that one state has and the one before it has not.
func added(was, is routeros.Snapshot, menu routeros.Menu) string {
	for _, r := range change.Rows(is, menu) {
		if _, there := change.FindRow(was, menu, r.ID); !there {
			return r.ID
		}
	}
	return ""
}

// behind is the id of the next row after a row, of those that can be an anchor; "" for the end.
func behind(s routeros.Snapshot, menu routeros.Menu, id string) string {
	if !menu.IsRuleTable() {
		return ""
	}
	rows := change.Rows(s, menu)
	at := slices.IndexFunc(rows, func(r change.Row) bool { return r.ID == id })
	for _, next := range rows[at+1:] {
		if !next.Dynamic {
			return next.ID
		}
	}
	return ""
}
