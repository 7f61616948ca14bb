package lint_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// sample is a plan and a router without findings, except those that a case causes.
type sample struct {
	knock, door, more string // of the plan
	rules             string // of the router
}

const (
	goodKnock = "[tcp/41873, udp/17259, tcp/52614, tcp/13377, udp/44021]"
	goodDoor  = "    stage-timeout: 10s\n    trusted: {list: t_admin, for: 8h}\n    opens: [ssh]\n"
	goodMore  = "allow: {addresses: [198.51.100.7]}\nfirewall: {families: [ipv4]}\n"
	goodRules = "add chain=input action=accept connection-state=established,related comment=est\n" +
		"add chain=input action=accept in-interface-list=LAN comment=lan\nadd chain=input action=drop comment=rest\n"
	head = "/interface list\nadd name=WAN\nadd name=LAN\n/interface list member\nadd interface=ether1 list=WAN\nadd interface=bridge list=LAN\n" +
		"/ip address\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n"
	knocks = "add chain=input action=accept connection-state=established,related\n" +
		"add chain=input action=add-src-to-address-list address-list=s1 address-list-timeout=10s protocol=tcp dst-port=5001 connection-state=new\n" +
		"add chain=input action=add-src-to-address-list address-list=in address-list-timeout=1h protocol=tcp dst-port=4001 src-address-list=s1 connection-state=new\n"
	acme = "/ip service\nset www-ssl certificate=letsencrypt-autogen_2026-11-01T02:05:37Z disabled=no\n"
	rest = "add chain=input action=accept in-interface-list=LAN\nadd chain=input action=drop\n"
)

