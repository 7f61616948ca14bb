package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// Bogons are sources that count as forged on some interfaces.
type Bogons struct {
	List           string // the address list that holds them
	InterfaceLists []string
	Ranges         []routeros.AddressRange
}

// BogonList returns the name of the address list that holds a plan's bogons.
func BogonList(plan string) string { return "rosknock-" + plan + "-bogons" }

// bogons returns the sources that count as forged for the family's rules, or nil for none.
func (c *compiler) bogons() (*Bogons, error) {
	from := c.plan.Firewall.Bogons
	ranges := from.Ranges(c.family)
	if len(ranges) == 0 {
		return nil, nil //nolint:nilnil // none is a valid result
	}
	for _, list := range from.InterfaceLists {
		if !c.router.HasInterfaceList(list) {
			return nil, c.missingList(fmt.Sprintf("the plan names the interface list %q for bogons", list), list, "remove it from firewall.bogons")
		}
	}
	return &Bogons{List: BogonList(c.plan.Name), InterfaceLists: from.InterfaceLists, Ranges: ranges}, nil
}

// forged lists the rules that drop knocks from forged sources. They match only knocks and decoys,
// each like its stage, so that all other packets from such a source meet the router's own rules as
// before.
func (w ruleWriter) forged(b *Bogons) []routeros.Rule {
	if b == nil {
		return nil
	}
	var rules []routeros.Rule
	for i, list := range b.InterfaceLists {
		for _, k := range w.knocks() {
			rules = append(rules, w.rule(fmt.Sprintf("%s%d-%s", change.ForgedSlot, i+1, k.slot), "knocks from forged sources", slices.Concat(
				[]string{"action", "drop", "in-interface-list", list, "src-address-list", b.List}, k.match, []string{"connection-state", "new"})...))
		}
	}
	return rules
}

// knocked are the matchers of a rule for some of the knocks.
type knocked struct {
	slot  string
	match []string
}

// knocks joins the stages and decoys of all doors without knocks in advance into as few matches as
// possible, in a stable order: ports by protocol, and then those with a size or payload one by one.
func (w ruleWriter) knocks() []knocked {
	var ports []traffic.Match
	var single []plans.Stage
	for _, d := range w.plan.Doors {
		if d.Hours != nil {
			continue // they have a chain of their own, which forged packets bypass
		}
		for _, s := range slices.Concat(d.Knock, d.Decoys) {
			switch {
			case s.Protocol != "icmp" && s.Payload == "":
				ports = append(ports, traffic.Match{Protocol: s.Protocol, Ports: routeros.Ports{{First: s.Port, Last: s.Port}}})
			case !slices.Contains(single, s):
				single = append(single, s)
			}
		}
	}
	var out []knocked
	if len(ports) > 0 {
		for _, m := range traffic.Merge(ports) {
			out = append(out, knocked{m.Slot(), m.Attributes()})
		}
	}
	for i, s := range single {
		out = append(out, knocked{fmt.Sprintf("%s-single-%d", s.Protocol, i+1), stageMatch(w.family, s)})
	}
	return out
}

// distrusted lists the rules by which forged sources leave a chain that accepts trusted sources.
func (w ruleWriter) distrusted(b *Bogons, slot string) []routeros.Rule {
	var rules []routeros.Rule
	for i, list := range b.InterfaceLists {
		rules = append(rules, w.rule(fmt.Sprintf("%s/forged-%d", slot, i+1), "forged sources are not trusted",
			"action", "return", "in-interface-list", list, "src-address-list", b.List))
	}
	return rules
}

// bogonEntries are the entries of the list of bogons.
func (c *compiler) bogonEntries() []Entry {
	var entries []Entry
	for _, r := range c.plan.Firewall.Bogons.Ranges(c.family) {
		entries = append(entries, Entry{c.family.AddressList(), routeros.ListEntry{
			List: BogonList(c.plan.Name), Address: r.String(),
			Comment: routeros.Mark{Plan: c.plan.Name, Slot: "bogons"}.Comment("never comes from outside"),
		}})
	}
	return entries
}
