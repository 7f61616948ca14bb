package firewall

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Firewall is the firewall of one router, made ready for evaluation. What it answers never changes,
// and it may be used by several goroutines. A rule is made ready when the first packet comes to it:
// most tables are asked about few of their chains.
type Firewall struct {
	tables  map[routeros.Menu]*table
	members map[string]map[string]bool // interface list → interfaces, include and exclude resolved
	ifaces  map[string]routeros.Interface
	bcast   map[netip.Addr]bool
	nets    []routeros.InterfaceAddress
	partly  map[routeros.Menu]routeros.ListReading
	Own
}

type table struct {
	menu   routeros.Menu
	rows   []routeros.Rule
	sorted sync.Once
	rules  []atomic.Pointer[Rule]
	chains map[string][]int // positions of the enabled rules of a chain
	// earlier are rules that an earlier firewall has compiled, by where their attributes are.
	earlier map[*routeros.Attribute]*Rule
}

// NewFirewall prepares the tables of a snapshot.
func NewFirewall(s routeros.Snapshot) *Firewall {
	w := &Firewall{
		tables: map[routeros.Menu]*table{}, ifaces: map[string]routeros.Interface{}, bcast: map[netip.Addr]bool{}, partly: s.PartlyRead, Own: OwnOf(s),
	}
	for _, i := range s.Interfaces {
		w.ifaces[i.Name] = i
	}
	for _, a := range s.Addresses {
		if a.Disabled {
			continue
		}
		w.nets = append(w.nets, a)
		if a.Prefix.Addr().Is4() && a.Prefix.Bits() < 31 {
			w.bcast[routeros.PrefixRange(a.Prefix).Last] = true
		}
	}
	w.members = resolveLists(s)
	for menu, rows := range s.Rules {
		w.tables[menu] = &table{menu: menu, rows: rows}
	}
	return w
}

// Renew prepares the tables of a later snapshot, as [NewFirewall] does. Rows that both snapshots
// share are not compiled again: a row is known by where its attributes are, as in [Rules].
func (w *Firewall) Renew(s routeros.Snapshot) *Firewall {
	next := NewFirewall(s)
	for menu, t := range next.tables {
		if old := w.tables[menu]; old != nil {
			t.earlier = old.compiled()
		}
	}
	return next
}

// compiled are the rules that are compiled so far.
func (t *table) compiled() map[*routeros.Attribute]*Rule {
	t.sort()
	out := make(map[*routeros.Attribute]*Rule, len(t.rows))
	for i, row := range t.rows {
		if len(row.Attrs) == 0 {
			continue
		}
		at := &row.Attrs[0]
		if r := cmp.Or(t.rules[i].Load(), t.earlier[at]); r != nil {
			out[at] = r
		}
	}
	return out
}

// chain returns the positions of the enabled rules of a chain.
func (t *table) chain(name string) []int {
	t.sort()
	return t.chains[name]
}

// sort finds out which rules are in which chain, once.
func (t *table) sort() {
	t.sorted.Do(func() {
		t.rules, t.chains = make([]atomic.Pointer[Rule], len(t.rows)), map[string][]int{}
		for i := range t.rows {
			if r := &t.rows[i]; !r.Disabled() {
				t.chains[r.Chain()] = append(t.chains[r.Chain()], i)
			}
		}
	})
}

// rule returns a rule of a chain, compiled. Two goroutines that come to it at once make the same of
// it.
func (t *table) rule(i int) *Rule {
	r := t.rules[i].Load()
	if r == nil {
		if row := &t.rows[i]; len(row.Attrs) > 0 {
			r = t.earlier[&row.Attrs[0]]
		}
		if r == nil {
			r = Compile(&t.rows[i])
		}
		t.rules[i].Store(r)
	}
	return r
}

// InInterfaceList reports whether an interface is in an interface list, include and exclude
// followed.
func (w *Firewall) InInterfaceList(name, list string) bool {
	switch list {
	case "all":
		return true
	case "none":
		return false
	case "dynamic", "static":
		i, ok := w.ifaces[name]
		return ok && i.Dynamic == (list == "dynamic")
	}
	return w.members[list][name]
}

