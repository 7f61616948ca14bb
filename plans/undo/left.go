package undo

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Left says what of a change set is still on a router: where the plan's rows, chain by chain, its
// list entries and the services that it touched differ from their state before. Ids don't count,
// since a restored row has a new one. If nobody else has changed anything, the place of each row
// among foreign rows counts too.
func Left(now, before routeros.Snapshot, done change.ChangeSet, plan string) []string {
	now = within(now, before)
	alone := len(change.Foreign(before, now, plan)) == 0
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			out = append(out, leftInTable(menu, now, before, plan, alone)...)
		}
		was, is := ownEntries(before, f, plan), ownEntries(now, f, plan)
		if !slices.Equal(was, is) {
			out = append(out, fmt.Sprintf("%s: entries of the plan: %d now, %d before", f.AddressList(), len(is), len(was)))
		}
	}
	return append(out, leftOfServices(now, before, done)...)
}

// leftOfServices names the services that still have a value which the change set wrote. Values that
// somebody else has written since stay, and are not named.
func leftOfServices(now, before routeros.Snapshot, done change.ChangeSet) []string {
	var out []string
	for _, step := range done.Steps {
		if step.Menu != routeros.ServiceMenu {
			continue
		}
		was, _ := change.FindRow(before, step.Menu, step.ID)
		is, ok := change.FindRow(now, step.Menu, step.ID)
		text := fmt.Sprintf("the service %s is not as it was before", step.Slot)
		if ok && !slices.Contains(out, text) && keeps(is.Attrs, was.Attrs, change.Written(step)) {
			out = append(out, text)
		}
	}
	return out
}

// keeps reports whether a row has a value that the change set wrote, and that differs in meaning
// from the one before. A router prints values in forms of its own.
func keeps(is, was, written routeros.Attributes) bool {
	for name, value := range written.All() {
		now := routeros.Canonical(name, is.Get(name))
		if now == routeros.Canonical(name, value) && now != routeros.Canonical(name, was.Get(name)) {
			return true
		}
	}
	return false
}

// within reduces a snapshot to the menus that another one has: a backup holds only some.
func within(s, other routeros.Snapshot) routeros.Snapshot {
	rules, entries := map[routeros.Menu][]routeros.Rule{}, map[routeros.Menu][]routeros.ListEntry{}
	for menu := range other.Rules {
		rules[menu] = s.Rules[menu]
	}
	for menu := range other.Entries {
		entries[menu] = s.Entries[menu]
	}
	s.Rules, s.Entries = rules, entries
	return s
}

// leftInTable compares the chains of one table.
func leftInTable(menu routeros.Menu, now, before routeros.Snapshot, plan string, all bool) []string {
	was, is := chains(before.Rules[menu], plan, all), chains(now.Rules[menu], plan, all)
	var out []string
	for _, r := range slices.Concat(before.Rules[menu], now.Rules[menu]) {
		name := r.Chain()
		if !slices.EqualFunc(was[name], is[name], routeros.Attributes.Equal) {
			out = append(out, fmt.Sprintf("%s: the plan's rules in the chain %s are not as expected", menu, name))
			was[name], is[name] = nil, nil // reported once
		}
	}
	return out
}

// chains are the rules of a table by chain: the plan's, or all.
func chains(rows []routeros.Rule, plan string, all bool) map[string][]routeros.Attributes {
	out := map[string][]routeros.Attributes{}
	for _, r := range rows {
		if mark, ok := r.Mark(); !r.Dynamic && (all || ok && mark.Plan == plan) {
			out[r.Chain()] = append(out[r.Chain()], r.Canonical())
		}
	}
	return out
}

func ownEntries(s routeros.Snapshot, f routeros.Family, plan string) []string {
	var out []string
	for _, e := range s.Entries[f.AddressList()] {
		if mark, ok := e.Mark(); ok && !e.Dynamic && mark.Plan == plan {
			out = append(out, fmt.Sprintf("%q %t %s", e.Key(), e.Disabled, e.Comment))
		}
	}
	slices.Sort(out)
	return out
}
