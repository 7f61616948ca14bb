// Package sequence makes knock sequences and says how strong they are. A sequence is a password
// made of ports: it is safe if nobody can guess the ports and no scan visits them in order.
// [Generate] and [Spec.Draw] draw one from a source of randomness that the caller brings
// (crypto/rand); [Derive] computes the one of a window of time from a secret, for doors whose
// sequence changes; a [Schedule] says which window it is. [Rate] says what a sequence withstands.
// Nothing here reads a clock or a file.
//
//	knock, err := sequence.Generate(rand.Reader, 5)
//	strength := sequence.Rate(sequence.Steps(knock, 10*time.Second), sequence.DefaultRate, 0)
package sequence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/rosknock/rosknock/plans"
)

// The range from which ports are drawn when a [Spec] names none: above what services use, below the
// ports that clients of NAT get.
const (
	Lowest  = 10000
	Highest = 60000
)

// The fewest and the most stages that a sequence has.
const (
	FewestStages = 3
	MostStages   = 16
)

// Spec describes a sequence to draw. The zero value of everything but Stages is a good choice.
type Spec struct {
	Stages int
	// Low and High are the first and last port to choose from; zeros are [Lowest] and [Highest].
	Low, High uint16
	// Protocols are those that occur, each at least once: tcp, udp and icmp; none are tcp and udp.
	// At most a third of the stages are icmp, whose sizes are few, and there is no sequence of icmp
	// alone.
	Protocols []string
	// Avoid are ports that no stage uses, besides those that never are; see [Spec.Sound].
	Avoid []uint16
}

// The bounds of a Spec.
const (
	lowestPort = 1024 // below are the well-known ports
	// fewestPorts is the smallest choice of ports, nine bits a stage.
	fewestPorts = 512
	// mostDraws is how often a sequence is drawn anew. Of 16 stages about one in 3,000 fits, of 5
	// one in 5.
	mostDraws = 1 << 17
)

// Generate draws a sequence of TCP and UDP stages from the default range; it is [Spec.Draw] with
// only a length.
func Generate(random io.Reader, stages int) ([]plans.Stage, error) {
	return Spec{Stages: stages}.Draw(random)
}

// Draw draws a sequence that is sound in the sense of [Spec.Sound]. Each stage's protocol and then
// its port or size are as likely as any other; a sequence that is not sound is drawn anew as a
// whole, so that none is favoured.
func (s Spec) Draw(random io.Reader) ([]plans.Stage, error) {
	d, err := s.drawer()
	if err != nil {
		return nil, err
	}
	return d.first(func(int) io.Reader { return random })
}

// drawer is a complete Spec.
type drawer struct {
	Spec
	never []uint16 // the ports that no stage has, in order
	near  int      // the least distance of two ports
}

// drawer fills in defaults, sorts lists, and refuses impossible specs.
func (s Spec) drawer() (drawer, error) {
	if s.Low == 0 && s.High == 0 {
		s.Low, s.High = Lowest, Highest
	}
	if len(s.Protocols) == 0 {
		s.Protocols = []string{"tcp", "udp"}
	}
	s.Protocols, s.Avoid = tidy(s.Protocols), tidy(s.Avoid)
	d := drawer{Spec: s, never: tidy(slices.Concat(s.Avoid, known(), obvious()))}
	for _, p := range s.Protocols {
		if p != "tcp" && p != "udp" && p != "icmp" {
			return d, fmt.Errorf("a sequence of %q can't be made: choose tcp, udp and icmp", p)
		}
	}
	switch {
	case s.Stages < FewestStages || s.Stages > MostStages:
		return d, fmt.Errorf("the number of stages can't be %d: choose %d to %d", s.Stages, FewestStages, MostStages)
	case s.Low < lowestPort || s.Low > s.High:
		return d, fmt.Errorf("the ports %d-%d can't be chosen from: choose from %d-65535, the lower one first", s.Low, s.High, lowestPort)
	case slices.Equal(s.Protocols, []string{"icmp"}):
		return d, errors.New("a sequence of icmp alone is too easily guessed: add tcp or udp")
	}
	n := d.choice()
	if n < fewestPorts {
		return d, fmt.Errorf("the ports %d-%d leave %d to choose from: widen the range to at least %d that nothing else uses", s.Low, s.High, n, fewestPorts)
	}
	d.near = min(apart, n/(s.Stages*s.Stages))
	return d, nil
}

