package routeros

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Uplink is a default route: strangers come in on its interface.
type Uplink struct {
	Family    Family
	Interface string // "" where nothing tells by which interface the gateway is reached
	Menu      Menu   // where it is set, such as /ip/dhcp-client
	Gateway   string // of a static route: as the router has it
	Dynamic   bool
}

// VPNServer is a VPN that the router serves, or would serve once it is switched on.
type VPNServer struct {
	Kind     string // wireguard, openvpn, sstp, l2tp, pptp or ipsec
	Name     string // of a WireGuard interface or an OpenVPN server; else ""
	Protocol string // tcp or udp, where the port may be changed; else ""
	Port     uint16 // 0 where it has none of its own, or the router does not tell it
	Disabled bool
	Secured  string // use-ipsec of the L2TP server: no, yes or required; "" where it is not told
}

// Tracking says whether the router tracks connections.
type Tracking string

// The values of /ip/firewall/connection/tracking enabled; "" is unknown. With auto, the default, it is
// on once there is a rule (routeros-facts § 2.6).
const (
	TrackingAuto Tracking = "auto"
	TrackingOn   Tracking = "yes"
	TrackingOff  Tracking = "no"
)

// NetworkMenus returns the menus from which [Snapshot.Learn] reads uplinks, VPN servers, their peers
// and connection tracking. Static routes come last: their gateways are found by what the others tell.
func NetworkMenus() []Menu {
	return slices.Concat(clientMenus(), routingMenus(), []Menu{LTE, WireGuard, OVPNServer, SSTPServer, L2TPServer, PPTPServer, IPsecPeer, WireGuardPeers, PPPActive, IPsecActive, ConnectionTracking, Route, Route6})
}

// NetworkPrint returns the command that reads a menu of [NetworkMenus]: without the passwords and
// keys that stand in some of them, and of the routes only what is needed, since there may be a
// million.
func NetworkPrint(m Menu) Command {
	switch m {
	case Route:
		return Print(m).Where("static=true", "dst-address=0.0.0.0/0")
	case Route6:
		return Print(m).Where("static=true", "dst-address=::/0")
	case WireGuard:
		return Print(m, ".id", "name", "listen-port", "disabled")
	case PPPClient, PPPoEClient, PPTPClient, L2TPClient, SSTPClient, OVPNClient:
		return Print(m, ".id", "name", "add-default-route", "disabled", "dynamic")
	case L2TPServer:
		return Print(m, "enabled", "use-ipsec")
	case IPsecPeer:
		return Print(m, ".id", "name", "disabled", "dynamic")
	case VRFMenu:
		return Print(m, "name", "interfaces", "disabled")
	case LTEAPN:
		return Print(m, "name", "add-default-route")
	case IPv6Settings:
		return Print(m, "forward", "accept-router-advertisements", "disable-ipv6")
	case BGPConnection, BGPPeer, OSPFInstance:
		return Print(m, "name", "disabled")
	case WireGuardPeers:
		return Print(m, "interface", "disabled", "allowed-address", "current-endpoint-address", "current-endpoint-port")
	case PPPActive:
		return Print(m, "service", "caller-id", "address")
	case IPsecActive:
		return Print(m, "remote-address", "dynamic-address")
	}
	return Print(m)
}

// clientMenus are those of interfaces that get their addresses, and may get a default route.
func clientMenus() []Menu {
	return []Menu{DHCPClient, DHCPClient6, PPPClient, PPPoEClient, PPTPClient, L2TPClient, SSTPClient, OVPNClient}
}

