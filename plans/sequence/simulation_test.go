package sequence_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/sequence"
)

// What follows plays packets at a router as its rules have it and counts what opens, to hold the
// numbers of Rate against.

// door is a router's stage lists for one source. It is written after the rules, and knows nothing
// of package sequence's own player.
type door struct {
	steps      []sequence.Step
	until      []float64 // of each stage list's entry; before the first, never
	quarantine bool
	banned     bool
	open       bool
}

func newDoor(steps []sequence.Step, quarantine bool) *door {
	d := &door{steps: steps, quarantine: quarantine, until: make([]float64, len(steps))}
	for i := range d.until {
		d.until[i] = math.Inf(-1)
	}
	return d
}

// packet goes through the rules: the last stage stands first, and adding to a list does not end the
// walk.
func (d *door) packet(at float64, p packet) {
	if d.banned {
		return
	}
	matched, counted := p.decoy, false
	for i := len(d.steps) - 1; i >= 0; i-- {
		s := d.steps[i]
		if p.decoy || p.protocol != s.Protocol || p.value < s.First || p.value > s.Last {
			continue
		}
		matched = true
		if i > 0 && d.until[i-1] < at {
			continue
		}
		counted = true
		d.until[i] = math.Inf(1)
		if s.Timeout > 0 {
			d.until[i] = at + s.Timeout.Seconds()
		}
		d.open = d.open || i == len(d.steps)-1
	}
	d.banned = d.quarantine && matched && !counted
}

type packet struct {
	protocol string
	value    uint16
	decoy    bool
}

// relevant are the packets of a sweep that any rule matches.
func relevant(steps []sequence.Step, decoys int) (out []packet) {
	for _, s := range steps {
		for v := int(s.First); v <= int(s.Last); v++ {
			if p := (packet{s.Protocol, uint16(v), false}); !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	for range decoys {
		out = append(out, packet{decoy: true})
	}
	return out
}

// sweepSize is how many packets a sweep has over all values of the protocols.
func sweepSize(steps []sequence.Step) int {
	size := map[string]int{}
	for _, s := range steps {
		size[s.Protocol] = map[string]int{"tcp": 65535, "udp": 65535, "icmp": 1473}[s.Protocol]
	}
	n := 0
	for _, of := range size {
		n += of
	}
	return n
}

// timed is a packet with the time in seconds at which a sweep sends it.
type timed struct {
	at float64
	packet
}

// shuffle gives packets places of their own in a sweep of n and puts them in order of time.
func shuffle(random *rand.Rand, packets []packet, n int, rate float64) []timed {
	taken := map[int]bool{}
	out := make([]timed, len(packets))
	for i, p := range packets {
		place := random.IntN(n)
		for taken[place] {
			place = random.IntN(n)
		}
		taken[place] = true
		out[i] = timed{float64(place) / rate, p}
	}
	slices.SortFunc(out, func(a, b timed) int { return int(math.Copysign(1, a.at-b.at)) })
	return out
}

func mixed(timeout time.Duration, knock ...any) (out []sequence.Step) {
	for i := 0; i < len(knock); i += 2 {
		v := uint16(knock[i+1].(int))
		out = append(out, sequence.Step{Protocol: knock[i].(string), First: v, Last: v, Timeout: timeout})
	}
	return out
}

func wide(timeout time.Duration, ranges ...uint16) (out []sequence.Step) {
	for i := 0; i < len(ranges); i += 2 {
		out = append(out, sequence.Step{Protocol: "tcp", First: ranges[i], Last: ranges[i+1], Timeout: timeout})
	}
	return out
}

// TestRateAgainstSimulation holds the chances per sweep, with and without quarantine and decoys,
// against sweeps that are played. The bounds are five standard deviations, and the seeds are fixed.
func TestRateAgainstSimulation(t *testing.T) {
	const sweeps = 30_000
	for name, test := range map[string]struct {
		steps  []sequence.Step
		rate   float64
		decoys int
		// What is not computed is sampled, from 4,000 sweeps of Rate's own.
		sampled bool
	}{
		"three":                       {tcp(0, 888, 555, 222), 10_000, 0, false},
		"three, two decoys":           {tcp(0, 888, 555, 222), 10_000, 2, false},
		"both protocols":              {mixed(10*time.Second, "tcp", 888, "udp", 888, "tcp", 5), 10_000, 1, false},
		"a slow scanner":              {mixed(10*time.Second, "tcp", 888, "udp", 555, "tcp", 222), 2_000, 0, false},
		"a slow scanner, decoys":      {mixed(10*time.Second, "tcp", 888, "udp", 555), 2_000, 3, false},
		"a ping among them":           {mixed(20*time.Second, "tcp", 888, "icmp", 245, "udp", 222), 10_000, 1, false},
		"times that differ":           {slices.Concat(tcp(time.Second, 5), tcp(4*time.Second, 9), tcp(0, 7)), 10_000, 1, false},
		"the same port at the ends":   {tcp(time.Minute, 98, 97, 98), 10_000, 0, true},
		"two wide ones":               {wide(2*time.Second, 100, 119, 300, 304), 10_000, 2, true},
		"ranges that overlap":         {wide(2*time.Second, 100, 109, 105, 114, 200, 203), 10_000, 1, true},
		"three of a range and a port": {wide(10*time.Second, 100, 109, 300, 309, 500, 500), 10_000, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, uint64(len(name))))
			packets, n := relevant(test.steps, test.decoys), sweepSize(test.steps)
			var opened [2]float64
			for range sweeps {
				sweep := shuffle(random, packets, n, test.rate)
				for q, quarantine := range []bool{false, true} {
					if play(newDoor(test.steps, quarantine), sweep, 0) {
						opened[q]++
					}
				}
			}
			rated := sequence.Rate(test.steps, test.rate, test.decoys)
			for q, got := range []float64{rated.Random, rated.Quarantined} {
				p := opened[q] / sweeps
				own := 0.0
				if test.sampled {
					own = 1.0 / 4000
				}
				if margin := 5 * math.Sqrt(max(p*(1-p), 1e-3)*(1.0/sweeps+own)); math.Abs(got-p) > margin {
					t.Errorf("quarantine %v: rated %.4f, played %.4f ± %.4f", q == 1, got, p, margin)
				}
			}
		})
	}
}

