// Package space is the firewall over sets of packets: what package firewall says of one packet, it
// says of all packets at once.
//
// A [Space] knows every boundary at which the rules of some states of one router tell packets
// apart: addresses, ports, interfaces, connection states, membership in address lists. Between the
// boundaries all packets share one fate, so a finite number of classes stands for all packets there
// are. Nothing is sampled. A matcher that no packet settles, such as limit or layer7-protocol, is a
// question of its own that is answered both ways; a list that rules can fill holds a source or does
// not.
//
//	classes := space.New(routeros.IPv4, space.Cuts{}, before, after)
//	was, is := classes.Walk(before), classes.Walk(after)
//	if p, ok := classes.Pick(classes.Minus(is.Accepted, was.Accepted)); ok {
//		fmt.Println("newly let in:", p.Packet)
//	}
//
// The files in the order of their story: space.go says what a [Space] is and what can be done with
// sets; packets.go and variable.go say how a packet is written in the diagram, axis.go and gather.go
// where its fields are cut, diagram.go holds the diagrams. conditions.go and open.go say what a
// condition matches; walk.go and match.go follow all packets through the rules. example.go and
// pick.go turn a set into one packet, openings.go and parts.go find the ways into a list, look.go
// describes a set, doubts.go parts what is sure from what hangs on something unknown.
//
// The package is pure: no clock, no socket, no file.
package space

