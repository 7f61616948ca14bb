package view

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
)

// JUnitOf takes routers as test cases, for CI systems: a suite for each plan. What was refused or
// rolled back is a failure, what could not be carried out an error, and what was not tried is
// skipped. With drift, a router that differs from its plan is a failure too.
func JUnitOf(sink Sink, command string, drift bool) *Flow[operate.Result] {
	sink.Color, sink.Format = false, "xml"
	return newFlow(sink, kind[operate.Result]{text: junitText{sink.Style, command, drift}})
}

type junitText struct {
	Style
	command string
	drift   bool
}

// junitLine is the case of a router, and what is counted of it.
type junitLine struct {
	Plan, XML                string // Plan names its suite
	Took                     time.Duration
	Failed, Errored, Skipped bool
}

func (j junitText) piece(_ int, results []operate.Result) ([]byte, error) {
	kept := make([]junitLine, len(results))
	for i, r := range results {
		line, err := j.junitCase(r, j.drift).line(r.Plan)
		if err != nil {
			return nil, err
		}
		line.Took = r.Took
		kept[i] = line
	}
	return keep(kept)
}

// line is the case as it is kept until the end, in the suite of a name.
func (c junitCase) line(suite string) (junitLine, error) {
	var b strings.Builder
	e := xml.NewEncoder(&b)
	e.Indent("    ", "  ")
	if err := e.EncodeElement(c, xml.StartElement{Name: xml.Name{Local: "testcase"}}); err != nil {
		return junitLine{}, err
	}
	return junitLine{Plan: suite, XML: b.String(), Failed: c.Failure != nil, Errored: c.Error != nil, Skipped: c.Skipped != nil}, nil
}

func (j junitText) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[operate.Result, junitLine]{all: j.suites}.write(w, pieces)
}

func (j junitText) suites(w io.Writer, all iter.Seq[junitLine]) error {
	suites := junitSuites{Name: "rosknock " + j.command}
	each, together := j.counted(all)
	for _, suite := range each {
		suite.Time = seconds(suite.took)
		suites.Tests += suite.Tests
		suites.Failures += suite.Failures
		suites.Errors += suite.Errors
	}
	head, foot, err := tags(suites)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, xml.Header+head); err != nil {
		return err
	}
	if together {
		err = writeSuites(w, each, all)
	} else {
		for _, suite := range each {
			err = errors.Join(err, writeSuites(w, []*junitSuite{suite}, all))
		}
	}
	if len(each) > 0 {
		foot = "\n" + foot
	}
	_, last := io.WriteString(w, foot+"\n")
	return errors.Join(err, last)
}

// counted are the suites with their counts. The cases of each stand together, unless a suite goes on
// behind another one.
func (j junitText) counted(all iter.Seq[junitLine]) (each []*junitSuite, together bool) {
	byPlan := map[string]*junitSuite{}
	together = true
	for l := range all {
		suite := byPlan[l.Plan]
		if suite == nil {
			suite = &junitSuite{plan: l.Plan, Name: strings.TrimSpace("rosknock " + j.command + " " + l.Plan)}
			byPlan[l.Plan] = suite
			each = append(each, suite)
		}
		together = together && suite == each[len(each)-1]
		suite.Tests++
		suite.took += l.Took
		switch {
		case l.Failed:
			suite.Failures++
		case l.Errored:
			suite.Errors++
		case l.Skipped:
			suite.Skipped++
		}
	}
	return each, together
}

// writeSuites writes suites with their cases, whose order is that of the suites.
func writeSuites(w io.Writer, suites []*junitSuite, all iter.Seq[junitLine]) error {
	foot, open := "", -1
	for l := range all {
		if open+1 < len(suites) && l.Plan == suites[open+1].plan {
			open++
			head, next, err := tags(suites[open])
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, foot+"\n  "+head); err != nil {
				return err
			}
			foot = "\n  " + next
		}
		if open < 0 || l.Plan != suites[open].plan {
			continue
		}
		if _, err := io.WriteString(w, "\n"+l.XML); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, foot)
	return err
}

// tags are those around what stands in an element.
func tags(element any) (head, foot string, err error) {
	text, err := xml.Marshal(element)
	at := strings.LastIndex(string(text), "</")
	return string(text[:max(at, 0)]), string(text[max(at, 0):]), err
}

type junitSuites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
}

type junitSuite struct {
	XMLName  xml.Name `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	plan     string
	took     time.Duration
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitWords `xml:"failure"`
	Error   *junitWords `xml:"error"`
	Skipped *junitWords `xml:"skipped"`
	Out     string      `xml:"system-out,omitempty"`
}

type junitWords struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (s Style) junitCase(r operate.Result, drift bool) junitCase {
	c := junitCase{Name: string(short(r.Name)), Class: strings.Join(append([]string{"rosknock"}, r.Groups...), "."), Time: seconds(r.Took)}
	if r.Changes != nil && r.Changes.Changed() {
		var b strings.Builder
		for n := range r.Changes.Steps {
			Say(&b, "%4d ", n+1)
			writeStep(&b, n, *r.Changes, s)
		}
		c.Out = b.String()
	}
	words := func(message string) *junitWords { // no XML document can hold control characters
		return &junitWords{Message: string(clean(message)), Type: string(r.Became())}
	}
	switch {
	case r.Outcome == apply.Skipped:
		message := r.Note
		if r.Err != nil {
			message = reason(r.Err)
		}
		c.Skipped = words(message)
	case r.Err != nil && (r.Outcome == apply.Refused || r.Outcome == apply.Reverted):
		c.Failure = words(reason(r.Err))
	case r.Err != nil:
		c.Error = words(reason(r.Err))
	case drift && r.Changes != nil && r.Changes.Changed():
		c.Failure = &junitWords{Message: "differs from the plan: " + summary(*r.Changes), Type: "differences"}
	}
	return c
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
