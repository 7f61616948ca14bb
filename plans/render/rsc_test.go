package render_test

import (
	"errors"
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
	"github.com/rosknock/rosknock/plans/render"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/script"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

const around = `/interface bridge add name=bridge
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
`

// drawTable draws other people's rules: with and without comments, with comments that two share,
// with bytes that need escapes.
func drawTable(t *rapid.T) string {
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	established := "add action=accept chain=input connection-state=established,related,untracked" + pick("established", "", ` comment="established"`) + "\n"
	text := around + "/ip firewall filter\n" + pick("fasttrack", "", "add action=fasttrack-connection chain=forward connection-state=established,related\n") + established
	for i := range rapid.IntRange(0, 3).Draw(t, "others") {
		text += pick(fmt.Sprint("other ", i), "add action=drop chain=input connection-state=invalid\n", "add action=accept chain=input protocol=icmp comment=\"ping \\\"x\\\" \\$1 \\3F \\E9\"\n",
			"add action=accept chain=forward comment=\"theirs\"\n", "add action=accept chain=guest dst-port=53 protocol=udp\n", "add chain=input protocol=gre comment=\"no action\"\n", "add chain=input protocol=gre\n")
	}
	return text + pick("end", "", "add action=drop chain=input\n", "add action=drop chain=input comment=\"not LAN\" in-interface-list=!LAN\n", "add action=drop chain=input in-interface-list=WAN\n") +
		"/ipv6 firewall filter\n" + established + "add action=drop chain=input comment=\"not LAN\" in-interface-list=!LAN\n"
}

func drawPlan(t *rapid.T, label string) plans.Plan {
	one := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label+" "+what) }
	text := "version: 1\nname: m\ndoors:\n  a:\n    knock: [" + one("knock", "tcp/4711, udp/4712", "tcp/4714, udp/4712", "tcp/4711, udp/4712, tcp/4713", "tcp/4712, {protocol: udp, port: 4711, payload: {secret: 'env:W'}}") + "]\n" +
		"    trusted: {list: " + one("list", "t", "'my list'") + ", for: 1h}\n    opens: [ssh]\n" + one("quarantine", "", "", "    wrong-knock: quarantine\n", "    decoys: [tcp/4720, udp/4721]\n") +
		one("allow", "", "allow: {addresses: [10.0.0.7, 2001:db8::7]}\n", "allow: {addresses: [10.0.0.5], interface-lists: [LAN]}\n") + "gate: {services: " + one("gate", "[ssh]", "[ssh, winbox]", "[]") + "}\n" +
		one("services", "", "services: {disable: [telnet]}\n", "services: {disable: [telnet, ftp], ports: {www: 8080}, from: {ssh: [192.168.88.0/24]}}\n", "services: {ports: {ssh: 2222, winbox: 18291}}\n") +
		"firewall: {families: [ipv4, ipv6], layout: " + one("layout", "chain", "inline") + "}\n"
	p, err := plans.Read("m.yaml", []byte(text))
	if err == nil {
		p, err = p.Resolve(func(plans.Credential) (string, error) { return `pay"load$1\x?y`, nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bench is a simulated router.
type bench struct {
	t      tester
	router *sim.Router
}

// tester is a test, or one of rapid's.
type tester interface {
	Cleanup(f func())
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newBench(t tester, version routeros.Version, s routeros.Snapshot) bench {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	return bench{t, simtest.New(t, sim.Options{Version: version, IPv6Package: true, Now: func() time.Time { return now }}, s)}
}

// compute returns what leads to a plan, or away from it.
func compute(t *rapid.T, s routeros.Snapshot, p plans.Plan, removal bool) change.ChangeSet {
	sets := []compile.RuleSet{compile.Removal(p.Name, s)}
	if !removal {
		var err error
		if sets, err = compile.Through(p, s); err != nil {
			t.Fatal(err)
		}
	}
	c, err := diff.ComputeThrough(s, sets, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// apply carries the steps out as rosknock apply does, by id.
func (b bench) apply(c change.ChangeSet) {
	b.t.Helper()
	added := map[string]string{}
	for i, step := range c.Steps {
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
		if err := b.router.Admin(command); err != nil {
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

// load runs a script through the simulated router's own reader, as /import does.
func (b bench) load(text string) error {
	if err := b.router.Admin(routeros.NewCommand("/system/script/add", "name", "import", "source", text)); err != nil {
		b.t.Fatal(err)
	}
	err := b.router.Admin(routeros.NewCommand("/system/script/run", "numbers", "import"))
	return errors.Join(err, b.router.Admin(routeros.NewCommand("/system/script/remove", "numbers", "import")))
}

// picture is everything that a router holds, in order and without ids.
func picture(s routeros.Snapshot) []string {
	var out, entries []string
	for _, f := range routeros.Families() {
		for _, r := range s.Rules[f.Filter()] {
			out = append(out, fmt.Sprintf("%s %t %s", f, r.Dynamic, r.Canonical()))
		}
		for _, e := range s.Entries[f.AddressList()] {
			entries = append(entries, fmt.Sprintf("%s %s", f, e.Attributes()))
		}
	}
	for _, v := range s.Services {
		if !v.Dynamic && !v.Connection {
			out = append(out, fmt.Sprint(v.Name, v.Attributes()))
		}
	}
	slices.Sort(entries)
	return append(out, entries...)
}

func same(t tester, what string, want, got []string) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Fatalf("%s:\n%s\n\n%s", what, strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

// spoil lets somebody work on our rows.
func (b bench) spoil(t *rapid.T) {
	var ours []routeros.Rule
	for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
		if _, ok := r.Mark(); ok {
			ours = append(ours, r)
		}
	}
	for n := range rapid.IntRange(0, min(2, len(ours))).Draw(t, "edits") {
		r := ours[rapid.IntRange(0, len(ours)-1).Draw(t, fmt.Sprint("row ", n))]
		words := rapid.SampledFrom([][]string{{"set", "log", "yes"}, {"set", "src-address", "192.0.2.77"}, {"disable"}, {"move"}, {"remove"}, {"add", "copy-from", r.ID, "chain", r.Chain()}}).Draw(t, fmt.Sprint("edit ", n))
		if words[0] != "add" {
			words = append(words, "numbers", r.ID)
		}
		_ = b.router.Admin(routeros.NewCommand(routeros.Filter.Verb(words[0]), words[1:]...)) // some are refused, as they should be
	}
}

// drawn is a change on a drawn router that may have a plan already, as a script.
type drawn struct {
	before  routeros.Snapshot
	version routeros.Version
	of      render.Import
}

func draw(t *rapid.T) drawn {
	version, _ := routeros.ParseVersion(rapid.SampledFrom([]string{"6.49", "7.14", "7.20", "7.24"}).Draw(t, "version"))
	s, _ := rsc.Read([]byte(drawTable(t))).Snapshot(rsc.Options{Version: version})
	b := newBench(t, version, s)
	if rapid.Bool().Draw(t, "installed") {
		b.apply(compute(t, b.router.Snapshot(), drawPlan(t, "first"), false))
		b.spoil(t)
	}
	before := b.router.Snapshot()
	c := compute(t, before, drawPlan(t, "second"), rapid.IntRange(0, 4).Draw(t, "removal") == 0)
	return drawn{before, version, render.Import{Plan: "m", Router: "a router\nof its own", Before: before, Changes: c}}
}

// scripts renders there and back. A row that nobody can name, since somebody has copied it, is
// refused.
func (d drawn) scripts(t *rapid.T) (there, back string) {
	there, err := d.of.Script()
	if err == nil {
		back, err = d.of.UndoScript()
	}
	if refused, ok := errors.AsType[*change.RefusalError](err); ok && strings.Contains(refused.What, "twin") {
		t.Skip(refused.What)
	}
	if err != nil {
		t.Fatal(err)
	}
	return there, back
}

// TestImport: the script does what apply does, and its undo leads back. A second run of either
// stops, or leaves everything as it is.
func TestImport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		there, back := d.scripts(t)
		a, b := newBench(t, d.version, d.before), newBench(t, d.version, d.before)
		loaded := b.router.Snapshot()
		a.apply(d.of.Changes)
		if err := b.load(there); err != nil {
			t.Fatalf("%v\n%s", err, there)
		}
		same(t, "apply and the script differ", picture(a.router.Snapshot()), picture(b.router.Snapshot()))
		if err := b.load(there); err == nil && len(d.of.Changes.Steps) > 0 && added(d.of.Changes) {
			t.Fatalf("a second time it ran through:\n%s", there)
		}
		same(t, "a second time it did something", picture(a.router.Snapshot()), picture(b.router.Snapshot()))
		if err := b.load(back); err != nil {
			t.Fatalf("%v\n%s", err, back)
		}
		same(t, "the undo leads elsewhere", picture(d.before), picture(b.router.Snapshot()))
		if left := undo.Left(b.router.Snapshot(), loaded, d.of.Changes, "m"); left != nil {
			t.Fatalf("left: %q", left)
		}
	})
}

// added reports whether a change leaves more rows or fewer, which a second run would see. One that
// puts a row in another's place may be done twice, and is then the same.
func added(c change.ChangeSet) bool {
	more := 0
	for _, s := range c.Steps {
		switch s.Op {
		case change.Add:
			more++
		case change.Remove:
			more--
		case change.Set, change.Move, change.Enable, change.Disable:
		}
	}
	return more != 0
}

// TestFailing: when a command fails, the router is as it was, however far the script came, in both
// directions.
func TestFailing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		there, back := d.scripts(t)
		b := newBench(t, d.version, d.before)
		for _, text := range []string{there, back} {
			was := picture(b.router.Snapshot())
			n := strings.Count(text, ":set stepsDone ")
			if n < 2 {
				continue // behind the last step nothing can fail
			}
			mark := fmt.Sprintf(":set stepsDone %d\n", rapid.IntRange(1, n-1).Draw(t, "fails after"))
			broken := strings.Replace(text, mark, mark+"    /ip firewall filter set *FFFFF0 log=yes\n", 1)
			if err := b.load(broken); err == nil || !strings.Contains(err.Error(), "rolled back") {
				t.Fatalf("%v\n%s", err, broken)
			}
			same(t, "something was not rolled back", was, picture(b.router.Snapshot()))
			if err := b.load(text); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestStops: on a router that is not the one that it was made for, the script does nothing.
func TestStops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		there, _ := d.scripts(t)
		if len(d.of.Changes.Steps) == 0 || !slices.ContainsFunc(d.of.Changes.Steps, func(s change.Step) bool { return s.Menu == routeros.Filter && s.Set.Get("chain") == "input" }) {
			t.Skip("nothing is put into input")
		}
		b := newBench(t, d.version, d.before)
		rules := b.router.Snapshot().Rules[routeros.Filter]
		at := slices.IndexFunc(rules, func(r routeros.Rule) bool { return r.Chain() == "input" && !r.Dynamic })
		edits := [][]string{{"add", "chain", "input", "action", "accept", "comment", "new"}, {"remove", "numbers", rules[at].ID}, {"set", "numbers", rules[at].ID, "comment", "renamed"}, {"set", "numbers", rules[at].ID, "action", "passthrough"}}
		words := rapid.SampledFrom(edits).Draw(t, "edit")
		if err := b.router.Admin(routeros.NewCommand(routeros.Filter.Verb(words[0]), words[1:]...)); err != nil {
			t.Fatal(err)
		}
		was := picture(b.router.Snapshot())
		if err := b.load(there); err == nil || !strings.Contains(err.Error(), "nothing was done") {
			t.Fatalf("%v\n%s", err, there)
		}
		same(t, "it did something", was, picture(b.router.Snapshot()))
	})
}

// TestReadable: a script is plain ASCII without tabs, as a terminal wants it, and its head is all
// comments whatever the router's name.
func TestReadable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		there, back := draw(t).scripts(t)
		for _, text := range []string{there, back} {
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
				t.Fatalf("%q", text)
			}
			head, _, _ := strings.Cut(text, "{\n")
			for line := range strings.Lines(head) {
				if !strings.HasPrefix(line, "# ") {
					t.Fatalf("%q", line)
				}
			}
			if _, err := script.Parse(text); err != nil {
				t.Fatal(err)
			}
		}
	})
}
