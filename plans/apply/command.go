package apply

import (
	"fmt"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// Commands returns the commands that carry out a step. added holds, by step, the ids that the router gave
// to the rows of earlier Add steps. Rows are always named by id: a bare number would be a
// position and a comment the first rule that carries it (routeros-facts § 1.4).
func Commands(step diff.Step, added map[int]string) ([]routeros.Command, error) {
	before, err := resolve(step.Before, added)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", step.Slot, err)
	}
	c := routeros.Command{Path: step.Menu.Verb(string(step.Op))}
	switch step.Op {
	case diff.Add:
		c.Attrs = append(c.Attrs, leading(step.Set)...)
		if before != "" {
			c.Attrs = append(c.Attrs, routeros.Attribute{Name: "place-before", Value: before})
		}
	case diff.Move:
		c.Attrs = append(c.Attrs, routeros.Attribute{Name: "numbers", Value: step.ID})
		if before != "" {
			c.Attrs = append(c.Attrs, routeros.Attribute{Name: "destination", Value: before})
		}
	case diff.Set:
		c.Attrs = append([]routeros.Attribute{{Name: ".id", Value: step.ID}}, leading(step.Set)...)
	case diff.Remove, diff.Enable, diff.Disable:
		c.Attrs = []routeros.Attribute{{Name: ".id", Value: step.ID}}
	default:
		return nil, fmt.Errorf("%s: no command for %q", step.Slot, step.Op)
	}
	commands := []routeros.Command{c}
	if step.Op == diff.Set && len(step.Set) == 0 {
		commands = nil
	}
	for _, name := range step.Unset {
		commands = append(commands, routeros.NewCommand(step.Menu.Verb("unset"), ".id", step.ID, "value-name", name))
	}
	return commands, nil
}

func resolve(ref diff.Ref, added map[int]string) (string, error) {
	if ref.ID != "" || ref.Step < 0 {
		return ref.ID, nil
	}
	id, ok := added[ref.Step]
	if !ok {
		return "", fmt.Errorf("its place is before the row of step %d, which has not been added", ref.Step+1)
	}
	return id, nil
}

// leading puts chain and action first, as people read rules.
func leading(row routeros.Attributes) []routeros.Attribute {
	out := make([]routeros.Attribute, 0, len(row))
	for _, name := range []string{"chain", "action"} {
		if value, ok := row.Lookup(name); ok {
			out = append(out, routeros.Attribute{Name: name, Value: value})
		}
	}
	return append(out, row.Without("chain", "action")...)
}
