// Package compile turns a plan into the rule set for one router. A [RuleSet] is the desired state
// of the router: for each address family the rules in their order and their place, the entries of
// the allow-list, and the services. It depends on the router only where necessary: the ports on
// which services listen, the families that the router has, and the place in its table. plans/diff
// computes the steps from the router's present state.
//
// The package decides and computes; it never reads or writes a router.
package compile

import (
	"fmt"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// RuleSet is the desired state of one router.
type RuleSet struct {
	// Plan is the plan's name, Layout its layout, PlanDigest its digest.
	Plan       string
	Layout     plans.Layout
	PlanDigest string
	Tables     []Table
	Entries    []Entry
	Services   []Service
	// Allowed are the sources of the allow-list, beside its addresses.
	Allowed Allowed
	// Notes are remarks for the operator that change nothing.
	Notes []string
	// Removes says that nothing of the plan is to be left on the router, in any menu. Returned are
	// rows that belonged to somebody before the plan took them over: they stay, and only lose the
	// plan's mark.
	Removes  bool
	Returned []Returned
}

// Returned is a row that is handed back, with its comment from before.
type Returned struct {
	Menu        routeros.Menu
	ID, Comment string
}

// Table is the part of a rule set that lies in one family's filter table.
type Table struct {
	Family routeros.Family
	Menu   routeros.Menu
	// Rules are in their order, each with its mark, and without a chain: their chain depends on the
	// layout. Only rules that were found in a chain of the router's own have theirs.
	Rules []routeros.Rule
	// Chains are the chains of doors with a quarantine or with knocks in advance, and, with bogons,
	// the chains that accept trusted sources. A rule of Rules jumps to each; its jump-target is the
	// chain's name here, which the layout completes.
	Chains []Chain
	Place  Place
	// Doors are the plan's doors as the rules have them, for checking that they can be reached.
	Doors []Door
	// Gate are the matches that the gate shuts.
	Gate []traffic.Match
	// Bogons are sources that are taken for forged; nil for none.
	Bogons *Bogons
	// Forwarding concerns services behind the router; zero in a table without any.
	Forwarding Forwarding
}

// Dropped are the packets that the rules of input drop if their source is not allowed.
func (t Table) Dropped() []traffic.Match { return append(traffic.Shut(t.Gate), t.Forwarding.Outer...) }

// Chain is a part of a table's rules that stands in a chain of its own.
type Chain struct {
	Name  string
	Rules []routeros.Rule
}

// Door is one door as compiled for a family.
type Door struct {
	Name    string
	Knock   []plans.Stage
	Trusted string
	Opens   []traffic.Match // one without protocol: everything
	// Outer are the interfaces on which the door has to open, of those that the rules can't tell apart
	// perhaps one alone; see [traffic.Unseen].
	Outer []string
	// AsFound is a door whose rules stay as somebody wrote them: it opens where they say.
	AsFound bool
	// StageTimeout and For are how long the stage lists and the trusted list remember a source.
	StageTimeout time.Duration
	For          routeros.ListTimeout
	// StageLists are those of the stages before the last.
	StageLists []string
	// Relaxed says for each stage which conditions its rule lacks; nil if none lacks any.
	Relaxed []Relaxed
	// Hours are when the knock of a window that is installed in advance counts; none means always.
	Hours []routeros.Hours
	// Quarantine is nil at a door that has none.
	Quarantine *Quarantine
}

// Quarantine is where a door sends wrong knocks.
type Quarantine struct {
	List string
	For  time.Duration
	// Turns says that a stage out of order leads into it; Decoys are the other packets that do.
	Turns  bool
	Decoys []plans.Stage
}

// Decoys returns the door's decoys, none where it has no quarantine.
func (d Door) Decoys() []plans.Stage {
	if d.Quarantine == nil {
		return nil
	}
	return d.Quarantine.Decoys
}

// Entry is one wanted row of an address list.
type Entry struct {
	Menu  routeros.Menu
	Entry routeros.ListEntry
}

// Service is the desired state of one row of /ip/service; nil fields don't matter.
type Service struct {
	Name     string
	Disabled *bool
	Port     *uint16
	From     []string
	WantFrom bool
}

// AllowList returns the name of the address list that holds a plan's allow-list.
func AllowList(plan string) string { return "rosknock-" + plan + "-allow" }

// ChainNames returns the two names between which the chain layout switches.
func ChainNames(plan string) [2]string {
	return [2]string{"rosknock-" + plan + "-a", "rosknock-" + plan + "-b"}
}

// InlineChainNames returns the two names between which a door's own chain switches in the inline
// layout. In the chain layout it goes with the chain of the plan, under its name; no name of one
// layout is one of the other.
func InlineChainNames(plan, door string) [2]string {
	return [2]string{DoorChain("rosknock-"+plan+"-c", door), DoorChain("rosknock-"+plan+"-d", door)}
}

// DoorChain returns the name of a door's own chain that belongs to a chain of the plan.
func DoorChain(chain, door string) string { return chain + "-" + door }

// Compile returns the rule set of a plan for the router of the snapshot. It returns a
// *[RefusalError] when no place on this router would make the rules do what the plan says.
func Compile(p plans.Plan, s routeros.Snapshot) (RuleSet, error) { return compileWith(p, s, nil) }

// Through returns the rule sets that the router has to go through: usually one. If a service that
// is already gated moves to another port, there is an intermediate one that covers both ports. The
// service moves under that one: under the old rules its new port would be open to anybody, and
// under the new ones its old port, until it has moved.
func Through(p plans.Plan, s routeros.Snapshot) ([]RuleSet, error) {
	last, err := Compile(p, s)
	if err != nil {
		return nil, err
	}
	moving := movingServices(p, s)
	if len(moving) == 0 {
		return []RuleSet{last}, nil
	}
	both, err := compileWith(p, s, moving)
	if err != nil {
		return nil, err
	}
	return []RuleSet{both, last}, nil
}

// movingServices returns the present ports of the services that move and that rules of the plan
// gate or open now, by name.
func movingServices(p plans.Plan, s routeros.Snapshot) map[string]uint16 {
	installed := slices.ContainsFunc(routeros.Families(), func(f routeros.Family) bool {
		return slices.ContainsFunc(s.Rules[f.Filter()], func(r routeros.Rule) bool {
			mark, ok := r.Mark()
			return ok && mark.Plan == p.Name && !r.Dynamic
		})
	})
	if !installed {
		return nil // the plan has never closed anything that is open now
	}
	moving := map[string]uint16{}
	for _, want := range p.Services.Ports {
		row, ok := s.Service(want.Name)
		if ok && row.Port != want.Port && !row.Disabled {
			moving[want.Name] = row.Port
		}
	}
	return moving
}

// compileWith compiles a plan; services that are moving are covered on their present ports too.
func compileWith(p plans.Plan, s routeros.Snapshot, moving map[string]uint16) (RuleSet, error) {
	if p.Rotates() {
		return RuleSet{}, &change.RefusalError{Risk: "no-window", What: "the plan's knocks change with time, and no time was given", Remedy: "name the time for which to derive them"}
	}
	if p.Unresolved() {
		return RuleSet{}, &change.RefusalError{Risk: "no-payload", What: "the plan's payloads were not looked up", Remedy: "say where they are kept, under payload of the stage"}
	}
	rs := RuleSet{Plan: p.Name, Layout: p.Firewall.Layout, PlanDigest: p.Digest(), Allowed: Allowed{p.Allow.InterfaceLists, p.Allow.Interfaces, p.Allow.AddressLists}}
	for _, f := range p.Firewall.Families {
		if !s.HasMenu(f.Filter()) {
			rs.Notes = append(rs.Notes, fmt.Sprintf("the router has no %s: %s is skipped", f.Filter(), f))
			continue
		}
		c := compiler{plan: concerns(p, f), router: s, family: f, moving: moving}
		table, err := c.table()
		if err != nil {
			return RuleSet{}, err
		}
		rs.Tables = append(rs.Tables, table)
		rs.Entries = append(rs.Entries, c.entries()...)
		rs.Notes = append(rs.Notes, c.notes...)
	}
	if len(rs.Tables) == 0 {
		return RuleSet{}, &change.RefusalError{
			Risk: "no-table", What: "the router has none of the plan's address families",
			Remedy: "name another family under firewall.families, or enable the package on the router",
		}
	}
	rs.Notes = append(rs.Notes, serverNotes(p, s)...)
	rs.Services = services(p.Services)
	if note := laidAcross(p, s); note != "" {
		rs.Notes = append(rs.Notes, note)
	}
	return rs, nil
}

// first reports whether a door of the plan is the first of its name: the windows of a door that
// rotates have one.
func (c *compiler) first(i int) bool {
	return slices.IndexFunc(c.plan.Doors, func(o plans.Door) bool { return o.Name == c.plan.Doors[i].Name }) == i
}

// enterLaid is the jump to the stages of windows that are installed in advance. They are many, so
// they have a chain of their own, which only the first packets of connections enter.
func (c *compiler) enterLaid(door string) routeros.Rule {
	return c.rule(door+"/jump", "knocks at door "+door, "action", "jump", "jump-target", door, "connection-state", "new")
}

// laidChain lists the stages of all windows of a door. Forged packets bypass them: to drop them by
// their ports, as in [compiler.forged], would need rules that change with each window and have no
// hours.
func (c *compiler) laidChain(b *Bogons, door string) []routeros.Rule {
	var rules []routeros.Rule
	if b != nil {
		for i, list := range b.InterfaceLists {
			rules = append(rules, c.rule(fmt.Sprintf("%s/forged-knock-%d", door, i+1), "forged sources don't knock",
				"action", "return", "in-interface-list", list, "src-address-list", b.List))
		}
	}
	for _, d := range c.plan.Doors {
		if d.Name == door {
			rules = append(rules, c.stages(d)...)
		}
	}
	return rules
}

// laidAcross says when the router's clock is set forward or back during the windows that are
// installed in advance, or that this is unknown. Hours use the offset at their time; if nobody
// installs the next knocks, they repeat by local time.
func laidAcross(p plans.Plan, s routeros.Snapshot) string {
	if p.Ahead() == 0 {
		return ""
	}
	if s.Clock.IsZero() {
		return "the router's clock is unknown: the hours of the installed knocks are UTC"
	}
	zone := s.Clock.Location()
	if zone.String() == "" {
		return fmt.Sprintf("the router's time zone is unknown on this machine, only its present offset %s: when daylight saving begins or ends there, run rosknock rotate", s.Clock.Format("-07:00"))
	}
	if _, change := s.Clock.ZoneBounds(); !change.IsZero() && change.Before(s.Clock.Add(p.Ahead()+p.Ahead())) {
		return fmt.Sprintf("the router's clock (%s) changes its offset at %s: windows behind that are provisioned by the new one; if nobody lays down "+
			"others then, they come again with the knock of an hour before or after, which a client finds with --at", zone, change.Format("2006-01-02 15:04 -07:00"))
	}
	return ""
}

// compiler compiles one family of one plan for one router.
type compiler struct {
	plan   plans.Plan
	router routeros.Snapshot
	family routeros.Family
	moving map[string]uint16 // present ports of services that move
	notes  []string
	faces  map[string][]string // answers of outer
}

// Removal returns the rule set that leaves nothing of a plan on the router of the snapshot. It does
// not know the earlier state of services, or which rows belonged to somebody else: the caller adds
// that.
func Removal(plan string, s routeros.Snapshot) RuleSet {
	rs := RuleSet{Plan: plan, Layout: plans.Inline, Removes: true}
	for _, f := range routeros.Families() {
		if s.HasMenu(f.Filter()) {
			rs.Tables = append(rs.Tables, Table{Family: f, Menu: f.Filter()})
		}
	}
	return rs
}

func (c *compiler) table() (Table, error) {
	t := Table{Family: c.family, Menu: c.family.Filter()}
	if err := c.allowances(); err != nil {
		return Table{}, err
	}
	t.Gate = c.matches(c.plan.Gate.Targets())
	for _, d := range c.plan.Doors {
		t.Doors = append(t.Doors, c.door(d))
	}
	c.notes = append(c.notes, voidNotes(c.router, c.family)...)
	if len(t.Doors)+len(t.Gate) == 0 {
		return t, nil // the plan concerns only the other family
	}
	if err := c.forwards(&t); err != nil {
		return Table{}, err
	}
	if err := decoysAreFree(t); err != nil {
		return Table{}, err
	}
	var err error
	if t.Bogons, err = c.bogons(); err != nil {
		return Table{}, err
	}
	if t.Place, err = c.place(t); err != nil {
		return Table{}, err
	}
	if !c.plan.Firewall.AsFound.Empty() {
		t.Place.Floor = "" // rules as found may be above the accept of established traffic
	}
	if t.Rules, err = c.asFound(c.rules(&t)); err != nil {
		return Table{}, err
	}
	if err := c.forwarding(&t); err != nil {
		return Table{}, err
	}
	for i, d := range c.plan.Doors {
		switch {
		case d.Quarantines():
			t.Chains = append(t.Chains, Chain{Name: d.Name, Rules: c.doorChain(d)})
		case d.Hours != nil && c.first(i):
			t.Chains = append(t.Chains, Chain{Name: d.Name, Rules: c.laidChain(t.Bogons, d.Name)})
		}
	}
	return t, nil
}

func (c *compiler) door(d plans.Door) Door {
	door := Door{Name: d.Name, Knock: d.Knock, Trusted: d.Trusted.List, Opens: c.matches(d.Opens), StageTimeout: d.StageTimeout, For: d.Trusted.For, Relaxed: c.relaxed(d), Hours: d.Hours}
	door.Outer, door.AsFound = c.outer(d.On), !c.plan.Firewall.AsFound.Empty() && d.On == nil
	for n := range len(d.Knock) - 1 {
		door.StageLists = append(door.StageLists, d.StageListOf(n+1))
	}
	if d.Quarantines() {
		door.Quarantine = &Quarantine{List: d.QuarantineList(), For: d.QuarantineFor, Turns: d.WrongKnock == plans.Quarantine, Decoys: d.Decoys}
	}
	return door
}

// rules lists the family's rules in their order: established traffic first; then the drops of
// forged knocks; then the stages of each door, later ones above earlier ones, so that one packet
// never advances two stages; then the accepts, and last the drops of the gate. The stages are above
// the accept of the trusted list, so that a trusted client extends its time by knocking again.
func (c *compiler) rules(t *Table) []routeros.Rule {
	var rules []routeros.Rule
	if t.Place.NeedsEstablished {
		rules = append(rules, c.rule("established", "established traffic",
			"action", "accept", "connection-state", "established,related,untracked"))
	}
	rules = append(rules, c.forged(t.Bogons)...)
	for i, d := range c.plan.Doors {
		switch {
		case d.Quarantines():
			rules = append(rules, c.enter(d))
		case d.Hours == nil:
			rules = append(rules, c.stages(d)...)
		case c.first(i):
			rules = append(rules, c.enterLaid(d.Name))
		}
	}
	for i, d := range c.plan.Doors {
		if !c.first(i) {
			continue // the windows of a door open the same
		}
		rules = append(rules, c.trusts(t, d, t.Doors[i].Opens)...)
	}
	rules = append(rules, c.allows(*t)...)
	for _, m := range traffic.Shut(t.Gate) {
		rules = append(rules, c.rule("gate/"+m.Slot(), "shut for everybody else", append([]string{"action", "drop"}, m.Attributes()...)...))
	}
	for _, m := range t.Forwarding.Outer {
		rules = append(rules, c.rule("gate/forwarded-"+m.Slot(), "forwarded, and for nobody here", append([]string{"action", "drop"}, m.Attributes()...)...))
	}
	return rules
}

func (c *compiler) stages(d plans.Door) []routeros.Rule {
	var rules []routeros.Rule
	for i, stage := range slices.Backward(d.Knock) {
		match := append(stageMatch(c.family, stage), "connection-state", "new")
		if i > 0 {
			match = append(match, "src-address-list", d.StageListOf(i))
		}
		last := i == len(d.Knock)-1
		for _, part := range parts(d.Hours) {
			match := append(slices.Clone(match), part.match...)
			if last && d.Log != nil {
				limit := fmt.Sprintf("%d/%s,%d:packet", d.Log.Count, routeros.FormatDuration(d.Log.Per), d.Log.Count)
				rules = append(rules, c.rule(d.Name+"/log"+d.Suffix()+part.suffix, "finished knocks at door "+d.Name,
					append([]string{"action", "log", "log-prefix", d.Log.Prefix, "limit", limit}, match...)...))
			}
			list, timeout := d.StageListOf(i+1), routeros.ListTimeout{Kind: routeros.Timed, For: d.StageTimeout}
			if last {
				list, timeout = d.Trusted.List, d.Trusted.For
			}
			rules = append(rules, c.rule(fmt.Sprintf("%s/stage-%d%s%s", d.Name, i+1, d.Suffix(), part.suffix), fmt.Sprintf("knock %d of %d at door %s", i+1, len(d.Knock), d.Name),
				append([]string{"action", "add-src-to-address-list", "address-list", list, "address-list-timeout", timeout.String()}, match...)...))
		}
	}
	return rules
}

// part is one of the rules of a stage: there is only one, unless the hours of its window cross
// midnight.
type part struct {
	match  []string
	suffix string
}

func parts(hours []routeros.Hours) []part {
	if len(hours) == 0 {
		return []part{{}}
	}
	var out []part
	for i, h := range hours {
		p := part{match: []string{"time", h.String()}}
		if i > 0 {
			p.suffix = fmt.Sprintf("-%d", i+1)
		}
		out = append(out, p)
	}
	return out
}

// stageMatch returns the matchers of one stage as alternating names and values. An ICMP stage is an
// echo request of one whole packet size (routeros-facts § 2.2).
func stageMatch(f routeros.Family, s plans.Stage) []string {
	if s.Protocol == "icmp" {
		echo := "8:0"
		if f == routeros.IPv6 {
			echo = "128:0"
		}
		return append([]string{"protocol", f.ICMP(), "icmp-options", echo, "packet-size", fmt.Sprint(s.Size)}, carries(s)...)
	}
	return append([]string{"protocol", s.Protocol, "dst-port", fmt.Sprint(s.Port)}, carries(s)...)
}

// carries is the matcher of a stage's payload: the bytes stand anywhere in the packet
// (routeros-facts § 2.2).
func carries(s plans.Stage) []string {
	if s.Payload == "" {
		return nil
	}
	return []string{"content", s.Payload}
}

// allows lets the allow-list reach what is gated or opened.
func (c *compiler) allows(t Table) []routeros.Rule {
	reach := t.Gate
	for _, d := range t.Doors {
		reach = traffic.Merge(append(slices.Clone(reach), d.Opens...))
	}
	var rules []routeros.Rule
	if len(c.allowed()) > 0 {
		rules = c.accepts("allow/addresses", "allow-list", reach, "src-address-list", AllowList(c.plan.Name))
	}
	for i, list := range c.plan.Allow.InterfaceLists {
		rules = append(rules, c.accepts(fmt.Sprintf("allow/interfaces-%d", i+1), "allow-list", reach, "in-interface-list", list)...)
	}
	for i, name := range c.plan.Allow.Interfaces {
		rules = append(rules, c.accepts(fmt.Sprintf("allow/interface-%d", i+1), "allow-list", reach, "in-interface", name)...)
	}
	for i, list := range c.plan.Allow.AddressLists {
		rules = append(rules, c.accepts(fmt.Sprintf("allow/list-%d", i+1), "allow-list", reach, "src-address-list", list)...)
	}
	return rules
}

func (c *compiler) accepts(slot, text string, reach []traffic.Match, who ...string) []routeros.Rule {
	var rules []routeros.Rule
	for _, m := range reach {
		name := slot
		if m.Protocol != "" {
			name += "-" + m.Slot()
		}
		rules = append(rules, c.rule(name, text, slices.Concat([]string{"action", "accept"}, who, m.Attributes())...))
	}
	return rules
}

func (c *compiler) rule(slot, text string, pairs ...string) routeros.Rule {
	mark := routeros.Mark{Plan: c.plan.Name, Slot: slot}
	return routeros.NewRule(append(pairs, "comment", mark.Comment(text))...)
}

// allowed returns the allow-list's addresses of this family.
func (c *compiler) allowed() []routeros.AddressRange {
	return slices.DeleteFunc(slices.Clone(c.plan.Allow.Addresses), func(r routeros.AddressRange) bool { return r.Family() != c.family })
}

func (c *compiler) entries() []Entry {
	var entries []Entry
	for _, r := range c.allowed() {
		entries = append(entries, Entry{c.family.AddressList(), routeros.ListEntry{
			List: AllowList(c.plan.Name), Address: r.String(),
			Comment: routeros.Mark{Plan: c.plan.Name, Slot: "allow"}.Comment("never needs to knock"),
		}})
	}
	return append(entries, c.bogonEntries()...)
}

func services(want plans.Services) []Service {
	byName := map[string]*Service{}
	var order []string
	get := func(name string) *Service {
		if byName[name] == nil {
			byName[name] = &Service{Name: name}
			order = append(order, name)
		}
		return byName[name]
	}
	for _, name := range want.Disable {
		disabled := true
		get(name).Disabled = &disabled
	}
	for _, p := range want.Ports {
		get(p.Name).Port = &p.Port
	}
	for _, f := range want.From {
		s := get(f.Name)
		s.WantFrom = true
		for _, r := range f.Prefixes {
			s.From = append(s.From, r.String())
		}
	}
	out := make([]Service, len(order))
	for i, name := range order {
		out[i] = *byName[name]
	}
	return out
}
