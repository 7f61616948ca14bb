package space

import (
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
	// Lists hold the packet's source, by a rule's doing; Destinations hold its destination, and
	// Hosts where destination NAT sends it.
	Lists, Destinations, Hosts []string
	answers                    map[variable]bool
	face                       face
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
func (ps *packets) encode(e Example) func(level int32) bool {
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
		put(ps.numbers[f].axis, ps.numbers[f].cell(n))
	}
	put(ps.source.axis, ps.source.cell(p.Src))
	put(ps.destination.axis, ps.destination.cell(p.Dst))
	put(ps.in, ps.faced[p.InInterface])
	return func(level int32) bool {
		if v, named := ps.names[level]; named {
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
