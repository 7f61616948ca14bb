package routeros_test

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

// TestCanonical: spellings in one group mean the same, spellings of different groups of a name do
// not.
func TestCanonical(t *testing.T) {
	tests := []struct {
		name   string
		groups [][]string
	}{
		{"disabled", [][]string{{"yes", "true"}, {"no", "false"}, {"maybe"}}},
		{"protocol", [][]string{{"tcp", "6"}, {"udp", "17"}, {"icmpv6", "58", "ipv6-icmp"}, {"!tcp", "!6"}, {"139"}, {"nonsense"}}},
		{"src-address", [][]string{{"192.0.2.7", "192.0.2.7/32", "192.0.2.7-192.0.2.7"}, {"192.0.2.0/24", "192.0.2.9/24", "192.0.2.0-192.0.2.255"}, {"!192.0.2.7", "!192.0.2.7/32"}, {"2001:db8::1", "2001:DB8:0::1/128"}, {"host.example.net"}}},
		{"dst-port", [][]string{{"22,80", "80,22", "22,80,22"}, {"20-22", "20,21,22", "20-21,22"}, {"!22"}, {"22"}, {"022"}}},
		{"address-list-timeout", [][]string{{"7d", "1w", "604800", "168h", "7d00:00:00"}, {"none-dynamic", "0s", "00:00:00"}, {"none-static"}, {"1m", "60s", "00:01:00"}}},
		{"connection-state", [][]string{{"established,related,untracked", "untracked,related,established"}, {"!established,related", "!related,established"}, {"new"}, {"new,odd"}, {"odd,new"}}},
		{"connection-nat-state", [][]string{{"srcnat,dstnat", "dstnat,srcnat"}, {"!dstnat"}, {"dstnat"}}},
		{"tcp-flags", [][]string{{"syn,!ack", "!ack,syn"}, {"syn"}, {"!syn"}}},
		{"icmp-options", [][]string{{"8", "8:0-255"}, {"8:0", "8:0-0"}, {"!8:0", "!8:0-0"}, {"3"}}},
		{"limit", [][]string{{"10/1s,5:packet", "10,5", "10,5:packet", "10/1s,5"}, {"10/1m,5:packet", "10/60s,5"}, {"10,5:bit"}}},
		{"address", [][]string{{"192.0.2.0/24,198.51.100.7", "198.51.100.7/32,192.0.2.9/24", "198.51.100.7,192.0.2.0/24,198.51.100.7/32"}, {"192.0.2.0/24"}, {"198.51.100.7", "198.51.100.7/32"}, {"a.example.net,b.example.net"}, {""}}},
		{"available-from", [][]string{{"2001:db8::/32,192.0.2.0/24", "192.0.2.0/24,2001:DB8:0::/32"}, {"2001:db8::7", "2001:db8::7/128"}, {""}}},
		{"to-addresses", [][]string{{"192.0.2.7", "192.0.2.7-192.0.2.7", "192.0.2.7/32"}}},
		{"to-ports", [][]string{{"3389", "3389-3389"}, {"3389-3390"}}},
		{"packet-size", [][]string{{"128", "128-128"}, {"128-129"}, {"!128", "!128-128"}}},
		{"tcp-mss", [][]string{{"1400", "1400-1400"}, {"0-500"}}},
		{"dst-limit", [][]string{{"50,50,src-address/10s", "50/1s,50,src-address/00:00:10"}, {"50/1m,50,src-address/10s"}, {"50,50,src-address"}}},
		{"psd", [][]string{{"21,3s,3,1", "21,00:00:03,3,1"}, {"21,4s,3,1"}}},
		{"src-address-type", [][]string{{"local,broadcast", "broadcast,local"}, {"!local"}, {"local"}}},
		{"connection-type", [][]string{{"ftp,sip", "sip,ftp"}, {"ftp"}}},
		{"src-mac-address", [][]string{{"02:00:5e:00:53:01", "02:00:5E:00:53:01"}}},
		{"comment", [][]string{{"yes"}, {"true"}, {"7d"}, {"1w"}}},
		{"src-address-list", [][]string{{"yes"}, {"true"}, {"192.0.2.7/32"}, {"192.0.2.7"}}},
	}
	for _, test := range tests {
		seen := map[string]string{}
		for _, group := range test.groups {
			want := routeros.Canonical(test.name, group[0])
			if other, ok := seen[want]; ok {
				t.Errorf("%s: %q and %q share the form %q", test.name, other, group[0], want)
			}
			seen[want] = group[0]
			for _, spelling := range group {
				got := routeros.Canonical(test.name, spelling)
				if got != want {
					t.Errorf("%s=%q has the form %q, but %q has %q", test.name, spelling, got, group[0], want)
				}
				if again := routeros.Canonical(test.name, got); again != got {
					t.Errorf("%s=%q: the form %q has the form %q", test.name, spelling, got, again)
				}
			}
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, seed := range [][2]string{{"protocol", "!6"}, {"limit", "10/1m,5:packet"}, {"icmp-options", "8:0"}, {"connection-state", "new,established"}, {"dst-port", "!1-5,3"}, {"src-address", "!!192.0.2.1"}, {"tcp-flags", ",,"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		once := routeros.Canonical(name, value)
		if again := routeros.Canonical(name, once); again != once {
			t.Errorf("%s=%q has the form %q, and that %q", name, value, once, again)
		}
	})
}

func TestRuleSame(t *testing.T) {
	tests := []struct {
		name        string
		a, b        []string
		same, means bool
	}{
		{"spellings", []string{"chain", "input", "protocol", "6", "disabled", "no"}, []string{"chain", "input", "protocol", "tcp", "action", "accept"}, true, true},
		{"log and its prefix at their defaults", []string{"chain", "input", "log", "no", "log-prefix", ""}, []string{"chain", "input"}, true, true},
		{"an empty comment is none", []string{"chain", "input", "comment", ""}, []string{"chain", "input"}, true, true},
		{"a comment", []string{"chain", "input", "comment", "a"}, []string{"chain", "input", "comment", "b"}, false, true},
		{"a comment is never folded", []string{"chain", "input", "comment", "yes"}, []string{"chain", "input", "comment", "true"}, false, true},
		{"disabled", []string{"chain", "input", "disabled", "yes"}, []string{"chain", "input"}, false, false},
		{"log", []string{"chain", "input", "log", "yes"}, []string{"chain", "input"}, false, false},
		{"the time-out of a list", []string{"chain", "input", "action", "add-src-to-address-list", "address-list", "l"}, []string{"chain", "input", "action", "add-src-to-address-list", "address-list", "l", "address-list-timeout", "none-dynamic"}, true, true},
		{"no time-out and none-static", []string{"chain", "input", "action", "add-src-to-address-list", "address-list", "l"}, []string{"chain", "input", "action", "add-src-to-address-list", "address-list", "l", "address-list-timeout", "none-static"}, false, false},
		{"negation", []string{"chain", "input", "protocol", "!tcp"}, []string{"chain", "input", "protocol", "tcp"}, false, false},
		{"an unknown attribute", []string{"chain", "input", "future", "1"}, []string{"chain", "input"}, false, false},
	}
	for _, test := range tests {
		a, b := routeros.NewRule(test.a...), routeros.NewRule(test.b...)
		a.ID, b.ID = "*1", "*2"
		if a.Same(b) != test.same || b.Same(a) != test.same {
			t.Errorf("%s: same is %t", test.name, a.Same(b))
		}
		if a.SameMeaning(b) != test.means {
			t.Errorf("%s: same meaning is %t", test.name, a.SameMeaning(b))
		}
		if !a.Same(a) {
			t.Errorf("%s: not the same as itself", test.name)
		}
	}
}

func TestReadRule(t *testing.T) {
	r := routeros.ReadRule(routeros.MakeAttributes(".id", "*1F", "chain", "input", "bytes", "1", "packets", "2", "dynamic", "true", "invalid", "false", ".nextid", "*2", "future", "x"))
	if r.ID != "*1F" || !r.Dynamic || r.Attrs.String() != "chain=input future=x" || r.Action() != "accept" {
		t.Errorf("%+v", r)
	}
}

func TestMarks(t *testing.T) {
	for _, comment := range []string{
		"", "rosknock branch/admin", "[rosknock branch/admin] ", "[rosknock branch/admin", "x[rosknock branch/admin]", "[Rosknock branch/admin]",
		"[rosknock  branch/admin]", "[rosknock branch]", "[rosknock branch/]", "[rosknock Branch/admin]", "[rosknock branch/Admin]", "[rosknock /admin]",
		"[rosknock branch/admin]\n", "[rosknock " + strings.Repeat("a", 25) + "/admin]", "[rosknock-branch/admin]", "[rosknock branch/admin] by hand", "[rosknock br\xe9/admin]",
	} {
		if m, ok := routeros.FindMark(comment); ok {
			t.Errorf("%q is taken for the mark %v", comment, m)
		}
	}
	name := rapid.StringMatching(`[a-z0-9-]{1,24}`)
	slot := rapid.StringMatching(`[a-z0-9][a-z0-9/._-]{0,30}`)
	rapid.Check(t, func(t *rapid.T) {
		m := routeros.Mark{Plan: name.Draw(t, "plan"), Slot: slot.Draw(t, "slot")}
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.Just("[rosknock other/x]")).Draw(t, "text")
		if got, ok := routeros.FindMark(m.Comment(text)); !ok || got != m {
			t.Fatalf("%q has the mark %v, want %v", m.Comment(text), got, m)
		}
		if strings.HasSuffix(text, "]") {
			return
		}
		if got, ok := routeros.FindMark(text); ok {
			t.Fatalf("%q is taken for the mark %v", text, got)
		}
	})
}

// TestMarkAgainstPattern: a mark is found exactly where its pattern matches.
func TestMarkAgainstPattern(t *testing.T) {
	pattern := regexp.MustCompile(`(?:^| )\[rosknock ([a-z0-9-]{1,24})/([a-z0-9][a-z0-9/._-]*)\]$`)
	piece := rapid.SampledFrom([]string{"[rosknock ", "[rosknock", "]", "/", " ", "a", "b-1", "-", ".x", "_", "A", "\n", "\xe9", "é", "stage-2", "abcdefghijklmnopqrstuvwx", "[rosknock a/b]", "text"})
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		comment := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		if rapid.Bool().Draw(t, "like") {
			inside := rapid.SampledFrom([]string{"a", "b-1", "-", "stage-2", "A", "", "x ", "abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwxy"})
			comment += rapid.SampledFrom([]string{" ", "", "x"}).Draw(t, "before") + "[rosknock " + inside.Draw(t, "plan") + "/" + inside.Draw(t, "slot") + rapid.SampledFrom([]string{"", "/", "._-", "[", "é"}).Draw(t, "rest") + "]"
		}
		var want routeros.Mark
		m := pattern.FindStringSubmatch(comment)
		if m != nil {
			want = routeros.Mark{Plan: m[1], Slot: m[2]}
			found++
		}
		if got, ok := routeros.FindMark(comment); got != want || ok != (m != nil) {
			t.Fatalf("%q: %+v, %t; by the pattern %+v", comment, got, ok, want)
		}
	})
	if found == 0 {
		t.Error("no comment had a mark: the texts don't suit the test")
	}
}

