package apply_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// clocked is a simulated router with a plan on it and a clock that the test moves.
type clocked struct {
	router *sim.Router
	now    time.Time
	next   netip.Addr // a source that has sent nothing yet
	pings  uint16
}

func newClocked(t *testing.T, version string, p plans.Plan) *clocked {
	t.Helper()
	export, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	v, err := routeros.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := rsc.Read(export).Snapshot(rsc.Options{Version: v})
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	c, err := diff.Compute(s, want, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Prove(s, want, c, change.Management{}).Err(); err != nil {
		t.Fatal(err)
	}
	s = changetest.After(t, s, c)
	for menu, rows := range s.Rules {
		s.Rules[menu] = slices.Clone(rows)
		for i := range rows {
			s.Rules[menu][i].ID = fmt.Sprintf("*%X", i+1)
		}
	}
	out := &clocked{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), next: netip.MustParseAddr("93.1.0.1")}
	out.router = simtest.New(t, sim.Options{Version: v, Now: func() time.Time { return out.now }}, s)
	return out
}

// fresh returns a source that has sent nothing yet.
func (c *clocked) fresh() netip.Addr {
	c.next = c.next.Next()
	return c.next
}

// send lets a source touch a stage or anything else that is written like one.
func (c *clocked) send(from netip.Addr, in string, s plans.Stage) firewall.Disposition {
	p := firewall.Packet{Src: from, Dst: netip.MustParseAddr("192.168.88.1"), InInterface: in, TTL: 64, Size: 60}
	p.Protocol, _ = routeros.ParseProtocol(s.Protocol)
	switch s.Protocol {
	case "icmp":
		// Each ping has an id of its own: of one that is answered, the next would be established.
		c.pings++
		p.Size, p.ICMPType, p.SrcPort = int(s.Size), 8, c.pings
	case "tcp":
		p.TCPFlags = firewall.SYN
		fallthrough
	default:
		p.SrcPort, p.DstPort = 51077, s.Port
	}
	return c.router.Packet(p)
}

// in reports whether a source is in a list now.
func (c *clocked) in(from netip.Addr, list string) bool {
	s := c.router.Snapshot()
	return firewall.NewAddressLists(s, c.now).Contains(routeros.IPv4, list, from, c.now)
}

// lists reports whether a source is trusted at a door, and whether it is in the door's quarantine.
func (c *clocked) lists(from netip.Addr, d plans.Door) (trusted, caught bool) {
	for _, e := range c.router.Snapshot().Entries[routeros.AddressList] {
		if e.Address == from.String() {
			trusted, caught = trusted || e.List == d.Trusted.List, caught || e.List == d.QuarantineList()
		}
	}
	return trusted, caught
}

func quarantined(t *testing.T, change func(*plans.Plan)) plans.Plan {
	t.Helper()
	p := readPlan(t, "quarantine.yaml")
	p.Firewall.Families = []routeros.Family{routeros.IPv4}
	if change != nil {
		change(&p)
	}
	return p
}

// automaton is a model of a door with a quarantine for one source, in a few lines.
type automaton struct {
	door        plans.Door
	stages      map[int]time.Time // until when the source counts as having come so far
	quarantined time.Time
	trusted     time.Time
}

// next is the stage that would go on from where the source is.
func (a *automaton) next(at time.Time) int {
	furthest := 0
	for stage, until := range a.stages {
		if at.Before(until) {
			furthest = max(furthest, stage+1)
		}
	}
	return furthest
}

func (a *automaton) touch(s plans.Stage, at time.Time) {
	stage := slices.Index(a.door.Knock, s)
	wrong := slices.Contains(a.door.Decoys, s) || stage > 0 && !at.Before(a.stages[stage-1])
	switch {
	case at.Before(a.quarantined):
	case wrong && !at.Before(a.trusted):
		a.quarantined = at.Add(a.door.QuarantineFor)
	case wrong || stage < 0:
	case stage == len(a.door.Knock)-1:
		a.trusted = at.Add(a.door.Trusted.For.For)
	default:
		a.stages[stage] = at.Add(a.door.StageTimeout)
	}
}

