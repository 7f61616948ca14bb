package operate

import (
	"context"
	"errors"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/routeros"
)

// Adopt marks hand-written knock rules as a plan's. found is what was found on the router, once it
// was read.
func Adopt(name string, found *discover.Result) Operation {
	return Operation{
		command: "import", holds: "import " + name, plan: plans.Plan{Name: name}, alone: true,
		compute: func(_ context.Context, a *attempt) {
			a.out, *found = Discover(a.out, name, a.carrier)
			if a.looks || len(found.Doors) == 0 {
				return
			}
			if !found.Adoption.Clean() {
				a.out = a.out.Refused(ErrNotAsFound)
			}
			p := found.Plan
			a.left = func(after routeros.Snapshot) error { return a.stillLeft(after, p) }
		},
	}
}

// ErrNotAsFound is the refusal to adopt rules that would have to change for it.
var ErrNotAsFound error = &RefusedError{errors.New("the rules can't be adopted as they are")}

// Discover finds the knocks of a router that was read, and the marks that make their rules those of
// a plan.
func Discover(r Result, name string, session change.Management) (Result, discover.Result) {
	found := discover.Router(*r.Snapshot, discover.Options{Name: name, Session: session})
	if len(found.Doors) == 0 {
		return r, found
	}
	adoption := found.Adoption
	r.Plan, r.Changes, r.Proof, r.Findings = name, &adoption.Changes, adoption.Proof, lint.Plan(found.Plan)
	if adoption.Clean() { // else the rules themselves would pass for somebody else's that fill the door's lists
		if after, err := change.Rehearse(*r.Snapshot, adoption.Changes, len(adoption.Changes.Steps)); err == nil {
			r.Findings = slices.Concat(r.Findings, lint.Both(found.Plan, after))
		}
	}
	return r, found
}
