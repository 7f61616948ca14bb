package view

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
)

// Run is what a report says about a run as a whole.
type Run struct {
	Command string
	Plans   []string
	Actor   string
	Tool    string
	Made    time.Time // when it began
	Took    time.Duration
	ID      string // its name in the journal
	Sources []page.Source
	Facts   []page.Fact
	Undo    []page.Try
}

// Reporting is how the page of a run tells of its routers.
type Reporting struct {
	// Would says that nothing is changed: the page says what would be.
	Would bool
	// Reach says who reaches a router before the change and after it; nil where that is not known.
	Reach   func(operate.Result) *audit.Comparison
	Replays Replays
}

// ReportOf takes the routers of a run for one HTML page. run, at the end, is what the page says of
// the run as a whole.
func ReportOf(sink Sink, how Reporting, run func(plans []string) Run) (*Flow[operate.Result], error) {
	l, err := page.NewLayout()
	sink.Color = false
	sink.Format = "html"
	return newFlow(sink, kind[operate.Result]{text: pageText{Style: sink.Style, Reporting: how, layout: l, run: run}}), err
}

type pageText struct {
	Style
	Reporting
	layout page.Layout
	run    func(plans []string) Run
}

// pageLine is what the page shows of a router.
type pageLine struct {
	Plan    string
	Section page.Section
}

func (p pageText) piece(at int, results []operate.Result) ([]byte, error) {
	kept := make([]pageLine, len(results))
	for i, r := range results {
		id := fmt.Sprintf("r%d", at+1)
		if i > 0 {
			id += fmt.Sprintf("-%d", i+1)
		}
		section, err := p.layout.Section(id, p.Would, p.routerOnPage(r))
		if err != nil {
			return nil, err
		}
		kept[i] = pageLine{r.Plan, section}
	}
	return keep(kept)
}

func (p pageText) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[operate.Result, pageLine]{all: func(w io.Writer, all iter.Seq[pageLine]) error {
		var plans []string
		for l := range all {
			if l.Plan != "" && !slices.Contains(plans, l.Plan) {
				plans = append(plans, l.Plan)
			}
		}
		run := p.run(plans)
		return p.layout.Write(w, page.Page{
			Title: strings.TrimSpace(run.Command + " of " + strings.Join(run.Plans, ", ")), Command: run.Command, Plans: run.Plans, Actor: run.Actor, Tool: run.Tool,
			Made: run.Made, Took: run.Took, Would: p.Would, Run: run.ID, Sources: run.Sources, Facts: run.Facts, Undo: run.Undo,
		}, func(yield func(page.Section) bool) {
			for l := range all {
				if !yield(l.Section) {
					return
				}
			}
		})
	}}.write(w, pieces)
}

// routerOnPage is a router, and what it is with the names that it shares with others.
func (p pageText) routerOnPage(r operate.Result) page.Router {
	reach := p.Reach(r)
	out := p.onPage(r, reach)
	out.Tries = p.Replays.of(r, p.Style)
	p.names = newNamer(r)
	shared := p.onPage(p.names.common(r), reach)
	out.Shared = &shared
	return out
}

func (p pageText) onPage(r operate.Result, reach *audit.Comparison) page.Router {
	out := page.Router{
		Name: r.Name, Address: r.Address, Identity: r.Identity(), Version: r.Version(), Groups: r.Groups, Tags: r.Tags,
		Outcome: string(p.outcomeOnPage(r)), Took: r.Took, Proof: p.verdict(r),
	}
	reachOnPage(reach, &out)
	if r.Snapshot != nil {
		out.Board = r.Snapshot.Board
	}
	if r.Err != nil {
		out.Error = string(clean(reason(r.Err)))
	}
	if r.Note != "" {
		out.Notes = append(out.Notes, r.Note)
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, page.Finding{ID: f.ID, Severity: f.Severity.String(), Text: f.Place + ": " + f.What, Remedy: f.Remedy})
	}
	if r.Applied != nil {
		out.Protection = string(r.Applied.Protection)
		if r.Outcome == apply.Changed {
			out.Change = r.Change
		}
	}
	if r.Changes == nil {
		return out
	}
	out.Notes = append(out.Notes, r.Changes.Notes...)
	for i, step := range r.Changes.Steps {
		out.Steps = append(out.Steps, p.stepOnPage(r, i, step))
	}
	return out
}

// outcomeOnPage is what became of a router, or would: a dry run skips what it would change.
func (p pageText) outcomeOnPage(r operate.Result) apply.Outcome {
	if p.Would && r.Outcome == apply.Skipped && r.Err == nil && r.Changes != nil && r.Note == "" {
		return operate.WouldBe(r.Changes.Changed())
	}
	return r.Became()
}

func (s Style) stepOnPage(r operate.Result, i int, step change.Step) page.Step {
	out := page.Step{Op: string(step.Op), Menu: string(step.Menu), Slot: step.Name(), ID: rowOf(step), Before: strings.TrimPrefix(place(step), "before "), Why: step.Why}
	if text := waits(*r.Changes, i); text != "" {
		out.Why = strings.TrimPrefix(out.Why+"; "+text, "; ")
	}
	for _, name := range order(step.Set) {
		was, had := step.Was.Lookup(name)
		out.Attributes = append(out.Attributes, page.Attribute{
			Name: name, Value: s.Value(step.Slot, name, step.Set.Get(name)), Was: s.Value(step.Slot, name, was), HadWas: had && step.Op == change.Set,
		})
	}
	if receipt, tried := r.Receipt(i); tried {
		done := receipt.Err == nil
		out.Done = &done
		if receipt.Err != nil {
			out.Error = string(clean(reason(receipt.Err)))
		}
	}
	return out
}

func (s Style) verdict(r operate.Result) *page.Proof {
	if r.Proof == nil {
		return nil
	}
	out := &page.Proof{Holds: r.Proof.Holds(), States: r.Proof.States, Text: []string{"looked at " + over(*r.Proof)}}
	for _, f := range r.Proof.Accepted {
		out.Accepted = append(out.Accepted, f.Risk+": "+f.What)
	}
	for _, f := range r.Proof.Failures {
		var b strings.Builder
		wide := s
		wide.Width = 1 << 16
		writeFailure(&b, f, wide)
		lines := append([]string{f.What}, strings.Split(strings.TrimSpace(b.String()), "\n")...)
		out.Failures = append(out.Failures, lines)
	}
	return out
}
