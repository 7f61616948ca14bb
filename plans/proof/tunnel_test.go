package proof_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

const (
	wg0     = "/interface wireguard\nadd listen-port=51820 name=wg0\n/ip address\nadd address=10.9.0.1/24 interface=wg0\nadd address=192.168.88.1/24 interface=bridge\n"
	peerFar = "/interface wireguard peers\nadd allowed-address=10.9.0.5/32 current-endpoint-address=198.51.100.7 current-endpoint-port=40001 interface=wg0\n"
	peerTwo = "/interface wireguard peers\nadd allowed-address=10.9.0.6/32 current-endpoint-address=198.51.100.8 current-endpoint-port=40002 interface=wg0\n"
	all     = "add action=accept chain=input comment=all\n"
	l2tp    = "/interface l2tp-server server\nset enabled=yes use-ipsec=yes\n/ip address\nadd address=10.8.0.1/32 interface=<l2tp-ann>\nadd address=192.168.88.1/24 interface=bridge\n"
)

// TestCarriedSession: the outer packets of the tunnel by which the operator comes in.
func TestCarriedSession(t *testing.T) {
	for name, tt := range map[string]struct {
		router, more string
		operator     string
		risk, says   string
	}{
		"WireGuard that the gate shuts":               {wg0 + peerFar, "gate vpns: [wireguard]", "10.9.0.5", proof.LoseSession, "allow.addresses: [198.51.100.7], or let a door open the VPN with opens: [wireguard]"},
		"it says the packet":                          {wg0 + peerFar, "gate vpns: [wireguard]", "10.9.0.5", proof.LoseSession, "udp 198.51.100.7"},
		"by its port":                                 {wg0 + peerFar, "gate ports: [udp/51820]", "10.9.0.5", proof.LoseSession, "198.51.100.7"},
		"its endpoint is allowed":                     {wg0 + peerFar, "gate vpns: [wireguard]\nlists addresses: [198.51.100.7]", "10.9.0.5", "", ""},
		"its endpoint is within what is allowed":      {wg0 + peerFar, "gate vpns: [wireguard]\nlists addresses: [198.51.100.0/24]", "10.9.0.5", "", ""},
		"a door opens it":                             {wg0 + peerFar, "gate vpns: [wireguard]\nopens wireguard", "10.9.0.5", "", "has to knock from there before it comes up again"},
		"a WireGuard that no gate shuts":              {wg0 + peerFar, "gate ports: [tcp/2222]", "10.9.0.5", "", ""},
		"another one is gated":                        {wg0 + "/interface wireguard\nadd listen-port=51999 name=wg1\n" + peerFar, "gate ports: [udp/51999]", "10.9.0.5", "", ""},
		"the session comes from the LAN":              {wg0 + peerFar, "gate vpns: [wireguard]", "192.168.88.5", "", "1 connected peer of wireguard would have to knock"},
		"the session comes from outside":              {wg0 + peerFar + peerTwo, "gate vpns: [wireguard]", "203.0.113.50", "", "2 connected peers of wireguard would have to knock"},
		"the other peer carries it":                   {wg0 + peerFar + peerTwo, "gate vpns: [wireguard]\nlists addresses: [198.51.100.7]", "10.9.0.6", proof.LoseSession, "from 198.51.100.8"},
		"a network behind a peer":                     {wg0 + strings.ReplaceAll(peerFar, "10.9.0.5/32", "10.9.0.5/32,10.50.0.0/16"), "gate vpns: [wireguard]", "10.50.1.1", proof.LoseSession, "198.51.100.7"},
		"a peer for everything, and not the uplink":   {wg0 + strings.ReplaceAll(peerFar, "10.9.0.5/32", "0.0.0.0/0"), "gate vpns: [wireguard]", "203.0.113.50", "", ""},
		"a peer for everything, which is the uplink":  {wg0 + "/ip route\nadd gateway=wg0\n" + strings.ReplaceAll(peerFar, "10.9.0.5/32", "0.0.0.0/0"), "gate vpns: [wireguard]\non on: [WAN]", "203.0.113.50", proof.LoseSession, "198.51.100.7"},
		"a peer for everything, and the LAN":          {wg0 + "/ip route\nadd gateway=wg0\n" + strings.ReplaceAll(peerFar, "10.9.0.5/32", "0.0.0.0/0"), "gate vpns: [wireguard]\non on: [WAN]", "192.168.88.5", "", ""},
		"the network of the tunnel, and no such peer": {wg0 + peerFar, "gate vpns: [wireguard]", "10.9.0.77", proof.LoseSession, "may carry this session from 198.51.100.7"},
		"an export tells no endpoint":                 {wg0 + strings.ReplaceAll(strings.ReplaceAll(peerFar, "current-endpoint-address=198.51.100.7 ", ""), "current-endpoint-port=40001 ", ""), "gate vpns: [wireguard]", "10.9.0.5", "", "nothing tells from which address"},
		"a peer that is switched off":                 {wg0 + strings.ReplaceAll(peerFar, "interface=wg0", "disabled=yes interface=wg0"), "gate vpns: [wireguard]", "192.168.88.5", "", ""},
		"over IPv6":                                   {wg0 + strings.ReplaceAll(peerFar, "198.51.100.7", "2001:db8::7"), "gate vpns: [wireguard]\nfamilies", "10.9.0.5", proof.LoseSession, "2001:db8::7"},

		"L2TP in IPsec":                {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n/ip ipsec active-peers\nadd remote-address=198.51.100.7\n", "gate vpns: [l2tp-ipsec]", "10.8.0.5", proof.LoseSession, "opens: [l2tp-ipsec]"},
		"L2TP in IPsec, and a door":    {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n/ip ipsec active-peers\nadd remote-address=198.51.100.7\n", "gate vpns: [l2tp-ipsec]\nopens l2tp-ipsec", "10.8.0.5", "", "has to knock"},
		"L2TP in IPsec, allowed":       {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n/ip ipsec active-peers\nadd remote-address=198.51.100.7\n", "gate vpns: [l2tp-ipsec]\nlists addresses: [198.51.100.7]", "10.8.0.5", "", ""},
		"L2TP in clear":                {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n", "gate ports: [udp/1701]", "10.8.0.5", proof.LoseSession, "the l2tp tunnel"},
		"L2TP in clear, IKEv2 is shut": {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n", "gate vpns: [ikev2]", "10.8.0.5", "", ""},
		"PPTP":                         {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=pptp\n", "gate vpns: [pptp]", "10.8.0.5", proof.LoseSession, "opens: [pptp]"},
		"OpenVPN on its port":          {"/interface ovpn-server server\nadd disabled=no name=o1 port=11940\n/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=ovpn\n", "gate vpns: [openvpn]", "10.8.0.5", proof.LoseSession, ":11940"},
		"SSTP":                         {"/interface sstp-server server\nset enabled=yes port=8443\n/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=sstp\n", "gate vpns: [sstp]", "10.8.0.5", proof.LoseSession, ":8443"},
		"PPPoE has no outer packets":   {"/ppp active\nadd address=10.8.0.5 caller-id=4C:5E:0C:11:22:33 service=pppoe\n", "gate vpns: [pptp, l2tp-ipsec]", "10.8.0.5", "", ""},
		"somebody else's L2TP":         {l2tp + "/ppp active\nadd address=10.8.0.6 caller-id=198.51.100.7 service=l2tp\n", "gate ports: [udp/1701]", "192.168.88.5", "", "1 connected peer of l2tp-ipsec"},
		"IKEv2 with its own address":   {"/ip ipsec active-peers\nadd dynamic-address=10.7.0.5 remote-address=198.51.100.7\n", "gate vpns: [ikev2]", "10.7.0.5", proof.LoseSession, "carries this session (10.7.0.5) from 198.51.100.7"},
		"IPsec between sites":          {"/ip ipsec active-peers\nadd remote-address=198.51.100.7\n", "gate vpns: [ikev2]", "10.60.0.5", proof.LoseSession, "may carry this session from 198.51.100.7"},
		"IPsec, and from outside":      {"/ip ipsec active-peers\nadd remote-address=198.51.100.7\n", "gate vpns: [ikev2]", "203.0.113.50", "", "1 connected peer of ikev2"},
		"a site behind L2TP":           {l2tp + "/ppp active\nadd address=10.8.0.5 caller-id=198.51.100.7 service=l2tp\n", "gate ports: [udp/1701]", "10.60.0.5", proof.LoseSession, "may carry this session"},
	} {
		for _, table := range []string{accepted + all, ""} {
			t.Run(name, func(t *testing.T) {
				s := router(lists + dhcp + tt.router + rules + table)
				p := site(t, tt.more)
				p.Gate.Services = nil
				if !strings.Contains(tt.more, "families") {
					p.Firewall.Families = []routeros.Family{routeros.IPv4}
				}
				want, err := compile.Compile(p, s)
				if err != nil {
					t.Fatal(err)
				}
				got, changes := proved(t, s, want, change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr(tt.operator)}})
				risk, text := "", strings.Join(slices.Concat(changes.Notes, got.Notes), "\n")
				if len(got.Failures) > 0 {
					f := got.Failures[0]
					risk, text = f.Risk, f.What+": "+f.Remedy
				}
				if risk != tt.risk || !strings.Contains(text, tt.says) {
					t.Errorf("risk %q, want %q with %q: %s", risk, tt.risk, tt.says, text)
				}
			})
		}
	}
}

// TestUnreadPeers: a menu of peers that the user may not read is said, where its VPN is gated.
func TestUnreadPeers(t *testing.T) {
	for _, tt := range []struct {
		untold routeros.Menu
		gate   string
		says   bool
	}{
		{routeros.WireGuardPeers, "wireguard", true},
		{routeros.WireGuardPeers, "pptp", false},
		{routeros.PPPActive, "l2tp-ipsec", true},
		{routeros.IPsecActive, "ikev2", true},
	} {
		t.Run(string(tt.untold)+" "+tt.gate, func(t *testing.T) {
			s := router(lists + dhcp + wg0 + rules + accepted + all)
			s.Untold = []routeros.Menu{tt.untold}
			p := site(t, "gate vpns: ["+tt.gate+"]")
			p.Firewall.Families = []routeros.Family{routeros.IPv4}
			_, text, _, notes := judged(t, s, p)
			if said := strings.Contains(strings.Join(notes, "\n"), "the router does not show "+string(tt.untold)); said != tt.says {
				t.Errorf("%s %q", text, notes)
			}
		})
	}
}
