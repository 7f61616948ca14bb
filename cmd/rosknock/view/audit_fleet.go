package view

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
)

// auditLine is what people see of one router among others.
type auditLine struct {
	Name   string
	Text   string // in full
	Failed string // why it was not read
	// Exposures are what runs there and whom it answers; Found are its findings.
	Exposures []exposure
	Found     []found
}

// exposure is something of a router that somebody reaches. Equal ones are told once.
type exposure struct {
	Name, Port, Family, Who string
	Rank                    int // the smaller, the worse
}

// found is a finding. Equal ones are told once.
type found struct {
	Finding  lint.Finding
	Accepted string // the reason; "" if it is not accepted
}

func (s auditStyle) line(a Audited, full bool) auditLine {
	l := auditLine{Name: a.Name}
	if full {
		var b bytes.Buffer
		s.one(&b, a)
		l.Text = b.String()
		return l
	}
	if a.Err != nil {
		l.Failed = strings.TrimPrefix(reason(a.Err), a.Name+": ")
		return l
	}
	for _, r := range a.Reach {
		if len(r.By) == 0 {
			continue
		}
		l.Exposures = append(l.Exposures, exposureOf(r))
	}
	for _, f := range a.Findings {
		l.Found = append(l.Found, found{f, a.Accepted[f]})
	}
	return l
}

func exposureOf(r audit.Reach) exposure {
	return exposure{r.Name, portText(r), familyText(r), whoOf(reachJSON(r)), lint.Rank(r)}
}

// fleetText writes several audits: in full, or what is equal once.
type fleetText struct {
	auditStyle
	full bool
}

func (s fleetText) all(w io.Writer, all iter.Seq[auditLine]) error {
	between := ""
	var routers names
	unread := 0
	failed, exposed, findings := map[string]names{}, map[exposure]names{}, map[found]names{}
	for l := range all {
		if s.full {
			if err := put(w, between, l.Text); err != nil {
				return err
			}
			between = "\n"
			continue
		}
		routers = append(routers, l.Name)
		if l.Failed != "" {
			failed[l.Failed], unread = append(failed[l.Failed], l.Name), unread+1
		}
		for _, e := range l.Exposures {
			exposed[e] = append(exposed[e], l.Name)
		}
		for _, f := range l.Found {
			findings[f] = append(findings[f], l.Name)
		}
	}
	if s.full {
		return nil
	}
	s.unread(w, failed)
	if unread < len(routers) {
		if err := exposureTable(exposed, len(routers)-unread, s.Width).text(w, s.Width); err != nil {
			return err
		}
		s.findings(w, findings, len(routers)-unread)
		Say(w, "\n")
	}
	Say(w, "%s", Plural(len(routers), "router"))
	if unread > 0 {
		Say(w, ", %d not read", unread)
	}
	Say(w, "; -v shows each of them\n")
	return nil
}

// unread names the routers that were not read, with the reasons.
func (s auditStyle) unread(w io.Writer, failed map[string]names) {
	for _, why := range ordered(failed, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(failed[b]), len(failed[a])), strings.Compare(a, b))
	}) {
		Say(w, "%s\n", wrap(clean(fmt.Sprintf("not read: %s: %s", failed[why].of(0), why)), s.Width, 2))
	}
	if len(failed) > 0 {
		Say(w, "\n")
	}
}

// exposureTable has a row for each exposure, the worst first, and of equal ones that of most routers.
func exposureTable(exposed map[exposure]names, read, width int) table {
	t := table{header: []string{"EXPOSED", "PORT", "FAMILY", "TO", "ROUTERS"}}
	t.whole = t.header
	for _, e := range ordered(exposed, func(a, b exposure) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(len(exposed[b]), len(exposed[a])), strings.Compare(a.Name, b.Name), strings.Compare(a.Port, b.Port), strings.Compare(a.Family, b.Family), strings.Compare(a.Who, b.Who))
	}) {
		t.rows = append(t.rows, []string{e.Name, e.Port, e.Family, e.Who, exposed[e].of(read)})
	}
	return t.lastFolded(width)
}

func ordered[K comparable](of map[K]names, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(of))
	for k := range of {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}

func (s fleetText) findings(w io.Writer, findings map[found]names, read int) {
	section(w, "findings", len(findings), "nothing", s.Style)
	for _, f := range ordered(findings, func(a, b found) int {
		return cmp.Or(cmp.Compare(len(a.Accepted), 0)-cmp.Compare(len(b.Accepted), 0), cmp.Compare(b.Finding.Severity, a.Finding.Severity), cmp.Compare(len(findings[b]), len(findings[a])),
			strings.Compare(a.Finding.ID, b.Finding.ID), strings.Compare(a.Finding.Place, b.Finding.Place), strings.Compare(a.Finding.What, b.Finding.What))
	}) {
		s.accepted(w, f.Finding, f.Accepted)
		Say(w, "%s\n", wrap(clean("on "+findings[f].of(read)), s.Width, 6))
	}
}

// names are routers, of which a few are named.
type names []string

// mostNames is how many routers a row names.
const mostNames = 2

// of says how many they are of all that were read, and which.
func (n names) of(read int) string {
	if len(n) == read && read > 1 {
		return fmt.Sprintf("all %d", read)
	}
	shown := strings.Join(n[:min(len(n), mostNames)], ", ")
	if more := len(n) - mostNames; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	if len(n) == 1 {
		return shown
	}
	return fmt.Sprintf("%d: %s", len(n), shown)
}
