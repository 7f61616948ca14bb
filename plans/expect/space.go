package expect

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// table is one family of the router, with its packets cut at all that rules and tests tell apart.
// What a test says of single packets is written as a rule, and the packets of the test are those
// that the rule asks for.
type table struct {
	*checker
	family  routeros.Family
	space   *space.Space
	nat     space.Result
	asked   routeros.Snapshot // the rules of the tests
	at      map[[2]int]int    // the row of a target of a test
	probe   netip.Addr        // a stranger
	lasting *firewall.AddressLists
}

// table prepares a family when the first test comes to it.
func (c *checker) table(f routeros.Family) *table {
	if known := c.tables[f]; known != nil {
		return known
	}
	t := &table{checker: c, family: f, at: map[[2]int]int{}, probe: traffic.NewProbes(c.router, f).Source}
	var rules []routeros.Rule
	cuts := space.Cuts{Apart: append(hostless(f), routeros.AddressRange{First: t.probe, Last: t.probe})}
	for n, test := range c.tests {
		cuts.Apart = append(cuts.Apart, test.From.Range)
		for i, target := range test.Targets {
			t.at[[2]int{n, i}] = len(rules)
			rules = append(rules, arrival(f, test, target))
			ports, _, _ := t.place(target)
			cuts.Ports = append(cuts.Ports, ports...)
		}
	}
	for _, p := range c.plans {
		cuts.Apart, cuts.Asked = append(cuts.Apart, p.Allow.Addresses...), append(cuts.Asked, p.Allow.AddressLists...)
	}
	for _, a := range c.router.Addresses {
		if !a.Disabled && a.Prefix.Addr().Is4() == (f == routeros.IPv4) {
			rules = append(rules, routeros.NewRule("chain", "input", "action", "accept", "in-interface", a.Interface, "dst-address", a.Prefix.Addr().String()))
		}
	}
	t.asked = routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{f.Filter(): rules}}
	t.space = space.New(f, cuts, c.router, t.asked)
	t.nat = traffic.Translated(t.space, c.router)
	t.lasting = firewall.NewAddressLists(lasting(c.router), c.router.Clock)
	c.tables[f] = t
	return t
}

// lasting is the router with those list entries alone that never end.
func lasting(s routeros.Snapshot) routeros.Snapshot {
	entries := map[routeros.Menu][]routeros.ListEntry{}
	for menu, rows := range s.Entries {
		entries[menu] = slices.DeleteFunc(slices.Clone(rows), func(e routeros.ListEntry) bool { return e.Dynamic })
	}
	s.Entries = entries
	return s
}

// hostless are addresses that no host sends from, besides those that the kernel drops anyway.
func hostless(f routeros.Family) []routeros.AddressRange {
	if f == routeros.IPv6 {
		return []routeros.AddressRange{routeros.PrefixRange(netip.MustParsePrefix("::/128"))}
	}
	return []routeros.AddressRange{routeros.PrefixRange(netip.MustParsePrefix("0.0.0.0/8")), routeros.PrefixRange(netip.MustParsePrefix("240.0.0.0/4"))}
}

// arrival writes what a test says of its packets as a rule, but where they come from and which
// ports they go to.
func arrival(f routeros.Family, t Test, target Target) routeros.Rule {
	protocol := numberIn(f, target)
	pairs := []string{"chain", "input", "action", "accept", "connection-state", t.State.String(), "fragment", "no",
		"ipsec-policy", "in,none", "connection-nat-state", "!srcnat,dstnat", "protocol", fmt.Sprint(protocol)}
	switch {
	case protocol == 6 && t.State == firewall.New:
		pairs = append(pairs, "tcp-flags", "syn,!ack,!fin,!rst,!psh,!urg,!ece,!cwr")
	case protocol == 6:
		pairs = append(pairs, "tcp-flags", "ack,!syn,!fin,!rst,!psh,!urg,!ece,!cwr")
	case protocol == 1:
		pairs = append(pairs, "icmp-options", "8:0")
	case protocol == 58:
		pairs = append(pairs, "icmp-options", "128:0")
	}
	if target.To.IsValid() {
		pairs = append(pairs, "dst-address", target.To.String())
	} else {
		pairs = append(pairs, "dst-address-type", "local")
	}
	if t.From.Port != 0 {
		pairs = append(pairs, "src-port", fmt.Sprint(t.From.Port))
	}
	if t.Size != 0 {
		pairs = append(pairs, "packet-size", fmt.Sprint(t.Size))
	}
	return routeros.NewRule(pairs...)
}

