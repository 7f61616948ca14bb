package operate

import (
	"context"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// listsOf says which address lists operations need of a router that has too many entries to be read
// whole: those of the plans, and those that rules on the way to the router name. Lists that only
// rules about other hosts' packets name play a part where a plan has forwards.
func listsOf(ops ...Operation) *api.Lists {
	scope := routeros.ListScope{InputOnly: len(ops) > 0}
	for _, op := range ops {
		scope.InputOnly = scope.InputOnly && len(op.plan.Doors) > 0 && len(op.plan.Gate.Forwards) == 0
		scope.Names = append(scope.Names, planLists(op.plan)...)
	}
	slices.Sort(scope.Names)
	scope.Names = slices.Compact(scope.Names)
	return &api.Lists{Scope: scope}
}

// planLists are the lists that a plan fills or names.
func planLists(p plans.Plan) []string {
	if p.Name == "" {
		return nil
	}
	out := append([]string{compile.AllowList(p.Name), compile.BogonList(p.Name)}, p.Allow.AddressLists...)
	for _, d := range p.Doors {
		out = append(append(out, d.Trusted.Lists()...), d.QuarantineList())
		for n := range d.Knock {
			out = append(out, d.StageListOf(n+1))
		}
	}
	return slices.DeleteFunc(out, func(list string) bool { return list == "" })
}

// completed reads the lists of a plan that were not read before its knocks were there: those of the
// windows of a door that rotates. It costs nothing where the lists were read whole.
func (a *attempt) completed(ctx context.Context, p plans.Plan) error {
	names := planLists(p)
	read := func(f routeros.Family) bool {
		return !slices.ContainsFunc(names, func(list string) bool { return !a.out.Snapshot.ReadsList(f, list) })
	}
	if read(routeros.IPv4) && read(routeros.IPv6) {
		return nil
	}
	a.lists.Scope.Names = append(a.lists.Scope.Names, names...)
	return a.session.ReadLists(ctx, a.out.Snapshot)
}
