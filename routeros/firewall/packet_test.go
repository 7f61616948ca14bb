package firewall_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// noon is a Monday.
func noon() time.Time { return time.Date(2026, 9, 21, 12, 0, 0, 0, time.UTC) }

// router is a small one: ether1 outside, bridge inside, and the rules of a test.
func router(t testing.TB, rules string) routeros.Snapshot {
	t.Helper()
	s, skipped := rsc.Read([]byte(`# by RouterOS 7.20
/interface bridge add name=bridge
/interface pppoe-client add name=line
/interface list
add name=LAN
add name=WAN
add name=BOTH include=LAN,WAN
add name=ONLY include=BOTH exclude=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.0.2.1/24 interface=ether1
add address=192.168.88.1/24 interface=bridge
/ip firewall address-list
add list=black address=198.51.100.0/24
add list=hosts address=203.0.113.5
add list=off address=203.0.113.9 disabled=yes
/ip firewall filter
` + rules)).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatalf("%+v", skipped)
	}
	return s
}

// syn is a stranger's packet to ssh.
func syn() firewall.Packet {
	return firewall.Packet{
		Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 51000, DstPort: 22,
		InInterface: "ether1", Size: 60, TTL: 64, TCPFlags: firewall.SYN, State: firewall.New, SrcMAC: "02:00:5E:00:00:01", Payload: []byte("open sesame"),
	}
}

func input(t testing.TB, rules string, p firewall.Packet) firewall.Disposition {
	t.Helper()
	s := router(t, rules)
	return firewall.NewFirewall(s).Input(p, firewall.NewAddressLists(s, noon()), noon())
}

// TestMatchers: each matcher with a value that fits the packet and one that does not; a ! turns
// both round.
func TestMatchers(t *testing.T) {
	tests := []struct{ name, yes, no string }{
		{"protocol", "tcp", "udp"},
		{"protocol", "6", "17"},
		{"src-address", "203.0.113.9", "203.0.113.10"},
		{"src-address", "203.0.113.0/24", "198.51.100.0/24"},
		{"src-address", "203.0.113.1-203.0.113.9", "203.0.113.10-203.0.113.20"},
		{"dst-address", "192.0.2.1", "192.0.2.2"},
		{"src-address-list", "strangers", "black"},
		{"src-address-list", "strangers", "off"},
		{"dst-address-list", "ours", "black"},
		{"dst-address-type", "local", "broadcast,multicast"},
		{"src-address-type", "unicast", "local"},
		{"dst-port", "22", "23"},
		{"dst-port", "21,22,8000-8100", "8000-8100"},
		{"src-port", "50000-52000", "22"},
		{"port", "22", "23"},
		{"port", "51000", "23"},
		{"in-interface", "ether1", "bridge"},
		{"in-interface", "all-ethernet", "all-ppp"},
		{"in-interface-list", "WAN", "LAN"},
		{"in-interface-list", "BOTH", "ONLY"},
		{"in-interface-list", "all", "none"},
		{"in-interface-list", "static", "dynamic"},
		{"connection-state", "established,new", "established,related"},
		{"connection-nat-state", "", "srcnat"},
		{"packet-size", "60", "61"},
		{"packet-size", "0-100", "61-100"},
		{"ttl", "equal:64", "equal:63"},
		{"ttl", "less-than:65", "greater-than:64"},
		{"ttl", "not-equal:1", "not-equal:64"},
		{"dscp", "0", "46"},
		{"fragment", "no", "yes"},
		{"content", "sesame", "simsalabim"},
		{"src-mac-address", "02:00:5e:00:00:01", "02:00:5E:00:00:02"},
		{"ipsec-policy", "in,none", "in,ipsec"},
		{"time", "8h-18h,mon,tue", "8h-18h,sat,sun"},
		{"time", "11h-13h", "13h-14h"},
		{"time", "22h-13h", "22h-4h"},
	}
	for _, test := range tests {
		t.Run(test.name+"="+test.yes, func(t *testing.T) {
			drops := func(value string) bool {
				rule := fmt.Sprintf("add chain=input action=drop %s=%q\n", test.name, value)
				if !strings.Contains(rule, "protocol") {
					rule = strings.Replace(rule, "action", "protocol=tcp action", 1)
				}
				s := router(t, "add chain=input action=passthrough\n"+rule)
				s.Entries[routeros.AddressList] = append(s.Entries[routeros.AddressList], routeros.ListEntry{List: "strangers", Address: "203.0.113.0/24"}, routeros.ListEntry{List: "ours", Address: "192.0.2.1"})
				fate := firewall.NewFirewall(s).Input(syn(), firewall.NewAddressLists(s, noon()), noon())
				if len(fate.Undecided) > 0 {
					t.Errorf("%s is undecided", value)
				}
				return fate.Verdict == firewall.Drop
			}
			if test.yes != "" && (!drops(test.yes) || test.name != "time" && test.name != "ttl" && test.name != "ipsec-policy" && drops("!"+test.yes)) {
				t.Errorf("%s does not match as it should", test.yes)
			}
			if drops(test.no) {
				t.Errorf("%s matches", test.no)
			}
			if test.name != "time" && test.name != "ttl" && test.name != "ipsec-policy" && !drops("!"+test.no) {
				t.Errorf("!%s does not match", test.no)
			}
		})
	}
}

