package firewall

import (
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Lists answers who is in which address list at a moment.
type Lists interface {
	Contains(f routeros.Family, list string, a netip.Addr, at time.Time) bool
}

// AddressLists is a set of address lists that remembers what packets add to it. The zero value is
// empty.
type AddressLists struct {
	mu    sync.Mutex // guards which lists are ready
	lists map[listKey]*list
	// rows are those of the snapshot, read at a moment; of large tables few lists are asked for, so a
	// list is made ready when it is.
	rows map[routeros.Family][]routeros.ListEntry
	at   time.Time
}

type listKey struct {
	family routeros.Family
	name   string
}

// list finds an address among hosts at once, and among ranges by their beginning.
type list struct {
	hosts map[netip.Addr]*member
	// ranges are sorted by their first address; reach[i] is the largest last address of
	// ranges[:i+1], so that a search from the right knows when to stop.
	ranges []rangeMember
	reach  []netip.Addr
}

type rangeMember struct {
	addresses routeros.AddressRange
	member
}

// member is one entry; the zero until never ends.
type member struct {
	until  time.Time
	static bool
}

// join is what two rows of one address are together: the address of a DNS name can be there by
// itself too.
func (m member) join(o member) member {
	if m.until.IsZero() || !o.until.IsZero() && o.until.Before(m.until) {
		return member{m.until, m.static || o.static}
	}
	return member{o.until, m.static || o.static}
}

func (m member) holds(at time.Time) bool { return m.until.IsZero() || at.Before(m.until) }

// NewAddressLists returns the lists of a snapshot that was read at a moment: timed entries end when
// their remaining time is over. Disabled entries and DNS names count for nothing; the addresses of
// a name are rows of their own (routeros-facts § 3).
func NewAddressLists(s routeros.Snapshot, at time.Time) *AddressLists {
	m := &AddressLists{rows: map[routeros.Family][]routeros.ListEntry{}, at: at}
	for _, f := range routeros.Families() {
		m.rows[f] = s.Entries[f.AddressList()]
	}
	return m
}

// list returns a list, made ready.
func (m *AddressLists) list(f routeros.Family, name string) *list {
	key := listKey{f, name}
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.lists[key]; l != nil {
		return l
	}
	l := &list{hosts: map[netip.Addr]*member{}}
	for i := range m.rows[f] {
		e := &m.rows[f][i]
		if e.List != name || e.Disabled {
			continue
		}
		addresses, ok := e.Range()
		if !ok {
			continue
		}
		entry := member{static: !e.Dynamic}
		if e.Timed {
			entry.until = m.at.Add(e.Timeout)
		}
		l.put(addresses, entry)
	}
	l.sort()
	if m.lists == nil {
		m.lists = map[listKey]*list{}
	}
	m.lists[key] = l
	return l
}

func (l *list) put(addresses routeros.AddressRange, entry member) {
	if addresses.First == addresses.Last {
		if old := l.hosts[addresses.First]; old != nil {
			entry = entry.join(*old)
		}
		l.hosts[addresses.First] = &entry
		return
	}
	l.ranges = append(l.ranges, rangeMember{addresses, entry})
}

func (l *list) sort() {
	slices.SortFunc(l.ranges, func(a, b rangeMember) int { return a.addresses.First.Compare(b.addresses.First) })
	l.reach = make([]netip.Addr, len(l.ranges))
	for i, r := range l.ranges {
		l.reach[i] = r.addresses.Last
		if i > 0 && l.reach[i].Less(l.reach[i-1]) {
			l.reach[i] = l.reach[i-1]
		}
	}
}

// Contains implements [Lists].
func (m *AddressLists) Contains(f routeros.Family, name string, a netip.Addr, at time.Time) bool {
	for range m.list(f, name).covering(a, at) {
		return true
	}
	return false
}

// covering are the entries that hold an address at a moment.
func (l *list) covering(a netip.Addr, at time.Time) iter.Seq[*member] {
	return func(yield func(*member) bool) {
		if e := l.hosts[a]; e != nil && e.holds(at) && !yield(e) {
			return
		}
		end, _ := slices.BinarySearchFunc(l.ranges, a, func(r rangeMember, a netip.Addr) int {
			if r.addresses.First.Compare(a) <= 0 {
				return -1
			}
			return 1
		})
		for i := end - 1; i >= 0 && l.reach[i].Compare(a) >= 0; i-- {
			if r := &l.ranges[i]; r.addresses.Contains(a) && r.holds(at) && !yield(&r.member) {
				return
			}
		}
	}
}

// Apply makes the additions of a packet. Every entry that covers the address gets the time-out of
// the rule, and stays dynamic; a static one stays as it is. Only where none covers it, a new entry
// is made: a source inside a timed prefix extends the whole prefix (routeros-facts § 2.6, § 15.1).
// Which of several entries the router extends is unknown; here it is all of them, so that nobody is
// taken for gone who may still be there.
func (m *AddressLists) Apply(additions []Addition, at time.Time) {
	for _, a := range additions {
		var until time.Time
		if a.Timeout.Kind == routeros.Timed {
			until = at.Add(a.Timeout.For)
		}
		l := m.list(a.Family, a.List)
		covered := false
		for e := range l.covering(a.Address, at) {
			if covered = true; !e.static {
				e.until = until
			}
		}
		if !covered {
			l.hosts[a.Address] = &member{until: until, static: a.Timeout.Kind == routeros.NoneStatic}
		}
	}
}
