package space

import (
	"cmp"
	"math/big"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Destinations returns the packets to a range of addresses. Its ends have to be addresses of the
// router, or boundaries of a rule.
func (s *Space) Destinations(r routeros.AddressRange) Set {
	if r.First.Is4() != (s.Family == routeros.IPv4) {
		return Set{}
	}
	return Set{s.diagram.spans(s.destination.axis, []span{s.destination.run(r.First, r.Last)})}
}

// Ordinary returns the packets to addresses of single hosts: neither to a group, nor to everybody on a
// network that the router is in. Nothing else opens a connection.
func (s *Space) Ordinary(state routeros.Snapshot) Set {
	out := s.valid
	for _, r := range martians(s.Family) {
		out = s.diagram.minus(out, s.Destinations(r).node)
	}
	for _, a := range state.Addresses {
		if p := a.Prefix; p.Addr().Is4() && s.Family == routeros.IPv4 && p.Bits() < 31 && !a.Disabled {
			last := routeros.PrefixRange(p).Last
			out = s.diagram.minus(out, s.Destinations(routeros.AddressRange{First: last, Last: last}).node)
		}
	}
	return Set{out}
}

// First returns the packets that begin a connection: new ones, and of TCP those with SYN alone.
func (s *Space) First() Set {
	syn := s.boolean(flag(firewall.SYN))
	for _, f := range []firewall.Flags{firewall.ACK, firewall.RST, firewall.FIN} {
		syn = s.diagram.minus(syn, s.boolean(flag(f)))
	}
	other := s.diagram.not(s.Protocol(6).node)
	return Set{s.diagram.and(s.States(firewall.New).node, s.diagram.or(syn, other))}
}

// Elsewhere returns the packets of an open space that come in by an interface that the router does not
// show and that is in none of the interface lists for which rules ask, but for those named; nor of any
// kind that they ask for.
func (s *Space) Elsewhere(lists ...string) Set {
	out := s.other()
	for _, v := range s.variables(joins, isOfKind, isDynamic) {
		is := s.boolean(v)
		if v.kind == joins && slices.Contains(lists, v.name) {
			out = s.diagram.and(out, is)
			continue
		}
		out = s.diagram.minus(out, is)
	}
	return Set{out}
}

// Joined lists the interface lists that an interface which the router does not show may be in, and for
// which rules ask, sorted. Those that no set so far has asked for are not among them.
func (s *Space) Joined() []string {
	var out []string
	for _, v := range s.variables(joins) {
		out = append(out, v.name)
	}
	return out
}

// hinges reports whether a variable is one on which an answer hangs: it is no choice of the sender, and
// neither packet nor configuration tells it.
func (v variable) hinges() bool {
	return v.kind == carries || v.kind == sentBy || v.kind >= isAnswered
}

// byContent are the matchers of which a sender meets none by sending what packets usually are: no
// payload that a rule looks for, from a host that it does not name.
func (v variable) byContent() bool {
	return v.kind == carries || v.kind == sentBy || v.kind == isAnswered && slices.Contains([]string{"layer7-protocol", "tls-host", "connection-type", "p2p"}, v.name)
}

// counts reports whether a question is about how many packets came: at times it is answered yes, at
// times no.
func (v variable) counts() bool { return v.kind == isAnswered && v.row != "" }

// Surely returns the packets that are in the set whatever marks, times and the like say, for an
// ordinary sender: no payload and no hardware address that a rule names. What counts packets is
// answered both ways.
func (s *Space) Surely(a Set) Set {
	var counted, rest []variable
	for _, v := range s.variables() {
		switch {
		case !v.hinges() || v.byContent():
		case v.counts():
			counted = append(counted, v)
		default:
			rest = append(rest, v)
		}
	}
	d := s.diagram
	out := d.forget(d.given(a.node, s.usual()), d.chain(s.known(counted...)))
	return Set{d.not(d.forget(d.not(out), d.chain(s.known(rest...))))}
}

// usual answers the questions about content for an ordinary sender.
func (s *Space) usual() map[int32]bool {
	out := map[int32]bool{}
	for _, v := range s.variables() {
		if v.byContent() {
			out[s.named[v]] = false
		}
	}
	return out
}

// Perhaps returns the packets that are in the set for some answer to what neither packet nor
// configuration tells.
func (s *Space) Perhaps(a Set) Set {
	var asked []variable
	for _, v := range s.variables() {
		if v.hinges() {
			asked = append(asked, v)
		}
	}
	return Set{s.diagram.forget(a.node, s.diagram.chain(s.known(asked...)))}
}

// Hinges names what [Space.Surely] and [Space.Perhaps] disagree by, of a set: matchers, sorted.
func (s *Space) Hinges(a Set) []string {
	if ordinary := s.diagram.given(a.node, s.usual()); ordinary != none {
		a.node = ordinary
	}
	var out []string
	s.diagram.support(a.node, func(level int32) {
		v, named := s.names[level]
		if !named || !v.hinges() || v.counts() {
			return
		}
		name := v.name
		switch v.kind {
		case sentBy:
			name = "src-mac-address"
		case carries:
			name = "content"
		case endsChain, acceptsThere:
			name = "an action that is not known"
		}
		out = append(out, name)
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Host returns an address of a network which no rule names alone: one of the widest cell in it, and
// none of the router's own.
func (s *Space) Host(network routeros.AddressRange) (netip.Addr, bool) {
	var best netip.Addr
	widest := new(big.Int)
	for i, start := range s.source.starts {
		last := network.Last
		if i+1 < len(s.source.starts) && s.source.starts[i+1].Compare(last) <= 0 {
			last = s.source.starts[i+1].Prev()
		}
		first := start
		if first.Compare(network.First) < 0 {
			first = network.First
		}
		if first.Is4() != network.First.Is4() || first.Compare(last) > 0 || slices.Contains(s.own, first) && first == last {
			continue
		}
		if n := distance(first, last); !best.IsValid() || n.Cmp(widest) > 0 {
			best, widest = first, n
		}
	}
	return best, best.IsValid()
}

func distance(first, last netip.Addr) *big.Int {
	a, b := first.As16(), last.As16()
	return new(big.Int).Sub(new(big.Int).SetBytes(b[:]), new(big.Int).SetBytes(a[:]))
}

// From returns the packets of the cell of one source.
func (s *Space) From(a netip.Addr) Set { return s.Sources(routeros.AddressRange{First: a, Last: a}) }

// Continued returns the later packets of the connections that packets of a set begin: the same ends, in
// the connection state established, whatever lists the source is in by now.
func (s *Space) Continued(a Set) Set {
	var levels []int32
	for _, f := range firewall.Fields() {
		if f != firewall.FieldProtocol && f != firewall.FieldDstPort && f != firewall.FieldSrcPort {
			levels = append(levels, s.numbers[f].levels...)
		}
	}
	for _, v := range s.variables() {
		if !slices.Contains([]kind{joins, isOfKind, isDynamic, isFromTunnel}, v.kind) {
			levels = append(levels, s.named[v])
		}
	}
	slices.SortFunc(levels, cmp.Compare[int32])
	began := s.diagram.forget(a.node, s.diagram.chain(slices.Compact(levels)))
	later := s.diagram.minus(s.States(firewall.Established).node, s.boolean(variable{kind: isFragment}))
	later = s.diagram.minus(later, s.diagram.minus(s.Protocol(6).node, s.boolean(flag(firewall.ACK)))) // RFC 9293 § 3.10.7.4: all but the first have it
	for _, f := range []firewall.Flags{firewall.SYN, firewall.RST, firewall.FIN} {
		later = s.diagram.minus(later, s.boolean(flag(f)))
	}
	return Set{s.diagram.and(s.diagram.and(began, later), s.valid)}
}
