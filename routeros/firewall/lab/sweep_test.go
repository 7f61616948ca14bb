//go:build linux

package lab_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rosknock/rosknock/routeros"
)

// sweeper sends packets from any source to the router of a house, past the client's own network
// stack.
type sweeper struct {
	h        *house
	rules    *translation // of the family in which it sends
	socket   int
	cable    int // its number at the client
	mac      [2]net.HardwareAddr
	arrivals *nftables.Chain
}

func (h *house) sweeper(t *testing.T, f routeros.Family) *sweeper {
	t.Helper()
	s := &sweeper{h: h, rules: h.rules[f]}
	for i, ns := range []netns.NsHandle{h.router, h.client} {
		end := link(t, handle(t, ns), outside).Attrs()
		s.mac[i], s.cable = end.HardwareAddr, end.Index
	}
	within(t, h.client, func() (err error) {
		s.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	t.Cleanup(func() { _ = unix.Close(s.socket) })
	priority := nftables.ChainPriority(-400)
	s.arrivals = h.nft.AddChain(&nftables.Chain{
		Name: "lab:arrivals", Table: s.rules.table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: &priority,
	})
	check(t, "chain", h.nft.Flush())
	return s
}

// expects counts the packets of a source from now on.
func (s *sweeper) expects(t *testing.T, from string) {
	t.Helper()
	a := addr(from)
	s.h.nft.AddRule(&nftables.Rule{Table: s.rules.table, Chain: s.arrivals, Exprs: []expr.Any{s.rules.address(source), equal(false, a.AsSlice()...), &expr.Counter{}}})
	check(t, "counter", s.h.nft.Flush())
}

// arrived is how many packets came of the sources that are expected, in their order.
func (s *sweeper) arrived(t *testing.T) (counts []uint64) {
	t.Helper()
	rules, err := s.h.nft.GetRules(s.arrivals.Table, s.arrivals)
	check(t, "counters", err)
	for _, r := range rules {
		counts = append(counts, packetsOf(r))
	}
	return counts
}

// goal is one port of one protocol.
type goal struct {
	protocol uint8
	port     uint16
}

// goals are all ports of TCP, and then all of UDP.
func goals() (all []goal) {
	for _, protocol := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		for port := 1; port < 1<<16; port++ {
			all = append(all, goal{protocol, uint16(port)})
		}
	}
	return all
}

// sweep sends one packet to each goal, as fast as it goes.
func (s *sweeper) sweep(from string, goals []goal) error {
	to := &unix.SockaddrLinklayer{Ifindex: s.cable}
	head := slices.Concat(s.mac[0], s.mac[1], []byte{0x08, 0x00})
	write := four
	if s.rules.family == routeros.IPv6 {
		head = slices.Concat(s.mac[0], s.mac[1], []byte{0x86, 0xdd})
		write = six
	}
	a := addr(from)
	return orderly(func() error {
		for _, g := range goals {
			if err := unix.Sendto(s.socket, slices.Concat(head, write(a, g)), 0, to); err != nil {
				return fmt.Errorf("port %d: %w", g.port, err)
			}
		}
		return nil
	})
}

// four is a packet that opens something, over IPv4.
func four(from netip.Addr, g goal) []byte {
	p := stranger(from.String(), 40000, g.port)
	p.packet.Dst, p.packet.Protocol, p.packet.Size = addr(house4), g.protocol, smallest(g.protocol)
	return p.bytes(0)
}

// six is the same over IPv6: other addresses, another header, and so another sum.
func six(from netip.Addr, g goal) []byte {
	p := stranger(client4, 40000, g.port)
	p.packet.Protocol, p.packet.Size = g.protocol, smallest(g.protocol)
	body := p.bytes(0)[20:]
	src, dst := from.As16(), addr(house6).As16()
	ip := slices.Concat([]byte{6 << 4, 0, 0, 0}, be16(len(body)), []byte{g.protocol, 64}, src[:], dst[:], body)
	at := 40 + map[uint8]int{unix.IPPROTO_TCP: 16, unix.IPPROTO_UDP: 6}[g.protocol]
	ip[at], ip[at+1] = 0, 0
	start := uint32(sum(uint32(g.protocol)+uint32(len(body)), ip[8:40]))
	copy(ip[at:], be16(int(^sum(start, ip[40:]))))
	return ip
}

// orders are three ways through all ports.
func orders() []struct {
	name  string
	goals []goal
} {
	ascending, descending, random := goals(), goals(), goals()
	slices.Reverse(descending)
	rand.New(rand.NewPCG(number("ROSKNOCK_LAB_SEED", usualSeed), 1)).Shuffle(len(random), func(i, j int) { random[i], random[j] = random[j], random[i] })
	return []struct {
		name  string
		goals []goal
	}{{"ascending", ascending}, {"descending", descending}, {"random", random}}
}

// passes plays the three orders, each from a source of its own, and fails the test when a packet
// got lost.
func (s *sweeper) passes(t *testing.T) (sources []string) {
	t.Helper()
	network := map[routeros.Family]string{routeros.IPv4: "198.18.7.%d", routeros.IPv6: "2001:db8::7:%d"}[s.rules.family]
	for i, order := range orders() {
		from := fmt.Sprintf(network, i+1)
		sources = append(sources, from)
		s.expects(t, from)
		start := time.Now()
		check(t, order.name, s.sweep(from, order.goals))
		took := time.Since(start)
		got := s.arrived(t)[i]
		t.Logf("%s, %s: %d of %d packets arrived in %s, %d each second", s.rules.family, order.name, got, len(order.goals), took.Round(time.Millisecond), int(float64(got)/took.Seconds()))
		if got != uint64(len(order.goals)) {
			t.Errorf("%s: %d of %d packets arrived", order.name, got, len(order.goals))
		}
	}
	return sources
}

// drawn is a knock of five stages as rosknock draws them. A random order of ports is a knock by
// chance once in 120, and with three decoys that come later once in 6720. Such a knock is not
// taken, nor one with a decoy in it.
func (y yard) drawn(t *testing.T, decoys []string) string {
	t.Helper()
	places := map[string]int{}
	for i, g := range orders()[2].goals {
		places[fmt.Sprintf("%s/%d", map[uint8]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[g.protocol], g.port)] = i
	}
	for {
		c := exec.CommandContext(t.Context(), y.file("rosknock"), "sequence", "generate", "--stages", "5", "--decoys", strconv.Itoa(len(decoys)))
		_, text, _ := strings.Cut(output(t, c), "[")
		text, _, _ = strings.Cut(text, "]")
		var at []int
		for stage := range strings.SplitSeq(text, ", ") {
			at = append(at, places[stage])
		}
		usable, byChance := len(at) == 5, slices.IsSorted(at)
		for _, decoy := range decoys {
			usable = usable && !strings.Contains(text, decoy)
			byChance = byChance && places[decoy] > at[len(at)-1]
		}
		if usable && !byChance {
			return text
		}
	}
}

// testSweeps: no sweep over all ports of TCP and UDP opens a door with a drawn knock and a
// quarantine, be there decoys or none.
func testSweeps(t *testing.T, y yard) {
	for _, decoys := range [][]string{{"tcp/3391", "udp/30112", "tcp/37250"}, nil} {
		t.Run(fmt.Sprintf("%d decoys", len(decoys)), func(t *testing.T) {
			lines := []string{long, "stage-timeout: 10s", "wrong-knock: quarantine", "quarantine-for: 10m"}
			if len(decoys) > 0 {
				lines = append(lines, "decoys: ["+strings.Join(decoys, ", ")+"]")
			}
			h := y.build(t, planFor(y.drawn(t, decoys), lines...))
			for f, pair := range map[routeros.Family][2]string{routeros.IPv4: {client4, house4}, routeros.IPv6: {client6, house6}} {
				h.swept(t, f, h.sweeper(t, f).passes(t), pair)
			}
		})
	}
}

// swept: nobody who swept is trusted, each is caught, and the knock still opens to others.
func (h *house) swept(t *testing.T, f routeros.Family, sources []string, pair [2]string) {
	t.Helper()
	if in := h.members(t, f, "trusted"); len(in) > 0 {
		text, _ := os.ReadFile(h.plan)
		t.Errorf("sweeps of all ports opened the door: trusted %v, by\n%s", in, text)
	}
	caught := h.members(t, f, "rosknock-lab-admin-quarantine")
	for _, from := range sources {
		if _, in := caught[addr(from)]; !in {
			t.Errorf("%s is not in quarantine", from)
		}
		give(t, handle(t, h.client), from)
		h.shut(t, "after the sweep", from, pair[1])
		if h.knock(t, h.plan, from, pair[1], "--then-wait", "300ms") {
			t.Errorf("%s swept, and its knock opens", from)
		}
	}
	h.opens(t, "after the sweeps", pair[0], pair[1])
}

// testSweepComesIn is the other side: the same sweeps open a knock that rises, or that falls, at a
// door that takes no notice of wrong ones.
func testSweepComesIn(t *testing.T, y yard) {
	for i, knock := range []string{"tcp/2311, tcp/25183, tcp/48877", "tcp/48877, tcp/25183, tcp/2311"} {
		h := y.build(t, planFor(knock, long, "stage-timeout: 10s"))
		for _, f := range routeros.Families() {
			sources := h.sweeper(t, f).passes(t)
			in := h.members(t, f, "trusted")
			for j, from := range sources[:2] {
				if _, got := in[addr(from)]; got != (i == j) {
					t.Errorf("%s, knock %d: sweep %d opened is %v", f, i, j, got)
				}
			}
		}
	}
}
