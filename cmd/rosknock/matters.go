package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
)

// matters are the flags of every command that a command's own help explains, since most of its calls
// need them: which routers, what is asked, and which risks there are.
func matters(c *cobra.Command) []view.FlagGroup {
	var out []view.FlagGroup
	if overRouters(c) || slices.Contains([]string{"rosknock init", "rosknock lint", "rosknock render", "rosknock knock"}, c.CommandPath()) {
		out = append(out, sharedGroup(c, "Which routers", "router", "inventory", "limit"))
	}
	risks := risksOf(c)
	switch {
	case changing(c, map[string]bool{"adopt": true}) && !strings.HasPrefix(c.CommandPath(), "rosknock trusted"):
		out = append(out, sharedGroup(c, "Consent", "yes", "accept-risk"))
	case risks != nil:
		out = append(out, sharedGroup(c, "Consent", "accept-risk"))
	}
	if risks != nil {
		flags := out[len(out)-1].Flags
		last := &flags[len(flags)-1]
		last.Usage = "accept a risk by its NAME; may be repeated: " + strings.Join(risks, ", ")
	}
	return out
}

func sharedGroup(c *cobra.Command, title string, names ...string) view.FlagGroup {
	out := view.FlagGroup{Title: title}
	for _, name := range names {
		if f := c.Root().PersistentFlags().Lookup(name); f != nil {
			out.Flags = appendFlag(out.Flags, f)
		}
	}
	return out
}

// risksOf are the names of the risks that a command may ask to accept.
func risksOf(c *cobra.Command) []string {
	clocks := []string{operate.ClockSkew, operate.ClockUnsynchronized}
	switch c.CommandPath() {
	case "rosknock apply":
		return slices.Concat(proof.Risks(), clocks, []string{apply.Unprotected, operate.ForeignChanges})
	case "rosknock rotate":
		return slices.Concat(proof.Risks(), clocks, []string{apply.Unprotected})
	case "rosknock undo", "rosknock remove", "rosknock import":
		return slices.Concat(proof.Risks(), []string{apply.Unprotected})
	case "rosknock diff", "rosknock prove", "rosknock render":
		return slices.Concat(proof.Risks(), clocks, []string{planCommands})
	case "rosknock lint":
		return []string{"an id of a finding, such as L20"}
	case "rosknock trusted revoke":
		return []string{change.LoseSession}
	}
	return nil
}
