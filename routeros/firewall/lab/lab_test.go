//go:build linux

package lab_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestKernel is the lab.
func TestKernel(t *testing.T) {
	l := open(t)
	l.carries(t)
	start := time.Now()
	t.Run("plan", l.testPlans)
	t.Run("fixture", l.testFixtures)
	t.Run("table", l.testTables)
	t.Run("state", l.testStates)
	t.Run("an interface that joins a list later", l.testJoins)
	t.Run("random", l.testRandom)
	t.Run("forward", l.testForwards)
	t.Logf("the evaluator and the kernel were compared on %d tables with %d packets in %s", l.tables, l.packets, time.Since(start).Round(time.Millisecond))
}

// stranger is a TCP packet that opens a connection from outside.
func stranger(source string, from, to uint16) shot {
	return shot{packet: firewall.Packet{
		Protocol: 6, Src: addr(source), Dst: addr("192.0.2.1"), SrcPort: from, DstPort: to, InInterface: outside,
		SrcMAC: "02:00:00:00:00:01", Size: 60, TTL: 57, TCPFlags: firewall.SYN, State: firewall.New,
	}}
}

// knocks are TCP knocks, one after the other. No two packets of a game share a source port, for
// then they would be one connection.
func knocks(source string, from uint16, ports ...uint16) []shot {
	var shots []shot
	for i, port := range ports {
		shots = append(shots, stranger(source, from+uint16(i), port))
	}
	return shots
}

// planned is a router of the fixtures with a plan on it, or why the plan does not go there.
func planned(t *testing.T, router, name string) (routeros.Snapshot, plans.Plan, error) {
	t.Helper()
	text, err := fixtures.Router(router)
	check(t, "fixture", err)
	before, skipped := rsc.Read(text).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatalf("%v", skipped)
	}
	data, err := fixtures.Plan(name)
	check(t, "fixture", err)
	plan, err := plans.Read(name, data)
	check(t, "plan", err)
	rules, err := compile.Compile(plan, before)
	if err != nil {
		return before, plan, err
	}
	changes, err := diff.Compute(before, rules, change.Management{})
	return changetest.After(t, before, changes), plan, err
}

// testPlans plays knocks, right and wrong, at the seed's plan in both layouts. The last knock
// itself is accepted: the rule behind it sees that its source is trusted by now.
func (l *lab) testPlans(t *testing.T) {
	const ssh, winbox = 22, 8291
	accept, drop := firewall.Accept, firewall.Drop
	scenes := []struct {
		name   string
		rounds []round
		want   []firewall.Verdict
	}{
		{"right knock", []round{{shots: knocks("203.0.113.9", 40000, ssh, 33333, 22222, 11111, ssh, winbox)}}, []firewall.Verdict{drop, drop, drop, accept, accept, accept}},
		{"wrong order", []round{{shots: knocks("203.0.113.9", 40000, 11111, 22222, 33333, ssh)}}, []firewall.Verdict{drop, drop, drop, drop}},
		{"missing stage", []round{{shots: knocks("203.0.113.9", 40000, 33333, 11111, ssh)}}, []firewall.Verdict{drop, drop, drop}},
		{"a scan", []round{{shots: knocks("203.0.113.9", 40000, 11110, 11111, 11112, 22221, 22222, 22223, 33332, 33333, 33334, ssh)}}, slices.Repeat([]firewall.Verdict{drop}, 10)},
		{"a stranger beside one who knocks", []round{{shots: slices.Concat(knocks("203.0.113.9", 40000, 33333, 22222, 11111), knocks("203.0.113.10", 41000, ssh, 11111, ssh))}}, []firewall.Verdict{drop, drop, accept, drop, drop, drop}},
		{"knock again while trusted", []round{{shots: knocks("203.0.113.9", 40000, 33333, 22222, 11111)}, {time.Second, knocks("203.0.113.9", 41000, 33333, 22222, 11111, ssh)}}, nil},
		{"from inside", []round{{shots: onBridge(knocks("192.168.88.10", 40000, ssh, winbox, 33333))}}, []firewall.Verdict{accept, accept, accept}},
	}
	for _, plan := range []string{"seed.yaml", "inline.yaml"} {
		snapshot, _, err := planned(t, "defconf.rsc", plan)
		check(t, "plan", err)
		for _, scene := range scenes {
			t.Run(plan+" "+scene.name, func(t *testing.T) {
				g := l.agree(t, snapshot, scene.rounds...)
				if scene.want != nil && !slices.Equal(g.verdicts, scene.want) {
					t.Errorf("got %v, want %v", g.verdicts, scene.want)
				}
			})
		}
	}
}

