package rsc

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Options say how an export is replayed.
type Options struct {
	// Version is assumed when the export names none; zero means 7.20.
	Version routeros.Version
	// StrictLists leaves out interface lists that rules mention but the export does not define. By
	// default they exist, empty: an export of the firewall alone mentions lists of another section.
	StrictLists bool
}

// Snapshot replays the statements on an empty router with the factory's services. What it could not
// replay is reported with its line. Interfaces that are only mentioned are taken to exist.
func (e Export) Snapshot(o Options) (routeros.Snapshot, []Skip) {
	p := replay{snapshot: routeros.Snapshot{
		Version: e.version(o), Board: e.Model, Identity: "MikroTik",
		Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{},
	}, next: map[routeros.Menu]int{}}
	p.factory(e)
	for _, st := range e.Statements {
		if why := p.statement(st); why != "" {
			text := string(st.Menu) + " " + st.Verb
			p.skipped = append(p.skipped, Skip{st.Line, strings.ToValidUTF8(text, "\uFFFD"), why})
		}
	}
	p.mentioned(o)
	return p.snapshot, p.skipped
}

func (e Export) version(o Options) routeros.Version {
	switch {
	case e.HasVersion:
		return e.Version
	case o.Version != routeros.Version{}:
		return o.Version
	default:
		return routeros.Version{Major: 7, Minor: 20}
	}
}

type replay struct {
	snapshot routeros.Snapshot
	skipped  []Skip
	next     map[routeros.Menu]int // last id given
}

// factory lays down what every router has: the rule tables of its version and its services.
func (p *replay) factory(e Export) {
	v := p.snapshot.Version
	ipv6 := v.Major >= 7 || slices.ContainsFunc(e.Statements, func(st Statement) bool { return strings.HasPrefix(string(st.Menu), "/ipv6") })
	for _, f := range routeros.Families() {
		if f == routeros.IPv6 && !ipv6 {
			continue
		}
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			if m == routeros.NAT6 && !v.AtLeast(7, 1) {
				continue
			}
			p.snapshot.Rules[m] = []routeros.Rule{}
		}
	}
	for i, s := range routeros.Services() {
		if s.Name == "reverse-proxy" && !v.AtLeast(7, 22) {
			continue
		}
		s.ID = fmt.Sprintf("*%X", i)
		s.FromName = "address"
		if v.AtLeast(7, 24) {
			s.FromName = "available-from"
		}
		p.snapshot.Services = append(p.snapshot.Services, s)
	}
}

func (p *replay) id(m routeros.Menu) string {
	p.next[m]++
	return fmt.Sprintf("*%X", p.next[m])
}

// statement replays one statement; the result says why it could not.
func (p *replay) statement(st Statement) string {
	row := routeros.SortAttributes(slices.Clone(st.Attrs))
	switch {
	case st.Menu.IsRuleTable():
		return p.rule(st, row)
	case st.Menu == routeros.AddressList || st.Menu == routeros.AddressList6:
		return p.entry(st, row)
	case st.Menu == routeros.ServiceMenu:
		return p.service(st, row)
	case st.Menu == routeros.Identity && st.Verb == "set":
		p.snapshot.Identity = row.Get("name")
		return ""
	}
	if st.Verb == "print" {
		return ""
	}
	switch st.Menu {
	case routeros.InterfaceLists, routeros.ListMembers, routeros.Address, routeros.Address6:
		return p.network(st, row)
	}
	if strings.HasPrefix(string(st.Menu), "/interface/") {
		return p.iface(st, row)
	}
	return "rosknock keeps nothing of this menu"
}

func (p *replay) rule(st Statement, row routeros.Attributes) string {
	rows, ok := p.snapshot.Rules[st.Menu]
	if !ok {
		return "the router has no such menu"
	}
	if st.Verb == "add" {
		if row.Get("chain") == "" {
			return "a rule without a chain"
		}
		at, why := p.before(st, rows, row.Get("place-before"))
		if why != "" {
			return why
		}
		rule := routeros.ReadRule(row.Without("place-before", "copy-from"))
		rule.ID = p.id(st.Menu)
		p.snapshot.Rules[st.Menu] = slices.Insert(rows, at, rule)
		return ""
	}
	picked, why := pick(st, len(rows), func(i int) (string, routeros.Attributes) { return rows[i].ID, rows[i].Attrs })
	if why != "" {
		return why
	}
	if st.Verb == "remove" {
		for _, i := range slices.Backward(picked) {
			rows = slices.Delete(rows, i, i+1)
		}
		p.snapshot.Rules[st.Menu] = rows
		return ""
	}
	change, why := changed(st, row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		rows[i].Attrs = rows[i].Attrs.Merge(change).Without(st.Unset...)
	}
	return ""
}