// Learn adds what one row of a menu of [NetworkMenus] says; of the other menus it reads nothing.
func (s *Snapshot) Learn(m Menu, row Attributes) {
	switch m {
	case DHCPClient:
		s.client(IPv4, m, row.Get("interface"), row, "yes")
	case DHCPClient6:
		s.client(IPv6, m, row.Get("interface"), row, "no")
	case VRFMenu, LTEAPN, IPv6Settings, DetectInternet, BGPConnection, BGPPeer, OSPFInstance, OSPFNetwork:
		s.routing(m, row)
	case LTE:
		if s.lteRoutes(row) || row.Has("add-default-route") {
			s.client(IPv4, m, row.Get("name"), row, "yes")
		}
	case PPPClient:
		s.client(IPv4, m, row.Get("name"), row, "yes")
	case PPPoEClient, PPTPClient, L2TPClient, SSTPClient, OVPNClient:
		s.client(IPv4, m, row.Get("name"), row, "no")
	case Route, Route6:
		s.route(m, row)
	case WireGuardPeers, PPPActive, IPsecActive:
		s.peer(m, row)
	case ConnectionTracking:
		s.Tracking = Tracking(row.Get("enabled"))
		if on, ok := ParseBool(row.Get("enabled")); ok {
			s.Tracking = map[bool]Tracking{true: TrackingOn, false: TrackingOff}[on]
		}
	default:
		s.server(m, row)
	}
}

// client reads an interface that may get a default route from the other side (routeros-facts § 15).
func (s *Snapshot) client(f Family, m Menu, name string, row Attributes, usually string) {
	adds := row.Get("add-default-route")
	if adds == "" {
		adds = usually
	}
	if on, ok := ParseBool(adds); name == "" || row.Bool("disabled") || ok && !on {
		return
	}
	s.uplink(Uplink{Family: f, Interface: name, Menu: m, Dynamic: row.Bool("dynamic")})
}

func (s *Snapshot) uplink(u Uplink) {
	if !slices.Contains(s.Uplinks, u) {
		s.Uplinks = append(s.Uplinks, u)
	}
}

// route reads a static default route. An export leaves out a destination that is everything.
func (s *Snapshot) route(m Menu, row Attributes) {
	everywhere := map[Menu]string{Route: "0.0.0.0/0", Route6: "::/0"}[m]
	if to := row.Get("dst-address"); to != "" && to != everywhere || row.Bool("disabled") || row.Bool("blackhole") || row.Bool("dynamic") {
		return
	}
	if kind := row.Get("type"); kind != "" && kind != "unicast" {
		return
	}
	for gateway := range strings.SplitSeq(row.Get("gateway"), ",") {
		u := Uplink{Family: m.Family(), Menu: m, Gateway: gateway, Interface: s.by(gateway, row)}
		if gateway != "" {
			s.uplink(u)
		}
	}
}

// by returns the interface by which a gateway is reached: the router says so, the gateway is an
// interface or names one, or it is in a connected network.
func (s *Snapshot) by(gateway string, row Attributes) string {
	if _, name, ok := strings.Cut(row.Get("immediate-gw"), "%"); ok && !strings.Contains(row.Get("gateway"), ",") {
		return name
	}
	host, name, ok := strings.Cut(gateway, "%")
	if ok {
		return name
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		name, _, _ = strings.Cut(host, "@") // a routing table, from 7.1 on
		return name
	}
	longest := -1
	for _, a := range s.Addresses {
		if !a.Disabled && a.Prefix.Contains(address) && a.Prefix.Bits() > longest {
			name, longest = a.Interface, a.Prefix.Bits()
		}
	}
	return name
}

// server reads a VPN server (routeros-facts § 5, § 15).
func (s *Snapshot) server(m Menu, row Attributes) {
	v := VPNServer{Name: row.Get("name"), Disabled: row.Bool("disabled")}
	if on, ok := ParseBool(row.Get("enabled")); ok {
		v.Disabled = !on
	} else if m != WireGuard && m != IPsecPeer && !row.Has("disabled") {
		v.Disabled = true // by default, which a compact export leaves out
	}
	switch m {
	case WireGuard:
		v.Kind, v.Protocol = "wireguard", "udp"
		if v.Name == "" { // a row without its columns
			return
		}
	case OVPNServer:
		v.Kind, v.Protocol, v.Port = "openvpn", "tcp", 1194
		if p := row.Get("protocol"); p != "" {
			v.Protocol = p
		}
	case SSTPServer:
		v.Kind, v.Protocol, v.Port = "sstp", "tcp", 443
	case L2TPServer:
		v.Kind, v.Secured = "l2tp", row.Get("use-ipsec")
	case PPTPServer:
		v.Kind = "pptp"
	case IPsecPeer:
		v.Kind, v.Name = "ipsec", ""
	default:
		return
	}
	for _, name := range []string{"port", "listen-port"} {
		if port, err := ParsePort(row.Get(name)); err == nil && v.Protocol != "" {
			v.Port = port
		}
	}
	s.VPNServers = append(s.VPNServers, v)
}

