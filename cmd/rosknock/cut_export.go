package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// leaveOpen looks whether an export is a whole one. Of one that is not, the snapshot then tells
// nothing of the services, VPN servers and other servers whose menus it does not show: they may be
// on. The result says how the export shows it; it is empty for a whole one.
func leaveOpen(read rsc.Export, s *routeros.Snapshot) string {
	why := cutBy(read, *s)
	open := slices.DeleteFunc(serverMenus(), func(m routeros.Menu) bool { return shows(read, m) || !s.Tells(m) })
	if why == "" || len(open) == 0 {
		return ""
	}
	s.Untold = append(s.Untold, open...)
	return why
}

// serverMenus are the menus that say what runs on a router.
func serverMenus() []routeros.Menu {
	menus := append(routeros.ServerMenus(), routeros.ServiceMenu)
	for _, kind := range []string{"wireguard", "openvpn", "sstp", "l2tp", "pptp", "ipsec"} {
		menus = append(menus, routeros.ServerMenu(kind))
	}
	return menus
}

// shows reports whether an export has a row of a menu, readable or not.
func shows(read rsc.Export, m routeros.Menu) bool {
	return slices.ContainsFunc(read.Statements, func(st rsc.Statement) bool { return st.Menu == m }) ||
		slices.ContainsFunc(read.Skipped, func(skip rsc.Skip) bool { return skip.Menu == m })
}

// cutBy says how an export shows that it is not a whole one, or is empty. RouterOS begins each export
// with its version. A whole one also has a row for each interface that is not there from the factory
// under its name.
func cutBy(read rsc.Export, s routeros.Snapshot) string {
	if !read.HasVersion {
		return "it has no header with the version of RouterOS"
	}
	if s.Partial != "" {
		return "" // of what stands outside that menu nothing is known anyhow
	}
	made := made(read)
	for _, i := range s.Interfaces {
		if !made[i.Name] && !fromFactory.MatchString(i.Name) {
			return "it mentions the interface " + i.Name + " and has no row for it"
		}
	}
	return ""
}

// fromFactory are the names under which hardware and loopback come, and those of interfaces that
// come and go by themselves.
var fromFactory = regexp.MustCompile(`^(?:(?:ether|q?sfp(?:-sfpplus|plus|28-?|56-?|56-dd-?)?|combo|wlan(?:60-)?|wifi|lte|pwr-line|ppp-out|cap)[0-9]+(?:-[0-9]+)*|lo|dynamic|<.*>)$`)

// made are the interfaces for which an export has a row.
func made(read rsc.Export) map[string]bool {
	out := map[string]bool{}
	for _, st := range read.Statements {
		menu := string(st.Menu)
		if strings.HasPrefix(menu, "/interface/list") || !strings.Contains(menu, "interface") && st.Menu != routeros.VRFMenu {
			continue
		}
		out[st.Target] = true
		for _, a := range slices.Concat(st.Attrs, st.Find) {
			if a.Name == "name" || a.Name == "default-name" {
				out[a.Value] = true
			}
		}
	}
	return out
}
