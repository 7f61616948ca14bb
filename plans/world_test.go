package plans_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

const worldPlan = `version: 1
name: site
doors:
  admin:
    knock: [tcp/41873, udp/52614, tcp/13377]
    trusted: {list: site-trusted, for: 8h}
    opens: [ssh, wireguard]
    on: [WAN, LTE]
allow:
  interfaces: [wg0]
  address-lists: [support]
gate:
  services: [ssh]
  vpns: [{name: wireguard, port: 51820}, l2tp-ipsec]
  ports: [udp/1812, tcp/8000-8010]
`

// TestWaysOut: the keys that say who is let past the gate, where a door has to open, and what a
// router does not tell.
func TestWaysOut(t *testing.T) {
	p, err := plans.Read("site.yaml", []byte(worldPlan))
	if err != nil {
		t.Fatal(err)
	}
	again, err := plans.Read("again.yaml", plans.Write(p))
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Errorf("%v, it becomes\n%s", err, plans.Write(p))
	}
	want := plans.Gate{Services: []string{"ssh"}, VPNs: []string{"wireguard", "l2tp-ipsec"}, VPNPorts: []plans.VPNPort{{Name: "wireguard", Port: 51820}},
		Ports: []plans.Target{
			{Kind: plans.PortTarget, Protocol: "udp", Port: routeros.PortRange{First: 1812, Last: 1812}},
			{Kind: plans.PortTarget, Protocol: "tcp", Port: routeros.PortRange{First: 8000, Last: 8010}},
		}}
	if !reflect.DeepEqual(p.Gate, want) {
		t.Errorf("%+v", p.Gate)
	}
	if !reflect.DeepEqual(p.Doors[0].On, []string{"WAN", "LTE"}) || !reflect.DeepEqual(p.Allow.Interfaces, []string{"wg0"}) || !reflect.DeepEqual(p.Allow.AddressLists, []string{"support"}) {
		t.Errorf("%+v %+v", p.Doors[0].On, p.Allow)
	}
	for _, tt := range []struct{ old, new, place, want string }{
		{"port: 51820", "port: 0", "14:", "out of range"},
		{"{name: wireguard, port: 51820}", "{name: pptp, port: 51820}", "14:", "no port that can be named"},
		{"{name: wireguard, port: 51820}", "{name: wireguard}", "14:", "port"},
		{", l2tp-ipsec]", ", {name: wireguard, port: 1}]", "14:", "repeated"},
		{"udp/1812", "udp", "15:", "names no protocol"},
		{"udp/1812", "icmp/1812", "15:", "only tcp and udp have ports"},
		{"on: [WAN, LTE]", "on: []", "8:", "empty"},
	} {
		_, err := plans.Read("site.yaml", []byte(strings.Replace(worldPlan, tt.old, tt.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "site.yaml:"+tt.place) {
			t.Errorf("%s: %v", tt.new, err)
		}
	}
}
