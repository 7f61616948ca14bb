package rsc_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestUnread: what can't be read in a menu that decides who gets in is told with its line and menu;
// what can't be read elsewhere, or changes nothing, is not.
func TestUnread(t *testing.T) {
	filter := "/ip firewall filter\nadd action=accept chain=input connection-state=established\n"
	for _, test := range []struct {
		name, text string
		line       int
		menu       routeros.Menu
	}{
		{"a misspelt chain", filter + "add action=drop chian=input", 3, routeros.Filter},
		{"a misspelt matcher", filter + "add action=drop chain=input in-inteface=ether1", 3, routeros.Filter},
		{"a misspelt matcher that is set", filter + "set 0 connection-stat=new", 3, routeros.Filter},
		{"a misspelt command", filter + "dad action=drop chain=input", 3, "/ip/firewall/filter/dad"},
		{"a misspelt menu", "/ip firewall fliter\nadd action=drop chain=input", 2, "/ip/firewall/fliter"},
		{"no command", filter + "action=drop chain=input", 3, routeros.Filter},
		{"a variable", filter + "add action=drop chain=input dst-port=$port protocol=tcp", 3, routeros.Filter},
		{"a variable in quotes", filter + `add action=drop chain=input in-interface="$wan"`, 3, routeros.Filter},
		{"a part that is a variable", filter + "add action=drop chain=input src-address=10.0.$x.0/24", 3, routeros.Filter},
		{"an expression", filter + `add action=drop chain=input dst-port=($p->"one") protocol=tcp`, 3, routeros.Filter},
		{"a command as a value", filter + "add action=drop chain=input src-address=[/ip address get 0 address]", 3, routeros.Filter},
		{"a script around a row", filter + ":do { add action=drop chain=input } on-error={}", 3, routeros.Filter},
		{"a script around a row of a menu that it names", ":if (true) do={ /ip firewall filter add action=drop chain=input }", 1, routeros.Filter},
		{"the same with slashes", ":foreach i in=[/interface/find] do={/ip/firewall/raw/add action=drop chain=prerouting}", 1, routeros.Raw},
		{"braces", filter + "{ add action=drop chain=input }", 3, routeros.Filter},
		{"a loop in a section", filter + `:foreach p in={22;23} do={ add chain=input dst-port=$p protocol=tcp }`, 3, routeros.Filter},
		{"a quote that is never closed", filter + `add action=drop chain=input comment="their`, 3, routeros.Filter},
		{"a backslash within a name", filter + `add action=drop chain=input dst-p\ort=22`, 3, routeros.Filter},
		{"a backslash within a value", filter + `add action=drop chain=in\put`, 3, routeros.Filter},
		{"a backslash where a line was joined by hand", filter + `add action=drop \ chain=input`, 3, routeros.Filter},
		{"a blank behind the backslash", filter + "add action=drop \\ \n    chain=input", 3, routeros.Filter},
		{"a word of its own", filter + "add action=drop chain=input drop", 3, routeros.Filter},
		{"a rule before one that is not there", filter + "add action=drop chain=input place-before=7", 3, routeros.Filter},
		{"a change of a rule that is not there", filter + "set 7 disabled=yes", 3, routeros.Filter},
		{"a search that is no comparison", filter + "remove [ find comment~\"their\" ]", 3, routeros.Filter},
		{"nat", "/ip firewall nat\nadd chain=dstnat action=dst-nat to-addresses=$host", 2, routeros.NAT},
		{"raw of IPv6", "/ipv6 firewall raw\nadd chian=prerouting action=drop", 2, routeros.Raw6},
		{"a list", "/ip firewall address-list\nadd address=$host list=friends", 2, routeros.AddressList},
		{"a list of IPv6 without its name", "/ipv6 firewall address-list\nadd address=2001:db8::1", 2, routeros.AddressList6},
		{"a service", "/ip service\nset ssh port=$port", 2, routeros.ServiceMenu},
		{"an interface list", "/interface list member\nadd interface=$wan list=WAN", 2, routeros.ListMembers},

		{"a variable in a comment", filter + `add action=drop chain=input comment="for $name"`, 0, ""},
		{"an escaped dollar", filter + `add action=drop chain=input in-interface="a\$b"`, 0, ""},
		{"escapes of the router", filter + `add action=drop chain=input in-interface="a\20b\_c"`, 0, ""},
		{"a script that only sets a variable", filter + ":global port 22", 0, ""},
		{"a script about something else", filter[:0] + `:foreach i in=[/interface find] do={/queue simple add target=$i}`, 0, ""},
		{"the body of a script that is kept", "/system script\nadd name=x source=\"/ip firewall filter add chain=input dst-port=\\$p\"", 0, ""},
		{"an entry twice", "/ip firewall address-list\nadd address=10.0.0.1 list=a\nadd address=10.0.0.1 list=a", 0, ""},
		{"an entry that names nobody", "/ip firewall address-list\nadd list=ddos-attackers", 0, ""},
		{"a menu that is not followed", "/ip firewall mangle\nadd action=mark-packet chain=$x", 0, ""},
		{"another menu", "/queue simple\nadd max-limit=$limit", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, skipped := rsc.Read([]byte("# by RouterOS 7.20\n/interface bridge add name=bridge\n" + test.text)).Snapshot(rsc.Options{})
			if test.line == 0 {
				if len(s.Unread) > 0 {
					t.Errorf("%v", s.Unread)
				}
				return
			}
			if len(s.Unread) == 0 || s.Unread[0].Line != test.line+2 || s.Unread[0].Menu != test.menu || s.Unread[0].Why == "" {
				t.Errorf("unread %v, skipped %+v", s.Unread, skipped)
			}
		})
	}
}

