package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/inventory/foreign"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/state"
)

func newInventory(e env) *cobra.Command {
	c := &cobra.Command{
		Use:   "inventory",
		Short: "List, check, accept and import the routers of a fleet",
		Long: `An inventory names the routers of a fleet, with groups, tags, plans and the variables
of plans. It says where passwords are kept, and never holds one. docs/inventory.md describes every
key.`,
		Example: `  rosknock inventory list -i fleet.yaml -l branches
  rosknock inventory check -i fleet.yaml
  rosknock inventory import hosts.ini > fleet.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usagef("inventory: choose list, check, accept or import")
		},
	}
	c.AddCommand(newInventoryList(e), newInventoryCheck(e), newInventoryAccept(e), newInventoryImport(e))
	return c
}

func newInventoryList(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the routers, with what the groups and defaults add",
		Long: `List the routers of an inventory with everything that applies to each. No router
is contacted, and values of variables are not shown.`,
		Example: "  rosknock inventory list -i fleet.yaml -l 'branches,!lab' -o csv",
		Args:    exactly(0, "inventory list takes no argument"),
		RunE: withSettings(e, func(_ *cobra.Command, e access, _ []string) error {
			routers, err := e.routersOf()
			if err != nil {
				return err
			}
			return written(e, view.InventoryOf, func(yield func(view.Inventoried) bool) {
				for _, r := range routers {
					if !yield(inventoried(r)) {
						return
					}
				}
			})
		}),
	}
}

func inventoried(r router) view.Inventoried {
	return view.Inventoried{
		Name: r.Name, Site: r.Site, Address: r.target.HostPort(), User: r.target.User, Transport: string(r.target.Transport), Groups: r.Groups, Tags: r.Tags, Plans: r.files,
		Vars: slices.Sorted(maps.Keys(r.vars)), SSHJump: r.jump, Password: string(r.credential.Kind),
	}
}

func newInventoryCheck(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Log in to every router, and show which ones answer",
		Long: `Read the inventory and its plans, and log in to every router. Show for each its
version, identity, board and serial number, and how long it took. Nothing is written. rosknock asks
about certificates that it sees for the first time, or takes them with --tls-accept-new.`,
		Example: "  rosknock inventory check -i fleet.yaml --tls-accept-new",
		Args:    exactly(0, "inventory check takes no argument"),
		RunE: withSettings(e, func(c *cobra.Command, e access, _ []string) error {
			routers, err := e.routersOf()
			if err != nil {
				return err
			}
			if slices.ContainsFunc(routers, func(r router) bool { return len(r.files) > 0 }) {
				withPlans := slices.DeleteFunc(slices.Clone(routers), func(r router) bool { return len(r.files) == 0 })
				if _, err := e.planned(c.Context(), withPlans, nil); err != nil {
					return err
				}
			}
			t := fleetRun{access: e, routers: routers, verb: "check", silent: true}
			to := e.shownBy(func(sink view.Sink) flow { return view.ChecksOf(sink) })
			t.over(c.Context(), to, func(ctx context.Context, e access, r router) []operate.Result {
				return []operate.Result{operate.Check(ctx, e.desk(r), e.options(), e.operated(r))}
			})
			return to.finish(c.Context())
		}),
	}
}

func newInventoryAccept(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "accept NAME...",
		Short: "Forget the certificate and the serial number of routers that were exchanged",
		Long: `Forget how rosknock recognises a router: its certificate and its serial number, both
together. What the router shows next is new then: rosknock asks about its certificate, or takes it
with --tls-accept-new, and the next apply remembers its serial number.

rosknock refuses a router whose serial number has changed (other-hardware, exit code 4). Either the
router was exchanged, or a backup router took over its address, or the name leads to another
customer's router. Find out which before you accept it. No router is contacted.

Name routers of the inventory. For a router that is in no inventory, use --router.`,
		Example: `  rosknock inventory accept r0001 -i fleet.yaml
  rosknock inventory accept -r 192.0.2.1`,
		Args: cobra.ArbitraryArgs,
		RunE: withSettings(e, func(_ *cobra.Command, e access, args []string) error {
			chosen, err := toAccept(e, args)
			if err != nil {
				return err
			}
			accepted := make([]view.Accepted, len(chosen))
			for i, r := range chosen {
				if accepted[i], err = accept(e, r); err != nil {
					return err
				}
			}
			return written(e, view.AcceptedOf, slices.Values(accepted))
		}),
	}
}

// toAccept returns the routers whose names were typed. It takes no patterns, so that nobody forgets
// all routers by mistake.
func toAccept(e access, names []string) ([]router, error) {
	switch {
	case len(e.limits) > 0:
		return nil, usagef("inventory accept takes the names of routers, no --limit")
	case len(names) > 0 && len(e.inventories) == 0:
		return nil, usagef("inventory accept: %s is a name in an inventory: name the inventory with --inventory, or the router by its address with --router", names[0])
	case len(names) == 0 && len(e.inventories) > 0:
		return nil, usagef("inventory accept: name the routers, such as: rosknock inventory accept r0001 -i %s", e.inventories[0])
	}
	for _, name := range names {
		e.limits = append(e.limits, name[strings.LastIndex(name, "/")+1:])
	}
	routers, err := e.routersOf()
	if err != nil {
		return nil, err
	}
	named := func(r router, name string) bool { return r.Name == name || r.key() == name }
	for _, name := range names {
		if !slices.ContainsFunc(routers, func(r router) bool { return named(r, name) }) {
			return nil, usagef("inventory accept: no router of the inventory is called %q: groups, tags and patterns are not names", name)
		}
	}
	if len(names) > 0 {
		routers = slices.DeleteFunc(routers, func(r router) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return named(r, name) })
		})
	}
	return routers, nil
}

// accept forgets what is remembered of a router.
func accept(e access, r router) (view.Accepted, error) {
	out := view.Accepted{Name: r.Name, Site: r.Site}
	release, err := operate.Lock(e.desk(r), actor(), e.operated(r), "inventory accept")
	if err != nil {
		return out, &operate.RefusedError{Err: err}
	}
	defer release()
	dir, err := e.State()
	if err != nil {
		return out, err
	}
	address := r.target.HostPort()
	if sharing := e.sharing(r); sharing != nil && len(sharing()) > 1 {
		address = ""
	}
	known, err := e.Known()
	if err != nil {
		return out, err
	}
	was, err := known.Forget(r.key(), address)
	if err != nil {
		return out, err
	}
	out.Pin, out.Serial = was.Pin, was.Serial
	if out.Pin == "" && out.Serial == "" {
		return out, nil
	}
	return out, dir.Append(state.Record{
		Time: e.now(), Actor: actor(), Command: "accept", Event: state.Note, RouterKey: r.key(), Router: r.Name, Address: r.target.HostPort(), Accepted: []string{operate.OtherHardware},
	})
}

func newInventoryImport(e env) *cobra.Command {
	var format string
	var formats []string
	for _, f := range foreign.Formats() {
		formats = append(formats, string(f))
	}
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make an inventory from another program's list",
		Long: `Read the routers that another program knows and print an inventory. The list may be
an Ansible inventory (INI or YAML), a table (CSV), the devices of NetBox (CSV or JSON), or an
address book of WinBox. What can't be taken over is reported with its place. Passwords are never
taken over.`,
		Example: `  rosknock inventory import hosts.ini > fleet.yaml
  rosknock inventory import devices.csv --format netbox-csv > fleet.yaml`,
		Args: exactly(1, "inventory import takes one file"),
		RunE: func(c *cobra.Command, args []string) error {
			output, err := e.format(c)
			if err != nil {
				return err
			}
			text, err := importInventory(e, args[0], format, formats)
			if err != nil {
				return err
			}
			if view.IsJSON(output) {
				return view.Text(e.out, output, "inventory-import", string(text))
			}
			_, err = e.out.Write(text)
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "", "`FORMAT` of the file, where it does not tell: "+strings.Join(formats, ", "))
	return c
}

// importInventory makes an inventory of another program's list, and says what is left out.
func importInventory(e env, name, format string, formats []string) ([]byte, error) {
	data, err := readFile(name, maxExport)
	if err != nil {
		return nil, invalid(err)
	}
	f := foreign.Format(format)
	if format == "" {
		if f, err = foreign.Detect(name, data); err != nil {
			return nil, invalid(err)
		}
	}
	if !slices.Contains(formats, string(f)) {
		return nil, usagef("--format %s: choose one of %s", format, strings.Join(formats, ", "))
	}
	list, err := foreign.Read(name, data, f)
	if err != nil {
		return nil, invalid(err)
	}
	for _, skip := range list.Skipped {
		e.remark("left out: %s\n", skip)
	}
	if len(list.Routers) == 0 {
		return nil, invalid(fmt.Errorf("%s: it holds no router that can be taken over", name))
	}
	text := inventory.Write(draftOf(list))
	if _, err := inventory.Read(inventory.File{Name: "the inventory made of " + name, Data: text}); err != nil {
		view.Say(e.err, "rosknock: correct this in the inventory before you use it:\n")
		report(e.err, err, exitInvalid)
	}
	e.remark("%s taken over, %s left out\n", view.Plural(len(list.Routers), "router"), view.Plural(len(list.Skipped), "entry"))
	return text, nil
}

func draftOf(list foreign.List) inventory.Draft {
	d := inventory.Draft{Groups: map[string]map[string]string{}}
	maps.Copy(d.Groups, list.Groups)
	for _, r := range list.Routers {
		for _, g := range r.Groups {
			if d.Groups[g] == nil {
				d.Groups[g] = map[string]string{}
			}
		}
		d.Routers = append(d.Routers, inventory.DraftRouter{Name: r.Name, Address: r.Address, User: r.User, Groups: r.Groups, Tags: r.Tags, Vars: r.Vars, Note: r.Note})
	}
	return d
}
