package rsc

import (
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// decides reports whether a menu decides who reaches the router. What can't be read there is never
// passed over. A menu of the firewall that there is not may be one that is misspelt.
func decides(m routeros.Menu) bool {
	if under(m, routeros.InterfaceLists) || under(m, routeros.ServiceMenu) {
		return true
	}
	rest, four := strings.CutPrefix(string(m), "/ip/firewall")
	rest, six := strings.CutPrefix(rest, "/ipv6/firewall")
	if !four && !six {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch name {
	case "mangle", "layer7-protocol", "service-port", "connection", "calea": // there they are, and not followed
		return false
	}
	return true
}

func under(m, top routeros.Menu) bool {
	return m == top || strings.HasPrefix(string(m), string(top)+"/")
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

// deciding are the menus that decide.
func deciding() []routeros.Menu {
	menus := []routeros.Menu{routeros.ListMembers, routeros.InterfaceLists, routeros.ServiceMenu}
	for _, f := range routeros.Families() {
		menus = append(menus, f.Filter(), f.NAT(), f.Raw(), f.AddressList())
	}
	return menus
}

// common returns the menu that all statements stand under, such as /ip/firewall after
// /ip firewall export; empty if they have none in common.
func (e Export) common() routeros.Menu {
	if len(e.Statements) == 0 {
		return ""
	}
	last := e.Statements[0].Menu
	path := strings.Split(string(last), "/")
	for _, st := range e.Statements {
		if st.Menu == last { // as in a section with many rows
			continue
		}
		last = st.Menu
		other := strings.Split(string(last), "/")
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
