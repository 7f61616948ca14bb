package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/expect"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/lint"
)

func newSchema(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [plan | inventory | tests | accept]",
		Short: "Print the JSON Schema of plans, inventories, tests or accept files",
		Long: `Print the JSON Schema of plan files, of inventories, of files with tests, or of accept
files for audits. Editors use it to complete and check them.`,
		Example: `  rosknock schema > rosknock-plan.schema.json
  rosknock schema inventory > rosknock-inventory.schema.json
  rosknock schema tests > rosknock-tests.schema.json
  rosknock schema accept > rosknock-accept.schema.json`,
		Args:      atMost(1, "schema takes plan, inventory, tests or accept"),
		ValidArgs: []string{"plan", "inventory", "tests", "accept"},
		RunE: func(_ *cobra.Command, args []string) error {
			text := plans.Schema()
			switch {
			case len(args) == 0 || args[0] == "plan":
			case args[0] == "inventory":
				text = inventory.Schema()
			case args[0] == "accept":
				text = lint.AcceptSchema()
			case args[0] == "tests":
				text = expect.Schema()
			default:
				return usagef("schema: there is none for %q: choose plan, inventory, tests or accept", args[0])
			}
			_, err := e.out.Write(text)
			return err
		},
	}
}

func newVersion(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: `Print the version of rosknock, the Go release that built it, and the system it is
for. A build between two releases is named after its commit. rosknock --version prints the same.`,
		Example: "  rosknock version",
		Args:    exactly(0, "version takes no argument"),
		RunE:    func(c *cobra.Command, _ []string) error { return printVersion(c, e) },
	}
}

func printVersion(c *cobra.Command, e env) error {
	format, err := e.format(c)
	if err != nil {
		return err
	}
	return view.Version{Version: buildVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}.Write(e.out, format)
}

// buildVersion is what the Go tool knows of this build: a tag, or a commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
