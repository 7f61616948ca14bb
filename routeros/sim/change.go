package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// changed is called after every change of a row by a command.
func (q *request) changed(t *table, w *row, did string) {
	q.outdate(t)
	q.record(t.menu, did)
	q.fasttrack(t)
	q.notify(t, w, false)
}

// outdate drops the compiled firewall if a change concerns it.
func (r *Router) outdate(t *table) {
	switch t.menu {
	case routeros.AddressList, routeros.AddressList6, routeros.Connection, routeros.Connection6:
	default:
		r.outdated = true
	}
}

// fasttrack puts the dummy row in front of a filter table with an active fasttrack rule. It stays
// until a reboot, even if the rule is removed (routeros-facts § 2.5).
func (r *Router) fasttrack(t *table) {
	if t.menu != routeros.Filter && t.menu != routeros.Filter6 {
		return
	}
	active := func(w *row) bool {
		return w.get("action") == "fasttrack-connection" && !w.attrs.Bool("disabled")
	}
	if slices.ContainsFunc(t.rows, func(w *row) bool { return w.builtin }) || !slices.ContainsFunc(t.rows, active) {
		return
	}
	t.insert(0, &row{
		attrs:   routeros.MakeAttributes("chain", "forward", "action", "passthrough", "comment", "special dummy rule to show fasttrack counters"),
		dynamic: true, builtin: true, count: &counters{}, created: r.clock.wall(r.clock.now()),
	})
	r.outdated = true
}

// notify tells the sessions that listen to a menu.
func (r *Router) notify(t *table, w *row, dead bool) {
	for s := range r.sessions {
		for _, l := range s.listens {
			if l.menu != t.menu {
				continue
			}
			words := []string{"!re", "=.id=" + formatID(w.id), "=.dead=true"}
			if !dead {
				words = []string{"!re"}
				for name, value := range r.show(t.menu, w).All() {
					words = append(words, "="+name+"="+value)
				}
			}
			s.send(l.tag, words)
		}
	}
}

// Reboot loses everything that is not configuration: dynamic rows, connections, counters, sessions.
// What happens to a held safe mode is unknown: its changes stay and it is gone, unless a knob says
// otherwise. The scheduler starts anew.
func (r *Router) Reboot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reboot()
}

func (r *Router) reboot() {
	if r.options.Knobs.RebootUnrolls {
		r.unroll()
	}
	r.safe = nil
	for s := range r.sessions {
		delete(r.sessions, s)
		s.finish()
	}
	r.booted = r.clock.now()
	r.down = r.booted.Add(r.options.Knobs.BootTime)
	r.jobs.suspended = nil
	clear(r.flows)
	r.history().begin(r.clock.wall(r.booted))
	for _, t := range r.tables {
		for i, w := range slices.Backward(t.rows) {
			if w.dynamic {
				t.delete(i)
			} else if w.count != nil {
				*w.count = counters{}
			}
		}
		r.fasttrack(t)
	}
	r.outdated = true
	t := r.tables.of(routeros.Scheduler)
	for i, w := range t.rows {
		again := *w
		again.runs = 0
		again.next = r.jobs.firstRun(&again)
		r.ends(r.clock.when(again.next))
		t.replace(i, &again)
	}
}

// safeMode is a hold of safe mode: the session that has it and the tables as they were.
type safeMode struct {
	owner    *session
	tables   map[routeros.Menu]saved
	identity string
	changes  int
	first    uint32    // the id of its first action in the history
	unrollAt time.Time // set when the holder's session has ended
}

// saved is a table as it was when safe mode was taken.
type saved struct {
	rows []*row
	next uint32
}

func (q *request) safeModeVerb() *trap {
	switch q.verb {
	case "take":
		return q.take()
	case "release":
		q.safe = nil // from any session (routeros-facts § 6.1)
	case "unroll":
		q.unroll()
	}
	return nil
}

