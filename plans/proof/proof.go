// Package proof shows, before the first step of a change set is sent, that every state of the
// router between its first and its last step keeps the promises of rosknock, or finds a packet for
// which one does not.
//
// The argument is exhaustive: package space cuts all packets at every boundary that any rule of
// any of the states knows, and follows all of them through each state; memberships in address lists
// are taken both ways, and so is every matcher that a single packet does not decide. A failure
// holds a packet that breaks the promise, with the evaluator's results before and after.
//
//	p := proof.Prove(snapshot, rules, changes, session)
//	if err := p.Err(); err != nil { … } // a *change.RefusalError: exit code 4
//
// What the proof does not know: traffic that is not addressed to the router (except what
// destination NAT forwards), rules of the mangle table, bridge filters, and what a service itself
// does with a packet.
package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Promise is one of the things that are shown.
type Promise uint8

// The promises, numbered as in the documentation.
const (
	KeepOperator Promise = iota + 1 // the operator's own flow stays accepted wherever it was
	NoExposure                      // no source reaches what it could not, unless the plan opens it to that source
	OnlyByKnock                     // gated services open only to the allow-list or after a complete knock
	KeepForeign                     // what is not ours stays as it was
	NotVoid                         // our own rules can be reached
)

// String says what is promised.
func (p Promise) String() string {
	return map[Promise]string{
		KeepOperator: "the operator's own session stays accepted",
		NoExposure:   "no source reaches what it could not reach before",
		OnlyByKnock:  "gated services open only to the allow-list or after a complete knock",
		KeepForeign:  "rules, lists and services of others stay as they were",
		NotVoid:      "every rule of the plan can be reached",
	}[p]
}

// Promises returns all promises in their order.
func Promises() []Promise {
	return []Promise{KeepOperator, NoExposure, OnlyByKnock, KeepForeign, NotVoid}
}

// Proof is the result of [Prove].
type Proof struct {
	// Failures are the promises that are broken, each with the first packet that was found; none
	// when the proof holds. Accepted are those that the operator has accepted by name.
	Failures, Accepted []Failure
	// States is how many states were looked at: before, between, after.
	States int
	// Classes is the number of classes of packets in each state, over both families.
	Classes float64
	// Doors says how each door opens in the end.
	Doors []Door
	// Overrides are the accepts of others that the gate makes void for sources which they name.
	Overrides []Override
	// Peers are connected peers of VPNs who would have to knock before their next connection.
	Peers []Peers
	// Opens lists what opens when a plan is removed, or a change of it is undone.
	Opens []Opening
	// Notes say what can't be decided about an undo.
	Notes []string
	// Unasked are promises that could not be checked, with the reason: the operator's source is
	// unknown.
	Unasked map[Promise]string
}

// Door is how one door opens in one family.
type Door struct {
	Name   string
	Family routeros.Family
	// Packets is how many packets the shortest way into the trusted list takes.
	Packets int
}

// Failure is a broken promise.
type Failure struct {
	Promise Promise
	// Risk is the name under which it can be accepted.
	Risk string
	// After is the number of steps after which the promise is broken.
	After int
	// What is wrong, and what can be done.
	What, Remedy string
	// Packets are the counter-example, in their order. Was and Is are the verdicts about the last
	// one: before the change, and after the step.
	Packets []Packet
	Was, Is *firewall.Disposition
}

// Packet is one packet of a counter-example.
type Packet struct {
	space.Example
	// Secret says that the packet is a part of a knock, so that its port or size must be masked.
	Secret bool
}

// The names of the risks.
const (
	LoseSession = change.LoseSession
	Exposure    = "exposure"
	OpenGate    = "open-gate"
	OtherWay    = "other-way"
	Forged      = "forged"
	CutOff      = "cut-off"
	ForeignRule = "foreign-change"
	VoidDoor    = "void-door"
	VoidRule    = "void-rule"
	Undecidable = "undecidable"
	DoorShut    = "door-shut"
	Overrides   = "overrides-accept"
	Passing     = "passing-exposure"
)

