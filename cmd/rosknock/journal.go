package main

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
)

func newJournal(e env) *cobra.Command {
	var verify bool
	var run string
	c := &cobra.Command{
		Use:   "journal",
		Short: "Show what was done to which router, by whom",
		Long: `Show the journal: each change that was begun and how it ended, and each risk that was accepted. It is kept in the state
folder of this machine and user. Each line carries the hash of the one before; --verify says whether a line was changed,
taken out or put in.`,
		Example: `  rosknock journal
  rosknock journal --verify
  rosknock journal -r 192.0.2.1 -o json
  rosknock journal --run last`,
		Args: exactly(0, "journal takes no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			dir, err := e.state(s)
			if err != nil {
				return err
			}
			records, err := dir.Journal()
			var broken *state.BrokenError
			if err != nil && !errors.As(err, &broken) {
				return err
			}
			if verify && broken != nil {
				return broken
			}
			if broken != nil {
				view.Say(e.err, "rosknock: warning: %v\n", broken)
			}
			if verify {
				view.Say(e.out, "%d records, the chain is whole\n", len(records))
				return nil
			}
			if run == "last" {
				run = state.LastRun(records)
			}
			if run != "" {
				records = slices.DeleteFunc(records, func(r state.Record) bool { return r.Run != run })
			}
			return view.Journal(e.out, s.Output, chosen(records, s.routers), e.style(s))
		},
	}
	c.Flags().StringVar(&run, "run", "", "only one `RUN` over a fleet, or the last")
	c.Flags().BoolVar(&verify, "verify", false, "say whether the chain of hashes is whole; exit code 1 when it is not")
	return c
}

// chosen keeps the records of the routers that were named; without any, all of them.
func chosen(records []state.Record, routers []string) []state.Record {
	if len(routers) == 0 {
		return records
	}
	var out []state.Record
	for _, r := range records {
		for _, name := range routers {
			if _, host, ok := cutLast(name, "@"); ok {
				name = host
			}
			if r.Router == name || r.Address == name || r.Identity == name {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

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
	lock, err := dir.Lock(r.target.HostPort(), state.Holder{PID: os.Getpid(), Actor: actor(), Command: command, Since: e.now().UTC()})
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

// remind says that an earlier run on the router did not come to its end.
func (e env) remind(s settings, r router) {
	dir, err := e.state(s)
	if err != nil {
		return // which is said when the journal is written
	}
	e.memory.journal.Do(func() { e.memory.records, _ = dir.Journal() }) // what is wrong with it is said when it is written
	for _, left := range state.Unfinished(e.memory.records, r.target.HostPort()) {
		view.Say(e.err, "rosknock: %s: the change %s of the plan %s was begun by %s and did not end; the router has taken it back, or what it left is put right now\n", r.Name, left.Change, left.Plan, left.Actor)
		return // the last one is enough
	}
}

// change is what is written into the journal about a change.
type change struct{ command, plan, undoes, run, fingerprint string }

// recorded does something to a router. Before it begins, the menus that it will touch are backed up and the journal says that it begins;
// afterwards it says how it ended. What can't be written down is not begun.
func (e env) recorded(s settings, c change, r view.Router, do func(name string) view.Router) view.Router {
	refused := func(err error) view.Router {
		r.Outcome, r.Err = apply.Refused, err
		return r
	}
	dir, err := e.state(s)
	if err != nil {
		return refused(err)
	}
	name := state.NewChange(e.now())
	backup := state.NewBackup(*r.Snapshot, *r.Changes)
	backup.Change, backup.Time, backup.Actor, backup.Router, backup.Address, backup.Plan = name, e.now().UTC(), actor(), r.Name, r.Address, c.plan
	if err := dir.SaveBackup(backup); err != nil {
		return refused(err)
	}
	record := state.Record{
		Time: e.now(), Actor: actor(), Command: c.command, Event: state.Begin, Router: r.Name, Address: r.Address, Identity: r.Identity(), Plan: c.plan,
		Run: c.run, Fingerprint: c.fingerprint, Change: name, Undoes: c.undoes, Steps: len(r.Changes.Steps), Before: r.Snapshot.Digest(), Accepted: accepted(r.Proof, s),
		Installs: !remove.Installed(c.plan, *r.Snapshot),
	}
	if record.Touched, err = dir.Touched(*r.Snapshot, *r.Changes, c.plan); err != nil {
		return refused(err)
	}
	if err := dir.Append(record); err != nil {
		return refused(err)
	}
	done := do(name)
	done.Change, done.Undo = name, c.undoes != ""
	record.Time, record.Event, record.Outcome = e.now(), state.End, string(done.Outcome)
	if done.Result != nil {
		record.Done, record.Protection = view.Done(done.Result.Receipts), string(done.Result.Protection)
		if done.Result.After != nil {
			record.After = done.Result.After.Digest()
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

// ticked writes into the journal that a run found nothing to do on a router.
func (e env) ticked(s settings, p plans.Plan, r router, out view.Router, how applying) {
	known, err := e.fingerprint(s, p)
	dir, err2 := e.state(s)
	if err = errors.Join(err, err2); err == nil {
		err = dir.Append(state.Record{
			Time: e.now(), Actor: actor(), Command: how.command(), Event: state.End, Router: r.Name, Address: out.Address, Identity: out.Identity(), Plan: p.Name,
			Run: how.run, Fingerprint: known, Outcome: string(apply.Unchanged),
		})
	}
	if err != nil {
		view.Say(e.err, "rosknock: warning: %s: that there was nothing to do is not in the journal: %v\n", r.Name, err)
	}
}

// accepted are the risks that are taken: those that the proof found, and that of going without protection.
func accepted(p *proof.Proof, s settings) []string {
	out := risksTaken(p)
	if slices.Contains(s.accept, apply.Unprotected) {
		out = append(out, apply.Unprotected)
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
