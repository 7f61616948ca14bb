package compile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Place is where a rule set belongs in the input chain of a family's filter table: below the row
// Floor and above the row Anchor.
type Place struct {
	// Floor is the id of the accept of established traffic that the router has already; "" when it
	// has none above the anchor.
	Floor string
	// Anchor is the id of the first rule that must not see our packets before us; "" for the end of
	// the table.
	Anchor     string
	AnchorText string
	// NeedsEstablished says that an accept of established traffic has to come first among our own
	// rules, because the router has none above.
	NeedsEstablished bool
}

// placing finds where rules belong in a router's tables.
type placing struct {
	subject
	router routeros.Snapshot
	notes  []string
}

// place finds where the rules belong, by evaluating the router's table without our rules for the
// packets that matter. The first rule that decides about one of them is where they have to go.
func (p *placing) place(t Table) (Place, error) {
	bare := newTable(traffic.WithUnseen(without(p.router, t.Menu, p.plan.Name), t.outer()), t.Family)
	if p.plan.Firewall.Before != "" {
		at, err := p.named(bare.rows, t.Menu)
		if err != nil {
			return Place{}, err
		}
		return settle(bare, t, at), nil
	}
	at, err := p.firstObstacle(bare, t)
	if err != nil {
		return Place{}, err
	}
	return settle(bare, t, at), nil
}

// Set returns the packets of these sources in a state of the router.
func (a Allowed) Set(classes *space.Space, s routeros.Snapshot) space.Set {
	var out space.Set
	for _, list := range a.InterfaceLists {
		out = classes.Or(out, classes.InList(list))
	}
	for _, name := range a.Interfaces {
		out = classes.Or(out, classes.In(name))
	}
	for _, list := range a.AddressLists {
		out = classes.Or(out, classes.Listed(s, list))
	}
	return out
}

// trialTable is a family's table without the plan, prepared for evaluation.
type trialTable struct {
	snapshot routeros.Snapshot
	rows     []routeros.Rule
	world    *firewall.Firewall
	lists    firewall.Lists
	probes   traffic.Probes
	at       time.Time
}

func newTable(bare routeros.Snapshot, f routeros.Family) trialTable {
	return trialTable{bare, bare.Rules[f.Filter()], firewall.NewFirewall(bare), firewall.NewAddressLists(bare, bare.Clock), traffic.NewProbes(bare, f), bare.Clock}
}

func (t trialTable) fates(p firewall.Packet) []firewall.Disposition {
	return t.world.Dispositions(p, t.lists, t.at)
}

// without returns the snapshot less the plan's own rules in one table.
func without(s routeros.Snapshot, m routeros.Menu, plan string) routeros.Snapshot {
	return withRules(s, m, slices.DeleteFunc(slices.Clone(s.Rules[m]), func(r routeros.Rule) bool {
		mark, ok := r.Mark()
		return ok && mark.Plan == plan && !r.Dynamic
	}))
}

// withRules returns the snapshot with other rules in one table.
func withRules(s routeros.Snapshot, m routeros.Menu, rows []routeros.Rule) routeros.Snapshot {
	s.Rules = maps.Clone(s.Rules)
	s.Rules[m] = rows
	return s
}

// named finds the one rule of input that carries the comment of the plan's place. Each family has
// to have its own.
func (p *placing) named(rows []routeros.Rule, menu routeros.Menu) (int, error) {
	comment := p.plan.Firewall.Before
	switch at := carrying(rows, comment); {
	case len(at) == 1:
		return at[0], nil
	case len(at) > 1:
		return 0, &change.RefusalError{
			Risk: "no-place", What: fmt.Sprintf("two rules in input of %s carry the comment %q: %s and %s", menu, comment, rows[at[0]].ID, rows[at[1]].ID),
			Remedy: "give one of them another comment, or use place: auto",
		}
	}
	refused := &change.RefusalError{
		Risk: "no-place", What: fmt.Sprintf("no rule in input of %s carries the comment %q", menu, comment),
		Remedy: "correct firewall.place in the plan, or use place: auto",
	}
	for _, f := range p.plan.Firewall.Families {
		if other := f.Filter(); other != menu && len(carrying(p.router.Rules[other], comment)) > 0 {
			refused.What += fmt.Sprintf(", and one in %s does", other)
			refused.Remedy = fmt.Sprintf("give the rule of %s that has this place the same comment, remove %s from firewall.families, or use place: auto", menu, p.family)
		}
	}
	return 0, refused
}

