package apply

import (
	"fmt"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Command returns the command for a step. Rows are always named by id: a bare number would be a
// position, and a comment would select the first rule that has it (routeros-facts § 1.4).
func Command(step change.Step) (routeros.Command, error) {
	c := routeros.Command{Path: step.Menu.Verb(string(step.Op))}
	row := []routeros.Attribute{{Name: ".id", Value: step.ID}}
	switch step.Op {
	case change.Add:
		c.Attrs = append(c.Attrs, leading(step.Set)...)
		if step.Before != "" {
			c.Attrs = append(c.Attrs, routeros.Attribute{Name: "place-before", Value: step.Before})
		}
	case change.Move:
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "numbers", Value: step.ID})
		if step.Before != "" {
			c.Attrs = append(c.Attrs, routeros.Attribute{Name: "destination", Value: step.Before})
		}
	case change.Set:
		c.Attrs = append(row, leading(step.Set)...)
		if len(step.Set) == 1 && step.Set[0].Value == "" && step.Menu.IsRuleTable() && step.Set[0].Name != "comment" {
			c.Path = step.Menu.Verb("unset")
			c.Attrs = append(row, routeros.Attribute{Name: "value-name", Value: step.Set[0].Name})
		}
	case change.Remove:
		c.Attrs = row
	case change.Enable, change.Disable:
		// set has the same effect as enable and disable, in every menu.
		c.Path = step.Menu.Verb("set")
		c.Attrs = append(row, routeros.Attribute{Name: "disabled", Value: yesNo(step.Op == change.Disable)})
	default:
		return routeros.Command{}, fmt.Errorf("%s: no command for %q", step.Name(), step.Op)
	}
	return c, nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// leading are the attributes that come first, as people read rules.
func leading(row routeros.Attributes) []routeros.Attribute {
	out := make([]routeros.Attribute, 0, len(row))
	for _, name := range []string{"chain", "action"} {
		if value, ok := row.Lookup(name); ok {
			out = append(out, routeros.Attribute{Name: name, Value: value})
		}
	}
	return append(out, row.Without("chain", "action")...)
}
