package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

func newTrusted(e env) *cobra.Command {
	c := &cobra.Command{
		Use:   "trusted",
		Short: "List, add and revoke who is trusted",
		Long:  "The trusted ledger of the routers: who finished a knock or was added by hand, at which door, and for how much longer.",
		Example: `  rosknock trusted list -r admin@192.0.2.1
  rosknock trusted add 203.0.113.9 --for 2h -r admin@192.0.2.1
  rosknock trusted revoke 203.0.113.9 -r admin@192.0.2.1`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("trusted: unknown command %q: choose list, add or revoke", args[0])
			}
			return usagef("trusted: choose list, add or revoke")
		},
	}
	c.AddCommand(newTrustedList(e), newTrustedAdd(e), newTrustedRevoke(e))
	return c
}

func newTrustedList(e env) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List who is trusted, and for how much longer",
		Example: "  rosknock trusted list -r admin@192.0.2.1 -r admin@192.0.2.2 -o json",
		Args:    exactly(0, "trusted list takes no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			return onLedgers(c, e, "trusted-list", func(_ context.Context, _ settings, _ *api.Session, _ trusted.Ledger, out *view.Trusted) error {
				out.Outcome = apply.Unchanged
				return nil
			})
		},
	}
}

func newTrustedAdd(e env) *cobra.Command {
	var door, comment, lasting string
	c := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Trust an address without a knock",
		Long:  "Put an address or prefix on a door's trusted list. An entry that is there already gets the new time.",
		Example: `  rosknock trusted add 203.0.113.9 --for 2h -r admin@192.0.2.1
  rosknock trusted add 203.0.113.0/28 --door branch/admin --for 1d -r 192.0.2.1`,
		Args: exactly(1, "trusted add takes one address or prefix"),
		RunE: func(c *cobra.Command, args []string) error {
			address, err := routeros.ParseAddressRange(args[0])
			if err != nil {
				return invalid(err)
			}
			timeout, err := addTimeout(lasting)
			if err != nil {
				return err
			}
			return onLedgers(c, e, "trusted-add", func(ctx context.Context, _ settings, session *api.Session, ledger trusted.Ledger, out *view.Trusted) error {
				d, err := ledger.Choose(door, address.Family())
				if err != nil {
					return err
				}
				existed, err := trusted.Add(ctx, session, d, address, timeout, comment)
				if err == nil {
					fmt.Fprintf(e.err, "%s: %s is trusted at door %s/%s %s\n", out.Name, address, d.Plan, d.Name, added(existed, timeout))
					out.Outcome = apply.Changed
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&door, "door", "", "`DOOR` or PLAN/DOOR; needed where there are several")
	c.Flags().StringVar(&lasting, "for", "", "how long, such as `2h` or 7d; or: ever")
	c.Flags().StringVar(&comment, "comment", "added by hand", "comment of the entry")
	return c
}

// addTimeout reads --for. Trust without an end has to be said.
func addTimeout(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, usagef("trusted add: say for how long with --for 2h, or --for ever")
	case "ever":
		return 0, nil
	}
	d, err := routeros.ParseDuration(text)
	if err != nil || d < time.Second {
		return 0, usagef("--for %s: a time such as 30m, 2h or 7d is expected", text)
	}
	return d, nil
}

func added(existed bool, timeout time.Duration) string {
	lasting := "for ever"
	if timeout > 0 {
		lasting = "for " + routeros.FormatDuration(timeout)
	}
	if existed {
		return lasting + " (it was there already)"
	}
	return lasting
}

func newTrustedRevoke(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ADDRESS",
		Short: "Take an address's trust away, everywhere",
		Long: `Take an address off the trusted lists of all doors and off their stage lists, from which one more knock would
bring it back; cut its connections; then look again and say what is left. Exit code 5 when something is.

The address from which this session comes is refused, unless you accept the risk by its name.`,
		Example: "  rosknock trusted revoke 203.0.113.9 -r admin@192.0.2.1 -r admin@192.0.2.2",
		Args:    exactly(1, "trusted revoke takes one address"),
		RunE: func(c *cobra.Command, args []string) error {
			address, err := netip.ParseAddr(args[0])
			if err != nil || address.Zone() != "" {
				return invalid(fmt.Errorf("%q is no address", args[0]))
			}
			left := false
			err = onLedgers(c, e, "trusted-revoke", func(ctx context.Context, s settings, session *api.Session, ledger trusted.Ledger, out *view.Trusted) error {
				own := slices.Contains(s.accept, diff.LoseSession)
				done, err := trusted.Revoke(ctx, session, ledger, address.Unmap(), own)
				out.Revocation = done
				if err != nil {
					return err
				}
				out.Outcome = apply.Unchanged
				if done.Entries+done.Connections > 0 {
					out.Outcome = apply.Changed
				}
				fmt.Fprintf(e.err, "%s: %d list entries removed, %d connections cut\n", out.Name, done.Entries, done.Connections)
				for _, sentence := range done.Left {
					left = true
					fmt.Fprintf(e.err, "%s: left: %s\n", out.Name, sentence)
				}
				return nil
			})
			if err == nil && left {
				return shown(exitSome)
			}
			return err
		},
	}
}

// onLedgers logs in to every router, reads its ledger, and lets work do something with it. A router that fails
// stops none. Afterwards the ledgers are shown as they are then.
func onLedgers(c *cobra.Command, e env, command string, work func(context.Context, settings, *api.Session, trusted.Ledger, *view.Trusted) error) error {
	s, err := load(c, e)
	if err != nil {
		return err
	}
	targets, err := routersOf(s)
	if err != nil {
		return err
	}
	ledgers := make([]view.Trusted, len(targets))
	routers := make([]view.Router, len(targets))
	for i, r := range targets {
		ledgers[i] = onLedger(c.Context(), e, s, r, work)
		routers[i] = view.Router{Name: r.name, Err: ledgers[i].Err, Outcome: ledgers[i].Outcome}
		if ledgers[i].Err != nil && s.Output != "json" {
			fmt.Fprintf(e.err, "%s: %v\n", r.name, ledgers[i].Err)
		}
	}
	if s.Output == "json" {
		err = view.TrustedJSON(e.out, command, ledgers)
	} else {
		err = view.TrustedTable(e.out, s.Output, ledgers, e.style(s))
	}
	if err != nil {
		return err
	}
	return outcomeCode(c.Context(), routers)
}

func onLedger(ctx context.Context, e env, s settings, r router, work func(context.Context, settings, *api.Session, trusted.Ledger, *view.Trusted) error) view.Trusted {
	out := view.Trusted{Name: r.name, Address: r.target.HostPort()}
	fail := func(err error) view.Trusted {
		out.Outcome, out.Err = apply.Failed, err
		if _, own := errors.AsType[*trusted.OwnAddressError](err); own {
			out.Outcome = apply.Refused
		}
		return out
	}
	session, err := e.connect(ctx, s, r)
	if err != nil {
		return fail(err)
	}
	defer session.Close()
	ledger, err := trusted.Read(ctx, session)
	if err != nil {
		return fail(err)
	}
	if err := work(ctx, s, session, ledger, &out); err != nil {
		return fail(err)
	}
	if out.Outcome == apply.Changed {
		if ledger, err = trusted.Read(ctx, session); err != nil {
			return fail(err)
		}
	}
	out.Entries = ledger.Entries
	return out
}
