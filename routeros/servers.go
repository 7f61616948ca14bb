package routeros

import (
	"cmp"
	"slices"
	"strings"
)

// The menus of servers that stand neither in /ip/service nor among the VPN servers.
const (
	DNS              Menu = "/ip/dns"
	SNMP             Menu = "/snmp"
	SNMPCommunity    Menu = "/snmp/community"
	NTPServer        Menu = "/system/ntp/server"
	WebProxy         Menu = "/ip/proxy"
	SOCKS            Menu = "/ip/socks"
	BandwidthServer  Menu = "/tool/bandwidth-server"
	UPnP             Menu = "/ip/upnp"
	UPnPInterfaces   Menu = "/ip/upnp/interfaces"
	SMB              Menu = "/ip/smb"
	SMBShares        Menu = "/ip/smb/shares"
	TFTP             Menu = "/ip/tftp"
	RADIUSIncoming   Menu = "/radius/incoming"
	CAPsMAN          Menu = "/caps-man/manager"
	WiFiCAPsMAN      Menu = "/interface/wifi/capsman"
	RoMON            Menu = "/tool/romon"
	MACTelnet        Menu = "/tool/mac-server"
	MACWinBox        Menu = "/tool/mac-server/mac-winbox"
	MACPing          Menu = "/tool/mac-server/ping"
	NeighborSettings Menu = "/ip/neighbor/discovery-settings"
	PPPProfile       Menu = "/ppp/profile"
)

// ServerState says whether a server runs.
type ServerState string

// The states. Unknown is that of a menu which an export, or the router, does not show.
const (
	ServerOn      ServerState = "on"
	ServerOff     ServerState = "off"
	ServerUnknown ServerState = "unknown"
)

// Server is something of the router's own that answers packets, beside its services and VPNs.
type Server struct {
	Name     string
	Menu     Menu
	Protocol string // tcp or udp; "" for one of layer 2, which the IP firewall does not stop
	Ports    Ports
	State    ServerState
	IPv4Only bool
	// From are the prefixes from which it answers; empty is everywhere.
	From []string
	// Limited says that it answers on some interfaces only: those of List, or else Interfaces.
	Limited    bool
	List       string
	Interfaces []string
}

// endpoint is where a server listens.
type endpoint struct{ protocol, ports string }

// serverKind is one row of the table of servers: what switches it on and where it listens.
type serverKind struct {
	name string
	menu Menu
	// at is where it listens; an attribute called port names another port.
	at       []endpoint
	ipv4Only bool
	// state reads the attribute that switches it on; usually is its value where nothing is set.
	state   func(s Snapshot, rows []Attributes, usually string) ServerState
	usually string
	// limits reads who it answers; nil is everybody.
	limits func(s Snapshot, rows []Attributes, server *Server)
}

// ServerMenus returns the menus from which [Snapshot.OwnServers] and [Snapshot.FilledLater] answer.
func ServerMenus() []Menu {
	menus := []Menu{PPPProfile, SNMPCommunity, UPnPInterfaces, SMBShares}
	for _, k := range serverKinds() {
		menus = append(menus, k.menu)
	}
	return menus
}

// serverKinds is the table of servers (routeros-facts § 15).
func serverKinds() []serverKind {
	return []serverKind{
		{name: "dns", menu: DNS, at: []endpoint{{"udp", "53"}, {"tcp", "53"}}, state: switchedBy("allow-remote-requests"), usually: "no"},
		{name: "snmp", menu: SNMP, at: []endpoint{{"udp", "161"}}, state: switchedBy("enabled"), usually: "no", limits: communities},
		{name: "ntp", menu: NTPServer, at: []endpoint{{"udp", "123"}}, state: switchedBy("enabled"), usually: "no"},
		{name: "web-proxy", menu: WebProxy, at: []endpoint{{"tcp", "8080"}}, ipv4Only: true, state: switchedBy("enabled"), usually: "no"},
		{name: "socks", menu: SOCKS, at: []endpoint{{"tcp", "1080"}}, ipv4Only: true, state: switchedBy("enabled"), usually: "no"},
		{name: "bandwidth-test", menu: BandwidthServer, at: []endpoint{{"tcp", "2000"}}, state: switchedBy("enabled"), usually: "yes", limits: listedPrefixes("allowed-addresses4", "allowed-addresses6")},
		{name: "upnp", menu: UPnP, at: []endpoint{{"udp", "1900"}, {"tcp", "2828"}}, ipv4Only: true, state: switchedBy("enabled"), usually: "no", limits: internal},
		{name: "smb", menu: SMB, at: []endpoint{{"tcp", "445"}}, state: shared, limits: named("interfaces")},
		{name: "tftp", menu: TFTP, at: []endpoint{{"udp", "69"}}, state: withRows, limits: tftpClients},
		{name: "radius-incoming", menu: RADIUSIncoming, at: []endpoint{{"udp", "3799"}}, state: switchedBy("accept"), usually: "no"},
		{name: "capsman", menu: CAPsMAN, at: []endpoint{{"udp", "5246-5247"}}, state: switchedBy("enabled"), usually: "no"},
		{name: "wifi-capsman", menu: WiFiCAPsMAN, at: []endpoint{{"udp", "5246-5247"}}, state: switchedBy("enabled"), usually: "no", limits: named("interfaces")},
		{name: "mac-telnet", menu: MACTelnet, state: byList("allowed-interface-list"), usually: "all", limits: inList("allowed-interface-list")},
		{name: "mac-winbox", menu: MACWinBox, state: byList("allowed-interface-list"), usually: "all", limits: inList("allowed-interface-list")},
		{name: "mac-ping", menu: MACPing, state: switchedBy("enabled"), usually: "yes"},
		{name: "romon", menu: RoMON, state: switchedBy("enabled"), usually: "no"},
		{name: "neighbor-discovery", menu: NeighborSettings, state: byList("discover-interface-list"), usually: "static", limits: inList("discover-interface-list")},
	}
}

