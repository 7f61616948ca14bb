package space

import (
	"net/netip"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// conditions is what the conditions of rules match, worked out once for all states.
type conditions struct {
	*packets
	probe    *firewall.Firewall
	compiled firewall.Rules
	meets    map[condition]ref // what single conditions match on arrival, without their negation
	rows     map[*routeros.Attribute]*row
	tables   map[routeros.Menu]*table // of the state that was walked last
	chains   map[string]int           // a number for the name of each chain
	events   map[event]history
	lists    []routeros.InterfaceList // of an open space
	fillable map[string]bool          // lists that a rule or somebody else fills while packets come
	static   map[listKey]ref
}

// row is a rule made ready.
type row struct {
	*firewall.Rule
	menu  routeros.Menu
	id    string
	fixed ref     // what the conditions that never change match
	later []later // those whose answer depends on what has become of the packet
	lists []later // those whose answer depends on the lists of the router, too
	// met is what all but lists match after some history, of the packets that are followed.
	met struct {
		after    history
		followed ref
		packets  ref
	}
}

// later is a condition whose answer depends on what has become of the packet or of the lists.
type later struct {
	firewall.Condition
	arrived ref // the packets that meet it on their arrival, without its negation
	having  ref // the packets that have what it is about
}

// condition is what two rules may have in common.
type condition struct{ matcher, value string }

// Rule returns a row compiled, once for all states that have it.
func (cs *conditions) Rule(r *routeros.Rule) *firewall.Rule { return cs.compiled.Of(r) }

func (cs *conditions) row(menu routeros.Menu, r *routeros.Rule) *row {
	if len(r.Attrs) > 0 {
		if known, ok := cs.rows[&r.Attrs[0]]; ok {
			return known
		}
	}
	out := &row{Rule: cs.Rule(r), menu: menu, id: r.ID, fixed: all}
	if _, void := cs.probe.Void(out.Rule); void {
		out.fixed = none
	}
	for i := range out.Conditions {
		c := &out.Conditions[i]
		having := cs.able(c.Test)
		if _, listed := c.Test.(firewall.Listed); listed {
			out.lists = append(out.lists, later{*c, cs.meeting(menu, r.ID, c), having})
			continue
		}
		if changes(c.Test) {
			out.later = append(out.later, later{*c, cs.meeting(menu, r.ID, c), having})
			continue
		}
		set := cs.meeting(menu, r.ID, c)
		if c.Negated {
			set = cs.diagram.minus(having, set)
		}
		out.fixed = cs.diagram.and(out.fixed, set)
	}
	if len(r.Attrs) > 0 {
		cs.rows[&r.Attrs[0]] = out
	}
	return out
}

// able returns the packets that can meet a condition, either way round.
func (cs *conditions) able(t firewall.Test) ref {
	counted, ok := t.(firewall.Counted)
	switch {
	case !ok:
		return cs.having(needs(t))
	case counted.Of == firewall.CountConnections:
		return cs.States(firewall.New, firewall.Established, firewall.Related).node
	}
	opens := cs.Protocol(6).node
	for _, f := range []firewall.Flags{firewall.ACK, firewall.RST} {
		opens = cs.diagram.minus(opens, cs.boolean(flag(f)))
	}
	return cs.diagram.and(cs.whole(), cs.diagram.or(opens, cs.Protocol(17).node))
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

// changes reports whether the answer to a condition depends on what happened to the packet before.
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
	case firewall.EitherPort, firewall.NATStates, firewall.Transferred:
		return true
	case firewall.Counted:
		return t.Of == firewall.CountConnections
	}
	return false
}

// meeting returns the packets that meet a condition on their arrival, without its negation.
func (cs *conditions) meeting(menu routeros.Menu, id string, c *firewall.Condition) ref {
	key := condition{c.Matcher, c.Value}
	if known, ok := cs.meets[key]; ok && !c.Counts {
		return known
	}
	set := cs.cut(menu, id, c)
	if !c.Counts {
		cs.meets[key] = set
	}
	return set
}

