package undo

import (
	"maps"
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Carried translates a backup, the rows before a change set and its steps, to the router's present
// version and the present ids of its rows. After an upgrade a service names its sources in another
// attribute, and rules have lost some attributes.
func Carried(now, before routeros.Snapshot, done change.ChangeSet) (routeros.Snapshot, change.ChangeSet) {
	name := fromName(now)
	before.Services = slices.Clone(before.Services)
	for i := range before.Services {
		before.Services[i].FromName = name
	}
	rules := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range before.Rules {
		rules[menu] = make([]routeros.Rule, len(rows))
		for i, r := range rows {
			rules[menu][i] = r.Fitting(now.Version)
		}
	}
	before.Rules = rules
	done.Steps = slices.Clone(done.Steps)
	for i, step := range done.Steps {
		if step.Menu == routeros.ServiceMenu {
			done.Steps[i].Set, done.Steps[i].Was = renamed(step.Set, name), renamed(step.Was, name)
		}
	}
	before.Entries = maps.Clone(before.Entries)
	return renumbered(now, before, done)
}

// fromName is the attribute in which the services of a router name their sources.
func fromName(s routeros.Snapshot) string {
	for _, service := range s.Services {
		if !service.Dynamic && !service.Connection {
			return service.FromName
		}
	}
	return "address"
}

// renamed gives the sources of a service that name.
func renamed(a routeros.Attributes, name string) routeros.Attributes {
	for _, old := range []string{"address", "available-from"} {
		if value, ok := a.Lookup(old); ok {
			a = a.Without(old).With(name, value)
		}
	}
	return a
}
