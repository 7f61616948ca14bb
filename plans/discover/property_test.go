package discover_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// drawnKnock draws stages in short form, none twice.
func drawnKnock(t *rapid.T) []string {
	kinds := []string{"tcp", "tcp", "udp", "icmp"}
	var out []string
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(1100, 1400), 2, 5, rapid.ID[int]).Draw(t, "numbers")
	for i, n := range numbers {
		out = append(out, fmt.Sprintf("%s/%d", rapid.SampledFrom(kinds).Draw(t, fmt.Sprint("kind ", i)), n))
	}
	return out
}

// drawnPlan draws an inline plan of one door or two.
func drawnPlan(t *rapid.T) plans.Plan {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString("version: 1\nname: m\ndoors:\n")
	for i := range rapid.IntRange(1, 2).Draw(t, "doors") {
		fmt.Fprintf(&b, "  d%d:\n    knock: [%s]\n    stage-timeout: %s\n    trusted: {list: t%d, for: %s}\n    opens: %s\n", i, strings.Join(drawnKnock(t), ", "),
			one("timeout", "5s", "1m"), i, one("for", "1h", "7d", "none-dynamic"), one("opens", "[everything]", "[ssh]", "[ssh, winbox]", "[tcp/9000-9010, udp/5000]", "[wireguard, ssh]"))
		b.WriteString(one("lists", "", fmt.Sprintf("    stage-lists: port_knock%d\n", i)) + one("log", "", "    log: {prefix: knocked, limit: 5/1m}\n"))
	}
	b.WriteString(one("gate", "", "gate: {services: [ssh, winbox]}\n") + "firewall: {families: " + one("families", "[ipv4]", "[ipv4, ipv6]") + ", layout: inline}\n")
	p, err := plans.Read("m.yaml", []byte(b.String()))
	if err != nil {
		t.Skip(err)
	}
	return p
}

// table draws other people's rules around knocks.
func table(t *rapid.T, knocks string) string {
	maybe := func(label, text string) string {
		if rapid.Bool().Draw(t, label) {
			return text
		}
		return ""
	}
	established := "add chain=input action=accept connection-state=established,related,untracked\n"
	if knocks != "" && rapid.IntRange(0, 3).Draw(t, "on top") == 0 {
		established, knocks = "", knocks+established
	}
	return established + maybe("lan first", "add chain=input action=accept in-interface-list=LAN\n") + maybe("invalid", "add chain=input action=drop connection-state=invalid\n") +
		maybe("enemies", "add chain=input action=drop src-address-list=enemies\n") + maybe("friend", "add chain=input action=accept src-address=198.51.100.7\n") +
		knocks + maybe("lan", "add chain=input action=accept in-interface-list=LAN\n") + maybe("forward", "add chain=forward action=drop connection-state=invalid\n") + "add chain=input action=drop in-interface-list=!LAN\n"
}

// stripped takes every comment off a router's rules.
func stripped(s routeros.Snapshot) routeros.Snapshot {
	rules := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range s.Rules {
		for _, r := range rows {
			r.Attrs = r.Attrs.Without("comment")
			rules[menu] = append(rules[menu], r)
		}
	}
	s.Rules = rules
	return s
}

