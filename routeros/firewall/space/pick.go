package space

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Example is one packet of a set, with what else has to hold for it: in which lists its source is,
// and how the questions that no packet settles have to be answered.
type Example struct {
	Packet firewall.Packet
	// Lists hold the packet's source, by a rule's doing; Destinations hold its destination, and Hosts
	// where destination NAT sends it.
	Lists, Destinations, Hosts []string
	answers                    map[variable]bool
	face                       face
}

// Pick returns a packet of the set, as ordinary a one as there is: a first packet, of TCP if it can
// be, from a public address in no list. The packet is valid when ok.
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
	out := []Set{s.States(firewall.New), s.Protocol(6), {s.diagram.not(s.other())}}
	for _, unusual := range []kind{joins, isOfKind, isDynamic, isFragment, hasOption, holdsSource, holdsTarget, holdsHost, carries, sentBy} {
		for _, v := range s.variables(unusual) {
			out = append(out, Set{s.diagram.not(s.boolean(v))})
		}
	}
	out = append(out, s.flagged(firewall.SYN, true), s.flagged(firewall.ACK, false), s.flagged(firewall.RST, false), s.flagged(firewall.FIN, false))
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
	var out []Set
	for _, f := range []firewall.Field{firewall.FieldSrcPort, firewall.FieldTTL, firewall.FieldSize, firewall.FieldDSCP, firewall.FieldICMP, firewall.FieldDstPort} {
		out = append(out, Set{s.number(f, firewall.Span{First: usual(f), Last: usual(f)})})
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

// option is the variable of an IPv4 option.
func option(o firewall.Options) variable { return variable{kind: hasOption, name: o.String()} }

// flag is the variable of a TCP flag.
func flag(f firewall.Flags) variable { return variable{kind: hasFlag, name: f.String()} }

func (s *Space) flagged(f firewall.Flags, set bool) Set {
	if _, asked := s.named[flag(f)]; !asked {
		return All()
	}
	v := s.boolean(flag(f))
	if !set {
		v = s.diagram.not(v)
	}
	return Set{v}
}

// All is the set of everything; see [Space.All] for that of the packets that can be.
func All() Set { return Set{all} }

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
	value := func(f firewall.Field) int {
		o := &s.numbers[f]
		at := cell(o.axis)
		if o.cell(usual(f)) == at {
			return usual(f)
		}
		return o.starts[at]
	}
	e := Example{answers: map[variable]bool{}}
	icmp := value(firewall.FieldICMP)
	e.Packet = firewall.Packet{
		Protocol: uint8(value(firewall.FieldProtocol)), Src: usualAddress(&s.source, cell(s.source.axis)), Dst: s.usualDestination(cell(s.destination.axis)),
		InInterface: s.interfaces[cell(s.in)], Size: value(firewall.FieldSize), TTL: uint8(value(firewall.FieldTTL)), DSCP: uint8(value(firewall.FieldDSCP)),
		State: firewall.State(value(firewall.FieldState)),
	}
	p := &e.Packet
	switch {
	case p.Protocol == 1, p.Protocol == 58:
		p.ICMPType, p.ICMPCode = uint8(icmp>>8), uint8(icmp)
	case slices.Contains(firewall.NeedPorts.Protocols(s.Family), p.Protocol):
		p.SrcPort, p.DstPort = uint16(value(firewall.FieldSrcPort)), uint16(value(firewall.FieldDstPort))
	}
	if p.Protocol == 6 && len(s.variables(hasFlag)) == 0 {
		p.TCPFlags = firewall.SYN
		if p.State != firewall.New {
			p.TCPFlags = firewall.ACK
		}
	}
	s.details(&e, values)
	return e
}

