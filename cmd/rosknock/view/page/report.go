package page

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"
)

// report is a page with what the template shows of it counted and worded.
type report struct {
	Page
	Policy           string
	Style            template.CSS
	Script           template.JS
	Sections         []section
	Failures         []section // those that need somebody to look
	Outcomes         []count
	Versions         []count
	Groups, Tags     []string
	Steps            string
	Proofs, Holding  int
	Date, Machine    string // when the page was made, for people and for machines
	Duration         string
	Accepted, Differ int  // risks accepted by name; routers with changes
	Many             bool // so many routers that the browser had better not lay out all of them
}

// section is a router in the page.
type section struct {
	Router
	ID       string // of the element
	Label    string // the outcome in words
	Search   string // what the text box looks through
	Marks    string // groups and tags as the select names them, a line each
	Progress string // how many steps
	Verdict  string // of the proof
	Problem  string // what the table of failures says
	Duration string
	Open     bool // the router is alone: there is nothing to unfold it from
}

// count is how often something occurs.
type count struct {
	Name, Label string
	N           int
}

func newReport(p Page) report {
	r := report{Page: p, Policy: policy(), Style: style, Script: script, Duration: duration(p.Took), Many: len(p.Routers) > 50}
	if !p.Made.IsZero() {
		r.Date, r.Machine = p.Made.Format("2006-01-02 15:04:05 MST"), p.Made.Format("2006-01-02T15:04:05Z07:00")
	}
	outcomes, versions := map[string]int{}, map[string]int{}
	done, steps, tried := 0, 0, false
	for i, router := range p.Routers {
		s := newSection(i, router, p.Command)
		r.Sections = append(r.Sections, s)
		if s.Problem != "" {
			r.Failures = append(r.Failures, s)
		}
		outcomes[s.Outcome]++
		versions[router.Version]++
		did, attempted := progress(router)
		done, steps, tried = done+did, steps+len(router.Steps), tried || attempted
		r.Groups, r.Tags = append(r.Groups, router.Groups...), append(r.Tags, router.Tags...)
		r.countProof(router)
	}
	r.Steps = strconv.Itoa(steps)
	if tried {
		r.Steps = fmt.Sprintf("%d of %d done", done, steps)
	}
	r.Outcomes = counts(outcomes, func(a, b count) int { return cmp.Or(rank(a.Name)-rank(b.Name), cmp.Compare(a.Name, b.Name)) })
	for i, o := range r.Outcomes {
		r.Outcomes[i].Label = label(o.Name, p.Command)
	}
	r.Versions = counts(versions, func(a, b count) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
	r.Groups, r.Tags = distinct(r.Groups), distinct(r.Tags)
	return r
}

func (r *report) countProof(router Router) {
	if len(router.Steps) > 0 {
		r.Differ++
	}
	if router.Proof == nil {
		return
	}
	r.Proofs++
	r.Accepted += len(router.Proof.Accepted)
	if router.Proof.Holds {
		r.Holding++
	}
}

func newSection(i int, r Router, command string) section {
	r.Outcome = cmp.Or(r.Outcome, "unknown")
	done, tried := progress(r)
	s := section{
		Router: r, ID: fmt.Sprintf("r%d", i+1),
		Label: label(r.Outcome, command), Progress: stepsText(done, len(r.Steps), tried && !reverted(r)), Verdict: "no proof", Problem: problem(r), Duration: duration(r.Took),
	}
	if reverted(r) && tried {
		s.Progress += ", taken back"
	}
	if r.Proof != nil {
		s.Verdict = "proof fails"
		if r.Proof.Holds {
			s.Verdict = "proof holds"
		}
	}
	words := slices.Concat([]string{r.Name, r.Address, r.Identity}, r.Groups, r.Tags, []string{s.Problem})
	s.Search = strings.Join(words, "\n")
	for _, g := range r.Groups {
		s.Marks += "group:" + g + "\n"
	}
	for _, t := range r.Tags {
		s.Marks += "tag:" + t + "\n"
	}
	return s
}

// rank puts the outcomes first that need somebody; the script sorts by the same order, which it takes from the buttons.
func rank(outcome string) int {
	order := []string{"failed", "unknown", "reverted", "refused", "changed", "unchanged", "skipped"}
	if i := slices.Index(order, outcome); i >= 0 {
		return i
	}
	return len(order)
}

// label words an outcome: a diff changes nothing.
func label(outcome, command string) string {
	if command == "diff" && outcome == "changed" {
		return "to change"
	}
	return outcome
}

// problem is why a router stands in the table of failures; empty when it does not.
func problem(r Router) string {
	if r.Error != "" {
		return r.Error
	}
	for i, step := range r.Steps {
		if step.Error != "" {
			return fmt.Sprintf("step %d: %s", i+1, step.Error)
		}
	}
	if r.Proof != nil && !r.Proof.Holds {
		if len(r.Proof.Failures) > 0 && len(r.Proof.Failures[0]) > 0 {
			return "proof fails: " + r.Proof.Failures[0][0]
		}
		return "proof fails"
	}
	if rank(r.Outcome) <= rank("refused") {
		return r.Outcome + ", without an error"
	}
	return ""
}

// reverted reports whether nothing is left of what was done.
func reverted(r Router) bool { return r.Outcome == "reverted" }

// progress counts the steps that were done and stayed, and says whether any was tried.
func progress(r Router) (int, bool) {
	done, tried := 0, false
	for _, s := range r.Steps {
		tried = tried || s.Done != nil
		if s.Done != nil && *s.Done && !reverted(r) {
			done++
		}
	}
	return done, tried
}

func stepsText(done, steps int, tried bool) string {
	switch {
	case steps == 0:
		return "no steps"
	case tried:
		return fmt.Sprintf("%d of %s done", done, number(steps, "step"))
	default:
		return number(steps, "step")
	}
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func counts(of map[string]int, order func(a, b count) int) []count {
	var out []count
	for name, n := range of {
		out = append(out, count{Name: name, N: n})
	}
	slices.SortFunc(out, order)
	return out
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
