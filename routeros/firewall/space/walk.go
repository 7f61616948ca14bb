package space

import (
	"net/netip"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Result is what one state of a firewall does with all packets.
type Result struct {
	// Accepted are the packets that reach the router itself, Forwarded those that destination NAT
	// sends elsewhere and the filter's forward chain lets go there. All others are stopped.
	Accepted, Forwarded Set
	// Fills are the additions to address lists.
	Fills []Fill
	// Incomplete says that chains jump in circles, so that the walk was cut short; Astray, that
	// those of what is sent on do.
	Incomplete, Astray bool
	hits               map[routeros.Menu][]ref

	accepts map[routeros.Menu][]ref
	ends    map[routeros.Menu][]ref
	moved   []translation
	sent    []translation
}

// Fill is what one rule adds to an address list.
type Fill struct {
	List    string
	Source  bool // the packet's source; else its destination
	Timeout routeros.ListTimeout
	Rule    *routeros.Rule
	Packets Set // those that make the rule add
}

// Hits returns the packets that arrive at a row of a table and match it.
func (r Result) Hits(menu routeros.Menu, row int) Set { return at(r.hits[menu], row) }

// Accepts returns the packets that a row of a built-in chain accepts, itself or through the chain
// that it jumps to.
func (r Result) Accepts(menu routeros.Menu, row int) Set { return at(r.accepts[menu], row) }

// Ends returns the packets whose way through a table ends at a row of a built-in chain, at itself
// or in the chain that it jumps to: they are accepted there, stopped, sent elsewhere, or leave the
// chain.
func (r Result) Ends(menu routeros.Menu, row int) Set { return at(r.ends[menu], row) }

func at(sets []ref, i int) Set {
	if i >= len(sets) {
		return Set{}
	}
	return Set{sets[i]}
}

// Sent returns the packets that destination NAT sends to a port of a host, whether or not forward
// lets them go there. What may go to one of several hosts is among them.
func (s *Space) Sent(r Result, to netip.Addr, port uint16) Set {
	out := none
	for _, m := range r.sent {
		packets := m.packets
		switch {
		case m.hosts.First.IsValid() && !m.hosts.Contains(to):
			continue
		case m.anyPort:
		case m.port == 0:
			packets = s.diagram.and(packets, s.Ports(routeros.Ports{{First: port, Last: port}}).node)
		case m.port != port:
			continue
		}
		out = s.diagram.or(out, packets)
	}
	return Set{s.diagram.and(out, s.having(firewall.NeedPorts))}
}

// Arriving returns the packets that come to the filter with one of the destination ports: those
// that were sent there, less those that destination NAT has given another port, and those that it
// has sent there.
func (s *Space) Arriving(r Result, ports routeros.Ports) Set {
	out := s.Ports(ports).node
	for _, m := range r.moved {
		if m.port == 0 {
			continue
		}
		if out = s.diagram.minus(out, m.packets); ports.Contains(m.port) {
			out = s.diagram.or(out, s.diagram.and(m.packets, s.having(firewall.NeedPorts)))
		}
	}
	return Set{out}
}

// walk is all packets on their way through one state. Sets are of packets as they arrived; what a
// packet has become since (untracked, sent to another port) is kept beside.
type walk struct {
	space  *Space
	d      *diagram
	result Result

	followed ref // all packets: those that reach a rule are among them
	history  history

	untracked ref
	moved     []translation
	sent      []translation
	away      bool            // the packets that are followed now were sent elsewhere
	filled    map[listKey]ref // additions so far, which later rules of the same packet see
	fills     map[fillKey]int
	accepted  ref // by the table that is followed now
	forwarded ref
	own       firewall.Own
	static    func(list string, source bool) ref
	steps     int
}

// translation is destination NAT that keeps packets on the router. Those that keep address and port
// do not count as translated.
type translation struct {
	packets, changed ref
	address          netip.Addr
	port             uint16
	// Of packets that are sent elsewhere: to which hosts, any where they are not known. vague says
	// that it is one of several, anyPort that the port is one of several.
	hosts          routeros.AddressRange
	vague, anyPort bool
}

type listKey struct {
	list   string
	source bool
	away   bool // filled with where destination NAT had sent the packets by then
	table  *routeros.ListEntry
}

type fillKey struct {
	menu routeros.Menu
	row  int
}

const mostLook = 2_000_000

// Walk returns what a state of the firewall does with every packet that is addressed to the router:
// raw prerouting, then dst-nat for the first packet of a connection, then the filter's input chain,
// or its forward chain for what dst-nat sends elsewhere. The state has to be one of those that the
// space was made of. Where sets are given, only the packets in one of them are followed.
func (s *Space) Walk(state routeros.Snapshot, within ...Set) Result {
	w := &walk{
		space: s, d: s.diagram, filled: map[listKey]ref{}, fills: map[fillKey]int{},
		own: firewall.OwnOf(state), static: s.staticLists(state),
	}
	w.result.hits = map[routeros.Menu][]ref{}
	w.result.accepts, w.result.ends = map[routeros.Menu][]ref{}, map[routeros.Menu][]ref{}
	w.followed = s.followed(within)
	reach := w.followed
	for _, stop := range []struct {
		menu  routeros.Menu
		chain string
	}{{s.Family.Raw(), "prerouting"}, {s.Family.NAT(), "dstnat"}, {s.Family.Filter(), "input"}} {
		rows, ok := state.Rules[stop.menu]
		if !ok {
			continue
		}
		w.result.hits[stop.menu] = make([]ref, len(rows))
		w.result.accepts[stop.menu], w.result.ends[stop.menu] = make([]ref, len(rows)), make([]ref, len(rows))
		t := s.table(stop.menu, rows)
		w.accepted = none
		passing := reach
		if stop.chain == "dstnat" {
			passing = w.d.minus(w.d.and(reach, s.States(0).node), w.untracked)
		}
		rest := w.chain(t, stop.chain, passing, 0)
		reach = w.d.or(w.d.or(w.accepted, rest), w.d.minus(reach, passing))
	}
	w.result.moved, w.result.sent = w.moved, w.sent
	w.result.Accepted, w.result.Forwarded = Set{reach}, Set{w.forward(state, w.forwarded)}
	return w.result
}

// forward lets the packets that were sent elsewhere through the filter's forward chain and returns
// those that may go on.
func (w *walk) forward(state routeros.Snapshot, reach ref) ref {
	rows, ok := state.Rules[w.space.Family.Filter()]
	if !ok || reach == none {
		return reach
	}
	w.away, w.accepted = true, none
	w.happens(event{away: true})
	rest := w.chain(w.space.table(w.space.Family.Filter(), rows), "forward", reach, 0)
	return w.d.or(w.accepted, rest)
}

func (s *Space) followed(sets []Set) ref {
	if sets == nil {
		return s.valid
	}
	out := none
	for _, set := range sets {
		out = s.diagram.or(out, set.node)
	}
	return s.diagram.and(out, s.valid)
}

// Asks returns the packets that a rule asks for on their arrival, whatever stands before it: as if
// it were the only rule.
func (s *Space) Asks(state routeros.Snapshot, menu routeros.Menu, r *routeros.Rule) Set {
	w := &walk{space: s, d: s.diagram, followed: s.valid, filled: map[listKey]ref{}, static: s.staticLists(state)}
	return Set{w.match(s.row(menu, r))}
}

// chain lets packets through a chain and returns those that come out behind it.
func (w *walk) chain(t *table, name string, reach ref, depth int) ref {
	returned := none
	for _, i := range t.chain(w.space, name) {
		if w.steps++; w.steps > mostLook {
			w.cutShort()
			break
		}
		if reach == none {
			break
		}
		row := t.row(w.space, i)
		hit := w.d.and(reach, w.match(row))
		if hit == none {
			continue
		}
		w.result.hits[t.menu][i] = w.d.or(w.result.hits[t.menu][i], hit)
		before := w.accepted
		stays, back := w.act(t, i, row, hit, depth)
		if depth == 0 {
			w.result.accepts[t.menu][i] = w.d.minus(w.accepted, before)
			w.result.ends[t.menu][i] = w.d.minus(hit, stays)
		}
		returned = w.d.or(returned, back)
		if stays != hit {
			reach = w.d.or(w.d.minus(reach, hit), stays)
		}
	}
	return w.d.or(reach, returned)
}

// cutShort notes that not everything was followed.
func (w *walk) cutShort() {
	if w.away {
		w.result.Astray = true
		return
	}
	w.result.Incomplete = true
}

// act carries out a rule for the packets that match it. It returns those that go on with the next
// rule, and those that leave the chain for where they came from.
func (w *walk) act(t *table, i int, r *row, hit ref, depth int) (stays, back ref) {
	switch r.Action.Effect {
	case firewall.Decides:
		if r.Action.Verdict == firewall.Accept {
			w.accept(hit)
		}
		return none, none
	case firewall.Returns:
		return none, hit
	case firewall.Jumps:
		if depth == firewall.Deepest {
			w.cutShort()
			return hit, none
		}
		return w.chain(t, r.Target, hit, depth+1), none
	case firewall.Untracks:
		w.untracked = w.d.or(w.untracked, hit)
		w.happens(event{untracked: hit})
	case firewall.Fills:
		w.fill(t, i, r, hit)
	case firewall.Translates:
		w.translate(r, hit)
		return none, none
	case firewall.Unheard:
		return w.unknown(t, i, hit), none
	}
	return hit, none
}

// unknown is an action that nobody here knows: it may let packets go on, stop them, accept them or
// send them elsewhere.
func (w *walk) unknown(t *table, i int, hit ref) ref {
	ends := w.d.and(hit, w.space.boolean(ofAction(endsChain, t.menu, t.rows[i].ID)))
	accepts := w.d.and(ends, w.space.boolean(ofAction(acceptsThere, t.menu, t.rows[i].ID)))
	w.accept(accepts)
	if t.menu == w.space.Family.NAT() {
		w.sendAway(w.d.minus(ends, accepts), translation{vague: true, anyPort: true})
	}
	return w.d.minus(hit, ends)
}

func (w *walk) accept(hit ref) { w.accepted = w.d.or(w.accepted, hit) }

func (w *walk) fill(t *table, i int, r *row, hit ref) {
	key := listKey{list: r.Fill.List, source: r.Fill.Of == firewall.Source}
	elsewhere := none // their destination is another one by now
	switch {
	case key.source:
	case w.away:
		elsewhere = hit
	default:
		for _, m := range w.moved {
			if m.address.IsValid() {
				elsewhere = w.d.or(elsewhere, w.d.and(hit, m.packets))
			}
		}
	}
	w.filled[key] = w.d.or(w.filled[key], w.d.minus(hit, elsewhere))
	there := listKey{list: key.list, away: true}
	w.filled[there] = w.d.or(w.filled[there], elsewhere)
	at, ok := w.fills[fillKey{t.menu, i}]
	if !ok {
		at = len(w.result.Fills)
		w.fills[fillKey{t.menu, i}] = at
		w.result.Fills = append(w.result.Fills, Fill{List: key.list, Source: key.source, Timeout: r.Fill.Timeout, Rule: &t.rows[i]})
	}
	f := &w.result.Fills[at]
	f.Packets = Set{w.d.or(f.Packets.node, hit)}
}

// translate is destination NAT: away from the router, or to another address or port of it. Redirect
// sends to the first address of the interface on which a packet came in. Which of several addresses
// a packet gets is the router's choice.
func (w *walk) translate(r *row, hit ref) {
	to := r.Translate
	stay, own := w.own.Stays(to)
	switch {
	case stay == firewall.Leaves:
		w.sendAway(hit, away(to))
		return
	case stay == firewall.MayLeave:
		stays := w.d.and(hit, w.space.boolean(toWhich(to)))
		w.sendAway(w.d.minus(hit, stays), away(to))
		hit = stays
		w.move(hit, own, to.Port)
	case to.Redirect:
		rest := hit
		for _, name := range w.space.interfaces {
			if own, ok := w.own.Primary(w.space.Family, name); ok {
				here := w.d.and(hit, w.space.In(name).node)
				w.move(here, own, to.Port)
				rest = w.d.minus(rest, here)
			}
		}
		w.move(rest, netip.Addr{}, to.Port)
	default:
		w.move(hit, own, to.Port)
	}
	w.accept(hit)
}

// sendAway notes where packets go that leave the router again.
func (w *walk) sendAway(packets ref, to translation) {
	if packets != none {
		to.packets, to.changed = packets, packets
		w.sent = append(w.sent, to)
		w.happens(event{sent: to})
	}
	w.forwarded = w.d.or(w.forwarded, packets)
}

// away is where a rule sends packets that do not stay on the router.
func away(t firewall.Translation) translation {
	one := t.To.First == t.To.Last && t.To.First.IsValid()
	return translation{address: t.To.First, port: t.Port, hosts: t.To, vague: !one, anyPort: t.AnyPort}
}

// move notes where packets go instead.
func (w *walk) move(packets ref, to netip.Addr, port uint16) {
	if packets == none {
		return
	}
	s, same := w.space, packets
	if to.IsValid() {
		same = w.d.and(same, w.to(to))
	}
	if port != 0 {
		there := s.Ports(routeros.Ports{{First: port, Last: port}}).node
		same = w.d.and(same, w.d.or(there, w.d.not(s.having(firewall.NeedPorts))))
	}
	m := translation{packets: packets, changed: w.d.minus(packets, same), address: to, port: port}
	w.moved = append(w.moved, m)
	w.happens(event{moved: m})
}
