package change

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// MisfitError says that a step does not fit the router: it names a row that is not there.
type MisfitError struct {
	Index int // of the step in its change set
	Step  Step
	ID    string // the row that it names
}

// Error implements error.
func (e *MisfitError) Error() string {
	return fmt.Sprintf("step %d, %s %s in %s, names the row %s, which is not there", e.Index+1, e.Step.Op, e.Step.Slot, e.Step.Menu, e.ID)
}

// Rehearse returns the snapshot as it will be once the first n steps have been carried out. Rows
// that steps add get ids of the form +3, after the step. The given snapshot stays as it is. The
// error, if any, is a *[MisfitError].
func Rehearse(s routeros.Snapshot, c ChangeSet, n int) (routeros.Snapshot, error) {
	var err error
	for i, step := range c.Steps[:n] {
		if s, err = RehearseStep(s, step, i); err != nil {
			return s, err
		}
	}
	return s, nil
}

// After returns the snapshot as it will be once all steps of a change set have been carried out.
// Rows that steps add get ids of the kind that a router gives, none of which a row has yet; ids
// tells them by the step. The error, if any, is a *[MisfitError].
func After(s routeros.Snapshot, c ChangeSet) (after routeros.Snapshot, ids map[int]string, err error) {
	last := uint64(0)
	for _, menu := range menusOf(s) {
		for _, row := range Rows(s, menu) {
			if n, err := strconv.ParseUint(strings.TrimPrefix(row.ID, "*"), 16, 64); err == nil {
				last = max(last, n)
			}
		}
	}
	if after, err = Rehearse(s, c, len(c.Steps)); err != nil {
		return after, nil, err
	}
	ids = map[int]string{}
	given := func(id string) string {
		i, err := strconv.Atoi(strings.TrimPrefix(id, "+"))
		if err != nil || !strings.HasPrefix(id, "+") {
			return id
		}
		last++
		ids[i] = fmt.Sprintf("*%X", last)
		return ids[i]
	}
	after.Rules, after.Entries = maps.Clone(after.Rules), maps.Clone(after.Entries)
	for menu, rows := range after.Rules {
		after.Rules[menu] = slices.Clone(rows)
		for i := range rows {
			after.Rules[menu][i].ID = given(rows[i].ID)
		}
	}
	for menu, rows := range after.Entries {
		after.Entries[menu] = slices.Clone(rows)
		for i := range rows {
			after.Entries[menu][i].ID = given(rows[i].ID)
		}
	}
	return after, ids, nil
}

func menusOf(s routeros.Snapshot) []routeros.Menu {
	return slices.AppendSeq(slices.Collect(maps.Keys(s.Rules)), maps.Keys(s.Entries))
}

// RehearseStep returns the snapshot as it will be once step i of a change set has been carried out.
// The error, if any, is a *[MisfitError].
func RehearseStep(s routeros.Snapshot, step Step, i int) (routeros.Snapshot, error) {
	if id, ok := missing(s, step); !ok {
		return s, &MisfitError{i, step, id}
	}
	switch {
	case step.Menu.IsRuleTable():
		s.Rules = another(s.Rules)
		s.Rules[step.Menu] = rehearseRule(slices.Clone(s.Rules[step.Menu]), step, i)
	case step.Menu == routeros.ServiceMenu:
		s.Services = slices.Clone(s.Services)
		rehearseService(s.Services, step)
	default:
		s.Entries = another(s.Entries)
		s.Entries[step.Menu] = rehearseEntry(slices.Clone(s.Entries[step.Menu]), step, i)
	}
	return s, nil
}

// another is a copy that can be written to, also of the nil map of an empty router.
func another[V any](m map[routeros.Menu]V) map[routeros.Menu]V {
	if m == nil {
		return map[routeros.Menu]V{}
	}
	return maps.Clone(m)
}

// missing returns a row that a step names and that is not there; ok says that there is none. For a
// row that moves, it is not there itself: the router refuses that (routeros-facts § 2.4).
func missing(s routeros.Snapshot, step Step) (id string, ok bool) {
	names := []string{step.ID, step.Before}
	if step.Op == Add {
		names = names[1:]
	}
	for i, name := range names {
		anchor := step.Op == Add || i == 1
		if name == "" && anchor {
			continue
		}
		itself := step.Op == Move && step.Before == step.ID
		if _, there := FindRow(s, step.Menu, name); !there || itself || anchor && !step.Menu.IsRuleTable() {
			return name, false
		}
	}
	return "", true
}

// rehearseRule carries a step out on a table in which the rows are that it names.
func rehearseRule(rows []routeros.Rule, step Step, i int) []routeros.Rule {
	at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.ID == step.ID })
	switch step.Op {
	case Add:
		row := routeros.Rule{ID: added(i), Attrs: step.Set}
		return slices.Insert(rows, placeOf(rows, step.Before), row)
	case Move:
		row := rows[at]
		rows = slices.Delete(rows, at, at+1)
		return slices.Insert(rows, placeOf(rows, step.Before), row)
	case Remove:
		return slices.Delete(rows, at, at+1)
	default:
		rows[at].Attrs = rows[at].Attrs.Merge(Written(step))
		for name, value := range Written(step).All() {
			if value == "" {
				rows[at].Attrs = rows[at].Attrs.Without(name)
			}
		}
		return rows
	}
}

// Written is what a step writes, whether it says so in a set or in its name.
func Written(step Step) routeros.Attributes {
	switch step.Op {
	case Enable:
		return routeros.MakeAttributes("disabled", "false")
	case Disable:
		return routeros.MakeAttributes("disabled", "true")
	default:
		return step.Set
	}
}

func placeOf(rows []routeros.Rule, id string) int {
	if at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return id != "" && r.ID == id }); at >= 0 {
		return at
	}
	return len(rows)
}

func rehearseEntry(rows []routeros.ListEntry, step Step, i int) []routeros.ListEntry {
	at := slices.IndexFunc(rows, func(e routeros.ListEntry) bool { return e.ID == step.ID })
	switch step.Op {
	case Add:
		row := routeros.ReadListEntry(step.Set.With(".id", added(i)))
		return append(rows, row)
	case Remove:
		return slices.Delete(rows, at, at+1)
	default:
		old := rows[at]
		row := routeros.ReadListEntry(old.Attributes().Merge(Written(step)).With(".id", old.ID))
		row.Created = old.Created
		rows[at] = row
		return rows
	}
}

func rehearseService(rows []routeros.Service, step Step) {
	for i := range rows {
		if rows[i].ID != step.ID || rows[i].Dynamic {
			continue
		}
		for name, value := range Written(step).All() {
			switch name {
			case "disabled":
				rows[i].Disabled, _ = routeros.ParseBool(value)
			case "port":
				rows[i].Port, _ = routeros.ParsePort(value)
			case rows[i].FromName:
				rows[i].From = routeros.SplitPrefixes(value)
			}
		}
	}
}

// States returns the router before the first step, between each two, and after the last: one more
// than there are steps. The error, if any, is a *[MisfitError].
func States(s routeros.Snapshot, c ChangeSet) ([]routeros.Snapshot, error) {
	states := make([]routeros.Snapshot, 0, len(c.Steps)+1)
	states = append(states, s)
	for i, step := range c.Steps {
		next, err := RehearseStep(states[i], step, i)
		if err != nil {
			return states, err
		}
		states = append(states, next)
	}
	return states, nil
}
