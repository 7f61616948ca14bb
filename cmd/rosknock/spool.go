package main

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
)

// mostInMemory is how much a spool holds before it takes a file.
const mostInMemory = 1 << 20

// spool keeps pieces of a result until the end of a run: what came last in memory, and the others
// in a file that only this user can read, and that has no name where the system allows that. What
// no file takes, as on a full disk, stays in memory.
type spool struct {
	most int // bytes in memory

	mu      sync.Mutex
	at      []extent // by router
	tail    []byte   // what is in no file
	file    *os.File
	written int64
	full    bool // no file takes more
	err     error
}

// extent is where a piece is: its length is 0 where there is none.
type extent struct {
	from   int64
	length int
}

// Put implements [view.Store].
func (s *spool) Put(i int, piece []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.at) <= i {
		s.at = append(s.at, extent{})
	}
	s.at[i] = extent{s.written + int64(len(s.tail)), len(piece)}
	s.tail = append(s.tail, piece...)
	if len(s.tail) > s.most && !s.full {
		s.spill()
	}
}

// spill moves what is in memory into the file.
func (s *spool) spill() {
	if s.file == nil {
		file, err := os.CreateTemp("", "rosknock-*") // of mode 0600
		if err != nil {
			s.full = true
			return
		}
		_ = os.Remove(file.Name()) // Windows does not, and close tries again
		s.file = file
	}
	if _, err := s.file.WriteAt(s.tail, s.written); err != nil {
		s.full = true
		return
	}
	s.written += int64(len(s.tail))
	s.tail = s.tail[:0]
}

// All implements [view.Store].
func (s *spool) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var piece []byte
		for _, e := range s.at {
			if e.length == 0 {
				continue
			}
			if e.from >= s.written {
				from := e.from - s.written
				piece = append(piece[:0], s.tail[from:from+int64(e.length)]...)
			} else {
				piece = append(piece[:0], make([]byte, e.length)...)
				if _, err := s.file.ReadAt(piece, e.from); err != nil {
					s.err = fmt.Errorf("what was kept of the routers in a temporary file can't be read again: %w", err)
					return
				}
			}
			if !yield(piece) {
				return
			}
		}
	}
}

// Err implements [view.Store].
func (s *spool) Err() error { return s.err }

// close lets go of the file.
func (s *spool) close() {
	if s.file == nil {
		return
	}
	_ = errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
