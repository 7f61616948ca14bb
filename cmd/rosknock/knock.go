package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/knock"
	"github.com/rosknock/rosknock/plans/operate"
)

// knockOptions are the flags of the knock command.
type knockOptions struct {
	door, then, connect, source string
	identity                    string
	four, six, ifShut, quiet    bool
	delay, stageWait, thenWait  time.Duration
	passes, daysBack            int
}

func newKnock(e env) *cobra.Command {
	var o knockOptions
	c := &cobra.Command{
		Use:   "knock [PLAN] [HOST]",
		Short: "Knock at a door, and say whether it opened",
		Long: `Play the knock of a door from this machine, one packet for each stage. The router is
HOST, or the one of --router, or one after the other those that --inventory and --limit select. With
--connect alone it is the host to connect to.

A knock is never answered. With --then, a TCP port behind the door is tried afterwards; while it
stays shut, the knock is played again (--passes). With --connect, standard input and output become
that connection, for ssh's ProxyCommand; messages go to standard error.

Some plans lay knocks on the router in advance (rotate.ahead). When nobody has laid new ones since,
the knocks of a day or a week ago are valid again. When the door stays shut, the knock of that time
is tried too; --days-back goes back further. Without --then or --connect, rosknock can't tell
whether the door stays shut; with --days-back it then plays all of these knocks.`,
		Example: `  rosknock knock branch.yaml 192.0.2.1
  rosknock knock branch.yaml --door admin 192.0.2.1 --then ssh
  rosknock knock branch.yaml -i fleet.yaml -l branches --then winbox -o json
  ssh -o ProxyCommand='rosknock knock branch.yaml --connect %h:%p' admin@192.0.2.1`,
		Args: atMost(2, "knock takes a plan and a host"),
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			if err := o.check(e.settings); err != nil {
				return err
			}
			calls, err := calls(c.Context(), e, o, args)
			if err != nil {
				return err
			}
			return knockAll(c.Context(), e, o, calls)
		}),
	}
	o.flags(c)
	return c
}

func (o *knockOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.door, "door", "", "`NAME` of the door, where the plan has several")
	f.StringVar(&o.identity, "identity", "", "the router's own `NAME`, on which rotating knocks depend; default: its name in the inventory")
	f.StringVar(&o.then, "then", "", "wait until a `TARGET` behind the door opens: tcp/22, a service such as ssh, a forward of the plan, or host:port")
	f.StringVar(&o.connect, "connect", "", "then connect to `HOST:PORT` and join standard input and output to it")
	f.BoolVar(&o.ifShut, "if-shut", false, "do not knock when the target of --then or --connect is open already")
	f.IntVar(&o.passes, "passes", 0, "play the knock up to `N` times while the door stays shut (default 1; with --then or --connect 3)")
	f.IntVar(&o.daysBack, "days-back", 0, "of knocks laid in advance, also play those of the same hour up to `N` days ago (default: one round, while the door stays shut)")
	f.DurationVar(&o.thenWait, "then-wait", 3*time.Second, "`TIME` that the door may take to open after each pass")
	f.DurationVar(&o.delay, "delay", knock.DefaultDelay, "`TIME` between two stages")
	f.DurationVar(&o.stageWait, "stage-wait", knock.DefaultTimeout, "`TIME` that a tcp stage waits for an answer, less than a second")
	f.StringVar(&o.source, "source", "", "send from an `ADDRESS` of this machine, or by an interface")
	f.BoolVarP(&o.four, "ipv4", "4", false, "knock over IPv4")
	f.BoolVarP(&o.six, "ipv6", "6", false, "knock over IPv6")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show no progress, and with --connect nothing but errors")
}

