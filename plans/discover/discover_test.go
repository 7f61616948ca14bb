package discover_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func snapshot(text []byte) routeros.Snapshot {
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	return s
}

func look(s routeros.Snapshot) discover.Result {
	return discover.Router(s, discover.Options{Name: "old"})
}

// head is a router with an inside and an outside.
const head = "/interface list\nadd name=WAN\nadd name=LAN\n/interface list member\nadd interface=ether1 list=WAN\nadd interface=bridge list=LAN\n" +
	"/interface bridge\nadd name=bridge\n/ip address\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n"

// failer is what rapid's T and testing's have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// holdAdoption holds what adopting promises: only comments change, the plan reads back the same,
// and then there is nothing to do.
func holdAdoption(t failer, s routeros.Snapshot, r discover.Result) routeros.Snapshot {
	t.Helper()
	after := changetest.After(t, s, r.Adoption.Changes)
	for _, step := range r.Adoption.Changes.Steps {
		if step.Op != change.Set || len(step.Set) != 1 || !step.Set.Has("comment") {
			t.Fatalf("adopting does more than to write a comment: %+v", step)
		}
		mark, ok := routeros.FindMark(step.Set.Get("comment"))
		if !ok || mark.Plan != "old" {
			t.Fatalf("no mark: %+v", step)
		}
	}
	for menu, rows := range s.Rules {
		for i, row := range rows {
			now := after.Rules[menu][i]
			if now.ID != row.ID || !now.Attrs.Without("comment").Equal(row.Attrs.Without("comment")) {
				t.Fatalf("%s was %s and is %s", menu, row.Attrs, now.Attrs)
			}
			if _, marked := now.Mark(); !marked && now.Comment() != row.Comment() {
				t.Fatalf("%s: the comment of a foreign rule changed", row.ID)
			}
		}
	}
	p, err := plans.Read("old.yaml", plans.Write(r.Plan))
	if err != nil {
		t.Fatalf("the plan can't be read: %v\n%s", err, plans.Write(r.Plan))
	}
	want, err := compile.Compile(p, after)
	if err != nil {
		t.Fatalf("%v", err)
	}
	changes, err := diff.Compute(after, want, change.Management{})
	if err != nil || changes.Changed() {
		t.Fatalf("diff is not empty: %v %+v\n%s", err, changes.Steps, plans.Write(p))
	}
	if err := proof.Prove(after, want, changes, change.Management{}).Err(); err != nil {
		t.Fatalf("the proof does not hold: %v", err)
	}
	for _, d := range discover.Router(after, discover.Options{Name: "other"}).Doors {
		if slices.Contains(p.Firewall.Families, d.Family) {
			t.Fatalf("adopted rules are found again: %+v", d)
		}
	}
	return after
}

