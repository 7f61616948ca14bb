package undo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

const table = `/interface bridge add name=bridge
/interface list
add name=LAN
add name=WAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=203.0.113.1/24 interface=ether1
/ipv6 address add address=2001:db8:1::1/64 interface=bridge
/ip service set telnet disabled=no
/ip firewall address-list add list=friends address=10.0.0.5
/ip firewall filter
add action=accept chain=input comment="established" connection-state=established,related,untracked
add action=drop chain=input comment="invalid" connection-state=invalid
add action=accept chain=input comment="icmp" protocol=icmp
add action=drop chain=input comment="not LAN" in-interface-list=!LAN
add action=accept chain=forward comment="theirs \E9 \"x\" \$1"
/ipv6 firewall filter
add action=accept chain=input comment="established" connection-state=established,related,untracked
add action=drop chain=input comment="not LAN" in-interface-list=!LAN
`

// bench is a router, and a clock that only the test moves.
type bench struct {
	t      *rapid.T
	router *sim.Router
	now    *time.Time
}

func newBench(t *rapid.T) bench {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	version, _ := routeros.ParseVersion(rapid.SampledFrom([]string{"6.49", "7.14", "7.20", "7.24"}).Draw(t, "version"))
	s, _ := rsc.Read([]byte(table)).Snapshot(rsc.Options{Version: version})
	router := simtest.New(t, sim.Options{Version: version, IPv6Package: true, Now: func() time.Time { return now }}, s)
	return bench{t, router, &now}
}

