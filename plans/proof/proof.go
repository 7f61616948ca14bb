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
// destination NAT forwards), what the router itself sends, rules of the mangle table, bridge
// filters, and what a service itself does with a packet. docs/proof.md has the whole list.
//
// The files in the order of their story: proof.go says what is promised and what comes out;
// prover.go checks the change set and the router as a whole; family.go follows the packets of IPv4
// or IPv6 through every state, scope.go says which of them, sets.go which of them are what. Then one
// file for each promise or story: operators.go, gate.go, services.go, doors.go with trial.go,
// quarantine.go, bogons.go, forwards.go, overrides.go. At last removal.go and undo.go, which prove
// less.
//
// A method checkX looks for what breaks a promise and records it as a [Failure]; a method packetsX
// returns a set of packets.
package proof

import (
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
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
	// Notes say what can't be decided about an undo, and which networks come in without a knock.
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

// Prove shows that the change set, carried out on the router of the snapshot, keeps the promises in
// every state, or how it does not.
func Prove(before routeros.Snapshot, want compile.RuleSet, changes change.ChangeSet, session change.Management) Proof {
	p := newProver(before, want, changes, session)
	if p.checkFit() || p.checkReadable() || p.checkTracking() {
		return p.proof
	}
	p.checkForeign()
	if want.Removes {
		p.doubtful = p.foreignRules(before)
	}
	checks := []func(*prover){}
	for _, t := range want.Tables {
		if want.Removes {
			checks = append(checks, func(p *prover) { p.checkRemoval(t) })
			continue
		}
		checks = append(checks, func(p *prover) { p.checkFamily(t) })
	}
	p.sideBySide(append(checks, (*prover).checkConverges)...)
	return p.proof
}
