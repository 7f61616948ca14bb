package compile

import (
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestUnsureNotes: where a router, or what is known of RouterOS, leaves something open.
func TestUnsureNotes(t *testing.T) {
	const (
		head   = "# by RouterOS 7.20\n/system identity\nset name=r\n/interface bridge\nadd name=bridge\n/interface list\nadd name=LAN\nadd name=WAN\n/interface list member\nadd list=LAN interface=bridge\nadd list=WAN interface=ether1\n"
		vrf    = "/ip vrf\nadd interfaces=ether2,ether3 name=mgmt\n"
		dhcp   = "/ip dhcp-client\nadd interface=ether1\n"
		filter = "/ip firewall filter\n"
		nat    = "/ip firewall nat\n"
	)
	for name, tt := range map[string]struct {
		export, allow string
		says, not     string
	}{
		"a rule names a port of a VRF":      {head + vrf + filter + "add action=drop chain=input in-interface=ether2 comment=two\n", "", "by the VRF mgmt (sources differ). Both were followed. It matters to /ip/firewall/filter \"two\"", ""},
		"a rule names all but a port":       {head + vrf + filter + "add action=drop chain=input in-interface=!ether3 comment=two\n", "", "\"two\"", ""},
		"a rule names the VRF":              {head + vrf + filter + "add action=drop chain=input in-interface=mgmt comment=two\n", "", "\"two\"", ""},
		"a rule names a list with a port":   {head + vrf + "/interface list member\nadd list=WAN interface=ether3\n" + filter + "add action=drop chain=input in-interface-list=WAN comment=wan\n", "", "\"wan\"", ""},
		"a rule names another interface":    {head + vrf + filter + "add action=drop chain=input in-interface=ether1 comment=one\n", "", "", "VRF"},
		"a rule of forward names a port":    {head + vrf + filter + "add action=drop chain=forward in-interface=ether2 comment=two\n", "", "", "VRF"},
		"a disabled rule names a port":      {head + vrf + filter + "add action=drop chain=input disabled=yes in-interface=ether2 comment=two\n", "", "", "VRF"},
		"dst-nat of a port":                 {head + vrf + nat + "add action=dst-nat chain=dstnat in-interface=ether2 to-addresses=192.168.88.9 comment=nat\n", "", "/ip/firewall/nat \"nat\"", ""},
		"a service in a VRF":                {head + vrf + "/ip service\nset ssh vrf=mgmt\n", "", "the service ssh", ""},
		"a service in the main one":         {head + vrf + "/ip service\nset ssh vrf=main\n", "", "", "VRF"},
		"the plan allows a port":            {head + vrf, "interfaces: [ether2]", "allow.interfaces: ether2", ""},
		"the plan allows a list with one":   {head + vrf + "/interface list member\nadd list=LAN interface=ether2\n", "interface-lists: [LAN]", "allow.interface-lists: LAN", ""},
		"no VRF":                            {head + filter + "add action=drop chain=input in-interface=ether2\n", "", "", "VRF"},
		"a VRF that is switched off":        {head + strings.ReplaceAll(vrf, "name=mgmt", "disabled=yes name=mgmt") + filter + "add action=drop chain=input in-interface=ether2\n", "", "", "VRF"},
		"a deleted list":                    {head + filter + "add action=accept chain=input in-interface-list=*2000010 comment=gone\n", "", "\"gone\" (*1) names a deleted interface list (*2000010): it is taken for empty", ""},
		"all but a deleted list":            {head + filter + "add action=drop chain=input in-interface-list=!*2000010 comment=gone\n", "", "\"gone\" (*1) names a deleted interface list", ""},
		"a jump by a deleted list":          {head + filter + "add action=jump jump-target=x chain=input in-interface-list=*2000010 comment=gone\n", "", "\"gone\" (*1) names a deleted interface list", ""},
		"in raw":                            {head + "/ip firewall raw\nadd action=drop chain=prerouting in-interface-list=*2000010 comment=gone\n", "", "/ip/firewall/raw \"gone\"", ""},
		"a log by a deleted list":           {head + filter + "add action=log chain=input in-interface-list=*2000010 comment=gone\n", "", "", "deleted"},
		"a disabled rule of a deleted list": {head + filter + "add action=drop chain=input disabled=yes in-interface-list=*2000010\n", "", "", "deleted"},
		"forward by a deleted list":         {head + filter + "add action=drop chain=forward in-interface-list=*2000010\n", "", "", "deleted"},
		"BGP beside DHCP":                   {head + dhcp + "/routing bgp connection\nadd name=p1 remote.address=192.0.2.1\n", "", "over ipv4 strangers come in by ether1, as far as it is known; BGP may give default routes", ""},
		"BGP of RouterOS 6":                 {strings.ReplaceAll(head, "7.20", "6.49") + dhcp + "/routing bgp peer\nadd name=p1 remote-address=192.0.2.1\n", "", "BGP may give", ""},
		"BGP alone":                         {head + "/routing bgp connection\nadd name=p1 remote.address=192.0.2.1\n", "", "", "BGP"},
		"BGP that is switched off":          {head + dhcp + "/routing bgp connection\nadd disabled=yes name=p1 remote.address=192.0.2.1\n", "", "", "BGP"},
		"OSPF":                              {head + dhcp + "/routing ospf instance\nadd name=o1\n", "", "OSPF may give", ""},
		"OSPF of RouterOS 6":                {strings.ReplaceAll(head, "7.20", "6.49") + dhcp + "/routing ospf network\nadd area=backbone network=10.0.0.0/8\n", "", "OSPF may give", ""},
		"detect-internet":                   {head + dhcp + "/interface detect-internet\nset detect-interface-list=all\n", "", "detect-internet may give", ""},
		"detect-internet is off":            {head + dhcp + "/interface detect-internet\nset detect-interface-list=none\n", "", "", "detect-internet"},
		"advertisements are IPv6's":         {head + dhcp + "/ipv6 settings\nset accept-router-advertisements=yes\n", "", "", "advertisements"},
		"advertisements beside DHCP":        {head + "/ipv6 dhcp-client\nadd add-default-route=yes interface=ether1\n/ipv6 settings\nset accept-router-advertisements=yes\n/ipv6 firewall filter\n", "", "over ipv6 strangers come in by ether1, as far as it is known; IPv6 router advertisements may give", ""},
		"advertisements, as the default is": {head + "/ipv6 dhcp-client\nadd add-default-route=yes interface=ether1\n/ipv6 firewall filter\n", "", "", "advertisements"},
		"advertisements without forwarding": {head + "/ipv6 dhcp-client\nadd add-default-route=yes interface=ether1\n/ipv6 settings\nset forward=no\n/ipv6 firewall filter\n", "", "advertisements", ""},
		"IPv6 is switched off":              {head + "/ipv6 dhcp-client\nadd add-default-route=yes interface=ether1\n/ipv6 settings\nset disable-ipv6=yes accept-router-advertisements=yes\n/ipv6 firewall filter\n", "", "", "advertisements"},
	} {
		t.Run(name, func(t *testing.T) {
			s, skipped := rsc.Read([]byte(tt.export)).Snapshot(rsc.Options{})
			if len(s.Unread) > 0 {
				t.Fatal(s.Unread, skipped)
			}
			p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  admin:\n    knock: [tcp/41873, udp/52614, tcp/13377]\n    trusted: {list: t, for: 8h}\n    opens: [ssh]\nallow:\n  addresses: [192.0.2.9]\n  "+tt.allow+"\ngate:\n  services: [ssh]\n"))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, f := range routeros.Families() {
				c := compiler{subject: subject{p, f}, router: s}
				said = append(said, c.unsureNotes()...)
			}
			text := strings.Join(said, "\n")
			if !strings.Contains(text, tt.says) || tt.not != "" && strings.Contains(text, tt.not) {
				t.Errorf("%q, want %q and not %q", text, tt.says, tt.not)
			}
		})
	}
}

