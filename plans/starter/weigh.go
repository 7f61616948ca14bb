package starter

import (
	"slices"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// excess is what an allowed source would reach by the plan, and does not reach today.
type excess struct {
	source   source
	services []string
	anyone   bool // strangers come from there too
}

// weigh compares what reaches the services today with what would reach them in the end. What a
// finished knock opens is left out, and the operators' own sources.
func (d *draft) weigh(t *trial, table compile.Table, after routeros.Snapshot) {
	w := d.scales(table, after)
	for _, service := range d.services {
		packets := w.to(service.port)
		was, is := w.space.And(w.before.Accepted, packets), w.space.And(w.after.Accepted, packets)
		if w.meets(was, w.strangers()) {
			t.exposed[service.name] = true
		}
		if w.meets(w.sent(service.port), w.space.And(w.before.Forwarded, w.strangers())) {
			t.forwarded[service.name] = true
		}
		fresh := w.space.Minus(w.space.Minus(is, was), w.excused())
		for _, a := range d.allow {
			if !a.said && w.meets(fresh, w.from(a.source)) {
				t.exceeds(a.source, service.name)
			}
		}
	}
	for _, a := range d.allow {
		if !a.said && w.anyone(a.source) {
			t.excessOf(a.source).anyone = true
		}
	}
}

// exceeds notes a service that a source would reach anew.
func (t *trial) exceeds(a source, service string) {
	if e := t.excessOf(a); !slices.Contains(e.services, service) {
		e.services = append(e.services, service)
	}
}

// excessOf finds what is kept of a source, or begins it.
func (t *trial) excessOf(a source) *excess {
	at := slices.IndexFunc(t.wider, func(e excess) bool { return e.source == a })
	if at < 0 {
		at, t.wider = len(t.wider), append(t.wider, excess{source: a})
	}
	return &t.wider[at]
}

// scales hold the packets of one family, before and after.
type scales struct {
	*draft
	table         compile.Table
	space         *space.Space
	end           routeros.Snapshot
	nat           space.Result
	before, after space.Result
	probe         routeros.AddressRange // a stranger
}

func (d *draft) scales(table compile.Table, end routeros.Snapshot) *scales {
	w := &scales{draft: d, table: table, end: end}
	stranger := traffic.NewProbes(d.router, table.Family).Source
	w.probe = routeros.AddressRange{First: stranger, Last: stranger}
	cuts := space.Cuts{Open: true, Apart: []routeros.AddressRange{w.probe}}
	for _, a := range d.Session.Operators {
		cuts.Sources = append(cuts.Sources, routeros.AddressRange{First: a, Last: a})
	}
	for _, a := range d.allow {
		switch a.key {
		case addresses:
			if r, err := routeros.ParseAddressRange(a.value); err == nil {
				cuts.Sources = append(cuts.Sources, r)
			}
		case addressLists:
			cuts.Asked = append(cuts.Asked, a.value)
		}
	}
	for _, s := range d.services {
		cuts.Ports = append(cuts.Ports, routeros.PortRange{First: s.port, Last: s.port})
	}
	for _, door := range table.Doors {
		cuts.Lists = append(cuts.Lists, door.LetIn()...)
	}
	w.space = space.New(table.Family, cuts, d.router, end)
	w.nat = traffic.Translated(w.space, end)
	var all []space.Set
	for _, s := range d.services {
		all = append(all, w.to(s.port), w.sent(s.port))
	}
	if all != nil {
		w.before, w.after = w.space.Walk(d.router, all...), w.space.Walk(end, all...)
	}
	return w
}

// to are the packets that begin a connection to a port of the router.
func (w *scales) to(port uint16) space.Set {
	s := w.space
	m := traffic.Match{Protocol: "tcp", Ports: routeros.Ports{{First: port, Last: port}}}
	return s.And(s.And(traffic.Packets(s, w.nat, []traffic.Match{m}), s.States(firewall.New)), s.All())
}

// sent are the packets that begin a connection, and go to a port before destination NAT.
func (w *scales) sent(port uint16) space.Set {
	s := w.space
	set := s.And(s.Protocol(6), s.Ports(routeros.Ports{{First: port, Last: port}}))
	return s.And(s.And(set, s.States(firewall.New)), s.All())
}

// anyone reports whether strangers are among the packets of a source, or may be: it holds the
// address of a source that no rule names; an interface that leads outside, or one that the router
// does not show; or, where nothing tells which interfaces lead outside, one that may.
func (w *scales) anyone(a source) bool {
	s, from := w.space, w.from(a)
	if a.key == addresses || a.key == addressLists {
		return w.meets(from, s.Sources(w.probe))
	}
	outside := s.Elsewhere()
	outer := w.outer
	if outer == nil {
		outer = slices.DeleteFunc(s.Interfaces(), func(in string) bool { return in == firewall.AnyOther || slices.Contains(w.inner, in) })
	}
	for _, in := range outer {
		outside = s.Or(outside, s.In(in))
	}
	return w.meets(from, outside)
}

// meets reports whether two sets share a packet.
func (w *scales) meets(a, b space.Set) bool {
	return !w.space.And(w.space.And(a, b), w.space.All()).Empty()
}

// strangers are the packets of a source that no rule names, by the interfaces that lead outside, or
// of which that is not known.
func (w *scales) strangers() space.Set {
	var out space.Set
	for _, door := range w.table.Doors {
		for _, in := range door.Outer {
			if !slices.Contains(w.inner, in) {
				out = w.space.Or(out, w.space.In(in))
			}
		}
	}
	return w.space.And(out, w.space.Sources(w.probe))
}

// excused are the packets that may come in anew: after a knock, from the operators, and from whom
// they named.
func (w *scales) excused() space.Set {
	var out space.Set
	for _, door := range w.table.Doors {
		for _, list := range door.LetIn() {
			out = w.space.Or(out, w.space.Listed(w.end, list))
		}
	}
	for _, a := range w.allow {
		if a.said {
			out = w.space.Or(out, w.from(a.source))
		}
	}
	for _, a := range w.Session.Operators {
		if a.Is4() == (w.table.Family == routeros.IPv4) {
			out = w.space.Or(out, w.space.From(a))
		}
	}
	return out
}

// from are the packets of a source of the allow-list. An interface that is not there yet may join a
// list; it is taken to be in no other.
func (w *scales) from(a source) space.Set {
	s := w.space
	switch a.key {
	case interfaceLists:
		return s.Or(s.Minus(s.InList(a.value), s.Unseen()), s.And(s.InList(a.value), s.Elsewhere(a.value)))
	case interfaces:
		return s.In(a.value)
	case addressLists:
		return s.Listed(w.end, a.value)
	}
	r, err := routeros.ParseAddressRange(a.value)
	if err != nil || r.Family() != w.table.Family {
		return space.Set{}
	}
	return s.Sources(r)
}
