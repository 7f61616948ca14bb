package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Knock is a list that a source gets into by sending packets, and by which a rule lets it in.
type Knock struct {
	Family routeros.Family
	// List is the list of those who have knocked; Accepts the rules that let its members in.
	List    string
	Accepts []string
	// Steps are the packets of the shortest way into the list, in their order; none when there is no way.
	Steps []sequence.Step
	// Doubles says that one of the packets takes two stages at once, since adding to a list does not end the walk.
	Doubles bool
	// Ways is how many ways of that length there are.
	Ways int
	// Rules are the rules that fill lists on the way, in the order of the steps.
	Rules []string
	// Opens are the services and VPNs that a member reaches and a stranger does not.
	Opens []string
	// Strength is that of the shortest way.
	Strength sequence.Strength
	// Open are those that its rules let members reach and that anyone reaches without.
	Open []string
	// Why says what is wrong with a knock that does not work, or gates nothing.
	Why string
	// Shut says that it can't be opened: no packets get into the list, or none of a member to the rule that would let it in.
	Shut bool
	// Quarantine is a list that some packets get a source into, and whose members do not get in by the knock; "" for none. Decoys are
	// the packets that lead there at once, stages out of turn not counted.
	Quarantine string
	Decoys     int
	// Detector says that the router also looks out for port scans (psd), which may stop a sweep before.
	Detector bool
}

// Works reports whether a source can get in by knocking.
func (k Knock) Works() bool { return len(k.Steps) > 0 && k.Why == "" }

// knocks finds the lists that rules both fill by packets and let in.
func (a *auditor) knocks() []Knock {
	var out []Knock
	for _, list := range a.doors() {
		k := a.knock(list)
		if k.Steps != nil {
			a.opened = append(a.opened, k)
		}
		out = append(out, k)
	}
	for i := range out {
		out[i].Opens, out[i].Open = a.opens(out[i].List)
		out[i].Detector = a.detects()
		if out[i].Works() && len(out[i].Opens) == 0 && !a.letsIn(out[i].List) {
			out[i].Why = "it gates nothing: whatever its list lets in is let in without it too, or does not arrive at the rule"
		}
	}
	return out
}

// doors are the lists that a rule fills and by which another accepts.
func (a *auditor) doors() []string {
	filled := map[string]bool{}
	for _, menu := range []routeros.Menu{a.family.Raw(), a.family.NAT(), a.family.Filter()} {
		for _, r := range a.router.Rules[menu] {
			if r.Action() == "add-src-to-address-list" && !r.Disabled() {
				filled[r.Attrs.Get("address-list")] = true
			}
		}
	}
	var out []string
	for _, menu := range []routeros.Menu{a.family.Filter(), a.family.NAT()} {
		for _, r := range a.router.Rules[menu] {
			list := r.Attrs.Get("src-address-list")
			lets := slices.Contains([]string{"accept", "dst-nat", "jump"}, r.Action()) && !slices.Contains([]string{"srcnat", "output"}, r.Chain())
			if filled[list] && lets && !r.Disabled() && !slices.Contains(out, list) && !a.stage(list) {
				out = append(out, list)
			}
		}
	}
	return out
}

// stage reports whether a list is only a step on the way into another one: what it lets in is the rules that go on.
func (a *auditor) stage(list string) bool {
	accepts, leads := false, false
	for _, r := range a.router.Rules[a.family.Filter()] {
		if r.Attrs.Get("src-address-list") != list || r.Disabled() {
			continue
		}
		accepts = accepts || r.Action() == "accept"
		leads = leads || r.Action() == "add-src-to-address-list" && r.Attrs.Get("address-list") != list || r.Action() == "jump"
	}
	return leads && !accepts
}

