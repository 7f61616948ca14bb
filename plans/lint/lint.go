// Package lint finds weaknesses of a plan or a router. Reading the plan finds errors of form, and
// the proof finds broken promises; lint finds what lets a patient attacker in, or keeps users out
// by accident.
//
// Each finding has an id, a severity, a place, a reason and a remedy. One of severity [Refuse] can
// be accepted by its id, never all at once.
//
//	for _, f := range lint.Plan(plan) {
//		fmt.Println(f.ID, f.Place, f.What)
//	}
//
// No finding reveals a port or a size of a knock: more people read findings than plans. The package
// is pure.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Severity says how serious a finding is.
type Severity uint8

// The severities.
const (
	Inform Severity = iota
	Warn
	Refuse
)

// String returns the severity as a word.
func (s Severity) String() string { return [...]string{"inform", "warn", "refuse"}[min(s, Refuse)] }

// Finding is one weakness.
type Finding struct {
	ID       string
	Severity Severity
	// Place is a key of the plan, such as doors.admin.knock, or a rule, list or service of the
	// router.
	Place string
	// What is wrong, why that matters, and how to correct it; a sentence each.
	What, Why, Remedy string
}

// Decider says what a rule is decided from.
type Decider string

// The deciders. Rules of the proof, or of diff and apply, are refused there with their reason, and
// tested there.
const (
	FromPlan   Decider = "the plan"
	FromRouter Decider = "the router"
	FromBoth   Decider = "the plan and the router"
	FromProof  Decider = "the proof" // refused by prove, diff and apply
	FromApply  Decider = "diff and apply"
	FromFleet  Decider = "the plan and the routers that it is for"
	NotYet     Decider = "nothing yet" // the title says why
)

// Rule is one rule of lint.
type Rule struct {
	ID       string
	Severity Severity
	Title    string
	From     Decider
}

// Rules lists every rule, including those that the proof or apply decide.
func Rules() []Rule {
	return []Rule{
		{"L01", Refuse, "the operator's own source is not accepted in every state of a change", FromProof},
		{"L02", Refuse, "running connections are not accepted before a drop", FromRouter},
		{"L03", Refuse, "a drop in input has no interface limit and shuts the LAN out", FromRouter},
		{"L03b", Refuse, "an interface list that rules use is empty or missing", FromRouter},
		{"L04", Refuse, "the service that carries the session is disabled, moved or narrowed", FromApply},
		{"L05", Warn, "no other access than the network is known: neither the plan nor the router shows a console, MAC access or a second line", NotYet},
		{"L06", Refuse, "the jump to a knock's rules does not match what the knock opens", FromRouter},
		{"L07", Refuse, "a stage of a knock can't be reached", FromRouter},
		{"L08", Refuse, "other rules blacklist a source that knocks", FromBoth},
		{"L09", Warn, "a knock looks like a port scan to the router's detector", FromBoth},
		{"L10", Refuse, "an ICMP size that is impossible, or common for pings", FromPlan},
		{"L11", Refuse, "a stage timeout is shorter than a client needs", FromPlan},
		{"L12", Warn, "knock and service may leave from different addresses", FromBoth},
		{"L20", Refuse, "a port scan opens the door too easily", FromPlan},
		{"L21", Refuse, "the ports of a knock only rise or only fall", FromPlan},
		{"L22", Refuse, "one packet takes two stages", FromRouter},
		{"L23", Refuse, "services that a knock opens are open to anyone", FromRouter},
		{"L24", Refuse, "IPv6 is left open", FromBoth},
		{"L25", Warn, "the trusted list reaches every port", FromPlan},
		{"L26", Warn, "trust lasts long, and others may share the address", FromPlan},
		{"L27", Warn, "a list is used by others, or holds whole networks", FromBoth},
		{"L28", Warn, "an entry never expires", FromPlan},
		{"L29", Warn, "a reject or an unlimited log on the outside", FromBoth},
		{"L30", Warn, "a rule fills a list from answers, too", FromRouter},
		{"L31", Inform, "a penalty can be driven by forged packets", FromBoth},
		{"L32", Warn, "predictable ports", FromPlan},
		{"L33", Warn, "the knock is in a name or a comment", FromBoth},
		{"L34", Inform, "one sequence for a whole fleet", FromFleet},
		{"L35", Warn, "rotation with a clock that nothing sets, or an overlap that is shorter than a knock", FromBoth},
		{"L36", Warn, "a stage is remembered for longer than a knock takes", FromPlan},
		{"L37", Warn, "a source that counts as forged does arrive there, or is allowed", FromBoth},
		{"L38", Refuse, "the allow-list lets everybody in", FromPlan},
		{"L39", Warn, "a door opens a service that answers some addresses only", FromPlan},
		{"L40", Refuse, "more changes than safe mode can undo", FromApply},
		{"L41", Refuse, "somebody else holds safe mode", FromApply},
		{"L42", Warn, "other administrators are logged in", FromRouter},
		{"L43", Refuse, "the dead-man can't be armed", FromApply},
		{"L44", Refuse, "the place is before a dynamic row", FromApply},
		{"L45", Refuse, "the rule that marks the place is gone", FromApply},
		{"L46", Warn, "managed rules are duplicated, disabled or mixed with others", FromBoth},
		{"L47", Warn, "a list entry exists already", FromApply},
		{"L48", Warn, "values that read back in another form", FromApply},
		{"L49", Warn, "a revoke leaves something behind", FromApply},
		{"L50", Inform, "there is no permanent allow-list", FromPlan},
		{"L51", Warn, "layer-7 matching, or very large lists", FromRouter},
		{"L52", Warn, "the API in clear is reached from outside", FromRouter},
		{"L53", Warn, "a stage of a knock is on the port of a service", FromRouter},
		{"L54", Warn, "a list entry looks like addresses, and the router takes it for a name", FromRouter},
		{"L55", Warn, "a server that strangers can abuse is reached by anyone", FromRouter},
		{"L56", Warn, "the plan shuts port 80, over which the router renews a certificate", FromBoth},
	}
}