func TestTCPFlags(t *testing.T) {
	for value, want := range map[string]bool{"syn": true, "syn,!ack": true, "syn,ack": false, "!syn": false, "!fin,!syn,!rst,!ack": false, "!fin,!rst": true} {
		fate := input(t, "add chain=input action=drop protocol=tcp tcp-flags="+value+"\n", syn())
		if got := fate.Verdict == firewall.Drop; got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}

func TestICMP(t *testing.T) {
	ping := syn()
	ping.Protocol, ping.SrcPort, ping.DstPort, ping.ICMPType, ping.Size = 1, 0, 0, 8, 245
	for rule, want := range map[string]bool{
		"protocol=icmp icmp-options=8:0 packet-size=245": true,
		"protocol=icmp icmp-options=8:0-255":             true,
		"protocol=icmp icmp-options=8":                   true,
		"protocol=icmp icmp-options=8:1":                 false,
		"protocol=icmp icmp-options=0:0":                 false,
		"protocol=icmp packet-size=244":                  false,
		"protocol=tcp dst-port=0":                        false,
	} {
		if got := input(t, "add chain=input action=drop "+rule+"\n", ping).Verdict == firewall.Drop; got != want {
			t.Errorf("%s: %v", rule, got)
		}
	}
}

// TestUndecided: what the packet alone does not tell is followed both ways, and never taken for a
// no in silence.
func TestUndecided(t *testing.T) {
	for _, matcher := range []string{
		"limit=10/1m,5:packet", "dst-limit=1,5,src-address", "layer7-protocol=x", "random=50", "nth=2,1", "psd=21,3s,3,1", "connection-limit=10,32",
		"connection-mark=m", "packet-mark=m", "routing-mark=m", "hotspot=auth", "tls-host=x", "per-connection-classifier=src-address:2/0",
		"src-address-type=blackhole", "in-interface=all-wireless", "tcp-mss=0-500", "no-such-matcher=1", "src-address=*2000010",
	} {
		s := router(t, "add chain=input action=accept protocol=tcp\nadd chain=input action=drop\n")
		name, value, _ := strings.Cut(matcher, "=") // as a router shows it: in an export a name that no rule has is a mistake
		first := &s.Rules[routeros.Filter][0]
		first.Attrs = first.Attrs.With(name, value)
		w, lists, p := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon()), syn()
		if matcher == "in-interface=all-wireless" {
			p.InInterface = "unheard-of"
		}
		fates := w.Dispositions(p, lists, noon())
		if len(fates) != 2 || fates[0].Verdict != firewall.Drop || fates[1].Verdict != firewall.Accept || len(fates[0].Undecided) != 1 {
			t.Errorf("%s: %d fates %+v", matcher, len(fates), fates)
		}
		if got := w.Decide(p, lists, noon(), func(*routeros.Rule, []string) bool { return true }); got.Verdict != firewall.Accept {
			t.Errorf("%s: the oracle's yes was not heard", matcher)
		}
	}
}