func drawPlan(t *rapid.T, label string) plans.Plan {
	one := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+" "+what) }
	text := "version: 1\nname: m\ndoors:\n  a:\n    knock: [" + one("knock", "tcp/4711, udp/4712", "tcp/4714, udp/4712", "tcp/4711, udp/4712, tcp/4713", "tcp/4712, udp/4711") + "]\n" +
		"    trusted: {list: t, for: 1h}\n    opens: [ssh]\n" + one("quarantine", "", "", "    wrong-knock: quarantine\n", "    decoys: [tcp/4720, udp/4721]\n") +
		one("allow", "", "allow: {addresses: [10.0.0.7, 2001:db8::7]}\n", "allow: {addresses: [10.0.0.5], interface-lists: [LAN]}\n") + "gate: {services: " + one("gate", "[ssh]", "[ssh, winbox]", "[]") + "}\n" +
		one("services", "", "services: {disable: [telnet]}\n", "services: {disable: [telnet, ftp], ports: {www: 8080}, from: {ssh: [192.168.88.0/24]}}\n", "services: {ports: {ssh: 2222, winbox: 18291}}\n", "services: {from: {winbox: [198.51.100.7, 192.168.88.0/24, 2001:db8::7]}}\n") +
		"firewall: {families: [ipv4, ipv6], layout: " + one("layout", "chain", "inline") + "}\n"
	p, err := plans.Read("m.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// changes computes what leads to a plan, or away from it.
func (b bench) changes(p plans.Plan, removal bool) change.ChangeSet {
	s := b.router.Snapshot()
	sets := []compile.RuleSet{b.removal(p.Name, s)}
	if !removal {
		var err error
		if sets, err = compile.Through(p, s); err != nil {
			b.t.Fatal(err)
		}
	}
	c, err := diff.ComputeThrough(s, sets, change.Management{})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// removal is what leads away from a plan. Some rules go back to somebody, and services are put
// back.
func (b bench) removal(plan string, s routeros.Snapshot) compile.RuleSet {
	want := compile.Removal(plan, s)
	for i, r := range s.Rules[routeros.Filter] {
		mark, ours := r.Mark()
		if ours && mark.Plan == plan && rapid.IntRange(0, 5).Draw(b.t, fmt.Sprint("returned ", i)) == 0 {
			comment := rapid.SampledFrom([]string{"mine", "mine \xe9", ""}).Draw(b.t, fmt.Sprint("comment ", i))
			want.Returned = append(want.Returned, compile.Returned{Menu: routeros.Filter, ID: r.ID, Comment: comment})
		}
	}
	on, port := false, uint16(22)
	want.Services = []compile.Service{{Name: "telnet", Disabled: &on}, {Name: "ssh", Port: &port, WantFrom: true}}
	return want
}

// carryOut does the first steps of a change set; +N is the row that step N added.
func (b bench) carryOut(c change.ChangeSet, steps int) {
	b.t.Helper()
	b.carry(c, 0, steps, map[string]string{}, false)
}

// carry does some steps of a change set; added are the ids of rows that earlier ones have added.
// What the router refuses is left out where that may be.
func (b bench) carry(c change.ChangeSet, from, to int, added map[string]string, mayRefuse bool) {
	b.t.Helper()
	for i, step := range c.Steps[:to] {
		if i < from {
			continue
		}
		for _, id := range []*string{&step.ID, &step.Before} {
			if now, ok := added[*id]; ok {
				*id = now
			}
		}
		command, err := apply.Command(step)
		if err != nil {
			b.t.Fatal(err)
		}
		was := ids(b.router.Snapshot(), step.Menu)
		if mayRefuse && step.Op == change.Move && step.Before != "" && !slices.Contains(was, step.Before) {
			continue // it is looked for right before
		}
		if err := b.router.Admin(command); err != nil {
			if mayRefuse {
				continue
			}
			b.t.Fatalf("step %d %+v: %v", i, step, err)
		}
		for _, id := range ids(b.router.Snapshot(), step.Menu) {
			if !slices.Contains(was, id) {
				added[fmt.Sprintf("+%d", i)] = id
			}
		}
	}
}

func ids(s routeros.Snapshot, menu routeros.Menu) []string {
	var out []string
	for _, r := range s.Rules[menu] {
		out = append(out, r.ID)
	}
	for _, e := range s.Entries[menu] {
		out = append(out, e.ID)
	}
	return out
}

// picture is what a router holds, chain by chain: foreign rows with their ids, ours without, since
// what comes back gets a new one.
func picture(s routeros.Snapshot) []string {
	var out, entries []string
	for _, f := range routeros.Families() {
		chains := map[string][]string{}
		var names []string
		for _, r := range s.Rules[f.Filter()] {
			if r.Dynamic {
				continue
			}
			id := r.ID
			if _, ours := r.Mark(); ours {
				id = ""
			}
			if !slices.Contains(names, r.Chain()) {
				names = append(names, r.Chain())
			}
			chains[r.Chain()] = append(chains[r.Chain()], fmt.Sprintf("%s %s %s %s", f, r.Chain(), id, r.Canonical()))
		}
		slices.Sort(names)
		for _, name := range names {
			out = append(out, chains[name]...)
		}
		for _, e := range s.Entries[f.AddressList()] {
			entries = append(entries, fmt.Sprintf("%s %s", f, e.Attributes()))
		}
	}
	slices.Sort(entries)
	for _, v := range s.Services {
		if !v.Dynamic && !v.Connection {
			out = append(out, fmt.Sprint(v.Name, v.Attributes()))
		}
	}
	return append(out, entries...)
}

// spoil draws what somebody did to our rows before.
func (b bench) spoil() {
	var ours []routeros.Rule
	for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
		if _, ok := r.Mark(); ok {
			ours = append(ours, r)
		}
	}
	if len(ours) == 0 {
		return
	}
	do := func(verb string, pairs ...string) {
		_ = b.router.Admin(routeros.NewCommand(routeros.Filter.Verb(verb), pairs...)) // some are refused, as they should be
	}
	for n := range rapid.IntRange(0, 3).Draw(b.t, "edits") {
		r := ours[rapid.IntRange(0, len(ours)-1).Draw(b.t, fmt.Sprint("row ", n))]
		switch rapid.SampledFrom([]string{"set", "surplus", "unset", "disable", "move", "remove", "twice", "comment"}).Draw(b.t, fmt.Sprint("edit ", n)) {
		case "set":
			do("set", "numbers", r.ID, "log", "yes")
		case "surplus":
			do("set", "numbers", r.ID, "src-address", "192.0.2.77")
		case "unset":
			do("unset", "numbers", r.ID, "value-name", "connection-state")
		case "disable":
			do("disable", "numbers", r.ID)
		case "move":
			do("move", "numbers", r.ID)
		case "remove":
			do("remove", "numbers", r.ID)
		case "twice":
			do("add", append([]string{"copy-from", r.ID}, "chain", r.Chain())...)
		case "comment":
			mark, _ := r.Mark()
			do("set", "numbers", r.ID, "comment", mark.Comment("edited \xe9"))
		}
	}
}

// setUp draws a router with or without the plan, a change, and how far it came.
func setUp(t *rapid.T) (b bench, before routeros.Snapshot, c change.ChangeSet, steps int) {
	b = newBench(t)
	if rapid.IntRange(0, 3).Draw(t, "installed") > 0 {
		first := b.changes(drawPlan(t, "first"), false)
		b.carryOut(first, len(first.Steps))
		b.spoil()
	}
	before = b.router.Snapshot()
	c = b.changes(drawPlan(t, "second"), rapid.IntRange(0, 4).Draw(t, "removal") == 0)
	return b, before, c, rapid.IntRange(0, len(c.Steps)).Draw(t, "steps")
}

func compare(t *rapid.T, want, got []string) {
	t.Helper()
	if slices.Equal(want, got) {
		return
	}
	var d []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			d = append(d, "- "+line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			d = append(d, "+ "+line)
		}
	}
	t.Fatalf("the router is not as it was:\n%s\n\n%s\n\n%s", strings.Join(d, "\n"), strings.Join(want, "\n"), strings.Join(got, "\n"))
}