// tidy returns a list in order and without doubles.
func tidy[T uint16 | string](list []T) []T {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// choice is how many ports there are to choose from.
func (d drawer) choice() int {
	n := int(d.High) - int(d.Low) + 1
	for _, port := range d.never {
		if port >= d.Low && port <= d.High {
			n--
		}
	}
	return n
}

// first draws until a sequence is sound. Each draw has a source of its own.
func (d drawer) first(source func(try int) io.Reader) ([]plans.Stage, error) {
	for try := range mostDraws {
		knock, err := d.draw(source(try))
		if err != nil {
			return nil, fmt.Errorf("the source of randomness failed: %w", err)
		}
		if d.sound(knock) {
			return knock, nil
		}
	}
	return nil, errors.New("every sequence that was drawn could be played by a scan in order: choose from more ports, or avoid fewer")
}

// draw draws one sequence, sound or not. A port or size that no sequence has is drawn anew at once.
func (d drawer) draw(random io.Reader) ([]plans.Stage, error) {
	knock := make([]plans.Stage, d.Stages)
	for i := range knock {
		protocol, err := below(random, uint32(len(d.Protocols)))
		if err != nil {
			return nil, err
		}
		knock[i].Protocol = d.Protocols[protocol]
		if knock[i].Protocol == "icmp" {
			knock[i].Size, err = among(random, smallestPing, largestPing, unusual)
		} else {
			knock[i].Port, err = among(random, d.Low, d.High, d.suits)
		}
		if err != nil {
			return nil, err
		}
	}
	return knock, nil
}

// suits reports whether a stage may use a port.
func (d drawer) suits(port uint16) bool {
	_, never := slices.BinarySearch(d.never, port)
	return port >= d.Low && port <= d.High && !never
}

// among draws a suitable number of a range, each equally likely.
func among(random io.Reader, low, high uint16, wanted func(uint16) bool) (uint16, error) {
	for {
		n, err := below(random, uint32(high)-uint32(low)+1)
		if err != nil || wanted(low+uint16(n)) {
			return low + uint16(n), err
		}
	}
}

// below draws a number from 0 to n-1, each equally likely, by rejection.
func below(random io.Reader, n uint32) (uint32, error) {
	limit := (1 << 32) / uint64(n) * uint64(n)
	for {
		var b [4]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, err
		}
		if v := binary.BigEndian.Uint32(b[:]); uint64(v) < limit {
			return v % n, nil
		}
	}
}

// StagesFor returns the fewest stages with which one sweep in random order opens a door with at
// most a chance. Decoys count if touching one sets the scanner back (a quarantine); otherwise pass
// none. Time-outs, which lower the chance for a slow scanner, are left out: the result holds for
// any speed.
func StagesFor(chance float64, decoys int) (int, error) {
	if math.IsNaN(chance) || chance <= 0 || chance >= 1 || decoys < 0 {
		return 0, fmt.Errorf("a chance of %v per sweep can't be reached (decoys: %d): choose a chance between 0 and 1, such as 0.001, and 0 or more decoys", chance, decoys)
	}
	for n := FewestStages; n <= MostStages; n++ {
		if inOrder(n, decoys) <= chance {
			return n, nil
		}
	}
	return 0, fmt.Errorf("a chance of %v per sweep needs more than %d stages: choose a greater one", chance, MostStages)
}

// inOrder is the chance that, of n packets and some decoys in random order, the n packets come
// first and in their order.
func inOrder(n, decoys int) float64 {
	p := 1.0
	for i := range n {
		p /= float64(decoys + i + 1)
	}
	return p
}
