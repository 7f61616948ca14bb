package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/plans/state"
)

// fleetFlags says how a command goes over several routers.
type fleetFlags struct {
	forks         int
	forksGrow     bool // their number is not given
	retries       int
	retriesTyped  bool
	routerTimeout time.Duration
	totalTimeout  time.Duration
}

const mostForks = 1000

func paceFlags(f *pflag.FlagSet) {
	f.Int("forks", 32, "how many routers at once; if not given, more than 32 while this machine can work on more, unless --max-fail is given")
	f.Int("retries", 1, "how often a router that does not answer is tried again, when there are several; writes are never repeated")
	f.Duration("router-timeout", 0, "`TIME` for each router; an unfinished change is rolled back then; 0 for none")
	f.Duration("total-timeout", 0, "`TIME` for all routers; then nothing more is begun, and unfinished changes are rolled back; 0 for none")
}

func readPace(f *pflag.FlagSet, s settings) (fleetFlags, error) {
	var p fleetFlags
	p.forks, _ = f.GetInt("forks")
	p.forksGrow = s.said["forks"] == byDefault
	p.retries, _ = f.GetInt("retries")
	p.retriesTyped = s.said["retries"] > byDefault
	p.routerTimeout, _ = f.GetDuration("router-timeout")
	p.totalTimeout, _ = f.GetDuration("total-timeout")
	switch {
	case p.forks < 1 || p.forks > mostForks:
		return p, usagef("%s %d: from 1 to %d", s.subject("forks"), p.forks, mostForks)
	case p.retries < 0 || p.retries > 20:
		return p, usagef("%s %d: from 0 to 20", s.subject("retries"), p.retries)
	case p.routerTimeout < 0:
		return p, usagef("%s %s: it must not be negative", s.subject("router-timeout"), p.routerTimeout)
	case p.totalTimeout < 0:
		return p, usagef("%s %s: it must not be negative", s.subject("total-timeout"), p.totalTimeout)
	}
	return p, nil
}

// backoff is how a router that does not answer is tried again. For one router there is no retry by
// default: the person who waits wants to know at once.
func (p fleetFlags) backoff(routers int) fleet.Backoff {
	if routers < 2 && !p.retriesTyped {
		return fleet.Backoff{}
	}
	return fleet.Backoff{Retries: p.retries, First: 2 * time.Second}
}

// rollout says how changes go over a fleet.
type rollout struct {
	waves   string
	pause   time.Duration
	maxFail string
	window  string
	resume  string
}

func (r *rollout) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.waves, "waves", "", "routers wave by wave, in `SIZES` such as 1,10%,100%; the last size repeats")
	f.DurationVar(&r.pause, "pause", 0, "`TIME` between two waves")
	f.StringVar(&r.maxFail, "max-fail", "", "stop when more than `N` or N% of the routers failed")
	f.StringVar(&r.window, "window", "", "begin no change outside a maintenance window, `TIMES` such as \"Sat 02:00-04:00 Europe/Berlin\", and none that may be rolled back after it")
}

// options are those of a run of changes. lasting is how long after its beginning a change may still
// be rolled back.
func (r rollout) options(e env, lasting time.Duration) (fleet.Options, error) {
	var o fleet.Options
	var err error
	if r.waves != "" {
		if o.Waves, err = fleet.ParseWaves(r.waves); err != nil {
			return o, usagef("--waves: %w", err)
		}
	}
	if o.Pause = r.pause; r.pause < 0 || r.pause > 0 && r.waves == "" {
		return o, usagef("--pause %s: it is a pause between waves, so it needs --waves", r.pause)
	}
	if o.MaxFail, err = fleet.ParseLimit(r.maxFail); err != nil {
		return o, usagef("--max-fail: %w", err)
	}
	if r.window == "" {
		return o, nil
	}
	w, err := fleet.ParseWindow(r.window)
	if err != nil {
		return o, usagef("--window: %w", err)
	}
	o.Admit = func() error { return w.Admit(e.now(), lasting) }
	return o, nil
}

