package proof

import (
	"fmt"
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

// broken records a failure with a known packet. It adds the packet, its verdict and the deciding
// rule to the text. The text is never used as a format: it may hold anything that a router or an
// address contains.
func (f *table) broken(which Failure, fate string, set space.Set, wishes ...space.Set) {
	e, ok := f.space.Pick(set, wishes...)
	if !ok {
		return
	}
	was, is := f.space.Replay(f.before, e), f.space.Replay(f.states[which.After], e)
	which.Packets, which.Was, which.Is = []Packet{{e, f.secret(e.Packet)}}, &was, &is
	which.What += fmt.Sprintf(": %s %s %s", f.describe(e.Packet), fate, decidedBy(is))
	if which.Risk == Exposure && !f.want.Removes && was.Rule != nil && f.ours(was.Rule) && was.Verdict != firewall.Accept {
		which.Remedy = "keep it under gate until nothing listens there"
	}
	f.fail(which)
}

// describe names a packet, without its port if that is part of a knock: these texts end up in logs.
func (f *table) describe(p firewall.Packet) string {
	if f.secret(p) {
		return maskedPacket(p)
	}
	return p.String()
}

// secret reports whether a packet is a stage of a door, of this plan or of another one on the
// router.
func (f *table) secret(p firewall.Packet) bool {
	for i := range f.after.Rules[f.Menu] {
		r := &f.after.Rules[f.Menu][i]
		if mark, ok := r.Mark(); ok && routeros.TellsKnock(mark.Slot) {
			if ports, asks := f.space.Rule(r).Ports(); asks && ports.Contains(p.DstPort) {
				return true
			}
		}
	}
	for _, d := range f.Doors {
		for _, stage := range append(slices.Clone(d.Knock), d.Decoys()...) {
			if stage.Port != 0 && stage.Port == p.DstPort || stage.Protocol == "icmp" && int(stage.Size) == p.Size && p.DstPort == 0 {
				return true
			}
		}
	}
	return false
}

func decidedBy(fate firewall.Disposition) string {
	if fate.Rule == nil {
		return "no rule at all, which accepts"
	}
	return fmt.Sprintf("%s %s", fate.Table, fate.Rule.Describe())
}

// state says after which of the steps something holds.
func (p *prover) state(n int) string {
	switch n {
	case 0:
		return "before the first step"
	case len(p.states) - 1:
		return "in the end"
	default:
		return fmt.Sprintf("after step %d of %d", n, len(p.states)-1)
	}
}

// operator: wherever the operator's packets, of the running session and of the next login, are
// accepted before, they are accepted in every state, except those that an undo does not owe them.
func (f *table) operator() {
	service, ok := f.before.Service(f.session.Service)
	if !ok {
		return
	}
	for _, operator := range f.session.Operators {
		if operator.Is4() != (f.Family == routeros.IPv4) {
			continue
		}
		flow := f.flow(operator, service.Port)
		if f.space.And(flow, f.space.All()).Empty() {
			f.unasked(KeepOperator, fmt.Sprintf("no packet can come from %s", operator))
			continue
		}
		known, owed := f.space.And(flow, f.memberships(operator)), f.owed()
		f.doubt(known, owed)
		for n := 1; n < len(f.states); n++ {
			lost := f.space.And(known, f.space.Minus(owed, f.results[n].Accepted))
			f.broken(Failure{
				Promise: KeepOperator, Risk: LoseSession, After: n,
				What:   fmt.Sprintf("%s this session's own source %s could not reach %s any more", f.state(n), operator, f.session.Service),
				Remedy: f.letInRemedy(),
			}, "is stopped by", lost)
		}
		f.forgedOperator(operator, flow)
	}
}

// letInRemedy says how to let in a source that would be shut out.
func (f *table) letInRemedy() string {
	if f.want.Removes {
		return "accept it with a rule of your own first"
	}
	return "add it to allow.addresses"
}

// memberships are the packets of sources that are in the lists in which a source is now, and in no
// others.
func (f *table) memberships(a netip.Addr) space.Set {
	out := f.space.All()
	lists := firewall.NewAddressLists(f.before, f.before.Clock)
	for _, list := range f.space.Lists() {
		if lists.Contains(f.Family, list, a, f.before.Clock) {
			out = f.space.And(out, f.space.Member(list))
		} else {
			out = f.space.Minus(out, f.space.Member(list))
		}
	}
	return out
}

// flow is the operator's traffic: packets of the running session, and of a new one.
func (f *table) flow(operator netip.Addr, port uint16) space.Set {
	s := f.space
	flow := s.And(s.Sources(routeros.AddressRange{First: operator, Last: operator}), s.Protocol(6))
	flow = s.And(flow, s.Ports(routeros.Ports{{First: port, Last: port}}))
	flow = s.And(flow, s.States(firewall.New, firewall.Established))
	if len(s.Interfaces()) > 1 { // the session comes in by one that is there
		flow = s.Minus(flow, s.Unseen())
	}
	var sides space.Set
	for _, a := range f.before.Addresses {
		if !a.Disabled && a.Prefix.Contains(operator) {
			sides = s.Or(sides, s.In(a.Interface))
		}
	}
	if sides.Empty() {
		return flow
	}
	return s.And(flow, sides)
}

// exposure: in no state a source reaches what it could not reach before, unless the plan opens it
// to that source.
func (f *table) exposure() {
	s := f.space
	if len(f.states) == 1 {
		return // nothing changes
	}
	// A source that can get into a list only now was not in it before.
	before := s.And(s.NotIn(f.results[0].Accepted, f.unfilled()...), f.domain)
	for n := 1; n < len(f.states); n++ {
		fresh := s.And(s.Minus(s.Minus(s.Minus(f.results[n].Accepted, before), f.openedBy(n)), s.Or(f.vacated(n), f.returned(n))), f.domain)
		f.broken(Failure{
			Promise: NoExposure, Risk: Exposure, After: n,
			What:   f.state(n) + " a packet would be accepted that was not accepted before",
			Remedy: "name another place with firewall.place, or narrow the rule that accepts it",
		}, "is accepted by", fresh, s.Stranger())
		f.services(n, "put the service under gate, or limit it with services.from")
	}
}

// vacated are the packets to ports that services have left in a state: a service listened there
// before, so nothing else could, and nothing does now.
func (f *table) vacated(n int) space.Set {
	listens := func(port uint16) bool {
		return slices.ContainsFunc(f.states[n].Services, func(s routeros.Service) bool { return s.Port == port && !s.Disabled && !s.Connection })
	}
	var ports routeros.Ports
	for i, now := range f.states[n].Services {
		if i >= len(f.before.Services) || now.Dynamic {
			continue
		}
		if then := f.before.Services[i]; !then.Disabled && !listens(then.Port) {
			ports = append(ports, routeros.PortRange{First: then.Port, Last: then.Port})
		}
	}
	return f.space.And(f.space.Protocol(6), f.space.Arriving(f.nat, ports))
}

// unfilled are the lists into which nothing got a source before the change.
func (f *table) unfilled() []string {
	filled := map[string]bool{}
	eachRule(f.before, f.Family, func(_ routeros.Menu, r *routeros.Rule) { filled[r.Attrs.Get("address-list")] = true })
	for _, e := range f.before.Entries[f.Family.AddressList()] {
		_, addresses := e.Range()
		filled[e.List] = filled[e.List] || e.Dynamic || !addresses
	}
	return slices.DeleteFunc(f.space.Lists(), func(list string) bool { return filled[list] })
}

// lost: the plan's own rules stop nothing that the plan does not shut.
func (f *table) lost() {
	s := f.space
	if len(f.states) == 1 {
		return // nothing changes
	}
	gated := traffic.Packets(s, f.nat, f.Dropped())
	for n := 1; n < len(f.states); n++ {
		var stopped space.Set
		rows := f.states[n].Rules[f.Menu]
		for i := range rows {
			if f.ours(&rows[i]) && rows[i].Action() == "drop" {
				stopped = s.Or(stopped, f.results[n].Hits(f.Menu, i))
			}
		}
		gone := s.Minus(s.Minus(s.And(s.And(stopped, f.results[0].Accepted), f.domain), gated), f.vacated(n))
		gone = s.Minus(gone, s.And(f.suspects(), f.played()))
		f.broken(Failure{
			Promise: OnlyByKnock, Risk: CutOff, After: n,
			What:   f.state(n) + " a packet would be stopped that the plan does not shut",
			Remedy: "name it under gate if that is what you want",
		}, "is stopped by", gone, s.Stranger())
	}
}

// services: a service that moves to another port, or answers more sources, is not exposed to a
// source that could not reach it before.
func (f *table) services(n int, remedy string) {
	s := f.space
	for i, now := range f.states[n].Services {
		if now.Dynamic || now.Connection || i >= len(f.before.Services) {
			continue
		}
		then := f.before.Services[i]
		if now.Port == then.Port && now.Disabled == then.Disabled && routeros.SameFrom(now.From, then.From) {
			continue
		}
		was, is := f.reaches(0, then), f.reaches(n, now)
		fresh := s.Minus(s.Minus(s.Anywhere(is), s.Anywhere(was)), s.Anywhere(f.openedBy(n)))
		f.broken(Failure{
			Promise: NoExposure, Risk: Exposure, After: n,
			What:   fmt.Sprintf("%s the service %s would be exposed to a source that could not reach it before", f.state(n), now.Name),
			Remedy: remedy,
		}, "is accepted by", s.And(is, fresh), s.Stranger())
	}
}

// reaches returns the packets by which a service is reached in a state: the firewall lets them in,
// and the service answers their source (routeros-facts § 4).
func (f *table) reaches(n int, service routeros.Service) space.Set {
	s := f.space
	if service.Disabled {
		return space.Set{}
	}
	set := s.And(s.Protocol(6), s.Arriving(f.nat, routeros.Ports{{First: service.Port, Last: service.Port}}))
	set = s.And(s.And(set, f.domain), f.results[n].Accepted)
	if len(service.From) == 0 {
		return set
	}
	var from space.Set
	for _, prefix := range service.From {
		if r, err := routeros.ParseAddressRange(prefix); err == nil {
			from = s.Or(from, s.Sources(r))
		}
	}
	return s.And(set, from)
}

// gate: in the end, gated services are reached only by sources to which the plan opens them.
func (f *table) gate() {
	s := f.space
	n := len(f.states) - 1
	gated := traffic.Packets(s, f.nat, f.Dropped())
	reached := s.And(s.And(gated, s.States(firewall.New)), f.results[n].Accepted)
	f.broken(Failure{
		Promise: OnlyByKnock, Risk: OpenGate, After: n,
		What:   "a stranger would still reach a gated service",
		Remedy: "move that rule below, narrow it, or name the place with firewall.place",
	}, "is accepted by", s.Minus(reached, f.openedBy(n)), s.Stranger())
}

// voidRules: some packet meets each rule of the plan.
func (f *table) voidRules() {
	n := len(f.states) - 1
	if !f.proof.Kept(NotVoid) || !f.proof.Kept(OnlyByKnock) {
		return // a door that does not open, or a gate that does not shut, is a better message
	}
	for _, menu := range []routeros.Menu{f.Menu, f.Family.NAT()} {
		rows := f.after.Rules[menu]
		for i := range rows {
			mark, ok := rows[i].Mark()
			if !f.ours(&rows[i]) || !ok || rows[i].Disabled() || mayBeVoid(mark.Slot) || !f.space.And(f.results[n].Hits(menu, i), f.domain).Empty() {
				continue
			}
			f.fail(Failure{
				Promise: NotVoid, Risk: VoidRule, After: n,
				What:   fmt.Sprintf("no packet would ever reach the rule %s%s", mark.Slot, f.eater(menu, i)),
				Remedy: "move that rule, or name another place with firewall.place",
			})
		}
	}
}

// mayBeVoid reports whether a rule may be without packets: an interface list or an allow-list may
// be empty, and if only the plan forwards to a host, no other packet meets the drop for that host.
func mayBeVoid(slot string) bool {
	starts := func(kind string) bool { return strings.HasPrefix(slot, kind) }
	return slices.ContainsFunc([]string{"allow/", "established", "gate/forward", "jump-forward"}, starts) || strings.Contains(slot, "/spare-")
}

// eater says which earlier rule decides about all packets of a rule.
func (f *table) eater(menu routeros.Menu, row int) string {
	r := &f.after.Rules[menu][row]
	if f.behind(r) {
		return "" // packets get a new destination on the way there
	}
	meant := f.space.And(f.space.And(f.space.Asks(f.after, menu, r), f.domain), f.space.States(firewall.New))
	e, ok := f.space.Pick(meant, f.space.Stranger())
	if !ok {
		return ": its conditions can never be met"
	}
	return fmt.Sprintf(": %s is decided earlier by %s", maskedPacket(e.Packet), decidedBy(f.space.Replay(f.after, e)))
}

// maskedPacket describes a packet without its port, which may be one of a knock.
func maskedPacket(p firewall.Packet) string {
	return fmt.Sprintf("a packet of %s on %s", routeros.ProtocolName(p.Protocol), p.InInterface)
}

// allowed: the allow-list reaches everything that is gated or opened, from at least one interface.
func (f *table) allowed() {
	s := f.space
	reach := slices.Clone(f.Gate)
	for _, d := range f.Doors {
		reach = append(reach, d.Opens...)
	}
	for _, one := range f.alone(f.guests()) {
		for _, m := range reach {
			asked := s.And(s.And(traffic.Packets(s, f.nat, []traffic.Match{m}), s.And(one.packets, s.Stranger())), s.And(f.domain, s.States(firewall.New)))
			if m.Protocol == "" {
				asked = s.And(asked, f.samples())
			}
			if seen := s.Minus(asked, s.Unseen()); !s.And(seen, s.All()).Empty() {
				asked = seen
			}
			if !s.And(asked, f.results[len(f.results)-1].Accepted).Empty() {
				continue
			}
			if e, ok := s.Pick(asked); ok {
				f.fail(Failure{
					Promise: NotVoid, Risk: VoidRule, After: len(f.states) - 1,
					What:   fmt.Sprintf("%s would not let anybody in: %s is stopped by %s", one.name, f.describe(e.Packet), decidedBy(s.Replay(f.after, e))),
					Remedy: "move that rule, or name another place with firewall.place",
				})
			}
		}
	}
}

// guest is a group of sources that may come in for one reason.
type guest struct {
	name    string
	packets space.Set
}

// guests are the sources that the plan lets in without a knock, in the order of the plan.
func (f *table) guests() []guest {
	out := []guest{{"the allow-list", f.space.Listed(f.after, compile.AllowList(f.want.Plan))}}
	a := f.want.Allowed
	for i, list := range a.InterfaceLists {
		if !slices.Contains(a.InterfaceLists[:i], list) {
			out = append(out, guest{"the interface list " + list, f.space.InList(list)})
		}
	}
	for _, name := range a.Interfaces {
		out = append(out, guest{"the interface " + name, f.space.In(name)})
	}
	for _, list := range a.AddressLists {
		out = append(out, guest{"the address list " + list, f.space.Listed(f.after, list)})
	}
	return out
}

// alone reduces each guest to the packets that come in for no other reason: others would show
// nothing about this one.
func (f *table) alone(all []guest) []guest {
	out := slices.Clone(all)
	for i := range out {
		for n, other := range all {
			if n != i {
				out[i].packets = f.space.Minus(out[i].packets, other.packets)
			}
		}
	}
	return out
}

// knocks: only its knock leads into the trusted list of a door, and no stage remembers longer than
// the plan says.
func (f *table) knocks() {
	final := f.results[len(f.results)-1]
	for i, d := range f.Doors {
		if f.sharing(d)[0].Name == d.Name && f.first(i) == i {
			if way, found, complete := f.otherWay(d, final); found || !complete {
				f.otherWayFailure(d, way, complete)
			}
		}
		f.late(d, final)
		f.hours(d, final)
		f.quarantine(d, final)
		f.passing(d)
		if f.first(i) < i {
			continue
		}
		if openings, _ := f.space.Openings(space.Search{Result: final, List: d.Trusted, From: f.domain, Bare: true}); len(openings) > 0 {
			f.proof.Doors = append(f.proof.Doors, Door{Name: d.Name, Family: f.Family, Packets: len(openings[0].Steps)})
		}
	}
}

// passing: no foreign rule fills a door's lists from packets that are not addressed to the router,
// or with the destination of packets. Such packets are not followed, so any such rule is refused.
func (f *table) passing(d compile.Door) {
	entered := map[string]bool{"input": true, "prerouting": true, "dstnat": true}
	for before := 0; before < len(entered); {
		before = len(entered)
		eachRule(f.after, f.Family, func(_ routeros.Menu, r *routeros.Rule) {
			if r.Action() == "jump" && entered[r.Chain()] {
				entered[r.Attrs.Get("jump-target")] = true
			}
		})
	}
	eachRule(f.after, f.Family, func(menu routeros.Menu, r *routeros.Rule) {
		list := r.Attrs.Get("address-list")
		filled := list == d.Trusted || slices.Contains(d.StageLists, list)
		if f.ours(r) || !filled || !strings.HasPrefix(r.Action(), "add-") || entered[r.Chain()] && fills(r) {
			return
		}
		f.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(f.states) - 1,
			What:   fmt.Sprintf("door %s would open without its knock: %s %s fills the list %s with packets that are not addressed to the router", d.Name, menu, r.Describe(), list),
			Remedy: "remove that rule, or give the door a list of its own",
		})
	})
}

