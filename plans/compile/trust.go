package compile

import (
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// trusts accepts a door's trusted sources, and then the networks that are let in by hand.
func (w ruleWriter) trusts(t *Table, d plans.Door, opens []traffic.Match) []routeros.Rule {
	rules := w.trust(t, d.Name, "open", d.Trusted.List, opens)
	if d.Trusted.Networks == "" {
		return rules
	}
	return append(rules, w.trust(t, d.Name, NetworksSlot, d.Trusted.Networks, opens)...)
}

// trust accepts the members of one list. With bogons, the accepts are in a chain of their own,
// which a forged source leaves at once: it may be in the list, since somebody has that address on
// another interface. It then meets the following rules as if it were not trusted. A rule can match
// only one list of sources and one of interfaces, so a single rule is not enough.
func (w ruleWriter) trust(t *Table, door, part, list string, opens []traffic.Match) []routeros.Rule {
	text := "trusted by door " + door
	accepts := w.accepts(door+"/"+part, text, opens, "src-address-list", list)
	if t.Bogons == nil {
		return accepts
	}
	name, forged := door+"."+part, door // no door has such a name
	if part == NetworksSlot {
		forged = name
	}
	t.Chains = append(t.Chains, Chain{Name: name, Rules: append(w.distrusted(t.Bogons, forged), accepts...)})
	return []routeros.Rule{w.rule(name+"/jump", text, "action", "jump", "jump-target", name, "src-address-list", list)}
}

// NetworksSlot names a door's list of networks in the slots of rules: it begins the part behind the
// door, as in admin/networks-tcp, or ends the part before, as in admin.networks/jump.
const NetworksSlot = "networks"

// NetworksOf returns the list of networks that a rule of a plan lets in, "" for none. No rule fills
// that list.
func NetworksOf(r routeros.Rule, plan string) string {
	mark, ours := change.Owned(r, plan)
	door, part, _ := strings.Cut(mark.Slot, "/")
	if !ours || !strings.HasSuffix(door, "."+NetworksSlot) && !strings.HasPrefix(part, NetworksSlot) {
		return ""
	}
	if change.IsForged(mark.Slot) {
		return "" // it asks for the bogons
	}
	return r.Attrs.Get("src-address-list")
}
