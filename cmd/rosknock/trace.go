package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// traceOptions is what a packet is besides its words.
type traceOptions struct {
	in, state string
	lists     []string
	size      int
	ipsec     bool
	export    string
}

func newTrace(e env) *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use:   "trace PROTOCOL SOURCE[:PORT] [DESTINATION]:PORT",
		Short: "Show what a router would do with a packet, and why",
		Long: `Follow one packet through the router's rules: raw prerouting, destination NAT, the
filter's input chain. Shown are the rules that it meets, which matcher of each does not match, to
which lists its source is added, which rule decides, and whether a service answers. Nothing is sent
to anybody.

A destination with only a port is the router itself. Where a rule depends on something that a packet
does not tell, such as limit, both ways are followed.`,
		Example: `  rosknock trace tcp 203.0.113.9 :22 --in ether1 -r admin@192.0.2.1
  rosknock trace udp 203.0.113.9 :51820 --in ether1 --list trusted --export router.rsc
  rosknock trace icmp 203.0.113.9 --size 245 --in ether1 --export router.rsc`,
		RunE: withSettings(e, func(c *cobra.Command, e access, args []string) error {
			p, err := o.packet(args)
			if err != nil {
				return usagef("trace: %w", err)
			}
			r := e.shownBy(func(sink view.Sink) flow {
				return of[view.Traced]{[]taker[view.Traced]{view.TracesOf(sink)}, func(r operate.Result) view.Traced { return o.trace(r, p) }}
			})
			err = readAll(c.Context(), e, o.export, operate.Rules, func(r operate.Result) operate.Result {
				r = o.placed(r, p)
				if r.Err != nil || o.export == "" || o.in == "" {
					return r
				}
				if _, shown := r.Snapshot.Interface(o.in); !shown {
					view.Say(e.err, "rosknock: %s does not show the interface %s: it is taken as one that is in no list; it shows %s\n",
						o.export, o.in, strings.Join(interfaceNames(*r.Snapshot), ", "))
				}
				return r
			}, r)
			if err != nil {
				return err
			}
			return r.finish(c.Context())
		}),
	}
	c.Flags().StringVar(&o.in, "in", "", "`INTERFACE` on which the packet arrives")
	c.Flags().StringVar(&o.state, "state", "new", "connection `STATE`: new, established, related, invalid or untracked")
	c.Flags().StringArrayVar(&o.lists, "list", nil, "address `LIST` in which the source is taken to be; may be repeated")
	c.Flags().IntVar(&o.size, "size", 0, "`BYTES` of the whole packet, IP header included")
	c.Flags().BoolVar(&o.ipsec, "ipsec", false, "the packet came out of an IPsec tunnel")
	exportFlags(c, &o.export, nil)
	return c
}

// packet reads the packet of the command line.
func (o traceOptions) packet(args []string) (firewall.Packet, error) {
	p, err := firewall.Parse(args)
	if err != nil {
		return p, err
	}
	states := []string{"new", "established", "related", "invalid", "untracked"}
	at := slices.Index(states, o.state)
	if at < 0 {
		return p, fmt.Errorf("--state %q: choose one of %s", o.state, strings.Join(states, ", "))
	}
	if p.State = firewall.State(at); p.State != firewall.New && p.Protocol == 6 {
		p.TCPFlags = firewall.ACK
	}
	if o.size < 0 || o.size > 65535 {
		return p, fmt.Errorf("--size %d: a number of bytes up to 65535 is expected", o.size)
	}
	if o.size > 0 {
		p.Size = o.size
	}
	p.IPsec = o.ipsec
	return p, nil
}

// placed is a router where it is known on which interface the packet arrives; else it has failed.
func (o traceOptions) placed(r operate.Result, p firewall.Packet) operate.Result {
	if r.Err != nil {
		return r
	}
	if o.export != "" && o.in != "" {
		return r // an export leaves out interfaces that nobody has changed
	}
	if _, err := interfaceOf(*r.Snapshot, o.in, p.Src); err != nil {
		return r.Failed(&codeError{code: exitUsage, err: err})
	}
	return r
}