// before returns where place-before puts a rule: a position, an id, or [find comment="…"].
func (p *replay) before(st Statement, rows []routeros.Rule, place string) (int, string) {
	if place == "" {
		return len(rows), ""
	}
	sel := Statement{Verb: "place-before", Target: place}
	if strings.HasPrefix(place, "[") {
		sel.Target = ""
		if why := sel.find(place); why != "" {
			return 0, why
		}
	}
	picked, why := pick(sel, len(rows), func(i int) (string, routeros.Attributes) { return rows[i].ID, rows[i].Attrs })
	if why != "" || len(picked) == 0 {
		return 0, "place-before names a rule that is not there"
	}
	return picked[0], ""
}

// pick returns the positions of the rows that a statement selects.
func pick(st Statement, n int, row func(int) (string, routeros.Attributes)) ([]int, string) {
	var picked []int
	switch {
	case st.HasFind:
		for i := range n {
			_, attrs := row(i)
			if !slices.ContainsFunc(st.Find, func(c routeros.Attribute) bool {
				return routeros.Canonical(c.Name, attrs.Get(c.Name)) != routeros.Canonical(c.Name, c.Value)
			}) {
				picked = append(picked, i)
			}
		}
		return picked, ""
	case st.Target == "":
		return nil, "it does not say which row is meant"
	}
	for target := range strings.SplitSeq(st.Target, ",") {
		at := -1
		for i := range n {
			id, attrs := row(i)
			if id == target || attrs.Get("name") == target && target != "" {
				at = i
			}
		}
		if position, err := strconv.Atoi(target); at < 0 && err == nil && position >= 0 && position < n {
			at = position
		}
		if at < 0 {
			return nil, "the row that it names is not there"
		}
		picked = append(picked, at)
	}
	return picked, ""
}

// changed returns what a set, enable, disable, comment or unset writes.
func changed(st Statement, row routeros.Attributes) (routeros.Attributes, string) {
	switch st.Verb {
	case "set", "comment", "unset":
		return row, ""
	case "enable":
		return routeros.MakeAttributes("disabled", "no"), ""
	case "disable":
		return routeros.MakeAttributes("disabled", "yes"), ""
	}
	return nil, "the command " + st.Verb + " is not replayed"
}

func (p *replay) entry(st Statement, row routeros.Attributes) string {
	if st.Verb != "add" {
		return "only add is replayed in this menu"
	}
	if row.Get("list") == "" || row.Get("address") == "" {
		return "an entry without a list or an address"
	}
	e := routeros.ReadListEntry(row)
	e.ID = p.id(st.Menu)
	e.Address = routeros.Canonical("address", e.Address)
	e.Dynamic = e.Timed
	if !e.Disabled && slices.ContainsFunc(p.snapshot.Entries[st.Menu], func(o routeros.ListEntry) bool { return !o.Disabled && o.Key() == e.Key() }) {
		return "the list has this address already"
	}
	p.snapshot.Entries[st.Menu] = append(p.snapshot.Entries[st.Menu], e)
	return ""
}

func (p *replay) service(st Statement, row routeros.Attributes) string {
	rows := p.snapshot.Services
	picked, why := pick(st, len(rows), func(i int) (string, routeros.Attributes) {
		return rows[i].ID, routeros.MakeAttributes("name", rows[i].Name)
	})
	if why != "" {
		return why
	}
	change, why := changed(st, row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		if text, ok := change.Lookup("disabled"); ok {
			rows[i].Disabled, _ = routeros.ParseBool(text)
		}
		if port, err := routeros.ParsePort(change.Get("port")); err == nil {
			rows[i].Port = port
		}
		for _, name := range []string{"address", "available-from"} {
			if text, ok := change.Lookup(name); ok {
				rows[i].From = prefixes(text)
			}
		}
		if c := change.Get("certificate"); c != "" {
			rows[i].Certificate = c
		}
	}
	return ""
}

