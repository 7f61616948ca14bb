package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// unsureNotes say where sources about RouterOS differ, or the router does not tell enough.
func (c *compiler) unsureNotes() []string {
	return slices.Concat(c.vrfNotes(), lostLists(c.router, c.family), c.uplinkNotes())
}

// vrfNotes tell of rules, services and allowances about an interface of a VRF: from some version on
// in-interface means the VRF (routeros-facts § 15.3). Both interfaces are followed.
func (c *compiler) vrfNotes() []string {
	w := firewall.NewFirewall(c.router)
	var out []string
	for _, v := range c.router.VRFs {
		touches := func(list string) bool {
			return slices.ContainsFunc(append(slices.Clone(v.Interfaces), v.Name), func(name string) bool { return w.InInterfaceList(name, list) })
		}
		is := func(name string) bool { return name == v.Name || slices.Contains(v.Interfaces, name) }
		var named []string
		for _, list := range c.plan.Allow.InterfaceLists {
			if touches(list) {
				named = append(named, "allow.interface-lists: "+routeros.Quote(list))
			}
		}
		for _, name := range c.plan.Allow.Interfaces {
			if is(name) {
				named = append(named, "allow.interfaces: "+routeros.Quote(name))
			}
		}
		eachInput(c.router, c.family, func(m routeros.Menu, r *routeros.Rule) {
			in, _ := firewall.ConditionOf(r, "in-interface")
			list, listed := firewall.ConditionOf(r, "in-interface-list")
			if !isOwn(r, c.plan.Name) && (is(in.Value) || listed && !everyList(list.Value) && touches(list.Value)) {
				named = append(named, fmt.Sprintf("%s %s", m, r.Describe()))
			}
		})
		for _, service := range c.router.Services {
			if service.VRF == v.Name && !service.Disabled && !service.Dynamic {
				named = append(named, "the service "+service.Name)
			}
		}
		if named != nil {
			out = append(out, fmt.Sprintf("%s: packets of these interfaces come in by %s itself, or since RouterOS 7.14 or 7.15 by the VRF %s (sources differ). Both were followed. It matters to %s",
				traffic.Names(v.Interfaces), plural(v.Interfaces, "the interface", "each interface"), routeros.Quote(v.Name), some(named)))
		}
	}
	return out
}

// eachInput calls do for the enabled rules that packets to the router may meet.
func eachInput(s routeros.Snapshot, f routeros.Family, do func(routeros.Menu, *routeros.Rule)) {
	for _, m := range []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} {
		for i := range s.Rules[m] {
			r := &s.Rules[m][i]
			if !r.Disabled() && !r.Dynamic && !slices.Contains([]string{"forward", "output", "srcnat"}, r.Chain()) {
				do(m, r)
			}
		}
	}
}

func plural(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

// some names the first of many.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		names = append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(names, "; ")
}

func everyList(name string) bool {
	return slices.Contains([]string{"all", "none", "dynamic", "static"}, name)
}

func isOwn(r *routeros.Rule, plan string) bool {
	mark, ok := r.Mark()
	return ok && mark.Plan == plan
}

// lostLists tell of rules that decide by an interface list which was deleted (routeros-facts §
// 15).
func lostLists(s routeros.Snapshot, f routeros.Family) []string {
	var out []string
	eachInput(s, f, func(m routeros.Menu, r *routeros.Rule) {
		list, asks := firewall.ConditionOf(r, "in-interface-list")
		if !asks || !firewall.IsGone(list.Value) || r.Action() == "log" || r.Action() == "passthrough" {
			return
		}
		out = append(out, fmt.Sprintf("%s %s names a deleted interface list (%s): it is taken for empty, as it was seen on a router, but another source says that it may still match its old members; give the rule a list that exists, or remove it", m, r.Describe(), list.Value))
	})
	return out
}

// uplinkNotes tell what may give the router a default route that is not read.
func (c *compiler) uplinkNotes() []string {
	var by []string
	for _, r := range c.router.RouteSources {
		if r.Reaches(c.family) {
			by = append(by, string(r))
		}
	}
	outer := c.outer(nil)
	open := slices.ContainsFunc(c.plan.Doors, func(d plans.Door) bool { return len(d.On) == 0 })
	if by == nil || !open || slices.Contains(outer, firewall.AnyOther) { // then all interfaces count already
		return nil
	}
	return []string{fmt.Sprintf("over %s strangers come in by %s, as far as it is known; %s may give default routes over other interfaces, which are not read: name the interfaces where doors have to open with doors.NAME.on", c.family, traffic.Names(outer), strings.Join(by, ", "))}
}
