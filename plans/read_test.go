package plans_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	text, err := fixtures.Plan(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func names() []string {
	return []string{"seed.yaml", "inline.yaml", "minimal.yaml", "branch.yaml", "quarantine.yaml", "hygiene.yaml", "forward.yaml"}
}

func TestSeed(t *testing.T) {
	p, err := plans.Read("seed.yaml", fixture(t, "seed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := plans.Plan{
		Name: "seed",
		Doors: []plans.Door{{
			Name:         "admin",
			Knock:        []plans.Stage{{Protocol: "tcp", Port: 33333}, {Protocol: "tcp", Port: 22222}, {Protocol: "tcp", Port: 11111}},
			StageTimeout: time.Minute, StageList: "port_knock",
			Trusted: plans.Trusted{List: "trusted", For: routeros.ListTimeout{Kind: routeros.Timed, For: 7 * 24 * time.Hour}},
			Opens:   []plans.Target{{Kind: plans.Everything}},
		}},
		Services: plans.Services{Disable: []string{"telnet", "www", "ftp"}},
		Firewall: plans.Firewall{Families: []routeros.Family{routeros.IPv4}},
	}
	if plain(p) != plain(want) {
		t.Errorf("got  %s\nwant %s", plain(p), plain(want))
	}
}

// plain is a plan as text, stages included.
func plain(p plans.Plan) string { return string(plans.Write(p)) }

func TestDefaults(t *testing.T) {
	p, err := plans.Read("minimal.yaml", fixture(t, "minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Doors[0]
	if d.StageTimeout != plans.DefaultStageTimeout || d.StageList != "rosknock-minimal-admin" || len(d.Opens) != 1 || d.Opens[0].Kind != plans.Everything ||
		len(p.Firewall.Families) != 2 || p.Firewall.Layout != plans.Chain || p.Firewall.Before != "" || d.Log != nil {
		t.Errorf("%+v", p)
	}
}

// door wraps lines into a plan with one door, whose first line is the fifth of the file.
func door(lines string) string {
	return "version: 1\nname: p\ndoors:\n  d:\n    " + strings.ReplaceAll(lines, "\n", "\n    ") + "\n"
}

const good = "knock: [tcp/41873, udp/23019]\ntrusted: {list: t, for: 1h}"

// forward is a gate with a forward called rdp, and what else there is.
func forward(keys string, more ...string) string {
	return "gate: {forwards: [{name: rdp, " + keys + "}]" + strings.Join(append([]string{""}, more...), ", ") + "}\n"
}

// TestMistakes: each mistake is found at its place, with words that say what is wrong.
func TestMistakes(t *testing.T) {
	tests := []struct{ name, text, place, message string }{
		{"empty", "", "1:1", "empty"},
		{"comments only", "# nothing\n", "1:1", "empty"},
		{"binary", "version: 1\n\x00\x01", "2:1", "UTF-8"},
		{"not UTF-8", "name: caf\xe9", "1:10", "UTF-8"},
		{"too long", strings.Repeat("#", 1<<20+1), "1:1", "1 MiB"},
		{"a list", "- a\n", "1:1", "mapping"},
		{"no YAML", "a: [\n", "", "not YAML"},
		{"tabs", "version: 1\n\tname: x\n", "2:1", "tab"},
		{"two documents", door(good) + "---\nversion: 1\n", "", "second document"},
		{"unknown key", door(good + "\nstage-timout: 5s"), "7:5", `"stage-timeout"`},
		{"unknown at the top", door(good) + "gates: {}\n", "7:1", `"gate"`},
		{"version", strings.Replace(door(good), "version: 1", "version: 2", 1), "1:10", "1"},
		{"a bad name", strings.Replace(door(good), "name: p", "name: Plan_1", 1), "2:7", "a-z"},
		{"a port too high", door("knock: [tcp/2000, tcp/70000]\ntrusted: {list: t, for: 1h}"), "5:23", "1 to 65535"},
		{"port zero", door("knock: [tcp/0, udp/2000]\ntrusted: {list: t, for: 1h}"), "5:13", "1 to 65535"},
		{"a leading zero", door("knock: [tcp/010, udp/2000]\ntrusted: {list: t, for: 1h}"), "5:13", "leading zeros"},
		{"a leading zero in a number", door("knock: [{protocol: tcp, port: 010}, udp/2000]\ntrusted: {list: t, for: 1h}"), "5:35", "leading zero"},
		{"a leading zero of a service", door(good) + "services: {ports: {ssh: 010}}\n", "7:25", "leading zero"},
		{"no knock", door("trusted: {list: t, for: 1h}"), "5:5", `"knock"`},
		{"an empty knock", door("knock: []\ntrusted: {list: t, for: 1h}"), "5:12", "empty"},
		{"no door", "version: 1\nname: p\ndoors: {}\n", "3:8", "empty"},
		{"the same stage twice in a row", door("knock: [tcp/41873, tcp/41873]\ntrusted: {list: t, for: 1h}"), "5:24", ""},
		{"too small a ping", door("knock: [icmp/27, tcp/2000]\ntrusted: {list: t, for: 1h}"), "5:13", "28"},
		{"an unknown protocol", door("knock: [tpc/1000, tcp/2000]\ntrusted: {list: t, for: 1h}"), "5:13", `"tcp"`},
		{"no trusted list", door("knock: [tcp/1000, udp/2000]"), "5:5", `"trusted"`},
		{"no time", door("knock: [tcp/1000, udp/2000]\ntrusted: {list: t}"), "6:14", `"for"`},
		{"a time without unit", door(good + "\nstage-timeout: 10"), "7:20", "unit"},
		{"no time at all", door(good + "\nstage-timeout: 0s"), "7:20", "more than zero"},
		{"too long a time", door("knock: [tcp/1000, udp/2000]\ntrusted: {list: t, for: 36w}"), "6:29", "35w3d"},
		{"a misspelt service", door(good + "\nopens: [winbx]"), "7:13", `"winbox"`},
		{"a misspelt gate", door(good) + "gate: {services: [shh]}\n", "7:19", `"ssh"`},
		{"an unknown VPN", door(good) + "gate: {vpns: [wiregard]}\n", "7:15", `"wireguard"`},
		{"everything and more", door(good + "\nopens: [everything, ssh]"), "7:13", "everything"},
		{"twice opened", door(good + "\nopens: [ssh, ssh]"), "7:18", "repeated"},
		{"opened and off", door(good+"\nopens: [www]") + "services: {disable: [www]}\n", "", "www"},
		{"a key twice", door(good + "\ntrusted: {list: u, for: 2h}"), "7:5", "repeated"},
		{"two services on one port", door(good) + "services: {ports: {ssh: 2222, www: 2222}}\n", "7:36", "port of ssh"},
		{"host bits", door(good) + "allow: {addresses: [198.51.100.7/24]}\n", "7:21", "198.51.100.0/24"},
		{"host bits, IPv6", door(good) + "allow: {addresses: [\"2001:db8::1/48\"]}\n", "7:21", "2001:db8::/48"},
		{"no address", door(good) + "allow: {addresses: [lan]}\n", "7:21", "address"},
		{"an anchor", door(strings.Replace(good, "{list", "&a {list", 1)), "6:14", "anchor"},
		{"an alias", door(good) + "allow: {addresses: &a []}\ngate: {services: *a}\n", "", "alias"},
		{"rotate", door(good + "\nrotate: {every: 1h}"), "5:5", "has knock and rotate"},
		{"a stage again, with quarantine", door("knock: [tcp/41873, udp/23019, tcp/41873]\ntrusted: {list: t, for: 1h}\nwrong-knock: quarantine"), "5:35", "stage 1 again"},
		{"a decoy that is a stage", door(good + "\ndecoys: [tcp/2000, udp/23019]"), "7:24", "a stage of door d"},
		{"a decoy that is another door's stage", door(good+"\ndecoys: [icmp/99]") + "  e:\n    knock: [tcp/3000, icmp/99]\n    trusted: {list: u, for: 1h}\n", "7:14", "a stage of door e"},
		{"a decoy that is opened", door(good + "\nopens: [ssh, tcp/2000-2010]\ndecoys: [tcp/2000]"), "8:14", "door d opens"},
		{"a decoy that is a gated service", door(good+"\ndecoys: [tcp/8291]") + "gate: {services: [winbox]}\n", "7:14", "winbox, which is gated"},
		{"a decoy that is a gated service where it moved", door(good+"\ndecoys: [tcp/2222]") + "gate: {services: [ssh]}\nservices: {ports: {ssh: 2222}}\n", "7:14", "ssh, which is gated"},
		{"a decoy that is a gated VPN", door(good+"\ndecoys: [udp/4500]") + "gate: {vpns: [ikev2]}\n", "7:14", "ikev2, which is gated"},
		{"a decoy twice", door(good + "\ndecoys: [tcp/2000, {protocol: tcp, port: 2000}]"), "7:24", "repeated"},
		{"no decoys", door(good + "\ndecoys: []"), "7:13", "empty"},
		{"a bad decoy", door(good + "\ndecoys: [2000]"), "7:14", "protocol/port"},
		{"a quarantine without a way into it", door(good + "\nquarantine-for: 5m"), "7:21", "wrong-knock"},
		{"a quarantine that ends too early", door(good + "\nwrong-knock: quarantine\nstage-timeout: 1m\nquarantine-for: 1m"), "9:21", "longer than stage-timeout"},
		{"a misspelt quarantine", door(good + "\nwrong-knock: quarantin"), "7:18", `"quarantine"`},
		{"a list that is a quarantine", door(strings.Replace(good, "list: t", "list: rosknock-p-d-quarantine", 1) + "\nwrong-knock: quarantine"), "4:3", "the quarantine of door d"},
		{"a list of networks that is a trusted list", door("knock: [tcp/41873, udp/23019]\ntrusted: {list: t, networks: t, for: 1h}"), "6:34", "the trusted list of door d and the list of networks"},
		{"a list of networks that is a stage list", door("knock: [tcp/41873, udp/23019]\ntrusted: {list: t, networks: rosknock-p-d_1, for: 1h}"), "4:3", "the list of networks of door d"},
		{"a payload", door("knock: [{protocol: udp, port: 2000, payload: x}, tcp/1000]\ntrusted: {list: t, for: 1h}"), "5:50", "payload is a mapping"},
		{"no forwards", door(good) + "gate: {forwards: []}\n", "7:18", "empty"},
		{"a forward without a host", door(good) + "gate: {forwards: [{name: rdp, protocol: tcp, port: 3389}]}\n", "7:19", `"to"`},
		{"a forward over IPv6", door(good) + forward("protocol: tcp, port: 3389, to: \"2001:db8::10\""), "7:62", "needs no forward"},
		{"a forward to a network", door(good) + forward("protocol: tcp, port: 3389, to: 192.168.88.0/24"), "7:62", "not an IPv4 address"},
		{"a forward to the router", door(good) + forward("protocol: tcp, port: 3389, to: 127.0.0.1"), "7:62", "no host"},
		{"a forward of another protocol", door(good) + forward("protocol: gre, port: 3389, to: 192.168.88.10"), "7:41", "protocol"},
		{"a forward to no port", door(good) + forward("protocol: tcp, port: 3389, to: 192.168.88.10, to-port: 0"), "7:86", "1 to 65535"},
		{"a forward of a gated service", door(good) + forward("protocol: tcp, port: 8291, to: 192.168.88.10", "services: [winbox]"), "7:52", "winbox, which is gated"},
		{"a forward of a gated VPN", door(good) + forward("protocol: udp, port: 4500, to: 192.168.88.10", "vpns: [ikev2]"), "7:52", "ikev2, which is gated"},
		{"a forward of a stage", door(good) + forward("protocol: tcp, port: 41873, to: 192.168.88.10"), "7:52", "a stage of door d"},
		{"a forward of a decoy", door(good+"\ndecoys: [tcp/2000]") + forward("protocol: tcp, port: 2000, to: 192.168.88.10"), "8:52", "a decoy of door d"},
		{"a forward of an opened port", door(good+"\nopens: [tcp/2000-2010]") + forward("protocol: tcp, port: 2000, to: 192.168.88.10"), "8:52", "which door d opens"},
		{"two forwards of one port", door(good) + forward("protocol: tcp, port: 2000, to: 192.168.88.10}, {name: b, protocol: tcp, port: 2000, to: 192.168.88.11"), "", "that of forward rdp"},
		{"two forwards of one name", door(good) + forward("protocol: tcp, port: 2000, to: 192.168.88.10}, {name: rdp, protocol: tcp, port: 2001, to: 192.168.88.11"), "", "rdp\" is repeated"},
		{"a forward named as a service", door(good) + strings.Replace(forward("protocol: tcp, port: 2000, to: 192.168.88.10"), "rdp", "ssh", 1), "7:26", "name of a service"},
		{"a forward named everything", door(good) + strings.Replace(forward("protocol: tcp, port: 2000, to: 192.168.88.10"), "rdp", "everything", 1), "7:26", "names no forward"},
		{"a forward without its family", door(good) + forward("protocol: tcp, port: 2000, to: 192.168.88.10") + "firewall: {families: [ipv6]}\n", "7:18", "of IPv4"},
		{"a misspelt forward", door(good+"\nopens: [rpd]") + forward("protocol: tcp, port: 2000, to: 192.168.88.10"), "7:13", `"rdp"`},
		{"a forward that is not there", door(good + "\nopens: [rdp]"), "7:13", "not a service, VPN, forward"},
		{"a variable", door(strings.Replace(good, "list: t", "list: \"${x}\"", 1)), "6:21", "has no value"},
		{"bogons nowhere", door(good) + "firewall: {bogons: {except: [10.0.0.0/8]}}\n", "7:20", "interface-lists"},
		{"bogons on no list", door(good) + "firewall: {bogons: {interface-lists: []}}\n", "7:38", "empty"},
		{"misspelt bogons", door(good) + "firewall: {bogon: {interface-lists: [WAN]}}\n", "7:12", `"bogons"`},
		{"a misspelt exception", door(good) + "firewall: {bogons: {interface-lists: [WAN], excep: [10.0.0.0/8]}}\n", "7:45", `"except"`},
		{"bogons that are no list", door(good) + "firewall: {bogons: [WAN]}\n", "7:20", "mapping"},
		{"bogons where everybody is allowed", door(good) + "allow: {interface-lists: [LAN]}\nfirewall: {bogons: {interface-lists: [WAN, LAN]}}\n", "8:44", "allowed without a knock"},
		{"an exception from nothing", door(good) + "firewall: {bogons: {interface-lists: [WAN], except: [93.77.0.0/16]}}\n", "7:54", "not reserved"},
		{"an exception of another family", door(good) + "firewall: {families: [ipv4], bogons: {interface-lists: [WAN], except: [\"fc00::/7\"]}}\n", "7:72", "leaves out"},
		{"host bits of an exception", door(good) + "firewall: {bogons: {interface-lists: [WAN], except: [10.0.0.1/8]}}\n", "7:54", "10.0.0.0/8"},
		{"what is reserved anyway", door(good) + "firewall: {bogons: {interface-lists: [WAN], also: [10.7.0.0/16]}}\n", "7:52", "reserved already"},
		{"excepted and added", door(good) + "firewall: {bogons: {interface-lists: [WAN], except: [10.7.0.0/16], also: [10.0.0.0/8]}}\n", "7:75", "excepted"},
		{"half of the internet", door(good) + "firewall: {bogons: {interface-lists: [WAN], also: [0.0.0.0/1]}}\n", "7:52", "at least /8"},
		{"a list that holds the bogons", door(strings.Replace(good, "list: t", "list: rosknock-p-bogons", 1)), "6:21", "the list of bogons"},
		{"lists that are one", "version: 1\nname: p\ndoors:\n  a: {knock: [tcp/1000, udp/2000], trusted: {list: t, for: 1h}}\n  b: {knock: [tcp/3000, udp/2000], trusted: {list: t, for: 1h}}\n", "", `"t"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := plans.Read("p.yaml", []byte(test.text))
			problems, ok := errors.AsType[form.Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("%v", err)
			}
			found := false
			for _, p := range problems {
				at := test.place == "" || fmt.Sprintf("%d:%d", p.Line, p.Column) == test.place
				found = found || at && strings.Contains(p.Message+" "+p.Remedy, test.message)
			}
			if !found {
				t.Errorf("want %s %q, got\n%v", test.place, test.message, err)
			}
		})
	}
}

// TestAllAtOnce: a file with many mistakes reports them together, in order of place.
func TestAllAtOnce(t *testing.T) {
	text := door("knok: [tcp/1000]\nstage-timeout: 10\ntrusted: {list: t, for: 1h}\nopens: [winbx]") + "gate: {vpns: [wiregard]}\nservices: {disable: [telnt]}\n"
	_, err := plans.Read("p.yaml", []byte(text))
	problems, _ := errors.AsType[form.Problems](err)
	if len(problems) < 6 {
		t.Errorf("%d problems:\n%v", len(problems), err)
	}
	for i := 1; i < len(problems); i++ {
		if problems[i].Line < problems[i-1].Line {
			t.Errorf("line %d comes before line %d", problems[i-1].Line, problems[i].Line)
		}
	}
	for _, p := range problems {
		if p.Excerpt == "" || p.Message == "" || p.File != "p.yaml" {
			t.Errorf("%+v", p)
		}
	}
}

// TestProblemsKeepTheSecret: whatever is wrong with a plan, no message shows a port of its knock.
func TestProblemsKeepTheSecret(t *testing.T) {
	text := string(fixture(t, "branch.yaml"))
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		junk := rapid.SampledFrom([]string{"", "\t", ":", "- ", "{", "]", "x", "\n", "&a ", "'"}).Draw(t, "junk")
		cut := rapid.IntRange(0, 3).Draw(t, "cut")
		_, err := plans.Read("p.yaml", []byte(text[:at]+junk+text[min(len(text), at+cut):]))
		if err == nil {
			return
		}
		for _, port := range []string{"41873", "17259"} {
			if strings.Contains(err.Error(), port) {
				t.Fatalf("%s shows in\n%v", port, err)
			}
		}
	})
}

// random draws a plan that can be written.
func random(t *rapid.T) plans.Plan {
	word := rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`)
	p := plans.Plan{Name: word.Draw(t, "name")}
	p.Firewall.Families = rapid.SampledFrom([][]routeros.Family{{routeros.IPv4}, {routeros.IPv6}, {routeros.IPv4, routeros.IPv6}}).Draw(t, "families")
	p.Firewall.Layout = rapid.SampledFrom([]plans.Layout{plans.Chain, plans.Inline}).Draw(t, "layout")
	p.Firewall.Before = rapid.SampledFrom([]string{"", "defconf: drop all not coming from LAN", `a "quoted" \ one`}).Draw(t, "before")
	if rapid.Bool().Draw(t, "bogons") && p.Firewall.Families[0] == routeros.IPv4 {
		p.Firewall.Bogons = &plans.Bogons{InterfaceLists: []string{"WAN", "LTE backup"}}
		p.Firewall.Bogons.Except = rapid.SampledFrom([][]routeros.AddressRange{nil, {prefix("10.0.0.0/8"), prefix("192.168.1.1/32")}}).Draw(t, "except")
		p.Firewall.Bogons.Also = rapid.SampledFrom([][]routeros.AddressRange{nil, {prefix("100.64.0.0/10")}}).Draw(t, "also")
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "doors") {
		d := plans.Door{
			Name: fmt.Sprintf("d%d", i), StageList: fmt.Sprintf("s%d", i), StageTimeout: time.Duration(rapid.IntRange(1, 100000).Draw(t, "timeout")) * time.Second,
			Trusted: plans.Trusted{List: fmt.Sprintf("trusted %d", i), For: rapid.SampledFrom([]routeros.ListTimeout{{}, {Kind: routeros.NoneStatic}, {Kind: routeros.Timed, For: time.Hour}}).Draw(t, "for"), Networks: rapid.SampledFrom([]string{"", fmt.Sprintf("networks %d", i)}).Draw(t, "networks")},
			Opens:   []plans.Target{{Kind: plans.Everything}},
		}
		for j := range rapid.IntRange(1, 5).Draw(t, "stages") {
			port := uint16(10000 + 1000*i + 10*j + rapid.IntRange(0, 9).Draw(t, "port"))
			d.Knock = append(d.Knock, rapid.SampledFrom([]plans.Stage{{Protocol: "tcp", Port: port}, {Protocol: "udp", Port: port}, {Protocol: "icmp", Size: port}}).Draw(t, "stage"))
		}
		if rapid.Bool().Draw(t, "some") {
			d.Opens = []plans.Target{{Kind: plans.ServiceTarget, Name: "ssh"}, {Kind: plans.VPNTarget, Name: "ikev2"}, {Kind: plans.PortTarget, Protocol: "udp", Port: routeros.PortRange{First: 5000, Last: 5010}}}
			d.Log = &plans.Log{Prefix: "knock", Count: 3, Per: time.Minute}
		}
		if rapid.Bool().Draw(t, "quarantine") {
			d.WrongKnock = rapid.SampledFrom([]plans.WrongKnock{plans.Ignore, plans.Quarantine}).Draw(t, "wrong")
			d.QuarantineFor = d.StageTimeout + time.Duration(rapid.IntRange(1, 1000).Draw(t, "longer"))*time.Second
			for j := range rapid.IntRange(1, 3).Draw(t, "decoys") {
				d.Decoys = append(d.Decoys, rapid.SampledFrom([]plans.Stage{{Protocol: "tcp", Port: uint16(20000 + j)}, {Protocol: "icmp", Size: uint16(90 + j)}}).Draw(t, "decoy"))
			}
		}
		p.Doors = append(p.Doors, d)
	}
	if rapid.Bool().Draw(t, "more") {
		p.Allow.InterfaceLists = []string{"LAN"}
		p.Gate = plans.Gate{Services: []string{"ssh", "winbox"}, VPNs: []string{"wireguard"}}
		p.Services = plans.Services{Disable: []string{"telnet"}, Ports: []plans.ServicePort{{Name: "ssh", Port: 2222}}}
	}
	if slices.Contains(p.Firewall.Families, routeros.IPv4) && rapid.Bool().Draw(t, "forwards") {
		to := netip.MustParseAddr("192.168.88.10")
		p.Gate.Forwards = []plans.Forward{{Name: "rdp", Protocol: "tcp", Port: 901, To: to, ToPort: 901}, {Name: "9", Protocol: "udp", Port: 901, To: to, ToPort: 3389}}
		p.Doors[0].Opens = []plans.Target{{Kind: plans.ForwardTarget, Name: "rdp"}, {Kind: plans.ForwardTarget, Name: "9"}}
	}
	return p
}

// TestWriteRead: what is written reads back as it was, and has the same digest.
func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := random(t)
		text := plans.Write(p)
		back, err := plans.Read("p.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(back, p) {
			t.Fatalf("got\n%s\nwant\n%s", plans.Write(back), text)
		}
		if back.Digest() != p.Digest() {
			t.Fatal("two digests of one plan")
		}
		back.Doors[0].Knock[0] = plans.Stage{Protocol: "tcp", Port: 999}
		if back.Digest() == p.Digest() {
			t.Fatal("another knock, the same digest")
		}
	})
}

// TestQuarantine: what a door says of wrong knocks, and what it gets when it does not say for how
// long.
func TestQuarantine(t *testing.T) {
	p, err := plans.Read("quarantine.yaml", fixture(t, "quarantine.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Doors[0]; d.WrongKnock != plans.Quarantine || len(d.Decoys) != 3 || d.QuarantineFor != 2*time.Minute || d.QuarantineList() != "rosknock-branch-admin-quarantine" {
		t.Errorf("%+v", d)
	}
	for lines, want := range map[string]time.Duration{
		"":                                       0,
		"wrong-knock: ignore":                    0,
		"wrong-knock: quarantine":                time.Minute,
		"decoys: [tcp/2000]":                     time.Minute,
		"stage-timeout: 40s\ndecoys: [tcp/2000]": 80 * time.Second,
		"decoys: [tcp/2000]\nquarantine-for: 3h": 3 * time.Hour,
	} {
		p, err := plans.Read("p.yaml", []byte(door(strings.TrimSuffix(good+"\n"+lines, "\n"))))
		if err != nil || p.Doors[0].QuarantineFor != want || p.Doors[0].Quarantines() != (want > 0) {
			t.Errorf("%q: %v, %+v", lines, err, p.Doors)
		}
	}
}

// TestPrintedPlansKeepTheSecret: a plan that ends in a log shows no port, under any verb.
func TestPrintedPlansKeepTheSecret(t *testing.T) {
	p, err := plans.Read("branch.yaml", fixture(t, "branch.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ports := regexp.MustCompile(`41873|17259`)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, p); ports.MatchString(text) {
			t.Errorf("%s shows %s", verb, text)
		}
	}
}

func TestStarter(t *testing.T) {
	knock := []plans.Stage{{Protocol: "tcp", Port: 41873}, {Protocol: "udp", Port: 23019}, {Protocol: "tcp", Port: 35542}}
	p, err := plans.Read("main.yaml", plans.Starter("main", knock))
	if err != nil || !reflect.DeepEqual(p.Doors[0].Knock, knock) {
		t.Errorf("%v, %+v", err, p)
	}
}

func TestVPNs(t *testing.T) {
	for _, name := range plans.VPNs() {
		for _, f := range routeros.Families() {
			matches := plans.VPNMatches(name, f)
			if len(matches) == 0 {
				t.Errorf("%s needs nothing over %s", name, f)
			}
			for _, m := range matches {
				if _, err := routeros.ParseProtocol(m.Protocol); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := routeros.ParsePorts(m.Ports); m.Ports != "" && err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	if plans.VPNMatches("nonsense", routeros.IPv4) != nil {
		t.Error("an unknown VPN needs something")
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range names() {
		f.Add(fixture(f, name))
	}
	f.Add([]byte("version: 1\nname: &a x\ndoors: *a\n"))
	f.Add([]byte("{{{{[[[["))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plans.Read("p.yaml", data)
		if err != nil {
			if problems, ok := errors.AsType[form.Problems](err); !ok || len(problems) == 0 {
				t.Fatalf("%T", err)
			}
			return
		}
		text := plans.Write(p)
		back, err := plans.Read("p.yaml", text)
		if err != nil || !bytes.Equal(plans.Write(back), text) {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
