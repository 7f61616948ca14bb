package undo

import (
	"slices"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// row is one row of any menu that change sets touch.
type row struct {
	id      string
	dynamic bool
	attrs   routeros.Attributes
}

func rowsOf(s routeros.Snapshot, menu routeros.Menu) []row {
	var out []row
	switch {
	case menu.IsRuleTable():
		for _, r := range s.Rules[menu] {
			out = append(out, row{r.ID, r.Dynamic, r.Attrs})
		}
	case menu == routeros.ServiceMenu:
		for _, svc := range s.Services {
			out = append(out, row{svc.ID, svc.Dynamic || svc.Connection, svc.Attributes()})
		}
	default:
		for _, e := range s.Entries[menu] {
			out = append(out, row{e.ID, e.Dynamic, e.Attributes()})
		}
	}
	return out
}

func find(s routeros.Snapshot, menu routeros.Menu, id string) (row, bool) {
	if menu.IsRuleTable() {
		rules := s.Rules[menu]
		at := slices.IndexFunc(rules, func(r routeros.Rule) bool { return r.ID == id })
		if at < 0 {
			return row{}, false
		}
		return row{id, rules[at].Dynamic, rules[at].Attrs}, true
	}
	for _, r := range rowsOf(s, menu) {
		if r.id == id {
			return r, true
		}
	}
	return row{}, false
}

func hasRow(s routeros.Snapshot, menu routeros.Menu, id string) bool {
	_, ok := find(s, menu, id)
	return ok
}

// samePlace reports whether a row stands where a step would add one: of a rule the chain and the place within the plan, of a list entry
// what it holds.
func samePlace(r row, step diff.Step) bool {
	if !step.Menu.IsRuleTable() {
		return routeros.ReadListEntry(r.attrs).Key() == routeros.ReadListEntry(step.Set).Key()
	}
	mark, _ := routeros.FindMark(r.attrs.Get("comment"))
	wanted, _ := routeros.FindMark(step.Set.Get("comment"))
	return mark == wanted && r.attrs.Get("chain") == step.Set.Get("chain")
}

func sameContent(r row, step diff.Step) bool {
	return routeros.Rule{Attrs: r.attrs}.Same(routeros.Rule{Attrs: step.Set})
}

// alike reports whether a row means the same as another, at the same place of the plan; the comment's words may have changed on the way.
func alike(r row, was routeros.Attributes, menu routeros.Menu) bool {
	return samePlace(r, diff.Step{Menu: menu, Set: was}) && routeros.Rule{Attrs: r.attrs}.SameMeaning(routeros.Rule{Attrs: was})
}
