package compile

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestServerNotes: what the router runs of the VPNs that a plan gates or opens.
func TestServerNotes(t *testing.T) {
	const header = "# by RouterOS 7.20\n"
	for name, tt := range map[string]struct {
		export      string
		gate, opens string
		says, not   string
	}{
		"all are on":                  {header + "/interface pptp-server server\nset enabled=yes\n/interface l2tp-server server\nset enabled=yes use-ipsec=required\n/ip ipsec peer\nadd name=p1\n/interface wireguard\nadd listen-port=1 name=w\n", "pptp, l2tp-ipsec, ikev2, wireguard", "pptp, l2tp-ipsec", "", "run"},
		"all are off":                 {header + "/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n", "pptp, sstp, openvpn, l2tp-ipsec, ikev2, wireguard", "", "does not run pptp, sstp, openvpn, l2tp-ipsec, ikev2, wireguard now: gated all the same", ""},
		"one is switched off":         {header + "/system identity\nset name=r\n/interface pptp-server server\nset enabled=no\n", "pptp", "", "does not run pptp now", ""},
		"the firewall alone is shown": {header + "/ip firewall filter\nadd chain=input\n/ip firewall nat\nadd chain=srcnat\n", "pptp, l2tp-ipsec, ikev2", "", "whether the router runs pptp, l2tp-ipsec, ikev2 is unknown", "does not run"},
		"RouterOS 6":                  {"# by RouterOS 6.49.10\n/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n", "wireguard", "", "RouterOS 6 has none; an upgrade brings it", ""},
		"no version":                  {"/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n", "wireguard", "", "does not run wireguard now", "RouterOS 6"},
		"a door for what is off":      {header + "/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n", "", "pptp, ssh", "door admin opens pptp, which the router does not run now", "gated"},
		"a door for L2TP in clear":    {header + "/system identity\nset name=r\n/interface l2tp-server server\nset enabled=yes use-ipsec=no\n", "", "l2tp-ipsec", "use-ipsec=no", ""},
		"no VPN in the plan":          {header + "/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n", "", "ssh", "", "run"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := rsc.Read([]byte(tt.export)).Snapshot(rsc.Options{})
			opens := tt.opens
			if opens == "" {
				opens = "ssh"
			}
			p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  admin:\n    knock: [tcp/41873, udp/52614, tcp/13377]\n    trusted: {list: t, for: 8h}\n    opens: ["+opens+"]\ngate:\n  services: [ssh]\n  vpns: ["+tt.gate+"]\n"))
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(serverNotes(p, s), "\n")
			if !strings.Contains(said, tt.says) || tt.not != "" && strings.Contains(said, tt.not) {
				t.Errorf("%q, want %q and not %q", said, tt.says, tt.not)
			}
		})
	}
}

// TestUnreadServers: a menu that the user may not read is unknown, and not off.
func TestUnreadServers(t *testing.T) {
	s := routeros.Snapshot{Untold: []routeros.Menu{routeros.PPTPServer}}
	if runs(s, "pptp") != unknown || runs(s, "l2tp-ipsec") != off {
		t.Error(runs(s, "pptp"), runs(s, "l2tp-ipsec"))
	}
}
