package undo

import (
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

func hasRow(s routeros.Snapshot, menu routeros.Menu, id string) bool {
	_, ok := change.FindRow(s, menu, id)
	return ok
}

func sameContent(r change.Row, step change.Step) bool {
	return routeros.Rule{Attrs: r.Attrs}.Same(routeros.Rule{Attrs: step.Set})
}

// alike reports whether a row means the same as another, at the same place of the plan. The
// comment's text may have changed in between, and the row may still be disabled.
func alike(r change.Row, was routeros.Attributes, menu routeros.Menu) bool {
	live := func(a routeros.Attributes) routeros.Rule { return routeros.Rule{Attrs: a.Without("disabled")} }
	return samePlace(r, change.Step{Menu: menu, Set: was}) && live(r.Attrs).SameMeaning(live(was))
}

// samePlace reports whether a row is where a step would add one: for a rule, the chain and the
// place within the plan; for a list entry, its content.
func samePlace(r change.Row, step change.Step) bool {
	if !step.Menu.IsRuleTable() {
		return routeros.ReadListEntry(r.Attrs).Key() == routeros.ReadListEntry(step.Set).Key()
	}
	mark, _ := routeros.FindMark(r.Attrs.Get("comment"))
	wanted, _ := routeros.FindMark(step.Set.Get("comment"))
	return mark == wanted && r.Attrs.Get("chain") == step.Set.Get("chain")
}
