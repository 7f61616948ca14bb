package compile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func plan(t *testing.T, name string) plans.Plan {
	t.Helper()
	data, err := fixtures.Plan(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func router(t *testing.T, text string) routeros.Snapshot {
	t.Helper()
	s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
	return s
}

func defconf(t *testing.T) routeros.Snapshot {
	t.Helper()
	data, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	return router(t, string(data))
}

// TestSeed: the MikroTik example of the seed article comes out as that article's rules, with what
// makes them safe: later stages first, above the accept of the trusted list, and only new
// connections count.
func TestSeed(t *testing.T) {
	rs, err := compile.Compile(plan(t, "inline.yaml"), router(t, "# by RouterOS 7.20\n/ip address\nadd address=192.0.2.1/24 interface=ether1\n"))
	if err != nil {
		t.Fatal(err)
	}
	article := []routeros.Rule{
		routeros.NewRule("action", "accept", "connection-state", "established,related,untracked"),
		routeros.NewRule("action", "add-src-to-address-list", "protocol", "tcp", "src-address-list", "port_knock_2", "address-list", "trusted", "address-list-timeout", "7d", "dst-port", "11111", "connection-state", "new"),
		routeros.NewRule("action", "add-src-to-address-list", "protocol", "tcp", "src-address-list", "port_knock_1", "address-list", "port_knock_2", "address-list-timeout", "1m", "dst-port", "22222", "connection-state", "new"),
		routeros.NewRule("action", "add-src-to-address-list", "protocol", "tcp", "address-list", "port_knock_1", "address-list-timeout", "1m", "dst-port", "33333", "connection-state", "new"),
		routeros.NewRule("action", "accept", "src-address-list", "trusted"),
	}
	if got := rs.Tables[0].Rules; !slices.EqualFunc(got, article, routeros.Rule.SameMeaning) {
		t.Errorf("got  %v\nwant %v", got, article)
	}
	var off []string
	for _, s := range rs.Services {
		if s.Disabled != nil && *s.Disabled {
			off = append(off, s.Name)
		}
	}
	if !slices.Equal(off, []string{"telnet", "www", "ftp"}) {
		t.Errorf("services off: %v", off)
	}
}

// TestMarksTellNothing: no comment, list or chain carries a port of the knock.
func TestMarksTellNothing(t *testing.T) {
	rs, err := compile.Compile(plan(t, "seed.yaml"), defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs.Tables[0].Rules {
		mark, ok := r.Mark()
		if !ok || mark.Plan != "seed" {
			t.Errorf("%s has no mark of the plan", r.Describe())
		}
		for _, port := range []string{"33333", "22222", "11111"} {
			if strings.Contains(r.Comment()+r.Attrs.Get("address-list")+r.Attrs.Get("src-address-list"), port) {
				t.Errorf("%s tells a knock port", r.Attrs)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	const head = "# by RouterOS 7.20\n/interface ethernet\nset [ find default-name=ether1 ] name=ether1\n/interface list\nadd name=LAN\nadd name=WAN\n" +
		"/interface list member\nadd interface=bridge list=LAN\nadd interface=ether1 list=WAN\n/ip address\nadd address=192.0.2.1/24 interface=ether1\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n"
	const established = "add chain=input action=accept connection-state=established,related,untracked comment=est\n"
	tests := []struct {
		name, rules, anchor, floor string
		established                bool // ours is needed
		refused                    string
	}{
		{"before the final drop", established + "add chain=input action=drop comment=final\n", "final", "est", false, ""},
		{"before a drop by interface list", established + "add chain=input action=drop connection-state=invalid comment=inv\nadd chain=input action=drop in-interface-list=!LAN comment=final\n", "final", "est", false, ""},
		{"past a drop of a blacklist", established + "add chain=input action=drop src-address-list=black comment=black\nadd chain=input action=drop comment=final\n", "final", "est", false, ""},
		{"before the jump whose chain drops", established + "add chain=input action=jump jump-target=wan in-interface=ether1 comment=jump\nadd chain=wan action=drop comment=inner\n", "jump", "est", false, ""},
		{"past a jump whose chain lets us through", established + "add chain=input action=jump jump-target=wan comment=jump\nadd chain=wan action=drop src-address-list=black\nadd chain=input action=drop comment=final\n", "final", "est", false, ""},
		{"established accepted too late", "add chain=input action=drop in-interface=ether1 comment=final\n" + established, "final", "", true, ""},
		{"no rules at all", "", "", "", true, ""},
		{"a disabled drop decides nothing", established + "add chain=input action=drop disabled=yes comment=off\nadd chain=input action=drop comment=final\n", "final", "est", false, ""},
		{"new traffic accepted with the established", "add chain=input action=accept connection-state=established,related,new in-interface=bridge comment=wide\nadd chain=input action=drop comment=final\n", "final", "", true, ""},
		{"a rule of the forward chain is no anchor", established + "add chain=forward action=drop comment=fwd\nadd chain=input action=drop comment=final\n", "final", "est", false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := router(t, head+test.rules)
			rs, err := compile.Compile(plan(t, "seed.yaml"), s)
			if err != nil {
				t.Fatal(err)
			}
			place := rs.Tables[0].Place
			comment := func(id string) string {
				for _, r := range s.Rules[routeros.Filter] {
					if id != "" && r.ID == id {
						return r.Comment()
					}
				}
				return ""
			}
			if comment(place.Anchor) != test.anchor || comment(place.Floor) != test.floor || place.NeedsEstablished != test.established {
				t.Errorf("got %+v, want before %q, below %q, own established %v", place, test.anchor, test.floor, test.established)
			}
		})
	}
}

func TestNamedPlace(t *testing.T) {
	p := plan(t, "seed.yaml")
	for comment, want := range map[string]string{
		"defconf: drop all not coming from LAN": "",
		"defconf: drop invalid":                 "",
		"no such rule":                          "no rule in input of /ip/firewall/filter carries the comment",
	} {
		p.Firewall.Before = comment
		_, err := compile.Compile(p, defconf(t))
		var refused *change.RefusalError
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", comment, err)
		case want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), want) || refused.Remedy == ""):
			t.Errorf("%q: %v, want %q and a remedy", comment, err, want)
		}
	}
}

// TestNamedPlacePerFamily: a place by a comment that only one family's table has says which lacks it.
func TestNamedPlacePerFamily(t *testing.T) {
	p := plan(t, "branch.yaml")
	p.Firewall.Before = "mine"
	for lacks, has := range map[routeros.Menu]routeros.Menu{routeros.Filter: routeros.Filter6, routeros.Filter6: routeros.Filter} {
		s := defconf(t)
		s.Rules = maps.Clone(s.Rules)
		for _, menu := range []routeros.Menu{lacks, has} {
			s.Rules[menu] = append(slices.Clone(s.Rules[menu]), routeros.NewRule("chain", "input", "action", "drop", "comment", map[bool]string{true: "mine"}[menu == has]))
		}
		_, err := compile.Compile(p, s)
		want := fmt.Sprintf("no rule in input of %s carries the comment %q, and one in %s does: give the rule of %s that has this place the same comment", lacks, "mine", has, lacks)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
}

// TestMissingList: where the plan names a list that the router doesn't have, the message names those
// that it has, and the one that looks like it.
func TestMissingList(t *testing.T) {
	const router = "/interface list\nadd name=inside\nadd name=outside\n/interface list member\nadd interface=bridge list=inside\nadd interface=ether1 list=outside\n" +
		"/ip address\nadd address=192.168.88.1/24 interface=bridge\nadd address=203.0.113.5/24 interface=ether1\n/ip firewall filter\nadd chain=input action=accept connection-state=established\n"
	for _, test := range []struct{ allow, router, want string }{
		{"allow: {interface-lists: [LAN]}", router, "name inside instead, which looks like it, or create it on the router, or remove it from allow.interface-lists; the router has inside, outside"},
		{"allow: {interface-lists: [Inside]}", router, "name inside instead"},
		{"allow: {interface-lists: [insde]}", router, "name inside instead"},
		{"allow: {interface-lists: [guests]}", router, "create it on the router, or remove it from allow.interface-lists; the router has inside, outside"},
		{"allow: {interface-lists: [LAN]}", strings.Replace(router, "add name=inside\n", "add name=inside\nadd name=home\n", 1) + "/interface list member\nadd interface=ether2 list=home\n", "remove it from allow.interface-lists; the router has inside, home, outside"},
		{"firewall: {families: [ipv4], bogons: {interface-lists: [WAN]}}", router, "name outside instead"},
		{"allow: {interface-lists: [LAN]}", "/ip firewall filter\nadd chain=input action=accept connection-state=established\n", "remove it from allow.interface-lists; the router has no interface list"},
	} {
		p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n"+test.allow+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		s, _ := rsc.Read([]byte(test.router)).Snapshot(rsc.Options{StrictLists: true})
		_, err = compile.Compile(p, s)
		var refused *change.RefusalError
		if !errors.As(err, &refused) || refused.Risk != "missing-interface-list" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.allow, err, test.want)
		}
	}
}

