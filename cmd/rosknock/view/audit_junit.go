package view

import (
	"io"
	"iter"
	"strings"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
)

// AuditJUnitOf takes audits as test cases, for CI systems: a suite for each router, with a case for
// the reading of it, for each exposure and for each finding. What fails the check is a failure, what
// was accepted is skipped, and a router that could not be read is an error.
func AuditJUnitOf(sink Sink, check Check) *Flow[Audited] {
	sink.Color, sink.Format = false, "xml"
	return newFlow(sink, kind[Audited]{text: auditJUnit{junitText{Style: sink.Style, command: "audit"}, check}})
}

type auditJUnit struct {
	junitText
	check Check
}

func (j auditJUnit) piece(_ int, results []Audited) ([]byte, error) {
	var kept []junitLine
	for _, a := range results {
		for i, c := range j.cases(a) {
			line, err := c.line(string(short(a.Name)))
			if err != nil {
				return nil, err
			}
			if i == 0 {
				line.Took = a.Took
			}
			kept = append(kept, line)
		}
	}
	return keep(kept)
}

// cases are those of a router; the first is about reading it.
func (j auditJUnit) cases(a Audited) []junitCase {
	read := j.junitCase(a.Result, false)
	read.Name = "read"
	out := []junitCase{read}
	for _, r := range a.Reach {
		if len(r.By) > 0 {
			out = append(out, j.exposure(a, r))
		}
	}
	for _, f := range a.Findings {
		out = append(out, j.finding(a, f))
	}
	return out
}

func (j auditJUnit) exposure(a Audited, r audit.Reach) junitCase {
	e := exposureOf(r)
	c := junitCase{Name: string(clean(strings.Join([]string{e.Name, e.Port, e.Family}, " "))), Class: "rosknock.exposure", Time: seconds(0)}
	reached := string(clean("reached by " + reachedBy(r)))
	switch accepted := a.Decided[r.Name]; {
	case !j.check.exposes(r):
		c.Out = reached
	case accepted != "":
		c.Skipped = &junitWords{Message: string(clean("accepted: " + accepted)), Text: reached}
	default:
		c.Failure = &junitWords{Message: reached, Type: "exposure", Text: "allowed is " + lint.Audiences()[j.check.Widest]}
	}
	return c
}

func (j auditJUnit) finding(a Audited, f lint.Finding) junitCase {
	c := junitCase{Name: string(clean(f.ID + " " + f.Place + ": " + f.What)), Class: "rosknock.finding", Time: seconds(0)}
	text := string(clean(f.Severity.String()+" "+f.ID+" "+f.Place+": "+f.What+": "+f.Why)) + "\n" + string(clean("→ "+f.Remedy))
	switch accepted := a.Accepted[f]; {
	case accepted != "":
		c.Skipped = &junitWords{Message: string(clean("accepted: " + accepted)), Text: text}
	case j.check.minds(f):
		c.Failure = &junitWords{Message: string(clean(f.What + ": " + f.Why)), Type: f.Severity.String(), Text: text}
	default:
		c.Out = text
	}
	return c
}

func (j auditJUnit) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[Audited, junitLine]{all: j.suites}.write(w, pieces)
}
