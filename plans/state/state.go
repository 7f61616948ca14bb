// Package state is what rosknock remembers between runs, in a folder that only its owner can read:
// the journal of what was done, and the locks that keep two runs off one router.
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
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Dir is an open state folder.
type Dir struct {
	path    string
	reading bool // nothing is written
}

// Open opens a state folder to write into it, and makes it where there is none. One that others can
// write is refused, as ssh does.
func Open(path string) (Dir, error) {
	d := Dir{path: path}
	if err := os.MkdirAll(filepath.Join(path, "locks"), 0o700); err != nil {
		return Dir{}, fmt.Errorf("the state folder can't be used: %w; name another one with --state-dir", err)
	}
	if err := d.Exposed(); err != nil {
		return Dir{}, err
	}
	return d, nil
}

// OpenReading opens a state folder only to read what is in it. It need not be there, and nothing in
// it is made or changed.
func OpenReading(path string) Dir { return Dir{path, true} }

// Exposed says when others can write the state folder, and so make up what it remembers, or nil.
func (d Dir) Exposed() error {
	info, err := os.Stat(d.path)
	if err != nil || !othersWrite(info.Mode()) {
		return nil //nolint:nilerr // what is not there is said when it is needed
	}
	return &ExposedError{fmt.Sprintf("the state folder %s can be written by others (mode %04o), who could make up what was done and which certificates are known: chmod go-w it, or name another one with --state-dir", d.path, info.Mode().Perm())}
}

// ExposedError says that others could have written what is remembered, or could have it written
// elsewhere.
type ExposedError struct{ text string }

// Error implements error.
func (e *ExposedError) Error() string { return e.text }

// othersWrite reports whether others than the owner can write a file, where the system tells.
func othersWrite(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode.Perm()&0o022 != 0 }

// othersRead reports whether others than the owner can do anything with a file, where the system
// tells.
func othersRead(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 }

// Path returns where the folder is.
func (d Dir) Path() string { return d.path }