// TestWild: each knock that people run is described and adopted, or what is in the way is said.
func TestWild(t *testing.T) {
	for _, test := range []struct {
		file, knock, list, opens string
		lists                    []string
		timeout, trusted         string
		why                      string // of the adoption
		missing                  []string
	}{
		{file: "r01-official", knock: "tcp/888 tcp/555 tcp/222", lists: []string{"888", "555"}, timeout: "30s", list: "secured", trusted: "30m", opens: "everything", missing: []string{"*8 a blacklist", "*9 a blacklist"}},
		{file: "r02-wiki", knock: "tcp/9000 tcp/6000", lists: []string{"port:9000"}, timeout: "1m", list: "secure", trusted: "1m", opens: "everything", why: "no accept of established traffic"},
		{file: "r03-article", knock: "tcp/33333 tcp/22222 tcp/11111", lists: []string{"port_knock_1", "port_knock_2"}, timeout: "1m", list: "trusted", trusted: "1w", opens: "everything"},
		{file: "r04-jump-chain", knock: "tcp/666 tcp/888 tcp/777", lists: []string{"PORT_KNOCK_J1", "PORT_KNOCK_J2"}, timeout: "20s", list: "PORT_KNOCK_OK", trusted: "8h", opens: "everything", missing: []string{"*3 sends packets to the chain port_knock"}},
		{file: "r05-unreachable", missing: []string{"*3 no packet arrives at the rule", "*4 can't be opened", "*5 can't be opened", "*6 can't be opened", "*7 can't be opened"}},
		{file: "r06-icmp-size", knock: "icmp/123 icmp/124 icmp/125", lists: []string{"icmp_stage1", "icmp_stage2"}, timeout: "3s", list: "tmp_remote", trusted: "3m", opens: "everything", missing: []string{"*6 nothing matches", "*7 nothing matches", "*8 nothing matches"}},
		{file: "r07-icmp-repeats", missing: []string{"*2 a blacklist", "*3 same knock", "*4 stages 1 and 2 match the same packet", "*5 same knock", "*6 same knock", "*7 same knock"}},
		{file: "r08-layer7", missing: []string{"*2 layer7-protocol", "*3 same knock", "*4 same knock"}},
		{file: "r09-mixed", knock: "tcp/60722 udp/56321 udp/52913", lists: []string{"knock-1", "knock-2"}, timeout: "30s", list: "winbox-allowed", trusted: "30m", opens: "winbox"},
		{file: "r10-isp", knock: "tcp/15056 tcp/8023 tcp/34752", lists: []string{"SUPORTE-1", "SUPORTE-2"}, timeout: "3s", list: "REDE-SUPORTE", trusted: "3h", opens: "everything", missing: []string{"*3 a blacklist"}},
	} {
		t.Run(test.file, func(t *testing.T) {
			text, err := fixtures.Router("wild/" + test.file + ".rsc")
			if err != nil {
				t.Fatal(err)
			}
			s := snapshot(text)
			r := look(s)
			var missing []string
			for _, m := range r.Missing {
				missing = append(missing, m.Rule.ID+" "+m.Why)
			}
			if !slices.EqualFunc(missing, test.missing, says) {
				t.Errorf("missing %q", missing)
			}
			if test.knock == "" {
				if len(r.Doors) > 0 {
					t.Errorf("doors %+v", r.Doors)
				}
				return
			}
			if len(r.Doors) != 1 || len(r.Plan.Doors) != 1 {
				t.Fatalf("doors %+v", r.Plan.Doors)
			}
			d := r.Plan.Doors[0]
			var lists []string
			for i := range d.Knock[1:] {
				lists = append(lists, d.StageListOf(i+1))
			}
			if knockOf(d) != test.knock || !slices.Equal(lists, test.lists) || routeros.FormatDuration(d.StageTimeout) != test.timeout ||
				d.Trusted.List != test.list || d.Trusted.For.String() != test.trusted || d.Opens[0].String() != test.opens {
				t.Errorf("%s", plans.Write(r.Plan))
			}
			if test.why != "" {
				if r.Adoption.Clean() || !strings.Contains(strings.Join(r.Adoption.Why(), "; "), test.why) {
					t.Errorf("adoption: %q", r.Adoption.Why())
				}
				return
			}
			if !r.Adoption.Clean() {
				t.Fatalf("adoption: %q", r.Adoption.Why())
			}
			holdAdoption(t, s, r)
		})
	}
}

// says reports whether a reason begins with the id that is expected and has the words in it.
func says(got, want string) bool {
	id, words, _ := strings.Cut(want, " ")
	return strings.HasPrefix(got, id+" ") && strings.Contains(got, words)
}

func knockOf(d plans.Door) string {
	var out []string
	for _, s := range d.Knock {
		out = append(out, s.Reveal())
	}
	return strings.Join(out, " ")
}

