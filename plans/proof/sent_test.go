package proof_test

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// TestPortsForwardedAway: a port of the router that destination NAT sends to another host.
func TestPortsForwardedAway(t *testing.T) {
	const sent = "/ip firewall nat\nadd action=dst-nat chain=dstnat comment=away dst-port=22 in-interface=ether1 protocol=tcp to-addresses=192.168.88.9\n"
	table := lists + dhcp + rules + accepted + inLAN + final
	for name, tt := range map[string]struct {
		router, opens, gate string
		risk, says          string
	}{
		"a service that a door opens":     {table + sent, "ssh, winbox", "ssh, winbox", proof.DoorShut, "leave ssh out of doors.admin.opens, or move it to another port with services.ports"},
		"it is only opened":               {table + sent, "ssh, winbox", "winbox", proof.DoorShut, "leave ssh out"},
		"it is the only one":              {table + sent, "ssh", "winbox", proof.DoorShut, "leave ssh out"},
		"by its port":                     {table + sent, "tcp/22, winbox", "winbox", proof.DoorShut, "leave ssh out"},
		"a port without a service":        {table + strings.ReplaceAll(sent, "=22", "=9000"), "tcp/9000, winbox", "winbox", proof.DoorShut, "leave tcp/9000 out of doors.admin.opens"},
		"it is only gated":                {table + sent, "winbox", "ssh, winbox", "", ""},
		"everything":                      {table + sent, "everything", "winbox", "", ""},
		"everything, and it is gated":     {table + sent, "everything", "ssh, winbox", "", ""},
		"everything is forwarded":         {table + strings.ReplaceAll(sent, "dst-port=22 in-interface=ether1 protocol=tcp ", "in-interface=ether1 "), "everything", "winbox", proof.DoorShut, "ether1"},
		"a VPN's port":                    {table + strings.ReplaceAll(strings.ReplaceAll(sent, "=22", "=1701"), "=tcp", "=udp"), "l2tp-ipsec", "winbox", proof.DoorShut, "leave udp/1701 out of doors.admin.opens"},
		"everything, with a knock's port": {table + strings.ReplaceAll(sent, "=22", "=41873"), "everything", "winbox", proof.DoorShut, "ether1"},
	} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			t.Run(name, func(t *testing.T) {
				s := router(tt.router)
				text := strings.NewReplacer("opens: [ssh, winbox]", "opens: ["+tt.opens+"]", "services: [ssh, winbox]", "services: ["+tt.gate+"]").Replace(siteText)
				p, err := plans.Read("site.yaml", []byte(text))
				if err != nil {
					t.Fatal(err)
				}
				p.Firewall.Families, p.Firewall.Layout = []routeros.Family{routeros.IPv4}, layout
				risk, said, _, _ := judged(t, s, p)
				if risk != tt.risk || !strings.Contains(said, tt.says) {
					t.Errorf("risk %q, want %q with %q: %s", risk, tt.risk, tt.says, said)
				}
			})
		}
	}
}
