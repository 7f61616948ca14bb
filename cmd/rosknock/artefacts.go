package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/diff"
)

// artefacts are the files that a run leaves for others to look at.
type artefacts struct {
	report, junit, metrics string
}

func (a *artefacts) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.report, "report", "", "write a page for the change ticket, a `FILE.html`")
	f.StringVar(&a.junit, "junit", "", "write the routers as test cases for a CI system, a `FILE.xml`")
	f.StringVar(&a.metrics, "metrics", "", "write a `FILE.prom` for the textfile collector of Prometheus' node exporter")
}

// write writes what was asked for. Each file is whole or not there.
func (a artefacts) write(e env, s settings, command string, routers []view.Router, began time.Time, drift bool) error {
	style := e.style(s)
	took := e.now().Sub(began)
	var problems []error
	for _, one := range []struct {
		flag, file string
		write      func(io.Writer) error
	}{
		{"report", a.report, func(w io.Writer) error {
			return view.Report(w, e.runOf(command, routers, began), routers, whoReaches(routers), style)
		}},
		{"junit", a.junit, func(w io.Writer) error { return view.JUnit(w, command, routers, drift, style) }},
		{"metrics", a.metrics, func(w io.Writer) error { return view.Metrics(w, command, routers, began, took) }},
	} {
		if one.file == "" {
			continue
		}
		var text bytes.Buffer
		err := one.write(&text)
		if err == nil {
			err = replaceFile(one.file, text.Bytes(), forOthers)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", one.flag, err))
		}
	}
	return errors.Join(problems...)
}

// runOf is what a report says about a run as a whole.
func (e env) runOf(command string, routers []view.Router, began time.Time) view.Run {
	run := view.Run{Command: command, Actor: actor(), Tool: "rosknock " + buildVersion(), Made: began.UTC().Truncate(time.Second), Took: e.now().Sub(began)}
	for _, r := range routers {
		if r.Plan != "" && !slices.Contains(run.Plans, r.Plan) {
			run.Plans = append(run.Plans, r.Plan)
		}
	}
	return run
}

// Who may read a file that is written whole: whoever collects it, for it holds no secret, or its owner alone.
const (
	forOthers fs.FileMode = 0o644
	forOwner  fs.FileMode = 0o600
)

// replaceFile writes a file whole: nobody ever sees half of it.
func replaceFile(name string, text []byte, mode fs.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".rosknock-*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// whoReaches looks at who reaches each router before the change and after it; in a diff, after the change as it would be.
func whoReaches(routers []view.Router) []*view.Reachable {
	out := make([]*view.Reachable, len(routers))
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range next {
				out[i] = whoReachesOne(routers[i])
			}
		})
	}
	for i, r := range routers {
		if r.Snapshot != nil {
			next <- i
		}
	}
	close(next)
	wait.Wait()
	return out
}

func whoReachesOne(r view.Router) *view.Reachable {
	before := audit.Router(*r.Snapshot)
	after := before
	switch {
	case r.Result != nil && r.Result.After != nil:
		after = audit.Router(*r.Result.After)
	case r.Result == nil && r.Changes != nil && r.Changes.Changed():
		if then, err := diff.Rehearse(*r.Snapshot, *r.Changes, len(r.Changes.Steps)); err == nil { // else the proof says so
			after = audit.Router(then)
		}
	}
	return &view.Reachable{Before: before, After: after}
}
