package main

import (
	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/inventory"
)

func newSchema(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [plan | inventory]",
		Short: "Print the JSON Schema of plans or inventories",
		Long: `Print the JSON Schema of plan files, or of inventories. Editors use it to complete
and check them.`,
		Example: `  rosknock schema > rosknock-plan.schema.json
  rosknock schema inventory > rosknock-inventory.schema.json`,
		Args:      atMost(1, "schema takes plan or inventory"),
		ValidArgs: []string{"plan", "inventory"},
		RunE: func(_ *cobra.Command, args []string) error {
			text := plans.Schema()
			switch {
			case len(args) == 0 || args[0] == "plan":
			case args[0] == "inventory":
				text = inventory.Schema()
			default:
				return usagef("schema: there is none for %q: choose plan or inventory", args[0])
			}
			_, err := e.out.Write(text)
			return err
		},
	}
}
