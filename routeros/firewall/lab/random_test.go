//go:build linux

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// How much chance there is in a run. The seed is fixed, so that two runs play the same;
// ROSKNOCK_LAB_SEED and ROSKNOCK_LAB_TABLES play others, and more.
const (
	usualSeed     = 20261121
	usualTables   = 400
	shotsPerTable = 60
)

func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// testRandom plays random packets at random tables, over IPv4 and over IPv6.
func (l *lab) testRandom(t *testing.T) {
	for _, family := range []routeros.Family{routeros.IPv4, routeros.IPv6} {
		t.Run(family.String(), func(t *testing.T) {
			l.family = family
			defer func() { l.family = routeros.IPv4 }()
			l.randomTables(t)
		})
	}
}

func (l *lab) randomTables(t *testing.T) {
	seed, tables := number("ROSKNOCK_LAB_SEED", usualSeed), number("ROSKNOCK_LAB_TABLES", usualTables)
	t.Logf("%d tables from seed %d", tables, seed)
	const enough = 5
	seen, failed := map[string]int{}, 0
	for i := range tables {
		c := newChance(seed, i)
		c.family = l.family
		text := c.table()
		if c.family == routeros.IPv6 {
			text = table6(text)
		}
		s := table(t, text)
		c.timed(&s)
		g, err := l.play(s, round{shots: c.shots(shotsPerTable / 2)}, round{shots: c.shots(shotsPerTable / 2)})
		if err != nil {
			t.Fatalf("table %d: %v, in\n%s", i, err, text)
		}
		g.tally(seen)
		if len(g.wrong) > 0 {
			t.Errorf("table %d: %s", i, g.report())
			if failed++; failed == enough {
				t.Fatal("that is enough")
			}
		}
	}
	t.Logf("rules that packets met, by what they match and do: %v", seen)
	for _, name := range append(strings.Fields(matcherNames), strings.Fields(actionNames)...) {
		if l.family == routeros.IPv6 {
			name = name6(name)
		}
		if name != "" && seen[name] == 0 {
			t.Errorf("no packet met a rule with %s: the tables have no teeth there", name)
		}
	}
}

// What the random tables are made of.
const (
	matcherNames = "protocol src-address dst-address src-address-list dst-address-list dst-address-type src-port dst-port in-interface in-interface-list " +
		"connection-state connection-nat-state tcp-flags icmp-options packet-size dscp ttl src-mac-address"
	actionNames = "accept drop reject return jump add-src-to-address-list add-dst-to-address-list passthrough log notrack redirect dst-nat"
)

// tally counts the matchers and actions of rules that decided something: that met some of the
// packets that came by.
func (g *game) tally(seen map[string]int) {
	for _, menu := range menus(g.firewall.family) {
		for i, n := range g.looks[menu] {
			if n == 0 {
				continue
			}
			for name, value := range g.snapshot.Rules[menu][i].Attrs.All() {
				seen[name]++
				if name == "action" {
					seen[value]++
				}
				if strings.HasPrefix(value, "!") {
					seen["!"+name]++
				}
			}
		}
	}
}

// chance makes tables and packets.
type chance struct {
	*rand.Rand
	// flows are those played so far: a second packet of one would have another state.
	flows map[string]bool
	// at are the ports that packets go to.
	at     []uint16
	family routeros.Family
}

func newChance(seed, table uint64) chance {
	return chance{
		rand.New(rand.NewPCG(seed, table)), map[string]bool{},
		[]uint16{1, 21, 22, 22, 23, 79, 80, 999, 1000, 1001, 1002, 1003, 8291, 8728, 65535}, routeros.IPv4,
	}
}

func (c chance) of(n int) bool { return c.IntN(n) == 0 }

func (c chance) pick(words ...string) string { return words[c.IntN(len(words))] }

// not negates one value in four.
func (c chance) not(value string) string {
	if c.of(4) {
		return "!" + value
	}
	return value
}

