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

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

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
		c := compiler{subject: subject{concerns(p, f), f}, router: s, moving: moving}
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

// subject is what a rule set is about: one plan, in one family.
type subject struct {
	plan   plans.Plan
	family routeros.Family
}

// allowed returns the allow-list's addresses of this family.
func (s subject) allowed() []routeros.AddressRange {
	return slices.DeleteFunc(slices.Clone(s.plan.Allow.Addresses), func(r routeros.AddressRange) bool { return r.Family() != s.family })
}

// compiler compiles one family of one plan for one router. It reads what the plan names there; a
// [placing] finds the place of the rules, and a [ruleWriter] writes them.
type compiler struct {
	subject
	router routeros.Snapshot
	moving map[string]uint16 // present ports of services that move
	notes  []string
	faces  map[string][]string // answers of outer
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
	c.notes = append(c.notes, c.unsureNotes()...)
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
	place := placing{subject: c.subject, router: c.router}
	if t.Place, err = place.place(t); err != nil {
		return Table{}, err
	}
	c.notes = append(c.notes, place.notes...)
	if !c.plan.Firewall.AsFound.Empty() {
		t.Place.Floor = "" // rules as found may be above the accept of established traffic
	}
	write := ruleWriter{c.subject}
	if t.Rules, err = c.asFound(write.rules(&t)); err != nil {
		return Table{}, err
	}
	if len(t.Forwarding.Forwards) > 0 {
		if err := place.forwardPlaces(&t); err != nil {
			return Table{}, err
		}
		write.forwarding(&t)
	}
	for i, d := range c.plan.Doors {
		switch {
		case d.Quarantines():
			t.Chains = append(t.Chains, Chain{Name: d.Name, Rules: write.doorChain(d)})
		case d.Hours != nil && write.first(i):
			t.Chains = append(t.Chains, Chain{Name: d.Name, Rules: write.laidChain(t.Bogons, d.Name)})
		}
	}
	return t, nil
}

func (c *compiler) door(d plans.Door) Door {
	door := Door{Name: d.Name, Knock: d.Knock, Trusted: d.Trusted.List, Networks: d.Trusted.Networks, Opens: c.matches(d.Opens), StageTimeout: d.StageTimeout, For: d.Trusted.For, Relaxed: c.relaxed(d), Hours: d.Hours}
	door.Outer, door.AsFound = c.outer(d.On), !c.plan.Firewall.AsFound.Empty() && d.On == nil
	for n := range len(d.Knock) - 1 {
		door.StageLists = append(door.StageLists, d.StageListOf(n+1))
	}
	if d.Quarantines() {
		door.Quarantine = &Quarantine{List: d.QuarantineList(), For: d.QuarantineFor, Turns: d.WrongKnock == plans.Quarantine, Decoys: d.Decoys}
	}
	return door
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
