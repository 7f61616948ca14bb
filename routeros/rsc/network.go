package rsc

import (
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// networkMenus are the menus beside those of the firewall that say by what packets come in.
func networkMenus() []routeros.Menu {
	return append(routeros.NetworkMenus(), routeros.BridgePorts, routeros.Bonding)
}

// netRow replays a statement about a row of these menus. Most of the menus hold rows; those of
// servers hold one, which set changes without naming it.
func (p *replay) netRow(st Statement, row routeros.Attributes) string {
	rows := p.network[st.Menu]
	if st.Verb == "add" {
		p.network[st.Menu] = append(rows, row.Without("copy-from"))
		return ""
	}
	if st.Verb == "set" && len(rows) == 0 || st.Target == "" && !st.HasFind {
		rows = append(rows, nil)[:1] // the one of a server, or one that the factory has made
		p.network[st.Menu] = rows
		st.HasFind, st.Find = true, nil
	}
	picked, why := pick(st, len(rows), func(i int) (string, routeros.Attributes) { return "", rows[i] })
	if why != "" {
		return why
	}
	if st.Verb == "remove" {
		p.network[st.Menu] = without(rows, picked)
		return ""
	}
	c, why := st.change(row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		rows[i] = c.apply(rows[i])
	}
	return ""
}

// netted puts what these menus say into the snapshot, and the interfaces that they name.
func (p *replay) netted() {
	for _, row := range p.network[routeros.VRFMenu] {
		p.known(row.Get("name"), "vrf", row.Bool("disabled"))
	}
	for _, m := range routeros.NetworkMenus() {
		for _, row := range p.network[m] {
			p.snapshot.Learn(m, row)
			if name := row.Get("name"); name != "" && strings.Count(string(m), "/") == 2 && strings.HasPrefix(string(m), "/interface/") {
				p.known(name, kindOf(m), row.Bool("disabled"))
			}
			p.mention(row.Get("interface"))
		}
	}
	for _, u := range p.snapshot.Uplinks {
		p.mention(u.Interface)
	}
	p.slaves()
}

// slaves marks the ports of bridges and bonds. A port may be a whole interface list.
func (p *replay) slaves() {
	ports := map[string]bool{}
	for _, row := range p.network[routeros.BridgePorts] {
		if !row.Bool("disabled") {
			ports[row.Get("interface")] = true
		}
	}
	for _, row := range p.network[routeros.Bonding] {
		for name := range strings.SplitSeq(row.Get("slaves"), ",") {
			ports[name] = ports[name] || name != "" && !row.Bool("disabled")
		}
		p.known(row.Get("name"), "bond", row.Bool("disabled"))
	}
	for _, m := range p.snapshot.ListMembers {
		if ports[m.List] && p.lists[m.List] && !m.Disabled {
			ports[m.Interface] = true
		}
	}
	for name := range ports {
		if ports[name] && !p.lists[name] {
			p.mention(name)
		}
	}
	for i := range p.snapshot.Interfaces {
		if one := &p.snapshot.Interfaces[i]; ports[one.Name] {
			one.Slave = true
		}
	}
}

// kindOf is the type of the interfaces of a menu, as /interface shows it.
func kindOf(m routeros.Menu) string {
	kind := strings.TrimPrefix(string(m), "/interface/")
	if name, ok := strings.CutSuffix(kind, "-client"); ok {
		return name + "-out"
	}
	if name, ok := strings.CutSuffix(kind, "-server"); ok { // a fixed interface for one client
		return name + "-in"
	}
	switch kind {
	case "ethernet":
		return "ether"
	case "wireguard":
		return "wg"
	case "bonding":
		return "bond"
	}
	return kind
}
