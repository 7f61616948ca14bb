package main

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
)

// state opens the state folder.
func (e env) state(s settings) (state.Dir, error) {
	path, err := e.stateDir(s)
	if err != nil {
		return state.Dir{}, err
	}
	return state.Open(path)
}

// stateDir is where the state folder is, or would be.
func (e env) stateDir(s settings) (string, error) {
	if s.StateDir != "" {
		return s.StateDir, nil
	}
	return e.defaultStateDir()
}

// defaultStateDir is the system's place for what programs remember.
func (e env) defaultStateDir() (string, error) {
	if dir := e.getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "rosknock"), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "rosknock", "state"), err
	}
	home := e.getenv("HOME")
	if home == "" { // as in a timer's unit
		u, err := user.Current()
		if err != nil {
			return "", usagef("there is no home to keep the journal in: name a folder with --state-dir")
		}
		home = u.HomeDir
	}
	return filepath.Join(home, ".local", "state", "rosknock"), nil
}

// actor is who runs rosknock.
func actor() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// lock keeps other runs on this machine off a router, from before it is read until the end.
func (e env) lock(s settings, r router, command string) (release func(), err error) {
	dir, err := e.state(s)
	if err != nil {
		return nil, err
	}
	lock, err := dir.Lock(r.key(), state.Holder{PID: os.Getpid(), Actor: actor(), Command: command, Since: e.now().UTC()})
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

// journal is the journal as it was when this program first asked.
func (e env) journal(dir state.Dir) (*state.History, error) {
	m := e.memory
	m.journal.Do(func() { m.history, m.historyErr = dir.History() })
	return m.history, m.historyErr
}

// recordsOf returns what the journal says of a router. A broken journal is reported where it
// matters.
func (e env) recordsOf(s settings, dir state.Dir, r router) []state.Record {
	history, err := e.journal(dir)
	if err != nil {
		return nil // which is said when it is written
	}
	records, _, _ := history.Of(e.ref(s, r))
	return records
}

// takeOver writes down that records which an older version kept under a router's address belong to
// the router from now on.
func (e env) takeOver(dir state.Dir, ref state.Ref) error {
	history, err := e.journal(dir)
	if err != nil {
		return err
	}
	_, takes, _ := history.Of(ref)
	if !takes {
		return nil
	}
	return dir.Append(state.Record{Time: e.now(), Actor: actor(), Command: "take over", Event: state.TakeOver, Router: ref.Name, Address: ref.Address, TakenBy: ref.Key})
}

// remind says that an earlier run on the router was not finished, or that it is not known whether
// some records are about this router.
func (e env) remind(s settings, r router) {
	dir, err := e.state(s)
	if err != nil {
		return // which is said when the journal is written
	}
	history, err := e.journal(dir)
	if err != nil {
		return
	}
	records, _, err := history.Of(e.ref(s, r))
	if shared, ok := errors.AsType[*state.SharedError](err); ok {
		e.memory.older.Do(func() { view.Say(e.err, "rosknock: warning: %v\n", shared) }) // the first of many
	}
	for _, left := range state.Unfinished(records, r.key()) {
		view.Say(e.err, "rosknock: %s: the change %s of the plan %s was begun by %s and did not end; the router has rolled it back, or this run puts right what it left\n", r.Name, left.Change, left.Plan, left.Actor)
		return // the last one is enough
	}
}

// rotation is the command of a record that moves a door to its present window.
const rotation = "rotate"

// entry is what is written into the journal about a change.
type entry struct{ command, plan, undoes, run, fingerprint string }

// recorded does something to a router. Before it begins, the menus that it will touch are backed up
// and the journal says that it begins; afterwards it says how it ended. What can't be written down
// is not begun.
func (e env) recorded(s settings, c entry, r router, out operate.Result, do func(name string) operate.Result) operate.Result {
	refused := func(err error) operate.Result {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	dir, err := e.state(s)
	if err != nil {
		return refused(err)
	}
	if err := e.takeOver(dir, e.ref(s, r)); err != nil {
		return refused(err)
	}
	name := state.NewChange(e.now())
	backup := state.NewBackup(*out.Snapshot, *out.Changes)
	backup.Change, backup.Time, backup.Actor, backup.Key, backup.Router, backup.Address, backup.Plan = name, e.now().UTC(), actor(), r.key(), r.Name, out.Address, c.plan
	if err := dir.SaveBackup(backup); err != nil {
		return refused(err)
	}
	record := state.Record{
		Time: e.now(), Actor: actor(), Command: c.command, Event: state.Begin, RouterKey: r.key(), Router: r.Name, Address: out.Address, Identity: out.Identity(), Plan: c.plan,
		Run: c.run, Fingerprint: c.fingerprint, Change: name, Undoes: c.undoes, Steps: len(out.Changes.Steps), Before: out.Snapshot.Digest(), Accepted: accepted(out.Proof, s),
		Installs: !remove.Installed(c.plan, *out.Snapshot),
	}
	if record.Touched, err = dir.Touched(*out.Snapshot, *out.Changes, c.plan); err != nil {
		return refused(err)
	}
	if err := dir.Append(record); err != nil {
		return refused(err)
	}
	done := do(name)
	done.Change, done.Undo = name, c.undoes != ""
	record.Time, record.Event, record.Outcome = e.now(), state.End, string(done.Outcome)
	if done.Applied != nil {
		record.Done, record.Protection = done.Done(), string(done.Applied.Protection)
		if done.Applied.After != nil {
			record.After = done.Applied.After.Digest()
		}
	}
	if done.Err != nil {
		record.Error = done.Err.Error()
	}
	if err := dir.Append(record); err != nil {
		view.Say(e.err, "rosknock: warning: %s: what was done is not in the journal: %v\n", r.Name, err)
	}
	return done
}

// fingerprint tells in the journal which plan it was, without telling the plan.
func (e env) fingerprint(s settings, p plans.Plan) (string, error) {
	dir, err := e.state(s)
	if err != nil {
		return "", err
	}
	return dir.Fingerprint(plans.Write(p))
}

// outcome writes into the journal how it ended on a router where nothing was begun: there was
// nothing to do, it was refused, it could not be reached, the person who was asked said no. What
// was begun has its outcome already.
func (e env) outcome(s settings, c entry, r router, out operate.Result) {
	switch {
	case out.Change != "", out.Note != "", out.Outcome == "": // it is there, or in the run that is resumed; or nothing was to be done
		return
	case out.Outcome == apply.Skipped && out.Err != nil && e.among > 1: // its turn did not come: the run's end counts them
		return
	case out.Outcome == apply.Unchanged && c.command == rotation: // a timer asks all day, mostly to find nothing to do
		return
	}
	record := state.Record{
		Time: e.now(), Actor: actor(), Command: c.command, Event: state.End, RouterKey: r.key(), Router: r.Name, Address: r.target.HostPort(), Identity: out.Identity(), Plan: c.plan,
		Run: c.run, Fingerprint: c.fingerprint, Undoes: c.undoes, Outcome: string(out.Outcome),
	}
	if out.Err != nil {
		record.Error = out.Err.Error()
	}
	e.append(s, r.Name, record)
}

// append writes a record into the journal. A failure can only be reported now; a missing state
// folder was reported before.
func (e env) append(s settings, router string, r state.Record) {
	dir, err := e.state(s)
	if err != nil {
		return
	}
	if err := dir.Append(r); err != nil {
		view.Say(e.err, "rosknock: warning: %s: how %s ended is not in the journal: %v\n", router, r.Command, err)
	}
}

// runEnded writes into the journal how a run over a fleet ended: how many of its routers had which
// outcome.
func (e env) runEnded(s settings, command, run string, of *results) {
	record := state.Record{Time: e.now(), Actor: actor(), Command: command, Event: state.RunEnd, Run: run, Outcomes: map[string]int{}}
	total := apply.Outcome("")
	for o, n := range of.worst {
		record.Routers += n
		record.Outcomes[string(o)] += n
		if slices.Index(ranking(), o) > slices.Index(ranking(), total) {
			total = o
		}
	}
	record.Outcome = string(total)
	e.append(s, run, record)
}

// ranking lists the outcomes. The one that needs attention most comes last.
func ranking() []apply.Outcome {
	return []apply.Outcome{apply.Unchanged, apply.Changed, apply.Skipped, apply.Refused, apply.Reverted, apply.Failed, apply.Unknown}
}

// refusedRun writes into the journal that a run was refused before it came to a router.
func (e env) refusedRun(s settings, command string, err error) {
	e.append(s, command, state.Record{Time: e.now(), Actor: actor(), Command: command, Event: state.End, Outcome: string(apply.Refused), Error: err.Error()})
}

// accepted lists the risks that were accepted: those that the proof found, that of going without
// protection, and that of changes that were made elsewhere.
func accepted(p *proof.Proof, s settings) []string {
	out := risksTaken(p)
	if slices.Contains(s.accept, apply.Unprotected) {
		out = append(out, apply.Unprotected)
	}
	if s.foreign {
		out = append(out, foreignChanges)
	}
	return out
}

func risksTaken(p *proof.Proof) []string {
	if p == nil {
		return nil
	}
	var out []string
	for _, f := range p.Accepted {
		out = append(out, f.Risk)
	}
	return out
}

// noted writes into the journal that risks were accepted by a command that changes nothing.
func (e env) noted(s settings, command, router, plan string, risks []string) {
	if len(risks) == 0 {
		return
	}
	dir, err := e.state(s)
	if err == nil {
		err = dir.Append(state.Record{Time: e.now(), Actor: actor(), Command: command, Event: state.Note, Router: router, Plan: plan, Accepted: risks})
	}
	if err != nil {
		view.Say(e.err, "rosknock: warning: that %s was accepted is not in the journal: %v\n", strings.Join(risks, ", "), err)
	}
}

// act is what is done to the trusted ledger of a router, for the journal.
type act struct {
	env      env
	settings settings
	record   state.Record
}

func (e env) act(s settings, r router, command, source string) *act {
	return &act{e, s, state.Record{
		Actor: actor(), Command: command, RouterKey: r.key(), Router: r.Name, Address: r.target.HostPort(), Source: source, Act: state.NewChange(e.now()),
	}}
}

// begin writes down what is about to be done. Nobody is trusted without a record; a revocation goes
// on without one.
func (a *act) begin(door, lasting string) error {
	a.record.Door, a.record.For = door, lasting
	a.record.Time, a.record.Event = a.env.now(), state.Begin
	dir, err := a.env.state(a.settings)
	if err == nil {
		err = dir.Append(a.record)
	}
	return err
}

// end writes down how it ended.
func (a *act) end(out view.Trusted) {
	a.record.Time, a.record.Event, a.record.Outcome = a.env.now(), state.End, string(out.Outcome)
	a.record.Done = out.Revocation.Entries + out.Revocation.Connections
	left := slices.Clone(out.Revocation.Left)
	if out.Err != nil {
		left = append(left, out.Err.Error())
	}
	a.record.Error = strings.Join(left, "; ")
	dir, err := a.env.state(a.settings)
	if err == nil {
		err = dir.Append(a.record)
	}
	if err != nil {
		view.Say(a.env.err, "rosknock: warning: %s: what was done is not in the journal: %v\n", a.record.Router, err)
	}
}
