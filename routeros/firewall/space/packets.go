package space

import (
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// packets is how a packet is written in the diagram: each field as the number of a cell of its
// axis, in bits, and whatever is true or false of it as a variable.
type packets struct {
	Family  routeros.Family
	diagram *diagram
	valid   ref // packets that can be
	// carriers are the packets that are what conditions need, once they were asked for.
	carriers [firewall.NeedTCP + 1]ref

	source, destination ordinal[netip.Addr]
	numbers             [firewall.FieldMSS + 1]ordinal[int]
	in                  axis
	interfaces          []string       // one for each cell
	faced               map[string]int // the cell of each

	levels int32
	named  map[variable]int32 // what is true or false: flags, memberships, open questions
	names  map[int32]variable
}

// Protocol returns the packets of a protocol.
func (ps *packets) Protocol(number uint8) Set {
	return Set{ps.number(firewall.FieldProtocol, firewall.Span{First: int(number), Last: int(number)})}
}

// Ports returns the packets to one of the destination ports, of those protocols that have ports.
// The ends of the ranges have to be among the cuts of the space.
func (ps *packets) Ports(ports routeros.Ports) Set {
	spans := make(firewall.Spans, len(ports))
	for i, p := range ports {
		spans[i] = firewall.Span{First: int(p.First), Last: int(p.Last)}
	}
	return Set{ps.diagram.and(ps.having(firewall.NeedPorts), ps.number(firewall.FieldDstPort, spans...))}
}

// Echo returns the ICMP echo requests of one whole packet size. A later fragment tells no type, so
// it is none.
func (ps *packets) Echo(size int) Set {
	kind := 8
	if ps.Family == routeros.IPv6 {
		kind = 128
	}
	echo := ps.diagram.and(ps.having(firewall.NeedICMP), ps.number(firewall.FieldICMP, firewall.Span{First: kind << 8, Last: kind << 8}))
	return Set{ps.diagram.and(echo, ps.number(firewall.FieldSize, firewall.Span{First: size, Last: size}))}
}

// Pings returns the ICMP packets of one whole size, of whatever type, fragments too.
func (ps *packets) Pings(size int) Set {
	sized := ps.number(firewall.FieldSize, firewall.Span{First: size, Last: size})
	return Set{ps.diagram.and(ps.ofProtocols(firewall.NeedICMP), sized)}
}

// Carrying returns the packets in whose payload a text stands.
func (ps *packets) Carrying(text string) Set {
	return Set{ps.diagram.and(ps.boolean(variable{kind: carries, name: text}), ps.whole())}
}

// Sources returns the packets from a range of addresses.
func (ps *packets) Sources(r routeros.AddressRange) Set {
	if r.First.Is4() != (ps.Family == routeros.IPv4) {
		return Set{}
	}
	return Set{ps.diagram.spans(ps.source.axis, []span{ps.source.run(r.First, r.Last)})}
}

// In returns the packets that arrive on an interface.
func (ps *packets) In(name string) Set {
	at, known := ps.faced[name]
	if !known {
		return Set{}
	}
	return Set{ps.diagram.spans(ps.in, []span{{at, at}})}
}

// Unseen returns the packets of an open space that come in by an interface that the router does not
// show.
func (ps *packets) Unseen() Set { return Set{ps.other()} }

// States returns the packets in one of the connection states.
func (ps *packets) States(states ...firewall.State) Set {
	var runs firewall.Spans
	for _, st := range states {
		runs = append(runs, firewall.Span{First: int(st), Last: int(st)})
	}
	return Set{ps.number(firewall.FieldState, runs...)}
}

// Member returns the packets whose source some rule, or somebody, has put into an address list;
// those that are in it for good are not meant.
func (ps *packets) Member(list string) Set { return Set{ps.boolean(inList(list))} }

// Stranger returns the packets whose source is in no list but those in which it is for good.
func (ps *packets) Stranger() Set {
	out := all
	for level := ps.levels - 1; level >= 0; level-- {
		if v, named := ps.names[level]; named && v.kind == holdsSource {
			out = ps.diagram.make(level, out, none)
		}
	}
	return Set{out}
}

// During returns the packets that arrive at some time of day. Whether two of these overlap is left
// open: each is a question of its own.
func (ps *packets) During(h routeros.Hours) Set {
	return Set{ps.boolean(question("", "", &firewall.Condition{Matcher: "time", Value: h.String()}))}
}

// IPsec returns the packets that came out of an IPsec tunnel.
func (ps *packets) IPsec() Set { return Set{ps.boolean(variable{kind: isFromTunnel})} }

// having are the packets that are what a condition needs: of these protocols, and no later
// fragments.
func (ps *packets) having(n firewall.Need) ref {
	switch {
	case n == firewall.NeedNothing:
		return all
	case ps.carriers[n] == none:
		ps.carriers[n] = ps.diagram.and(ps.ofProtocols(n), ps.whole())
	}
	return ps.carriers[n]
}

func (ps *packets) ofProtocols(n firewall.Need) ref {
	var runs firewall.Spans
	for _, p := range n.Protocols(ps.Family) {
		runs = append(runs, firewall.Span{First: int(p), Last: int(p)})
	}
	return ps.number(firewall.FieldProtocol, runs...)
}

// whole are the packets that are no later fragments.
func (ps *packets) whole() ref { return ps.diagram.not(ps.boolean(variable{kind: isFragment})) }

// number returns the packets of which a field lies in one of some runs, as far as they have it.
func (ps *packets) number(f firewall.Field, runs ...firewall.Span) ref {
	o := &ps.numbers[f]
	if len(runs) == 1 {
		return ps.diagram.spans(o.axis, []span{o.run(runs[0].First, runs[0].Last)})
	}
	cells := make([]span, len(runs))
	for i, r := range runs {
		cells[i] = o.run(r.First, r.Last)
	}
	return ps.diagram.spans(o.axis, joined(cells))
}

// other returns the packets that come in by an interface that the router does not show; none in a
// space that is not open.
func (ps *packets) other() ref {
	at, open := ps.faced[firewall.AnyOther]
	if !open {
		return none
	}
	return ps.diagram.spans(ps.in, []span{{at, at}})
}

func (ps *packets) axes() []*axis {
	return []*axis{
		&ps.source.axis, ps.axis(firewall.FieldProtocol), ps.axis(firewall.FieldState), &ps.in, ps.axis(firewall.FieldDstPort),
		ps.axis(firewall.FieldICMP), ps.axis(firewall.FieldSize), ps.axis(firewall.FieldTTL), ps.axis(firewall.FieldDSCP), ps.axis(firewall.FieldMSS),
		&ps.destination.axis, ps.axis(firewall.FieldSrcPort),
	}
}

func (ps *packets) axis(f firewall.Field) *axis { return &ps.numbers[f].axis }

// boolean returns the set where a variable is true.
func (ps *packets) boolean(v variable) ref {
	level, ok := ps.named[v]
	if !ok {
		level = ps.levels
		ps.levels++
		ps.named[v], ps.names[level] = level, v
	}
	return ps.diagram.variable(level)
}

// variables lists the variables of some kinds, all without any, in a stable order.
func (ps *packets) variables(kinds ...kind) []variable {
	var out []variable
	for v := range ps.named {
		if kinds == nil || slices.Contains(kinds, v.kind) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, variable.compare)
	return out
}

// known returns the levels of those of some variables that the space has, in rising order.
func (ps *packets) known(all ...variable) []int32 {
	var levels []int32
	for _, v := range all {
		if level, ok := ps.named[v]; ok {
			levels = append(levels, level)
		}
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}
