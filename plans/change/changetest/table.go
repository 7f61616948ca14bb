package changetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Tests write rules and steps as text, so that they can be read:
//
//	*5 input drop protocol=tcp dst-port=22 [gate/tcp]
//
// is the row *5 of the filter, which carries the mark of the plan p for the slot gate/tcp; [x@q] is
// a mark of the plan q, #a_text is the text "a text" of a comment, and D makes a row dynamic.

// Filter is a router with these rows in its IPv4 filter.
func Filter(lines ...string) routeros.Snapshot { return Router(routeros.Filter, lines...) }

// Router is one with these rows in one of its tables.
func Router(menu routeros.Menu, lines ...string) routeros.Snapshot {
	rows := make([]routeros.Rule, len(lines))
	for i, line := range lines {
		id, rest, _ := strings.Cut(line, " ")
		rows[i] = Rule(rest)
		rows[i].ID = id
	}
	return routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{menu: rows}}
}

// Rules are wanted rules, which have no id.
func Rules(lines ...string) []routeros.Rule {
	out := make([]routeros.Rule, len(lines))
	for i, line := range lines {
		out[i] = Rule(line)
	}
	return out
}

// Rule reads a rule: its chain, or - for none, its action, and everything else.
func Rule(line string) routeros.Rule {
	words := strings.Fields(line)
	var r routeros.Rule
	pairs := []string{"action", words[1]}
	if words[0] != "-" {
		pairs = append(pairs, "chain", words[0])
	}
	text, mark := "", ""
	for _, word := range words[2:] {
		name, value, pair := strings.Cut(word, "=")
		switch {
		case word == "D":
			r.Dynamic = true
		case strings.HasPrefix(word, "#"):
			text = strings.ReplaceAll(word[1:], "_", " ")
		case strings.HasPrefix(word, "["):
			slot, plan, other := strings.Cut(strings.Trim(word, "[]"), "@")
			if !other {
				plan = "p"
			}
			mark = routeros.Mark{Plan: plan, Slot: slot}.String()
		case pair:
			pairs = append(pairs, name, value)
		default:
			panic("what is " + word + " in " + line)
		}
	}
	if comment := strings.TrimSpace(text + " " + mark); comment != "" {
		pairs = append(pairs, "comment", comment)
	}
	r.Attrs = routeros.MakeAttributes(pairs...)
	return r
}

// Spell writes a rule in the form that [Rule] reads.
func Spell(r routeros.Rule) string {
	var words []string
	if r.ID != "" {
		words = append(words, r.ID)
	}
	words = append(words, r.Chain(), r.Action())
	for name, value := range r.Attrs.Without("chain", "action", "comment").All() {
		words = append(words, name+"="+value)
	}
	if r.Dynamic {
		words = append(words, "D")
	}
	mark, marked := r.Mark()
	if text := strings.TrimSpace(strings.TrimSuffix(r.Comment(), mark.String())); text != "" {
		words = append(words, "#"+strings.ReplaceAll(text, " ", "_"))
	}
	if marked && mark.Plan == "p" {
		words = append(words, "["+mark.Slot+"]")
	} else if marked {
		words = append(words, "["+mark.Slot+"@"+mark.Plan+"]")
	}
	return strings.Join(words, " ")
}

// Written are the steps of a change set, one text each:
//
//	add input drop dst-port=22 [gate/tcp] before *6
//	set *5 dst-port=22
//	move *5 before *6
func Written(steps []change.Step) []string {
	out := make([]string, len(steps))
	for i, step := range steps {
		out[i] = SpellStep(step)
	}
	return out
}

// SpellStep writes a step as [Written] does.
func SpellStep(step change.Step) string {
	text := string(step.Op)
	switch step.Menu {
	case routeros.Filter:
	case routeros.ServiceMenu:
		text += " service"
	default:
		text += " " + string(step.Menu)
	}
	switch {
	case step.Op == change.Add && step.Menu.IsRuleTable():
		text += " " + Spell(routeros.Rule{Attrs: step.Set})
	case step.Op == change.Add:
		text += " " + step.Set.String()
	case step.Op == change.Set:
		text += " " + step.ID + " " + step.Set.String()
	default:
		text += " " + step.ID
	}
	switch {
	case step.Before != "":
		text += " before " + step.Before
	case step.Menu.IsRuleTable() && (step.Op == change.Add || step.Op == change.Move):
		text += " at the end"
	}
	return text
}

// Lines are the rows of a router's filter as text.
func Lines(s routeros.Snapshot) []string {
	var out []string
	for _, r := range s.Rules[routeros.Filter] {
		out = append(out, Spell(r))
	}
	return out
}

// Expect compares lists of texts.
func Expect(t interface {
	Helper()
	Errorf(format string, args ...any)
}, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%swant\n%s", what, Listed(got), Listed(want))
	}
}

// Listed writes texts below each other.
func Listed(texts []string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "\t%s\n", text)
	}
	return b.String()
}