// TestIncomplete: more open questions than are followed, and chains in circles, are said.
func TestIncomplete(t *testing.T) {
	many := strings.Repeat("add chain=input action=add-src-to-address-list address-list=x random=5\n", 12)
	s := router(t, "add chain=input action=accept limit=1,1\n"+many+"add chain=input action=drop\n")
	for _, f := range firewall.NewFirewall(s).Dispositions(syn(), firewall.NewAddressLists(s, noon()), noon()) {
		if !f.Incomplete {
			t.Fatal("a cut answer looks whole")
		}
	}
	circle := input(t, "add chain=input action=jump jump-target=a\nadd chain=a action=jump jump-target=a\nadd chain=a action=jump jump-target=a\nadd chain=input action=drop\n", syn())
	if !circle.Incomplete {
		t.Error("a circle of chains looks like a table")
	}
	harmless := router(t, strings.Repeat("add chain=input action=log limit=1,1\n", 40)+"add chain=input action=drop\n")
	if fates := firewall.NewFirewall(harmless).Dispositions(syn(), firewall.NewAddressLists(harmless, noon()), noon()); len(fates) != 1 || fates[0].Incomplete {
		t.Errorf("rules that only log make %d fates", len(fates))
	}
}

func TestActions(t *testing.T) {
	tests := map[string]struct {
		rules string
		want  firewall.Verdict
		by    string
	}{
		"the end of input accepts":         {"", firewall.Accept, ""},
		"drop":                             {"add chain=input action=drop comment=a", firewall.Drop, "a"},
		"reject":                           {"add chain=input action=reject comment=a", firewall.Reject, "a"},
		"tarpit":                           {"add chain=input action=tarpit protocol=tcp comment=a", firewall.Tarpit, "a"},
		"no action accepts":                {"add chain=input comment=a\nadd chain=input action=drop", firewall.Accept, "a"},
		"log goes on":                      {"add chain=input action=log\nadd chain=input action=drop comment=b", firewall.Drop, "b"},
		"fasttrack goes on":                {"add chain=input action=fasttrack-connection\nadd chain=input action=drop comment=b", firewall.Drop, "b"},
		"disabled counts for nothing":      {"add chain=input action=accept disabled=yes\nadd chain=input action=drop comment=b", firewall.Drop, "b"},
		"another chain counts for nothing": {"add chain=forward action=drop\nadd chain=other action=drop", firewall.Accept, ""},
		"a jump decides":                   {"add chain=input action=jump jump-target=c\nadd chain=c action=drop comment=in", firewall.Drop, "in"},
		"a chain that ends returns":        {"add chain=input action=jump jump-target=c\nadd chain=c action=drop protocol=udp\nadd chain=input action=drop comment=b", firewall.Drop, "b"},
		"return goes back":                 {"add chain=input action=jump jump-target=c\nadd chain=c action=return\nadd chain=c action=drop\nadd chain=input action=accept comment=b", firewall.Accept, "b"},
		"return in input ends it":          {"add chain=input action=return\nadd chain=input action=drop", firewall.Accept, ""},
		"a jump to nowhere returns":        {"add chain=input action=jump jump-target=nowhere\nadd chain=input action=drop comment=b", firewall.Drop, "b"},
		"an empty value is none":           {`add chain=input action=drop dst-address-type="" src-address-list="" comment=a`, firewall.Drop, "a"},
		"raw drops first":                  {"add chain=input action=accept\n/ip firewall raw add chain=prerouting action=drop comment=raw", firewall.Drop, "raw"},
		"notrack is untracked":             {"add chain=input action=drop connection-state=untracked comment=u\n/ip firewall raw add chain=prerouting action=notrack", firewall.Drop, "u"},
		"dst-nat leads away":               {"add chain=input action=accept\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 comment=nat", firewall.Forwarded, "nat"},
		"forward stops what leads away":    {"add chain=forward action=drop protocol=tcp dst-address=192.168.88.9 dst-port=2222 connection-nat-state=dstnat comment=f\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Drop, "f"},
		"forward lets it go":               {"add chain=forward action=accept dst-port=2222 protocol=tcp\nadd chain=forward action=drop\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Forwarded, "nat"},
		"forward looks at the new port":    {"add chain=forward action=drop protocol=tcp dst-port=22\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Forwarded, "nat"},
		"it is not for the router":         {"add chain=forward action=drop dst-address-type=local\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Forwarded, "nat"},
		"it leaves by its network":         {"add chain=forward action=reject out-interface=bridge comment=f\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Reject, "f"},
		"its time to live is another":      {"add chain=forward action=drop ttl=equal:64\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.9 to-ports=2222 comment=nat", firewall.Forwarded, "nat"},
		"what comes into input does not":   {"add chain=forward action=drop\nadd chain=input action=accept comment=in", firewall.Accept, "in"},
		"dst-nat to a port stays":          {"add chain=input action=drop protocol=tcp dst-port=2222 comment=b\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-ports=2222", firewall.Drop, "b"},
		"dst-nat to an own address stays":  {"add chain=input action=drop dst-address=192.168.88.1 comment=b\n/ip firewall nat add chain=dstnat action=dst-nat protocol=tcp dst-port=22 to-addresses=192.168.88.1", firewall.Drop, "b"},
		"redirect stays":                   {"add chain=input action=drop protocol=tcp dst-port=2222 comment=b\n/ip firewall nat add chain=dstnat action=redirect protocol=tcp dst-port=22 to-ports=2222-2223", firewall.Drop, "b"},
		"translated is what changes":       {"add chain=input action=drop connection-nat-state=dstnat comment=b\n/ip firewall nat add chain=dstnat action=redirect protocol=tcp to-ports=2222", firewall.Drop, "b"},
		"the same again is no translation": {"add chain=input action=drop connection-nat-state=!dstnat comment=b\n/ip firewall nat add chain=dstnat action=dst-nat to-addresses=192.0.2.1", firewall.Drop, "b"},
		"notrack meets no nat":             {"add chain=input action=drop comment=b\n/ip firewall raw add chain=prerouting action=notrack\n/ip firewall nat add chain=dstnat action=dst-nat to-addresses=192.168.88.9", firewall.Drop, "b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			fate := input(t, test.rules+"\n", syn())
			by := ""
			if fate.Rule != nil {
				by = fate.Rule.Comment()
			}
			if fate.Verdict != test.want || by != test.by {
				t.Errorf("%s by %q, want %s by %q", fate.Verdict, by, test.want, test.by)
			}
		})
	}
}

// TestRedirect: redirect sends a packet to the address of the interface that it came in on, a
// broadcast too, as the kernel does (see package lab).
func TestRedirect(t *testing.T) {
	const rules = "add chain=input action=drop dst-address=192.0.2.1 dst-address-type=local connection-nat-state=dstnat\n/ip firewall nat add chain=dstnat action=redirect\n"
	for _, dst := range []string{"192.168.88.1", "192.0.2.255"} {
		p := syn()
		p.Dst = netip.MustParseAddr(dst)
		if fate := input(t, rules, p); fate.Verdict != firewall.Drop {
			t.Errorf("%s: %s", p, fate.Verdict)
		}
	}
	if fate := input(t, rules, syn()); fate.Verdict != firewall.Accept {
		t.Error("what was on its way there anyway counts as translated")
	}
}

// TestSamePass: a list addition counts for later rules of the same packet. With equal matchers,
// stages in ascending order let one packet pass two; later stages first do not.
func TestSamePass(t *testing.T) {
	stage1 := "add chain=input action=add-src-to-address-list protocol=tcp dst-port=22 address-list=one address-list-timeout=10s\n"
	stage2 := "add chain=input action=add-src-to-address-list protocol=tcp dst-port=22 src-address-list=one address-list=two address-list-timeout=10s\n"
	if got := len(input(t, stage1+stage2, syn()).Additions); got != 2 {
		t.Errorf("ascending: %d stages with one packet", got)
	}
	if got := len(input(t, stage2+stage1, syn()).Additions); got != 1 {
		t.Errorf("later stages first: %d stages with one packet", got)
	}
}

func TestMemory(t *testing.T) {
	s := router(t, "")
	m := firewall.NewAddressLists(s, noon())
	a, net, host := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("203.0.113.5")
	has := func(list string, a netip.Addr, later time.Duration) bool {
		return m.Contains(routeros.IPv4, list, a, noon().Add(later))
	}
	if !has("black", net, 0) || !has("hosts", host, 0) || has("off", a, 0) || has("nowhere", a, 0) {
		t.Error("the snapshot's entries")
	}
	add := func(timeout routeros.ListTimeout, a netip.Addr, list string, later time.Duration) {
		m.Apply([]firewall.Addition{{Family: routeros.IPv4, List: list, Address: a, Timeout: timeout}}, noon().Add(later))
	}
	minute := routeros.ListTimeout{Kind: routeros.Timed, For: time.Minute}
	add(minute, a, "x", 0)
	if !has("x", a, 59*time.Second) || has("x", a, time.Minute) {
		t.Error("a timed entry ends with its time")
	}
	add(minute, a, "x", 30*time.Second)
	if !has("x", a, 89*time.Second) || has("x", a, 90*time.Second) {
		t.Error("a repeated hit starts the time anew")
	}
	add(minute, host, "hosts", 0)
	if !has("hosts", host, time.Hour) {
		t.Error("a static entry is left alone")
	}
	if m.Contains(routeros.IPv6, "x", a, noon()) {
		t.Error("the families' lists are apart")
	}
}

// TestManyRanges holds the index of ranges against a plain search.
func TestManyRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s routeros.Snapshot
		var ranges []routeros.AddressRange
		s.Entries = map[routeros.Menu][]routeros.ListEntry{}
		for range rapid.IntRange(0, 12).Draw(t, "n") {
			bits := rapid.IntRange(20, 32).Draw(t, "bits")
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 20).Draw(t, "b")), byte(rapid.IntRange(0, 255).Draw(t, "c"))}), bits).Masked()
			ranges = append(ranges, routeros.PrefixRange(p))
			s.Entries[routeros.AddressList] = append(s.Entries[routeros.AddressList], routeros.ListEntry{List: "l", Address: p.String()})
		}
		m := firewall.NewAddressLists(s, noon())
		a := netip.AddrFrom4([4]byte{10, 0, byte(rapid.IntRange(0, 24).Draw(t, "x")), byte(rapid.IntRange(0, 255).Draw(t, "y"))})
		want := slices.ContainsFunc(ranges, func(r routeros.AddressRange) bool { return r.Contains(a) })
		if got := m.Contains(routeros.IPv4, "l", a, noon()); got != want {
			t.Fatalf("%s: %v, want %v", a, got, want)
		}
	})
}

