package remove_test

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func TestParseServices(t *testing.T) {
	on, off, port := false, true, uint16(22)
	for text, want := range map[string][]compile.Service{
		"telnet=on":                               {{Name: "telnet", Disabled: &on}},
		"telnet=off,ssh=22":                       {{Name: "telnet", Disabled: &off}, {Name: "ssh", Port: &port}},
		"ssh=22,ssh=on":                           {{Name: "ssh", Port: &port, Disabled: &on}},
		"winbox=anywhere":                         {{Name: "winbox", WantFrom: true}},
		"winbox=10.0.0.0/8,winbox=2001:db8::/32":  {{Name: "winbox", WantFrom: true, From: []string{"10.0.0.0/8", "2001:db8::/32"}}},
		"api=192.0.2.1,www-ssl=on":                {{Name: "api", WantFrom: true, From: []string{"192.0.2.1/32"}}, {Name: "www-ssl", Disabled: &on}},
		"ssh=on,telnet=on,ssh=22,winbox=anywhere": {{Name: "ssh", Disabled: &on, Port: &port}, {Name: "telnet", Disabled: &on}, {Name: "winbox", WantFrom: true}},
	} {
		if got, err := remove.ParseServices(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, why := range map[string]string{
		"": "NAME=VALUE", "telnet": "NAME=VALUE", "telnet=": "NAME=VALUE", "telnet=on,": "NAME=VALUE", "=on": "no service", "Telnet=on": "no service", "telnet =on": "no service",
		"gopher=on": "no service", "telnet=yes": "none of", "telnet=ON": "none of", "ssh=0": "none of", "ssh=022": "none of", "ssh=65536": "none of", "ssh=-1": "none of",
		"ssh=22,ssh=2222": "twice", "ssh=on,ssh=off": "twice", "ssh=on,ssh=on": "twice", "ssh=anywhere,ssh=10.0.0.0/8": "twice", "ssh=10.0.0.0/8,ssh=anywhere": "twice",
		"ssh=10.0.0.1/8": "none of", "ssh=10.0.0.0/8,ssh=10.0.0.0/8": "twice", "ssh=fe80::1%ether1": "none of", "ssh= 22": "none of", "telnet=on;ssh=22": "none of",
	} {
		if got, err := remove.ParseServices(text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// FuzzParseServices: whatever is read says what it says again when it is written out, and nothing
// brings the reader down.
func FuzzParseServices(f *testing.F) {
	for _, text := range []string{"telnet=on", "ssh=22,ssh=off", "winbox=10.0.0.0/8,winbox=::/0", "api=anywhere", "=,=", "ssh=022"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := remove.ParseServices(text)
		if err != nil {
			return
		}
		for _, w := range got {
			if _, known := routeros.KnownService(w.Name); !known || w.Disabled == nil && w.Port == nil && !w.WantFrom || w.Port != nil && *w.Port == 0 {
				t.Errorf("%q: %+v", text, w)
			}
		}
	})
}

const router = `/ip service
set telnet disabled=yes
set ssh port=2222
set winbox address=192.168.88.0/24
/ip firewall address-list
add list=rosknock-m-allow address=10.0.0.7 comment="never needs to knock [rosknock m/allow]"
add list=rosknock-o-allow address=10.0.0.7 comment="never needs to knock [rosknock o/allow]"
add list=t address=10.0.0.8 comment="by hand"
/ip firewall filter
add chain=input action=jump jump-target=rosknock-m-a comment="knock rules of plan m [rosknock m/jump]"
add chain=input action=drop protocol=tcp dst-port=23 comment="my \E9 own [rosknock m/gate/tcp]"
add chain=rosknock-m-a action=add-src-to-address-list address-list=t address-list-timeout=1h protocol=tcp dst-port=4711 comment="knock [rosknock m/a/stage-1]"
add chain=input action=accept src-address-list=rosknock-o-allow comment="other [rosknock o/allow/addresses]"
`

func snapshot(t *testing.T, more string) routeros.Snapshot {
	t.Helper()
	s, skipped := rsc.Read([]byte(router + more)).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatal(skipped)
	}
	return s
}

func plan(t *testing.T) plans.Plan {
	t.Helper()
	p, err := plans.Read("m.yaml", []byte("version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, udp/4712, tcp/4713]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\nservices: {disable: [telnet], ports: {ssh: 2222}, from: {winbox: [192.168.88.0/24]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// steps are the steps of a removal, and what is said of it.
func steps(t *testing.T, s routeros.Snapshot, o remove.Options) (lines []string, notes string) {
	t.Helper()
	c, err := diff.Compute(s, remove.RuleSet(plan(t), s, o), o.Session)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range c.Steps {
		line := strings.Join([]string{string(step.Op), step.Slot}, " ")
		if step.Op != change.Remove {
			line += " " + step.Set.String()
		}
		lines = append(lines, line)
	}
	return lines, strings.Join(c.Notes, "\n")
}

func origin() remove.Origin {
	return remove.Origin{Known: true, Services: []remove.Service{
		{Name: "telnet", What: "disabled", Was: "false", Is: "true"}, {Name: "ssh", What: "port", Was: "22", Is: "2222"}, {Name: "winbox", What: "from", Was: "", Is: "192.168.88.0/24"},
	}}
}

// TestRuleSet: what of a router's services and rules goes, comes back, or stays.
func TestRuleSet(t *testing.T) {
	// What packets meet goes first; services that open again come then; last goes what no packet
	// meets any more.
	removal := []string{"disable m/jump disabled=true", "remove m/gate/tcp", "remove m/jump", "remove m/a/stage-1", "remove m/allow"}
	opening := func(open ...string) []string { return slices.Concat(removal[:2], open, removal[2:]) }
	on := false
	mine := remove.Rule{Menu: routeros.Filter, ID: "*2", Comment: "my \xe9 own", Fingerprint: "f"}
	for name, tt := range map[string]struct {
		options remove.Options
		more    string
		steps   []string
		says    []string
		silent  []string
	}{
		"nothing is known": {
			steps: removal,
			says:  []string{"has no record of how the plan was applied", "telnet stays off", "--restore-services telnet=on", "ssh stays on port 2222", "ssh=22", "winbox=anywhere", "the ipv4 list t keeps its permanent entries (1)"},
		},
		"the journal knows": {
			options: remove.Options{Origin: origin()},
			steps:   append([]string{"set ssh port=22"}, opening("enable telnet disabled=false", `set winbox address=""`)...),
			silent:  []string{"telnet", "has not seen"},
		},
		"the plan came and touched no service": {options: remove.Options{Origin: remove.Origin{Known: true}}, steps: removal, silent: []string{"telnet", "has not seen"}},
		"what is said goes before what is known": {
			options: remove.Options{Origin: origin(), Services: []compile.Service{{Name: "ssh", WantFrom: true, From: []string{"10.0.0.0/8"}}}},
			steps:   append([]string{"set ssh address=10.0.0.0/8"}, opening("enable telnet disabled=false", `set winbox address=""`)...),
		},
		"only what is said": {
			options: remove.Options{Services: []compile.Service{{Name: "telnet", Disabled: &on}}},
			steps:   opening("enable telnet disabled=false"),
			says:    []string{"ssh stays on port 2222"}, silent: []string{"telnet stays"},
		},
		"somebody else has changed a service since": {
			options: remove.Options{Origin: origin()}, more: "/ip service set ssh port=2022\n",
			steps: opening("enable telnet disabled=false", `set winbox address=""`),
			says:  []string{"ssh was changed by somebody else since: its port stays 2022"},
		},
		"the session is never cut": {
			options: remove.Options{
				Origin:  remove.Origin{Known: true, Services: []remove.Service{{Name: "ssh", What: "port", Was: "22", Is: "2222"}}},
				Session: change.Management{Service: "ssh", Operators: []netip.Addr{netip.MustParseAddr("10.0.0.9")}},
			},
			steps: removal, says: []string{"ssh stays as it is, since it carries this session", "--restore-services ssh=22"},
		},
		"a rule goes back": {
			options: remove.Options{Origin: remove.Origin{Known: true, Rules: []remove.Rule{mine}}, Fingerprint: func(routeros.Rule) string { return "f" }},
			steps:   []string{"disable m/jump disabled=true", `set m/gate/tcp comment="my \E9 own"`, "remove m/jump", "remove m/a/stage-1", "remove m/allow"},
		},
		"a rule that was changed goes": {
			options: remove.Options{Origin: remove.Origin{Known: true, Rules: []remove.Rule{mine}}, Fingerprint: func(routeros.Rule) string { return "g" }},
			steps:   removal, says: []string{"existed before the plan, but was changed since"},
		},
		"somebody's rule in our chain": {
			more:  "/ip firewall filter add chain=rosknock-m-a action=drop protocol=tcp dst-port=25 comment=theirs\n",
			steps: removal, says: []string{"the rule \"theirs\" (*5) stands in our chain rosknock-m-a, which is about to be left"},
		},
		"lists that others use stay": {
			more:  "/ip firewall filter add chain=forward src-address-list=!rosknock-m-allow action=drop comment=theirs\nadd chain=forward src-address-list=t action=accept\n",
			steps: removal[:4], says: []string{"the ipv4 list rosknock-m-allow keeps its entries (1): the rule \"theirs\"", "list t keeps its entries"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, notes := steps(t, snapshot(t, tt.more), tt.options)
			if !slices.Equal(got, tt.steps) {
				t.Errorf("steps\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.steps, "\n"))
			}
			for _, words := range tt.says {
				if !strings.Contains(notes, words) {
					t.Errorf("nothing says %q:\n%s", words, notes)
				}
			}
			for _, words := range tt.silent {
				if strings.Contains(notes, words) {
					t.Errorf("something says %q:\n%s", words, notes)
				}
			}
		})
	}
}

// TestNotThere: where a plan is not, nothing is to be done and nothing said; but what the operator
// says of services is done.
func TestNotThere(t *testing.T) {
	s, _ := rsc.Read([]byte("/ip service\nset telnet disabled=yes\n/ip firewall filter\nadd chain=input action=drop comment=\"[rosknock other/gate/tcp]\"\n")).Snapshot(rsc.Options{})
	if got, notes := steps(t, s, remove.Options{}); len(got) > 0 || notes != "" {
		t.Error(got, notes)
	}
	on := false
	if got, _ := steps(t, s, remove.Options{Services: []compile.Service{{Name: "telnet", Disabled: &on}}}); !slices.Equal(got, []string{"enable telnet disabled=false"}) {
		t.Error(got)
	}
}

// TestEveryMenu: rows of a plan go from every table, those that send packets elsewhere before what
// shuts the way there.
func TestEveryMenu(t *testing.T) {
	s := snapshot(t, "/ip firewall nat\nadd chain=dstnat action=accept comment=\"[rosknock m/fwd/spare]\"\nadd chain=dstnat action=dst-nat to-addresses=10.0.0.1 protocol=tcp dst-port=3389 comment=\"[rosknock m/fwd/rdp]\"\nadd chain=dstnat action=dst-nat to-addresses=10.0.0.1 protocol=tcp dst-port=80 comment=theirs\n"+
		"/ip firewall raw\nadd chain=prerouting action=drop comment=\"[rosknock m/bogons]\"\n/ip firewall filter add chain=forward action=drop protocol=tcp dst-port=3389 comment=\"[rosknock m/fwd/gate]\"\n")
	got, _ := steps(t, s, remove.Options{Origin: remove.Origin{Known: true}})
	want := []string{
		"remove m/fwd/rdp", "disable m/jump disabled=true", "remove m/gate/tcp", "remove m/fwd/gate", "remove m/fwd/spare", "remove m/bogons",
		"remove m/jump", "remove m/a/stage-1", "remove m/allow",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}