// otherWay looks for a way into the trusted list that does not contain the knock. If doors share a
// list, each of their knocks counts.
func (f *table) otherWay(d compile.Door, final space.Result) (way space.Opening, found, complete bool) {
	var knocks [][]space.Set
	for _, o := range f.sharing(d) {
		knocks = append(knocks, f.stages(o))
	}
	ways, complete := f.space.Openings(space.Search{Result: final, List: d.Trusted, From: f.domain, Knocks: knocks})
	if len(ways) == 0 {
		return space.Opening{}, false, complete
	}
	return ways[0], true, true
}

// sharing are the doors that fill the same list as a door.
func (f *table) sharing(d compile.Door) []compile.Door {
	return slices.DeleteFunc(slices.Clone(f.Doors), func(o compile.Door) bool { return o.Trusted != d.Trusted })
}

// hours: each stage of a window that is installed in advance counts only during its hours. It does
// not matter which rule checks the clock, so this looks at the packets that advance. Together with
// otherWay, which shows for any time that each window's knock has to be complete, it follows that
// the knocks of other hours are no way in.
func (f *table) hours(d compile.Door, final space.Result) {
	if len(d.Hours) == 0 {
		return
	}
	var during space.Set
	for _, h := range d.Hours {
		during = f.space.Or(during, f.space.During(h))
	}
	last := d.StageLists[len(d.StageLists)-1]
	for _, fill := range final.Fills {
		stage := slices.Contains(d.StageLists, fill.List) || fill.List == d.Trusted && slices.Contains(f.space.Uses(fill.Packets), last)
		if !fill.Source || !stage {
			continue
		}
		f.wrong(f.space.Minus(f.space.And(fill.Packets, f.domain), during), Failure{
			Risk:   OtherWay,
			What:   fmt.Sprintf("door %s: a knock would count outside its hours, by %s", d.Name, fill.Rule.Describe()),
			Remedy: "remove that rule, or give the door lists of its own",
		})
	}
}

