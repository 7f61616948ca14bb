package packet

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// World is the firewall of one router, made ready for evaluation. It never changes and may be used
// by several goroutines.
type World struct {
	tables  map[routeros.Menu]*table
	members map[string]map[string]bool // interface list → interfaces, include and exclude resolved
	ifaces  map[string]routeros.Interface
	local   map[netip.Addr]bool
	bcast   map[netip.Addr]bool
}

type table struct {
	menu   routeros.Menu
	rows   []routeros.Rule
	rules  []rule
	chains map[string][]int // positions of the enabled rules of a chain
}

// rule is a row with its matchers compiled.
type rule struct {
	matchers []matcher
	action   string
	target   string // of a jump
	addition *addition
	log      bool
	toLocal  bool // of dst-nat: the router itself
	toPort   uint16
}

type addition struct {
	list    string
	timeout routeros.ListTimeout
	source  bool
}

// matcher is one condition of a rule.
type matcher struct {
	name string
	test func(*walk) answer
}

// answer is what a matcher says: no, yes, or that the packet alone does not tell.
type answer uint8

const (
	no answer = iota
	yes
	unknown
)

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (a answer) negate(n bool) answer {
	if !n || a == unknown {
		return a
	}
	return yes - a
}

// NewWorld prepares the tables of a snapshot.
func NewWorld(s routeros.Snapshot) *World {
	w := &World{
		tables: map[routeros.Menu]*table{}, ifaces: map[string]routeros.Interface{},
		local: map[netip.Addr]bool{}, bcast: map[netip.Addr]bool{},
	}
	for _, i := range s.Interfaces {
		w.ifaces[i.Name] = i
	}
	for _, a := range s.Addresses {
		if a.Disabled {
			continue
		}
		w.local[a.Prefix.Addr()] = true
		if a.Prefix.Addr().Is4() && a.Prefix.Bits() < 31 {
			w.bcast[routeros.PrefixRange(a.Prefix).Last] = true
		}
	}
	w.members = resolveLists(s)
	for menu, rows := range s.Rules {
		w.tables[menu] = w.compile(menu, rows)
	}
	return w
}

func (w *World) compile(menu routeros.Menu, rows []routeros.Rule) *table {
	t := &table{menu: menu, rows: rows, rules: make([]rule, len(rows)), chains: map[string][]int{}}
	for i := range rows {
		r := &rows[i]
		if r.Disabled() {
			continue
		}
		t.chains[r.Chain()] = append(t.chains[r.Chain()], i)
		t.rules[i] = w.rule(r)
	}
	return t
}

func (w *World) rule(r *routeros.Rule) rule {
	c := rule{action: r.Action(), target: r.Attrs.Get("jump-target"), log: r.Attrs.Bool("log")}
	for name, value := range r.Attrs.All() {
		if m, ok := w.matcher(name, value); ok {
			c.matchers = append(c.matchers, m)
		}
	}
	// Cheap and deciding ones first; the order has no meaning for matchers without memory.
	slices.SortStableFunc(c.matchers, func(a, b matcher) int { return cost(a.name) - cost(b.name) })
	switch c.action {
	case "add-src-to-address-list", "add-dst-to-address-list":
		timeout, _ := routeros.ParseListTimeout(r.Attrs.Get("address-list-timeout"))
		c.addition = &addition{r.Attrs.Get("address-list"), timeout, c.action == "add-src-to-address-list"}
	case "dst-nat", "netmap", "same":
		to, err := routeros.ParseAddressRange(r.Attrs.Get("to-addresses"))
		c.toLocal = err == nil && w.local[to.First]
		c.toPort, _ = routeros.ParsePort(r.Attrs.Get("to-ports"))
	case "redirect":
		c.toLocal = true
		c.toPort, _ = routeros.ParsePort(r.Attrs.Get("to-ports"))
	}
	return c
}

func cost(name string) int {
	switch name {
	case "protocol", "connection-state", "dst-port":
		return 0
	case "src-address-list", "dst-address-list":
		return 2
	}
	return 1
}