// TestChanges: however far a change came, the steps back lead to where it began, and a second time
// there are none.
func TestChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		b.carryOut(c, steps)
		back := changes(t, b.router.Snapshot(), before, c, "m")
		b.carryOut(back, len(back.Steps))
		compare(t, picture(before), picture(b.router.Snapshot()))
		if again := changes(t, b.router.Snapshot(), before, c, "m"); len(again.Steps) > 0 && !readded(c) {
			t.Fatalf("a second time: %+v", again.Steps)
		}
	})
}

// TestChangesAgain: an undo that is cut off is gone on with, by steps or by the script, and leads
// to the same.
func TestChangesAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		text := scriptOf(t, before, c, "m", []string{"rosknock-dead-man"})
		b.carryOut(c, steps)
		for n := range rapid.IntRange(1, 2).Draw(t, "times") {
			back := changes(t, b.router.Snapshot(), before, c, "m")
			b.carryOut(back, rapid.IntRange(0, len(back.Steps)).Draw(t, fmt.Sprint("back ", n)))
		}
		if rapid.Bool().Draw(t, "by script") && !copied(before) {
			if err := b.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", text)); err != nil {
				t.Fatal(err)
			}
			*b.now = b.now.Add(5 * time.Minute)
		} else {
			back := changes(t, b.router.Snapshot(), before, c, "m")
			b.carryOut(back, len(back.Steps))
		}
		compare(t, picture(before), picture(b.router.Snapshot()))
	})
}

// TestChangesOnLostGround: somebody else rolls everything back behind our back, and further steps
// arrive at the router, as far as it does not refuse them. The way back leads to the beginning all
// the same.
func TestChangesOnLostGround(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		added := map[string]string{}
		safe := b.router.Snapshot().Version.AtLeast(7, 18) && rapid.Bool().Draw(t, "safe mode")
		must := func(commands ...routeros.Command) {
			if err := b.router.Admin(commands...); err != nil {
				t.Fatal(err)
			}
		}
		if copied(before) {
			t.Skip("of two copies nobody can tell which one came back")
		}
		if safe {
			must(routeros.NewCommand("/safe-mode/take", "on-error", "abort"))
		} else {
			must(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", scriptOf(t, before, c, "m", []string{"rosknock-dead-man"})))
		}
		b.carry(c, 0, steps, added, false)
		if safe {
			must(routeros.NewCommand("/safe-mode/unroll"))
		} else {
			*b.now = b.now.Add(5 * time.Minute)
			b.router.Snapshot()
		}
		b.carry(c, steps, min(len(c.Steps), steps+rapid.IntRange(0, 5).Draw(t, "further")), added, true)
		back := changes(t, b.router.Snapshot(), before, c, "m")
		b.carryOut(back, len(back.Steps))
		compare(t, picture(before), picture(b.router.Snapshot()))
	})
}

// copied reports whether somebody has made copies of our rules: a script that goes on where another
// way back was cut off may bring these back twice.
func copied(s routeros.Snapshot) bool {
	copies := map[string]bool{}
	for _, r := range s.Rules[routeros.Filter] {
		name := r.Chain() + " " + r.Comment()
		if _, ours := r.Mark(); ours && copies[name] {
			return true
		}
		copies[name] = true
	}
	return false
}

// readded: a row that was removed and came back has another id, under which it can't be known.
func readded(c change.ChangeSet) bool {
	return slices.ContainsFunc(c.Steps, func(s change.Step) bool { return s.Op == change.Remove })
}

// TestScript: however far a change came, the router's own script leads back to where it began, and
// it is gone then.
func TestScript(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		text := scriptOf(t, before, c, "m", []string{"x", "rosknock-dead-man"})
		arm := routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", text)
		if err := b.router.Admin(arm); err != nil {
			t.Fatal(err)
		}
		b.carryOut(c, steps)
		*b.now = b.now.Add(5 * time.Minute)
		after := b.router.Snapshot()
		t.Log(text)
		compare(t, picture(before), picture(after))
		if err := b.router.Admin(arm); err != nil { // the name is free again
			t.Fatal(err)
		}
	})
}