// stages are the packets of a door's knock, in their order.
func (f *table) stages(d compile.Door) []space.Set {
	out := f.packets(d.Knock)
	for i, relaxed := range d.Relaxed {
		out[i] = f.stage(d.Knock[i], relaxed)
	}
	return out
}

// packets are those of stages or decoys.
func (f *table) packets(stages []plans.Stage) []space.Set {
	var out []space.Set
	for _, stage := range stages {
		out = append(out, f.stage(stage, compile.Relaxed{}))
	}
	return out
}

// stage are the packets of one stage. Only the first packet of a connection knocks, and of pings
// only a request, unless the rule as found has fewer conditions.
func (f *table) stage(stage plans.Stage, relaxed compile.Relaxed) space.Set {
	var set space.Set
	switch {
	case stage.Protocol != "icmp":
		m := traffic.Match{Protocol: stage.Protocol, Ports: routeros.Ports{{First: stage.Port, Last: stage.Port}}}
		set = traffic.Packets(f.space, f.nat, []traffic.Match{m})
	case relaxed.AnyICMP:
		set = f.space.Pings(int(stage.Size))
	default:
		set = f.space.Echo(int(stage.Size))
	}
	if stage.Payload != "" {
		set = f.space.And(set, f.space.Carrying(stage.Payload))
	}
	if relaxed.AnyState {
		return set
	}
	return f.space.And(set, f.space.States(firewall.New))
}