// TestQuarantineAgainstAutomaton: whatever packets arrive in any order and at any time, exactly the
// sources that the automaton says are trusted, or in quarantine.
func TestQuarantineAgainstAutomaton(t *testing.T) {
	for _, version := range []string{"6.49", "7.20"} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			t.Run(version+"/"+layout.String(), func(t *testing.T) {
				p := quarantined(t, func(p *plans.Plan) {
					p.Firewall.Layout = layout
					p.Doors[0].Trusted.For.For = 40 * time.Second
					p.Doors[0].Knock[2] = plans.Stage{Protocol: "icmp", Size: 245}
				})
				c, d := newClocked(t, version, p), p.Doors[0]
				opened, caught := 0, 0
				rapid.Check(t, func(t *rapid.T) {
					a, from := automaton{door: d, stages: map[int]time.Time{}}, c.fresh()
					for n := range rapid.IntRange(5, 60).Draw(t, "packets") {
						next := a.next(c.now) // mostly, so that the whole knock is played often enough
						if rapid.IntRange(0, 5).Draw(t, "other") == 0 {
							next = rapid.IntRange(0, len(d.Knock)).Draw(t, "which")
						}
						s := plans.Stage{Protocol: "tcp", Port: 4000}
						if next < len(d.Knock) {
							s = d.Knock[next]
						} else if at := rapid.IntRange(0, 3*len(d.Decoys)).Draw(t, "decoy"); at < len(d.Decoys) {
							s = d.Decoys[at]
						}
						for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "copies") {
							c.send(from, "ether1", s)
							a.touch(s, c.now)
						}
						for _, later := range []time.Duration{0, time.Duration(rapid.SampledFrom([]int{0, 0, 1, 1, 1, 2, 2, 3, 9, 10, 11, 40, 119, 120, 121}).Draw(t, "seconds")) * time.Second} {
							c.now = c.now.Add(later)
							trusted, caught := c.lists(from, d)
							if trusted != c.now.Before(a.trusted) {
								t.Fatalf("after packet %d: trusted %v, by the automaton %v", n, trusted, !trusted)
							}
							if caught != c.now.Before(a.quarantined) {
								t.Fatalf("after packet %d: quarantined %v, by the automaton %v", n, caught, !caught)
							}
						}
					}
					if !a.trusted.IsZero() {
						opened++
					}
					if !a.quarantined.IsZero() {
						caught++
					}
				})
				t.Logf("the door opened to %d sources and caught %d", opened, caught)
				if opened < 5 || caught < 5 {
					t.Errorf("it opened to %d sources and caught %d: the packets don't suit the test", opened, caught)
				}
			})
		}
	}
}

// TestQuarantineSpares: copies of the right knock, even late ones, quarantine nobody. Trusted and
// allowed sources are never quarantined, and what they reach does not depend on it.
func TestQuarantineSpares(t *testing.T) {
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p := quarantined(t, func(p *plans.Plan) { p.Firewall.Layout = layout })
		c, d := newClocked(t, "7.20", p), p.Doors[0]
		ssh := plans.Stage{Protocol: "tcp", Port: 22}
		knocker := c.fresh()
		for i, s := range d.Knock {
			for _, copied := range slices.Concat(d.Knock[max(0, i-1):i], []plans.Stage{s, s}, d.Knock[max(0, i-1):i]) {
				c.send(knocker, "ether1", copied)
				c.now = c.now.Add(time.Second)
			}
		}
		if c.in(knocker, d.QuarantineList()) || c.send(knocker, "ether1", ssh).Verdict != firewall.Accept {
			t.Errorf("%v: a knock with copies does not open", layout)
		}
		c.now = c.now.Add(time.Hour)
		for _, from := range []struct {
			who netip.Addr
			in  string
		}{{knocker, "ether1"}, {netip.MustParseAddr("198.51.100.7"), "ether1"}, {netip.MustParseAddr("192.168.88.9"), "bridge"}} {
			for _, s := range slices.Concat(d.Decoys, []plans.Stage{d.Knock[3], d.Knock[1]}) {
				c.send(from.who, from.in, s)
			}
			if c.in(from.who, d.QuarantineList()) {
				t.Errorf("%v: %s is quarantined", layout, from.who)
			}
			if c.send(from.who, from.in, plans.Stage{Protocol: "tcp", Port: 8291}).Verdict != firewall.Accept {
				t.Errorf("%v: %s does not get in any more", layout, from.who)
			}
		}
		// Trust does not depend on it: a quarantined source that is put on the trusted list gets
		// in.
		caught := c.fresh()
		c.send(caught, "ether1", d.Decoys[0])
		if !c.in(caught, d.QuarantineList()) || c.send(caught, "ether1", ssh).Verdict == firewall.Accept {
			t.Errorf("%v: a decoy does nothing", layout)
		}
		if err := c.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", d.Trusted.List, "address", caught.String())); err != nil {
			t.Fatal(err)
		}
		if c.send(caught, "ether1", ssh).Verdict != firewall.Accept {
			t.Errorf("%v: quarantine takes access away", layout)
		}
	}
}

