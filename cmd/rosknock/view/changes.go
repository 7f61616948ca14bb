package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// Changes writes what would change on a router, each step in its order.
func Changes(w io.Writer, r operate.Result, s Style) {
	head(w, r, s)
	s.changesOf(r).write(w)
}

// passage is what is told of a router below its name: the steps, and what stands above and below
// them.
type passage struct {
	Above string
	Steps []toldStep
	Below string
}

// toldStep is a step without its number, and what stands above it where a part begins.
type toldStep struct{ Heading, Text string }

func (p passage) write(w io.Writer) {
	var b strings.Builder
	b.WriteString(p.Above)
	for n, step := range p.Steps {
		fmt.Fprintf(&b, "%s%4d %s", step.Heading, n+1, step.Text)
	}
	b.WriteString(p.Below)
	_ = put(w, b.String())
}

func (s Style) changesOf(r operate.Result) passage {
	var above, below strings.Builder
	var p passage
	if r.Note != "" {
		Say(&above, "  %s: %s\n", s.outcome(r.Outcome), r.Note)
	}
	if r.Err != nil {
		Say(&above, "%s\n", wrap(visiblef("%s: %v", s.outcome(r.Outcome), r.Err), s.Width, 2))
	}
	if r.Changes != nil {
		for _, note := range r.Changes.Notes {
			Say(&above, "%s\n", s.faint(wrap(clean("note: "+note), s.Width, 2)))
		}
		p.Steps = s.toldSteps(r)
		if r.Changes.Changed() {
			Say(&below, "  %s\n", summary(*r.Changes))
		} else {
			Say(&below, "  nothing to do: %s\n", nothing(r))
		}
		writeVerdict(&below, r, s)
	}
	p.Above, p.Below = above.String(), below.String()
	return p
}

func (s Style) toldSteps(r operate.Result) []toldStep {
	var out []toldStep
	headings := headingsOf(r)
	for n := range r.Changes.Steps {
		var heading, text strings.Builder
		if h := headings[n]; h != "" {
			Say(&heading, "  %s\n", s.faint(clean(h)))
		}
		writeStep(&text, n, *r.Changes, s)
		out = append(out, toldStep{heading.String(), text.String()})
	}
	return out
}

// nothing says why there is nothing to do.
func nothing(r operate.Result) string {
	if r.Removes {
		return "nothing of the plan is on the router"
	}
	return "the router is as the plan wants it"
}

func head(w io.Writer, r operate.Result, s Style) {
	line := s.bold(short(r.Name))
	if r.Snapshot != nil {
		line += visiblef("  %s, RouterOS %s", short(r.Identity()), short(r.Version()))
		if r.Snapshot.Board != "" {
			line += ", " + short(r.Snapshot.Board)
		}
	}
	Say(w, "%s\n", line)
}

// headings says above which steps the next part of a change set begins; nothing where it is all
// one.
func headingsOf(r operate.Result) map[int]string {
	r.Divide()
	if len(r.Parts) < 2 {
		return nil
	}
	out, met := map[int]string{}, false
	for i, part := range r.Parts {
		switch {
		case i == 0 && !part.Met:
			out[part.From] = "first, remove what nothing uses:"
		case !part.Met:
			out[part.From] = "once that is confirmed, remove what nothing uses any more:"
		case met:
			out[part.From] = "once that is confirmed, go on:"
		case i > 0:
			out[part.From] = "then, the change itself:"
		}
		met = met || part.Met
	}
	return out
}

// writeStep prints a step behind its number: what is done to which place of the plan, then the
// attributes.
func writeStep(w io.Writer, n int, c change.ChangeSet, s Style) {
	step := c.Steps[n]
	line := visiblef("%s %s %s", s.op(step.Op), step.Menu, s.bold(short(step.Name())))
	if row := rowOf(step); row != "" {
		line += " " + short(row)
	}
	Say(w, "%s\n", line)
	if step.Op != change.Enable && step.Op != change.Disable && step.Op != change.Remove {
		var words []visible
		for _, word := range attributes(step, s) {
			words = append(words, clean(word))
		}
		if len(words) > 0 {
			Say(w, "%s\n", wrapWords(words, s.Width, 15))
		}
	}
	for _, text := range []string{place(step), waits(c, n)} {
		if text != "" {
			Say(w, "%s\n", s.faint(wrap(clean(text), s.Width, 15)))
		}
	}
}

// attributes lists what a step writes, with the old value where there was one.
func attributes(step change.Step, s Style) []string {
	var words []string
	for _, name := range order(step.Set) {
		value := routeros.Quote(s.Value(step.Slot, name, step.Set.Get(name)))
		if s.Value(step.Slot, name, "x") == masked {
			value = masked
		} else if name == "comment" {
			value = `"` + s.Value(step.Slot, name, step.Set.Get(name)) + `"`
		}
		word := name + "=" + value
		if old, had := step.Was.Lookup(name); had && step.Op == change.Set {
			word += " (was " + cmp.Or(s.Value(step.Slot, name, old), `""`) + ")"
		}
		words = append(words, word)
	}
	return words
}

