package space_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// readings are values of every matcher: such as the router keeps, at the ends of their ranges,
// beyond them, and such as nobody can read.
func readings() map[string][]string {
	return map[string][]string{
		"protocol":             {"tcp", "6", "icmp", "icmpv6", "47", "tpc", "256", "+6", "06"},
		"src-address":          {"10.0.0.0/8", "203.0.113.5", "203.0.113.9-203.0.113.5", "2001:db8::/32", "router.example.com"},
		"dst-address":          {"192.0.2.1", "192.168.88.0/24", "192.168.88.7-192.168.88.9", "2001:db8::1", "odd"},
		"src-address-list":     {"s", "a", "nobody"},
		"dst-address-list":     {"hosts", "far", "nobody"},
		"src-address-type":     {"local", "unicast", "blackhole", "broadcast,multicast", "local,odd"},
		"dst-address-type":     {"local", "unicast", "blackhole", "broadcast,multicast", "local,odd", "!local"},
		"src-port":             {"53", "1024-65535", "53,odd", "70000", "010"},
		"dst-port":             {"22", "22,8291", "8291-22", "ssh", "65536", "0-65535"},
		"port":                 {"53", "22,8291", "odd"},
		"in-interface":         {"ether1", "all-ethernet", "all-vlan", "nothing", "*F"},
		"out-interface":        {"bridge", "all-ethernet", "nothing", "*F"},
		"in-interface-list":    {"LAN", "all", "none", "unread", "*2000010"},
		"out-interface-list":   {"LAN", "all", "none", "unread", "*2000010"},
		"connection-state":     {"new", "untracked", "established,related", "odd", "untracked,odd", "!new", "established,!related"},
		"connection-nat-state": {"dstnat", "srcnat", "ein-dnat", "ein-snat,srcnat", "odd", "dstnat,odd", "srcnat,odd"},
		"connection-bytes":     {"0-1000", "1000-0", "0-59", "60-0", "0-0", "5", "30-odd", "100000-0"},
		"time":                 {"8h-18h,mon", "8h", "8h-18h,odd"},
		"tcp-flags":            {"syn", "syn,!ack", "!syn", "odd", "syn,odd", "!!syn"},
		"tcp-mss":              {"1460", "0-1300", "odd", "9-5"},
		"icmp-options":         {"8:0", "8", "3:0-3", "8:300", "8:0-300", "8:9-5", "echo", "256:0", "8:+0", "+8:0"},
		"packet-size":          {"60", "0-100", "65535", "70000", "60-70000", "70000-80000", "+60", "100-60", "-5", "odd"},
		"dscp":                 {"0", "63", "64", "+0", "odd"},
		"ttl":                  {"equal:64", "less-than:10", "greater-than:63", "not-equal:1", "64", "less-than:0", "greater-than:255", "equal:+64", "near:64", "equal:300", "equal:-1"},
		"hop-limit":            {"equal:64", "equal:+64"},
		"fragment":             {"yes", "no", "true", "in,ipsec", "in,none", "maybe"},
		"content":              {"abc", "a b"},
		"src-mac-address":      {"02:00:00:00:00:01", "02:00:00:00:00:0a", "02:00", "0:000:00:00:00:01", "::::::00000000001"[:17], "02-00-00-00-00-01"},
		"ipsec-policy":         {"in,ipsec", "in,none", "out,none", "yes", "no"},
		"ipv4-options":         {"none", "any", "router-alert", "no-timestamp", "another", "odd"},
		"limit":                {"5,5:packet"},
		"psd":                  {"21,3s,3,1"},
		"connection-limit":     {"10,32", "!10,32"},
		"layer7-protocol":      {"knock"},
		"connection-mark":      {"no-mark"},
		"address-list-timeout": {"1m", "odd"},
		"brand-new":            {"yes"},
	}
}

// unsettled are the other matchers that no packet settles; limit, layer7-protocol and
// connection-mark stand for them.
func unsettled() []string {
	return []string{
		"connection-rate", "connection-type", "dst-limit", "headers", "hotspot", "in-bridge-port", "in-bridge-port-list",
		"ingress-priority", "nth", "out-bridge-port", "out-bridge-port-list", "p2p", "packet-mark", "per-connection-classifier", "priority",
		"random", "realm", "routing-mark", "tls-host", "tos",
	}
}

