package diff_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// entry is a permanent entry of the allow-list of the plan p.
func entry(id, address string) routeros.ListEntry {
	return routeros.ListEntry{ID: id, List: "allow", Address: address, Comment: "x [rosknock p/allow]"}
}

// TestEntries: what brings the entries of a plan's lists to what is wanted. Here 192.0.2.1 and
// 2001:db8::/64 are.
func TestEntries(t *testing.T) {
	want := compile.RuleSet{Plan: "p", Entries: []compile.Entry{
		{Menu: routeros.AddressList, Entry: entry("", "192.0.2.1")},
		{Menu: routeros.AddressList6, Entry: entry("", "2001:db8::/64")},
	}}
	const missing = `add /ip/firewall/address-list address=192.0.2.1 comment="x [rosknock p/allow]" list=allow`
	changed := func(f func(*routeros.ListEntry)) []routeros.ListEntry {
		e := entry("*1", "192.0.2.1")
		f(&e)
		return []routeros.ListEntry{e}
	}
	for _, test := range []struct {
		name string
		rows []routeros.ListEntry
		want []string
	}{
		{"as it should be", []routeros.ListEntry{entry("*1", "192.0.2.1")}, nil},
		{"written in another way", []routeros.ListEntry{entry("*1", "192.0.2.1/32")}, nil},
		{"missing", nil, []string{missing}},
		{"another address", []routeros.ListEntry{entry("*1", "192.0.2.2")}, []string{missing, "remove /ip/firewall/address-list *1"}},
		{"twice", []routeros.ListEntry{entry("*1", "192.0.2.1"), entry("*2", "192.0.2.1")}, []string{"remove /ip/firewall/address-list *2"}},
		{"disabled", changed(func(e *routeros.ListEntry) { e.Disabled = true }), []string{"enable /ip/firewall/address-list *1"}},
		{"disabled and twice", append(changed(func(e *routeros.ListEntry) { e.Disabled = true }), entry("*2", "192.0.2.1")), []string{"remove /ip/firewall/address-list *2"}},
		{"disabled, with a time-out", changed(func(e *routeros.ListEntry) { e.Disabled, e.Dynamic, e.Timed, e.Timeout = true, true, true, 60e9 }), []string{missing}},
		{"of another list", changed(func(e *routeros.ListEntry) { e.List = "allow2" }), []string{missing, "remove /ip/firewall/address-list *1"}},
		{"somebody else's, who needs it too", changed(func(e *routeros.ListEntry) { e.Comment = "mine" }), nil},
		{"somebody else's, disabled", changed(func(e *routeros.ListEntry) { e.Comment, e.Disabled = "mine", true }), []string{missing}},
		{"another plan's", changed(func(e *routeros.ListEntry) { e.Comment, e.Address = "x [rosknock q/allow]", "192.0.2.2" }), []string{missing}},
	} {
		s := routeros.Snapshot{Entries: map[routeros.Menu][]routeros.ListEntry{
			routeros.AddressList: test.rows, routeros.AddressList6: {entry("*1", "2001:db8::/64")},
		}}
		c, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			t.Fatal(err)
		}
		changetest.Expect(t, test.name, changetest.Written(c.Steps), test.want)
	}
}

// TestTimedEntry: an entry of a wanted address that has a time-out is in the way, no matter who
// made it: the router takes no second one, and with this one the address is out of the list soon.
// So nothing is begun.
func TestTimedEntry(t *testing.T) {
	for _, comment := range []string{"x [rosknock p/allow]", "mine", ""} {
		e := entry("*1", "192.0.2.1/32")
		e.Comment, e.Dynamic, e.Timed, e.Timeout = comment, true, true, 60e9
		s := routeros.Snapshot{Entries: map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {e}}}
		_, err := diff.Compute(s, compile.RuleSet{Plan: "p", Entries: []compile.Entry{{Menu: routeros.AddressList, Entry: entry("", "192.0.2.1")}}}, change.Management{})
		refusal := refuses(err)
		if refusal == nil || refusal.Risk != "timed-entry" || !strings.Contains(refusal.Error(), "/ip/firewall/address-list allow for a time only (*1)") || refusal.Remedy == "" {
			t.Errorf("with the comment %q: %v", comment, err)
		}
	}
}

// TestEntriesAround: an address is in its list before a rule that packets meet asks for it, and is
// removed after every rule.
func TestEntriesAround(t *testing.T) {
	s := changetest.Filter("*1 input accept src-address-list=allow [d/open]")
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {entry("*1", "192.0.2.1")}}
	want := compile.RuleSet{Plan: "p", Entries: []compile.Entry{{Menu: routeros.AddressList, Entry: entry("", "192.0.2.2")}}, Tables: []compile.Table{{
		Family: routeros.IPv4, Menu: routeros.Filter, Rules: changetest.Rules("- accept src-address-list=allow protocol=tcp [d/open]", "- drop protocol=tcp [gate/tcp]"),
	}}}
	c := converges(t, s, want)
	changetest.Expect(t, "steps", changetest.Written(c.Steps), []string{
		"add input jump disabled=true jump-target=rosknock-p-a #knock_rules_of_plan_p [jump] at the end",
		`add /ip/firewall/address-list address=192.0.2.2 comment="x [rosknock p/allow]" list=allow`,
		"add rosknock-p-a drop protocol=tcp [gate/tcp] at the end",
		"add rosknock-p-a accept protocol=tcp src-address-list=allow [d/open] before +2",
		"enable +0",
		"remove *1",
		"remove /ip/firewall/address-list *1",
	})
}

