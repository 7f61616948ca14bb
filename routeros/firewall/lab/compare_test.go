//go:build linux

package lab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// slack is how far the two clocks of a list entry may be apart at least: the evaluator's starts
// when the packet is sent, the kernel's when it gets to the rule. What loading and sending took
// comes on top, for the machine may be busy.
const slack = 300 * time.Millisecond

// round is a volley and the pause before it.
type round struct {
	pause time.Duration
	shots []shot
}

// game plays packets against one snapshot, in the kernel and in the evaluator.
type game struct {
	firewall *loaded
	snapshot routeros.Snapshot
	world    *firewall.Firewall
	memory   *firewall.AddressLists
	// looks counts how often each rule matched, by the evaluator.
	looks map[routeros.Menu][]uint64
	// sources are all addresses that may be in a list.
	sources map[netip.Addr]bool
	// verdicts are the fates of the packets, in order.
	verdicts []firewall.Verdict
	wrong    []string
	// slack is how far clocks may be apart by now.
	slack time.Duration
}

// play returns what the kernel and the evaluator disagree about.
func (l *lab) play(s routeros.Snapshot, rounds ...round) (*game, error) {
	g, err := l.begin(s)
	if err != nil {
		return nil, err
	}
	if err := g.rounds(rounds...); err != nil {
		return nil, err
	}
	return g, g.compareCounts()
}

// begin puts a snapshot into the kernel and into the evaluator.
func (l *lab) begin(s routeros.Snapshot) (*game, error) {
	start := time.Now()
	f, err := l.load(s)
	if err != nil {
		return nil, err
	}
	g := &game{
		slack:    slack + time.Since(start),
		firewall: f, snapshot: s, world: firewall.NewFirewall(s), memory: firewall.NewAddressLists(s, time.Now()),
		looks: map[routeros.Menu][]uint64{}, sources: map[netip.Addr]bool{},
	}
	for _, menu := range menus(l.family) {
		g.looks[menu] = make([]uint64, len(s.Rules[menu]))
	}
	l.tables++
	return g, nil
}

// rounds plays volleys, one after the other.
func (g *game) rounds(rounds ...round) error {
	for _, r := range rounds {
		time.Sleep(r.pause)
		start := time.Now()
		if err := g.volley(r.shots); err != nil {
			return err
		}
		g.slack += time.Since(start)
		if err := g.compareLists(); err != nil {
			return err
		}
		g.firewall.lab.packets += len(r.shots)
	}
	return nil
}

// menus are the tables that a packet to the router meets, in that order.
func menus(f routeros.Family) []routeros.Menu { return []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} }

func (g *game) differ(format string, args ...any) {
	g.wrong = append(g.wrong, fmt.Sprintf(format, args...))
}

func (g *game) volley(shots []shot) error {
	kernel, err := g.firewall.volley(shots)
	if err != nil {
		return err
	}
	for i, s := range shots {
		g.sources[s.packet.Src], g.sources[s.packet.Dst] = true, true
		fate := g.world.Input(s.packet, g.memory, kernel[i].at)
		g.memory.Apply(fate.Additions, kernel[i].at)
		g.verdicts = append(g.verdicts, fate.Verdict)
		for _, look := range fate.Trail {
			g.looks[look.Table][look.Index]++
		}
		g.compareFate(s, fate, kernel[i])
	}
	return nil
}

func (g *game) compareFate(s shot, fate firewall.Disposition, kernel seen) {
	what := fmt.Sprintf("packet %d, %s %s (size %d, ttl %d, flags %08b, icmp %d:%d)",
		kernel.id, s.packet.State, s.packet, s.packet.Size, s.packet.TTL, s.packet.TCPFlags, s.packet.ICMPType, s.packet.ICMPCode)
	switch {
	case !kernel.arrived:
		g.differ("%s: never arrived", what)
	case len(fate.Undecided) > 0 || fate.Incomplete:
		g.differ("%s: the evaluator is undecided: %+v", what, fate.Undecided)
	case kernel.passed != (fate.Verdict == firewall.Accept):
		g.differ("%s: %s by the evaluator (trail %s), but in the kernel passed=%v", what, fate.Verdict, trail(fate), kernel.passed)
	case g.firewall.through && kernel.sent != (fate.Verdict == firewall.Forwarded):
		g.differ("%s: %s by the evaluator (trail %s), but in the kernel sent on=%v", what, fate.Verdict, trail(fate), kernel.sent)
	case kernel.tracked && kernel.state != tracked(s.packet, fate):
		g.differ("%s: the kernel takes it for %s", what, kernel.state)
	}
}

// tracked is the state that the packet should have behind the raw table.
func tracked(p firewall.Packet, fate firewall.Disposition) firewall.State {
	for _, look := range fate.Trail {
		if (look.Table == routeros.Raw || look.Table == routeros.Raw6) && look.Rule.Action() == "notrack" {
			return firewall.Untracked
		}
	}
	return p.State
}

func trail(f firewall.Disposition) string {
	var rules []string
	for _, look := range f.Trail {
		rules = append(rules, fmt.Sprintf("%s %d", look.Table, look.Index))
	}
	return "[" + strings.Join(rules, ", ") + "]"
}

// compareLists compares the members of each list now, and shortly before and after the kernel drops
// them.
func (g *game) compareLists() error {
	for name := range g.firewall.lists {
		now := time.Now()
		members, err := g.firewall.members(name)
		if err != nil {
			return err
		}
		for a, left := range members {
			g.sources[a] = true
			g.compareMember(name, a, left, now)
		}
		for a := range g.sources {
			_, in := members[a]
			if !in && g.contains(name, a, now) && g.contains(name, a, now.Add(g.slack)) {
				g.differ("list %s: %s is in it by the evaluator, not in the kernel's", name, a)
			}
		}
	}
	return nil
}

func (g *game) compareMember(list string, a netip.Addr, left time.Duration, now time.Time) {
	switch {
	case left == 0:
		if !g.contains(list, a, now.AddDate(10, 0, 0)) {
			g.differ("list %s: the kernel keeps %s for ever, the evaluator does not", list, a)
		}
	case left > g.slack && !g.contains(list, a, now.Add(left-g.slack)):
		g.differ("list %s: the kernel keeps %s for another %s, the evaluator does not", list, a, left)
	case g.contains(list, a, now.Add(left+g.slack)):
		g.differ("list %s: %s leaves the kernel's in %s, not the evaluator's", list, a, left)
	}
}

func (g *game) contains(list string, a netip.Addr, at time.Time) bool {
	return g.memory.Contains(g.firewall.family, list, a, at)
}

// compareCounts holds the packets that each rule met against those that it should have.
func (g *game) compareCounts() error {
	for _, menu := range menus(g.firewall.family) {
		counts, err := g.firewall.counts(menu)
		if err != nil {
			return err
		}
		for i, n := range counts {
			if n != g.looks[menu][i] {
				g.differ("%s rule %d, %s: %d packets in the kernel, %d by the evaluator", menu, i, g.snapshot.Rules[menu][i].Attrs, n, g.looks[menu][i])
			}
		}
	}
	return nil
}

// report tells the table too: without it a difference means nothing.
func (g *game) report() string {
	const most = 12
	shown := g.wrong[:min(most, len(g.wrong))]
	return fmt.Sprintf("%d differences:\n%s\nin\n%s", len(g.wrong), strings.Join(slices.Clone(shown), "\n"), rsc.Write(g.snapshot))
}
