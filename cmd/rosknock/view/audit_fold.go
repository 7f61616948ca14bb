package view

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
)

// auditFold are the audits of routers, with what is equal once.
type auditFold struct {
	routers, read, failing int
	open, perhaps          int // routers on which anyone reaches something, or perhaps does
	exposures              folded[shownExposure]
	found                  folded[found]
	notes                  folded[note]
	unread                 folded[string]
	kinds                  folded[string] // by the numbers of what they have
	members                []kindMembers  // of each kind
}

// kindMembers are what the routers of a kind have, as numbers of folded items, from 0.
type kindMembers struct{ exposures, found, notes []int }

// folded are items that several routers have, each once.
type folded[T comparable] struct {
	at    map[T]int
	items []T
	on    []names // of each item
	kinds [][]int // of each item, from 1
}

// give says that a router has an item, and returns the item's number.
func (f *folded[T]) give(item T, router string) int {
	if f.at == nil {
		f.at = map[T]int{}
	}
	i, known := f.at[item]
	if !known {
		i = len(f.items)
		f.at[item] = i
		f.items, f.on, f.kinds = append(f.items, item), append(f.on, nil), append(f.kinds, nil)
	}
	f.on[i] = append(f.on[i], router)
	return i
}

// order puts the items in an order; of equal ones those on most routers come first.
func (f *folded[T]) order(compare func(a, b T) int, then func(a, b T) int) {
	turn := make([]int, len(f.items))
	for i := range turn {
		turn[i] = i
	}
	slices.SortStableFunc(turn, func(a, b int) int {
		return cmp.Or(compare(f.items[a], f.items[b]), cmp.Compare(len(f.on[b]), len(f.on[a])), then(f.items[a], f.items[b]))
	})
	items, on := make([]T, len(turn)), make([]names, len(turn))
	for to, from := range turn {
		items[to], on[to] = f.items[from], f.on[from]
		f.at[items[to]] = to
	}
	f.items, f.on = items, on
}

// has returns the numbers of some items, in their order.
func (f *folded[T]) has(items []T) []int {
	out := make([]int, len(items))
	for i, item := range items {
		out[i] = f.at[item]
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// where says on which of the routers that were read an item is.
func (f *folded[T]) where(i, read int) page.On {
	return page.On{Text: f.on[i].of(read), Kinds: f.kinds[i]}
}

// foldAudit goes over the routers twice: what they have is put in order before the kinds are made.
func foldAudit(all iter.Seq[auditRow]) *auditFold {
	f := &auditFold{}
	for r := range all {
		f.take(r)
	}
	f.exposures.order(func(a, b shownExposure) int { return cmp.Compare(a.Rank, b.Rank) }, compareExposures)
	f.found.order(compareFound, func(a, b found) int {
		return cmp.Or(strings.Compare(a.Finding.Place, b.Finding.Place), strings.Compare(a.Finding.What, b.Finding.What), strings.Compare(a.Accepted, b.Accepted))
	})
	f.notes.order(func(a, b note) int { return cmp.Compare(a.Part, b.Part) }, func(a, b note) int { return strings.Compare(a.Text, b.Text) })
	f.unread.order(func(string, string) int { return 0 }, strings.Compare)
	for r := range all {
		if r.Failed == "" {
			f.sort(r)
		}
	}
	f.orderKinds()
	return f
}

func (f *auditFold) take(r auditRow) {
	f.routers++
	if r.Failed != "" {
		f.unread.give(r.Failed, r.Name)
		return
	}
	if f.read++; r.Fails {
		f.failing++
	}
	best := 4
	for _, e := range r.Shown {
		f.exposures.give(e, r.Name)
		best = min(best, e.Rank)
	}
	switch {
	case best == 0:
		f.open++
	case best < 4:
		f.perhaps++
	}
	for _, one := range r.Found {
		f.found.give(one, r.Name)
	}
	for _, n := range r.Notes {
		f.notes.give(n, r.Name)
	}
}

// sort puts a router into its kind.
func (f *auditFold) sort(r auditRow) {
	m := kindMembers{f.exposures.has(r.Shown), f.found.has(r.Found), f.notes.has(r.Notes)}
	if i := f.kinds.give(fmt.Sprint(m), r.Name); i == len(f.members) {
		f.members = append(f.members, m)
	}
}

// orderKinds puts the worst kind first, and tells the items of which kinds they are.
func (f *auditFold) orderKinds() {
	of := make(map[string]kindMembers, len(f.members))
	for i, key := range f.kinds.items {
		of[key] = f.members[i]
	}
	f.kinds.order(func(a, b string) int {
		return cmp.Or(compareWorst(of[a].exposures, of[b].exposures), compareWorst(of[a].found, of[b].found))
	}, strings.Compare)
	for i, key := range f.kinds.items {
		m := of[key]
		f.members[i] = m
		for _, e := range m.exposures {
			f.exposures.kinds[e] = append(f.exposures.kinds[e], i+1)
		}
		for _, one := range m.found {
			f.found.kinds[one] = append(f.found.kinds[one], i+1)
		}
		for _, n := range m.notes {
			f.notes.kinds[n] = append(f.notes.kinds[n], i+1)
		}
	}
}

// compareWorst puts those first that have the worst, and those last that have nothing.
func compareWorst(a, b []int) int {
	return cmp.Or(cmp.Compare(min(len(b), 1), min(len(a), 1)), slices.Compare(a, b))
}

func compareExposures(a, b shownExposure) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Port, b.Port), strings.Compare(a.Family, b.Family), strings.Compare(a.Who, b.Who), strings.Compare(a.Decided, b.Decided))
}

