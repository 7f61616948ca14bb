package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// first reports whether a door of the plan is the first of its name: the windows of a door that
// rotates have one.
func (w ruleWriter) first(i int) bool {
	return slices.IndexFunc(w.plan.Doors, func(o plans.Door) bool { return o.Name == w.plan.Doors[i].Name }) == i
}

// enterLaid is the jump to the stages of windows that are installed in advance. They are many, so
// they have a chain of their own, which only the first packets of connections enter.
func (w ruleWriter) enterLaid(door string) routeros.Rule {
	return w.rule(door+"/jump", "knocks at door "+door, "action", "jump", "jump-target", door, "connection-state", "new")
}

// laidChain lists the stages of all windows of a door. Forged packets bypass them: to drop them by
// their ports, as in [compiler.forged], would need rules that change with each window and have no
// hours.
func (w ruleWriter) laidChain(b *Bogons, door string) []routeros.Rule {
	var rules []routeros.Rule
	if b != nil {
		for i, list := range b.InterfaceLists {
			rules = append(rules, w.rule(fmt.Sprintf("%s/forged-knock-%d", door, i+1), "forged sources don't knock",
				"action", "return", "in-interface-list", list, "src-address-list", b.List))
		}
	}
	for _, d := range w.plan.Doors {
		if d.Name == door {
			rules = append(rules, w.stages(d)...)
		}
	}
	return rules
}

// laidAcross says when the router's clock is set forward or back during the windows that are
// installed in advance, or that this is unknown. Hours use the offset at their time; if nobody
// installs the next knocks, they repeat by local time.
func laidAcross(p plans.Plan, s routeros.Snapshot) string {
	if p.Ahead() == 0 {
		return ""
	}
	if s.Clock.IsZero() {
		return "the router's clock is unknown: the hours of the installed knocks are UTC"
	}
	zone := s.Clock.Location()
	if zone.String() == "" {
		return fmt.Sprintf("the router's time zone is unknown on this machine, only its present offset %s: when daylight saving begins or ends there, run rosknock rotate", s.Clock.Format("-07:00"))
	}
	if _, change := s.Clock.ZoneBounds(); !change.IsZero() && change.Before(s.Clock.Add(p.Ahead()+p.Ahead())) {
		return fmt.Sprintf("the router's clock (%s) changes its offset at %s: windows behind that are provisioned by the new one; if nobody lays down "+
			"others then, they come again with the knock of an hour before or after, which a client finds with --at", zone, change.Format("2006-01-02 15:04 -07:00"))
	}
	return ""
}
