package sequence

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
)

// Step is one packet of a knock as a scanner sees it: a protocol, and the ports that count, or the sizes of
// whole ICMP packets.
type Step struct {
	Protocol    string // tcp, udp or icmp
	First, Last uint16
	// Timeout is how long the router remembers that the step was taken; zero is for ever.
	Timeout time.Duration
	// Payload says that the packet has to carry something that a sweep does not bring.
	Payload bool
}

// Strength is how well a knock withstands somebody who does not know it.
type Strength struct {
	// Random is the chance that one sweep opens the door, which visits every port of every protocol of the knock
	// once, in random order. Quarantined is the same where touching a stage out of turn, or a decoy, sets the
	// scanner back for the rest of the sweep.
	Random, Quarantined float64
	// Ascending and Descending say whether a sweep in order of the ports opens the door.
	Ascending, Descending bool
	// Bits is the size of the space in which a guesser has to look, as a power of two.
	Bits float64
}

const (
	// DefaultRate is the packets per second at which sweeps are taken to come: what one host does over a common line.
	DefaultRate = 10_000
	// Budget is the highest chance per random sweep that is called safe.
	Budget = 0.01
)

// Sweeps returns how many random sweeps open the door on average.
func (s Strength) Sweeps() float64 { return 1 / s.Random }

// Weak reports whether a sweep opens the door too easily.
func (s Strength) Weak() bool { return s.Random > Budget || s.Ascending || s.Descending }

// Steps returns a plan's knock as a scanner sees it.
func Steps(knock []plans.Stage, timeout time.Duration) []Step {
	out := make([]Step, len(knock))
	for i, s := range knock {
		value := s.Port
		if s.Protocol == "icmp" {
			value = s.Size
		}
		out[i] = Step{Protocol: s.Protocol, First: value, Last: value, Timeout: timeout}
	}
	return out
}

// Rate computes the strength of a knock against sweeps of so many packets per second, with a number of decoys that the
// scanner can touch. A step that wants a payload withstands every sweep.
func Rate(steps []Step, packetsPerSecond float64, decoys int) Strength {
	s := scan{steps: steps, rate: packetsPerSecond}
	out := Strength{Ascending: s.opens(s.ordered(1)), Descending: s.opens(s.ordered(-1))}
	for _, step := range steps {
		out.Bits += math.Log2(float64(size(step.Protocol)) / float64(step.wide()))
	}
	switch {
	case slices.ContainsFunc(steps, func(step Step) bool { return step.Payload }):
		return Strength{Bits: out.Bits}
	case s.single():
		out.Random, out.Quarantined = s.exact(0), s.exact(decoys)
	default:
		out.Random = s.sampled()
		out.Quarantined = out.Random
	}
	return out
}

// size is how many packets a sweep has for a protocol: its ports, or the sizes that fit an Ethernet frame.
func size(protocol string) int {
	if protocol == "icmp" {
		return 1500 - 28 + 1
	}
	return 65535
}

func (s Step) wide() int { return int(s.Last) - int(s.First) + 1 }

// scan is a sweep over the packets that a knock needs.
type scan struct {
	steps []Step
	rate  float64
}

// packets is how many a sweep has.
func (s scan) packets() float64 {
	var seen []string
	n := 0
	for _, step := range s.steps {
		if !slices.Contains(seen, step.Protocol) {
			seen = append(seen, step.Protocol)
			n += size(step.Protocol)
		}
	}
	return float64(n)
}

// single reports whether each step is one packet, and no two the same.
func (s scan) single() bool {
	for i, a := range s.steps {
		if a.First != a.Last || slices.ContainsFunc(s.steps[:i], func(b Step) bool { return a.Protocol == b.Protocol && a.First == b.First }) {
			return false
		}
	}
	return true
}

// exact is the chance that n packets of a random order come one after the other with no gap longer than the router
// remembers, and the decoys after them all. The packets and the decoys cut the sweep into spacings of which each is as
// likely as any other; that those of a set S are longer than w has the chance (1 - sum of w)^(n+d), and the gaps that
// must not be too long are taken out by inclusion and exclusion.
func (s scan) exact(decoys int) float64 {
	n := len(s.steps)
	if n == 0 {
		return 1
	}
	order := 1.0
	for i := range n {
		order /= float64(decoys + i + 1)
	}
	sum := 0.0
	for mask := range 1 << (n - 1) {
		sign, left := 1.0, 1.0
		for i := range n - 1 {
			if mask&(1<<i) != 0 {
				sign = -sign
				left -= s.share(i)
			}
		}
		if left > 0 {
			sum += sign * math.Pow(left, float64(n+decoys))
		}
	}
	return max(0, order*sum)
}

// share is the part of a sweep during which a step is remembered.
func (s scan) share(i int) float64 {
	if s.steps[i].Timeout == 0 {
		return 1
	}
	return min(1, s.steps[i].Timeout.Seconds()*s.rate/s.packets())
}

// event is a packet of a sweep that counts for one of the steps, at a time in seconds.
type event struct {
	at   float64
	step int
}

// ordered are the packets of a sweep upwards (1) or downwards (-1), TCP and UDP side by side. A sweep over ports sends no
// pings of all sizes; one over sizes no other packets.
func (s scan) ordered(direction float64) []event {
	pings := slices.ContainsFunc(s.steps, func(step Step) bool { return step.Protocol == "icmp" })
	if pings && slices.ContainsFunc(s.steps, func(step Step) bool { return step.Protocol != "icmp" }) {
		return nil
	}
	each := s.packets() / 65535
	var events []event
	for i, step := range s.steps {
		for value := int(step.First); value <= int(step.Last); value++ {
			events = append(events, event{direction * float64(value) * max(1, each) / s.rate, i})
		}
	}
	return events
}

// opens plays packets and says whether the last step is reached. Of packets at the same time, which are one
// packet, the later step counts first, as rules of a sound order have it.
func (s scan) opens(events []event) bool {
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.step, a.step)) })
	until := make([]float64, len(s.steps))
	taken := make([]bool, len(s.steps))
	for _, e := range events {
		if e.step > 0 && (!taken[e.step-1] || until[e.step-1] < e.at) {
			continue
		}
		taken[e.step], until[e.step] = true, math.Inf(1)
		if t := s.steps[e.step].Timeout; t > 0 {
			until[e.step] = e.at + t.Seconds()
		}
	}
	return len(taken) > 0 && taken[len(taken)-1]
}

// Bounds of the sampling, for steps that are many ports wide or come twice.
const (
	trials     = 4000
	mostEvents = 64
)

// sampled plays sweeps in random order. The generator is fixed, so the same knock has the same strength always.
func (s scan) sampled() float64 {
	random, opened := uint64(0x9E3779B97F4A7C15), 0
	next := func() float64 {
		random ^= random << 13
		random ^= random >> 7
		random ^= random << 17
		return float64(random>>11) / (1 << 53)
	}
	length := s.packets() / s.rate
	for range trials {
		at := map[[2]int]float64{} // of each packet, which may count for several steps
		var events []event
		for i, step := range s.steps {
			for value := range min(step.wide(), mostEvents) {
				key := [2]int{int(step.Protocol[0]), int(step.First) + value}
				if _, drawn := at[key]; !drawn {
					at[key] = next() * length
				}
				events = append(events, event{at[key], i})
			}
		}
		if s.opens(events) {
			opened++
		}
	}
	return float64(opened) / trials
}
