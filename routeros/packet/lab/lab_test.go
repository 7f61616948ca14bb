//go:build linux

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/packet"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// epoch is the time at which the evaluator's packets arrive; a case takes no time to speak of.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// compare sends packets through the kernel and through the evaluator, one after the other, and holds against each other
// what becomes of each and who is in which list in the end.
func compare(t *testing.T, k *kernel, name string, s routeros.Snapshot, packets []packet.Packet) {
	t.Helper()
	rows := s.Rules[routeros.Filter]
	in := k.build(t, rows, s.Entries[routeros.AddressList])
	world, lists := packet.NewWorld(s), packet.NewMemory(s, epoch)
	wanted := map[uint16]packet.Fate{}
	sent := map[uint16]packet.Packet{}
	for _, p := range packets {
		if p.State == packet.Established {
			k.answer(t, p)
		}
		id := k.send(t, p)
		fate := world.Input(p, lists, epoch)
		lists.Apply(fate.Additions, epoch)
		wanted[id], sent[id] = fate, p
	}
	k.wait(t, in.arrived)
	accepted := k.numbers(t, in.accepted)
	for id, fate := range wanted {
		if got, want := accepted[id], fate.Verdict == packet.Accept; got != want {
			t.Errorf("%s: %s, %s, size %d, ttl %d, flags %x: the kernel accepts: %v; the evaluator says %s by %v\n%s", name, sent[id], sent[id].State, sent[id].Size, sent[id].TTL, sent[id].TCPFlags, got, fate.Verdict, fate.Rule, text(rows))
			return
		}
	}
	for list, set := range in.lists {
		members := k.members(t, set)
		for _, p := range packets {
			if _, got := members[p.Src]; got != lists.Contains(routeros.IPv4, list, p.Src, epoch) {
				t.Errorf("%s: %s is in list %s in the kernel: %v, and not so for the evaluator\n%s", name, p.Src, list, got, text(rows))
				return
			}
		}
	}
}

func text(rows []routeros.Rule) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintln(&b, " ", r.Attrs)
	}
	return b.String()
}

// from is a first packet.
func from(src, protocol string, port uint16) packet.Packet {
	number, _ := routeros.ParseProtocol(protocol)
	p := packet.Packet{Protocol: number, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(routerAddr), InInterface: routerEnd, TTL: 64, Size: 40, DstPort: port}
	switch protocol {
	case "tcp":
		p.TCPFlags = packet.SYN
	case "icmp":
		p.ICMPType, p.DstPort = 8, 0
	}
	return p
}

// numbered gives each packet a source port of its own, so that each is the first of its connection.
func numbered(packets []packet.Packet, first uint16) []packet.Packet {
	for i := range packets {
		if packets[i].Protocol != 1 {
			packets[i].SrcPort = first + uint16(i)
		}
	}
	return packets
}

// TestPlans: the example plans in both layouts, with right and wrong knocks.
func TestPlans(t *testing.T) {
	k := newKernel(t)
	for _, name := range []string{"seed.yaml", "inline.yaml", "branch.yaml"} {
		data, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plans.Read(name, data)
		if err != nil {
			t.Fatal(err)
		}
		s := applied(t, p)
		knock := stages(p.Doors[0].Knock)
		play := func(src string, order ...int) []packet.Packet {
			var out []packet.Packet
			for _, i := range order {
				stage := knock[i]
				stage.Src = netip.MustParseAddr(src)
				out = append(out, stage)
			}
			return append(out, from(src, "tcp", 22), from(src, "tcp", 2222), from(src, "udp", 13231))
		}
		n := len(knock)
		right, wrong, missing := make([]int, n), make([]int, n), make([]int, n-1)
		for i := range n {
			right[i], wrong[i] = i, n-1-i
		}
		copy(missing, right)
		var packets []packet.Packet
		packets = append(packets, play("10.77.0.2", right...)...)
		packets = append(packets, play("10.77.0.3", wrong...)...)
		packets = append(packets, play("10.77.0.4", missing...)...)
		packets = append(packets, play("10.77.0.5")...)
		packets = append(packets, play("10.77.0.6", append([]int{0, 0}, right...)...)...)
		running := from("10.77.0.7", "udp", 4500)
		running.State = packet.Established
		compare(t, k, name, s, numbered(append(packets, running), 20000))
	}
}