// knock finds the shortest ways into a list and says how strong they are.
func (a *auditor) knock(list string) Knock {
	k := Knock{Family: a.family, List: list}
	menu := a.family.Filter()
	rows := a.router.Rules[menu]
	met := false
	for i := range rows {
		if rows[i].Attrs.Get("src-address-list") != list || rows[i].Disabled() || rows[i].Action() != "accept" {
			continue
		}
		k.Accepts = append(k.Accepts, rows[i].Describe())
		met = met || a.reachable(&rows[i])
	}
	s := a.space
	from := s.And(s.And(a.outside, s.States(firewall.New)), s.Sources(routeros.AddressRange{First: a.source(), Last: a.source()}))
	if a.outside.Empty() {
		from = s.And(s.All(), s.States(firewall.New))
	}
	ways, complete := s.Openings(space.Search{Result: a.result, List: list, From: from})
	if len(ways) == 0 {
		ways, complete = s.Openings(space.Search{Result: a.result, List: list, From: s.States(firewall.New)})
	}
	switch {
	case !complete:
		k.Why = "the ways into the list are too many to be followed"
	case len(ways) == 0:
		k.Shut, k.Why = true, "it can't be opened: no packets lead into the list "+list+a.blocked(list)
	}
	if len(ways) > 0 {
		k.Ways = len(ways)
		k.Steps, k.Rules = a.steps(ways[0])
		k.Doubles = slices.ContainsFunc(ways[0].Steps, a.doubles)
		k.Strength = a.strength(&k, from)
		if !met && len(k.Accepts) > 0 {
			k.Shut, k.Why = true, "it can't be opened: no packet arrives at the rule that would let its list in"
		}
	}
	return k
}

// doubles reports whether a packet fills a list and, by a rule that asks for that list, another one.
func (a *auditor) doubles(step space.Step) bool {
	var hit []space.Fill
	for _, f := range a.result.Fills {
		if f.Source && !a.space.And(f.Packets, step.Packets).Empty() {
			hit = append(hit, f)
		}
	}
	return slices.ContainsFunc(hit, func(first space.Fill) bool {
		return slices.ContainsFunc(hit, func(next space.Fill) bool {
			return next.Rule.Attrs.Get("src-address-list") == first.List && next.List != first.List
		})
	})
}

// reachable reports whether some packet is accepted by a rule, over the whole space: it may let in any port.
func (a *auditor) reachable(r *routeros.Rule) bool {
	s := a.space
	menu := a.family.Filter()
	result := s.Walk(a.router, s.And(s.Asks(a.router, menu, r), s.States(firewall.New)))
	rows := a.router.Rules[menu]
	for i := range rows {
		if &rows[i] == r {
			return !result.Hits(menu, i).Empty()
		}
	}
	return false
}

// blocked names the first rule on the way into a list that no packet meets, with what stands in its way.
func (a *auditor) blocked(list string) string {
	menu := a.family.Filter()
	rows := a.router.Rules[menu]
	for i := range rows {
		if rows[i].Disabled() || rows[i].Action() != "add-src-to-address-list" || rows[i].Attrs.Get("address-list") != list {
			continue
		}
		asked := a.space.And(a.space.Asks(a.router, menu, &rows[i]), a.space.States(firewall.New))
		e, ok := a.space.Pick(asked)
		if !ok {
			return ", since nothing matches " + name(&rows[i])
		}
		if fate := a.space.Replay(a.router, e); fate.Rule != nil && a.result.Hits(menu, i).Empty() {
			return "; " + name(&rows[i]) + " is not met, since " + name(fate.Rule) + " decides before"
		}
	}
	return ""
}

// name describes a rule, without the ports of one that may be part of a knock.
func name(r *routeros.Rule) string {
	if list := r.Attrs.Get("address-list"); list != "" && r.Comment() == "" {
		return r.ID + ", which fills " + list
	}
	return r.Describe()
}

// steps turns a way into what a scanner would have to send.
func (a *auditor) steps(way space.Opening) (steps []sequence.Step, rules []string) {
	for _, s := range way.Steps {
		step := sequence.Step{}
		seen := a.space.Look(s.Packets)
		for _, one := range seen {
			if step.Protocol != "" && one.Protocol != 6 {
				continue
			}
			step = stepOf(one)
		}
		step.Payload = a.space.WantsPayload(s.Packets)
		for _, fill := range s.Fills {
			rules = append(rules, name(fill.Rule))
			if fill.Timeout.Kind == routeros.Timed {
				step.Timeout = max(step.Timeout, fill.Timeout.For)
			} else {
				step.Timeout = time.Duration(0)
			}
		}
		steps = append(steps, step)
	}
	return steps, rules
}

func stepOf(seen space.Seen) sequence.Step {
	switch {
	case seen.Protocol == 1 || seen.Protocol == 58:
		first, last := seen.Sizes[0], seen.Sizes[1]
		if last == 0 {
			first, last = 28, 1500
		}
		return sequence.Step{Protocol: "icmp", First: uint16(max(28, first)), Last: uint16(max(28, min(last, 1500)))}
	case len(seen.Ports) > 0:
		return sequence.Step{Protocol: routeros.ProtocolName(seen.Protocol), First: max(1, seen.Ports[0].First), Last: seen.Ports[0].Last}
	default:
		return sequence.Step{Protocol: routeros.ProtocolName(seen.Protocol), First: 1, Last: 65535}
	}
}