// TestReadingsOfAll: every matcher of RouterOS's schema is among those that are read above, or
// stands for nothing that a packet settles.
func TestReadingsOfAll(t *testing.T) {
	files, err := filepath.Glob("../../../shared/routeros-schema/*-args-*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the lists of RouterOS's arguments are not here")
	}
	for _, file := range files {
		var schema struct {
			Verbs map[string]map[string]any `json:"verbs"`
		}
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &schema) != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if table, _, _ := strings.Cut(filepath.Base(file), "-args-"); !slices.Contains([]string{"filter", "ipv6-filter", "nat", "raw"}, table) {
			continue
		}
		for name := range schema.Verbs["add"] {
			c, matches, _ := firewall.ReadCondition(name, "yes")
			_, read := readings()[name]
			if matches && read == slices.Contains(unsettled(), name) || slices.Contains(unsettled(), name) && c.Test != nil {
				t.Errorf("%s: %s is read in a test: %v", filepath.Base(file), name, read)
			}
		}
	}
}

// arrivals are packets of all kinds that matter to some matcher.
func arrivals() []firewall.Packet {
	var out []firewall.Packet
	base := firewall.Packet{
		Protocol: 6, Src: netip.MustParseAddr("203.0.113.5"), SrcPort: 51077, DstPort: 22, InInterface: "ether1", Size: 60, TTL: 64,
		SrcMAC: "02:00:00:00:00:01", TCPFlags: firewall.SYN, MSS: 0,
	}
	for i, dst := range []string{"192.0.2.1", "192.168.88.1", "198.51.100.1", "192.0.2.255"} {
		for at, change := range []func(*firewall.Packet){
			func(*firewall.Packet) {},
			func(p *firewall.Packet) { p.Src, p.SrcPort = netip.MustParseAddr("10.1.0.9"), 53 }, // not tracked
			func(p *firewall.Packet) { p.DstPort = 8291 },
			func(p *firewall.Packet) { p.DstPort = 8080 }, // redirected
			func(p *firewall.Packet) { p.DstPort = 9001 }, // sent to a host
			func(p *firewall.Packet) { p.DstPort = 9002 }, // sent to one of several hosts
			func(p *firewall.Packet) { p.Protocol, p.TCPFlags, p.Size = 17, 0, 100 },
			func(p *firewall.Packet) {
				p.Protocol, p.TCPFlags, p.SrcPort, p.DstPort, p.ICMPType, p.Size = 1, 0, 0, 0, 8, 65535
			},
			func(p *firewall.Packet) {
				p.Protocol, p.TCPFlags, p.SrcPort, p.DstPort, p.ICMPType, p.ICMPCode = 1, 0, 0, 0, 9, 44
			},
			func(p *firewall.Packet) { p.Protocol, p.TCPFlags, p.SrcPort, p.DstPort, p.TTL = 47, 0, 0, 0, 1 },
			func(p *firewall.Packet) { p.Fragment, p.InInterface = true, "bridge" },
			func(p *firewall.Packet) {
				p.State, p.TCPFlags, p.Size, p.DSCP = firewall.Established, firewall.ACK, 1500, 63
			},
			func(p *firewall.Packet) { p.State, p.SrcMAC = firewall.Invalid, "02:00:00:00:00:0A" },
			func(p *firewall.Packet) { p.Payload, p.IPsec = []byte("xabcx"), true },
		} {
			if i > 1 && at > 0 {
				break // how they come there makes no difference any more
			}
			p := base
			p.Dst = netip.MustParseAddr(dst)
			change(&p)
			out = append(out, p)
		}
	}
	return out
}

