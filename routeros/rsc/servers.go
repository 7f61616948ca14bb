package rsc

import "github.com/rosknock/rosknock/routeros"

// settingMenus are the menus of the router's own servers, and that of IPv6 as a whole.
func settingMenus() []routeros.Menu { return append(routeros.ServerMenus(), routeros.IPv6Settings) }

// settings puts what these menus say into the snapshot.
func (p *replay) settings() {
	p.snapshot.Settings = map[routeros.Menu][]routeros.Attributes{}
	for _, m := range routeros.ServerMenus() {
		if rows := p.network[m]; len(rows) > 0 {
			p.snapshot.Settings[m] = rows
		}
	}
	for _, row := range p.network[routeros.IPv6Settings] {
		p.snapshot.IPv6Off = row.Bool("disable-ipv6")
	}
}