// take begins safe mode. If somebody holds it, on-error says what happens to their changes; without
// it, or with abort or ask, the take is refused.
func (q *request) take() *trap {
	switch onError := q.attrs["on-error"]; {
	case onError != "" && !slices.Contains([]string{"abort", "ask", "release", "unroll"}, onError):
		return noValueOf("on-error")
	case q.safe != nil && onError == "unroll":
		q.unroll()
	case q.safe != nil && onError != "release":
		return failure("Safe Mode is taken by current user in another session.")
	}
	q.safe = &safeMode{owner: q.session, tables: map[routeros.Menu]saved{}, identity: q.identity, first: q.tables.of(routeros.History).next}
	for m, t := range q.tables {
		if undoable(m) {
			q.safe.tables[m] = saved{slices.Clone(t.rows), t.next}
		}
	}
	return nil
}

func undoable(m routeros.Menu) bool {
	return m != routeros.Connection && m != routeros.Connection6 && m != routeros.Log && m != routeros.History
}

// unroll restores the tables. Dynamic rows are not configuration and stay as they are. Whether a
// removed row gets its id back is unknown (routeros-facts § 6.1).
func (r *Router) unroll() {
	safe := r.safe
	if safe == nil {
		return
	}
	r.safe, r.identity, r.outdated = nil, safe.identity, true
	r.history().forgetSince(safe.first)
	for m, t := range r.tables {
		if undoable(m) {
			r.restore(t, safe.tables[m])
		}
	}
}

func (r *Router) restore(t *table, was saved) {
	keep := func(w *row) bool { return w.dynamic && !w.builtin }
	live := slices.Clone(t.rows)
	t.rows, t.lists = nil, nil
	if !r.options.Knobs.FreshIDs {
		t.next = max(was.next, 1)
		for _, w := range live {
			if keep(w) {
				t.next = max(t.next, w.id+1)
			}
		}
	}
	for _, w := range was.rows {
		still := slices.ContainsFunc(live, func(x *row) bool { return x.id == w.id })
		switch {
		case keep(w):
			continue
		case !still && !r.options.Knobs.UnrollKeepsIDs && !w.builtin:
			again := *w
			t.insert(len(t.rows), &again)
		default:
			t.put(len(t.rows), w)
		}
	}
	for _, w := range live {
		if keep(w) {
			t.put(len(t.rows), w)
		}
	}
	for _, w := range t.rows {
		r.notify(t, w, false)
	}
}

// bury ends the sessions that have been silent for too long, and undoes the safe mode of one that
// has ended.
func (r *Router) bury(now time.Time) {
	for s := range r.sessions {
		switch {
		case s.silentUntil.IsZero():
		case now.Before(s.silentUntil):
			r.ends(s.silentUntil)
		default:
			r.leave(s)
		}
	}
	if r.safe == nil || r.safe.unrollAt.IsZero() {
		return
	}
	if now.Before(r.safe.unrollAt) {
		r.ends(r.safe.unrollAt)
		return
	}
	r.unroll()
}

// leave is called when a session ends: a safe mode that it holds is undone.
func (r *Router) leave(s *session) {
	delete(r.sessions, s)
	switch after := r.options.Knobs.UnrollAfter; {
	case r.safe == nil || r.safe.owner != s:
	case after > 0:
		r.safe.unrollAt = r.clock.now().Add(after)
		r.ends(r.safe.unrollAt)
	default:
		r.unroll()
	}
}

// row is /safe-mode as a session sees it.
func (m *safeMode) row(s *session, byUser bool) routeros.Attributes {
	if m == nil {
		return routeros.MakeAttributes("enabled", "false", "current", "false")
	}
	current := m.owner == s || byUser && m.owner.user == s.user
	return routeros.MakeAttributes("enabled", "true", "user", m.owner.user, "current", routeros.FormatBool(current), "owner", m.owner.service)
}