// play sends a sweep, later by some seconds, and says whether the door is open then.
func play(d *door, sweep []timed, later float64) bool {
	for _, p := range sweep {
		d.packet(p.at+later, p.packet)
	}
	return d.open
}

// permutations calls with every order of the numbers below n.
func permutations(n int, visit func([]int)) {
	order := make([]int, 0, n)
	var next func()
	next = func() {
		if len(order) == n {
			visit(order)
			return
		}
		for i := range n {
			if !slices.Contains(order, i) {
				order = append(order, i)
				next()
				order = order[:len(order)-1]
			}
		}
	}
	next()
}

// TestRateExhaustively: in a world of seven ports every order in which a sweep can go is played.
// Without time-outs the chance is exactly the rated one, whatever the number of ports; with them it
// is exactly what counting says, and what counting says of all ports is what is rated.
func TestRateExhaustively(t *testing.T) {
	const ports = 7
	for n := 1; n <= 4; n++ {
		for decoys := 0; decoys <= ports-n && decoys <= 2; decoys++ {
			for _, slots := range []int{0, 1, 2, 3, ports} {
				steps := make([]sequence.Step, n)
				for i := range steps {
					steps[i] = sequence.Step{Protocol: "tcp", First: uint16(i + 1), Last: uint16(i + 1), Timeout: time.Duration(slots) * time.Second}
				}
				opened, orders := [2]int{}, 0
				permutations(ports, func(order []int) {
					orders++
					for q, quarantine := range []bool{false, true} {
						d := newDoor(steps, quarantine)
						for at, port := range order {
							d.packet(float64(at), packet{"tcp", uint16(port + 1), port >= n && port < n+decoys})
						}
						if d.open {
							opened[q]++
						}
					}
				})
				for q, of := range []int{0, decoys} {
					if got, want := float64(opened[q])/float64(orders), counted(ports, n, of, slots); math.Abs(got-want) > 1e-12 {
						t.Errorf("%d steps, %d decoys, %d slots: played %v, counted %v", n, of, slots, got, want)
					}
					seconds := time.Duration(slots) * time.Second
					rated := sequence.Rate(tcp(seconds, []uint16{40, 30, 50, 20}[:n]...), 9000, of).Quarantined
					if want := counted(65535, n, of, slots*9000); math.Abs(rated-want) > 1e-3*want+1e-9 {
						t.Errorf("%d steps, %d decoys, %s: rated %v, counted %v", n, of, seconds, rated, want)
					}
				}
			}
		}
	}
}