// tried is a router whose input and forward drop by one matcher, and whose other rules bring
// packets there in every way: as they are, untracked, redirected, sent to a host and to one of
// several.
func tried(matcher, value string) routeros.Snapshot {
	s := routeros.Snapshot{
		Interfaces:     []routeros.Interface{{Name: "ether1", Type: "ether"}, {Name: "bridge", Type: "bridge"}, {Name: "wg1"}},
		InterfaceLists: []routeros.InterfaceList{{Name: "LAN"}},
		ListMembers:    []routeros.ListMember{{List: "LAN", Interface: "bridge"}},
		Addresses: []routeros.InterfaceAddress{
			{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Interface: "ether1"}, {Prefix: netip.MustParsePrefix("192.168.88.1/24"), Interface: "bridge"},
		},
		Entries: map[routeros.Menu][]routeros.ListEntry{routeros.IPv4.AddressList(): {
			routeros.ReadListEntry(routeros.MakeAttributes("list", "s", "address", "203.0.113.0/24", "dynamic", "false")),
			routeros.ReadListEntry(routeros.MakeAttributes("list", "hosts", "address", "192.168.88.0/28", "dynamic", "false")),
		}},
	}
	row := func(id string, pairs ...string) routeros.Rule {
		r := routeros.NewRule(pairs...)
		r.ID = id
		return r
	}
	action := []string{"action", "drop"}
	if matcher == "address-list-timeout" {
		action = []string{"action", "add-src-to-address-list", "address-list", "a"}
	}
	s.Rules = map[routeros.Menu][]routeros.Rule{
		routeros.Raw: {row("*1", "chain", "prerouting", "action", "notrack", "src-address", "10.1.0.9")},
		routeros.NAT: {
			row("*2", "chain", "dstnat", "action", "redirect", "protocol", "tcp", "dst-port", "8080", "to-ports", "22"),
			row("*3", "chain", "dstnat", "action", "dst-nat", "protocol", "tcp", "dst-port", "9001", "to-addresses", "192.168.88.9", "to-ports", "22"),
			row("*4", "chain", "dstnat", "action", "dst-nat", "protocol", "tcp", "dst-port", "9002", "to-addresses", "192.168.88.8-192.168.88.20"),
		},
		routeros.Filter: {
			row("*5", append([]string{"chain", "input", matcher, value}, action...)...),
			row("*6", append([]string{"chain", "forward", matcher, value}, action...)...),
			row("*7", "chain", "input", "action", "drop", "src-address-list", "a"),
		},
	}
	return s
}

// TestReadings: the sets read every value of every matcher as the evaluator does, whatever has
// become of the packet, and whatever is answered to what neither can read.
func TestReadings(t *testing.T) {
	packets := arrivals()
	for _, matcher := range slices.Sorted(maps.Keys(readings())) {
		for i, value := range readings()[matcher] {
			for _, sign := range []string{"", "!", "!!"} {
				if sign != "" && matcher == "address-list-timeout" || sign == "!!" && i > 0 {
					continue
				}
				s := tried(matcher, sign+value)
				classes := space.New(routeros.IPv4, space.Cuts{}, s)
				result := classes.Walk(s)
				for _, p := range packets {
					for _, answer := range []bool{false, true} {
						e := classes.Answered(space.Example{Packet: p}, func(string) bool { return answer })
						fate := classes.Replay(s, e)
						if in, on := classes.Holds(result.Accepted, e), classes.Holds(result.Forwarded, e); in != (fate.Verdict == firewall.Accept) || on != (fate.Verdict == firewall.Forwarded) {
							t.Errorf("%s=%s%s: the sets say %s, the evaluator %s of %s %s, state %s, size %d, answered %v",
								matcher, sign, value, strings.TrimSpace(map[bool]string{true: "accept "}[in]+map[bool]string{true: "forward"}[on]), fate.Verdict, p, p.Dst, p.State, p.Size, answer)
						}
					}
				}
			}
		}
	}
}

// TestNotIn: a list of which no rule asks makes no difference.
func TestNotIn(t *testing.T) {
	s := tried("src-address-list", "b")
	classes := space.New(routeros.IPv4, space.Cuts{}, s)
	if all := classes.All(); classes.NotIn(all, "never-asked-for") != all {
		t.Error("packets got lost")
	}
}
