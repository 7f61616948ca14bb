package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// flowKey is what connection tracking knows a connection by.
type flowKey struct {
	protocol uint8
	src, dst netip.AddrPort
}

// flows are the connections that are tracked.
type flows map[flowKey]*row

// lists answers the evaluator from the router's tables.
type lists struct{ r *Router }

// Contains implements [firewall.Lists].
func (l lists) Contains(f routeros.Family, list string, a netip.Addr, at time.Time) bool {
	return l.r.tables.of(f.AddressList()).contains(list, a, at)
}

// Packet lets a packet for the router arrive and returns its verdict. If destination NAT forwards
// it, its connection goes there too. Rules add their entries to address lists, counters count, and
// a packet that is accepted opens or renews a connection. Its next packets are established once it
// was answered, and new until then (routeros-facts § 7, § 15.1): services and pings are answered, as
// is all that is forwarded, and nothing else. A state other than new is taken as given.
func (r *Router) Packet(p firewall.Packet) firewall.Disposition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.input(p)
}

func (r *Router) input(p firewall.Packet) firewall.Disposition {
	now := r.expire()
	if r.outdated {
		r.world, r.outdated = r.world.Renew(r.tables.filtered(&r.options)), false
	}
	key := keyOf(p)
	if p.State == firewall.New {
		p.State = r.flows.state(key, r.tables.untracking())
	}
	if flow := r.flows[key]; flow != nil && p.State != firewall.New {
		p.To = flow.to
	}
	fate := r.world.Input(p, lists{r}, r.clock.wall(now).In(r.options.Zone)) // rules about the time of day go by the clock on the wall
	r.countLooks(fate, p)
	for _, a := range fate.Additions {
		r.enlist(a, now)
	}
	for _, rule := range fate.Logged {
		r.log("firewall,info", rule.Attrs.Get("log-prefix")+" "+rule.Chain()+": "+p.String())
	}
	passes := fate.Verdict == firewall.Accept || fate.Verdict == firewall.Forwarded
	if passes && p.State != firewall.Untracked && p.State != firewall.Invalid {
		r.track(key, fate.To, r.tables.answers(p, fate), now)
	}
	return fate
}

func keyOf(p firewall.Packet) flowKey {
	return flowKey{p.Protocol, netip.AddrPortFrom(p.Src.Unmap(), p.SrcPort), netip.AddrPortFrom(p.Dst.Unmap(), p.DstPort)}
}

// state is what connection tracking says about a packet: established for a connection that was
// answered, else new, also for TCP in mid-stream, since loose tracking picks it up. Where tracking
// is off there are no connections, and all packets are invalid (routeros-facts § 7, § 15.1).
func (f flows) state(key flowKey, off bool) firewall.State {
	switch flow := f[key]; {
	case off:
		return firewall.Invalid
	case flow != nil && flow.answered:
		return firewall.Established
	}
	return firewall.New
}

// untracking reports whether connection tracking is switched off.
func (t tables) untracking() bool {
	return slices.ContainsFunc(t.of(routeros.ConnectionTracking).rows, func(w *row) bool {
		on, said := routeros.ParseBool(w.get("enabled"))
		return said && !on
	})
}

// answers reports whether an accepted packet is answered by what it was sent to. A reset and an ICMP
// error do not count (routeros-facts § 15.1). Hosts behind the router are taken to answer.
func (t tables) answers(p firewall.Packet, fate firewall.Disposition) bool {
	port := p.DstPort
	if fate.At.IsValid() {
		port = fate.At.Port()
	}
	switch {
	case fate.Verdict == firewall.Forwarded:
		return true
	case p.Protocol == 6:
		return slices.ContainsFunc(t.of(routeros.ServiceMenu).rows, func(w *row) bool {
			return w.get("port") == itoa(int(port)) && !w.attrs.Bool("disabled")
		})
	}
	return p.Protocol == 1 && p.ICMPType == 8 || p.Protocol == 58 && p.ICMPType == 128
}

func (r *Router) countLooks(fate firewall.Disposition, p firewall.Packet) {
	for _, look := range fate.Trail {
		t := r.tables.of(look.Table)
		if look.Matched && look.Index < len(t.rows) {
			c := t.rows[look.Index].count
			c.packets++
			c.bytes += uint64(max(p.Size, 0))
		}
	}
}