// counted is the chance that of a number of ports in random order n come one after the other, none
// more than so many places (0: any) after the one before, and the decoys after them: the ways to
// place them, by inclusion and exclusion over the gaps that are too long.
func counted(ports, n, decoys, slots int) float64 {
	if slots == 0 {
		slots = ports
	}
	sum, sign := 0.0, 1.0
	for long := range n {
		sum += sign * choose(n-1, long) * choose(ports-long*slots, n+decoys)
		sign = -sign
	}
	orders := 1.0
	for i := range n {
		orders *= float64(decoys + i + 1)
	}
	return sum / (choose(ports, n+decoys) * orders)
}

func choose(n, k int) float64 {
	out := 1.0
	for i := range k {
		out *= float64(max(0, n-i)) / float64(i+1)
	}
	return out
}

// TestRowsExhaustively: of every order of five ports, how many sweeps up or down in a row open it
// is one more than how often the ports turn the other way, if nothing is forgotten; and it is what
// playing them says, if something is.
func TestRowsExhaustively(t *testing.T) {
	places := []uint16{1000, 2000, 20000, 40000, 41000}
	for _, timeout := range []time.Duration{0, 2 * time.Second, 5 * time.Second, 10 * time.Second} {
		permutations(len(places), func(order []int) {
			var ports []uint16
			turns := [2]int{1, 1}
			for i, o := range order {
				ports = append(ports, places[o])
				if i > 0 && o < order[i-1] {
					turns[0]++
				} else if i > 0 {
					turns[1]++
				}
			}
			steps := tcp(timeout, ports...)
			rated := sequence.Rate(steps, sequence.DefaultRate, 0)
			got := [2]int{rated.AscendingRow, rated.DescendingRow}
			want := [2]int{inRow(steps, 1), inRow(steps, -1)}
			if got != want || timeout == 0 && got != turns || rated.Ascending != (want[0] == 1) || rated.Descending != (want[1] == 1) {
				t.Errorf("%v, %s: rated %v, played %v, turns %v", order, timeout, got, want, turns)
			}
		})
	}
}

// inRow plays sweeps in order, one right after the other, until the door opens.
func inRow(steps []sequence.Step, direction float64) int {
	var sweep []timed
	for _, p := range relevant(steps, 0) {
		sweep = append(sweep, timed{direction * float64(p.value) / sequence.DefaultRate, p})
	}
	slices.SortFunc(sweep, func(a, b timed) int { return int(math.Copysign(1, a.at-b.at)) })
	d := newDoor(steps, false)
	for n := range 2 * len(steps) {
		if play(d, sweep, float64(n)*65535/sequence.DefaultRate) {
			return n + 1
		}
	}
	return 0
}

