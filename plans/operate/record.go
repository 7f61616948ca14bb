package operate

import (
	"errors"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
)

// Rotation is the command of a record that moves a door to its present window.
const Rotation = "rotate"

// ForeignChanges names the risk of changes that were saved elsewhere: nothing shows who made them.
const ForeignChanges = "foreign-changes"

// remind says that an earlier run on the router was not finished, or that it is not known whether
// some records are about this router.
func (a *attempt) remind() {
	records, err := a.records()
	if shared, ok := errors.AsType[*state.SharedError](err); ok {
		a.Tell(Once, "rosknock: warning: %v\n", shared)
	}
	for _, left := range state.Unfinished(records, a.router.Key) {
		a.Tell(Notice, "rosknock: %s: the change %s of the plan %s was begun by %s and did not end; the router has rolled it back, or this run puts right what it left\n", a.router.Name, left.Change, left.Plan, left.Actor)
		return // the last one is enough
	}
}

// records returns what the journal says of the router. That the journal is broken is reported where
// it matters: when it is written.
func (a *attempt) records() ([]state.Record, error) {
	history, err := a.History()
	if err != nil {
		return nil, err
	}
	records, _, err := history.Of(a.router.ref())
	return records, err
}

// recorded does something to the router. Before it begins, the menus that it will touch are backed
// up and the journal says that it begins; afterwards it says how it ended. What can't be written
// down is not begun.
func (a *attempt) recorded(do func(name string)) {
	name := state.NewChange(a.Now())
	r := a.record(state.Begin)
	dir, err := a.begin(&r, name)
	if err != nil {
		a.out = a.out.Refused(err)
		return
	}
	do(name)
	a.out.Change, a.out.Undo = name, a.undo
	r.Time, r.Event, r.Outcome = a.Now(), state.End, string(a.out.Outcome)
	if applied := a.out.Applied; applied != nil {
		r.Done, r.Protection = a.out.Done(), string(applied.Protection)
		if applied.After != nil {
			r.After = applied.After.Digest()
		}
	}
	if a.out.Err != nil {
		r.Error = a.out.Err.Error()
	}
	if err := dir.Append(r); err != nil {
		a.Tell(Notice, "rosknock: warning: %s: what was done is not in the journal: %v\n", a.router.Name, err)
	}
}

// record is what is written into the journal about the operation, at its beginning or its end.
func (a *attempt) record(event string) state.Record {
	return state.Record{
		Time: a.Now(), Actor: a.Actor, Command: a.command, Event: event, RouterKey: a.router.Key, Router: a.router.Name, Address: a.router.Address,
		Identity: a.out.Identity(), Plan: a.plan.Name, Run: a.Run, Undoes: a.undoes,
	}
}

// begin keeps a backup and writes down that a change begins. It completes the record.
func (a *attempt) begin(r *state.Record, name string) (state.Dir, error) {
	dir, err := a.State()
	if err != nil {
		return dir, err
	}
	if a.traced {
		if r.Fingerprint, err = dir.Fingerprint(plans.Write(a.plan)); err != nil {
			return dir, err
		}
	}
	if a.undo {
		r.Plan, r.Undoes = a.undone.Plan, a.undone.Change
	}
	if err := a.takeOver(dir); err != nil {
		return dir, err
	}
	backup := state.NewBackup(*a.out.Snapshot, *a.out.Changes)
	backup.Change, backup.Time, backup.Actor, backup.Key, backup.Router, backup.Address, backup.Plan = name, a.Now().UTC(), a.Actor, a.router.Key, a.router.Name, a.router.Address, r.Plan
	if err := dir.SaveBackup(backup); err != nil {
		return dir, err
	}
	r.Change, r.Steps, r.Before, r.Accepted = name, len(a.out.Changes.Steps), a.out.Snapshot.Digest(), a.acceptedRisks()
	r.Installs = !remove.Installed(r.Plan, *a.out.Snapshot)
	if r.Touched, err = dir.Touched(*a.out.Snapshot, *a.out.Changes, r.Plan); err != nil {
		return dir, err
	}
	return dir, dir.Append(*r)
}

// takeOver writes down that records which an older version kept under a router's address belong to
// the router from now on.
func (a *attempt) takeOver(dir state.Dir) error {
	history, err := a.History()
	if err != nil {
		return err
	}
	ref := a.router.ref()
	_, takes, _ := history.Of(ref)
	if !takes {
		return nil
	}
	return dir.Append(state.Record{Time: a.Now(), Actor: a.Actor, Command: "take over", Event: state.TakeOver, Router: ref.Name, Address: ref.Address, TakenBy: ref.Key})
}

// ended writes into the journal how it ended on a router where nothing was begun: there was nothing
// to do, it was refused, it could not be reached, the person who was asked said no. What was begun
// has its outcome already.
func (a *attempt) ended() {
	switch {
	case a.out.Change != "", a.out.Note != "", a.out.Outcome == "": // it is there, or in the run that is resumed; or nothing was to be done
		return
	case a.out.Outcome == apply.Skipped && a.out.Err != nil && a.Several: // its turn did not come: the run's end counts them
		return
	case a.out.Outcome == apply.Unchanged && a.command == Rotation: // a timer asks all day, mostly to find nothing to do
		return
	}
	dir, err := a.State()
	if err != nil {
		return // which was said before
	}
	r := a.record(state.End)
	if r.Outcome = string(a.out.Outcome); a.traced {
		r.Fingerprint, _ = dir.Fingerprint(plans.Write(a.plan)) // without it, a run that is resumed looks again
	}
	if a.out.Err != nil {
		r.Error = a.out.Err.Error()
	}
	Append(a.Desk, a.router.Name, r)
}

// Append writes a record into the journal. A failure can only be reported now; a missing state
// folder was reported before. of is what the record is about.
func Append(d Desk, of string, r state.Record) {
	dir, err := d.State()
	if err != nil {
		return
	}
	if err := dir.Append(r); err != nil {
		d.Tell(Notice, "rosknock: warning: %s: how %s ended is not in the journal: %v\n", of, r.Command, err)
	}
}

// acceptedRisks lists the risks that were accepted: those that the proof found, that of going
// without protection, and that of changes that were made elsewhere.
func (a *attempt) acceptedRisks() []string {
	out := a.out.Risks()
	if a.accepts(apply.Unprotected) {
		out = append(out, apply.Unprotected)
	}
	if a.Elsewhere {
		out = append(out, ForeignChanges)
	}
	return out
}

// Risks lists the risks that the proof found, and that were accepted.
func (r Result) Risks() []string {
	if r.Proof == nil {
		return nil
	}
	var out []string
	for _, f := range r.Proof.Accepted {
		out = append(out, f.Risk)
	}
	return out
}

// Note writes into the journal that risks were accepted by a command that changes nothing.
func Note(d Desk, actor, command, router, plan string, risks []string) {
	if len(risks) == 0 {
		return
	}
	dir, err := d.State()
	if err == nil {
		err = dir.Append(state.Record{Time: d.Now(), Actor: actor, Command: command, Event: state.Note, Router: router, Plan: plan, Accepted: risks})
	}
	if err != nil {
		d.Tell(Notice, "rosknock: warning: that %s was accepted is not in the journal: %v\n", strings.Join(risks, ", "), err)
	}
}
