package space

import (
	"net/netip"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// row is a rule made ready.
type row struct {
	*firewall.Rule
	menu  routeros.Menu
	id    string
	fixed ref     // what the conditions that never change match
	later []later // the others
}

// later is a condition whose answer depends on what has become of the packet, or on the lists of
// the router.
type later struct {
	firewall.Condition
	arrived ref // the packets that meet it on their arrival, without its negation
	having  ref // the packets that have what it is about
}

// condition is what two rules may have in common.
type condition struct{ matcher, value string }

// Rule returns a row compiled, once for all states that have it.
func (s *Space) Rule(r *routeros.Rule) *firewall.Rule { return s.compiled.Of(r) }

func (s *Space) row(menu routeros.Menu, r *routeros.Rule) *row {
	if len(r.Attrs) > 0 {
		if known, ok := s.rows[&r.Attrs[0]]; ok {
			return known
		}
	}
	out := &row{Rule: s.Rule(r), menu: menu, id: r.ID, fixed: all}
	if _, void := s.probe.Void(out.Rule); void {
		out.fixed = none
	}
	for i := range out.Conditions {
		c := &out.Conditions[i]
		having := s.able(c.Test)
		if changes(c.Test) {
			out.later = append(out.later, later{*c, s.meeting(menu, r.ID, c), having})
			continue
		}
		set := s.meeting(menu, r.ID, c)
		if c.Negated {
			set = s.diagram.minus(having, set)
		}
		out.fixed = s.diagram.and(out.fixed, set)
	}
	if len(r.Attrs) > 0 {
		s.rows[&r.Attrs[0]] = out
	}
	return out
}

// able returns the packets that can meet a condition, either way round.
func (s *Space) able(t firewall.Test) ref {
	counted, ok := t.(firewall.Counted)
	switch {
	case !ok:
		return s.having(needs(t))
	case counted.Of == firewall.CountConnections:
		return s.States(firewall.New, firewall.Established, firewall.Related).node
	}
	opens := s.Protocol(6).node
	for _, f := range []firewall.Flags{firewall.ACK, firewall.RST} {
		opens = s.diagram.minus(opens, s.boolean(flag(f)))
	}
	return s.diagram.and(s.whole(), s.diagram.or(opens, s.Protocol(17).node))
}

// needs returns what a packet must be to meet a condition either way round.
func needs(t firewall.Test) firewall.Need {
	switch t := t.(type) {
	case firewall.Numbers:
		return t.Field.Needs()
	case firewall.EitherPort:
		return firewall.NeedPorts
	}
	return firewall.NeedNothing
}

// changes reports whether the answer to a condition depends on what happened to the packet before,
// or on the state of the router's lists.
func changes(t firewall.Test) bool {
	switch t := t.(type) {
	case firewall.Numbers:
		return t.Field == firewall.FieldState || t.Field == firewall.FieldDstPort || t.Field == firewall.FieldTTL
	case firewall.Addresses:
		return t.Of == firewall.Destination
	case firewall.AddressTypes:
		return t.Of == firewall.Destination
	case firewall.OnInterface:
		return t.Way == firewall.Out
	case firewall.OnInterfaceList:
		return t.Way == firewall.Out
	case firewall.EitherPort, firewall.Listed, firewall.NATStates, firewall.Transferred:
		return true
	case firewall.Counted:
		return t.Of == firewall.CountConnections
	}
	return false
}

// match returns the packets that a rule matches here.
func (w *walk) match(r *row) ref {
	out := r.fixed
	for i := range r.later {
		c := &r.later[i]
		set := w.meeting(r, c)
		if c.Negated {
			set = w.d.minus(c.having, set)
		}
		if _, counted := c.Test.(firewall.Counted); counted {
			set = w.tracked(set, none)
		}
		out = w.d.and(out, set)
	}
	return out
}

// meeting returns the packets that meet a condition here, without its negation.
func (w *walk) meeting(r *row, c *later) ref {
	was := c.arrived
	switch t := c.Test.(type) {
	case firewall.Listed:
		if t.Of == firewall.Source {
			return w.member(t.List, true)
		}
		was = w.member(t.List, false)
	case firewall.Numbers:
		if t.Field == firewall.FieldState {
			return w.tracked(was, map[bool]ref{true: all, false: none}[t.Values.Contain(int(firewall.Untracked))])
		}
	case firewall.Transferred:
		return w.tracked(was, w.ask(r, c))
	}
	if w.away {
		for _, m := range w.sent {
			was = w.d.or(w.d.minus(was, m.packets), w.d.and(w.sentTo(r, c, m, was), m.packets))
		}
		return was
	}
	for _, m := range w.moved {
		if is, known := w.afterMove(r, c, m, was); known {
			was = w.d.or(w.d.minus(was, m.packets), w.d.and(is, m.packets))
		}
	}
	return was
}

// tracked puts another answer in place for the packets that a rule has kept away from connection
// tracking.
func (w *walk) tracked(was, untracked ref) ref {
	if w.untracked == none {
		return was
	}
	return w.d.or(w.d.minus(was, w.untracked), w.d.and(untracked, w.untracked))
}

// ask returns the open question of a condition.
func (w *walk) ask(r *row, c *later) ref {
	return w.space.boolean(question(r.menu, r.id, &c.Condition))
}

// member returns the packets whose source, or destination, is in a list.
func (w *walk) member(list string, source bool) ref {
	in := w.static(list, source)
	if w.space.fillable[list] {
		in = w.d.or(in, w.space.boolean(variable{kind: map[bool]kind{true: holdsSource, false: holdsTarget}[source], name: list}))
	}
	return w.d.or(in, w.filled[listKey{list: list, source: source}])
}

// sentTo answers a condition for packets that destination NAT has sent away from the router; was is
// the answer on their arrival.
func (w *walk) sentTo(r *row, c *later, m translation, was ref) ref {
	s := w.space
	yes := map[bool]ref{true: all, false: none}
	switch t := c.Test.(type) {
	case firewall.NATStates:
		return w.d.or(was, w.natMoved(r, c, t))
	case firewall.Numbers:
		switch {
		case t.Field == firewall.FieldTTL:
			return w.ask(r, c)
		case m.anyPort: // of the two fields that can change, it is the port
			return w.d.and(c.having, w.ask(r, c))
		}
	case firewall.EitherPort:
		if m.anyPort {
			return w.d.and(c.having, w.ask(r, c))
		}
	case firewall.Addresses:
		if !m.vague {
			return yes[t.Range.Contains(m.address)]
		}
		if matches, known := t.OfHosts(m.hosts); known {
			return yes[matches]
		}
		return w.ask(r, c)
	case firewall.Listed:
		if m.vague {
			return w.ask(r, c)
		}
		return w.listedThere(m.address, t.List)
	case firewall.AddressTypes, firewall.OnInterface, firewall.OnInterfaceList:
		matches, known := s.probe.MeetsSent(c.plain(), s.sample(m.address), nil, time.Time{})
		if m.vague || !known {
			return w.ask(r, c)
		}
		return yes[matches]
	}
	if set, known := w.afterMove(r, c, m, was); known {
		return set
	}
	return was
}

// plain is the condition without its negation.
func (c *later) plain() firewall.Condition {
	p := c.Condition
	p.Negated = false
	return p
}

// listedThere returns the packets that were sent to a host which is in a list: for good, or by
// somebody's doing.
func (w *walk) listedThere(host netip.Addr, list string) ref {
	in := w.filled[listKey{list: list, away: true}]
	if w.d.and(w.static(list, false), w.to(host)) != none {
		return all
	}
	if w.space.fillable[list] {
		in = w.d.or(in, w.space.boolean(variable{kind: holdsHost, name: list}))
	}
	return in
}

// to returns the packets that arrived with a destination.
func (w *walk) to(host netip.Addr) ref {
	at := w.space.destination.cell(host)
	return w.d.spans(w.space.destination.axis, []span{{at, at}})
}

// afterMove answers a condition for packets that destination NAT has given another address or port;
// known is false where it changed nothing that the condition looks at.
func (w *walk) afterMove(r *row, c *later, m translation, was ref) (set ref, known bool) {
	s := w.space
	yes := map[bool]ref{true: all, false: none}
	switch t := c.Test.(type) {
	case firewall.NATStates:
		return w.d.or(w.d.and(w.natMoved(r, c, t), m.changed), w.d.minus(was, m.changed)), true
	case firewall.Numbers:
		if t.Field == firewall.FieldDstPort && m.port != 0 {
			return w.d.and(c.having, yes[t.Values.Contain(int(m.port))]), true
		}
	case firewall.EitherPort:
		if m.port != 0 {
			return w.d.and(c.having, w.d.or(yes[t.Values.Contain(int(m.port))], s.number(firewall.FieldSrcPort, t.Values...))), true
		}
	}
	if !m.address.IsValid() {
		return none, false
	}
	switch t := c.Test.(type) {
	case firewall.Addresses:
		return yes[t.Range.Contains(m.address)], true
	case firewall.AddressTypes:
		matches, known := s.probe.Meets(c.plain(), s.sample(m.address), nil, time.Time{})
		if !known {
			return w.ask(r, c), true
		}
		return yes[matches], true
	case firewall.Listed:
		there := w.to(m.address)
		return w.d.or(w.d.and(was, there), w.d.minus(w.listedThere(m.address, t.List), there)), true
	}
	return none, false
}

// sample is some packet, to put questions about single conditions to the evaluator.
func (s *Space) sample(dst netip.Addr) firewall.Packet {
	return firewall.Packet{Protocol: 6, Src: s.source.starts[0], Dst: dst, InInterface: s.interfaces[0], SrcMAC: "00:00:00:00:00:00"}
}

// meeting returns the packets that meet a condition on their arrival, without its negation.
func (s *Space) meeting(menu routeros.Menu, id string, c *firewall.Condition) ref {
	key := condition{c.Matcher, c.Value}
	if known, ok := s.meets[key]; ok && !c.Counts {
		return known
	}
	set := s.cut(menu, id, c)
	if !c.Counts {
		s.meets[key] = set
	}
	return set
}

// cut cuts the set of all packets by a condition.
func (s *Space) cut(menu routeros.Menu, id string, c *firewall.Condition) ref {
	d := s.diagram
	ask := func() ref { return s.boolean(question(menu, id, c)) }
	switch t := c.Test.(type) {
	case firewall.Numbers:
		if t.Field == firewall.FieldMSS {
			return d.and(s.having(t.Field.Needs()), ask())
		}
		return d.and(s.having(t.Field.Needs()), s.number(t.Field, t.Values...))
	case firewall.EitherPort:
		ports := d.or(s.number(firewall.FieldSrcPort, t.Values...), s.number(firewall.FieldDstPort, t.Values...))
		return d.and(s.having(firewall.NeedPorts), ports)
	case firewall.Addresses:
		return s.within(t)
	case firewall.AddressTypes:
		return s.ofTypes(c, t, ask)
	case firewall.OnInterface, firewall.OnInterfaceList:
		return s.on(c, ask)
	case firewall.NATStates:
		return s.translated(t, ask)
	case firewall.Transferred:
		return s.transferred(t, ask)
	}
	return s.cutContent(c.Test, ask)
}

// cutContent cuts by what a packet carries. What no packet settles is asked.
func (s *Space) cutContent(t firewall.Test, ask func() ref) ref {
	d := s.diagram
	switch t := t.(type) {
	case firewall.TCPFlags:
		set := s.having(firewall.NeedTCP)
		for _, f := range t.Set.Each() {
			set = d.and(set, s.boolean(flag(f)))
		}
		for _, f := range t.Unset.Each() {
			set = d.minus(set, s.boolean(flag(f)))
		}
		return set
	case firewall.Is:
		set := s.boolean(variable{kind: map[firewall.Fact]kind{firewall.IsFragment: isFragment, firewall.IsFromTunnel: isFromTunnel}[t.Fact]})
		if !t.Want {
			set = d.not(set)
		}
		return set
	case firewall.Carries:
		return s.boolean(variable{kind: carries, name: t.Text})
	case firewall.SentBy:
		return s.boolean(variable{kind: sentBy, name: t.MAC})
	case firewall.HasOption:
		set := none
		for _, o := range t.Of.Each() {
			set = d.or(set, s.boolean(option(o)))
		}
		if !t.Want {
			set = d.not(set)
		}
		return set
	case firewall.Counted:
		return d.and(s.able(t), ask())
	}
	return ask()
}

// within returns the packets of which an end lies in a range.
func (s *Space) within(t firewall.Addresses) ref {
	switch {
	case t.Of == firewall.Source:
		return s.Sources(t.Range).node
	case t.Range.First.Is4() != (s.Family == routeros.IPv4):
		return none
	}
	return s.diagram.spans(s.destination.axis, []span{s.destination.run(t.Range.First, t.Range.Last)})
}

// on asks the evaluator about each interface.
func (s *Space) on(c *firewall.Condition, ask func() ref) ref {
	cells := len(s.interfaces)
	if _, open := s.faced[firewall.AnyOther]; open {
		cells--
	}
	set := s.asked(c, s.in, cells, ask, func(i int) firewall.Packet {
		p := s.sample(s.destination.starts[0])
		p.InInterface = s.interfaces[i]
		return p
	})
	if unseen := s.other(); unseen != none {
		set = s.diagram.or(set, s.diagram.and(unseen, s.onOther(c.Test, ask)))
	}
	return set
}

// ofTypes asks the evaluator about each cell of addresses; broadcasts and the router's own are
// cells of their own.
func (s *Space) ofTypes(c *firewall.Condition, t firewall.AddressTypes, ask func() ref) ref {
	o := &s.destination
	if t.Of == firewall.Source {
		o = &s.source
	}
	return s.asked(c, o.axis, len(o.starts), ask, func(i int) firewall.Packet {
		p := s.sample(o.starts[i])
		if t.Of == firewall.Source {
			p.Src = o.starts[i]
		}
		return p
	})
}

// asked puts a packet of each cell of an axis to the evaluator. Cells for which it does not know
// are open.
func (s *Space) asked(c *firewall.Condition, a axis, cells int, ask func() ref, sample func(cell int) firewall.Packet) ref {
	plain := *c
	plain.Negated = false
	var yes, open []span
	for i := range cells {
		switch matches, known := s.probe.Meets(plain, sample(i), nil, time.Time{}); {
		case !known:
			open = append(open, span{i, i})
		case matches:
			yes = append(yes, span{i, i})
		}
	}
	set := s.diagram.spans(a, joined(yes))
	if open != nil {
		set = s.diagram.or(set, s.diagram.and(s.diagram.spans(a, joined(open)), ask()))
	}
	return set
}

// translated: the first packet of a connection has no translation when it arrives. Of a translated
// connection nothing shows whether it is one of endpoint-independent NAT.
func (s *Space) translated(t firewall.NATStates, ask func() ref) ref {
	d := s.diagram
	out := none
	for _, one := range []struct {
		asked, asks bool
		kind        kind
	}{{t.Src, false, isSrcNAT}, {t.Dst, false, isDstNAT}, {t.IndependentSrc, true, isSrcNAT}, {t.IndependentDst, true, isDstNAT}} {
		if !one.asked {
			continue
		}
		set := d.minus(s.boolean(variable{kind: one.kind}), s.States(firewall.New).node)
		if one.asks {
			set = d.and(set, ask())
		}
		out = d.or(out, set)
	}
	return out
}

// natMoved answers for packets that destination NAT has changed just now.
func (w *walk) natMoved(r *row, c *later, t firewall.NATStates) ref {
	switch {
	case t.Dst:
		return all
	case t.IndependentDst:
		return w.ask(r, c)
	}
	return none
}

// transferred: of the first packet of a connection it is known, as far as it makes no difference
// whether it is counted already.
func (s *Space) transferred(t firewall.Transferred, ask func() ref) ref {
	d := s.diagram
	decided, answer := s.number(firewall.FieldSize, sizes(t)...), all
	if !t.Contains(0) {
		decided, answer = d.not(decided), none
	}
	decided = d.and(decided, s.States(firewall.New).node)
	return d.or(d.minus(ask(), decided), d.and(decided, answer))
}
