package page

import (
	"cmp"
	"fmt"
	"html/template"
	"iter"
	"maps"
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
	Total            int // routers
	Verdict          Answer
	Needing          string
	Failures         []Section // those that need somebody to look, without their HTML
	Meaning          []meaning
	Outcomes         []count
	Versions         []count
	Groups, Tags     []string
	Steps            string
	Proofs, Holding  int
	Date, Machine    string // when the run began, for people and for machines
	Ended            string
	MachineEnded     string
	Duration         string
	Accepted, Differ int // risks accepted by name; routers with changes
	sets             sets
	Many             bool // so many routers that the browser had better not lay out all of them
}

// Section is the part of a page that is about one router, and what the rest of the page says of it.
type Section struct {
	facts
	HTML string
	// Brief is the part up to what routers may share, and Shared is that; both are empty where a router
	// shares nothing.
	Brief, Shared string
}

// facts are what the page counts and lists.
type facts struct {
	ID            string // of the element
	Name, Address string
	Outcome       string
	Label         string // the outcome in words
	Version       string
	Groups, Tags  []string
	Problem       string // what the table of failures says
	Steps, Done   int
	Tried         bool // a step was
	Proved, Holds bool
	Accepted      int // risks by name
	Means         []Reach
}

// section is a router in the page.
type section struct {
	Router
	Facts    facts
	Search   string // what the text box looks through
	Marks    string // groups and tags as the select names them, a line each
	Progress string // how many steps
	Verdict  string // of the proof
	Duration string
	Staying  string // how many are reached as before
}

// count is how often something occurs.
type count struct {
	Name, Label string
	N           int
}

func newReport(p Page, sections iter.Seq[Section]) report {
	r := report{Page: p, Policy: policy(style, common+script), Style: style, Script: common + script, Duration: duration(p.Took)}
	if !p.Made.IsZero() {
		r.Date, r.Machine = dates(p.Made)
		if p.Took > 0 {
			r.Ended, r.MachineEnded = dates(p.Made.Add(p.Took).Truncate(time.Second))
		}
	}
	r.sets = sets{}
	var v verdict
	var m meanings
	outcomes, versions, groups, tags := map[string]int{}, map[string]int{}, map[string]bool{}, map[string]bool{}
	done, steps, tried := 0, 0, false
	for s := range sections {
		if r.Total++; s.Problem != "" {
			r.Failures = append(r.Failures, Section{facts: s.facts})
		}
		r.sets.add(s, r.Total)
		outcomes[s.Outcome]++
		versions[s.Version]++
		done, steps, tried = done+s.Done, steps+s.Steps, tried || s.Tried
		for _, g := range s.Groups {
			groups[g] = true
		}
		for _, t := range s.Tags {
			tags[t] = true
		}
		r.count(s.facts)
		v.add(s.facts)
		m.add(s.facts)
	}
	r.Verdict, r.Meaning = v.answer(p.Would), m.ordered()
	if r.Needing = fmt.Sprintf("%d of %d routers need somebody to look", len(r.Failures), r.Total); len(r.Failures) == 1 {
		r.Needing = fmt.Sprintf("1 of %s needs somebody to look", number(r.Total, "router"))
	}
	r.Many = r.Total > 50
	r.Steps = strconv.Itoa(steps)
	if tried {
		r.Steps = fmt.Sprintf("%d of %d done", done, steps)
	}
	r.Outcomes = counts(outcomes, func(a, b count) int { return cmp.Or(rank(a.Name)-rank(b.Name), cmp.Compare(a.Name, b.Name)) })
	for i, o := range r.Outcomes {
		r.Outcomes[i].Label = label(o.Name, p.Would)
	}
	r.Versions = counts(versions, func(a, b count) int { return cmp.Or(b.N-a.N, cmp.Compare(a.Name, b.Name)) })
	r.Groups, r.Tags = slices.Sorted(maps.Keys(groups)), slices.Sorted(maps.Keys(tags))
	return r
}

// dates are a time for people and for machines.
func dates(t time.Time) (people, machines string) {
	return t.Format("2006-01-02 15:04:05 MST"), t.Format("2006-01-02T15:04:05Z07:00")
}

func (r *report) count(f facts) {
	if f.Steps > 0 {
		r.Differ++
	}
	if f.Proved {
		r.Proofs++
		r.Accepted += f.Accepted
	}
	if f.Holds {
		r.Holding++
	}
}

func newSection(id string, r Router, would bool) section {
	r.Outcome = cmp.Or(r.Outcome, "unknown")
	done, tried := progress(r)
	s := section{
		Router: r, Progress: stepsText(done, len(r.Steps), tried && !reverted(r)), Verdict: "no proof", Duration: duration(r.Took),
		Facts: facts{
			ID: id, Name: r.Name, Address: r.Address, Outcome: r.Outcome, Label: label(r.Outcome, would), Version: r.Version, Groups: r.Groups, Tags: r.Tags,
			Problem: problem(r), Steps: len(r.Steps), Done: done, Tried: tried, Means: means(r),
		},
	}
	if s.Staying = fmt.Sprintf("%d others are reached as before.", r.Same); r.Same == 1 {
		s.Staying = "1 other is reached as before."
	}
	if reverted(r) && tried {
		s.Progress += ", rolled back"
	}
	if r.Proof != nil {
		s.Verdict, s.Facts.Proved, s.Facts.Holds, s.Facts.Accepted = "proof fails", true, r.Proof.Holds, len(r.Proof.Accepted)
		if s.Facts.Holds {
			s.Verdict = "proof holds"
		}
	}
	words := slices.Concat([]string{r.Name, r.Address, r.Identity}, r.Groups, r.Tags, []string{s.Facts.Problem})
	s.Search = strings.Join(words, "\n")
	for _, g := range r.Groups {
		s.Marks += "group:" + g + "\n"
	}
	for _, t := range r.Tags {
		s.Marks += "tag:" + t + "\n"
	}
	return s
}

// inOrder yields the sections as they stand on the page: those that need somebody first, then those
// with changes, each in the order of the run.
func (r report) inOrder(sections iter.Seq[Section]) iter.Seq[Section] {
	return func(yield func(Section) bool) {
		for _, o := range r.Outcomes {
			for s := range sections {
				if s.Outcome == o.Name && !yield(s) {
					return
				}
			}
		}
	}
}

// rank puts the outcomes first that need somebody.
func rank(outcome string) int {
	order := []string{"failed", "unknown", "reverted", "refused", "changed", "unchanged", "skipped"}
	if i := slices.Index(order, outcome); i >= 0 {
		return i
	}
	return len(order)
}

// label words an outcome: where nothing was changed yet, a router is to change.
func label(outcome string, would bool) string {
	if would && outcome == "changed" {
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

func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
