package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Lock is held until it is released, or the program ends, however it ends: the system gives it
// back.
type Lock struct{ lock *flock.Flock }

// Lock keeps other runs on this machine off a router. It does not wait: when another run holds it, the error is a
// *[HeldError].
func (d Dir) Lock(key string, h Holder) (*Lock, error) {
	name := filepath.Join(d.path, "locks", fileName(key))
	l := flock.New(name+".lock", flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the lock of %s can't be taken: %w", key, err)
	}
	if !ok {
		held := &HeldError{Router: key}
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
		return nil, errors.Join(fmt.Errorf("the lock of %s can't be taken: %w", key, err), l.Unlock())
	}
	return &Lock{l}, nil
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.lock.Unlock() }
