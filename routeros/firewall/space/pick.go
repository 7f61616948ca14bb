package space

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Pick returns a packet of the set, as ordinary a one as there is: a first packet, of TCP if it can
// be, from a public address in no list. The packet is valid when ok.
func (s *Space) Pick(a Set, wishes ...Set) (e Example, ok bool) {
	pk := picker{s.packets, s.own}
	set := s.diagram.and(a.node, s.valid)
	if set == none {
		return Example{}, false
	}
	for _, wish := range append(wishes, pk.ordinary()...) {
		if narrowed := s.diagram.and(set, wish.node); narrowed != none {
			set = narrowed
		}
	}
	values := map[int32]bool{}
	for set > all {
		n := s.diagram.nodes[set]
		high := n.low == none
		values[n.level] = high
		if set = n.low; high {
			set = n.high
		}
	}
	return pk.example(values), true
}

// picker turns a way through the diagram into a packet that looks like one.
type picker struct {
	*packets
	own []netip.Addr // addresses of the router
}

// ordinary lists what is wished of an example, the most important first.
func (pk picker) ordinary() []Set {
	public := []string{"93.77.0.0/16", "203.0.113.0/24"}
	if pk.Family == routeros.IPv6 {
		public = []string{"2a01:77::/32", "2001:db8::/32"}
	}
	out := []Set{pk.States(firewall.New), pk.Protocol(6), {pk.diagram.not(pk.other())}}
	for _, unusual := range []kind{joins, isOfKind, isDynamic, isFragment, hasOption, holdsSource, holdsTarget, holdsHost, carries, sentBy} {
		for _, v := range pk.variables(unusual) {
			out = append(out, Set{pk.diagram.not(pk.boolean(v))})
		}
	}
	out = append(out, pk.flagged(firewall.SYN, true), pk.flagged(firewall.ACK, false), pk.flagged(firewall.RST, false), pk.flagged(firewall.FIN, false))
	for _, text := range public {
		// A cell may be wider than the prefix, so only its first address is asked for.
		r := routeros.PrefixRange(netip.MustParsePrefix(text))
		at := pk.source.cell(r.First)
		out = append(out, Set{pk.diagram.spans(pk.source.axis, []span{{at, at}})})
	}
	usual := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if pk.Family == routeros.IPv6 {
		usual[0] = netip.MustParseAddr("2001:db8::1")
	}
	for _, a := range append(slices.Clone(pk.own), usual...) {
		at := pk.destination.cell(a)
		out = append(out, Set{pk.diagram.spans(pk.destination.axis, []span{{at, at}})})
	}
	return append(out, pk.typical()...)
}

// typical are the cells of what packets usually look like.
func (pk picker) typical() []Set {
	var out []Set
	for _, f := range []firewall.Field{firewall.FieldSrcPort, firewall.FieldTTL, firewall.FieldSize, firewall.FieldDSCP, firewall.FieldICMP, firewall.FieldDstPort} {
		out = append(out, Set{pk.number(f, firewall.Span{First: usual(f), Last: usual(f)})})
	}
	return out
}

// usual is what a field usually is.
func usual(f firewall.Field) int {
	switch f {
	case firewall.FieldProtocol:
		return 6
	case firewall.FieldSrcPort:
		return 51077
	case firewall.FieldDstPort:
		return 1025
	case firewall.FieldICMP:
		return 8 << 8
	case firewall.FieldSize:
		return 60
	case firewall.FieldTTL:
		return 64
	}
	return 0
}

func (pk picker) flagged(f firewall.Flags, set bool) Set {
	if _, asked := pk.named[flag(f)]; !asked {
		return All()
	}
	v := pk.boolean(flag(f))
	if !set {
		v = pk.diagram.not(v)
	}
	return Set{v}
}

// All is the set of everything; see [Space.All] for that of the packets that can be.
func All() Set { return Set{all} }

