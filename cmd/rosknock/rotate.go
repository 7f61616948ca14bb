package main

import (
	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/plans/operate"
)

func newRotate(e env) *cobra.Command {
	how := changeFlags{command: operate.Rotation} // a timer lets it run all day, and nobody resumes it
	var files reportFiles
	c := &cobra.Command{
		Use:   "rotate [PLAN]",
		Short: "Move rotating doors to the present window",
		Long: `Bring routers to their plans as apply does, with the knocks that are valid now: the
knock of the present window, and within the overlap also that of the window before or after it. Let
a timer run this more often than the overlap is long; between two windows there is nothing to do.
The knocks follow from the secret, from the names of plan, door and router, and from the time. A
client that has the secret can compute them without asking anybody.

With rotate.ahead in the plan, the knocks of a whole day or week are laid on the router in advance,
each with its hours by the router's own clock. Each run replaces the knocks that are over by those
that come a day or a week later. When no run does that any more, the same knocks come again at the
same hours, and rosknock knock tries them too.

A router whose clock differs from this machine's by more than the overlap is refused: one of the two
clocks is wrong, and times in the router's logs and lists may be, too. --accept-risk=clock-skew goes
on. Knocks are laid in advance only where an NTP server sets the router's clock, or with
--accept-risk=clock-unsynchronized.

With --verify-knock, rosknock knocks at each door from here before the new knocks are confirmed, as
apply does: first a wrong knock, then the right one of the present window. When the wrong one opens
a door, or the right one does not, the router is rolled back to the old knocks.`,
		Example: `  rosknock rotate branch.yaml -r admin@192.0.2.1 --yes
  rosknock rotate branch.yaml -r admin@192.0.2.1 --verify-knock
  rosknock rotate -i fleet.yaml --yes --retries 3`,
		Args: atMost(1, "rotate takes one plan"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := how.check(e); err != nil {
				return err
			}
			r := e.changes(changeRun{command: how.command, dryRun: how.dryRun, files: files, line: lineOf(c, args)})
			if err := applyPlans(c.Context(), e, args, how, r); err != nil {
				return err
			}
			return r.finish(c.Context())
		}),
	}
	how.verifyFlag(c)
	how.flags(c)
	files.flags(c)
	return c
}
