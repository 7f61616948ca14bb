package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// endpoint is a TCP port of a host; without a host it is of the router that was knocked at.
type endpoint struct {
	host string
	port uint16
}

// calls puts together which routers are knocked at, and at which of their doors. Every mistake is
// found before the first packet.
func calls(ctx context.Context, e access, o knockOptions, args []string) ([]call, error) {
	routers, connect, err := knocked(e, o, args)
	if err != nil {
		return nil, err
	}
	jobs, err := e.plannedWith(routers, args[:min(1, len(args))], func(p plans.Plan, r router) (plans.Plan, error) { return e.foundWeak(ctx, p, r) })
	if err != nil {
		return nil, err
	}
	warnOfReaders(e.env, jobs, args)
	var out []call
	for _, j := range jobs {
		c := call{router: j.router, host: hostOf(j.router), try: connect}
		if c.plan, c.door, err = chooseDoor(j.plans, o.door); err != nil {
			return nil, err
		}
		if c.plan, c.door, c.before, err = present(ctx, e, o, j, c.plan, c.door); err != nil {
			return nil, err
		}
		if o.then != "" {
			if c.try, err = parseTarget(o.then, c.plan); err != nil {
				return nil, usagef("--then %q: %w", o.then, err)
			}
		}
		if o.delay+o.stageWait >= c.door.StageTimeout && len(c.door.Knock) > 1 {
			return nil, usagef("--delay and --stage-wait: door %s forgets a stage after %s, so the next has to come sooner: shorten them", c.door.Name, c.door.StageTimeout)
		}
		out = append(out, c)
	}
	if len(out) > 1 && o.connect != "" {
		return nil, usagef("--connect joins one connection, and there are %d routers: choose one with --limit", len(out))
	}
	return out, nil
}

// parseTarget reads what --then names: tcp/PORT, a service or forward by its name, or host:port.
func parseTarget(text string, p plans.Plan) (endpoint, error) {
	protocol, number, ok := strings.Cut(text, "/")
	switch {
	case ok && protocol != "tcp":
		return endpoint{}, errors.New("only TCP tells whether it is open: write tcp/PORT")
	case ok:
		port, err := routeros.ParsePort(number)
		if err != nil || port == 0 {
			return endpoint{}, errors.New("a port is a number from 1 to 65535, as in tcp/22")
		}
		return endpoint{port: port}, nil
	case strings.Contains(text, ":"):
		return parseEndpoint(text)
	}
	var names []string
	for _, f := range p.Gate.Forwards {
		if f.Protocol == "tcp" {
			names = append(names, f.Name)
		}
		if f.Protocol == "tcp" && f.Name == text {
			return endpoint{port: f.Port}, nil
		}
	}
	for _, service := range routeros.Services() {
		names = append(names, service.Name)
		if service.Name != text {
			continue
		}
		for _, moved := range p.Services.Ports {
			if moved.Name == text {
				return endpoint{port: moved.Port}, nil
			}
		}
		return endpoint{port: service.Port}, nil
	}
	return endpoint{}, fmt.Errorf("it is not a service; write tcp/PORT, host:port or one of %s", strings.Join(names, ", "))
}

// parseEndpoint reads host:port. ssh's %h:%p puts no brackets around an IPv6 address; the last
// colon parts it then.
func parseEndpoint(text string) (endpoint, error) {
	host, number, ok := cutLast(text, ":")
	port, err := routeros.ParsePort(number)
	if !ok || err != nil || port == 0 {
		return endpoint{}, errors.New("host:port is expected")
	}
	host, why := bareHost(host)
	if why != "" {
		return endpoint{}, errors.New(why)
	}
	return endpoint{host, port}, nil
}

// bareHost takes the brackets off an IPv6 address, and says what is wrong with a host that has no
// port.
func bareHost(text string) (host, why string) {
	if why := inventory.CheckHost(text); why != "" {
		return "", why
	}
	if _, err := netip.ParseAddr(text); err != nil && strings.Contains(text, ":") && !strings.HasSuffix(text, "]") {
		return "", "it has a port, and a knock has its own: leave it out"
	}
	return strings.Trim(text, "[]"), ""
}

// knocked says which routers are knocked at, and what --connect names.
func knocked(e access, o knockOptions, args []string) ([]router, endpoint, error) {
	var connect endpoint
	if o.connect != "" {
		var err error
		if connect, err = parseEndpoint(o.connect); err != nil {
			return nil, connect, usagef("--connect %q: %w", o.connect, err)
		}
	}
	named := len(e.routers)+len(e.inventories) > 0
	switch {
	case len(e.limits) > 0 && !named:
		_, err := e.routersOf() // which says what --limit needs
		return nil, connect, err
	case len(args) == 2 && named:
		return nil, connect, usagef("the host %s and --router or --inventory exclude each other: name the routers once", args[1])
	case len(args) == 2:
		host, why := bareHost(args[1])
		if why != "" {
			return nil, connect, usagef("%q is not a host to knock at: %s", maskedTarget(args[1]), why)
		}
		return []router{bareRouter(e.settings, host)}, connect, nil
	case named:
		routers, err := e.routersOf()
		return routers, connect, err
	case len(args) == 0:
		return nil, connect, usagef("no plan: name its file")
	case o.connect != "":
		return []router{bareRouter(e.settings, connect.host)}, connect, nil
	}
	return nil, connect, usagef("no host: knock takes a plan and a host, or --router, or --inventory")
}

// bareRouter is a router that is known by its host only.
func bareRouter(s settings, host string) router {
	r := router{Member: fleet.Member{Name: host}, vars: s.vars}
	r.target.Address = host
	return r
}

