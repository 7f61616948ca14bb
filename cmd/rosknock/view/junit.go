package view

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
)

// JUnit writes routers as test cases, for CI systems: a suite for each plan. What was refused or
// rolled back is a failure, what could not be carried out an error, and what was not tried is
// skipped. With drift, a router that differs from its plan is a failure too.
func JUnit(w io.Writer, command string, routers []Router, drift bool, s Style) error {
	all := junitSuites{Name: "rosknock " + command}
	at := map[string]int{}
	for _, r := range routers {
		i, known := at[r.Plan]
		if !known {
			i = len(all.Suites)
			at[r.Plan] = i
			all.Suites = append(all.Suites, junitSuite{Name: strings.TrimSpace("rosknock " + command + " " + r.Plan)})
		}
		suite := &all.Suites[i]
		c := s.junitCase(r, drift)
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		suite.seconds += r.Took
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	for i := range all.Suites {
		all.Suites[i].Time = seconds(all.Suites[i].seconds)
		all.Tests += all.Suites[i].Tests
		all.Failures += all.Suites[i].Failures
		all.Errors += all.Suites[i].Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	seconds  time.Duration
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

func (s Style) junitCase(r Router, drift bool) junitCase {
	c := junitCase{Name: string(short(r.Name)), Class: strings.Join(append([]string{"rosknock"}, r.Groups...), "."), Time: seconds(r.Took)}
	if r.Changes != nil && r.Changes.Changed() {
		var b strings.Builder
		plain := s
		plain.Color = false
		for n := range r.Changes.Steps {
			writeStep(&b, n, *r.Changes, plain)
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
