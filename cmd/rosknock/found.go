package main

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
)

// foundInventory is the inventory that a command takes from the working folder when nothing names a
// router. rosknock init writes one there.
const foundInventory = "inventory.yaml"

// find takes the inventory of the working folder, where no other source names a router. A command
// that can do without routers, or that knocks, never takes one.
func (s *settings) find(c *cobra.Command) {
	typed := slices.ContainsFunc([]string{"export", "changes"}, func(name string) bool { return s.typed[name] })
	if len(s.routers)+len(s.inventories) > 0 || typed || !overRouters(c) {
		return
	}
	if info, err := os.Stat(foundInventory); err == nil && info.Mode().IsRegular() {
		s.inventories, s.said["inventory"] = []string{foundInventory}, inFolder
	}
}

// overRouters reports whether a command goes over routers, and has nothing else to do.
func overRouters(c *cobra.Command) bool {
	return slices.Contains([]string{
		"rosknock diff", "rosknock prove", "rosknock apply", "rosknock rotate", "rosknock undo", "rosknock remove", "rosknock audit", "rosknock trace", "rosknock test", "rosknock import",
		"rosknock trusted list", "rosknock trusted add", "rosknock trusted revoke", "rosknock trusted watch", "rosknock inventory list", "rosknock inventory check", "rosknock inventory accept",
	}, c.CommandPath())
}

// changing reports whether a command changes routers, as it was called.
func changing(c *cobra.Command, typed map[string]bool) bool {
	switch c.CommandPath() {
	case "rosknock apply", "rosknock rotate", "rosknock undo", "rosknock remove":
		return !typed["dry-run"]
	case "rosknock import":
		return typed["adopt"]
	case "rosknock trusted add", "rosknock trusted revoke":
		return true
	}
	return false
}

// tellFound says that an inventory was taken because it lies in the working folder. A command that
// would change its routers without a question is refused: a forgotten --router must not become a
// change of a whole fleet.
func (e access) tellFound() error {
	if e.said["inventory"] != inFolder {
		return nil
	}
	if e.alters && (e.Yes || !e.inTerminal) {
		return usagef("no router is named, and the %s in this folder is taken only where somebody is asked: name it with -i %s, in %s or in the settings, or name a router with -r",
			foundInventory, foundInventory, environmentName("inventory"))
	}
	if !e.Quiet || e.alters {
		view.Say(e.err, "no router is named, so the routers are those of %s in this folder\n", foundInventory)
	}
	return nil
}

// agreeFound asks before a command that asks nothing else changes the routers of an inventory that
// was not named.
func (e access) agreeFound(ctx context.Context, what string, routers int) (bool, error) {
	if e.said["inventory"] != inFolder || !e.alters {
		return true, nil
	}
	ok, err := e.agrees(ctx, nil, func(w io.Writer) {
		view.Say(w, "%s on %s of %s? ", what, view.Plural(routers, "router"), foundInventory)
	})
	if err == nil && !ok {
		e.remark("nothing was changed\n")
	}
	return ok, err
}