// TestOwnRulesComeBack: the rules that a plan compiles to, without their marks, are recognised as
// what the plan says.
func TestOwnRulesComeBack(t *testing.T) {
	came, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawnPlan(t)
		rules := table(t, "")
		s := snapshot([]byte(head + rules + "/ipv6 address\nadd address=2001:db8::1/64 interface=bridge\n/ipv6 firewall filter\n" + strings.ReplaceAll(rules, "198.51.100.7", "2001:db8:7::7")))
		want, err := compile.Compile(p, s)
		if err != nil {
			return
		}
		changes, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			return
		}
		bare := stripped(renumbered(changetest.After(t, s, changes)))
		all++
		r := look(bare)
		if !r.Adoption.Clean() {
			t.Fatalf("not adopted: %q\n%s\n%s\n%+v", r.Adoption.Why(), plans.Write(p), plans.Write(r.Plan), bare.Rules[routeros.Filter])
		}
		holdAdoption(t, bare, r)
		if len(r.Plan.Doors) != len(p.Doors) {
			t.Fatalf("%d doors of %d", len(r.Plan.Doors), len(p.Doors))
		}
		for i, d := range r.Plan.Doors {
			at := slices.IndexFunc(p.Doors, func(o plans.Door) bool { return o.Trusted == d.Trusted })
			if at < 0 {
				t.Fatalf("no door fills %s", d.Trusted.List)
			}
			was := p.Doors[at]
			if !reflect.DeepEqual(d.Knock, was.Knock) || d.StageTimeout != was.StageTimeout || !reflect.DeepEqual(d.Log, was.Log) || d.StageListOf(1) != was.StageListOf(1) {
				t.Fatalf("door %d: %s\n%s", i, plans.Write(r.Plan), plans.Write(p))
			}
		}
		came++
	})
	t.Logf("%d of %d", came, all)
}

// renumbered gives rows that a rehearsal added ids such as a router gives.
func renumbered(s routeros.Snapshot) routeros.Snapshot {
	rules := map[routeros.Menu][]routeros.Rule{}
	for menu, rows := range s.Rules {
		for i, r := range rows {
			r.ID = fmt.Sprintf("*%X", i+1)
			rules[menu] = append(rules[menu], r)
		}
	}
	s.Rules = rules
	return s
}

// byHand draws knock rules in the ways in which people write them, and the rules of a chain of
// theirs that come with it.
func byHand(t *rapid.T, knock []string) string {
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	chain, more := "input", ""
	if yes("chain") {
		chain = "pk"
	}
	if yes("new") {
		more += " connection-state=new"
	}
	if yes("wan") {
		more += " in-interface-list=WAN"
	}
	if yes("comment") { // the same for all
		more += ` comment="their knock"`
	}
	var stages []string
	for i, stage := range knock {
		protocol, number, _ := strings.Cut(stage, "/")
		match := "protocol=" + protocol + " dst-port=" + number
		if protocol == "icmp" {
			match = "protocol=icmp packet-size=" + number
			if yes("echo") {
				match += " icmp-options=8:0"
			}
		}
		asked, list, timeout := "", fmt.Sprintf("step-%c", 'a'+i), "20s"
		switch {
		case i > 0:
			asked = fmt.Sprintf(" src-address-list=step-%c", 'a'+i-1)
		case yes("guard"):
			asked = " src-address-list=!enemies"
		}
		if i == len(knock)-1 {
			list, timeout = "in", "2h"
		}
		stages = append(stages, fmt.Sprintf("add chain=%s action=add-src-to-address-list address-list=%s address-list-timeout=%s %s%s%s\n", chain, list, timeout, match, asked, more))
	}
	if yes("descending") {
		slices.Reverse(stages)
	}
	accept := "add chain=input action=accept src-address-list=in" + rapid.SampledFrom([]string{"", " protocol=tcp dst-port=22,8291", " in-interface-list=WAN", " connection-state=new"}).Draw(t, "accept") + "\n"
	out := strings.Join(stages, "")
	if chain == "pk" {
		out = "add chain=input action=jump jump-target=pk connection-state=new\n" + out
		if yes("return") {
			out += "add chain=pk action=return\n"
		}
	}
	if yes("above") {
		return accept + out
	}
	return out + accept
}

