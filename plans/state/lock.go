package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Holder is who holds a lock.
type Holder struct {
	PID     int       `json:"pid"`
	Actor   string    `json:"actor"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// HeldError says that another run is at work on a router.
type HeldError struct {
	Router string
	Holder Holder // as far as it is known
}

// Error implements error.
func (e *HeldError) Error() string {
	who := "another run of rosknock"
	if e.Holder.PID != 0 {
		who = fmt.Sprintf("another run of rosknock (%s, process %d of %s, since %s)", e.Holder.Command, e.Holder.PID, e.Holder.Actor, e.Holder.Since.UTC().Format(time.DateTime))
	}
	return fmt.Sprintf("%s: %s is at work on it; wait until it is done", e.Router, who)
}

// Lock is held until it is released, or the program ends, however it ends: the system gives it back.
type Lock struct{ lock *flock.Flock }

// Lock keeps other runs on this machine off a router. It does not wait: when another run holds it, the error is a
// *[HeldError].
func (d Dir) Lock(router string, h Holder) (*Lock, error) {
	name := filepath.Join(d.path, "locks", fileName(router))
	l := flock.New(name+".lock", flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the lock of %s can't be taken: %w", router, err)
	}
	if !ok {
		held := &HeldError{Router: router}
		if data, err := os.ReadFile(name + ".holder"); err == nil {
			_ = json.Unmarshal(data, &held.Holder) // who it is, is a courtesy
		}
		return nil, held
	}
	data, err := json.Marshal(h)
	if err == nil {
		err = os.WriteFile(name+".holder", data, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the lock of %s can't be taken: %w", router, err), l.Unlock())
	}
	return &Lock{l}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.lock.Unlock() }

// fileName makes a file's name of a router's address: what is no letter, digit, dot or dash becomes _XX.
func fileName(router string) string {
	var b strings.Builder
	for _, c := range []byte(router) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}
