package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/lint"
)

// Linted is a plan file with what was found.
type Linted struct {
	File     string
	Problems form.Problems // mistakes: then there are no findings
	Findings []Findings    // of the plan alone first, then of each router
	Places   map[string]form.Place
	Accepted []string // ids
}

// Findings are those of the plan alone, or of the plan on a router.
type Findings struct {
	Router   string
	Findings []lint.Finding
}

// Refused reports whether a finding of severity refuse is not accepted.
func (l Linted) Refused() bool {
	return slices.ContainsFunc(l.Findings, func(f Findings) bool {
		return slices.ContainsFunc(f.Findings, func(f lint.Finding) bool { return f.Severity == lint.Refuse && !l.accepts(f) })
	})
}

func (l Linted) accepts(f lint.Finding) bool {
	return slices.ContainsFunc(l.Accepted, func(id string) bool { return strings.EqualFold(id, f.ID) })
}

// Taken lists the ids of findings that would be refused and were accepted.
func (l Linted) Taken() []string {
	var out []string
	for _, of := range l.Findings {
		for _, f := range of.Findings {
			if f.Severity == lint.Refuse && l.accepts(f) && !slices.Contains(out, f.ID) {
				out = append(out, f.ID)
			}
		}
	}
	return out
}

// Problems writes the mistakes of a file, each with its place and its excerpt.
func Problems(w io.Writer, problems form.Problems) {
	for _, p := range problems {
		Say(w, "%s\n", p)
		for line := range strings.Lines(p.Excerpt) {
			Say(w, "%s\n", strings.TrimSuffix(line, "\n"))
		}
	}
}

// Lints writes what was found in plans.
func Lints(w io.Writer, format string, linted []Linted, s Style) error {
	switch format {
	case "json", "jsonl":
		return lintsJSON(w, format, linted)
	case "csv", "markdown":
		t := table{header: []string{"file", "line", "column", "router", "id", "severity", "place", "what", "why", "remedy"}}
		for _, j := range flat(linted) {
			t.rows = append(t.rows, []string{j.File, fmt.Sprint(j.Line), fmt.Sprint(j.Column), j.Router, j.ID, j.Severity, j.Place, j.Message, j.Why, j.Remedy})
		}
		return t.write(w, format, s.Width)
	}
	for _, l := range linted {
		l.text(w, s)
	}
	Say(w, "%s\n", tally(linted))
	return nil
}

func (l Linted) text(w io.Writer, s Style) {
	if len(l.Problems) > 0 {
		Problems(w, l.Problems)
	}
	for _, of := range l.Findings {
		for _, f := range of.Findings {
			line, column := l.at(f)
			where := visiblef("%s:%d:%d: ", l.File, line, column)
			if of.Router != "" {
				where = short(of.Router) + ": "
			}
			accepted := visible("")
			if l.accepts(f) {
				accepted = "accepted"
			}
			s.finding(w, where, f, accepted)
		}
	}
}

// at is where a finding stands in the file.
func (l Linted) at(f lint.Finding) (line, column int) {
	for path := f.Place; path != ""; {
		if p, ok := l.Places[path]; ok {
			return p.Line, p.Column
		}
		cut := strings.LastIndex(path, ".")
		path = path[:max(cut, 0)]
	}
	return 1, 1
}

// finding writes one: id, place, what, why, how to mend it.
func (s Style) finding(w io.Writer, where visible, f lint.Finding, accepted visible) {
	severity := visible(f.Severity.String())
	if accepted != "" {
		severity = accepted
	}
	code := map[visible]string{"refuse": "31", "warn": "33", "inform": "36", "accepted": "32"}[severity]
	first := visiblef("%s%s %s %s", where, s.color(code, severity), s.bold(visible(f.ID)), f.Place)
	indent := len(where) - len(strings.TrimLeft(string(where), " "))
	Say(w, "%s\n", first)
	Say(w, "%s\n", wrap(clean(f.What+": "+f.Why), s.Width, indent+4))
	Say(w, "%s\n", wrap(clean("→ "+f.Remedy), s.Width, indent+4))
}

// tally counts plans and findings.
func tally(linted []Linted) string {
	count := map[string]int{}
	for _, j := range flat(linted) {
		count[j.Severity]++
	}
	text := Plural(len(linted), "plan")
	if len(count) == 0 {
		return text + ", no problem"
	}
	var parts []string
	for _, of := range []struct{ severity, word string }{{"error", "mistake"}, {"refuse", "finding to refuse"}, {"warn", "warning"}, {"inform", "remark"}} {
		if n := count[of.severity]; n > 0 {
			parts = append(parts, Plural(n, of.word))
		}
	}
	return text + ": " + strings.Join(parts, ", ")
}

// Plural counts things: 1 router, 2 routers.
func Plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if head, ok := strings.CutPrefix(word, "finding "); ok {
		return fmt.Sprintf("%d findings %s", n, head)
	}
	if head, ok := strings.CutSuffix(word, "y"); ok && !strings.HasSuffix(head, "o") {
		return fmt.Sprintf("%d %sies", n, head)
	}
	return fmt.Sprintf("%d %ss", n, word)
}

type jsonLint struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Router   string `json:"router,omitempty"`
	ID       string `json:"id"` // empty for a mistake in form
	Severity string `json:"severity"`
	Accepted bool   `json:"accepted"`
	Place    string `json:"place,omitempty"`
	Message  string `json:"message"`
	Why      string `json:"why,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

// flat lists everything that was found.
func flat(linted []Linted) []jsonLint {
	out := []jsonLint{}
	for _, l := range linted {
		for _, p := range l.Problems {
			out = append(out, jsonLint{File: p.File, Line: p.Line, Column: p.Column, Severity: "error", Message: p.Message, Remedy: p.Remedy})
		}
		for _, of := range l.Findings {
			for _, f := range of.Findings {
				line, column := l.at(f)
				out = append(out, jsonLint{l.File, line, column, of.Router, f.ID, f.Severity.String(), l.accepts(f), f.Place, f.What, f.Why, f.Remedy})
			}
		}
	}
	return out
}

func lintsJSON(w io.Writer, format string, linted []Linted) error {
	return document(w, format, struct {
		Format   string     `json:"format"`
		Findings []jsonLint `json:"findings"`
	}{"rosknock.lint/1", flat(linted)})
}

type jsonFinding struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Place    string `json:"place"`
	What     string `json:"what"`
	Why      string `json:"why"`
	Remedy   string `json:"remedy"`
	Accepted string `json:"accepted,omitempty"` // the reason for which it was accepted
}

func findingJSON(f lint.Finding) jsonFinding {
	return jsonFinding{f.ID, f.Severity.String(), f.Place, f.What, f.Why, f.Remedy, ""}
}

// brief names findings by their ids alone.
func (s Style) brief(findings []lint.Finding) string {
	var parts []string
	for _, severity := range []lint.Severity{lint.Refuse, lint.Warn, lint.Inform} {
		var ids []string
		for _, f := range findings {
			if f.Severity == severity && !slices.Contains(ids, f.ID) {
				ids = append(ids, f.ID)
			}
		}
		if len(ids) > 0 {
			parts = append(parts, severity.String()+" "+strings.Join(ids, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
