package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/state"
)

func newJournal(e env) *cobra.Command {
	var verify bool
	c := &cobra.Command{
		Use:   "journal",
		Short: "Show what was done to which router, by whom",
		Long: `Show the journal: each change that was begun and how it ended, and each risk that was accepted. It is kept in the state
folder of this machine and user. Each line carries the hash of the one before; --verify says whether a line was changed,
taken out or put in.`,
		Example: `  rosknock journal
  rosknock journal --verify
  rosknock journal -r 192.0.2.1 -o json`,
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
				fmt.Fprintf(e.err, "rosknock: warning: %v\n", broken)
			}
			if verify {
				fmt.Fprintf(e.out, "%d records, the chain is whole\n", len(records))
				return nil
			}
			return view.Journal(e.out, s.Output, chosen(records, s.routers), e.style(s))
		},
	}
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
	path := s.StateDir
	if path == "" {
		var err error
		if path, err = e.defaultStateDir(); err != nil {
			return state.Dir{}, err
		}
	}
	return state.Open(path)
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
func (e env) lock(s settings, r router, p plans.Plan) (release func(), err error) {
	dir, err := e.state(s)
	if err != nil {
		return nil, err
	}
	lock, err := dir.Lock(r.target.HostPort(), state.Holder{PID: os.Getpid(), Actor: actor(), Command: "apply " + p.Name, Since: e.now().UTC()})
	if err != nil {
		return nil, err
	}
	return func() { _ = lock.Release() }, nil
}

// recorded does something to a router, and writes into the journal that it begins and how it ended. What can't be written down
// is not begun.
func (e env) recorded(s settings, p plans.Plan, r view.Router, do func() view.Router) view.Router {
	dir, err := e.state(s)
	if err != nil {
		r.Outcome, r.Err = apply.Refused, err
		return r
	}
	record := state.Record{
		Time: e.now(), Actor: actor(), Command: "apply", Event: state.Begin, Router: r.Name, Address: r.Address, Identity: r.Identity(), Plan: p.Name,
		Steps: len(r.Changes.Steps), Before: r.Snapshot.Digest(), Accepted: accepted(r.Proof),
	}
	if err := dir.Append(record); err != nil {
		r.Outcome, r.Err = apply.Refused, err
		return r
	}
	done := do()
	record.Time, record.Event, record.Outcome = e.now(), state.End, string(done.Outcome)
	if done.Result != nil {
		record.Done = view.Done(done.Result.Receipts)
		if done.Result.After != nil {
			record.After = done.Result.After.Digest()
		}
	}
	if done.Err != nil {
		record.Error = done.Err.Error()
	}
	if err := dir.Append(record); err != nil {
		fmt.Fprintf(e.err, "rosknock: warning: %s: what was done is not in the journal: %v\n", r.Name, err)
	}
	return done
}

func accepted(p *proof.Proof) []string {
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
		fmt.Fprintf(e.err, "rosknock: warning: that %s was accepted is not in the journal: %v\n", strings.Join(risks, ", "), err)
	}
}
