package firewall_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// notInTable are the arguments of add in the rule tables that the table of matchers does not know.
// One that is added to RouterOS's schema belongs into the table, or here, with the reason.
func notInTable() []string { return nil }

// TestSchema: every argument that add takes in a rule table is in the table of matchers, or among
// those that do not match, or in the list above.
func TestSchema(t *testing.T) {
	files, err := filepath.Glob("../../../shared/routeros-schema/*-args-*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the lists of RouterOS's arguments are not here")
	}
	seen := map[string]bool{}
	for _, file := range files {
		for _, name := range addArguments(t, file) {
			seen[name] = true
			if listed := slices.Contains(notInTable(), name); firewall.Known(name) == listed {
				t.Errorf("%s: %s: in the table is %v, in the list of those that are not %v", filepath.Base(file), name, !listed, listed)
			}
		}
	}
	if len(seen) < 70 {
		t.Errorf("only %d arguments were found: %q", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}

// addArguments reads the arguments of add in a rule table; other menus have none that matter here.
func addArguments(t *testing.T, file string) []string {
	t.Helper()
	table, _, _ := strings.Cut(filepath.Base(file), "-args-")
	if !slices.Contains([]string{"filter", "ipv6-filter", "nat", "raw"}, table) {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Verbs map[string]map[string]any `json:"verbs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil || len(schema.Verbs["add"]) == 0 {
		t.Fatalf("%s: %d arguments, %v", file, len(schema.Verbs["add"]), err)
	}
	return slices.Collect(maps.Keys(schema.Verbs["add"]))
}

// decidedValues has a value that can be decided for every decided matcher.
func decidedValues() map[string]string {
	return map[string]string{
		"protocol": "tcp", "src-address": "203.0.113.9", "dst-address": "192.0.2.1", "src-address-list": "black", "dst-address-list": "black",
		"src-address-type": "local", "dst-address-type": "local", "src-port": "22", "dst-port": "22", "port": "22",
		"in-interface": "ether1", "out-interface": "ether1", "in-interface-list": "WAN", "out-interface-list": "WAN",
		"connection-state": "new", "connection-nat-state": "dstnat", "connection-bytes": "1000-0", "time": "8h-18h",
		"tcp-flags": "syn", "tcp-mss": "0-1000", "icmp-options": "8:0", "packet-size": "60", "dscp": "0", "ttl": "equal:64", "hop-limit": "equal:64",
		"fragment": "no", "content": "x", "src-mac-address": "02:00:5E:00:00:01", "ipsec-policy": "in,none", "ipv4-options": "none",
	}
}

// TestDecided: the list of decided matchers and the tests that exist are the same.
func TestDecided(t *testing.T) {
	p := syn()
	p.MSS = 1460
	for name, value := range decidedValues() {
		if c, ok, err := firewall.ReadCondition(name, value); !ok || err != nil || c.Test == nil {
			t.Errorf("%s=%s: %+v, %v, %v", name, value, c, ok, err)
		}
		if fate := input(t, "add chain=input action=drop "+name+"="+value+"\n", p); len(fate.Undecided) > 0 {
			t.Errorf("%s=%s is undecided", name, value)
		}
	}
	for _, name := range []string{"colour", "src_address", "connection-stat", ""} {
		if c, ok, _ := firewall.ReadCondition(name, "yes"); firewall.Known(name) || !ok || c.Test != nil {
			t.Errorf("%q: known %v, %+v, %v", name, firewall.Known(name), c, ok)
		}
	}
}

// TestVoid: a rule that names an interface which is gone, or a port of a bridge, is passed over,
// with a ! too. A list that is gone is empty.
func TestVoid(t *testing.T) {
	for _, tt := range []struct {
		matcher, value string
		void           bool
		want           firewall.Verdict
	}{
		{"in-interface", "*4", true, firewall.Accept}, {"in-interface", "!*4", true, firewall.Accept},
		{"in-interface", "ether2", true, firewall.Accept}, {"in-interface", "!ether2", true, firewall.Accept},
		{"out-interface", "!ether2", true, firewall.Accept},
		{"in-interface", "ether1", false, firewall.Drop}, {"in-interface", "!ether1", false, firewall.Accept},
		{"in-interface-list", "*2000010", false, firewall.Accept}, {"in-interface-list", "!*2000010", false, firewall.Drop},
	} {
		rule := routeros.NewRule("chain", "input", "action", "drop", tt.matcher, tt.value)
		s := router(t, "")
		s.Interfaces = []routeros.Interface{{Name: "ether1", Type: "ether"}, {Name: "ether2", Type: "ether", Slave: true}, {Name: "bridge", Type: "bridge"}}
		s.Rules[routeros.Filter] = []routeros.Rule{rule}
		w, m := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
		fates := w.Dispositions(syn(), m, noon())
		if _, void := w.Void(firewall.Compile(&rule)); void != tt.void || len(fates) != 1 || fates[0].Verdict != tt.want {
			t.Errorf("%s: void %v, %d fates, %s", rule.Attrs, void, len(fates), fates[0].Verdict)
		}
	}
}

// TestUnreadable: a value that can't be read is undecided, with a ! as without, and so is one that
// means what no packet shows.
func TestUnreadable(t *testing.T) {
	for _, matcher := range [][2]string{
		{"protocol", "tpc"}, {"src-address", "router.example.com"}, {"dst-port", "ssh"}, {"dst-port", "9-5"}, {"src-address-type", "local,odd"},
		{"in-interface-list", "never-heard-of"},
		{"connection-state", "established,!related"}, {"connection-state", "odd"}, {"connection-nat-state", "odd"},
		{"connection-bytes", "5"}, {"connection-bytes", "30-0"}, {"time", "8h-18h,foo"}, {"time", "8h"}, {"time", "8h-8h"},
		{"tcp-flags", "odd"}, {"tcp-mss", "0-500"}, {"tcp-mss", "x"}, {"icmp-options", "echo"}, {"packet-size", "9-5"}, {"packet-size", "-5"}, {"packet-size", "+5"},
		{"ttl", "near:5"}, {"ttl", "equal:300"}, {"fragment", "maybe"}, {"src-mac-address", "02:00"}, {"src-mac-address", "02:00:5E:00:00:0G"},
		{"ipsec-policy", "out,none"}, {"ipv4-options", "odd"}, {"ipv4-options", "another"}, {"ipv4-options", "no-security"},
		{"headers", "none"}, {"headers", "hop:exact"}, {"tos", "16"}, {"p2p", "all-p2p"}, {"connection-mark", "no-mark"}, {"packet-mark", "no-mark"},
		{"in-bridge-port", "ether1"}, {"out-bridge-port-list", "WAN"}, {"connection-type", "ftp"}, {"connection-rate", "0-100k"}, {"realm", "5"},
		{"ingress-priority", "0"}, {"priority", "0"}, {"routing-mark", "main"}, {"brand-new-in-8.0", "yes"},
	} {
		for _, sign := range []string{"", "!"} {
			rule := routeros.NewRule("chain", "input", "action", "drop", matcher[0], sign+matcher[1])
			if matcher[0] == "connection-state" && sign == "!" && matcher[1] != "odd" {
				continue
			}
			s := router(t, "")
			s.Rules[routeros.Filter] = []routeros.Rule{rule}
			w, m := firewall.NewFirewall(s), firewall.NewAddressLists(s, noon())
			if fate := w.Input(syn(), m, noon()); fate.Verdict != firewall.Accept || len(fate.Undecided) != 1 {
				t.Errorf("%s: %s, %d undecided", rule.Attrs, fate.Verdict, len(fate.Undecided))
			}
			if fates := w.Dispositions(syn(), m, noon()); len(fates) != 2 {
				t.Errorf("%s: %d fates", rule.Attrs, len(fates))
			}
		}
	}
}

// TestAbsent: what a packet does not have matches neither as it is nor negated.
func TestAbsent(t *testing.T) {
	ping, fragment, fragmentOfPing := syn(), syn(), syn()
	ping.Protocol, ping.ICMPType = 1, 8
	fragment.Fragment = true
	fragmentOfPing.Protocol, fragmentOfPing.ICMPType, fragmentOfPing.Fragment = 1, 8, true
	for _, test := range []struct {
		matcher string
		packets []firewall.Packet
	}{
		{"src-port", []firewall.Packet{ping, fragment}},
		{"dst-port", []firewall.Packet{ping, fragment}},
		{"port", []firewall.Packet{ping, fragment}},
		{"tcp-mss", []firewall.Packet{ping, fragment}},
		{"icmp-options", []firewall.Packet{syn(), fragmentOfPing}},
	} {
		for _, p := range test.packets {
			for _, value := range []string{"0", "22", "8", "!0", "!22", "!8"} {
				fate := input(t, "add chain=input action=drop "+test.matcher+"="+value+"\n", p)
				if fate.Verdict != firewall.Accept || len(fate.Undecided) > 0 {
					t.Errorf("%s=%s on %s: %s, %d undecided", test.matcher, value, p, fate.Verdict, len(fate.Undecided))
				}
			}
		}
	}
	for _, flags := range []string{"syn", "!ack", "!syn"} {
		if fate := input(t, "add chain=input action=drop tcp-flags="+flags+"\n", fragment); fate.Verdict != firewall.Accept {
			t.Errorf("tcp-flags=%s on a later fragment: %s", flags, fate.Verdict)
		}
	}
	if got, want := fragment.String(), "tcp 203.0.113.9 → 192.0.2.1 on ether1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestICMPFamilies: ICMP's options are those of the packet's own family.
func TestICMPFamilies(t *testing.T) {
	six := syn()
	six.Src, six.Dst, six.Protocol, six.ICMPType = netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8::1"), 58, 128
	s := router(t, "")
	s.Rules[routeros.Filter6] = []routeros.Rule{routeros.NewRule("chain", "input", "action", "drop", "protocol", "icmpv6", "icmp-options", "128:0-255")}
	if fate := firewall.NewFirewall(s).Input(six, nil, noon()); fate.Verdict != firewall.Drop {
		t.Errorf("an echo request over IPv6: %s", fate.Verdict)
	}
	six.Protocol = 1
	if fate := firewall.NewFirewall(s).Input(six, nil, noon()); fate.Verdict != firewall.Accept {
		t.Errorf("IPv4's ICMP over IPv6: %s", fate.Verdict)
	}
}

// TestTime leaves open what is not known: the very second of the end, and whose day the hours
// behind midnight are.
func TestTime(t *testing.T) {
	for _, test := range []struct {
		value, at string // noon is a Monday
		want      string
	}{
		{"8h-18h", "Mon 07:59:59", "no"}, {"8h-18h", "Mon 08:00:00", "yes"}, {"8h-18h", "Mon 17:59:59", "yes"},
		{"8h-18h", "Mon 18:00:00", "open"}, {"8h-18h", "Mon 18:00:01", "no"},
		{"8h-18h,tue", "Mon 18:00:00", "no"}, {"8h-18h,mon", "Mon 12:00:00", "yes"}, {"8h-18h,tue,wed", "Mon 12:00:00", "no"},
		{"0s-1d,mon", "Mon 23:59:59", "yes"}, {"0s-1d,mon", "Mon 00:00:00", "yes"}, {"0s-1d,sun", "Mon 00:00:00", "no"},
		{"22h-4h", "Mon 22:00:00", "yes"}, {"22h-4h", "Mon 03:59:59", "yes"}, {"22h-4h", "Mon 04:00:00", "open"}, {"22h-4h", "Mon 04:00:01", "no"}, {"22h-4h", "Mon 21:59:59", "no"},
		{"22h-4h,mon", "Mon 23:00:00", "yes"}, {"22h-4h,tue", "Mon 23:00:00", "no"}, {"22h-4h,sun", "Mon 23:00:00", "no"},
		{"22h-4h,mon", "Mon 03:00:00", "open"}, {"22h-4h,sun", "Mon 03:00:00", "open"}, {"22h-4h,sun,mon", "Mon 03:00:00", "yes"},
		{"22h-4h,wed", "Mon 03:00:00", "no"}, {"22h-4h,wed", "Mon 04:00:00", "no"}, {"22h-4h,mon", "Mon 12:00:00", "no"},
	} {
		clock, err := time.Parse("Mon 15:04:05", test.at)
		if err != nil {
			t.Fatal(err)
		}
		at := noon().Add(clock.Sub(clock.Truncate(24*time.Hour)) - 12*time.Hour)
		s := router(t, "add chain=input action=drop time="+test.value+"\nadd chain=input action=accept time=!"+test.value+"\n")
		fate := firewall.NewFirewall(s).Input(syn(), nil, at)
		got := "no"
		switch {
		case len(fate.Undecided) > 0:
			got = "open"
		case fate.Verdict == firewall.Drop:
			got = "yes"
		case fate.Rule == nil:
			got = "neither"
		}
		if got != test.want {
			t.Errorf("%s at %s: %s, want %s", test.value, test.at, got, test.want)
		}
	}
}
