package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
)

// reportFiles are the files that a run leaves for others to look at.
type reportFiles struct {
	report, junit, metrics string
}

func (a *reportFiles) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.report, "report", "", "write a page for the change ticket, a `FILE.html`")
	f.StringVar(&a.junit, "junit", "", "write the routers as test cases for a CI system, a `FILE.xml`")
	f.StringVar(&a.metrics, "metrics", "", "write a `FILE.prom` for the textfile collector of Prometheus' node exporter")
}

// flows are those into the files that were asked for.
func (a reportFiles) flows(e access, run changeRun, r *results, began time.Time) ([]flow, error) {
	var out []flow
	add := func(flag, name string, into func(view.Sink) (flow, error)) error {
		if name == "" {
			return nil
		}
		f, err := intoFile(e, r, flag, name, into)
		out = append(out, f)
		return err
	}
	err := errors.Join(
		add("report", a.report, func(sink view.Sink) (flow, error) { return e.page(sink, run, r, began) }),
		add("junit", a.junit, func(sink view.Sink) (flow, error) { return view.JUnitOf(sink, run.command, run.drift), nil }),
		add("metrics", a.metrics, func(sink view.Sink) (flow, error) {
			return view.MetricsOf(sink, run.command, began, func() time.Duration { return e.now().Sub(began) }), nil
		}),
	)
	return out, err
}

// Who may read a file that is written whole: everybody, where it holds no secret, or its owner
// alone.
const (
	forOthers fs.FileMode = 0o644
	forOwner  fs.FileMode = 0o600
)

// newFile is a file that is written whole: nobody ever sees half of it.
type newFile struct {
	name string
	mode fs.FileMode
	temp *os.File
}

// Write implements [io.Writer].
func (f *newFile) Write(p []byte) (int, error) {
	if f.temp == nil {
		var err error
		if f.temp, err = os.CreateTemp(filepath.Dir(f.name), ".rosknock-*"); err != nil { // of mode 0600
			return 0, err
		}
	}
	return f.temp.Write(p)
}

// end puts the file in its place, unless something failed.
func (f *newFile) end(err error) error {
	if f.temp == nil {
		return err
	}
	if err = errors.Join(err, f.temp.Chmod(f.mode), f.temp.Close()); err == nil {
		err = os.Rename(f.temp.Name(), f.name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.temp.Name()))
	}
	return nil
}

// replaceFile writes a file whole.
func replaceFile(name string, text []byte, mode fs.FileMode) error {
	f := &newFile{name: name, mode: mode}
	_, err := f.Write(text)
	return f.end(err)
}

// whoReaches looks at who reaches a router before the change and after it; in a diff, after the
// change as it would be. It is nil where the router was not read.
func whoReaches(r operate.Result) *audit.Comparison {
	if r.Snapshot == nil {
		return nil
	}
	after := r.Snapshot
	switch {
	case r.Applied != nil && r.Applied.After != nil:
		after = r.Applied.After
	case r.Applied == nil && r.Changes != nil && r.Changes.Changed():
		if then, err := change.Rehearse(*r.Snapshot, *r.Changes, len(r.Changes.Steps)); err == nil { // else the proof says so
			after = &then
		}
	}
	if after == r.Snapshot {
		same := audit.Router(*after)
		return &audit.Comparison{Before: same, After: same}
	}
	c := audit.Compare(*r.Snapshot, *after)
	return &c
}
