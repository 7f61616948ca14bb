package rsc_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		want       []rsc.Statement
	}{
		{"a section", "/ip firewall filter\nadd chain=input action=drop\n", []rsc.Statement{
			{Line: 2, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input", "action", "drop")},
		}},
		{"one line, version 6 and 7", "/ip firewall filter add chain=input\n/ip/firewall/filter/add chain=input\n/ip/firewall/filter add chain=input", []rsc.Statement{
			{Line: 1, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input")},
			{Line: 2, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input")},
			{Line: 3, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input")},
		}},
		{"a menu below the section", "/ip firewall\nfilter add chain=input\nnat\nadd chain=srcnat", []rsc.Statement{
			{Line: 2, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input")},
			{Line: 4, Menu: routeros.NAT, Verb: "add", Attrs: pairs("chain", "srcnat")},
		}},
		{"continued within a word, between words, within quotes, CRLF and BOM",
			"\xef\xbb\xbf/ip firewall filter\r\nadd chain=in\\\r\n    put src-address=\\\r\n    192.0.2.1 \\\r\n    comment=\"two wo\\\r\n    rds\"\r\n", []rsc.Statement{
				{Line: 2, Menu: routeros.Filter, Verb: "add", Attrs: pairs("chain", "input", "src-address", "192.0.2.1", "comment", "two words")},
			}},
		{"escapes", `/ip firewall filter add comment="a \"b\" \\ \$ \?\_\E9\0D\n" chain=input`, []rsc.Statement{
			{Line: 1, Menu: routeros.Filter, Verb: "add", Attrs: pairs("comment", "a \"b\" \\ $ ? \xe9\r\n", "chain", "input")},
		}},
		{"selectors", "/ip service\nset ftp disabled=yes\n/interface ethernet\nset [ find default-name=ether1 ] name=wan !mtu\n", []rsc.Statement{
			{Line: 2, Menu: routeros.ServiceMenu, Verb: "set", Target: "ftp", Attrs: pairs("disabled", "yes")},
			{Line: 4, Menu: "/interface/ethernet", Verb: "set", HasFind: true, Find: pairs("default-name", "ether1"), Attrs: pairs("name", "wan"), Unset: []string{"mtu"}},
		}},
		{"a script body is left alone", "/system script\nadd name=x source={\n/ip firewall filter add chain=input;\n:put \"}\"\n}\n/ip service\nset ftp port=2121", []rsc.Statement{
			{Line: 2, Menu: "/system/script", Verb: "add", Attrs: pairs("name", "x", "source", "{\n/ip firewall filter add chain=input;\n:put \"}\"\n}")},
			{Line: 7, Menu: routeros.ServiceMenu, Verb: "set", Target: "ftp", Attrs: pairs("port", "2121")},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := rsc.Read([]byte(test.text))
			if !slices.EqualFunc(e.Statements, test.want, sameStatement) || len(e.Skipped) > 0 {
				t.Errorf("got  %+v\nwant %+v\nskipped %+v", e.Statements, test.want, e.Skipped)
			}
		})
	}
}

func pairs(words ...string) []routeros.Attribute { return routeros.NewCommand("", words...).Attrs }

func sameStatement(a, b rsc.Statement) bool {
	return a.Line == b.Line && a.Menu == b.Menu && a.Verb == b.Verb && a.Target == b.Target && a.HasFind == b.HasFind &&
		slices.Equal(a.Find, b.Find) && slices.Equal(a.Attrs, b.Attrs) && slices.Equal(a.Unset, b.Unset)
}

func TestSkipped(t *testing.T) {
	e := rsc.Read([]byte("# 2026-01-02 by RouterOS 7.18.2\n# model = RB5009\n:local x 1\n/ip firewall filter\n  chain=input action=drop\nadd chain=input comment=\"open\nadd chain=input\nset [:pick 1] x=y\n"))
	if e.Version.String() != "7.18.2" || e.Model != "RB5009" {
		t.Errorf("header: %v %q", e.Version, e.Model)
	}
	var lines []int
	for _, s := range e.Skipped {
		lines = append(lines, s.Line)
		if s.Why == "" {
			t.Errorf("line %d is skipped without a reason", s.Line)
		}
	}
	if !slices.Equal(lines, []int{3, 5, 6, 8}) || len(e.Statements) != 1 || e.Statements[0].Line != 7 {
		t.Errorf("skipped %+v, read %+v", e.Skipped, e.Statements)
	}
}

func TestSnapshot(t *testing.T) {
	const text = `# by RouterOS 7.20
/interface bridge add name=bridge
/interface ethernet set [ find default-name=ether1 ] name=wan
/interface list
add name=LAN
add name=ALL include=LAN,WAN exclude=GUEST
/interface list member
add interface=bridge list=LAN
/ip address
add address=192.168.88.1/24 interface=bridge
/ip firewall address-list
add list=a address=192.0.2.0/24
add list=a address=192.0.2.7/24
/ip firewall filter
add chain=input action=drop comment=last
add chain=input action=accept place-before=0 comment=first
add chain=input action=accept protocol=icmp place-before=[find comment=last]
set [find comment=last] disabled=yes
/ip service
set ftp disabled=yes
set winbox address=192.168.88.0/24,2001:db8::/32 port=8292
/system identity
set name=r1
`
	s, skipped := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
	var order []string
	for _, r := range s.Rules[routeros.Filter] {
		order = append(order, r.ID+" "+r.Action()+" "+r.Comment())
	}
	if want := []string{"*2 accept first", "*3 accept ", "*1 drop last"}; !slices.Equal(order, want) {
		t.Errorf("rules %q, want %q", order, want)
	}
	if !s.Rules[routeros.Filter][2].Disabled() {
		t.Error("set [find] did not reach the rule")
	}
	ftp, _ := s.Service("ftp")
	winbox, _ := s.Service("winbox")
	if !ftp.Disabled || winbox.Port != 8292 || len(winbox.From) != 2 {
		t.Errorf("services: %+v %+v", ftp, winbox)
	}
	if len(skipped) != 1 || skipped[0].Line != 13 {
		t.Errorf("skipped %+v, want the second address of the list, which is the first again", skipped)
	}
	if s.Identity != "r1" || len(s.Interfaces) != 2 || len(s.Addresses) != 1 || !s.HasInterfaceList("ALL") {
		t.Errorf("%+v", s)
	}
}

// TestCorpus reads every real export that is at hand: each firewall statement ends in the snapshot
// or in the report.
func TestCorpus(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no real exports beside the repository")
	}
	rules, skips := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := rsc.Read(data)
		s, skipped := e.Snapshot(rsc.Options{})
		added, kept, dropped := 0, 0, 0
		for _, st := range e.Statements {
			if st.Menu.IsRuleTable() && st.Verb == "add" {
				added++
			}
		}
		for _, rows := range s.Rules {
			kept += len(rows)
		}
		for _, skip := range append(skipped, e.Skipped...) {
			if skip.Line == 0 || skip.Why == "" {
				t.Errorf("%s: %+v", file, skip)
			}
			if strings.Contains(skip.Text, "firewall") && strings.Contains(skip.Text, " add") {
				dropped++
			}
		}
		if added > kept+dropped {
			t.Errorf("%s: %d rules, %d kept, %d reported", file, added, kept, dropped)
		}
		rules, skips = rules+kept, skips+len(e.Skipped)+len(skipped)
	}
	t.Logf("%d exports: %d rules read, %d pieces skipped and reported", len(files), rules, skips)
}

// TestWriteRead: what is written reads back as it was, whatever bytes the comments hold.
func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := routeros.Snapshot{Version: routeros.Version{Major: 7, Minor: 20}, Identity: "r"}
		s.Rules = map[routeros.Menu][]routeros.Rule{}
		text := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) })
		for range rapid.IntRange(0, 5).Draw(t, "rules") {
			s.Rules[routeros.Filter] = append(s.Rules[routeros.Filter], routeros.NewRule("chain", "input", "action", "drop",
				"comment", text.Draw(t, "comment"), "content", text.Draw(t, "content")))
		}
		back, skipped := rsc.Read(rsc.Write(s)).Snapshot(rsc.Options{})
		if len(skipped) > 0 {
			t.Fatalf("%+v\n%s", skipped, rsc.Write(s))
		}
		if !slices.EqualFunc(back.Rules[routeros.Filter], s.Rules[routeros.Filter], routeros.Rule.Same) {
			t.Fatalf("got  %v\nwant %v\n%s", back.Rules[routeros.Filter], s.Rules[routeros.Filter], rsc.Write(s))
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"/ip firewall filter\nadd chain=input", "add \"", "[", "\\", "/ip\\\n service set 0 a=\"\\", "set [ find a=b ] c=d", "#", ":put {", "\\\n", "/ip firewall filter\nadd chain=a\nadd chain=b\nremove 1,0\nmove 0 1\nunset 0 chain", "\xef\xbb\xbf\r\n;;"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := rsc.Read(data)
		s, _ := e.Snapshot(rsc.Options{})
		once := rsc.Write(s)
		again, _ := rsc.Read(once).Snapshot(rsc.Options{})
		for menu, rows := range s.Rules {
			if !slices.EqualFunc(rows, again.Rules[menu], routeros.Rule.Same) {
				t.Errorf("%s: %v became %v", menu, rows, again.Rules[menu])
			}
		}
	})
}
