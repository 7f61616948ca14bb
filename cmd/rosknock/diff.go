package main

import (
	"github.com/spf13/cobra"
)

func newDiff(e env) *cobra.Command {
	var code bool
	var export, saveAs string
	var operator []string
	var files reportFiles
	c := &cobra.Command{
		Use:   "diff [PLAN]",
		Short: "Show what would change, in order",
		Long: `Read the routers, compare them with the plan, and show the steps that apply would
take. Nothing is written.

Where apply would refuse, diff says so in the same words, with exit code 4: the proof fails, or
somebody else is changing the router, or the router's device-mode or the user's rights do not allow
what the protection needs. diff assumes the default protection; apply --dry-run checks the one that
you name.

A plan on the command line replaces the plans of the inventory. Over a fleet, diff --exit-code is
the check for drift.`,
		Example: `  rosknock diff branch.yaml -r admin@192.0.2.1
  rosknock diff branch.yaml -r 192.0.2.1 -r 192.0.2.2 --exit-code -o json
  rosknock diff branch.yaml --export router.rsc
  rosknock diff branch.yaml -r 192.0.2.1 --save tonight.json
  rosknock diff -i fleet.yaml -l 'branches,!lab' --exit-code`,
		Args: atMost(1, "diff takes one plan"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			r := e.changes(changeRun{command: "diff", drift: code, files: files, line: lineOf(c, args)})
			r.keeps = saveAs != ""
			jobs, err := diffTargets(c.Context(), e, args, comparison{export: export, operator: operator, looks: true}, r)
			if err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			if saveAs != "" {
				if err := save(c.Context(), e, jobs, r.routers(), saveAs); err != nil {
					return err
				}
			}
			if err := r.code(c.Context()); err != nil {
				return err
			}
			if code && r.differ {
				return shown(exitDifferences)
			}
			return nil
		}),
	}
	c.Flags().StringVar(&saveAs, "save", "", "save the changes in a `FILE` for apply --changes; it holds the knock, and only you can read it")
	changesKeyFlag(c)
	c.Flags().BoolVar(&code, "exit-code", false, "exit with 2 when there are differences")
	exportFlags(c, &export, &operator)
	files.flags(c)
	return c
}
