// Package classes is the firewall over sets of packets: what package packet says of one packet, it says
// of all packets at once.
//
// A [Space] knows every boundary at which the rules of some states of one router tell packets apart:
// addresses, ports, interfaces, connection states, membership in address lists. Between the
// boundaries all packets share one fate, so a finite number of classes stands for all packets there
// are. Nothing is sampled. A matcher that no packet settles, such as limit or layer7-protocol, is a
// question of its own that is answered both ways; a list that rules can fill holds a source or does not.
//
//	space := classes.New(routeros.IPv4, classes.Cuts{}, before, after)
//	was, is := space.Walk(before), space.Walk(after)
//	if p, ok := space.Pick(space.Minus(is.Accepted, was.Accepted)); ok {
//		fmt.Println("newly let in:", p.Packet)
//	}
//
// The package is pure: no clock, no socket, no file.
package classes

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/packet"
)

// Set is a set of packets of one [Space], together with the memberships of their source and the answers to open
// questions. Two sets are equal when they hold the same packets. The zero value is empty.
type Set struct{ node ref }

// Empty reports whether nothing is in the set.
func (s Set) Empty() bool { return s.node == none }

// Cuts are boundaries that matter to the caller beyond those of the rules.
type Cuts struct {
	Sources []routeros.AddressRange
	Apart   []routeros.AddressRange // sources too, of which nothing says that they can be
	Ports   []routeros.PortRange    // destination ports
	Sizes   []int                   // whole packets
	Lists   []string                // address lists of which a source may be a member
}

// Space is the set of all packets of one family that may arrive at a router, cut into the classes that some
// states of its firewall can tell apart. It is not safe for use by several goroutines.
type Space struct {
	Family  routeros.Family
	diagram *diagram
	valid   ref // packets that can be
	// carriers are the packets that have ports, once they were asked for.
	carriers ref

	source, destination    ordinal[netip.Addr]
	sourcePort, targetPort ordinal[int]
	protocol, icmp, size   ordinal[int]
	ttl, dscp              ordinal[int]
	state, in              axis
	interfaces             []string
	own                    []netip.Addr // addresses of the router

	levels   int32
	named    map[string]int32 // variables that are true or false: flags, memberships, open questions
	names    map[int32]string
	fillable map[string]bool // lists that a rule or somebody else fills while packets come
	matchers map[string]ref  // what single matchers match, where that never changes
	rows     map[*routeros.Attribute]*row
	static   map[listKey]ref
	probe    *packet.World
}

// New returns the space of the packets that the given states of one router can tell apart. The interfaces
// are those of the first state.
func New(f routeros.Family, cuts Cuts, states ...routeros.Snapshot) *Space {
	s := &Space{
		Family: f, diagram: newDiagram(), named: map[string]int32{}, names: map[int32]string{}, fillable: map[string]bool{},
		matchers: map[string]ref{}, rows: map[*routeros.Attribute]*row{}, static: map[listKey]ref{},
	}
	g := newGatherer(s)
	g.asked(cuts)
	for _, state := range states {
		g.state(state)
	}
	s.probe = packet.NewWorld(states[0])
	s.interfaces = interfaces(states[0])
	for _, a := range states[0].Addresses {
		if !a.Disabled && a.Prefix.Addr().Is4() == (f == routeros.IPv4) {
			s.own = append(s.own, a.Prefix.Addr())
		}
	}
	g.finish()
	return s
}

// Interfaces returns the names of the interfaces on which packets may arrive.
func (s *Space) Interfaces() []string { return s.interfaces }

// Classes returns into how many classes the packets are cut, list memberships and open questions included.
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

// Complete reports whether every set so far could be computed. When false, the rules ask more than can be
// followed, and nothing that was computed may be relied on.
func (s *Space) Complete() bool { return !s.diagram.full }

func (s *Space) axes() []*axis {
	return []*axis{
		&s.source.axis, &s.protocol.axis, &s.state, &s.in, &s.targetPort.axis, &s.icmp.axis, &s.size.axis, &s.ttl.axis, &s.dscp.axis,
		&s.destination.axis, &s.sourcePort.axis,
	}
}

// interfaces lists where packets can come in. A router that shows no interface gets a made-up one.
func interfaces(r routeros.Snapshot) []string {
	var out []string
	for _, i := range r.Interfaces {
		if !i.Disabled && i.Type != "loopback" && i.Name != "lo" { // an export tells no type
			out = append(out, i.Name)
		}
	}
	if len(out) == 0 {
		return []string{"ether1"}
	}
	return out
}

// boolean returns the set where a named yes-or-no holds.
func (s *Space) boolean(name string) ref {
	level, ok := s.named[name]
	if !ok {
		level = s.levels
		s.levels++
		s.named[name], s.names[level] = level, name
	}
	return s.diagram.variable(level)
}

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
	return Set{s.diagram.spans(s.protocol.axis, []span{s.protocol.run(int(number), int(number))})}
}

