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

func keyOf(p firewall.Packet) flowKey {
	return flowKey{p.Protocol, netip.AddrPortFrom(p.Src.Unmap(), p.SrcPort), netip.AddrPortFrom(p.Dst.Unmap(), p.DstPort)}
}

// lists answers the evaluator from the router's tables.
type lists struct{ r *Router }

// Contains implements [firewall.Lists].
func (l lists) Contains(f routeros.Family, list string, a netip.Addr, at time.Time) bool {
	return l.r.table(f.AddressList()).contains(list, a, at)
}

// Packet lets a packet for the router arrive and returns its verdict. If destination NAT forwards
// it, its connection goes there too. Rules add their entries to address lists, counters count, and
// a packet that is accepted opens or renews a connection: its next packets are established
// (routeros-facts § 2.6, § 7). A state other than new is taken as given.
func (r *Router) Packet(p firewall.Packet) firewall.Disposition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.input(p)
}

func (r *Router) input(p firewall.Packet) firewall.Disposition {
	now := r.expire()
	if r.outdated {
		r.world, r.outdated = r.world.Renew(r.filtered()), false
	}
	key := keyOf(p)
	if p.State == firewall.New {
		p.State = r.state(key)
	}
	if flow := r.flows[key]; flow != nil && p.State != firewall.New {
		p.To = flow.to
	}
	fate := r.world.Input(p, lists{r}, r.wall(now).In(r.options.Zone)) // rules about the time of day go by the clock on the wall
	r.countLooks(fate, p)
	for _, a := range fate.Additions {
		r.enlist(a, now)
	}
	for _, rule := range fate.Logged {
		r.log("firewall,info", rule.Attrs.Get("log-prefix")+" "+rule.Chain()+": "+p.String())
	}
	passes := fate.Verdict == firewall.Accept || fate.Verdict == firewall.Forwarded
	if passes && p.State != firewall.Untracked && p.State != firewall.Invalid {
		r.track(key, fate.To, now)
	}
	return fate
}

// state is what connection tracking says about a packet: established for a known connection, else
// new, also for TCP in mid-stream, since loose tracking picks it up (routeros-facts § 7, § 15.1).
func (r *Router) state(key flowKey) firewall.State {
	if r.flows[key] != nil {
		return firewall.Established
	}
	return firewall.New
}

func (r *Router) countLooks(fate firewall.Disposition, p firewall.Packet) {
	for _, look := range fate.Trail {
		t := r.table(look.Table)
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
	t := r.table(a.Family.AddressList())
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
		dynamic: a.Timeout.Kind != routeros.NoneStatic, created: r.wall(now), until: until,
	}
	t.insert(len(t.rows), w)
	r.ends(until)
	r.notify(t, w, false)
}

// track opens a connection or renews it, with the time-outs of routeros-facts § 7; to is where it
// was sent on, if it was.
func (r *Router) track(key flowKey, to netip.AddrPort, now time.Time) {
	life, state := 10*time.Minute, ""
	switch key.protocol {
	case 6:
		life, state = 24*time.Hour, "established"
	case 17:
		life = 30 * time.Second
	case 1, 58:
		life = 10 * time.Second
	}
	until := now.Add(life)
	r.ends(until)
	if w := r.flows[key]; w != nil {
		if key.protocol == 17 {
			until = now.Add(3 * time.Minute)
		}
		w.until = until
		return
	}
	family := routeros.IPv4
	if key.src.Addr().Is6() {
		family = routeros.IPv6
	}
	w := &row{attrs: r.connection(key, to, state), until: until, dynamic: true, to: to}
	t := r.table(family.Connection())
	t.insert(len(t.rows), w)
	r.flows[key] = w
	r.notify(t, w, false)
}

// connection prints a connection; which form of the addresses is right is unknown (routeros-facts §
// 7).
func (r *Router) connection(key flowKey, to netip.AddrPort, tcpState string) routeros.Attributes {
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
		case ported && r.options.Knobs.PortsApart:
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
	now := r.options.Now()
	if r.expiry.IsZero() || now.Before(r.expiry) {
		return now
	}
	r.expiry = time.Time{}
	r.runJobs(now)
	r.bury(now)
	for _, m := range []routeros.Menu{routeros.AddressList, routeros.AddressList6, routeros.Connection, routeros.Connection6} {
		t := r.table(m)
		for i := 0; i < len(t.rows); {
			w := t.rows[i]
			if !w.over(now) {
				r.ends(w.until)
				i++
				continue
			}
			t.delete(i)
			r.forget(w)
			r.notify(t, w, true)
		}
	}
	for _, w := range r.table(routeros.Scheduler).rows {
		r.ends(r.when(w.next))
	}
	for _, s := range r.suspended {
		r.ends(s.at)
	}
	return now
}

// forget drops a connection from the index when its row is gone.
func (r *Router) forget(w *row) {
	for key, flow := range r.flows {
		if flow == w {
			delete(r.flows, key)
			return
		}
	}
}
