package classes

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/packet"
)

func isMatcher(name string) bool { return packet.IsMatcher(name) }

func cutRange(s string) (first, last string, isRange bool) { return strings.Cut(s, "-") }

// changes names the matchers whose answer depends on what happened to the packet before, or on the state of the
// router's lists.
func changes(name string) bool {
	switch name {
	case "connection-state", "connection-nat-state", "dst-port", "port", "dst-address", "dst-address-type", "src-address-list", "dst-address-list",
		"out-interface", "out-interface-list", "ttl", "hop-limit":
		return true
	}
	return false
}

// match returns the packets that a rule matches here.
func (w *walk) match(r *row) ref {
	out := r.fixed
	for _, m := range r.matchers {
		bare, negated := strings.CutPrefix(m.value, "!")
		set := w.changing(m.name, bare)
		if negated {
			out = w.d.and(w.d.minus(out, set), w.space.having(m.name))
		} else {
			out = w.d.and(out, set)
		}
	}
	return out
}

func (w *walk) changing(name, value string) ref {
	s := w.space
	switch name {
	case "src-address-list":
		return w.member(value, true)
	case "connection-state":
		was := s.matcher("", "", name, value)
		if w.untracked == none {
			return was
		}
		is := none
		if slices.Contains(strings.Split(value, ","), "untracked") {
			is = w.untracked
		}
		return w.d.or(w.d.minus(was, w.untracked), is)
	}
	var was ref
	if name == "dst-address-list" {
		was = w.member(value, false)
	} else {
		was = s.matcher("", "", name, value)
	}
	if w.away {
		return w.afterSend(was, name, value)
	}
	for _, m := range w.moved {
		is, known := w.afterMove(m, name, value)
		if known {
			was = w.d.or(w.d.minus(was, m.packets), w.d.and(is, m.packets))
		}
	}
	return was
}

// member returns the packets whose source, or destination, is in a list.
func (w *walk) member(list string, source bool) ref {
	in := w.static(list, source)
	if w.space.fillable[list] {
		in = w.d.or(in, w.space.boolean(map[bool]string{true: "src ", false: "dst "}[source]+list))
	}
	return w.d.or(in, w.filled[listKey{list: list, source: source}])
}

// afterSend answers a matcher for packets that destination NAT has sent away from the router; was is the answer on their arrival.
func (w *walk) afterSend(was ref, name, value string) ref {
	for _, m := range w.sent {
		was = w.d.or(w.d.minus(was, m.packets), w.d.and(w.sentTo(m, was, name, value), m.packets))
	}
	return was
}

func (w *walk) sentTo(m translation, was ref, name, value string) ref {
	s := w.space
	switch name {
	case "connection-nat-state":
		return w.d.or(was, s.natMoved(value))
	case "ttl", "hop-limit":
		return s.boolean(openName("", "", name, value))
	case "dst-address", "dst-address-type", "out-interface", "out-interface-list":
		if r, err := routeros.ParseAddressRange(value); m.vague && name == "dst-address" && err == nil && m.hosts.First.IsValid() {
			switch {
			case !r.Overlaps(m.hosts):
				return none
			case r.Contains(m.hosts.First) && r.Contains(m.hosts.Last):
				return all
			}
		}
		if m.vague {
			return s.boolean(openName("", "", name, value))
		}
		matches, known := s.probe.MatchesSent(name, value, s.sample(m.address), nil, time.Time{})
		if !known {
			return s.boolean(openName("", "", name, value))
		}
		return map[bool]ref{true: all, false: none}[matches]
	case "dst-address-list":
		if m.vague {
			return s.boolean(openName("", "", name, value))
		}
		return w.listedThere(m.address, value)
	case "dst-port", "port":
		if m.anyPort {
			return w.d.and(s.havingPorts(), s.boolean(openName("", "", name, value)))
		}
		set, known := w.afterMove(m, name, value)
		if !known {
			return was
		}
		return set
	}
	return was
}

// listedThere returns the packets that were sent to a host which is in a list: for good, or by somebody's doing.
func (w *walk) listedThere(host netip.Addr, list string) ref {
	in := w.filled[listKey{list: list, away: true}]
	at := w.space.destination.cell(host)
	if w.d.and(w.static(list, false), w.d.spans(w.space.destination.axis, []span{{at, at}})) != none {
		return all
	}
	if w.space.fillable[list] {
		in = w.d.or(in, w.space.boolean("sent "+list))
	}
	return in
}

