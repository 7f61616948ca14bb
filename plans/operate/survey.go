package operate

import (
	"context"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Survey hands on a router that was read, with the session over which it was: for a first plan. It
// changes nothing, so it is for [Look].
func Survey(plan string, hand func(s routeros.Snapshot, session change.Management)) Operation {
	return Operation{
		command: "init", plan: plans.Plan{Name: plan},
		compute: func(_ context.Context, a *attempt) { hand(*a.out.Snapshot, a.carrier) },
	}
}
