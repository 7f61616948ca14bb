package sequence

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
)

// Step is one packet of a knock as a scanner sees it: a protocol, and the ports that count, or the
// sizes of whole ICMP packets.
type Step struct {
	Protocol    string // tcp, udp or icmp
	First, Last uint16
	// Timeout is how long the router remembers the step; zero is for ever.
	Timeout time.Duration
	// Payload says that the packet has to carry bytes that a sweep does not send.
	Payload bool
}

// Strength is how well a knock withstands an attacker who does not know it.
type Strength struct {
	// Random is the chance that one sweep opens the door, which visits every port of every protocol
	// of the knock once, in random order. Quarantined is the same if touching a decoy, or a stage
	// out of order, sets the scanner back for the rest of the sweep.
	Random, Quarantined float64
	// Ascending and Descending say whether a sweep in order of the ports opens the door.
	Ascending, Descending bool
	// AscendingRow and DescendingRow are how many such sweeps open the door when each follows the
	// one before at once, so that its progress is still remembered; 0 if no number does. A
	// quarantine ends such a row at the first wrong packet.
	AscendingRow, DescendingRow int
	// Bits is the size of the search space for an attacker who knows the protocol of each step, as
	// a power of two. ProtocolBits is the addition for one who knows only which protocols occur.
	// For an attacker who knows that this package drew the knock, the space is smaller by less than
	// half a bit for each port, and by about two bits for the order of five.
	Bits, ProtocolBits float64
	// Fast is the speed, in packets per second, from which on a sweep ends before a step is
	// forgotten. Then as many sweeps as there are steps, all in the same order and directly one
	// after the other, certainly open the door. It is 0 if that holds for any speed, and for a
	// knock with a payload.
	Fast float64
}

const (
	// DefaultRate is the assumed speed of sweeps, in packets per second: that of one host over a
	// common line.
	DefaultRate = 10_000
	// Budget is the highest chance per random sweep that counts as safe.
	Budget = 0.01
)

// Sweeps returns how many random sweeps open the door on average, if the progress of each is
// forgotten before the next; it is infinite if none does.
func (s Strength) Sweeps() float64 { return 1 / s.Random }

// Half returns after how many such sweeps the door is open with a chance of a half.
func (s Strength) Half() float64 { return max(1, math.Ceil(-math.Ln2/math.Log1p(-s.Random))) }

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
		out[i] = Step{Protocol: s.Protocol, First: value, Last: value, Timeout: timeout, Payload: s.PayloadFrom != (plans.Credential{})}
	}
	return out
}

// Rate computes the strength of a knock against sweeps of so many packets per second, with a number
// of decoys that the scanner can touch. A step that wants a payload withstands every sweep.
func Rate(steps []Step, packetsPerSecond float64, decoys int) Strength {
	s := scan{steps: steps, rate: packetsPerSecond}
	out := Strength{ProtocolBits: float64(len(steps)) * math.Log2(float64(max(1, len(s.protocols()))))}
	for _, step := range steps {
		out.Bits += math.Log2(float64(size(step.Protocol)) / float64(step.wide()))
	}
	if slices.ContainsFunc(steps, func(step Step) bool { return step.Payload }) {
		return out
	}
	out.Ascending, out.Descending = s.opens(s.ordered(1, every), false), s.opens(s.ordered(-1, every), false)
	out.AscendingRow, out.DescendingRow = s.row(1), s.row(-1)
	out.Fast = s.fast()
	if s.single() {
		out.Random, out.Quarantined = s.exact(0), s.exact(decoys)
	} else {
		out.Random, out.Quarantined = s.sampled(decoys)
	}
	return out
}

// RateGuarded computes the strength of a knock at a door with a quarantine: Random is the chance of
// a sweep that begins outside of the quarantine, and a sweep in order of the ports does not open
// the door if it meets a decoy before the end of the knock. Decoys of protocols that the knock does
// not use don't count: a sweep for this knock does not touch them.
func RateGuarded(steps, decoys []Step, packetsPerSecond float64) Strength {
	touchable := slices.DeleteFunc(slices.Clone(decoys), func(d Step) bool {
		return !slices.ContainsFunc(steps, func(s Step) bool { return s.Protocol == d.Protocol })
	})
	wide := 0
	for _, d := range touchable {
		wide += d.wide()
	}
	out := Rate(steps, packetsPerSecond, wide)
	out.Random = out.Quarantined
	s := scan{steps: steps, rate: packetsPerSecond}
	guarded := func(direction float64) bool {
		events := s.ordered(direction, every)
		each := s.packets() / 65535
		for _, d := range touchable {
			for value := int(d.First); value <= int(d.Last); value++ {
				events = append(events, event{direction * float64(value) * max(1, each) / s.rate, none})
			}
		}
		return s.opens(events, true)
	}
	out.Ascending, out.Descending = out.Ascending && guarded(1), out.Descending && guarded(-1)
	return out
}

// size is how many packets a sweep has for a protocol: its ports, or the sizes that fit an Ethernet
// frame.
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

// protocols are those of the knock, each once.
func (s scan) protocols() []string {
	var seen []string
	for _, step := range s.steps {
		if !slices.Contains(seen, step.Protocol) {
			seen = append(seen, step.Protocol)
		}
	}
	return seen
}

