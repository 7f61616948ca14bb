package view

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
)

// Tested is a router with what came of the tests of its firewall.
type Tested struct {
	operate.Result
	File  string // of the tests
	Tests []expect.Result
}

// Holds reports whether the router was read and every test holds.
func (t Tested) Holds() bool {
	return t.Err == nil && !slices.ContainsFunc(t.Tests, func(r expect.Result) bool { return !r.Holds() })
}

// TestsOf takes the tests of routers. In full they are told of one router; of several, people see
// what does not hold.
func TestsOf(sink Sink, full bool) *Flow[Tested] {
	s := testStyle{sink.Style}
	return newFlow(sink, kind[Tested]{
		command: "test",
		json:    func(t Tested) any { return s.testedJSON(t) },
		header:  []string{"router", "test", "outcome", "expected", "got", "packet", "why"},
		cells:   s.testCells,
		text:    lines[Tested, testedLine]{line: func(t Tested) testedLine { return s.testedLine(t, full) }, all: testsText{sink.Style, full}.all},
	})
}

// testStyle writes the tests of firewalls.
type testStyle struct{ Style }

// testedLine is what people see of a router.
type testedLine struct {
	Text                    string     // in full
	Failed, Unknown         [][]string // rows of the table
	Passed, Router, Unasked int        // Unasked counts routers whose tests were not run
}

func (s testStyle) testedLine(t Tested, full bool) testedLine {
	l := testedLine{Router: 1}
	if t.Err != nil {
		l.Unasked = 1
		l.Failed = append(l.Failed, []string{t.Name, "", "", string(t.Outcome), reason(t.Err)})
	}
	for _, r := range t.Tests {
		row := []string{t.Name, r.Test.Name, string(r.Test.Expect), r.Got, s.because(r)}
		switch r.Outcome {
		case expect.Passed:
			l.Passed++
		case expect.Failed:
			l.Failed = append(l.Failed, row)
		case expect.Unknown:
			l.Unknown = append(l.Unknown, row)
		}
	}
	if full {
		var b bytes.Buffer
		s.tested(&b, t)
		l.Text = b.String()
	}
	return l
}

// because is the shortest reason for which a test does not hold: the packet, or else the words.
func (s testStyle) because(r expect.Result) string {
	if r.Outcome == expect.Unknown || r.Example == nil {
		return r.Why
	}
	return s.packetText(*r.Example)
}

// packetText names a packet; what belongs to a knock stays masked.
func (s testStyle) packetText(e expect.Example) string {
	if !e.Secret || s.Reveal {
		return e.Packet.String()
	}
	from, _, _ := strings.Cut(e.Packet.String(), " → ")
	return from + " → " + masked + " on " + e.Packet.InInterface
}

// tested writes the tests of one router: what does not hold first.
func (s testStyle) tested(w io.Writer, t Tested) {
	head(w, t.Result, s.Style)
	if t.Err != nil {
		Say(w, "%s\n", wrap(clean(reason(t.Err)), s.Width, 2))
		return
	}
	for _, outcome := range []expect.Outcome{expect.Failed, expect.Unknown, expect.Passed} {
		for _, r := range t.Tests {
			if r.Outcome == outcome {
				s.testResult(w, r)
			}
		}
	}
}

func (s testStyle) testResult(w io.Writer, r expect.Result) {
	switch r.Outcome {
	case expect.Passed:
		Say(w, "  %s  %s\n", s.color("32", "pass   "), short(r.Test.Name))
		return
	case expect.Failed:
		Say(w, "  %s  %s\n", s.color("31", "FAIL   "), s.bold(short(r.Test.Name)))
	case expect.Unknown:
		Say(w, "  %s  %s\n", s.color("33", "unknown"), s.bold(short(r.Test.Name)))
	}
	for _, line := range s.testDetails(r) {
		Say(w, "%s\n", wrap(clean(line), s.Width, 11))
	}
}

