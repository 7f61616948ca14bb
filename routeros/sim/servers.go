package sim

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// serverSchema are the menus of the router's own servers (routeros-facts § 15). What nobody has set is
// not printed: it is at its default.
func serverSchema(m routeros.Menu) (schema, bool) {
	one := func(args string) (schema, bool) { return schema{verbs: "print getall get set", args: args}, true }
	switch m {
	case routeros.DNS:
		return one("allow-remote-requests servers cache-size")
	case routeros.SNMP:
		return one("enabled contact location trap-version")
	case routeros.NTPServer, routeros.RoMON, routeros.MACPing, routeros.CAPsMAN:
		return one("enabled")
	case routeros.WebProxy, routeros.SOCKS:
		return one("enabled port version")
	case routeros.BandwidthServer:
		return one("enabled authenticate allowed-addresses4@7.0 allowed-addresses6@7.0")
	case routeros.UPnP, routeros.SMB:
		return one("enabled interfaces")
	case routeros.RADIUSIncoming:
		return one("accept port")
	case routeros.MACTelnet, routeros.MACWinBox:
		return one("allowed-interface-list")
	case routeros.NeighborSettings:
		return one("discover-interface-list")
	case routeros.SNMPCommunity:
		return schema{verbs: listVerbs, args: "name addresses read-access write-access comment disabled", required: "name", name: "name"}, true
	case routeros.UPnPInterfaces:
		return schema{verbs: listVerbs, args: "interface type disabled", required: "interface type"}, true
	case routeros.SMBShares:
		return schema{verbs: listVerbs, args: "name directory comment disabled", required: "name", name: "name"}, true
	case routeros.PPPProfile:
		return schema{verbs: listVerbs, args: "name interface-list local-address remote-address comment", required: "name", name: "name"}, true
	}
	return schema{}, false
}

// loadServers puts what a snapshot says of the router's own servers into their menus.
func (r *Router) loadServers(s routeros.Snapshot) {
	for m, rows := range s.Settings {
		if _, ok := r.options.schema(m); !ok {
			continue
		}
		for _, row := range rows {
			r.loadRow(m, "").attrs = slices.Clone(row)
		}
	}
}

// readServers tells a snapshot what is set of the router's own servers.
func (t tables) readServers(s *routeros.Snapshot) {
	s.Settings = map[routeros.Menu][]routeros.Attributes{}
	for _, m := range routeros.ServerMenus() {
		for _, w := range t.of(m).rows {
			s.Settings[m] = append(s.Settings[m], w.attrs)
		}
	}
}
