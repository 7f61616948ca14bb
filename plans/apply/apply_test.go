package apply_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

func defconf(t *testing.T, version string) []byte {
	t.Helper()
	name := "defconf.rsc"
	if strings.HasPrefix(version, "6.") {
		name = "defconf-6.49.rsc"
	}
	text, err := fixtures.Router(name)
	if err != nil {
		t.Fatal(err)
	}
	if version == "7.24" { // hw-offload is gone there
		text = []byte(strings.ReplaceAll(string(text), " hw-offload=yes", ""))
	}
	return text
}

// converged puts a plan on a bench and checks that a second run changes nothing.
func (b bench) converged(p plans.Plan) {
	b.t.Helper()
	result, err := b.apply(p)
	if err != nil || result.Err != nil || result.Outcome == apply.Failed {
		b.t.Fatalf("%v: %v, %v", result.Outcome, err, result.Err)
	}
	again, err := b.apply(p)
	if err != nil || again.Outcome != apply.Unchanged {
		_, changes, _ := b.changes(p)
		b.t.Fatalf("second run: %v, %v, %v\n%+v", again.Outcome, err, again.Err, changes.Steps)
	}
}

// TestVersions: each plan on each version and layout, on the default configuration; the door opens
// to the right knock only.
func TestVersions(t *testing.T) {
	for _, version := range []string{"6.49", "7.9", "7.14", "7.18", "7.20", "7.24"} {
		for _, name := range []string{"seed.yaml", "branch.yaml", "minimal.yaml", "hygiene.yaml", "forward.yaml"} {
			for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
				t.Run(fmt.Sprintf("%s/%s/%s", version, name, layout), func(t *testing.T) {
					b := newBench(t, version, defconf(t, version))
					before := b.router.Snapshot()
					p := readPlan(t, name)
					p.Firewall.Layout = layout
					b.converged(p)
					if d := change.Foreign(before, b.router.Snapshot(), p.Name); d != nil {
						t.Error(d)
					}
					for _, f := range routeros.Families() {
						if b.router.Snapshot().HasMenu(f.Filter()) && slices.Contains(p.Firewall.Families, f) {
							b.knocks(p, f)
						}
					}
				})
			}
		}
	}
}

// knocks plays door 1 of a plan to the router: first backwards, which opens nothing, then in the
// right order.
func (b bench) knocks(p plans.Plan, f routeros.Family) {
	b.t.Helper()
	door := p.Doors[0]
	play := func(source string, stages []plans.Stage) bool {
		probes := traffic.NewProbes(b.router.Snapshot(), f)
		probes.Source = routerAddr(source)
		for _, s := range stages {
			b.router.Packet(probes.Stage("ether1", s))
		}
		at := b.router.Snapshot()
		return firewall.NewAddressLists(at, at.Clock).Contains(f, door.Trusted.List, probes.Source, at.Clock)
	}
	wrong, right := "93.184.215.1", "93.184.215.2"
	if f == routeros.IPv6 {
		wrong, right = "2a01:77::1", "2a01:77::2"
	}
	backwards := slices.Clone(door.Knock)
	slices.Reverse(backwards)
	if play(wrong, backwards) {
		b.t.Errorf("%s: the knock in reverse order opened the door", f)
	}
	if !play(right, door.Knock) {
		b.t.Errorf("%s: the right knock did not open the door", f)
	}
	probes := traffic.NewProbes(b.router.Snapshot(), f)
	for source, want := range map[string]firewall.Verdict{wrong: firewall.Drop, right: firewall.Accept} {
		probes.Source = routerAddr(source)
		ssh, _ := b.router.Snapshot().Service("ssh")
		if got := b.router.Packet(probes.New("ether1", "tcp", ssh.Port)); got.Verdict != want {
			b.t.Errorf("%s: ssh from %s: %s, want %s", f, source, got.Verdict, want)
		}
	}
}