// TestInterfaceCircles: lists that include each other end, and quickly.
func TestInterfaceCircles(t *testing.T) {
	var s routeros.Snapshot
	names := strings.Fields("a b c d e f g h i j k l")
	for _, n := range names {
		s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{Name: n, Include: names})
	}
	s.ListMembers = []routeros.ListMember{{List: "c", Interface: "ether1"}}
	if w := firewall.NewFirewall(s); !w.InInterfaceList("ether1", "a") || w.InInterfaceList("ether2", "a") {
		t.Error("a member of one of them is in all")
	}
}

// TestDefaultConfiguration is MikroTik's own firewall.
func TestDefaultConfiguration(t *testing.T) {
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	w, lists := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
	check := func(what string, p firewall.Packet, want firewall.Verdict) {
		t.Helper()
		if got := w.Input(p, lists, noon()); got.Verdict != want {
			t.Errorf("%s: %s", what, got.Verdict)
		}
	}
	p := syn()
	check("a stranger", p, firewall.Drop)
	p.InInterface = "bridge"
	check("from inside", p, firewall.Accept)
	p = syn()
	p.State = firewall.Established
	check("established", p, firewall.Accept)
	p.State, p.InInterface = firewall.Invalid, "bridge"
	check("invalid", p, firewall.Drop)
	p = syn()
	p.Protocol, p.ICMPType = 1, 8
	check("a ping", p, firewall.Accept)
	six := syn()
	six.Src, six.Dst = netip.MustParseAddr("2a01:77::77"), netip.MustParseAddr("2001:db8::1")
	check("a stranger over IPv6", six, firewall.Drop)
	six.Protocol, six.DstPort = 17, 500
	check("IKE over IPv6, from anywhere", six, firewall.Accept)
	mapped := syn()
	mapped.Src = netip.MustParseAddr("::ffff:203.0.113.9")
	check("an IPv4 address in IPv6 clothes", mapped, firewall.Drop)
}

