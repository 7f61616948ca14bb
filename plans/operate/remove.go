package operate

import (
	"context"
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// Remove takes everything of a plan off a router; its name is enough. services overrides what the
// journal knows of the time before the plan.
func Remove(p plans.Plan, services []compile.Service) Operation {
	return Operation{
		command: state.Removal, holds: "remove " + p.Name, plan: p, traced: true, removes: true,
		compute: func(_ context.Context, a *attempt) { a.removal(p, services) },
	}
}

// removal computes the steps that remove a plan, and their proof.
func (a *attempt) removal(p plans.Plan, services []compile.Service) {
	dir, err := a.State()
	if err != nil {
		a.out = a.out.Refused(err)
		return
	}
	records, _ := a.records()
	o := remove.Options{
		Origin: state.Origin(records, a.router.Key, p.Name), Services: services, Session: a.carrier,
		Fingerprint: func(r routeros.Rule) string {
			known, err := dir.RuleFingerprint(r)
			if err != nil {
				return "" // like none that was kept
			}
			return known
		},
	}
	want := remove.RuleSet(p, *a.out.Snapshot, o)
	changes, err := diff.Compute(*a.out.Snapshot, want, a.carrier)
	if err != nil {
		a.out = a.out.Refused(err)
		return
	}
	a.proved(changes, proof.Prove(*a.out.Snapshot, want, changes, a.carrier))
	a.left = func(after routeros.Snapshot) error {
		rest, err := diff.Compute(after, remove.RuleSet(p, after, o), a.carrier)
		return leftOver(rest, err, "step", " left")
	}
	a.after = func(ctx context.Context, s *api.Session, out *Result) { forget(ctx, s, out, want) }
}

// proved takes a change set and its proof, whose notes belong to it.
func (a *attempt) proved(c change.ChangeSet, p proof.Proof) {
	c.Notes = append(c.Notes, p.Notes...)
	a.out.Changes, a.out.Proof = &c, &p
	if err := p.Err(); err != nil {
		a.out = a.out.Refused(err)
	}
}

// forget removes all entries from the lists of a removed plan. No rule uses these lists any more,
// so their entries do nothing now. But the next plan with lists of these names would trust them.
func forget(ctx context.Context, session *api.Session, out *Result, want compile.RuleSet) {
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
}
