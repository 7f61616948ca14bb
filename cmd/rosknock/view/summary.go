package view

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
)

// Telling says how changes are told to people.
type Telling struct {
	// Reads is what a changed router reads back as; empty of changes that would be made.
	Reads string
	// Routers is how many routers the run goes over.
	Routers int
	// Verbose tells every step of however many routers.
	Verbose bool
	// LeftOut is told how many routers there are when their steps are not.
	LeftOut func(routers int)
}

// mostInFull is how many routers are shown step by step; of more the table says enough.
const mostInFull = 20

// ChangesOf takes the routers of a diff, an apply or another change.
func ChangesOf(sink Sink, command string, how Telling) *Flow[operate.Result] {
	applied := command == "apply" || command == "undo" || command == "rotate" || command == "remove"
	k := kind[operate.Result]{
		command: command,
		json:    func(r operate.Result) any { return sink.router(r, applied) },
		header:  []string{"router", "outcome", "step", "op", "path", "id", "slot", "before", "set", "error"},
		cells:   sink.stepCells,
	}
	text := changesText{how, sink.Style, maphash.MakeSeed()}
	k.text = text
	if text.folds() {
		k.markdown = changesMarkdown{text, k.header}
	}
	return newFlow(sink, k)
}

type changesText struct {
	Telling
	Style
	seed maphash.Seed // of the numbers that stand for what is told
}

// changesLine is what people see of a router.
type changesLine struct {
	Name, Says string
	Became     apply.Outcome
	Cells      []string
	// Text is the router in full. What lint says of a plan is said once: Again is the text of a
	// router that comes after another with the same Brief.
	Brief, Text, Again string
	// Told is what stands below the name, and Like how it is compared with that of other routers.
	Told  passage
	Equal []string // cells of a row that equal routers share
	Like  likeness
}

func (t changesText) piece(_ int, results []operate.Result) ([]byte, error) {
	kept := make([]changesLine, len(results))
	for i, r := range results {
		l := changesLine{Name: string(short(r.Name)), Says: r.Says(), Became: r.Became()}
		l.Cells = []string{l.Name, string(short(r.Identity())), string(short(r.Version())), l.Says, stepsText(r), proofText(r)}
		if t.full(t.Routers) {
			l.Brief = t.brief(r.Findings)
			l.Text = t.inFull(r, t.Routers == 1 && len(results) == 1)
			if r.Findings != nil {
				r.Findings = nil
				l.Again = t.inFull(r, false)
			}
		}
		if t.folds() {
			l.Told, l.Equal, l.Like = t.passage(results[i], false), equalCells(r), t.likenessOf(results[i])
		}
		kept[i] = l
	}
	return keep(kept)
}

// full reports whether the steps of so many routers are told.
func (t changesText) full(routers int) bool { return routers <= mostInFull || t.Verbose }

// folds reports whether routers of which the same is told are told together.
func (t changesText) folds() bool { return t.Routers > 1 && !t.Verbose }

func (t changesText) inFull(r operate.Result, alone bool) string {
	var b bytes.Buffer
	if t.Reads == "" {
		Changes(&b, r, t.Style)
	} else {
		t.applied(&b, r, alone, t.Style)
	}
	return b.String()
}

func (t changesText) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[operate.Result, changesLine]{all: t.lines}.write(w, pieces)
}

func (t changesText) lines(w io.Writer, all iter.Seq[changesLine]) error {
	routers := 0
	for range all {
		routers++
	}
	if t.folds() && max(t.Routers, routers) > mostInFull {
		return t.large(w, all, routers)
	}
	var err error
	if t.folds() {
		err = t.together(w, all)
	} else {
		err = t.each(w, all)
	}
	if err != nil || routers < 2 {
		return err
	}
	Say(w, "\n")
	return t.summary(w, all, routers)
}

// each writes every router in full.
func (t changesText) each(w io.Writer, all iter.Seq[changesLine]) error {
	said := map[string]bool{}
	between := ""
	for l := range all {
		if err := put(w, between, l.text(said)); err != nil {
			return err
		}
		between = t.between()
	}
	return nil
}

// text is the router in full, and says once what lint says of a plan.
func (l changesLine) text(said map[string]bool) string {
	if said[l.Brief] && l.Again != "" {
		return l.Again
	}
	said[l.Brief] = true
	return l.Text
}

// between is what stands between two routers.
func (t changesText) between() string {
	if t.Reads == "" {
		return "\n"
	}
	return ""
}

// together writes routers of which the same is told once.
func (t changesText) together(w io.Writer, all iter.Seq[changesLine]) error {
	f := fold{changesText: t, groups: groups(all)}
	main := f.main()
	said := map[string]bool{}
	between := ""
	for _, g := range f.groups {
		if err := put(w, between); err != nil {
			return err
		}
		if err := f.tell(w, g, main, g.first.text(said)); err != nil {
			return err
		}
		between = t.between()
	}
	return nil
}

// summary writes a fleet's routers as a table, a line each, and counts them.
func (t changesText) summary(w io.Writer, all iter.Seq[changesLine], routers int) error {
	out := table{header: []string{"ROUTER", "IDENTITY", "VERSION", "OUTCOME", "STEPS", "PROOF"}, whole: []string{"ROUTER", "OUTCOME", "STEPS"}}
	out.kept = func(yield func([]string) bool) {
		for l := range all {
			if !yield(l.Cells) {
				return
			}
		}
	}
	for i, filled := range slices.Backward(out.filled()) {
		if i > 0 && !filled {
			out = out.without(i)
		}
	}
	if err := out.text(w, t.Width); err != nil {
		return err
	}
	Say(w, "\n%s\n", t.outcomes(all, routers))
	return nil
}

// outcomes says how many routers had which outcome.
func (t changesText) outcomes(all iter.Seq[changesLine], routers int) visible {
	var order []string
	counts, became := map[string]int{}, map[string]apply.Outcome{}
	for l := range all {
		if counts[l.Says] == 0 {
			order = append(order, l.Says)
		}
		counts[l.Says]++
		became[l.Says] = l.Became
	}
	text, between := visiblef("%s: ", Plural(routers, "router")), visible("")
	for _, o := range order {
		text += between + t.outcomeText(became[o], visiblef("%d %s", counts[o], o))
		between = ", "
	}
	return text
}

// why is why a router failed or was left out, for people.
func why(r operate.Result) string {
	if r.Err != nil {
		return string(clean(reason(r.Err)))
	}
	return string(clean(r.Note))
}

// reasonWriter says why routers failed or were left out.
type reasonWriter struct {
	w io.Writer
	Style
	any bool
}

func (r *reasonWriter) write(router, why string) {
	if why == "" {
		return
	}
	text := strings.TrimPrefix(string(wrap(clean(router+": "+why), r.Width, 2)), "  ")
	Say(r.w, "\n%s", visible(text))
	r.any = true
}

func (r *reasonWriter) end() {
	if r.any {
		Say(r.w, "\n")
	}
}

func stepsText(r operate.Result) string {
	switch {
	case r.Changes == nil:
		return ""
	case r.Applied != nil && r.Done() < len(r.Changes.Steps):
		return fmt.Sprintf("%d/%d", r.Done(), len(r.Changes.Steps))
	}
	return strconv.Itoa(len(r.Changes.Steps))
}

func proofText(r operate.Result) string {
	switch {
	case r.Proof == nil:
		return ""
	case r.Proof.Holds():
		return "holds"
	}
	return "fails"
}