// TestShapes: what hand-written sets have that the wild ones have not.
func TestShapes(t *testing.T) {
	const established = "add chain=input action=accept connection-state=established,related\n"
	const stages = "add chain=input action=add-src-to-address-list address-list=a address-list-timeout=30s protocol=tcp dst-port=4711\n" +
		"add chain=input action=add-src-to-address-list address-list=b address-list-timeout=1h protocol=tcp dst-port=4712 src-address-list=a\n"
	const final = "add chain=input action=accept in-interface-list=LAN\nadd chain=input action=drop\n"
	for _, test := range []struct {
		name, rules string
		clean       bool
		want        string // in the plan
		not         string // not in the plan
		missing     string // the reasons, in part
		why         string // what is in the way of adopting
	}{
		{name: "services", rules: established + stages + "add chain=input action=accept protocol=tcp dst-port=22,8291,8443 src-address-list=b\n" + final, clean: true, want: "opens: [ssh, winbox, tcp/8443]"},
		{name: "accepts apart", rules: established + stages + "add chain=input action=accept protocol=tcp dst-port=22 src-address-list=b\nadd chain=input action=accept protocol=tcp dst-port=8291 src-address-list=b\nadd chain=input action=accept protocol=udp dst-port=13231 src-address-list=b\n" + final,
			clean: true, want: "opens: [ssh, udp/13231]", missing: "another rule that accepts the list"},
		{name: "gate", rules: established + stages + "add chain=input action=accept protocol=tcp dst-port=22 src-address-list=b\nadd chain=input action=drop protocol=tcp dst-port=22,8291\n", clean: true, want: "services: [ssh, winbox]"},
		{name: "gate that the LAN passes", rules: established + "add chain=input action=accept in-interface-list=LAN\n" + stages + "add chain=input action=accept protocol=tcp dst-port=22 src-address-list=b\nadd chain=input action=drop protocol=tcp dst-port=22\n", clean: true, not: "gate:"},
		{name: "on top of all", rules: stages + "add chain=input action=accept src-address-list=b\n" + established + final, clean: true, want: "order:"},
		{name: "log with a limit", rules: established + stages + "add chain=input action=log log-prefix=knock limit=10/1m,10:packet protocol=tcp dst-port=4712 src-address-list=a\nadd chain=input action=accept src-address-list=b\n" + final, clean: true, want: "prefix: knock"},
		{name: "log without a limit", rules: established + stages + "add chain=input action=log log-prefix=knock protocol=tcp dst-port=4712 src-address-list=a\nadd chain=input action=accept src-address-list=b\n" + final, clean: true, not: "log:", missing: "logs finished knocks without a limit"},
		{name: "a word for each stage", rules: established + strings.ReplaceAll(stages, "dst-port=4711", "dst-port=4711 content=secret") + "add chain=input action=accept src-address-list=b\n" + final, missing: "matches a payload"},
		{name: "a range of ports", rules: established + strings.ReplaceAll(stages, "4711", "4711-4799") + "add chain=input action=accept src-address-list=b\n" + final, missing: "a stage matches one dst-port"},
		{name: "a matcher without a word", rules: established + strings.ReplaceAll(stages, "dst-port=4711", "dst-port=4711 time=8h-17h,mon") + "add chain=input action=accept src-address-list=b\n" + final, missing: "it matches time"},
		{name: "two ways in", rules: established + stages + "add chain=input action=add-src-to-address-list address-list=b address-list-timeout=1h protocol=udp dst-port=4799 src-address-list=a\nadd chain=input action=accept src-address-list=b\n" + final, missing: "a second way into the list"},
		{name: "raw", rules: established + "add chain=input action=accept src-address-list=b\n" + final + "/ip firewall raw\n" + strings.ReplaceAll(stages, "chain=input", "chain=prerouting"), missing: "the stages of a door stand in the filter table"},
		{name: "dst-nat only", rules: established + stages + final + "/ip firewall nat\nadd chain=dstnat action=dst-nat to-addresses=192.168.88.10 protocol=tcp dst-port=3389 src-address-list=b\n", missing: "doors open services, VPNs and ports of the router itself"},
		{name: "dst-nat too", rules: established + stages + "add chain=input action=accept src-address-list=b\n" + final + "/ip firewall nat\nadd chain=dstnat action=dst-nat to-addresses=192.168.88.10 protocol=tcp dst-port=3389 src-address-list=b\n", clean: true, missing: "hosts behind the router"},
		{name: "times that differ", rules: established + "add chain=input action=add-src-to-address-list address-list=z address-list-timeout=10s protocol=udp dst-port=4710\n" + strings.Replace(stages, "dst-port=4711", "dst-port=4711 src-address-list=z", 1) + "add chain=input action=accept src-address-list=b\n" + final, missing: "a door has one stage-timeout"},
		{name: "switched off", rules: established + strings.ReplaceAll(stages, "chain=input", "chain=input disabled=yes") + "add chain=input action=accept src-address-list=b\n" + final},
		{name: "limited to a list", rules: established + strings.Replace(stages, "dst-port=4711", "dst-port=4711 src-address-list=home", 1) + "add chain=input action=accept src-address-list=b\n" + final + "/ip firewall address-list\nadd list=home address=198.51.100.0/24\n",
			missing: "limited to src-address-list=home"},
		{name: "limited to an address", rules: established + stages + "add chain=input action=accept src-address-list=b src-address=198.51.100.0/24\n" + final, missing: "limited to src-address=198.51.100.0/24"},
		{name: "limited to a device", rules: established + strings.ReplaceAll(stages, "dst-port=4711", "dst-port=4711 src-mac-address=02:11:22:33:44:55") + "add chain=input action=accept src-address-list=b\n" + final, clean: true, want: "src-mac-address"},
		{name: "a limit and flags", rules: established + strings.ReplaceAll(stages, "dst-port=4711", "dst-port=4711 limit=5,5:packet tcp-flags=syn") + "add chain=input action=accept src-address-list=b\n" + final, clean: true, want: "tcp-flags: syn"},
		{name: "an empty matcher", rules: established + strings.Replace(stages, "dst-port=4711", "dst-port=4711 src-address-list=\"\"", 1) + "add chain=input action=accept src-address-list=b\n" + final, missing: "src-address-list is empty"},
		{name: "a list without a name", rules: established + strings.ReplaceAll(stages, " address-list=b", "") + "add chain=input action=accept\n"},
		{name: "a friend for good", rules: established + stages + "add chain=input action=accept src-address-list=b\n" + final + "/ip firewall address-list\nadd list=a address=198.51.100.7\n", why: "holds it permanently"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := snapshot([]byte(head + test.rules))
			r := look(s)
			var missing strings.Builder
			for _, m := range r.Missing {
				missing.WriteString(m.Why + "\n")
			}
			text := ""
			if len(r.Doors) > 0 {
				text = string(plans.Write(r.Plan))
			}
			if r.Adoption.Clean() != test.clean || !strings.Contains(text, test.want) || test.not != "" && strings.Contains(text, test.not) || !strings.Contains(missing.String(), test.missing) || !strings.Contains(strings.Join(r.Adoption.Why(), " "), test.why) {
				t.Fatalf("clean %v: %q\n%s%s", r.Adoption.Clean(), r.Adoption.Why(), text, missing.String())
			}
			if test.clean {
				holdAdoption(t, s, r)
			}
		})
	}
}

