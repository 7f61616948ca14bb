package expect_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

const sides = `# by RouterOS 7.20
/interface list
add name=LAN
/interface list member
add interface=bridge list=LAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=198.51.100.9/24 interface=ether1
/ip firewall address-list
add list=admins address=203.0.113.50
add list=blocked address=203.0.112.0/23
`

// drawnRouter is a router with some rules that tests may hang on.
func drawnRouter(t *rapid.T) routeros.Snapshot {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString(sides)
	rule := func(head string, values ...[]string) {
		b.WriteString(head)
		for _, of := range values {
			if rapid.IntRange(0, 2).Draw(t, "matcher") == 0 {
				b.WriteString(" " + one("value", of...))
			}
		}
		b.WriteString("\n")
	}
	where := []string{"in-interface=ether1", "in-interface-list=LAN", "in-interface-list=!LAN"}
	ports := []string{"protocol=tcp dst-port=22", "protocol=tcp", "protocol=udp", "protocol=tcp dst-port=8000-9000", "protocol=tcp src-port=53", "protocol=icmp packet-size=100-200"}
	who := []string{"src-address=198.51.100.0/24", "src-address=!198.51.100.0/24", "src-address-list=admins", "src-address-list=!blocked", "src-address-list=filled"}
	b.WriteString("/ip firewall filter\n")
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		chain := one("chain", "input", "input", "input", "c")
		action := one("action", "accept", "drop", "accept", "drop", "reject", "tarpit protocol=tcp", "return", "add-src-to-address-list address-list=filled")
		if chain == "input" {
			action = one("jumps", action, action, action, "jump jump-target=c")
		}
		if strings.HasPrefix(action, "tarpit") {
			ports = []string{"dst-port=22"}
		}
		rule("add chain="+chain+" action="+action, ports, where, who, []string{"connection-state=new", "limit=5,5:packet", "connection-state=established"})
		ports = []string{"protocol=tcp dst-port=22", "protocol=tcp", "protocol=tcp src-port=53"}
	}
	b.WriteString("/ip firewall nat\n")
	for range rapid.IntRange(0, 2).Draw(t, "translations") {
		rule("add chain=dstnat action="+one("translate", "redirect to-ports=22", "dst-nat to-addresses=192.168.88.10", "dst-nat to-addresses=192.168.88.1 to-ports=8080", "accept")+" protocol=tcp", []string{"dst-port=22", "dst-port=2222"}, where)
	}
	b.WriteString("/ip firewall raw\n")
	for range rapid.IntRange(0, 1).Draw(t, "raw") {
		rule("add chain=prerouting action="+one("early", "drop", "accept", "notrack"), ports, where, who)
	}
	return read(t, []byte(b.String()), nil)
}

// verdicts are all that can become of a packet, in the words of tests.
func verdicts(s routeros.Snapshot, p firewall.Packet) []string {
	var out []string
	for _, d := range firewall.NewFirewall(s).Dispositions(p, firewall.NewAddressLists(s, s.Clock), s.Clock) {
		word := d.Verdict.String()
		if d.Verdict == firewall.Forwarded {
			word = string(expect.Forward)
		}
		out = append(out, word)
	}
	return out
}

func sent(t *rapid.T, protocol, src string, sport, dport uint16, in string, size int) firewall.Packet {
	words := []string{protocol, src, fmt.Sprintf(":%d", dport)}
	if protocol == "icmp" {
		words = words[:2]
	}
	p, err := firewall.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	p.Dst, p.InInterface, p.Size = netip.MustParseAddr("198.51.100.9"), in, size
	if protocol != "icmp" {
		p.SrcPort = sport
	}
	return p
}