// testDetails says why a test does not hold: its packet, the rules that the packet meets, and how
// to see it again.
func (s testStyle) testDetails(r expect.Result) []string {
	out := []string{fmt.Sprintf("expected %s, got %s", r.Test.Expect, r.Got)}
	if r.Why != "" {
		out = append(out, r.Why)
	}
	if r.Example == nil {
		return out
	}
	e := *r.Example
	out[0] += fmt.Sprintf(" for %s over %s", e.Target, e.Family)
	if e.Secret && !s.Reveal {
		out[0] = strings.Replace(out[0], " for "+e.Target, "", 1)
	}
	out = append(out, s.packetText(e))
	for _, look := range e.Fate.Trail {
		if look.Matched {
			out = append(out, fmt.Sprintf("%s %d %s → %s", look.Table, look.Index, s.rule(*look.Rule), look.Rule.Action()))
		}
	}
	if out = append(out, fateText(e.Fate)); e.Shown() {
		out = append(out, s.traceWords(proof.Packet{Example: e.Example, Secret: e.Secret}))
	}
	return out
}

type testsText struct {
	Style
	full bool
}

// all writes all routers: in full, or what does not hold as one table, and how many tests do.
func (s testsText) all(w io.Writer, all iter.Seq[testedLine]) error {
	var sum testedLine
	t := table{header: []string{"ROUTER", "TEST", "EXPECTED", "GOT", "WHY"}, whole: []string{"ROUTER", "EXPECTED", "GOT"}}
	failed, unknown := 0, 0
	for l := range all {
		if s.full {
			if sum.Router > 0 {
				Say(w, "\n")
			}
			if err := put(w, l.Text); err != nil {
				return err
			}
		}
		sum.Router, sum.Passed, sum.Unasked = sum.Router+l.Router, sum.Passed+l.Passed, sum.Unasked+l.Unasked
		failed, unknown = failed+len(l.Failed)-l.Unasked, unknown+len(l.Unknown)
	}
	t.kept = func(yield func([]string) bool) {
		for _, rows := range []func(testedLine) [][]string{func(l testedLine) [][]string { return l.Failed }, func(l testedLine) [][]string { return l.Unknown }} {
			for l := range all {
				for _, row := range rows(l) {
					if !yield(row) {
						return
					}
				}
			}
		}
	}
	if !s.full && failed+unknown+sum.Unasked > 0 {
		if err := t.text(w, s.Width); err != nil {
			return err
		}
	}
	Say(w, "%s\n", sum.tally(failed, unknown))
	if !s.full && failed+unknown > 0 {
		Say(w, "-v shows the packets, and the rules that they meet\n")
	}
	return nil
}

// tally counts tests: 2 routers, 8 tests: 6 hold, 1 fails, 1 is unknown.
func (l testedLine) tally(failed, unknown int) string {
	parts := []string{fmt.Sprintf("%d %s", l.Passed, either(l.Passed, "holds", "hold"))}
	if failed > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", failed, either(failed, "fails", "fail")))
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("%d %s unknown", unknown, either(unknown, "is", "are")))
	}
	text := fmt.Sprintf("%s, %s: %s", Plural(l.Router, "router"), Plural(l.Passed+failed+unknown, "test"), strings.Join(parts, ", "))
	if l.Unasked > 0 {
		text += fmt.Sprintf("; %s not read", Plural(l.Unasked, "router"))
	}
	return text
}