// TestBothFamilies: the same doors in both families are one; where they differ, IPv4's are taken
// and IPv6's named.
func TestBothFamilies(t *testing.T) {
	const rules = "add chain=input action=accept connection-state=established,related\n" +
		"add chain=input action=add-src-to-address-list address-list=a address-list-timeout=30s protocol=tcp dst-port=4711 connection-state=new\n" +
		"add chain=input action=add-src-to-address-list address-list=b address-list-timeout=1h protocol=icmp packet-size=200 src-address-list=a connection-state=new\n" +
		"add chain=input action=accept src-address-list=b\nadd chain=input action=drop\n"
	six := strings.ReplaceAll(rules, "protocol=icmp", "protocol=icmpv6")
	s := snapshot([]byte(head + rules + "/ipv6 address\nadd address=2001:db8::1/64 interface=bridge\n/ipv6 firewall filter\n" + six))
	r := look(s)
	if len(r.Plan.Firewall.Families) != 2 || len(r.Doors) != 2 || len(r.Plan.Doors) != 1 || !r.Adoption.Clean() {
		t.Fatalf("%q\n%s", r.Adoption.Why(), plans.Write(r.Plan))
	}
	holdAdoption(t, s, r)
	s = snapshot([]byte(head + rules + "/ipv6 address\nadd address=2001:db8::1/64 interface=bridge\n/ipv6 firewall filter\n" + strings.ReplaceAll(six, "4711", "4799")))
	r = look(s)
	if len(r.Plan.Firewall.Families) != 1 || len(r.Missing) != 3 || !r.Adoption.Clean() {
		t.Fatalf("%q %+v\n%s", r.Adoption.Why(), r.Missing, plans.Write(r.Plan))
	}
	holdAdoption(t, s, r)
}

