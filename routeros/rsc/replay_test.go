package rsc_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// comments returns the comments of the filter table in order, an x behind those that are disabled.
func comments(s routeros.Snapshot) string {
	var out []string
	for _, r := range s.Rules[routeros.Filter] {
		text := r.Comment()
		if r.Disabled() {
			text += "x"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

const fourRules = `/ip firewall filter
add chain=input comment=a protocol=tcp
add chain=input comment=b log=yes
add chain=input comment=c
add chain=forward comment=d
`

func TestReplayOfRules(t *testing.T) {
	tests := []struct {
		name, text, want string
		skipped          bool
	}{
		{"remove by position, in any order, twice the same", "remove 3,0,3", "b c", false},
		{"remove the last two, backwards", "remove 3,2", "a b", false},
		{"remove by find", "remove [find chain=input]", "d", false},
		{"remove by find over spellings", "remove [find protocol=6]", "b c d", false},
		{"remove all", "remove [find]", "", false},
		{"remove by id", "remove *2", "a c d", false},
		{"remove what is not there", "remove 4", "a b c d", true},
		{"remove nothing named", "remove", "a b c d", true},
		{"move up", "move 3 1", "a d b c", false},
		{"move down: before the destination", "move 0 3", "b c a d", false},
		{"move to the end", "move 0", "b c d a", false},
		{"move a block in the order given", "move 2,0 destination=3", "b c a d", false},
		{"move by find before find", "move [find comment=d] [find comment=a]", "d a b c", false},
		{"move by numbers", "move numbers=*4 destination=*1", "d a b c", false},
		{"move before itself", "move 1 1", "a b c d", true},
		{"move before nothing", "move 1 9", "a b c d", true},
		{"disable, enable", "disable 0,1\nenable [find comment=a]", "a bx c d", false},
		{"set by numbers", "set numbers=2 disabled=yes", "a b cx d", false},
		{"set by numbers with find", "set numbers=[find comment=b] comment=e", "a e c d", false},
		{"unset by name", "unset 1 comment", "a  c d", false},
		{"unset by value-name", "unset 1 value-name=log,comment", "a  c d", false},
		{"set with !name", "set 0 !comment !protocol", " b c d", false},
		{"set with a word too many", "set 0 oops disabled=yes", "a b c d", true},
		{"comment", "comment 0 comment=e", "e b c d", false},
		{"comment without a name", "comment 0 \"e\"", "a b c d", true},
		{"add without a chain", "add action=drop", "a b c d", true},
		{"add with a bare word", "add chain=input disabled", "a b c d", true},
		{"add before a find with quotes in quotes", "set 2 comment=\"say \\\"c\\\"\"\nadd chain=input comment=e place-before=[find comment=\"say \\\"c\\\"\"]", "a b e say \"c\" d", false},
		{"add before nothing", "add chain=input place-before=[find comment=z]", "a b c d", true},
		{"a find that can't be decided", "remove [find comment~\"a\"]", "a b c d", true},
		{"two finds", "remove [find comment=a] [find comment=b]", "a b c d", true},
		{"a command that is not replayed", "reset-counters 0\nexport", "a b c d", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := rsc.Read([]byte(fourRules + test.text))
			s, skipped := e.Snapshot(rsc.Options{})
			if got := comments(s); got != test.want {
				t.Errorf("rules %q, want %q", got, test.want)
			}
			if all := len(skipped) + len(e.Skipped); all > 0 != test.skipped {
				t.Errorf("skipped %+v %+v", e.Skipped, skipped)
			}
		})
	}
}

func TestReplayOfEntries(t *testing.T) {
	const text = `/ip firewall address-list
add list=a address=192.0.2.1
add list=a address=192.0.2.2 comment=x
add list=b address=198.51.100.0/24
add list=b address=203.0.113.9 timeout=1d
`
	tests := []struct {
		name, text, want string
		skipped          bool
	}{
		{"as written", "", "*1 a 192.0.2.1,*2 a 192.0.2.2,*3 b 198.51.100.0/24,*4 b 203.0.113.9", false},
		{"remove by find", "remove [find list=a]", "*3 b 198.51.100.0/24,*4 b 203.0.113.9", false},
		{"remove the dynamic ones", "remove [find dynamic=yes]", "*1 a 192.0.2.1,*2 a 192.0.2.2,*3 b 198.51.100.0/24", false},
		{"set an address with host bits", "set [find comment=x] address=192.0.2.77/25", "*1 a 192.0.2.1,*2 a 192.0.2.0/25,*3 b 198.51.100.0/24,*4 b 203.0.113.9", false},
		{"set to one that is there", "set 1 address=192.0.2.1/32", "*1 a 192.0.2.1,*2 a 192.0.2.2,*3 b 198.51.100.0/24,*4 b 203.0.113.9", true},
		{"twice, when the first is off", "disable 0\nadd list=a address=192.0.2.1", "*1 a 192.0.2.1,*2 a 192.0.2.2,*3 b 198.51.100.0/24,*4 b 203.0.113.9,*5 a 192.0.2.1", false},
		{"enable into a clash", "disable 0\nadd list=a address=192.0.2.1\nenable 0", "*1 a 192.0.2.1,*2 a 192.0.2.2,*3 b 198.51.100.0/24,*4 b 203.0.113.9,*5 a 192.0.2.1", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, skipped := rsc.Read([]byte(text + test.text)).Snapshot(rsc.Options{})
			var got []string
			for _, e := range s.Entries[routeros.AddressList] {
				got = append(got, e.ID+" "+e.List+" "+e.Address)
			}
			if strings.Join(got, ",") != test.want || len(skipped) > 0 != test.skipped {
				t.Errorf("got %q, want %q, skipped %+v", got, test.want, skipped)
			}
		})
	}
}

func TestReplayOfServices(t *testing.T) {
	s, skipped := rsc.Read([]byte(`/ip service
set telnet,ftp disabled=yes
set [find name=ssh] port=2222
set ssh port=99999
set www disabled=perhaps
set www-ssl certificate=web address=192.0.2.0/24
unset www-ssl address
set gopher disabled=yes
`)).Snapshot(rsc.Options{})
	var off []string
	for _, row := range s.Services {
		if row.Disabled {
			off = append(off, row.Name)
		}
	}
	ssh, _ := s.Service("ssh")
	web, _ := s.Service("www-ssl")
	if !slices.Equal(off, []string{"telnet", "ftp", "www-ssl"}) || ssh.Port != 2222 || web.Certificate != "web" || len(web.From) > 0 {
		t.Errorf("services %+v", s.Services)
	}
	var lines []int
	for _, skip := range skipped {
		lines = append(lines, skip.Line)
	}
	if !slices.Equal(lines, []int{4, 5, 8}) {
		t.Errorf("skipped %+v, want lines 4, 5 and 8", skipped)
	}
}

// TestTablesOfVersions: which rule tables and services exist depends on the version (routeros-facts
// § 4, § 8).
func TestTablesOfVersions(t *testing.T) {
	tests := []struct {
		text     string
		tables   int
		services int
	}{
		{"# jan/02/2024 10:00:00 by RouterOS 6.49.13\n", 3, 8},
		{"# jan/02/2024 10:00:00 by RouterOS 6.49.13\n/ipv6 firewall filter add chain=input", 5, 8},
		{"# 2026-01-02 10:00:00 by RouterOS 7.20\n", 6, 8},
		{"# 2026-01-02 10:00:00 by RouterOS 7.24.1\n", 6, 9},
		{"", 6, 8},
	}
	for _, test := range tests {
		s, skipped := rsc.Read([]byte(test.text)).Snapshot(rsc.Options{})
		if len(s.Rules) != test.tables || len(s.Services) != test.services || len(skipped) > 0 {
			t.Errorf("%q: %d tables, %d services, skipped %+v", test.text, len(s.Rules), len(s.Services), skipped)
		}
	}
}

// TestScriptsStayAsTheyAre: escapes within a script body belong to the script.
func TestScriptsStayAsTheyAre(t *testing.T) {
	const body = `{:put "a\nb"; :log info "\$x"}`
	e := rsc.Read([]byte("/system script add name=x source=" + body))
	if len(e.Statements) != 1 || e.Statements[0].Attrs[1].Value != body {
		t.Errorf("%+v", e.Statements)
	}
}

// TestSnapshotLeavesTheExport: a replay reads the export and never changes it.
func TestSnapshotLeavesTheExport(t *testing.T) {
	e := rsc.Read([]byte(fourRules + "set 0 comment=e\nremove 1\nmove 2 0\n/ip firewall address-list\nadd list=a address=192.0.2.1\nset 0 list=b"))
	first, _ := e.Snapshot(rsc.Options{})
	second, _ := e.Snapshot(rsc.Options{})
	if first.Digest() != second.Digest() {
		t.Error("two replays of one export differ")
	}
}

// TestLinesAreBroken holds the lines of an export against the form that the router gives them.
func TestLinesAreBroken(t *testing.T) {
	long := strings.Repeat("a word ", 30)
	s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {
		routeros.NewRule("chain", "input", "action", "accept", "comment", "defconf: accept to local loopback (for CAPsMAN)", "dst-address", "127.0.0.1"),
		routeros.NewRule("chain", "input", "action", "drop", "comment", long),
	}}}
	text := string(rsc.Write(s))
	const want = "add action=accept chain=input comment=\\\n" +
		"    \"defconf: accept to local loopback (for CAPsMAN)\" dst-address=127.0.0.1\n"
	if !strings.Contains(text, want) {
		t.Errorf("not broken as the router does:\n%s\nwant:\n%s", text, want)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 79 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
	back, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
	if got := back.Rules[routeros.Filter][1].Comment(); got != long {
		t.Errorf("the long comment came back as %q", got)
	}
}