// enlist adds the entry of a rule. Dynamic entries that cover the address start their time again,
// prefixes too, static ones stay as they are, and with either no entry is made (routeros-facts
// § 2.6, § 15.1).
func (r *Router) enlist(a firewall.Addition, now time.Time) {
	t := r.tables.of(a.Family.AddressList())
	address, problem := listAddress(a.Family, a.Address.Unmap().String())
	if problem != nil {
		return
	}
	until := time.Time{}
	if a.Timeout.Kind == routeros.Timed {
		until = now.Add(a.Timeout.For)
	}
	covering := slices.Collect(t.covering(a.List, a.Address, now))
	for _, old := range covering {
		if old.dynamic {
			renewed := *old
			renewed.until = until
			t.replace(t.find(old.id), &renewed)
			r.ends(until)
			r.notify(t, &renewed, false)
		}
	}
	if len(covering) > 0 {
		return
	}
	w := &row{
		attrs:   routeros.MakeAttributes("list", a.List, "address", address, "disabled", "false"),
		dynamic: a.Timeout.Kind != routeros.NoneStatic, created: r.clock.wall(now), until: until,
	}
	t.insert(len(t.rows), w)
	r.ends(until)
	r.notify(t, w, false)
}

// track opens a connection or renews it; to is where it was sent on, if it was.
func (r *Router) track(key flowKey, to netip.AddrPort, answered bool, now time.Time) {
	w := r.flows[key]
	answered = answered || w != nil && w.answered
	until := now.Add(lifetime(key.protocol, answered, w != nil))
	r.ends(until)
	state := ""
	if key.protocol == 6 {
		state = map[bool]string{true: "established", false: "syn-sent"}[answered]
	}
	if w != nil {
		w.until, w.answered = until, answered
		if state != "" {
			w.attrs = w.attrs.With("tcp-state", state)
		}
		return
	}
	family := routeros.IPv4
	if key.src.Addr().Is6() {
		family = routeros.IPv6
	}
	w = &row{attrs: key.attributes(to, state, r.options.Knobs.PortsApart), until: until, dynamic: true, to: to, answered: answered}
	t := r.tables.of(family.Connection())
	t.insert(len(t.rows), w)
	r.flows[key] = w
	r.notify(t, w, false)
}

// lifetime is how long a connection stays without another packet (routeros-facts § 7).
func lifetime(protocol uint8, answered, again bool) time.Duration {
	switch {
	case protocol == 6 && answered:
		return 24 * time.Hour
	case protocol == 6:
		return 5 * time.Second
	case protocol == 17 && answered && again:
		return 3 * time.Minute
	case protocol == 17:
		return 30 * time.Second
	case protocol == 1, protocol == 58:
		return 10 * time.Second
	}
	return 10 * time.Minute
}

// attributes print a connection; which form of the addresses is right is unknown (routeros-facts §
// 7).
func (key flowKey) attributes(to netip.AddrPort, tcpState string, portsApart bool) routeros.Attributes {
	a := routeros.MakeAttributes("protocol", routeros.ProtocolName(key.protocol))
	answers := key.dst
	if to.IsValid() {
		answers = to
	}
	ported := key.src.Port() != 0 || key.dst.Port() != 0
	for _, end := range []struct {
		name string
		at   netip.AddrPort
	}{{"src", key.src}, {"dst", key.dst}, {"reply-src", answers}, {"reply-dst", key.src}} {
		switch {
		case ported && portsApart:
			a = a.With(end.name+"-address", end.at.Addr().String()).With(end.name+"-port", itoa(int(end.at.Port())))
		case ported:
			a = a.With(end.name+"-address", end.at.String())
		default:
			a = a.With(end.name+"-address", end.at.Addr().String())
		}
	}
	if to.IsValid() {
		a = a.With("dstnat", "true")
	}
	if tcpState != "" {
		a = a.With("tcp-state", tcpState)
	}
	return a
}

// ends notes when a row runs out.
func (r *Router) ends(until time.Time) {
	if !until.IsZero() && (r.expiry.IsZero() || until.Before(r.expiry)) {
		r.expiry = until
	}
}

// expire removes expired rows and returns the time.
func (r *Router) expire() time.Time {
	now := r.clock.now()
	if r.expiry.IsZero() || now.Before(r.expiry) {
		return now
	}
	r.expiry = time.Time{}
	r.jobs.run(now)
	r.bury(now)
	for _, m := range []routeros.Menu{routeros.AddressList, routeros.AddressList6, routeros.Connection, routeros.Connection6} {
		t := r.tables.of(m)
		for i := 0; i < len(t.rows); {
			w := t.rows[i]
			if !w.over(now) {
				r.ends(w.until)
				i++
				continue
			}
			t.delete(i)
			r.flows.forget(w)
			r.notify(t, w, true)
		}
	}
	for _, w := range r.tables.of(routeros.Scheduler).rows {
		r.ends(r.clock.when(w.next))
	}
	for _, s := range r.jobs.suspended {
		r.ends(s.at)
	}
	return now
}

// forget drops a connection from the index when its row is gone.
func (f flows) forget(w *row) {
	for key, flow := range f {
		if flow == w {
			delete(f, key)
			return
		}
	}
}
