package expect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestMistakes: all mistakes of a file at once, each with its place and a way out.
func TestMistakes(t *testing.T) {
	for _, test := range []struct{ keys, says string }{
		{"packet: tcp 203.0.113.9 :22, expects: drop", `unknown key "expects": did you mean "expect"`},
		{"packet: tcp 203.0.113.9 :22, expect: dropp", `did you mean "drop"`},
		{"packet: tcp 203.0.113.9, expect: drop", "needs a destination port"},
		{"packet: tpc any :22, expect: drop", "is no protocol"},
		{"packet: tcp any :22-21, expect: drop", "a range of ports"},
		{"packet: tcp any :22 state fresh, expect: drop", "choose new, established"},
		{"packet: tcp any 203.0.113.9 :22 in WAN, expect: drop", "three words"},
		{"expect: drop", `lacks the key "packet"`},
		{"packet: tcp any :22, reaches: [ssh], expect: drop", "packet and reaches"},
		{"reaches: [], expect: drop", "reaches is empty"},
		{"reaches: [shs], expect: drop", `did you mean "ssh"`},
		{"reaches: [tcp/0], expect: drop", "write ssh, tcp/8443"},
		{"reaches: [ssh], expect: reject", "expect is accept or drop in a test with reaches"},
		{"reaches: [ssh], from: 10.0.0.300, expect: drop", "neither an address nor a prefix"},
		{"reaches: [ssh], from: Stranger, expect: drop", `did you mean "stranger"`},
		{"reaches: [ssh], from: LAN, in: WAN, expect: drop", "from and in both"},
		{"reaches: [ssh], from: LAN, after: {knock: admin}, expect: drop", "one source"},
		{"packet: tcp any :22, after: {knock: admin}, expect: drop", "one source"},
		{"packet: tcp 203.0.113.9 :22 in WAN, in: LAN, expect: drop", "leave in out"},
		{"packet: tcp 203.0.113.9 :22, from: LAN, expect: drop", "leave from out"},
		{"packet: tcp 203.0.113.9 :22, family: ipv6, expect: drop", "the other family"},
	} {
		_, err := expect.Read("tests.yaml", []byte(one(test.keys)))
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.HasPrefix(err.Error(), "tests.yaml:3:") {
			t.Errorf("%s: %v", test.keys, err)
		}
	}
	_, err := expect.Read("tests.yaml", []byte("version: 1\ntests:\n  - {name: t, reaches: [ssh], expect: drop}\n  - {name: t, reaches: [shs], expect: drop}\n"))
	problems, _ := errors.AsType[form.Problems](err)
	if len(problems) != 2 || !strings.Contains(err.Error(), "already in line 3") {
		t.Error(err)
	}
}

// TestPackets: the words of trace, with sides that may be open.
func TestPackets(t *testing.T) {
	for text, want := range map[string]expect.Test{
		"tcp 203.0.113.9 :22 in WAN":          {From: expect.Source{Kind: expect.Addresses}, In: "WAN", Family: routeros.IPv4, Targets: []expect.Target{{Ports: routeros.PortRange{First: 22, Last: 22}}}},
		"tcp any :1-1023 state established":   {State: firewall.Established, Targets: []expect.Target{{Ports: routeros.PortRange{First: 1, Last: 1023}}}},
		"udp '2001:db8::/32' :500":            {From: expect.Source{Kind: expect.Addresses}, Family: routeros.IPv6, Targets: []expect.Target{{Ports: routeros.PortRange{First: 500, Last: 500}}}},
		"tcp any '[2001:db8::1]:22'":          {Family: routeros.IPv6, Targets: []expect.Target{{Ports: routeros.PortRange{First: 22, Last: 22}}}},
		"tcp 203.0.113.9:53 192.0.2.1:22":     {From: expect.Source{Kind: expect.Addresses, Port: 53}, Family: routeros.IPv4, Targets: []expect.Target{{Ports: routeros.PortRange{First: 22, Last: 22}}}},
		"icmp stranger in WAN state new":      {From: expect.Source{Kind: expect.Stranger}, In: "WAN", Targets: []expect.Target{{}}},
		"tcp 10.0.0.1-10.0.0.9 :22 in ether1": {From: expect.Source{Kind: expect.Addresses}, In: "ether1", Family: routeros.IPv4, Targets: []expect.Target{{Ports: routeros.PortRange{First: 22, Last: 22}}}},
	} {
		cases, err := expect.Read("tests.yaml", []byte(one(`packet: "`+strings.ReplaceAll(text, "'", "")+`", expect: drop`)))
		if err != nil {
			t.Error(text, err)
			continue
		}
		got := cases.Tests[0]
		if got.From.Kind != want.From.Kind || got.From.Port != want.From.Port || got.In != want.In || got.Family != want.Family || got.State != want.State || got.Targets[0].Ports != want.Targets[0].Ports {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// TestFits: a door that no plan has is a mistake of the file.
func TestFits(t *testing.T) {
	cases, err := expect.Read("tests.yaml", []byte(one("from: stranger, reaches: [ssh], after: {knock: admn}, expect: accept")))
	if err != nil || !cases.NeedsPlan() {
		t.Fatal(err)
	}
	if err := cases.Fits("tests.yaml", []plans.Plan{{Doors: []plans.Door{{Name: "admin"}}}}); err == nil || !strings.Contains(err.Error(), `tests.yaml:3:1: test "t": no plan has a door "admn": did you mean "admin"?`) {
		t.Error(err)
	}
}

// FuzzTests: whatever a file holds, it is read or refused, and what was read can be checked.
func FuzzTests(f *testing.F) {
	f.Add(string(expect.Starter("a.yaml")))
	for _, keys := range []string{"packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "packet: 'tcp any [2001:db8::1]:22-23 state new in LAN', expect: accept", "from: 10.0.0.0/8, reaches: [ssh, icmp, pptp], expect: accept",
		"packet: 47 any, size: 20, expect: forward", "packet: icmpv6 any, family: ipv4, expect: reject"} {
		f.Add(one(keys))
	}
	s := read(f, []byte(sides+"/ip firewall filter\nadd chain=input action=drop in-interface-list=!LAN\n"), nil)
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := expect.Read("tests.yaml", []byte(text))
		if err != nil && len(cases.Tests) > 0 {
			t.Error("tests beside an error")
		}
		if len(cases.Tests) > 8 {
			return
		}
		for i, r := range expect.Check(cases, s, nil) {
			if r.Test.Name != cases.Tests[i].Name || r.Outcome == expect.Unknown && r.Why == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}
