package view_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// shelf is a store in memory.
type shelf struct {
	mu     sync.Mutex
	pieces map[int][]byte
}

func newShelf() view.Store { return &shelf{pieces: map[int][]byte{}} }

func (s *shelf) Put(i int, piece []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces[i] = bytes.Clone(piece)
}

func (s *shelf) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, i := range slices.Sorted(maps.Keys(s.pieces)) {
			if !yield(s.pieces[i]) {
				return
			}
		}
	}
}

func (s *shelf) Err() error { return nil }

func sinkTo(w io.Writer, format string, s view.Style) view.Sink {
	return view.Sink{To: w, Format: format, Style: s, Keep: newShelf}
}

// written is what a flow writes of results that each stand for a router.
func written[T any](t testing.TB, format string, s view.Style, of func(view.Sink) *view.Flow[T], results ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	f := of(sinkTo(&b, format, s))
	for i, r := range results {
		f.Put(i, r)
	}
	if err := f.End(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// changesOf is what a run of a command shows of routers.
func changesOf(command string, routers int) func(view.Sink) *view.Flow[operate.Result] {
	return func(sink view.Sink) *view.Flow[operate.Result] {
		how := view.Telling{Routers: routers, LeftOut: func(int) {}}
		if command != "diff" {
			how.Reads = "the plan wants it"
		}
		return view.ChangesOf(sink, command, how)
	}
}

// drawnRun are the results of the routers of a run, some of them with several.
func drawnRun(t *rapid.T) [][]operate.Result {
	examples := append(fleet(), operate.Result{Snapshot: &routeros.Snapshot{Identity: "\x1b]0;\xff\xfe|<b>\u202e"}, Outcome: apply.Failed, Err: errors.Join(errors.New("a\nb"), errors.New("\xff\xfec"))})
	findings := [][]lint.Finding{nil, {{ID: "L1", Severity: lint.Warn, What: "x"}}, {{ID: "L2", Severity: lint.Inform, What: "y"}, {ID: "L20", Place: "p", What: "z"}}}
	result := rapid.Custom(func(t *rapid.T) operate.Result {
		r := rapid.SampledFrom(examples).Draw(t, "example")
		r.Name, r.Plan = rapid.SampledFrom([]string{"r1", "=r2", "ü中", "a|b", "\xff"}).Draw(t, "name"), rapid.SampledFrom([]string{"p", "q"}).Draw(t, "plan")
		r.Took, r.Findings = time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms"))*time.Millisecond, rapid.SampledFrom(findings).Draw(t, "findings")
		return r
	})
	return rapid.SliceOfN(rapid.SliceOfN(result, 1, 2), 0, 26).Draw(t, "run")
}

// TestFlowOrder: whatever the order in which routers end, also several at once, the same is
// written, but by JSON Lines, which write every router as it ends.
func TestFlowOrder(t *testing.T) {
	kinds := map[string]func(w io.Writer, format string, n int) *view.Flow[operate.Result]{}
	for _, command := range []string{"diff", "apply"} {
		kinds[command] = func(w io.Writer, format string, n int) *view.Flow[operate.Result] {
			return changesOf(command, n)(sinkTo(w, format, view.Style{Width: 80}))
		}
	}
	kinds["prove"] = func(w io.Writer, format string, _ int) *view.Flow[operate.Result] {
		return view.ProofsOf(sinkTo(w, format, view.Style{Width: 80}))
	}
	kinds["check"] = func(w io.Writer, format string, _ int) *view.Flow[operate.Result] {
		return view.ChecksOf(sinkTo(w, format, view.Style{Width: 80}))
	}
	kinds["junit"] = func(w io.Writer, format string, _ int) *view.Flow[operate.Result] {
		return view.JUnitOf(sinkTo(w, format, view.Style{Width: 80}), "diff", true)
	}
	kinds["report"] = func(w io.Writer, format string, _ int) *view.Flow[operate.Result] {
		f, err := view.ReportOf(sinkTo(w, format, view.Style{Width: 80}), view.Reporting{Would: true, Reach: func(operate.Result) *audit.Comparison { return nil }}, func(plans []string) view.Run { return view.Run{Command: "diff", Plans: plans} })
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	rapid.Check(t, func(rt *rapid.T) {
		run := drawnRun(rt)
		kind := rapid.SampledFrom(slices.Sorted(maps.Keys(kinds))).Draw(rt, "kind")
		format := rapid.SampledFrom([]string{"text", "json", "csv", "markdown", "jsonl"}).Draw(rt, "format")
		order := rapid.Permutation(slices.Collect(countTo(len(run)))).Draw(rt, "order")
		var want, got, atOnce bytes.Buffer
		inOrder, drawn, together := kinds[kind](&want, format, len(run)), kinds[kind](&got, format, len(run)), kinds[kind](&atOnce, format, len(run))
		var wait sync.WaitGroup
		for n, i := range order {
			inOrder.Put(n, run[n]...)
			drawn.Put(i, run[i]...)
			wait.Go(func() { together.Put(i, run[i]...) })
		}
		wait.Wait()
		for _, f := range []*view.Flow[operate.Result]{inOrder, drawn, together} {
			if err := f.End(); err != nil {
				rt.Fatal(err)
			}
		}
		if format == "jsonl" && kind != "junit" && kind != "report" {
			lines := func(b bytes.Buffer) []string { return slices.Sorted(strings.Lines(b.String())) }
			if !slices.Equal(lines(want), lines(got)) || !slices.Equal(lines(want), lines(atOnce)) {
				rt.Fatalf("other lines:\n%s\n%s\n%s", want.String(), got.String(), atOnce.String())
			}
			return
		}
		if format != "jsonl" && (!bytes.Equal(want.Bytes(), got.Bytes()) || !bytes.Equal(want.Bytes(), atOnce.Bytes())) {
			rt.Fatalf("in order:\n%s\nas they ended:\n%s\nat once:\n%s", want.String(), got.String(), atOnce.String())
		}
	})
}

func countTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// TestFlowWhole: what comes piece by piece is what the encoders of the standard library write of
// the whole: a JSON document, and a table.
func TestFlowWhole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		run := drawnRun(rt)
		of := func(format string) []byte {
			var b bytes.Buffer
			f := changesOf("diff", len(run))(sinkTo(&b, format, view.Style{Width: 80}))
			for i, r := range run {
				f.Put(i, r...)
			}
			if err := f.End(); err != nil {
				rt.Fatal(err)
			}
			return b.Bytes()
		}
		type document struct {
			Format  string            `json:"format"`
			Routers []json.RawMessage `json:"routers"`
		}
		whole := of("json")
		var d document
		if err := json.Unmarshal(whole, &d); err != nil || len(d.Routers) != len(slices.Concat(run...)) {
			rt.Fatalf("%v\n%s", err, whole)
		}
		var again bytes.Buffer
		e := json.NewEncoder(&again)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(d); err != nil || !bytes.Equal(again.Bytes(), whole) {
			rt.Fatalf("%v\n%s\nwant\n%s", err, whole, again.Bytes())
		}
		// Each line of JSON Lines is a document of the same format with one router's results.
		var lines document
		n := 0
		for line := range bytes.Lines(of("jsonl")) {
			var one document
			if err := json.Unmarshal(line, &one); err != nil || one.Format != "rosknock.diff/1" || len(one.Routers) != len(run[n]) {
				rt.Fatalf("%v: %s", err, line)
			}
			lines.Format, lines.Routers = one.Format, append(lines.Routers, one.Routers...)
			n++
		}
		if n != len(run) {
			rt.Fatalf("%d lines of %d routers", n, len(run))
		}
		compact := func(rows []json.RawMessage) (out []string) {
			for _, row := range rows {
				var b bytes.Buffer
				if err := json.Compact(&b, row); err != nil {
					rt.Fatal(err)
				}
				out = append(out, b.String())
			}
			return out
		}
		if !slices.Equal(compact(lines.Routers), compact(d.Routers)) {
			rt.Fatalf("the lines hold other routers than the document")
		}
		rows, err := csv.NewReader(bytes.NewReader(of("csv"))).ReadAll()
		if err != nil {
			rt.Fatal(err)
		}
		var table bytes.Buffer
		if err := csv.NewWriter(&table).WriteAll(rows); err != nil || !bytes.Equal(table.Bytes(), of("csv")) {
			rt.Fatalf("%v\n%s\nwant\n%s", err, of("csv"), table.Bytes())
		}
	})
}

// TestFlowHeld: a router is written as it ends, and nothing of it waits for the others.
func TestFlowHeld(t *testing.T) {
	var b bytes.Buffer
	f := changesOf("diff", 3)(sinkTo(&b, "jsonl", view.Style{Width: 80}))
	for n, i := range []int{2, 0, 1} {
		f.Put(i, operate.Result{Name: fmt.Sprintf("r%d", i)})
		if got := strings.Count(b.String(), "\n"); got != n+1 {
			t.Errorf("%d lines after %d routers", got, n+1)
		}
	}
	if text := b.String(); cmp.Compare(strings.Index(text, "r2"), strings.Index(text, "r0")) >= 0 {
		t.Errorf("not in the order in which they ended: %s", text)
	}
}