// Risks returns the names of the risks that can be accepted.
func Risks() []string {
	return []string{LoseSession, Exposure, OpenGate, OtherWay, Forged, CutOff, ForeignRule, VoidDoor, VoidRule, Undecidable, Passing, DoorShut, Overrides}
}

// Holds reports whether every promise is kept, or accepted by name.
func (p Proof) Holds() bool { return len(p.Failures) == 0 }

// Err returns nil when the proof holds, and otherwise the first failure as a
// *[change.RefusalError].
func (p Proof) Err() error {
	if p.Holds() {
		return nil
	}
	f := p.Failures[0]
	return &change.RefusalError{Risk: f.Risk, What: f.What, Remedy: f.WayOut()}
}

// WayOut returns what can be done about a failure: the remedy, and the name of the risk where it is
// one that can be accepted.
func (f Failure) WayOut() string {
	if !slices.Contains(Risks(), f.Risk) {
		return f.Remedy
	}
	return f.Remedy + ", or accept with --accept-risk=" + f.Risk
}

// Kept reports whether one promise is kept: nothing was found against it.
func (p Proof) Kept(which Promise) bool {
	broken := func(f Failure) bool { return f.Promise == which }
	return !slices.ContainsFunc(p.Failures, broken) && !slices.ContainsFunc(p.Accepted, broken)
}

// prover is a proof under way.
type prover struct {
	before  routeros.Snapshot
	want    compile.RuleSet
	changes change.ChangeSet
	session change.Management
	states  []routeros.Snapshot
	// doubtful are foreign rules whose effect could not be decided even before the plan, or before
	// the change that is rolled back.
	doubtful map[routeros.Menu][]routeros.Rule
	unfit    error // why the steps don't fit the router
	proof    Proof
}

// Prove shows that the change set, carried out on the router of the snapshot, keeps the promises in
// every state, or how it does not.
func Prove(before routeros.Snapshot, want compile.RuleSet, changes change.ChangeSet, session change.Management) Proof {
	p := newProver(before, want, changes, session)
	if p.misfit() || p.unread() || p.untracked() {
		return p.proof
	}
	p.foreign()
	if want.Removes {
		p.doubtful = p.theirs(before)
	}
	for _, t := range want.Tables {
		if want.Removes {
			p.removal(t)
			continue
		}
		p.family(t)
	}
	p.converges()
	return p.proof
}

func newProver(before routeros.Snapshot, want compile.RuleSet, changes change.ChangeSet, session change.Management) *prover {
	p := &prover{before: before, want: want, changes: changes, session: session}
	p.states, p.unfit = change.States(before, changes)
	p.proof.States = len(p.states)
	if len(session.Operators) == 0 || session.Service == "" {
		p.unasked(KeepOperator, "the operator's address is unknown: name yours with --operator")
	}
	return p
}

// misfit: steps that do not fit the router can't be followed, and nobody can accept them.
func (p *prover) misfit() bool {
	if p.unfit != nil {
		p.proof.Failures = append(p.proof.Failures,
			Failure{Promise: KeepForeign, Risk: ForeignRule, What: p.unfit.Error(), Remedy: "compute the change set again"})
	}
	return p.unfit != nil
}

// Unread is the name of the failure that nobody can accept: what the router does is not known.
const Unread = "unread-rows"

// unread: where a row of the firewall could not be read, nothing can be shown about packets.
func (p *prover) unread() bool {
	rows := p.before.Unread
	if len(rows) == 0 {
		return false
	}
	shown := rows[:min(len(rows), mostUnread)]
	var texts []string
	for _, row := range shown {
		texts = append(texts, row.String())
	}
	if more := len(rows) - len(shown); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	p.proof.Failures = append(p.proof.Failures, Failure{
		Promise: NoExposure, Risk: Unread,
		What:   "the export has rows that can't be read, and nobody can say what they do: " + strings.Join(texts, "; "),
		Remedy: "correct these lines, or take a new export from the router with /export",
	})
	for _, promise := range []Promise{KeepOperator, OnlyByKnock, NotVoid} {
		p.unasked(promise, "rows of the firewall can't be read")
	}
	return true
}

// mostUnread is how many of such rows a refusal lists.
const mostUnread = 10

