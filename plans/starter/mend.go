package starter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
)

// mend applies one remedy to the draft; false where none is left. Each remedy adds a source that
// was not there, or takes something away for good, so that there is an end.
func (d *draft) mend(t trial) bool {
	switch {
	case len(t.wider) > 0:
		d.narrow(t)
		return true
	case t.broken(proof.LoseSession) && d.admitOperators():
		return true
	case d.admitOthers(t):
		return true
	case d.dropTraps(t):
		return true
	case t.broken(proof.DoorShut) && (d.closeForwarded(t) || d.openElsewhere()):
		return true
	}
	return d.leaveShut(t)
}

// narrow takes out what would let sources reach more than today: services that they don't reach,
// where rules of the router shut them for strangers anyway; else the sources.
func (d *draft) narrow(t trial) {
	if d.closeWider(t) {
		return
	}
	if common := d.unreachedInside(t); common != nil {
		for _, name := range common {
			d.leave(name, "the router's own networks don't reach it today, and gating it would let them in; rules of the router shut it for strangers already")
		}
		return
	}
	for _, e := range t.wider {
		a := d.allow[slices.IndexFunc(d.allow, func(a allowed) bool { return a.source == e.source })]
		if a.why != "" && !e.anyone && len(e.services) <= len(a.lost) && len(e.services) < len(d.gated()) && !t.exposes(e.services) {
			for _, name := range e.services {
				d.leave(name, fmt.Sprintf("%s does not reach it today, and gating it would let it in; rules of the router shut it for strangers already", e.source.who()))
			}
			return
		}
	}
	for _, e := range t.wider {
		d.rejected[e.source] = "it would reach " + strings.Join(e.services, ", ") + ", which it does not reach in full today"
		if e.anyone {
			d.rejected[e.source] = "strangers come from there too, or nothing shows that they don't"
		}
		d.aside[e.source] = !e.anyone && len(e.services) == len(d.gated())
		d.allow = slices.DeleteFunc(d.allow, func(a allowed) bool { return a.source == e.source })
	}
}

// closeWider takes out of the door what is not gated, and would let in allowed sources that don't
// reach it today: the allow-list reaches all that a door opens.
func (d *draft) closeWider(t trial) bool {
	closed := false
	for i := range d.services {
		s := &d.services[i]
		for _, e := range t.wider {
			if s.left != "" && s.closed == "" && slices.Contains(e.services, s.name) {
				s.closed, closed = "it would let in "+e.source.who()+", which does not reach it today", true
			}
		}
	}
	return closed
}

// unreachedInside are the services that none of the router's own networks reaches, of those that
// reach any; nil where strangers reach one, or nothing would be left.
func (d *draft) unreachedInside(t trial) []string {
	common, gated, some := d.gated(), len(d.gated()), false
	for _, a := range d.allow {
		if a.why != "" {
			continue
		}
		at := slices.IndexFunc(t.wider, func(e excess) bool { return e.source == a.source })
		if at < 0 {
			return nil // it reaches all
		}
		if e := t.wider[at]; !e.anyone && len(e.services) < gated {
			some, common = true, slices.DeleteFunc(common, func(name string) bool { return !slices.Contains(e.services, name) })
		}
	}
	if !some || len(common) == 0 || t.exposes(common) {
		return nil
	}
	return common
}

// exposes reports whether strangers reach one of some services today.
func (t trial) exposes(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return t.exposed[name] })
}

// admitOperators lets in the addresses of the session.
func (d *draft) admitOperators() bool {
	added := false
	for _, a := range d.Session.Operators {
		own := source{addresses, a.String()}
		if slices.Contains(d.families, routeros.AddressRange{First: a}.Family()) && !d.allows(own) {
			d.allow, added = append(d.allow, allowed{source: own, why: "this session came from there"}), true
		}
	}
	return added
}

func (d *draft) allows(a source) bool {
	return slices.ContainsFunc(d.allow, func(o allowed) bool { return o.source == a })
}

// admitOthers lets in the sources of one rule that the gate would make void, or would not stop.
// Where no key names them exactly, the services that they reach stay as they are, if no stranger
// reaches them.
func (d *draft) admitOthers(t trial) bool {
	for _, l := range t.shut {
		by, what := routeros.Visible(l.rule.Describe(), mostShown), strings.Join(l.services, ", ")
		for _, a := range sources(l.rule) {
			if d.rejected[a] == "" && !d.allows(a) && writable(a.value) {
				d.allow = append(d.allow, allowed{source: a, why: fmt.Sprintf("%s reaches %s by the rule %s", a.who(), what, by), lost: l.services})
				return true
			}
		}
		if d.leaveAll(t, l.services, fmt.Sprintf("%s reaches it by the rule %s, and no key of allow names exactly these sources; rules of the router shut it for strangers already", routeros.Visible(l.who, mostShown), by)) {
			return true
		}
	}
	return false
}