// afterMove answers a matcher for packets that destination NAT has given another address or port; known is false where
// it changed nothing that the matcher looks at.
func (w *walk) afterMove(m translation, name, value string) (set ref, known bool) {
	s := w.space
	yes := map[bool]ref{true: all, false: none}
	switch name {
	case "connection-nat-state":
		return w.d.and(s.natMoved(value), m.changed), true
	case "dst-port", "port":
		ports, err := routeros.ParsePorts(value)
		if m.port == 0 || err != nil {
			return none, false
		}
		to := w.d.and(s.havingPorts(), yes[ports.Contains(m.port)])
		if name == "port" {
			to = w.d.or(to, w.d.and(s.havingPorts(), s.ports(&s.sourcePort, ports)))
		}
		return to, true
	case "dst-address", "dst-address-list", "dst-address-type":
		if !m.address.IsValid() {
			return none, false
		}
		if name == "dst-address-list" {
			return none, false // lists of destinations are followed as they arrived
		}
		matches, _ := s.probe.Matches(name, value, s.sample(m.address), nil, time.Time{})
		return yes[matches], true
	}
	return none, false
}

// sample is some packet, to put questions about single matchers to the evaluator.
func (s *Space) sample(dst netip.Addr) packet.Packet {
	return packet.Packet{Protocol: 6, Src: s.source.starts[0], Dst: dst, InInterface: s.interfaces[0], SrcMAC: "00:00:00:00:00:00"}
}

// matcher returns the packets that one matcher matches, on their arrival.
func (s *Space) matcher(menu routeros.Menu, id, name, value string) ref {
	key := name + "=" + value
	if known, ok := s.matchers[key]; ok {
		return known
	}
	bare, negated := strings.CutPrefix(value, "!")
	if name == "tcp-flags" {
		bare, negated = value, false
	}
	set, decided := s.decided(name, bare)
	if !decided {
		question := openName(menu, id, name, bare)
		set = s.boolean(question)
		key = question + map[bool]string{true: "!"}[negated]
	}
	if negated {
		set = s.diagram.not(set)
	}
	s.matchers[key] = s.diagram.and(set, s.having(name))
	return s.matchers[key]
}

// having are the packets that have what a matcher is about. The others it does not match, with a ! neither.
func (s *Space) having(name string) ref {
	switch name {
	case "src-port", "dst-port", "port":
		return s.havingPorts()
	case "icmp-options":
		return s.diagram.and(s.Protocol(map[routeros.Family]uint8{routeros.IPv4: 1, routeros.IPv6: 58}[s.Family]).node, s.whole())
	case "tcp-mss":
		return s.diagram.and(s.Protocol(6).node, s.whole())
	}
	return all
}

// decided returns the packets of a matcher that the packet settles.
func (s *Space) decided(name, value string) (set ref, ok bool) {
	switch name {
	case "protocol":
		n, err := routeros.ParseProtocol(value)
		return s.run(&s.protocol, int(n), int(n)), err == nil
	case "src-address":
		r, err := routeros.ParseAddressRange(value)
		return s.Sources(r).node, err == nil
	case "dst-address":
		r, err := routeros.ParseAddressRange(value)
		if err != nil || r.First.Is4() != (s.Family == routeros.IPv4) {
			return none, err == nil
		}
		return s.diagram.spans(s.destination.axis, []span{s.destination.run(r.First, r.Last)}), true
	case "src-port", "dst-port", "port":
		ports, err := routeros.ParsePorts(value)
		return s.portMatch(name, ports), err == nil
	case "connection-state":
		return s.stateMatch(value)
	case "in-interface", "in-interface-list", "out-interface", "out-interface-list":
		return s.interfaceMatch(name, value)
	case "src-address-type":
		return s.typeMatch(name, value, &s.source)
	case "dst-address-type":
		return s.typeMatch(name, value, &s.destination)
	case "connection-nat-state":
		return s.natMatch(value)
	}
	return s.contentMatch(name, value)
}

func (s *Space) run(o *ordinal[int], first, last int) ref {
	return s.diagram.spans(o.axis, []span{o.run(first, last)})
}

func (s *Space) portMatch(name string, ports routeros.Ports) ref {
	var set ref
	switch name {
	case "src-port":
		set = s.ports(&s.sourcePort, ports)
	case "dst-port":
		set = s.ports(&s.targetPort, ports)
	default:
		set = s.diagram.or(s.ports(&s.sourcePort, ports), s.ports(&s.targetPort, ports))
	}
	return s.diagram.and(s.havingPorts(), set)
}

// whole are the packets that are no later fragments: only they have ports and the like.
func (s *Space) whole() ref {
	return s.diagram.not(s.boolean("fragment"))
}

func (s *Space) stateMatch(value string) (set ref, ok bool) {
	for word := range strings.SplitSeq(value, ",") {
		at := slices.Index([]string{"new", "established", "related", "invalid", "untracked"}, word)
		if at < 0 {
			return none, false
		}
		set = s.diagram.or(set, s.States(packet.State(at)).node)
	}
	return set, true
}

// interfaceMatch asks the evaluator about each interface.
func (s *Space) interfaceMatch(name, value string) (set ref, ok bool) {
	return s.asked(name, value, s.in, len(s.interfaces), func(i int) packet.Packet {
		p := s.sample(s.destination.starts[0])
		p.InInterface = s.interfaces[i]
		return p
	}), true
}

