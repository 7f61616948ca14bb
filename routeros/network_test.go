package routeros_test

import (
	"fmt"
	"testing"

	"github.com/rosknock/rosknock/routeros"
)

// TestPeers: what the rows of connected peers say, and that these rows can be written again.
func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		menu routeros.Menu
		row  []string
		want string // kind, interface, inner, endpoint and port
	}{
		{routeros.WireGuardPeers, []string{"interface", "wg0", "allowed-address", "10.9.0.5/32,fd00::5/128", "current-endpoint-address", "198.51.100.7", "current-endpoint-port", "40001"}, "wireguard wg0 [10.9.0.5/32 fd00::5/128] 198.51.100.7 40001"},
		{routeros.WireGuardPeers, []string{"interface", "wg0", "allowed-address", "10.9.0.5/32", "current-endpoint-address", "", "current-endpoint-port", "0"}, "wireguard wg0 [10.9.0.5/32] invalid IP 0"},
		{routeros.WireGuardPeers, []string{"interface", "wg0", "allowed-address", "10.9.0.5/32", "disabled", "true"}, ""},
		{routeros.PPPActive, []string{"service", "l2tp", "caller-id", "198.51.100.7", "address", "10.8.0.5"}, "l2tp  [10.8.0.5/32] 198.51.100.7 0"},
		{routeros.PPPActive, []string{"service", "ovpn", "caller-id", "::ffff:198.51.100.7", "address", "10.8.0.5"}, "openvpn  [10.8.0.5/32] 198.51.100.7 0"},
		{routeros.PPPActive, []string{"service", "pppoe", "caller-id", "4C:5E:0C:11:22:33", "address", "10.8.0.5"}, ""},
		{routeros.PPPActive, []string{"service", "pptp", "caller-id", "", "address", "10.8.0.5"}, ""},
		{routeros.IPsecActive, []string{"remote-address", "2001:db8::7", "dynamic-address", "10.7.0.5"}, "ipsec  [10.7.0.5/32] 2001:db8::7 0"},
		{routeros.IPsecActive, []string{"remote-address", "198.51.100.7:4500"}, "ipsec  [] 198.51.100.7 0"},
	} {
		t.Run(fmt.Sprint(tt.menu, tt.row), func(t *testing.T) {
			var s, again routeros.Snapshot
			s.Learn(tt.menu, routeros.MakeAttributes(tt.row...))
			for _, row := range s.NetworkRows(tt.menu) {
				again.Learn(tt.menu, row)
			}
			for _, peers := range [][]routeros.Peer{s.Peers, again.Peers} {
				got := ""
				for _, p := range peers {
					got += fmt.Sprint(p.Kind, " ", p.Interface, " ", p.Inner, " ", p.Endpoint, " ", p.Port)
				}
				if got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			}
		})
	}
}