// dropTraps leaves out the decoys, the quarantine of wrong knocks, or both, where the draft has fewer
// refusals without.
func (d *draft) dropTraps(t trial) bool {
	if len(t.refusals) == 0 {
		return false
	}
	for _, one := range []struct {
		quarantine, decoys bool // that stay
		without            string
	}{{true, false, "decoys"}, {false, true, "quarantine of wrong knocks"}, {false, false, "quarantine and decoys"}} {
		without := *d
		if without.quarantine = d.quarantine && one.quarantine; !one.decoys {
			without.Decoys = nil
		}
		if without.quarantine == d.quarantine && len(without.Decoys) == len(d.Decoys) {
			continue // there is none to leave out
		}
		if less, err := without.try(); err == nil && len(less.refusals) < len(t.refusals) {
			d.quarantine, d.Decoys = without.quarantine, without.Decoys
			d.noTraps = append(d.noTraps, fmt.Sprintf("no %s: the plan would be refused (%s: %s)", one.without, t.refusals[0].Risk, t.refusals[0].What))
			return true
		}
	}
	return false
}

// closeForwarded takes out of the door what strangers can't reach by any knock: services whose port
// is forwarded to another host.
func (d *draft) closeForwarded(t trial) bool {
	closed := false
	for i := range d.services {
		if s := &d.services[i]; t.forwarded[s.name] && s.closed == "" && len(d.opens()) > 1 {
			s.closed, closed = "a rule of destination NAT forwards its port to another host, so no knock can open it", true
		}
	}
	return closed
}

// openElsewhere names the interface list on which the door has to open: one that leads outside,
// while not all interfaces do where strangers may come in.
func (d *draft) openElsewhere() bool {
	if d.on != "" {
		d.tried, d.on = append(d.tried, d.on), ""
	}
	for _, list := range d.outerLists() {
		if !slices.Contains(d.tried, list) {
			d.on = list
			return true
		}
	}
	return false
}

// leaveShut leaves out everything that no stranger reaches, where the gate alone can't be proved:
// rules of the router shut it already.
func (d *draft) leaveShut(t trial) bool {
	gates := func(r change.RefusalError) bool {
		return slices.Contains([]string{proof.Overrides, proof.OpenGate, proof.VoidRule, proof.CutOff}, r.Risk)
	}
	if len(t.refusals) == 0 || slices.ContainsFunc(t.refusals, func(r change.RefusalError) bool { return !gates(r) }) {
		return false
	}
	return d.leaveAll(t, d.gated(), fmt.Sprintf("with it the plan would be refused (%s); rules of the router shut it for strangers already", t.refusals[0].Risk))
}

// leaveAll leaves those of some services out of the gate that no stranger reaches.
func (d *draft) leaveAll(t trial, names []string, why string) bool {
	left := false
	for _, name := range names {
		if slices.Contains(d.gated(), name) && !t.exposed[name] {
			d.leave(name, why)
			left = true
		}
	}
	return left
}

// sources are the values that the allow-list may have for the sources of a rule.
func sources(r routeros.Rule) []source {
	var out []source
	for _, by := range []struct{ matcher, key string }{
		{"src-address-list", addressLists}, {"src-address", addresses}, {"in-interface", interfaces}, {"in-interface-list", interfaceLists},
	} {
		value := r.Attrs.Get(by.matcher)
		if value == "" || strings.HasPrefix(value, "!") {
			continue
		}
		if by.key == addresses {
			r, err := routeros.ParseAddressRange(value)
			prefix, ok := r.Prefix()
			if err != nil || !ok {
				continue
			}
			if value = prefix.String(); prefix.IsSingleIP() {
				value = prefix.Addr().String()
			}
		}
		out = append(out, source{by.key, value})
	}
	return out
}

// who names a source for people.
func (a source) who() string {
	switch a.key {
	case interfaceLists:
		return "the interface list " + routeros.Visible(a.value, mostShown)
	case addressLists:
		return "the address list " + routeros.Visible(a.value, mostShown)
	}
	return routeros.Visible(a.value, mostShown)
}