func either(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// testCells are the tests for CSV or Markdown, a row each.
func (s testStyle) testCells(t Tested) [][]string {
	if t.Err != nil {
		return [][]string{{t.Name, "", string(t.Outcome), "", "", "", reason(t.Err)}}
	}
	var rows [][]string
	for _, r := range t.Tests {
		packet := ""
		if r.Example != nil {
			packet = s.packetText(*r.Example)
		}
		rows = append(rows, []string{t.Name, r.Test.Name, string(r.Outcome), string(r.Test.Expect), r.Got, packet, r.Why})
	}
	return rows
}

type jsonTested struct {
	Name    string     `json:"name"`
	Address string     `json:"address"`
	File    string     `json:"file"`
	Holds   bool       `json:"holds"` // every test of the router
	Tests   []jsonTest `json:"tests"`
	Error   string     `json:"error"`
}

type jsonTest struct {
	Name           string              `json:"name"`
	Router         string              `json:"router"`
	Line           int                 `json:"line"` // of the file
	Holds          bool                `json:"holds"`
	Outcome        string              `json:"outcome"` // passed, failed or unknown
	Expected       string              `json:"expected"`
	Got            string              `json:"got"`
	Why            string              `json:"why,omitempty"`
	Counterexample *jsonCounterexample `json:"counterexample,omitempty"`
}

type jsonCounterexample struct {
	Packet  string     `json:"packet"`
	Target  string     `json:"target"`
	Family  string     `json:"family"`
	Trace   string     `json:"trace,omitempty"` // the command that shows it
	Lists   []string   `json:"lists"`
	Verdict string     `json:"verdict"`
	Trail   []jsonLook `json:"trail"`
}

func (s testStyle) testedJSON(t Tested) jsonTested {
	j := jsonTested{Name: t.Name, Address: t.Address, File: t.File, Holds: t.Holds(), Tests: []jsonTest{}}
	if t.Err != nil {
		j.Error = t.Err.Error()
	}
	for _, r := range t.Tests {
		one := jsonTest{Name: r.Test.Name, Router: t.Name, Line: r.Test.Line, Holds: r.Holds(), Outcome: string(r.Outcome), Expected: string(r.Test.Expect), Got: r.Got, Why: r.Why}
		if r.Example != nil {
			one.Counterexample = s.counterexample(*r.Example)
		}
		j.Tests = append(j.Tests, one)
	}
	return j
}

func (s testStyle) counterexample(e expect.Example) *jsonCounterexample {
	j := &jsonCounterexample{Packet: s.packetText(e), Target: e.Target, Family: e.Family.String(), Lists: append([]string{}, e.Lists...), Verdict: fateText(e.Fate), Trail: []jsonLook{}}
	if e.Secret && !s.Reveal {
		j.Target = masked
	}
	if e.Shown() {
		j.Trace = s.traceWords(proof.Packet{Example: e.Example, Secret: e.Secret})
	}
	for _, look := range e.Fate.Trail {
		j.Trail = append(j.Trail, jsonLook{string(look.Table), look.Index, look.Rule.ID, s.rule(*look.Rule), look.Matched, look.Failed, look.Undecided})
	}
	return j
}

// TestsJUnitOf takes the tests of routers as test cases, for CI systems: a suite for each router. A
// test that does not hold is a failure, and a router that could not be read an error.
func TestsJUnitOf(sink Sink) *Flow[Tested] {
	sink.Color, sink.Format = false, "xml"
	return newFlow(sink, kind[Tested]{text: testsJUnit{junitText{Style: sink.Style, command: "test"}}})
}

type testsJUnit struct{ junitText }

func (j testsJUnit) piece(_ int, results []Tested) ([]byte, error) {
	var kept []junitLine
	for _, t := range results {
		if t.Err != nil {
			c := j.junitCase(t.Result, false)
			line, err := c.line(string(short(t.Name)))
			if err != nil {
				return nil, err
			}
			kept = append(kept, line)
		}
		for _, r := range t.Tests {
			line, err := j.test(t, r).line(string(short(t.Name)))
			if err != nil {
				return nil, err
			}
			kept = append(kept, line)
		}
	}
	return keep(kept)
}

// test is the case of one test.
func (j testsJUnit) test(t Tested, r expect.Result) junitCase {
	c := junitCase{Name: string(short(r.Test.Name)), Class: string(clean(t.File)), Time: seconds(0)}
	if r.Holds() {
		return c
	}
	s := testStyle{j.Style}
	details := s.testDetails(r)
	for i := range details {
		details[i] = string(clean(details[i]))
	}
	message := details[0]
	if why := s.because(r); why != "" {
		message += ": " + string(clean(why))
	}
	c.Failure = &junitWords{Message: message, Type: string(r.Outcome), Text: strings.Join(details, "\n")}
	return c
}

func (j testsJUnit) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[Tested, junitLine]{all: j.suites}.write(w, pieces)
}
