package firewall_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// naive is a second evaluator, written from the manual's sentences with nothing in common with the
// first: attributes are read anew for every packet, chains are looked for in the whole table, lists
// are slices.
type naive struct {
	s       routeros.Snapshot
	lists   []naiveEntry
	at      time.Time
	p       firewall.Packet
	out     string // the interface by which it leaves
	decided string
}

type naiveEntry struct {
	list   string
	first  netip.Addr
	last   netip.Addr
	until  time.Time // zero: never ends
	static bool
}

func newNaive(s routeros.Snapshot) *naive {
	n := &naive{s: s}
	for _, e := range s.Entries[routeros.AddressList] {
		if e.Disabled {
			continue
		}
		entry := naiveEntry{list: e.List, static: !e.Dynamic}
		entry.first, entry.last = naiveRange(e.Address)
		n.lists = append(n.lists, entry)
	}
	return n
}

// naiveRange reads an address, a prefix or a range by counting bits.
func naiveRange(text string) (first, last netip.Addr) {
	if low, high, ok := strings.Cut(text, "-"); ok {
		return netip.MustParseAddr(low), netip.MustParseAddr(high)
	}
	if !strings.Contains(text, "/") {
		a := netip.MustParseAddr(text)
		return a, a
	}
	p := netip.MustParsePrefix(text)
	from := p.Addr().As4()
	n := uint32(from[0])<<24 | uint32(from[1])<<16 | uint32(from[2])<<8 | uint32(from[3])
	mask := uint32(0xffffffff)
	if p.Bits() < 32 {
		mask = ^(mask >> p.Bits())
	}
	addr := func(n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	return addr(n & mask), addr(n&mask | ^mask)
}

// input runs a packet through the three tables and says accept, drop, reject, tarpit or forwarded.
func (n *naive) input(p firewall.Packet, at time.Time) string {
	n.p, n.at, n.decided, n.out = p, at, "", ""
	if v := n.chain(routeros.Raw, "prerouting"); v == "drop" {
		return v
	}
	if n.p.State == firewall.New {
		n.decided = ""
		if v := n.chain(routeros.NAT, "dstnat"); v == "forwarded" {
			return n.forward()
		}
	}
	n.decided = ""
	switch v := n.chain(routeros.Filter, "input"); v {
	case "", "return":
		return "accept"
	default:
		return v
	}
}

// forward runs a packet that was sent to another host through the filter once more.
func (n *naive) forward() string {
	by := n.decided
	n.out = ""
	for _, a := range n.s.Addresses {
		if a.Prefix.Contains(n.p.Dst) {
			n.out = a.Interface
		}
	}
	switch v := n.chain(routeros.Filter, "forward"); v {
	case "", "return", "accept":
		n.decided = by
		return "forwarded"
	default:
		return v
	}
}

func (n *naive) chain(menu routeros.Menu, name string) string {
	for _, r := range n.s.Rules[menu] {
		if r.Attrs.Get("chain") != name || r.Attrs.Get("disabled") == "yes" || r.Attrs.Get("disabled") == "true" || !n.matches(r) {
			continue
		}
		n.decided = r.ID
		switch action := r.Attrs.Get("action"); action {
		case "", "accept", "drop", "reject", "tarpit":
			if action == "" {
				return "accept"
			}
			return action
		case "return":
			return "return"
		case "jump":
			if v := n.chain(menu, r.Attrs.Get("jump-target")); v != "" && v != "return" {
				return v
			}
		case "notrack":
			n.p.State = firewall.Untracked
		case "add-src-to-address-list":
			n.put(r.Attrs.Get("address-list"), n.p.Src, r.Attrs.Get("address-list-timeout"))
		case "add-dst-to-address-list":
			n.put(r.Attrs.Get("address-list"), n.p.Dst, r.Attrs.Get("address-list-timeout"))
		case "redirect", "dst-nat":
			return n.translate(r)
		}
		n.decided = ""
	}
	n.decided = ""
	return ""
}

func (n *naive) translate(r routeros.Rule) string {
	was := n.p
	if to := r.Attrs.Get("to-addresses"); to != "" && r.Attrs.Get("action") == "dst-nat" {
		own := slices.ContainsFunc(n.s.Addresses, func(a routeros.InterfaceAddress) bool { return a.Prefix.Addr().String() == to })
		if !own {
			n.p.Dst, n.p.DstNAT = netip.MustParseAddr(to), true
			if port := r.Attrs.Get("to-ports"); port != "" && !n.lacks("dst-port") {
				number, _ := strconv.Atoi(port)
				n.p.DstPort = uint16(number)
			}
			return "forwarded"
		}
		n.p.Dst = netip.MustParseAddr(to)
	}
	if r.Attrs.Get("action") == "redirect" {
		n.p.Dst = netip.MustParseAddr(map[string]string{"ether1": "192.0.2.1", "bridge": "192.168.88.1"}[n.p.InInterface])
	}
	if port := r.Attrs.Get("to-ports"); port != "" && !n.lacks("dst-port") {
		to, _ := strconv.Atoi(port)
		n.p.DstPort = uint16(to)
	}
	n.p.DstNAT = n.p.DstNAT || n.p.Dst != was.Dst || n.p.DstPort != was.DstPort
	return "accept"
}

func (n *naive) put(list string, a netip.Addr, timeout string) {
	entry := naiveEntry{list: list, first: a, last: a, static: timeout == "none-static"}
	if d, err := time.ParseDuration(timeout); err == nil {
		entry.until = n.at.Add(d)
	}
	for i, e := range n.lists {
		if e.list == list && e.first == a && e.last == a && n.holds(e) {
			if !e.static { // it stays dynamic
				entry.static = false
				n.lists[i] = entry
			}
			return
		}
	}
	n.lists = append(n.lists, entry)
}

func (n *naive) holds(e naiveEntry) bool { return e.until.IsZero() || n.at.Before(e.until) }

func (n *naive) member(list string, a netip.Addr) bool {
	for _, e := range n.lists {
		if e.list == list && n.holds(e) && a.Compare(e.first) >= 0 && a.Compare(e.last) <= 0 {
			return true
		}
	}
	return false
}

func (n *naive) matches(r routeros.Rule) bool {
	for name, value := range r.Attrs.All() {
		bare := strings.TrimPrefix(value, "!")
		if name == "tcp-flags" {
			bare = value
		}
		yes, known := n.match(name, bare)
		if known && n.lacks(name) {
			return false
		}
		if known && yes == (strings.HasPrefix(value, "!") && name != "tcp-flags") {
			return false
		}
	}
	return true
}

// lacks says that a packet has nothing of what a matcher is about: then it does not match, with a !
// neither.
func (n *naive) lacks(name string) bool {
	switch name {
	case "dst-port", "src-port", "port":
		return n.p.Fragment || n.p.Protocol != 6 && n.p.Protocol != 17
	case "icmp-options":
		return n.p.Fragment || n.p.Protocol != 1
	case "ttl": // of a packet that goes on it is another one, and no rule is taken to match it
		return n.out != ""
	}
	return false
}

// match answers one matcher; known is false for what is none.
func (n *naive) match(name, v string) (yes, known bool) {
	p := n.p
	ports := (p.Protocol == 6 || p.Protocol == 17) && !p.Fragment
	within := func(a netip.Addr) bool {
		first, last := naiveRange(v)
		return a.Compare(first) >= 0 && a.Compare(last) <= 0
	}
	switch name {
	case "protocol":
		return map[string]uint8{"tcp": 6, "udp": 17, "icmp": 1, "gre": 47}[v] == p.Protocol, true
	case "src-address":
		return within(p.Src), true
	case "dst-address":
		return within(p.Dst), true
	case "src-address-list":
		return n.member(v, p.Src), true
	case "dst-address-list":
		return n.member(v, p.Dst), true
	case "dst-port":
		return ports && naivePorts(v, int(p.DstPort)), true
	case "src-port":
		return ports && naivePorts(v, int(p.SrcPort)), true
	case "port":
		return ports && (naivePorts(v, int(p.SrcPort)) || naivePorts(v, int(p.DstPort))), true
	case "in-interface":
		return p.InInterface == v, true
	case "in-interface-list":
		return n.inList(p.InInterface, v, 0), true
	case "out-interface":
		return n.out == v, true
	case "out-interface-list":
		return n.out != "" && n.inList(n.out, v, 0), true
	case "dst-address-type":
		local := n.out == ""
		return v == "local" && local || v == "unicast" && !local, true
	case "connection-state":
		return slices.Contains(strings.Split(v, ","), p.State.String()), true
	case "connection-nat-state":
		return v == "dstnat" && p.DstNAT || v == "srcnat" && p.SrcNAT, true
	case "packet-size":
		return naivePorts(v, p.Size), true
	case "ttl":
		how, number, _ := strings.Cut(v, ":")
		k, _ := strconv.Atoi(number)
		return map[string]bool{"equal": int(p.TTL) == k, "not-equal": int(p.TTL) != k, "less-than": int(p.TTL) < k, "greater-than": int(p.TTL) > k}[how], true
	case "icmp-options":
		return p.Protocol == 1 && !p.Fragment && v == fmt.Sprintf("%d:%d", p.ICMPType, p.ICMPCode), true
	case "tcp-flags":
		return p.Protocol == 6 && !p.Fragment && naiveFlags(v, p.TCPFlags), true
	case "fragment":
		return p.Fragment == (v == "yes"), true
	case "ipv4-options":
		return naiveOptions(v, p.Options), true
	case "content":
		return strings.Contains(string(p.Payload), v), true
	case "dscp":
		return v == strconv.Itoa(int(p.DSCP)), true
	case "src-mac-address":
		return strings.EqualFold(v, p.SrcMAC), true
	}
	return false, false
}

func naivePorts(list string, port int) bool {
	for one := range strings.SplitSeq(list, ",") {
		low, high, ok := strings.Cut(one, "-")
		if !ok {
			high = low
		}
		from, _ := strconv.Atoi(low)
		to, _ := strconv.Atoi(high)
		if from <= port && port <= to {
			return true
		}
	}
	return false
}

func naiveOptions(kind string, has firewall.Options) bool {
	kinds := map[string]firewall.Options{"record-route": firewall.RecordRoute, "no-record-route": firewall.RecordRoute, "no-source-routing": firewall.LooseSource}
	switch kind {
	case "any":
		return has != 0
	case "none":
		return has == 0
	}
	return (has&kinds[kind] != 0) != strings.HasPrefix(kind, "no-")
}

func naiveFlags(list string, flags firewall.Flags) bool {
	for word := range strings.SplitSeq(list, ",") {
		name, not := strings.CutPrefix(word, "!")
		bit := map[string]firewall.Flags{"syn": firewall.SYN, "ack": firewall.ACK, "rst": firewall.RST, "fin": firewall.FIN}[name]
		if (flags&bit != 0) == not {
			return false
		}
	}
	return true
}

// inList: a list is its own members, and those of included lists less those of excluded ones.
func (n *naive) inList(name, list string, depth int) bool {
	if list == "all" {
		return true
	}
	for _, m := range n.s.ListMembers {
		if m.List == list && m.Interface == name && !m.Disabled {
			return true
		}
	}
	for _, l := range n.s.InterfaceLists {
		if l.Name != list || depth > 4 {
			continue
		}
		included := slices.ContainsFunc(l.Include, func(other string) bool { return n.inList(name, other, depth+1) })
		excluded := slices.ContainsFunc(l.Exclude, func(other string) bool { return n.inList(name, other, depth+1) })
		return included && !excluded
	}
	return false
}

// naiveRule draws a rule over every matcher that a packet settles.
func naiveRule(t *rapid.T, menu routeros.Menu, chain string, id int) routeros.Rule {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	pairs := []string{"chain", chain}
	values := map[string][]string{
		"src-address": {"10.0.0.0/8", "!10.0.0.0/9", "10.0.0.3-10.0.0.9", "10.0.0.5"},
		"dst-address": {"192.0.2.1", "!192.0.2.0/24", "192.168.88.7", "!192.168.88.0/24"}, "dst-address-type": {"local", "!local", "unicast"},
		"src-address-list": {"a", "!a", "b", "!b", "p"}, "dst-address-list": {"a", "!a"}, "in-interface": {"ether1", "!ether1"}, "out-interface": {"bridge", "!bridge"}, "out-interface-list": {"LAN", "!LAN", "all"},
		"in-interface-list": {"LAN", "!LAN", "BOTH", "ONLY", "!ONLY", "all"}, "packet-size": {"60", "0-80", "!60"}, "ttl": {"equal:64", "not-equal:64", "less-than:9", "greater-than:63"},
		"ipv4-options": {"any", "none", "record-route", "no-record-route", "no-source-routing"},
		"fragment":     {"yes", "no"}, "content": {"open", "!open"}, "dscp": {"0", "!46"}, "src-mac-address": {"02:00:5E:00:00:01", "!02:00:5E:00:00:01"},
		"protocol": {"tcp", "udp", "icmp", "!tcp", "gre"}, "connection-state": {"new", "!new", "established,related", "invalid", "untracked", "!invalid,untracked"},
		"connection-nat-state": {"dstnat", "!dstnat"}, "disabled": {"no", "yes"},
		"dst-port": {"22", "!22", "20-30,80"}, "src-port": {"1024-65535", "!53"}, "port": {"22,53"}, "icmp-options": {"8:0", "!8:0"}, "tcp-flags": {"syn", "syn,!ack", "!syn"},
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if stateful := strings.HasPrefix(name, "connection-"); stateful && menu != routeros.Filter {
			continue
		}
		if rapid.IntRange(0, 9).Draw(t, name) == 0 {
			pairs = append(pairs, name, one(name, values[name]...))
		}
	}
	actions := map[routeros.Menu][]string{
		routeros.Raw:    {"accept", "drop", "notrack", "jump", "return", "passthrough", "add-src-to-address-list"},
		routeros.NAT:    {"accept", "jump", "return", "redirect", "dst-nat", "add-src-to-address-list", "masquerade"},
		routeros.Filter: {"accept", "drop", "reject", "tarpit", "jump", "return", "log", "passthrough", "fasttrack-connection", "add-src-to-address-list", "add-dst-to-address-list"},
	}[menu]
	action := one("action", actions...)
	pairs = append(pairs, "action", action)
	switch action {
	case "jump":
		target := map[string][]string{"x": {"y", "gone"}, "y": {"z"}, "z": {"gone"}}[chain]
		if target == nil {
			target = []string{"x", "y", "z"}
		}
		pairs = append(pairs, "jump-target", one("target", target...))
	case "redirect":
		pairs = append(pairs, "to-ports", one("port", "22", "80"))
	case "dst-nat":
		pairs = append(pairs, "to-addresses", one("to", "192.168.88.7", "192.168.88.7", "192.0.2.1"), "to-ports", one("port", "22", "80"))
	case "add-src-to-address-list", "add-dst-to-address-list":
		pairs = append(pairs, "address-list", one("list", "a", "b"), "address-list-timeout", one("timeout", "10s", "1m0s", "none-dynamic", "none-static"))
	}
	r := routeros.NewRule(pairs...)
	r.ID = fmt.Sprintf("*%X", id)
	return r
}

// TestAgainstNaive: both evaluators agree on tables, packets and lists that change while packets
// come.
func TestAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := routeros.Snapshot{
			Rules: map[routeros.Menu][]routeros.Rule{},
			Entries: map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
				{List: "p", Address: "10.0.0.4/30"}, {List: "a", Address: "10.0.0.2"}, {List: "b", Address: "10.0.0.1-10.0.0.3"}, {List: "b", Address: "10.0.0.9", Disabled: true},
			}},
			Interfaces:     []routeros.Interface{{Name: "ether1", Type: "ether"}, {Name: "bridge", Type: "bridge"}},
			InterfaceLists: []routeros.InterfaceList{{Name: "LAN"}, {Name: "WAN"}, {Name: "BOTH", Include: []string{"LAN", "WAN"}}, {Name: "ONLY", Include: []string{"BOTH"}, Exclude: []string{"WAN"}}},
			ListMembers:    []routeros.ListMember{{List: "LAN", Interface: "bridge"}, {List: "WAN", Interface: "ether1"}},
			Addresses:      []routeros.InterfaceAddress{{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Interface: "ether1"}, {Prefix: netip.MustParsePrefix("192.168.88.1/24"), Interface: "bridge"}},
		}
		id := 0
		for i, menu := range []routeros.Menu{routeros.Raw, routeros.NAT, routeros.Filter} {
			base := []string{"prerouting", "dstnat", "input"}[i]
			for range rapid.IntRange(0, 10).Draw(t, "rules") {
				id++
				chain := rapid.SampledFrom([]string{base, base, "x", "y", "z", map[bool]string{true: "forward", false: base}[menu == routeros.Filter]}).Draw(t, "chain")
				s.Rules[menu] = append(s.Rules[menu], naiveRule(t, menu, chain, id))
			}
		}
		world, lists, second := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon()), newNaive(s)
		at := noon()
		for range 12 {
			at = at.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "later")) * time.Second)
			p := naivePacket(t)
			fate := world.Input(p, lists, at)
			want := second.input(p, at)
			lists.Apply(fate.Additions, at)
			if fate.Verdict.String() != want {
				t.Fatalf("%+v: %s by %v, the naive one says %s by %s\n%s", p, fate.Verdict, fate.Rule, want, second.decided, tables(s))
			}
			if fate.Rule != nil && fate.Rule.ID != second.decided {
				t.Fatalf("%+v: %v decides, the naive one says %s\n%s", p, fate.Rule, second.decided, tables(s))
			}
			for _, list := range []string{"a", "b", "p"} {
				for last := range byte(12) {
					a := netip.AddrFrom4([4]byte{10, 0, 0, last})
					if lists.Contains(routeros.IPv4, list, a, at) != second.member(list, a) {
						t.Fatalf("%s in %s after %+v\n%s", a, list, p, tables(s))
					}
				}
			}
		}
	})
}