// TestNotKnocks: the lists of brute-force protection are no knocks.
func TestNotKnocks(t *testing.T) {
	const protection = "add chain=input action=drop src-address-list=ssh_blacklist\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_blacklist address-list-timeout=1w protocol=tcp dst-port=22 connection-state=new src-address-list=ssh_stage3\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_stage3 address-list-timeout=1m protocol=tcp dst-port=22 connection-state=new src-address-list=ssh_stage2\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_stage2 address-list-timeout=1m protocol=tcp dst-port=22 connection-state=new src-address-list=ssh_stage1\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_stage1 address-list-timeout=1m protocol=tcp dst-port=22 connection-state=new\n" +
		"add chain=input action=accept protocol=tcp dst-port=22\n"
	if r := look(snapshot([]byte(head + protection))); len(r.Doors)+len(r.Missing) > 0 {
		t.Errorf("%+v, %+v", r.Doors, r.Missing)
	}
	wild, err := fixtures.Router("wild/r03-article.rsc")
	if err != nil {
		t.Fatal(err)
	}
	s := snapshot(append(wild, "\n/ip firewall filter\n"+protection...))
	r := look(s)
	if len(r.Doors) != 1 || r.Doors[0].Trusted.List != "trusted" || !r.Adoption.Clean() {
		t.Fatalf("%+v", r.Doors)
	}
	holdAdoption(t, s, r)
}

// TestTellingComments: the words of comments stay, but not those that tell a part of the knock.
func TestTellingComments(t *testing.T) {
	s := snapshot([]byte(head + "add chain=input action=accept connection-state=established,related\n" +
		"add chain=input action=add-src-to-address-list address-list=a address-list-timeout=30s protocol=tcp dst-port=4711 comment=\"first is 4711\"\n" +
		"add chain=input action=add-src-to-address-list address-list=b address-list-timeout=1h protocol=tcp dst-port=4712 src-address-list=a comment=\"f\\FCr Anna\"\n" +
		"add chain=input action=accept src-address-list=b comment=\"let them in\"\nadd chain=input action=drop\n"))
	r := look(s)
	if !r.Adoption.Clean() {
		t.Fatal(r.Adoption.Why())
	}
	after := holdAdoption(t, s, r)
	for i, want := range []string{1: "knock 1 of 2 at door b [rosknock old/b/stage-1]", 2: "knock 2 of 2 at door b [rosknock old/b/stage-2]", 3: "let them in [rosknock old/b/open]"} {
		if got := after.Rules[routeros.Filter][i].Comment(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if len(r.Notes) != 2 || strings.Contains(strings.Join(r.Notes, " "), "4711") {
		t.Errorf("%q", r.Notes)
	}
}

// TestCorpus: of the real exports, each that holds a knock is described and adopted, or a reason is
// given for each rule of it.
func TestCorpus(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	knocks, adopted, explained := 0, 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot(text)
		with := len(audit.Router(s).Knocks) > 0
		r := look(s)
		if !with && len(r.Doors)+len(r.Missing) > 0 {
			t.Errorf("%s: %+v and no knock in it", filepath.Base(file), r.Doors)
		}
		if !with {
			continue
		}
		knocks++
		switch {
		case r.Adoption.Clean():
			holdAdoption(t, s, r)
			adopted++
		case len(r.Doors) > 0 && len(r.Adoption.Why()) > 0, len(r.Doors) == 0 && len(r.Missing) > 0:
			explained++
		default:
			t.Errorf("%s: neither adopted nor explained", filepath.Base(file))
		}
	}
	t.Logf("%d exports, %d with knocks: %d adopted, %d explained", len(files), knocks, adopted, explained)
	if knocks < 3 || adopted < 1 { // a fourth has ports that a script computes: those rows can't be read
		t.Errorf("%d with knocks, %d adopted: there were 3 and 1", knocks, adopted)
	}
}

// FuzzRouter: no export makes it panic, and what it calls clean is.
func FuzzRouter(f *testing.F) {
	for _, name := range []string{"r01-official", "r04-jump-chain", "r05-unreachable", "r07-icmp-repeats", "r08-layer7", "r09-mixed"} {
		text, err := fixtures.Router("wild/" + name + ".rsc")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		s := snapshot(text)
		if r := look(s); r.Adoption.Clean() {
			holdAdoption(t, s, r)
		}
	})
}

