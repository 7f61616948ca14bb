package firewall_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestStates: a ! negates the whole set of states, and what is not tracked is in no other state.
func TestStates(t *testing.T) {
	for value, want := range map[string][]firewall.State{
		"new":                  {firewall.New},
		"established,related":  {firewall.Established, firewall.Related},
		"!established,related": {firewall.New, firewall.Invalid, firewall.Untracked},
		"!invalid":             {firewall.New, firewall.Established, firewall.Related, firewall.Untracked},
		"untracked":            {firewall.Untracked},
	} {
		for state := firewall.New; state <= firewall.Untracked; state++ {
			p := syn()
			p.State = state
			got := input(t, "add chain=input action=drop connection-state="+value+"\n", p).Verdict == firewall.Drop
			if got != slices.Contains(want, state) {
				t.Errorf("%s on %s: %v", value, state, got)
			}
		}
	}
}

// TestNATStates: an untranslated connection is in none of the states; a translated one may be one
// of endpoint-independent NAT or not.
func TestNATStates(t *testing.T) {
	for _, test := range []struct {
		value    string
		src, dst bool
		want     string
	}{
		{"srcnat", false, false, "no"}, {"srcnat", true, false, "yes"}, {"srcnat", false, true, "no"},
		{"dstnat", false, true, "yes"}, {"srcnat,dstnat", false, true, "yes"}, {"!dstnat", false, true, "no"}, {"!dstnat", false, false, "yes"},
		{"ein-snat", false, false, "no"}, {"ein-snat", true, false, "open"}, {"ein-snat", false, true, "no"}, {"ein-dnat", false, true, "open"},
		{"!ein-dnat", false, true, "open"}, {"!ein-snat,ein-dnat", false, false, "yes"}, {"srcnat,ein-snat", true, false, "yes"},
	} {
		p := syn()
		p.SrcNAT, p.DstNAT = test.src, test.dst
		if got := answer(input(t, "add chain=input action=drop connection-nat-state="+test.value+"\n", p)); got != test.want {
			t.Errorf("%s with %v, %v: %s, want %s", test.value, test.src, test.dst, got, test.want)
		}
	}
}

// answer is what the only rule of a table, which drops, says of a packet.
func answer(f firewall.Disposition) string {
	switch {
	case len(f.Undecided) > 0:
		return "open"
	case f.Verdict == firewall.Drop:
		return "yes"
	}
	return "no"
}

func TestConnectionBytes(t *testing.T) {
	running := syn()
	running.State = firewall.Established
	for _, test := range []struct {
		value string
		p     firewall.Packet
		want  string
	}{
		{"1000-0", syn(), "no"}, {"0-1000", syn(), "yes"}, {"0-0", syn(), "yes"}, {"0-59", syn(), "open"}, {"60-0", syn(), "open"}, {"61-0", syn(), "no"},
		{"0-60", syn(), "yes"}, {"2000000-0", running, "open"},
	} {
		if got := answer(input(t, "add chain=input action=drop connection-bytes="+test.value+"\n", test.p)); got != test.want {
			t.Errorf("%s on %s: %s, want %s", test.value, test.p.State, got, test.want)
		}
	}
}

