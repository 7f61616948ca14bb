// Package plans holds the operator's plan: the plan file, read with positions, checked, and printed
// back. A plan names doors (knock sequences and what they open), the gate (what is closed to
// everybody else), the services to disable or move, and the allow-list of sources that never need
// to knock. [Read] is strict and reports every error of a file at once, each with its line and
// column: the description of a plan file is here, the strict reader is plans/form. The package knows
// nothing about any router: plans/compile turns a plan into the rule set for one.
package plans

import (
	"strconv"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Plan is one plan file.
type Plan struct {
	// Name is part of every mark on a router: a-z, 0-9 and -, at most 24 bytes.
	Name     string
	Doors    []Door // in the order of the file
	Allow    Allow
	Gate     Gate
	Services Services
	Firewall Firewall
}

// Door is one knock sequence, the list that it fills, and what that list may reach.
type Door struct {
	Name string
	// Knock is the sequence; of a rotating door, that of one window, once it is derived.
	Knock []Stage
	// Rotate, if set, says how the knock is derived from a secret and the time. Window then
	// distinguishes the doors of the windows of one rotating door: they share its name, its trusted
	// list and what it opens. 0 is a door that was not derived, or has a fixed knock.
	Rotate *Rotate
	Window int
	// Hours are when the knock of a window that is installed in advance counts; none means always.
	Hours []routeros.Hours
	// StageTimeout is how long each stage's list remembers a source.
	StageTimeout time.Duration
	// StageList is the prefix of the stage lists, which are called PREFIX_1, PREFIX_2, …
	StageList string
	// StageNames, if set, are the names of the stage lists instead, one for each stage but the
	// last.
	StageNames []string
	Trusted    Trusted
	// Opens is what the trusted list may reach; at least one target.
	Opens []Target
	// On are the interface lists on which the door has to open; none means every interface by which
	// strangers come in.
	On []string
	// Log, if set, logs each finished knock.
	Log *Log
	// WrongKnock is what happens to a source that touches a stage out of order.
	WrongKnock WrongKnock
	// Decoys are traps: touching one quarantines.
	Decoys []Stage
	// QuarantineFor is how long the quarantine list remembers a source, longer than any stage does;
	// zero if the door has none.
	QuarantineFor time.Duration
}

// Quarantines reports whether anything at the door leads into its quarantine.
func (d Door) Quarantines() bool { return d.WrongKnock == Quarantine || len(d.Decoys) > 0 }

// WrongKnock is what a wrong knock does.
type WrongKnock uint8

// What a wrong knock does: nothing, or it puts its source into a list that outlives every stage,
// and whose members every stage ignores.
const (
	Ignore WrongKnock = iota
	Quarantine
)

// String returns the word of the plan file.
func (k WrongKnock) String() string {
	if k == Quarantine {
		return "quarantine"
	}
	return "ignore"
}

// StageListOf returns the name of the list of sources that have passed stage n, counted from 1. The
// last stage fills the trusted list instead.
func (d Door) StageListOf(n int) string {
	if n <= len(d.StageNames) {
		return d.StageNames[n-1]
	}
	return d.StageList + d.Suffix() + "_" + strconv.Itoa(n)
}

// Suffix distinguishes the windows of a rotating door in the names of lists and marks; it is empty
// for other doors. It repeats after four windows, long after the first one is over; for windows in
// advance, after as many as are installed.
func (d Door) Suffix() string {
	switch {
	case d.Window == 0:
		return ""
	case d.Hours != nil:
		return "-t" + strconv.Itoa(d.Window)
	}
	return "-w" + strconv.Itoa(d.Window)
}

// QuarantineList returns the name of the list of sources in quarantine.
func (d Door) QuarantineList() string { return d.StageList + "-quarantine" }

// Stage is one step of a knock.
type Stage struct {
	Protocol string // tcp, udp or icmp
	Port     uint16 // of tcp and udp, 1 to 65535
	// Size is the whole IP packet of an icmp stage, header included, as RouterOS counts it;
	// 28 to 65535.
	Size uint16
	// PayloadFrom is where the text is kept that the packet of a udp or icmp stage has to carry;
	// the zero value means none. Payload is that text once it is looked up: see [Plan.Resolve].
	PayloadFrom Credential
	Payload     string
}

// Rotate is a knock that changes with time: each window has its own sequence, derived from a
// secret.
type Rotate struct {
	Secret Credential
	// Stages is their number, Ports the range of their ports, Every the length of a window, and
	// Overlap how much earlier and later its sequence also opens.
	Stages         int
	Ports          routeros.PortRange
	Every, Overlap time.Duration
	// Ahead is for how long knocks are installed on the router in advance, where they repeat if
	// nobody replaces them: a day, a week, or 0 for the valid ones only.
	Ahead time.Duration
	// Payload is how many characters the packets of udp stages have to carry, derived from the
	// secret too; 0 for none.
	Payload int
	// User is the person, if each has their own knock: it makes their knock different from all
	// others.
	User string
}

// Provisioned is how many windows are on the router at once if they are installed in advance,
// otherwise 0.
func (r Rotate) Provisioned() int {
	if r.Ahead == 0 || r.Every <= 0 {
		return 0
	}
	return int(r.Ahead / r.Every)
}

// Trusted is the address list that a door fills at its last stage.
type Trusted struct {
	List string
	// For is how long an entry lasts.
	For routeros.ListTimeout
	// Networks is a list of whole networks that are let in by hand, "" for none. They need a list of
	// their own: a knock from inside a network of List would extend the whole network, instead of
	// adding the one address (routeros-facts § 15.1).
	Networks string
}

// Lists are the lists whose members the door lets in.
func (t Trusted) Lists() []string {
	if t.Networks == "" {
		return []string{t.List}
	}
	return []string{t.List, t.Networks}
}

// Target is something on the router, or behind it, that can be opened or gated.
type Target struct {
	Kind TargetKind
	// Name is the service, VPN or forward, if Kind is ServiceTarget, VPNTarget or ForwardTarget.
	Name string
	// Protocol is tcp or udp and Port the port, when Kind is PortTarget.
	Protocol string
	Port     routeros.PortRange
}

// TargetKind says what a [Target] names.
type TargetKind uint8

// The kinds of target.
const (
	Everything    TargetKind = iota // every protocol and port of the router, and every forward of the plan
	ServiceTarget                   // a row of /ip/service, on whatever port it listens
	VPNTarget                       // all protocols and ports of a VPN
	PortTarget                      // tcp/8443, udp/5000-5010
	ForwardTarget                   // a forward of the plan
)

// Log is the logging of finished knocks.
type Log struct {
	Prefix string
	// Count packets per Per are logged, no more.
	Count int
	Per   time.Duration
}

// Allow is the allow-list: sources that never need to knock.
type Allow struct {
	Addresses      []routeros.AddressRange
	InterfaceLists []string
	// Interfaces are single ones.
	Interfaces []string
	// AddressLists are those of somebody else, taken as they are.
	AddressLists []string
}

// Gate is what is closed to everybody who is neither on the allow-list nor trusted.
type Gate struct {
	Services []string
	VPNs     []string
	// VPNPorts are the ports of VPNs of which the router does not tell it.
	VPNPorts []VPNPort
	Ports    []Target // of kind PortTarget
	Forwards []Forward
}

// VPNPort is the port on which a VPN listens.
type VPNPort struct {
	Name string
	Port uint16
}

// Targets returns what the gate shuts on the router itself: all but the forwards.
func (g Gate) Targets() []Target {
	targets := make([]Target, 0, len(g.Services)+len(g.VPNs))
	for _, name := range g.Services {
		targets = append(targets, Target{Kind: ServiceTarget, Name: name})
	}
	for _, name := range g.VPNs {
		targets = append(targets, Target{Kind: VPNTarget, Name: name})
	}
	return append(targets, g.Ports...)
}

// Services is the desired state of /ip/service.
type Services struct {
	Disable []string
	Ports   []ServicePort
	From    []ServiceFrom
}

// ServicePort moves a service to a port.
type ServicePort struct {
	Name string
	Port uint16
}

// ServiceFrom limits a service to prefixes.
type ServiceFrom struct {
	Name     string
	Prefixes []routeros.AddressRange
}

// Firewall says where the rules go, and in which form.
type Firewall struct {
	Families []routeros.Family
	Layout   Layout
	// Before is the comment of the rule before which the rules go; empty means that rosknock finds
	// the place itself.
	Before string
	// Bogons, if set, are sources whose knocks don't count on some interfaces.
	Bogons *Bogons
	// Found says how existing rules differ that the plan describes as they are.
	AsFound AsFound
}

// Layout is how a rule set lies in the router's table.
type Layout uint8

// The two layouts: everything in a chain of our own behind one jump, or the rules in input itself.
const (
	Chain Layout = iota
	Inline
)

// String returns the word of the plan file.
func (l Layout) String() string {
	if l == Inline {
		return "inline"
	}
	return "chain"
}

// The defaults of a plan.
const (
	DefaultStageTimeout = 10 * time.Second
	// DefaultQuarantine is how long a quarantine lasts, or twice the stage-timeout if that is
	// longer.
	DefaultQuarantine = time.Minute
)