// numberIn is the protocol of a target in a family.
func numberIn(f routeros.Family, t Target) uint8 {
	protocol := t.Protocol
	if t.Kind == ToVPN {
		protocol, _ = routeros.ParseProtocol(plans.VPNMatches(t.Name, f)[0].Protocol)
	}
	switch {
	case protocol == 1 && f == routeros.IPv6:
		return 58
	case protocol == 58 && f == routeros.IPv4:
		return 1
	}
	return protocol
}

// place is where a target listens on the router. off says that it does not, or that this is not
// known, where unknown.
func (f *table) place(t Target) (ports routeros.Ports, off string, unknown bool) {
	switch t.Kind {
	case ToService:
		svc, has := f.router.Service(t.Name)
		switch {
		case !f.router.Tells(routeros.ServiceMenu):
			return nil, "nothing is known of " + string(routeros.ServiceMenu) + ", which is not shown", true
		case !has:
			return nil, "the router has no service " + t.Name, false
		case svc.Disabled:
			return nil, "the service " + t.Name + " is off", false
		}
		return routeros.Ports{{First: svc.Port, Last: svc.Port}}, "", false
	case ToVPN:
		return f.listens(t.Name), "", false
	case ToPort:
	}
	if t.Ports.First == 0 {
		return nil, "", false
	}
	return routeros.Ports{t.Ports}, "", false
}

// listens are the ports by which clients of a VPN begin: of those servers that tell theirs, or the
// usual ones.
func (f *table) listens(vpn string) routeros.Ports {
	var out routeros.Ports
	for _, server := range f.router.Servers(vpn) {
		if server.Port != 0 && plans.MovesPort(vpn) {
			out = append(out, routeros.PortRange{First: server.Port, Last: server.Port})
		}
	}
	if out == nil {
		out = traffic.Ports(plans.VPNMatches(vpn, f.family)[0].Ports)
	}
	return out
}

// check runs a test over this family.
func (f *table) check(t Test, n int) Result {
	out := Result{Test: t, Outcome: Passed, Got: string(t.Expect)}
	if f.router.Tracking == routeros.TrackingOff && t.State != firewall.Untracked {
		return unknown(t, "connection tracking is switched off: no packet is "+t.State.String())
	}
	for i, target := range t.Targets {
		r := f.target(t, target, &f.asked.Rules[f.family.Filter()][f.at[[2]int{n, i}]])
		if r.Outcome == Failed || r.Outcome == Unknown && out.Outcome == Passed {
			out = r
		}
		if out.Outcome == Failed {
			break
		}
	}
	return out
}

// target runs a test on one of its targets.
func (f *table) target(t Test, target Target, arrives *routeros.Rule) Result {
	ports, off, hidden := f.place(target)
	switch {
	case hidden:
		return unknown(t, off)
	case off != "" && t.Expect == Drop:
		return Result{Test: t, Outcome: Passed, Got: string(t.Expect)}
	case off != "":
		return Result{Test: t, Outcome: Failed, Got: "off", Why: off}
	}
	s := f.space
	packets := s.And(s.Asks(f.asked, f.family.Filter(), arrives), s.All())
	switch {
	case ports == nil:
	case t.Reaches:
		packets = s.And(packets, s.Arriving(f.nat, ports))
	default:
		packets = s.And(packets, s.Ports(ports))
	}
	class, told, why := f.from(t, packets)
	if why == "" && class.Empty() {
		why = fmt.Sprintf("no packet to %s is in the class, over %s", target.Name, f.family)
	}
	if why != "" {
		return unknown(t, why)
	}
	out := f.judge(t, target, class)
	switch {
	case told.hangs != "" && out.Outcome == Passed:
		return unknown(t, told.hangs)
	case told.short != "" && out.Outcome != Passed && out.Why == "":
		out.Why = told.short
	}
	return out
}

