package audit

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// listener is something on the router that packets can reach, as the router is set.
type listener struct {
	Reach
	ports routeros.Ports
	from  []string // prefixes from which it answers; nil for everywhere
	// on reports whether it answers on an interface; nil for everywhere.
	on func(in string) bool
	// mute says that it answers nobody.
	mute bool
	// hinge is on what every answer hangs, in words; "" for nothing.
	hinge string
}

// target is a listener with the packets that it would answer.
type target struct {
	listener
	packets space.Set
}

// listeners lists what there is in a family, whether it runs or not.
func listeners(s routeros.Snapshot, f routeros.Family) []listener {
	out := slices.Concat(services(s), vpns(s), servers(s, f))
	for i := range out {
		out[i].Family = f
		out[i].Ports = out[i].ports.String()
	}
	return out
}

// services are the rows of /ip/service. One listens in its VRF only.
func services(s routeros.Snapshot) []listener {
	var out []listener
	for _, svc := range s.Services {
		if svc.Dynamic || svc.Connection {
			continue
		}
		state := routeros.ServerOn
		switch {
		case svc.Untold || !s.Tells(routeros.ServiceMenu):
			state = routeros.ServerUnknown
		case svc.Disabled:
			state = routeros.ServerOff
		}
		l := listener{Reach: Reach{Name: svc.Name, Kind: Service, Protocol: "tcp", State: state}, ports: one(svc.Port), from: svc.From}
		switch vrf := cmp.Or(svc.VRF, "main"); {
		case s.HasVRF(vrf):
			l.on = func(in string) bool { return s.VRFOf(in) == vrf }
		default: // which interfaces it has is not told
			l.hinge = "if the VRF " + vrf + " has it"
		}
		out = append(out, l)
	}
	return out
}

func one(port uint16) routeros.Ports { return routeros.Ports{{First: port, Last: port}} }

// vpns are the VPN servers as they run. Of a kind without a server there is one row, at its usual port.
func vpns(s routeros.Snapshot) []listener {
	var out []listener
	for _, v := range []struct {
		name, kind, protocol, ports string
		menu                        routeros.Menu
		runs                        func(routeros.VPNServer) bool // nil: that it is switched on
	}{
		{"wireguard", "wireguard", "udp", "13231", routeros.WireGuard, nil},
		{"l2tp", "l2tp", "udp", "1701", routeros.L2TPServer, func(v routeros.VPNServer) bool { return v.Secured != "required" }},
		{"l2tp-ipsec", "l2tp", "udp", "500,4500", routeros.L2TPServer, func(v routeros.VPNServer) bool { return v.Secured == "yes" || v.Secured == "required" }},
		{"ikev2", "ipsec", "udp", "500,4500", routeros.IPsecPeer, nil},
		{"openvpn", "openvpn", "tcp", "1194", routeros.OVPNServer, nil},
		{"sstp", "sstp", "tcp", "443", routeros.SSTPServer, nil},
		{"pptp", "pptp", "tcp", "1723", routeros.PPTPServer, nil},
	} {
		rows := map[string]listener{}
		var order []string
		add := func(protocol, ports string, state routeros.ServerState) {
			key := protocol + "/" + ports
			known, again := rows[key]
			if !again {
				order = append(order, key)
			}
			if !again || known.State == routeros.ServerOff {
				rows[key] = listener{Reach: Reach{Name: v.name, Kind: VPN, Protocol: protocol, State: state}, ports: traffic.Ports(ports)}
			}
		}
		for _, server := range s.Servers(v.kind) {
			protocol, ports, state := v.protocol, v.ports, routeros.ServerOn
			if server.Protocol != "" {
				protocol = server.Protocol
			}
			if server.Port != 0 {
				ports = strconv.Itoa(int(server.Port))
			} else if plans.MovesPort(v.name) {
				state = routeros.ServerUnknown // its port is not told
			}
			if server.Disabled || v.runs != nil && !v.runs(server) {
				state = routeros.ServerOff
			}
			add(protocol, ports, state)
		}
		switch {
		case len(rows) > 0:
		case s.Tells(v.menu) || v.name == "wireguard" && s.Version.Major < 7 && !s.VersionAssumed:
			add(v.protocol, v.ports, routeros.ServerOff)
		default:
			add(v.protocol, v.ports, routeros.ServerUnknown)
		}
		for _, key := range order {
			out = append(out, rows[key])
		}
	}
	return out
}

// servers are the other servers above IP.
func servers(s routeros.Snapshot, f routeros.Family) []listener {
	var out []listener
	for _, server := range s.OwnServers() {
		if server.Protocol == "" || server.IPv4Only && f == routeros.IPv6 {
			continue
		}
		l := listener{Reach: Reach{Name: server.Name, Kind: Server, Protocol: server.Protocol, State: server.State}, ports: server.Ports, from: server.From}
		if l.mute = server.Limited && server.List == "" && server.Interfaces == nil; server.Limited {
			l.on = func(in string) bool { return slices.Contains(server.Interfaces, in) }
		}
		out = append(out, l)
	}
	return out
}

// aims finds the packets of each listener, also those that come to it by destination NAT.
func (a *auditor) aims(all []listener) []target {
	s := a.space
	nat := traffic.Translated(s, a.router)
	out := make([]target, len(all))
	for i, l := range all {
		set := traffic.Packets(s, nat, []traffic.Match{{Protocol: l.Protocol, Ports: l.ports}})
		if len(l.from) > 0 {
			set = s.And(set, a.answered(l.from))
		}
		if l.mute {
			set = space.Set{}
		}
		out[i] = target{l, set}
	}
	return out
}

func (a *auditor) answered(from []string) space.Set {
	var out space.Set
	for _, r := range ranges(from) {
		out = a.space.Or(out, a.space.Sources(r))
	}
	return out
}

// ranges reads prefixes; what can't be read names nobody.
func ranges(prefixes []string) []routeros.AddressRange {
	var out []routeros.AddressRange
	for _, text := range prefixes {
		if r, err := routeros.ParseAddressRange(strings.TrimSpace(text)); err == nil {
			out = append(out, r)
		}
	}
	return out
}