func (f *table) otherWayFailure(d compile.Door, way space.Opening, complete bool) {
	failure := Failure{
		Promise: OnlyByKnock, Risk: OtherWay, After: len(f.states) - 1,
		What:   fmt.Sprintf("door %s: there are too many ways into the list %s to follow", d.Name, d.Trusted),
		Remedy: "give the door a list of its own",
	}
	if complete {
		var rule string
		for _, step := range way.Steps {
			if step.Expires+step.Joins == "" {
				failure.Packets = append(failure.Packets, Packet{step.Example, true})
			}
			for _, fill := range step.Fills {
				if foreign := !f.ours(fill.Rule); foreign || rule == "" {
					rule = fill.Rule.Describe()
				}
			}
		}
		failure.What = fmt.Sprintf("door %s would open without its knock: a source gets into the list %s by %s (packets: %d)", d.Name, d.Trusted, rule, len(failure.Packets))
		failure.Remedy = "remove that rule, or give the door a list of its own"
		if list := f.forGood(d, way); list != "" {
			failure.What = fmt.Sprintf("door %s would open to %s without its knock, since the list %s holds it permanently", d.Name, failure.Packets[0].Packet.Src, list)
			failure.Remedy = "remove the entry, or put the address under allow.addresses"
		}
	}
	f.fail(failure)
}

