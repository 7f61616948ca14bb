package main

import (
	"context"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// standing derives the knocks of a plan's rotating doors that belong on a router that was read.
func (e access) standing(ctx context.Context, p plans.Plan, read routeros.Snapshot) (plans.Plan, error) {
	return operate.Standing(p, read, e.knocksAt(), func(c plans.Credential) (string, error) { return e.credential(ctx, c, router{}) })
}

// knocksAt is the time for which knocks are derived.
func (e access) knocksAt() time.Time {
	if !e.at.IsZero() {
		return e.at
	}
	return e.now()
}

func (e env) derived(ctx context.Context, p plans.Plan, r router, identity string, which func(sequence.Schedule) []int64) (plans.Plan, error) {
	return operate.Derive(p, identity, which, func(c plans.Credential) (string, error) { return e.credential(ctx, c, r) })
}

// rotating refuses plans that do not rotate.
func rotating(jobs []job) error {
	for _, j := range jobs {
		if !slices.ContainsFunc(j.plans, plans.Plan.Rotates) {
			return usagef("%s: no door of its plan rotates: use rosknock apply", j.Name)
		}
	}
	return nil
}
