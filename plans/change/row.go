package change

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// Row is one row of any menu that change sets touch.
type Row struct {
	ID      string
	Dynamic bool // also of a connection to a service
	Attrs   routeros.Attributes
}

// Rows returns the rows of a rule table, an address list or the services, in their order.
func Rows(s routeros.Snapshot, menu routeros.Menu) []Row {
	var out []Row
	switch {
	case menu.IsRuleTable():
		for _, r := range s.Rules[menu] {
			out = append(out, ruleRow(r))
		}
	case menu == routeros.ServiceMenu:
		for _, v := range s.Services {
			out = append(out, Row{v.ID, v.Dynamic || v.Connection, v.Attributes().With("name", v.Name)})
		}
	default:
		for _, e := range s.Entries[menu] {
			out = append(out, Row{e.ID, e.Dynamic, e.Attributes()})
		}
	}
	return out
}

func ruleRow(r routeros.Rule) Row { return Row{r.ID, r.Dynamic, r.Attrs} }

// FindRow returns the row of a menu with an id. Of the services it is a static one, as those that
// steps touch are.
func FindRow(s routeros.Snapshot, menu routeros.Menu, id string) (Row, bool) {
	if menu.IsRuleTable() {
		rules := s.Rules[menu]
		at := slices.IndexFunc(rules, func(r routeros.Rule) bool { return r.ID == id })
		if at < 0 {
			return Row{}, false
		}
		return ruleRow(rules[at]), true
	}
	for _, r := range Rows(s, menu) {
		if r.ID == id && (menu != routeros.ServiceMenu || !r.Dynamic) {
			return r, true
		}
	}
	return Row{}, false
}

// ReadRow makes a row of a menu's print.
func ReadRow(menu routeros.Menu, attrs routeros.Attributes) Row {
	if menu.IsRuleTable() {
		return ruleRow(routeros.ReadRule(attrs))
	}
	return Row{attrs.Get(".id"), attrs.Bool("dynamic"), attrs}
}