// TestAttributesAgainstAMap: a row is a map with its names in order, and no method changes its
// receiver.
func TestAttributesAgainstAMap(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d", ".id"})
	value := rapid.SampledFrom([]string{"", "1", "yes"})
	rapid.Check(t, func(t *rapid.T) {
		var row routeros.Attributes
		model := map[string]string{}
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			before := slices.Clone(row)
			was := row
			n := name.Draw(t, "name")
			switch rapid.IntRange(0, 3).Draw(t, "op") {
			case 0:
				v := value.Draw(t, "value")
				row = row.With(n, v)
				model[n] = v
			case 1:
				row = row.Without(n, "a")
				delete(model, n)
				delete(model, "a")
			case 2:
				over := routeros.MakeAttributes(n, "first", "b", "over", n, "last")
				row = row.Merge(over)
				model["b"] = "over"
				model[n] = "last"
			case 3:
				row = row.Only(n, "b", "c")
				maps.DeleteFunc(model, func(k, _ string) bool { return k != n && k != "b" && k != "c" })
			}
			if !was.Equal(before) {
				t.Fatalf("%v became %v under a method that returns a new row", before, was)
			}
			if got := maps.Collect(row.All()); !maps.Equal(got, model) || len(row) != len(model) {
				t.Fatalf("row %v, want %v", row, model)
			}
			if !slices.IsSortedFunc(row, func(a, b routeros.Attribute) int { return strings.Compare(a.Name, b.Name) }) {
				t.Fatalf("%v is not in order", row)
			}
			for _, n := range []string{"a", "b", "c", "d", ".id"} {
				v, ok := row.Lookup(n)
				want, has := model[n]
				if v != want || ok != has || row.Has(n) != has || row.Get(n) != want {
					t.Fatalf("%s is %q (%t) in %v", n, v, ok, row)
				}
			}
		}
	})
}