// timedLists are filled with a time by rules, fixedLists hold entries from the beginning. Rules
// that add without a time have a list of their own: what becomes of an entry that is added now with
// a time and now without is unknown of RouterOS, and the kernel keeps what it has.
const (
	timedLists = "one two three"
	fixedList  = "fixed"
	timeless   = "forever"
)

func (c chance) list() string {
	return c.pick(append(strings.Fields(timedLists), fixedList, timeless, "nobody")...)
}

// table is the address lists, the raw table and the filter. Chains jump only to chains further
// back: the kernel refuses rounds, and what RouterOS does with them is unknown.
func (c chance) table() string {
	var b strings.Builder
	b.WriteString("/ip firewall address-list\n")
	for _, e := range []string{"203.0.113.1", "203.0.113.4/30", "203.0.113.9-203.0.113.11", "192.0.2.1"} {
		if c.of(2) {
			fmt.Fprintf(&b, "add list=%s address=%s disabled=%s\n", c.pick(fixedList, fixedList, "one"), e, c.pick("no", "no", "no", "yes"))
		}
	}
	if c.of(3) {
		b.WriteString("/ip firewall raw\n")
		for range 1 + c.IntN(4) {
			fmt.Fprintf(&b, "add chain=prerouting %s%s\n", c.matchers("connection-state", "connection-nat-state"), c.rawAction())
		}
	}
	if c.of(3) && c.family == routeros.IPv4 {
		b.WriteString("/ip firewall nat\n")
		for range 1 + c.IntN(5) {
			at := c.IntN(2)
			fmt.Fprintf(&b, "add chain=%s %s\n", []string{"dstnat", "a"}[at], c.translation([]string{"a"}[at:]))
		}
	}
	b.WriteString("/ip firewall filter\n")
	chains := []string{"input", "a", "b", "c"}
	for range 6 + c.IntN(18) {
		at := c.IntN(c.IntN(len(chains)) + 1) // input most often
		fmt.Fprintf(&b, "add chain=%s %s%s%s\n", chains[at], c.matchers(), c.action(chains[at+1:]), c.extras())
	}
	return b.String()
}

func (c chance) extras() string {
	switch c.IntN(20) {
	case 0:
		return " disabled=yes"
	case 1:
		return " log=yes"
	case 2:
		return ` comment="says nothing"`
	}
	return ""
}

// action ends fewer walks than it lets go on, so that packets meet many rules.
func (c chance) action(below []string) string {
	switch c.IntN(14) {
	case 0, 1:
		return "action=accept"
	case 2:
		return "action=drop"
	case 3:
		return "action=reject"
	case 4:
		return "action=return"
	case 5:
		return "action=" + c.pick("passthrough", "log")
	case 6, 7, 8:
		return "action=jump jump-target=" + c.pick(append(below, "nowhere")...)
	}
	return c.remember()
}

func (c chance) rawAction() string {
	if c.of(2) {
		return c.remember()
	}
	return "action=" + c.pick("accept", "drop", "notrack", "passthrough", "log")
}

// translation is a rule of the NAT table. Ports are changed only where there are any.
func (c chance) translation(below []string) string {
	matchers := c.matchers("connection-state", "connection-nat-state", "tcp-flags")
	switch c.IntN(8) {
	case 0:
		return matchers + "action=" + c.pick("accept", "return", "passthrough", "log")
	case 1:
		return matchers + "action=jump jump-target=" + c.pick(append(below, "nowhere")...)
	case 2:
		return matchers + c.remember()
	case 3:
		return matchers + "action=redirect"
	case 4, 5:
		return matchers + "action=dst-nat to-addresses=" + c.pick("192.0.2.1", "192.168.88.1", "192.168.88.77")
	}
	action := c.pick("redirect", "dst-nat", "dst-nat to-addresses=192.168.88.1", "dst-nat to-addresses=198.51.100.99")
	return fmt.Sprintf("protocol=%s dst-port=%s action=%s to-ports=%s", c.pick("tcp", "udp"), c.value("dst-port"), action, c.pick("22", "80", "1000", "4000"))
}

