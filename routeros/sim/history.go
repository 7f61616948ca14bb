package sim

import (
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// historySize is how many actions /system/history keeps, and so how many safe mode can undo
// (routeros-facts § 6.1).
const historySize = 100

// record writes an action of a session into the history, newest first, as a console prints it
// (MikroTik's manual, Configuration Management). A command on several items makes several actions:
// unknown, and the harder case for safe mode, which ends silently when the history can't hold its
// actions (routeros-facts § 6.1). Effects of packets are not actions.
func (q *request) record(m routeros.Menu, did string) {
	policy := "write"
	if strings.HasPrefix(string(m), "/user") {
		policy = "write,policy"
	}
	q.history().remember(routeros.MakeAttributes("action", subject(m)+" "+did, "by", q.session.user, "policy", policy), q.clock.wall(q.clock.now()))
	if q.safe != nil {
		if q.safe.changes++; q.safe.changes > historySize {
			q.safe = nil
		}
	}
}

// history is the table of /system/history.
type history struct{ *table }

func (r *Router) history() history { return history{r.tables.of(routeros.History)} }

func (h history) remember(attrs routeros.Attributes, at time.Time) {
	h.insert(0, &row{attrs: attrs, created: at})
	if len(h.rows) > historySize {
		h.delete(historySize)
	}
}

// begin empties the history, as a router does when it starts, but for a row that belongs to nobody
// (MikroTik's manual, Configuration Management). That a reboot empties it is inferred.
func (h history) begin(at time.Time) {
	h.rows = nil
	h.remember(routeros.MakeAttributes("action", "---", "by", "", "policy", "write"), at)
}

// forgetSince removes the actions of a safe mode from the history once they are undone; that they
// vanish is inferred.
func (h history) forgetSince(first uint32) {
	for len(h.rows) > 0 && h.rows[0].id >= first {
		h.delete(0)
	}
}

// showAction adds the present state of an action: it floats while its safe mode is held.
func (r *Router) showAction(a routeros.Attributes, w *row) routeros.Attributes {
	floats := r.safe != nil && w.id >= r.safe.first
	return a.Merge(routeros.MakeAttributes("time", r.clock.stamp(w.created), "undoable", routeros.FormatBool(!floats),
		"redoable", "false", "floating-undo", routeros.FormatBool(floats)))
}

// subject is what the history calls an item of a menu. Those of rules, list entries and services
// were seen, the others are inferred.
func subject(m routeros.Menu) string {
	switch m {
	case routeros.Filter, routeros.Filter6:
		return "filter rule"
	case routeros.NAT, routeros.NAT6:
		return "nat rule"
	case routeros.Raw, routeros.Raw6:
		return "raw rule"
	case routeros.AddressList, routeros.AddressList6:
		return "address list entry"
	case routeros.ServiceMenu:
		return "ip service"
	case routeros.Scheduler:
		return "scheduled script"
	}
	words := strings.FieldsFunc(string(m), func(r rune) bool { return r == '/' || r == '-' })
	return strings.Join(words, " ")
}