// check finds the mistakes that the flags alone tell, and fills in what depends on others.
func (o *knockOptions) check(s settings) error {
	tries := o.then != "" || o.connect != ""
	switch {
	case o.then != "" && o.connect != "":
		return usagef("--then and --connect exclude each other: --connect waits until the door opens, too")
	case o.ifShut && !tries:
		return usagef("--if-shut needs --then or --connect, which show whether the door is open")
	case o.four && o.six:
		return usagef("-4 and -6 exclude each other: leave both out to use either")
	case s.typed["passes"] && (o.passes < 1 || o.passes > 100):
		return usagef("--passes %d: from 1 to 100", o.passes)
	case o.daysBack < 0 || o.daysBack > 366:
		return usagef("--days-back %d: from 0 to 366", o.daysBack)
	case o.thenWait <= 0:
		return usagef("--then-wait %s: it must be more than 0", o.thenWait)
	case o.delay <= 0:
		return usagef("--delay %s: it must be more than 0", o.delay)
	case o.stageWait <= 0 || o.stageWait >= time.Second:
		return usagef("--stage-wait %s: it must be more than 0 and less than 1s, after which the system would send the packet again", o.stageWait)
	case s.typed["ssh-jump"] && s.SSHJump != "":
		return usagef("a knock can't go through SSH hosts: leave --ssh-jump out, or run rosknock on the last of them")
	}
	if !s.typed["days-back"] {
		o.daysBack = -1
	}
	if !s.typed["passes"] {
		o.passes = 1
		if tries {
			o.passes = 3
		}
	}
	return checkSource(o.source)
}

// checkSource wants an address or an interface of this machine.
func checkSource(text string) error {
	if _, err := netip.ParseAddr(text); err == nil || text == "" {
		return nil
	}
	if _, err := net.InterfaceByName(text); err != nil {
		return usagef("--source %q: it is neither an address nor an interface of this machine", text)
	}
	return nil
}

// call is a visit to one router: who, which door, and what shows that it is open.
type call struct {
	router
	host string
	plan plans.Plan
	door plans.Door
	try  endpoint
	// before holds the door as it was in earlier rounds, where its knocks are laid in advance.
	before []plans.Door
}

// knockAll visits the routers in their order and shows what came of it.
func knockAll(ctx context.Context, e access, o knockOptions, calls []call) error {
	out := e.out
	if o.connect != "" { // standard output is the connection's
		out, e.outTerminal = e.err, e.errTerminal
	}
	timed := ctx
	if e.pace.totalTimeout > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeoutCause(ctx, e.pace.totalTimeout, fmt.Errorf("--total-timeout: the %s are over", e.pace.totalTimeout))
		defer cancel()
	}
	var results []view.Knocked
	var conn *net.TCPConn
	for _, c := range calls {
		var r view.Knocked
		if r, conn = knockOne(timed, e, o, c, len(calls) > 1); conn != nil && o.connect == "" {
			_ = conn.Close()
		}
		results = append(results, r)
		if e.Output == "text" && !o.silent(r) {
			view.KnockedLine(out, r, e.style())
		}
	}
	if e.Output != "text" && !o.silent(results...) {
		if err := view.Knocks(out, e.Output, results, e.style()); err != nil {
			return err
		}
	}
	if o.connect != "" && conn != nil {
		return e.join(ctx, conn)
	}
	return outcomeCode(ctx, view.RoutersOfKnocks(results)...)
}

// silent reports whether results are not shown.
func (o knockOptions) silent(results ...view.Knocked) bool {
	return o.quiet && o.connect != "" && !slices.ContainsFunc(results, func(k view.Knocked) bool { return k.Err != nil })
}

// knockOne visits one router. The connection is there when something was tried and is open.
func knockOne(ctx context.Context, e access, o knockOptions, c call, among bool) (view.Knocked, *net.TCPConn) {
	out := view.Knocked{Result: operate.Result{Name: c.Name}, Door: c.door.Name, Stages: len(c.door.Knock)}
	if e.pace.routerTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, e.pace.routerTimeout, fmt.Errorf("--router-timeout: the %s are over", e.pace.routerTimeout))
		defer cancel()
	}
	fail := func(err error) (view.Knocked, *net.TCPConn) {
		out.Result = out.Failed(err)
		return out, nil
	}
	if ctx.Err() != nil {
		return fail(fmt.Errorf("not begun: %w", context.Cause(ctx)))
	}
	addresses, err := addresses(ctx, e, o, c)
	if err != nil {
		return fail(err)
	}
	address, result, err := overFamilies(addresses, func(a netip.Addr) (knock.Result, error) { return visits(ctx, e, o, c, a, among) })
	out.Address = address.String()
	out.Sent, out.Passes, out.Took = result.Sent, result.Passes, result.Took
	shut, isShut := errors.AsType[*knock.ShutError](err)
	out.Tried = c.try.port != 0 && (err == nil || isShut)
	out.Open = out.Tried && err == nil
	if isShut {
		err = fmt.Errorf("door %s stays shut after %s, for %s: check that the plan is applied there, that the door opens what was tried, "+
			"and that nothing on the way drops the knock; rosknock trusted list shows who got in", c.door.Name, passes(out.Passes), shut.Why)
	}
	if err != nil {
		return fail(err)
	}
	return out, result.Conn
}

