package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"
)

// Store keeps pieces of a result until the end of a run.
type Store interface {
	// Put keeps the piece of the router that is the i-th of the run. It may be called from several
	// goroutines, once for each router, in any order.
	Put(i int, piece []byte)
	// All yields the pieces in the order of the run. A piece holds until the next one.
	All() iter.Seq[[]byte]
	// Err says why All ended early.
	Err() error
}

// Sink is where the results of a run go, and how they look there.
type Sink struct {
	Style
	To     io.Writer
	Format string       // json, jsonl, csv, markdown, or another for people
	Keep   func() Store // makes a place for what is written at the end
}

// Flow writes the results of routers, which come in the order in which they end: as JSON Lines each
// at once, otherwise all in the order of the run, at its end. Of a result it keeps what will be
// written.
type Flow[T any] struct {
	sink  Sink
	kind  kind[T]
	store Store

	mu  sync.Mutex
	err error // the first
}

// kind says how results of a kind are written.
type kind[T any] struct {
	command string
	json    func(T) any
	header  []string // of CSV and Markdown
	cells   func(T) [][]string
	text    told[T]
	// markdown is how they are written as Markdown; nil for a table of all cells.
	markdown told[T]
}

// told returns how results are written in a format for people; nil where it is a table of all cells.
func (k kind[T]) told(format string) told[T] {
	switch format {
	case "csv":
		return nil
	case "markdown":
		return k.markdown
	}
	return k.text
}

// told is how results are written for people.
type told[T any] interface {
	// piece is what is kept of the results of the router that is the i-th of the run.
	piece(i int, results []T) ([]byte, error)
	// write writes them all.
	write(w io.Writer, pieces iter.Seq[[]byte]) error
}

func newFlow[T any](sink Sink, k kind[T]) *Flow[T] {
	return &Flow[T]{sink: sink, kind: k, store: sink.Keep()}
}

// Put takes all results of the router that is the i-th of the run. It may be called from several
// goroutines.
func (f *Flow[T]) Put(i int, results ...T) {
	piece, err := f.piece(i, results)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.err == nil {
			f.err = err
		}
		return
	}
	if f.sink.Format != "jsonl" {
		f.store.Put(i, piece)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.sink.To.Write(piece); f.err == nil {
		f.err = err
	}
}

func (f *Flow[T]) piece(at int, results []T) ([]byte, error) {
	var b bytes.Buffer
	switch f.sink.Format {
	case "jsonl":
		rows := make([]any, len(results))
		for i, r := range results {
			rows[i] = f.kind.json(r)
		}
		err := encode(&b, envelope{formatOf(f.kind.command), rows}, "", "")
		return b.Bytes(), err
	case "json":
		for i, r := range results {
			if i > 0 {
				b.WriteString(jsonBetween)
			}
			if err := encode(&b, f.kind.json(r), jsonRow, "  "); err != nil {
				return nil, err
			}
			b.Truncate(b.Len() - 1) // the line's end
		}
		return b.Bytes(), nil
	}
	told := f.kind.told(f.sink.Format)
	if told == nil {
		t := table{header: f.kind.header}
		for _, r := range results {
			t.rows = append(t.rows, f.kind.cells(r)...)
		}
		err := t.body(&b, f.sink.Format)
		return b.Bytes(), err
	}
	return told.piece(at, results)
}

// A row of the envelope's list stands two levels deep.
const (
	jsonRow     = "    "
	jsonBetween = ",\n" + jsonRow
)

// End writes what was not written yet.
func (f *Flow[T]) End() error {
	if f.err == nil && f.sink.Format != "jsonl" {
		f.err = f.write(f.sink.To)
	}
	if f.err == nil {
		f.err = f.store.Err()
	}
	return f.err
}

func (f *Flow[T]) write(w io.Writer) error {
	if f.sink.Format == "json" {
		return f.envelope(w)
	}
	told := f.kind.told(f.sink.Format)
	if told == nil {
		if err := (table{header: f.kind.header}).head(w, f.sink.Format); err != nil {
			return err
		}
		for piece := range f.store.All() {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	}
	return told.write(w, f.store.All())
}

// envelope writes the JSON document, piece by piece.
func (f *Flow[T]) envelope(w io.Writer) error {
	before, end := fmt.Sprintf("{\n  \"format\": %q,\n  \"routers\": [", formatOf(f.kind.command)), "]\n}\n"
	between := "\n" + jsonRow
	for piece := range f.store.All() {
		if len(piece) == 0 {
			continue
		}
		if err := put(w, before, between, string(piece)); err != nil {
			return err
		}
		before, between, end = "", jsonBetween, "\n  ]\n}\n"
	}
	return put(w, before, end)
}

// put writes what is fit to be written already: JSON, or text that [Say] has written.
func put(w io.Writer, parts ...string) error {
	_, err := w.Write([]byte(strings.Join(parts, "")))
	return err
}

// formatOf names a format of the JSON output.
func formatOf(command string) string { return "rosknock." + command + "/1" }

// passages are texts for people that stand one below the other.
type passages[T any] struct {
	one     func(w io.Writer, result T) error
	between string
}

func (p passages[T]) piece(_ int, results []T) ([]byte, error) {
	var b bytes.Buffer
	for i, r := range results {
		if i > 0 {
			b.WriteString(p.between)
		}
		if err := p.one(&b, r); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (p passages[T]) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	between := ""
	for piece := range pieces {
		if err := put(w, between, string(piece)); err != nil {
			return err
		}
		between = p.between
	}
	return nil
}

// lines are results of which people see the rows of a table, and what is counted of them.
type lines[T, L any] struct {
	line func(result T) L
	all  func(w io.Writer, all iter.Seq[L]) error
}

func (l lines[T, L]) piece(_ int, results []T) ([]byte, error) {
	kept := make([]L, len(results))
	for i, r := range results {
		kept[i] = l.line(r)
	}
	return keep(kept)
}

// keep encodes lines until they are written.
func keep(lines any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(lines)
	return b.Bytes(), err
}

func (l lines[T, L]) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	var broken error
	err := l.all(w, func(yield func(L) bool) {
		for piece := range pieces {
			var kept []L
			if err := json.Unmarshal(piece, &kept); err != nil {
				broken = err
				return
			}
			for _, line := range kept {
				if !yield(line) {
					return
				}
			}
		}
	})
	if broken != nil {
		return fmt.Errorf("what was kept of the routers can't be read again: %w", broken)
	}
	return err
}
