package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// gate is what the rules below all doors shut for everybody.
type gate struct {
	plans.Gate
	rules []Rule
}

// gate reads the rules that close services and whole VPNs for everybody: below all doors, and with
// only a protocol and ports of those.
func (r *reader) gate(vpns []vpn) gate {
	last := -1
	for _, d := range r.doors {
		for _, rule := range d.Rules {
			last = max(last, rule.at)
		}
	}
	var rows []opening
	for at := last + 1; at < len(r.rows); at++ {
		o, ok := r.shuts(at)
		if ok && r.known(o.match, vpns) && !slices.ContainsFunc(rows, func(b opening) bool { return b.protocol == o.protocol }) {
			rows = append(rows, o)
		}
	}
	for {
		shut := r.whole(rows, vpns)
		all := len(rows)
		rows = slices.DeleteFunc(rows, func(o opening) bool { return !r.known(o.match, shut) })
		if len(rows) == all {
			return r.gateOf(rows, shut)
		}
	}
}

// shuts reads a row that stops packets by nothing but their protocol and ports.
func (r *reader) shuts(at int) (opening, bool) {
	row := &r.rows[at]
	if row.Chain() != "input" || row.Action() != "drop" || row.Dynamic || row.Disabled() {
		return opening{}, false
	}
	rest := row.Canonical().Without("chain", "action", "protocol", "dst-port", "comment")
	o := opening{match: matchOf(row), at: at, found: plans.FoundRule{Comment: plainText(row.Comment())}}
	return o, len(rest) == 0 && o.protocol != "" && o.sound(row)
}

// known reports whether every packet of a match is one of a service or of a VPN.
func (r *reader) known(m match, vpns []vpn) bool {
	for _, run := range m.ports {
		for port := int(run.First); port <= int(run.Last); port++ {
			if r.serviceAt(m.protocol, uint16(port)) == "" && !slices.ContainsFunc(vpns, func(v vpn) bool { return v.has(m, uint16(port)) }) { // #nosec G115 -- ports
				return false
			}
		}
	}
	return m.ports != nil || explained(m, vpns)
}

// gateOf is the gate of rows that are known.
func (r *reader) gateOf(rows []opening, shut []vpn) gate {
	var g gate
	for _, o := range rows {
		g.rules = append(g.rules, Rule{Slot: "gate/" + o.slot(), Rule: r.rows[o.at], found: o.found, at: o.at})
		for _, t := range r.targets(o.match, shut) {
			switch {
			case t.Kind == plans.ServiceTarget:
				g.Services = append(g.Services, t.Name)
			case t.Kind == plans.VPNTarget && !slices.Contains(g.VPNs, t.Name):
				g.VPNs = append(g.VPNs, t.Name)
			}
		}
	}
	return g
}

// comment is that of the first rule of input below some rules, when no other has it.
func (r *reader) comment(rules []Rule) string {
	last := -1
	for _, rule := range rules {
		if rule.Chain() == "input" {
			last = max(last, rule.at)
		}
	}
	for _, row := range r.rows[last+1:] {
		if row.Chain() != "input" || row.Dynamic {
			continue
		}
		same := func(o routeros.Rule) bool { return o.Chain() == "input" && o.Comment() == row.Comment() }
		if plainText(row.Comment()) != row.Comment() || len(slices.DeleteFunc(slices.Clone(r.rows), func(o routeros.Rule) bool { return !same(o) })) != 1 {
			return ""
		}
		return row.Comment()
	}
	return ""
}

// rest reports the rules that concern knocks and that nothing describes; adopted are the ids of
// those that the plan describes.
func (r *reader) rest(knocks []audit.Knock, adopted map[string]bool) {
	if !slices.ContainsFunc(knocks, func(k audit.Knock) bool { return k.Family == r.family }) {
		return
	}
	lists := map[string]string{} // to which knock a list belongs
	chains := map[string]bool{}
	for _, d := range r.doors {
		for _, list := range append(slices.Clone(d.StageNames), d.Trusted.List) {
			lists[list] = d.Trusted.List
		}
		for _, rule := range d.Rules {
			chains[rule.Chain()] = rule.Chain() != "input"
		}
	}
	dropped := r.dropped()
	for _, menu := range []routeros.Menu{r.family.Raw(), r.family.NAT(), r.family.Filter()} {
		for _, row := range r.router.Rules[menu] {
			if menu == r.family.Filter() && adopted[row.ID] {
				continue
			}
			if _, marked := row.Mark(); marked {
				continue
			}
			if list, text := role(row, lists, chains, dropped); text != "" {
				if row.Disabled() {
					text += "; it is disabled"
				}
				r.missIn(Missing{menu, row, list, text, false})
			}
		}
	}
}

// sorted are the missing rules in the order of the tables.
func (r *reader) sorted() []Missing {
	at := func(m Missing) int {
		return slices.IndexFunc(r.router.Rules[m.Menu], func(row routeros.Rule) bool { return row.ID == m.Rule.ID })
	}
	slices.SortStableFunc(r.missing, func(a, b Missing) int {
		return cmp.Or(cmp.Compare(a.Menu, b.Menu), at(a)-at(b))
	})
	return r.missing
}

// dropped are the lists whose members are stopped.
func (r *reader) dropped() map[string]bool {
	out := map[string]bool{}
	for _, menu := range []routeros.Menu{r.family.Raw(), r.family.Filter()} {
		for _, row := range r.router.Rules[menu] {
			c := firewall.Compile(&row)
			if list, negated, asks := c.List(firewall.Source); asks && !negated && c.Action.Stops() {
				out[list] = true
			}
		}
	}
	return out
}

// role says how a rule that the plan does not describe concerns a knock; "" if it does not.
func role(row routeros.Rule, lists map[string]string, chains, dropped map[string]bool) (list, text string) {
	asked, _, _ := firewall.Compile(&row).List(firewall.Source)
	fills := row.Attrs.Get("address-list")
	switch {
	case row.Action() == "jump" && chains[row.Attrs.Get("jump-target")]:
		return "", fmt.Sprintf("it sends packets to the chain %s of the stages, and stays as it is", row.Attrs.Get("jump-target"))
	case row.Action() == "return" && chains[row.Chain()] && asked == "":
		return "", "it returns packets from the chain of the stages, and stays as it is"
	case strings.HasPrefix(row.Action(), "add-") && dropped[fills]:
		return lists[asked], fmt.Sprintf("it fills %s, a blacklist: plans have none but a door's quarantine; it stays as it is", fills)
	case lists[fills] != "" && fills != "":
		return lists[fills], fmt.Sprintf("it fills the list %s besides the stages; it stays as it is", fills)
	case lists[asked] == "" || asked == "":
		return "", ""
	case slices.Contains([]string{"dst-nat", "redirect", "netmap"}, row.Action()):
		return lists[asked], "it sends members of the list to hosts behind the router, or to other ports, which a plan can't describe; it stays as it is"
	case row.Chain() == "forward":
		return lists[asked], "it is for packets through the router, and doors open the router itself; it stays as it is"
	}
	return lists[asked], "it matches the list, but is neither a stage nor an accept that a door could have; it stays as it is"
}

// adopted are the ids of the rules that the plan describes in a family.
func (r *Result) adopted(f routeros.Family) map[string]bool {
	out := map[string]bool{}
	for _, step := range r.Adoption.Changes.Steps {
		if step.Menu == f.Filter() {
			out[step.ID] = true
		}
	}
	return out
}
