//go:build linux

package lab_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// table is a router with the interfaces and addresses of the lab, and the rules of a test.
func table(t *testing.T, rules string) routeros.Snapshot {
	t.Helper()
	s, skipped := rsc.Read([]byte(`# by RouterOS 7.20
/interface bridge add name=bridge
/interface list
add name=LAN
add name=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.0.2.1/24 interface=ether1
add address=192.168.88.1/24 interface=bridge
/ipv6 address
add address=` + over6(addr("192.0.2.1")).String() + `/120 interface=ether1
add address=` + over6(addr("192.168.88.1")).String() + `/120 interface=bridge
` + rules)).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatalf("%+v", skipped)
	}
	return s
}

// testTables are tables by hand, each about one thing that knocking rests on.
func (l *lab) testTables(t *testing.T) {
	const first, second, third = 1000, 2000, 3000
	accept, drop := firewall.Accept, firewall.Drop
	tests := []struct {
		name, rules string
		rounds      []round
		want        []firewall.Verdict
	}{
		{"quarantine outlives the stages", quarantine, []round{
			{0, knocks("203.0.113.1", 40000, first, second, third, 22)},
			{0, knocks("203.0.113.2", 40000, first, 9, second, third, 22)},                         // a wrong one in between
			{1200 * time.Millisecond, knocks("203.0.113.2", 41000, first, second, third, 22)},      // the stages are over, the quarantine is not
			{1200 * time.Millisecond, knocks("203.0.113.2", 42000, first, second, third, 22, 443)}, // now it is
		}, []firewall.Verdict{drop, drop, accept, accept, drop, drop, drop, drop, drop, drop, drop, drop, drop, drop, drop, accept, accept, accept}},
		{"a stage ends", stages, []round{
			{0, knocks("203.0.113.1", 40000, first)},
			{1500 * time.Millisecond, knocks("203.0.113.1", 41000, second, 22)},
			{0, knocks("203.0.113.1", 42000, first, second, 22)},
		}, []firewall.Verdict{drop, drop, drop, drop, drop, accept}},
		{"a repeated knock starts the time anew", stages, []round{
			{0, knocks("203.0.113.1", 40000, first)},
			{700 * time.Millisecond, knocks("203.0.113.1", 41000, first)},
			{400 * time.Millisecond, knocks("203.0.113.1", 42000, second, 22)},
		}, []firewall.Verdict{drop, drop, drop, accept}},
		{"a repeated knock may shorten the time", shorter, []round{
			{0, knocks("203.0.113.1", 40000, first)},
			{0, knocks("203.0.113.1", 41000, second)},
			{1500 * time.Millisecond, knocks("203.0.113.1", 42000, 22)},
		}, []firewall.Verdict{accept, accept, drop}},
		{"a static entry has no time", static, []round{
			{0, knocks("203.0.113.1", 40000, first, 22)},
			{1500 * time.Millisecond, slices.Concat(knocks("203.0.113.1", 41000, 22), knocks("203.0.113.2", 41000, first, 22))},
			{1500 * time.Millisecond, slices.Concat(knocks("203.0.113.1", 42000, 22), knocks("203.0.113.2", 42000, 22))},
		}, []firewall.Verdict{drop, accept, accept, drop, accept, accept, drop}},
		{"one packet goes through stages that stand in order", onePass, []round{
			{0, knocks("203.0.113.1", 40000, first, 22)},
		}, []firewall.Verdict{accept, accept}},
		{"one packet stops at stages that stand in reverse", reversed, []round{
			{0, knocks("203.0.113.1", 40000, first, 22, first, 22, first, 22)},
		}, []firewall.Verdict{drop, drop, drop, drop, accept, accept}},
		{"jumps and returns", jumps, []round{
			{0, knocks("203.0.113.1", 40000, 22, 23, 24, 25, 80)},
		}, []firewall.Verdict{drop, accept, drop, accept, drop}},
		{"raw accepts and the filter still drops", raw, []round{
			{0, knocks("203.0.113.1", 40000, 22, 23, 24)},
		}, []firewall.Verdict{drop, drop, accept}},
		{"IPv4 options", ipv4Options, []round{
			{0, withOptions(0, 1000, 2000, 3000, 4000)},
			{0, withOptions(firewall.RecordRoute, 1000, 2000, 3000, 4000)},
			{0, withOptions(firewall.RouterAlert, 1000, 2000, 3000, 4000)},
			{0, withOptions(firewall.RecordRoute|firewall.RouterAlert, 1000, 2000, 3000, 4000)},
		}, []firewall.Verdict{drop, accept, drop, accept, accept, drop, accept, accept, accept, drop, drop, drop, accept, drop, accept, drop}},
		{"bytes anywhere in the packet", bytesIn, []round{
			{0, carrying(first, "sesame", "open sesame", "sesamesesame", "sesam", "simsalabim", "Sesame", "", "ses ame")},
			{0, carrying(second, "sesame", "open sesame", "sesam", "")},
		}, []firewall.Verdict{accept, accept, accept, drop, drop, drop, drop, drop, drop, drop, accept, accept}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := l.agree(t, table(t, test.rules), test.rounds...)
			if !slices.Equal(g.verdicts, test.want) {
				t.Errorf("got %v, want %v", g.verdicts, test.want)
			}
		})
	}
}