// TestDrift: whatever was done to our rows by hand, one run corrects it and touches nothing else.
func TestDrift(t *testing.T) {
	tests := map[string]func(b bench, ours []routeros.Rule) []routeros.Command{
		"edited": func(_ bench, o []routeros.Rule) []routeros.Command {
			return cmds("set", ".id", o[1].ID, "dst-port", "9")
		},
		"disabled": func(_ bench, o []routeros.Rule) []routeros.Command { return cmds("disable", ".id", o[2].ID) },
		"removed":  func(_ bench, o []routeros.Rule) []routeros.Command { return cmds("remove", ".id", o[0].ID) },
		"to the end": func(_ bench, o []routeros.Rule) []routeros.Command {
			return cmds("move", "numbers", o[len(o)-1].ID)
		},
		"to the front": func(b bench, o []routeros.Rule) []routeros.Command {
			return cmds("move", "numbers", o[0].ID, "destination", firstStatic(b))
		},
		"twice": func(_ bench, o []routeros.Rule) []routeros.Command {
			return []routeros.Command{{Path: routeros.Filter.Verb("add"), Attrs: o[1].Attrs}}
		},
		"an attribute more": func(_ bench, o []routeros.Rule) []routeros.Command {
			return cmds("set", ".id", o[1].ID, "src-address", "192.0.2.77")
		},
		"an attribute less": func(_ bench, o []routeros.Rule) []routeros.Command {
			return cmds("unset", ".id", o[2].ID, "value-name", "connection-state")
		},
		"a foreign rule among ours": func(_ bench, o []routeros.Rule) []routeros.Command {
			return cmds("add", "chain", "input", "action", "passthrough", "comment", "mine", "place-before", o[len(o)-1].ID)
		},
		"all removed": func(_ bench, o []routeros.Rule) []routeros.Command {
			var ids []string
			for _, r := range o {
				ids = append(ids, r.ID)
			}
			return cmds("remove", ".id", strings.Join(ids, ","))
		},
		"telnet on again": func(b bench, _ []routeros.Rule) []routeros.Command {
			telnet, _ := b.router.Snapshot().Service("telnet")
			return []routeros.Command{routeros.NewCommand("/ip/service/enable", ".id", telnet.ID)}
		},
	}
	for name, spoil := range tests {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			t.Run(layout.String()+"/"+name, func(t *testing.T) {
				b := newBench(t, "7.20", defconf(t, "7.20"))
				p := readPlan(t, "seed.yaml")
				p.Firewall.Layout = layout
				b.converged(p)
				for _, c := range spoil(b, b.ours(p.Name)) {
					if _, err := b.session.Run(t.Context(), c); err != nil {
						t.Fatal(err)
					}
				}
				before := b.router.Snapshot()
				b.converged(p)
				if d := change.Foreign(before, b.router.Snapshot(), p.Name); d != nil {
					t.Error(d)
				}
				b.knocks(p, routeros.IPv4)
			})
		}
	}
}

func cmds(verb string, pairs ...string) []routeros.Command {
	return []routeros.Command{routeros.NewCommand(routeros.Filter.Verb(verb), pairs...)}
}

func (b bench) ours(plan string) []routeros.Rule {
	var out []routeros.Rule
	for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
		if mark, ok := r.Mark(); ok && mark.Plan == plan {
			out = append(out, r)
		}
	}
	return out
}

func firstStatic(b bench) string {
	for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
		if !r.Dynamic {
			return r.ID
		}
	}
	return ""
}

// TestChangeOfPlan: in the chain layout, a new knock is built beside the live chain, one step
// switches to it, and the old chain is removed.
func TestChangeOfPlan(t *testing.T) {
	b := newBench(t, "7.20", defconf(t, "7.20"))
	p := readPlan(t, "seed.yaml")
	b.converged(p)
	p.Doors[0].Knock = []plans.Stage{{Protocol: "udp", Port: 41000}, {Protocol: "tcp", Port: 23000}}
	_, changes, err := b.changes(p)
	if err != nil {
		t.Fatal(err)
	}
	switched, removed := -1, false
	for i, step := range changes.Steps {
		switch {
		case step.Op == change.Set && step.Set.Has("jump-target"):
			switched = i
		case step.Op == change.Add && switched >= 0:
			t.Errorf("step %d adds after the switch", i)
		case step.Op == change.Remove:
			removed = true
			if switched < 0 {
				t.Errorf("step %d removes before the switch", i)
			}
		}
	}
	if switched < 0 || !removed {
		t.Fatalf("no switch, or nothing removed: %+v", changes.Steps)
	}
	b.converged(p)
	b.knocks(p, routeros.IPv4)
}

// TestInterrupted: an apply whose context ends stops between two steps and says how far it came.
func TestInterrupted(t *testing.T) {
	b := newBench(t, "7.20", defconf(t, "7.20"))
	p := readPlan(t, "seed.yaml")
	s, c, err := b.changes(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := apply.Run(ctx, b.session, c, apply.Options{Before: s, Plan: p.Name, Observe: func(e apply.Event) {
		if e.Done != nil && e.Done.Index == 2 {
			cancel()
		}
	}})
	if result.Outcome != apply.Reverted || !errors.Is(result.Err, context.Canceled) || len(result.Receipts) < 3 || len(b.ours(p.Name)) != 0 {
		t.Errorf("%s, %v, %d receipts, %d left", result.Outcome, result.Err, len(result.Receipts), len(result.Left))
	}
	b.converged(p)
}

// TestForeignChange: a foreign change during a run is reported, not counted as success.
func TestForeignChange(t *testing.T) {
	b := newBench(t, "7.20", defconf(t, "7.20"))
	p := readPlan(t, "seed.yaml")
	s, c, err := b.changes(p)
	if err != nil {
		t.Fatal(err)
	}
	result := apply.Run(t.Context(), b.session, c, apply.Options{Before: s, Plan: p.Name, Observe: func(e apply.Event) {
		if e.Doing == "reading the router again" {
			if _, err := b.session.Run(t.Context(), cmds("add", "chain", "input", "action", "accept", "comment", "somebody")[0]); err != nil {
				t.Error(err)
			}
		}
	}})
	if result.Outcome != apply.Reverted || !strings.Contains(result.Err.Error(), "somebody") || len(b.ours(p.Name)) != 0 {
		t.Errorf("%s, %v", result.Outcome, result.Err)
	}
}

func routerAddr(text string) netip.Addr { return netip.MustParseAddr(text) }