func TestCommand(t *testing.T) {
	c := routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "dst-port", "40001", "comment", "a=b").Where("list=trusted", "-comment", "#!")
	if want := []string{"/ip/firewall/filter/add", "=chain=input", "=dst-port=40001", "=comment=a=b", "?list=trusted", "?-comment", "?#!"}; !slices.Equal(c.Words(), want) {
		t.Errorf("words %q, want %q", c.Words(), want)
	}
	if c.Menu() != routeros.Filter || c.Verb() != "add" || c.Get("chain") != "input" || c.Get("none") != "" {
		t.Errorf("menu %s, verb %s", c.Menu(), c.Verb())
	}
	printed := routeros.Print(routeros.Filter, ".id", "chain")
	if want := []string{"/ip/firewall/filter/print", "=.proplist=.id,chain"}; !slices.Equal(printed.Words(), want) {
		t.Errorf("words %q, want %q", printed.Words(), want)
	}
	if one := printed.Where("a=1"); len(printed.Queries) != 0 || len(one.Where("b=2").Queries) != 2 || len(one.Queries) != 1 {
		t.Error("Where changed its receiver")
	}
}

// TestRedacted: knocks, passwords and whatever nobody thought of never stand in a log.
func TestRedacted(t *testing.T) {
	const secret = "s3cr3t-40001"
	for _, name := range []string{"dst-port", "port", "packet-size", "content", "icmp-options", "password", "source", "on-event", "comment", "src-address", "layer7-protocol", "regexp", "ttl", "name", "invented-tomorrow"} {
		c := routeros.NewCommand("/x/add", name, secret).Where(name+"="+secret, ">"+name+"="+secret)
		if got := c.Redacted(); strings.Contains(got, secret) || !strings.Contains(got, name) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := routeros.NewCommand("/ip/firewall/filter/move", "numbers", "*1F", "destination", "*2").Redacted(); got != `/ip/firewall/filter/move numbers="*1F" destination="*2"` && got != "/ip/firewall/filter/move numbers=*1F destination=*2" {
		t.Errorf("ids are no secret: %s", got)
	}
}

func sample() routeros.Snapshot {
	rule := func(id string, pairs ...string) routeros.Rule {
		r := routeros.NewRule(pairs...)
		r.ID = id
		return r
	}
	return routeros.Snapshot{
		Identity: "r1",
		Rules: map[routeros.Menu][]routeros.Rule{
			routeros.Filter: {
				{ID: "*D", Dynamic: true, Attrs: routeros.MakeAttributes("chain", "forward", "action", "passthrough")},
				rule("*1", "chain", "input", "protocol", "tcp", "comment", "a\xe9"),
				rule("*2", "chain", "input", "action", "drop"),
			},
			routeros.NAT: {},
		},
		Entries: map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {
			{ID: "*1", List: "allow", Address: "192.0.2.7"},
			{ID: "*2", List: "trusted", Address: "198.51.100.9", Dynamic: true, Timed: true, Timeout: time.Hour},
		}},
		Services: []routeros.Service{
			{ID: "*0", Name: "ssh", Port: 22, From: []string{"192.0.2.0/24", "198.51.100.7/32"}},
			{ID: "*A", Name: "ssh", Port: 22, Dynamic: true, Connection: true, Remote: "198.51.100.9:50000"},
		},
		InterfaceLists: []routeros.InterfaceList{{Name: "LAN"}},
		ListMembers:    []routeros.ListMember{{List: "LAN", Interface: "bridge"}},
		Addresses:      []routeros.InterfaceAddress{{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Interface: "bridge"}},
	}
}

