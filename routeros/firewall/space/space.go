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
	// Open adds one interface that the router does not show. Nothing is known about it: it may be in
	// any interface list.
	Open bool
}

// Space is the set of all packets of one family that may arrive at a router, cut into the classes
// that some states of its firewall can tell apart. It is not safe for use by several goroutines.
type Space struct {
	Family  routeros.Family
	diagram *diagram
	valid   ref // packets that can be
	// carriers are the packets that are what conditions need, once they were asked for.
	carriers [firewall.NeedTCP + 1]ref

	source, destination ordinal[netip.Addr]
	numbers             [firewall.FieldMSS + 1]ordinal[int]
	in                  axis
	interfaces          []string                 // one for each cell
	faced               map[string]int           // the cell of each
	lists               []routeros.InterfaceList // of an open space
	own                 []netip.Addr             // addresses of the router

	levels   int32
	named    map[variable]int32 // what is true or false: flags, memberships, open questions
	names    map[int32]variable
	fillable map[string]bool // lists that a rule or somebody else fills while packets come
	compiled firewall.Rules
	meets    map[condition]ref // what single conditions match on arrival, without their negation
	rows     map[*routeros.Attribute]*row
	static   map[listKey]ref
	probe    *firewall.Firewall
}

// New returns the space of the packets that the given states of one router can tell apart. The
// interfaces are those of the first state.
func New(f routeros.Family, cuts Cuts, states ...routeros.Snapshot) *Space {
	s := &Space{
		Family: f, diagram: newDiagram(), named: map[variable]int32{}, names: map[int32]variable{}, fillable: map[string]bool{},
		meets: map[condition]ref{}, rows: map[*routeros.Attribute]*row{}, static: map[listKey]ref{},
	}
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

func (s *Space) axes() []*axis {
	return []*axis{
		&s.source.axis, s.axis(firewall.FieldProtocol), s.axis(firewall.FieldState), &s.in, s.axis(firewall.FieldDstPort),
		s.axis(firewall.FieldICMP), s.axis(firewall.FieldSize), s.axis(firewall.FieldTTL), s.axis(firewall.FieldDSCP), s.axis(firewall.FieldMSS),
		&s.destination.axis, s.axis(firewall.FieldSrcPort),
	}
}

func (s *Space) axis(f firewall.Field) *axis { return &s.numbers[f].axis }

// All returns every packet that can arrive.
func (s *Space) All() Set { return Set{s.valid} }

// And returns what is in both sets.
func (s *Space) And(a, b Set) Set { return Set{s.diagram.and(a.node, b.node)} }

// Or returns what is in one of the sets.
func (s *Space) Or(a, b Set) Set { return Set{s.diagram.or(a.node, b.node)} }

// Minus returns what is in a and not in b.
func (s *Space) Minus(a, b Set) Set { return Set{s.diagram.minus(a.node, b.node)} }

// Protocol returns the packets of a protocol.
func (s *Space) Protocol(number uint8) Set {
	return Set{s.number(firewall.FieldProtocol, firewall.Span{First: int(number), Last: int(number)})}
}

// Ports returns the packets to one of the destination ports, of those protocols that have ports.
// The ends of the ranges have to be among the cuts of the space.
func (s *Space) Ports(ports routeros.Ports) Set {
	spans := make(firewall.Spans, len(ports))
	for i, p := range ports {
		spans[i] = firewall.Span{First: int(p.First), Last: int(p.Last)}
	}
	return Set{s.diagram.and(s.having(firewall.NeedPorts), s.number(firewall.FieldDstPort, spans...))}
}

// Echo returns the ICMP echo requests of one whole packet size. A later fragment tells no type, so
// it is none.
func (s *Space) Echo(size int) Set {
	kind := 8
	if s.Family == routeros.IPv6 {
		kind = 128
	}
	echo := s.diagram.and(s.having(firewall.NeedICMP), s.number(firewall.FieldICMP, firewall.Span{First: kind << 8, Last: kind << 8}))
	return Set{s.diagram.and(echo, s.number(firewall.FieldSize, firewall.Span{First: size, Last: size}))}
}

// Pings returns the ICMP packets of one whole size, of whatever type, fragments too.
func (s *Space) Pings(size int) Set {
	sized := s.number(firewall.FieldSize, firewall.Span{First: size, Last: size})
	return Set{s.diagram.and(s.ofProtocols(firewall.NeedICMP), sized)}
}

// Carrying returns the packets in whose payload a text stands.
func (s *Space) Carrying(text string) Set {
	return Set{s.diagram.and(s.boolean(variable{kind: carries, name: text}), s.whole())}
}

// Sources returns the packets from a range of addresses.
func (s *Space) Sources(r routeros.AddressRange) Set {
	if r.First.Is4() != (s.Family == routeros.IPv4) {
		return Set{}
	}
	return Set{s.diagram.spans(s.source.axis, []span{s.source.run(r.First, r.Last)})}
}

// In returns the packets that arrive on an interface.
func (s *Space) In(name string) Set {
	at, known := s.faced[name]
	if !known {
		return Set{}
	}
	return Set{s.diagram.spans(s.in, []span{{at, at}})}
}

// States returns the packets in one of the connection states.
func (s *Space) States(states ...firewall.State) Set {
	var runs firewall.Spans
	for _, st := range states {
		runs = append(runs, firewall.Span{First: int(st), Last: int(st)})
	}
	return Set{s.number(firewall.FieldState, runs...)}
}

// Member returns the packets whose source some rule, or somebody, has put into an address list;
// those that are in it for good are not meant.
func (s *Space) Member(list string) Set { return Set{s.boolean(inList(list))} }

// Stranger returns the packets whose source is in no list but those in which it is for good.
func (s *Space) Stranger() Set {
	out := all
	for level := s.levels - 1; level >= 0; level-- {
		if v, named := s.names[level]; named && v.kind == holdsSource {
			out = s.diagram.make(level, out, none)
		}
	}
	return Set{out}
}

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

// having are the packets that are what a condition needs: of these protocols, and no later
// fragments.
func (s *Space) having(n firewall.Need) ref {
	switch {
	case n == firewall.NeedNothing:
		return all
	case s.carriers[n] == none:
		s.carriers[n] = s.diagram.and(s.ofProtocols(n), s.whole())
	}
	return s.carriers[n]
}

func (s *Space) ofProtocols(n firewall.Need) ref {
	var runs firewall.Spans
	for _, p := range n.Protocols(s.Family) {
		runs = append(runs, firewall.Span{First: int(p), Last: int(p)})
	}
	return s.number(firewall.FieldProtocol, runs...)
}

// whole are the packets that are no later fragments.
func (s *Space) whole() ref { return s.diagram.not(s.boolean(variable{kind: isFragment})) }

// number returns the packets of which a field lies in one of some runs, as far as they have it.
func (s *Space) number(f firewall.Field, runs ...firewall.Span) ref {
	o := &s.numbers[f]
	if len(runs) == 1 {
		return s.diagram.spans(o.axis, []span{o.run(runs[0].First, runs[0].Last)})
	}
	cells := make([]span, len(runs))
	for i, r := range runs {
		cells[i] = o.run(r.First, r.Last)
	}
	return s.diagram.spans(o.axis, joined(cells))
}

// During returns the packets that arrive at some time of day. Whether two of these overlap is left
// open: each is a question of its own.
func (s *Space) During(h routeros.Hours) Set {
	return Set{s.boolean(question("", "", &firewall.Condition{Matcher: "time", Value: h.String()}))}
}

// IPsec returns the packets that came out of an IPsec tunnel.
func (s *Space) IPsec() Set { return Set{s.boolean(variable{kind: isFromTunnel})} }

// Listed returns the packets whose source is in a list in some state of the router: for good, or by
// a rule's doing.
func (s *Space) Listed(state routeros.Snapshot, list string) Set {
	set := s.staticLists(state)(list, true)
	if s.fillable[list] {
		set = s.diagram.or(set, s.boolean(inList(list)))
	}
	return Set{set}
}

// InList returns the packets that arrive on an interface of an interface list.
func (s *Space) InList(list string) Set {
	c, _, _ := firewall.ReadCondition("in-interface-list", list)
	return Set{s.meeting("", "", &c)}
}

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
