package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// removing is what is known of a removal besides the plan.
type removing struct {
	name     string // of the plan, where there is no file
	services []compile.Service
}

func newRemove(e env) *cobra.Command {
	var how applying
	var what removing
	var services string
	var files artefacts
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
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			if err := how.check(e, s, state.Removal); err != nil {
				return err
			}
			if err := what.read(c, services); err != nil {
				return err
			}
			how.removes = &what
			r := e.changes(s, changeRun{command: state.Removal, dryRun: how.dryRun, files: files})
			if err := e.removePlans(c.Context(), s, args, how, r); err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			e.wayBack(s, r, how.dryRun)
			return r.code(c.Context())
		},
	}
	c.Flags().StringVar(&what.name, "name", "", "the `NAME` of the plan, instead of its file")
	c.Flags().StringVar(&services, "restore-services", "", "what services become, `NAME=VALUE`, several with commas: on, off, a port, a prefix or anywhere")
	c.Flags().StringVar(&how.rollout.resume, "resume", "", "continue a `RUN` that stopped, or the last one; routers on which nothing is left to do are skipped")
	how.flags(c)
	files.flags(c)
	return c
}

// read reads the flags.
func (r *removing) read(c *cobra.Command, services string) error {
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
func (e env) removePlans(ctx context.Context, s settings, args []string, how applying, to *results) error {
	routers, err := e.routersOf(s)
	if err != nil {
		return err
	}
	var jobs []job
	if name := how.removes.name; name != "" {
		for _, r := range routers {
			jobs = append(jobs, job{r, []plans.Plan{{Name: name}}})
		}
	} else if jobs, err = plannedWith(s, routers, args, func(p plans.Plan, _ router) (plans.Plan, error) { return p, nil }); err != nil {
		return err
	}
	all := make([]todo, len(jobs))
	for i, j := range jobs {
		all[i].router = j.router
		for n := range j.plans {
			all[i].work = append(all[i].work, work{plan: j.plans[len(j.plans)-1-n]})
		}
	}
	return e.applyAll(ctx, s, all, how, to)
}

// removeRouter takes a plan off one router.
func removeRouter(ctx context.Context, e env, s settings, w work, r router, how applying) operate.Result {
	refused := func(out operate.Result, err error) operate.Result {
		out.Outcome, out.Err, out.Removes = apply.Refused, err, true
		return out
	}
	bare := operate.Result{Name: r.Name, Key: r.key(), Address: r.target.HostPort(), Removes: true}
	if ctx.Err() != nil {
		bare.Outcome, bare.Err = apply.Skipped, context.Cause(ctx)
		return bare
	}
	if !how.dryRun {
		release, err := e.lock(s, r, "remove "+w.plan.Name)
		if err != nil {
			return refused(bare, err)
		}
		defer release()
		e.remind(s, r)
	}
	session, carrier, out := e.begin(ctx, s, r, false, how.dryRun)
	if out.Removes = true; out.Err != nil {
		return out
	}
	defer session.Close()
	wants, err := e.removal(s, w.plan, carrier, r, *how.removes)
	if err != nil {
		return refused(out, err)
	}
	want := wants(*out.Snapshot)
	out = withRemoval(out, want, carrier)
	out, agreed := e.agreed(ctx, s, session, out, w.plan, r, how)
	if !agreed {
		return e.resumed(w, r, out, how)
	}
	what := entry{command: how.command(), plan: w.plan.Name, run: how.run}
	if what.fingerprint, err = e.fingerprint(s, w.plan); err != nil {
		return refused(out, err)
	}
	return e.recorded(s, what, r, out, func(name string) operate.Result {
		o := how.options(r, out, w.plan.Name)
		o.Change = name
		o.Wanted = func(after routeros.Snapshot) error { return gone(after, wants(after), carrier) }
		o.Dial = e.redial(s, r)
		return forget(ctx, session, e.carryOut(ctx, session, out, o), want)
	})
}

// removal returns what a router should be without a plan, by what the journal knows of the time
// before the plan.
func (e env) removal(s settings, p plans.Plan, session change.Management, r router, what removing) (func(routeros.Snapshot) compile.RuleSet, error) {
	dir, err := e.state(s)
	if err != nil {
		return nil, err
	}
	o := remove.Options{
		Origin: state.Origin(e.recordsOf(s, dir, r), r.key(), p.Name), Services: what.services, Session: session,
		Fingerprint: func(r routeros.Rule) string {
			known, err := dir.RuleFingerprint(r)
			if err != nil {
				return "" // like none that was kept
			}
			return known
		},
	}
	return func(now routeros.Snapshot) compile.RuleSet { return remove.RuleSet(p, now, o) }, nil
}

// withRemoval adds the steps that remove a plan, and their proof.
func withRemoval(out operate.Result, want compile.RuleSet, session change.Management) operate.Result {
	changes, err := diff.Compute(*out.Snapshot, want, session)
	if err != nil {
		out.Outcome, out.Err = apply.Refused, err
		return out
	}
	proved := proof.Prove(*out.Snapshot, want, changes, session)
	changes.Notes = append(changes.Notes, proved.Notes...)
	out.Changes, out.Proof = &changes, &proved
	if err := proved.Err(); err != nil {
		out.Outcome, out.Err = apply.Refused, err
	}
	return out
}

// gone says what is left of a plan on a router that was read again.
func gone(after routeros.Snapshot, want compile.RuleSet, session change.Management) error {
	rest, err := diff.Compute(after, want, session)
	if err != nil {
		return fmt.Errorf("reads back in a state that is refused: %w", err)
	}
	if n := len(rest.Steps); n > 0 {
		return fmt.Errorf("reads back with %s left, the first: %s %s", view.Plural(n, "step"), rest.Steps[0].Op, rest.Steps[0].Slot)
	}
	return nil
}

// forget removes all entries from the lists of a removed plan. No rule uses these lists any more,
// so their entries do nothing now. But the next plan with lists of these names would trust them.
func forget(ctx context.Context, session *api.Session, out operate.Result, want compile.RuleSet) operate.Result {
	if out.Outcome != apply.Changed {
		return out
	}
	lists := map[routeros.Family][]string{}
	for _, list := range diff.OwnLists(*out.Snapshot, want) {
		lists[list.Family] = append(lists[list.Family], list.Name)
	}
	for _, f := range routeros.Families() {
		if len(lists[f]) == 0 {
			continue
		}
		_, kept, err := trusted.Clear(context.WithoutCancel(ctx), session, f, lists[f])
		if len(kept) > 0 {
			out.Changes.Notes = append(out.Changes.Notes, fmt.Sprintf("the entries of the %s lists %s stay: the mangle table asks for them", f, strings.Join(kept, ", ")))
		}
		if err != nil {
			out.Changes.Notes = append(out.Changes.Notes, fmt.Sprintf("not all entries could be removed from the %s lists %s: %v; those that are left open nothing, unless a plan with these lists comes back", f, strings.Join(lists[f], ", "), err))
		}
	}
	return out
}
