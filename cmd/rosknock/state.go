package main

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

// State opens the state folder.
func (e access) State() (state.Dir, error) {
	path, err := e.stateDir()
	if err != nil {
		return state.Dir{}, err
	}
	return state.Open(path)
}

// History is the journal as it was when this program first asked.
func (e access) History() (*state.History, error) {
	dir, err := e.State()
	if err != nil {
		return nil, err
	}
	m := e.memory
	m.journal.Do(func() { m.history, m.historyErr = dir.History() })
	return m.history, m.historyErr
}

// stateDir is where the state folder is, or would be.
func (e access) stateDir() (string, error) {
	if e.StateDir != "" {
		return e.StateDir, nil
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

// runEnded writes into the journal how a run over a fleet ended: how many of its routers had which
// outcome.
func (e access) runEnded(command, run string, of *results) {
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
	operate.Append(e.desk(router{}), run, record)
}

// actor is who runs rosknock: ada@desk, or ada as rosknock@desk where sudo was asked for that account.
func actor() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if person := os.Getenv("SUDO_USER"); person != "" && person != name {
		name = person + " as " + name
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// ranking lists the outcomes. The one that needs attention most comes last.
func ranking() []apply.Outcome {
	return []apply.Outcome{apply.Unchanged, apply.Changed, apply.Skipped, apply.Refused, apply.Reverted, apply.Failed, apply.Unknown}
}

// refusedRun writes into the journal that a run was refused before it came to a router.
func (e access) refusedRun(command string, err error) {
	operate.Append(e.desk(router{}), command, state.Record{Time: e.now(), Actor: actor(), Command: command, Event: state.End, Outcome: string(apply.Refused), Error: err.Error()})
}

// act is what is done to the trusted ledger of a router, for the journal.
type act struct {
	access
	record state.Record
}

func (e access) act(r router, command, source string) *act {
	return &act{e, state.Record{
		Actor: actor(), Command: command, RouterKey: r.key(), Router: r.Name, Address: r.target.HostPort(), Source: source, Act: state.NewChange(e.now()),
	}}
}

// begin writes down what is about to be done. Nobody is trusted without a record; a revocation goes
// on without one.
func (a *act) begin(door, lasting string) error {
	a.record.Door, a.record.For = door, lasting
	a.record.Time, a.record.Event = a.now(), state.Begin
	dir, err := a.State()
	if err == nil {
		err = dir.Append(a.record)
	}
	return err
}

// end writes down how it ended.
func (a *act) end(out view.Trusted) {
	a.record.Time, a.record.Event, a.record.Outcome = a.now(), state.End, string(out.Outcome)
	a.record.Done = out.Revocation.Entries + out.Revocation.Connections
	left := slices.Clone(out.Revocation.Left)
	if out.Err != nil {
		left = append(left, out.Err.Error())
	}
	a.record.Error = strings.Join(left, "; ")
	dir, err := a.State()
	if err == nil {
		err = dir.Append(a.record)
	}
	if err != nil {
		view.Say(a.err, "rosknock: warning: %s: what was done is not in the journal: %v\n", a.record.Router, err)
	}
}
