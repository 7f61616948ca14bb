package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/sequence"
)

func newLint(e env) *cobra.Command {
	var export string
	c := &cobra.Command{
		Use:   "lint PLAN...",
		Short: "Check plans for mistakes and weaknesses",
		Long: `Read plans and report every mistake with its place. Report weaknesses, too: knocks
that a scan opens, stages too short for a mobile network, names that give the secret away. With
--router or --export the plans are also checked against a router: lists that others use, blacklists
on the way, IPv6 left open, servers that strangers can abuse, certificates that could no longer be
renewed.

Exit code 3 when a plan has a mistake, 4 when a finding of severity refuse is not accepted by its id
with --accept-risk. apply does not run lint; it relies on the proof.`,
		Example: `  rosknock lint branch.yaml
  rosknock lint branch.yaml --export router.rsc
  rosknock lint plans/*.yaml -o json --accept-risk=L20`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("lint: name at least one plan")
			}
			return nil
		},
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			routers := &results{keeps: true} // each plan is held against each
			if export != "" || len(e.routers) > 0 || len(e.inventories) > 0 {
				if err := readAll(c.Context(), e, export, operate.WithAll, nil, routers); err != nil {
					return err
				}
			}
			var linted []view.Linted
			for _, name := range args {
				l := lintPlan(name, e.settings, routers.routers())
				operate.Note(e.desk(router{}), actor(), "lint", "", name, l.Taken())
				linted = append(linted, l)
			}
			if err := view.Lints(e.out, e.Output, linted, e.style()); err != nil {
				return err
			}
			if err := lintCode(linted); err != nil {
				return err
			}
			return routers.code(c.Context())
		}),
	}
	c.Flags().StringVar(&export, "export", "", "check the plans against an export in a `FILE.rsc`")
	versionFlag(c)
	return c
}

// lintPlan checks one plan, by itself and against each router.
func lintPlan(name string, s settings, routers []operate.Result) view.Linted {
	out := view.Linted{File: name, Accepted: s.accept}
	data, err := readFile(name, maxPlan)
	var p plans.Plan
	if err == nil {
		p, err = plans.ReadWith(name, data, s.vars)
	}
	if err != nil && !errors.As(err, &out.Problems) {
		out.Problems = form.Problems{{File: name, Line: 1, Column: 1, Message: err.Error()}}
	}
	if err != nil {
		return out
	}
	out.Places = plans.Places(data)
	p = sequence.Example(p) // knocks of the kind that it will have are as strong as those
	var names []string
	for _, r := range routers {
		names = append(names, r.Name)
	}
	out.Findings = append(out.Findings, view.Findings{Findings: append(lint.Plan(p), lint.Fleet(p, names)...)})
	for _, r := range routers {
		if r.Err == nil {
			found := slices.Concat(lint.Both(p, *r.Snapshot, r.Renewals...), lint.Router(*r.Snapshot, audit.Router(*r.Snapshot)))
			out.Findings = append(out.Findings, view.Findings{Router: r.Name, Findings: found})
		}
	}
	return out
}

// lintCode is 3 for mistakes, and 4 for what is refused and not accepted.
func lintCode(linted []view.Linted) error {
	if slices.ContainsFunc(linted, func(l view.Linted) bool { return len(l.Problems) > 0 }) {
		return shown(exitInvalid)
	}
	if slices.ContainsFunc(linted, view.Linted.Refused) {
		return shown(exitRefused)
	}
	return nil
}
