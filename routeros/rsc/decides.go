package rsc

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// decides reports whether a menu decides who reaches the router. What can't be read there is never
// passed over.
func decides(m routeros.Menu) bool {
	if slices.ContainsFunc(deciding(), func(known routeros.Menu) bool { return under(m, known) }) {
		return true
	}
	// A menu of the firewall that there is not may be one that is misspelt.
	return (under(m, "/ip/firewall") || under(m, "/ipv6/firewall")) && !slices.ContainsFunc(beside(), func(known routeros.Menu) bool { return under(m, known) })
}

func under(m, top routeros.Menu) bool {
	return m == top || strings.HasPrefix(string(m), string(top)+"/")
}

func deciding() []routeros.Menu {
	menus := []routeros.Menu{routeros.InterfaceLists, routeros.ListMembers, routeros.ServiceMenu}
	for _, f := range routeros.Families() {
		menus = append(menus, f.Filter(), f.NAT(), f.Raw(), f.AddressList())
	}
	return menus
}

// beside are menus of the firewall that there are, and that are not followed.
func beside() []routeros.Menu {
	var menus []routeros.Menu
	for _, top := range []routeros.Menu{"/ip/firewall", "/ipv6/firewall"} {
		for _, name := range []string{"mangle", "layer7-protocol", "service-port", "connection", "calea"} {
			menus = append(menus, top+routeros.Menu("/"+name))
		}
	}
	return menus
}

// namedMenu is the path of the first menu that decides and that a script names; nil if it names
// none.
func namedMenu(text string) []string {
	words := " " + strings.Join(strings.Fields(strings.NewReplacer("/", " ", "{", " ", "[", " ").Replace(text)), " ") + " "
	at, found := len(words), []string(nil)
	for _, m := range deciding() {
		path := strings.Split(strings.TrimPrefix(string(m), "/"), "/")
		if i := strings.Index(words, " "+strings.Join(path, " ")+" "); i >= 0 && i < at {
			at, found = i, path
		}
	}
	return found
}

// common returns the menu that all statements stand under, such as /ip/firewall after
// /ip firewall export; empty if they have none in common.
func (e Export) common() routeros.Menu {
	if len(e.Statements) == 0 {
		return ""
	}
	path := strings.Split(string(e.Statements[0].Menu), "/")
	for _, st := range e.Statements {
		other := strings.Split(string(st.Menu), "/")
		same := 0
		for same < min(len(path), len(other)) && path[same] == other[same] {
			same++
		}
		path = path[:same]
	}
	return routeros.Menu(strings.Join(path, "/"))
}

// Why entries are left out that change nothing: they say nothing new, or name no address.
// MikroTik's own page on denial of service has a list that begins so.
const (
	listedAlready = "the list has this address already"
	namesNobody   = "an entry without an address, which names nobody"
)

// settled reports whether the router is known though a row is left out for this reason.
func settled(why string) bool { return why == listedAlready || why == namesNobody }