// from narrows packets to those of the test's sources. why says why they can't be told.
func (f *table) from(t Test, packets space.Set) (class space.Set, told history, why string) {
	s := f.space
	in, why := f.interfaces(t)
	if why != "" {
		return class, told, why
	}
	switch src, one := f.source(t); {
	case !one:
		return s.And(s.And(packets, f.sources(t)), s.And(f.arriving(in), s.Stranger())), told, ""
	case t.Knock != "":
		d, has := f.presentDoor(t.Knock)
		if !has {
			return class, told, fmt.Sprintf("the knock of the door %s is not known", t.Knock)
		}
		for _, name := range in {
			h := f.knocked(d, src, name)
			class = s.Or(class, f.remembered(s.And(packets, s.In(name)), src, h))
			if told.short == "" {
				told.short = h.short
			}
			if told.hangs == "" {
				told.hangs = h.hangs
			}
		}
		return class, told, ""
	default:
		return f.remembered(s.And(packets, f.arriving(in)), src, f.present()), told, ""
	}
}

// source is the one source of a test, where it has one.
func (f *table) source(t Test) (netip.Addr, bool) {
	switch {
	case t.From.Kind == Addresses && t.From.single():
		return t.From.Range.First, true
	case t.From.Kind == Stranger && t.Knock != "":
		return f.probe, true
	}
	return netip.Addr{}, false
}

// remembered are the packets of one source with its history.
func (f *table) remembered(packets space.Set, src netip.Addr, h history) space.Set {
	s := f.space
	held := f.held(h, src)
	packets = s.And(packets, s.Sources(routeros.AddressRange{First: src, Last: src}))
	for _, list := range s.Lists() {
		if held(list) {
			packets = s.And(packets, s.Member(list))
		} else {
			packets = s.Minus(packets, s.Member(list))
		}
	}
	return packets
}

// arriving are the packets that come in by some interfaces; by any where there is none.
func (f *table) arriving(interfaces []string) space.Set {
	var out space.Set
	for _, name := range interfaces {
		out = f.space.Or(out, f.space.In(name))
	}
	return out
}

// interfaces are those by which the packets of a test come in.
func (f *table) interfaces(t Test) (names []string, why string) {
	switch {
	case t.In != "":
		return f.named(t.In)
	case t.From.Kind == Behind:
		return f.named(t.From.Name)
	case t.From.Kind == Stranger:
		return audit.Outside(f.router, f.family, f.receiving()), ""
	}
	return f.receiving(), ""
}

// sources are the packets of the test's sources, wherever they come in.
func (f *table) sources(t Test) space.Set {
	s := f.space
	hosts := s.All()
	for _, r := range hostless(f.family) {
		hosts = s.Minus(hosts, s.Sources(r))
	}
	switch t.From.Kind {
	case Addresses:
		return s.Sources(t.From.Range)
	case Stranger:
		return s.Minus(hosts, f.known())
	case Allowed:
		return s.And(hosts, f.allowed())
	case Anyone, Behind:
	}
	return hosts
}

