package space

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Seen is what can be told of the packets of a set from outside: their protocol, and which ports,
// or sizes of ICMP packets, they may have.
type Seen struct {
	Protocol uint8
	Ports    routeros.Ports // nil: any, or none
	Sizes    [2]int         // of whole packets; zero: any
}

// Look describes a set, one line for each protocol that the rules know.
func (s *Space) Look(a Set) []Seen {
	var out []Seen
	for _, first := range s.numbers[firewall.FieldProtocol].starts {
		only := s.diagram.and(s.diagram.and(a.node, s.valid), s.Protocol(uint8(first)).node)
		if only == none {
			continue
		}
		seen := Seen{Protocol: uint8(first)}
		if s.diagram.and(only, s.having(firewall.NeedPorts)) != none {
			for _, r := range s.values(firewall.FieldDstPort, only) {
				seen.Ports = append(seen.Ports, routeros.PortRange{First: uint16(r.first), Last: uint16(r.last)})
			}
		}
		if runs := s.values(firewall.FieldSize, only); len(runs) > 0 && (runs[0].first > 0 || runs[len(runs)-1].last < 65535) {
			seen.Sizes = [2]int{runs[0].first, runs[len(runs)-1].last}
		}
		out = append(out, seen)
	}
	return out
}

// values lists the runs of values that a field has in a set's packets.
func (s *Space) values(f firewall.Field, set ref) []span {
	o := &s.numbers[f]
	var levels []int32
	for level := range s.levels {
		if !slices.Contains(o.levels, level) {
			levels = append(levels, level)
		}
	}
	alone := s.diagram.forget(set, s.diagram.chain(levels))
	var runs []span
	for i, first := range o.starts {
		if s.diagram.and(alone, s.diagram.spans(o.axis, []span{{i, i}})) == none {
			continue
		}
		last := f.Highest()
		if i+1 < len(o.starts) {
			last = o.starts[i+1] - 1
		}
		if n := len(runs); n > 0 && runs[n-1].last == first-1 {
			runs[n-1].last = last
			continue
		}
		runs = append(runs, span{first, last})
	}
	return runs
}