// sweep sends packets to a range of ports, at a given rate, and reports whether their source is
// trusted after any of them.
func (c *clocked) sweep(from netip.Addr, d plans.Door, ports []uint16, rate int) bool {
	last := d.Knock[len(d.Knock)-1]
	for _, port := range ports {
		s := plans.Stage{Protocol: "tcp", Port: port}
		c.send(from, "ether1", s)
		if s == last && c.in(from, d.Trusted.List) {
			return true
		}
		c.now = c.now.Add(time.Second / time.Duration(rate))
	}
	return false
}

// TestSweeps: no sweep over 200 ports opens a door with a quarantine, upwards, downwards or in
// random order, once or repeatedly, fast or slow. Without the quarantine, as many sweeps as there
// are stages open it.
func TestSweeps(t *testing.T) {
	ports := make([]uint16, 200)
	for i := range ports {
		ports[i] = uint16(10000 + i)
	}
	falling := slices.Clone(ports)
	slices.Reverse(falling)
	opened := 0
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		p := quarantined(t, func(p *plans.Plan) { drawDoor(&p.Doors[0], ports, random) })
		c, d := newClocked(t, "7.20", p), p.Doors[0]
		for _, rate := range []int{10_000, 100, 10} {
			for name, order := range map[string][]uint16{"upwards": ports, "downwards": falling} {
				if c.sweep(c.fresh(), d, slices.Concat(order, order, order, order, order, order), rate) {
					t.Errorf("seed %d: sweeps %s at %d packets/s open the door", seed, name, rate)
				}
			}
			shuffled := slices.Clone(ports)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if c.sweep(c.fresh(), d, shuffled, rate) {
				t.Errorf("seed %d: a sweep in random order at %d packets/s opens the door", seed, rate)
			}
		}
		p.Doors[0].WrongKnock, p.Doors[0].Decoys, p.Doors[0].QuarantineFor = plans.Ignore, nil, 0
		c = newClocked(t, "7.20", p)
		if c.sweep(c.fresh(), p.Doors[0], slices.Concat(ports, ports, ports, ports), 10_000) {
			opened++
		}
	}
	if opened != 12 {
		t.Errorf("without a quarantine %d of 12 doors open to four sweeps", opened)
	}
}

// drawDoor draws a knock and decoys from a range of ports, again until no sweep in the order of the
// ports plays the knock, wherever it begins.
func drawDoor(d *plans.Door, ports []uint16, random *rand.Rand) {
	for {
		var all []plans.Stage
		for _, at := range random.Perm(len(ports))[:7] {
			all = append(all, plans.Stage{Protocol: "tcp", Port: ports[at]})
		}
		d.Knock, d.Decoys = all[:4], all[4:]
		turns := 0
		for i := range d.Knock {
			if d.Knock[i].Port < d.Knock[(i+1)%4].Port {
				turns++
			}
		}
		if turns == 2 { // 1 and 3 are a sweep that begins somewhere in the middle
			return
		}
	}
}

// TestQuarantineComesAndGoes: a plan gets a quarantine, changes it and loses it, in both layouts,
// over the API and step by step.
func TestQuarantineComesAndGoes(t *testing.T) {
	export, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"6.49", "7.20"} {
		b := newBench(t, version, export)
		with := readPlan(t, "quarantine.yaml")
		if version == "6.49" {
			with.Firewall.Families = with.Firewall.Families[:1]
		}
		without, other, inline, changed := with, with, with, with
		without.Doors, other.Doors, changed.Doors = slices.Clone(with.Doors), slices.Clone(with.Doors), slices.Clone(with.Doors)
		without.Doors[0].WrongKnock, without.Doors[0].Decoys, without.Doors[0].QuarantineFor = plans.Ignore, nil, 0
		other.Doors[0].Decoys = other.Doors[0].Decoys[:1]
		inline.Firewall.Layout = plans.Inline
		changed.Firewall.Layout = plans.Inline
		changed.Doors[0].QuarantineFor = time.Hour
		for i, p := range []plans.Plan{with, other, inline, changed, with, without, with, changed, without} {
			result, err := b.apply(p)
			if err != nil || result.Err != nil || result.Outcome != "changed" {
				t.Fatalf("%s, %d: %v: %v, %v", version, i, result.Outcome, err, result.Err)
			}
			if again, err := b.apply(p); err != nil || again.Outcome != "unchanged" {
				t.Errorf("%s, %d: second run: %v, %v, %v", version, i, again.Outcome, err, again.Err)
			}
			for _, r := range b.router.Snapshot().Rules[routeros.Filter] {
				if mark, _ := r.Mark(); strings.Contains(mark.Slot, "/decoy-") && !p.Doors[0].Quarantines() {
					t.Errorf("%s, %d: left over: %s", version, i, mark.Slot)
				}
			}
		}
	}
}
