// Package view turns values into text, tables, JSON, CSV and Markdown.
//
// Every output format is a sibling of the others over the same values. The package never decides
// and never dials; what is secret stays masked unless [Style.Reveal] says otherwise.
package view

import (
	"strings"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Style is how results are shown.
type Style struct {
	Width  int  // columns of the terminal
	Color  bool // ANSI colours
	Reveal bool // show knock sequences

	names *namer // of what may differ between equal routers; nil to show it as it is
}

// masked is what stands for a secret.
const masked = "•••••"

// Value returns the value of an attribute as it may be shown: the ports, sizes and contents of a
// knock are masked. It is always valid UTF-8.
func (s Style) Value(slot, name, value string) string {
	if !s.Reveal && secret(slot, name) && value != "" {
		return masked
	}
	return strings.ToValidUTF8(value, "\uFFFD")
}

// secret reports whether an attribute of a rule tells a part of a knock.
func secret(slot, name string) bool {
	if !routeros.TellsKnock(slot) {
		return false
	}
	switch name {
	case "dst-port", "port", "src-port", "packet-size", "content":
		return true
	}
	return false
}

// color wraps a text in an ANSI colour.
func (s Style) color(code string, text visible) visible {
	if !s.Color || text == "" {
		return text
	}
	return visible("\x1b["+code+"m") + text + "\x1b[0m"
}

func (s Style) bold(text visible) visible  { return s.color("1", text) }
func (s Style) faint(text visible) visible { return s.color("2", text) }

// op colours the sign of a step: green adds, red removes, cyan changes.
func (s Style) op(op change.Op) visible {
	switch op {
	case change.Add:
		return s.color("32", "+ add    ")
	case change.Remove:
		return s.color("31", "- remove ")
	case change.Move:
		return s.color("36", "> move   ")
	case change.Enable:
		return s.color("36", "~ enable ")
	case change.Disable:
		return s.color("36", "~ disable")
	default:
		return s.color("36", "~ set    ")
	}
}

// outcome colours an outcome. Each has one colour, here and on a page, and a word of its own: a
// change is no warning, and a refusal no failure.
func (s Style) outcome(o apply.Outcome) visible { return s.outcomeText(o, short(string(o))) }

// outcomeText is a text in the colour of an outcome.
func (s Style) outcomeText(o apply.Outcome, text visible) visible {
	switch o {
	case apply.Changed:
		return s.color("36", text)
	case apply.Unchanged:
		return s.color("32", text)
	case apply.Refused:
		return s.color("33", text)
	case apply.Reverted:
		return s.color("38;5;208", text) // orange
	case apply.Unknown:
		return s.color("35", text)
	case apply.Skipped:
		return s.faint(text)
	case apply.Failed:
	}
	return s.color("31", text)
}
