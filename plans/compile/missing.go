package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// missingList is the refusal of a plan that names an interface list which the router doesn't have.
// It names the lists that are there, and the one that looks like it; else says how the plan can do
// without.
func (c *compiler) missingList(what, list, without string) error {
	var names []string
	for _, l := range c.router.InterfaceLists {
		names = append(names, l.Name)
	}
	remedy := "create it on the router, or " + without
	switch like := c.listLike(list, names); {
	case len(names) == 0:
		remedy += "; the router has no interface list"
	case like != "":
		remedy = fmt.Sprintf("name %s instead, which looks like it, or %s; the router has %s", like, remedy, strings.Join(names, ", "))
	default:
		remedy += "; the router has " + strings.Join(names, ", ")
	}
	return &change.RefusalError{Risk: "missing-interface-list", What: what + ", which the router doesn't have", Remedy: remedy}
}

// listLike finds the list that a plan may mean: one with a name like it; or, of the customary names
// LAN and WAN, the only list that holds interfaces of that side.
func (c *compiler) listLike(list string, names []string) string {
	for _, name := range names {
		if strings.EqualFold(name, list) {
			return name
		}
	}
	if list != "LAN" && list != "WAN" {
		near, _ := form.Nearest(list, names)
		return near
	}
	w := firewall.NewFirewall(c.router)
	var found []string
	for _, name := range names {
		members, outer := 0, 0
		for _, i := range c.router.Interfaces {
			if w.InInterfaceList(i.Name, name) {
				members++
				if c.leadsOut(i.Name) {
					outer++
				}
			}
		}
		if members > 0 && (list == "WAN" && outer == members || list == "LAN" && outer == 0) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// leadsOut reports whether an interface has a default route, or an address that is not private.
func (c *compiler) leadsOut(name string) bool {
	return slices.ContainsFunc(c.router.Uplinks, func(u routeros.Uplink) bool { return u.Interface == name }) ||
		slices.ContainsFunc(c.router.Addresses, func(a routeros.InterfaceAddress) bool {
			addr := a.Prefix.Addr()
			return a.Interface == name && !a.Disabled && !addr.IsPrivate() && !addr.IsLinkLocalUnicast()
		})
}