// carrying lists the positions of the rules of input with a comment.
func carrying(rows []routeros.Rule, comment string) []int {
	var out []int
	for i, r := range rows {
		if r.Chain() == "input" && r.Comment() == comment && !r.Dynamic {
			out = append(out, i)
		}
	}
	return out
}

// firstObstacle returns the position of the first rule of input that decides about a packet of
// ours, or the length of the table where none does.
func (p *placing) firstObstacle(bare trialTable, t Table) (int, error) {
	first := p.firstBypass(t, bare.snapshot)
	needed := false
	for _, in := range t.outer() {
		obstacles := p.obstacles(bare, t, in)
		needed = needed || len(obstacles) > 0
		for _, o := range obstacles {
			for _, fate := range bare.fates(o.probe) {
				if !o.hinders(fate) {
					continue
				}
				at, ok := decider(fate, t.Menu)
				if !ok || at >= first {
					continue
				}
				first = at
			}
		}
	}
	if !needed {
		p.notes = append(p.notes, fmt.Sprintf("nobody needs to knock: the router's own %s rules drop nothing of what the doors open, and the plan has no gate; name under gate what to close", t.Family))
	}
	p.openElsewhere(bare, t)
	if first < len(bare.rows) && bare.rows[first].Dynamic {
		return 0, aboveDynamic(bare.rows[first])
	}
	return first, nil
}

// firstBypass returns the position of the first rule of input that lets any source reach a gated
// service, whatever its address, lists or tunnels, and whatever the answers to limits and the like.
func (p *placing) firstBypass(t Table, bare routeros.Snapshot) int {
	shut := t.Dropped()
	if len(shut) == 0 {
		return len(bare.Rules[t.Menu])
	}
	rows, at := concerning(bare.Rules[t.Menu], shut)
	if i := p.bypass(t, withRules(bare, t.Menu, rows)); i < len(rows) {
		return at[i]
	}
	return len(bare.Rules[t.Menu])
}

// concerning keeps only the filter rules that packets of some matches may meet, and those that fill
// lists, with their positions. Most rules of long tables are about other ports.
func concerning(rows []routeros.Rule, matches []traffic.Match) (kept []routeros.Rule, at []int) {
	for i := range rows {
		c := firewall.Compile(&rows[i])
		if c.Action.Effect == firewall.Fills || slices.ContainsFunc(matches, func(m traffic.Match) bool { return mayMeet(c, m) }) {
			kept, at = append(kept, rows[i]), append(at, i)
		}
	}
	return kept, at
}

// mayMeet reports whether packets of a match may meet a rule, judged by protocol and port.
func mayMeet(c *firewall.Rule, m traffic.Match) bool {
	if number, err := routeros.ParseProtocol(m.Protocol); err == nil && !c.Takes(firewall.FieldProtocol, int(number)) {
		return false
	}
	ports, asks := c.Values(firewall.FieldDstPort)
	return !asks || m.Ports == nil || ports.Ports().Overlaps(m.Ports)
}

func ports(all []traffic.Match) []routeros.PortRange {
	var out []routeros.PortRange
	for _, m := range all {
		out = append(out, m.Ports...)
	}
	return out
}

// bypass is firstBypass by looking at all rules.
func (p *placing) bypass(t Table, bare routeros.Snapshot) int {
	rows := bare.Rules[t.Menu]
	shut := t.Dropped()
	classes := space.New(t.Family, space.Cuts{Ports: ports(shut), Sources: p.allowed(), Asked: p.plan.Allow.AddressLists, Open: true}, bare)
	nat := traffic.Translated(classes, bare)
	bypass := classes.Minus(classes.And(traffic.Packets(classes, nat, shut), classes.States(firewall.New)), p.allowedSet(classes, bare))
	result := classes.Walk(bare, bypass)
	for i := range rows {
		if rows[i].Chain() == "input" && !classes.And(result.Accepts(t.Menu, i), bypass).Empty() {
			return i
		}
	}
	return len(rows)
}

// allowedSet are the packets of sources that the plan lets in without a knock.
func (p *placing) allowedSet(classes *space.Space, s routeros.Snapshot) space.Set {
	out := Allowed{p.plan.Allow.InterfaceLists, p.plan.Allow.Interfaces, p.plan.Allow.AddressLists}.Set(classes, s)
	for _, r := range p.allowed() {
		out = classes.Or(out, classes.Sources(r))
	}
	return out
}

