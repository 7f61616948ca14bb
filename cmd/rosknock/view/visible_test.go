package view_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
)

// TestCells: a cell for a spreadsheet is no formula, whatever stands in it, and one in Markdown is
// text within its borders.
func TestCells(t *testing.T) {
	for _, c := range []struct{ name, csv, markdown string }{
		{"r1", "r1", "r1"},
		{"=cmd()", "'=cmd()", "=cmd()"},
		{"+1", "'+1", "+1"},
		{"-1", "'-1", "-1"},
		{"-/192.0.2.1", "'-/192.0.2.1", "-/192.0.2.1"},
		{"@SUM(A1)", "'@SUM(A1)", "@SUM(A1)"},
		{"＝cmd()", "'＝cmd()", "＝cmd()"},
		{" =cmd()", "' =cmd()", " =cmd()"},
		{"\t=cmd()", `\t=cmd()`, `\\t=cmd()`},
		{"\r=cmd()", `\r=cmd()`, `\\r=cmd()`},
		{"a=1", "a=1", "a=1"},
		{`a"b,c`, `a"b,c`, `a"b,c`},
		{"a|b\\|c", `a|b\|c`, `a\|b\\\|c`},
		{"a\n| b", `a\n| b`, `a\\n\| b`},
		{"<b>&amp;", "<b>&amp;", "&lt;b&gt;&amp;amp;"},
		{"`x` [a](b) ![c](d) *e* _f_ ~~g~~", "`x` [a](b) ![c](d) *e* _f_ ~~g~~", "\\`x\\` \\[a\\](b) !\\[c\\](d) \\*e\\* \\_f\\_ \\~\\~g\\~\\~"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := operate.Result{Name: c.name, Outcome: "unchanged"}
			rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", view.Style{}, changesOf("diff", 1), check))).ReadAll()
			if err != nil || len(rows) != 2 || rows[1][0] != c.csv {
				t.Errorf("CSV: %q, want %q, %v", rows, c.csv, err)
			}
			text := string(written(t, "markdown", view.Style{}, changesOf("diff", 1), check))
			if want := "\n| " + c.markdown + " | unchanged |"; !strings.Contains(text, want) {
				t.Errorf("Markdown: %q, want %q", text, want)
			}
		})
	}
}

// TestLongCells: what has no end is cut in a cell, as spreadsheets take it.
func TestLongCells(t *testing.T) {
	text := written(t, "csv", view.Style{}, changesOf("diff", 1), operate.Result{Name: strings.Repeat("W", 900_000)})
	if n := len(text); n > 33_000 {
		t.Errorf("%d bytes", n)
	}
}

// TestSay: texts are made visible, however they come; numbers, formats and colours stay.
func TestSay(t *testing.T) {
	joined := errors.Join(errors.New("one"), fmt.Errorf("two: %w", errors.Join(errors.New("three\x1b"), errors.New("four\nfive"))))
	type named string
	for _, c := range []struct {
		format string
		args   []any
		want   string
	}{
		{"%s\n%q\n", []any{"a\x1b[31m\n", "b\r"}, `a\x1b[31m\n` + "\n" + `"b\\r"` + "\n"},
		{"%s %d %v %.1f", []any{named("c\x07"), 7, true, 1.5}, `c\x07 7 true 1.5`},
		{"%v", []any{form.Problem{File: "f\x1b", Line: 1, Column: 2, Message: "m\n"}}, `f\x1b:1:2: m\n`},
		{"%s", []any{2 * time.Second}, "2s"},
		{"%v", []any{joined}, `one; two: three\x1b; four\nfive`},
		{"%v", []any{fmt.Errorf("%w and %w", errors.New("a\nb"), joined)}, `a\nb and one; two: three\x1b; four\nfive`},
		{"%v", []any{nil}, "<nil>"},
	} {
		var b bytes.Buffer
		view.Say(&b, c.format, c.args...)
		if b.String() != c.want {
			t.Errorf("%q of %q: %q, want %q", c.format, c.args, b.String(), c.want)
		}
	}
}

// TestHostileEvents: what happens in a trusted list is told on one line, and in JSON as it is.
func TestHostileEvents(t *testing.T) {
	bad := "a\x1b]0;x\x07\nFORGED\u202e"
	event := trusted.Event{What: trusted.Added, Entry: trusted.Entry{Door: trusted.Door{Plan: bad, Name: bad, List: bad}, In: bad, Address: bad, Since: bad, Comment: bad, Kind: trusted.Kind(bad)}}
	var text, data bytes.Buffer
	for format, b := range map[string]*bytes.Buffer{"text": &text, "json": &data} {
		if err := view.TrustedEvent(b, format, bad, event, view.Style{}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(strings.TrimSuffix(b.String(), "\n"), "\x1b\x07\n\u202e") {
			t.Errorf("%s: %q", format, b.String())
		}
	}
	var back struct{ Comment, Address string }
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || back.Comment != bad || back.Address != bad {
		t.Errorf("%q, %v", back, err)
	}
}

// TestAsk: a question fits the terminal, and its answer goes behind it.
func TestAsk(t *testing.T) {
	for _, width := range []int{40, 60, 80, 1 << 16} {
		var b strings.Builder
		view.Ask(&b, width, "Which addresses or networks never have to knock, beside the router's own networks; the router sees you come from %s? [%s]", "198.51.100.7", "198.51.100.7")
		text := b.String()
		for line := range strings.SplitSeq(text, "\n") {
			if len(line) > width+1 { // with the blank before the answer
				t.Errorf("%d columns: %q", width, line)
			}
		}
		if !strings.HasSuffix(text, "[198.51.100.7] ") {
			t.Errorf("%q", text)
		}
	}
}