func (c chance) remember() string {
	action := "action=" + c.pick("add-src-to-address-list", "add-src-to-address-list", "add-src-to-address-list", "add-dst-to-address-list")
	if c.of(6) {
		return action + " address-list=" + timeless + c.pick("", " address-list-timeout=none-dynamic", " address-list-timeout=none-static")
	}
	list := c.pick(append(strings.Fields(timedLists), fixedList)...)
	return action + " address-list=" + list + " address-list-timeout=" + c.pick("10s", "1m", "1m30s", "7d", "1h")
}

// timed adds entries whose time was running before, as after somebody's knock. No address is twice
// in a list: the router refuses that (routeros-facts § 3).
func (c chance) timed(s *routeros.Snapshot) {
	menu := c.family.AddressList()
	for range c.IntN(4) {
		entry := routeros.ListEntry{
			List: c.pick(strings.Fields(timedLists)...), Address: fmt.Sprintf("203.0.113.%d", 12+c.IntN(4)), Dynamic: true,
			Timed: true, Timeout: time.Duration(20+c.IntN(100)) * time.Second,
		}
		if c.family == routeros.IPv6 {
			entry.Address = over6(addr(entry.Address)).String() + "/128"
		}
		known := func(e routeros.ListEntry) bool { return e.Key() == entry.Key() }
		if rows := s.Entries[menu]; !slices.ContainsFunc(rows, known) {
			s.Entries[menu] = append(rows, entry)
		}
	}
}

// matchers are none to three, and what these need: ports want a protocol that has them, and so on,
// or RouterOS refuses the rule. Some tables lack some matchers.
func (c chance) matchers(without ...string) string {
	names := strings.Fields(matcherNames)
	used := map[string]string{}
	for range c.IntN(4) {
		name := c.pick(names...)
		if !slices.Contains(without, name) {
			used[name] = c.value(name)
		}
	}
	c.complete(used)
	var b strings.Builder
	for _, name := range names {
		if used[name] != "" {
			fmt.Fprintf(&b, "%s=%s ", name, used[name])
		}
	}
	return b.String()
}

// complete gives the protocol that other matchers ask for.
func (c chance) complete(used map[string]string) {
	switch {
	case used["tcp-flags"] != "":
		used["protocol"], used["icmp-options"] = "tcp", ""
	case used["icmp-options"] != "":
		used["protocol"], used["src-port"], used["dst-port"] = "icmp", "", ""
	case used["src-port"] != "" || used["dst-port"] != "":
		used["protocol"] = c.pick("tcp", "udp")
	}
}

func (c chance) value(name string) string {
	switch name {
	case "protocol":
		return c.not(c.pick("tcp", "tcp", "udp", "udp", "icmp", "gre", "ipsec-esp", "6", "17", "89"))
	case "src-address":
		return c.not(c.pick("203.0.113.1", "203.0.113.0/29", "203.0.113.3-203.0.113.8", "203.0.113.0/24", "0.0.0.0/0", "198.51.100.7", "203.0.113.8/31"))
	case "dst-address":
		return c.not(c.pick("192.0.2.1", "192.168.88.1", "192.0.2.0/24", "192.0.2.1-192.0.2.255", "224.0.0.0/4"))
	case "src-address-list", "dst-address-list":
		return c.not(c.list())
	case "dst-address-type":
		return c.not(c.pick("local", "broadcast", "multicast", "broadcast,multicast", "unicast"))
	case "src-port":
		return c.not(c.pick("1024-32767", "32768-65535", "53", "1-1023", "20000-45000,53"))
	case "dst-port":
		return c.not(c.pick("22", "22,80", "21-23", "1000-1002,80", "65535", "1-65535", "0-79", "80,22,1001", "1000,1001,1002", "8291,8728-8729"))
	case "in-interface":
		return c.not(c.pick(outside, inside, "ether2"))
	case "in-interface-list":
		return c.not(c.pick("LAN", "WAN"))
	default:
		return c.content(name)
	}
}