// converges shows that after the last step nothing is left to do.
func (p *prover) converges() {
	last := p.states[len(p.states)-1]
	rest, err := diff.Left(last, p.want, p.session)
	if err == nil && len(rest) == 0 {
		return
	}
	what := fmt.Sprint(err)
	if err == nil {
		what = fmt.Sprintf("%s %s", rest[0].Op, rest[0].Slot)
	}
	p.fail(Failure{
		Promise: NotVoid, Risk: VoidRule, After: len(p.changes.Steps),
		What: "after the steps the router would still differ from the plan: left to do is " + what, Remedy: "compute the change set again",
	})
}

func (p *prover) unasked(which Promise, why string) {
	if p.proof.Unasked == nil {
		p.proof.Unasked = map[Promise]string{}
	}
	p.proof.Unasked[which] = why
}

// fail records a broken promise, once for each risk.
func (p *prover) fail(f Failure) {
	same := func(o Failure) bool { return o.Risk == f.Risk }
	switch {
	case slices.ContainsFunc(p.proof.Failures, same), slices.ContainsFunc(p.proof.Accepted, same):
	case slices.Contains(p.session.Accepted, f.Risk):
		p.proof.Accepted = append(p.proof.Accepted, f)
	default:
		p.proof.Failures = append(p.proof.Failures, f)
	}
}

// foreign shows that nothing foreign changes: no step names a row that is not the plan's, and all
// other rows are the same in the end.
func (p *prover) foreign() {
	for i, step := range p.changes.Steps {
		if step.Menu.IsRuleTable() && step.ID != "" && !p.owned(p.states[i], step) && !change.HandsOver(step, p.want.Plan) {
			p.fail(Failure{Promise: KeepForeign, Risk: ForeignRule, After: i + 1, What: fmt.Sprintf("step %d changes the rule %s, which is not the plan's", i+1, step.ID), Remedy: "this is a bug in rosknock: please report it"})
		}
	}
	for _, what := range change.Foreign(p.before, p.states[len(p.states)-1], p.want.Plan, p.changes.Steps...) {
		p.fail(Failure{Promise: KeepForeign, Risk: ForeignRule, After: len(p.changes.Steps), What: what, Remedy: "this is a bug in rosknock: please report it"})
	}
}

func (p *prover) owned(s routeros.Snapshot, step change.Step) bool {
	return slices.ContainsFunc(s.Rules[step.Menu], func(r routeros.Rule) bool { return r.ID == step.ID && p.ours(&r) })
}

// ours reports whether a rule carries the plan's mark.
func (p *prover) ours(r *routeros.Rule) bool {
	mark, ok := r.Mark()
	return ok && !r.Dynamic && mark.Plan == p.want.Plan
}

// table is the proof for one family.
type table struct {
	*prover
	compile.Table
	space   *space.Space
	results []space.Result // of each state
	nat     space.Result   // what destination NAT does, which no step changes
	after   routeros.Snapshot
	domain  space.Set // packets that can arrive
	opened  space.Set // what the plan opens, and to whom
	doors   []space.Set
}

// walk follows the packets of one family through every state.
func (p *prover) walk(t compile.Table) *table {
	f := &table{prover: p, Table: t, after: p.states[len(p.states)-1]}
	f.space = space.New(t.Family, p.cuts(t), p.states...)
	f.nat = traffic.Translated(f.space, f.after)
	// Without tracking there would be no established and no new; where tracking is on, packets
	// become untracked by rules only.
	f.domain = f.space.Minus(f.space.All(), f.space.States(firewall.Untracked))
	f.opened = f.opens()
	relevant := f.relevant()
	for _, s := range p.states {
		f.results = append(f.results, f.space.Walk(s, relevant...))
	}
	p.proof.Classes += f.space.Classes()
	return f
}

// family shows the promises about the packets of one family.
func (p *prover) family(t compile.Table) {
	f := p.walk(t)
	f.operator()
	f.tunnels()
	f.peers()
	f.gate()
	f.door()
	f.overrides()
	f.voidRules()
	f.allowed()
	f.exposure()
	f.forged(f.results[len(f.results)-1])
	f.lost()
	f.forwards()
	f.knocks()
	f.followed("simplify the chains that input jumps to, and forward where the plan has forwards, or name a place above them with firewall.place")
}

