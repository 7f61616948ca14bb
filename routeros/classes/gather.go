package classes

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// gatherer finds where the axes of a space have to be cut.
type gatherer struct {
	space                  *Space
	source, destination    cutter[netip.Addr]
	sourcePort, targetPort cutter[int]
	protocol, icmp, size   cutter[int]
	ttl, dscp              cutter[int]
	possible               []routeros.AddressRange // sources that the caller knows to exist
	seen                   map[*routeros.Attribute]bool
	srcLists, dstLists     map[string]bool
	entries                [][]routeros.ListEntry // each table of entries once
}

func newGatherer(s *Space) *gatherer {
	lowest := netip.IPv4Unspecified()
	if s.Family == routeros.IPv6 {
		lowest = netip.IPv6Unspecified()
	}
	return &gatherer{
		space: s, source: addressCutter(lowest), destination: addressCutter(lowest),
		sourcePort: numberCutter(65535), targetPort: numberCutter(65535), protocol: numberCutter(255), icmp: numberCutter(65535),
		size: numberCutter(65535), ttl: numberCutter(255), dscp: numberCutter(63),
		seen: map[*routeros.Attribute]bool{}, srcLists: map[string]bool{}, dstLists: map[string]bool{},
	}
}

// asked cuts where the caller wants it, and where packets begin to be impossible.
func (g *gatherer) asked(c Cuts) {
	for _, p := range []int{1, 6, 17, 33, 58, 132, 136} {
		g.protocol.cut(p, p)
	}
	g.possible = c.Sources
	for _, r := range c.Sources {
		g.cutSource(r)
	}
	for _, r := range c.Apart {
		g.cutSource(r)
	}
	for _, p := range c.Ports {
		g.targetPort.cut(int(p.First), int(p.Last))
	}
	g.source.cut(g.source.starts[0], g.source.starts[0]) // who has no address yet sends from none
	g.icmp.cut(8<<8, 8<<8)
	g.icmp.cut(128<<8, 128<<8)
	for _, n := range c.Sizes {
		g.size.cut(n, n)
	}
	for _, least := range leastSizes(g.space.Family) {
		g.size.cut(least.size, 65535)
	}
	for _, list := range c.Lists {
		g.srcLists[list], g.space.fillable[list] = true, true
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

// martians are addresses that never stand in a packet from outside: the kernel drops them before any
// rule, loopback on both sides, multicast and the broadcast address as a source. The rest of 240.0.0.0/4 it lets in.
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

func (g *gatherer) cutDestination(r routeros.AddressRange) {
	if r.First.IsValid() && r.First.Is4() == (g.space.Family == routeros.IPv4) {
		g.destination.cut(r.First, r.Last)
	}
}

// state cuts at everything that one state of the router tells apart.
func (g *gatherer) state(s routeros.Snapshot) {
	f := g.space.Family
	for _, menu := range []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} {
		for i := range s.Rules[menu] {
			r := &s.Rules[menu][i]
			if len(r.Attrs) == 0 || g.seen[&r.Attrs[0]] {
				continue
			}
			g.seen[&r.Attrs[0]] = true
			if !r.Disabled() {
				g.rule(r)
			}
		}
	}
	for _, svc := range s.Services {
		if !svc.Dynamic && !svc.Connection {
			g.targetPort.cut(int(svc.Port), int(svc.Port))
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
	rows := s.Entries[f.AddressList()]
	if len(rows) > 0 && !slices.ContainsFunc(g.entries, func(o []routeros.ListEntry) bool { return &o[0] == &rows[0] && len(o) == len(rows) }) {
		g.entries = append(g.entries, rows)
	}
}

// lists cuts at the entries of the lists that rules ask for. Entries that come and go cut nothing: their
// list may hold anybody.
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
		if !ok { // a DNS name: whoever answers for it says who is in the list
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

func (g *gatherer) rule(r *routeros.Rule) {
	for name, value := range r.Attrs.All() {
		g.attribute(name, strings.TrimPrefix(value, "!"))
	}
	switch r.Action() {
	case "add-src-to-address-list", "add-dst-to-address-list":
		g.space.fillable[r.Attrs.Get("address-list")] = true
	}
}

func (g *gatherer) attribute(name, value string) {
	switch name {
	case "src-address", "dst-address":
		r, err := routeros.ParseAddressRange(value)
		switch {
		case err != nil:
		case name == "src-address":
			g.cutSource(r)
		default:
			g.cutDestination(r)
		}
	case "src-port", "dst-port", "port":
		ports, _ := routeros.ParsePorts(value)
		for _, p := range ports {
			if name != "dst-port" {
				g.sourcePort.cut(int(p.First), int(p.Last))
			}
			if name != "src-port" {
				g.targetPort.cut(int(p.First), int(p.Last))
			}
		}
	case "to-ports":
		low, _, _ := cutRange(value)
		if port, err := routeros.ParsePort(low); err == nil {
			g.targetPort.cut(int(port), int(port))
		}
	case "src-address-list":
		g.srcLists[value] = true
	case "dst-address-list":
		g.dstLists[value] = true
	case "protocol":
		if n, err := routeros.ParseProtocol(value); err == nil {
			g.protocol.cut(int(n), int(n))
		}
	default:
		g.content(name, value)
	}
}

func (g *gatherer) content(name, value string) {
	switch name {
	case "icmp-options":
		if first, last, ok := icmpRun(value); ok {
			g.icmp.cut(first, last)
		}
	case "packet-size", "dscp":
		first, last, ok := numbersOf(value)
		o := map[string]*cutter[int]{"packet-size": &g.size, "dscp": &g.dscp}[name]
		if ok {
			o.cut(first, last)
		}
	case "ttl", "hop-limit":
		if n, _, ok := ttlOf(value); ok {
			g.ttl.cut(n, n)
		}
	}
}

// icmpRun reads icmp-options: a type and its codes as a run of type·256+code.
func icmpRun(value string) (first, last int, ok bool) {
	kind, codes, _ := strings.Cut(routeros.Canonical("icmp-options", value), ":")
	n, err := strconv.ParseUint(kind, 10, 8)
	low, high, ok := numbersOf(codes)
	return int(n)<<8 | low, int(n)<<8 | min(high, 255), ok && err == nil
}

// ttlOf reads ttl and hop-limit: a comparison and a number.
func ttlOf(value string) (n int, how string, ok bool) {
	how, number, found := strings.Cut(value, ":")
	if !found {
		how, number = "equal", value
	}
	n, err := strconv.Atoi(number)
	return n, how, err == nil && n >= 0 && n <= 255
}

// finish makes the axes and gives each its variables. Sources come first: tables grow long by rules about many
// sources, each of which then changes one path of the diagram only.
func (g *gatherer) finish() {
	s := g.space
	for _, rows := range g.entries {
		g.lists(rows)
	}
	s.protocol, s.targetPort, s.icmp, s.size = g.protocol.ordinal(), g.targetPort.ordinal(), g.icmp.ordinal(), g.size.ordinal()
	s.ttl, s.dscp = g.ttl.ordinal(), g.dscp.ordinal()
	s.destination, s.sourcePort, s.source = g.destination.ordinal(), g.sourcePort.ordinal(), g.source.ordinal()
	s.state, s.in = axis{cells: 5}, axis{cells: len(s.interfaces)}
	axes := s.axes()
	s.allot(axes)
	for _, list := range sorted(g.srcLists) {
		s.boolean("src " + list)
	}
	for _, list := range sorted(g.dstLists) {
		s.boolean("dst " + list)
	}
	s.valid = all
	for _, a := range axes {
		codes := axis{levels: a.levels, cells: 1 << len(a.levels)} // of which some stand for no cell
		s.valid = s.diagram.and(s.valid, s.diagram.spans(codes, []span{{0, a.cells - 1}}))
	}
	for _, least := range leastSizes(s.Family) {
		small := s.run(&s.size, 0, least.size-1)
		if least.protocol >= 0 {
			small = s.diagram.and(s.diagram.and(small, s.whole()), s.run(&s.protocol, least.protocol, least.protocol))
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

func (s *Space) allot(axes []*axis) {
	for _, a := range axes {
		for range bitsFor(a.cells) {
			a.levels = append(a.levels, s.levels)
			s.levels++
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