// trace follows the packet through one router.
func (o traceOptions) trace(r operate.Result, p firewall.Packet) view.Traced {
	out := view.Traced{Result: r}
	if r.Err != nil {
		return out
	}
	s := *r.Snapshot
	if p.InInterface = o.in; o.in == "" {
		p.InInterface, _ = interfaceOf(s, "", p.Src)
	}
	if !p.Dst.IsValid() {
		p.Dst = ownAddress(s, p.Family(), p.InInterface)
	}
	world, lists := firewall.NewFirewall(s), listed{firewall.NewAddressLists(s, s.Clock), p.Src, o.lists}
	out.Packet, out.Fate, out.Others = p, world.Trace(p, lists, s.Clock), world.Dispositions(p, lists, s.Clock)
	return out
}

// interfaceOf finds where a packet arrives: as named, or on the one network of which its source is.
func interfaceOf(s routeros.Snapshot, name string, src netip.Addr) (string, error) {
	names := interfaceNames(s)
	if name != "" {
		if _, has := s.Interface(name); len(names) > 0 && !has {
			return "", fmt.Errorf("--in %s: the router has no such interface; it has %s", name, strings.Join(names, ", "))
		}
		return name, nil
	}
	for _, a := range s.Addresses {
		if !a.Disabled && a.Prefix.Contains(src) {
			return a.Interface, nil
		}
	}
	if len(names) == 1 {
		return names[0], nil
	}
	return "", fmt.Errorf("%s may arrive anywhere: name the interface with --in; the router has %s", src, strings.Join(names, ", "))
}

func interfaceNames(s routeros.Snapshot) []string {
	var names []string
	for _, i := range s.Interfaces {
		names = append(names, i.Name)
	}
	return names
}

// ownAddress is an address of the router, on that interface if it has one there.
func ownAddress(s routeros.Snapshot, f routeros.Family, in string) netip.Addr {
	found := netip.MustParseAddr("192.0.2.1")
	if f == routeros.IPv6 {
		found = netip.MustParseAddr("2001:db8::1")
	}
	for _, a := range slices.Backward(s.Addresses) {
		if !a.Disabled && a.Prefix.Addr().Is4() == (f == routeros.IPv4) {
			found = a.Prefix.Addr()
		}
	}
	for _, a := range s.Addresses {
		if !a.Disabled && a.Prefix.Addr().Is4() == (f == routeros.IPv4) && a.Interface == in {
			return a.Prefix.Addr()
		}
	}
	return found
}

// listed are a router's lists, and beyond them those in which one source is taken to be.
type listed struct {
	*firewall.AddressLists
	source netip.Addr
	lists  []string
}

// Contains implements [firewall.Lists].
func (l listed) Contains(f routeros.Family, list string, a netip.Addr, at time.Time) bool {
	return a == l.source && slices.Contains(l.lists, list) || l.AddressLists.Contains(f, list, a, at)
}

// readAll reads an export, or every router of the command line. A router that fails stops none. then,
// where it is not nil, looks at each that was read.
func readAll(ctx context.Context, e access, export string, extent operate.Extent, then func(operate.Result) operate.Result, to *results) error {
	if then == nil {
		then = func(r operate.Result) operate.Result { return r }
	}
	if export != "" {
		read, err := readExportText(e, export)
		if err != nil {
			return err
		}
		r := replayed(e, export, read)
		if extent == operate.WithServers {
			r.Cut = leaveOpen(read, r.Snapshot)
		}
		to.start(1)
		to.take(ctx, 0, []operate.Result{then(r)})
		return nil
	}
	targets, err := e.routersOf()
	if err != nil {
		return err
	}
	t := fleetRun{access: e, routers: targets, verb: "read", silent: true}
	t.over(ctx, to, func(ctx context.Context, e access, target router) []operate.Result {
		r := operate.Read(ctx, e.desk(target), e.options(), e.operated(target), extent)
		return []operate.Result{then(r)}
	})
	return nil
}