// order puts chain and action first and the comment last.
func order(row routeros.Attributes) []string {
	var names []string
	for _, first := range []string{"chain", "action"} {
		if row.Has(first) {
			names = append(names, first)
		}
	}
	for name := range row.All() {
		if name != "chain" && name != "action" && name != "comment" {
			names = append(names, name)
		}
	}
	if row.Has("comment") {
		names = append(names, "comment")
	}
	return names
}

// rowOf names the row that a step changes, as people find it.
func rowOf(step change.Step) string {
	if n := adder(step.ID); n > 0 {
		return fmt.Sprintf("(of step %d)", n)
	}
	return step.ID
}

// adder is the number, counted from 1, of the step that adds the row of an id; 0 where the router
// has the row.
func adder(id string) int {
	if index, adds := strings.CutPrefix(id, "+"); adds {
		if n, err := strconv.Atoi(index); err == nil {
			return n + 1
		}
	}
	return 0
}

func place(step change.Step) string {
	if n := adder(step.Before); n > 0 {
		return fmt.Sprintf("before the rule of step %d", n)
	}
	if step.BeforeText != "" {
		return "before " + step.BeforeText
	}
	return ""
}

// waits says of a row that is added disabled from which step on it does something.
func waits(c change.ChangeSet, n int) string {
	if c.Steps[n].Op != change.Add || !c.Steps[n].Set.Bool("disabled") {
		return ""
	}
	at := slices.IndexFunc(c.Steps, func(step change.Step) bool { return step.Op == change.Enable && adder(step.ID) == n+1 })
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("has no effect until step %d enables it", at+1)
}

// summary counts the steps: 6 to add, 1 to change, 0 to move, 0 to remove.
func summary(c change.ChangeSet) string {
	count := func(ops ...change.Op) int {
		n := 0
		for _, step := range c.Steps {
			if slices.Contains(ops, step.Op) {
				n++
			}
		}
		return n
	}
	return fmt.Sprintf("%d to add, %d to change, %d to move, %d to remove", count(change.Add), count(change.Set, change.Enable, change.Disable), count(change.Move), count(change.Remove))
}

// applied writes what became of a router; alone says that it is the only one.
func (t Telling) applied(w io.Writer, r operate.Result, alone bool, s Style) {
	Say(w, "%s", s.bold(short(r.Name)))
	t.appliedTo(r, alone, s).write(w)
}

// appliedTo tells what became of a router behind its name. Among several it also tells what differs
// from router to router.
func (t Telling) appliedTo(r operate.Result, alone bool, s Style) passage {
	var w strings.Builder
	line := "  " + s.outcome(r.Outcome)
	if r.Note != "" {
		line += ": " + clean(r.Note)
	}
	Say(&w, "%s\n", line+clean(tail(r, t.Reads)))
	if r.Err != nil {
		Say(&w, "%s\n", wrap(clean(reason(r.Err)), s.Width, 2))
	}
	if r.Proof != nil && !r.Proof.Holds() {
		for _, f := range r.Proof.Failures {
			writeFailure(&w, f, s)
		}
	}
	if r.Removes || r.Undo {
		writeOpenings(&w, r, s)
	}
	if r.Changes != nil && (r.Removes || r.Undo || !alone) {
		for _, note := range r.Changes.Notes {
			Say(&w, "%s\n", s.faint(wrap(clean("note: "+note), s.Width, 2)))
		}
	}
	if !alone {
		writeAccepted(&w, r, s)
	}
	if r.Applied != nil && len(r.Applied.Left) > 0 && r.Outcome != apply.Refused {
		Say(&w, "  steps done: %d, not tried: %d\n", r.Done(), len(r.Applied.Left))
	}
	if r.Change != "" && r.Outcome == apply.Changed && !r.Undo && alone {
		Say(&w, "%s\n", s.faint(wrap(clean("rosknock undo "+r.Change+" "+r.Select+" rolls it back"), s.Width, 2)))
	}
	return passage{Above: w.String()}
}

func tail(r operate.Result, reads string) string {
	switch r.Outcome {
	case apply.Changed:
		text := fmt.Sprintf(": %s done, and the router reads back as %s", Plural(len(r.Changes.Steps), "step"), reads)
		if r.Proof != nil && r.Proof.Holds() {
			text += fmt.Sprintf("; the proof held in all %d states", r.Proof.States)
		}
		return text
	case apply.Unchanged:
		return ": nothing to do"
	case apply.Reverted:
		return ": what was done was rolled back, and the router reads back as it was before"
	case apply.Failed:
		if r.Applied == nil {
			return "" // nothing was begun
		}
		return ": the change was neither finished nor wholly rolled back; look at the router with diff"
	case apply.Unknown:
		return ": the router could not be read again"
	}
	return ""
}