func (c chance) content(name string) string {
	switch name {
	case "connection-state":
		return c.not(c.pick("new", "established", "invalid", "related", "untracked", "established,related", "established,related,untracked", "invalid,new"))
	case "connection-nat-state":
		return c.not(c.pick("dstnat", "dstnat", "srcnat", "srcnat,dstnat"))
	case "tcp-flags":
		return c.pick("syn", "syn,!ack", "!syn", "ack", "rst", "fin,syn", "!fin,!syn,!rst,!ack", "fin,psh,urg", "ece,cwr", "!psh,ack", "!urg")
	case "icmp-options":
		return c.not(c.pick("8", "8:0", "0", "8:0-255", "3:3", "8:1-3", "13:0", "3:0-2"))
	case "packet-size":
		return c.not(c.pick("60", "0-100", "101-1500", "28", "245", "0-65535", "40-60", "61-244", "1500"))
	case "dscp":
		return c.not(c.pick("0", "46", "8", "63"))
	case "ttl":
		return c.pick("equal:64", "less-than:64", "greater-than:63", "not-equal:1", "less-than:2", "equal:255", "greater-than:254", "less-than:0")
	case "src-mac-address":
		return c.not(c.pick("02:00:00:00:00:01", "02:00:00:00:00:0A"))
	}
	return ""
}

// shots are packets near the edges of what the rules match, no two of one flow.
func (c chance) shots(n int) []shot {
	shots := make([]shot, n)
	for i := range shots {
		shots[i] = c.shot()
	}
	return shots
}

func (c chance) shot() shot {
	p := firewall.Packet{
		Src: addr(c.pick("198.51.100.7", "192.168.88.10", fmt.Sprintf("203.0.113.%d", c.IntN(16)))), InInterface: c.pick(outside, outside, inside),
		Dst: addr(c.pick("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.168.88.1")), SrcMAC: c.pick("02:00:00:00:00:01", "02:00:00:00:00:0A"),
		TTL: []uint8{1, 2, 63, 64, 65, 254, 255}[c.IntN(7)], DSCP: []uint8{0, 0, 8, 46, 63}[c.IntN(5)],
	}
	if c.family == routeros.IPv6 {
		p.Src, p.Dst = over6(p.Src), over6(p.Dst)
	}
	s := shot{packet: p}
	switch c.IntN(10) {
	case 0, 1, 2, 3:
		c.tcp(&s)
	case 4, 5, 6:
		c.udp(&s)
	case 7, 8:
		c.icmp(&s)
	default:
		c.other(&s)
	}
	least := smallest(s.packet.Protocol) - headerOf(routeros.IPv4) + headerOf(c.family) + len(s.within)
	s.packet.Size = max(least, []int{0, 28, 40, 59, 60, 61, 100, 101, 244, 245, 246, 1499, 1500}[c.IntN(13)])
	return s
}

// other is a packet of a protocol without ports: one flow for each pair of addresses, so one
// packet.
func (c chance) other(s *shot) {
	s.packet.Protocol = []uint8{47, 50, 89}[c.IntN(3)]
	if flow := fmt.Sprint(s.packet.Protocol, s.packet.Src); !c.flows[flow] {
		c.flows[flow] = true
		return
	}
	c.udp(s)
}

func (c chance) flags(of ...firewall.Flags) firewall.Flags { return of[c.IntN(len(of))] }

