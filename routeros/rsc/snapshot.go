package rsc

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Options say how an export is replayed.
type Options struct {
	// Version is what somebody says of the router when the export does not. Without either 7.20 is
	// assumed.
	Version routeros.Version
	// StrictLists leaves out interface lists that rules mention but the export does not define. By
	// default they exist, empty: an export of the firewall alone mentions lists of another section.
	StrictLists bool
}

// Snapshot replays the statements on an empty router with the factory's services. What it could not
// replay is reported with its line. Interfaces that are only mentioned are taken to exist.
func (e Export) Snapshot(o Options) (routeros.Snapshot, []Skip) {
	p := replay{snapshot: routeros.Snapshot{
		Version: e.version(o), VersionAssumed: !e.HasVersion && o.Version == routeros.Version{}, Board: e.Model, Identity: "MikroTik",
		Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{},
	}, next: map[routeros.Menu]int{}, keys: map[routeros.Menu]map[string]string{}, interfaces: map[string]bool{}, lists: map[string]bool{}, network: map[routeros.Menu][]routeros.Attributes{}}
	p.factory(e)
	for _, st := range e.Statements {
		if why := p.statement(st); why != "" {
			text := string(st.Menu) + " " + st.Verb
			p.skipped = append(p.skipped, Skip{st.Line, st.Menu, strings.ToValidUTF8(text, "\uFFFD"), why, decides(st.Menu) && !settled(why)})
		}
	}
	p.snapshot.Partial = e.common()
	p.netted()
	p.settings()
	p.mentioned(o)
	p.unread(e)
	return p.snapshot, p.skipped
}

// unread tells the snapshot which rows it lacks, by their lines.
func (p *replay) unread(e Export) {
	for _, skip := range slices.Concat(e.Skipped, p.skipped) {
		if skip.Decides {
			p.snapshot.Unread = append(p.snapshot.Unread, routeros.UnreadRow{Line: skip.Line, Menu: skip.Menu, Why: skip.Why})
		}
	}
	slices.SortStableFunc(p.snapshot.Unread, func(a, b routeros.UnreadRow) int { return cmp.Compare(a.Line, b.Line) })
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
	// keys has the id of each enabled entry under its key, made anew after a change; block lists
	// have tens of thousands of entries.
	keys       map[routeros.Menu]map[string]string
	interfaces map[string]bool
	lists      map[string]bool
	network    map[routeros.Menu][]routeros.Attributes // rows of menus that lead to interfaces, and of VPN servers
}

// factory adds what every router has: the rule tables of its version and its services.
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
		s.ID, s.Untold = fmt.Sprintf("*%X", i), s.Name == "reverse-proxy" // routeros-facts § 15
		s.FromName = "address"
		if v.AtLeast(7, 24) {
			s.FromName = "available-from"
		}
		p.snapshot.Services = append(p.snapshot.Services, s)
	}
}

// statement replays one statement; the result says why it could not.
func (p *replay) statement(st Statement) string {
	st = st.numbered()
	row := routeros.SortAttributes(slices.Clone(st.Attrs))
	switch {
	case st.Verb == "add" && st.bare != "":
		return "a word that is neither name=value nor !name"
	case st.Menu.IsRuleTable():
		return p.rule(st, row)
	case st.Menu == routeros.AddressList || st.Menu == routeros.AddressList6:
		return p.entry(st, row)
	case st.Menu == routeros.ServiceMenu:
		return p.service(st, row)
	case st.Menu == routeros.Identity && st.Verb == "set" && row.Has("name"):
		p.snapshot.Identity = row.Get("name")
		return ""
	}
	if st.Verb == "print" {
		return ""
	}
	switch st.Menu {
	case routeros.InterfaceLists, routeros.ListMembers, routeros.Address, routeros.Address6:
		return p.addressing(st, row)
	}
	if slices.Contains(networkMenus(), st.Menu) || slices.Contains(routeros.ServerMenus(), st.Menu) {
		return p.netRow(st, row)
	}
	if strings.HasPrefix(string(st.Menu), "/interface/") {
		return p.iface(st, row)
	}
	return "rosknock does not use this menu"
}

// numbered reads numbers=… and .id=… as the selectors that they are.
func (st Statement) numbered() Statement {
	if st.Verb == "add" || st.Target != "" || st.HasFind {
		return st
	}
	for i, a := range st.Attrs {
		if a.Name == "numbers" || a.Name == ".id" {
			sel := selector(a.Value)
			st.Target, st.Find, st.HasFind = sel.Target, sel.Find, sel.HasFind
			st.Attrs = slices.Delete(slices.Clone(st.Attrs), i, i+1)
			break
		}
	}
	return st
}