// fleetRun is a command on its way over routers.
type fleetRun struct {
	access
	routers []router
	options fleet.Options
	verb    string // what is done, for the progress
	// silent says that only failures are worth a line: the result shows the rest.
	silent bool
	// changes says that routers are changed, not only read.
	changes bool
	// plan names the plan of a router whose turn does not come; nil where there is none.
	plan func(router string) string
}

// over does something with each router, and passes on its results as it ends. Each router has one
// result at least, also one whose turn never came. quiet is the environment for one router among
// several.
func (t fleetRun) over(ctx context.Context, to *results, do func(ctx context.Context, quiet access, r router) []operate.Result) {
	whole := ctx
	o := t.options
	o.Forks, o.RouterTimeout = t.pace.forks, t.pace.routerTimeout
	if t.pace.forksGrow && o.MaxFail == (fleet.Limit{}) { // the more at once, the later a limit of failures ends a run
		o.Most, o.Busy = mostForks, (&fleet.Load{Memory: t.mostMemory()}).Busy
	}
	if t.pace.totalTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.pace.totalTimeout, fmt.Errorf("--total-timeout: the %s are over", t.pace.totalTimeout))
		defer cancel()
	}
	to.start(len(t.routers))
	results := make([][]operate.Result, len(t.routers)) // of those that are just ending
	show := t.progress(results)
	o.Observe = show.observe
	e := t.access
	e.among, e.err = len(t.routers), show
	e.quiet = e.among > 1 && !t.Verbose
	errs := fleet.Run(ctx, len(t.routers), o, func(ctx context.Context, i int) fleet.Verdict {
		began := t.now()
		results[i] = do(ctx, e, t.routers[i])
		for n := range results[i] {
			r := &results[i][n]
			r.Groups, r.Tags = t.routers[i].Groups, t.routers[i].Tags
			r.Select = t.selecting(t.routers[i])
			r.Took = t.now().Sub(began)
			if ctx.Err() != nil && r.Err != nil && t.pace.routerTimeout > 0 && context.Cause(ctx) != nil {
				r.Err = fmt.Errorf("%w (%w)", r.Err, context.Cause(ctx))
			}
		}
		to.take(whole, i, results[i])
		return verdict(results[i])
	})
	show.done()
	show.notBegun(errs)
	for i, err := range errs {
		if err != nil {
			r := t.routers[i]
			plan := ""
			if t.plan != nil {
				plan = t.plan(r.Name)
			}
			one := t.operated(r).Result()
			one.Plan, one.Outcome, one.Err = plan, apply.Skipped, err
			to.take(whole, i, []operate.Result{one})
		}
	}
}

// The memory up to which the number of routers at once grows by itself, in bytes. A change holds its
// router several times as long as a comparison, and more of it: before, between and after.
const (
	memoryToRead   = 34 << 20
	memoryToChange = 96 << 20
)

// mostMemory is up to how much of it more routers at once are begun by themselves.
func (t fleetRun) mostMemory() uint64 {
	if t.changes {
		return memoryToChange
	}
	return memoryToRead
}

// verdict is what the results of one router mean for the others.
func verdict(results []operate.Result) fleet.Verdict {
	out := fleet.Done
	for _, r := range results {
		_, shut := errors.AsType[*apply.LockedOutError](r.Err)
		switch {
		case shut || r.Outcome == apply.Unknown:
			return fleet.Lockout
		case r.Err != nil:
			out = fleet.Failed
		}
	}
	return out
}

// job is one router with its plans.
type job struct {
	router
	plans []plans.Plan
}

// planned gives each router its plans: the one of the command line, or else those of the inventory,
// with the variables filled in. It returns all mistakes of all plans at once, each once.
func (e access) planned(ctx context.Context, routers []router, args []string) ([]job, error) {
	return e.plannedWith(routers, args, func(plan plans.Plan, r router) (plans.Plan, error) { return e.resolved(ctx, plan, r) })
}