// TestAgainstPackets: where a test gives every side, its outcome is what the evaluator of single
// packets says. Where it leaves sides open and holds, no packet of the class contradicts it, and
// where it fails, its own packet does.
func TestAgainstPackets(t *testing.T) {
	seen := map[expect.Outcome]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawnRouter(t)
		protocol := rapid.SampledFrom([]string{"tcp", "tcp", "udp", "icmp"}).Draw(t, "protocol")
		src := rapid.SampledFrom([]string{"203.0.113.9", "203.0.113.50", "198.51.100.7", "93.77.77.77"}).Draw(t, "source")
		sport, dport := rapid.SampledFrom([]uint16{53, 40000}).Draw(t, "from"), rapid.SampledFrom([]uint16{22, 2222, 8080, 8500}).Draw(t, "port")
		in := rapid.SampledFrom([]string{"ether1", "bridge"}).Draw(t, "in")
		size := rapid.SampledFrom([]int{60, 150}).Draw(t, "size")
		want := rapid.SampledFrom(expect.Verdicts()).Draw(t, "expect")
		p := sent(t, protocol, src, sport, dport, in, size)

		packet := fmt.Sprintf("%s %s:%d 198.51.100.9:%d", protocol, src, sport, dport)
		wide := fmt.Sprintf("%s %s :%d", protocol, rapid.SampledFrom([]string{"any", src, src + "/24"}).Draw(t, "sources"), dport)
		if protocol == "icmp" {
			packet = "icmp " + src + " 198.51.100.9"
			wide = wide[:strings.LastIndex(wide, " ")]
		}
		if strings.HasSuffix(wide, "/24") || strings.Contains(wide, "/24 ") {
			prefix, _ := netip.MustParseAddr(src).Prefix(24)
			wide = strings.Replace(wide, src+"/24", prefix.String(), 1)
		}
		text := fmt.Sprintf("version: 1\ntests:\n  - {name: all, packet: '%s in %s', size: %d, expect: %s}\n  - {name: open, packet: '%s', expect: %s}\n", packet, in, size, want, wide, want)
		cases, err := expect.Read("tests.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		results := expect.Check(cases, s, nil)
		got := verdicts(s, p)
		exact := expect.Unknown
		switch differs := func(word string) bool { return word != want }; {
		case !slices.ContainsFunc(got, differs):
			exact = expect.Passed
		case !slices.Contains(got, want):
			exact = expect.Failed
		}
		if results[0].Outcome != exact {
			t.Fatalf("%s: %v, and the test: %s, %s\n%s", p, got, results[0].Outcome, results[0].Why, text)
		}
		if results[1].Outcome == expect.Passed && exact != expect.Passed {
			t.Fatalf("%s: %v, and the test of all holds\n%s", p, got, text)
		}
		for _, r := range results {
			seen[r.Outcome]++
			if r.Example != nil && r.Example.Fate.Verdict.String() == want {
				t.Fatalf("the counter-example meets what is expected: %s", r.Example.Packet)
			}
			if r.Example == nil && r.Outcome != expect.Passed {
				t.Fatalf("no packet shows it: %s", r.Why)
			}
		}
	})
	t.Logf("%v", seen)
}

// TestReachesAgainstPackets: where no stranger, or everybody of the LAN, is said to reach a service,
// no packet of theirs contradicts it.
func TestReachesAgainstPackets(t *testing.T) {
	cases, err := expect.Read("tests.yaml", []byte("version: 1\ntests:\n  - {name: out, from: stranger, reaches: [ssh], expect: drop}\n  - {name: in, from: LAN, family: ipv4, reaches: [ssh], expect: accept}\n"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawnRouter(t)
		results := expect.Check(cases, s, nil)
		for _, r := range results {
			seen[r.Test.Name+" "+string(r.Outcome)]++
		}
		src := rapid.SampledFrom([]string{"93.77.77.77", "198.52.0.1", "8.8.8.8", "192.168.88.5", "10.1.2.3"}).Draw(t, "source")
		sport, dport := rapid.SampledFrom([]uint16{53, 40000}).Draw(t, "from"), rapid.SampledFrom([]uint16{22, 2222}).Draw(t, "port")
		size := rapid.SampledFrom([]int{60, 150}).Draw(t, "size")
		for _, at := range []struct {
			result expect.Result
			in     string
		}{{results[0], "ether1"}, {results[0], ""}, {results[1], "bridge"}} {
			p := sent(t, "tcp", src, sport, dport, at.in, size)
			for _, d := range firewall.NewFirewall(s).Dispositions(p, firewall.NewAddressLists(s, s.Clock), s.Clock) {
				port := p.DstPort
				if d.At.IsValid() && d.At.Port() != 0 {
					port = d.At.Port()
				}
				reaches := d.Verdict == firewall.Accept && port == 22
				if at.result.Outcome == expect.Passed && (at.in != "bridge" && reaches || at.in == "bridge" && port == 22 && !reaches) {
					t.Fatalf("%s: %s, and the test %s holds", p, d.Verdict, at.result.Test.Name)
				}
			}
		}
	})
	t.Logf("%v", seen)
}
