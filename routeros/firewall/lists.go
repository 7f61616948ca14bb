package firewall

import (
	"net/netip"
	"slices"
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
	lists map[listKey]*list
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
	m := &AddressLists{}
	for _, f := range routeros.Families() {
		for _, e := range s.Entries[f.AddressList()] {
			addresses, ok := e.Range()
			if !ok || e.Disabled {
				continue
			}
			entry := member{static: !e.Dynamic}
			if e.Timed {
				entry.until = at.Add(e.Timeout)
			}
			m.list(f, e.List).put(addresses, entry)
		}
	}
	for _, l := range m.lists {
		l.sort()
	}
	return m
}

func (m *AddressLists) list(f routeros.Family, name string) *list {
	if m.lists == nil {
		m.lists = map[listKey]*list{}
	}
	key := listKey{f, name}
	if m.lists[key] == nil {
		m.lists[key] = &list{hosts: map[netip.Addr]*member{}}
	}
	return m.lists[key]
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
	l := m.lists[listKey{f, name}]
	if l == nil {
		return false
	}
	if e := l.hosts[a]; e != nil && e.holds(at) {
		return true
	}
	end, _ := slices.BinarySearchFunc(l.ranges, a, func(r rangeMember, a netip.Addr) int {
		if r.addresses.First.Compare(a) <= 0 {
			return -1
		}
		return 1
	})
	for i := end - 1; i >= 0 && l.reach[i].Compare(a) >= 0; i-- {
		if l.ranges[i].addresses.Contains(a) && l.ranges[i].holds(at) {
			return true
		}
	}
	return false
}

// Apply makes the additions of a packet: a new entry starts its time-out, a dynamic one that is
// there already starts it anew and stays dynamic, a static one is left alone (routeros-facts § 2.6,
// § 3).
func (m *AddressLists) Apply(additions []Addition, at time.Time) {
	for _, a := range additions {
		l := m.list(a.Family, a.List)
		if e := l.hosts[a.Address]; e != nil && e.static && e.holds(at) {
			continue
		}
		known := l.hosts[a.Address] != nil && l.hosts[a.Address].holds(at)
		entry := member{static: a.Timeout.Kind == routeros.NoneStatic && !known}
		if a.Timeout.Kind == routeros.Timed {
			entry.until = at.Add(a.Timeout.For)
		}
		l.hosts[a.Address] = &entry
	}
}