func onBridge(shots []shot) []shot {
	for i := range shots {
		shots[i].packet.InInterface, shots[i].packet.Dst = inside, addr("192.168.88.1")
	}
	return shots
}

// agree plays a game and fails where the evaluator and the kernel differ.
func (l *lab) agree(t *testing.T, s routeros.Snapshot, rounds ...round) *game {
	t.Helper()
	g, err := l.play(s, rounds...)
	check(t, "play", err)
	if len(g.wrong) > 0 {
		t.Error(g.report())
	}
	return g
}

// testFixtures plays random packets, and knocks between them, at every plan on every router that we
// ship. The lab's router stays what it is: packets come in on ether1 and bridge, whatever the
// fixture calls its own.
func (l *lab) testFixtures(t *testing.T) {
	for _, router := range []string{"defconf.rsc", "defconf-6.49.rsc", "defconf-7.24.rsc", "winbox-open.rsc", "no-drop.rsc", "crlf-bom.rsc", "jump-chains.rsc"} {
		for _, plan := range []string{"seed.yaml", "inline.yaml", "minimal.yaml", "branch.yaml", "quarantine.yaml", "hygiene.yaml"} {
			t.Run(router+" "+plan, func(t *testing.T) {
				s, p, err := planned(t, router, plan)
				if err != nil {
					t.Skip("the plan does not go there: ", err)
				}
				// The kernel has limits too, but how many packets of a volley it lets pass hangs on the clock.
				s.Rules[routeros.Filter] = slices.DeleteFunc(slices.Clone(s.Rules[routeros.Filter]), func(r routeros.Rule) bool { return r.Attrs.Has("limit") })
				c := newChance(usualSeed, 0)
				c.at = portsOf(s)
				shots := c.shots(40)
				for _, source := range []string{"203.0.113.200", "93.77.0.200"} { // the first is taken for forged where there are bogons
					for _, d := range p.Doors {
						for _, stage := range d.Knock {
							shots = append(shots, c.stage(source, stage))
						}
					}
				}
				l.agree(t, s, round{shots: append(shots, c.shots(40)...)})
			})
		}
	}
}

// stage is one step of a knock.
func (c chance) stage(source string, of plans.Stage) shot {
	s := stranger(source, 0, of.Port)
	switch of.Protocol {
	case "udp":
		s.packet.Protocol, s.packet.TCPFlags = 17, 0
	case "icmp":
		s.packet.Protocol, s.packet.TCPFlags, s.packet.ICMPType, s.packet.Size = 1, 0, 8, int(of.Size)
	}
	s.packet.SrcPort = uint16(c.unused(&s, 1024, 65535))
	s.echo = s.packet.SrcPort
	return s
}

// portsOf are the ports that rules name, and those next to them.
func portsOf(s routeros.Snapshot) []uint16 {
	ports := []uint16{1, 65535}
	for _, r := range s.Rules[routeros.Filter] {
		for part := range strings.SplitSeq(strings.TrimPrefix(r.Attrs.Get("dst-port"), "!"), ",") {
			if first, last, err := numbers(part, 16); err == nil {
				ports = append(ports, uint16(first), uint16(last), uint16(max(first-1, 1)), uint16(min(last+1, 65535)))
			}
		}
	}
	return ports
}
