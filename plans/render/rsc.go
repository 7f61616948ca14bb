package render

import (
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// Import is a change set as scripts for a router's /import, or for pasting into its terminal.
type Import struct {
	Plan    string
	Router  string // the router, as text
	Before  routeros.Snapshot
	Changes change.ChangeSet
	// Remarks are further lines for the head of the script: what it assumes, and the result of the
	// proof.
	Remarks []string
	Window  *Window // of doors that rotate
}

// Script returns the script that does what apply does: the same commands in the same order, with
// rows named by their attributes. First it checks whether the router is still as it was when the
// change set was made; if not, it does nothing. If a command fails, it rolls back the commands
// before it. The error is a [change.RefusalError] if a row can't be named.
func (i Import) Script() (string, error) {
	head := []string{
		fmt.Sprintf("The plan %s of rosknock as a script for %s: %s.", i.Plan, i.Router, steps(len(i.Changes.Steps))),
		"It does what rosknock apply would do.",
	}
	t, err := newTrack(i.Before, i.Changes)
	if err != nil {
		return "", err
	}
	return i.text(t, head)
}

// UndoScript returns the script that undoes [Import.Script], in reverse order and with the same
// checks.
func (i Import) UndoScript() (string, error) {
	head := []string{
		fmt.Sprintf("The undo of the plan %s of rosknock as a script for %s.", i.Plan, i.Router),
		fmt.Sprintf("It undoes the %s of the script that was made together with it, and expects the router as that script left it.", steps(len(i.Changes.Steps))),
	}
	t, err := newTrack(i.Before, i.Changes)
	if err == nil {
		t, err = t.back()
	}
	if err != nil {
		return "", err
	}
	return i.text(t, head)
}

func steps(n int) string {
	if n == 1 {
		return "one step"
	}
	return fmt.Sprintf("%d steps", n)
}

// safeModeHolds is how many changes safe mode can undo; with more it ends by itself and undoes
// nothing (routeros-facts § 6.1).
const safeModeHolds = 80

func (i Import) text(t track, head []string) (string, error) {
	head = append(head, "It holds the knock: keep it like a password, and remove it from the router's files when it is done.",
		"If the router has changed since this was made, it stops and does nothing. If a command fails, it rolls back what it did.")
	if len(t.steps) < safeModeHolds {
		head = append(head, "Take Safe Mode first (Ctrl-X), and release it when a new login works: a script can't notice that it locks you out.")
	} else {
		head = append(head, "It is too long for Safe Mode, which ends by itself after 100 changes: have another way to reach the router.")
	}
	head = append(head, i.Remarks...)
	if i.Window != nil {
		head = append(head, i.Window.remark())
	}
	w := writer{track: t}
	if err := w.write(i.Plan); err != nil {
		return "", err
	}
	return comment("#", head...) + w.b.String(), nil
}

// writer writes the script of a track. A terminal reads a whole block before it runs any of it, so
// the script is one block.
type writer struct {
	b strings.Builder
	track
}

// done is the variable that counts the steps.
const done = "stepsDone"

func (w *writer) write(plan string) error {
	w.line(0, "{")
	w.line(1, ":local %s 0", done)
	checks, err := w.checks(plan)
	if err != nil {
		return err
	}
	for _, c := range checks {
		w.line(1, ":if (%s) do={:error %s}", c.unless, script.Quoted("rosknock: nothing was done: "+c.what+". Render the script again for this router."))
	}
	w.line(1, ":do {")
	for i, step := range w.steps {
		text, err := command(w.states[i], step)
		if err != nil {
			return err
		}
		w.line(2, "%s", text)
		w.line(2, ":set %s %d", done, i+1)
	}
	w.line(1, "} on-error={")
	if err := w.takeBack(); err != nil {
		return err
	}
	w.line(2, ":error %s", script.Quoted("rosknock: a command failed, and the steps before it were rolled back; the log says which could not be"))
	w.line(1, "}")
	w.line(1, ":log info %s", script.Quoted(fmt.Sprintf("rosknock: %s of the plan %s are done", steps(len(w.steps)), plan)))
	w.line(0, "}")
	return nil
}

func (w *writer) line(depth int, format string, args ...any) {
	w.b.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

// takeBack writes the inverse of each step that was done, the last first.
func (w *writer) takeBack() error {
	for i := len(w.steps) - 2; i >= 0; i-- { // if a command failed, the last step was not done
		one, err := w.inverse(i)
		if err != nil {
			return err
		}
		var commands []string
		for n, step := range one.steps {
			text, err := command(one.states[n], step)
			if err != nil {
				return err
			}
			commands = append(commands, text)
		}
		w.line(2, ":if ($%s > %d) do={:do {%s} on-error={:log error %s}}", done, i, strings.Join(commands, "; "),
			script.Quoted(fmt.Sprintf("rosknock: step %d could not be rolled back", i+1)))
	}
	return nil
}
