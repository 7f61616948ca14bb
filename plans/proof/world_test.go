package proof_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

const siteText = `version: 1
name: site
doors:
  admin:
    knock: [tcp/41873, udp/52614, tcp/13377]
    trusted: {list: site-trusted, for: 8h}
    opens: [ssh, winbox]
    # on
allow:
  interface-lists: [LAN]
  # allow
gate:
  services: [ssh, winbox]
  # gate
`

// site gates ssh and winbox for all but the LAN.
func site(t testing.TB, more string) plans.Plan {
	t.Helper()
	text := siteText
	for line := range strings.Lines(more) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "lists":
			text = strings.Replace(text, "interface-lists: [LAN]", value, 1)
		case "opens":
			text = strings.Replace(text, "opens: [ssh, winbox]", "opens: [ssh, winbox, "+value+"]", 1)
		}
		text = strings.Replace(text, "# "+key, value, 1)
	}
	p, err := plans.Read("site.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// judged is a plan on a router: the risk for which it is refused, else where its IPv4 rules stand.
func judged(t *testing.T, s routeros.Snapshot, p plans.Plan) (risk, text string, want compile.RuleSet, notes []string) {
	t.Helper()
	want, err := compile.Compile(p, s)
	if err != nil {
		refused, ok := err.(*change.RefusalError) //nolint:errorlint // it is not wrapped
		if !ok {
			t.Fatal(err)
		}
		return refused.Risk, refused.Error(), want, nil
	}
	session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.5"), netip.MustParseAddr("198.51.100.200")}}
	changes, err := diff.Compute(s, want, session)
	if err != nil {
		t.Fatal(err)
	}
	got := proof.Prove(s, want, changes, session)
	for _, f := range got.Failures {
		if f.Remedy == "" {
			t.Errorf("%s has no way out", f.Risk)
		}
	}
	if len(got.Failures) > 0 {
		f := got.Failures[0]
		return f.Risk, f.What + ": " + f.Remedy, want, nil
	}
	return "", "", want, slices.Concat(changes.Notes, got.Notes)
}

const (
	lists    = "# by RouterOS 7.20\n/interface bridge\nadd name=bridge\n/interface list\nadd name=LAN\nadd name=WAN\nadd name=MGMT\nadd name=VPN\n/interface list member\nadd list=LAN interface=bridge\nadd list=WAN interface=ether1\n"
	dhcp     = "/ip dhcp-client\nadd interface=ether1\n"
	pppoe    = "/interface pppoe-client\nadd add-default-route=yes disabled=no interface=ether1 name=pppoe1\n"
	rules    = "/ip firewall filter\n"
	accepted = "add action=accept chain=input connection-state=established,related,untracked comment=est\n"
	inLAN    = "add action=accept chain=input in-interface-list=LAN comment=lan\n"
	final    = "add action=drop chain=input comment=final\n"
)

// TestOrdinaryRouters: the place on each kind of router, and what makes a plan wait for a decision.
func TestOrdinaryRouters(t *testing.T) {
	for name, tt := range map[string]struct {
		router, more string
		risk         string
		place        string // the comment of the rule before which the rules stand; "" for the end
		says         string // in a note, or in the refusal
	}{
		"the default configuration":                    {lists + dhcp + rules + accepted + "add action=drop chain=input in-interface-list=!LAN comment=final\n", "", "", "final", ""},
		"established, accept LAN, drop":                {lists + dhcp + rules + accepted + inLAN + final, "", "", "final", ""},
		"a WAN of PPPoE":                               {lists + pppoe + rules + accepted + inLAN + final, "", "", "final", ""},
		"a WAN of PPPoE, and a drop of its ethernet":   {lists + pppoe + rules + accepted + "add action=drop chain=input in-interface=ether1\n" + inLAN + final, "", "", "final", "does not open on ether1"},
		"a drop on the uplink, and no other":           {lists + pppoe + rules + accepted + "add action=drop chain=input in-interface=pppoe1 comment=final\n", "", "", "final", "all else is open"},
		"a drop of a guest VLAN above":                 {lists + dhcp + "/interface vlan\nadd interface=bridge name=guest vlan-id=7\n" + rules + "add action=drop chain=input in-interface=guest\n" + accepted + final, "", "", "final", "does not open on guest"},
		"an accept of a list with members":             {lists + "/interface list member\nadd list=MGMT interface=ether5\n" + dhcp + rules + accepted + "add action=accept chain=input in-interface-list=MGMT comment=mgmt\n" + final, "", proof.Overrides, "", "allow.interface-lists: [MGMT]"},
		"it is allowed":                                {lists + "/interface list member\nadd list=MGMT interface=ether5\n" + dhcp + rules + accepted + "add action=accept chain=input in-interface-list=MGMT comment=mgmt\n" + final, "lists interface-lists: [LAN, MGMT]", "", "final", ""},
		"an accept of a tunnel":                        {lists + dhcp + "/interface wireguard\nadd listen-port=13231 name=wg0\n" + rules + accepted + "add action=accept chain=input in-interface=wg0 comment=wg\n" + final, "", proof.Overrides, "", "wg0 reaches ssh, winbox by"},
		"the tunnel is allowed":                        {lists + dhcp + "/interface wireguard\nadd listen-port=13231 name=wg0\n" + rules + accepted + "add action=accept chain=input in-interface=wg0 comment=wg\n" + final, "allow interfaces: [wg0]", "", "final", ""},
		"an accept of an empty list":                   {lists + dhcp + rules + accepted + "add action=accept chain=input in-interface-list=VPN comment=vpn\n" + final, "", "", "vpn", "nobody is in the interface list VPN now"},
		"an accept of every PPP client":                {lists + dhcp + rules + accepted + "add action=accept chain=input in-interface=all-ppp comment=ppp\n" + final, "", "", "ppp", "all-ppp"},
		"an accept of whatever is dynamic":             {lists + dhcp + rules + accepted + "add action=accept chain=input in-interface-list=dynamic comment=dynamic\n" + final, "", "", "dynamic", "dynamic"},
		"an accept of an address list":                 {lists + dhcp + "/ip firewall address-list\nadd list=support address=203.0.113.9\n" + rules + accepted + "add action=accept chain=input src-address-list=support comment=support\n" + final, "", proof.Overrides, "", "allow.address-lists: [support]"},
		"the address list is allowed":                  {lists + dhcp + "/ip firewall address-list\nadd list=support address=203.0.113.9\n" + rules + accepted + "add action=accept chain=input src-address-list=support comment=support\n" + final, "allow address-lists: [support]", "", "final", ""},
		"an accept of an address":                      {lists + dhcp + rules + accepted + "add action=accept chain=input src-address=203.0.113.9 comment=support\n" + final, "", proof.Overrides, "", "allow.addresses: [203.0.113.9]"},
		"an open port":                                 {lists + dhcp + rules + accepted + "add action=accept chain=input dst-port=8291 in-interface-list=WAN protocol=tcp comment=open\n" + final, "", "", "open", ""},
		"an accept of a hardware address":              {lists + dhcp + rules + accepted + "add action=accept chain=input src-mac-address=02:00:00:00:00:01 comment=mac\n" + final, "", proof.Overrides, "", "no key names a hardware address: write allow.interfaces"},
		"an accept of PPP clients who are there":       {lists + dhcp + "/interface l2tp-client\nadd name=l2tp-out1\n" + rules + accepted + "add action=accept chain=input in-interface=all-ppp comment=ppp\n" + final, "", proof.Overrides, "", "make an interface list of them"},
		"an accept of all but the uplink":              {lists + dhcp + "/interface ethernet\nset [ find default-name=ether5 ] name=ether5\n" + rules + accepted + "add action=accept chain=input in-interface=!ether1 comment=inside\n" + final, "", proof.Overrides, "", "make an interface list of those that need no knock"},
		"an accept of all but a list":                  {lists + dhcp + "/interface ethernet\nset [ find default-name=ether5 ] name=ether5\n" + rules + accepted + "add action=accept chain=input in-interface-list=!WAN comment=inside\n" + final, "", proof.Overrides, "", "make an interface list of those that need no knock"},
		"no rules at all":                              {lists + dhcp, "", "", "", ""},
		"a raw drop on the uplink":                     {lists + dhcp + rules + accepted + final + "/ip firewall raw\nadd action=drop chain=prerouting in-interface=ether1\n", "", proof.DoorShut, "", "ether1"},
		"a raw drop of high ports":                     {lists + dhcp + rules + accepted + final + "/ip firewall raw\nadd action=drop chain=prerouting dst-port=40000-65535 in-interface=ether1 protocol=tcp\n", "", proof.DoorShut, "", "doors.admin.on"},
		"all is forwarded":                             {lists + dhcp + rules + accepted + final + "/ip firewall nat\nadd action=dst-nat chain=dstnat in-interface=ether1 to-addresses=192.168.88.9\n", "", proof.DoorShut, "", "ether1"},
		"all is forwarded on one of two uplinks":       {lists + dhcp + "/interface list member\nadd list=MGMT interface=lte1\n/interface lte\nset [ find ] name=lte1\n" + rules + accepted + final + "/ip firewall nat\nadd action=dst-nat chain=dstnat in-interface=lte1 to-addresses=192.168.88.9\n", "", proof.DoorShut, "", "lte1"},
		"the door has to open on the other uplink":     {lists + dhcp + "/interface list member\nadd list=MGMT interface=lte1\n/interface lte\nset [ find ] name=lte1\n" + rules + accepted + final + "/ip firewall nat\nadd action=dst-nat chain=dstnat in-interface=lte1 to-addresses=192.168.88.9\n", "on on: [WAN]", "", "final", "does not open on lte1"},
		"a masquerade tells the uplink":                {lists + rules + "add action=drop chain=input in-interface=ether2\n" + accepted + final + "/ip firewall nat\nadd action=masquerade chain=srcnat out-interface-list=WAN\n", "", "", "final", "ether2"},
		"a static route tells the uplink":              {lists + "/ip route\nadd gateway=203.0.113.1\n/ip address\nadd address=203.0.113.5/24 interface=ether1\n" + rules + "add action=drop chain=input in-interface=ether2\n" + accepted + final, "", "", "final", "ether2"},
		"nothing tells the uplink, and all is dropped": {lists + rules + accepted + "add action=drop chain=input in-interface-list=!LAN comment=final\n", "", "", "final", ""},
		"a list that does not exist":                   {lists + dhcp + rules + accepted + final, "on on: [INET]", "missing-interface-list", "", "doors.admin.on"},
		"an interface that does not exist":             {lists + dhcp + rules + accepted + final, "allow interfaces: [wg9]", "missing-interface", "", "wg9"},
		"a port of a bridge is allowed":                {lists + dhcp + "/interface bridge port\nadd bridge=bridge interface=ether2\n" + rules + accepted + final, "allow interfaces: [ether2]", "missing-interface", "", "a port of a bridge"},
		"a port of a bridge is dropped":                {lists + dhcp + "/interface bridge port\nadd bridge=bridge interface=ether2\n" + rules + "add action=drop chain=input in-interface=!ether2\n" + accepted + final, "", "", "final", "ether2 is a port"},
		"a slave of a bond is dropped":                 {lists + dhcp + "/interface bonding\nadd name=bond1 slaves=ether2,ether3\n" + rules + "add action=drop chain=input in-interface=ether3\n" + accepted + final, "", "", "final", "ether3 is a port"},
		"rules of a deleted interface":                 {lists + dhcp + rules + "add action=drop chain=input in-interface=!*4\n" + accepted + final, "", "", "final", "the interface *4 is gone"},
		"tracking is off":                              {lists + dhcp + "/ip firewall connection tracking\nset enabled=no\n" + rules + accepted + final, "", proof.TrackingOff, "", "enabled=auto"},
		"tracking is on":                               {lists + dhcp + "/ip firewall connection tracking\nset enabled=yes\n" + rules + accepted + final, "", "", "final", ""},
	} {
		for _, layout := range []string{"chain", "inline"} {
			t.Run(name+", "+layout, func(t *testing.T) {
				s := router(tt.router)
				p := site(t, tt.more)
				p.Firewall.Layout = map[string]plans.Layout{"chain": plans.Chain, "inline": plans.Inline}[layout]
				p.Firewall.Families = []routeros.Family{routeros.IPv4}
				risk, text, want, notes := judged(t, s, p)
				if risk != tt.risk {
					t.Fatalf("risk %q, want %q: %s", risk, tt.risk, text)
				}
				if said := text + strings.Join(notes, "\n"); !strings.Contains(said, tt.says) {
					t.Errorf("it doesn't say %q: %s", tt.says, said)
				}
				if risk == "" {
					if got := placed(s, want); got != tt.place {
						t.Errorf("before %q, want %q", got, tt.place)
					}
				}
			})
		}
	}
}

// placed is the comment of the rule before which the rules stand.
func placed(s routeros.Snapshot, want compile.RuleSet) string {
	for _, r := range s.Rules[routeros.Filter] {
		if r.ID == want.Tables[0].Place.Anchor {
			return r.Comment()
		}
	}
	return ""
}

// TestWaysOut: an override that is accepted by name is none for the second run, and the JSON's
// values name each rule.
func TestWaysOut(t *testing.T) {
	s := router(lists + dhcp + "/interface wireguard\nadd listen-port=13231 name=wg0\n" + rules + accepted + "add action=accept chain=input in-interface=wg0 comment=wg\n" + final)
	p := site(t, "")
	p.Firewall.Families = []routeros.Family{routeros.IPv4}
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	session := change.Management{Accepted: []string{proof.Overrides}}
	got, changes := proved(t, s, want, session)
	if !got.Holds() || len(got.Overrides) != 1 {
		t.Fatalf("%v %+v", got.Err(), got.Overrides)
	}
	if o := got.Overrides[0]; o.Who != "wg0" || o.What != "ssh, winbox" || o.Allow != "allow.interfaces: [wg0]" || !o.Present || !strings.Contains(o.Rule, "wg") {
		t.Errorf("%+v", o)
	}
	after, err := change.Rehearse(s, changes, len(changes.Steps))
	if err != nil {
		t.Fatal(err)
	}
	if want, err = compile.Compile(p, after); err != nil {
		t.Fatal(err)
	}
	if got, changes := proved(t, after, want, change.Management{}); !got.Holds() || changes.Changed() {
		t.Errorf("%v, %d steps", got.Err(), len(changes.Steps))
	}
}

// TestVPNsAsTheyRun: the gate is on the ports where VPNs listen.
func TestVPNsAsTheyRun(t *testing.T) {
	for name, tt := range map[string]struct {
		router, vpns string
		drops        string
		says         string
	}{
		"two WireGuards":                   {"/interface wireguard\nadd listen-port=51820 name=wg1\nadd listen-port=51821 name=wg2\n", "wireguard", "udp/51820-51821", ""},
		"a WireGuard that is switched off": {"/interface wireguard\nadd disabled=yes listen-port=51820 name=wg1\n", "wireguard", "udp/51820", ""},
		"none":                             {"", "wireguard", "udp/13231", ""},
		"a WireGuard without a port":       {"/interface wireguard\nadd name=wg1\n", "wireguard", "udp/13231", "does not tell"},
		"the plan tells":                   {"/interface wireguard\nadd name=wg1\n", "{name: wireguard, port: 51899}", "udp/51899", ""},
		"OpenVPN since 7.17":               {"/interface ovpn-server server\nadd disabled=no name=o1 port=11940 protocol=udp\nadd disabled=no name=o2\n", "openvpn", "udp/11940 tcp/1194", ""},
		"OpenVPN before":                   {"/interface ovpn-server server\nset enabled=yes port=1195\n", "openvpn", "tcp/1195", ""},
		"SSTP":                             {"/interface sstp-server server\nset enabled=yes port=8443\n", "sstp", "tcp/8443", ""},
		"no SSTP":                          {"", "sstp", "tcp/443", ""},
		"PPTP is on":                       {"/interface pptp-server server\nset enabled=yes\n", "pptp", "tcp/1723 gre", ""},
		"PPTP is off":                      {"", "pptp", "tcp/1723 gre", "does not run pptp now: gated all the same"},
		"L2TP is off":                      {"/interface l2tp-server server\nset use-ipsec=yes\n", "l2tp-ipsec", "udp/500,1701,4500 ipsec-esp ipsec-ah", "does not run l2tp-ipsec now"},
		"no peer of IPsec":                 {"", "ikev2", "udp/500,4500 ipsec-esp ipsec-ah", "does not run ikev2 now"},
		"a peer of IPsec that is off":      {"/ip ipsec peer\nadd disabled=yes name=p1\n", "ikev2", "udp/500,4500 ipsec-esp ipsec-ah", "does not run ikev2 now"},
		"what has no name":                 {"", "pptp", "tcp/1723,8000-8010 gre udp/1812", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := router(lists + dhcp + tt.router + rules + accepted + inLAN + final)
			p := site(t, "gate vpns: ["+tt.vpns+"]\n")
			if name == "what has no name" {
				p.Gate.Ports = []plans.Target{{Kind: plans.PortTarget, Protocol: "udp", Port: routeros.PortRange{First: 1812, Last: 1812}}, {Kind: plans.PortTarget, Protocol: "tcp", Port: routeros.PortRange{First: 8000, Last: 8010}}}
			}
			p.Gate.Services, p.Firewall.Families = nil, []routeros.Family{routeros.IPv4}
			risk, text, want, notes := judged(t, s, p)
			if risk != "" || !strings.Contains(strings.Join(notes, "\n"), tt.says) {
				t.Fatalf("%s: %s %q", risk, text, notes)
			}
			var drops []string
			for _, m := range want.Tables[0].Dropped() {
				drops = append(drops, strings.TrimSuffix(m.Protocol+"/"+m.Ports.String(), "/"))
			}
			if got := strings.Join(drops, " "); got != tt.drops {
				t.Errorf("%s, want %s", got, tt.drops)
			}
		})
	}
}

// BenchmarkDialIns proves a plan on a router with 5,000 clients who have dialled in.
func BenchmarkDialIns(b *testing.B) {
	s := router(lists + dhcp + rules + accepted + inLAN + "add action=accept chain=input in-interface-list=VPN comment=vpn\n" + final)
	for i := range 5000 {
		name := fmt.Sprintf("<l2tp-%d>", i)
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: name, Type: "l2tp-in", Dynamic: true})
		s.ListMembers = append(s.ListMembers, routeros.ListMember{List: "VPN", Interface: name, Dynamic: true})
	}
	p := site(b, "lists interface-lists: [LAN, VPN]")
	p.Firewall.Families = []routeros.Family{routeros.IPv4}
	for b.Loop() {
		want, err := compile.Compile(p, s)
		if err != nil {
			b.Fatal(err)
		}
		changes, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			b.Fatal(err)
		}
		if got := proof.Prove(s, want, changes, change.Management{}); !got.Holds() {
			b.Fatal(got.Err())
		}
	}
}