// TestTrace: the trail has every rule that was looked at, and what did not match.
func TestTrace(t *testing.T) {
	s := router(t, "add chain=input action=accept protocol=udp\nadd chain=input action=accept src-address-list=black\nadd chain=input action=drop\nadd chain=input action=accept\n")
	fate := firewall.NewFirewall(s).Trace(syn(), firewall.NewAddressLists(s, noon()), noon())
	var got []string
	for _, look := range fate.Trail {
		got = append(got, fmt.Sprintf("%d %v %s", look.Index, look.Matched, look.Failed))
	}
	if want := []string{"0 false protocol", "1 false src-address-list", "2 true "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// randomRule draws a rule of matchers that can be decided.
func randomRule(t *rapid.T) string {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	return "add chain=" + pick("chain", "input", "a", "b") + " action=" + pick("action", "accept", "drop", "return", "passthrough", "log", "jump jump-target=a", "jump jump-target=b",
		"add-src-to-address-list address-list=x address-list-timeout=1m") +
		pick("match", "", " protocol=tcp dst-port=22", " protocol=udp", " src-address-list=x", " src-address=203.0.113.0/24", " in-interface-list=!LAN", " connection-state=new", " limit=1,1") + "\n"
}

// TestProperties of every table: the plain answer is among all answers; a disabled rule is as good
// as none; a rule in a chain that nobody jumps to changes nothing.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rules []string
		for range rapid.IntRange(0, 8).Draw(t, "n") {
			rules = append(rules, randomRule(t))
		}
		run := func(rules []string) (firewall.Disposition, []firewall.Disposition) {
			s, _ := rsc.Read([]byte("/interface list add name=LAN\n/ip firewall filter\n" + strings.Join(rules, ""))).Snapshot(rsc.Options{})
			w, m := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
			return w.Input(syn(), m, noon()), w.Dispositions(syn(), m, noon())
		}
		plain, all := run(rules)
		if !slices.ContainsFunc(all, func(f firewall.Disposition) bool {
			return f.Verdict == plain.Verdict && len(f.Additions) == len(plain.Additions)
		}) {
			t.Fatalf("%s with %d additions is not among the fates", plain.Verdict, len(plain.Additions))
		}
		at := rapid.IntRange(0, len(rules)).Draw(t, "at")
		more := slices.Insert(slices.Clone(rules), at, strings.Replace(randomRule(t), "add ", "add disabled=yes ", 1), "add chain=nobody action=drop\n")
		if again, _ := run(more); again.Verdict != plain.Verdict || len(again.Additions) != len(plain.Additions) {
			t.Fatalf("%s became %s", plain.Verdict, again.Verdict)
		}
	})
}

