// Package view turns values into text, tables, JSON, CSV and Markdown.
//
// Every output format is a sibling of the others over the same values. The package never decides
// and never dials; what is secret stays masked unless [Style.Reveal] says otherwise.
package view

import (
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// Style is how results are shown.
type Style struct {
	Width  int  // columns of the terminal
	Color  bool // ANSI colours
	Reveal bool // show knock sequences
}

// Router is what one router's part of a result shows.
type Router struct {
	Name     string // as given on the command line or in the inventory
	Key      string // what the state folder knows it by
	Address  string
	Select   string // how a command line names it alone
	Groups   []string
	Tags     []string
	Plan     string             // the name of the plan
	Snapshot *routeros.Snapshot // nil when it could not be read
	Changes  *change.ChangeSet  // nil when there is none
	Parts    []change.Part      // of the change set; nil where [Router.Divide] has not looked
	Proof    *proof.Proof       // of the change set; nil when there is none
	Findings []lint.Finding     // about the plan on this router
	Result   *apply.Result      // of an apply or an undo
	Change   string             // the name of the change in the journal
	Undo     bool               // it rolls a change back
	Removes  bool               // it takes a plan off the router
	Outcome  apply.Outcome      // of a diff: empty, refused or failed
	Took     time.Duration
	Note     string // why nothing was done, where that is no error
	Err      error
}

// Became is what became of the router; of a diff, what would become of it.
func (r Router) Became() apply.Outcome {
	if r.Outcome == "" && r.Changes != nil {
		return wouldBe(r.Changes.Changed())
	}
	return r.Outcome
}

// Says is what became of the router, in the words of a line for people.
func (r Router) Says() string {
	if became := r.Became(); r.Outcome != "" || became != apply.Changed {
		return string(became)
	}
	return "to change"
}

// Identity returns the router's own name, if it could be read.
func (r Router) Identity() string {
	if r.Snapshot == nil {
		return ""
	}
	return strings.ToValidUTF8(r.Snapshot.Identity, "\uFFFD")
}

// Version returns the router's version, if it could be read.
func (r Router) Version() string {
	switch {
	case r.Snapshot == nil:
		return ""
	case r.Snapshot.VersionAssumed:
		return "unknown"
	}
	return r.Snapshot.Version.String()
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

// op colours the sign of a step: green adds, red removes, yellow changes.
func (s Style) op(op change.Op) visible {
	switch op {
	case change.Add:
		return s.color("32", "+ add    ")
	case change.Remove:
		return s.color("31", "- remove ")
	case change.Move:
		return s.color("36", "> move   ")
	case change.Enable:
		return s.color("33", "~ enable ")
	case change.Disable:
		return s.color("33", "~ disable")
	default:
		return s.color("33", "~ set    ")
	}
}

// outcome colours an outcome.
func (s Style) outcome(o apply.Outcome) visible {
	switch o {
	case apply.Changed:
		return s.color("33", short(string(o)))
	case apply.Unchanged:
		return s.color("32", short(string(o)))
	default:
		return s.color("31", short(string(o)))
	}
}