// NetworkRows returns rows of a menu of [NetworkMenus] that say what the snapshot knows: the
// opposite of [Snapshot.Learn]. Dynamic rows are left out.
func (s Snapshot) NetworkRows(m Menu) []Attributes {
	out := s.routingRows(m)
	for _, u := range s.Uplinks {
		if u.Menu == m && !u.Dynamic {
			out = append(out, u.row())
		}
	}
	for _, v := range s.VPNServers {
		if ServerMenu(v.Kind) == m {
			out = append(out, v.row())
		}
	}
	for _, p := range s.Peers {
		if PeerMenu(p.Kind) == m {
			out = append(out, p.row())
		}
	}
	if m == ConnectionTracking && s.Tracking != "" {
		out = append(out, MakeAttributes("enabled", string(s.Tracking)))
	}
	return out
}

func (u Uplink) row() Attributes {
	switch u.Menu {
	case Route, Route6:
		row := MakeAttributes("dst-address", map[Menu]string{Route: "0.0.0.0/0", Route6: "::/0"}[u.Menu], "gateway", u.Gateway, "static", "true")
		if u.Interface != "" {
			row = row.With("immediate-gw", u.Gateway+"%"+u.Interface)
		}
		return row
	case DHCPClient, DHCPClient6:
		return MakeAttributes("interface", u.Interface, "add-default-route", "yes", "disabled", "false")
	}
	return MakeAttributes("name", u.Interface, "add-default-route", "yes", "disabled", "false")
}

// ServerMenu returns the menu of a kind of VPN server.
func ServerMenu(kind string) Menu {
	return map[string]Menu{"wireguard": WireGuard, "openvpn": OVPNServer, "sstp": SSTPServer, "l2tp": L2TPServer, "pptp": PPTPServer, "ipsec": IPsecPeer}[kind]
}

func (v VPNServer) row() Attributes {
	row := MakeAttributes("disabled", FormatBool(v.Disabled))
	if v.Name != "" {
		row = row.With("name", v.Name)
	} else if v.Kind != "ipsec" {
		row = MakeAttributes("enabled", map[bool]string{true: "no", false: "yes"}[v.Disabled])
	}
	if v.Port != 0 {
		row = row.With(map[bool]string{true: "listen-port", false: "port"}[v.Kind == "wireguard"], strconv.Itoa(int(v.Port)))
	}
	if v.Secured != "" {
		row = row.With("use-ipsec", v.Secured)
	}
	if v.Kind == "openvpn" {
		row = row.With("protocol", v.Protocol)
	}
	return row
}

// Servers returns the VPN servers of a kind.
func (s Snapshot) Servers(kind string) []VPNServer {
	var out []VPNServer
	for _, v := range s.VPNServers {
		if v.Kind == kind {
			out = append(out, v)
		}
	}
	return out
}

// Tells reports whether the router, or the export, shows a menu: what is not there is then not set.
func (s Snapshot) Tells(m Menu) bool {
	whole := s.Partial == "" || m == s.Partial || strings.HasPrefix(string(m), string(s.Partial)+"/")
	return whole && !slices.Contains(s.Untold, m)
}

// Receives reports whether packets can come in by an interface. A port of a bridge or a bond receives
// none of its own: they come in by the bridge, or by the bond (routeros-facts § 15).
func (i Interface) Receives() bool {
	return !i.Disabled && !i.Slave && i.Type != "loopback" && i.Name != "lo" // an export tells no type
}