func TestMSS(t *testing.T) {
	for value, want := range map[string]string{"0-500": "no", "!0-500": "yes", "1460": "yes", "1300-1500": "yes", "!1460": "no"} {
		p := syn()
		p.MSS = 1460
		if got := answer(input(t, "add chain=input action=drop protocol=tcp tcp-mss="+value+"\n", p)); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}

// TestAddressTypes: of addresses that are not the router's own only the routing table knows whether
// they are unicast or blackholed.
func TestAddressTypes(t *testing.T) {
	for _, test := range []struct{ src, value, want string }{
		{"203.0.113.9", "unicast", "yes"}, {"203.0.113.9", "!local", "yes"}, {"203.0.113.9", "blackhole", "open"}, {"203.0.113.9", "!unreachable", "open"},
		{"203.0.113.9", "unicast,blackhole", "yes"}, {"203.0.113.9", "local,anycast", "open"},
		{"192.0.2.1", "local", "yes"}, {"192.0.2.1", "blackhole", "no"}, {"192.0.2.1", "local,prohibit", "yes"}, {"127.0.0.1", "local", "yes"},
		{"192.0.2.255", "broadcast", "yes"}, {"255.255.255.255", "broadcast", "yes"}, {"224.0.0.1", "multicast", "yes"}, {"224.0.0.1", "!multicast", "no"},
		{"0.0.0.0", "unicast", "open"}, {"0.0.0.0", "!local", "open"},
	} {
		p := syn()
		p.Src = netip.MustParseAddr(test.src)
		if got := answer(input(t, "add chain=input action=drop src-address-type="+test.value+"\n", p)); got != test.want {
			t.Errorf("%s on %s: %s, want %s", test.value, test.src, got, test.want)
		}
	}
}

// TestOutInterface: a packet for the router leaves by no interface.
func TestOutInterface(t *testing.T) {
	for matcher, want := range map[string]string{
		"out-interface=ether1": "no", "out-interface=!ether1": "yes", "out-interface-list=WAN": "no", "out-interface-list=!WAN": "yes",
		"out-interface=all-ethernet": "no", "out-interface=!all-ethernet": "yes", "out-interface-list=all": "no", "out-interface-list=none": "no",
	} {
		if got := answer(input(t, "add chain=input action=drop "+matcher+"\n", syn())); got != want {
			t.Errorf("%s: %s, want %s", matcher, got, want)
		}
	}
}

// TestOptions: a packet without options matches the negated kinds alone (routeros-facts § 15.1).
func TestOptions(t *testing.T) {
	for value, want := range map[string][]firewall.Options{ // of these packets
		"any": {firewall.RecordRoute, firewall.LooseSource, firewall.OtherOption}, "none": {0},
		"record-route": {firewall.RecordRoute}, "no-record-route": {0, firewall.LooseSource, firewall.OtherOption},
		"loose-source-routing": {firewall.LooseSource}, "no-source-routing": {0, firewall.RecordRoute, firewall.OtherOption}, "timestamp": nil,
	} {
		for _, o := range []firewall.Options{0, firewall.RecordRoute, firewall.LooseSource, firewall.OtherOption} {
			p := syn()
			p.Options = o
			got := answer(input(t, "add chain=input action=drop ipv4-options="+value+"\n", p))
			if wanted := slices.Contains(want, o); got != map[bool]string{true: "yes", false: "no"}[wanted] {
				t.Errorf("%s with the options %q: %s", value, o, got)
			}
		}
	}
}

// TestCounted: what psd and connection-limit do not count never matches, with a ! neither; of the
// others the packet does not tell (routeros-facts § 15.1).
func TestCounted(t *testing.T) {
	for _, test := range []struct {
		matcher string
		change  func(*firewall.Packet)
		want    string
	}{
		{"psd=21,3s,3,1", func(*firewall.Packet) {}, "open"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.TCPFlags = firewall.ACK }, "no"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.TCPFlags = firewall.RST }, "no"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.Fragment = true }, "no"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.Protocol = 17 }, "open"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.Protocol = 1 }, "no"},
		{"psd=21,3s,3,1", func(p *firewall.Packet) { p.Protocol = 132 }, "no"},
		{"connection-limit=10,32", func(*firewall.Packet) {}, "open"},
		{"connection-limit=!10,32", func(*firewall.Packet) {}, "open"},
		{"connection-limit=10,32", func(p *firewall.Packet) { p.State = firewall.Untracked }, "no"},
		{"connection-limit=!10,32", func(p *firewall.Packet) { p.State = firewall.Untracked }, "no"},
		{"connection-limit=!10,32", func(p *firewall.Packet) { p.State = firewall.Invalid }, "no"},
		{"limit=10/1m,5:packet", func(*firewall.Packet) {}, "open"},
		{"per-connection-classifier=src-address:2/0", func(*firewall.Packet) {}, "open"},
	} {
		p := syn()
		test.change(&p)
		if got := answer(input(t, "add chain=input action=drop "+test.matcher+"\n", p)); got != test.want {
			t.Errorf("%s on %s %s: %s, want %s", test.matcher, p.State, p, got, test.want)
		}
	}
}

// TestMadeByTheRouter: a packet that the router sends came in by no interface, so only a ! matches
// it (routeros-facts § 15.1).
func TestMadeByTheRouter(t *testing.T) {
	for matcher, want := range map[string]firewall.Verdict{
		"in-interface-list=WAN": firewall.Accept, "in-interface-list=!WAN": firewall.Drop, "in-interface-list=all": firewall.Accept, "in-interface-list=!all": firewall.Drop,
		"in-interface=ether1": firewall.Accept, "in-interface=!ether1": firewall.Drop, "in-interface=all-ethernet": firewall.Accept,
	} {
		w := firewall.NewFirewall(router(t, "add chain=output action=drop "+matcher+"\n"))
		if got := w.Walk(routeros.Filter, "output", syn(), nil, noon()).Verdict; got != want {
			t.Errorf("%s: %s, want %s", matcher, got, want)
		}
	}
}

