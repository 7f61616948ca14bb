package main

import (
	"cmp"
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
func (e env) save(s settings, jobs []job, routers []view.Router, file string) error {
	if jobs == nil {
		return usagef("--save needs routers: what is computed from an export can't be applied")
	}
	if at := slices.IndexFunc(routers, func(r view.Router) bool { return r.Err != nil }); at >= 0 {
		view.Say(e.err, "rosknock: nothing is saved, since %s has no changes that could be applied: %v\n", routers[at].Name, routers[at].Err)
		return nil // that router's error gives the exit code
	}
	first := jobs[0].plans[0]
	saved := state.Saved{Time: e.now(), Actor: actor(), Plan: string(plans.Write(first)), PlanDigest: first.Digest(), Accepted: s.accept}
	for i, r := range routers { // in the order of the jobs
		j := jobs[i]
		if j.plans[0].Rotates() {
			return usagef("--save: the plan %s rotates, and its steps are others by the time that they are carried out: use rosknock rotate then", j.plans[0].Name)
		}
		if len(j.plans) > 1 {
			return usagef("--save: %s has %d plans, and the second can't be computed before the first is carried out: name one", j.Name, len(j.plans))
		}
		one := state.SavedRouter{
			Name: r.Name, Address: r.Address, User: j.target.User, Transport: string(j.target.Transport), Identity: r.Identity(), Version: r.Snapshot.Version.String(),
			Snapshot: r.Snapshot.Digest(), Rows: state.Rows(*r.Snapshot), Steps: state.Steps(*r.Changes), States: r.Proof.States,
		}
		if text := string(plans.Write(j.plans[0])); text != saved.Plan {
			one.Plan = text
		}
		saved.Routers = append(saved.Routers, one)
	}
	if err := state.Save(file, saved); err != nil {
		return err
	}
	view.Say(e.err, "%s holds the changes and the knock, for you alone; next: rosknock apply --changes %s\n", file, file)
	return nil
}

// applySaved carries out saved changes on the routers that they were computed for, or on those of them that are named.
func (e env) applySaved(ctx context.Context, s settings, file string, how applying, to *results) error {
	saved, err := state.Load(file)
	if err != nil {
		return invalid(err)
	}
	chosen, err := e.savedRouters(s, saved)
	if err != nil {
		return err
	}
	s.accept = slices.Concat(s.accept, saved.Accepted)
	read := map[string]plans.Plan{}
	var all []todo
	for _, one := range saved.Routers {
		r, ok := chosen[one.Name]
		if !ok {
			continue
		}
		text := cmp.Or(one.Plan, saved.Plan)
		p, known := read[text]
		if !known {
			if p, err = plans.Read(file, []byte(text)); err != nil {
				return invalid(fmt.Errorf("%s: the plan in it can't be read: %w", file, err))
			}
			if p, err = e.resolved(ctx, p, r); err != nil {
				return err
			}
			read[text] = p
		}
		all = append(all, todo{r, []work{{p, &one}}})
	}
	if len(all) == 0 {
		return usagef("--changes %s: none of its routers is named", file)
	}
	return e.applyAll(ctx, s, all, how, to)
}

// savedRouters returns how to reach the routers of saved changes that are chosen, by name: as the inventory says, or else as they were reached
// then.
func (e env) savedRouters(s settings, saved state.Saved) (map[string]router, error) {
	out := map[string]router{}
	if len(s.inventories) > 0 {
		routers, err := e.routersOf(s)
		if err != nil {
			return nil, err
		}
		for _, r := range routers {
			at := slices.IndexFunc(saved.Routers, func(one state.SavedRouter) bool { return one.Name == r.Name })
			if at < 0 {
				continue
			}
			if was := saved.Routers[at].Address; r.target.HostPort() != was {
				return nil, invalid(fmt.Errorf("%s is %s by the inventory, and its changes were computed for %s: make them anew", r.Name, r.target.HostPort(), was))
			}
			out[r.Name] = r
		}
		return out, nil
	}
	cas := pools{}
	for _, one := range saved.Routers {
		if len(s.routers) > 0 && !slices.ContainsFunc(s.routers, func(name string) bool { return strings.HasSuffix("@"+name, "@"+one.Name) }) {
			continue
		}
		each := s
		each.typed = map[string]bool{}
		r, err := each.router(plans.InventoryRouter{Name: one.Name, Address: one.Address, User: one.User, Transport: one.Transport}, cas)
		if err != nil {
			return nil, err
		}
		out[one.Name] = r
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
	if now := r.Snapshot.Version.String(); saved.Version != "" && saved.Version != now {
		return &codeError{code: exitMoved, err: fmt.Errorf("the changes were saved for RouterOS %s, and the router has %s now: nothing was sent; look again with rosknock diff", saved.Version, now)}
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