func TestDigest(t *testing.T) {
	base := sample().Digest()
	if want := "sha256:5f1ba4ffc786cd548657a6a5fa4a16040cb1a784e3f292a2e2c98faa01184e0f"; base != want { // saved changes name it
		t.Errorf("the digest of a router has become %s", base)
	}
	filter := func(s *routeros.Snapshot) []routeros.Rule { return s.Rules[routeros.Filter] }
	same := map[string]func(*routeros.Snapshot){
		"the clock":             func(s *routeros.Snapshot) { s.Clock, s.Uptime = time.Unix(1, 0), time.Hour },
		"who is logged in":      func(s *routeros.Snapshot) { s.Active = []routeros.ActiveUser{{Name: "a"}} },
		"a time-out runs down":  func(s *routeros.Snapshot) { s.Entries[routeros.AddressList][1].Timeout = time.Minute },
		"an entry expires":      func(s *routeros.Snapshot) { s.Entries[routeros.AddressList] = s.Entries[routeros.AddressList][:1] },
		"a dynamic rule goes":   func(s *routeros.Snapshot) { s.Rules[routeros.Filter] = filter(s)[1:] },
		"a connection ends":     func(s *routeros.Snapshot) { s.Services = s.Services[:1] },
		"a spelling":            func(s *routeros.Snapshot) { filter(s)[1].Attrs = filter(s)[1].Attrs.With("protocol", "6") },
		"a default is written":  func(s *routeros.Snapshot) { filter(s)[2].Attrs = filter(s)[2].Attrs.With("disabled", "no") },
		"an address in CIDR":    func(s *routeros.Snapshot) { s.Entries[routeros.AddressList][0].Address = "192.0.2.7/32" },
		"prefixes of a service": func(s *routeros.Snapshot) { s.Services[0].From = []string{"198.51.100.7", "192.0.2.0/24"} },
		"counters of an old read": func(s *routeros.Snapshot) {
			filter(s)[2] = routeros.ReadRule(filter(s)[2].Attrs.With(".id", "*2").With("bytes", "99").With("packets", "9"))
		},
	}
	for name, change := range same {
		s := sample()
		change(&s)
		if s.Digest() != base {
			t.Errorf("%s: the digest changes", name)
		}
	}
	other := map[string]func(*routeros.Snapshot){
		"the order of rules":      func(s *routeros.Snapshot) { f := filter(s); f[1], f[2] = f[2], f[1] },
		"the id of a rule":        func(s *routeros.Snapshot) { filter(s)[1].ID = "*3" },
		"a comment":               func(s *routeros.Snapshot) { filter(s)[1].Attrs = filter(s)[1].Attrs.With("comment", "a\xea") },
		"a rule is disabled":      func(s *routeros.Snapshot) { filter(s)[2].Attrs = filter(s)[2].Attrs.With("disabled", "yes") },
		"an attribute more":       func(s *routeros.Snapshot) { filter(s)[2].Attrs = filter(s)[2].Attrs.With("future", "1") },
		"a rule goes":             func(s *routeros.Snapshot) { s.Rules[routeros.Filter] = filter(s)[:2] },
		"a table is missing":      func(s *routeros.Snapshot) { delete(s.Rules, routeros.NAT) },
		"a static entry goes":     func(s *routeros.Snapshot) { s.Entries[routeros.AddressList] = s.Entries[routeros.AddressList][1:] },
		"an entry is disabled":    func(s *routeros.Snapshot) { s.Entries[routeros.AddressList][0].Disabled = true },
		"the comment of an entry": func(s *routeros.Snapshot) { s.Entries[routeros.AddressList][0].Comment = "x" },
		"the other family": func(s *routeros.Snapshot) {
			s.Entries[routeros.AddressList6] = s.Entries[routeros.AddressList]
			s.Entries[routeros.AddressList] = nil
		},
		"the port of a service":   func(s *routeros.Snapshot) { s.Services[0].Port = 2222 },
		"a service is off":        func(s *routeros.Snapshot) { s.Services[0].Disabled = true },
		"who may use a service":   func(s *routeros.Snapshot) { s.Services[0].From = s.Services[0].From[:1] },
		"a member of a list":      func(s *routeros.Snapshot) { s.ListMembers[0].Interface = "ether2" },
		"a list includes another": func(s *routeros.Snapshot) { s.InterfaceLists[0].Include = []string{"WAN"} },
		"the version":             func(s *routeros.Snapshot) { s.Version = routeros.Version{Major: 7, Minor: 24} },
		"an address":              func(s *routeros.Snapshot) { s.Addresses[0].Disabled = true },
	}
	seen := map[string]string{base: "nothing"}
	for name, change := range other {
		s := sample()
		change(&s)
		if twin, ok := seen[s.Digest()]; ok {
			t.Errorf("%s: the digest is that of %s", name, twin)
		}
		seen[s.Digest()] = name
	}
}