// plannedWith is planned with another way to look up what a plan refers to.
func (e access) plannedWith(routers []router, args []string, resolve func(plans.Plan, router) (plans.Plan, error)) ([]job, error) {
	p := planReader{resolve: resolve, named: len(args) > 0, inventories: e.inventories, texts: map[string][]byte{}, names: map[string][]string{}, read: map[string]plans.Plan{}, failed: map[string]form.Problems{}, affected: map[string][]string{}}
	var out []job
	var bare []string
	planFiles := map[string]string{}
	for _, r := range routers {
		j := job{router: r}
		files := r.files
		if len(args) > 0 {
			files = args
		}
		if len(files) == 0 {
			bare = append(bare, r.Name)
		}
		for _, file := range files {
			plan, err := p.plan(file, r)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(j.plans, func(other plans.Plan) bool { return other.Name == plan.Name && plan.Name != "" }) {
				return nil, invalid(fmt.Errorf("%s: two of its plans are called %q: the name marks the rules on the router, so each needs its own", r.Name, plan.Name))
			}
			j.plans = append(j.plans, plan)
			planFiles[plan.Name] = file
		}
		out = append(out, j)
	}
	if err := p.problems(); err != nil {
		return nil, err
	}
	if e.memory != nil {
		e.memory.plans, e.memory.files = p.texts, planFiles
	}
	if len(bare) > 0 && len(e.inventories) == 0 {
		return nil, usagef("no plan: name its file, or a fleet whose inventory names plans with -i FILE")
	}
	if len(bare) > 0 {
		return nil, usagef("no plan for %s: name its file, or give them plans in %s", someOf(bare), strings.Join(e.inventories, ", "))
	}
	return out, nil
}

// resolved looks up the payloads of a plan, and refuses secrets of its rotating doors that are
// easily found.
func (e env) resolved(ctx context.Context, p plans.Plan, r router) (plans.Plan, error) {
	out, err := e.found(ctx, p, r)
	if err != nil {
		return p, err
	}
	for _, d := range p.Doors {
		if err := e.strong(ctx, d, r); err != nil {
			return p, invalid(fmt.Errorf("plan %s: door %s: %w", p.Name, d.Name, err))
		}
	}
	return out, nil
}

// found looks up the payloads of a plan.
func (e env) found(ctx context.Context, p plans.Plan, r router) (plans.Plan, error) {
	out, err := p.Resolve(func(c plans.Credential) (string, error) { return e.credential(ctx, c, r) })
	if err != nil {
		return p, invalid(err)
	}
	// A secret that can't be found, or is too short, is known before the first router is asked for
	// its name.
	_, err = e.derived(ctx, p, r, "anybody", func(sequence.Schedule) []int64 { return []int64{0} })
	return out, err
}

// foundWeak is found for a person who has to get in with what the routers know now: a weak secret
// is only warned of.
func (e env) foundWeak(ctx context.Context, p plans.Plan, r router) (plans.Plan, error) {
	out, err := e.found(ctx, p, r)
	for _, d := range p.Doors {
		if weak := e.strong(ctx, d, r); err == nil && weak != nil {
			view.Say(e.err, "rosknock: warning: plan %s: door %s: %v\n", p.Name, d.Name, weak)
		}
	}
	return out, err
}

// strong checks the secret from which the knocks of a door follow.
func (e env) strong(ctx context.Context, d plans.Door, r router) error {
	if d.Rotate == nil {
		return nil
	}
	secret, err := e.credential(ctx, d.Rotate.Secret, r)
	if err != nil {
		return err
	}
	return sequence.CheckSecret([]byte(secret))
}

