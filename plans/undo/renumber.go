package undo

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// renumbered gives the rows of a backup, and the steps that name them, their present ids. A router
// that was restored from its own backup gives its rows new ids, and an upgrade may do so too
// (routeros-facts § 11): then the old ids would name other rows. If a menu is as it was after some
// of the steps, row by row in its order, each row is found by its place. Otherwise, or if the steps
// don't fit the backup, the ids are used as they are.
func renumbered(now, before routeros.Snapshot, done change.ChangeSet) (routeros.Snapshot, change.ChangeSet) {
	states, err := change.States(before, done)
	if err != nil {
		return before, done
	}
	ids := map[string]string{}
	for _, menu := range done.Menus() {
		if menu == routeros.ServiceMenu {
			continue // a service never changes its id
		}
		for was, is := range settled(static(now, menu), states, menu) {
			ids[key(menu, was)] = is
		}
	}
	if len(ids) == 0 {
		return before, done
	}
	name := func(menu routeros.Menu, id string) string {
		if is, ok := ids[key(menu, id)]; ok {
			return is
		}
		return id
	}
	for menu, rows := range before.Rules {
		before.Rules[menu] = slices.Clone(rows)
		for i, r := range rows {
			before.Rules[menu][i].ID = name(menu, r.ID)
		}
	}
	for menu, rows := range before.Entries {
		before.Entries[menu] = slices.Clone(rows)
		for i, e := range rows {
			before.Entries[menu][i].ID = name(menu, e.ID)
		}
	}
	done.Steps = slices.Clone(done.Steps)
	for i, step := range done.Steps {
		done.Steps[i].ID, done.Steps[i].Before = name(step.Menu, step.ID), name(step.Menu, step.Before)
	}
	return before, done
}

// settled returns the present id of each original row, if the rows are those of one of the states
// under other ids; nothing if the ids are unchanged. Rows that the steps have removed get an id
// that no row has.
func settled(rows []change.Row, states []routeros.Snapshot, menu routeros.Menu) map[string]string {
	for _, state := range slices.Backward(states) {
		then := static(state, menu)
		if !slices.EqualFunc(then, rows, func(a, b change.Row) bool { return routeros.Rule{Attrs: a.Attrs}.Same(routeros.Rule{Attrs: b.Attrs}) }) {
			continue
		}
		out, other := map[string]string{}, false
		for _, r := range change.Rows(states[0], menu) {
			out[r.ID] = "gone " + r.ID
		}
		for i, r := range then {
			if !strings.HasPrefix(r.ID, "+") {
				out[r.ID] = rows[i].ID
				other = other || r.ID != rows[i].ID
			}
		}
		if other {
			return out
		}
		return nil
	}
	return nil
}

// static lists the rows of a menu that somebody has made.
func static(s routeros.Snapshot, menu routeros.Menu) []change.Row {
	return slices.DeleteFunc(change.Rows(s, menu), func(r change.Row) bool { return r.Dynamic })
}