// hostOf is the host of a router, without the port of its API.
func hostOf(r router) string {
	if host, _, err := net.SplitHostPort(r.target.HostPort()); err == nil {
		return host
	}
	return r.target.Address
}

// present derives the knock of the present window for a door that rotates. It also derives the
// knocks of earlier rounds, which stay on the router when nobody lays new ones.
func present(ctx context.Context, e access, o knockOptions, j job, p plans.Plan, d plans.Door) (plans.Plan, plans.Door, []plans.Door, error) {
	back, err := roundsBack(o, d)
	if err != nil || d.Rotate == nil {
		return p, d, nil, err
	}
	identity := o.identity
	if identity == "" && len(e.inventories) > 0 {
		identity = j.Name
	}
	if identity == "" {
		return p, d, nil, usagef("the knock of door %s follows from the router's own name, which /system identity print shows: give it with --identity", d.Name)
	}
	p, err = e.derived(ctx, p, j.router, identity, func(w sequence.Schedule) []int64 {
		out := []int64{w.At(e.knocksAt())}
		for n := range back {
			out = append(out, sequence.Before(*d.Rotate, out[0], n+1))
		}
		return out
	})
	if err != nil {
		return p, d, nil, err
	}
	doors := slices.DeleteFunc(slices.Clone(p.Doors), func(o plans.Door) bool { return o.Name != d.Name })
	return p, doors[0], doors[1:], nil
}

// roundsBack is how many earlier rounds are tried of knocks that were laid in advance: as many as
// --days-back says, else one where it can be seen whether the door opens.
func roundsBack(o knockOptions, d plans.Door) (int, error) {
	switch {
	case d.Rotate == nil || d.Rotate.Ahead == 0:
		if o.daysBack > 0 {
			return 0, usagef("--days-back: the knocks of door %s are not laid in advance, and those of other days open nothing: leave it out", d.Name)
		}
		return 0, nil
	case o.daysBack >= 0:
		return o.daysBack / int(d.Rotate.Ahead/(24*time.Hour)), nil
	case o.then != "" || o.connect != "":
		return 1, nil
	}
	return 0, nil
}

// chooseDoor finds the door of that name, or the only one.
func chooseDoor(all []plans.Plan, name string) (plans.Plan, plans.Door, error) {
	var plan plans.Plan
	var door plans.Door
	var known, fit []string
	for _, p := range all {
		for _, d := range p.Doors {
			full := d.Name
			if len(all) > 1 {
				full = p.Name + "/" + d.Name
			}
			known = append(known, full)
			if name == "" || name == d.Name || name == full {
				plan, door, fit = p, d, append(fit, full)
			}
		}
	}
	switch {
	case len(fit) == 1:
		return plan, door, nil
	case len(known) == 0:
		return plan, door, invalid(errors.New("the plan has no door to knock at: give it one"))
	case len(fit) > 1:
		return plan, door, usagef("which door: %s? name it with --door", strings.Join(fit, ", "))
	}
	return plan, door, usagef("--door %s: there is no such door; the plan has %s", name, strings.Join(known, ", "))
}

// warnOfReaders warns of plans that others on this machine can read: the knock in them is a secret.
func warnOfReaders(e env, jobs []job, args []string) {
	var files []string
	for _, j := range jobs {
		files = append(files, j.files...)
	}
	if len(args) > 0 {
		files = args[:1]
	}
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		if info, err := os.Stat(file); err == nil && readByOthers(info) {
			view.Say(e.err, "rosknock: warning: %s can be read by others, and the knock in it is a secret: chmod 600 %s\n", file, file)
		}
	}
}

// readByOthers reports whether others than its owner may read a file, where the system tells.
func readByOthers(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}

// addresses are where a router is knocked at, in the order of trying: the best of each family.
func addresses(ctx context.Context, e access, o knockOptions, c call) ([]netip.Addr, error) {
	if c.jump != "" {
		return nil, fmt.Errorf("%s is reached through SSH hosts, and a knock can't go through them: run rosknock on the last of them, or name the router's own address", c.Name)
	}
	found, err := lookup(ctx, e, c.host)
	if err != nil {
		return nil, err
	}
	return chooseAddresses(c.host, found, o, c.plan.Firewall.Families)
}

// lookup resolves a host, in the order in which the system would use its addresses.
func lookup(ctx context.Context, e access, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%s has no address: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

// chooseAddresses leaves the first address of each family that may be used: by the flags, by the
// source, and by the plan.
func chooseAddresses(host string, found []netip.Addr, o knockOptions, families []routeros.Family) ([]netip.Addr, error) {
	source, _ := netip.ParseAddr(o.source)
	var out, left []netip.Addr
	for _, a := range found {
		f := routeros.IPv6
		if a.Is4() {
			f = routeros.IPv4
		}
		if o.four && !a.Is4() || o.six && a.Is4() || source.IsValid() && source.Unmap().Is4() != a.Is4() {
			continue
		}
		left = append(left, a)
		if slices.Contains(families, f) && !slices.ContainsFunc(out, func(b netip.Addr) bool { return b.Is4() == a.Is4() }) {
			out = append(out, a)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(left) > 0:
		return nil, fmt.Errorf("%s has no %s address that may be used, and the plan is for no other family: name another host, or give the plan the family", host, familiesText(families))
	}
	return nil, fmt.Errorf("%s has no address of the family that -4, -6 or --source ask for: leave them out, or name another host", host)
}

func familiesText(families []routeros.Family) string {
	var names []string
	for _, f := range families {
		names = append(names, f.String())
	}
	return strings.Join(names, " and ")
}
