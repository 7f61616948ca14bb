package discover

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// match is a set of packets to the router that a rule or a VPN asks for.
type match struct {
	protocol string
	ports    routeros.Ports // nil: the protocol has none, or all
	policy   string         // of IPsec
}

// slot names the match within a mark, as the rules of a plan have it.
func (m match) slot() string {
	if m.policy != "" {
		return m.protocol + "-ipsec"
	}
	return m.protocol
}

// vpn is a VPN that runs on the router, with all packets that a plan means by its name there.
type vpn struct {
	name  string
	needs []match
}

// running are the VPNs that run on a router and whose ports are known. As in a plan, servers that
// are switched off count beside one that runs.
func running(s routeros.Snapshot) []vpn {
	var out []vpn
	for _, name := range plans.VPNs() {
		servers := serversOf(s, name)
		runs := slices.ContainsFunc(servers, func(v routeros.VPNServer) bool {
			return !v.Disabled && (name != "l2tp-ipsec" || v.Secured != "no")
		})
		untold := plans.MovesPort(name) && slices.ContainsFunc(servers, func(v routeros.VPNServer) bool { return v.Port == 0 })
		if runs && !untold {
			out = append(out, vpn{name, needs(name, servers)})
		}
	}
	return out
}

// serversOf are the servers that serve a VPN of a plan.
func serversOf(s routeros.Snapshot, name string) []routeros.VPNServer { return s.Servers(kind(name)) }

// kind is the kind of server of a VPN of a plan.
func kind(name string) string {
	switch name {
	case "l2tp-ipsec":
		return "l2tp"
	case "ikev2":
		return "ipsec"
	}
	return name
}

// needs are the packets of a VPN: those to the ports of its servers, or the usual ones where it has
// no other.
func needs(name string, servers []routeros.VPNServer) []match {
	var out []match
	if plans.MovesPort(name) && servers != nil {
		for _, v := range servers {
			out = append(out, match{protocol: v.Protocol, ports: routeros.Ports{{First: v.Port, Last: v.Port}}})
		}
		return out
	}
	for _, m := range plans.VPNMatches(name, routeros.IPv4) { // the same in both families
		out = append(out, match{m.Protocol, portsOf(m.Ports), m.IPsecPolicy})
	}
	return out
}

// portsOf reads a port list of plans; none stays none.
func portsOf(list string) routeros.Ports {
	ports, _ := routeros.ParsePorts(list)
	return ports
}

// shut are the VPNs as a gate shuts them: what is opened for a tunnel alone is shut in clear too.
func shut(vpns []vpn) []vpn {
	var out []vpn
	for _, v := range vpns {
		needs := slices.Clone(v.needs)
		for i := range needs {
			needs[i].policy = ""
		}
		out = append(out, vpn{v.name, needs})
	}
	return out
}

// has reports whether a port of a match's protocol is one of the VPN.
func (v vpn) has(m match, port uint16) bool {
	return slices.ContainsFunc(v.needs, func(n match) bool {
		return n.protocol == m.protocol && n.policy == m.policy && n.ports.Contains(port)
	})
}

// explained reports whether VPNs need all of a match.
func explained(m match, vpns []vpn) bool {
	if m.ports == nil {
		return slices.ContainsFunc(vpns, func(v vpn) bool {
			return slices.ContainsFunc(v.needs, func(n match) bool { return n.protocol == m.protocol && n.ports == nil })
		})
	}
	for _, run := range m.ports {
		for port := int(run.First); port <= int(run.Last); port++ {
			if !slices.ContainsFunc(vpns, func(v vpn) bool { return v.has(m, uint16(port)) }) { // #nosec G115 -- a port
				return false
			}
		}
	}
	return true
}

// whole are the VPNs of which rows hold every packet, on ports that are no service's.
func (r *reader) whole(rows []opening, vpns []vpn) []vpn {
	return slices.DeleteFunc(slices.Clone(vpns), func(v vpn) bool {
		return slices.ContainsFunc(v.needs, func(n match) bool { return !r.holds(rows, n) })
	})
}

// holds reports whether a row holds all of a match.
func (r *reader) holds(rows []opening, n match) bool {
	return slices.ContainsFunc(rows, func(o opening) bool {
		if o.protocol != n.protocol || o.policy != n.policy || (o.ports == nil) != (n.ports == nil) {
			return false
		}
		return !slices.ContainsFunc(n.ports, func(run routeros.PortRange) bool {
			for port := int(run.First); port <= int(run.Last); port++ {
				if p := uint16(port); !o.ports.Contains(p) || r.serviceAt(n.protocol, p) != "" { // #nosec G115 -- a port
					return true
				}
			}
			return false
		})
	})
}

// vpnNotes say why ports of a VPN that a door opens stay ports.
func (r *reader) vpnNotes(door string, rows []opening, open []vpn) {
	stays := func(v vpn) bool { // some of its ports
		return slices.ContainsFunc(v.needs, func(n match) bool {
			return slices.ContainsFunc(rows, func(o opening) bool {
				return o.protocol == n.protocol && o.policy == n.policy && n.ports != nil && o.ports.Overlaps(n.ports) && !explained(n, open)
			})
		})
	}
	for _, name := range plans.VPNs() {
		at := slices.IndexFunc(r.vpns, func(v vpn) bool { return v.name == name })
		servers := serversOf(r.router, name)
		untold := servers == nil && !r.router.Tells(routeros.ServerMenu(kind(name))) || slices.ContainsFunc(servers, func(v routeros.VPNServer) bool { return v.Port == 0 && !v.Disabled && plans.MovesPort(name) })
		var text string
		switch {
		case at >= 0 && stays(r.vpns[at]):
			text = "does not open all the ports and protocols of " + name
		case untold && stays(vpn{name, needs(name, nil)}):
			text = fmt.Sprintf("opens the usual port of %s, and the router does not tell whether it runs there", name)
		default:
			continue
		}
		r.notes = append(r.notes, fmt.Sprintf("door %s %s: the plan has ports in place of the name", door, text))
	}
}

// differ reports whether doors of the two families that are otherwise in the same place differ in
// whether they open a VPN by its name.
func differ(four, six []Door, name string) bool {
	target := plans.Target{Kind: plans.VPNTarget, Name: name}
	for i := range four {
		if slices.Contains(four[i].Opens, target) != slices.Contains(six[i].Opens, target) {
			return true
		}
	}
	return false
}

// namesVPNs reports whether a plan has the name of a VPN in it.
func namesVPNs(p plans.Plan) bool {
	vpn := func(t plans.Target) bool { return t.Kind == plans.VPNTarget }
	return len(p.Gate.VPNs) > 0 || slices.ContainsFunc(p.Doors, func(d plans.Door) bool { return slices.ContainsFunc(d.Opens, vpn) })
}
