package main

import (
	"context"
	"net/netip"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
)

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
			return nil, usagef("no plan: name its file")
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

// planOf names the first plan of each router.
func planOf(jobs []job) func(router string) string {
	names := map[string]string{}
	for _, j := range jobs {
		names[j.Name] = j.plans[0].Name
	}
	return func(router string) string { return names[router] }
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
