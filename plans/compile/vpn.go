package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// vpn returns the packets of a VPN as it runs on the router: on the ports of its servers, those that
// are switched off included. Without a server, or where the router does not tell, they are the usual
// ones.
func (c *compiler) vpn(name string) []traffic.Match {
	var out []traffic.Match
	for _, m := range plans.VPNMatches(name, c.family) {
		out = append(out, traffic.Match{Protocol: m.Protocol, Ports: traffic.Ports(m.Ports), IPsecPolicy: m.IPsecPolicy})
	}
	if !plans.MovesPort(name) {
		return out
	}
	named := slices.IndexFunc(c.plan.Gate.VPNPorts, func(p plans.VPNPort) bool { return p.Name == name })
	if named >= 0 {
		for i := range out {
			out[i].Ports = one(c.plan.Gate.VPNPorts[named].Port)
		}
		return out
	}
	servers := c.router.Servers(name)
	untold := len(servers) == 0 && !c.router.Tells(routeros.ServerMenu(name))
	var run []traffic.Match
	for _, s := range servers {
		if s.Port == 0 {
			untold = true
			continue
		}
		run = append(run, traffic.Match{Protocol: s.Protocol, Ports: one(s.Port)})
	}
	if untold {
		c.notes = append(c.notes, fmt.Sprintf("the router does not tell where %s listens: %s is taken for its port; where it is another one, write {name: %s, port: …} under gate.vpns", name, out[0].Ports, name))
	}
	if run == nil || untold {
		run = append(run, out...)
	}
	return run
}

func one(port uint16) routeros.Ports { return routeros.Ports{{First: port, Last: port}} }