// compareFound puts what was not accepted first, then the worst, and keeps findings of an id together.
func compareFound(a, b found) int {
	return cmp.Or(cmp.Compare(min(len(a.Accepted), 1), min(len(b.Accepted), 1)), cmp.Compare(b.Finding.Severity, a.Finding.Severity), strings.Compare(a.Finding.ID, b.Finding.ID),
		strings.Compare(a.Finding.Why, b.Finding.Why), strings.Compare(a.Finding.Remedy, b.Finding.Remedy), strings.Compare(a.Accepted, b.Accepted))
}

func (f *auditFold) shownExposures() []page.Exposure {
	var out []page.Exposure
	for i, e := range f.exposures.items {
		out = append(out, page.Exposure{
			Name: e.Name, Port: e.Port, Family: e.Family, Kind: e.Kind, Who: e.Widest, To: e.Who, Perhaps: e.Rank%4 > 0, Beyond: e.Beyond, Accepted: e.Decided, On: f.exposures.where(i, f.read),
		})
	}
	return out
}

// classes are the findings, those that have the same meaning together, and those that were accepted.
func (f *auditFold) classes() (open, accepted []page.Class) {
	titles := map[string]string{}
	for _, r := range lint.Rules() {
		titles[r.ID] = r.Title
	}
	for first := 0; first < len(f.found.items); {
		one := f.found.items[first]
		next := first
		on := map[string]bool{}
		c := page.Class{ID: one.Finding.ID, Severity: one.Finding.Severity.String(), Title: titles[one.Finding.ID], Why: one.Finding.Why, Remedy: one.Finding.Remedy, Accepted: one.Accepted}
		for ; next < len(f.found.items) && compareFound(f.found.items[next], one) == 0; next++ {
			for _, name := range f.found.on[next] {
				on[name] = true
			}
			c.Places = append(c.Places, page.Place{Place: f.found.items[next].Finding.Place, What: f.found.items[next].Finding.What, On: f.found.where(next, f.read)})
		}
		c.On = "on " + Plural(len(on), "router")
		if one.Accepted == "" {
			open = append(open, c)
		} else {
			accepted = append(accepted, c)
		}
		first = next
	}
	return open, accepted
}

// parts are the lists of other things: what changed, and the rest.
func (f *auditFold) parts(earlier *Earlier) (changes page.Part, others []page.Part) {
	parts := []page.Part{
		{Title: "Since the earlier audit"},
		{Title: "What is not known, and notes", About: "Take these for the worse until they are known."},
		{Title: "Knocks"},
		{Title: "Rules that do nothing"},
	}
	for i, n := range f.notes.items {
		parts[n.Part].Items = append(parts[n.Part].Items, page.Item{Text: n.Text, Short: n.Short, On: f.notes.where(i, f.read)})
	}
	if earlier != nil && len(parts[changesPart].Items) == 0 {
		parts[changesPart].About = "Nothing changed."
	}
	return parts[changesPart], parts[unknownPart:]
}

func (f *auditFold) unreadRows() []page.Unread {
	var out []page.Unread
	for i, why := range f.unread.items {
		out = append(out, page.Unread{Why: why, Routers: f.unread.on[i]})
	}
	return out
}

func (f *auditFold) kindRows() []page.Kind {
	from1 := func(numbers []int, by int) []int {
		out := make([]int, len(numbers))
		for i, n := range numbers {
			out[i] = n + by
		}
		return out
	}
	var out []page.Kind
	for i, m := range f.members {
		k := page.Kind{Routers: f.kinds.on[i], Exposures: from1(m.exposures, 1), Places: from1(m.found, 1), Items: from1(m.notes, 1)}
		if len(m.exposures) > 0 {
			worst := f.exposures.items[m.exposures[0]]
			k.Worst, k.Who, k.Perhaps = worst.Name+" to "+worst.Who, worst.Widest, worst.Rank%4 > 0
		}
		if len(m.found) > 0 {
			worst := f.found.items[m.found[0]]
			if k.Severity = worst.Finding.Severity.String(); worst.Accepted != "" {
				k.Severity = "accepted"
			}
		}
		out = append(out, k)
	}
	return out
}

