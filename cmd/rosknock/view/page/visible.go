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
	p.Plans, p.Run = each(p.Plans, line), line(p.Run)
	p.Sources, p.Undo = each(p.Sources, visibleSource), each(p.Undo, visibleTry)
	p.Facts = each(p.Facts, func(f Fact) Fact { return Fact{line(f.Name), line(f.Value)} })
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
	r.Reach, r.Means, r.Tries = each(r.Reach, visibleReach), each(r.Means, visibleReach), each(r.Tries, visibleTry)
	r.Findings = each(r.Findings, func(f Finding) Finding {
		return Finding{line(f.ID), line(f.Severity), lines(f.Text), lines(f.Remedy)}
	})
	return r
}

func visibleReach(a Reach) Reach {
	return Reach{line(a.What), line(a.Family), line(a.Before), line(a.After)}
}

func visibleTry(t Try) Try { return Try{line(t.About), line(t.Command)} }

func visibleSource(s Source) Source { return Source{line(s.What), line(s.Name), line(s.Digest)} }

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

// visibleAudit is [visible] for the page of an audit.
func visibleAudit(a Audit) Audit {
	a.Title, a.Actor, a.Tool = line(a.Title), line(a.Actor), line(a.Tool)
	a.Sources = each(a.Sources, visibleSource)
	a.Answer, a.Says = Answer{line(a.Answer.Text), line(a.Answer.Mood)}, each(a.Says, line)
	a.Counts = each(a.Counts, func(c Counts) Counts {
		return Counts{line(c.Title), each(c.Rows, func(n Number) Number { return Number{line(n.Label), line(n.Mark), line(n.Value)} })}
	})
	a.Exposures = each(a.Exposures, func(e Exposure) Exposure {
		return Exposure{line(e.Name), line(e.Port), line(e.Family), line(e.Kind), line(e.Who), line(e.To), e.Perhaps, e.Beyond, line(e.Accepted), visibleOn(e.On)}
	})
	a.Findings, a.Accepted = each(a.Findings, visibleClass), each(a.Accepted, visibleClass)
	a.Changes, a.Parts = visiblePart(a.Changes), each(a.Parts, visiblePart)
	a.Unread = each(a.Unread, func(u Unread) Unread { return Unread{lines(u.Why), each(u.Routers, line)} })
	a.Kinds = each(a.Kinds, func(k Kind) Kind {
		k.Routers, k.Worst, k.Who, k.Severity = each(k.Routers, line), line(k.Worst), line(k.Who), line(k.Severity)
		return k
	})
	return a
}

func visibleOn(o On) On { return On{line(o.Text), o.Kinds} }

func visibleClass(c Class) Class {
	return Class{line(c.ID), line(c.Severity), line(c.Title), line(c.Why), line(c.Remedy), line(c.Accepted), line(c.On), each(c.Places, func(p Place) Place {
		return Place{line(p.Place), line(p.What), visibleOn(p.On)}
	})}
}

func visiblePart(p Part) Part {
	return Part{line(p.Title), line(p.About), each(p.Items, func(i Item) Item { return Item{line(i.Text), line(i.Short), visibleOn(i.On)} })}
}
