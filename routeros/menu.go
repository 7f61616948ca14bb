package routeros

import "fmt"

// Menu is a configuration path of the router, with slashes: /ip/firewall/filter.
type Menu string

// The menus that rosknock reads or writes.
const (
	Filter          Menu = "/ip/firewall/filter"
	NAT             Menu = "/ip/firewall/nat"
	Raw             Menu = "/ip/firewall/raw"
	AddressList     Menu = "/ip/firewall/address-list"
	Connection      Menu = "/ip/firewall/connection"
	Address         Menu = "/ip/address"
	Filter6         Menu = "/ipv6/firewall/filter"
	NAT6            Menu = "/ipv6/firewall/nat"
	Raw6            Menu = "/ipv6/firewall/raw"
	AddressList6    Menu = "/ipv6/firewall/address-list"
	Connection6     Menu = "/ipv6/firewall/connection"
	Address6        Menu = "/ipv6/address"
	ServiceMenu     Menu = "/ip/service"
	InterfaceMenu   Menu = "/interface"
	BridgePorts     Menu = "/interface/bridge/port"
	InterfaceLists  Menu = "/interface/list"
	ListMembers     Menu = "/interface/list/member"
	Identity        Menu = "/system/identity"
	Resource        Menu = "/system/resource"
	RouterBoard     Menu = "/system/routerboard"
	License         Menu = "/system/license"
	Clock           Menu = "/system/clock"
	NTPMenu         Menu = "/system/ntp/client"
	Scheduler       Menu = "/system/scheduler"
	Script          Menu = "/system/script"
	DeviceMode      Menu = "/system/device-mode"
	User            Menu = "/user"
	UserActive      Menu = "/user/active"
	UserGroup       Menu = "/user/group"
	Certificates    Menu = "/certificate"
	Log             Menu = "/log"
	History         Menu = "/system/history"
	SafeMode        Menu = "/safe-mode"
	Layer7Protocols Menu = "/ip/firewall/layer7-protocol"

	Bonding            Menu = "/interface/bonding"
	VRFMenu            Menu = "/ip/vrf"
	Route              Menu = "/ip/route"
	Route6             Menu = "/ipv6/route"
	DHCPClient         Menu = "/ip/dhcp-client"
	DHCPClient6        Menu = "/ipv6/dhcp-client"
	PPPClient          Menu = "/interface/ppp-client"
	PPPoEClient        Menu = "/interface/pppoe-client"
	PPTPClient         Menu = "/interface/pptp-client"
	L2TPClient         Menu = "/interface/l2tp-client"
	SSTPClient         Menu = "/interface/sstp-client"
	OVPNClient         Menu = "/interface/ovpn-client"
	LTE                Menu = "/interface/lte"
	LTEAPN             Menu = "/interface/lte/apn"
	IPv6Settings       Menu = "/ipv6/settings"
	DetectInternet     Menu = "/interface/detect-internet"
	BGPConnection      Menu = "/routing/bgp/connection"
	BGPPeer            Menu = "/routing/bgp/peer"
	OSPFInstance       Menu = "/routing/ospf/instance"
	OSPFNetwork        Menu = "/routing/ospf/network"
	WireGuard          Menu = "/interface/wireguard"
	WireGuardPeers     Menu = "/interface/wireguard/peers"
	PPPActive          Menu = "/ppp/active"
	IPsecActive        Menu = "/ip/ipsec/active-peers"
	OVPNServer         Menu = "/interface/ovpn-server/server"
	SSTPServer         Menu = "/interface/sstp-server/server"
	L2TPServer         Menu = "/interface/l2tp-server/server"
	PPTPServer         Menu = "/interface/pptp-server/server"
	IPsecPeer          Menu = "/ip/ipsec/peer"
	ConnectionTracking Menu = "/ip/firewall/connection/tracking"
)

// Family is an address family of the firewall. RouterOS keeps a table set for each.
type Family uint8

// The two address families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families lists both families in the order in which rosknock treats them.
func Families() []Family { return []Family{IPv4, IPv6} }

// String returns "ipv4" or "ipv6".
func (f Family) String() string { return fmt.Sprintf("ipv%d", uint8(f)) }

// Filter returns the family's filter table.
func (f Family) Filter() Menu { return f.pick(Filter, Filter6) }

// NAT returns the family's NAT table. The IPv6 one exists from RouterOS 7.1.
func (f Family) NAT() Menu { return f.pick(NAT, NAT6) }

// Raw returns the family's raw table.
func (f Family) Raw() Menu { return f.pick(Raw, Raw6) }

// AddressList returns the menu of the family's address lists. The two name spaces
// are apart even where the names are equal.
func (f Family) AddressList() Menu { return f.pick(AddressList, AddressList6) }

// Connection returns the family's connection tracking table.
func (f Family) Connection() Menu { return f.pick(Connection, Connection6) }

// Address returns the menu of the family's interface addresses.
func (f Family) Address() Menu { return f.pick(Address, Address6) }

// ICMP returns the family's name for its control protocol: icmp or icmpv6.
func (f Family) ICMP() string {
	if f == IPv6 {
		return "icmpv6"
	}
	return "icmp"
}

func (f Family) pick(four, six Menu) Menu {
	if f == IPv6 {
		return six
	}
	return four
}

// Family returns the address family of a menu under /ip or /ipv6; everything else counts as IPv4.
func (m Menu) Family() Family {
	if len(m) > 5 && m[:6] == "/ipv6/" {
		return IPv6
	}
	return IPv4
}

// IsRuleTable reports whether the menu is an ordered table of firewall rules.
func (m Menu) IsRuleTable() bool {
	switch m {
	case Filter, NAT, Raw, Filter6, NAT6, Raw6:
		return true
	}
	return false
}

// Verb returns the command word for a verb in this menu: /ip/firewall/filter/add.
func (m Menu) Verb(verb string) string { return string(m) + "/" + verb }