// known are the packets from sources that an enabled rule, an address list or a service names.
func (f *table) known() space.Set {
	s := f.space
	var out space.Set
	lists := map[string]bool{}
	for _, menu := range []routeros.Menu{f.family.Raw(), f.family.NAT(), f.family.Filter()} {
		rows := f.router.Rules[menu]
		for i := range rows {
			if rows[i].Disabled() {
				continue
			}
			for _, c := range s.Rule(&rows[i]).Conditions {
				switch test := c.Test.(type) {
				case firewall.Addresses:
					if test.Of == firewall.Source && names(test.Range) {
						out = s.Or(out, s.Sources(test.Range))
					}
				case firewall.Listed:
					lists[test.List] = lists[test.List] || test.Of == firewall.Source
				}
			}
		}
	}
	for _, e := range f.router.Entries[f.family.AddressList()] {
		if r, ok := e.Range(); ok && lists[e.List] && !e.Disabled && !e.Dynamic && !names(r) {
			delete(lists, e.List) // its narrow entries follow one by one
			out = s.Or(out, f.entries(e.List))
		}
	}
	for list, asked := range lists {
		if asked {
			out = s.Or(out, s.Listed(f.router, list))
		}
	}
	for _, svc := range f.router.Services {
		if !svc.Dynamic && !svc.Connection {
			out = s.Or(out, f.prefixes(svc.From, names))
		}
	}
	return out
}

// entries are the packets from sources that a list names, one by one.
func (f *table) entries(list string) space.Set {
	var out space.Set
	for _, e := range f.router.Entries[f.family.AddressList()] {
		if r, ok := e.Range(); ok && e.List == list && !e.Disabled && !e.Dynamic && names(r) {
			out = f.space.Or(out, f.space.Sources(r))
		}
	}
	return out
}

// names reports whether a range is narrow enough to name somebody: 0.0.0.0/1 is half of the
// internet.
func names(r routeros.AddressRange) bool {
	widest := 8
	if r.First.Is6() {
		widest = 7
	}
	first, last := r.First.AsSlice(), r.Last.AsSlice()
	return len(first) == len(last) && first[0]>>(8-widest) == last[0]>>(8-widest)
}

// allowed are the packets of those whom the plans allow.
func (f *table) allowed() space.Set {
	s := f.space
	var out space.Set
	for _, p := range f.plans {
		for _, r := range p.Allow.Addresses {
			out = s.Or(out, s.Sources(r))
		}
		for _, list := range p.Allow.AddressLists {
			out = s.Or(out, s.Listed(f.router, list))
		}
		for _, name := range append(slices.Clone(p.Allow.InterfaceLists), p.Allow.Interfaces...) {
			found, _ := f.named(name)
			out = s.Or(out, f.arriving(found))
		}
	}
	return out
}

// judge holds what becomes of all packets of a class against what is expected.
func (f *table) judge(t Test, target Target, class space.Set) Result {
	s := f.space
	result := s.Walk(f.router, class)
	bad := f.bad(t, target, class, result)
	if !s.Complete() || result.Incomplete || result.Astray {
		return unknown(t, "the rules are too complex to follow, or chains jump in circles")
	}
	if bad.Empty() {
		return Result{Test: t, Outcome: Passed, Got: string(t.Expect)}
	}
	// Packets that fail whatever the answers to open questions are.
	if sure := s.Minus(bad, s.Sometimes(s.Minus(class, bad))); !sure.Empty() {
		return f.shown(t, target, Failed, sure)
	}
	return f.shown(t, target, Unknown, bad)
}

// bad are those of a class that do not meet what is expected.
func (f *table) bad(t Test, target Target, class space.Set, r space.Result) space.Set {
	s := f.space
	accepted := s.And(class, r.Accepted)
	if t.Reaches {
		in := s.And(accepted, f.answered(target))
		if t.Expect == Accept {
			return s.Minus(class, in)
		}
		return in
	}
	rejected, held := f.stopped(r, "reject"), f.stopped(r, "tarpit")
	switch t.Expect {
	case Accept:
		return s.Minus(class, accepted)
	case Forward:
		return s.Minus(class, r.Forwarded)
	case Reject:
		return s.Minus(class, rejected)
	case Drop:
	}
	return s.And(class, s.Or(s.Or(accepted, r.Forwarded), s.Or(rejected, held)))
}