// ServerPrint returns the command that reads a menu of [ServerMenus], without the passwords that
// stand in some of them.
func ServerPrint(m Menu) Command {
	switch m {
	case SNMPCommunity:
		return Print(m, ".id", "addresses", "disabled", "read-access")
	case RoMON:
		return Print(m, "enabled")
	case PPPProfile:
		return Print(m, ".id", "name", "interface-list")
	case SMBShares:
		return Print(m, ".id", "name", "disabled")
	}
	return Print(m)
}

// OwnServers returns the servers of the router beside its services and VPNs, those that are off
// included. Where a menu is not told their state is unknown and their place the usual one. A menu that
// an export leaves out is at its default.
func (s Snapshot) OwnServers() []Server {
	var out []Server
	for _, k := range serverKinds() {
		server := Server{Name: k.name, Menu: k.menu, IPv4Only: k.ipv4Only, State: ServerUnknown}
		rows, told := s.settings(k.menu)
		if told {
			server.State = k.state(s, rows, k.usually)
		}
		if k.limits != nil {
			k.limits(s, rows, &server)
		}
		if k.at == nil {
			out = append(out, server)
		}
		for _, at := range k.at {
			out = append(out, server.listening(at, rows))
		}
	}
	return out
}

func (s Server) listening(at endpoint, rows []Attributes) Server {
	s.Protocol = at.protocol
	s.Ports, _ = ParsePorts(cmp.Or(first(rows, "port"), at.ports))
	if s.Ports == nil {
		s.Ports, _ = ParsePorts(at.ports)
	}
	return s
}

// settings returns the rows of a menu of [ServerMenus]; told is false where nothing is known of them.
// A menu that the router lacks has a row that says nothing, in which everything is off.
func (s Snapshot) settings(m Menu) (rows []Attributes, told bool) {
	return s.Settings[m], s.Settings != nil && s.Tells(m)
}

// FilledLater returns the interface lists that clients join when they dial in, by the profiles of PPP
// (routeros-facts § 15). told is false where the profiles are not known.
func (s Snapshot) FilledLater() (lists []string, told bool) {
	rows, told := s.settings(PPPProfile)
	for _, row := range rows {
		if list := row.Get("interface-list"); list != "" && !slices.Contains(lists, list) {
			lists = append(lists, list)
		}
	}
	return lists, told
}

// HasVRF reports whether the router shows a VRF of a name; it always has main.
func (s Snapshot) HasVRF(name string) bool {
	return name == "main" || slices.ContainsFunc(s.VRFs, func(v VRF) bool { return v.Name == name })
}

// VRFOf returns the VRF of an interface; main is that of all others.
func (s Snapshot) VRFOf(name string) string {
	for _, v := range s.VRFs {
		if v.Name == name || slices.Contains(v.Interfaces, name) {
			return v.Name
		}
	}
	return "main"
}

func first(rows []Attributes, name string) string {
	if len(rows) == 0 {
		return ""
	}
	return rows[0].Get(name)
}

// lacking is the row of a menu that the router does not have.
const lacking = ".lacking"

// Lacks returns the rows of a menu of [ServerMenus] that the router does not have.
func Lacks() []Attributes { return []Attributes{MakeAttributes(lacking, "true")} }