func (c sample) plan(t *testing.T) plans.Plan {
	t.Helper()
	or := func(s, usual string) string {
		if s == "" {
			return usual
		}
		return s
	}
	text := "version: 1\nname: p\ndoors:\n  admin:\n    knock: " + or(c.knock, goodKnock) + "\n" + or(c.door, goodDoor) + or(c.more, goodMore)
	p, err := plans.Read("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c sample) router() routeros.Snapshot {
	rules := c.rules
	if rules == "" {
		rules = goodRules
	}
	s, _ := rsc.Read([]byte(head + rules)).Snapshot(rsc.Options{StrictLists: true})
	return s
}

func (c sample) findings(t *testing.T) []lint.Finding {
	t.Helper()
	p, s := c.plan(t), c.router()
	return slices.Concat(lint.Plan(p), lint.Router(s, audit.Router(s)), lint.Both(p, s))
}

// TestRules: each rule fires where it should, and not on a twin that differs in the one thing that
// matters.
func TestRules(t *testing.T) {
	door := func(old, fresh string) string { return strings.Replace(goodDoor, old, fresh, 1) }
	bogons := func(list, more string) string {
		return "allow: {addresses: [93.77.7.7]}\nfirewall: {families: [ipv4], bogons: {interface-lists: [" + list + "]" + more + "}}\n"
	}
	tests := []struct {
		id          string
		fires, twin sample
	}{
		{"L02", sample{rules: "add chain=input action=drop connection-state=!new\nadd chain=input action=accept in-interface-list=LAN\n"}, sample{}},
		{"L02", sample{rules: goodRules + "/ip firewall raw\nadd chain=prerouting action=drop protocol=tcp tcp-flags=ack\n"}, sample{rules: goodRules + "/ip firewall raw\nadd chain=prerouting action=drop protocol=tcp tcp-flags=!fin,!syn,!rst,!ack\nadd chain=prerouting action=drop protocol=tcp tcp-flags=urg,!ack\nadd chain=prerouting action=drop protocol=tcp tcp-flags=fin,!ack\nadd chain=prerouting action=drop protocol=tcp tcp-flags=rst,urg\n"}},
		{"L03", sample{rules: "add chain=input action=accept connection-state=established\nadd chain=input action=drop\n"}, sample{}},
		{"L03b", sample{rules: goodRules + "add chain=input action=drop in-interface-list=GUESTS\n/interface list\nadd name=GUESTS\n"}, sample{rules: goodRules + "add chain=input action=drop in-interface-list=GUESTS\n/interface list\nadd name=GUESTS\n/interface list member\nadd list=GUESTS interface=ether5\n"}},
		{"L03b", sample{rules: goodRules + "add chain=input action=accept in-interface-list=*2000010\n"}, sample{rules: goodRules + "add chain=input action=accept in-interface=*4\n"}},
		{"L06", sample{rules: knocks + "add chain=input action=jump jump-target=k protocol=tcp dst-port=475\nadd chain=k action=accept protocol=tcp dst-port=457 src-address-list=in\n" + rest},
			sample{rules: knocks + "add chain=input action=jump jump-target=k protocol=tcp dst-port=457\nadd chain=k action=accept protocol=tcp dst-port=457 src-address-list=in\n" + rest}},
		{"L07", sample{rules: "add chain=input action=drop protocol=tcp dst-port=4001\n" + knocks + "add chain=input action=accept src-address-list=in\n" + rest},
			sample{rules: knocks + "add chain=input action=accept src-address-list=in\nadd chain=input action=drop protocol=tcp dst-port=4001\n" + rest}},
		{"L08", sample{rules: "add chain=input action=drop src-address-list=bad\nadd chain=input action=add-src-to-address-list address-list=bad address-list-timeout=1h connection-state=new protocol=tcp dst-port=40000-45000\n" + goodRules},
			sample{rules: "add chain=input action=drop src-address-list=bad\nadd chain=input action=add-src-to-address-list address-list=bad address-list-timeout=1h connection-state=new protocol=tcp dst-port=30000-35000\n" + goodRules}},
		{"L09", sample{rules: goodRules + "add chain=input action=add-src-to-address-list address-list=scan address-list-timeout=1h connection-state=new protocol=tcp psd=6,3s,3,1\n"},
			sample{rules: goodRules + "add chain=input action=add-src-to-address-list address-list=scan address-list-timeout=1h connection-state=new protocol=tcp psd=21,3s,3,1\n"}},
		{"L10", sample{knock: "[tcp/41873, udp/17259, {protocol: icmp, size: 84}, tcp/13377, udp/44021]"}, sample{knock: "[tcp/41873, udp/17259, {protocol: icmp, size: 245}, tcp/13377, udp/44021]"}},
		{"L11", sample{door: door("stage-timeout: 10s", "stage-timeout: 3s")}, sample{door: door("stage-timeout: 10s", "stage-timeout: 4s")}},
		{"L12", sample{more: "allow: {addresses: [198.51.100.7]}\n", rules: goodRules + "/ipv6 address\nadd address=2001:db8::1/64 interface=ether1\n"}, sample{more: "allow: {addresses: [198.51.100.7]}\n"}},
		{"L20", sample{knock: "[tcp/41873, udp/17259, tcp/52614]"}, sample{}},
		{"L21", sample{knock: "[tcp/20001, tcp/30003, tcp/41873, tcp/52614, tcp/55021]"}, sample{knock: "[tcp/20001, tcp/30003, tcp/52614, tcp/41873, tcp/55021]"}},
		{"L22", sample{rules: strings.ReplaceAll(knocks, "dst-port=4001", "dst-port=5001") + "add chain=input action=accept src-address-list=in\n" + rest}, sample{rules: knocks + "add chain=input action=accept src-address-list=in\n" + rest}},
		{"L23", sample{rules: knocks + "add chain=input action=accept protocol=tcp dst-port=8291\nadd chain=input action=accept src-address-list=in\n" + rest}, sample{rules: knocks + "add chain=input action=accept src-address-list=in\n" + rest}},
		{"L24", sample{rules: goodRules + "/ipv6 address\nadd address=2001:db8::1/64 interface=ether1\n"}, sample{rules: goodRules + "/ipv6 address\nadd address=fe80::1/64 interface=ether1\n"}},
		{"L25", sample{door: door("[ssh]", "[everything]")}, sample{}},
		{"L25", sample{more: goodMore + "gate: {services: [winbox]}\n", rules: goodRules + "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=8291 to-addresses=192.168.88.9\n"}, sample{more: goodMore + "gate: {services: [winbox]}\n", rules: goodRules + "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=3389 to-addresses=192.168.88.9\n"}},
		{"L24", sample{more: "allow: {addresses: [198.51.100.7]}\n", rules: goodRules + "/ipv6 address\nadd address=2001:db8::1/64 interface=ether1\n"}, sample{more: "allow: {addresses: [198.51.100.7]}\n", rules: goodRules + "/ipv6 address\nadd address=2001:db8::1/64 interface=ether1\n/ipv6 firewall filter\nadd chain=input action=drop in-interface=ether1\n"}},
		{"L26", sample{door: door("8h", "7d")}, sample{door: door("8h", "1d")}},
		{"L27", sample{rules: goodRules + "add chain=input action=accept src-address-list=t_admin\n"}, sample{rules: goodRules + "add chain=input action=accept src-address-list=t_other\n"}},
		{"L28", sample{door: door("8h", "none-dynamic")}, sample{}},
		{"L29", sample{rules: "add chain=input action=log in-interface=ether1\n" + goodRules}, sample{rules: "add chain=input action=log in-interface=ether1 limit=1,5:packet\n" + goodRules}},
		{"L30", sample{rules: "add chain=input action=add-src-to-address-list address-list=seen address-list-timeout=1h\n" + goodRules}, sample{rules: "add chain=input action=add-src-to-address-list address-list=seen address-list-timeout=1h connection-state=new\n" + goodRules}},
		{"L31", sample{rules: "add chain=input action=drop src-address-list=seen\nadd chain=input action=add-src-to-address-list address-list=seen address-list-timeout=1h protocol=udp dst-port=7 connection-state=new\n" + goodRules},
			sample{rules: "add chain=input action=add-src-to-address-list address-list=seen address-list-timeout=1h protocol=udp dst-port=7 connection-state=new\n" + goodRules}},
		{"L31", sample{door: goodDoor + "    wrong-knock: quarantine\n"}, sample{}},
		{"L20", sample{knock: "[tcp/41873, udp/17259, tcp/52614]", door: goodDoor + "    wrong-knock: quarantine\n"}, sample{knock: "[tcp/41873, udp/17259, tcp/52614]", door: goodDoor + "    decoys: [tcp/26001, udp/26002, tcp/26003]\n"}},
		{"L21", sample{knock: "[tcp/20001, tcp/30003, tcp/41873, tcp/52614, tcp/55021]", door: goodDoor + "    decoys: [tcp/60001]\n"}, sample{knock: "[tcp/20001, tcp/30003, tcp/41873, tcp/52614, tcp/55021]", door: goodDoor + "    decoys: [tcp/25001]\n"}},
		{"L27", sample{door: goodDoor + "    wrong-knock: quarantine\n", rules: goodRules + "add chain=input action=drop src-address-list=rosknock-p-admin-quarantine\n"}, sample{door: goodDoor + "    wrong-knock: quarantine\n"}},
		{"L32", sample{knock: "[tcp/41873, udp/7000, tcp/52614, tcp/13377, udp/44021]"}, sample{}},
		{"L33", sample{door: door("t_admin", "t_41873")}, sample{door: door("t_admin", "t_41874")}},
		{"L33", sample{door: door("list: t_admin", "list: t_admin, networks: n_41873")}, sample{door: door("list: t_admin", "list: t_admin, networks: n_41874")}},
		{"L29", sample{rules: "add chain=input action=drop log=yes src-address-list=scanners\nadd chain=input action=add-src-to-address-list address-list=scanners address-list-timeout=1h connection-state=new protocol=tcp dst-port=23\n" + goodRules},
			sample{rules: "add chain=input action=drop log=yes src-address-list=scanners\n" + goodRules}},
		{"L29", sample{rules: "add chain=input action=accept log=yes src-address=!198.51.100.7 protocol=tcp dst-port=2222\n" + goodRules}, sample{rules: "add chain=input action=accept log=yes src-address=198.51.100.7 protocol=tcp dst-port=2222\n" + goodRules}},
		{"L29", sample{door: goodDoor + "    log: {prefix: in, limit: 100/1m}\n"}, sample{door: goodDoor + "    log: {prefix: in, limit: 60/1m}\n"}},
		{"L36", sample{door: door("stage-timeout: 10s", "stage-timeout: 61s")}, sample{door: door("stage-timeout: 10s", "stage-timeout: 1m")}},
		{"L37", sample{more: "allow: {addresses: [10.7.0.0/16]}\nfirewall: {families: [ipv4], bogons: {interface-lists: [WAN]}}\n"},
			sample{more: "allow: {addresses: [10.7.0.0/16]}\nfirewall: {families: [ipv4], bogons: {interface-lists: [WAN], except: [10.0.0.0/8]}}\n"}},
		{"L37", sample{more: bogons("WAN", ""), rules: goodRules + "/ip address\nadd address=192.168.1.2/24 interface=ether1\n"},
			sample{more: bogons("WAN", ", except: [192.168.1.0/24]"), rules: goodRules + "/ip address\nadd address=192.168.1.2/24 interface=ether1\n"}},
		{"L37", sample{more: bogons("OUTSIDE", ""), rules: goodRules + "/interface list\nadd name=OUTSIDE include=WAN,OUTSIDE\n/ip address\nadd address=10.0.0.2/30 interface=ether1\n"},
			sample{more: bogons("OUTSIDE", ""), rules: goodRules + "/interface list\nadd name=OUTSIDE include=WAN\n/ip address\nadd address=10.0.0.2/30 interface=ether1 disabled=yes\n"}},
		{"L37", sample{more: bogons("WAN", ", also: [100.64.0.0/10]"), rules: goodRules + "/ip address\nadd address=100.64.7.2/24 interface=ether1\n"},
			sample{more: bogons("WAN", ""), rules: goodRules + "/ip address\nadd address=100.64.7.2/24 interface=ether1\n"}},
		{"L38", sample{more: "allow: {addresses: [0.0.0.0/0]}\nfirewall: {families: [ipv4]}\n"}, sample{more: "allow: {addresses: [44.0.0.0/8]}\nfirewall: {families: [ipv4]}\n"}},
		{"L38", sample{more: "allow: {addresses: [\"2000::/3\"]}\n"}, sample{more: "allow: {addresses: [\"fc00::/7\"]}\n"}},
		{"L38", sample{more: "allow: {interface-lists: [all]}\nfirewall: {families: [ipv4]}\n"}, sample{more: "allow: {interface-lists: [LAN]}\nfirewall: {families: [ipv4]}\n"}},
		{"L39", sample{more: goodMore + "services: {from: {ssh: [192.168.88.0/24]}}\n"}, sample{more: goodMore + "services: {from: {winbox: [192.168.88.0/24]}}\n"}},
		{"L39", sample{more: goodMore + "services: {from: {ssh: [192.168.88.0/24]}}\n"}, sample{more: goodMore + "services: {from: {ssh: [0.0.0.0/0]}}\n"}},
		{"L46", sample{rules: goodRules + "add chain=input action=drop disabled=yes comment=\"x [rosknock p/gate/tcp]\"\n"}, sample{rules: goodRules + "add chain=input action=drop comment=\"x [rosknock p/gate/tcp]\"\n"}},
		{"L50", sample{more: "firewall: {families: [ipv4]}\n"}, sample{}},
		{"L51", sample{rules: "add chain=input action=accept protocol=udp layer7-protocol=x\n" + goodRules}, sample{rules: "add chain=input action=accept protocol=udp content=x\n" + goodRules}},
		{"L52", sample{rules: "add chain=input action=accept protocol=tcp dst-port=8728\n" + goodRules}, sample{}},
		{"L53", sample{rules: strings.ReplaceAll(knocks, "dst-port=4001", "dst-port=8291") + "add chain=input action=accept src-address-list=in\n" + rest}, sample{rules: knocks + "add chain=input action=accept src-address-list=in\n" + rest}},
		{"L53", sample{rules: strings.ReplaceAll(knocks, "dst-port=4001", "dst-port=2222") + "add chain=input action=accept src-address-list=in\n" + rest + "/ip service\nset ssh port=2222\n"},
			sample{rules: strings.ReplaceAll(knocks, "dst-port=4001", "dst-port=2222") + "add chain=input action=accept src-address-list=in\n" + rest + "/ip service\nset ssh port=2222 disabled=yes\n"}},
		{"L54", sample{rules: goodRules + "/ip firewall address-list\nadd list=vips address=203.0.113.1-254\n"}, sample{rules: goodRules + "/ip firewall address-list\nadd list=vips address=203.0.113.1-203.0.113.254\nadd list=vips address=vpn.example.net\n"}},
		{"L54", sample{rules: goodRules + "/ip firewall address-list\nadd list=vips address=203.0.113.0/33\n"}, sample{rules: goodRules + "/ip firewall address-list\nadd list=vips address=203.0.113.0/32\n"}},
		{"L55", sample{rules: "add chain=input action=accept protocol=udp dst-port=53\n" + goodRules + "/ip dns\nset allow-remote-requests=yes\n"}, sample{rules: "add chain=input action=accept protocol=udp dst-port=53\n" + goodRules}},
		{"L55", sample{rules: "add chain=input action=accept protocol=tcp dst-port=23\n" + goodRules}, sample{rules: "add chain=input action=accept protocol=tcp dst-port=23 src-address=198.51.100.7\n" + goodRules}},
		{"L56", sample{more: goodMore + "services: {disable: [www]}\n", rules: goodRules + acme}, sample{more: goodMore + "services: {disable: [www]}\n", rules: goodRules + strings.ReplaceAll(acme, "letsencrypt-autogen_", "mine-")}},
		{"L56", sample{more: goodMore + "services: {ports: {www: 8080}}\n", rules: goodRules + acme}, sample{more: goodMore + "services: {ports: {ssh: 2222}}\n", rules: goodRules + acme}},
		{"L56", sample{more: goodMore + "services: {from: {www: [192.168.88.0/24]}}\n", rules: goodRules + acme}, sample{more: goodMore + "services: {from: {www: [0.0.0.0/0]}}\n", rules: goodRules + acme}},
		{"L56", sample{more: goodMore + "gate: {services: [www]}\n", rules: goodRules + acme}, sample{more: goodMore + "gate: {services: [www-ssl]}\n", rules: goodRules + acme}},
		{"L56", sample{more: goodMore + "gate: {ports: [tcp/70-90]}\n", rules: goodRules + acme}, sample{more: goodMore + "gate: {ports: [udp/80, tcp/81-90]}\n", rules: goodRules + acme}},
	}
	tested := map[string]bool{"L34": true, "L35": true, "L42": true} // below
	for _, test := range tests {
		tested[test.id] = true
		t.Run(test.id, func(t *testing.T) {
			is := func(f lint.Finding) bool { return f.ID == test.id }
			found := test.fires.findings(t)
			at := slices.IndexFunc(found, is)
			if at < 0 {
				t.Fatalf("does not fire: %+v", found)
			}
			f := found[at]
			if f.Place == "" || f.What == "" || f.Why == "" || f.Remedy == "" {
				t.Errorf("incomplete: %+v", f)
			}
			if found := dialect.FindString(strings.Join([]string{f.What, f.Why, f.Remedy}, "; ")); found != "" {
				t.Errorf("not plain: %q in %+v", found, f)
			}
			rules := lint.Rules()
			if r := rules[slices.IndexFunc(rules, func(r lint.Rule) bool { return r.ID == test.id })]; r.Severity != f.Severity {
				t.Errorf("severity %s, the table says %s", f.Severity, r.Severity)
			}
			if found := test.twin.findings(t); slices.ContainsFunc(found, is) {
				t.Errorf("fires on its twin: %+v", found)
			}
			for _, f := range found {
				if text := f.Place + f.What + f.Why + f.Remedy; secret.MatchString(text) {
					t.Errorf("tells a port of the knock: %s", text)
				}
			}
		})
	}
	for _, r := range lint.Rules() {
		decided := r.From == lint.FromPlan || r.From == lint.FromRouter || r.From == lint.FromBoth || r.From == lint.FromFleet
		if decided != tested[r.ID] {
			t.Errorf("%s: decided from %s, tested: %v", r.ID, r.From, tested[r.ID])
		}
	}
}

// dialect are words that readers of plain English stumble over: "who knows it, gets in".
var dialect = regexp.MustCompile(`(?i)\b(whoever|whom|of which)\b|(^|[,;:] |, and )who `)

// secret are the ports of the samples' knocks.
var secret = regexp.MustCompile(`41873|17259|52614|13377|44021|20001|30003|55021|\b7000\b`)

// TestFleet: L34, for which there have to be several routers.
func TestFleet(t *testing.T) {
	ids := func(p plans.Plan, routers ...string) string {
		var out []string
		for _, f := range lint.Fleet(p, routers) {
			if f.Place == "" || f.What == "" || f.Why == "" || f.Remedy == "" || f.Severity != lint.Inform {
				t.Errorf("incomplete: %+v", f)
			}
			out = append(out, f.ID)
		}
		return strings.Join(out, " ")
	}
	fixed, rotating := sample{}.plan(t), sample{}.plan(t)
	rotating.Doors[0].Rotate = &plans.Rotate{Secret: plans.Credential{Kind: plans.FromEnv, Value: "X"}}
	for _, test := range []struct {
		name, got, want string
	}{
		{"one knock for two routers", ids(fixed, "r1", "r2"), "L34"},
		{"one router", ids(fixed, "r1"), ""},
		{"one router by two addresses of one name", ids(fixed, "r1", "r1"), ""},
		{"no router", ids(fixed), ""},
		{"a knock of each router's own", ids(rotating, "r1", "r2"), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q", test.name, test.got)
		}
	}
}

// TestUntold: a server about which nothing is known is no finding; a service counts as running, and the
// finding says that this is not known.
func TestUntold(t *testing.T) {
	open := sample{rules: "add chain=input action=accept in-interface=ether1\n" + goodRules}
	s := open.router()
	s.Untold = append(routeros.ServerMenus(), routeros.ServiceMenu)
	var got []string
	for _, f := range lint.Router(s, audit.Router(s)) {
		if f.ID == "L52" || f.ID == "L55" {
			got = append(got, f.Place+": "+f.What)
		}
	}
	want := []string{
		"service api: if it runs, the API in clear is reached by anyone",
		"telnet, tcp/23: if it runs, anyone reaches it over ipv4",
		"ftp, tcp/21: if it runs, anyone reaches it over ipv4",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestUndecided: of a rule that nothing decides the list says why.
func TestUndecided(t *testing.T) {
	for _, r := range lint.Rules() {
		if _, why, _ := strings.Cut(r.Title, ": "); r.From == lint.NotYet && why == "" {
			t.Errorf("%s: its reason is missing", r.ID)
		}
	}
}

// TestClock: L35, for which a plan has to rotate and a router to be alive.
func TestClock(t *testing.T) {
	read := func(rotate string) plans.Plan {
		p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  admin:\n    rotate: {secret: \"env:X\""+rotate+"}\n"+goodDoor+goodMore))
		if err != nil {
			t.Fatal(err)
		}
		return sequence.Example(p)
	}
	count := func(p plans.Plan, ntp routeros.NTPClient) (n int) {
		s := sample{}.router()
		s.NTP = ntp
		for _, f := range slices.Concat(lint.Plan(p), lint.Both(p, s)) {
			if f.ID == "L35" {
				n++
			}
		}
		return n
	}
	waiting, set := routeros.NTPClient{Known: true, Enabled: true, State: "waiting"}, routeros.NTPClient{Known: true, Enabled: true, Synchronized: true}
	for _, test := range []struct {
		plan plans.Plan
		ntp  routeros.NTPClient
		want int
	}{
		{read(""), routeros.NTPClient{}, 0},
		{read(""), set, 0},
		{read(""), waiting, 1},
		{sample{}.plan(t), waiting, 0},
		{read(", overlap: 39s"), set, 1},
		{read(", overlap: 40s"), set, 0},
	} {
		if got := count(test.plan, test.ntp); got != test.want {
			t.Errorf("%+v, %+v: %d findings, want %d", test.plan.Doors[0].Rotate, test.ntp, got, test.want)
		}
	}
}

// TestOthers: L42, for which a router has to be alive.
func TestOthers(t *testing.T) {
	s := sample{}.router()
	s.Active = []routeros.ActiveUser{{Name: "admin", Via: "api"}, {Name: "admin", Via: "winbox"}}
	fires := func() bool {
		return slices.ContainsFunc(lint.Router(s, audit.Router(s)), func(f lint.Finding) bool { return f.ID == "L42" })
	}
	if fires() {
		t.Error("fires on one person with two windows")
	}
	s.Active = append(s.Active, routeros.ActiveUser{Name: "noc", Via: "ssh"})
	if !fires() {
		t.Error("does not fire")
	}
}

// TestNothing: a sound plan on a sound router has no finding at all.
func TestNothing(t *testing.T) {
	if found := (sample{}).findings(t); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// TestDrawn: lint has nothing to say about a knock that rosknock draws.
func TestDrawn(t *testing.T) {
	for seed := range byte(100) {
		spec := sequence.Spec{Stages: 5 + int(seed)%4}
		if seed%2 == 0 {
			spec.Protocols = []string{"tcp", "udp", "icmp"}
		}
		knock, err := spec.Draw(rand.NewChaCha8([32]byte{seed}))
		if err != nil {
			t.Fatal(err)
		}
		var stages []string
		for _, s := range knock {
			stages = append(stages, s.Reveal())
		}
		if found := (sample{knock: "[" + strings.Join(stages, ", ") + "]"}).findings(t); len(found) > 0 {
			t.Errorf("%v: %+v", stages, found)
		}
	}
}

// TestEveryRuleIsListed holds the table against the list that it was made from.
func TestEveryRuleIsListed(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "lint-rules.md"))
	if err != nil {
		t.Skip("no shared material beside the repository")
	}
	severity := map[string]string{"E": "refuse", "W": "warn", "I": "inform"}
	for _, row := range regexp.MustCompile(`(?m)^\| (L\d+b?) \| ([EWI]) \|`).FindAllStringSubmatch(string(text), -1) {
		rules := lint.Rules()
		at := slices.IndexFunc(rules, func(r lint.Rule) bool { return r.ID == row[1] })
		if at < 0 || rules[at].Severity.String() != severity[row[2]] {
			t.Errorf("%s %s: %d", row[1], row[2], at)
		}
	}
}

// TestFixtures: what is said of the example plans.
func TestFixtures(t *testing.T) {
	for name, want := range map[string]string{
		"seed.yaml":    "L20 L21 L25 L26 L32 L32 L32 L50",
		"branch.yaml":  "L26 L39",
		"hygiene.yaml": "L31",
		"forward.yaml": "",
	} {
		text, err := fixtures.Plan(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plans.Read(name, text)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, f := range lint.Plan(p) {
			ids = append(ids, f.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestAsFound: rules that a plan leaves as they were found are named for what they lack, and their
// lists for what they tell.
func TestAsFound(t *testing.T) {
	p, err := plans.Read("p.yaml", []byte("version: 1\nname: p\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259]\n    stage-lists: [\"41873\"]\n    trusted: {list: t, for: 1h}\n"+
		"firewall: {families: [ipv4], layout: inline, as-found: {rules: {a/stage-1: {without: [connection-state]}, a/stage-2: {with: {in-interface: ether1}}}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	found := lint.Plan(p)
	for _, want := range []struct{ id, place, what string }{{"L30", "firewall.as-found", "1 of the rules"}, {"L33", "doors.a.stage-lists", "a name reveals"}} {
		if !slices.ContainsFunc(found, func(f lint.Finding) bool {
			return f.ID == want.id && f.Place == want.place && strings.HasPrefix(f.What, want.what)
		}) {
			t.Errorf("no %s in %+v", want.id, found)
		}
	}
}

// TestTimedNetwork: a network that is in a door's list for a time is a finding: a knock from inside
// extends all of it. A single address is none.
func TestTimedNetwork(t *testing.T) {
	c := sample{}
	for address, want := range map[string]bool{"203.0.113.0/24": true, "203.0.113.5-203.0.113.9": true, "203.0.113.5": false, "203.0.113.5/32": false} {
		s := c.router()
		s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{List: "t_admin", Address: address, Dynamic: true, Timed: true, Timeout: 7200e9}}}
		found := slices.ContainsFunc(lint.Both(c.plan(t), s), func(f lint.Finding) bool {
			return f.ID == "L27" && strings.Contains(f.What, address)
		})
		if found != want {
			t.Errorf("%s: %v", address, found)
		}
	}
}

// TestListOfNetworks: networks belong into the door's list of networks, which foreign rules leave
// alone.
func TestListOfNetworks(t *testing.T) {
	c := sample{door: strings.Replace(goodDoor, "list: t_admin", "list: t_admin, networks: guests", 1)}
	s := c.router()
	s.Entries = map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{List: "guests", Address: "203.0.113.0/24", Dynamic: true, Timed: true, Timeout: 7200e9}, {List: "guests", Address: "198.51.100.0/24"}}}
	finds := func() bool {
		return slices.ContainsFunc(lint.Both(c.plan(t), s), func(f lint.Finding) bool { return f.ID == "L27" && strings.Contains(f.Place, "guests") })
	}
	if finds() {
		t.Error("a network in the list of networks is a finding")
	}
	c.rules = goodRules + "add chain=input action=accept src-address-list=guests\n"
	if s = c.router(); !finds() {
		t.Error("a foreign rule that asks for the list of networks is no finding")
	}
}

// TestDeletedList: a rule of a deleted list is not told to add interfaces to it, also where an export
// shows no lists.
func TestDeletedList(t *testing.T) {
	c := sample{rules: goodRules + "add chain=input action=drop in-interface-list=!*2000010 comment=gone\n"}
	partial, _ := rsc.Read([]byte("/ip firewall filter\n" + c.rules)).Snapshot(rsc.Options{})
	for name, s := range map[string]routeros.Snapshot{"whole": c.router(), "the firewall alone": partial} {
		found := slices.DeleteFunc(lint.Router(s, audit.Router(s)), func(f lint.Finding) bool { return f.ID != "L03b" })
		if len(found) != 1 || !strings.Contains(found[0].What, "was deleted (*2000010)") || strings.Contains(found[0].Remedy, "add") {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// TestAccessRules: what L55 says of a server hangs on rules of its own, where those are not read.
func TestAccessRules(t *testing.T) {
	for menu, own := range map[string]string{"proxy": "/ip/proxy/access", "socks": "/ip/socks/access", "dns": ""} {
		c := sample{rules: "add chain=input action=accept\n/ip " + menu + "\nset enabled=yes allow-remote-requests=yes\n"}
		s := c.router()
		found := slices.DeleteFunc(lint.Router(s, audit.Router(s)), func(f lint.Finding) bool { return f.ID != "L55" || !strings.Contains(f.Place, menu) })
		if len(found) == 0 || strings.Contains(found[0].What, "not read") != (own != "") || !strings.Contains(found[0].What, own) {
			t.Errorf("%s: %+v", menu, found)
		}
	}
}
