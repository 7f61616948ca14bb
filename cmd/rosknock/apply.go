package main

import (
	"github.com/spf13/cobra"
)

func newApply(e env) *cobra.Command {
	how := changeFlags{command: "apply"}
	var changes string
	var files reportFiles
	c := &cobra.Command{
		Use:   "apply [PLAN] | apply --changes FILE",
		Short: "Bring routers to the plan",
		Long: `Read each router, show what has to change, ask, and carry it out. Nobody is shut out,
whatever fails.

Before the first step, the router is set up to roll back by itself. RouterOS 7.18 and later use safe
mode. Older versions get a dead-man: an entry in the router's scheduler that rolls the changes back
after --undo-after, also after a reboot. Then the steps are carried out. The router is read again
and compared, and a new connection has to log in. Only then is the protection removed. With
--verify-knock, rosknock knocks at each door from here: first a wrong knock, which must not open the
door, then the right one, which must.

When anything fails (a difference, a refusal, a lost answer, Ctrl-C), what was done is rolled back,
and the outcome says so. rosknock undo rolls back a change later. A second run changes nothing.

SIGTERM and a lost terminal (SIGHUP, as when an SSH session drops) work like Ctrl-C; under nohup the
run goes on. A second Ctrl-C ends rosknock at once and leaves the rollback to the router. Closed
output stops nothing: the run goes on to its end, and the exit code is 1.

Over a fleet, --waves begins with a few routers, --max-fail stops a run with too many failures, and
--window keeps it within a maintenance window. When a router can't be reached after its change,
nothing else is begun. --resume continues a run that stopped.

--changes carries out what diff --save kept, on the routers that it was computed for. Each router
must still be exactly as it was then; a router that changed meanwhile is refused with exit code 6
and the difference. A file that was edited is refused. So is a file that was made elsewhere, unless
its key is shared (--changes-key) or you accept the risk by name (--accept-risk=foreign-changes).
Risks that were accepted when the file was made have to be accepted again.

Without a terminal to ask on, --yes is needed.`,
		Example: `  rosknock apply branch.yaml -r admin@192.0.2.1
  rosknock apply branch.yaml -r 192.0.2.1 -r 192.0.2.2 --yes -o json
  rosknock apply branch.yaml -r 192.0.2.1 --dry-run
  rosknock apply -i fleet.yaml -l branches --waves 1,10%,100% --max-fail 2% --yes
  rosknock apply branch.yaml -r 192.0.2.1 --protect dead-man --undo-after 10m --verify-knock`,
		Args: func(_ *cobra.Command, args []string) error {
			if changes != "" && len(args) > 0 {
				return usagef("apply takes a plan or --changes, not both")
			}
			if len(args) > 1 {
				return usagef("apply takes one plan: %d arguments were given", len(args))
			}
			return nil
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := how.check(e); err != nil {
				return err
			}
			how.named = files.page(e)
			r := e.changes(changeRun{command: "apply", dryRun: how.dryRun, files: files, line: lineOf(c, args)})
			var err error
			if changes != "" {
				err = applySaved(c.Context(), e, changes, how, r)
			} else {
				err = applyPlans(c.Context(), e, args, how, r)
			}
			if err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			wayBack(e, r, how.dryRun)
			return r.code(c.Context())
		}),
	}
	c.Flags().StringVar(&changes, "changes", "", "carry out the changes in a `FILE` of diff --save")
	changesKeyFlag(c)
	how.resumeFlag(c)
	how.verifyFlag(c)
	how.flags(c)
	files.flags(c)
	return c
}
