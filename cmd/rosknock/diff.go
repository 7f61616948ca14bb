package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
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
			r := e.changes(changeRun{command: "diff", drift: code, files: files})
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

// changesKeyFlag is of the commands that save changes and carry them out.
func changesKeyFlag(c *cobra.Command) {
	c.Flags().String("changes-key", "", "`PLACE` of the key that protects saved changes: file:PATH, env:NAME, keyring:NAME or command:LINE; default: the key of the state folder")
}

// exportFlags are those of the commands that also work on an export.
func exportFlags(c *cobra.Command, export *string, operator *[]string) {
	c.Flags().StringVar(export, "export", "", "look at an export in a `FILE.rsc` instead of a router")
	versionFlag(c)
	if operator != nil {
		c.Flags().StringArrayVar(operator, "operator", nil, "your own `ADDRESS` as the router sees it, which must stay let in; may be repeated")
	}
}

// versionFlag is for the commands that read an export.
func versionFlag(c *cobra.Command) {
	c.Flags().String("ros-version", "", "the RouterOS `VERSION` of an export that names none, such as 7.20")
}

// readVersion reads --ros-version. It returns the zero version where the flag is not given.
func readVersion(c *cobra.Command) (routeros.Version, error) {
	text, _ := c.Flags().GetString("ros-version")
	if text == "" {
		return routeros.Version{}, nil
	}
	v, err := routeros.ParseVersion(text)
	if err != nil {
		return v, usagef("--ros-version %q: a version such as 7.20 or 6.49.10 is expected", text)
	}
	return v, nil
}

// sessionOf returns the management session assumed for an export: where the operators are. Without
// --operator it is empty.
func sessionOf(s settings, operator []string) (change.Management, error) {
	session := change.Management{Accepted: s.accept}
	for _, text := range operator {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return session, usagef("--operator %q: an address is expected, such as 203.0.113.9", text)
		}
		session.Service, session.Operators = s.Transport, append(session.Operators, operate.Bare(addr))
	}
	return session, nil
}

// comparison is what plans are compared with: an export, else the routers of the command line.
type comparison struct {
	export   string
	operator []string // where the operators are, beside those that the router shows
	looks    bool     // also whether apply would be refused
}

// diffTargets compares plans with an export or with every router. There are no jobs for an export.
func diffTargets(ctx context.Context, e access, args []string, with comparison, to *results) ([]job, error) {
	session, err := sessionOf(e.settings, with.operator)
	if err != nil {
		return nil, err
	}
	if with.export != "" {
		if len(args) == 0 {
			return nil, usagef("no plan: name one")
		}
		p, err := readPlan(e.settings, args[0])
		if err == nil {
			err = e.mayRun(ctx, p)
		}
		if err == nil {
			p, err = e.resolved(ctx, p, router{})
		}
		if err != nil {
			return nil, err
		}
		r, err := readExport(e, with.export)
		if err != nil {
			return nil, err
		}
		if p, err = e.standing(ctx, p, *r.Snapshot); err != nil {
			return nil, err
		}
		r = operate.Compare(r, p, session)
		operate.Note(e.desk(router{}), actor(), "prove", r.Name, p.Name, r.Risks())
		to.start(1)
		to.take(ctx, 0, []operate.Result{r})
		return nil, nil
	}
	targets, err := e.routersOf()
	if err != nil {
		return nil, err
	}
	jobs, err := e.planned(ctx, targets, args)
	if err != nil {
		return nil, err
	}
	diffRouters(ctx, e, jobs, session.Operators, with.looks, to)
	return jobs, nil
}

// readExport reads an export instead of a router.
func readExport(e access, name string) (operate.Result, error) {
	if len(e.routers)+len(e.inventories) > 0 {
		return operate.Result{}, usagef("--export and routers exclude each other")
	}
	data, err := readFile(name, maxExport)
	if err != nil {
		return operate.Result{}, invalid(err)
	}
	if len(data) > maxExport {
		return operate.Result{}, invalid(fmt.Errorf("%s is larger than %d MiB: is it an export?", name, maxExport>>20))
	}
	read := rsc.Read(data)
	if len(read.Statements) == 0 {
		return operate.Result{}, invalid(fmt.Errorf("%s: it holds no command of an export", name))
	}
	if read.HasVersion && e.rosVersion != (routeros.Version{}) && read.Version != e.rosVersion {
		return operate.Result{}, invalid(fmt.Errorf("%s: it names RouterOS %s itself, but --ros-version says %s: leave the flag out", name, read.Version, e.rosVersion))
	}
	snapshot, skipped := read.Snapshot(rsc.Options{Version: e.rosVersion})
	reportSkipped(e.err, e.settings, name, append(read.Skipped, skipped...))
	if snapshot.VersionAssumed {
		view.Say(e.err, "rosknock: %s does not name its RouterOS version, so it is read as %s; --ros-version sets another\n", name, snapshot.Version)
	}
	return operate.Result{Name: name, Snapshot: &snapshot}, nil
}

// maxExport is the largest export that is read: real ones reach a few MiB with long address lists.
const maxExport = 64 << 20

// reportSkipped reports what was left out of an export. It shows each line that decides who reaches
// the router. Of all others it shows the number, unless more is asked for.
func reportSkipped(w io.Writer, s settings, name string, skipped []rsc.Skip) {
	slices.SortStableFunc(skipped, func(a, b rsc.Skip) int { return cmp.Compare(a.Line, b.Line) })
	others := 0
	for _, skip := range skipped {
		switch {
		case s.Verbose:
			view.Say(w, "%s:%d: skipped: %s: %s\n", name, skip.Line, skip.Text, skip.Why)
		case skip.Decides:
			view.Say(w, "%s:%d: not understood: a row of %s: %s\n", name, skip.Line, skip.Menu, skip.Why)
		default:
			others++
		}
	}
	if others > 0 {
		view.Say(w, "rosknock: %s: %s left out, of menus that rosknock does not need; -v shows them\n", name, view.Plural(others, "piece"))
	}
}

// planOf names the first plan of each router.
func planOf(jobs []job) func(router string) string {
	names := map[string]string{}
	for _, j := range jobs {
		names[j.Name] = j.plans[0].Name
	}
	return func(router string) string { return names[router] }
}

// diffRouters compares every router with its plans. Where asked for, it also checks whether an
// apply with the default protection would be refused. A router that fails does not stop the others.
func diffRouters(ctx context.Context, e access, jobs []job, operators []netip.Addr, looks bool, to *results) {
	t := fleetRun{access: e, verb: "diff", plan: planOf(jobs)}
	wanted := map[string][]operate.Operation{}
	for _, j := range jobs {
		t.routers = append(t.routers, j.router)
		for _, p := range j.plans {
			wanted[j.Name] = append(wanted[j.Name], operate.ToPlan("diff", p, nil))
		}
	}
	t.over(ctx, to, func(ctx context.Context, e access, r router) []operate.Result {
		d, o := e.desk(r), e.options()
		o.Operators = operators
		out := operate.Look(ctx, d, o, e.operated(r), looks, wanted[r.Name]...)
		for _, one := range out {
			operate.Note(d, o.Actor, "prove", one.Name, one.Plan, one.Risks())
		}
		return out
	})
}
