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
		Short: "Show that every state of a change is safe, or how it is not",
		Long: `Compute the steps that apply would take, and show for the router before, between and after them that the
promises hold: your own session stays accepted; nobody reaches what he could not; what is gated opens to the
allow-list and after a knock only; what is not rosknock's stays; every rule of the plan can be reached.

All packets are followed, cut at every boundary that a rule knows, with list memberships and matchers that no packet
settles taken both ways. A broken promise is shown with a packet that breaks it, in the words that trace takes. Exit
code 4 when one is broken. Nothing is written.`,
		Example: `  rosknock prove branch.yaml -r admin@192.0.2.1
  rosknock prove branch.yaml --export router.rsc --operator 198.51.100.7`,
		Args: atMost(1, "prove takes one plan"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := load(c, e)
			if err != nil {
				return err
			}
			r := e.shownBy(s, func(sink view.Sink) flow { return view.ProofsOf(sink) })
			if _, err := diffTargets(c.Context(), e, s, args, comparison{export: export, operator: operator}, r); err != nil {
				return err
			}
			return r.finish(c.Context())
		},
	}
	exportFlags(c, &export, &operator)
	return c
}