// TestUnknownAction: what an action that nobody knows does is followed in all three ways, since it
// may let a stranger in. So is where a packet goes that is sent to one of several addresses, one of
// them the router's.
func TestUnknownAction(t *testing.T) {
	verdicts := func(rules string) []firewall.Verdict {
		s := router(t, rules)
		var out []firewall.Verdict
		for _, f := range firewall.NewFirewall(s).Dispositions(syn(), nil, noon()) {
			out = append(out, f.Verdict)
		}
		slices.Sort(out)
		return out
	}
	for rules, want := range map[string][]firewall.Verdict{
		"add chain=input action=teleport\nadd chain=input action=drop\n":                                                                                  {firewall.Accept, firewall.Drop, firewall.Drop},
		"add chain=input action=drop\n/ip firewall nat add chain=dstnat action=endpoint-independent-nat protocol=udp\n":                                   {firewall.Drop},
		"add chain=input action=drop\n/ip firewall nat add chain=dstnat action=endpoint-independent-nat\n":                                                {firewall.Drop, firewall.Forwarded},
		"add chain=input action=accept\n/ip firewall raw add chain=prerouting action=teleport\n":                                                          {firewall.Accept, firewall.Drop},
		"add chain=input action=add-src-to-address-list address-list=x address-list-timeout=soon\nadd chain=input action=accept\n":                        {firewall.Accept, firewall.Accept},
		"add chain=input action=drop\n/ip firewall nat add chain=dstnat action=netmap to-addresses=192.168.88.0/24\n":                                     {firewall.Drop, firewall.Forwarded},
		"add chain=input action=drop dst-address=192.168.88.1\n/ip firewall nat add chain=dstnat action=dst-nat to-addresses=192.168.88.1-192.168.88.2\n": {firewall.Drop, firewall.Forwarded},
		"add chain=input action=drop\n/ip firewall nat add chain=dstnat action=dst-nat to-addresses=192.168.88.2-192.168.88.9\n":                          {firewall.Forwarded},
		"add chain=input action=drop src-address-list=x\n/ip firewall nat add chain=srcnat action=masquerade\n":                                           {firewall.Accept},
		"add chain=input action=add-src-to-address-list address-list=x address-list-timeout=none-static\nadd chain=input action=drop":                     {firewall.Drop},
	} {
		if got := verdicts(rules + "\n"); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", rules, got, want)
		}
	}
}

