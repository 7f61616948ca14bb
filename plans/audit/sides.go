package audit

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// side is where an interface leads.
type side uint8

const (
	unsided side = iota // nothing tells
	outside             // to the internet
	inside              // to the operator's own network
)

// face is an interface by which packets come in, or one that the router does not show.
type face struct {
	name    string // as it is shown
	in      string // the interface; "" for one that is not shown
	side    side
	packets space.Set    // that come in there, to addresses that the router may have
	hosts   []netip.Addr // of an inner one: a host of each of its networks
}

// seen lists the faces: the interfaces that packets tell apart, and those that are not shown: one in no
// interface list, and one in each list of which no member is known.
func (a *auditor) seen() []face {
	s := a.space
	world := firewall.NewFirewall(a.router)
	var out []face
	for _, in := range s.Interfaces() {
		if in == firewall.AnyOther {
			continue
		}
		f := face{name: in, in: in, side: sideOf(a.router, a.family, world, in), packets: s.And(s.In(in), a.to(in))}
		if f.side == inside {
			f.hosts = a.hosts(in)
		}
		out = append(out, f)
	}
	out = append(out, face{name: firewall.AnyOther, packets: s.Elsewhere()})
	for _, list := range s.Joined() {
		known := slices.ContainsFunc(a.router.Interfaces, func(i routeros.Interface) bool { return i.Receives() && world.InInterfaceList(i.Name, list) })
		if known {
			continue // one more of the same
		}
		f := face{name: firewall.AnyOther + " in " + list, side: map[string]side{"WAN": outside, "LAN": inside}[list], packets: s.Elsewhere(list)}
		if f.side == outside { // nobody knows whether there is one
			f.side = unsided
		}
		if f.side == inside {
			f.hosts = []netip.Addr{a.source}
		}
		out = append(out, f)
	}
	return out
}

// sided reports whether an interface is known to lead to a side.
func (a *auditor) sided(to side) bool {
	return slices.ContainsFunc(a.faces, func(f face) bool { return f.side == to && f.in != "" })
}

// to are the packets to an address that the router may have: its own, as far as the interface shows
// one; else nobody knows which it gets.
func (a *auditor) to(in string) space.Set {
	s := a.space
	var own space.Set
	known := false
	for _, addr := range a.router.Addresses {
		if addr.Disabled || addr.Prefix.Addr().Is4() != (a.family == routeros.IPv4) {
			continue
		}
		known = known || addr.Interface == in
		own = s.Or(own, s.Destinations(routeros.AddressRange{First: addr.Prefix.Addr(), Last: addr.Prefix.Addr()}))
	}
	if !known {
		return s.All()
	}
	return own
}

// hosts are a host of each network of an interface, that no rule names alone; without any a source
// like a stranger's.
func (a *auditor) hosts(in string) []netip.Addr {
	var out []netip.Addr
	for _, r := range networks(a.router, a.family, func(name string) bool { return name == in }) {
		if host, ok := a.space.Host(r); ok {
			out = append(out, host)
		}
	}
	if out == nil {
		out = []netip.Addr{a.source}
	}
	return out
}

// networks are those of some interfaces.
func networks(s routeros.Snapshot, f routeros.Family, of func(in string) bool) []routeros.AddressRange {
	var out []routeros.AddressRange
	for _, addr := range s.Addresses {
		if !addr.Disabled && of(addr.Interface) && addr.Prefix.Addr().Is4() == (f == routeros.IPv4) && !addr.Prefix.IsSingleIP() {
			out = append(out, routeros.PrefixRange(addr.Prefix))
		}
	}
	return out
}

// sideOf tells where an interface leads: by the lists WAN and LAN, by the default routes, by its kind,
// by its addresses, and by masquerade where nothing else tells what is outside. Where default routes
// are known, what has none leads inside, with public addresses too; only a network of two hosts may be
// a line to somebody else.
func sideOf(s routeros.Snapshot, f routeros.Family, world *firewall.Firewall, name string) side {
	uplink := func(u routeros.Uplink) bool { return u.Interface == name }
	switch {
	case world.InInterfaceList(name, "WAN"):
		return outside
	case world.InInterfaceList(name, "LAN"):
		return inside
	case slices.ContainsFunc(s.Uplinks, uplink):
		return outside
	case tunnel(s, name):
		return inside
	}
	private, public, line := addressed(s, name)
	routed := slices.ContainsFunc(s.Uplinks, func(u routeros.Uplink) bool { return u.Interface != "" })
	masqueraded := masquerades(s, f, name)
	other := slices.ContainsFunc(s.Interfaces, func(i routeros.Interface) bool { return world.InInterfaceList(i.Name, "WAN") })
	switch {
	case public && !routed, masqueraded && !routed && !other:
		return outside
	case public && line, masqueraded && !routed:
		return unsided // one more line, or a VPN where the router hides its own network
	case private, public:
		return inside
	case masqueraded:
		return unsided
	case global6(s, name):
		return map[bool]side{true: inside, false: outside}[routed]
	}
	return unsided
}

// addressed tells what IPv4 addresses an interface has, and whether the public ones are those of lines
// between two.
func addressed(s routeros.Snapshot, name string) (private, public, line bool) {
	line = true
	for _, a := range s.Addresses {
		addr := a.Prefix.Addr()
		switch {
		case a.Interface != name || a.Disabled || addr.IsLinkLocalUnicast():
		case addr.IsPrivate():
			private = true
		case addr.Is4():
			public, line = true, line && a.Prefix.Bits() >= 30
		}
	}
	return private, public, line
}

func global6(s routeros.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Addresses, func(a routeros.InterfaceAddress) bool {
		return a.Interface == name && !a.Disabled && a.Prefix.Addr().Is6() && !a.Prefix.Addr().IsLinkLocalUnicast()
	})
}

// masquerades reports whether whatever leaves by an interface, by its name, gets the router's address.
func masquerades(s routeros.Snapshot, f routeros.Family, name string) bool {
	return slices.ContainsFunc(s.Rules[f.NAT()], func(r routeros.Rule) bool {
		return !r.Disabled() && r.Chain() == "srcnat" && r.Action() == "masquerade" && r.Attrs.Get("out-interface") == name && !r.Attrs.Has("dst-address") && !r.Attrs.Has("dst-address-list")
	})
}

// tunnel reports whether an interface leads to peers that the router knows. Clients of PPTP, L2TP
// and the like don't count: some providers connect lines that way.
func tunnel(s routeros.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Interfaces, func(i routeros.Interface) bool {
		return i.Name == name && slices.ContainsFunc([]string{"wg", "wireguard", "gre", "eoip", "ipip", "vxlan", "l2tp-in", "l2tp-server", "ovpn-in", "ovpn-server", "sstp-in", "sstp-server", "pptp-in", "pptp-server"},
			func(kind string) bool { return strings.HasPrefix(i.Type, kind) })
	})
}
