package starter_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/starter"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// drawnRouter draws a router of somebody: its networks, its services, and rules that let in and shut
// out by every kind of source.
func drawnRouter(t *rapid.T) string {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString("# by RouterOS 7.20\n/interface list\nadd name=" + one("list", "LAN", "inside", "VPN") + "\nadd name=WAN\nadd name=guests\n/interface list member\n")
	if rapid.Bool().Draw(t, "members") {
		b.WriteString("add interface=bridge list=" + one("of", "LAN", "inside", "guests") + "\nadd interface=ether1 list=WAN\n")
	}
	b.WriteString("/ip address\nadd address=192.168.88.1/24 interface=bridge\nadd address=10.9.0.1/24 interface=wg0\n")
	b.WriteString(one("uplink", "", "/ip dhcp-client\nadd interface=ether1\n", "add address=192.0.2.1/24 interface=ether1\n"))
	b.WriteString(one("ipv6", "", "/ipv6 settings\nset disable-ipv6=yes\n", "/ipv6 firewall filter\nadd chain=input action=drop in-interface=ether1\n"))
	b.WriteString("/ip service\n")
	for _, name := range []string{"telnet", "www", "api", "api-ssl", "ssh"} {
		b.WriteString(one("service", "", "set "+name+" disabled=yes\n"))
	}
	b.WriteString("/ip firewall address-list\nadd list=friends address=" + one("friend", "198.51.100.9", "198.51.100.0/24", "0.0.0.0/0") + "\n/ip firewall filter\n")
	if rapid.Bool().Draw(t, "established") {
		b.WriteString("add chain=input action=accept connection-state=established,related,untracked\n")
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "rules") {
		fmt.Fprintf(&b, "add chain=input comment=r%d action=%s", i, one("action", "accept", "accept", "drop", "add-src-to-address-list address-list=seen address-list-timeout=1h"))
		for name, values := range [][]string{
			{"in-interface=bridge", "in-interface=wg0", "in-interface=ether1", "in-interface-list=inside", "in-interface-list=LAN", "in-interface-list=!LAN", "in-interface=vlan7"},
			{"src-address=10.9.0.0/24", "src-address=198.51.100.9", "src-address-list=friends", "src-address-list=seen", "src-address-list=!friends", "src-address=192.168.88.0/24"},
			{"protocol=tcp dst-port=22", "protocol=tcp dst-port=8291,22", "protocol=tcp dst-port=8728-8729", "protocol=udp"},
		} {
			if rapid.IntRange(0, 1).Draw(t, fmt.Sprint("matcher ", name)) == 0 {
				b.WriteString(" " + one("value", values...))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(one("final", "", "add chain=input action=drop\n", "add chain=input action=drop in-interface=ether1\n", "add chain=input action=drop in-interface-list=!LAN\n"))
	return b.String()
}

// TestNeverMore: every plan reads back. Where it is said to hold, the proof holds, and no packet of
// anybody but the operator and those who have knocked gets further than it does today.
func TestNeverMore(t *testing.T) {
	held, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawnRouter(t)
		s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
		session := change.Management{Service: "api-ssl"}
		if rapid.Bool().Draw(t, "operator") {
			session.Operators = []netip.Addr{netip.MustParseAddr(rapid.SampledFrom([]string{"203.0.113.50", "192.168.88.50"}).Draw(t, "from"))}
		}
		got, err := starter.For(s, starter.Options{Name: "main", Knock: knock(), Decoys: decoys(), Session: session})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		p, err := plans.Read("main.yaml", got.Text)
		if err != nil {
			t.Fatalf("%v\n%s", err, got.Text)
		}
		if !got.Holds() {
			refused++
			return
		}
		held++
		after := proved(t, s, p, session)
		for range 60 {
			q, member := drawnPacket(t), rapid.SampledFrom([]string{"", "", "seen"}).Draw(t, "member")
			was, is := accepted(s, q, member), accepted(after, q, member)
			if operator := len(session.Operators) > 0 && q.Src == session.Operators[0]; is && !was && !operator {
				t.Fatalf("%v (%q) is let in now\n%s\n%s", q, member, text, got.Text)
			}
		}
	})
	t.Logf("held %d times, refused %d times", held, refused)
	if held == 0 || refused == 0 {
		t.Errorf("held %d times, refused %d times: the routers don't suit the test", held, refused)
	}
}

// proved is the router after the plan, which has to hold there.
func proved(t *rapid.T, s routeros.Snapshot, p plans.Plan, session change.Management) routeros.Snapshot {
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := diff.Compute(s, want, session)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Prove(s, want, changes, session).Err(); err != nil {
		t.Fatal(err)
	}
	after, err := change.Rehearse(s, changes, len(changes.Steps))
	if err != nil {
		t.Fatal(err)
	}
	return after
}

func drawnPacket(t *rapid.T) firewall.Packet {
	return firewall.Packet{
		Protocol: 6, Src: netip.MustParseAddr(rapid.SampledFrom([]string{"10.9.0.2", "198.51.100.9", "198.51.100.77", "192.168.88.50", "192.168.88.9", "203.0.113.50", "93.77.0.1"}).Draw(t, "src")),
		Dst: netip.MustParseAddr("192.168.88.1"), InInterface: rapid.SampledFrom([]string{"ether1", "bridge", "wg0", "vlan7", "ether9"}).Draw(t, "in"),
		Size: 60, TTL: 64, State: firewall.New, TCPFlags: firewall.SYN, SrcPort: 51077,
		DstPort: rapid.SampledFrom([]uint16{22, 8291, 8728, 8729, 443, 80, 23, 5000}).Draw(t, "port"),
	}
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// accepted reports whether a packet gets in, of a source that is in one list by a rule's doing.
func accepted(s routeros.Snapshot, q firewall.Packet, member string) bool {
	lists := firewall.NewAddressLists(s, epoch)
	if member != "" {
		lists.Apply([]firewall.Addition{{Family: routeros.IPv4, List: member, Address: q.Src, Timeout: routeros.ListTimeout{Kind: routeros.NoneDynamic}}}, epoch)
	}
	never := func(*routeros.Rule, []string) bool { return false }
	return firewall.NewFirewall(s).Decide(q, lists, epoch, never).Verdict == firewall.Accept
}