// cut cuts the set of all packets by a condition.
func (cs *conditions) cut(menu routeros.Menu, id string, c *firewall.Condition) ref {
	d := cs.diagram
	ask := func() ref { return cs.boolean(question(menu, id, c)) }
	switch t := c.Test.(type) {
	case firewall.Numbers:
		if t.Field == firewall.FieldMSS {
			return d.and(cs.having(t.Field.Needs()), ask())
		}
		return d.and(cs.having(t.Field.Needs()), cs.number(t.Field, t.Values...))
	case firewall.EitherPort:
		ports := d.or(cs.number(firewall.FieldSrcPort, t.Values...), cs.number(firewall.FieldDstPort, t.Values...))
		return d.and(cs.having(firewall.NeedPorts), ports)
	case firewall.Addresses:
		return cs.within(t)
	case firewall.AddressTypes:
		return cs.ofTypes(c, t, ask)
	case firewall.OnInterface, firewall.OnInterfaceList:
		return cs.on(c, ask)
	case firewall.NATStates:
		return cs.translated(t, ask)
	case firewall.Transferred:
		return cs.transferred(t, ask)
	}
	return cs.cutContent(c.Test, ask)
}

// cutContent cuts by what a packet carries. What no packet settles is asked.
func (cs *conditions) cutContent(t firewall.Test, ask func() ref) ref {
	d := cs.diagram
	switch t := t.(type) {
	case firewall.TCPFlags:
		set := cs.having(firewall.NeedTCP)
		for _, f := range t.Set.Each() {
			set = d.and(set, cs.boolean(flag(f)))
		}
		for _, f := range t.Unset.Each() {
			set = d.minus(set, cs.boolean(flag(f)))
		}
		return set
	case firewall.Is:
		set := cs.boolean(variable{kind: map[firewall.Fact]kind{firewall.IsFragment: isFragment, firewall.IsFromTunnel: isFromTunnel}[t.Fact]})
		if !t.Want {
			set = d.not(set)
		}
		return set
	case firewall.Carries:
		return cs.boolean(variable{kind: carries, name: t.Text})
	case firewall.SentBy:
		return cs.boolean(variable{kind: sentBy, name: t.MAC})
	case firewall.HasOption:
		set := none
		for _, o := range t.Of.Each() {
			set = d.or(set, cs.boolean(option(o)))
		}
		if !t.Want {
			set = d.not(set)
		}
		return set
	case firewall.Counted:
		return d.and(cs.able(t), ask())
	}
	return ask()
}

// within returns the packets of which an end lies in a range.
func (cs *conditions) within(t firewall.Addresses) ref {
	switch {
	case t.Of == firewall.Source:
		return cs.Sources(t.Range).node
	case t.Range.First.Is4() != (cs.Family == routeros.IPv4):
		return none
	}
	return cs.diagram.spans(cs.destination.axis, []span{cs.destination.run(t.Range.First, t.Range.Last)})
}

// on asks the evaluator about each interface.
func (cs *conditions) on(c *firewall.Condition, ask func() ref) ref {
	cells := len(cs.interfaces)
	if _, open := cs.faced[firewall.AnyOther]; open {
		cells--
	}
	set := cs.asked(c, cs.in, cells, ask, func(i int) firewall.Packet {
		p := cs.sample(cs.destination.starts[0])
		p.InInterface = cs.interfaces[i]
		return p
	})
	if unseen := cs.other(); unseen != none {
		set = cs.diagram.or(set, cs.diagram.and(unseen, cs.onOther(c.Test, ask)))
	}
	return set
}

// ofTypes asks the evaluator about each cell of addresses; broadcasts and the router's own are
// cells of their own.
func (cs *conditions) ofTypes(c *firewall.Condition, t firewall.AddressTypes, ask func() ref) ref {
	o := &cs.destination
	if t.Of == firewall.Source {
		o = &cs.source
	}
	return cs.asked(c, o.axis, len(o.starts), ask, func(i int) firewall.Packet {
		p := cs.sample(o.starts[i])
		if t.Of == firewall.Source {
			p.Src = o.starts[i]
		}
		return p
	})
}

