package main

import "github.com/spf13/cobra"

// newRoot builds the tree of commands.
func newRoot(e env) *cobra.Command {
	root := &cobra.Command{
		Use:   "rosknock",
		Short: "Port knocking for MikroTik routers",
		Long: `rosknock puts port knocking on MikroTik routers and keeps it there.

It reads a plan, compares it with a router's firewall over the RouterOS API, and makes the fewest
ordered changes that bring the router to the plan, after it has shown that every state on the way is
safe. It says who can reach what on any router, lists and revokes who has knocked, and rehearses
everything on a simulated router that it brings along.

What the flags of every command say can be said by the environment, too (ROSKNOCK_TRANSPORT for --transport), and by a settings
file in YAML (transport: api). A flag goes before the environment, and the environment before the file.`,
		Example: `  rosknock init --name branch
  rosknock diff branch.yaml -r admin@192.0.2.1
  rosknock apply branch.yaml -r admin@192.0.2.1
  rosknock audit -r admin@192.0.2.1
  rosknock trusted list -r admin@192.0.2.1`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	globalFlags(root.PersistentFlags())
	root.AddCommand(newInit(e), newLint(e), newDiff(e), newApply(e), newUndo(e), newRemove(e), newProve(e), newRotate(e), newImport(e), newRender(e), newKnock(e), newTrace(e), newAudit(e), newTrusted(e), newInventory(e), newJournal(e), newSequence(e), newSim(e), newDemo(e), newSchema(e), newVersion(e))
	fitHelp(root)
	root.AddCommand(newCompletion(e), newManual(e))
	setCompletion(root, e)
	return root
}
