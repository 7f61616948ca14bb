package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

// taker takes what there is of each router as it comes, to be written then or at the end.
type taker[T any] interface {
	Put(i int, of ...T)
	End() error
}

// flow is where the results of routers go.
type flow = taker[operate.Result]

// results collects what becomes of the routers of a run. It passes each result on as the router
// ends, and keeps only counts until the end of the run.
type results struct {
	// begin makes the flows when it is known over how many routers the run goes.
	begin func(routers int) ([]flow, error)
	// keeps says that all routers are needed until the end.
	keeps bool

	run    string // its name in the journal
	flows  []flow
	broken error
	spools []*spool

	mu       sync.Mutex
	kept     [][]operate.Result
	total    int
	bad      int
	refused  int // of those that are bad
	differ   bool
	changed  bool
	turned   map[string]bool // routers by name: whether a change was made on them, or would be
	lastCode exitCode        // of a bad one
	worst    map[apply.Outcome]int
	sum      sum
}

// start is called before the first router ends.
func (r *results) start(routers int) {
	r.worst, r.turned = map[apply.Outcome]int{}, map[string]bool{}
	if r.begin != nil {
		r.flows, r.broken = r.begin(routers)
	}
}

// store makes a place for what is written at the end.
func (r *results) store() view.Store {
	s := &spool{most: mostInMemory}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spools = append(r.spools, s)
	return s
}

