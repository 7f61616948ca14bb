//go:build linux

package lab_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// beside is a router on which others send strangers to the host of the example's forward, from its
// port and from another one, and to another host from a third.
const beside = `/ip firewall filter
add action=accept chain=input connection-state=established,related,untracked
add action=drop chain=input in-interface-list=!LAN
add action=accept chain=forward connection-state=established,related,untracked
add action=drop chain=forward connection-nat-state=!dstnat connection-state=new in-interface=ether1
/ip firewall nat
add action=dst-nat chain=dstnat dst-port=33890 in-interface=ether1 protocol=tcp to-addresses=192.168.88.10 to-ports=3389
add action=dst-nat chain=dstnat dst-port=13389 in-interface=ether1 protocol=tcp to-addresses=192.168.88.10 to-ports=3389
add action=dst-nat chain=dstnat dst-port=80 in-interface=ether1 protocol=tcp to-addresses=192.168.88.20
`

// testForwards lets the router send packets on, and plays the example's forward and random tables
// of forward.
func (l *lab) testForwards(t *testing.T) {
	within(t, l.home, func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
	l.routes = true
	defer func() { l.routes = false }()
	text, err := fixtures.Plan("forward.yaml")
	check(t, "plan", err)
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p, err := plans.Read("forward.yaml", text)
		check(t, "plan", err)
		p.Firewall.Layout = layout
		before := table(t, beside)
		rules, err := compile.Compile(p, before)
		check(t, "compile", err)
		changes, err := diff.Compute(before, rules, change.Management{})
		check(t, "diff", err)
		t.Run(layout.String(), func(t *testing.T) {
			drop, on := firewall.Drop, firewall.Forwarded
			shots := knocks("203.0.113.9", 40000, 33890, 13389, 80, 33517)
			udp := func(from, port uint16) shot {
				s := stranger("203.0.113.9", from, port)
				s.packet.Protocol, s.packet.TCPFlags = 17, 0
				return s
			}
			shots = append(shots, udp(40101, 22860), stranger("203.0.113.9", 40102, 41923), udp(40103, 29074), stranger("203.0.113.9", 40104, 18336))
			shots = append(shots, knocks("203.0.113.9", 41000, 33890, 13389)...)
			shots = append(shots, knocks("203.0.113.10", 42000, 33890, 13389)...)
			shots = append(shots, knocks("198.51.100.7", 43000, 33890)...)
			shots = append(shots, onBridge(knocks("192.168.88.77", 44000, 33890))...)
			g := l.agree(t, changetest.After(t, before, changes), round{shots: shots})
			want := []firewall.Verdict{drop, drop, on, drop, drop, drop, drop, drop, on, on, drop, drop, on, on}
			if !slices.Equal(g.verdicts, want) {
				t.Errorf("got %v, want %v", g.verdicts, want)
			}
		})
	}
	verdicts, seen := map[firewall.Verdict]int{}, map[string]int{}
	for i := range uint64(60) {
		c := newChance(usualSeed, i)
		text := c.forwarding()
		shots := c.shots(40)
		for n := range shots {
			shots[n].packet.TTL = 64
		}
		g, err := l.play(table(t, text), round{shots: shots})
		check(t, text, err)
		if len(g.wrong) > 0 {
			t.Fatalf("table %d: %s", i, g.report())
		}
		g.tally(seen)
		for _, v := range g.verdicts {
			verdicts[v]++
		}
	}
	// No rule is of input, so what is stopped is stopped in forward.
	if verdicts[firewall.Forwarded] == 0 || verdicts[firewall.Drop] == 0 || verdicts[firewall.Reject] == 0 || seen["out-interface"] == 0 || seen["!dst-address"] == 0 || seen["connection-nat-state"] == 0 {
		t.Errorf("what became of packets: %v; rules that they met, by what they match and do: %v", verdicts, seen)
	}
}

// forwarding is a table of forward, and what sends packets there. What a packet's time to live is
// by then the evaluator does not say, and the kernel sends on nothing that came by broadcast.
func (c chance) forwarding() string {
	var b strings.Builder
	b.WriteString("/ip firewall nat\n")
	for range 1 + c.IntN(3) {
		where := "protocol=" + c.pick("tcp", "udp") + " dst-port=" + c.value("dst-port") + " to-ports=" + c.pick("22", "80", "3389")
		if c.of(2) {
			where = c.matchers("connection-state", "connection-nat-state", "tcp-flags", "ttl", "dst-address-type", "src-address-list", "dst-address-list")
		}
		fmt.Fprintf(&b, "add chain=dstnat dst-address-type=local action=dst-nat to-addresses=%s %s\n", c.pick("192.168.88.77", "192.0.2.77"), where)
	}
	b.WriteString("/ip firewall filter\n")
	chains := []string{"forward", "a", "b"}
	for range 6 + c.IntN(12) {
		at := c.IntN(c.IntN(len(chains)) + 1)
		which := c.matchers("ttl", "dst-address", "dst-port") + c.pick("", "", "dst-address="+c.not(c.pick("192.168.88.77", "192.168.88.0/24", "192.0.2.77"))+" ", "out-interface="+c.not(c.pick(inside, outside))+" ")
		fmt.Fprintf(&b, "add chain=%s %s%s\n", chains[at], which, c.action(chains[at+1:]))
	}
	return b.String()
}
