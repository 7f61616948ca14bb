package proof

import (
	"slices"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// scope is what has to be followed of a family.
type scope struct{ *family }

// packets returns the packets about which something has to be shown. All others are treated alike
// in every state: they match none of our rules, except rules for sources that the plan lets in
// anyway, and foreign rules are in the same order in every state. So it leaves out packets that
// match none of our stages and drops, now or before, can't come from the operator, fill no list on
// which a door depends, depend on no list that the plan's rules begin to fill, and go to no service
// that moves.
func (sc scope) packets() []space.Set {
	s := sc.space
	sets := []space.Set{traffic.Packets(s, sc.nat, sc.Dropped()), sc.packetsToMovedServices(), sc.packetsUntracked(), sc.packetsSentAway()}
	for _, d := range sc.Doors {
		sets = slices.Concat(sets, sc.packetsOfKnock(d), sc.packetsOfStages(d.Decoys()))
	}
	if service, ok := sc.before.Service(sc.session.Service); ok {
		for _, operator := range sc.session.Operators {
			sets = append(sets, sc.packetsOfSession(operator, service.Port))
		}
	}
	for _, peer := range sc.carried() {
		sets = append(sets, tunnels{operators{sc.family}}.packetsOf(peer))
	}
	for _, opened := range sc.doors {
		sets = append(sets, s.And(opened, sc.packetsForged())) // sources that the door does not trust, whatever list they are in
	}
	sets = append(sets, sc.packetsByNewLists()...)
	lists := sc.helpfulLists()
	sc.eachRuleOnce(func(state routeros.Snapshot, menu routeros.Menu, r *routeros.Rule) {
		switch ours := sc.isOurs(r); {
		case ours && sc.isBehind(r):
			return // it is met by what is sent away, which is there already
		case !ours && !(fills(r) && lists[r.Attrs.Get("address-list")]):
			return
		}
		asked := s.Asks(state, menu, r)
		if r.Action() == "accept" {
			sets = append(sets, s.And(asked, sc.packetsSampled()))
			asked = s.Minus(asked, sc.opened)
		}
		if r.Action() != "jump" && r.Action() != "return" { // where they lead to and what they pass by is asked for itself
			sets = append(sets, asked)
		}
	})
	return sets
}

// eachRuleOnce calls do for each enabled rule, with the first state that has it.
func (sc scope) eachRuleOnce(do func(routeros.Snapshot, routeros.Menu, *routeros.Rule)) {
	seen := map[*routeros.Attribute]bool{}
	var last routeros.Snapshot
	for _, state := range sc.states {
		for _, menu := range []routeros.Menu{sc.Family.Raw(), sc.Family.NAT(), sc.Family.Filter()} {
			rows := state.Rules[menu]
			first, end := routeros.Differing(last.Rules[menu], rows)
			for i := first; i < end; i++ {
				if r := &rows[i]; !r.Disabled() && len(r.Attrs) > 0 && !seen[&r.Attrs[0]] {
					seen[&r.Attrs[0]] = true
					do(state, menu, r)
				}
			}
		}
		last = state
	}
}

// packetsByNewLists are the packets of foreign rules that match a list which only the plan's rules
// fill: whether they match changes with the plan.
func (sc scope) packetsByNewLists() []space.Set {
	fresh := sc.unfilledLists()
	var sets []space.Set
	eachRule(sc.after, sc.Family, func(menu routeros.Menu, r *routeros.Rule) {
		list, _, asks := sc.space.Rule(r).List(firewall.Source)
		if !sc.isOurs(r) && asks && slices.Contains(fresh, list) {
			anybody := routeros.Rule{ID: r.ID, Attrs: r.Attrs.Without("src-address-list")}
			sets = append(sets, sc.space.Asks(sc.after, menu, &anybody))
		}
	})
	return sets
}

// packetsToMovedServices are the packets to services that change.
func (sc scope) packetsToMovedServices() space.Set {
	s := sc.space
	var ports routeros.Ports
	for i, now := range sc.after.Services {
		if i >= len(sc.before.Services) || now.Dynamic {
			continue
		}
		if then := sc.before.Services[i]; !sameService(now, then) {
			ports = append(ports, routeros.PortRange{First: now.Port, Last: now.Port}, routeros.PortRange{First: then.Port, Last: then.Port})
		}
	}
	return s.And(s.Protocol(6), s.Arriving(sc.nat, ports))
}

// packetsUntracked are packets that a rule takes out of connection tracking: an accept of
// established traffic may name them too.
func (sc scope) packetsUntracked() space.Set {
	var out space.Set
	eachRule(sc.after, sc.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if r.Action() == "notrack" {
			out = sc.space.Or(out, sc.space.Asks(sc.after, menu, r))
		}
	})
	return sc.space.Minus(out, sc.space.States(firewall.Untracked))
}

// packetsSentAway are the packets that some rule, in some state, sends to another host, if forwards
// play a part.
func (sc scope) packetsSentAway() space.Set {
	var out space.Set
	if !sc.hasForwards() {
		return out
	}
	sc.eachRuleOnce(func(state routeros.Snapshot, menu routeros.Menu, r *routeros.Rule) {
		if menu == sc.Family.NAT() && sendsAway(r) {
			out = sc.space.Or(out, sc.space.Asks(state, menu, r))
		}
	})
	return out
}

// sendsAway reports whether a rule of destination NAT may send packets to other hosts.
func sendsAway(r *routeros.Rule) bool {
	switch r.Action() {
	case "accept", "jump", "return", "log", "passthrough", "redirect", "src-nat", "masquerade", "add-src-to-address-list", "add-dst-to-address-list":
		return false
	case "dst-nat":
		return r.Attrs.Get("to-addresses") != ""
	}
	return true // an unknown action may do anything
}

// helpfulLists are the lists that may help a source into a door's lists: these lists themselves,
// lists that a rule which fills them matches, and lists that a rule excludes. A list that only
// stops its members is left out: a source that is not in it gets at least as far.
func (sc scope) helpfulLists() map[string]bool {
	lists := map[string]bool{}
	for _, d := range sc.Doors {
		lists[d.Trusted] = true
		for _, list := range d.StageLists {
			lists[list] = true
		}
	}
	for again := true; again; {
		before := len(lists)
		eachRule(sc.after, sc.Family, func(_ routeros.Menu, r *routeros.Rule) {
			c := sc.space.Rule(r)
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

// fills reports whether a rule puts the source of packets into a list.
func fills(r *routeros.Rule) bool { return r.Action() == "add-src-to-address-list" }
