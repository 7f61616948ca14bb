// Package state is what rosknock remembers between runs, in a folder that only its owner can read: the journal of what was done, and the
// locks that keep two runs off one router.
//
//	dir, err := state.Open(path)
//	lock, err := dir.Lock("192.0.2.1:8729", state.Holder{…})
//	defer lock.Release()
//	err = dir.Append(state.Record{Command: "apply", Router: "r1", Outcome: "changed"})
//
// The package keeps no secret: what it is given has to be redacted already.
package state

import (
	"fmt"
	"os"
	"path/filepath"
)

// Dir is an open state folder.
type Dir struct{ path string }

// Open opens a state folder, and makes it where there is none.
func Open(path string) (Dir, error) {
	if err := os.MkdirAll(filepath.Join(path, "locks"), 0o700); err != nil {
		return Dir{}, fmt.Errorf("the state folder can't be used: %w; name another one with --state-dir", err)
	}
	return Dir{path}, nil
}

// Path returns where the folder is.
func (d Dir) Path() string { return d.path }