// HasList reports whether the firewall knows an interface list, with its members.
func (w *Firewall) HasList(list string) bool {
	_, ok := w.members[list]
	return ok
}

// resolveLists returns the interfaces of every list. A list holds its members and those of the
// lists it includes, less those of the lists it excludes. Lists that lead back to themselves are
// worked out by going round until nothing changes, at most once for each list.
func resolveLists(s routeros.Snapshot) map[string]map[string]bool {
	own := map[string]map[string]bool{"all": {}, "none": {}, "dynamic": {}, "static": {}}
	for _, l := range s.InterfaceLists {
		if own[l.Name] == nil {
			own[l.Name] = map[string]bool{}
		}
	}
	for _, i := range s.Interfaces {
		own["all"][i.Name] = true
		own[map[bool]string{true: "dynamic", false: "static"}[i.Dynamic]][i.Name] = true
	}
	for _, m := range s.ListMembers {
		if own[m.List] == nil {
			own[m.List] = map[string]bool{}
		}
		if !m.Disabled {
			own[m.List][m.Interface] = true
		}
	}
	resolved := own
	for range s.InterfaceLists {
		next := maps.Clone(own)
		for _, l := range s.InterfaceLists {
			if len(l.Include)+len(l.Exclude) > 0 {
				next[l.Name] = combined(own[l.Name], l, resolved)
			}
		}
		if maps.EqualFunc(next, resolved, maps.Equal[map[string]bool, map[string]bool]) {
			break
		}
		resolved = next
	}
	return resolved
}

func combined(own map[string]bool, l routeros.InterfaceList, resolved map[string]map[string]bool) map[string]bool {
	in := map[string]bool{}
	for _, name := range l.Include {
		maps.Copy(in, resolved[name])
	}
	for _, name := range l.Exclude {
		for i := range resolved[name] {
			delete(in, i)
		}
	}
	maps.Copy(in, own)
	return in
}

// Leaves returns the interface by which a packet to an address leaves, as far as the networks that
// are connected tell: the one of the longest prefix. Where there is none, or there are two, only
// the routing table knows.
func (w *Firewall) Leaves(to netip.Addr) (name string, known bool) {
	longest := -1
	for _, a := range w.nets {
		switch bits := a.Prefix.Bits(); {
		case !a.Prefix.Contains(to) || bits < longest:
		case bits == longest:
			known = known && name == a.Interface
		default:
			name, known, longest = a.Interface, true, bits
		}
	}
	return name, known
}

// Input returns the fate of a packet that is addressed to the router itself: raw prerouting, then
// dst-nat for the first packet of a connection, then the filter's input chain, or its forward chain
// where dst-nat sent it elsewhere (routeros-facts § 2.6). Matchers that can't be decided count as
// not matching; [Firewall.Dispositions] follows both answers.
func (w *Firewall) Input(p Packet, lists Lists, at time.Time) Disposition {
	return w.run(p, lists, at, option{})
}

// Decide is [Firewall.Input] with an oracle that settles what the packet alone does not: it is
// asked for every rule that would match but for undecided matchers, and about an action that is not
// known: whether it ends the chain, and if so, whether it accepts.
func (w *Firewall) Decide(p Packet, lists Lists, at time.Time, oracle func(r *routeros.Rule, matchers []string) bool) Disposition {
	return w.run(p, lists, at, option{oracle: oracle})
}

// Trace is [Firewall.Input] with every rule that was looked at in the trail.
func (w *Firewall) Trace(p Packet, lists Lists, at time.Time) Disposition {
	return w.run(p, lists, at, option{all: true})
}

// mostFates bounds how many answers of undecided matchers are followed for one packet.
const mostFates = 512

