package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

func newUndo(e env) *cobra.Command {
	var how applying
	var files artefacts
	c := &cobra.Command{
		Use:   "undo [CHANGE]",
		Short: "Roll back the last change of routers, or a named one",
		Long: `Roll back what the last apply did to each router, or one change by its name, as
rosknock journal shows it. The backup that apply made before its first step tells what was there.
The plan's own rules, list entries and services become what they were. Rules of others stay as they
are now. What is open again then is said; nobody has to accept it by name.

An undo is a change like any other: it is shown, asked about, protected, confirmed and journalled.
It also finishes a run that was cut off while its dead-man is still armed.`,
		Example: `  rosknock undo -r admin@192.0.2.1
  rosknock undo 20261121-041500-3fa9 -r admin@192.0.2.1 --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("undo takes one change at most: %d arguments were given", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			if err := how.check(e, s, "undo"); err != nil {
				return err
			}
			targets, err := e.routersOf(s)
			if err != nil {
				return err
			}
			o, err := how.rollout.options(e, how.after)
			if err != nil {
				return err
			}
			if o.Admit != nil && !how.dryRun {
				if err := o.Admit(); err != nil {
					e.refusedRun(s, "undo", err)
					return err
				}
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			to := e.changes(s, changeRun{command: "undo", dryRun: how.dryRun, files: files})
			t := tour{env: e, settings: s, routers: targets, options: o, verb: "undo"}
			t.over(c.Context(), to, func(ctx context.Context, e env, r router) []operate.Result {
				out := e.undoRouter(ctx, s, r, name, how)
				if !how.dryRun {
					e.outcome(s, entry{command: "undo", undoes: name}, r, out)
				}
				return []operate.Result{out}
			})
			return to.finish(c.Context())
		},
	}
	how.flags(c)
	files.flags(c)
	return c
}

// undoRouter rolls back a change of one router.
func (e env) undoRouter(ctx context.Context, s settings, r router, name string, how applying) operate.Result {
	out := r.shown()
	if ctx.Err() != nil {
		out.Outcome, out.Err = apply.Skipped, context.Cause(ctx)
		return out
	}
	refuse := func(err error) operate.Result {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	release, err := e.lock(s, r, "undo")
	if err != nil {
		return refuse(err)
	}
	defer release()
	backup, err := e.backupOf(s, r, name)
	if err != nil {
		return refuse(err)
	}
	session, carrier, out := e.begin(ctx, s, r, false, how.dryRun)
	if out.Err != nil {
		return out
	}
	defer session.Close()
	before, done := undo.Carried(*out.Snapshot, backup.Before(), backup.Changes())
	changes, err := undo.Changes(*out.Snapshot, before, done, backup.Plan)
	if err != nil {
		out.Err = invalid(fmt.Errorf("the backup of the change %s does not fit together: %w", backup.Change, err))
		out.Outcome = apply.Failed
		return out
	}
	proved := proof.Way(*out.Snapshot, before, backup.Plan, changes, carrier)
	changes.Notes = append(changes.Notes, proved.Notes...)
	out.Changes, out.Proof = &changes, &proved
	refuse = func(err error) operate.Result {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	if err := proved.Err(); err != nil {
		return refuse(err)
	}
	what := entry{command: "undo", plan: backup.Plan, undoes: backup.Change}
	switch {
	case how.dryRun:
		out.Outcome = apply.Skipped
		o := how.options(r, out, backup.Plan)
		o.Adopt = backup.Change
		return e.looked(ctx, s, session, r, out, o)
	case !changes.Changed():
		return e.recorded(s, what, r, out, func(string) operate.Result { return disarm(ctx, session, out, backup.Change) })
	}
	if ok, err := e.confirm(ctx, s, out); err != nil || !ok {
		out.Outcome, out.Err = apply.Skipped, err
		if err == nil {
			view.Say(e.err, "%s: nothing was changed\n", r.Name)
		}
		return out
	}
	return e.recorded(s, what, r, out, func(name string) operate.Result {
		o := how.options(r, out, backup.Plan)
		o.Adopt, o.Change, o.Dial = backup.Change, name, e.redial(s, r)
		o.Wanted = func(after routeros.Snapshot) error {
			var problems []error
			for _, what := range undo.Left(after, before, done, backup.Plan) {
				problems = append(problems, errors.New(what))
			}
			return errors.Join(problems...)
		}
		return e.carryOut(ctx, session, out, o)
	})
}

// disarm removes the dead-man of a run that was cut off before it changed anything, or that has
// been rolled back already.
func disarm(ctx context.Context, session *api.Session, out operate.Result, change string) operate.Result {
	out.Outcome = apply.Unchanged
	if err := apply.Disarm(ctx, session, change); err != nil {
		out.Outcome, out.Err = apply.Failed, err
	}
	return out
}

// backupOf finds the change that is to be rolled back: the last one, or the one of that name when
// none of the same plan came after it.
func (e env) backupOf(s settings, r router, name string) (state.Backup, error) {
	dir, err := e.state(s)
	if err != nil {
		return state.Backup{}, err
	}
	history, err := dir.History()
	if err != nil {
		return state.Backup{}, err
	}
	key := r.key()
	records, _, err := history.Of(e.ref(s, r))
	shared, isShared := errors.AsType[*state.SharedError](err)
	if broken, ok := errors.AsType[*state.BrokenError](err); ok {
		view.Say(e.err, "rosknock: warning: %v\n", broken)
	} else if err != nil && !isShared {
		return state.Backup{}, err
	}
	undoable := state.Undoable(records, key)
	if len(undoable) == 0 && isShared {
		return state.Backup{}, &codeError{code: exitRefused, err: shared}
	}
	if name == "" {
		if len(undoable) == 0 {
			return state.Backup{}, &codeError{code: exitRefused, err: fmt.Errorf("%s: the journal in %s knows of no change of this router that could be rolled back; rosknock journal shows it%s", key, dir.Path(), byAddress(history, s, r))}
		}
		name = undoable[0].Change
	}
	at := slices.IndexFunc(undoable, func(r state.Record) bool { return r.Change == name })
	if at < 0 {
		if _, err := dir.LoadBackup(key, name); err != nil {
			return state.Backup{}, invalid(err)
		}
		return state.Backup{}, &codeError{code: exitRefused, err: fmt.Errorf("the change %s of %s was rolled back already, or never done; rosknock journal shows it", name, key)}
	}
	backup, err := dir.LoadBackup(undoable[at].BackupKey(), name)
	if err != nil {
		return backup, invalid(err)
	}
	for _, later := range undoable[:at] {
		if later.Plan == backup.Plan {
			return backup, &codeError{code: exitRefused, err: fmt.Errorf("the change %s of the plan %s came after %s: roll it back first, with rosknock undo %s", later.Change, later.Plan, name, later.Change)}
		}
	}
	return backup, nil
}

// byAddress says that changes were made of a router that was named by the address of this one.
func byAddress(history *state.History, s settings, r router) string {
	key := inventory.NoSite + "/" + r.target.HostPort()
	if records, err := history.Records(key); len(s.inventories) == 0 || err != nil || len(state.Undoable(records, key)) == 0 {
		return ""
	}
	return fmt.Sprintf("; a router that was named by this address was changed: rosknock undo -r %s rolls that back", r.target.HostPort())
}