// TestScriptInterrupted: a script that a reboot cuts short runs again from the beginning, and leads
// to the same. Copies of our rules are left out here: they may come back twice. Rows that were
// replaced in place come back, maybe in another order among themselves.
func TestScriptInterrupted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		if copied(before) {
			t.Skip("a copy")
		}
		text := scriptOf(t, before, c, "m", []string{"x", "rosknock-dead-man"})
		lines := strings.Split(text, "\n")
		arm := func(text string) {
			if err := b.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", text)); err != nil {
				t.Fatal(err)
			}
			*b.now = b.now.Add(5 * time.Minute)
			b.router.Snapshot()
		}
		b.carryOut(c, steps)
		t.Logf("after %d steps\n%s", steps, text)
		arm(strings.Join(lines[:rapid.IntRange(0, max(0, len(lines)-4)).Draw(t, "lines")], "\n") + "\n/system scheduler remove [find name=rosknock-dead-man]")
		arm(text)
		want, got := picture(before), picture(b.router.Snapshot())
		if strings.Contains(text, "(old)") {
			slices.Sort(want) // rows that were replaced in place come back, but a script that begins anew can't tell which twin is which
			slices.Sort(got)
		}
		compare(t, want, got)
	})
}

// TestForeignDrift: rules of others that come and go meanwhile stay as they are, and ours come back
// all the same.
func TestForeignDrift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, before, c, steps := setUp(t)
		if slices.ContainsFunc(c.Steps, func(s change.Step) bool { return change.HandsOver(s, "m") }) {
			t.Skip("a rule that changes hands is ours or theirs, as one looks at it")
		}
		text := scriptOf(t, before, c, "m", []string{"rosknock-dead-man"})
		if err := b.router.Admin(routeros.NewCommand("/system/scheduler/add", "name", "rosknock-dead-man", "interval", "5m", "on-event", text)); err != nil {
			t.Fatal(err)
		}
		b.carryOut(c, steps)
		for n := range rapid.IntRange(1, 4).Draw(t, "drifts") {
			var foreign []string
			for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
				if _, ours := r.Mark(); !ours {
					foreign = append(foreign, r.ID)
				}
			}
			command := routeros.NewCommand("/ip/firewall/filter/add", "chain", "input", "action", "passthrough", "comment", fmt.Sprint("new ", n))
			if len(foreign) > 0 {
				id := rapid.SampledFrom(foreign).Draw(t, fmt.Sprint("foreign ", n))
				switch rapid.IntRange(0, 2).Draw(t, fmt.Sprint("what ", n)) {
				case 0:
					command.Attrs = append(command.Attrs, routeros.Attribute{Name: "place-before", Value: id})
				case 1:
					command = routeros.NewCommand("/ip/firewall/filter/remove", "numbers", id)
				case 2:
					command = routeros.NewCommand("/ip/firewall/filter/set", "numbers", id, "comment", fmt.Sprint("edited ", n))
				}
			}
			if err := b.router.Admin(command); err != nil {
				t.Fatal(err)
			}
		}
		foreign := func(lines []string) (theirs, ours []string) {
			for _, line := range lines {
				if strings.Contains(line, "[rosknock ") {
					ours = append(ours, line)
				} else {
					theirs = append(theirs, line)
				}
			}
			return theirs, ours
		}
		drifted, _ := foreign(picture(b.router.Snapshot()))
		if rapid.Bool().Draw(t, "by script") {
			*b.now = b.now.Add(5 * time.Minute)
		} else {
			back := changes(t, b.router.Snapshot(), before, c, "m")
			b.carryOut(back, len(back.Steps))
		}
		t.Log(text)
		theirs, ours := foreign(picture(b.router.Snapshot()))
		_, want := foreign(picture(before))
		services := func(lines []string) []string {
			return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "ipv") })
		}
		compare(t, services(drifted), services(theirs))
		compare(t, want, ours)
	})
}

// failing is a test of whichever kind.
type failing interface {
	Helper()
	Fatal(...any)
}

func changes(t failing, now, before routeros.Snapshot, done change.ChangeSet, plan string) change.ChangeSet {
	t.Helper()
	c, err := undo.Changes(now, before, done, plan)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func scriptOf(t failing, before routeros.Snapshot, done change.ChangeSet, plan string, entries []string) string {
	t.Helper()
	text, err := undo.Script(before, done, plan, entries)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