import (
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Set is a set of packets of one [Space], together with the memberships of their source and the
// answers to open questions. Two sets are equal when they hold the same packets. The zero value is
// empty.
type Set struct{ node ref }

// Empty reports whether nothing is in the set.
func (s Set) Empty() bool { return s.node == none }

// Cuts are boundaries that matter to the caller beyond those of the rules.
type Cuts struct {
	Sources []routeros.AddressRange
	Apart   []routeros.AddressRange // sources too, which may not exist
	Ports   []routeros.PortRange    // destination ports
	Sizes   []int                   // whole packets
	Lists   []string                // address lists of which a source may be a member
	Asked   []string                // address lists that the caller asks for, with the members that they have
	// Open adds one interface that the router does not show. Nothing is known about it: it may be
	// in any interface list.
	Open bool
}

// Space is the set of all packets of one family that may arrive at a router, cut into the classes
// that some states of its firewall can tell apart. It is not safe for use by several goroutines.
type Space struct {
	conditions
	own []netip.Addr // addresses of the router
}

// New returns the space of the packets that the given states of one router can tell apart. The
// interfaces are those of the first state.
func New(f routeros.Family, cuts Cuts, states ...routeros.Snapshot) *Space {
	s := &Space{conditions: conditions{
		packets: &packets{Family: f, diagram: newDiagram(), named: map[variable]int32{}, names: map[int32]variable{}},
		meets:   map[condition]ref{}, rows: map[*routeros.Attribute]*row{}, fillable: map[string]bool{}, static: map[listKey]ref{},
		tables: map[routeros.Menu]*table{}, chains: map[string]int{}, events: map[event]history{},
	}}
	g := newGatherer(s)
	g.asked(cuts)
	for _, state := range states {
		g.state(state)
	}
	s.probe = firewall.NewFirewall(states[0])
	s.faces(states[0], cuts.Open)
	for _, a := range states[0].Addresses {
		if !a.Disabled && a.Prefix.Addr().Is4() == (f == routeros.IPv4) {
			s.own = append(s.own, a.Prefix.Addr())
		}
	}
	g.finish()
	return s
}

// Interfaces returns the names of the interfaces on which packets may arrive: of dynamic ones that
// no rule tells apart the first, and of an open space also [firewall.AnyOther].
func (s *Space) Interfaces() []string { return s.interfaces }

// Classes returns into how many classes the packets are cut, list memberships and open questions
// included.
func (s *Space) Classes() float64 {
	n := 1.0
	for _, a := range s.axes() {
		n *= float64(max(a.cells, 1))
	}
	const most = 1e300 // beyond, it is a number for nobody, and no number for JSON
	for range s.named {
		n = min(2*n, most)
	}
	return n
}

// Complete reports whether every set so far could be computed. When false, the rules ask more than
// can be followed, and nothing that was computed may be relied on.
func (s *Space) Complete() bool { return !s.diagram.full }

// All returns every packet that can arrive.
func (s *Space) All() Set { return Set{s.valid} }

// And returns what is in both sets.
func (s *Space) And(a, b Set) Set { return Set{s.diagram.and(a.node, b.node)} }

// Or returns what is in one of the sets.
func (s *Space) Or(a, b Set) Set { return Set{s.diagram.or(a.node, b.node)} }

// Minus returns what is in a and not in b.
func (s *Space) Minus(a, b Set) Set { return Set{s.diagram.minus(a.node, b.node)} }

// Lists returns the address lists of which a source may become a member, sorted.
func (s *Space) Lists() []string {
	var out []string
	for _, v := range s.variables(holdsSource) {
		out = append(out, v.name)
	}
	return out
}

// Given returns the set for a source of which the memberships are known: it is in the lists where
// in says so.
func (s *Space) Given(a Set, in func(list string) bool) Set {
	settled := map[int32]bool{}
	for level, v := range s.names {
		if v.kind == holdsSource {
			settled[level] = in(v.name)
		}
	}
	return Set{s.diagram.given(a.node, settled)}
}

// NotIn returns the set for sources that no rule has put into some lists; of the others it says
// nothing.
func (s *Space) NotIn(a Set, lists ...string) Set {
	settled := map[int32]bool{}
	for _, list := range lists {
		if level, asked := s.named[inList(list)]; asked {
			settled[level] = false
		}
	}
	return Set{s.diagram.given(a.node, settled)}
}

// Sometimes returns the packets that are in the set for at least one answer to the open questions.
func (s *Space) Sometimes(a Set) Set {
	var levels []int32
	for v, level := range s.named {
		if v.open() {
			levels = append(levels, level)
		}
	}
	slices.Sort(levels)
	return Set{s.diagram.forget(a.node, s.diagram.chain(levels))}
}

// SometimesBy is Sometimes for what some rules ask that no packet settles, and for what their
// packets carry. Other rules ask their questions still.
func (s *Space) SometimesBy(a Set, tables map[routeros.Menu][]routeros.Rule) Set {
	var asked []variable
	for menu, rules := range tables {
		for i := range rules {
			r := &rules[i]
			compiled := s.Rule(r)
			for at := range compiled.Conditions {
				c := &compiled.Conditions[at]
				asked = append(asked, question(menu, r.ID, c))
				if t, ok := c.Test.(firewall.Carries); ok {
					asked = append(asked, variable{kind: carries, name: t.Text})
				}
			}
			asked = append(asked, toWhich(compiled.Translate), ofAction(endsChain, menu, r.ID), ofAction(acceptsThere, menu, r.ID))
		}
	}
	return Set{s.diagram.forget(a.node, s.diagram.chain(s.known(asked...)))}
}

// Anywhere returns the set with the ports of its packets forgotten: those of which a packet to some
// port is in it.
func (s *Space) Anywhere(a Set) Set {
	return Set{s.diagram.forget(a.node, s.diagram.chain(s.axis(firewall.FieldDstPort).levels))}
}

// WantsPayload reports whether what a packet carries decides whether it is in the set.
func (s *Space) WantsPayload(a Set) bool {
	wants := false
	s.diagram.support(a.node, func(level int32) {
		v, ok := s.names[level]
		wants = wants || ok && (v.kind == carries || v.kind == isAnswered && v.name == "layer7-protocol")
	})
	return wants
}

// Uses returns the lists on whose membership the set depends, sorted.
func (s *Space) Uses(a Set) []string {
	var out []string
	s.diagram.support(a.node, func(level int32) {
		if v, ok := s.names[level]; ok && v.kind == holdsSource {
			out = append(out, v.name)
		}
	})
	slices.Sort(out)
	return out
}
