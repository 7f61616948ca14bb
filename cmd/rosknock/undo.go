package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans/operate"
)

// undoing is the command of a record that rolls back a change.
const undoing = "undo"

func newUndo(e env) *cobra.Command {
	how := changeFlags{command: undoing}
	var files reportFiles
	c := &cobra.Command{
		Use:   "undo [CHANGE]",
		Short: "Roll back the last change of routers, or a named one",
		Long: `Roll back what the last apply did to each router, or one change by its name, as
rosknock journal shows it. The backup that apply made before its first step tells what was there.
The plan's own rules, list entries and services become what they were. Rules of others stay as they
are now. What is open again then is said; nobody has to accept it by name.

An undo is a change like any other: it is shown, asked about, protected, confirmed and journalled.
It also finishes a run that was cut off while its dead-man is still armed.

Over a fleet, --resume continues a run that stopped. Routers on which that run has rolled back its
change are skipped, so that none of them loses an earlier change. A router that was changed in
another way after the run began is refused: name the change, or leave --resume out.`,
		Example: `  rosknock undo -r admin@192.0.2.1
  rosknock undo 20261121-041500-3fa9 -r admin@192.0.2.1 --dry-run
  rosknock undo -i fleet.yaml -l branches --resume last`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("undo takes one change at most: %d arguments were given", len(args))
			}
			return nil
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := how.check(e); err != nil {
				return err
			}
			routers, err := e.routersOf()
			if err != nil {
				return err
			}
			op := operate.Undo(strings.Join(args, ""))
			all := make([]task, len(routers))
			for i, r := range routers {
				all[i] = task{r, []operate.Operation{op}}
			}
			how.named = files.page(e)
			to := e.changes(changeRun{command: undoing, dryRun: how.dryRun, files: files, line: lineOf(c, args)})
			if err := carryOut(c.Context(), e, all, how, to); err != nil {
				return err
			}
			return to.finish(c.Context())
		}),
	}
	how.resumeFlag(c)
	how.flags(c)
	files.flags(c)
	return c
}