// Ports returns the packets to one of the destination ports, of those protocols that have ports. The ends of
// the ranges have to be among the cuts of the space.
func (s *Space) Ports(ports routeros.Ports) Set {
	return Set{s.diagram.and(s.havingPorts(), s.ports(&s.targetPort, ports))}
}

// Echo returns the ICMP echo requests of one whole packet size. A later fragment tells no type, so it is none.
func (s *Space) Echo(size int) Set {
	number, kind := uint8(1), 8
	if s.Family == routeros.IPv6 {
		number, kind = 58, 128
	}
	echo := s.diagram.spans(s.icmp.axis, []span{s.icmp.run(kind<<8, kind<<8)})
	sized := s.diagram.spans(s.size.axis, []span{s.size.run(size, size)})
	return Set{s.diagram.and(s.diagram.and(s.Protocol(number).node, s.whole()), s.diagram.and(echo, sized))}
}

// Pings returns the ICMP packets of one whole size, of whatever type, fragments too.
func (s *Space) Pings(size int) Set {
	number := uint8(1)
	if s.Family == routeros.IPv6 {
		number = 58
	}
	sized := s.diagram.spans(s.size.axis, []span{s.size.run(size, size)})
	return Set{s.diagram.and(s.Protocol(number).node, sized)}
}

// Carrying returns the packets in whose payload a text stands.
func (s *Space) Carrying(text string) Set {
	return Set{s.diagram.and(s.boolean("content "+text), s.whole())}
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
	at := slices.Index(s.interfaces, name)
	if at < 0 {
		return Set{}
	}
	return Set{s.diagram.spans(s.in, []span{{at, at}})}
}

// States returns the packets in one of the connection states.
func (s *Space) States(states ...packet.State) Set {
	var runs []span
	for _, st := range states {
		runs = append(runs, span{int(st), int(st)})
	}
	return Set{s.diagram.spans(s.state, joined(runs))}
}

// Member returns the packets whose source some rule, or somebody, has put into an address list; those that are in it for
// good are not meant.
func (s *Space) Member(list string) Set { return Set{s.boolean("src " + list)} }

// Stranger returns the packets whose source is in no list but those in which it is for good.
func (s *Space) Stranger() Set {
	out := all
	for _, name := range s.lists("src ") {
		out = s.diagram.minus(out, s.boolean("src "+name))
	}
	return Set{out}
}

// Lists returns the address lists of which a source may become a member, sorted.
func (s *Space) Lists() []string { return s.lists("src ") }

func (s *Space) lists(prefix string) []string {
	var out []string
	for name := range s.named {
		if list, ok := strings.CutPrefix(name, prefix); ok {
			out = append(out, list)
		}
	}
	slices.Sort(out)
	return out
}

// Given returns the set for a source of which the memberships are known: it is in the lists where in says so.
func (s *Space) Given(a Set, in func(list string) bool) Set {
	settled := map[int32]bool{}
	for _, list := range s.Lists() {
		settled[s.named["src "+list]] = in(list)
	}
	return Set{s.diagram.given(a.node, settled)}
}

// NotIn returns the set for sources that no rule has put into some lists; of the others it says nothing.
func (s *Space) NotIn(a Set, lists ...string) Set {
	settled := map[int32]bool{}
	for _, list := range lists {
		settled[s.named["src "+list]] = false
	}
	return Set{s.diagram.given(a.node, settled)}
}

// Sometimes returns the packets that are in the set for at least one answer to the open questions.
func (s *Space) Sometimes(a Set) Set {
	var levels []int32
	for name, level := range s.named {
		if strings.HasPrefix(name, "open ") {
			levels = append(levels, level)
		}
	}
	slices.Sort(levels)
	return Set{s.diagram.forget(a.node, s.diagram.chain(levels))}
}

// SometimesBy is Sometimes for what some rules ask that no packet settles, and for what their
// packets carry. Other rules ask their questions still.
func (s *Space) SometimesBy(a Set, tables map[routeros.Menu][]routeros.Rule) Set {
	var levels []int32
	forget := func(name string) {
		if level, asked := s.named[name]; asked {
			levels = append(levels, level)
		}
	}
	for menu, rules := range tables {
		for _, r := range rules {
			for name, value := range r.Attrs.All() {
				forget(openName(menu, r.ID, name, value))
			}
			forget("content " + strings.TrimPrefix(r.Attrs.Get("content"), "!"))
			forget(actionName(menu, r.ID, "ends"))
			forget(actionName(menu, r.ID, "accepts"))
		}
	}
	slices.Sort(levels)
	return Set{s.diagram.forget(a.node, s.diagram.chain(slices.Compact(levels)))}
}