// TestSweeps: on average so many sweeps open the door, and half of the scanners are in after so
// many.
func TestSweeps(t *testing.T) {
	steps := mixed(5*time.Second, "tcp", 888, "udp", 555, "tcp", 222)
	rated := sequence.Rate(steps, sequence.DefaultRate, 0)
	random := rand.New(rand.NewPCG(5, 5))
	packets, n := relevant(steps, 0), sweepSize(steps)
	const scanners = 1500
	sum, square, soon, sooner := 0.0, 0.0, 0.0, 0.0
	for range scanners {
		needed := 1.0
		for !play(newDoor(steps, false), shuffle(random, packets, n, sequence.DefaultRate), 0) {
			needed++
		}
		sum, square = sum+needed, square+needed*needed
		if needed <= rated.Half() {
			soon++
		}
		if needed < rated.Half() {
			sooner++
		}
	}
	mean := sum / scanners
	if margin := 5 * math.Sqrt((square/scanners-mean*mean)/scanners); math.Abs(mean-rated.Sweeps()) > margin {
		t.Errorf("on average %.1f sweeps are rated, %.1f ± %.1f played", rated.Sweeps(), mean, margin)
	}
	if margin := 5 * 0.5 / math.Sqrt(scanners); soon/scanners < 0.5-margin || sooner/scanners > 0.5+margin {
		t.Errorf("after %.0f sweeps %.0f of %d scanners are in, before the last %.0f", rated.Half(), soon, scanners, sooner)
	}
	for p, want := range map[float64]float64{1: 1, 0.5: 1, 0.49: 2, 1.0 / 6: 4, 1.0 / 120: 83, 1.0 / 5040: 3494} {
		got := sequence.Strength{Random: p}.Half()
		if got != want || 1-math.Pow(1-p, got) < 0.5 || 1-math.Pow(1-p, got-1) >= 0.5 {
			t.Errorf("with a chance of %v: half are in after %v, not %v", p, got, want)
		}
	}
	if never := sequence.Rate(tcp(time.Minute, 98, 98), sequence.DefaultRate, 0); !math.IsInf(never.Half(), 1) || !math.IsInf(never.Sweeps(), 1) {
		t.Errorf("what no sweep opens is open after %v", never.Half())
	}
	if sure := sequence.Rate(tcp(0, 98), sequence.DefaultRate, 0); sure.Half() != 1 || sure.Sweeps() != 1 {
		t.Errorf("what each sweep opens is open after %v", sure.Half())
	}
}

// TestFast: at the rated speed, as many sweeps as there are steps open the door whatever their
// order, if it is the same each time; at a tenth of it most don't.
func TestFast(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	slow := 0
	const knocks = 300
	for range knocks {
		var ports []uint16
		for range 3 + random.IntN(4) {
			ports = append(ports, uint16(1+random.IntN(65535)))
		}
		steps := tcp(time.Duration(1+random.IntN(20))*time.Second, ports...)
		fast := sequence.Rate(steps, sequence.DefaultRate, 0).Fast
		if again := sequence.Rate(steps, 10*fast, 0).Fast; again != fast {
			t.Fatalf("the speed that is fast depends on the scanner's: %v and %v", fast, again)
		}
		for _, rate := range []float64{fast * 1.0001, fast / 10} {
			sweep := shuffle(random, relevant(steps, 0), 65535, rate)
			d := newDoor(steps, false)
			for n := range steps {
				play(d, sweep, float64(n)*65535/rate)
			}
			if rate > fast && !d.open {
				t.Errorf("%d sweeps at %.0f packets/s don't open", len(steps), rate)
			}
			if rate < fast && d.open {
				slow++
			}
		}
	}
	if slow > knocks/4 {
		t.Errorf("at a tenth of the speed %d of %d open all the same", slow, knocks)
	}
	for name, steps := range map[string][]sequence.Step{"nothing is forgotten": tcp(0, 5, 4, 6), "one step": tcp(time.Second, 5), "payload": {{Protocol: "udp", First: 5, Last: 5, Payload: true, Timeout: time.Second}, {Protocol: "udp", First: 6, Last: 6}}} {
		if got := sequence.Rate(steps, sequence.DefaultRate, 0); got.Fast != 0 {
			t.Errorf("%s: fast is %v", name, got.Fast)
		}
	}
}

// TestBits counts knocks: the space is as many times larger than what opens as the bits say.
func TestBits(t *testing.T) {
	for _, test := range []struct {
		steps           []sequence.Step
		bits, protocols float64
	}{
		{tcp(0, 5, 6, 7), 3 * math.Log2(65535), 0},
		{mixed(0, "tcp", 5, "udp", 6, "tcp", 7), 3 * math.Log2(65535), 3},
		{mixed(0, "tcp", 5, "icmp", 245, "udp", 7), 2*math.Log2(65535) + math.Log2(1473), 3 * math.Log2(3)},
		{wide(0, 1, 65535, 1, 32767), math.Log2(65535.0 / 32767), 0},
		{nil, 0, 0},
	} {
		got := sequence.Rate(test.steps, sequence.DefaultRate, 0)
		if math.Abs(got.Bits-test.bits) > 1e-9 || math.Abs(got.ProtocolBits-test.protocols) > 1e-9 {
			t.Errorf("%v: %v and %v bits", test.steps, got.Bits, got.ProtocolBits)
		}
	}
}
