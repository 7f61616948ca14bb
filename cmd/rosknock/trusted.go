package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

func newTrusted(e env) *cobra.Command {
	c := &cobra.Command{
		Use:   "trusted",
		Short: "List, add, revoke and watch who is trusted",
		Long: `The trusted ledger of the routers: who finished a knock or was added by hand, at
which door, and for how much longer.`,
		Example: `  rosknock trusted list -r admin@192.0.2.1
  rosknock trusted add 203.0.113.9 --for 2h -r admin@192.0.2.1
  rosknock trusted revoke 203.0.113.9 -r admin@192.0.2.1`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usagef("trusted: choose list, add, revoke or watch")
		},
	}
	c.AddCommand(newTrustedList(e), newTrustedAdd(e), newTrustedRevoke(e), newTrustedWatch(e))
	return c
}

func newTrustedList(e env) *cobra.Command {
	var f trusted.Filter
	var address string
	var older, within ageFlag
	c := &cobra.Command{
		Use:   "list",
		Short: "List who is trusted, and for how much longer",
		Long: `List who is on the trusted lists of the doors: since when, for how much longer, how
they got there, and how many connections they have open now. Kinds are: knocked; timed and static,
added by hand; dns, a name that the router resolves.

Only the lists of the doors are read, however long other lists are. On a router with more than
50,000 connections, they are not counted.`,
		Example: `  rosknock trusted list -r admin@192.0.2.1 -r admin@192.0.2.2 -o json
  rosknock trusted list -i fleet.yaml --address 203.0.113.0/24
  rosknock trusted list -i fleet.yaml --older-than 30d -o csv`,
		Args: exactly(0, "trusted list takes no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			if address != "" {
				var err error
				if f.Address, err = prefix(address); err != nil {
					return err
				}
			}
			f.OlderThan, f.ExpiresWithin = time.Duration(older), time.Duration(within)
			return onLedgers(c, e, trustedList, "", func(ctx context.Context, _ *act, session *api.Session, ledger *trusted.Ledger, out *view.Trusted) error {
				out.Outcome = apply.Unchanged
				ledger.Entries = f.Choose(ledger.Entries)
				return ledger.Count(ctx, session)
			})
		},
	}
	c.Flags().Var(&older, "older-than", "only entries older than a `TIME`, such as 30d")
	c.Flags().Var(&within, "expires-within", "only entries that expire within a `TIME`, such as 1h")
	c.Flags().StringVar(&address, "address", "", "only an address, or those in a `CIDR`")
	c.Flags().StringVar(&f.Door, "door", "", "only `DOOR` or PLAN/DOOR")
	return c
}

// ageFlag is a time in the router's units, which have days and weeks.
type ageFlag time.Duration

// String implements [pflag.Value].
func (a *ageFlag) String() string {
	if *a == 0 {
		return ""
	}
	return routeros.FormatDuration(time.Duration(*a))
}

// Set implements [pflag.Value].
func (a *ageFlag) Set(text string) error {
	d, err := routeros.ParseDuration(text)
	if err != nil || d <= 0 || strings.Trim(text, "0123456789") == "" {
		return errors.New("a time such as 30m, 2h or 7d is expected")
	}
	*a = ageFlag(d)
	return nil
}

// Type implements [pflag.Value].
func (*ageFlag) Type() string { return "time" }

// prefix reads an address or a prefix.
func prefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, usagef("--address %q: an address or a prefix is expected, such as 203.0.113.0/24", text)
	}
	return p.Masked(), nil
}