// TestEntries: what becomes of entries that are there already (routeros-facts § 2.6, § 3).
func TestEntries(t *testing.T) {
	a := netip.MustParseAddr("203.0.113.9")
	timed := routeros.ListTimeout{Kind: routeros.Timed, For: time.Minute}
	forGood, tillReboot := routeros.ListTimeout{Kind: routeros.NoneStatic}, routeros.ListTimeout{}
	for name, test := range map[string]struct {
		there  []routeros.ListEntry
		adds   []routeros.ListTimeout
		inFive bool // whether it is there five minutes later
	}{
		"timed":                                 {nil, []routeros.ListTimeout{timed}, false},
		"till the reboot":                       {nil, []routeros.ListTimeout{tillReboot}, true},
		"for good":                              {nil, []routeros.ListTimeout{forGood}, true},
		"till the reboot, then timed":           {nil, []routeros.ListTimeout{tillReboot, timed}, false},
		"for good, then timed":                  {nil, []routeros.ListTimeout{forGood, timed}, true},
		"timed, then till the reboot":           {nil, []routeros.ListTimeout{timed, tillReboot}, true},
		"a dynamic one never becomes static":    {nil, []routeros.ListTimeout{timed, forGood, timed}, false},
		"a static one is left alone":            {[]routeros.ListEntry{{List: "x", Address: "203.0.113.9"}}, []routeros.ListTimeout{timed}, true},
		"a static /32 is the same":              {[]routeros.ListEntry{{List: "x", Address: "203.0.113.9/32"}}, []routeros.ListTimeout{timed}, true},
		"a disabled one is none":                {[]routeros.ListEntry{{List: "x", Address: "203.0.113.9", Disabled: true}}, []routeros.ListTimeout{timed}, false},
		"a prefix is another entry":             {[]routeros.ListEntry{{List: "x", Address: "203.0.113.0/24", Dynamic: true, Timed: true, Timeout: time.Second}}, []routeros.ListTimeout{timed}, false},
		"a name's address beside a timed entry": {[]routeros.ListEntry{{List: "x", Address: "203.0.113.9", Dynamic: true}, {List: "x", Address: "203.0.113.9", Dynamic: true, Timed: true, Timeout: time.Second}}, nil, true},
		"a timed entry beside a name's address": {[]routeros.ListEntry{{List: "x", Address: "203.0.113.9", Dynamic: true, Timed: true, Timeout: time.Second}, {List: "x", Address: "203.0.113.9", Dynamic: true}}, nil, true},
		"a name itself is no address":           {[]routeros.ListEntry{{List: "x", Address: "knock.example.com"}}, nil, false},
	} {
		m := firewall.NewAddressLists(routeros.Snapshot{Entries: map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: test.there}}, noon())
		for i, timeout := range test.adds {
			m.Apply([]firewall.Addition{{Family: routeros.IPv4, List: "x", Address: a, Timeout: timeout}}, noon().Add(time.Duration(i)*time.Second))
		}
		if got := m.Contains(routeros.IPv4, "x", a, noon().Add(5*time.Minute)); got != test.inFive {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestIPv6 has its own tables and lists; an address with a zone is the address.
func TestIPv6(t *testing.T) {
	s := router(t, "add chain=input action=drop\n")
	s.Rules[routeros.Filter6] = []routeros.Rule{
		routeros.NewRule("chain", "input", "action", "add-src-to-address-list", "address-list", "six", "protocol", "udp"),
		routeros.NewRule("chain", "input", "action", "drop", "src-address-list", "black"),
		routeros.NewRule("chain", "input", "action", "reject", "src-address", "fe80::1", "hop-limit", "equal:64"),
	}
	s.Rules[routeros.Raw6] = []routeros.Rule{routeros.NewRule("chain", "prerouting", "action", "drop", "dst-port", "23", "protocol", "tcp")}
	s.Entries[routeros.AddressList6] = []routeros.ListEntry{{List: "black", Address: "2001:db8:bad::/48"}}
	w, m := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
	fate := func(src string, change func(*firewall.Packet)) firewall.Disposition {
		p := syn()
		p.Src, p.Dst = netip.MustParseAddr(src), netip.MustParseAddr("2001:db8::1")
		change(&p)
		return w.Input(p, m, noon())
	}
	for _, test := range []struct {
		src  string
		port uint16
		want firewall.Verdict
	}{
		{"2001:db8::9", 22, firewall.Accept}, {"2001:db8:bad::9", 22, firewall.Drop}, {"2001:db8::9", 23, firewall.Drop},
		{"fe80::1", 22, firewall.Reject}, {"fe80::1%ether1", 22, firewall.Reject},
	} {
		if got := fate(test.src, func(p *firewall.Packet) { p.DstPort = test.port }); got.Verdict != test.want {
			t.Errorf("%s to %d: %s", test.src, test.port, got.Verdict)
		}
	}
	m.Apply(fate("2001:db8::9", func(p *firewall.Packet) { p.Protocol = 17 }).Additions, noon())
	if a := netip.MustParseAddr("2001:db8::9"); !m.Contains(routeros.IPv6, "six", a, noon()) || m.Contains(routeros.IPv4, "six", a, noon()) {
		t.Error("an IPv6 source is not in the IPv6 list")
	}
}

// TestDynamicRules count like others: the router's own counter row goes on, a hotspot's row is
// undecided.
func TestDynamicRules(t *testing.T) {
	s := router(t, "add chain=input action=drop\n")
	rows := s.Rules[routeros.Filter]
	dummy := routeros.Rule{Dynamic: true, Attrs: routeros.MakeAttributes("chain", "input", "action", "passthrough", "comment", "special dummy rule to show fasttrack counters")}
	s.Rules[routeros.Filter] = slices.Concat([]routeros.Rule{dummy}, rows)
	if fate := firewall.NewFirewall(s).Input(syn(), nil, noon()); fate.Verdict != firewall.Drop || len(fate.Undecided) > 0 {
		t.Errorf("behind the dummy: %s", fate.Verdict)
	}
	accepts := routeros.Rule{Dynamic: true, Attrs: routeros.MakeAttributes("chain", "input", "action", "accept")}
	s.Rules[routeros.Filter] = slices.Concat([]routeros.Rule{accepts}, rows)
	if fate := firewall.NewFirewall(s).Input(syn(), nil, noon()); fate.Verdict != firewall.Accept {
		t.Errorf("behind a dynamic accept: %s", fate.Verdict)
	}
}
