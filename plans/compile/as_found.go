package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Relaxed are the conditions that a stage rule as found lacks: then packets count for the stage
// that a stage of ours would not match.
type Relaxed struct {
	AnyState bool // not only the first packet of a connection
	AnyICMP  bool // not only an echo request
}

// relaxed says for each stage of a door which conditions its rule as found lacks; nil if none lacks
// any.
func (c *compiler) relaxed(d plans.Door) []Relaxed {
	out := make([]Relaxed, len(d.Knock))
	for i := range out {
		r := c.plan.Firewall.AsFound.Rule(fmt.Sprintf("%s/stage-%d", d.Name, i+1))
		out[i] = Relaxed{AnyState: r.Lacks("connection-state"), AnyICMP: r.Lacks("icmp-options")}
	}
	if !slices.ContainsFunc(out, func(l Relaxed) bool { return l != Relaxed{} }) {
		return nil
	}
	return out
}

// asFound gives rules the form and the order in which they were found. A rule in a chain of the
// router's own has that chain; the others have none, as usual.
func (c *compiler) asFound(rules []routeros.Rule) ([]routeros.Rule, error) {
	found := c.plan.Firewall.AsFound
	if c.plan.Firewall.Layout != plans.Inline || found.Empty() {
		return rules, nil
	}
	out := slices.Clone(rules)
	place := map[string]int{"established": -1}
	for i, slot := range found.Order {
		place[slot] = i
	}
	at := func(r routeros.Rule) int {
		mark, _ := r.Mark()
		if i, named := place[mark.Slot]; named {
			return i
		}
		return len(found.Order)
	}
	for i, r := range out {
		mark, _ := r.Mark()
		patched, err := patch(r, mark, found.Rule(mark.Slot))
		if err != nil {
			return nil, err
		}
		out[i] = patched
	}
	slices.SortStableFunc(out, func(a, b routeros.Rule) int { return at(a) - at(b) })
	return out, nil
}

// patch turns a rule into the one that was found in its place.
func patch(r routeros.Rule, mark routeros.Mark, found plans.FoundRule) (routeros.Rule, error) {
	r.Attrs = r.Attrs.Without(found.Without...)
	for name, value := range found.With.All() {
		if r.Attrs.Has(name) {
			return r, &change.RefusalError{
				Risk: "as-found", What: fmt.Sprintf("the rule %s has its own %s already", mark.Slot, name),
				Remedy: "take it out of firewall.as-found",
			}
		}
		r.Attrs = r.Attrs.With(name, value)
	}
	if found.Chain != "" && found.Chain != "input" {
		r.Attrs = r.Attrs.With("chain", found.Chain)
	}
	if found.Comment != "" {
		r.Attrs = r.Attrs.With("comment", mark.Comment(found.Comment))
	}
	return r, nil
}
