package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// output is standard output. It takes everything and keeps the first error, so that a reader who
// goes away, or a full disk, never ends a change of a router in the middle; [run] says in the end
// that the result is cut off.
type output struct {
	to io.Writer

	mu  sync.Mutex
	any bool // something was to be written
	err error
}

// Write implements io.Writer. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.any = o.any || len(p) > 0; o.err == nil {
		_, o.err = o.to.Write(p)
	}
	return len(p), nil
}

// end closes a file: what was only promised to be written fails now.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	file, ok := o.to.(*os.File)
	if !ok {
		return
	}
	if err := file.Close(); o.err == nil && !errors.Is(err, fs.ErrClosed) {
		o.err = err
	}
}

// used reports whether there was anything to write.
func (o *output) used() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.any
}

// failed returns the first error.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// strict is the output of a command that does nothing but write: it ends with the first error.
func (o *output) strict() io.Writer { return strictOutput{o} }

type strictOutput struct{ *output }

// Write implements io.Writer.
func (o strictOutput) Write(p []byte) (int, error) {
	n, _ := o.output.Write(p)
	if err := o.failed(); err != nil {
		return 0, err
	}
	return n, nil
}

// cutOff says that the result could not be written.
func cutOff(err error, changing bool) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	remedy := "write it to where there is room, or read it to its end"
	if changing {
		remedy = "rosknock journal says what became of the routers"
	}
	return fmt.Errorf("standard output: %w: the result is cut off: %s", err, remedy)
}