// tcp is a packet that connection tracking takes for new (mid-stream ones too), invalid, or
// established since it answers the router.
func (c chance) tcp(s *shot) {
	const fin, syn, rst, psh, ack, urg, ece, cwr = firewall.FIN, firewall.SYN, firewall.RST, firewall.PSH, firewall.ACK, firewall.URG, firewall.ECE, firewall.CWR
	s.packet.Protocol = 6
	c.ports(s)
	switch c.IntN(4) {
	case 0, 1:
		s.packet.TCPFlags = c.flags(syn, syn, syn|ece|cwr, ack, ack|psh, ack|urg)
		c.toMany(s)
	case 2:
		s.packet.State, s.packet.TCPFlags = firewall.Invalid, c.flags(0, fin, rst, rst|ack, fin|ack, syn|fin, syn|ack, fin|psh|urg)
	default:
		s.packet.State, s.packet.TCPFlags = firewall.Established, c.flags(syn|ack, syn|ack|ece)
		s.answered = reply(s.packet, syn, 0, 0)
	}
}

func (c chance) udp(s *shot) {
	s.packet.Protocol = 17
	c.ports(s)
	switch c.IntN(4) {
	case 0, 1:
		c.toMany(s)
	case 2:
		s.packet.State, s.broken = firewall.Invalid, true
	default:
		s.packet.State, s.answered = firewall.Established, reply(s.packet, 0, 0, 0)
	}
}

// icmp is a query, an answer that somebody asked for or nobody did, or an error about a packet that
// the router has sent or has not.
func (c chance) icmp(s *shot) {
	k := kindsOfICMP(c.family)
	s.packet.Protocol = k.protocol
	s.echo = uint16(c.unused(s, 1, 65535))
	switch c.IntN(6) {
	case 0, 1:
		s.packet.ICMPType, s.packet.ICMPCode = k.request, uint8(c.IntN(5))
		c.toMany(s)
	case 2:
		s.packet.ICMPType = k.queries[c.IntN(2)]
	case 3:
		s.packet.ICMPType, s.packet.State = k.reply, firewall.Invalid
	case 4:
		s.packet.ICMPType, s.packet.State, s.answered = k.reply, firewall.Established, reply(s.packet, 0, k.request, s.echo)
	default:
		s.packet.ICMPType, s.packet.ICMPCode, s.packet.State = k.unreachable, uint8(c.IntN(4)), firewall.Invalid
		about := reply(firewall.Packet{Protocol: 17, Src: s.packet.Src, Dst: s.packet.Dst, SrcPort: s.echo, DstPort: 7}, 0, 0, 0)
		if s.within = about; c.of(2) {
			s.packet.State, s.answered = firewall.Related, about
		}
	}
}

// icmpKinds are the numbers of ICMP, or of ICMPv6.
type icmpKinds struct {
	protocol, request, reply, unreachable uint8
	queries                               [2]uint8 // others that begin something
}

func kindsOfICMP(f routeros.Family) icmpKinds {
	if f == routeros.IPv6 {
		return icmpKinds{58, 128, 129, 1, [2]uint8{139, 128}}
	}
	return icmpKinds{1, 8, 0, 3, [2]uint8{13, 17}}
}

// toMany sends some packets to everybody.
func (c chance) toMany(s *shot) {
	if c.family == routeros.IPv6 {
		if c.of(8) {
			s.packet.Dst = over6(addr("224.0.0.1"))
		}
		return
	}
	if c.of(8) {
		s.packet.Dst = addr(c.pick("192.0.2.255", "224.0.0.1", "255.255.255.255"))
	}
}

func (c chance) ports(s *shot) {
	s.packet.DstPort = c.at[c.IntN(len(c.at))]
	low, high := 1024, 65535
	if c.of(3) {
		low, high = 1, 1100
	}
	s.packet.SrcPort = uint16(c.unused(s, low, high))
}

// unused returns a number with which a packet between these addresses is of no flow played so far.
func (c chance) unused(s *shot, low, high int) int {
	for {
		n := low + c.IntN(high-low+1)
		flow := fmt.Sprint(s.packet.Protocol, s.packet.Src, n)
		if !c.flows[flow] {
			c.flows[flow] = true
			return n
		}
	}
}
