package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
)

// removeFlags is what is known of a removal besides the plan.
type removeFlags struct {
	name     string // of the plan, where there is no file
	services []compile.Service
}

func newRemove(e env) *cobra.Command {
	how := changeFlags{command: state.Removal}
	var what removeFlags
	var services string
	var files reportFiles
	c := &cobra.Command{
		Use:   "remove [PLAN] | remove --name NAME",
		Short: "Take everything of a plan off routers",
		Long: `Take a plan off routers: its rules in every table, its allow-list, and every entry in
its lists. Rules and lists of others stay as they are, and so do other plans. Only the name in the
plan file counts, so none of its secrets is looked up; --name works without the file.

What the gate shut is open again then. Before anything is sent, rosknock says what that is and who
reaches it. You have to accept this by name, with --accept-risk=exposure, unless rules of your own
shut the same. The change goes the way of every other: shown, proved in every state, asked about,
protected, confirmed, journalled. The steps that make the router more open come last, and you stay
in.

Services that the plan switched off, moved or limited become what they were before the plan, if the
journal of this machine recorded its first apply. So do rules that the plan took over from you. What
the journal does not know stays, and is named. --restore-services sets it for those services:
NAME=on, off, a port, a prefix or anywhere, several with commas. It overrides the journal.

rosknock undo brings the plan back, but not who was trusted. A second run changes nothing.`,
		Example: `  rosknock remove branch.yaml -r admin@192.0.2.1 --dry-run
  rosknock remove branch.yaml -r admin@192.0.2.1 --accept-risk=exposure
  rosknock remove --name branch -r 192.0.2.1 --restore-services telnet=off,ssh=22,winbox=192.168.88.0/24
  rosknock remove -i fleet.yaml -l branches --waves 1,10%,100% --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return usagef("remove takes one plan: %d arguments were given", len(args))
			case len(args) > 0 && what.name != "":
				return usagef("remove takes a plan or --name, not both")
			}
			return nil
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := how.check(e); err != nil {
				return err
			}
			if err := what.read(c, services); err != nil {
				return err
			}
			how.named = files.page(e)
			r := e.changes(changeRun{command: state.Removal, dryRun: how.dryRun, files: files, line: lineOf(c, args)})
			if err := removePlans(c.Context(), e, args, what, how, r); err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			wayBack(e, r, how.dryRun)
			return r.code(c.Context())
		}),
	}
	c.Flags().StringVar(&what.name, "name", "", "the `NAME` of the plan, instead of its file")
	c.Flags().StringVar(&services, "restore-services", "", "what services become, `NAME=VALUE`, several with commas: on, off, a port, a prefix or anywhere")
	how.resumeFlag(c)
	how.flags(c)
	files.flags(c)
	return c
}

// read reads the flags.
func (r *removeFlags) read(c *cobra.Command, services string) error {
	if why := plans.CheckName(r.name); c.Flags().Changed("name") && why != "" {
		return usagef("--name %q: %s", r.name, why)
	}
	if !c.Flags().Changed("restore-services") {
		return nil
	}
	var err error
	if r.services, err = remove.ParseServices(services); err != nil {
		return usagef("--restore-services: %w", err)
	}
	return nil
}

// removePlans takes plans off the routers of the command line, the last that was put on first.
func removePlans(ctx context.Context, e access, args []string, what removeFlags, how changeFlags, to *results) error {
	routers, err := e.routersOf()
	if err != nil {
		return err
	}
	var jobs []job
	if what.name != "" {
		for _, r := range routers {
			jobs = append(jobs, job{r, []plans.Plan{{Name: what.name}}})
		}
	} else if jobs, err = e.plannedWith(routers, args, func(p plans.Plan, _ router) (plans.Plan, error) { return p, nil }); err != nil {
		return err
	}
	all := make([]task, len(jobs))
	for i, j := range jobs {
		all[i].router = j.router
		for _, p := range slices.Backward(j.plans) {
			all[i].operations = append(all[i].operations, operate.Remove(p, what.services))
		}
	}
	return carryOut(ctx, e, all, how, to)
}
