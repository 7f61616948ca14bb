package diff

import (
	"fmt"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// entrySteps compares the entries of the plan's own lists: the allow-list, and that of bogons.
// Additions come before every rule, removals after. The error, if any, is a *[change.RefusalError].
func entrySteps(s routeros.Snapshot, want compile.RuleSet) (steps, error) {
	var out steps
	wanted := map[routeros.Menu]map[string]bool{}
	for _, w := range want.Entries {
		if wanted[w.Menu] == nil {
			wanted[w.Menu] = map[string]bool{}
		}
		wanted[w.Menu][w.Entry.Key()] = true
		step, needed, err := entryStep(s.Entries[w.Menu], w, want.Plan)
		if err != nil {
			return steps{}, err
		}
		if needed {
			out.open = append(out.open, step)
		}
	}
	for _, f := range routeros.Families() {
		menu := f.AddressList()
		seen := map[string]bool{}
		for _, e := range s.Entries[menu] {
			mark, ours := e.Mark()
			if !ours || mark.Plan != want.Plan || e.Dynamic {
				continue
			}
			if wanted[menu][e.Key()] && !seen[e.Key()] {
				seen[e.Key()] = true
				continue
			}
			out.removeOpen = append(out.removeOpen, change.Step{
				Op: change.Remove, Menu: menu, ID: e.ID, Slot: mark.Plan + "/" + mark.Slot, Was: e.Attributes(), Why: "not in the plan, or twice",
			})
		}
	}
	return out, nil
}

// entryStep says what one wanted entry still needs. An enabled entry for the same address serves,
// no matter who made it: the router would refuse a second one (routeros-facts § 3). So one with a
// time-out, which will not serve for long, is in the way.
func entryStep(rows []routeros.ListEntry, w compile.Entry, plan string) (step change.Step, needed bool, err error) {
	of, _ := w.Entry.Mark()
	slot := plan + "/" + of.Slot
	var disabled *routeros.ListEntry
	for i, e := range rows {
		if e.Key() != w.Entry.Key() {
			continue
		}
		switch {
		case !e.Disabled && e.Timed:
			return change.Step{}, false, &change.RefusalError{
				Risk: "timed-entry", What: fmt.Sprintf("%s is in %s %s for a time only (%s), where the plan wants it for good", w.Entry.Address, w.Menu, w.Entry.List, e.ID),
				Remedy: "remove that entry, or wait until its time is over: the router takes no second one",
			}
		case !e.Disabled:
			return change.Step{}, false, nil
		}
		if mark, ours := e.Mark(); ours && mark.Plan == plan && !e.Dynamic && disabled == nil {
			disabled = &rows[i]
		}
	}
	if disabled != nil {
		return change.Step{
			Op: change.Enable, Menu: w.Menu, ID: disabled.ID, Slot: slot, Why: "disabled",
			Set: routeros.MakeAttributes("disabled", "false"), Was: routeros.MakeAttributes("disabled", "true"),
		}, true, nil
	}
	return change.Step{Op: change.Add, Menu: w.Menu, Slot: slot, Set: w.Entry.Attributes(), Why: "missing"}, true, nil
}

// serviceSteps compares /ip/service. Rows are chosen by id among the static ones: a name alone may
// hit one of the rows that 7.19 and later list for every connection (routeros-facts § 4).
func serviceSteps(s routeros.Snapshot, want compile.RuleSet, notes *[]string) []change.Step {
	var out []change.Step
	for _, w := range want.Services {
		row, ok := s.Service(w.Name)
		if !ok {
			*notes = append(*notes, fmt.Sprintf("the router has no service %s: left out", w.Name))
			continue
		}
		set, was := serviceDifference(row, w)
		if len(set) == 0 {
			continue
		}
		step := change.Step{Op: change.Set, Menu: routeros.ServiceMenu, ID: row.ID, Slot: w.Name, Set: set, Was: was, Why: "the plan's services"}
		if len(set) == 1 && set.Get("disabled") == "true" {
			step.Op = change.Disable
		}
		out = append(out, step)
	}
	return out
}

func serviceDifference(row routeros.Service, w compile.Service) (set, was routeros.Attributes) {
	if w.Disabled != nil && *w.Disabled != row.Disabled {
		set = set.With("disabled", routeros.FormatBool(*w.Disabled))
		was = was.With("disabled", routeros.FormatBool(row.Disabled))
	}
	if w.Port != nil && *w.Port != row.Port {
		set = set.With("port", fmt.Sprint(*w.Port))
		was = was.With("port", fmt.Sprint(row.Port))
	}
	if w.WantFrom && !routeros.SameFrom(w.From, row.From) {
		set = set.With(row.FromName, routeros.JoinPrefixes(w.From))
		was = was.With(row.FromName, routeros.JoinPrefixes(row.From))
	}
	return set, was
}
