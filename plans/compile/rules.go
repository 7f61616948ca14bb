package compile

import (
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
)

// ruleWriter writes the rules of one family in their order. Which place they have, and what the
// plan's names mean on the router, is known by then.
type ruleWriter struct{ subject }

// rules lists the family's rules in their order: established traffic first; then the drops of
// forged knocks; then the stages of each door, later ones above earlier ones, so that one packet
// never advances two stages; then the accepts, and last the drops of the gate. The stages are above
// the accept of the trusted list, so that a trusted client extends its time by knocking again.
func (w ruleWriter) rules(t *Table) []routeros.Rule {
	var rules []routeros.Rule
	if t.Place.NeedsEstablished {
		rules = append(rules, w.rule("established", "established traffic",
			"action", "accept", "connection-state", "established,related,untracked"))
	}
	rules = append(rules, w.forged(t.Bogons)...)
	for i, d := range w.plan.Doors {
		switch {
		case d.Quarantines():
			rules = append(rules, w.enter(d))
		case d.Hours == nil:
			rules = append(rules, w.stages(d)...)
		case w.first(i):
			rules = append(rules, w.enterLaid(d.Name))
		}
	}
	for i, d := range w.plan.Doors {
		if !w.first(i) {
			continue // the windows of a door open the same
		}
		rules = append(rules, w.trusts(t, d, t.Doors[i].Opens)...)
	}
	rules = append(rules, w.allows(*t)...)
	for _, m := range traffic.Shut(t.Gate) {
		rules = append(rules, w.rule("gate/"+m.Slot(), "shut for everybody else", append([]string{"action", "drop"}, m.Attributes()...)...))
	}
	for _, m := range t.Forwarding.Outer {
		rules = append(rules, w.rule("gate/forwarded-"+m.Slot(), "forwarded, and for nobody here", append([]string{"action", "drop"}, m.Attributes()...)...))
	}
	return rules
}

func (w ruleWriter) stages(d plans.Door) []routeros.Rule {
	var rules []routeros.Rule
	for i, stage := range slices.Backward(d.Knock) {
		match := append(stageMatch(w.family, stage), "connection-state", "new")
		if i > 0 {
			match = append(match, "src-address-list", d.StageListOf(i))
		}
		last := i == len(d.Knock)-1
		for _, part := range parts(d.Hours) {
			match := append(slices.Clone(match), part.match...)
			if last && d.Log != nil {
				limit := fmt.Sprintf("%d/%s,%d:packet", d.Log.Count, routeros.FormatDuration(d.Log.Per), d.Log.Count)
				rules = append(rules, w.rule(d.Name+"/log"+d.Suffix()+part.suffix, "finished knocks at door "+d.Name,
					append([]string{"action", "log", "log-prefix", d.Log.Prefix, "limit", limit}, match...)...))
			}
			list, timeout := d.StageListOf(i+1), routeros.ListTimeout{Kind: routeros.Timed, For: d.StageTimeout}
			if last {
				list, timeout = d.Trusted.List, d.Trusted.For
			}
			rules = append(rules, w.rule(fmt.Sprintf("%s/stage-%d%s%s", d.Name, i+1, d.Suffix(), part.suffix), fmt.Sprintf("knock %d of %d at door %s", i+1, len(d.Knock), d.Name),
				append([]string{"action", "add-src-to-address-list", "address-list", list, "address-list-timeout", timeout.String()}, match...)...))
		}
	}
	return rules
}

// part is one of the rules of a stage: there is only one, unless the hours of its window cross
// midnight.
type part struct {
	match  []string
	suffix string
}

func parts(hours []routeros.Hours) []part {
	if len(hours) == 0 {
		return []part{{}}
	}
	var out []part
	for i, h := range hours {
		p := part{match: []string{"time", h.String()}}
		if i > 0 {
			p.suffix = fmt.Sprintf("-%d", i+1)
		}
		out = append(out, p)
	}
	return out
}

// stageMatch returns the matchers of one stage as alternating names and values. An ICMP stage is an
// echo request of one whole packet size (routeros-facts § 2.2).
func stageMatch(f routeros.Family, s plans.Stage) []string {
	if s.Protocol == "icmp" {
		echo := "8:0"
		if f == routeros.IPv6 {
			echo = "128:0"
		}
		return append([]string{"protocol", f.ICMP(), "icmp-options", echo, "packet-size", fmt.Sprint(s.Size)}, carries(s)...)
	}
	return append([]string{"protocol", s.Protocol, "dst-port", fmt.Sprint(s.Port)}, carries(s)...)
}

// carries is the matcher of a stage's payload: the bytes stand anywhere in the packet
// (routeros-facts § 2.2).
func carries(s plans.Stage) []string {
	if s.Payload == "" {
		return nil
	}
	return []string{"content", s.Payload}
}

// allows lets the allow-list reach what is gated or opened.
func (w ruleWriter) allows(t Table) []routeros.Rule {
	reach := t.Gate
	for _, d := range t.Doors {
		reach = traffic.Merge(append(slices.Clone(reach), d.Opens...))
	}
	var rules []routeros.Rule
	if len(w.allowed()) > 0 {
		rules = w.accepts("allow/addresses", "allow-list", reach, "src-address-list", AllowList(w.plan.Name))
	}
	for i, list := range w.plan.Allow.InterfaceLists {
		rules = append(rules, w.accepts(fmt.Sprintf("allow/interfaces-%d", i+1), "allow-list", reach, "in-interface-list", list)...)
	}
	for i, name := range w.plan.Allow.Interfaces {
		rules = append(rules, w.accepts(fmt.Sprintf("allow/interface-%d", i+1), "allow-list", reach, "in-interface", name)...)
	}
	for i, list := range w.plan.Allow.AddressLists {
		rules = append(rules, w.accepts(fmt.Sprintf("allow/list-%d", i+1), "allow-list", reach, "src-address-list", list)...)
	}
	return rules
}

func (w ruleWriter) accepts(slot, text string, reach []traffic.Match, who ...string) []routeros.Rule {
	var rules []routeros.Rule
	for _, m := range reach {
		name := slot
		if m.Protocol != "" {
			name += "-" + m.Slot()
		}
		rules = append(rules, w.rule(name, text, slices.Concat([]string{"action", "accept"}, who, m.Attributes())...))
	}
	return rules
}

func (w ruleWriter) rule(slot, text string, pairs ...string) routeros.Rule {
	mark := routeros.Mark{Plan: w.plan.Name, Slot: slot}
	return routeros.NewRule(append(pairs, "comment", mark.Comment(text))...)
}
