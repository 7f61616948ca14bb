package apply_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// drawnTable draws foreign rules, lists and services.
func drawnTable(t *rapid.T) string {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	b.WriteString(`/interface bridge add name=bridge
/interface list
add name=LAN
add name=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=203.0.113.1/24 interface=ether1
/ip service
set telnet disabled=` + one("telnet", "yes", "no") + `
set ssh port=` + one("ssh", "22", "2222", "22022") + `
set winbox address=` + one("winbox", `""`, "10.0.0.0/8", "192.168.88.0/24") + `
/ip firewall address-list
add list=friends address=10.0.0.5
add list=` + one("list", "t", "rosknock-m-allow", "mine") + ` address=10.0.0.6 comment="by hand \E9"
/ip firewall filter
`)
	if rapid.Bool().Draw(t, "established") {
		b.WriteString("add action=accept chain=input connection-state=established,related,untracked\n")
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "rules") {
		fmt.Fprintf(&b, "add chain=%s comment=\"r%d \\FC\" action=%s", one("chain", "input", "input", "forward", "guest"), i, one("action", "accept", "drop", "log", "return"))
		for n, values := range [][]string{
			{"protocol=tcp dst-port=22", "protocol=tcp dst-port=23", "protocol=tcp dst-port=2222", "protocol=tcp", "protocol=udp"}, {"in-interface=ether1", "in-interface-list=LAN"},
			{"src-address=10.0.0.0/8", "src-address-list=friends", "src-address-list=t", "src-address-list=rosknock-m-allow"},
		} {
			if rapid.IntRange(0, 1).Draw(t, fmt.Sprint("matcher ", n)) == 0 {
				b.WriteString(" " + one("value", values...))
			}
		}
		b.WriteString("\n")
	}
	if rapid.Bool().Draw(t, "jump") {
		b.WriteString("add chain=input action=jump jump-target=guest\n")
	}
	if rapid.Bool().Draw(t, "final") {
		b.WriteString("add chain=input action=drop " + one("drop", "in-interface=ether1", "in-interface-list=!LAN") + "\n")
	}
	b.WriteString("/ipv6 firewall filter\nadd action=accept chain=input connection-state=established,related,untracked\n")
	return b.String()
}

func drawnPlan(t *rapid.T) plans.Plan {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	p, err := plans.Read("m.yaml", []byte("version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, udp/4712, tcp/4713]\n    trusted: {list: t, for: 1h}\n    opens: "+one("opens", "[ssh]", "[everything]", "[ssh, winbox]")+"\n"+
		one("quarantine", "", "", "    wrong-knock: quarantine\n    decoys: [tcp/4720]\n")+
		one("allow", "", "allow: {addresses: [10.0.0.7, 2001:db8::7]}\n", "allow: {interface-lists: [LAN]}\n")+
		one("gate", "", "gate: {services: [ssh, winbox]}\n", "gate: {services: [ssh, www], vpns: [wireguard]}\n")+
		one("services", "", "services: {disable: [telnet, ftp]}\n", "services: {disable: [telnet], ports: {ssh: 2222}, from: {winbox: [192.168.88.0/24]}}\n", "services: {ports: {ssh: 8022}, from: {ssh: [10.0.0.0/8]}}\n")+
		"firewall: {families: [ipv4, ipv6], layout: "+one("layout", "chain", "inline")+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// everything is all that a router holds, byte for byte, in its order, including dynamic rows.
func everything(s routeros.Snapshot) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range s.Rules[menu] {
				out = append(out, fmt.Sprintf("%s %s %q", menu, r.ID, r.Attrs.String()))
			}
		}
		for _, e := range s.Entries[f.AddressList()] {
			out = append(out, fmt.Sprintf("%s %s %t %q", f, e.ID, e.Dynamic, e.Attributes().String()))
		}
	}
	for _, v := range s.Services {
		if !v.Dynamic && !v.Connection {
			out = append(out, fmt.Sprint(v.ID, v.Name, v.Attributes()))
		}
	}
	return out
}

// TestRemoval: after a plan is applied and removed, a router is as before, byte for byte: rules,
// lists, services. In every intermediate state the proof holds, and no tried packet gets in that
// gets in neither before nor after.
func TestRemoval(t *testing.T) {
	removed, refused := 0, 0
	dir, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, rapid.SampledFrom([]string{"7.14", "7.20", "7.24"}).Draw(rt, "version"), []byte(drawnTable(rt)))
		p := drawnPlan(rt)
		before, c, err := b.changes(p)
		if err != nil {
			refused++
			return
		}
		result := apply.Run(t.Context(), b.session, c, apply.Options{Before: before, Plan: p.Name, Protect: apply.None})
		if result.Err != nil {
			rt.Fatal(result.Err)
		}
		probes := traffic.NewProbes(b.router.Snapshot(), routeros.IPv4)
		for _, stage := range p.Doors[0].Knock[:rapid.IntRange(0, 3).Draw(rt, "stages")] {
			b.router.Packet(probes.Stage("ether1", stage))
		}
		touched, err := dir.Touched(before, c, p.Name)
		if err != nil {
			rt.Fatal(err)
		}
		record := state.Record{Event: state.Begin, Change: "x", Address: "r", Plan: p.Name, Installs: true, Touched: touched}
		b.remove(rt, p, remove.Options{Origin: state.Origin([]state.Record{record}, "r", p.Name)})
		after, err := b.session.Snapshot(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		if was, is := everything(before), everything(after); !slices.Equal(was, is) {
			rt.Fatalf("not as it was:\n%s\n\nwas\n%s", strings.Join(is, "\n"), strings.Join(was, "\n"))
		}
		removed++
	})
	t.Logf("removed %d times, refused %d times", removed, refused)
	if removed == 0 {
		t.Error("no plan could be put on: the tables don't suit the test")
	}
}

