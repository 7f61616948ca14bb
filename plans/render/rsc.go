package render

import (
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// Import is a change set as scripts for a router's /import, or for pasting into its terminal.
type Import struct {
	Plan    string
	Router  string // for whom it is, in words
	Before  routeros.Snapshot
	Changes diff.ChangeSet
	// Remarks are further lines for the head of the script: what it assumes, and what was shown about it.
	Remarks []string
	Window  *Window // of doors that rotate
}

// Script returns the script that does what apply does: the same commands in the same order, with
// rows named by what they hold. It begins by looking whether the router is as it was when the
// change set was made, and does nothing where it is not; when a command fails, what was done before
// is rolled back. The error is a [diff.RefusalError] where a row can't be named.
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

// UndoScript returns the script that takes back what [Import.Script] does, in the opposite order and with the same care.
func (i Import) UndoScript() (string, error) {
	head := []string{
		fmt.Sprintf("The way back from the plan %s of rosknock as a script for %s.", i.Plan, i.Router),
		fmt.Sprintf("It undoes the %s of the script that was made together with it, and wants to find what that one left.", steps(len(i.Changes.Steps))),
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

// safeModeHolds is how many changes a safe mode can take back; with more it ends by itself, and nothing is (routeros-facts § 6.1).
const safeModeHolds = 80

func (i Import) text(t track, head []string) (string, error) {
	head = append(head, "It holds the knock: keep it like a password, and remove it from the router's files when it is done.",
		"Where the router is not as it was when this was made, it stops and does nothing; when a command fails, it takes back what it did.")
	if len(t.steps) < safeModeHolds {
		head = append(head, "Take Safe Mode before (Ctrl-X), and give it up when a new login works: a script can't see that you are shut out.")
	} else {
		head = append(head, "It is too long for Safe Mode, which ends by itself after 100 changes: have another way in.")
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

// writer writes the script of a track. A terminal reads a block as a whole before it does anything of it, so what is pasted is one.
type writer struct {
	b strings.Builder
	track
}

func (w *writer) line(depth int, format string, args ...any) {
	w.b.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
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
		w.line(1, ":if (%s) do={:error %s}", c.unless, script.Quoted("rosknock: nothing was done: "+c.what+". Make the script anew for this router."))
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
	w.line(2, ":error %s", script.Quoted("rosknock: a command failed, and what was done before it was taken back; the log says what could not be"))
	w.line(1, "}")
	w.line(1, ":log info %s", script.Quoted(fmt.Sprintf("rosknock: %s of the plan %s are done", steps(len(w.steps)), plan)))
	w.line(0, "}")
	return nil
}

// takeBack writes the inverse of each step that was done, the last first.
func (w *writer) takeBack() error {
	for i := len(w.steps) - 2; i >= 0; i-- { // the last one can't have been done when a command failed
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
			script.Quoted(fmt.Sprintf("rosknock: step %d could not be taken back", i+1)))
	}
	return nil
}