// asked puts a packet of each cell of an axis to the evaluator. Cells for which it does not know
// are open.
func (cs *conditions) asked(c *firewall.Condition, a axis, cells int, ask func() ref, sample func(cell int) firewall.Packet) ref {
	plain := *c
	plain.Negated = false
	var yes, open []span
	for i := range cells {
		switch matches, known := cs.probe.Meets(plain, sample(i), nil, time.Time{}); {
		case !known:
			open = append(open, span{i, i})
		case matches:
			yes = append(yes, span{i, i})
		}
	}
	set := cs.diagram.spans(a, joined(yes))
	if open != nil {
		set = cs.diagram.or(set, cs.diagram.and(cs.diagram.spans(a, joined(open)), ask()))
	}
	return set
}

// sample is some packet, to put questions about single conditions to the evaluator.
func (cs *conditions) sample(dst netip.Addr) firewall.Packet {
	return firewall.Packet{Protocol: 6, Src: cs.source.starts[0], Dst: dst, InInterface: cs.interfaces[0], SrcMAC: "00:00:00:00:00:00"}
}

// translated: the first packet of a connection has no translation when it arrives. Of a translated
// connection nothing shows whether it is one of endpoint-independent NAT.
func (cs *conditions) translated(t firewall.NATStates, ask func() ref) ref {
	d := cs.diagram
	out := none
	for _, one := range []struct {
		asked, asks bool
		kind        kind
	}{{t.Src, false, isSrcNAT}, {t.Dst, false, isDstNAT}, {t.IndependentSrc, true, isSrcNAT}, {t.IndependentDst, true, isDstNAT}} {
		if !one.asked {
			continue
		}
		set := d.minus(cs.boolean(variable{kind: one.kind}), cs.States(firewall.New).node)
		if one.asks {
			set = d.and(set, ask())
		}
		out = d.or(out, set)
	}
	return out
}

// transferred: of the first packet of a connection it is known, as far as it makes no difference
// whether it is counted already.
func (cs *conditions) transferred(t firewall.Transferred, ask func() ref) ref {
	d := cs.diagram
	decided, answer := cs.number(firewall.FieldSize, sizes(t)...), all
	if !t.Contains(0) {
		decided, answer = d.not(decided), none
	}
	decided = d.and(decided, cs.States(firewall.New).node)
	return d.or(d.minus(ask(), decided), d.and(decided, answer))
}

// InList returns the packets that arrive on an interface of an interface list.
func (cs *conditions) InList(list string) Set {
	c, _, _ := firewall.ReadCondition("in-interface-list", list)
	return Set{cs.meeting("", "", &c)}
}

// Listed returns the packets whose source is in a list in some state of the router: for good, or by
// a rule's doing.
func (cs *conditions) Listed(state routeros.Snapshot, list string) Set {
	set := cs.staticLists(state)(list, true)
	if cs.fillable[list] {
		set = cs.diagram.or(set, cs.boolean(inList(list)))
	}
	return Set{set}
}

// staticLists returns who is in a list for good in one state.
func (cs *conditions) staticLists(state routeros.Snapshot) func(list string, source bool) ref {
	rows := state.Entries[cs.Family.AddressList()]
	return func(list string, source bool) ref {
		key := listKey{list: list, source: source}
		if len(rows) > 0 {
			key.table = &rows[0]
		}
		if known, ok := cs.static[key]; ok {
			return known
		}
		o := &cs.destination
		if source {
			o = &cs.source
		}
		var runs []span
		for i := range rows {
			if e := &rows[i]; e.List == list && !e.Dynamic && !e.Disabled {
				if r, ok := e.Range(); ok && r.First.Is4() == (cs.Family == routeros.IPv4) {
					runs = append(runs, o.run(r.First, r.Last))
				}
			}
		}
		cs.static[key] = cs.diagram.spans(o.axis, joined(runs))
		return cs.static[key]
	}
}