// TestServices: what a plan wants of services is one step for each, at the static row; none is
// added.
func TestServices(t *testing.T) {
	yes, no, port := true, false, uint16(2222)
	rows := []routeros.Service{
		{ID: "*3", Name: "ssh", Port: 22, FromName: "available-from", From: []string{"10.0.0.0/8"}},
		{ID: "*7", Name: "api", Port: 8728, FromName: "address", Dynamic: true, Connection: true},
		{ID: "*7", Name: "api", Port: 8728, FromName: "address"},
	}
	for _, test := range []struct {
		name  string
		want  compile.Service
		steps []string
	}{
		{"nothing", compile.Service{Name: "ssh"}, nil},
		{"off", compile.Service{Name: "api", Disabled: &yes}, []string{"disable service *7"}},
		{"on, as it is", compile.Service{Name: "api", Disabled: &no}, nil},
		{"another port", compile.Service{Name: "ssh", Port: &port}, []string{"set service *3 port=2222"}},
		{"from there", compile.Service{Name: "ssh", WantFrom: true, From: []string{"192.0.2.0/24", "2001:db8::/32"}}, []string{"set service *3 available-from=192.0.2.0/24,2001:db8::/32"}},
		{"from there, as it is", compile.Service{Name: "ssh", WantFrom: true, From: []string{"10.0.0.0/8"}}, nil},
		{"from everywhere", compile.Service{Name: "ssh", WantFrom: true}, []string{`set service *3 available-from=""`}},
		{"all of it", compile.Service{Name: "ssh", Disabled: &yes, Port: &port, WantFrom: true}, []string{`set service *3 available-from="" disabled=true port=2222`}},
		{"a service that is not there", compile.Service{Name: "reverse-proxy", Disabled: &yes}, nil},
	} {
		c, err := diff.Compute(routeros.Snapshot{Services: rows}, compile.RuleSet{Plan: "p", Services: []compile.Service{test.want}}, change.Management{})
		if err != nil {
			t.Fatal(err)
		}
		changetest.Expect(t, test.name, changetest.Written(c.Steps), test.steps)
		for _, step := range c.Steps {
			for name := range step.Set.All() {
				if !step.Was.Has(name) {
					t.Errorf("%s: what %s was is not kept", test.name, name)
				}
			}
		}
		if test.want.Name == "reverse-proxy" && strings.Join(c.Notes, "") != "the router has no service reverse-proxy: left out" {
			t.Errorf("%s: %q", test.name, c.Notes)
		}
	}
}

// TestSession: a change that would end the session over which it is made is refused, unless the
// operator takes that risk by name; what else happens to services is not its business.
func TestSession(t *testing.T) {
	yes, no, port := true, false, uint16(8700)
	here := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")}
	for _, test := range []struct {
		name    string
		session change.Management
		want    compile.Service
		removes bool
		refused string
	}{
		{"switched off", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", Disabled: &yes}, false, "the plan disables the service api"},
		{"moved", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", Port: &port}, false, "to another port"},
		{"limited to others", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", WantFrom: true, From: []string{"192.0.2.7"}}, false, "(192.0.2.7 or 192.0.2.8)"},
		{"limited, and nobody knows from where", change.Management{Service: "api"}, compile.Service{Name: "api", WantFrom: true, From: []string{"192.0.2.0/24"}}, false, "(unknown)"},
		{"limited to something that can't be read", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", WantFrom: true, From: []string{"x"}}, false, "limits the service"},
		{"limited to here", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", WantFrom: true, From: []string{"198.51.100.0/24", "192.0.2.0/28"}}, false, ""},
		{"opened to everybody", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", WantFrom: true}, false, ""},
		{"left on", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", Disabled: &no}, false, ""},
		{"another service", change.Management{Service: "api", Operators: here}, compile.Service{Name: "ssh", Disabled: &yes}, false, ""},
		{"no session", change.Management{}, compile.Service{Name: "api", Disabled: &yes}, false, ""},
		{"accepted", change.Management{Service: "api", Operators: here, Accepted: []string{"other", change.LoseSession}}, compile.Service{Name: "api", Disabled: &yes}, false, ""},
		{"as it was before the plan", change.Management{Service: "api", Operators: here}, compile.Service{Name: "api", Disabled: &yes}, true, "leave it out of --restore-services"},
	} {
		s := routeros.Snapshot{Services: []routeros.Service{
			{ID: "*3", Name: "ssh", Port: 22, FromName: "address"},
			{ID: "*7", Name: "api", Port: 8728, FromName: "address", From: []string{"192.0.0.0/8"}},
		}}
		_, err := diff.Compute(s, compile.RuleSet{Plan: "p", Services: []compile.Service{test.want}, Removes: test.removes}, test.session)
		if test.refused == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		refusal := refuses(err)
		if refusal == nil || refusal.Risk != change.LoseSession || !strings.Contains(refusal.Error(), test.refused) || !strings.Contains(refusal.Remedy, "--accept-risk=lose-session") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