// someOf lists names, the first few.
func someOf(names []string) string {
	const most = 3
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// planReader reads each plan once for each set of values of its variables.
type planReader struct {
	texts    map[string][]byte
	names    map[string][]string // variables by file
	read     map[string]plans.Plan
	failed   map[string]form.Problems // by file and values
	order    []form.Problem           // each once, as it was met first
	affected map[string][]string      // routers by problem
	resolve  func(plans.Plan, router) (plans.Plan, error)

	named       bool // on the command line, not by these inventories
	inventories []string
}

func (p *planReader) plan(file string, r router) (plans.Plan, error) {
	if _, known := p.texts[file]; !known {
		data, err := readFile(file, maxPlan)
		if err != nil {
			return plans.Plan{}, invalid(err)
		}
		p.texts[file], p.names[file] = data, plans.Variables(data)
	}
	values := []string{file}
	for _, name := range p.names[file] {
		value, set := r.vars[name]
		values = append(values, strconv.FormatBool(set)+value)
	}
	key := strings.Join(values, "\x00")
	if plan, ok := p.read[key]; ok {
		return plan, nil
	}
	problems, known := p.failed[key]
	if !known {
		plan, err := plans.ReadWith(file, p.texts[file], r.vars)
		if err == nil {
			if plan, err = p.resolve(plan, r); err != nil {
				return plan, err
			}
			p.read[key] = plan
			return plan, nil
		}
		if !errors.As(err, &problems) {
			return plan, err
		}
		if p.stranger(file) {
			problems = form.Problems{{
				File: file, Line: problems[0].Line, Column: problems[0].Column, Message: "it is not a valid plan, and lies outside the folder of the inventory that names it, so nothing of it is shown",
				Remedy: "rosknock lint " + file + " says what is wrong",
			}}
		}
		p.failed[key] = problems
	}
	for _, problem := range problems {
		text := problem.String()
		if p.affected[text] == nil {
			p.order = append(p.order, problem)
		}
		p.affected[text] = append(p.affected[text], r.Name)
	}
	return plans.Plan{}, nil
}

// stranger reports whether a file is named by an inventory but lies outside the folders of all
// inventories. Somebody else may have written the inventory, and want to be shown a file that is
// not theirs.
func (p *planReader) stranger(file string) bool {
	return !p.named && !slices.ContainsFunc(p.inventories, func(name string) bool {
		folder, err := realPath(filepath.Dir(name))
		path, err2 := realPath(file)
		if err != nil || err2 != nil {
			return false
		}
		rest, err := filepath.Rel(folder, path)
		return err == nil && filepath.IsLocal(rest)
	})
}

func realPath(name string) (string, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(full)
}

// problems returns the mistakes of all plans, each once. A mistake that not all routers of a plan
// share comes with the routers concerned.
func (p *planReader) problems() error {
	var out form.Problems
	for _, problem := range p.order {
		affected := p.affected[problem.String()]
		if len(p.names[problem.File]) > 0 {
			problem.Message += " (for " + someOf(affected) + ")"
		}
		out = append(out, problem)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// begin opens a run of changes over a fleet in the journal and gives it a name. Where one is
// resumed, it finds when that run began, and what it has finished. A change of one router of the
// command line is a run only where it has a page, which names it.
func (e access) begin(how *changeFlags, routers int) error {
	resume := how.rollout.resume
	if resume == "" && len(e.inventories) == 0 && routers < 2 && !how.named {
		return nil
	}
	dir, err := e.State()
	if err != nil {
		return err
	}
	if resume == "" {
		how.run = state.NewRun(e.now())
		e.remark("this is %s; if it stops, the same command with --resume %s continues it\n", how.run, how.run)
		return dir.Append(state.Record{Time: e.now(), Actor: actor(), Command: how.command, Event: state.RunBegin, Run: how.run, Routers: routers})
	}
	history, err := dir.History()
	if err != nil {
		return err
	}
	records, err := history.Run(resume)
	if _, broken := errors.AsType[*state.BrokenError](err); err != nil && !broken {
		return err
	}
	if len(records) == 0 {
		return usagef("--resume %s: the journal in %s knows no such run; rosknock journal shows them, and: --resume last", resume, dir.Path())
	}
	first := records[0]
	if first.Command != how.command {
		return usagef("--resume %s: it is not a run of %s; rosknock journal shows what it is", first.Run, how.command)
	}
	how.run, how.begun = first.Run, first.Time
	if how.command == undoing {
		how.finished = rolledBack(records, first.Run)
	} else {
		how.finished, _ = state.Finished(records, first.Run)
	}
	return nil
}

// rolledBack is what a run of undo has finished, by router. It stays finished, whatever comes later:
// a second undo would roll back an earlier change.
func rolledBack(records []state.Record, run string) map[string]state.Record {
	done := map[string]state.Record{}
	for _, r := range records {
		if r.Run == run && r.Event == state.End && (r.Outcome == string(apply.Changed) || r.Outcome == string(apply.Unchanged)) {
			done[r.Key()] = r
		}
	}
	return done
}