func TestBranch(t *testing.T) {
	rs, err := compile.Compile(plan(t, "branch.yaml"), defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(rs.Tables) != 2 || rs.Tables[1].Menu != routeros.Filter6 {
		t.Fatalf("tables: %+v", rs.Tables)
	}
	for _, table := range rs.Tables {
		slots := map[string]bool{}
		gate := false
		for i, r := range table.Rules {
			mark, _ := r.Mark()
			if slots[mark.Slot] {
				t.Errorf("%s: the slot %s comes twice", table.Menu, mark.Slot)
			}
			slots[mark.Slot] = true
			switch {
			case strings.HasPrefix(mark.Slot, "gate/"):
				gate = true
				if r.Action() != "drop" {
					t.Errorf("%s does not drop", r.Describe())
				}
			case gate:
				t.Errorf("rule %d, %s, stands below the gate", i, r.Describe())
			}
		}
		if !gate {
			t.Errorf("%s: nothing is gated", table.Menu)
		}
	}
	if len(rs.Entries) != 2 {
		t.Errorf("allow-list entries: %+v", rs.Entries)
	}
}

func TestLongPortLists(t *testing.T) {
	p := plan(t, "minimal.yaml")
	p.Doors[0].Opens = nil
	for port := range uint16(40) {
		p.Doors[0].Opens = append(p.Doors[0].Opens, plans.Target{Kind: plans.PortTarget, Protocol: "tcp", Port: routeros.PortRange{First: 2 * port, Last: 2 * port}})
	}
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	var ports routeros.Ports
	for _, r := range rs.Tables[0].Rules {
		if mark, _ := r.Mark(); strings.Contains(mark.Slot, "/open") {
			list, err := routeros.ParsePorts(r.Attrs.Get("dst-port"))
			if err != nil || len(list) > 15 {
				t.Errorf("%s: %v", r.Describe(), err)
			}
			ports = append(ports, list...)
		}
	}
	if len(ports) != 40 {
		t.Errorf("%d ports of 40", len(ports))
	}
}

func TestMissingFamily(t *testing.T) {
	p := plan(t, "minimal.yaml")
	s := router(t, "# by RouterOS 6.49.13\n/ip address\nadd address=192.0.2.1/24 interface=ether1\n")
	rs, err := compile.Compile(p, s)
	if err != nil || len(rs.Tables) != 1 || len(rs.Notes) == 0 {
		t.Errorf("%v, %d tables, notes %q", err, len(rs.Tables), rs.Notes)
	}
	p.Firewall.Families = []routeros.Family{routeros.IPv6}
	if _, err := compile.Compile(p, s); err == nil {
		t.Error("a plan for IPv6 alone was compiled for a router without it")
	}
}

func TestLoggedKnock(t *testing.T) {
	p := plan(t, "minimal.yaml")
	p.Doors[0].Log = &plans.Log{Prefix: "knock", Count: 10, Per: time.Minute}
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	logged := 0
	for _, r := range rs.Tables[0].Rules {
		if r.Action() == "log" {
			logged++
			if r.Attrs.Get("limit") != "10/1m,10:packet" || r.Attrs.Get("log-prefix") != "knock" {
				t.Errorf("%s", r.Attrs)
			}
		}
	}
	if logged != 1 {
		t.Errorf("%d rules log", logged)
	}
}

// TestQuarantine: a door that quarantines has a chain of its own, into which only those come who
// are not in quarantine. Its stages come first, then who is spared, then what seizes; no comment
// tells a port.
func TestQuarantine(t *testing.T) {
	p := plan(t, "quarantine.yaml")
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range rs.Tables {
		var slots []string
		for _, r := range table.Chains[0].Rules {
			mark, _ := r.Mark()
			slots = append(slots, strings.TrimPrefix(mark.Slot, "admin/"))
			for _, s := range append(slices.Clone(p.Doors[0].Knock), p.Doors[0].Decoys...) {
				if strings.Contains(r.Comment()+r.Attrs.Get("address-list")+r.Attrs.Get("src-address-list"), s.Reveal()[4:]) {
					t.Errorf("%s tells a port", mark.Slot)
				}
			}
		}
		want := "stage-4 stage-3 stage-2 stage-1 spare-trusted spare-addresses spare-interfaces-1 quarantine-2 quarantine-3 quarantine-4 decoy-1 decoy-2 decoy-3"
		if table.Family == routeros.IPv6 {
			want = strings.Replace(want, "spare-addresses ", "", 1)
		}
		if got := strings.Join(slots, " "); got != want {
			t.Errorf("%s: got  %s\nwant %s", table.Family, got, want)
		}
		enter := routeros.NewRule("action", "jump", "jump-target", "admin", "connection-state", "new", "src-address-list", "!rosknock-branch-admin-quarantine")
		seize := routeros.NewRule("action", "add-src-to-address-list", "address-list", "rosknock-branch-admin-quarantine", "address-list-timeout", "2m",
			"protocol", "tcp", "dst-port", "41923", "src-address-list", "!rosknock-branch-admin_2", "connection-state", "new")
		if !table.Rules[0].SameMeaning(enter) || !table.Chains[0].Rules[slices.Index(slots, "quarantine-3")].SameMeaning(seize) {
			t.Errorf("%s: %v", table.Family, table)
		}
	}
	p.Doors[0].WrongKnock = plans.Ignore
	if rs, err = compile.Compile(p, defconf(t)); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(rs.Tables[0].Chains[0].Rules, func(r routeros.Rule) bool { return strings.Contains(r.Comment(), "out of turn") }) {
		t.Error("with decoys alone, wrong knocks are quarantined too")
	}
}

// TestDecoyInUse: a decoy where a gated service of this very router listens is refused.
func TestDecoyInUse(t *testing.T) {
	s := defconf(t)
	for i := range s.Services {
		if s.Services[i].Name == "winbox" {
			s.Services[i].Port = 37250
		}
	}
	_, err := compile.Compile(plan(t, "quarantine.yaml"), s)
	if refused, ok := errors.AsType[*change.RefusalError](err); !ok || refused.Risk != "decoy-in-use" || refused.Remedy == "" || strings.Contains(err.Error(), "37250") {
		t.Errorf("%v", err)
	}
}