// take takes all results of the router that is the i-th of the run. Several may end at once.
func (r *results) take(ctx context.Context, i int, of []operate.Result) {
	for _, f := range r.flows {
		f.Put(i, of...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keeps {
		for len(r.kept) <= i {
			r.kept = append(r.kept, nil)
		}
		r.kept[i] = of
	}
	var worst apply.Outcome
	for n, one := range of {
		r.count(ctx, one)
		if n == 0 || slices.Index(ranking(), one.Outcome) > slices.Index(ranking(), worst) {
			worst = one.Outcome
		}
	}
	r.worst[worst]++
	r.sum.add(of)
	for _, one := range of {
		r.turned[one.Name] = r.turned[one.Name] || turns(one)
	}
}

// turns reports whether a change was made on a router, or would be.
func turns(r operate.Result) bool {
	planned := r.Changes != nil && r.Changes.Changed() && r.Err == nil && r.Applied == nil // of a diff and of a dry run
	return r.Outcome == apply.Changed || planned && r.Outcome != apply.Refused
}

func (r *results) count(ctx context.Context, one operate.Result) {
	r.total++
	r.differ = r.differ || one.Changes != nil && one.Changes.Changed()
	r.changed = r.changed || one.Outcome == apply.Changed
	if one.Err == nil {
		return
	}
	if r.bad++; one.Outcome == apply.Refused {
		r.refused++
	}
	r.lastCode, _ = codeOf(ctx, one.Err)
	if begun := one.Applied != nil && one.Outcome != apply.Refused; begun && (r.lastCode == exitRefused || r.lastCode == exitMoved) {
		r.lastCode = exitFailed // what stood in the way, stood there in the middle
	}
}

// routers are all results, in the order of the run.
func (r *results) routers() []operate.Result { return slices.Concat(r.kept...) }

// finish ends the results and returns their code.
func (r *results) finish(ctx context.Context) error {
	if err := r.end(); err != nil {
		return err
	}
	return r.code(ctx)
}

// end writes what was not written yet.
func (r *results) end() error {
	defer r.close()
	if r.broken != nil {
		return r.broken
	}
	var problems []error
	for i, f := range r.flows {
		if err := f.End(); err != nil {
			if problems = append(problems, err); i == 0 {
				break
			}
		}
	}
	return errors.Join(problems...)
}

// close lets go of what was kept.
func (r *results) close() {
	for _, s := range r.spools {
		s.close()
	}
}

// code is the exit code of outcomes: that of the one router, or 5 when some of several failed.
func (r *results) code(ctx context.Context) error {
	switch {
	case r.bad == 0:
		return nil
	case ctx.Err() != nil:
		return shown(exitInterrupted)
	case r.total == 1:
		return shown(r.lastCode)
	case r.bad == r.total && r.refused == r.bad:
		return shown(exitRefused)
	}
	return shown(exitSome)
}

// outcomeCode is the exit code of results that are all there.
func outcomeCode(ctx context.Context, routers ...operate.Result) error {
	r := &results{}
	r.start(len(routers))
	for i, one := range routers {
		r.take(ctx, i, []operate.Result{one})
	}
	return r.code(ctx)
}

// shownBy are results that one flow shows.
func (e access) shownBy(show func(view.Sink) flow) *results {
	r := &results{}
	r.begin = func(int) ([]flow, error) { return []flow{show(e.sink(r))}, nil }
	return r
}

// sink is where results go on standard output.
func (e access) sink(r *results) view.Sink {
	return view.Sink{To: e.out, Format: e.Output, Style: e.style(), Keep: r.store}
}

// written writes results that are all there.
func written[T any](e access, flow func(view.Sink) *view.Flow[T], all iter.Seq[T]) error {
	r := &results{}
	defer r.close()
	f, i := flow(e.sink(r)), 0
	for one := range all {
		f.Put(i, one)
		i++
	}
	return f.End()
}

// of is a flow of what is made of routers: it is made once, for all that take it. The first of them
// is standard output.
type of[T any] struct {
	to   []taker[T]
	made func(operate.Result) T
}

// Put implements [flow].
func (o of[T]) Put(i int, results ...operate.Result) {
	made := make([]T, len(results))
	for n, r := range results {
		made[n] = o.made(r)
	}
	for _, to := range o.to {
		to.Put(i, made...)
	}
}

// End implements [flow].
func (o of[T]) End() error {
	var problems []error
	for _, to := range o.to {
		problems = append(problems, to.End())
	}
	return errors.Join(problems...)
}

// run is a run of changes as it is shown.
type changeRun struct {
	command string
	dryRun  bool
	drift   bool // is a failure of a test case
	files   reportFiles
	line    commandLine
}

// changes are the results of a run of changes, on standard output and in the files that were asked
// for.
func (e access) changes(run changeRun) *results {
	r, began := e.noted(&results{}), e.now()
	r.begin = func(routers int) ([]flow, error) {
		first, err := e.changesOut(run, r, began, routers)
		if err != nil {
			return nil, err
		}
		files, err := run.files.flows(e, run, r, began)
		return append([]flow{first}, files...), err
	}
	return r
}

// changesOut shows changes in the format that was asked for.
func (e access) changesOut(run changeRun, r *results, began time.Time, routers int) (flow, error) {
	sink := e.sink(r)
	if e.Output == "html" {
		return e.page(sink, run, r, began)
	}
	how := view.Telling{Routers: routers, Verbose: e.Verbose, LeftOut: func(n int) {
		e.remark("rosknock: %d routers are too many to show all of them here: -v shows each, and --report FILE.html\n", n)
	}}
	switch {
	case run.dryRun || run.command == "diff":
	case run.command == "undo":
		how.Reads = "it was before the change"
	case run.command == state.Removal:
		how.Reads = "it is to be without the plan"
	default:
		how.Reads = "the plan wants it"
	}
	return view.ChangesOf(sink, run.command, how), nil
}

// ran is what a page says of a run that ends now.
func (e env) ran(command string, began time.Time, plans []string) view.Run {
	return view.Run{Command: command, Plans: plans, Actor: actor(), Tool: "rosknock " + buildVersion(), Made: began.UTC().Truncate(time.Second), Took: e.now().Sub(began)}
}

// fileFlow is a flow into a file that is whole or not there.
type fileFlow[T any] struct {
	taker[T]
	flag string
	file *newFile
}

// End implements [taker].
func (f fileFlow[T]) End() error {
	err := f.taker.End()
	if err = f.file.end(err); err != nil {
		return fmt.Errorf("--%s: %w", f.flag, err)
	}
	return nil
}

// intoFile is a flow into the file that a flag names.
func intoFile[T any](e access, r *results, flag, name string, into func(view.Sink) (taker[T], error)) (taker[T], error) {
	file := &newFile{name: name, mode: forOthers}
	f, err := into(view.Sink{To: file, Style: e.style(), Keep: r.store})
	return fileFlow[T]{f, flag, file}, err
}