// overFamilies visits the first address, and the next one when this machine has no way to it. What
// it returns is of the last visit.
func overFamilies(addresses []netip.Addr, visit func(netip.Addr) (knock.Result, error)) (address netip.Addr, result knock.Result, err error) {
	for _, address = range addresses {
		result, err = visit(address)
		if !knock.Unreachable(err) || result.Sent > 0 {
			break
		}
	}
	return address, result, err
}

func passes(n int) string {
	if n == 1 {
		return "one pass"
	}
	return fmt.Sprintf("%d passes", n)
}

// visits knocks at one address of a router: with the knock that is valid now, and while the door
// stays shut with those of earlier rounds. Where nothing is tried they are played one after the
// other.
func visits(ctx context.Context, e access, o knockOptions, c call, address netip.Addr, among bool) (knock.Result, error) {
	rounds := 1
	if len(c.before) > 0 { // first each of them once
		rounds, o.passes = o.passes, 1
	}
	var total knock.Result
	var err error
	for range rounds {
		for i, door := range append([]plans.Door{c.door}, c.before...) {
			c.door = door
			if i > 0 && !o.quiet {
				e.remark("the knock of %s\n", ago(i, *door.Rotate))
			}
			var one knock.Result
			one, err = visit(ctx, e, o, c, address, among)
			total = knock.Result{Passes: total.Passes + one.Passes, Sent: one.Sent, Took: total.Took + one.Took, Conn: one.Conn}
			_, shut := errors.AsType[*knock.ShutError](err)
			if err != nil && !shut || err == nil && c.try.port != 0 {
				return total, err
			}
			o.ifShut = false // it was shut
		}
	}
	return total, err
}

// ago says for when knocks that were laid in advance were meant, some rounds back.
func ago(rounds int, r plans.Rotate) string {
	days := rounds * int(r.Ahead/(24*time.Hour))
	if days == 1 {
		return "a day ago"
	}
	return fmt.Sprintf("%d days ago", days)
}

// visit knocks at one address of a router.
func visit(ctx context.Context, e access, o knockOptions, c call, address netip.Addr, among bool) (knock.Result, error) {
	v := knock.Visit{Host: address, Stages: c.door.Knock, Passes: o.passes, Wait: o.thenWait, IfShut: o.ifShut}
	v.Options = knock.Options{Delay: o.delay, Timeout: o.stageWait}
	if a, err := netip.ParseAddr(o.source); err == nil {
		v.Options.Source = a
	} else {
		v.Options.Interface = o.source
	}
	if c.try.port != 0 {
		to, err := behind(ctx, e, c, address)
		if err != nil {
			return knock.Result{}, err
		}
		v.Try = netip.AddrPortFrom(to, c.try.port)
	}
	if !o.quiet {
		v.Options.Observe = followStages(e, c, among)
	}
	return v.Make(ctx)
}

// behind is the address of what is tried: the one that is knocked at, or that of another host in
// the same family, for the router trusts an address of one family only.
func behind(ctx context.Context, e access, c call, address netip.Addr) (netip.Addr, error) {
	if c.try.host == "" || c.try.host == c.host {
		return address, nil
	}
	found, err := lookup(ctx, e, c.try.host)
	if err != nil {
		return address, err
	}
	for _, a := range found {
		if a.Is4() == address.Is4() {
			return a, nil
		}
	}
	return address, fmt.Errorf("%s has no address of the family of %s, where the knock goes: choose the other family with -4 or -6", c.try.host, address)
}

// followStages says on standard error how far a knock has come.
func followStages(e access, c call, among bool) func(int) {
	who := ""
	if among {
		who = c.Name + ": "
	}
	begun := false
	return func(stage int) {
		if stage == 1 && begun {
			view.Say(e.err, "%sknocking again\n", who)
		}
		begun = true
		what := ""
		if e.Reveal {
			what = ": " + c.door.Knock[stage-1].Reveal()
		}
		view.Say(e.err, "%sstage %d of %d sent%s\n", who, stage, len(c.door.Knock), what)
	}
}