// InInterfaceList reports whether an interface is in an interface list, include and exclude followed.
func (w *World) InInterfaceList(name, list string) bool {
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

// resolveLists returns the interfaces of every list. A list holds its members and those of the lists it
// includes, less those of the lists it excludes; a circle of lists ends at the list seen first.
func resolveLists(s routeros.Snapshot) map[string]map[string]bool {
	byName := map[string]routeros.InterfaceList{}
	for _, l := range s.InterfaceLists {
		byName[l.Name] = l
	}
	own := map[string][]string{}
	for _, m := range s.ListMembers {
		if !m.Disabled {
			own[m.List] = append(own[m.List], m.Interface)
		}
	}
	var resolve func(name string, open []string) map[string]bool
	resolve = func(name string, open []string) map[string]bool {
		in := map[string]bool{}
		if slices.Contains(open, name) {
			return in
		}
		open = append(slices.Clone(open), name)
		for _, included := range byName[name].Include {
			for i := range builtin(s, included, resolve, open) {
				in[i] = true
			}
		}
		for _, excluded := range byName[name].Exclude {
			for i := range builtin(s, excluded, resolve, open) {
				delete(in, i)
			}
		}
		for _, i := range own[name] {
			in[i] = true
		}
		return in
	}
	out := map[string]map[string]bool{}
	for name := range byName {
		out[name] = resolve(name, nil)
	}
	for name := range own {
		if out[name] == nil {
			out[name] = resolve(name, nil)
		}
	}
	return out
}

// builtin resolves a list that another includes, the router's own ones among them.
func builtin(s routeros.Snapshot, name string, resolve func(string, []string) map[string]bool, open []string) map[string]bool {
	if name != "all" && name != "dynamic" && name != "static" {
		return resolve(name, open)
	}
	in := map[string]bool{}
	for _, i := range s.Interfaces {
		if name == "all" || i.Dynamic == (name == "dynamic") {
			in[i.Name] = true
		}
	}
	return in
}

// Input returns the fate of a packet that is addressed to the router itself: raw prerouting, then
// dst-nat for the first packet of a connection, then the filter's input chain. Matchers that
// can't be decided count as not matching; [World.Fates] follows both answers.
func (w *World) Input(p Packet, lists Lists, at time.Time) Fate {
	return w.run(p, lists, at, option{})
}

// Decide is [World.Input] with an oracle that settles what the packet alone does not: it is asked for
// every rule that would match but for undecided matchers.
func (w *World) Decide(p Packet, lists Lists, at time.Time, oracle func(r *routeros.Rule, matchers []string) bool) Fate {
	return w.run(p, lists, at, option{oracle: oracle})
}

// Trace is [World.Input] with every rule that was looked at in the trail.
func (w *World) Trace(p Packet, lists Lists, at time.Time) Fate {
	return w.run(p, lists, at, option{all: true})
}

// mostFates bounds how many answers of undecided matchers are followed for one packet.
const mostFates = 256

// Fates returns every fate that a packet can have over all answers of the undecided matchers that it
// meets, the one of [World.Input] first. Fates of equal verdict, rule and additions come once. After
// 256 runs the remaining combinations are left out; the first runs answer no everywhere, then
// yes at each place in turn, nearest to the end of the walk first.
func (w *World) Fates(p Packet, lists Lists, at time.Time) []Fate {
	var fates []Fate
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
		if !slices.ContainsFunc(fates, func(f Fate) bool { return f.same(fate) }) {
			fates = append(fates, fate)
		}
		answers = answers[:asked]
		for len(answers) > 0 && answers[len(answers)-1] {
			answers = answers[:len(answers)-1]
		}
		if len(answers) == 0 {
			break
		}
		answers[len(answers)-1] = true
	}
	return fates
}

func (f Fate) same(o Fate) bool {
	return f.Verdict == o.Verdict && f.Rule == o.Rule && slices.Equal(f.Additions, o.Additions)
}

type option struct {
	all    bool
	oracle func(*routeros.Rule, []string) bool
}

func (w *World) run(p Packet, lists Lists, at time.Time, o option) Fate {
	k := &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, option: o, toRouter: true}
	k.packet.Src, k.packet.Dst = p.Src.Unmap(), p.Dst.Unmap()
	for _, stop := range []struct {
		menu  routeros.Menu
		chain string
		skip  bool
	}{
		{k.family.Raw(), "prerouting", false},
		{k.family.NAT(), "dstnat", p.State != New},
		{k.family.Filter(), "input", false},
	} {
		t := w.tables[stop.menu]
		if t == nil || stop.skip {
			continue
		}
		if k.chain(t, stop.chain, 0) == ended && k.fate.Verdict != Accept {
			return k.fate
		}
		if stop.chain != "input" {
			k.fate.Rule, k.fate.Table = nil, ""
		}
	}
	return k.fate
}

// Walk returns the fate of a packet in one chain of one table, with every rule in the trail.
func (w *World) Walk(menu routeros.Menu, chain string, p Packet, lists Lists, at time.Time) Fate {
	k := &walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, option: option{all: true}, toRouter: chain == "input"}
	if t := w.tables[menu]; t != nil {
		k.chain(t, chain, 0)
	}
	return k.fate
}
