package space

import (
	"net/netip"
	"time"

	"github.com/rosknock/rosknock/routeros/firewall"
)

// match returns the packets that a rule matches here, of those that are followed.
func (w *walk) match(r *row) ref {
	if r.met.after != w.history || r.met.followed != w.followed {
		r.met.after, r.met.followed = w.history, w.followed
		r.met.packets = w.d.and(w.narrow(r.fixed, r, r.later), w.followed)
	}
	if r.met.packets == none {
		return none
	}
	return w.narrow(r.met.packets, r, r.lists)
}

// narrow returns those of some packets that meet some conditions of a rule here.
func (w *walk) narrow(out ref, r *row, conditions []later) ref {
	for i := range conditions {
		c := &conditions[i]
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

// history is what has happened to the packets of a walk so far, as far as the answers to conditions
// depend on it: 0 is nothing. The same events in the same order have the same number in each walk.
type history int

// event is one thing that happens to packets, after a history.
type event struct {
	after       history
	untracked   ref
	moved, sent translation
	away        bool
}

// happens notes an event.
func (w *walk) happens(e event) {
	e.after = w.history
	known, ok := w.space.events[e]
	if !ok {
		known = history(len(w.space.events) + 1)
		w.space.events[e] = known
	}
	w.history = known
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