// answer is the outcome of the check, or else who reaches something.
func (f *auditFold) answer(c Check) page.Answer {
	switch {
	case f.read == 0:
		return page.Answer{Text: "No router could be read", Mood: "bad"}
	case c.Asked() && f.failing > 0:
		return page.Answer{Text: fmt.Sprintf("The check fails on %d of %s", f.failing, Plural(f.read, "router")), Mood: "bad"}
	case c.Asked() && f.read < f.routers:
		return page.Answer{Text: fmt.Sprintf("The check passes on %s, and %d could not be read", Plural(f.read, "router"), f.routers-f.read), Mood: "doubtful"}
	case c.Asked():
		return page.Answer{Text: "The check passes on " + allOf(f.read), Mood: "good"}
	}
	return f.openness()
}

// name is what the page is about.
func (f *auditFold) name() string {
	if f.routers == 1 {
		return slices.Concat(f.kinds.on...).first() + slices.Concat(f.unread.on...).first()
	}
	return Plural(f.routers, "router")
}

// first is the first of them, if there is one.
func (n names) first() string {
	if len(n) == 0 {
		return ""
	}
	return n[0]
}

func allOf(n int) string {
	if n == 1 {
		return "the router"
	}
	return fmt.Sprintf("all %d routers", n)
}

// openness says on how many routers anyone reaches something.
func (f *auditFold) openness() page.Answer {
	of := "of " + Plural(f.read, "router")
	switch {
	case f.open > 0 && f.perhaps > 0:
		return page.Answer{Text: fmt.Sprintf("Anyone reaches something on %d %s, and perhaps on %d more", f.open, of, f.perhaps), Mood: "bad"}
	case f.open > 0:
		return page.Answer{Text: fmt.Sprintf("Anyone reaches something on %d %s", f.open, of), Mood: "bad"}
	case f.perhaps > 0:
		return page.Answer{Text: fmt.Sprintf("Anyone perhaps reaches something on %d %s", f.perhaps, of), Mood: "doubtful"}
	case f.read < f.routers:
		return page.Answer{Text: fmt.Sprintf("Nothing is known to be open to anyone on %s, and %d could not be read", Plural(f.read, "router"), f.routers-f.read), Mood: "doubtful"}
	}
	return page.Answer{Text: "Nothing is known to be open to anyone on " + allOf(f.read), Mood: "good"}
}

// says are the sentences below the answer.
func (f *auditFold) says(c Check) []string {
	var out []string
	if c.Asked() {
		var asked []string
		if c.Widest < lint.ToAnyone {
			asked = append(asked, "nothing is reached by more than "+lint.Audiences()[c.Widest])
		}
		if c.Strict {
			asked = append(asked, "there is no finding to refuse and no warning")
		}
		out = append(out, "The check: "+strings.Join(asked, ", and ")+". What was accepted does not count.")
		if f.read > 0 {
			out = append(out, f.openness().Text+".")
		}
	}
	if f.read < f.routers && f.read > 0 {
		out = append(out, fmt.Sprintf("%s could not be read; nothing is known of them.", Plural(f.routers-f.read, "router")))
	}
	return out
}

// counts are the tables of numbers.
func (f *auditFold) counts() []page.Counts {
	routers := page.Counts{Title: "Routers", Rows: []page.Number{{Label: "read", Value: fmt.Sprint(f.read)}, {Label: "not read", Value: fmt.Sprint(f.routers - f.read)}, {Label: "kinds of answers", Value: fmt.Sprint(len(f.members))}}}
	reached := page.Counts{Title: "Routers on which something is exposed to"}
	for _, who := range []audit.Who{audit.Anyone, audit.Neighbors, audit.LAN, audit.AllowList, audit.Tunnel, audit.Trusted} {
		on := map[string]bool{}
		for i, e := range f.exposures.items {
			if e.Widest == string(who) {
				for _, name := range f.exposures.on[i] {
					on[name] = true
				}
			}
		}
		if len(on) > 0 {
			reached.Rows = append(reached.Rows, page.Number{Label: string(who), Mark: string(who), Value: fmt.Sprint(len(on))})
		}
	}
	findings := page.Counts{Title: "Findings, and on how many routers"}
	for _, severity := range []string{"refuse", "warn", "inform", "accepted"} {
		n, on := 0, map[string]bool{}
		for i, one := range f.found.items {
			if (one.Accepted != "") == (severity == "accepted") && (one.Accepted != "" || one.Finding.Severity.String() == severity) {
				n += len(f.found.on[i])
				for _, name := range f.found.on[i] {
					on[name] = true
				}
			}
		}
		if n > 0 {
			findings.Rows = append(findings.Rows, page.Number{Label: severity, Mark: severity, Value: fmt.Sprintf("%d on %d", n, len(on))})
		}
	}
	return []page.Counts{routers, reached, findings}
}
