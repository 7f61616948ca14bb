package proof

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// packetsOpened returns the packets that the plan lets in: those of trusted sources to what their
// door opens, those of the allow-list to everything gated or opened, and running connections.
func (fam *family) packetsOpened() space.Set {
	s := fam.space
	reach := traffic.Packets(s, fam.nat, fam.Dropped()) // of a VPN in IPsec also what comes in clear, where a rule of the router accepts it
	out := s.States(firewall.Established, firewall.Related)
	for i, d := range fam.Doors {
		if first := fam.firstOfName(i); first < i {
			fam.doors = append(fam.doors, fam.doors[first])
			continue
		}
		opened := traffic.Packets(s, fam.nat, d.Opens)
		fam.doors = append(fam.doors, opened)
		reach = s.Or(reach, opened)
		for _, list := range d.LetIn() {
			out = s.Or(out, s.Minus(s.And(opened, s.Listed(fam.after, list)), fam.packetsForged()))
		}
	}
	allowed := s.Listed(fam.after, compile.AllowList(fam.want.Plan))
	allowed = s.Or(allowed, fam.want.Allowed.Set(s, fam.after))
	return s.Or(out, s.And(reach, allowed))
}

// packetsOpenedIn returns what the plan opens in a state: the last packet of a knock may find the
// door open already, since its source is in the trusted list when the next rule looks.
func (fam *family) packetsOpenedIn(n int) space.Set {
	out := fam.opened
	for i, d := range fam.Doors {
		if fam.firstOfName(i) < i {
			continue
		}
		for _, fill := range fam.results[n].Fills {
			if fill.List == d.Trusted && fill.Source && fam.isOurs(fill.Rule) {
				out = fam.space.Or(out, fam.space.And(fill.Packets, fam.doors[i]))
			}
		}
	}
	return out
}

// firstOfName is the place of the first door of a door's name: the windows of a door that rotates
// share their list and what they open.
func (fam *family) firstOfName(i int) int {
	return slices.IndexFunc(fam.Doors, func(o compile.Door) bool { return o.Name == fam.Doors[i].Name })
}

// packetsOfDoors are the packets that are a stage or a decoy of some door.
func (fam *family) packetsOfDoors() space.Set {
	var out space.Set
	for _, d := range fam.Doors {
		for _, set := range slices.Concat(fam.packetsOfKnock(d), fam.packetsOfStages(d.Decoys())) {
			out = fam.space.Or(out, set)
		}
	}
	return out
}

// packetsOfStages are those of stages or decoys.
func (fam *family) packetsOfStages(stages []plans.Stage) []space.Set {
	var out []space.Set
	for _, stage := range stages {
		out = append(out, fam.packetsOfStage(stage, compile.Relaxed{}))
	}
	return out
}

// packetsOfStage are the packets of one stage. Only the first packet of a connection knocks, and of
// pings only a request, unless the rule as found has fewer conditions.
func (fam *family) packetsOfStage(stage plans.Stage, relaxed compile.Relaxed) space.Set {
	var set space.Set
	switch {
	case stage.Protocol != "icmp":
		m := traffic.Match{Protocol: stage.Protocol, Ports: routeros.Ports{{First: stage.Port, Last: stage.Port}}}
		set = traffic.Packets(fam.space, fam.nat, []traffic.Match{m})
	case relaxed.AnyICMP:
		set = fam.space.Pings(int(stage.Size))
	default:
		set = fam.space.Echo(int(stage.Size))
	}
	if stage.Payload != "" {
		set = fam.space.And(set, fam.space.Carrying(stage.Payload))
	}
	if relaxed.AnyState {
		return set
	}
	return fam.space.And(set, fam.space.States(firewall.New))
}

// packetsOfKnock are the packets of a door's knock, in their order.
func (fam *family) packetsOfKnock(d compile.Door) []space.Set {
	out := fam.packetsOfStages(d.Knock)
	for i, relaxed := range d.Relaxed {
		out[i] = fam.packetsOfStage(d.Knock[i], relaxed)
	}
	return out
}

// packetsForged returns the packets whose source counts as forged on the interface where they
// arrive: by the plan, not by the entries of the list.
func (fam *family) packetsForged() space.Set {
	if fam.Bogons == nil {
		return space.Set{}
	}
	s := fam.space
	var sources, interfaces space.Set
	for _, r := range fam.Bogons.Ranges {
		sources = s.Or(sources, s.Sources(r))
	}
	for _, list := range fam.Bogons.InterfaceLists {
		interfaces = s.Or(interfaces, s.InList(list))
	}
	return s.And(sources, interfaces)
}

// packetsOfSession is the operator's traffic: packets of the running session, and of a new one.
func (fam *family) packetsOfSession(operator netip.Addr, port uint16) space.Set {
	s := fam.space
	flow := s.And(s.Sources(routeros.AddressRange{First: operator, Last: operator}), s.Protocol(6))
	flow = s.And(flow, s.Ports(routeros.Ports{{First: port, Last: port}}))
	flow = s.And(flow, s.States(firewall.New, firewall.Established))
	if len(s.Interfaces()) > 1 { // the session comes in by one that is there
		flow = s.Minus(flow, s.Unseen())
	}
	var sides space.Set
	for _, a := range fam.before.Addresses {
		if !a.Disabled && a.Prefix.Contains(operator) {
			sides = s.Or(sides, s.In(a.Interface))
		}
	}
	if sides.Empty() {
		return flow
	}
	return s.And(flow, sides)
}

