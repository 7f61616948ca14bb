package proof_test

import (
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestSpared: whatever key of the allow-list names a source, a door with a quarantine and decoys never
// quarantines it, and the proof holds, in both layouts.
func TestSpared(t *testing.T) {
	const router = "# by RouterOS 7.20\n/interface bridge\nadd name=bridge\n/interface list\nadd name=LAN\n/interface list member\nadd interface=bridge list=LAN\n" +
		"/ip dhcp-client\nadd interface=ether1\n/ip address\nadd address=192.168.88.1/24 interface=bridge\n/ipv6 settings\nset disable-ipv6=yes\n" +
		"/ip firewall address-list\nadd list=office address=198.51.100.0/24\n/ip firewall filter\nadd chain=input action=accept connection-state=established,related,untracked\n"
	for _, allow := range []string{"addresses: [198.51.100.7]", "interface-lists: [LAN]", "interfaces: [bridge]", "address-lists: [office]", "interfaces: [bridge], address-lists: [office], addresses: [203.0.113.0/24]"} {
		for _, layout := range []string{"chain", "inline"} {
			text := "version: 1\nname: p\ndoors:\n  admin: {knock: [tcp/41711, udp/23456, tcp/51234], trusted: {list: t, for: 1h}, opens: [ssh], wrong-knock: quarantine, decoys: [tcp/26001]}\n" +
				"allow: {" + allow + "}\ngate: {services: [ssh]}\nfirewall: {families: [ipv4], layout: " + layout + "}\n"
			p, err := plans.Read("p.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			s, _ := rsc.Read([]byte(router)).Snapshot(rsc.Options{})
			want, err := compile.Compile(p, s)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := diff.Compute(s, want, change.Management{})
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.Prove(s, want, changes, change.Management{}).Err(); err != nil {
				t.Errorf("allow %s, layout %s: %v", allow, layout, err)
			}
		}
	}
}