func newTrustedAdd(e env) *cobra.Command {
	var door, comment, lasting string
	c := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "Trust an address without a knock",
		Long: `Put an address on a door's trusted list. An entry that is there already gets the new
time.

A network goes into a list of its own, which the plan names under trusted.networks of the door: in
the trusted list, one knock from inside would extend the whole network. A door without such a list
refuses a network (exit code 4).`,
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
			return onLedgers(c, e, trustedAdd, address.String(), func(ctx context.Context, a *act, session *api.Session, ledger *trusted.Ledger, out *view.Trusted) error {
				d, err := ledger.Choose(door, address.Family())
				if err != nil {
					return err
				}
				if err := a.begin(d.Plan+"/"+d.Name, lasting); err != nil {
					return err // nobody is trusted without a trace
				}
				existed, err := trusted.Add(ctx, session, d, address, timeout, comment)
				if err == nil {
					a.remark("%s: %s is trusted at door %s/%s %s\n", out.Name, address, d.Plan, d.Name, added(existed, timeout))
					out.Outcome = apply.Changed
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&door, "door", "", "`DOOR` or PLAN/DOOR; needed where there are several")
	c.Flags().StringVar(&lasting, "for", "", "how long, a `TIME` such as 2h or 7d; or: ever")
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
		Long: `Take an address off the trusted lists of all doors, and off their stage lists, from
which one more knock would bring it back. Take it off their quarantines, as if it had never knocked.
Cut its connections. Then look again and say what is left. Exit code 5 when something is left.

A network is revoked with every address in it. An address in a network that is trusted as a whole
stays trusted by that network, and this is reported.

The address of your own session is refused, unless you accept the risk by its name.`,
		Example: `  rosknock trusted revoke 203.0.113.9 -r admin@192.0.2.1 -r admin@192.0.2.2
  rosknock trusted revoke 203.0.113.0/28 -r admin@192.0.2.1`,
		Args: exactly(1, "trusted revoke takes one address or prefix"),
		RunE: func(c *cobra.Command, args []string) error {
			address, err := routeros.ParseAddressRange(args[0])
			if err != nil {
				return invalid(err)
			}
			address = routeros.AddressRange{First: address.First.Unmap(), Last: address.Last.Unmap()}
			var left atomic.Bool
			err = onLedgers(c, e, "trusted-revoke", address.String(), func(ctx context.Context, a *act, session *api.Session, ledger *trusted.Ledger, out *view.Trusted) error {
				if err := a.begin("", ""); err != nil { // to cut somebody off can't wait for a disk
					view.Say(a.err, "rosknock: warning: %s: %v\n", out.Name, err)
				}
				own := slices.Contains(a.accept, change.LoseSession)
				done, err := trusted.Revoke(ctx, session, *ledger, address, own)
				out.Revocation = done
				if err != nil {
					return err
				}
				out.Outcome = apply.Unchanged
				if done.Entries+done.Connections > 0 {
					out.Outcome = apply.Changed
				}
				a.remark("%s: %s removed, %s cut\n", out.Name, view.Plural(done.Entries, "list entry"), view.Plural(done.Connections, "connection"))
				for _, sentence := range done.Left {
					left.Store(true)
					view.Say(a.err, "%s: left: %s\n", out.Name, sentence)
				}
				return nil
			})
			if err == nil && left.Load() {
				return shown(exitSome)
			}
			return err
		},
	}
}

// trustedList is the command that only reads ledgers.
const trustedList = "trusted-list"

// trustedAdd is the command that lets somebody in.
const trustedAdd = "trusted-add"

// onLedgers logs in to every router, reads its ledger, and lets work do something with it. A router
// that fails stops none. Afterwards the ledgers are shown as they are then. source is whose trust
// it is about, for the journal.
func onLedgers(c *cobra.Command, from env, command, source string, work ledgerWork) error {
	e, err := load(c, from)
	if err != nil {
		return err
	}
	targets, err := e.routersOf()
	if err != nil {
		return err
	}
	if ok, err := e.agreeFound(c.Context(), strings.ReplaceAll(command, "-", " ")+" "+source, len(targets)); err != nil || !ok {
		return err
	}
	t := fleetRun{access: e, routers: targets, verb: strings.ReplaceAll(command, "-", " "), silent: true}
	var mu sync.Mutex
	found := map[string]view.Trusted{}
	to := e.shownBy(func(sink view.Sink) flow {
		return of[view.Trusted]{[]taker[view.Trusted]{view.Ledgers(sink, command)}, func(r operate.Result) view.Trusted {
			mu.Lock()
			defer mu.Unlock()
			if one, ended := found[r.Name]; ended {
				delete(found, r.Name)
				return one
			}
			return view.Trusted{Name: r.Name, Address: r.Address, Outcome: r.Outcome, Err: r.Err} // its turn did not come
		}}
	})
	t.over(c.Context(), to, func(ctx context.Context, e access, r router) []operate.Result {
		one := onLedger(ctx, e, r, command, source, work)
		mu.Lock()
		defer mu.Unlock()
		found[r.Name] = one
		if one.Err != nil && e.Output != "json" && e.Output != "jsonl" && len(targets) == 1 {
			view.Say(e.err, "%s: %v\n", r.Name, one.Err)
		}
		return []operate.Result{{Name: r.Name, Err: one.Err, Outcome: one.Outcome}}
	})
	return to.finish(c.Context())
}

// ledgerWork is what is done with a router's ledger.
type ledgerWork func(context.Context, *act, *api.Session, *trusted.Ledger, *view.Trusted) error

func onLedger(ctx context.Context, e access, r router, command, source string, work ledgerWork) (out view.Trusted) {
	a := e.act(r, strings.ReplaceAll(command, "-", " "), source)
	if command != trustedList {
		defer func() { a.end(out) }()
	}
	out = view.Trusted{Name: r.Name, Address: r.target.HostPort()}
	fail := func(err error) view.Trusted {
		out.Outcome, out.Err = apply.Failed, err
		_, own := errors.AsType[*trusted.OwnAddressError](err)
		if _, networks := errors.AsType[*trusted.NoNetworksError](err); own || networks {
			out.Outcome = apply.Refused
		}
		return out
	}
	var session *api.Session
	var ledger trusted.Ledger
	err := e.pace.backoff(e.among).Retry(ctx, func() error {
		var err error
		if session, err = e.connect(ctx, r, nil); err != nil {
			return err
		}
		if ledger, err = trusted.Read(ctx, session); err != nil {
			session.Close()
		}
		return err
	}, operate.Final)
	if err != nil {
		return fail(err)
	}
	defer session.Close()
	switch err := operate.SameBox(e.desk(r), e.operated(r), ledger.Serial); {
	case err != nil && command == trustedAdd:
		out.Outcome, out.Err = apply.Refused, err
		return out
	case err != nil: // to see, and to cut somebody off, can't wait
		view.Say(e.err, "rosknock: warning: %s: %v\n", r.Name, err)
	}
	if command != trustedList {
		defer e.underway.begin(r.Name, apply.None)()
	}
	if err := work(ctx, a, session, &ledger, &out); err != nil {
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