// applied is a router with the default rules and the plan, read so that the lab's only interface is outside.
func applied(t *testing.T, p plans.Plan) routeros.Snapshot {
	t.Helper()
	s, _ := rsc.Read([]byte("/interface list\nadd name=LAN\n/interface list member\nadd interface=bridge list=LAN\n/ip address\nadd address=192.168.88.1/24 interface=bridge\nadd address=" + routerAddr + "/16 interface=ether1\n" +
		"/ip firewall filter\nadd chain=input action=accept connection-state=established,related,untracked\nadd chain=input action=drop connection-state=invalid\nadd chain=input action=drop in-interface=ether1\n")).Snapshot(rsc.Options{})
	p.Allow.InterfaceLists, p.Firewall.Families = nil, []routeros.Family{routeros.IPv4}
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	c, err := diff.Compute(s, want, diff.Session{})
	if err != nil {
		t.Fatal(err)
	}
	after := diff.Rehearse(s, c, len(c.Steps))
	rows := after.Rules[routeros.Filter]
	kept := rows[:0:0]
	for _, r := range rows {
		if !r.Attrs.Has("ipsec-policy") { // the cable has no tunnel
			kept = append(kept, r)
		}
	}
	after.Rules = map[routeros.Menu][]routeros.Rule{routeros.Filter: kept}
	return after
}

func stages(knock []plans.Stage) []packet.Packet {
	var out []packet.Packet
	for _, stage := range knock {
		p := from("10.77.0.1", stage.Protocol, stage.Port)
		if stage.Protocol == "icmp" {
			p.Size = int(stage.Size)
		}
		out = append(out, p)
	}
	return out
}

// TestQuarantine: whoever touches a decoy stays out of the stages while the quarantine lasts; one packet that fills a list
// is seen by the next rule; an entry that is there for good stays so, and a timed one begins anew.
func TestQuarantine(t *testing.T) {
	k := newKernel(t)
	s, _ := rsc.Read([]byte(`/ip firewall address-list
add list=quarantine address=10.77.0.9
/ip firewall filter
add chain=input action=accept connection-state=established
add chain=input action=add-src-to-address-list address-list=open address-list-timeout=1h protocol=tcp dst-port=3000 src-address-list=two connection-state=new
add chain=input action=jump jump-target=second protocol=tcp dst-port=2000 src-address-list=one
add chain=input action=add-src-to-address-list address-list=one address-list-timeout=10s protocol=tcp dst-port=1000 src-address-list=!quarantine
add chain=input action=add-src-to-address-list address-list=quarantine address-list-timeout=1m protocol=tcp dst-port=666
add chain=input action=drop src-address-list=quarantine
add chain=input action=accept src-address-list=open
add chain=input action=drop
add chain=second action=return src-address-list=quarantine
add chain=second action=add-src-to-address-list address-list=two address-list-timeout=10s
`)).Snapshot(rsc.Options{})
	play := func(src string, ports ...uint16) []packet.Packet {
		var out []packet.Packet
		for _, port := range ports {
			out = append(out, from(src, "tcp", port))
		}
		return out
	}
	var packets []packet.Packet
	packets = append(packets, play("10.77.0.2", 1000, 2000, 3000, 22)...)
	packets = append(packets, play("10.77.0.3", 1000, 666, 2000, 3000, 22)...)
	packets = append(packets, play("10.77.0.4", 3000, 2000, 1000, 22)...)
	packets = append(packets, play("10.77.0.9", 666, 1000, 2000, 3000, 22)...)
	compare(t, k, "quarantine", s, numbered(packets, 30000))
	timers(t, k, s)
}

// timers: a repeated hit starts a timed entry anew, and leaves a permanent one alone.
func timers(t *testing.T, k *kernel, s routeros.Snapshot) {
	t.Helper()
	in := k.build(t, s.Rules[routeros.Filter], s.Entries[routeros.AddressList])
	decoy := numbered([]packet.Packet{from("10.77.0.3", "tcp", 666), from("10.77.0.9", "tcp", 666)}, 31000)
	for range 2 {
		for _, p := range decoy {
			k.send(t, p)
		}
		k.wait(t, in.arrived)
		if left := k.members(t, in.lists["quarantine"])[decoy[0].Src]; seconds(left) < 60 {
			t.Errorf("the entry has %s left after a hit, not a minute", left)
		}
		time.Sleep(1500 * time.Millisecond)
	}
	if left, in := k.members(t, in.lists["quarantine"])[decoy[1].Src]; !in || left != 0 {
		t.Errorf("the permanent entry has a time now: %s", left)
	}
}