// TestDigestOfMenus: in every menu a dynamic row comes, becomes another and goes, and the digest
// stays; a static one gives another digest.
func TestDigestOfMenus(t *testing.T) {
	prefix := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 24)
	}
	name := func(i int) string { return "x" + strconv.Itoa(i) }
	menus := map[string]func(s *routeros.Snapshot, i int, dynamic bool){
		"services": func(s *routeros.Snapshot, i int, dynamic bool) {
			s.Services = append(s.Services, routeros.Service{ID: name(i), Name: "www", Port: uint16(i), Dynamic: dynamic})
		},
		"interfaces": func(s *routeros.Snapshot, i int, dynamic bool) {
			s.Interfaces = append(s.Interfaces, routeros.Interface{Name: name(i), Type: "pppoe-in", Dynamic: dynamic})
		},
		"interface lists": func(s *routeros.Snapshot, i int, dynamic bool) {
			s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{Name: name(i), Dynamic: dynamic})
		},
		"members": func(s *routeros.Snapshot, i int, dynamic bool) {
			s.ListMembers = append(s.ListMembers, routeros.ListMember{List: "LAN", Interface: name(i), Dynamic: dynamic})
		},
		"addresses": func(s *routeros.Snapshot, i int, dynamic bool) {
			s.Addresses = append(s.Addresses, routeros.InterfaceAddress{Prefix: prefix(i), Interface: "ether1", Dynamic: dynamic})
		},
	}
	for _, f := range routeros.Families() {
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			menus[string(m)] = func(s *routeros.Snapshot, i int, dynamic bool) {
				rows := slices.Clone(s.Rules[m])
				s.Rules[m] = append(rows, routeros.Rule{ID: name(i), Dynamic: dynamic, Attrs: routeros.MakeAttributes("chain", "x")})
			}
		}
		menus[string(f.AddressList())] = func(s *routeros.Snapshot, i int, dynamic bool) {
			e := routeros.ListEntry{ID: name(i), List: "t", Address: prefix(i).Addr().String(), Dynamic: dynamic}
			s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], e)
		}
	}
	for menu, add := range menus {
		with := func(dynamic bool, numbers ...int) string {
			s := sample()
			for _, f := range routeros.Families() { // every menu is there, empty or not
				for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
					s.Rules[m] = append([]routeros.Rule{}, s.Rules[m]...)
				}
			}
			for _, i := range numbers {
				add(&s, i, dynamic)
			}
			return s.Digest()
		}
		if without := with(true); with(true, 1) != without || with(true, 2, 3) != without {
			t.Errorf("%s: a dynamic row changes the digest", menu)
		}
		if with(false) == with(false, 1) || with(false, 1) == with(false, 2) {
			t.Errorf("%s: a static row does not change the digest", menu)
		}
	}
}