// prefixes reads a service's list. 0.0.0.0/0 with ::/0 is kept as written: the router does too.
func prefixes(text string) []string {
	list := routeros.SplitPrefixes(text)
	for i := range list {
		list[i] = routeros.Canonical("address", list[i])
	}
	return list
}

func (p *replay) network(st Statement, row routeros.Attributes) string {
	if st.Verb != "add" {
		return "only add is replayed in this menu"
	}
	switch st.Menu {
	case routeros.InterfaceLists:
		p.snapshot.InterfaceLists = append(p.snapshot.InterfaceLists, routeros.InterfaceList{
			Name: row.Get("name"), Include: routeros.SplitPrefixes(row.Get("include")), Exclude: routeros.SplitPrefixes(row.Get("exclude")),
		})
	case routeros.ListMembers:
		p.snapshot.ListMembers = append(p.snapshot.ListMembers, routeros.ListMember{List: row.Get("list"), Interface: row.Get("interface"), Disabled: row.Bool("disabled")})
	default:
		prefix, err := netip.ParsePrefix(row.Get("address"))
		if err != nil {
			addr, err := netip.ParseAddr(row.Get("address"))
			if err != nil {
				return "an address that depends on a pool or can't be read"
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		p.snapshot.Addresses = append(p.snapshot.Addresses, routeros.InterfaceAddress{Prefix: prefix, Interface: row.Get("interface"), Disabled: row.Bool("disabled")})
	}
	return ""
}

// iface learns of an interface from the menu that makes or names it.
func (p *replay) iface(st Statement, row routeros.Attributes) string {
	kind := strings.TrimPrefix(string(st.Menu), "/interface/")
	if strings.Contains(kind, "/") || (st.Verb != "add" && st.Verb != "set") {
		return "rosknock keeps nothing of this menu"
	}
	name := row.Get("name")
	for _, c := range st.Find {
		if c.Name == "default-name" && name == "" {
			name = c.Value
		}
	}
	if name == "" {
		return "rosknock keeps nothing of this setting"
	}
	p.known(name, strings.TrimSuffix(strings.Replace(kind, "ethernet", "ether", 1), "-client"), row.Bool("disabled"))
	return ""
}

func (p *replay) known(name, kind string, disabled bool) {
	if slices.ContainsFunc(p.snapshot.Interfaces, func(i routeros.Interface) bool { return i.Name == name }) {
		return
	}
	p.snapshot.Interfaces = append(p.snapshot.Interfaces, routeros.Interface{Name: name, Type: kind, Disabled: disabled})
}

// mentioned adds the interfaces and lists that the text takes for granted.
func (p *replay) mentioned(o Options) {
	for _, m := range p.snapshot.ListMembers {
		p.mention(m.Interface)
		p.mentionList(m.List)
	}
	for _, a := range p.snapshot.Addresses {
		p.mention(a.Interface)
	}
	for _, f := range routeros.Families() {
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range p.snapshot.Rules[m] {
				p.mention(strings.TrimPrefix(r.Attrs.Get("in-interface"), "!"))
				p.mention(strings.TrimPrefix(r.Attrs.Get("out-interface"), "!"))
				if !o.StrictLists {
					p.mentionList(strings.TrimPrefix(r.Attrs.Get("in-interface-list"), "!"))
					p.mentionList(strings.TrimPrefix(r.Attrs.Get("out-interface-list"), "!"))
				}
			}
		}
	}
}

func (p *replay) mention(name string) {
	if name == "" || strings.HasPrefix(name, "all-") || strings.HasPrefix(name, "*") {
		return
	}
	kind := "ether"
	if strings.HasPrefix(name, "bridge") {
		kind = "bridge"
	}
	p.known(name, kind, false)
}

func (p *replay) mentionList(name string) {
	if name != "" && !strings.HasPrefix(name, "*") && !p.snapshot.HasInterfaceList(name) {
		p.snapshot.InterfaceLists = append(p.snapshot.InterfaceLists, routeros.InterfaceList{Name: name})
	}
}