// stopped are the packets that a rule with an action stops.
func (f *table) stopped(r space.Result, action string) space.Set {
	var out space.Set
	for _, menu := range []routeros.Menu{f.family.Raw(), f.family.Filter()} {
		rows := f.router.Rules[menu]
		for i := range rows {
			if rows[i].Action() == action && !rows[i].Disabled() {
				out = f.space.Or(out, r.Hits(menu, i))
			}
		}
	}
	return out
}

// answered are the packets from sources that a service answers.
func (f *table) answered(t Target) space.Set {
	svc, _ := f.router.Service(t.Name)
	if t.Kind != ToService || len(svc.From) == 0 {
		return f.space.All()
	}
	return f.prefixes(svc.From, func(routeros.AddressRange) bool { return true })
}

// prefixes are the packets from those of some prefixes that count.
func (f *table) prefixes(of []string, counts func(routeros.AddressRange) bool) space.Set {
	var out space.Set
	for _, prefix := range of {
		if r, err := routeros.ParseAddressRange(prefix); err == nil && counts(r) {
			out = f.space.Or(out, f.space.Sources(r))
		}
	}
	return out
}

// shown is the result with a packet of a set, which the evaluator of single packets is asked about
// too.
func (f *table) shown(t Test, target Target, as Outcome, set space.Set) Result {
	e, ok := f.space.Pick(set, f.home(), f.space.Sources(routeros.AddressRange{First: f.probe, Last: f.probe}))
	if !ok {
		return unknown(t, "there is no packet that shows it")
	}
	fate := f.space.Replay(f.router, e)
	out := Result{Test: t, Outcome: as, Got: word(fate.Verdict), Example: &Example{Example: e, Family: f.family, Target: target.Name, Fate: fate, Secret: f.secret(e.Packet, fate)}}
	deaf := t.Reaches && fate.Verdict == firewall.Accept && !f.space.Holds(f.answered(target), e)
	switch {
	case deaf && t.Expect == Accept:
		out.Got, out.Why = "not answered", "the service "+target.Name+" answers other sources only"
	case t.meets(fate.Verdict):
		return unknown(t, "the proof and the evaluator of single packets disagree about "+e.Packet.String())
	case as == Unknown:
		out.Why = "it " + hangsOn(fate)
	}
	return out
}

// home are the packets to an address of the interface by which they come in, as most are.
func (f *table) home() space.Set {
	var out space.Set
	rules := f.asked.Rules[f.family.Filter()]
	for i := len(f.at); i < len(rules); i++ { // behind those of the tests
		out = f.space.Or(out, f.space.Asks(f.asked, f.family.Filter(), &rules[i]))
	}
	return out
}

// meets reports whether a verdict is what is expected.
func (t Test) meets(v firewall.Verdict) bool {
	if t.Reaches && t.Expect == Drop {
		return v != firewall.Accept
	}
	return word(v) == string(t.Expect)
}

// word is the word of a tests file for a verdict.
func word(v firewall.Verdict) string {
	if v == firewall.Forwarded {
		return string(Forward)
	}
	return v.String()
}

// secret reports whether a packet may be part of a knock.
func (f *table) secret(p firewall.Packet, fate firewall.Disposition) bool {
	for _, look := range fate.Trail {
		if mark, ok := look.Rule.Mark(); ok && look.Matched && routeros.TellsKnock(mark.Slot) {
			return true
		}
	}
	for _, plan := range f.plans {
		for _, d := range plan.Doors {
			for _, stage := range slices.Concat(d.Knock, d.Decoys) {
				if stage.Port != 0 && stage.Port == p.DstPort || stage.Protocol == "icmp" && int(stage.Size) == p.Size && p.DstPort == 0 {
					return true
				}
			}
		}
	}
	return false
}