// example turns the values of variables into a packet.
func (pk picker) example(values map[int32]bool) Example {
	cell := func(a axis) int {
		n := 0
		for _, level := range a.levels {
			n <<= 1
			if values[level] {
				n++
			}
		}
		return n
	}
	value := func(f firewall.Field) int {
		o := &pk.numbers[f]
		at := cell(o.axis)
		if o.cell(usual(f)) == at {
			return usual(f)
		}
		return o.starts[at]
	}
	e := Example{answers: map[variable]bool{}}
	icmp := value(firewall.FieldICMP)
	e.Packet = firewall.Packet{
		Protocol: uint8(value(firewall.FieldProtocol)), Src: usualAddress(&pk.source, cell(pk.source.axis)), Dst: pk.usualDestination(cell(pk.destination.axis)),
		InInterface: pk.interfaces[cell(pk.in)], Size: value(firewall.FieldSize), TTL: uint8(value(firewall.FieldTTL)), DSCP: uint8(value(firewall.FieldDSCP)),
		State: firewall.State(value(firewall.FieldState)),
	}
	p := &e.Packet
	switch {
	case p.Protocol == 1, p.Protocol == 58:
		p.ICMPType, p.ICMPCode = uint8(icmp>>8), uint8(icmp)
	case slices.Contains(firewall.NeedPorts.Protocols(pk.Family), p.Protocol):
		p.SrcPort, p.DstPort = uint16(value(firewall.FieldSrcPort)), uint16(value(firewall.FieldDstPort))
	}
	if p.Protocol == 6 && len(pk.variables(hasFlag)) == 0 {
		p.TCPFlags = firewall.SYN
		if p.State != firewall.New {
			p.TCPFlags = firewall.ACK
		}
	}
	pk.details(&e, values)
	return e
}

// details fills in what is true or false.
func (pk picker) details(e *Example, values map[int32]bool) {
	p := &e.Packet
	p.SrcMAC = "02:00:00:00:00:01"
	for _, v := range pk.variables() {
		held := values[pk.named[v]]
		if v.open() {
			e.answers[v] = held
		}
		if !held {
			continue
		}
		switch v.kind {
		case holdsSource:
			e.Lists = append(e.Lists, v.name)
		case holdsTarget:
			e.Destinations = append(e.Destinations, v.name)
		case holdsHost:
			e.Hosts = append(e.Hosts, v.name)
		case hasFlag:
			if p.Protocol == 6 {
				p.TCPFlags |= v.flags()
			}
		case hasOption:
			p.Options |= v.option()
		case joins:
			e.face.lists = append(e.face.lists, v.name)
		case isOfKind:
			e.face.kind = cmp.Or(e.face.kind, v.name)
		case isDynamic:
			e.face.dynamic = true
		case isFragment:
			p.Fragment = true
		case isFromTunnel:
			p.IPsec = true
		case isSrcNAT:
			p.SrcNAT = true
		case isDstNAT:
			p.DstNAT = true
		case sentBy:
			p.SrcMAC = v.name
		case carries:
			p.Payload = append(p.Payload, v.name...)
		}
	}
}

// usualAddress is an address of a cell: one that looks like a host.
func usualAddress(o *ordinal[netip.Addr], at int) netip.Addr {
	for _, text := range []string{"93.77.77.77", "203.0.113.9", "2a01:77::77", "2001:db8::9"} {
		a := netip.MustParseAddr(text)
		if a.BitLen() == o.starts[0].BitLen() && o.cell(a) == at {
			return a
		}
	}
	first := o.starts[at]
	if next := first.Next(); next.IsValid() && o.cell(next) == at {
		return next
	}
	return first
}

// usualDestination prefers an address of the router.
func (pk picker) usualDestination(at int) netip.Addr {
	for _, text := range []string{"192.0.2.1", "2001:db8::1"} {
		a := netip.MustParseAddr(text)
		if a.BitLen() == pk.destination.starts[0].BitLen() && pk.destination.cell(a) == at {
			return a
		}
	}
	return pk.destination.starts[at]
}
