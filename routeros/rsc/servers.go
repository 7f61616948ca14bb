package rsc

import "github.com/rosknock/rosknock/routeros"

// settings puts what the menus of the router's own servers say into the snapshot.
func (p *replay) settings() {
	p.snapshot.Settings = map[routeros.Menu][]routeros.Attributes{}
	for _, m := range routeros.ServerMenus() {
		if rows := p.network[m]; len(rows) > 0 {
			p.snapshot.Settings[m] = rows
		}
	}
}
