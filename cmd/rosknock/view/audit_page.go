package view

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/routeros"
)

// AuditPageOf takes audits for one HTML page, on which equal answers stand once. run is asked at the
// end for what the page says of the run as a whole.
func AuditPageOf(sink Sink, check Check, earlier *Earlier, run func() (Run, []page.Source)) (*Flow[Audited], error) {
	l, err := page.NewLayout()
	sink.Color, sink.Format = false, "html"
	p := auditPage{auditStyle{sink.Style}, l, check, earlier, run}
	return newFlow(sink, kind[Audited]{text: lines[Audited, auditRow]{line: p.line, all: p.all}}), err
}

type auditPage struct {
	auditStyle
	layout  page.Layout
	check   Check
	earlier *Earlier
	run     func() (Run, []page.Source)
}

// auditRow is what the page keeps of a router.
type auditRow struct {
	Name   string
	Failed string // why it was not read
	Fails  bool   // the check
	Shown  []shownExposure
	Found  []found
	Notes  []note
}

// shownExposure is an exposure with what only the page says of it.
type shownExposure struct {
	exposure
	Kind, Widest string
	Beyond       bool
	Decided      string
}

// note is another thing that was found, in a part of the page.
type note struct {
	Part        notePart
	Text, Short string
}

// notePart is a part of the page that lists notes.
type notePart int

const (
	changesPart notePart = iota
	unknownPart
	knocksPart
	deadPart
)

func (p auditPage) line(a Audited) auditRow {
	out := auditRow{Name: a.Name, Fails: p.check.Fails(a)}
	if a.Err != nil {
		out.Failed = strings.TrimPrefix(reason(a.Err), a.Name+": ")
		return out
	}
	for _, r := range a.Reach {
		if len(r.By) > 0 {
			out.Shown = with(out.Shown, shownExposure{exposureOf(r), string(r.Kind), string(r.By[0].Who), p.check.exposes(r), a.Decided[r.Name]})
		}
	}
	for _, f := range a.Findings {
		out.Found = with(out.Found, found{f, a.Accepted[f]})
	}
	notes := unknownNotes(a)
	if p.earlier != nil {
		notes = append(notes, changeNotes(p.earlier.since(p.auditJSON(a)))...)
	}
	for _, k := range a.Knocks {
		notes = append(notes, note{knocksPart, fmt.Sprintf("list %s, %s: %s", k.List, k.Family, knockText(k)), "knock: list " + k.List})
	}
	for _, d := range a.Dead {
		notes = append(notes, note{deadPart, fmt.Sprintf("%s %s: %s", d.Menu, d.Rule, d.Why), "does nothing: " + d.Rule})
	}
	for _, n := range notes {
		out.Notes = with(out.Notes, n)
	}
	return out
}

// with adds an item that is not there yet.
func with[T comparable](items []T, item T) []T {
	if slices.Contains(items, item) {
		return items
	}
	return append(items, item)
}

// unknownNotes are what an audit does not know, and its notes.
func unknownNotes(a Audited) []note {
	var out []note
	add := func(short, format string, args ...any) {
		out = append(out, note{unknownPart, fmt.Sprintf(format, args...), short})
	}
	for _, r := range a.Reach {
		what := strings.Join([]string{r.Name, portText(r), familyText(r)}, " ")
		if r.State == routeros.ServerUnknown {
			add("not known: "+r.Name, "not known whether it runs: %s", what)
		}
		for _, by := range r.By {
			if by.Perhaps {
				add("not known: "+r.Name, "not known for sure who reaches %s: %s", what, byText(by))
			}
		}
	}
	for _, n := range a.Notes {
		add("note", "%s", n)
	}
	return out
}

// changeNotes are what changed since an earlier audit.
func changeNotes(s jsonSince) []note {
	var out []note
	if s.New {
		out = append(out, note{changesPart, "not in the earlier audit, or not read then", "new"})
	}
	for _, c := range s.Reach {
		what := strings.Join([]string{c.Name, cmp.Or(c.Port, "-"), c.Family}, " ")
		out = append(out, note{changesPart, fmt.Sprintf("%s: was %s, is %s", what, cmp.Or(c.Was, "not there"), cmp.Or(c.Is, "no longer there")), "changed: " + c.Name})
	}
	for _, f := range s.Found {
		out = append(out, note{changesPart, fmt.Sprintf("new finding: %s %s %s: %s", f.Severity, f.ID, f.Place, f.What), "new: " + f.ID})
	}
	for _, f := range s.Gone {
		out = append(out, note{changesPart, fmt.Sprintf("no longer found: %s %s %s: %s", f.Severity, f.ID, f.Place, f.What), "gone: " + f.ID})
	}
	return out
}

// all folds the routers and writes the page.
func (p auditPage) all(w io.Writer, all iter.Seq[auditRow]) error {
	f := foldAudit(all)
	run, sources := p.run()
	a := page.Audit{
		Title: "audit of " + f.name(), Sources: sources, Actor: run.Actor, Tool: run.Tool, Made: run.Made, Took: run.Took,
		Answer: f.answer(p.check), Says: f.says(p.check), Counts: f.counts(), Routers: f.routers, Exposures: f.shownExposures(), Unread: f.unreadRows(), Kinds: f.kindRows(),
	}
	a.Findings, a.Accepted = f.classes()
	a.Changes, a.Parts = f.parts(p.earlier)
	return p.layout.Audit(w, a)
}