// TestByHand: what people write by hand is adopted, or a reason is given; and adopting changes the
// fate of no packet.
func TestByHand(t *testing.T) {
	adopted, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		knock := drawnKnock(t)
		s := snapshot([]byte(head + table(t, byHand(t, knock))))
		r := look(s)
		all++
		if !r.Adoption.Clean() {
			if len(r.Missing)+len(r.Adoption.Why()) == 0 {
				t.Fatalf("neither adopted nor explained")
			}
			return
		}
		adopted++
		after := holdAdoption(t, s, r)
		if got := knockOf(r.Plan.Doors[0]); got != strings.Join(knock, " ") {
			t.Fatalf("the knock is %s, and %s was drawn", got, knock)
		}
		sameFates(t, s, after, knock)
		givenBack(t, s, r.Adoption.Changes)
	})
	t.Logf("%d of %d were adopted", adopted, all)
	if adopted*2 < all {
		t.Errorf("%d of %d were adopted: the rules don't suit the test", adopted, all)
	}
}

// givenBack holds that an adoption can be rolled back however far it came, by steps that the proof
// lets pass.
func givenBack(t *rapid.T, before routeros.Snapshot, c change.ChangeSet) {
	came := rapid.IntRange(0, len(c.Steps)).Draw(t, "came")
	now := changetest.States(t, before, c)[came]
	back, err := undo.Changes(now, before, c, "old")
	if err != nil || len(back.Steps) != came {
		t.Fatalf("%d steps back after %d: %+v", len(back.Steps), came, back.Steps)
	}
	if err := proof.Way(now, before, "old", back, change.Management{}).Err(); err != nil {
		t.Fatalf("the way back: %v", err)
	}
	then := changetest.After(t, now, back)
	if left := undo.Left(then, before, c, "old"); len(left) > 0 {
		t.Fatalf("left: %q", left)
	}
	for i, r := range then.Rules[routeros.Filter] {
		if was := before.Rules[routeros.Filter][i]; !r.Attrs.Without("comment").Equal(was.Attrs.Without("comment")) || r.Comment() != was.Comment() {
			t.Fatalf("%s was %s", r.Attrs, was.Attrs)
		}
	}
}

// sameFates sends the same packets to two routers.
func sameFates(t *rapid.T, before, after routeros.Snapshot, knock []string) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	worlds := []*firewall.Firewall{firewall.NewFirewall(before), firewall.NewFirewall(after)}
	lists := []*firewall.AddressLists{firewall.NewAddressLists(before, at), firewall.NewAddressLists(after, at)}
	sent := append(slices.Clone(knock), "tcp/22", "tcp/8291", "udp/53", "icmp/84")
	for range 40 {
		at = at.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "later")) * time.Second)
		protocol, number, _ := strings.Cut(rapid.SampledFrom(sent).Draw(t, "packet"), "/")
		n, _ := routeros.ParsePort(number)
		q := firewall.Packet{
			Src: netip.MustParseAddr(rapid.SampledFrom([]string{"93.77.0.1", "198.51.100.7"}).Draw(t, "src")), Dst: netip.MustParseAddr("192.168.88.1"),
			InInterface: rapid.SampledFrom([]string{"ether1", "bridge"}).Draw(t, "in"), Size: 60, TTL: 64,
			State: rapid.SampledFrom([]firewall.State{firewall.New, firewall.New, firewall.New, firewall.Established, firewall.Invalid}).Draw(t, "state"),
		}
		q.Protocol, _ = routeros.ParseProtocol(protocol)
		if protocol == "icmp" {
			q.ICMPType, q.Size = 8, int(n)
		} else {
			q.SrcPort, q.DstPort = 51077, n
		}
		var fates []firewall.Disposition
		for i := range worlds {
			fate := worlds[i].Input(q, lists[i], at)
			lists[i].Apply(fate.Additions, at)
			fates = append(fates, fate)
		}
		id := func(f firewall.Disposition) string {
			if f.Rule == nil {
				return ""
			}
			return f.Rule.ID
		}
		if fates[0].Verdict != fates[1].Verdict || id(fates[0]) != id(fates[1]) || len(fates[0].Additions) != len(fates[1].Additions) {
			t.Fatalf("%v was %v by %s and is %v by %s", q, fates[0].Verdict, id(fates[0]), fates[1].Verdict, id(fates[1]))
		}
	}
}