// switchedBy reads an attribute that is yes or no. What is neither is not known.
func switchedBy(attribute string) func(Snapshot, []Attributes, string) ServerState {
	return func(_ Snapshot, rows []Attributes, usually string) ServerState {
		if isLacking(rows) {
			return ServerOff
		}
		on, ok := ParseBool(cmp.Or(first(rows, attribute), usually))
		if !ok {
			return ServerUnknown
		}
		return onIf(on)
	}
}

func isLacking(rows []Attributes) bool { return first(rows, lacking) != "" }

func onIf(on bool) ServerState {
	if on {
		return ServerOn
	}
	return ServerOff
}

// byList reads an attribute that names an interface list; none is off. Before 6.41 the menu had a row
// for each interface.
func byList(attribute string) func(Snapshot, []Attributes, string) ServerState {
	return func(_ Snapshot, rows []Attributes, _ string) ServerState {
		if isLacking(rows) || first(rows, attribute) == "none" {
			return ServerOff
		}
		return onIf(len(rows) == 0 || first(rows, attribute) != "" || slices.ContainsFunc(rows, isEnabled))
	}
}

func isEnabled(row Attributes) bool { return !row.Bool("disabled") }

// withRows is on with a row that is not disabled.
func withRows(_ Snapshot, rows []Attributes, _ string) ServerState {
	return onIf(!isLacking(rows) && slices.ContainsFunc(rows, isEnabled))
}

// shared: with enabled=auto, the default of RouterOS 7, SMB runs as soon as there is a share that is
// not disabled. RouterOS 6 has it off.
func shared(s Snapshot, rows []Attributes, _ string) ServerState {
	word := first(rows, "enabled")
	if on, ok := ParseBool(word); ok || isLacking(rows) || word == "" && s.Version.Major < 7 {
		return onIf(on)
	}
	shares, told := s.settings(SMBShares)
	switch {
	case !told:
		return ServerUnknown
	case isLacking(shares):
		return ServerOff
	}
	return onIf(slices.ContainsFunc(shares, isEnabled))
}

// communities: SNMP answers the addresses of its communities, by default everybody.
func communities(s Snapshot, _ []Attributes, server *Server) {
	rows, told := s.settings(SNMPCommunity)
	if !told || len(rows) == 0 || isLacking(rows) {
		return
	}
	for _, row := range rows {
		read, ok := ParseBool(row.Get("read-access"))
		switch addresses := row.Get("addresses"); {
		case row.Bool("disabled") || ok && !read:
		case addresses == "" || slices.Contains(SplitPrefixes(addresses), "::/0"): // IPv4 is among them
			server.From = nil
			return
		default:
			server.From = append(server.From, SplitPrefixes(addresses)...)
		}
	}
	if server.From == nil { // no community can be read
		server.Limited = true
	}
}

func listedPrefixes(attributes ...string) func(Snapshot, []Attributes, *Server) {
	return func(_ Snapshot, rows []Attributes, server *Server) {
		for _, a := range attributes {
			server.From = append(server.From, SplitPrefixes(first(rows, a))...)
		}
	}
}

// tftpClients: without ip-addresses a row of TFTP answers everybody.
func tftpClients(_ Snapshot, rows []Attributes, server *Server) {
	for _, row := range rows {
		switch from := row.Get("ip-addresses"); {
		case row.Bool("disabled"):
		case from == "":
			server.From = nil
			return
		default:
			server.From = append(server.From, SplitPrefixes(from)...)
		}
	}
}

// internal: UPnP answers on its internal interfaces.
func internal(s Snapshot, _ []Attributes, server *Server) {
	rows, told := s.settings(UPnPInterfaces)
	if server.Limited = told; !told {
		return
	}
	for _, row := range rows {
		if row.Get("type") == "internal" && !row.Bool("disabled") {
			server.Interfaces = append(server.Interfaces, row.Get("interface"))
		}
	}
}

// named reads a list of interfaces; all is no limit.
func named(attribute string) func(Snapshot, []Attributes, *Server) {
	return func(_ Snapshot, rows []Attributes, server *Server) {
		if names := first(rows, attribute); names != "" && names != "all" {
			server.Limited, server.Interfaces = true, strings.Split(names, ",")
		}
	}
}

// inList reads the interface list of a server of layer 2; before 6.41 its interfaces.
func inList(attribute string) func(Snapshot, []Attributes, *Server) {
	return func(_ Snapshot, rows []Attributes, server *Server) {
		list := first(rows, attribute)
		if list != "" && list != "all" {
			server.Limited, server.List = true, list
		}
		for _, row := range rows {
			if in := row.Get("interface"); in != "" && list == "" && in != "all" && isEnabled(row) {
				server.Limited, server.Interfaces = true, append(server.Interfaces, in)
			}
		}
	}
}
