package routeros

import (
	"net/netip"
	"strconv"
)

// Peer is the far end of a tunnel that ends on this router.
type Peer struct {
	Kind      string         // as in [VPNServer]: wireguard, openvpn, sstp, l2tp, pptp or ipsec
	Interface string         // of a WireGuard peer; "" where the router does not tell it
	Inner     []netip.Prefix // the addresses of those who send through the tunnel, where they are known
	// Endpoint and Port are where the peer's outer packets come from now. The address is not valid
	// where the router does not tell it: the peer never connected, or this is an export.
	Endpoint netip.Addr
	Port     uint16 // of a WireGuard peer
}

// PeerMenu returns the menu that shows the peers of a kind of VPN.
func PeerMenu(kind string) Menu {
	switch kind {
	case "wireguard":
		return WireGuardPeers
	case "ipsec":
		return IPsecActive
	}
	return PPPActive
}

// peer reads a row of a menu of peers (routeros-facts § 15.2).
func (s *Snapshot) peer(m Menu, row Attributes) {
	if row.Bool("disabled") {
		return
	}
	var p Peer
	switch m {
	case WireGuardPeers:
		p = Peer{Kind: "wireguard", Interface: row.Get("interface"), Endpoint: bareAddress(row.Get("current-endpoint-address"))}
		for _, text := range SplitPrefixes(row.Get("allowed-address")) {
			p.inside(text)
		}
		p.Port, _ = ParsePort(row.Get("current-endpoint-port"))
	case PPPActive:
		p = Peer{Kind: pppKind(row.Get("service")), Endpoint: bareAddress(row.Get("caller-id"))}
		p.inside(row.Get("address"))
		if p.Kind == "" || !p.Endpoint.IsValid() {
			return
		}
	case IPsecActive:
		p = Peer{Kind: "ipsec", Endpoint: bareAddress(row.Get("remote-address"))}
		p.inside(row.Get("dynamic-address"))
		if !p.Endpoint.IsValid() {
			return
		}
	}
	s.Peers = append(s.Peers, p)
}

// pppKind returns the kind of VPN of a service of /ppp/active; "" for PPPoE and others that don't
// come in packets of IP.
func pppKind(service string) string {
	switch service {
	case "l2tp", "pptp", "sstp":
		return service
	case "ovpn":
		return "openvpn"
	}
	return ""
}

// inside adds an address, or a network, of those who send through the tunnel.
func (p *Peer) inside(text string) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		p.Inner = append(p.Inner, prefix.Masked())
	} else if address := bareAddress(text); address.IsValid() {
		p.Inner = append(p.Inner, netip.PrefixFrom(address, address.BitLen()))
	}
}

// bareAddress reads an address without its zone and port; 0.0.0.0 and :: are none.
func bareAddress(text string) netip.Addr {
	address, err := netip.ParseAddr(text)
	if both, fails := netip.ParseAddrPort(text); fails == nil {
		address, err = both.Addr(), nil
	}
	if err != nil || address.IsUnspecified() {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

func (p Peer) row() Attributes {
	inner := make([]string, len(p.Inner))
	for i, prefix := range p.Inner {
		if inner[i] = prefix.String(); p.Kind != "wireguard" {
			inner[i] = prefix.Addr().String()
		}
	}
	endpoint := ""
	if p.Endpoint.IsValid() {
		endpoint = p.Endpoint.String()
	}
	switch PeerMenu(p.Kind) {
	case WireGuardPeers:
		row := MakeAttributes("interface", p.Interface, "allowed-address", JoinPrefixes(inner))
		if endpoint != "" {
			row = row.With("current-endpoint-address", endpoint).With("current-endpoint-port", strconv.Itoa(int(p.Port)))
		}
		return row
	case IPsecActive:
		return MakeAttributes("remote-address", endpoint, "state", "established", "dynamic-address", JoinPrefixes(inner))
	}
	service := p.Kind
	if service == "openvpn" {
		service = "ovpn"
	}
	return MakeAttributes("service", service, "caller-id", endpoint, "address", JoinPrefixes(inner))
}