// TestRandomTables compares some hundred tables of random rules with packets to match.
func TestRandomTables(t *testing.T) {
	k := newKernel(t)
	const tables, each = 400, 60
	for seed := range uint64(tables) {
		r := &random{rand.New(rand.NewPCG(seed, 77))}
		s := routeros.Snapshot{
			Rules:      map[routeros.Menu][]routeros.Rule{routeros.Filter: r.table()},
			Entries:    map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{List: "a", Address: "10.77.1.4"}}},
			Interfaces: []routeros.Interface{{Name: routerEnd, Type: "ether"}},
			Addresses:  []routeros.InterfaceAddress{{Prefix: netip.MustParsePrefix(routerAddr + "/16"), Interface: routerEnd}},
		}
		var packets []packet.Packet
		for range each {
			packets = append(packets, r.packet())
		}
		compare(t, k, fmt.Sprintf("table %d", seed), s, numbered(packets, 1024+uint16(seed*each%60000)))
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d tables, %d packets: the kernel and the evaluator agree", tables, tables*each)
}

type random struct{ *rand.Rand }

func (r *random) pick(from ...string) string { return from[r.IntN(len(from))] }

func (r *random) table() []routeros.Rule {
	var rows []routeros.Rule
	for i := range 2 + r.IntN(12) {
		chain := r.pick("input", "input", "x", "y")
		row := r.rule(chain)
		row.ID = fmt.Sprintf("*%X", i+1)
		rows = append(rows, row)
	}
	return rows
}

func (r *random) rule(chain string) routeros.Rule {
	pairs := []string{"chain", chain}
	maybe := func(name string, values ...string) {
		if r.IntN(4) == 0 {
			pairs = append(pairs, name, r.pick(values...))
		}
	}
	switch r.IntN(4) {
	case 0:
		pairs = append(pairs, "protocol", "tcp")
		maybe("dst-port", "22", "!22", "20-30,80", "1000-2000", "!80,443")
		maybe("src-port", "1024-30000", "!1024-40000")
		maybe("tcp-flags", "syn", "syn,!ack", "ack", "!syn")
	case 1:
		pairs = append(pairs, "protocol", "udp")
		maybe("dst-port", "53", "!53", "50-60,80")
	case 2:
		pairs = append(pairs, "protocol", "icmp")
		maybe("icmp-options", "8:0", "0:0", "3:1")
	default:
		maybe("protocol", "!tcp", "!icmp", "gre")
	}
	maybe("src-address", "10.77.1.0/24", "!10.77.1.0/24", "10.77.1.2-10.77.1.4", "10.77.1.3")
	maybe("src-address-list", "a", "!a", "b", "!b")
	maybe("packet-size", "40", "0-99", "!40", "100-1500")
	maybe("ttl", "equal:64", "not-equal:64", "less-than:10", "greater-than:63")
	maybe("in-interface", routerEnd, "!"+routerEnd, "ether7")
	maybe("connection-state", "new", "!new", "established,related", "invalid", "!invalid")
	switch action := r.pick("accept", "drop", "accept", "drop", "return", "jump", "passthrough", "add-src-to-address-list", "add-src-to-address-list"); {
	case action == "jump" && chain == "input":
		pairs = append(pairs, "action", "jump", "jump-target", r.pick("x", "y"))
	case action == "jump" && chain == "x":
		pairs = append(pairs, "action", "jump", "jump-target", "y")
	case action == "jump":
		pairs = append(pairs, "action", "accept")
	case action == "add-src-to-address-list":
		pairs = append(pairs, "action", action, "address-list", r.pick("a", "b"), "address-list-timeout", "1h")
	default:
		pairs = append(pairs, "action", action)
	}
	if r.IntN(12) == 0 {
		pairs = append(pairs, "disabled", "yes")
	}
	return routeros.NewRule(pairs...)
}

func (r *random) packet() packet.Packet {
	p := from(fmt.Sprintf("10.77.%d.%d", 1+r.IntN(2), 1+r.IntN(6)), r.pick("tcp", "udp", "icmp"), []uint16{22, 25, 53, 55, 80, 443, 1500}[r.IntN(7)])
	p.Size, p.TTL = []int{40, 99, 100, 500}[r.IntN(4)], []uint8{1, 9, 10, 63, 64, 255}[r.IntN(6)]
	switch {
	case p.Protocol == 6 && r.IntN(5) == 0: // a reset of no connection
		p.TCPFlags, p.State = packet.RST, packet.Invalid
	case p.Protocol == 1 && r.IntN(4) == 0: // an answer to no question
		p.ICMPType, p.State = 0, packet.Invalid
	case p.Protocol == 17 && r.IntN(5) == 0:
		p.State = packet.Established
	}
	return p
}