func aboveDynamic(r routeros.Rule) error {
	return &change.RefusalError{
		Risk: "no-place", What: fmt.Sprintf("the rules would have to be above %s, which the router made itself", r.Describe()),
		Remedy: "RouterOS allows no rule before a dynamic rule; disable the feature that makes it",
	}
}

// obstacle is a packet, and the verdicts on it that must not come before our rules.
type obstacle struct {
	probe       firewall.Packet
	alsoAccepts bool // an accept is an obstacle too: the packet would never reach our rule
}

func (o obstacle) hinders(f firewall.Disposition) bool {
	return f.Verdict != firewall.Accept || o.alsoAccepts
}

// obstacles lists the packets that matter on one interface. A knock has to reach the stage rules,
// and packets to gated services the gate, so any verdict before them is an obstacle. For packets
// that are only opened, a drop is one. If the router accepts everything that the doors open anyway,
// nobody needs to knock.
func (p *placing) obstacles(bare trialTable, t Table, in string) []obstacle {
	probes := bare.probes
	allowed := p.inside(bare.world, in)
	var opened, gated []firewall.Packet
	doors := slices.DeleteFunc(slices.Clone(t.Doors), func(d Door) bool { return !slices.Contains(d.Outer, in) })
	for _, d := range doors {
		for _, m := range d.Opens {
			opened = append(opened, probes.To(in, m)...)
		}
	}
	for _, m := range slices.Concat(t.Gate, t.Forwarding.Outer) {
		gated = append(gated, probes.To(in, m)...)
	}
	open := !slices.ContainsFunc(opened, func(q firewall.Packet) bool {
		return bare.world.Input(q, bare.lists, bare.at).Verdict != firewall.Accept
	})
	if open && len(gated) == 0 {
		return nil
	}
	var out []obstacle
	for _, q := range opened {
		out = append(out, obstacle{probe: q})
	}
	for _, q := range gated {
		out = append(out, obstacle{probe: q, alsoAccepts: !allowed})
	}
	if !allowed {
		for _, d := range doors {
			for _, stage := range d.Knock {
				out = append(out, obstacle{probe: probes.Stage(in, stage), alsoAccepts: true})
			}
		}
	}
	return out
}

// openElsewhere notes that the router's own rules let in strangers by other interfaces: they have
// no last drop.
func (p *placing) openElsewhere(bare trialTable, t Table) {
	if len(t.Gate) == 0 || slices.Contains(t.outer(), firewall.AnyOther) {
		return
	}
	for _, d := range bare.fates(bare.probes.New(firewall.AnyOther, "tcp", 1025)) {
		if d.Verdict == firewall.Accept && d.Rule == nil {
			p.notes = append(p.notes, fmt.Sprintf("all else is open: what the router's own %s rules do not name is accepted on every interface but %s", t.Family, traffic.Names(t.outer())))
			return
		}
	}
}

// outer are the interfaces on which some door has to open.
func (t Table) outer() []string {
	var out []string
	for _, d := range t.Doors {
		for _, name := range d.Outer {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// decider returns the position of the rule of input that decided, itself or through the chain that
// it jumps to.
func decider(f firewall.Disposition, menu routeros.Menu) (int, bool) {
	if f.Rule == nil || f.Table != menu {
		return 0, false
	}
	for _, look := range slices.Backward(f.Trail) {
		if look.Table == menu && look.Matched && look.Rule.Chain() == "input" {
			return look.Index, true
		}
	}
	return 0, false
}

// settle completes a place whose anchor is the row at a position: the floor is the accept of
// established traffic above it, if the router has one that holds for all interfaces.
func settle(bare trialTable, t Table, at int) Place {
	place := Place{NeedsEstablished: true}
	if at < len(bare.rows) {
		place.Anchor, place.AnchorText = bare.rows[at].ID, bare.rows[at].Describe()
	}
	if floor := establishedAt(bare, t, at); floor >= 0 {
		place.NeedsEstablished, place.Floor = false, bare.rows[floor].ID
	}
	return place
}

// establishedAt returns the position of the last rule above the anchor that is needed for every
// packet of a running connection to be accepted, or -1 where some are not.
func establishedAt(bare trialTable, t Table, anchor int) int {
	last := -1
	for _, in := range append(slices.Clone(bare.probes.Interfaces), firewall.AnyOther) {
		for _, probe := range bare.probes.Established(in) {
			for _, fate := range bare.fates(probe) {
				at, ok := decider(fate, t.Menu)
				if fate.Verdict != firewall.Accept || !ok || at >= anchor {
					return -1
				}
				last = max(last, at)
			}
		}
	}
	return last
}