// remove removes a plan from the router of a bench.
func (b bench) remove(t *rapid.T, p plans.Plan, o remove.Options) {
	ctx := b.t.Context()
	now, err := b.session.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := remove.RuleSet(p, now, o)
	c, err := diff.Compute(now, want, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	proved := proof.Prove(now, want, c, change.Management{Accepted: []string{proof.Exposure}})
	if passing := func(f proof.Failure) bool {
		return f.Risk == proof.Passing && slices.ContainsFunc(want.Services, func(w compile.Service) bool { return w.WantFrom })
	}; slices.ContainsFunc(proved.Failures, passing) {
		t.Skip("a service goes over from some sources to others")
	}
	if !proved.Holds() {
		t.Fatalf("%+v\n%+v", proved.Failures, c.Steps)
	}
	b.monotone(t, changetest.States(t, now, c), len(proved.Accepted) == 0)
	lists := diff.OwnLists(now, want)
	result := apply.Run(ctx, b.session, c, apply.Options{Before: now, Plan: p.Name, Wanted: func(after routeros.Snapshot) error {
		rest, err := diff.Compute(after, remove.RuleSet(p, after, o), change.Management{})
		if err == nil && rest.Changed() {
			err = fmt.Errorf("left to do: %+v", rest.Steps)
		}
		return err
	}})
	if result.Err != nil || result.Outcome != apply.Changed {
		t.Fatal(result.Outcome, result.Err)
	}
	for _, list := range lists {
		if _, _, err := trusted.Clear(ctx, b.session, list.Family, []string{list.Name}); err != nil {
			t.Fatal(err)
		}
	}
	// A list that somebody else's rule uses too stays as it is, until its entries run out.
	for _, e := range b.router.Snapshot().Entries[routeros.AddressList] {
		if e.Dynamic && !slices.Contains(lists, diff.List{Family: routeros.IPv4, Name: e.List}) {
			if err := b.router.Admin(routeros.NewCommand(routeros.AddressList.Verb("remove"), "numbers", e.ID)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, e := range b.router.Snapshot().Entries[routeros.AddressList] {
		if mark, ours := e.Mark(); ours && mark.Plan == p.Name { // as above
			if err := b.router.Admin(routeros.NewCommand(routeros.AddressList.Verb("remove"), "numbers", e.ID)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// monotone tries packets in every state: a packet that gets in somewhere gets in before or after;
// before, if nothing opens.
func (b bench) monotone(t *rapid.T, states []routeros.Snapshot, shut bool) {
	gets := func(s routeros.Snapshot, q firewall.Packet) bool {
		if firewall.NewFirewall(s).Input(q, firewall.NewAddressLists(s, s.Clock), s.Clock).Verdict != firewall.Accept {
			return false
		}
		return slices.ContainsFunc(s.Services, func(v routeros.Service) bool { // and somebody is there
			return v.Port == q.DstPort && !v.Disabled && !v.Connection && (len(v.From) == 0 || slices.ContainsFunc(v.From, func(from string) bool {
				r, err := routeros.ParseAddressRange(from)
				return err == nil && r.Contains(q.Src)
			}))
		})
	}
	last := states[len(states)-1]
	for range 20 {
		q := firewall.Packet{
			Protocol: 6, Src: netip.MustParseAddr(rapid.SampledFrom([]string{"93.77.0.1", "10.0.0.5", "10.0.0.6", "10.0.0.7", "192.168.88.9", "93.77.77.77"}).Draw(t, "source")),
			Dst: netip.MustParseAddr("203.0.113.1"), SrcPort: 51077, DstPort: rapid.SampledFrom([]uint16{22, 23, 2222, 8022, 22022, 8291, 21}).Draw(t, "port"),
			InInterface: rapid.SampledFrom([]string{"ether1", "bridge"}).Draw(t, "in"), TCPFlags: firewall.SYN, MSS: 1460, Size: 60, TTL: 64, State: firewall.New,
		}
		before, end := gets(states[0], q), gets(last, q)
		for n, s := range states {
			if gets(s, q) && !before && (!end || shut) && !moved(states[0], s, last, q) {
				t.Fatalf("after step %d of %d %s gets in; before: %t, in the end: %t", n, len(states)-1, q, before, end)
			}
		}
	}
}

// moved reports whether a packet goes to a service that has another port in one of the states: the
// same sources may reach it there.
func moved(before, now, end routeros.Snapshot, q firewall.Packet) bool {
	return slices.ContainsFunc(now.Services, func(v routeros.Service) bool {
		was, _ := before.Service(v.Name)
		then, _ := end.Service(v.Name)
		return v.Port == q.DstPort && (was.Port != v.Port || then.Port != v.Port)
	})
}