func (p *replay) rule(st Statement, row routeros.Attributes) string {
	rows, ok := p.snapshot.Rules[st.Menu]
	if !ok {
		return "the router has no such menu"
	}
	if why := misspelt(st, row); why != "" {
		return why
	}
	if st.Verb == "add" {
		if row.Get("chain") == "" {
			return "a rule without a chain"
		}
		at := len(rows)
		if place := row.Get("place-before"); place != "" {
			var why string
			if at, why = position(rows, place); why != "" {
				return why
			}
		}
		rule := routeros.ReadRule(row.Without("place-before", "copy-from"))
		rule.ID = p.id(st.Menu)
		p.snapshot.Rules[st.Menu] = slices.Insert(rows, at, rule)
		return ""
	}
	picked, why := pick(st, len(rows), ruleRow(rows))
	if why != "" {
		return why
	}
	switch st.Verb {
	case "remove":
		p.snapshot.Rules[st.Menu] = without(rows, picked)
		return ""
	case "move":
		rows, why = move(rows, picked, st)
		p.snapshot.Rules[st.Menu] = rows
		return why
	}
	c, why := st.change(row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		next := c.apply(rows[i].Attrs)
		if next.Get("chain") == "" {
			return "a rule without a chain"
		}
		rows[i].Attrs = next
	}
	return ""
}

func (p *replay) id(m routeros.Menu) string {
	p.next[m]++
	return fmt.Sprintf("*%X", p.next[m])
}

// misspelt says which argument of a statement about rules no rule has, or "".
func misspelt(st Statement, row routeros.Attributes) string {
	if st.Verb != "add" && st.Verb != "set" {
		return ""
	}
	for name, value := range row.All() {
		if value != "" && name != "place-before" && name != "copy-from" && !firewall.Known(name) {
			return "no rule has the argument " + name + ": it is misspelt, or newer than this version of rosknock"
		}
	}
	return ""
}

func ruleRow(rows []routeros.Rule) func(int) (string, routeros.Attributes) {
	return func(i int) (string, routeros.Attributes) { return rows[i].ID, rows[i].Attrs }
}

