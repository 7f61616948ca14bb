package main

import "github.com/spf13/cobra"

// newRoot builds the tree of commands.
func newRoot(e env) *cobra.Command {
	root := &cobra.Command{
		Use:   "rosknock",
		Short: "Port knocking for MikroTik routers",
		Long: `rosknock puts port knocking on MikroTik routers and keeps it there.

It reads a plan and compares it with a router's firewall over the RouterOS API. It makes the fewest
ordered changes that bring the router to the plan. Before it sends anything, it proves that every
intermediate state is safe. It also shows who can reach what on any router, lists those who have
knocked, revokes their trust, and rehearses everything on a simulated router of its own.

Every global flag can also be set by an environment variable (ROSKNOCK_TRANSPORT for --transport),
and in a settings file in YAML (transport: api); only --config is not a setting. A flag overrides
the environment, and the environment overrides the file. Where a flag may be repeated, separate
values by commas in the environment, and write a list in the file.`,
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
	root.AddCommand(newInit(e), newBootstrap(e), newLint(e), newDiff(e), newApply(e), newUndo(e), newRemove(e), newProve(e), newRotate(e), newImport(e), newRender(e), newKnock(e), newTrace(e), newAudit(e), newTest(e), newTrusted(e), newInventory(e), newJournal(e), newSequence(e), newSim(e), newDemo(e), newSchema(e), newVersion(e))
	fitHelp(root, e)
	root.AddCommand(newCompletion(e), newManual(e))
	setCompletion(root, e)
	return root
}