// Dispositions returns every fate that a packet can have over all answers of the undecided matchers
// that it meets, the one of [Firewall.Input] first. Dispositions of equal verdict, rule and
// additions come once. Beyond 512 runs the rest is given up: every fate is then marked as
// incomplete.
func (w *Firewall) Dispositions(p Packet, lists Lists, at time.Time) []Disposition {
	var fates []Disposition
	answers := []bool{}
	for range mostFates {
		asked := 0
		fate := w.run(p, lists, at, option{oracle: func(*routeros.Rule, []string) bool {
			if asked == len(answers) {
				answers = append(answers, false)
			}
			asked++
			return answers[asked-1]
		}})
		if !slices.ContainsFunc(fates, func(f Disposition) bool { return f.same(fate) }) {
			fates = append(fates, fate)
		}
		answers = answers[:asked]
		for len(answers) > 0 && answers[len(answers)-1] {
			answers = answers[:len(answers)-1]
		}
		if len(answers) == 0 {
			return fates
		}
		answers[len(answers)-1] = true
	}
	for i := range fates {
		fates[i].Incomplete = true
	}
	return fates
}

func (f Disposition) same(o Disposition) bool {
	return f.Verdict == o.Verdict && f.Rule == o.Rule && slices.Equal(f.Additions, o.Additions)
}

type option struct {
	all    bool
	oracle func(*routeros.Rule, []string) bool
}

func (w *Firewall) run(p Packet, lists Lists, at time.Time, o option) Disposition {
	k := w.begin(p, lists, at, o)
	k.toRouter = true
	for _, stop := range []struct {
		menu  routeros.Menu
		chain string
	}{
		{k.family.Raw(), "prerouting"},
		{k.family.NAT(), "dstnat"},
		{k.family.Filter(), "input"},
	} {
		if stop.chain == "input" && k.follows() {
			k.forward()
			return k.fate
		}
		t := w.tables[stop.menu]
		if t == nil || stop.chain == "dstnat" && k.packet.State != New {
			continue // only the first packet of a connection that is tracked meets NAT
		}
		if k.chain(t, stop.chain, 0) == ended && k.fate.Verdict != Accept {
			if k.fate.Verdict == Forwarded {
				k.forward()
			}
			return k.fate
		}
		if stop.chain != "input" {
			k.fate.Rule, k.fate.Table = nil, ""
		}
	}
	return k.fate
}

// begin sets a packet on its way. The firewall sees IPv4 addresses in IPv6 clothes as IPv4, and no
// zones.
func (w *Firewall) begin(p Packet, lists Lists, at time.Time, o option) *walk {
	p.Src, p.Dst = p.Src.Unmap().WithZone(""), p.Dst.Unmap().WithZone("")
	return &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, option: o}
}

// follows gives a later packet of a connection the destination of the first, where that was sent
// elsewhere.
func (k *walk) follows() bool {
	if k.packet.State == New || k.packet.State == Untracked || k.packet.State == Invalid || !k.packet.To.IsValid() {
		return false
	}
	k.packet.Dst, k.packet.DstPort, k.packet.DstNAT, k.fate.To = k.packet.To.Addr(), k.packet.To.Port(), true, k.packet.To
	return true
}

// forward takes a packet that destination NAT has sent elsewhere through the filter's forward
// chain. Its time to live is one less by then, or it was answered that none is left: what is asked
// of it is undecided.
func (k *walk) forward() {
	rule, table := k.fate.Rule, k.fate.Table
	k.toRouter, k.sent = false, true
	if !k.vague {
		k.packet.OutInterface, k.leaves = k.world.Leaves(k.packet.Dst)
	}
	if t := k.world.tables[k.family.Filter()]; t != nil && k.chain(t, "forward", 0) == ended && k.fate.Verdict != Accept {
		return
	}
	k.fate.Verdict, k.fate.Rule, k.fate.Table = Forwarded, rule, table
}

// Walk returns the fate of a packet in one chain of one table, with every rule in the trail. A
// packet in output is one that the router made.
func (w *Firewall) Walk(menu routeros.Menu, chain string, p Packet, lists Lists, at time.Time) Disposition {
	k := w.begin(p, lists, at, option{all: true})
	k.toRouter, k.made = chain == "input", chain == "output"
	if t := w.tables[menu]; t != nil {
		k.chain(t, chain, 0)
	}
	return k.fate
}
