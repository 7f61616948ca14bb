package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// enter is the jump to the stages of a door with a quarantine, for sources that are not in its
// quarantine. A rule can match only one source list, and the stages match theirs, so the door needs
// a chain of its own.
func (w ruleWriter) enter(d plans.Door) routeros.Rule {
	return w.rule(d.Name+"/jump", "knocks at door "+d.Name, "action", "jump", "jump-target", d.Name,
		"connection-state", "new", "src-address-list", "!"+d.QuarantineList())
}

// doorChain lists the rules of a door with a quarantine: its stages; the returns for sources that
// are never quarantined; then each stage for sources that are not in the list of the stage before
// it, and the decoys. A packet that passes a stage comes from a source in the list of the stage
// before, so it is never out of order.
func (w ruleWriter) doorChain(d plans.Door) []routeros.Rule {
	rules := slices.Concat(w.stages(d), w.spared(d))
	seize := func(slot, text string, match []string) {
		timeout := routeros.ListTimeout{Kind: routeros.Timed, For: d.QuarantineFor}
		rules = append(rules, w.rule(d.Name+"/"+slot, text, append([]string{"action", "add-src-to-address-list",
			"address-list", d.QuarantineList(), "address-list-timeout", timeout.String()}, append(match, "connection-state", "new")...)...))
	}
	if d.WrongKnock == plans.Quarantine {
		for i, stage := range d.Knock[1:] {
			seize(fmt.Sprintf("quarantine-%d", i+2), fmt.Sprintf("knock %d out of turn at door %s", i+2, d.Name),
				append(stageMatch(w.family, stage), "src-address-list", "!"+d.StageListOf(i+1)))
		}
	}
	for i, decoy := range d.Decoys {
		seize(fmt.Sprintf("decoy-%d", i+1), fmt.Sprintf("decoy %d of door %s", i+1, d.Name), stageMatch(w.family, decoy))
	}
	return rules
}

// spared returns sources that are never quarantined from a door's chain: trusted ones, whose late
// repetitions would keep them from extending their time, and the allow-list.
func (w ruleWriter) spared(d plans.Door) []routeros.Rule {
	out := func(slot string, who ...string) routeros.Rule {
		return w.rule(d.Name+"/spare-"+slot, "never quarantined", append([]string{"action", "return"}, who...)...)
	}
	rules := []routeros.Rule{out("trusted", "src-address-list", d.Trusted.List)}
	if d.Trusted.Networks != "" {
		rules = append(rules, out(NetworksSlot, "src-address-list", d.Trusted.Networks))
	}
	if len(w.allowed()) > 0 {
		rules = append(rules, out("addresses", "src-address-list", AllowList(w.plan.Name)))
	}
	for i, list := range w.plan.Allow.InterfaceLists {
		rules = append(rules, out(fmt.Sprintf("interfaces-%d", i+1), "in-interface-list", list))
	}
	for i, name := range w.plan.Allow.Interfaces {
		rules = append(rules, out(fmt.Sprintf("interface-%d", i+1), "in-interface", name))
	}
	for i, list := range w.plan.Allow.AddressLists {
		rules = append(rules, out(fmt.Sprintf("list-%d", i+1), "src-address-list", list))
	}
	return rules
}

// decoysAreFree refuses decoys that are opened or gated on this router, where a service listens on
// another port than the plan alone shows.
func decoysAreFree(t Table) error {
	used := slices.Clone(t.Gate)
	for _, d := range t.Doors {
		used = append(used, d.Opens...)
	}
	for _, d := range t.Doors {
		if d.Quarantine == nil {
			continue
		}
		for i, decoy := range d.Quarantine.Decoys {
			taken := func(m traffic.Match) bool {
				return decoy.Port != 0 && m.Protocol == decoy.Protocol && m.Ports.Contains(decoy.Port)
			}
			if slices.ContainsFunc(used, taken) {
				return &change.RefusalError{
					Risk: "decoy-in-use", What: fmt.Sprintf("decoy %d of door %s is a port that the plan opens or gates on this router", i+1, d.Name),
					Remedy: "choose another decoy",
				}
			}
		}
	}
	return nil
}