// followed: everything could be followed.
func (f *table) followed(remedy string) {
	incomplete := slices.ContainsFunc(f.results, func(r space.Result) bool { return r.Incomplete || r.Astray && f.forwarding() })
	if !f.space.Complete() || incomplete {
		f.fail(Failure{
			Promise: NoExposure, Risk: Undecidable, After: len(f.changes.Steps),
			What:   fmt.Sprintf("the router's %s rules are too complex to follow, or their chains jump in circles", f.Family),
			Remedy: remedy,
		})
	}
}

// cuts are the boundaries that the plan itself knows.
func (p *prover) cuts(t compile.Table) space.Cuts {
	c := space.Cuts{Open: true, Asked: p.want.Allowed.AddressLists}
	for _, a := range p.session.Operators {
		c.Sources = append(c.Sources, routeros.AddressRange{First: a, Last: a})
	}
	for _, peer := range p.carried() {
		c.Sources = append(c.Sources, routeros.AddressRange{First: peer.Endpoint, Last: peer.Endpoint})
		for _, m := range p.outerMatches(peer) {
			c.Ports = append(c.Ports, m.Ports...)
		}
	}
	if t.Bogons != nil {
		c.Apart = t.Bogons.Ranges
	}
	matches := slices.Concat(t.Gate, t.Forwarding.Outer)
	for _, f := range t.Forwarding.Forwards {
		c.Ports = append(c.Ports, routeros.PortRange{First: f.ToPort, Last: f.ToPort})
	}
	for _, d := range t.Doors {
		matches = append(matches, d.Opens...)
		c.Lists = append(c.Lists, d.Trusted)
		if d.Quarantine != nil {
			c.Lists = slices.Concat(c.Lists, d.StageLists, []string{d.Quarantine.List})
		}
		for _, stage := range append(slices.Clone(d.Knock), d.Decoys()...) {
			c.Ports = append(c.Ports, routeros.PortRange{First: stage.Port, Last: stage.Port})
			c.Sizes = append(c.Sizes, int(stage.Size))
		}
	}
	for _, m := range matches {
		c.Ports = append(c.Ports, m.Ports...)
	}
	return c
}

// opens returns the packets that the plan lets in: those of trusted sources to what their door
// opens, those of the allow-list to everything gated or opened, and running connections.
func (f *table) opens() space.Set {
	s := f.space
	reach := traffic.Packets(s, f.nat, f.Dropped()) // of a VPN in IPsec also what comes in clear, where a rule of the router accepts it
	out := s.States(firewall.Established, firewall.Related)
	for i, d := range f.Doors {
		if first := f.first(i); first < i {
			f.doors = append(f.doors, f.doors[first])
			continue
		}
		opened := traffic.Packets(s, f.nat, d.Opens)
		f.doors = append(f.doors, opened)
		reach = s.Or(reach, opened)
		out = s.Or(out, s.Minus(s.And(opened, s.Listed(f.after, d.Trusted)), f.suspects()))
	}
	allowed := s.Listed(f.after, compile.AllowList(f.want.Plan))
	allowed = s.Or(allowed, f.want.Allowed.Set(s, f.after))
	return s.Or(out, s.And(reach, allowed))
}

// first is the place of the first door of a door's name: the windows of a door that rotates share
// their list and what they open.
func (f *table) first(i int) int {
	return slices.IndexFunc(f.Doors, func(o compile.Door) bool { return o.Name == f.Doors[i].Name })
}

// openedBy returns what the plan opens in a state: the last packet of a knock may find the door
// open already, since its source is in the trusted list when the next rule looks.
func (f *table) openedBy(n int) space.Set {
	out := f.opened
	for i, d := range f.Doors {
		if f.first(i) < i {
			continue
		}
		for _, fill := range f.results[n].Fills {
			if fill.List == d.Trusted && fill.Source && f.ours(fill.Rule) {
				out = f.space.Or(out, f.space.And(fill.Packets, f.doors[i]))
			}
		}
	}
	return out
}
