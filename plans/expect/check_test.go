package expect_test

import (
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func read(t interface {
	Helper()
	Fatal(args ...any)
}, text []byte, err error) routeros.Snapshot {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	return s
}

// one is a tests file with one test.
func one(keys string) string { return "version: 1\ntests:\n  - {name: t, " + keys + "}\n" }

// applied is a router after the apply of a plan.
func applied(t *testing.T, s routeros.Snapshot, p plans.Plan) routeros.Snapshot {
	t.Helper()
	rules, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := diff.Compute(s, rules, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	after, err := change.Rehearse(s, changes, len(changes.Steps))
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// TestCheck: what is expected of routers, and what comes of it.
func TestCheck(t *testing.T) {
	const head = `# by RouterOS 7.20
/interface list
add name=LAN
add name=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=198.51.100.9/24 interface=ether1
/ip firewall filter
add chain=input action=accept connection-state=established,related
`
	for _, test := range []struct{ name, rules, keys, outcome, got, packet string }{
		{"the default of a chain", "", "packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "failed", "accept", "tcp 203.0.113.9:51077 → 198.51.100.9:22 on ether1"},
		{"all but LAN", "add chain=input action=drop in-interface-list=!LAN", "packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "passed", "drop", ""},
		{"LAN", "add chain=input action=drop in-interface-list=!LAN", "from: LAN, reaches: [winbox, ssh], expect: accept", "passed", "accept", ""},
		{"strangers", "add chain=input action=drop in-interface-list=!LAN", "from: stranger, reaches: [winbox, ssh, wireguard, tcp/8443], expect: drop", "passed", "drop", ""},
		{"an interface without a list", "add chain=input action=drop in-interface-list=WAN", "from: stranger, reaches: [ssh], expect: drop", "failed", "accept", "tcp 93.77.77.77:51077 → 192.168.88.1:22 on any other interface, in no list"},
		{"a list that another joins", "add chain=input action=drop in-interface=ether1", "packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "failed", "accept", "tcp 203.0.113.9:51077 → 192.168.88.1:22 on any other interface in WAN"},
		{"the interface itself", "add chain=input action=drop in-interface=ether1", "packet: tcp 203.0.113.9 :22 in ether1, expect: drop", "passed", "drop", ""},
		{"one source port", "add chain=input action=accept protocol=tcp src-port=53\nadd chain=input action=drop", "packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "failed", "accept", "tcp 203.0.113.9:53 → 198.51.100.9:22 on ether1"},
		{"another source port", "add chain=input action=accept protocol=tcp src-port=53\nadd chain=input action=drop", "packet: 'tcp 203.0.113.9:54 :22 in WAN', expect: drop", "passed", "drop", ""},
		{"one of the sources", "add chain=input action=accept src-address=203.0.113.77\nadd chain=input action=drop", "packet: tcp 203.0.113.0/24 :22 in WAN, expect: drop", "failed", "accept", "tcp 203.0.113.77:51077 → 198.51.100.9:22 on ether1"},
		{"who is named is no stranger", "add chain=input action=accept src-address=203.0.113.77\nadd chain=input action=drop", "from: stranger, reaches: [ssh], expect: drop", "passed", "drop", ""},
		{"half of the internet is", "add chain=input action=accept src-address=0.0.0.0/1\nadd chain=input action=drop", "from: stranger, reaches: [ssh], expect: drop", "failed", "accept", "tcp 93.77.77.77:51077 → 198.51.100.9:22 on ether1"},
		{"anyone is everybody", "add chain=input action=accept src-address=203.0.113.77\nadd chain=input action=drop", "reaches: [ssh], expect: drop", "failed", "accept", "tcp 203.0.113.77:51077 → 192.168.88.1:22 on bridge"},
		{"rejected is not dropped", "add chain=input action=reject reject-with=tcp-reset protocol=tcp", "packet: tcp 203.0.113.9 :22, expect: drop", "failed", "reject", "tcp 203.0.113.9:51077 → 192.168.88.1:22 on bridge"},
		{"held is not dropped", "add chain=input action=tarpit protocol=tcp", "packet: tcp 203.0.113.9 :22 in WAN, expect: drop", "failed", "tarpit", "tcp 203.0.113.9:51077 → 198.51.100.9:22 on ether1"},
		{"rejected", "add chain=input action=reject reject-with=tcp-reset protocol=tcp", "packet: tcp 203.0.113.9 :22, expect: reject", "passed", "reject", ""},
		{"rejected does not get in", "add chain=input action=reject reject-with=tcp-reset protocol=tcp", "reaches: [ssh], expect: drop", "passed", "drop", ""},
		{"a limit", "add chain=input action=accept protocol=tcp dst-port=22 limit=5,5:packet\nadd chain=input action=drop", "packet: tcp 203.0.113.9 :22, expect: drop", "unknown", "accept", "tcp 203.0.113.9:51077 → 192.168.88.1:22 on bridge"},
		{"an established connection", "add chain=input action=drop", "packet: tcp 203.0.113.9 :22 state established, expect: accept", "passed", "accept", ""},
		{"a service that is off", "/ip service\nset telnet disabled=yes", "reaches: [telnet], expect: drop", "passed", "drop", ""},
		{"a service that is off, too", "/ip service\nset telnet disabled=yes", "reaches: [telnet], expect: accept", "failed", "off", ""},
		{"a service that answers some", "/ip service\nset ssh address=192.168.88.0/24", "from: stranger, reaches: [ssh], expect: drop", "passed", "drop", ""},
		{"a service that answers others", "/ip service\nset ssh address=192.168.88.0/24", "from: 10.0.0.0/8, reaches: [ssh], expect: accept", "failed", "not answered", "tcp 10.0.0.1:51077 → 192.168.88.1:22 on bridge"},
		{"a redirect", "add chain=input action=drop protocol=tcp dst-port=2222\n/ip firewall nat\nadd chain=dstnat action=redirect protocol=tcp dst-port=2222 to-ports=22 in-interface=ether1\n/ip firewall raw\nadd chain=prerouting action=drop protocol=tcp dst-port=22", "from: stranger, reaches: [ssh], expect: drop", "failed", "accept", "tcp 93.77.77.77:51077 → 198.51.100.9:2222 on ether1"},
		{"forwarded", "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=8443 to-addresses=192.168.88.10 to-ports=443", "packet: tcp stranger :8443, expect: forward", "passed", "forward", ""},
		{"forwarded is not dropped", "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=8443 to-addresses=192.168.88.10 to-ports=443", "packet: tcp stranger :8443, expect: drop", "failed", "forward", "tcp 93.77.77.77:51077 → 198.51.100.9:8443 on ether1"},
		{"pings", "add chain=input action=drop protocol=icmp packet-size=100", "packet: icmp 203.0.113.9, size: 100, expect: drop", "passed", "drop", ""},
		{"pings of another size", "add chain=input action=drop protocol=icmp packet-size=100", "packet: icmp 203.0.113.9, size: 99, expect: drop", "failed", "accept", "icmp 203.0.113.9 → 192.168.88.1 on bridge"},
		{"no such list", "", "from: LNA, reaches: [ssh], expect: drop", "unknown", "unknown", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cases, err := expect.Read("tests.yaml", []byte(one(test.keys)))
			if err != nil {
				t.Fatal(err)
			}
			r := expect.Check(cases, read(t, []byte(head+test.rules+"\n"), nil), nil)[0]
			packet := ""
			if r.Example != nil {
				packet = r.Example.Packet.String()
			}
			if string(r.Outcome) != test.outcome || r.Got != test.got || packet != test.packet {
				t.Errorf("%s, got %s: %s, %s", r.Outcome, r.Got, packet, r.Why)
			}
			if r.Outcome == expect.Unknown && r.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

// TestStarter: the tests that init writes hold once the plan of init is applied, and not before.
func TestStarter(t *testing.T) {
	var knock []plans.Stage
	for i, protocol := range []string{"tcp", "udp", "tcp", "udp", "tcp"} {
		knock = append(knock, plans.Stage{Protocol: protocol, Port: uint16(20000 + 777*i)})
	}
	p, err := plans.Read("office.yaml", plans.Starter("office", knock))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := expect.Read("tests.yaml", expect.Starter("office.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cases.Fits("tests.yaml", []plans.Plan{p}); err != nil || cases.Plan != "office.yaml" {
		t.Fatal(cases.Plan, err)
	}
	for _, name := range []string{"defconf.rsc", "defconf-7.24.rsc", "defconf-6.49.rsc"} {
		text, err := fixtures.Router(name)
		before := read(t, text, err)
		fails := 0
		for _, r := range expect.Check(cases, before, []plans.Plan{p}) {
			if !r.Holds() {
				fails++
			}
		}
		if fails == 0 {
			t.Errorf("%s: all hold before the apply", name)
		}
		for _, r := range expect.Check(cases, applied(t, before, p), []plans.Plan{p}) {
			if !r.Holds() {
				t.Errorf("%s: %s: %s, got %s, %s", name, r.Test.Name, r.Outcome, r.Got, r.Why)
				if r.Example != nil {
					t.Error(r.Example.Packet, r.Example.Target, r.Example.Fate.Verdict, r.Example.Lists)
				}
			}
		}
	}
}