// withOptions are TCP packets with options in their headers.
func withOptions(o firewall.Options, ports ...uint16) []shot {
	shots := knocks("203.0.113.1", 44000+100*uint16(o), ports...)
	for i := range shots {
		p := &shots[i].packet
		p.Options = o
		p.Size += len(options(*p))
	}
	return shots
}

// carrying are UDP packets to one port with a text in each.
func carrying(to uint16, texts ...string) []shot {
	var shots []shot
	for i, text := range texts {
		s := stranger("203.0.113.1", 43000+to+uint16(i), to)
		s.packet.Protocol, s.packet.TCPFlags, s.packet.Size, s.packet.Payload = 17, 0, 28+len(text), []byte(text)
		shots = append(shots, s)
	}
	return shots
}

const (
	ipv4Options = `/ip firewall filter
add chain=input action=accept protocol=tcp dst-port=1000 ipv4-options=any
add chain=input action=accept protocol=tcp dst-port=2000 ipv4-options=none
add chain=input action=accept protocol=tcp dst-port=3000 ipv4-options=record-route
add chain=input action=accept protocol=tcp dst-port=4000 ipv4-options=no-router-alert
add chain=input action=drop
`
	bytesIn = `/ip firewall filter
add chain=input action=accept protocol=udp dst-port=1000 content=sesame
add chain=input action=accept protocol=udp dst-port=2000 content=!sesame
add chain=input action=drop
`
	quarantine = `/ip firewall filter
add chain=input action=accept connection-state=established,related
add chain=input action=jump jump-target=knock protocol=tcp connection-state=new src-address-list=!quarantine
add chain=knock action=add-src-to-address-list address-list=trusted address-list-timeout=1h protocol=tcp dst-port=3000 src-address-list=two
add chain=knock action=return protocol=tcp dst-port=3000 src-address-list=two
add chain=knock action=add-src-to-address-list address-list=two address-list-timeout=1s protocol=tcp dst-port=2000 src-address-list=one
add chain=knock action=return protocol=tcp dst-port=2000 src-address-list=one
add chain=knock action=add-src-to-address-list address-list=one address-list-timeout=1s protocol=tcp dst-port=1000
add chain=knock action=return protocol=tcp dst-port=1000
add chain=knock action=add-src-to-address-list address-list=quarantine address-list-timeout=2s src-address-list=one
add chain=input action=accept src-address-list=trusted
add chain=input action=drop
`
	stages = `/ip firewall filter
add chain=input action=add-src-to-address-list address-list=trusted address-list-timeout=10s protocol=tcp dst-port=2000 src-address-list=stage
add chain=input action=add-src-to-address-list address-list=stage address-list-timeout=1s protocol=tcp dst-port=1000
add chain=input action=accept src-address-list=trusted dst-port=22 protocol=tcp
add chain=input action=drop
`
	shorter = `/ip firewall filter
add chain=input action=add-src-to-address-list address-list=l address-list-timeout=1h protocol=tcp dst-port=1000
add chain=input action=add-src-to-address-list address-list=l address-list-timeout=1s protocol=tcp dst-port=2000
add chain=input action=accept src-address-list=l
add chain=input action=drop
`
	static = `/ip firewall address-list
add list=l address=203.0.113.1
/ip firewall filter
add chain=input action=add-src-to-address-list address-list=l address-list-timeout=1s protocol=tcp dst-port=1000
add chain=input action=accept src-address-list=l protocol=tcp dst-port=22
add chain=input action=drop
`
	onePass = `/ip firewall filter
add chain=input action=add-src-to-address-list address-list=one address-list-timeout=10s protocol=tcp dst-port=1000
add chain=input action=add-src-to-address-list address-list=two address-list-timeout=10s protocol=tcp dst-port=1000 src-address-list=one
add chain=input action=add-src-to-address-list address-list=trusted address-list-timeout=10s protocol=tcp dst-port=1000 src-address-list=two
add chain=input action=accept src-address-list=trusted
add chain=input action=drop
`
	reversed = `/ip firewall filter
add chain=input action=add-src-to-address-list address-list=trusted address-list-timeout=10s protocol=tcp dst-port=1000 src-address-list=two
add chain=input action=add-src-to-address-list address-list=two address-list-timeout=10s protocol=tcp dst-port=1000 src-address-list=one
add chain=input action=add-src-to-address-list address-list=one address-list-timeout=10s protocol=tcp dst-port=1000
add chain=input action=accept src-address-list=trusted
add chain=input action=drop
`
	jumps = `/ip firewall filter
add chain=input action=jump jump-target=a protocol=tcp
add chain=input action=return protocol=tcp dst-port=25
add chain=input action=drop
add chain=a action=jump jump-target=b dst-port=22-24 protocol=tcp
add chain=a action=jump jump-target=nowhere
add chain=a action=return dst-port=24-25 protocol=tcp
add chain=a action=accept dst-port=23-25 protocol=tcp
add chain=b action=return dst-port=23 protocol=tcp
add chain=b action=drop dst-port=22 protocol=tcp
`
	raw = `/ip firewall raw
add chain=prerouting action=accept protocol=tcp dst-port=22
add chain=prerouting action=drop protocol=tcp dst-port=23
add chain=prerouting action=notrack protocol=tcp dst-port=24
/ip firewall filter
add chain=input action=drop connection-state=!untracked
`
)
