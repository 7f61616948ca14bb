package classes

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/packet"
)

// Example is one packet of a set, with what else has to hold for it: in which lists its source is, and how
// the questions that no packet settles have to be answered.
type Example struct {
	Packet packet.Packet
	// Lists hold the packet's source, by a rule's doing; Destinations hold its destination, and Hosts where destination NAT sends it.
	Lists, Destinations, Hosts []string
	answers                    map[string]bool
}

// Pick returns a packet of the set, as ordinary a one as there is: a first packet, of TCP if it can be, from a public
// address in no list. The packet is valid when ok.
func (s *Space) Pick(a Set, wishes ...Set) (e Example, ok bool) {
	set := s.diagram.and(a.node, s.valid)
	if set == none {
		return Example{}, false
	}
	for _, wish := range append(wishes, s.ordinary()...) {
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
	return s.example(values), true
}

// ordinary lists what is wished of an example, the most important first.
func (s *Space) ordinary() []Set {
	public := []string{"93.77.0.0/16", "203.0.113.0/24"}
	if s.Family == routeros.IPv6 {
		public = []string{"2a01:77::/32", "2001:db8::/32"}
	}
	out := []Set{s.States(packet.New), s.Protocol(6)}
	for _, name := range slices.Concat(s.namedLike("fragment"), s.namedLike("src "), s.namedLike("dst "), s.namedLike("sent "), s.namedLike("content "), s.namedLike("mac ")) {
		out = append(out, Set{s.diagram.not(s.boolean(name))})
	}
	out = append(out, s.flagged("syn", true), s.flagged("ack", false), s.flagged("rst", false), s.flagged("fin", false))
	for _, text := range public {
		// A cell may be wider than the prefix, so only its first address is asked for.
		r := routeros.PrefixRange(netip.MustParsePrefix(text))
		at := s.source.cell(r.First)
		out = append(out, Set{s.diagram.spans(s.source.axis, []span{{at, at}})})
	}
	usual := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if s.Family == routeros.IPv6 {
		usual[0] = netip.MustParseAddr("2001:db8::1")
	}
	for _, a := range append(slices.Clone(s.own), usual...) {
		at := s.destination.cell(a)
		out = append(out, Set{s.diagram.spans(s.destination.axis, []span{{at, at}})})
	}
	return append(out, s.typical()...)
}

// typical are the cells of what packets usually look like.
func (s *Space) typical() []Set {
	return []Set{
		{s.run(&s.sourcePort, 51077, 51077)}, {s.run(&s.ttl, 64, 64)}, {s.run(&s.size, 60, 60)}, {s.run(&s.dscp, 0, 0)},
		{s.run(&s.icmp, 8<<8, 8<<8)}, {s.run(&s.targetPort, 1025, 1025)},
	}
}

func (s *Space) flagged(flag string, set bool) Set {
	if _, asked := s.named["flag "+flag]; !asked {
		return All()
	}
	v := s.boolean("flag " + flag)
	if !set {
		v = s.diagram.not(v)
	}
	return Set{v}
}

// All is the set of everything; see [Space.All] for that of the packets that can be.
func All() Set { return Set{all} }

func (s *Space) namedLike(prefix string) []string {
	var out []string
	for name := range s.named {
		if strings.HasPrefix(name, prefix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// example turns the values of variables into a packet.
func (s *Space) example(values map[int32]bool) Example {
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
	value := func(o *ordinal[int], usual int) int {
		at := cell(o.axis)
		if o.cell(usual) == at {
			return usual
		}
		return o.starts[at]
	}
	e := Example{answers: map[string]bool{}}
	icmp := value(&s.icmp, 8<<8)
	e.Packet = packet.Packet{
		Protocol: uint8(value(&s.protocol, 6)), Src: usualAddress(&s.source, cell(s.source.axis)), Dst: s.usualDestination(cell(s.destination.axis)),
		InInterface: s.interfaces[cell(s.in)], Size: value(&s.size, 60), TTL: uint8(value(&s.ttl, 64)), DSCP: uint8(value(&s.dscp, 0)),
		State: packet.State(cell(s.state)),
	}
	p := &e.Packet
	switch p.Protocol {
	case 1, 58:
		p.ICMPType, p.ICMPCode = uint8(icmp>>8), uint8(icmp)
	case 6, 17, 33, 132, 136:
		p.SrcPort, p.DstPort = uint16(value(&s.sourcePort, 51077)), uint16(value(&s.targetPort, 1025))
	}
	if p.Protocol == 6 && len(s.namedLike("flag ")) == 0 {
		p.TCPFlags = packet.SYN
		if p.State != packet.New {
			p.TCPFlags = packet.ACK
		}
	}
	s.details(&e, values)
	return e
}

// details fills in what is true or false.
func (s *Space) details(e *Example, values map[int32]bool) {
	p := &e.Packet
	p.SrcMAC = "02:00:00:00:00:01"
	for _, name := range s.namedLike("") {
		held := values[s.named[name]]
		kind, what, _ := strings.Cut(name, " ")
		if kind == "open" {
			e.answers[name] = held
		}
		if !held {
			continue
		}
		switch kind {
		case "src":
			e.Lists = append(e.Lists, what)
		case "dst":
			e.Destinations = append(e.Destinations, what)
		case "sent":
			e.Hosts = append(e.Hosts, what)
		case "flag":
			if p.Protocol == 6 {
				p.TCPFlags |= 1 << slices.Index(flagNames(), what)
			}
		case "fragment":
			p.Fragment = true
		case "ipsec":
			p.IPsec = true
		case "srcnat":
			p.SrcNAT = true
		case "dstnat":
			p.DstNAT = true
		case "mac":
			p.SrcMAC = what
		case "content":
			p.Payload = append(p.Payload, what...)
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
func (s *Space) usualDestination(at int) netip.Addr {
	for _, text := range []string{"192.0.2.1", "2001:db8::1"} {
		a := netip.MustParseAddr(text)
		if a.BitLen() == s.destination.starts[0].BitLen() && s.destination.cell(a) == at {
			return a
		}
	}
	return s.destination.starts[at]
}

// Replay returns what package packet makes of an example in a state of the router, with the memberships and the
// answers that the example stands for. Its time is that of no clock, so rules that hang on the time are answered too.
func (s *Space) Replay(state routeros.Snapshot, e Example) packet.Fate {
	held := memberships{
		base: packet.NewMemory(permanently(state), time.Time{}), source: e.Packet.Src, lists: e.Lists,
		destination: e.Packet.Dst, destinations: e.Destinations, hosts: e.Hosts,
	}
	ends := map[*routeros.Rule]bool{} // actions that are known to end the chain: asked next is whether they accept
	return packet.NewWorld(state).Decide(e.Packet, held, time.Time{}, func(r *routeros.Rule, matchers []string) bool {
		if matchers[0] != "action" {
			return e.answer(menuOf(state, r), r, matchers)
		}
		what := "ends"
		if ends[r] {
			what = "accepts"
		}
		yes := e.answers[actionName(menuOf(state, r), r.ID, what)]
		ends[r] = what == "ends" && yes
		return yes
	})
}

// permanently is the state with those list entries alone that never end: the others are what memberships say.
func permanently(s routeros.Snapshot) routeros.Snapshot {
	entries := map[routeros.Menu][]routeros.ListEntry{}
	for menu, rows := range s.Entries {
		entries[menu] = slices.DeleteFunc(slices.Clone(rows), func(e routeros.ListEntry) bool { return e.Dynamic })
	}
	s.Entries = entries
	return s
}

// answer settles what hangs on open matchers the way that the example needs it.
func (e Example) answer(menu routeros.Menu, r *routeros.Rule, matchers []string) bool {
	for _, name := range matchers {
		value := r.Attrs.Get(name)
		bare, negated := strings.CutPrefix(value, "!")
		if e.answers[openName(menu, r.ID, name, bare)] == negated {
			return false
		}
	}
	return true
}

func menuOf(state routeros.Snapshot, r *routeros.Rule) routeros.Menu {
	for menu, rows := range state.Rules {
		for i := range rows {
			if &rows[i] == r {
				return menu
			}
		}
	}
	return ""
}

// memberships are the lists of a state, and beyond them those of one source and one destination, and of any host that is neither.
type memberships struct {
	base                       *packet.Memory
	source, destination        netip.Addr
	lists, destinations, hosts []string
}

// Contains implements [packet.Lists].
func (m memberships) Contains(f routeros.Family, list string, a netip.Addr, at time.Time) bool {
	held := m.hosts
	switch a {
	case m.source:
		held = m.lists
	case m.destination:
		held = m.destinations
	}
	return slices.Contains(held, list) || m.base.Contains(f, list, a, at)
}

// Holds reports whether an example is in a set.
func (s *Space) Holds(a Set, e Example) bool {
	values := s.encode(e)
	r := a.node
	for r > all {
		n := s.diagram.nodes[r]
		if r = n.low; values(n.level) {
			r = n.high
		}
	}
	return r == all
}

// encode returns the value of each variable for an example.
func (s *Space) encode(e Example) func(level int32) bool {
	p := e.Packet
	icmp := 0
	if p.Protocol == 1 || p.Protocol == 58 {
		icmp = int(p.ICMPType)<<8 | int(p.ICMPCode)
	}
	set := map[int32]bool{}
	for _, of := range []struct {
		axis axis
		cell int
	}{
		{s.protocol.axis, s.protocol.cell(int(p.Protocol))}, {s.state, int(p.State)}, {s.targetPort.axis, s.targetPort.cell(int(p.DstPort))},
		{s.icmp.axis, s.icmp.cell(icmp)}, {s.size.axis, s.size.cell(p.Size)}, {s.in, max(0, slices.Index(s.interfaces, p.InInterface))},
		{s.ttl.axis, s.ttl.cell(int(p.TTL))}, {s.dscp.axis, s.dscp.cell(int(p.DSCP))}, {s.destination.axis, s.destination.cell(p.Dst)},
		{s.sourcePort.axis, s.sourcePort.cell(int(p.SrcPort))}, {s.source.axis, s.source.cell(p.Src)},
	} {
		for i, level := range of.axis.levels {
			set[level] = of.cell>>(len(of.axis.levels)-1-i)&1 == 1
		}
	}
	return func(level int32) bool {
		if name, isName := s.names[level]; isName {
			return e.says(name)
		}
		return set[level]
	}
}

// says answers a yes-or-no of the space for an example.
func (e Example) says(name string) bool {
	kind, what, _ := strings.Cut(name, " ")
	p := e.Packet
	switch kind {
	case "src":
		return slices.Contains(e.Lists, what)
	case "dst":
		return slices.Contains(e.Destinations, what)
	case "sent":
		return slices.Contains(e.Hosts, what)
	case "flag":
		return p.TCPFlags&(1<<slices.Index(flagNames(), what)) != 0
	case "fragment":
		return p.Fragment
	case "ipsec":
		return p.IPsec
	case "srcnat":
		return p.SrcNAT
	case "dstnat":
		return p.DstNAT
	case "mac":
		return strings.EqualFold(p.SrcMAC, what)
	case "content":
		return strings.Contains(string(p.Payload), what)
	}
	return e.answers[name]
}

// Answered returns the example with an answer to every open question of the space.
func (s *Space) Answered(e Example, answer func(question string) bool) Example {
	e.answers = map[string]bool{}
	for _, name := range s.namedLike("open ") {
		e.answers[name] = answer(strings.TrimPrefix(name, "open "))
	}
	return e
}
