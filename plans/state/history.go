package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// History is the journal as it was when it was opened: what is appended later is not in it. Its
// methods may be called from several goroutines.
type History struct {
	dir      Dir
	segments []segment

	// indexFrom is how many bytes of the journal the index may not have.
	indexFrom int64

	mu    sync.Mutex
	index *index // nil until it is asked for
}

// History opens the journal for reading. Nothing is written, so a state folder that can't be
// written will do.
func (d Dir) History() (*History, error) {
	defer d.shared()()
	segments, err := d.all()
	if err != nil {
		return nil, fmt.Errorf("the journal can't be read: %w", err)
	}
	return &History{dir: d, segments: segments, indexFrom: unindexed}, nil
}

// shared keeps writers out while it is looked which files there are and how long. Where that can't
// be, it is done without: then a line may be seen while it is written.
func (d Dir) shared() (release func()) {
	lock := flock.New(d.current()+".lock", flock.SetFlag(0)) // it is only read, and not made
	if lock.RLock() != nil {
		return func() {}
	}
	return func() { _ = lock.Unlock() }
}

// link is what chains a record to the one before.
type link struct {
	Seq  int64  `json:"seq"`
	Prev string `json:"prev"`
	Hash string `json:"hash"`
}

const (
	noRecord = "it is no record: a crash cut it short, or somebody wrote it by hand"
	changed  = "its hash does not fit: the line was changed"
	moved    = "it does not follow the line before: a line was taken out, put in, or moved"
	lost     = "the chain begins anew: an older rosknock could not find the end of the line before, which is longer than 64 KiB"
)

// follows says why a record does not follow another one, or "". long says that the line before is
// longer than 64 KiB.
func (l link) follows(before link, long bool) string {
	switch {
	case l.Prev == before.Hash && l.Seq == before.Seq+1:
		return ""
	case l.Seq == 1 && l.Prev == "" && long:
		return lost
	}
	return moved
}

const longForOld = 64 << 10

// All returns all records, as [Dir.Journal] does.
func (h *History) All() ([]Record, error) {
	var records []Record
	err := h.each(func(text []byte) (link, error) {
		var r Record
		err := json.Unmarshal(text, &r)
		if err == nil {
			records = append(records, r)
		}
		return link{r.Seq, r.Prev, r.Hash}, err
	})
	return records, err
}

// each goes over the lines of the journal, the oldest first, and checks the chain. The error is the
// first break, or that of reading.
func (h *History) each(visit func(text []byte) (link, error)) error {
	var before link
	var long bool
	var broken *BrokenError
	for _, s := range h.segments {
		file, err := h.dir.open(s)
		if err != nil {
			return fmt.Errorf("the journal can't be read: %w", err)
		}
		lines := newForward(file, 0, s.info.Size())
		for n := 1; lines.more(); n++ {
			what := noRecord
			if l, err := visit(lines.text); err == nil {
				what = l.follows(before, long)
				if !sealed(lines.text, l.Hash) {
					what = changed
				}
				before, long = l, len(lines.text) > longForOld
			}
			if what != "" && broken == nil {
				broken = &BrokenError{s.name, n, what}
			}
		}
		file.Close()
		if lines.err != nil {
			return fmt.Errorf("the journal can't be read: %w", lines.err)
		}
	}
	if broken != nil {
		return broken
	}
	return nil
}

// Verify says how many records there are, and as a *[BrokenError] where their chain breaks first.
func (h *History) Verify() (records int, err error) {
	err = h.each(func(text []byte) (l link, err error) {
		if err = json.Unmarshal(text, &l); err == nil {
			records++
		}
		return l, err
	})
	return records, err
}

// Newest tells records, the newest first, until visit returns false. With words, only lines that
// hold one of these texts are read, which is much quicker, and the chain is not checked. A
// *[BrokenError] is the oldest break among what was read.
func (h *History) Newest(words []string, visit func(Record) bool) error {
	var needles [][]byte
	for _, word := range words {
		quoted, err := json.Marshal(strings.ToValidUTF8(word, "\uFFFD"))
		if err != nil {
			return err
		}
		needles = append(needles, bytes.Trim(quoted, `"`))
	}
	w := newestWalk{history: h, visit: visit, needles: needles, all: len(needles) == 0}
	for i := len(h.segments) - 1; i >= 0 && !w.enough; i-- {
		if err := w.over(h.segments[i]); err != nil {
			return fmt.Errorf("the journal can't be read: %w", err)
		}
	}
	if !w.enough {
		w.join(link{}, false)
	}
	return w.broken
}

// newestWalk goes over the journal from its end.
type newestWalk struct {
	history *History
	visit   func(Record) bool
	needles [][]byte
	all     bool // no line is left out, so that the chain can be checked
	enough  bool

	newer  *link // of the record that was met before
	at     spot
	broken error
}

// spot is where a line begins.
type spot struct {
	segment segment
	offset  int64
}

func (w *newestWalk) over(s segment) error {
	file, err := w.history.dir.open(s)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := newBackward(file, s.info.Size())
	for !w.enough && lines.next() {
		if w.all || holds(lines.text, w.needles) {
			w.line(lines.text, spot{s, lines.offset})
		}
	}
	return lines.err
}

func (w *newestWalk) line(text []byte, at spot) {
	var r Record
	if json.Unmarshal(text, &r) != nil {
		w.breaks(at, noRecord)
		return
	}
	l := link{r.Seq, r.Prev, r.Hash}
	w.join(l, len(text) > longForOld)
	if !sealed(text, r.Hash) {
		w.breaks(at, changed)
	}
	w.newer, w.at = &l, at
	w.enough = !w.visit(r)
}

// join looks whether the record that was met before follows this one.
func (w *newestWalk) join(older link, long bool) {
	if w.newer == nil || !w.all {
		return
	}
	if what := w.newer.follows(older, long); what != "" {
		w.breaks(w.at, what)
	}
}

func (w *newestWalk) breaks(at spot, what string) { w.broken = w.history.broken(at, what) }

// broken makes the error for a line.
func (h *History) broken(at spot, what string) *BrokenError {
	line := 1
	if file, err := h.dir.open(at.segment); err == nil {
		defer file.Close()
		for lines := newForward(file, 0, at.offset); lines.more(); {
			line++
		}
	}
	return &BrokenError{at.segment.name, line, what}
}

func holds(text []byte, needles [][]byte) bool {
	return slices.ContainsFunc(needles, func(n []byte) bool { return bytes.Contains(text, n) })
}
