package space

import (
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// gatherer finds where the axes of a space have to be cut.
type gatherer struct {
	space               *Space
	source, destination cutter[netip.Addr]
	numbers             [firewall.FieldMSS + 1]cutter[int]
	possible            []routeros.AddressRange // sources that the caller knows to exist
	srcLists, dstLists  map[string]bool
	entries             [][]routeros.ListEntry // each table of entries once
	partly              []routeros.ListReading
	rules               map[routeros.Menu][]routeros.Rule // of the state before
}

func newGatherer(s *Space) *gatherer {
	lowest := netip.IPv4Unspecified()
	if s.Family == routeros.IPv6 {
		lowest = netip.IPv6Unspecified()
	}
	g := &gatherer{
		space: s, source: addressCutter(lowest), destination: addressCutter(lowest), srcLists: map[string]bool{}, dstLists: map[string]bool{},
		rules: map[routeros.Menu][]routeros.Rule{},
	}
	for _, f := range firewall.Fields() {
		g.numbers[f] = numberCutter(f.Highest())
	}
	for state := range int(firewall.Untracked) {
		g.cut(firewall.FieldState, firewall.Span{First: state, Last: state})
	}
	return g
}

// cut cuts a field at runs of values.
func (g *gatherer) cut(f firewall.Field, runs ...firewall.Span) {
	for _, r := range runs {
		g.numbers[f].cut(r.First, r.Last)
	}
}

// asked cuts where the caller wants it, and where packets begin to be impossible.
func (g *gatherer) asked(c Cuts) {
	for _, p := range []int{1, 6, 17, 33, 58, 132, 136} {
		g.cut(firewall.FieldProtocol, firewall.Span{First: p, Last: p})
	}
	g.possible = c.Sources
	for _, r := range c.Sources {
		g.cutSource(r)
	}
	for _, r := range c.Apart {
		g.cutSource(r)
	}
	for _, p := range c.Ports {
		g.cut(firewall.FieldDstPort, firewall.Span{First: int(p.First), Last: int(p.Last)})
	}
	g.source.cut(g.source.starts[0], g.source.starts[0]) // who has no address yet sends from none
	g.cut(firewall.FieldICMP, firewall.Span{First: 8 << 8, Last: 8 << 8}, firewall.Span{First: 128 << 8, Last: 128 << 8})
	for _, n := range c.Sizes {
		g.cut(firewall.FieldSize, firewall.Span{First: n, Last: n})
	}
	for _, least := range leastSizes(g.space.Family) {
		g.cut(firewall.FieldSize, firewall.Span{First: least.size, Last: 65535})
	}
	for _, list := range c.Lists {
		g.srcLists[list], g.space.fillable[list] = true, true
	}
	for _, list := range c.Asked {
		g.srcLists[list] = true
	}
	for _, r := range martians(g.space.Family) {
		g.cutSource(r)
		g.destination.cut(r.First, r.Last)
	}
}

// leastSizes are the sizes of packets that hold nothing but their headers.
func leastSizes(f routeros.Family) []struct{ protocol, size int } {
	header := 20
	if f == routeros.IPv6 {
		header = 40
	}
	return []struct{ protocol, size int }{{-1, header}, {1, header + 8}, {58, header + 8}, {17, header + 8}, {6, header + 20}}
}

// martians are addresses that never stand in a packet from outside: the kernel drops them before
// any rule, loopback on both sides, multicast and the broadcast address as a source. The rest of
// 240.0.0.0/4 it lets in.
func martians(f routeros.Family) []routeros.AddressRange {
	texts := []string{"127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"}
	if f == routeros.IPv6 {
		texts = []string{"::1/128", "ff00::/8"}
	}
	var out []routeros.AddressRange
	for _, t := range texts {
		out = append(out, routeros.PrefixRange(netip.MustParsePrefix(t)))
	}
	return out
}

func (g *gatherer) cutSource(r routeros.AddressRange) {
	if r.First.IsValid() && r.First.Is4() == (g.space.Family == routeros.IPv4) {
		g.source.cut(r.First, r.Last)
	}
}

// state cuts at everything that one state of the router tells apart.
func (g *gatherer) state(s routeros.Snapshot) {
	f := g.space.Family
	for _, menu := range []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} {
		rows := s.Rules[menu]
		first, end := routeros.Differing(g.rules[menu], rows)
		g.rules[menu] = rows
		for i := first; i < end; i++ {
			r := &rows[i]
			if len(r.Attrs) == 0 || g.space.compiled.Have(r) || r.Disabled() {
				continue
			}
			g.rule(g.space.Rule(r))
		}
	}
	for _, svc := range s.Services {
		if !svc.Dynamic && !svc.Connection {
			g.cut(firewall.FieldDstPort, firewall.Span{First: int(svc.Port), Last: int(svc.Port)})
			for _, prefix := range svc.From {
				if r, err := routeros.ParseAddressRange(prefix); err == nil {
					g.cutSource(r)
				}
			}
		}
	}
	for _, a := range s.Addresses {
		one := routeros.AddressRange{First: a.Prefix.Addr(), Last: a.Prefix.Addr()}
		g.cutDestination(one)
		if a.Prefix.Addr().Is4() {
			last := routeros.PrefixRange(a.Prefix).Last
			g.cutDestination(routeros.AddressRange{First: last, Last: last})
		}
		g.cutSource(routeros.PrefixRange(a.Prefix))
		g.cutSource(one)
	}
	if reading, partly := s.PartlyRead[f.AddressList()]; partly {
		g.partly = append(g.partly, reading)
	}
	rows := s.Entries[f.AddressList()]
	if len(rows) > 0 && !slices.ContainsFunc(g.entries, func(o []routeros.ListEntry) bool { return &o[0] == &rows[0] && len(o) == len(rows) }) {
		g.entries = append(g.entries, rows)
	}
}

