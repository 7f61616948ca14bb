package proof

import (
	"slices"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// relevant returns the packets about which something has to be shown. All others are treated alike
// in every state: they match none of our rules, except rules for sources that the plan lets in
// anyway, and foreign rules are in the same order in every state. So it leaves out packets that
// match none of our stages and drops, now or before, can't come from the operator, fill no list on
// which a door depends, depend on no list that the plan's rules begin to fill, and go to no service
// that moves.
func (f *table) relevant() []space.Set {
	s := f.space
	sets := []space.Set{traffic.Packets(s, f.nat, f.Dropped()), f.moving(), f.untrackable(), f.away()}
	for _, d := range f.Doors {
		sets = slices.Concat(sets, f.stages(d), f.packets(d.Decoys()))
	}
	if service, ok := f.before.Service(f.session.Service); ok {
		for _, operator := range f.session.Operators {
			sets = append(sets, f.flow(operator, service.Port))
		}
	}
	for _, peer := range f.carried() {
		sets = append(sets, f.outerFlow(peer))
	}
	for _, opened := range f.doors {
		sets = append(sets, s.And(opened, f.suspects())) // sources that the door does not trust, whatever list they are in
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

// hanging are the packets of foreign rules that match a list which only the plan's rules fill:
// whether they match changes with the plan.
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

// samples are packets for which it is shown that the accepting rules can be reached: those to
// services and to named ports. Accepting the rest of "everything" is never a danger: these sources
// may reach everything.
func (f *table) samples() space.Set {
	s := f.space
	var out space.Set
	for _, d := range f.Doors {
		for _, m := range d.Opens {
			if m.Protocol != "" {
				out = s.Or(out, traffic.Packets(s, f.nat, []traffic.Match{m}))
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

// untrackable are packets that a rule takes out of connection tracking: an accept of established
// traffic may name them too.
func (f *table) untrackable() space.Set {
	var out space.Set
	eachRule(f.after, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if r.Action() == "notrack" {
			out = f.space.Or(out, f.space.Asks(f.after, menu, r))
		}
	})
	return f.space.Minus(out, f.space.States(firewall.Untracked))
}

// helpers are the lists that may help a source into a door's lists: these lists themselves, lists
// that a rule which fills them matches, and lists that a rule excludes. A list that only stops its
// members is left out: a source that is not in it gets at least as far.
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