// TestWholeSnapshots: everything that an export carries survives being written and read.
func TestWholeSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nasty := rapid.OneOf(
			rapid.StringOfN(rapid.RuneFrom([]rune(`\"$?[]{}()=;# _n/0A,!*~`)), 0, 120, -1),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }),
		)
		s := routeros.Snapshot{Version: routeros.Version{Major: 7, Minor: 20}, Identity: nasty.Draw(t, "identity"), Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}}
		for _, f := range routeros.Families() {
			for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
				s.Rules[m] = []routeros.Rule{}
				for i := range rapid.IntRange(0, 3).Draw(t, "rules") {
					r := routeros.NewRule("chain", "input", "comment", nasty.Draw(t, "comment"), "log-prefix", nasty.Draw(t, "prefix"), "disabled", rapid.SampledFrom([]string{"yes", "no"}).Draw(t, "disabled"))
					r.ID = "*" + string(rune('1'+i))
					s.Rules[m] = append(s.Rules[m], r)
				}
			}
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "entries") {
			s.Entries[routeros.AddressList] = append(s.Entries[routeros.AddressList], routeros.ListEntry{
				ID: "*" + string(rune('1'+i)), List: "l" + nasty.Draw(t, "list"), Address: "192.0.2." + string(rune('1'+i)), Comment: nasty.Draw(t, "comment"),
			})
		}
		text := rsc.Write(s)
		back, skipped := rsc.Read(text).Snapshot(rsc.Options{})
		if len(skipped) > 0 {
			t.Fatalf("%+v\n%s", skipped, text)
		}
		back.Services = nil // a snapshot without services is no router; the factory's rows come back
		if back.Digest() != s.Digest() || back.Identity != s.Identity {
			t.Fatalf("got  %+v\nwant %+v\n%s", back, s, text)
		}
		if again := rsc.Write(back); !slices.Equal(text, again) {
			t.Fatalf("written twice:\n%s\n%s", text, again)
		}
	})
}
