package plans

import "github.com/rosknock/rosknock/routeros"

// VPNMatch is one set of packets that a VPN needs at the router.
type VPNMatch struct {
	Protocol string // by the router's name: udp, tcp, ipsec-esp, ipsec-ah, gre
	Ports    string // destination ports as a rule lists them; empty for protocols without
	// IPsecPolicy is in,ipsec where packets count only if they came out of an IPsec tunnel.
	IPsecPolicy string
}

// VPNs lists the names of the VPNs that a plan may open or gate.
func VPNs() []string {
	return []string{"wireguard", "l2tp-ipsec", "ikev2", "openvpn", "sstp", "pptp"}
}

// MovesPort reports whether a VPN may listen on another port than its usual one.
func MovesPort(name string) bool { return name == "wireguard" || name == "openvpn" || name == "sstp" }

// VPNMatches returns the packets that a VPN needs in a family; nil for an unknown name
// (routeros-facts § 5). Both families need the same: the default IPv6 firewall accepts IKE, ESP and
// AH from anywhere, so shutting a VPN in one family alone would leave it open in the other. Ports
// are the defaults; a VPN on other ports is written as tcp/… or udp/….
func VPNMatches(name string, _ routeros.Family) []VPNMatch {
	ipsec := []VPNMatch{{Protocol: "udp", Ports: "500,4500"}, {Protocol: "ipsec-esp"}, {Protocol: "ipsec-ah"}}
	switch name {
	case "wireguard":
		return []VPNMatch{{Protocol: "udp", Ports: "13231"}}
	case "l2tp-ipsec":
		// 1701 in clear would be L2TP without encryption.
		return append(ipsec, VPNMatch{Protocol: "udp", Ports: "1701", IPsecPolicy: "in,ipsec"})
	case "ikev2":
		return ipsec
	case "openvpn":
		return []VPNMatch{{Protocol: "tcp", Ports: "1194"}, {Protocol: "udp", Ports: "1194"}}
	case "sstp":
		return []VPNMatch{{Protocol: "tcp", Ports: "443"}}
	case "pptp":
		return []VPNMatch{{Protocol: "tcp", Ports: "1723"}, {Protocol: "gre"}}
	}
	return nil
}
