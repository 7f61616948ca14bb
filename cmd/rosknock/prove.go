package main

import (
	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
)

func newProve(e env) *cobra.Command {
	var export string
	var operator []string
	c := &cobra.Command{
		Use:   "prove [PLAN]",
		Short: "Prove that every state of a change is safe, or show how it is not",
		Long: `Compute the steps that apply would take. Check the router before, between and after
them for these promises: the operator's own session stays accepted; no source reaches what it could
not reach before; gated services open only to the allow-list or after a complete knock; rules, lists
and services of others stay as they were; every rule of the plan can be reached.

Every intermediate state is checked against every class of packet. Packets are divided at each
boundary that a rule knows. Where a packet alone does not decide, as with list memberships and with
matchers such as limit, both ways are followed. A broken promise is shown with a packet that breaks
it, written as rosknock trace takes it. Exit code 4 when a promise is broken. Nothing is written.`,
		Example: `  rosknock prove branch.yaml -r admin@192.0.2.1
  rosknock prove branch.yaml --export router.rsc --operator 198.51.100.7`,
		Args: atMost(1, "prove takes one plan"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			r := e.shownBy(func(sink view.Sink) flow { return view.ProofsOf(sink) })
			if _, err := diffTargets(c.Context(), e, args, comparison{export: export, operator: operator}, r); err != nil {
				return err
			}
			return r.finish(c.Context())
		}),
	}
	exportFlags(c, &export, &operator)
	return c
}
