package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/state"
)

// save keeps the changes of a diff in a file. What is refused for one router is kept for none.
func (e env) save(s settings, p plans.Plan, routers []view.Router, file string, export bool) error {
	if export {
		return usagef("--save needs routers: what is computed from an export can't be applied")
	}
	if at := slices.IndexFunc(routers, func(r view.Router) bool { return r.Err != nil }); at >= 0 {
		fmt.Fprintf(e.err, "rosknock: nothing is saved, since %s has no changes that could be applied\n", routers[at].Name)
		return nil // that router's error gives the exit code
	}
	saved := state.Saved{Time: e.now(), Actor: actor(), Plan: string(plans.Write(p)), PlanDigest: p.Digest(), Accepted: s.accept}
	for i, r := range routers { // in the order of the command line
		user, _, ok := cutLast(s.routers[i], "@")
		if !ok {
			user = s.User
		}
		saved.Routers = append(saved.Routers, state.SavedRouter{
			Name: r.Name, Address: r.Address, User: user, Transport: s.Transport, Identity: r.Identity(),
			Snapshot: r.Snapshot.Digest(), Rows: state.Rows(*r.Snapshot), Steps: state.Steps(*r.Changes), States: r.Proof.States,
		})
	}
	if err := state.Save(file, saved); err != nil {
		return err
	}
	fmt.Fprintf(e.err, "%s holds the changes and the knock, for you alone; next: rosknock apply --changes %s\n", file, file)
	return nil
}

// applySaved carries out saved changes on the routers that they were computed for, or on those of them that are named.
func (e env) applySaved(ctx context.Context, s settings, file string, how applying) ([]view.Router, error) {
	saved, err := state.Load(file)
	if err != nil {
		return nil, invalid(err)
	}
	p, err := plans.Read(file, []byte(saved.Plan))
	if err != nil {
		return nil, invalid(fmt.Errorf("%s: the plan in it can't be read: %w", file, err))
	}
	chosen := saved.Routers
	if len(s.routers) > 0 {
		chosen = slices.DeleteFunc(slices.Clone(chosen), func(r state.SavedRouter) bool {
			return !slices.ContainsFunc(s.routers, func(name string) bool { return strings.HasSuffix("@"+name, "@"+r.Name) })
		})
		if len(chosen) == 0 {
			return nil, usagef("--changes %s: none of its routers is named by --router", file)
		}
	}
	s.accept = slices.Concat(s.accept, saved.Accepted)
	var out []view.Router
	for _, one := range chosen {
		each := s
		each.Transport, each.User, each.routers = one.Transport, one.User, []string{one.User + "@" + one.Name}
		targets, err := routersOf(each)
		if err != nil {
			return nil, err
		}
		out = append(out, applyRouter(ctx, e, each, p, targets[0], how, &one))
	}
	return out, nil
}

// mostDifferences is how many lines of a difference are shown.
const mostDifferences = 12

// unmoved refuses a router that is not as it was when the changes were saved.
func unmoved(r view.Router, saved *state.SavedRouter) error {
	if saved == nil || r.Snapshot.Digest() == saved.Snapshot {
		return nil
	}
	lines := state.Difference(saved.Rows, state.Rows(*r.Snapshot), mostDifferences)
	return &codeError{code: exitMoved, err: fmt.Errorf("the router changed since the changes were saved: nothing was sent; look again with rosknock diff; %s", strings.Join(lines, "; "))}
}

// sameSteps refuses saved steps that are not what the saved plan gives on this router.
func sameSteps(r view.Router, saved *state.SavedRouter) error {
	if saved == nil || r.Changes == nil || reflect.DeepEqual(state.Steps(*r.Changes), saved.Steps) {
		return nil
	}
	return invalid(fmt.Errorf("the saved steps are not those of the saved plan: the file was made by another version, or changed; make it anew with rosknock diff --save"))
}
