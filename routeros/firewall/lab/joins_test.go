//go:build linux

package lab_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// later is an interface that is not there when the rules are loaded, as that of a client who dials
// in.
const later = "l2tp-bob"

// testJoins: a router accepts what comes in over the interface list VPN, which is empty when the
// plan is applied. Then an interface appears and joins it. What the plan does not gate is accepted
// from there, and the gate is shut until somebody knocks.
func (l *lab) testJoins(t *testing.T) {
	const ssh, winbox, web = 22, 8291, 8080
	accept, drop := firewall.Accept, firewall.Drop
	from := func(source string, port uint16, ports ...uint16) []shot {
		shots := knocks(source, port, ports...)
		for i := range shots {
			shots[i].packet.InInterface = later
		}
		return shots
	}
	g, err := l.begin(withVPN(t))
	check(t, "load", err)
	check(t, "before", g.rounds(round{shots: knocks("203.0.113.9", 40000, ssh, web)}))
	l.appears(t, g.firewall)
	check(t, "there, and in no list", g.rounds(round{shots: from("10.9.9.9", 40000, ssh, web)}))
	g.join(t, "VPN", later)
	check(t, "in the list", g.rounds(
		round{shots: from("10.9.9.9", 41000, ssh, winbox, web)},
		round{shots: from("10.9.9.9", 42000, 41873, 52614, ssh)},        // half a knock
		round{shots: from("10.9.9.8", 43000, 13377, 52614, 41873, ssh)}, // backwards
		round{shots: from("10.9.9.9", 44000, 41873, 52614, 13377, ssh, winbox)},
		round{shots: slices.Concat(from("10.9.9.7", 45000, ssh), knocks("203.0.113.9", 45000, ssh, web))},
	))
	check(t, "counters", g.compareCounts())
	if len(g.wrong) > 0 {
		t.Error(g.report())
	}
	want := []firewall.Verdict{
		drop, drop, // from outside
		drop, drop, // over an interface of no list
		drop, drop, accept, // in the list: shut, and what is not gated is as the router's own rule has it
		accept, accept, drop,
		accept, accept, accept, drop,
		accept, accept, accept, accept, accept,
		drop, drop, drop, // others have not knocked
	}
	if !slices.Equal(g.verdicts, want) {
		t.Errorf("got %v, want %v", g.verdicts, want)
	}
}

// withVPN is a router with a plan on it, as rosknock lays it.
func withVPN(t *testing.T) routeros.Snapshot {
	t.Helper()
	before := table(t, `/interface list add name=VPN
/ip firewall filter
add chain=input action=accept connection-state=established,related,untracked
add chain=input action=accept in-interface-list=LAN
add chain=input action=accept in-interface-list=VPN
add chain=input action=drop
`)
	plan, err := plans.Read("site.yaml", []byte(`version: 1
name: site
doors:
  admin:
    knock: [tcp/41873, tcp/52614, tcp/13377]
    trusted: {list: site-trusted, for: 8h}
    opens: [ssh, winbox]
allow: {interface-lists: [LAN]}
gate: {services: [ssh, winbox]}
firewall: {families: [ipv4]}
`))
	check(t, "plan", err)
	rules, err := compile.Compile(plan, before)
	check(t, "compile", err)
	changes, err := diff.Compute(before, rules, change.Management{})
	check(t, "diff", err)
	return changetest.After(t, before, changes)
}

// appears plugs a cable into the router, whose rules are loaded, and waits until it carries
// packets.
func (l *lab) appears(t *testing.T, f *loaded) {
	t.Helper()
	client := handle(t, l.away)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "to-" + later}, PeerName: later, PeerNamespace: netlink.NsFd(l.home)}
	check(t, "veth", client.LinkAdd(veth))
	near, far := link(t, client, veth.Name), link(t, l.router, later)
	t.Cleanup(func() { _ = client.LinkDel(near); delete(l.cables, later) })
	check(t, "up", errors.Join(client.LinkSetUp(near), l.router.LinkSetARPOff(far), l.router.LinkSetUp(far)))
	within(t, l.home, func() error { return os.WriteFile("/proc/sys/net/ipv4/conf/"+later+"/rp_filter", []byte("0"), 0) })
	l.cables[later] = cable{near.Attrs().Index, far.Attrs().HardwareAddr}
	first := stranger("203.0.113.254", 1, 1)
	for range 250 {
		check(t, "send", l.knock(later, far.Attrs().HardwareAddr, first.bytes(last)))
		ids, err := f.noted(arrived)
		check(t, "read", err)
		if ids[last] {
			check(t, "read", f.wait())
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("nothing gets through over the new interface")
}

// join takes an interface into an interface list: in the kernel, where no rule changes, and in the
// evaluator's snapshot, as a dynamic row.
func (g *game) join(t *testing.T, list, name string) {
	t.Helper()
	f := g.firewall
	check(t, "set", f.nft.SetAddElements(f.faces[list], []nftables.SetElement{{Key: interfaceName(name)}}))
	check(t, "set", f.nft.Flush())
	s := g.snapshot
	s.Interfaces = append(slices.Clone(s.Interfaces), routeros.Interface{Name: name, Type: "l2tp-in", Dynamic: true})
	s.ListMembers = append(slices.Clone(s.ListMembers), routeros.ListMember{List: list, Interface: name, Dynamic: true})
	g.snapshot, g.world = s, firewall.NewFirewall(s)
}
