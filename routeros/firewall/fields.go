package firewall

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// Field is a number that a packet has and a rule can ask for.
type Field uint8

// The fields.
const (
	FieldProtocol Field = iota
	FieldState          // a [State]
	FieldSrcPort
	FieldDstPort
	FieldICMP // the type times 256, and the code
	FieldSize
	FieldTTL
	FieldDSCP
	FieldMSS
)

// Fields lists all fields.
func Fields() []Field {
	return []Field{
		FieldProtocol, FieldState, FieldSrcPort, FieldDstPort, FieldICMP, FieldSize, FieldTTL, FieldDSCP, FieldMSS,
	}
}

// Highest returns the largest value of a field; the least is 0.
func (f Field) Highest() int {
	switch f {
	case FieldProtocol, FieldTTL:
		return 255
	case FieldState:
		return int(Untracked)
	case FieldDSCP:
		return 63
	}
	return 65535
}

// Need is what a packet must be to have a field at all. What lacks the field matches a condition on
// it neither as it is nor negated.
type Need uint8

// The needs. Later fragments have neither ports nor ICMP types nor TCP options.
const (
	NeedNothing Need = iota
	NeedPorts        // a protocol with ports
	NeedICMP         // the ICMP of the packet's family
	NeedTCP
)

// Needs returns what a packet must be to have the field.
func (f Field) Needs() Need {
	switch f {
	case FieldSrcPort, FieldDstPort:
		return NeedPorts
	case FieldICMP:
		return NeedICMP
	case FieldMSS:
		return NeedTCP
	}
	return NeedNothing
}

// Protocols returns the protocols that have the field in a family, nil for all.
func (n Need) Protocols(f routeros.Family) []uint8 {
	switch n {
	case NeedPorts:
		return []uint8{6, 17, 33, 132, 136} // tcp, udp, dccp, sctp and udp-lite
	case NeedICMP:
		number, _ := routeros.ParseProtocol(f.ICMP())
		return []uint8{number}
	case NeedTCP:
		return []uint8{6}
	}
	return nil
}

// met reports whether a packet is what a condition needs.
func (n Need) met(k *walk) bool {
	switch p := &k.packet; n {
	case NeedPorts:
		return p.hasPorts()
	case NeedICMP:
		return !p.Fragment && (p.Protocol == 1 && k.family == routeros.IPv4 || p.Protocol == 58 && k.family == routeros.IPv6)
	case NeedTCP:
		return p.isTCP()
	}
	return true
}

// Of returns the value of the field in a packet that has it.
func (f Field) Of(p *Packet) int {
	switch f {
	case FieldProtocol:
		return int(p.Protocol)
	case FieldState:
		return int(p.State)
	case FieldSrcPort:
		return int(p.SrcPort)
	case FieldDstPort:
		return int(p.DstPort)
	case FieldICMP:
		return int(p.ICMPType)<<8 | int(p.ICMPCode)
	case FieldSize:
		return p.Size
	case FieldTTL:
		return int(p.TTL)
	case FieldDSCP:
		return int(p.DSCP)
	}
	return int(p.MSS)
}

// Span is a run of numbers, both ends included.
type Span struct{ First, Last int }

// Spans are runs of numbers.
type Spans []Span

// Contain reports whether a number lies in one of the runs.
func (s Spans) Contain(n int) bool {
	for i := range s {
		if s[i].First <= n && n <= s[i].Last {
			return true
		}
	}
	return false
}

// Ports returns runs of ports as a port list.
func (s Spans) Ports() routeros.Ports {
	out := make(routeros.Ports, len(s))
	for i, r := range s {
		out[i] = routeros.PortRange{First: uint16(r.First), Last: uint16(r.Last)}
	}
	return out
}

// others returns the numbers from 0 to the highest that are in none of the runs, which are sorted
// and apart.
func (s Spans) others(highest int) Spans {
	var out Spans
	from := 0
	for _, r := range s {
		if r.First > from {
			out = append(out, Span{from, r.First - 1})
		}
		from = r.Last + 1
	}
	if from <= highest {
		out = append(out, Span{from, highest})
	}
	return slices.Clip(out)
}
