// Package discover finds hand-written knock rules, and the plan that describes them. A knock is
// what package audit calls one: a list that packets fill stage by stage, and that a rule accepts.
// Lists of brute-force protection are no knocks. The rules that fill the lists give the doors of a
// plan. as-found says how they differ from the rules that rosknock would write, so that the plan
// changes nothing about how the router treats packets. Rules that a plan can't express are reported
// one by one, and stay on the router as they are.
//
//	result := discover.Router(snapshot, discover.Options{Name: "branch"})
//	result.Plan, result.Doors, result.Missing
//	result.Adoption.Changes   // the marks that make the rules the plan's: only comments change
package discover

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Options of a search on a router.
type Options struct {
	// Name is that of the plan.
	Name string
	// Session describes the connection over which rules would be adopted, as for a change.
	Session change.Management
}

// Result is what was recognised on one router.
type Result struct {
	// Plan describes the doors; without doors it is no valid plan.
	Plan  plans.Plan
	Doors []Door
	// Missing are the rules that concern knocks but are not described by the plan. They stay as
	// they are.
	Missing []Missing
	// Notes are remarks about doors that are described.
	Notes []string
	// Adoption is what gives the rules their marks.
	Adoption Adoption
}

// Door is a door in one family, with the rules of which it is made.
type Door struct {
	plans.Door
	Family routeros.Family
	Rules  []Rule
}

// Rule is a rule of the router in the place that it has in the plan.
type Rule struct {
	Slot string
	routeros.Rule
	found plans.FoundRule
	at    int
}

// Missing is a rule that the plan does not describe.
type Missing struct {
	Menu routeros.Menu
	Rule routeros.Rule
	// List is the list of the knock that it concerns; "" for none.
	List string
	Why  string
	part bool // of a knock, rather than a rule about its lists
}

// Router recognises the knocks of a router. VPNs have their names in the plan where the plan then
// means the same as with their ports.
func Router(s routeros.Snapshot, o Options) Result {
	knocks := audit.Router(s).Knocks
	vpns := running(s)
	result := recognise(s, o, knocks, vpns)
	if namesVPNs(result.Plan) && !result.Adoption.Clean() {
		if plain := recognise(s, o, knocks, nil); plain.Adoption.Clean() {
			plain.Notes = append(plain.Notes, "the plan has ports in place of the names of VPNs: with the names, the rules can't be adopted: "+strings.Join(result.Adoption.Why(), "; "))
			return plain
		}
	}
	return result
}

// recognise reads the knocks with the VPNs that may be named.
func recognise(s routeros.Snapshot, o Options, knocks []audit.Knock, vpns []vpn) Result {
	var result Result
	byFamily := read(s, knocks, vpns)
	for _, f := range routeros.Families() {
		for _, note := range byFamily[f].notes {
			if !slices.Contains(result.Notes, note) { // the same in both
				result.Notes = append(result.Notes, note)
			}
		}
	}
	families := agree(byFamily)
	if len(families) > 0 {
		first := byFamily[families[0]]
		for _, f := range families {
			result.Doors = append(result.Doors, byFamily[f].doors...)
		}
		result.settle(s, o, first, families)
	}
	for _, f := range routeros.Families() {
		byFamily[f].rest(knocks, result.adopted(f))
		result.Missing = append(result.Missing, byFamily[f].sorted()...)
	}
	return result
}

// read reads the doors of each family. A VPN that is whole in one family alone has no name in
// either, since a plan's doors open the same in both.
func read(s routeros.Snapshot, knocks []audit.Knock, vpns []vpn) map[routeros.Family]*reader {
	by := map[routeros.Family]*reader{}
	for _, f := range routeros.Families() {
		r := &reader{router: s, family: f, rows: s.Rules[f.Filter()], names: map[string]bool{}, vpns: vpns}
		r.entered = entered(r.rows)
		for _, k := range knocks {
			if k.Family == f {
				r.knock(k)
			}
		}
		by[f] = r
	}
	four, six := by[routeros.IPv4], by[routeros.IPv6]
	if len(four.doors) == 0 || len(four.doors) != len(six.doors) {
		return by
	}
	at := slices.IndexFunc(vpns, func(v vpn) bool { return differ(four.doors, six.doors, v.name) })
	if at < 0 {
		return by
	}
	note := fmt.Sprintf("the doors open all of %s in one address family only: the plan has ports in place of the name", vpns[at].name)
	by = read(s, knocks, slices.Delete(slices.Clone(vpns), at, at+1))
	by[routeros.IPv4].notes = append(by[routeros.IPv4].notes, note)
	return by
}