// without returns the rows except those at the positions.
func without[T any](rows []T, positions []int) []T {
	gone := make([]bool, len(rows))
	for _, i := range positions {
		gone[i] = true
	}
	kept := make([]T, 0, len(rows))
	for i, r := range rows {
		if !gone[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

// move puts the picked rules, in the order given, before the destination, or at the end without
// one (routeros-facts § 2.4). On failure the rules stay as they are.
func move(rows []routeros.Rule, picked []int, st Statement) ([]routeros.Rule, string) {
	at := len(rows)
	if place := st.destination(); place != "" {
		var why string
		if at, why = position(rows, place); why != "" {
			return rows, why
		}
	}
	if slices.Contains(picked, at) {
		return rows, "a rule can't be moved before itself"
	}
	block := make([]routeros.Rule, len(picked))
	above := 0
	for i, from := range picked {
		block[i] = rows[from]
		if from < at {
			above++
		}
	}
	return slices.Insert(without(rows, picked), at-above, block...), ""
}

// destination is the place that a move names: destination=…, or a word behind the selector.
func (st Statement) destination() string {
	for _, a := range st.Attrs {
		if a.Name == "destination" {
			return a.Value
		}
	}
	return st.bare
}

// position returns the row that place-before or destination names: a position, an id, or the first
// match of [find comment="…"].
func position(rows []routeros.Rule, place string) (int, string) {
	picked, why := pick(selector(place), len(rows), ruleRow(rows))
	if why != "" || len(picked) == 0 {
		return 0, "the rule before which it should stand does not exist"
	}
	return picked[0], ""
}

// selector reads a selector that stands as a value: 0, *1F, or [find …].
func selector(text string) Statement {
	var st Statement
	if !strings.HasPrefix(text, "[") || st.find(text) != "" {
		st = Statement{Target: text}
	}
	return st
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
			return nil, "the row that it names does not exist"
		}
		if !slices.Contains(picked, at) {
			picked = append(picked, at)
		}
	}
	return picked, ""
}

// change is what a statement does to the rows that it selects.
type change struct {
	set   routeros.Attributes
	unset []string
}

func (c change) apply(row routeros.Attributes) routeros.Attributes {
	return row.Merge(c.set).Without(c.unset...)
}

// change returns what a set, enable, disable, comment or unset does, or why it is not replayed.
func (st Statement) change(row routeros.Attributes) (change, string) {
	switch st.Verb {
	case "enable":
		return change{set: routeros.MakeAttributes("disabled", "no")}, ""
	case "disable":
		return change{set: routeros.MakeAttributes("disabled", "yes")}, ""
	case "unset":
		return change{unset: st.unsetNames()}, ""
	case "set", "comment":
		if st.bare != "" {
			return change{}, "a word that is neither name=value nor !name"
		}
		return change{set: row, unset: st.Unset}, ""
	}
	return change{}, "the command " + st.Verb + " is not replayed"
}

// unsetNames are the names that unset takes away: unset 0 value-name=comment, or unset 0 comment.
func (st Statement) unsetNames() []string {
	names := slices.Clone(st.Unset)
	for _, a := range st.Attrs {
		if a.Name == "value-name" {
			names = append(names, strings.Split(a.Value, ",")...)
		} else {
			names = append(names, a.Name)
		}
	}
	return names
}

func (p *replay) entry(st Statement, row routeros.Attributes) string {
	rows := p.snapshot.Entries[st.Menu]
	if st.Verb == "add" {
		return p.putEntry(st.Menu, row.Without("copy-from"), len(rows))
	}
	picked, why := pick(st, len(rows), func(i int) (string, routeros.Attributes) {
		return rows[i].ID, rows[i].Attributes().With("dynamic", routeros.FormatBool(rows[i].Dynamic))
	})
	if why != "" {
		return why
	}
	if st.Verb == "remove" {
		p.snapshot.Entries[st.Menu] = without(rows, picked)
		delete(p.keys, st.Menu)
		return ""
	}
	c, why := st.change(row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		if why := p.putEntry(st.Menu, c.apply(rows[i].Attributes()), i); why != "" {
			return why
		}
	}
	return ""
}

// putEntry writes a row of an address list at a position; one past the end adds it. Enabled entries
// of a list are unique, host bits go, time-outs make an entry dynamic (routeros-facts § 3).
func (p *replay) putEntry(m routeros.Menu, row routeros.Attributes, at int) string {
	switch {
	case row.Get("list") == "":
		return "an entry without a list"
	case row.Get("address") == "":
		return namesNobody
	}
	rows := p.snapshot.Entries[m]
	e := routeros.ReadListEntry(row)
	e.Address = routeros.Canonical("address", e.Address)
	e.Dynamic = e.Timed || e.Dynamic
	keys := p.enabledKeys(m)
	holder, taken := keys[e.Key()]
	if taken && !e.Disabled && (at == len(rows) || holder != rows[at].ID) {
		return listedAlready
	}
	if at < len(rows) {
		e.ID = rows[at].ID
		rows[at] = e
		delete(p.keys, m)
		return ""
	}
	e.ID = p.id(m)
	p.snapshot.Entries[m] = append(rows, e)
	if !e.Disabled {
		keys[e.Key()] = e.ID
	}
	return ""
}

func (p *replay) enabledKeys(m routeros.Menu) map[string]string {
	if keys, ok := p.keys[m]; ok {
		return keys
	}
	keys := map[string]string{}
	for _, e := range p.snapshot.Entries[m] {
		if !e.Disabled {
			keys[e.Key()] = e.ID
		}
	}
	p.keys[m] = keys
	return keys
}

func (p *replay) service(st Statement, row routeros.Attributes) string {
	rows := p.snapshot.Services
	picked, why := pick(st, len(rows), func(i int) (string, routeros.Attributes) {
		return rows[i].ID, routeros.MakeAttributes("name", rows[i].Name)
	})
	if why != "" {
		return why
	}
	c, why := st.change(row)
	if why != "" {
		return why
	}
	for _, i := range picked {
		if why := setService(&rows[i], c); why != "" {
			return why
		}
	}
	return ""
}

// setService changes a row of /ip/service. A value that the router would refuse changes nothing.
func setService(s *routeros.Service, c change) string {
	next := *s
	for name, value := range c.set.All() {
		var ok bool
		switch name {
		case "disabled":
			if next.Disabled, ok = routeros.ParseBool(value); !ok {
				return "disabled is neither yes nor no"
			}
			next.Untold = false
		case "port":
			var err error
			if next.Port, err = routeros.ParsePort(value); err != nil || next.Port == 0 {
				return "the port can't be read"
			}
		case "address", "available-from":
			next.From = prefixes(value)
		case "vrf":
			if next.VRF = value; value == "main" {
				next.VRF = ""
			}
		case "certificate":
			next.Certificate = value
		}
	}
	for _, name := range c.unset {
		switch name {
		case "address", "available-from":
			next.From = nil
		case "certificate":
			next.Certificate = ""
		}
	}
	*s = next
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

func (p *replay) addressing(st Statement, row routeros.Attributes) string {
	if st.Verb != "add" {
		return "in this menu only add is replayed"
	}
	switch st.Menu {
	case routeros.InterfaceLists:
		p.lists[row.Get("name")] = true
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

// iface records an interface from the menu that makes or names it.
func (p *replay) iface(st Statement, row routeros.Attributes) string {
	kind := strings.TrimPrefix(string(st.Menu), "/interface/")
	if strings.Contains(kind, "/") || (st.Verb != "add" && st.Verb != "set") {
		return "rosknock does not use this menu"
	}
	name := row.Get("name")
	for _, c := range st.Find {
		if c.Name == "default-name" && name == "" {
			name = c.Value
		}
	}
	if name == "" {
		return "rosknock does not use this setting"
	}
	p.known(name, kindOf(st.Menu), row.Bool("disabled"))
	return ""
}

func (p *replay) known(name, kind string, disabled bool) {
	if p.interfaces[name] {
		return
	}
	p.interfaces[name] = true
	p.snapshot.Interfaces = append(p.snapshot.Interfaces, routeros.Interface{Name: name, Type: kind, Disabled: disabled})
}

// mentioned adds the interfaces and lists that the text mentions without defining them.
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
	if name != "" && !strings.HasPrefix(name, "*") && !p.lists[name] && !(routeros.Snapshot{}).HasInterfaceList(name) {
		p.lists[name] = true
		p.snapshot.InterfaceLists = append(p.snapshot.InterfaceLists, routeros.InterfaceList{Name: name})
	}
}
