package page

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// visible returns the page with everything in it visible, as [routeros.Visible] says. It goes over
// the whole page before the template does, and visibleRouter over each router, so that no place of
// the template can forget it.
func visible(p Page) Page {
	p.Title, p.Command, p.Actor, p.Tool = line(p.Title), line(p.Command), line(p.Actor), line(p.Tool)
	p.Plans = each(p.Plans, line)
	return p
}

func visibleRouter(r Router) Router {
	r.Name, r.Address, r.Identity = line(r.Name), line(r.Address), line(r.Identity)
	r.Version, r.Board, r.Outcome = line(r.Version), line(r.Board), line(r.Outcome)
	r.Groups, r.Tags = each(r.Groups, line), each(r.Tags, line)
	r.Error, r.Notes = lines(r.Error), each(r.Notes, lines)
	r.Change, r.Protection = line(r.Change), line(r.Protection)
	r.Steps = each(r.Steps, visibleStep)
	if r.Proof != nil {
		proof := *r.Proof
		proof.Text, proof.Accepted = each(proof.Text, lines), each(proof.Accepted, lines)
		proof.Failures = each(proof.Failures, func(f []string) []string { return each(f, lines) })
		r.Proof = &proof
	}
	r.Reach = each(r.Reach, func(a Reach) Reach { return Reach{line(a.What), line(a.Before), line(a.After)} })
	r.Findings = each(r.Findings, func(f Finding) Finding {
		return Finding{line(f.ID), line(f.Severity), lines(f.Text), lines(f.Remedy)}
	})
	return r
}

func visibleStep(s Step) Step {
	s.Op, s.Menu, s.Slot, s.ID = line(s.Op), line(s.Menu), line(s.Slot), line(s.ID)
	s.Before, s.Why, s.Error = line(s.Before), lines(s.Why), lines(s.Error)
	s.Attributes = each(s.Attributes, func(a Attribute) Attribute {
		return Attribute{line(a.Name), line(a.Value), line(a.Was), a.HadWas}
	})
	return s
}

// each leaves the caller's slice alone.
func each[T any](in []T, f func(T) T) []T {
	out := slices.Clone(in)
	for i := range out {
		out[i] = f(out[i])
	}
	return out
}

// mostText is how many characters of one text are on the page.
const mostText = 8 << 10

// line is for text within a line.
func line(s string) string { return routeros.Visible(s, mostText) }

// lines is for text that may have several lines and columns.
func lines(s string) string {
	parts := strings.FieldsFuncSeq(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) bool { return r == '\n' })
	var out []string
	for part := range parts {
		out = append(out, line(strings.ReplaceAll(part, "\t", "    ")))
	}
	return strings.Join(out, "\n")
}
