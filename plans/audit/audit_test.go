package audit_test

import (
	"math"
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
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

func read(t interface {
	Helper()
	Fatal(args ...any)
}, text []byte, err error) routeros.Snapshot {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(text).Snapshot(rsc.Options{})
	return s
}

// TestWild: what is known of the knock rules that people run is what the audit finds.
func TestWild(t *testing.T) {
	for _, test := range []struct {
		file, list, why       string
		packets               int
		random                float64
		ascending, descending bool
		payload               bool
		opens                 string // one of what it opens
	}{
		{file: "r01-official", list: "secured", packets: 3, random: 1.0 / 6, descending: true, opens: "winbox"},
		{file: "r02-wiki", list: "secure", packets: 2, random: 1.0 / 2, descending: true, opens: "ssh"},
		{file: "r03-article", list: "trusted", packets: 3, random: 1.0 / 6, descending: true, opens: "winbox"},
		{file: "r04-jump-chain", list: "PORT_KNOCK_OK", packets: 3, random: 1.0 / 6, opens: "ssh"},
		{file: "r05-unreachable", list: "pk_sshAllow", packets: 4, random: -1, why: "can't be opened: no packet arrives"},
		{file: "r06-icmp-size", list: "tmp_remote", packets: 3, random: 1.0 / 6, ascending: true, opens: "ssh"},
		{file: "r06-icmp-size", list: "code_2", random: -1, why: "can't be opened: no packets lead into the list"},
		{file: "r07-icmp-repeats", list: "Whitelist", packets: 2, random: 1.0 / 2, ascending: true, opens: "ssh"},
		{file: "r08-layer7", list: "WAN_Allow", packets: 2, random: 0, payload: true, opens: "ssh"},
		{file: "r09-mixed", list: "winbox-allowed", packets: 3, random: 1.0 / 6, descending: true, opens: "winbox"},
		{file: "r10-isp", list: "REDE-SUPORTE", packets: 3, random: -1, opens: "winbox"},
	} {
		t.Run(test.file+"/"+test.list, func(t *testing.T) {
			text, err := fixtures.Router("wild/" + test.file + ".rsc")
			report := audit.Router(read(t, text, err))
			at := slices.IndexFunc(report.Knocks, func(k audit.Knock) bool { return k.List == test.list })
			if at < 0 {
				t.Fatalf("not found: %+v", report.Knocks)
			}
			k := report.Knocks[at]
			if len(k.Steps) != test.packets || k.Works() != (test.why == "") || !strings.Contains(k.Why, test.why) {
				t.Errorf("%d packets, %q", len(k.Steps), k.Why)
			}
			if test.random >= 0 && (math.Abs(k.Strength.Random-test.random) > 0.001 || k.Strength.Ascending != test.ascending || k.Strength.Descending != test.descending) {
				t.Errorf("%+v", k.Strength)
			}
			if test.opens != "" && !slices.Contains(k.Opens, test.opens) {
				t.Errorf("opens %v", k.Opens)
			}
			if got := slices.ContainsFunc(k.Steps, func(s sequence.Step) bool { return s.Payload }); got != test.payload {
				t.Errorf("payload: %v", got)
			}
			if test.opens == "winbox" && test.file == "r09-mixed" && len(k.Opens) != 1 {
				t.Errorf("opens %v, not winbox alone", k.Opens)
			}
		})
	}
}

// TestNotKnocks: brute-force lists and blacklists are no knocks.
func TestNotKnocks(t *testing.T) {
	const text = "/ip firewall filter\nadd chain=input action=drop src-address-list=ssh_blacklist\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_blacklist address-list-timeout=1w protocol=tcp dst-port=22 connection-state=new src-address-list=ssh_stage2\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_stage2 address-list-timeout=1m protocol=tcp dst-port=22 connection-state=new src-address-list=ssh_stage1\n" +
		"add chain=input action=add-src-to-address-list address-list=ssh_stage1 address-list-timeout=1m protocol=tcp dst-port=22 connection-state=new\n"
	if k := audit.Router(read(t, []byte(text), nil)).Knocks; len(k) != 0 {
		t.Errorf("%+v", k)
	}
}

// TestSelfBan: a knock whose first packet bans its source does not open.
func TestSelfBan(t *testing.T) {
	const rules = "add chain=input action=drop src-address-list=black\n" +
		"add chain=input action=add-src-to-address-list address-list=k2 address-list-timeout=1h protocol=tcp dst-port=222 src-address-list=k1\n" +
		"add chain=input action=add-src-to-address-list address-list=k1 address-list-timeout=10s protocol=tcp dst-port=555\n" +
		"add chain=input action=add-src-to-address-list address-list=black address-list-timeout=1h protocol=tcp dst-port=%s\n" +
		"add chain=input action=accept src-address-list=k2\nadd chain=input action=drop in-interface=ether1\n"
	for ports, works := range map[string]bool{"500-600": false, "600-700": true} {
		knocks := audit.Router(read(t, []byte(sides+strings.Replace(rules, "%s", ports, 1)), nil)).Knocks
		if len(knocks) != 1 || knocks[0].Works() != works {
			t.Errorf("%s: %+v", ports, knocks)
		}
	}
}

// TestOpenToPeers: what only IPsec peers reach without a knock is not open to strangers, and what
// strangers reach is open to them, though peers do not.
func TestOpenToPeers(t *testing.T) {
	const rules = "add chain=input action=add-src-to-address-list address-list=k address-list-timeout=1h protocol=udp dst-port=5000\n" +
		"add chain=input action=jump jump-target=bans\nadd chain=bans action=return src-address-list=k\n" + // about every service
		"add chain=input action=accept ipsec-policy=in,POLICY\n" +
		"add chain=input action=accept protocol=tcp dst-port=8291 src-address-list=k\nadd chain=input action=drop in-interface=ether1\n"
	for policy, open := range map[string]bool{"ipsec": false, "none": true} {
		knocks := audit.Router(read(t, []byte(sides+strings.Replace(rules, "POLICY", policy, 1)), nil)).Knocks
		for _, service := range []string{"telnet", "winbox"} {
			if len(knocks) != 1 || slices.Contains(knocks[0].Open, service) != open {
				t.Errorf("ipsec-policy=in,%s, %s: %+v", policy, service, knocks)
			}
		}
	}
}

const sides = "/interface list\nadd name=WAN\nadd name=LAN\n/interface list member\nadd interface=ether1 list=WAN\nadd interface=bridge list=LAN\n/ip address\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\nadd chain=input action=accept connection-state=established\n"

// TestReach: who can reach winbox.
func TestReach(t *testing.T) {
	const lan, drop = "add chain=input action=accept in-interface-list=LAN\n", "add chain=input action=drop\n"
	// Who is on vip, or on black, is only spared another list.
	const spared = "add chain=input action=jump jump-target=k\nadd chain=k action=return src-address-list=vip\nadd chain=k action=return src-address-list=black\n" +
		"add chain=k action=add-src-to-address-list address-list=black address-list-timeout=1h protocol=tcp dst-port=7\n"
	const lists = "/ip firewall address-list\nadd list=vip address=198.51.100.9\nadd list=office address=198.51.100.7\n"
	for _, test := range []struct{ name, rules, want string }{
		{"no rule at all", "", "anyone ether1"},
		{"from anywhere", "add chain=input action=accept protocol=tcp dst-port=8291\n" + drop, "anyone ether1"},
		{"from the LAN", lan + drop, "LAN bridge"},
		{"from nowhere", drop, ""},
		{"from an address", "add chain=input action=accept src-address=198.51.100.0/24\n" + drop, "allow-list 198.51.100.0/24"},
		{"from a list", "add chain=input action=accept src-address-list=admins in-interface=ether1\n" + drop + "/ip firewall address-list\nadd list=admins address=198.51.100.7\n", "allow-list list admins"},
		{"after a knock", "add chain=input action=add-src-to-address-list address-list=k address-list-timeout=1m protocol=udp dst-port=5000\nadd chain=input action=accept src-address-list=k\n" + lan + drop, "LAN bridge; trusted after a knock list k"},
		{"by a service that answers few", drop[:0] + "/ip service\nset winbox address=192.0.2.0/24\n", "allow-list 192.0.2.0/24"},
		{"by a service that answers the LAN", "/ip service\nset winbox address=192.168.88.0/24\n", "LAN bridge"},
		{"where limit has a say", "add chain=input action=accept protocol=tcp dst-port=8291 limit=5,5:packet\n" + drop, "anyone ether1"},
		{"dst-nat takes it elsewhere", "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=8291 to-addresses=192.168.88.9\n", ""},
		{"by another port", "add chain=input action=accept connection-nat-state=dstnat\n" + lan + drop + "/ip firewall nat\nadd chain=dstnat action=redirect protocol=tcp dst-port=9999 to-ports=8291\n", "anyone ether1 through tcp/9999"},
		{"from a tunnel", "add chain=input action=accept in-interface=wg1\n" + drop + "/interface wireguard\nadd name=wg1\n", "LAN wg1"},
		{"from what it says to itself", "add chain=input action=accept in-interface=lo\n" + drop, ""},
		{"a raw drop", "/ip firewall raw\nadd chain=prerouting action=drop in-interface=ether1\n", "LAN bridge; perhaps anyone any other interface"},
		{"one host of the LAN", "add chain=input action=accept src-address=192.168.88.10\n" + drop, "allow-list 192.168.88.10"},
		{"all but one host of the LAN", "add chain=input action=drop src-address=192.168.88.10\n" + lan + drop, "LAN bridge"},
		{"by a mark", "add chain=input action=accept connection-mark=ok\n" + lan + drop, "LAN bridge; perhaps anyone ether1 any other interface if connection-mark matches"},
		{"by a text", "add chain=input action=accept content=sesame\n" + lan + drop, "LAN bridge; perhaps anyone ether1 any other interface if content matches"},
		{"a drop of all others", "add chain=input action=drop src-address=!198.51.100.0/24\n", "allow-list 198.51.100.0/24"},
		{"but for a text", "add chain=input action=drop content=sesame\n", "anyone ether1"},
		{"at some hours", "add chain=input action=drop time=8h-18h,mon in-interface=ether1\n", "LAN bridge; perhaps anyone ether1 any other interface if time matches"},
		{"to everybody on the network", "add chain=input action=accept dst-address=192.168.88.255\n" + lan + drop, "LAN bridge"},
		{"without SYN", "add chain=input action=drop protocol=tcp tcp-flags=syn\n", ""},
		{"by a host name", "add chain=input action=accept src-address-list=home\n" + lan + drop + "/ip firewall address-list\nadd list=home address=home.example.net\n", "LAN bridge; allow-list list home"},
		{"spared, where the LAN gets in by its interface", spared + "add chain=input action=drop in-interface-list=!LAN\n" + lists, "LAN bridge"},
		{"spared, beside a list that lets in", spared + "add chain=input action=accept src-address-list=office\nadd chain=input action=drop in-interface-list=!LAN\n" + lists, "LAN bridge; allow-list list office"},
		{"spared by a drop", "add chain=input action=drop in-interface-list=!LAN src-address-list=!vip\n" + lists, "LAN bridge; allow-list list vip"},
		{"from a list, and from anyone", "add chain=input action=accept src-address-list=admins\n/ip firewall address-list\nadd list=admins address=198.51.100.7\n", "anyone ether1; allow-list list admins"},
	} {
		report := audit.Router(read(t, []byte(sides+test.rules), nil))
		at := slices.IndexFunc(report.Reach, func(r audit.Reach) bool { return r.Name == "winbox" && r.Family == routeros.IPv4 })
		var got []string
		for _, by := range report.Reach[at].By {
			text := string(by.Who) + " " + strings.Join(by.Detail, " ")
			if by.Perhaps {
				text = "perhaps " + text
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "; "); text != test.want {
			t.Errorf("%s: %q, want %q", test.name, text, test.want)
		}
	}
}

// TestDead: rules that no packet meets are found with the reason, and no others.
func TestDead(t *testing.T) {
	const rules = "add chain=input action=drop protocol=udp comment=udp\n" +
		"add chain=input action=accept protocol=udp dst-port=53 comment=dns\n" + // shadowed
		"add chain=input action=jump jump-target=tcp protocol=tcp\n" +
		"add chain=tcp action=accept protocol=icmp comment=ping\n" + // never comes there
		"add chain=input action=accept packet-size=2 protocol=icmp comment=small\n" + // can't be
		"add chain=input action=accept in-interface-list=LAN comment=lan\n" +
		"add chain=other action=accept comment=elsewhere\n" +
		"add chain=input action=accept src-address-list=never comment=empty\n" // nobody is in it
	var got []string
	for _, d := range audit.Router(read(t, []byte(sides+rules), nil)).Dead {
		got = append(got, d.Rule+" | "+d.Why)
	}
	want := []string{"dns", "ping", "small", "empty"}
	for i, name := range want {
		if len(got) != len(want) || !strings.Contains(got[i], `"`+name+`"`) {
			t.Fatalf("%q", got)
		}
	}
	if !strings.Contains(got[0], `"udp"`) {
		t.Errorf("no reason: %q", got[0])
	}
}

// TestCorpus: every real export gets an answer.
func TestCorpus(t *testing.T) {
	root := os.Getenv("ROSKNOCK_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	files, _ := filepath.Glob(filepath.Join(root, "corpus", "exports", "*.rsc"))
	if len(files) == 0 {
		t.Skip("no shared corpus beside the repository")
	}
	anyone, knocks := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		report := audit.Router(read(t, text, err))
		if len(report.Reach) == 0 {
			t.Errorf("%s: nothing is said about reach: %q", filepath.Base(file), report.Notes)
		}
		for _, note := range report.Notes {
			if strings.Contains(note, "incomplete") {
				t.Errorf("%s: %s", filepath.Base(file), note)
			}
		}
		if slices.ContainsFunc(report.Reach, func(r audit.Reach) bool {
			return r.Name == "winbox" && r.Family == routeros.IPv4 && len(r.By) > 0 && r.By[0].Who == audit.Anyone
		}) {
			anyone++
		}
		knocks += len(report.Knocks)
	}
	t.Logf("%d exports: winbox is open to anyone on %d, %d knocks", len(files), anyone, knocks)
}

func BenchmarkRouter(b *testing.B) {
	text, err := fixtures.Router("wild/r10-isp.rsc")
	s := read(b, text, err)
	b.ReportAllocs()
	for b.Loop() {
		audit.Router(s)
	}
}

// TestOwnQuarantine: our own knock is found with its quarantine and its decoys, in both layouts and
// families, and rated with them.
func TestOwnQuarantine(t *testing.T) {
	text, err := fixtures.Plan("quarantine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	export, err := fixtures.Router("defconf.rsc")
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		s := read(t, export, err)
		p, err := plans.Read("quarantine.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		p.Firewall.Layout = layout
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		c, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			t.Fatal(err)
		}
		report := audit.Router(changetest.After(t, s, c))
		if len(report.Knocks) != 2 || len(report.Dead) > 0 {
			t.Fatalf("%v: %+v, dead %+v", layout, report.Knocks, report.Dead)
		}
		for _, k := range report.Knocks {
			// 4 stages and 3 decoys: 3!/7!
			if !k.Works() || len(k.Steps) != 4 || k.Quarantine != "rosknock-branch-admin-quarantine" || k.Decoys != 3 || math.Abs(k.Strength.Random-6.0/5040) > 0.001 || k.Strength.Ascending || k.Doubles || k.Ways != 1 {
				t.Errorf("%v, %s: %+v", layout, k.Family, k)
			}
		}
	}
}