// typeMatch asks the evaluator about each cell of addresses; broadcasts and the router's own are cells of
// their own.
func (s *Space) typeMatch(name, value string, o *ordinal[netip.Addr]) (set ref, ok bool) {
	return s.asked(name, value, o.axis, len(o.starts), func(i int) packet.Packet {
		p := s.sample(o.starts[i])
		if name == "src-address-type" {
			p.Src, p.Dst = o.starts[i], o.starts[i]
		}
		return p
	}), true
}

// asked puts a packet of each cell of an axis to the evaluator. Cells for which it does not know are open.
func (s *Space) asked(name, value string, a axis, cells int, sample func(cell int) packet.Packet) ref {
	var yes, open []span
	for i := range cells {
		switch matches, known := s.probe.Matches(name, value, sample(i), nil, time.Time{}); {
		case !known:
			open = append(open, span{i, i})
		case matches:
			yes = append(yes, span{i, i})
		}
	}
	set := s.diagram.spans(a, joined(yes))
	if open != nil {
		question := s.boolean(openName("", "", name, value))
		set = s.diagram.or(set, s.diagram.and(s.diagram.spans(a, joined(open)), question))
	}
	return set
}

// natMatch: the first packet of a connection has no translation when it arrives.
func (s *Space) natMatch(value string) (set ref, ok bool) {
	for word := range strings.SplitSeq(value, ",") {
		name, independent := map[string]string{"ein-snat": "srcnat", "ein-dnat": "dstnat"}[word]
		if !independent {
			name = word
		}
		if name != "srcnat" && name != "dstnat" {
			return none, false
		}
		one := s.diagram.minus(s.boolean(name), s.States(packet.New).node)
		if independent { // which a translated connection does not show
			one = s.diagram.and(one, s.boolean(openName("", "", "connection-nat-state", value)))
		}
		set = s.diagram.or(set, one)
	}
	return set, true
}

// natMoved answers connection-nat-state for packets that destination NAT has changed just now.
func (s *Space) natMoved(value string) ref {
	words := strings.Split(value, ",")
	switch {
	case slices.Contains(words, "dstnat"):
		return all
	case slices.Contains(words, "ein-dnat"):
		return s.boolean(openName("", "", "connection-nat-state", value))
	}
	return none
}

func (s *Space) contentMatch(name, value string) (set ref, ok bool) {
	switch name {
	case "tcp-flags":
		return s.flagsMatch(value)
	case "icmp-options":
		first, last, ok := icmpRun(value)
		if !ok {
			return none, false
		}
		return s.diagram.and(s.having(name), s.run(&s.icmp, first, last)), true
	case "packet-size", "dscp":
		first, last, ok := numbersOf(value)
		o := map[string]*ordinal[int]{"packet-size": &s.size, "dscp": &s.dscp}[name]
		if !ok {
			return none, false
		}
		return s.run(o, first, min(last, 65535)), true
	case "ttl", "hop-limit":
		return s.ttlMatch(value)
	case "fragment", "ipsec-policy":
		return s.eitherMatch(name, value)
	case "content":
		return s.boolean("content " + value), true
	case "src-mac-address":
		return s.boolean("mac " + strings.ToUpper(value)), isMAC(value)
	case "ipv4-options": // a packet has none
		return map[string]ref{"none": all}[value], value == "none" || value == "any"
	}
	return none, false
}

func isMAC(s string) bool {
	return len(s) == 17 && strings.Count(s, ":") == 5 && strings.Trim(strings.ToLower(s), "0123456789abcdef:") == ""
}

// eitherMatch is a matcher with two answers.
func (s *Space) eitherMatch(name, value string) (set ref, ok bool) {
	name, wanted := map[string]string{"fragment": "fragment", "ipsec-policy": "ipsec"}[name], false
	switch value {
	case "yes", "true", "in,ipsec":
		wanted = true
	case "no", "false", "in,none":
	default:
		return none, false
	}
	if set = s.boolean(name); wanted {
		return set, true
	}
	return s.diagram.not(set), true
}

func (s *Space) flagsMatch(value string) (set ref, ok bool) {
	set = s.diagram.and(s.Protocol(6).node, s.whole())
	for word := range strings.SplitSeq(value, ",") {
		flag, negated := strings.CutPrefix(word, "!")
		if !slices.Contains(flagNames(), flag) {
			return none, false
		}
		if negated {
			set = s.diagram.minus(set, s.boolean("flag "+flag))
		} else {
			set = s.diagram.and(set, s.boolean("flag "+flag))
		}
	}
	return set, true
}

func flagNames() []string { return []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"} }

func (s *Space) ttlMatch(value string) (set ref, ok bool) {
	n, how, ok := ttlOf(value)
	if !ok {
		return none, false
	}
	equal := s.run(&s.ttl, n, n)
	switch how {
	case "equal":
		return equal, true
	case "not-equal":
		return s.diagram.not(equal), true
	case "less-than":
		if n == 0 {
			return none, true
		}
		return s.run(&s.ttl, 0, n-1), true
	case "greater-than":
		if n == 255 {
			return none, true
		}
		return s.run(&s.ttl, n+1, 255), true
	}
	return none, false
}