// packets is how many a sweep has.
func (s scan) packets() float64 {
	n := 0
	for _, protocol := range s.protocols() {
		n += size(protocol)
	}
	return float64(n)
}

// fast is the speed at which a sweep takes as long as the shortest memory of a step that others
// follow. When each packet comes again before it is forgotten, the first step is remembered from
// the first sweep on, the second from the second on, and so on.
func (s scan) fast() float64 {
	fastest := 0.0
	for _, step := range s.steps[:max(0, len(s.steps)-1)] {
		if step.Timeout > 0 {
			fastest = max(fastest, s.packets()/step.Timeout.Seconds())
		}
	}
	return fastest
}

// row counts the sweeps in order of the ports that open the door when one comes right after the
// other. Each step is remembered in the same way in every sweep from that on whose number it has,
// so more sweeps than steps change nothing.
func (s scan) row(direction float64) int {
	sweep := s.ordered(direction, mostEvents)
	var events []event
	for n := range s.steps {
		for _, e := range sweep {
			events = append(events, event{e.at + float64(n)*s.packets()/s.rate, e.step})
		}
		if s.opens(slices.Clone(events), false) {
			return n + 1
		}
	}
	return 0
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

// longestExact is the longest knock for which time-outs are counted: each further step doubles the
// work. For a longer one, the chance is below 10^-18 even if nothing is forgotten, and that value
// is used.
const longestExact = 20

// exact is the chance that n packets of a random order come one after the other with no gap longer
// than the router remembers, and the decoys after them all. The packets and the decoys cut the
// sweep into spacings of which each is as likely as any other; the chance that those of a set S are
// longer than w is (1 - sum of w)^(n+d), and the gaps that must not be too long are excluded by
// inclusion and exclusion.
func (s scan) exact(decoys int) float64 {
	n := len(s.steps)
	if n == 0 {
		return 1
	}
	order := inOrder(n, decoys)
	if n > longestExact {
		return order
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

// event is a packet of a sweep that counts for one of the steps, or a decoy, at a time in seconds.
type event struct {
	at   float64
	step int // of a decoy, none
}

// none is the step of a decoy.
const none = -1

// every is more events than a step has.
const every = 65536

// ordered are the packets of a sweep upwards (1) or downwards (-1), TCP and UDP side by side, of a
// wide step no more than most. A sweep over ports sends no pings of all sizes; one over sizes no
// other packets.
func (s scan) ordered(direction float64, most int) []event {
	pings := slices.ContainsFunc(s.steps, func(step Step) bool { return step.Protocol == "icmp" })
	if pings && slices.ContainsFunc(s.steps, func(step Step) bool { return step.Protocol != "icmp" }) {
		return nil
	}
	each := s.packets() / 65535
	var events []event
	for i, step := range s.steps {
		for n, of := 0, min(step.wide(), most); n < of; n++ {
			value := int(step.First) + n*(step.wide()-1)/max(1, of-1)
			events = append(events, event{direction * float64(value) * max(1, each) / s.rate, i})
		}
	}
	return events
}

// opens plays packets and says whether the last step is reached. Of packets at the same time, which
// are one packet, the later step counts first, as rules of a sound order have it. With a
// quarantine, a decoy or a packet of a step out of order ends the sweep.
func (s scan) opens(events []event, quarantine bool) bool {
	slices.SortFunc(events, func(a, b event) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.step, a.step)) })
	until := make([]float64, len(s.steps))
	taken := make([]bool, len(s.steps))
	good := false // it was some step's turn
	for i, e := range events {
		if i == 0 || events[i-1].at != e.at {
			good = false
		}
		if e.step == 0 || e.step > 0 && taken[e.step-1] && until[e.step-1] >= e.at {
			good = true
			taken[e.step], until[e.step] = true, math.Inf(1)
			if t := s.steps[e.step].Timeout; t > 0 {
				until[e.step] = e.at + t.Seconds()
			}
		}
		if last := i == len(events)-1 || events[i+1].at != e.at; quarantine && last && !good {
			break
		}
	}
	return len(taken) > 0 && taken[len(taken)-1]
}

// Bounds of the sampling, for steps that are many ports wide or come twice.
const (
	trials     = 4000
	mostEvents = 64
)

// sampled plays sweeps in random order, without and with a quarantine. The seed is fixed, so the
// same knock always has the same strength.
func (s scan) sampled(decoys int) (random, quarantined float64) {
	state := uint64(0x9E3779B97F4A7C15)
	next := func() float64 {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return float64(state>>11) / (1 << 53) * s.packets() / s.rate
	}
	for range trials {
		events := s.shuffled(next)
		for range decoys {
			events = append(events, event{next(), none})
		}
		if s.opens(events, false) {
			random++
		}
		if s.opens(events, true) {
			quarantined++
		}
	}
	return random / trials, quarantined / trials
}

// shuffled are the packets of a sweep in random order. A packet may count for several steps.
func (s scan) shuffled(next func() float64) []event {
	at := map[[2]int]float64{}
	var events []event
	for i, step := range s.steps {
		for value := range min(step.wide(), mostEvents) {
			key := [2]int{int(step.Protocol[0]), int(step.First) + value}
			if _, drawn := at[key]; !drawn {
				at[key] = next()
			}
			events = append(events, event{at[key], i})
		}
	}
	return events
}