func naivePacket(t *rapid.T) firewall.Packet {
	p := firewall.Packet{
		Protocol: rapid.SampledFrom([]uint8{6, 6, 17, 1, 47}).Draw(t, "protocol"), Src: netip.AddrFrom4([4]byte{10, 0, 0, rapid.ByteRange(0, 11).Draw(t, "src")}),
		Dst:         netip.MustParseAddr(rapid.SampledFrom([]string{"192.0.2.1", "192.168.88.1"}).Draw(t, "dst")),
		InInterface: rapid.SampledFrom([]string{"ether1", "bridge"}).Draw(t, "in"), Size: rapid.SampledFrom([]int{60, 80, 81}).Draw(t, "size"),
		TTL: rapid.SampledFrom([]uint8{8, 64, 65}).Draw(t, "ttl"), DSCP: rapid.SampledFrom([]uint8{0, 46}).Draw(t, "dscp"),
		State: firewall.State(rapid.IntRange(0, 4).Draw(t, "state")), SrcMAC: rapid.SampledFrom([]string{"02:00:5E:00:00:01", "02:00:5E:00:00:02"}).Draw(t, "mac"),
		Options:  rapid.SampledFrom([]firewall.Options{0, 0, firewall.RecordRoute, firewall.LooseSource, firewall.RecordRoute | firewall.OtherOption}).Draw(t, "options"),
		Fragment: rapid.IntRange(0, 6).Draw(t, "fragment") == 0, Payload: []byte(rapid.SampledFrom([]string{"", "open sesame"}).Draw(t, "payload")),
	}
	switch p.Protocol {
	case 6, 17:
		p.SrcPort, p.DstPort = rapid.SampledFrom([]uint16{53, 1024}).Draw(t, "sport"), rapid.SampledFrom([]uint16{22, 25, 53, 80}).Draw(t, "dport")
	case 1:
		p.ICMPType = rapid.SampledFrom([]uint8{0, 8}).Draw(t, "type")
	}
	if p.Protocol == 6 {
		p.TCPFlags = rapid.SampledFrom([]firewall.Flags{firewall.SYN, firewall.ACK, firewall.SYN | firewall.ACK}).Draw(t, "flags")
	}
	return p
}

func tables(s routeros.Snapshot) string {
	var b strings.Builder
	for menu, rows := range s.Rules {
		for _, r := range rows {
			fmt.Fprintln(&b, menu, r.ID, r.Attrs)
		}
	}
	return b.String()
}
