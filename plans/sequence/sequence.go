// Package sequence makes knock sequences.
//
// A sequence is a password made of ports: what protects it is that nobody guesses the ports and that no scan
// walks over them in order. [Generate] draws one from a source of randomness that the caller brings
// (crypto/rand); it never reads a clock or a file.
//
//	knock, err := sequence.Generate(rand.Reader, 4)
package sequence

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/rosknock/rosknock/plans"
)

// The range from which ports are drawn: above what services use, below the ports that clients of NAT get.
const (
	lowest  = 10000
	highest = 60000
	// apart is how far two ports of a sequence are from each other at least, so that no scan of a
	// neighbourhood finds both.
	apart = 100
)

// The fewest and the most stages that Generate makes.
const (
	FewestStages = 3
	MostStages   = 16
)

// Generate draws a sequence of TCP and UDP stages. Both protocols occur, no port is one that RouterOS, a
// well-known service or a common filter uses, no two are near each other, and the ports neither rise nor fall
// all along, since one sweep of a scanner would then play the whole knock. Every sequence of that kind is
// equally likely: what does not fit is drawn anew as a whole.
func Generate(random io.Reader, stages int) ([]plans.Stage, error) {
	if stages < FewestStages || stages > MostStages {
		return nil, fmt.Errorf("a sequence of %d stages can't be made: choose %d to %d", stages, FewestStages, MostStages)
	}
	for {
		knock, err := draw(random, stages)
		if err != nil {
			return nil, fmt.Errorf("the source of randomness fails: %w", err)
		}
		if Sound(knock) {
			return knock, nil
		}
	}
}

func draw(random io.Reader, stages int) ([]plans.Stage, error) {
	knock := make([]plans.Stage, stages)
	for i := range knock {
		port, err := below(random, highest-lowest+1)
		if err != nil {
			return nil, err
		}
		protocol, err := below(random, 2)
		if err != nil {
			return nil, err
		}
		knock[i] = plans.Stage{Protocol: []string{"tcp", "udp"}[protocol], Port: uint16(lowest + port)}
	}
	return knock, nil
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

// Sound reports whether a sequence of ports has what [Generate] promises.
func Sound(knock []plans.Stage) bool {
	rises, falls, tcp, udp := true, true, false, false
	for i, s := range knock {
		tcp, udp = tcp || s.Protocol == "tcp", udp || s.Protocol == "udp"
		if slices.Contains(avoided(), s.Port) {
			return false
		}
		for _, o := range knock[:i] {
			if distance(s.Port, o.Port) < apart {
				return false
			}
		}
		if i > 0 {
			rises = rises && knock[i-1].Port < s.Port
			falls = falls && knock[i-1].Port > s.Port
		}
	}
	return !rises && !falls && tcp && udp
}

func distance(a, b uint16) int { return max(int(a)-int(b), int(b)-int(a)) }

// avoided are ports in the range that something is known to use or to filter: MikroTik's own (WireGuard,
// bandwidth test, MAC and CAPsMAN ports lie below), and favourites of scanners and blacklists.
func avoided() []uint16 {
	return []uint16{10000, 11111, 11211, 12345, 13231, 20000, 20561, 22222, 25565, 27015, 27017, 27374, 31337, 32764, 33333, 33434, 44444, 49152, 50000, 51820, 54321, 55555}
}
