package sequence

import (
	"slices"

	"github.com/rosknock/rosknock/plans"
)

// apart is the least distance of two ports of a sequence, so that no scan of a small range finds
// both. A [Spec] with few ports to choose from puts them nearer.
const apart = 100

// Sizes of icmp stages: whole IP packets, as RouterOS counts them, from a ping with 36 bytes of
// data to what passes every tunnel whole.
const (
	smallestPing = 64
	largestPing  = 1200
)

// Sound reports whether a sequence keeps what [Generate] has always promised: TCP and UDP both
// occur, no port is one that RouterOS, a well-known service or a common filter uses, no two ports
// are near each other, no ping has a usual size, and the ports neither rise nor fall throughout,
// since one sweep of a scanner would then play the whole knock.
func Sound(knock []plans.Stage) bool {
	d := drawer{Spec: Spec{Low: lowestPort, High: 65535, Protocols: []string{"tcp", "udp"}}, never: tidy(slices.Concat(known(), obvious())), near: apart}
	ports, sizes := values(knock)
	return d.occur(knock) && d.separate(knock) && (len(sizes) > 0 || !runs(ports, len(ports)))
}

// Sound reports whether a sequence is one that [Spec.Draw] and [Derive] make:
//
//   - each of the protocols occurs, and no other; at most a third of the stages are icmp;
//   - every port is in the range, and none is to be avoided, is one that RouterOS or a well-known
//     service listens on, that providers filter, or that people think of;
//   - no size of a ping is a usual one;
//   - no two stages have ports near each other, or the same size;
//   - no three ports after each other rise or fall, and no three sizes: a scanner that sweeps in
//     order again and again gets on by two stages a sweep at most.
func (s Spec) Sound(knock []plans.Stage) bool {
	s.Stages = len(knock)
	d, err := s.drawer()
	return err == nil && d.sound(knock)
}

func (d drawer) sound(knock []plans.Stage) bool {
	ports, sizes := values(knock)
	return d.occur(knock) && len(ports) >= 2*len(sizes) && (len(sizes) == 0 || slices.Contains(d.Protocols, "icmp")) &&
		!runs(ports, 3) && !runs(sizes, 3) && d.separate(knock)
}

// occur reports whether each protocol that is asked for occurs.
func (d drawer) occur(knock []plans.Stage) bool {
	for _, p := range d.Protocols {
		if !slices.ContainsFunc(knock, func(stage plans.Stage) bool { return stage.Protocol == p }) {
			return false
		}
	}
	return true
}

// separate reports whether every stage suits, and no two are near each other.
func (d drawer) separate(knock []plans.Stage) bool {
	for i, a := range knock {
		if a.Protocol == "icmp" && !unusual(a.Size) || a.Protocol != "icmp" && !d.suits(a.Port) {
			return false
		}
		for _, b := range knock[:i] {
			if a.Protocol == "icmp" && a == b || a.Protocol != "icmp" && b.Protocol != "icmp" && distance(a.Port, b.Port) < d.near {
				return false
			}
		}
	}
	return true
}

// values are the ports and the sizes of a sequence, each in order.
func values(knock []plans.Stage) (ports, sizes []uint16) {
	for _, s := range knock {
		if s.Protocol == "icmp" {
			sizes = append(sizes, s.Size)
		} else {
			ports = append(ports, s.Port)
		}
	}
	return ports, sizes
}

// runs reports whether so many numbers after each other rise, or fall.
func runs(numbers []uint16, long int) bool {
	up, down := 1, 1
	for i := range numbers {
		if i > 0 && numbers[i] > numbers[i-1] {
			up, down = up+1, 1
		}
		if i > 0 && numbers[i] < numbers[i-1] {
			up, down = 1, down+1
		}
		if max(up, down) >= long {
			return true
		}
	}
	return false
}

func distance(a, b uint16) int { return max(int(a)-int(b), int(b)-int(a)) }

// known are the ports above the well-known ones that something is known to use or to filter. This
// list, those of [obvious] and [unusual], and all else that [Spec.Sound] asks for belong to version
// 1 of [Derive]: they may only change with the label there, since both ends have to draw the same.
// The parts of the list:
//
//   - RouterOS: help.mikrotik.com/docs/display/ROS/Services, and the defaults of WireGuard, RADIUS
//     and the like;
//   - providers: the lists of Cox ("Internet Ports Blocked or Restricted by Cox"), Bell MTS
//     ("Blocked or restricted ports") and GVTC ("What ports do you block?"), which are much the
//     same, and what is blocked for its floods and worms (SIP, TR-069, memcached, Trojan horses);
//   - IANA's registry, where everybody scans for the service: databases, remote desktops, games.
func known() []uint16 {
	list := []uint16{
		// RouterOS
		1080, 1194, 1698, 1699, 1701, 1723, 1812, 1813, 1900, 1966, 2000, 2210, 2211, 2828, 3799, 4500, 5246, 5247, 5350, 5351, 5678, 6343, 8080, 8291,
		8728, 8729, 13231, 20561, 51820,
		// providers
		1433, 1434, 3128, 4444, 5060, 5061, 7547, 11211, 12345, 17185, 27374, 30005, 31337, 32764,
		// well known
		1521, 1883, 2049, 2222, 2375, 2376, 3306, 3389, 3478, 4786, 5353, 5432, 5555, 5938, 6379, 6443, 6667, 8443, 8888, 9090, 9100, 9200, 10050, 10051,
		19132, 25565, 27015, 27017, 37777, 49152,
	}
	for _, r := range [][2]uint16{{1025, 1030}, {5900, 5909}, {6881, 6889}, {33434, 33534}} { // worms, VNC, BitTorrent, traceroute
		for port := r[0]; port <= r[1]; port++ {
			list = append(list, port)
		}
	}
	return list
}

// obvious are the ports that people choose when they think of one: round, one digit over and over,
// or digits that count up or down.
func obvious() []uint16 {
	var list []uint16
	for port := 1000; port <= 65535; port += 1000 {
		list = append(list, uint16(port))
	}
	for first := 1; first <= 9; first++ {
		for _, step := range []int{0, 1, -1} {
			port := first
			for digit := first + step; digit >= 0 && digit <= 9 && port < 10_000; digit += step {
				if port = 10*port + digit; port >= lowestPort && port <= 65535 {
					list = append(list, uint16(port))
				}
			}
		}
	}
	return list
}

// unusual reports whether a ping's size is one that no system and no person is likely to send: none
// of a round number, whole or as data behind the 28 bytes of headers, and none of the defaults of
// ping (84), Windows (60), RouterOS and traceroute (56, 92), Cisco (100) and the MTUs.
func unusual(size uint16) bool {
	if size < smallestPing || size > largestPing {
		return false
	}
	for _, n := range []uint16{size, size - 28} {
		if n%50 == 0 || n%64 == 0 {
			return false
		}
	}
	return !slices.Contains([]uint16{68, 84, 92, 98, 576, 604, 1006, 1034, 1111}, size)
}
