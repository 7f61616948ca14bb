package plans

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// AsFound says how hand-written rules differ from those that a plan compiles to, so that the plan
// describes the router as it is and changes nothing. Rules are named by the slot of their mark.
// Removing a line brings that rule to the form in which rosknock writes it.
type AsFound struct {
	// Order lists slots in the order of their rules. All others come after, in the usual order.
	Order []string
	Rules []FoundRule
}

// FoundRule is how one rule differs.
type FoundRule struct {
	Slot string
	// Chain is the chain of the rule, if it is not input but a chain to which the router's own
	// rules jump.
	Chain string
	// Comment is the text before the mark; empty for the usual text.
	Comment string
	// With are additional matchers of the rule; Without names usual ones that it lacks.
	With    routeros.Attributes
	Without []string
}

// Empty reports whether nothing was found that differs.
func (f AsFound) Empty() bool { return len(f.Order)+len(f.Rules) == 0 }

// Rule returns how the rule of a slot differs; the zero value when it doesn't.
func (f AsFound) Rule(slot string) FoundRule {
	for _, r := range f.Rules {
		if r.Slot == slot {
			return r
		}
	}
	return FoundRule{}
}

// Lacks reports whether the rule lacks a matcher that rosknock would write.
func (r FoundRule) Lacks(name string) bool { return slices.Contains(r.Without, name) }

// FoundMatchers are the additional matchers that a rule may have. None of them is a part of a knock
// or a gate: protocols, ports, sizes and payloads are in the plan itself.
func FoundMatchers() []string {
	return []string{"connection-state", "dst-address", "dst-address-list", "dst-address-type", "in-interface", "in-interface-list", "limit", "log",
		"log-prefix", "src-address", "src-address-list", "src-address-type", "src-mac-address", "tcp-flags", "ttl"}
}

// FoundLacks are the matchers that a rule may lack: the connection state, and the type of an echo
// request.
func FoundLacks() []string { return []string{"connection-state", "icmp-options"} }

const slotPattern = `^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9/-]*$`

func foundForm() form.Form {
	one := form.Mapping(
		form.Field{Name: "chain", About: "The chain of the rule, if it is not input. The router's own rules jump there.", Value: form.Of(form.TextScalar("a chain"))},
		form.Field{Name: "comment", About: "The text before the mark.", Value: form.Of(form.TextScalar("a comment"))},
		form.Field{Name: "with", About: "Additional matchers of the rule: " + strings.Join(FoundMatchers(), ", ") + ".",
			Value: form.Table(form.Scalar{What: "a matcher", Enum: FoundMatchers()}, form.Of(matcherScalar()))},
		form.Field{Name: "without", About: "Matchers that rosknock would write and that the rule lacks.", Value: form.List(form.Of(form.Scalar{What: "a matcher", Enum: FoundLacks()}))},
	)
	return form.Mapping(
		form.Field{Name: "order", About: "The rules by the slots of their marks, in their order in the table.", Value: form.List(form.Of(slotScalar()))},
		form.Field{Name: "rules", About: "How each rule differs, by the slot of its mark.",
			Value: form.Table(slotScalar(), one)},
	).Secret() // old list names often contain a port
}

func slotScalar() form.Scalar {
	return form.Scalar{What: "a slot", Pattern: slotPattern, Check: func(text string) (string, string) {
		if _, ok := routeros.FindMark(routeros.Mark{Plan: "x", Slot: text}.String()); ok && strings.Contains(text, "/") {
			return "", ""
		}
		return "it is not a slot of a mark", "write one such as admin/stage-1 or admin/open"
	}}
}

// matcherScalar is the value of a matcher, which may begin with the router's ! for "not".
func matcherScalar() form.Scalar {
	return form.Scalar{What: "a matcher's value", Any: true, Secret: true, Check: func(text string) (string, string) {
		switch {
		case text == "" || text == "!":
			return "it is empty", ""
		case len(text) > form.LongestText:
			return "it is longer than 100 bytes", ""
		case text != strings.TrimSpace(text):
			return "it begins or ends with a space", ""
		case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
			return "it holds a character that can't be printed", ""
		}
		return "", ""
	}}
}

// found reads how existing rules differ.
func (rd *reader) found(root *yaml.Node, f Firewall) AsFound {
	n := rd.Child(root, "firewall", "as-found")
	if n == nil {
		return AsFound{}
	}
	if f.Layout != Inline {
		rd.Reject(n, "rules as they were found are in input and in the router's own chains", "write layout: inline, or leave it out")
	}
	if rd.Child(root, "firewall", "bogons") != nil {
		rd.Reject(n, "the drops of forged knocks have no place among rules as they were found", "remove as-found and apply, before you add bogons")
	}
	out := AsFound{Order: rd.Texts(n, "order")}
	for _, e := range rd.Entries(n, "rules") {
		r := FoundRule{Slot: e.Key.Value, Chain: rd.Text(e.Value, "chain"), Comment: rd.Text(e.Value, "comment"), Without: rd.Texts(e.Value, "without")}
		for _, m := range rd.Entries(e.Value, "with") {
			if r.Lacks(m.Key.Value) {
				rd.Reject(m.Key, fmt.Sprintf("the rule can't be with and without %s", m.Key.Value), "remove it from one of them")
			}
			r.With = r.With.With(m.Key.Value, m.Value.Value)
		}
		out.Rules = append(out.Rules, r)
	}
	return out
}

// compareFound finds slots of doors that the plan hasn't.
func (rd *reader) compareFound(root *yaml.Node, p Plan) {
	check := func(n *yaml.Node) {
		door, _, _ := strings.Cut(n.Value, "/")
		known := slices.ContainsFunc(p.Doors, func(d Door) bool { return d.Name == door })
		if !known && !slices.Contains([]string{"allow", "gate"}, door) {
			rd.Reject(n, fmt.Sprintf("the slot %s belongs to no door of the plan", n.Value), "remove it")
		}
	}
	n := rd.Child(root, "firewall", "as-found")
	for _, item := range rd.Items(n, "order") {
		check(item)
	}
	for _, e := range rd.Entries(n, "rules") {
		check(e.Key)
	}
}

func writeFound(f AsFound) *yaml.Node {
	rules := &yaml.Node{Kind: yaml.MappingNode}
	for _, r := range f.Rules {
		with := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for name, value := range r.With.All() {
			form.Put(with, name, form.Text(value))
		}
		without := form.Texts(r.Without)
		without.Style = yaml.FlowStyle
		var one []any
		if r.Chain != "" {
			one = append(one, "chain", form.Text(r.Chain))
		}
		if r.Comment != "" {
			one = append(one, "comment", form.Text(r.Comment))
		}
		form.Put(rules, r.Slot, form.Keys(append(one, "with", with, "without", without)...))
	}
	return form.Keys("order", form.Texts(f.Order), "rules", rules)
}