// finder gathers findings; severities come from the table of rules.
type finder struct {
	found []Finding
	rules firewall.Rules
}

func (f *finder) add(id, place, what, why, remedy string) {
	all := Rules()
	at := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
	f.found = append(f.found, Finding{id, all[at].Severity, place, what, why, remedy})
}

// sorted returns the findings, the most serious first, then by id, each once per place.
func (f *finder) sorted() []Finding {
	slices.SortStableFunc(f.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID))
	})
	seen := map[Finding]bool{}
	return slices.DeleteFunc(f.found, func(x Finding) bool {
		again := seen[x]
		seen[x] = true
		return again
	})
}

// Plan returns the findings about a plan, whatever the router.
func Plan(p plans.Plan) []Finding {
	f := &finder{}
	for _, d := range p.Doors {
		f.door(d)
		f.scan(d)
		f.overlap(d)
		f.penalty(p, d)
		f.secretNames(p, d)
		f.unanswered(p, d)
	}
	f.forgedAllowed(p)
	f.everybody(p)
	f.asFound(p)
	if len(p.Allow.Addresses) == 0 && len(p.Allow.InterfaceLists) == 0 {
		f.add("L50", "allow", "nobody is let in without a knock", "a reboot empties the trusted lists; if the knock then fails, nobody gets in", "name an address or an interface list under allow")
	}
	return f.sorted()
}

// Router returns the findings about a router. The report is that of the same router.
func Router(s routeros.Snapshot, report audit.Report) []Finding {
	f := &finder{}
	f.reach(s, report)
	f.abused(report)
	f.knocks(report)
	f.stagePorts(s, report)
	for _, family := range routeros.Families() {
		f.tables(s, family)
	}
	f.managed(s, "")
	f.others(s)
	return f.sorted()
}

// Both returns the findings about a plan on a router. A snapshot shows only some of the renewals of
// certificates; [Renewals] finds more.
func Both(p plans.Plan, s routeros.Snapshot, renewals ...Renewal) []Finding {
	f := &finder{}
	for _, family := range p.Firewall.Families {
		for _, d := range p.Doors {
			f.blacklisted(d, s, family)
			f.detected(d, s, family)
			f.shared(d, p, s, family)
		}
	}
	f.clock(p, s)
	f.families(p, s)
	f.forwarded(p, s)
	f.forgedNeighbours(p, s)
	f.comments(p, s)
	f.unrenewed(p, s, renewals)
	f.managed(s, p.Name)
	return f.sorted()
}

// Fleet returns the findings about a plan for several routers.
func Fleet(p plans.Plan, routers []string) []Finding {
	f := &finder{}
	names := slices.Compact(slices.Sorted(slices.Values(routers)))
	for _, d := range p.Doors {
		if d.Rotate == nil && len(names) > 1 {
			f.add("L34", "doors."+d.Name+".knock", fmt.Sprintf("%d routers open to the same knock", len(names)), "an attacker who captures it at one router has it for all",
				"derive it from a secret with rotate, which gives each router its own knock")
		}
	}
	return f.sorted()
}
