package compile

import (
	"fmt"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// matches expands targets into as few matches as possible, in a stable order.
func (c *compiler) matches(targets []plans.Target) []traffic.Match {
	var all []traffic.Match
	for _, t := range targets {
		all = append(all, c.expand(t)...)
	}
	return traffic.Merge(all)
}

func (c *compiler) expand(t plans.Target) []traffic.Match {
	switch t.Kind {
	case plans.ServiceTarget:
		port, ok := c.servicePort(t.Name)
		if !ok {
			c.notes = append(c.notes, fmt.Sprintf("the router has no service %s: left out", t.Name))
			return nil
		}
		ports := routeros.Ports{{First: port, Last: port}}
		if now, moving := c.moving[t.Name]; moving {
			ports = append(ports, routeros.PortRange{First: now, Last: now})
		}
		return []traffic.Match{{Protocol: "tcp", Ports: ports}}
	case plans.VPNTarget:
		return c.vpn(t.Name)
	case plans.PortTarget:
		return []traffic.Match{{Protocol: t.Protocol, Ports: routeros.Ports{t.Port}}}
	case plans.ForwardTarget:
		return nil // it is behind the router
	default:
		return []traffic.Match{{}}
	}
}

// servicePort is the port on which a service will listen once the plan is applied.
func (c *compiler) servicePort(name string) (uint16, bool) {
	for _, p := range c.plan.Services.Ports {
		if p.Name == name {
			return p.Port, true
		}
	}
	s, ok := c.router.Service(name)
	return s.Port, ok
}
