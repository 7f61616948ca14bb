package audit

import (
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// layer2 lists the servers below IP: the IP firewall does not stop those who are on the same wire
// (routeros-facts § 15).
func layer2(s routeros.Snapshot) []Reach {
	world := firewall.NewFirewall(s)
	var out []Reach
	for _, server := range s.OwnServers() {
		if server.Protocol != "" {
			continue
		}
		r := Reach{Name: server.Name, Kind: Layer2, State: server.State}
		switch {
		case r.Off():
		case !server.Limited || server.List == "static":
			r.By = []By{{Who: Neighbors, Detail: []string{"every interface"}}}
		default:
			r.By = neighbors(s, world, server)
		}
		out = append(out, r)
	}
	return out
}

// neighbors are those at the interfaces on which a server of layer 2 answers.
func neighbors(s routeros.Snapshot, world *firewall.Firewall, server routeros.Server) []By {
	var out []By
	for _, who := range []struct {
		Who
		inner bool
	}{{Neighbors, false}, {LAN, true}} {
		by := By{Who: who.Who}
		for _, i := range s.Interfaces {
			answers := server.List != "" && world.InInterfaceList(i.Name, server.List)
			for _, name := range server.Interfaces {
				answers = answers || name == i.Name
			}
			if answers && !i.Disabled && who.inner == (sideOf(s, routeros.IPv4, world, i.Name) == inside) {
				by.Detail = append(by.Detail, i.Name)
			}
		}
		if by.Detail != nil {
			out = append(out, by)
		}
	}
	if out == nil && server.List != "" { // its members are not shown, or come later
		out = []By{{Who: Neighbors, Detail: []string{"interfaces in " + server.List}, Perhaps: true}}
	}
	return out
}
