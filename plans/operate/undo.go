package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
)

// Undo rolls back a change of a router by its name, or the last one. It also finishes a run that
// was cut off while its dead-man is still armed.
func Undo(name string) Operation {
	return Operation{
		command: "undo", holds: "undo", undo: true, undoes: name,
		prepare: func(a *attempt) (err error) {
			a.undone, err = a.backup(name)
			return err
		},
		compute: func(_ context.Context, a *attempt) { a.rollback(a.undone) },
	}
}

// undoneBefore skips a router on which the run that is resumed has rolled back its change: once more
// would roll back an earlier one.
func (a *attempt) undoneBefore() bool {
	for _, record := range a.Finished {
		if a.undo && record.Key() == a.router.Key {
			a.out.Outcome, a.out.Plan = apply.Skipped, record.Plan
			a.out.Note = resumedNote(record, a.Run)
			return true
		}
	}
	return false
}

// rollback computes the steps that roll a change back, and their proof.
func (a *attempt) rollback(b state.Backup) {
	before, done := undo.Carried(*a.out.Snapshot, b.Before(), b.Changes())
	changes, err := undo.Changes(*a.out.Snapshot, before, done, b.Plan)
	if err != nil {
		a.out = a.out.Failed(invalidf("the backup of the change %s does not fit together: %w", b.Change, err))
		return
	}
	a.proved(changes, proof.Way(*a.out.Snapshot, before, b.Plan, changes, a.carrier))
	a.left = func(after routeros.Snapshot) error {
		var problems []error
		for _, what := range undo.Left(after, before, done, b.Plan) {
			problems = append(problems, errors.New(what))
		}
		return errors.Join(problems...)
	}
}

// backup finds the change that is to be rolled back: the last one, or the one of that name when
// none of the same plan came after it.
func (a *attempt) backup(name string) (state.Backup, error) {
	dir, err := a.State()
	if err != nil {
		return state.Backup{}, err
	}
	history, err := dir.History()
	if err != nil {
		return state.Backup{}, err
	}
	key := a.router.Key
	records, _, err := history.Of(a.router.ref())
	shared, isShared := errors.AsType[*state.SharedError](err)
	if broken, ok := errors.AsType[*state.BrokenError](err); ok {
		a.Tell(Notice, "rosknock: warning: %v\n", broken)
	} else if err != nil && !isShared {
		return state.Backup{}, err
	}
	if err := a.meantime(records); err != nil && name == "" {
		return state.Backup{}, err
	}
	undoable := state.Undoable(records, key)
	switch {
	case len(undoable) == 0 && isShared:
		return state.Backup{}, &RefusedError{shared}
	case len(undoable) == 0 && name == "":
		return state.Backup{}, Refusef("%s: the journal in %s knows of no change of this router that could be rolled back; rosknock journal shows it%s", key, dir.Path(), a.byAddress(history))
	case name == "":
		name = undoable[0].Change
	}
	at := slices.IndexFunc(undoable, func(r state.Record) bool { return r.Change == name })
	if at < 0 {
		if _, err := dir.LoadBackup(key, name); err != nil {
			return state.Backup{}, &InvalidError{err}
		}
		return state.Backup{}, Refusef("the change %s of %s was rolled back already, or never done; rosknock journal shows it", name, key)
	}
	backup, err := dir.LoadBackup(undoable[at].BackupKey(), name)
	if err != nil {
		return backup, &InvalidError{err}
	}
	for _, later := range undoable[:at] {
		if later.Plan == backup.Plan {
			return backup, Refusef("the change %s of the plan %s came after %s: roll it back first, with rosknock undo %s %s", later.Change, later.Plan, name, later.Change, a.router.Select)
		}
	}
	return backup, nil
}

// meantime refuses a router that was changed by others after the run began that is resumed: its last
// change is not the one that the run was about.
func (a *attempt) meantime(records []state.Record) error {
	for _, r := range records {
		if !a.Begun.IsZero() && r.Run != a.Run && r.Event == state.End && r.Outcome == string(apply.Changed) && r.Time.After(a.Begun) {
			return Refusef("%s was changed by %s (%s, %s) after %s began, so its last change is another one now: name the change, with rosknock undo CHANGE %s, or leave --resume out",
				a.router.Key, r.Actor, r.Command, r.Change, a.Run, a.router.Select)
		}
	}
	return nil
}

// byAddress says that changes were made of a router that was named by the address of this one.
func (a *attempt) byAddress(history *state.History) string {
	key := inventory.NoSite + "/" + a.router.Address
	if records, err := history.Records(key); a.router.Sharing == nil || err != nil || len(state.Undoable(records, key)) == 0 {
		return ""
	}
	return fmt.Sprintf("; a router that was named by this address was changed: rosknock undo -r %s rolls that back", a.router.Address)
}