// details fills in what is true or false.
func (s *Space) details(e *Example, values map[int32]bool) {
	p := &e.Packet
	p.SrcMAC = "02:00:00:00:00:01"
	for _, v := range s.variables() {
		held := values[s.named[v]]
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

// option is the IPv4 option of a variable.
func (v variable) option() firewall.Options {
	o, _ := firewall.ParseOption(v.name)
	return o
}

// flags is the flag of a variable.
func (v variable) flags() firewall.Flags {
	f, _ := firewall.ParseFlag(v.name)
	return f
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

// Replay returns what package firewall makes of an example in a state of the router, with the
// memberships and the answers that the example stands for. Its time is that of no clock, so rules
// that hang on the time are answered too.
func (s *Space) Replay(state routeros.Snapshot, e Example) firewall.Disposition {
	held := memberships{
		base: firewall.NewAddressLists(permanently(state), time.Time{}), source: e.Packet.Src, lists: e.Lists,
		destination: e.Packet.Dst, destinations: e.Destinations, hosts: e.Hosts,
	}
	state = shown(state, e)
	ends := map[*routeros.Rule]bool{} // actions that are known to end the chain: asked next is whether they accept
	return firewall.NewFirewall(state).Decide(e.Packet, held, time.Time{}, func(r *routeros.Rule, matchers []string) bool {
		if matchers[0] != "action" {
			return e.answer(menuOf(state, r), r.ID, s.Rule(r), matchers)
		}
		what := endsChain
		if ends[r] {
			what = acceptsThere
		}
		yes := e.answers[ofAction(what, menuOf(state, r), r.ID)]
		ends[r] = what == endsChain && yes
		return yes
	})
}

// permanently is the state with those list entries alone that never end: the others are what
// memberships say.
func permanently(s routeros.Snapshot) routeros.Snapshot {
	entries := map[routeros.Menu][]routeros.ListEntry{}
	for menu, rows := range s.Entries {
		entries[menu] = slices.DeleteFunc(slices.Clone(rows), func(e routeros.ListEntry) bool { return e.Dynamic })
	}
	s.Entries = entries
	return s
}

// answer settles what hangs on open conditions the way that the example needs it.
func (e Example) answer(menu routeros.Menu, id string, r *firewall.Rule, matchers []string) bool {
	if matchers[0] == "to-addresses" {
		return e.answers[toWhich(r.Translate)]
	}
	for i := range r.Conditions {
		c := &r.Conditions[i]
		if slices.Contains(matchers, c.Matcher) && e.answers[question(menu, id, c)] == c.Negated {
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

// memberships are the lists of a state, and beyond them those of one source and one destination,
// and of any host that is neither.
type memberships struct {
	base                       *firewall.AddressLists
	source, destination        netip.Addr
	lists, destinations, hosts []string
}

// Contains implements [firewall.Lists].
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
	put := func(a axis, cell int) {
		for i, level := range a.levels {
			set[level] = cell>>(len(a.levels)-1-i)&1 == 1
		}
	}
	for _, f := range firewall.Fields() {
		n := f.Of(&p)
		if f == firewall.FieldICMP {
			n = icmp
		}
		put(s.numbers[f].axis, s.numbers[f].cell(n))
	}
	put(s.source.axis, s.source.cell(p.Src))
	put(s.destination.axis, s.destination.cell(p.Dst))
	put(s.in, s.faced[p.InInterface])
	return func(level int32) bool {
		if v, named := s.names[level]; named {
			return e.says(v)
		}
		return set[level]
	}
}

// says answers a yes-or-no of the space for an example.
func (e Example) says(v variable) bool {
	p := e.Packet
	switch v.kind {
	case holdsSource:
		return slices.Contains(e.Lists, v.name)
	case holdsTarget:
		return slices.Contains(e.Destinations, v.name)
	case holdsHost:
		return slices.Contains(e.Hosts, v.name)
	case hasFlag:
		return p.TCPFlags&v.flags() != 0
	case hasOption:
		return p.Options&v.option() != 0
	case joins:
		return slices.Contains(e.face.lists, v.name)
	case isOfKind:
		return e.face.kind == v.name
	case isDynamic:
		return e.face.dynamic
	case isFragment:
		return p.Fragment
	case isFromTunnel:
		return p.IPsec
	case isSrcNAT:
		return p.SrcNAT
	case isDstNAT:
		return p.DstNAT
	case sentBy:
		return strings.EqualFold(p.SrcMAC, v.name)
	case carries:
		return strings.Contains(string(p.Payload), v.name)
	}
	return e.answers[v]
}

// Answered returns the example with an answer to every open question of the space.
func (s *Space) Answered(e Example, answer func(question string) bool) Example {
	e.answers = map[variable]bool{}
	for _, v := range s.variables(isAnswered, endsChain, acceptsThere) {
		e.answers[v] = answer(strings.TrimSpace(v.name + " " + v.value))
	}
	return e
}