func TestEntries(t *testing.T) {
	e := routeros.ReadListEntry(routeros.MakeAttributes(".id", "*1D", "list", "trusted", "address", "192.0.2.7", "timeout", "6d23h", "dynamic", "true", "creation-time", "2026-01-02 03:04:05"))
	if !e.Timed || e.Timeout != 6*day+23*time.Hour || !e.Dynamic || e.ID != "*1D" {
		t.Errorf("%+v", e)
	}
	if got := e.Attributes().String(); got != "address=192.0.2.7 list=trusted timeout=6d23h" {
		t.Errorf("it would be added again as %s", got)
	}
	bare, host := routeros.ListEntry{List: "a", Address: "192.0.2.7"}, routeros.ListEntry{List: "a", Address: "192.0.2.7/32"}
	if bare.Key() != host.Key() || bare.Key() == (routeros.ListEntry{List: "b", Address: "192.0.2.7"}).Key() {
		t.Error("keys don't follow the router's idea of the same entry")
	}
	if _, ok := (routeros.ListEntry{Address: "host.example.net"}).Range(); ok {
		t.Error("a name has no range")
	}
}

func TestServices(t *testing.T) {
	s := routeros.ReadService(routeros.MakeAttributes(".id", "*1", "name", "ssh", "port", "22", "available-from", "192.0.2.0/24,2001:db8::/32"))
	if s.FromName != "available-from" || len(s.From) != 2 || s.Port != 22 {
		t.Errorf("%+v", s)
	}
	if old := routeros.ReadService(routeros.MakeAttributes("name", "ssh", "address", "")); old.FromName != "address" || len(old.From) != 0 {
		t.Errorf("%+v", old)
	}
	if static, ok := sample().Service("ssh"); !ok || static.ID != "*0" {
		t.Errorf("the row of a connection is taken for the service: %+v", static)
	}
	if _, ok := sample().Service("api"); ok {
		t.Error("a service that the router lacks")
	}
	if port, ok := routeros.KnownService("winbox"); !ok || port != 8291 {
		t.Errorf("winbox listens on %d", port)
	}
	if routeros.SameFrom([]string{"192.0.2.0/24"}, nil) || !routeros.SameFrom([]string{"192.0.2.7/32", "198.51.100.0/24"}, []string{"198.51.100.0/24", "192.0.2.7"}) {
		t.Error("prefixes don't compare by meaning")
	}
}