func FuzzRule(f *testing.F) {
	f.Add("dst-port", "22", "time", "8h-18h,mon")
	f.Add("tcp-flags", "!", "src-address", "!")
	f.Add("icmp-options", ":", "packet-size", "-")
	f.Add("to-ports", "1-", "jump-target", "input")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		for _, action := range []string{"accept", "jump", "dst-nat", "add-src-to-address-list"} {
			rule := routeros.NewRule(name1, value1, name2, value2, "chain", "input", "action", action)
			s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule}, routeros.NAT: {rule}}}
			w := firewall.NewFirewall(s)
			if fates := w.Dispositions(syn(), &firewall.AddressLists{}, noon()); len(fates) == 0 {
				t.Error("no fate at all")
			}
		}
	})
}

func BenchmarkInput(b *testing.B) {
	for _, n := range []int{60, 300, 5000} {
		b.Run(fmt.Sprintf("%d rules", n), func(b *testing.B) {
			var rules strings.Builder
			for i := range n {
				fmt.Fprintf(&rules, "add chain=input action=accept protocol=tcp dst-port=%d src-address=198.51.100.%d\n", 1000+i, i%256)
			}
			s := router(b, rules.String())
			w, m := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
			b.ReportAllocs()
			for b.Loop() {
				w.Input(syn(), m, noon())
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func BenchmarkContains(b *testing.B) {
	s := routeros.Snapshot{Entries: map[routeros.Menu][]routeros.ListEntry{}}
	for i := range 50_000 {
		s.Entries[routeros.AddressList] = append(s.Entries[routeros.AddressList], routeros.ListEntry{List: "l", Address: fmt.Sprintf("%d.%d.%d.0/24", 1+i/65536, i/256%256, i%256)})
	}
	m := firewall.NewAddressLists(s, noon())
	for b.Loop() {
		m.Contains(routeros.IPv4, "l", syn().Src, noon())
	}
}