// opens lists what a member of a list reaches from outside and a stranger does not; and what the list's rules let
// members reach and a stranger reaches too.
func (a *auditor) opens(list string) (opens, open []string) {
	s := a.space
	accepted := s.Sometimes(s.And(a.result.Accepted, s.And(a.outside, s.Sources(routeros.AddressRange{First: a.source(), Last: a.source()}))))
	for _, t := range a.targets() {
		if t.Disabled {
			continue
		}
		reached := s.And(accepted, s.And(t.packets, s.States(firewall.New)))
		as := func(member string) space.Set {
			return s.Given(reached, func(l string) bool { return l == member })
		}
		switch stranger := as(""); {
		case !s.Minus(as(list), stranger).Empty():
			opens = append(opens, t.Name)
		case !stranger.Empty() && !s.And(a.asked(list), t.packets).Empty():
			open = append(open, t.Name)
		}
	}
	return append(opens, a.sendsOn(list)...), open
}

// sendsOn lists where destination NAT sends members of a list from outside, and no strangers: tcp/33890 to 192.168.88.10:3389.
func (a *auditor) sendsOn(list string) []string {
	s, menu := a.space, a.family.NAT()
	var out []string
	for i := range a.router.Rules[menu] {
		r := &a.router.Rules[menu][i]
		if r.Disabled() || r.Attrs.Get("src-address-list") != list || r.Action() != "dst-nat" || r.Attrs.Get("to-addresses") == "" {
			continue
		}
		from := s.And(a.outside, s.Sources(routeros.AddressRange{First: a.source(), Last: a.source()}))
		result := s.Walk(a.router, s.And(s.And(s.Asks(a.router, menu, r), s.Or(from, s.Member(list))), s.States(firewall.New)))
		sent := s.Sometimes(s.And(s.And(result.Hits(menu, i), result.Forwarded), from))
		if s.Minus(s.Given(sent, func(l string) bool { return l == list }), s.Given(sent, func(string) bool { return false })).Empty() {
			continue
		}
		to := r.Attrs.Get("to-addresses")
		if ports := r.Attrs.Get("to-ports"); ports != "" {
			to += ":" + ports
		}
		what := cmp.Or(r.Attrs.Get("protocol"), "everything")
		if ports := r.Attrs.Get("dst-port"); ports != "" {
			what += "/" + ports
		}
		out = append(out, what+" to "+to)
	}
	return out
}

// asked are the packets that the rules which accept a list ask for.
func (a *auditor) asked(list string) space.Set {
	var out space.Set
	rows := a.router.Rules[a.family.Filter()]
	for i := range rows {
		if rows[i].Attrs.Get("src-address-list") == list && rows[i].Action() == "accept" && !rows[i].Disabled() {
			out = a.space.Or(out, a.space.Asks(a.router, a.family.Filter(), &rows[i]))
		}
	}
	return out
}

// detects reports whether a rule looks out for port scans.
func (a *auditor) detects() bool {
	return slices.ContainsFunc(a.router.Rules[a.family.Filter()], func(r routeros.Rule) bool { return r.Attrs.Has("psd") && !r.Disabled() })
}

// letsIn reports whether a member of a list is let in anywhere at all where a stranger is not.
func (a *auditor) letsIn(list string) bool {
	s := a.space
	menu := a.family.Filter()
	rows := a.router.Rules[menu]
	for i := range rows {
		if rows[i].Disabled() || rows[i].Attrs.Get("src-address-list") != list || rows[i].Action() != "accept" {
			continue
		}
		result := s.Walk(a.router, s.And(s.And(s.Asks(a.router, menu, &rows[i]), s.Or(a.stranger, s.Member(list))), s.States(firewall.New)))
		as := func(member string) space.Set {
			return s.Given(result.Accepted, func(l string) bool { return l == member })
		}
		if !s.Minus(as(list), as("")).Empty() {
			return true
		}
	}
	return slices.ContainsFunc(a.router.Rules[a.family.NAT()], func(r routeros.Rule) bool { return r.Attrs.Get("src-address-list") == list })
}