// Anywhere returns the set with the ports of its packets forgotten: those of which a packet to some port is in it.
func (s *Space) Anywhere(a Set) Set {
	return Set{s.diagram.forget(a.node, s.diagram.chain(s.targetPort.levels))}
}

// WantsPayload reports whether what a packet carries decides whether it is in the set.
func (s *Space) WantsPayload(a Set) bool {
	wants := false
	s.diagram.support(a.node, func(level int32) {
		name := s.names[level]
		wants = wants || strings.HasPrefix(name, "content ") || strings.HasPrefix(name, "open layer7-protocol ")
	})
	return wants
}

// Uses returns the lists on whose membership the set depends, sorted.
func (s *Space) Uses(a Set) []string {
	var out []string
	s.diagram.support(a.node, func(level int32) {
		if list, ok := strings.CutPrefix(s.names[level], "src "); ok {
			out = append(out, list)
		}
	})
	slices.Sort(out)
	return out
}

// havingPorts are the packets that carry ports: of these protocols, and no later fragments.
func (s *Space) havingPorts() ref {
	if s.carriers != none {
		return s.carriers
	}
	var runs []span
	for _, p := range []int{6, 17, 33, 132, 136} {
		runs = append(runs, s.protocol.run(p, p))
	}
	s.carriers = s.diagram.and(s.diagram.spans(s.protocol.axis, joined(runs)), s.whole())
	return s.carriers
}

func (s *Space) ports(o *ordinal[int], ports routeros.Ports) ref {
	var runs []span
	for _, r := range ports {
		runs = append(runs, o.run(int(r.First), int(r.Last)))
	}
	return s.diagram.spans(o.axis, joined(runs))
}

// numbersOf reads 5 or 5-9.
func numbersOf(s string) (first, last int, ok bool) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	return first, last, err1 == nil && err2 == nil && first <= last && first >= 0
}

// openName is the name of a question that no packet settles. What depends on the connection or the time alone is one
// question for all rules that ask it; what counts packets is one of each rule.
func openName(menu routeros.Menu, id, name, value string) string {
	switch name {
	case "limit", "dst-limit", "connection-limit", "connection-rate", "connection-bytes", "psd", "nth", "random", "per-connection-classifier":
		return fmt.Sprintf("open %s %s %s", menu, id, name)
	}
	return "open " + name + " " + routeros.Canonical(name, strings.TrimPrefix(value, "!"))
}

// During returns the packets that arrive at some time of day. Whether two of these overlap is left open: each is a question of its own.
func (s *Space) During(h routeros.Hours) Set { return Set{s.matcher("", "", "time", h.String())} }

// IPsec returns the packets that came out of an IPsec tunnel.
func (s *Space) IPsec() Set { return Set{s.boolean("ipsec")} }

// Listed returns the packets whose source is in a list in some state of the router: for good, or by a rule's doing.
func (s *Space) Listed(state routeros.Snapshot, list string) Set {
	set := s.staticLists(state)(list, true)
	if s.fillable[list] {
		set = s.diagram.or(set, s.boolean("src "+list))
	}
	return Set{set}
}

// InList returns the packets that arrive on an interface of an interface list.
func (s *Space) InList(list string) Set {
	set, _ := s.interfaceMatch("in-interface-list", list)
	return Set{set}
}

// Seen is what can be told of the packets of a set from outside: their protocol, and which ports, or sizes of ICMP
// packets, they may have.
type Seen struct {
	Protocol uint8
	Ports    routeros.Ports // nil: any, or none
	Sizes    [2]int         // of whole packets; zero: any
}

// Look describes a set, one line for each protocol that the rules know.
func (s *Space) Look(a Set) []Seen {
	var out []Seen
	for i, first := range s.protocol.starts {
		only := s.diagram.and(s.diagram.and(a.node, s.valid), s.diagram.spans(s.protocol.axis, []span{{i, i}}))
		if only == none {
			continue
		}
		seen := Seen{Protocol: uint8(first)}
		if s.diagram.and(only, s.havingPorts()) != none {
			for _, r := range s.values(&s.targetPort, only, 65535) {
				seen.Ports = append(seen.Ports, routeros.PortRange{First: uint16(r.first), Last: uint16(r.last)})
			}
		}
		if runs := s.values(&s.size, only, 65535); len(runs) > 0 && (runs[0].first > 0 || runs[len(runs)-1].last < 65535) {
			seen.Sizes = [2]int{runs[0].first, runs[len(runs)-1].last}
		}
		out = append(out, seen)
	}
	return out
}

// values lists the runs of values that a set's packets have on an axis.
func (s *Space) values(o *ordinal[int], set ref, highest int) []span {
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
		last := highest
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
