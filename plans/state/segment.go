package state

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// A segment is one file of the journal. The one that is written is journal.ndjson in the state
// folder, whose name does not change, so that an older rosknock goes on with it and a journal of an
// older one is the first segment. When it is full, or another month begins, it moves into the
// folder journal.d: 000001-2026-11.ndjson.
type segment struct {
	number int    // from 1, without gaps; that which is written has the next
	path   string // where it stood when it was looked up
	name   string // for messages; "" for the one that is written
	info   fs.FileInfo
}

var segmentForm = regexp.MustCompile(`^([0-9]{6,9})-[0-9]{4,5}-[0-9]{2}\.ndjson$`)

func segmentName(number int, month string) string {
	return fmt.Sprintf("%06d-%s.ndjson", number, month)
}

// all lists the segments, the oldest first.
func (d Dir) all() ([]segment, error) {
	out, err := d.full()
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(d.current())
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	number := 1
	if len(out) > 0 {
		number = out[len(out)-1].number + 1
	}
	return append(out, segment{number, d.current(), "", info}), err
}

// full lists the segments that are not written any more, the oldest first.
func (d Dir) full() ([]segment, error) {
	entries, err := os.ReadDir(d.segments())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []segment
	for _, entry := range entries {
		if m := segmentForm.FindStringSubmatch(entry.Name()); m != nil {
			number, _ := strconv.Atoi(m[1])
			info, err := entry.Info()
			if err != nil {
				return nil, err
			}
			out = append(out, segment{number, filepath.Join(d.segments(), entry.Name()), filepath.Join("journal.d", entry.Name()), info})
		}
	}
	slices.SortStableFunc(out, func(a, b segment) int { return a.number - b.number })
	return out, nil
}

// segments is the folder of the full segments.
func (d Dir) segments() string { return filepath.Join(d.path, "journal.d") }

// open opens a segment, also when it became full since it was looked up.
func (d Dir) open(s segment) (*os.File, error) {
	file, err := openOwn(s.path, os.O_RDONLY)
	if s.name != "" {
		return file, err
	}
	if err == nil {
		if info, err := file.Stat(); err == nil && os.SameFile(info, s.info) {
			return file, nil
		}
		_ = file.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	full, err := d.full()
	for _, other := range full {
		if other.number == s.number {
			return openOwn(other.path, os.O_RDONLY)
		}
	}
	return nil, errors.Join(err, fmt.Errorf("%s is gone", s.path))
}

// last finds the last record of a segment that is full.
func (s segment) last() (Record, error) {
	file, err := openOwn(s.path, os.O_RDONLY)
	if err != nil {
		return Record{}, err
	}
	defer file.Close()
	return lastRecord(file, s.info.Size())
}

// backward reads lines from the end of a file on.
type backward struct {
	from  io.ReaderAt
	at    int64  // where left begins in the file
	left  []byte // read, and not told yet
	block int64
	ended bool

	offset int64 // where the line begins
	text   []byte
	err    error
}

func newBackward(from io.ReaderAt, size int64) *backward {
	b := &backward{from: from, at: size, block: 16 << 10, ended: size == 0}
	if !b.ended {
		b.fill()
		b.left = bytes.TrimSuffix(b.left, []byte("\n"))
	}
	return b
}

// next goes to the line before. It returns false at the beginning of the file, and when reading
// fails.
func (b *backward) next() bool {
	for !b.ended && b.err == nil {
		if i := bytes.LastIndexByte(b.left, '\n'); i >= 0 {
			b.offset, b.text, b.left = b.at+int64(i)+1, b.left[i+1:], b.left[:i]
			return true
		}
		if b.at == 0 {
			b.offset, b.text, b.ended = 0, b.left, true
			return true
		}
		b.fill()
	}
	return false
}

// fill reads what stands before. Each time twice as much, so that a long line is not copied over
// and over.
func (b *backward) fill() {
	n := min(b.block, b.at)
	more := make([]byte, n, n+int64(len(b.left)))
	if _, b.err = b.from.ReadAt(more, b.at-n); b.err != nil {
		return
	}
	b.at -= n
	b.left = append(more, b.left...)
	b.block = min(b.block*2, max(1<<20, int64(len(b.left))))
}

// forward reads lines from a place of a file on.
type forward struct {
	from *bufio.Reader
	next int64 // where the next line begins

	offset int64
	text   []byte
	ended  bool // by a line end
	err    error
}

func newForward(file io.ReaderAt, offset, size int64) *forward {
	return &forward{from: bufio.NewReaderSize(io.NewSectionReader(file, offset, size-offset), 64<<10), next: offset}
}

// more goes to the next line. It returns false at the end of the file, and when reading fails. The
// text is good until the next call.
func (f *forward) more() bool {
	if f.err != nil {
		return false
	}
	part, err := f.from.ReadSlice('\n')
	f.text = part
	if errors.Is(err, bufio.ErrBufferFull) {
		f.text = bytes.Clone(part)
		for errors.Is(err, bufio.ErrBufferFull) {
			part, err = f.from.ReadSlice('\n')
			f.text = append(f.text, part...)
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
		return false
	}
	if len(f.text) == 0 {
		return false
	}
	f.offset = f.next
	f.next += int64(len(f.text))
	f.text, f.ended = bytes.CutSuffix(f.text, []byte("\n"))
	return true
}