// TestUnreadRow: whatever is broken in one row of a table, the table is either the one without the
// fault, or the row is told.
func TestUnreadRow(t *testing.T) {
	rows := []string{
		"add action=accept chain=input connection-state=established,related comment=\"defconf: a\"",
		"add action=accept chain=input dst-port=22,8291 in-interface-list=LAN protocol=tcp",
		"add action=jump chain=input jump-target=more src-address=!10.0.0.0/8",
		"add action=drop chain=input in-interface=ether1",
		"add action=drop chain=more src-address-list=bad",
	}
	breaks := []func(*rapid.T, string) string{
		func(rt *rapid.T, row string) string { // a backslash that makes no escape of what follows
			at := rapid.IntRange(0, len(row)-1).Filter(func(at int) bool { return !strings.ContainsRune(`nrt_abfv"0123456789ABCDEF`, rune(row[at])) }).Draw(rt, "at")
			return row[:at] + `\` + row[at:]
		},
		func(rt *rapid.T, row string) string { // a value becomes a variable
			fields := strings.Split(row, "=")
			at := rapid.IntRange(1, len(fields)-1).Draw(rt, "at")
			_, rest, more := strings.Cut(fields[at], " ")
			fields[at] = "$x"
			if more {
				fields[at] += " " + rest
			}
			return strings.Join(fields, "=")
		},
		func(_ *rapid.T, row string) string { return ":do { " + row + " } on-error={}" },
		func(rt *rapid.T, row string) string { // two letters of chain change places
			at := rapid.IntRange(0, 3).Draw(rt, "at")
			return strings.Replace(row, "chain=", "chain="[:at]+string("chain="[at+1])+string("chain="[at])+"chain="[at+2:], 1)
		},
	}
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(0, len(rows)-1).Draw(rt, "row")
		broken := slices.Clone(rows)
		broken[at] = rapid.SampledFrom(breaks).Draw(rt, "break")(rt, rows[at])
		whole, _ := rsc.Read([]byte("/ip firewall filter\n" + strings.Join(rows, "\n"))).Snapshot(rsc.Options{})
		got, _ := rsc.Read([]byte("/ip firewall filter\n" + strings.Join(broken, "\n"))).Snapshot(rsc.Options{})
		if len(got.Unread) > 0 && got.Unread[0].Line >= 2 {
			return
		}
		for i, rule := range whole.Rules[routeros.Filter] {
			if i >= len(got.Rules[routeros.Filter]) {
				rt.Fatalf("nothing is said of %q, and the table has %d rules", broken[at], i)
			}
			if other := got.Rules[routeros.Filter][i]; !other.Attrs.Without("comment").Equal(rule.Attrs.Without("comment")) {
				rt.Fatalf("nothing is said of %q, which is read as %v", broken[at], other.Attrs)
			}
		}
	})
}

// TestVersions: the version is found in headers that others wrote; the router's own counts first.
func TestVersions(t *testing.T) {
	for text, want := range map[string]string{
		"# jan/02/2026 10:00:00 by RouterOS 6.49.10":                         "6.49.10",
		"# 2026-01-02 10:00:00 by RouterOS 7.20":                             "7.20",
		"# RouterOS 6.48.2":                                                  "6.48.2",
		"# routeros v7.14.3 (stable)":                                        "7.14.3",
		"# RouterOS version: 7.16":                                           "7.16",
		"# version: 6.49.7 (long-term)":                                      "6.49.7",
		"# current version = 7.12":                                           "7.12",
		"# exported on 2026-01-02 from RouterOS 7.9":                         "7.9",
		"# RouterOS 6.48\n# 2026-01-02 10:00:00 by RouterOS 7.20":            "7.20",
		"# 2026-01-02 10:00:00 by RouterOS 7.20\n# RouterOS 6.48":            "7.20",
		"# by RouterOS -":                                                    "",
		"# model = RB750Gr3\n# serial number = 7.20":                         "",
		"# conversion: 7.20":                                                 "",
		"/ip firewall filter add chain=input comment=\"# by RouterOS 6.40\"": "",
	} {
		e := rsc.Read([]byte(text + "\n/ip firewall filter add chain=input\n"))
		got := ""
		if e.HasVersion {
			got = e.Version.String()
		}
		s, _ := e.Snapshot(rsc.Options{})
		if got != want || s.VersionAssumed != (want == "") {
			t.Errorf("%q: version %q, want %q, assumed %v", text, got, want, s.VersionAssumed)
		}
	}
}

// TestPartial: what an export shows is what stands in it.
func TestPartial(t *testing.T) {
	for text, want := range map[string]routeros.Menu{
		"/ip firewall filter add chain=input":                                        routeros.Filter,
		"/ip firewall filter add chain=input\n/ip firewall nat add chain=srcnat":     "/ip/firewall",
		"/ip firewall filter add chain=input\n/ip service set ssh port=2222":         "/ip",
		"/ip firewall filter add chain=input\n/interface bridge add name=bridge":     "",
		"/ip firewall filter add chain=input\n/ipv6 firewall filter add chain=input": "",
		"/system identity set name=r\n/ip firewall filter add chain=input":           "",
	} {
		if s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{}); s.Partial != want {
			t.Errorf("%q: %q, want %q", text, s.Partial, want)
		}
	}
}