// TestThenMended: once adopted, rules are brought to the usual form by taking as-found out of the
// plan, in both layouts, and the proof holds in every state on the way.
func TestThenMended(t *testing.T) {
	for _, name := range []string{"r01-official", "r03-article", "r04-jump-chain", "r06-icmp-size", "r09-mixed", "r10-isp"} {
		text, err := fixtures.Router("wild/" + name + ".rsc")
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot(text)
		r := look(s)
		adopted := holdAdoption(t, s, r)
		for _, layout := range []plans.Layout{plans.Inline, plans.Chain} {
			p := r.Plan
			p.Firewall.AsFound, p.Firewall.Layout = plans.AsFound{}, layout
			want, err := compile.Compile(p, adopted)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := diff.Compute(adopted, want, change.Management{})
			if err != nil || !changes.Changed() {
				t.Fatalf("%s, %s: %v, %d steps", name, layout, err, len(changes.Steps))
			}
			if err := proof.Prove(adopted, want, changes, change.Management{}).Err(); err != nil {
				t.Errorf("%s, %s: %v", name, layout, err)
			}
		}
	}
}

// TestLongKnock: a knock that is longer than a plan's can be is named as that, and nothing is
// computed of it.
func TestLongKnock(t *testing.T) {
	for _, n := range []int{plans.MostStages, plans.MostStages + 1, 500} {
		text := head + "add chain=input action=accept src-address-list=in\n"
		for i := n; i > 0; i-- {
			list, from := fmt.Sprint("s", i), fmt.Sprint(" src-address-list=s", i-1)
			if i == n {
				list = "in"
			}
			if i == 1 {
				from = ""
			}
			text += fmt.Sprintf("add chain=input action=add-src-to-address-list address-list=%s address-list-timeout=1m protocol=tcp dst-port=%d%s\n", list, 10000+i*7919%50000, from)
		}
		got := look(snapshot([]byte(text + "add chain=input action=drop\n")))
		if n == plans.MostStages {
			if len(got.Doors) != 1 || len(got.Plan.Doors[0].Knock) != n {
				t.Errorf("%d stages: %d doors", n, len(got.Doors))
			}
			continue
		}
		if len(got.Doors) != 0 || !slices.ContainsFunc(got.Missing, func(m discover.Missing) bool { return strings.Contains(m.Why, "more than 64 stages") }) {
			t.Errorf("%d stages: %d doors, %+v", n, len(got.Doors), got.Missing)
		}
	}
}
