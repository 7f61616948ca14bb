package proof

import (
	"slices"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// relevant returns the packets about which something has to be shown. All others have the same fate in every
// state: they match no rule of ours but such that let in whom the plan lets in anyway, and foreign rules stand in the same
// order in every state. Left out are thus packets that match none of our stages and drops, now or before, come from nobody
// who could be the operator, fill no list on which a door depends, hang on no list that the plan's rules begin to fill, and go to no service that
// moves.
func (f *table) relevant() []space.Set {
	s := f.space
	sets := []space.Set{compile.Packets(s, f.nat, f.Dropped()), f.moving(), f.untrackable(), f.away()}
	for _, d := range f.Doors {
		sets = slices.Concat(sets, f.stages(d), f.packets(d.Decoys()))
	}
	if service, ok := f.before.Service(f.session.Service); ok {
		for _, operator := range f.session.Operators {
			sets = append(sets, f.flow(operator, service.Port))
		}
	}
	for _, opened := range f.doors {
		sets = append(sets, s.And(opened, f.suspects())) // whom the door does not trust, whatever list he is in
	}
	sets = append(sets, f.hanging()...)
	lists := f.helpers()
	seen := map[*routeros.Attribute]bool{}
	for _, state := range f.states {
		eachRule(state, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
			if f.ours(r) && f.behind(r) {
				return // it is met by what is sent away, which is there already
			}
			if len(r.Attrs) == 0 || seen[&r.Attrs[0]] {
				return
			}
			if seen[&r.Attrs[0]] = true; !f.ours(r) && !(fills(r) && lists[r.Attrs.Get("address-list")]) {
				return
			}
			asked := s.Asks(state, menu, r)
			if r.Action() == "accept" {
				sets = append(sets, s.And(asked, f.samples()))
				asked = s.Minus(asked, f.opened)
			}
			if r.Action() != "jump" && r.Action() != "return" { // where they lead to and what they pass by is asked for itself
				sets = append(sets, asked)
			}
		})
	}
	return sets
}

// hanging are the packets of foreign rules that ask for a list into which only the plan's rules get anybody: whether they match
// changes with the plan.
func (f *table) hanging() []space.Set {
	fresh := f.unfilled()
	var sets []space.Set
	eachRule(f.after, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
		list, _, asks := f.space.Rule(r).List(firewall.Source)
		if !f.ours(r) && asks && slices.Contains(fresh, list) {
			anybody := routeros.Rule{ID: r.ID, Attrs: r.Attrs.Without("src-address-list")}
			sets = append(sets, f.space.Asks(f.after, menu, &anybody))
		}
	})
	return sets
}

// samples are packets for which it is shown that what lets them in can be reached: those to services and to what is named
// by its port. That the rest of "everything" is let in too is never a danger: who may do that may.
func (f *table) samples() space.Set {
	s := f.space
	var out space.Set
	for _, d := range f.Doors {
		for _, m := range d.Opens {
			if m.Protocol != "" {
				out = s.Or(out, compile.Packets(s, f.nat, []compile.Match{m}))
			}
		}
	}
	for _, service := range f.after.Services {
		out = s.Or(out, s.And(s.Protocol(6), s.Ports(routeros.Ports{{First: service.Port, Last: service.Port}})))
	}
	return out
}

// moving are the packets to services that change.
func (f *table) moving() space.Set {
	s := f.space
	var ports routeros.Ports
	for i, now := range f.after.Services {
		if i >= len(f.before.Services) || now.Dynamic {
			continue
		}
		if then := f.before.Services[i]; now.Port != then.Port || now.Disabled != then.Disabled || !routeros.SameFrom(now.From, then.From) {
			ports = append(ports, routeros.PortRange{First: now.Port, Last: now.Port}, routeros.PortRange{First: then.Port, Last: then.Port})
		}
	}
	return s.And(s.Protocol(6), s.Arriving(f.nat, ports))
}

// untrackable are packets that a rule takes out of connection tracking: an accept of established traffic may
// name them too.
func (f *table) untrackable() space.Set {
	var out space.Set
	eachRule(f.after, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if r.Action() == "notrack" {
			out = f.space.Or(out, f.space.Asks(f.after, menu, r))
		}
	})
	return f.space.Minus(out, f.space.States(firewall.Untracked))
}

// helpers are the lists that may help somebody into a door's lists: those themselves, and those that a rule which fills
// such a list asks for; and any list of which a rule makes an exception. A list that only ever stops its members is
// left out: whoever stays out of it gets at least as far.
func (f *table) helpers() map[string]bool {
	lists := map[string]bool{}
	for _, d := range f.Doors {
		lists[d.Trusted] = true
		for _, list := range d.StageLists {
			lists[list] = true
		}
	}
	for again := true; again; {
		before := len(lists)
		eachRule(f.after, f.Family, func(_ routeros.Menu, r *routeros.Rule) {
			c := f.space.Rule(r)
			asked, negated, asks := c.List(firewall.Source)
			if !asks {
				return
			}
			helps := fills(r) && lists[c.Fill.List] || negated && !fills(r)
			if helps || c.Action.Effect == firewall.Jumps || c.Action.Effect == firewall.Returns {
				lists[asked] = true
			}
		})
		again = len(lists) > before
	}
	return lists
}

func fills(r *routeros.Rule) bool { return r.Action() == "add-src-to-address-list" }

func eachRule(s routeros.Snapshot, family routeros.Family, do func(routeros.Menu, *routeros.Rule)) {
	for _, menu := range []routeros.Menu{family.Raw(), family.NAT(), family.Filter()} {
		rows := s.Rules[menu]
		for i := range rows {
			if !rows[i].Disabled() {
				do(menu, &rows[i])
			}
		}
	}
}