// packetsSampled are packets for which it is shown that the accepting rules can be reached: those
// to services and to named ports. Accepting the rest of "everything" is never a danger: these
// sources may reach everything.
func (fam *family) packetsSampled() space.Set {
	s := fam.space
	var out space.Set
	for _, d := range fam.Doors {
		for _, m := range d.Opens {
			if m.Protocol != "" {
				out = s.Or(out, traffic.Packets(s, fam.nat, []traffic.Match{m}))
			}
		}
	}
	for _, service := range fam.after.Services {
		out = s.Or(out, s.And(s.Protocol(6), s.Ports(routeros.Ports{{First: service.Port, Last: service.Port}})))
	}
	return out
}

// packetsToLeftPorts are the packets to ports that services have left in a state: a service
// listened there before, so nothing else could, and nothing does now.
func (fam *family) packetsToLeftPorts(n int) space.Set {
	listens := func(port uint16) bool {
		return slices.ContainsFunc(fam.states[n].Services, func(s routeros.Service) bool { return s.Port == port && !s.Disabled && !s.Connection })
	}
	var ports routeros.Ports
	for i, now := range fam.states[n].Services {
		if i >= len(fam.before.Services) || now.Dynamic {
			continue
		}
		if then := fam.before.Services[i]; !then.Disabled && !listens(then.Port) {
			ports = append(ports, routeros.PortRange{First: then.Port, Last: then.Port})
		}
	}
	return fam.space.And(fam.space.Protocol(6), fam.space.Arriving(fam.nat, ports))
}

// packetsSentBefore are packets to the port of a forward that were forwarded before, or dropped for
// it; and forged knocks on an interface that the router does not show, which may be inside and
// outside at once.
func (fam *family) packetsSentBefore() space.Set {
	s := fam.space
	var out space.Set
	for _, menu := range []routeros.Menu{fam.Family.NAT(), fam.Menu} {
		rows := fam.before.Rules[menu]
		for i := range rows {
			if !fam.isOurs(&rows[i]) {
				continue
			}
			mark, _ := rows[i].Mark()
			if menu != fam.Menu || strings.HasPrefix(mark.Slot, "gate/forwarded-") {
				out = s.Or(out, fam.results[0].Hits(menu, i))
			}
			if strings.HasPrefix(mark.Slot, "bogons/knock-") {
				out = s.Or(out, s.And(fam.results[0].Hits(menu, i), s.Unseen()))
			}
		}
	}
	return out
}

// packetsNoLongerSent are those of packetsSentBefore that reach the router itself in a state: at
// ports where none of its services listens.
func (fam *family) packetsNoLongerSent(n int) space.Set {
	s, out := fam.space, fam.sent
	for _, service := range fam.states[n].Services {
		if !service.Disabled && !service.Connection && !out.Empty() {
			out = s.Minus(out, s.And(s.Protocol(6), s.Ports(routeros.Ports{{First: service.Port, Last: service.Port}})))
		}
	}
	return out
}

// unfilledLists are the lists into which nothing got a source before the change.
func (fam *family) unfilledLists() []string {
	filled := map[string]bool{}
	eachRule(fam.before, fam.Family, func(_ routeros.Menu, r *routeros.Rule) { filled[r.Attrs.Get("address-list")] = true })
	for _, e := range fam.before.Entries[fam.Family.AddressList()] {
		_, addresses := e.Range()
		filled[e.List] = filled[e.List] || e.Dynamic || !addresses
	}
	return slices.DeleteFunc(fam.space.Lists(), func(list string) bool { return filled[list] || !fam.before.ReadsList(fam.Family, list) })
}

// hasForwards reports whether forwards play a part in the change: the plan has some, or it had.
func (fam *family) hasForwards() bool {
	if len(fam.Forwarding.Forwards) > 0 {
		return true
	}
	return slices.ContainsFunc(fam.before.Rules[fam.Family.NAT()], func(r routeros.Rule) bool { return fam.isOurs(&r) }) ||
		slices.ContainsFunc(fam.before.Rules[fam.Menu], func(r routeros.Rule) bool { return fam.isOurs(&r) && fam.isBehind(&r) })
}

// isBehind reports whether only packets to other hosts meet a rule of the plan.
func (fam *family) isBehind(r *routeros.Rule) bool {
	return r.Chain() == "forward" || compile.IsBehind(fam.want.Plan, r.Chain())
}

// guest is a group of sources that may come in for one reason.
type guest struct {
	name    string
	packets space.Set
}

// guests are the sources that the plan lets in without a knock, in the order of the plan.
func (fam *family) guests() []guest {
	out := []guest{{"the allow-list", fam.space.Listed(fam.after, compile.AllowList(fam.want.Plan))}}
	a := fam.want.Allowed
	for i, list := range a.InterfaceLists {
		if !slices.Contains(a.InterfaceLists[:i], list) {
			out = append(out, guest{"the interface list " + list, fam.space.InList(list)})
		}
	}
	for _, name := range a.Interfaces {
		out = append(out, guest{"the interface " + name, fam.space.In(name)})
	}
	for _, list := range a.AddressLists {
		out = append(out, guest{"the address list " + list, fam.space.Listed(fam.after, list)})
	}
	return out
}

// alone reduces each guest to the packets that come in for no other reason: others would show
// nothing about this one.
func (fam *family) alone(all []guest) []guest {
	out := slices.Clone(all)
	for i := range out {
		for n, other := range all {
			if n != i {
				out[i].packets = fam.space.Minus(out[i].packets, other.packets)
			}
		}
	}
	return out
}