func (g *gatherer) cutDestination(r routeros.AddressRange) {
	if r.First.IsValid() && r.First.Is4() == (g.space.Family == routeros.IPv4) {
		g.destination.cut(r.First, r.Last)
	}
}

func (g *gatherer) rule(r *firewall.Rule) {
	for i := range r.Conditions {
		g.test(r.Conditions[i].Test)
	}
	if r.Action.Effect == firewall.Fills {
		g.space.fillable[r.Fill.List] = true
	}
	if port := int(r.Translate.Port); port != 0 {
		g.cut(firewall.FieldDstPort, firewall.Span{First: port, Last: port})
	}
}

// test cuts at what a condition tells apart.
func (g *gatherer) test(t firewall.Test) {
	switch t := t.(type) {
	case firewall.Numbers:
		if t.Field != firewall.FieldMSS { // no packet of a space tells it
			g.cut(t.Field, t.Values...)
		}
	case firewall.EitherPort:
		g.cut(firewall.FieldSrcPort, t.Values...)
		g.cut(firewall.FieldDstPort, t.Values...)
	case firewall.Addresses:
		if t.Of == firewall.Source {
			g.cutSource(t.Range)
		} else {
			g.cutDestination(t.Range)
		}
	case firewall.Listed:
		if t.Of == firewall.Source {
			g.srcLists[t.List] = true
		} else {
			g.dstLists[t.List] = true
		}
	case firewall.Transferred:
		g.cut(firewall.FieldSize, sizes(t)...)
	}
}

// sizes are those of the packets that are as many bytes as a condition asks for.
func sizes(t firewall.Transferred) firewall.Spans {
	const most = 65535
	last := t.To
	if last == 0 {
		last = most
	}
	if t.From > min(last, most) {
		return nil
	}
	return firewall.Spans{{First: int(t.From), Last: int(min(last, most))}}
}

// finish makes the axes and gives each its variables. Sources come first: tables grow long by rules
// about many sources, each of which then changes one path of the diagram only.
func (g *gatherer) finish() {
	s := g.space
	for _, rows := range g.entries {
		g.lists(rows)
	}
	g.unread()
	for f := range g.numbers {
		s.numbers[f] = g.numbers[f].ordinal()
	}
	s.source, s.destination, s.in = g.source.ordinal(), g.destination.ordinal(), axis{cells: len(s.interfaces)}
	axes := s.axes()
	s.allot(axes)
	for _, list := range sorted(g.srcLists) {
		s.boolean(inList(list))
	}
	for _, list := range sorted(g.dstLists) {
		s.boolean(variable{kind: holdsTarget, name: list})
	}
	s.valid = all
	for _, a := range axes {
		codes := axis{levels: a.levels, cells: 1 << len(a.levels)} // of which some stand for no cell
		s.valid = s.diagram.and(s.valid, s.diagram.spans(codes, []span{{0, a.cells - 1}}))
	}
	for _, least := range leastSizes(s.Family) {
		small := s.number(firewall.FieldSize, firewall.Span{First: 0, Last: least.size - 1})
		if least.protocol >= 0 {
			small = s.diagram.and(s.diagram.and(small, s.whole()), s.Protocol(uint8(least.protocol)).node)
		}
		s.valid = s.diagram.minus(s.valid, small)
	}
	for i, r := range martians(s.Family) {
		if !slices.ContainsFunc(g.possible, r.Overlaps) {
			s.valid = s.diagram.minus(s.valid, s.Sources(r).node)
		}
		if i == 0 {
			s.valid = s.diagram.minus(s.valid, s.diagram.spans(s.destination.axis, []span{s.destination.run(r.First, r.Last)}))
		}
	}
}

// lists cuts at the entries of the lists that rules ask for. Entries that come and go cut nothing:
// their list may hold anybody.
func (g *gatherer) lists(rows []routeros.ListEntry) {
	for i := range rows {
		e := &rows[i]
		src, dst := g.srcLists[e.List], g.dstLists[e.List]
		if !src && !dst || e.Disabled {
			continue
		}
		if e.Dynamic {
			g.space.fillable[e.List] = true
			continue
		}
		r, ok := e.Range()
		if !ok { // a DNS name: the answers to it decide which addresses are in the list
			g.space.fillable[e.List] = true
			continue
		}
		if src {
			g.cutSource(r)
		}
		if dst {
			g.cutDestination(r)
		}
	}
}

// unread makes everybody a possible member of the lists that were not read.
func (g *gatherer) unread() {
	for _, reading := range g.partly {
		for _, lists := range []map[string]bool{g.srcLists, g.dstLists} {
			for list := range lists {
				if _, read := slices.BinarySearch(reading.Lists, list); !read {
					g.space.fillable[list] = true
				}
			}
		}
	}
}

func (ps *packets) allot(axes []*axis) {
	for _, a := range axes {
		for range bitsFor(a.cells) {
			a.levels = append(a.levels, ps.levels)
			ps.levels++
		}
	}
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