// Secrets are the ports and sizes of the knocks, including those of rules that the plan does not
// describe: output for others must not contain them, not even in names of lists or in comments.
func (r Result) Secrets() []string {
	var out []string
	add := func(row routeros.Rule) {
		if !strings.HasPrefix(row.Action(), "add-") && row.Action() != "log" {
			return
		}
		for _, name := range []string{"dst-port", "packet-size"} {
			for _, number := range strings.FieldsFunc(row.Attrs.Get(name), func(c rune) bool { return c < '0' || c > '9' }) {
				if n, _ := strconv.Atoi(number); name == "dst-port" || n >= 28 { // no packet is smaller
					out = append(out, number)
				}
			}
		}
	}
	for _, d := range r.Doors {
		for _, rule := range d.Rules {
			add(rule.Rule)
		}
	}
	for _, m := range r.Missing {
		if m.part {
			add(m.Rule)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// agree returns the families whose doors one plan can describe: both if they have the same doors,
// otherwise the first that has any.
func agree(by map[routeros.Family]*reader) []routeros.Family {
	four, six := by[routeros.IPv4], by[routeros.IPv6]
	switch {
	case len(four.doors)+len(six.doors) == 0:
		return nil
	case len(six.doors) == 0:
		return []routeros.Family{routeros.IPv4}
	case len(four.doors) == 0:
		return []routeros.Family{routeros.IPv6}
	case slices.EqualFunc(four.doors, six.doors, alike):
		return routeros.Families()
	}
	for _, d := range six.doors {
		for _, r := range d.Rules {
			six.part(r.Rule, d.Trusted.List, "the doors of IPv6 are not those of IPv4, and a plan has the same in both: make them alike, or import this one by hand")
		}
	}
	six.doors = nil
	return []routeros.Family{routeros.IPv4}
}

// alike reports whether two doors of different families are the same, except for the texts of their
// comments.
func alike(a, b Door) bool {
	same := func(x, y Rule) bool {
		x.found.Comment, y.found.Comment = "", ""
		return x.Slot == y.Slot && reflect.DeepEqual(x.found, y.found)
	}
	return reflect.DeepEqual(a.Door, b.Door) && slices.EqualFunc(a.Rules, b.Rules, same)
}

// settle makes the plan. It tries the variants that describe most first, and takes the first whose
// adoption leaves nothing to do. If there is none, it takes the plainest, with the obstacles.
func (r *Result) settle(s routeros.Snapshot, o Options, first *reader, families []routeros.Family) {
	base := plans.Plan{Name: o.Name, Services: plans.Services{Disable: off(s)}, Firewall: plans.Firewall{Families: families, Layout: plans.Inline}}
	for _, d := range first.doors {
		base.Doors = append(base.Doors, named(o.Name, d.Door))
	}
	tried := map[string]bool{}
	for _, p := range variants(base, first) {
		text := string(plans.Write(p))
		if tried[text] {
			continue
		}
		tried[text] = true
		adoption := Adopt(p, s, o.Session)
		r.Plan, r.Adoption = p, adoption
		if adoption.Clean() {
			return
		}
	}
}

// off lists the services that are switched off.
func off(s routeros.Snapshot) []string {
	var out []string
	for _, svc := range s.Services {
		if _, known := routeros.KnownService(svc.Name); known && svc.Disabled && !svc.Dynamic && !svc.Connection && !slices.Contains(out, svc.Name) {
			out = append(out, svc.Name)
		}
	}
	return out
}

// variants are plans that may describe the doors, the plainest last: with or without the drops of
// VPNs and services as a gate, in the usual order or in that of the rules, at the computed place or before a
// rule with a comment.
func variants(base plans.Plan, first *reader) []plans.Plan {
	var out []plans.Plan
	for _, g := range []gate{first.gate(shut(first.vpns)), first.gate(nil), {}} {
		for _, before := range []bool{true, false} {
			for _, ordered := range []bool{false, true} {
				p := base
				rules := slices.Clone(g.rules)
				for _, d := range first.doors {
					rules = append(rules, d.Rules...)
				}
				p.Gate = g.Gate
				p.Firewall.AsFound = found(rules, ordered)
				if before {
					if p.Firewall.Before = first.comment(rules); p.Firewall.Before == "" {
						continue
					}
				}
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b plans.Plan) int { return rank(a) - rank(b) })
	return out
}

// rank sorts variants that describe more, and are plainer, first.
func rank(p plans.Plan) int {
	n := -4 * len(p.Gate.Targets())
	if p.Firewall.Before != "" {
		n += 2
	}
	if len(p.Firewall.AsFound.Order) > 0 {
		n++
	}
	return n
}

// found describes how rules differ, and on request their order.
func found(rules []Rule, ordered bool) plans.AsFound {
	var out plans.AsFound
	for _, r := range rules {
		if f := r.found; f.Chain != "" || f.Comment != "" || len(f.With) > 0 || len(f.Without) > 0 {
			f.Slot = r.Slot
			out.Rules = append(out.Rules, f)
		}
	}
	if ordered {
		slices.SortStableFunc(rules, func(a, b Rule) int { return a.at - b.at })
		for _, r := range rules {
			out.Order = append(out.Order, r.Slot)
		}
	}
	return out
}

// named replaces the names of a door's stage lists by their common prefix, if they have one.
func named(plan string, d plans.Door) plans.Door {
	d.StageList = "rosknock-" + plan + "-" + d.Name
	prefix := ""
	for i, name := range d.StageNames {
		before, ok := strings.CutSuffix(name, fmt.Sprintf("_%d", i+1))
		if !ok || before == "" || i > 0 && before != prefix {
			return d
		}
		prefix = before
	}
	if prefix != "" {
		d.StageList, d.StageNames = prefix, nil
	}
	return d
}
