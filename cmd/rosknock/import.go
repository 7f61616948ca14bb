package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
)

// importFlags is how knocks are imported.
type importFlags struct {
	changeFlags
	name, out, export string
	adopt             bool
	unkept            error // why the plan has no file
}

func newImport(e env) *cobra.Command {
	how := importFlags{changeFlags: changeFlags{command: "import --adopt"}}
	c := &cobra.Command{
		Use:   "import",
		Short: "Write the plan that describes hand-written knock rules",
		Long: `Find the knock rules that somebody wrote by hand on a router or in an export, and
write the plan that describes them as they are. Rules that a plan can't describe are listed one by
one, with the reason; they stay on the router as they are. So does everything that is not part of
a knock. Lists of brute-force protection are not knocks.

The plan holds the knock. --out writes it into a new file that only you can read. Without --out it
goes to standard output, masked unless --reveal is given, and what was found goes to standard error.

With --adopt the rules become the plan's: each gets the plan's mark in its comment, and nothing else
on the router changes. diff finds nothing to do afterwards. Where that is not possible, it is
refused with the reason. It is carried out as apply does it: under protection, read back, confirmed
by a new login, journalled. rosknock undo removes the marks.`,
		Example: `  rosknock import -r admin@192.0.2.1
  rosknock import --export router.rsc --name branch --out branch.yaml
  rosknock import -r admin@192.0.2.1 --name branch --out branch.yaml --adopt
  rosknock import -r admin@192.0.2.1 -o json`,
		Args: exactly(0, "import takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			if err := how.check(e); err != nil {
				return err
			}
			var found view.Imported
			var err error
			if how.export != "" {
				found, err = how.fromExport(e)
			} else {
				found, err = how.fromRouter(c.Context(), e)
			}
			if err != nil {
				return err
			}
			if err := how.show(e, found); err != nil {
				return err
			}
			return outcomeCode(c.Context(), found.Result)
		}),
	}
	f := c.Flags()
	f.StringVar(&how.name, "name", "imported", "`NAME` of the plan; it stands in the comment of every rule that is adopted")
	f.StringVar(&how.out, "out", "", "write the plan into a new `FILE` that only you can read")
	f.BoolVar(&how.adopt, "adopt", false, "mark the rules as the plan's, in their comments")
	f.StringVar(&how.protect, "protect", string(apply.Auto), "`HOW` the marks are removed when nobody can: auto, safe-mode, dead-man or none")
	f.DurationVar(&how.after, "undo-after", apply.DefaultDelay, "`TIME` after which a dead-man removes the marks")
	exportFlags(c, &how.export, nil)
	return c
}

// check looks at the flags.
func (i *importFlags) check(e access) error {
	if plans.CheckName(i.name) != "" {
		return usagef("--name %q: %s", i.name, plans.CheckName(i.name))
	}
	switch {
	case !i.adopt:
		return nil
	case i.export != "":
		return usagef("--adopt marks rules on a router, not in an export: name a router with --router")
	case i.out == "":
		return usagef("--adopt needs the plan to be kept: name a file for it with --out")
	}
	return i.changeFlags.check(e)
}

// fromExport recognises the knocks of an export.
func (i *importFlags) fromExport(e access) (view.Imported, error) {
	r, err := readExport(e, i.export)
	if err != nil {
		return view.Imported{}, err
	}
	var found view.Imported
	found.Result, found.Found = operate.Discover(r, i.name, change.Management{Accepted: e.accept})
	return found, i.keep(&found)
}

// keep writes the plan into its file.
func (i *importFlags) keep(found *view.Imported) error {
	if i.out == "" || len(found.Found.Doors) == 0 {
		return nil
	}
	if err := writeNew(i.out, plans.Write(found.Found.Plan)); err != nil {
		return err
	}
	found.File = i.out
	return nil
}

// fromRouter recognises the knocks of one router, and adopts the rules if that is wanted.
func (i *importFlags) fromRouter(ctx context.Context, e access) (found view.Imported, err error) {
	targets, err := e.routersOf()
	if err != nil {
		return found, err
	}
	if len(targets) != 1 {
		return found, usagef("import looks at one router at a time, and %d are named: each gets a plan of its own", len(targets))
	}
	r := targets[0]
	op := operate.Adopt(i.name, &found.Found)
	if !i.adopt {
		found.Result = operate.Look(ctx, e.desk(r), e.options(), e.operated(r), false, op)[0]
		return found, i.keep(&found)
	}
	found.Result = operate.Run(ctx, importDesk{e.desk(r), i, &found}, i.options(e), op, e.operated(r))
	if errors.Is(found.Err, operate.ErrNotAsFound) {
		return found, i.keep(&found)
	}
	return found, i.unkept
}

// importDesk asks about the rules that were found, and keeps their plan before they are marked.
type importDesk struct {
	desk
	how   *importFlags
	found *view.Imported
}

// Confirm implements [operate.Desk].
func (d importDesk) Confirm(ctx context.Context, r operate.Result) (bool, error) {
	d.found.Result = r
	ok, err := d.Yes, error(nil)
	if !ok {
		ok, err = d.agrees(ctx, nil, func(w io.Writer) {
			_ = view.Import(w, "text", *d.found, d.style()) // into memory
			view.Say(w, "mark these rules on %s? ", r.Name)
		})
	}
	if err == nil && ok {
		d.how.unkept = d.how.keep(d.found)
	}
	return ok && d.how.unkept == nil, errors.Join(err, d.how.unkept)
}

// show writes the plan to standard output where it has no file, and what was found beside it.
func (i *importFlags) show(e access, found view.Imported) error {
	plain := e.Output == "text" && i.out == "" && len(found.Found.Doors) > 0
	to := e.out
	if plain {
		to = e.err
	}
	if err := view.Import(to, e.Output, found, e.style()); err != nil {
		return err
	}
	if plain {
		return view.ImportedPlan(e.out, found, e.style())
	}
	if found.File != "" {
		e.remark("%s holds the plan with the knock; keep it like a password.\n", found.File)
	}
	return nil
}
