package sim

import (
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// row is one row of a table. Its attributes are never changed in place, so that saved tables
// may share rows with the live one.
type row struct {
	id      uint32
	attrs   routeros.Attributes // what was written, in the form in which it is printed
	dynamic bool
	builtin bool      // made by the router; refuses every change (routeros-facts § 2.5)
	created time.Time // by the clock on the wall
	until   time.Time // when it ends; zero is never
	next    time.Time // of a scheduler entry: when it runs, of a script: when it ran, by the clock on the wall; zero is never
	runs    int       // of a scheduler entry or a script, since the last start
	hidden  int       // of a scheduler entry: how many prints do not show it, until shows
	shows   time.Time
	count   *counters
	// password is a user's password; with anyPassword every other works too. No print shows it.
	password    string
	anyPassword bool
	to          netip.AddrPort // of a connection: where destination NAT sends it
	answered    bool           // of a connection
}

type counters struct{ bytes, packets uint64 }

func (w *row) get(name string) string { return w.attrs.Get(name) }

// over reports whether the row has run out.
func (w *row) over(now time.Time) bool { return !w.until.IsZero() && !now.Before(w.until) }

// formatID prints an id: a star and upper-case hexadecimal digits (routeros-facts § 11.13).
func formatID(id uint32) string { return "*" + strings.ToUpper(strconv.FormatUint(uint64(id), 16)) }

func parseID(s string) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, "*")
	if !ok {
		return 0, false
	}
	id, err := strconv.ParseUint(digits, 16, 32)
	return uint32(id), err == nil
}

func itoa(n int) string { return strconv.Itoa(n) }

// table is the rows of one menu in their order.
type table struct {
	menu  routeros.Menu
	rows  []*row
	next  uint32
	lists map[string]*members // of address lists: by list
}

// members is the rows of one address list, by address.
type members struct {
	hosts  map[netip.Addr][]*row
	ranges []*row
}

func (t *table) append(pairs ...string) *row {
	w := &row{attrs: routeros.MakeAttributes(pairs...)}
	t.insert(len(t.rows), w)
	return w
}

// insert puts a row at a position and gives it the next id.
func (t *table) insert(at int, w *row) {
	w.id = t.next
	t.next++
	t.put(at, w)
}

func (t *table) put(at int, w *row) {
	t.rows = slices.Insert(t.rows, at, w)
	t.index(w)
}

func (t *table) delete(at int) {
	t.unindex(t.rows[at])
	t.rows = slices.Delete(t.rows, at, at+1)
}

// replace puts a changed row in the place of the old one.
func (t *table) replace(at int, w *row) {
	t.unindex(t.rows[at])
	t.rows[at] = w
	t.index(w)
}

func (t *table) find(id uint32) int {
	return slices.IndexFunc(t.rows, func(w *row) bool { return w.id == id })
}

func (t *table) index(w *row) {
	if !t.isList() {
		return
	}
	if t.lists == nil {
		t.lists = map[string]*members{}
	}
	m := t.lists[w.get("list")]
	if m == nil {
		m = &members{hosts: map[netip.Addr][]*row{}}
		t.lists[w.get("list")] = m
	}
	if r, err := routeros.ParseAddressRange(w.get("address")); err == nil && r.First == r.Last {
		m.hosts[r.First] = append(m.hosts[r.First], w)
		return
	}
	m.ranges = append(m.ranges, w)
}

func (t *table) isList() bool {
	return t.menu == routeros.AddressList || t.menu == routeros.AddressList6
}

func (t *table) unindex(w *row) {
	m := t.lists[w.get("list")]
	if m == nil {
		return
	}
	same := func(x *row) bool { return x == w }
	if r, err := routeros.ParseAddressRange(w.get("address")); err == nil && r.First == r.Last {
		if m.hosts[r.First] = slices.DeleteFunc(m.hosts[r.First], same); len(m.hosts[r.First]) == 0 {
			delete(m.hosts, r.First)
		}
		return
	}
	m.ranges = slices.DeleteFunc(m.ranges, same)
}

// duplicate returns the enabled row of a list with this very address (routeros-facts § 3).
func (t *table) duplicate(list, address string) *row {
	m := t.lists[list]
	if m == nil {
		return nil
	}
	candidates := m.ranges
	if r, err := routeros.ParseAddressRange(address); err == nil && r.First == r.Last {
		candidates = m.hosts[r.First]
	}
	for _, w := range candidates {
		if !w.attrs.Bool("disabled") && w.get("address") == address {
			return w
		}
	}
	return nil
}

// contains reports whether an enabled entry of the list holds the address.
func (t *table) contains(list string, a netip.Addr, at time.Time) bool {
	for range t.covering(list, a, at) {
		return true
	}
	return false
}

// covering are the enabled entries of a list that hold an address.
func (t *table) covering(list string, a netip.Addr, at time.Time) iter.Seq[*row] {
	return func(yield func(*row) bool) {
		m := t.lists[list]
		if m == nil {
			return
		}
		holds := func(w *row) bool { return !w.attrs.Bool("disabled") && !w.over(at) }
		for _, w := range m.hosts[a] {
			if holds(w) && !yield(w) {
				return
			}
		}
		for _, w := range m.ranges {
			if r, err := routeros.ParseAddressRange(w.get("address")); err == nil && r.Contains(a) && holds(w) && !yield(w) {
				return
			}
		}
	}
}

// uncover lets a later print show the entries that this print does not show.
func (t *table) uncover() {
	for _, w := range t.rows {
		w.hidden = max(0, w.hidden-1)
	}
}
