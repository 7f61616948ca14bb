package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// name returns a find that matches exactly one row of a state: by chain and comment, and by as many
// more attributes as necessary. Positions and ids differ on the next router, or after the next
// reboot.
func name(s routeros.Snapshot, menu routeros.Menu, id string) (string, error) {
	r, ok := change.FindRow(s, menu, id)
	if !ok {
		return "", fmt.Errorf("a step names a row of %s that is not there", menu)
	}
	if menu == routeros.ServiceMenu {
		return serviceName(s.Version, r), nil
	}
	keys := []string{"list", "address", "comment"}
	if menu.IsRuleTable() {
		keys = []string{"chain", "comment"}
	}
	text := undo.Conditions(menu, r.Attrs)
	left := slices.DeleteFunc(change.Rows(s, menu), func(o change.Row) bool { return !alike(o, r, keys...) })
	if slices.ContainsFunc(left, func(o change.Row) bool { return o.Dynamic }) && !r.Dynamic {
		text += " dynamic=no"
		left = slices.DeleteFunc(left, func(o change.Row) bool { return o.Dynamic })
	}
	for _, a := range telling(r.Attrs.Without(keys...)) {
		if len(left) == 1 {
			break
		}
		fewer := slices.DeleteFunc(slices.Clone(left), func(o change.Row) bool { return !alike(o, r, a.Name) })
		if len(fewer) < len(left) {
			text, left = text+" "+a.Name+"="+script.Quoted(a.Value), fewer
		}
	}
	if len(left) != 1 {
		return "", &change.RefusalError{
			Risk: "no-name", What: fmt.Sprintf("the rule %s has an identical twin, so no script can name it", routeros.Rule{ID: r.ID, Attrs: r.Attrs}.Describe()),
			Remedy: "give it a comment of its own, remove the twin, or use rosknock apply",
		}
	}
	return text, nil
}

// telling lists a rule's attributes in the order in which they are tried to distinguish it from
// others, the most familiar first. Log and disabled are left out: the router also leaves them out,
// depending on how the rule was written (routeros-facts § 2.3).
func telling(a routeros.Attributes) []routeros.Attribute {
	first := []string{"action", "protocol", "dst-port", "src-address-list", "in-interface", "in-interface-list"}
	a = a.Without("disabled", "log", "log-prefix")
	return append(slices.Clone(a.Only(first...)), a.Without(first...)...)
}

func alike(a, b change.Row, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return a.Attrs.Get(name) != b.Attrs.Get(name) })
}

// serviceName names a service: from 7.19 on there are rows of the same name for every connection
// (routeros-facts § 4).
func serviceName(v routeros.Version, r change.Row) string {
	text := "find name=" + script.Quoted(r.Attrs.Get("name"))
	if v.AtLeast(7, 19) {
		text += " dynamic=no"
	}
	return text
}

// command prints a step; s is the state before it.
func command(s routeros.Snapshot, step change.Step) (string, error) {
	menu := script.Path(step.Menu)
	place := ""
	if step.Before != "" {
		anchor, err := name(s, step.Menu, step.Before)
		if err != nil {
			return "", err
		}
		place = "[" + anchor + "]"
	}
	if step.Op == change.Add {
		text := menu + " add" + assigned(step.Set)
		if place != "" {
			text += " place-before=" + place
		}
		return text, nil
	}
	row, err := name(s, step.Menu, step.ID)
	if err != nil {
		return "", err
	}
	row = "[" + row + "]"
	switch {
	case step.Op == change.Remove:
		return menu + " remove " + row, nil
	case step.Op == change.Move && place != "":
		return menu + " move " + row + " destination=" + place, nil
	case step.Op == change.Move:
		return menu + " move " + row, nil
	case len(step.Set) == 1 && step.Set[0].Value == "" && step.Menu.IsRuleTable() && step.Set[0].Name != "comment":
		return menu + " unset " + row + " value-name=" + step.Set[0].Name, nil
	}
	return menu + " set " + row + assigned(change.Written(step)), nil
}

// assigned prints attributes with chain and action first, as people read rules.
func assigned(a routeros.Attributes) string {
	var b strings.Builder
	for _, one := range append(slices.Clone(a.Only("chain", "action")), a.Without("chain", "action")...) {
		if one.Name != ".id" {
			b.WriteString(" " + script.Assign(one.Name, one.Value))
		}
	}
	return b.String()
}
