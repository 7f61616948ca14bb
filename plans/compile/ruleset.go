package compile

import (
	"time"

	"github.com/rosknock/rosknock/plans"
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
	// Networks is the list of networks that are let in by hand, "" for none.
	Networks string
	Opens    []traffic.Match // one without protocol: everything
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

// LetIn are the lists whose members the door lets in.
func (d Door) LetIn() []string { return plans.Trusted{List: d.Trusted, Networks: d.Networks}.Lists() }

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