// TestLTERoutes: an LTE interface has a default route unless all its profiles say no.
func TestLTERoutes(t *testing.T) {
	for name, tt := range map[string]struct {
		export string
		want   bool
	}{
		"the default profile":              {"/interface lte\nset [ find ] name=lte1\n", true},
		"the default profile says no":      {"/interface lte apn\nset [ find default=yes ] add-default-route=no\n/interface lte\nset [ find ] name=lte1\n", false},
		"its own profile":                  {"/interface lte apn\nset [ find default=yes ] add-default-route=no\nadd name=work\n/interface lte\nset [ find ] apn-profiles=work name=lte1\n", true},
		"its own profile says no":          {"/interface lte apn\nadd add-default-route=no name=work\n/interface lte\nset [ find ] apn-profiles=work name=lte1\n", false},
		"one of two says no":               {"/interface lte apn\nadd add-default-route=no name=a\nadd name=b\n/interface lte\nset [ find ] apn-profiles=a,b name=lte1\n", true},
		"both say no":                      {"/interface lte apn\nadd add-default-route=no name=a\nadd add-default-route=no name=b\n/interface lte\nset [ find ] apn-profiles=a,b name=lte1\n", false},
		"a profile that is not shown":      {"/interface lte\nset [ find ] apn-profiles=work name=lte1\n", true},
		"another profile says no":          {"/interface lte apn\nadd add-default-route=no name=a\n/interface lte\nset [ find ] name=lte1\n", true},
		"the interface itself is disabled": {"/interface lte\nset [ find ] disabled=yes name=lte1\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := rsc.Read([]byte("# by RouterOS 7.20\n/system identity\nset name=r\n" + tt.export)).Snapshot(rsc.Options{})
			if got := len(s.Uplinks) == 1; got != tt.want {
				t.Errorf("%+v", s.Uplinks)
			}
		})
	}
}