// forGood names the stage list that holds the source of a way by a permanent entry.
func (f *table) forGood(d compile.Door, way space.Opening) string {
	var lists []string
	for _, o := range f.sharing(d) {
		lists = append(lists, o.StageLists...)
	}
	for _, list := range lists {
		for _, e := range f.after.Entries[f.Family.AddressList()] {
			r, ok := e.Range()
			if e.List == list && !e.Dynamic && !e.Disabled && ok && r.Contains(way.Steps[len(way.Steps)-1].Example.Packet.Src) {
				return list
			}
		}
	}
	return ""
}

// late: a stage does not count when it comes later than the plan allows.
func (f *table) late(d compile.Door, final space.Result) {
	for _, fill := range final.Fills {
		stage := slices.Contains(d.StageLists, fill.List)
		if !fill.Source || !stage && fill.List != d.Trusted || f.space.And(fill.Packets, f.domain).Empty() {
			continue
		}
		limit := d.For
		if stage {
			limit = routeros.ListTimeout{Kind: routeros.Timed, For: d.StageTimeout}
		}
		if longer(fill.Timeout, limit) {
			f.fail(Failure{
				Promise: OnlyByKnock, Risk: OtherWay, After: len(f.states) - 1,
				What:   fmt.Sprintf("door %s: the list %s would remember a source for %s instead of %s, by %s", d.Name, fill.List, fill.Timeout, limit, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
}

// longer reports whether a time-out outlasts another.
func longer(a, b routeros.ListTimeout) bool {
	if a.Kind != routeros.Timed || b.Kind != routeros.Timed {
		return a.Kind != b.Kind && b.Kind == routeros.Timed
	}
	return a.For > b.For
}
