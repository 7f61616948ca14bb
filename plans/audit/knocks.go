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

// Knock is a list that a source gets into by sending packets, and that a rule accepts.
type Knock struct {
	Family routeros.Family
	// List is the list of sources that have knocked; Accepts are the rules that let its members in.
	List    string
	Accepts []string
	// Steps are the packets of the shortest way into the list, in their order; none if there is no
	// way.
	Steps []sequence.Step
	// Doubles says that one of the packets passes two stages at once, since adding to a list does
	// not end the evaluation.
	Doubles bool
	// Ways is how many ways of that length there are.
	Ways int
	// Rules are the rules that fill lists on the way, in the order of the steps.
	Rules []string
	// Opens are the services and VPNs that a member reaches and a stranger does not.
	Opens []string
	// Strength is that of the shortest way.
	Strength sequence.Strength
	// Open are those that its rules let members reach but that anyone reaches without a knock.
	Open []string
	// Why says why a knock does not work, or protects nothing.
	Why string
	// Shut says that it can't be opened: no packets lead into the list, and there are no Steps; or no
	// packet of a member reaches the accepting rule.
	Shut bool
	// Quarantine is a list that some packets get a source into, and for whose members the knock
	// does not work; "" for none. Decoys are the packets that lead there directly, without the
	// stages out of order.
	Quarantine string
	Decoys     int
	// Detector says that the router also detects port scans (psd), which may stop a sweep earlier.
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
			out[i].Why = "it protects nothing: packets that its list lets in get in without it too, or never reach the rule"
		}
	}
	return out
}

// doors are the lists that a rule fills and whose members another lets in.
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
	for _, menu := range []routeros.Menu{a.family.Filter(), a.family.NAT(), a.family.Raw()} {
		rows := a.router.Rules[menu]
		for i := range rows {
			list, how := favours(&rows[i])
			if how == "" || !filled[list] || slices.Contains(out, list) || slices.Contains([]string{"srcnat", "output"}, rows[i].Chain()) {
				continue
			}
			// Without a rule that names the list and lets on, what comes of it tells whether it is a door's.
			if !a.stage(list) && (how == letsOn && menu != a.family.Raw() || a.letsIn(list)) {
				out = append(out, list)
			}
		}
	}
	return out
}

// favour is how a rule treats the members of a list better than others.
type favour string

// The ways in which a rule can favour members of a list.
const (
	letsOn favour = "lets them on" // accept, dst-nat and the like, jump
	spares favour = "spares them"  // it stops, or leads on, all others; or it ends a chain for them
)

// favours finds the list whose members a rule may treat better than others, by what the rule alone
// says; how is "" for none. What becomes of the members, other rules decide.
func favours(r *routeros.Rule) (list string, how favour) {
	if r.Disabled() {
		return "", ""
	}
	c := firewall.Compile(r)
	if list, ok := c.Spares(); ok {
		return list, spares
	}
	if list, negated, asks := c.List(firewall.Source); asks && !negated && slices.Contains([]string{"accept", "dst-nat", "jump"}, r.Action()) {
		return list, letsOn
	}
	return "", ""
}

// admit is a rule that lets the members of a list in, by accepting or by sparing them.
type admit struct {
	menu routeros.Menu
	*routeros.Rule
	how favour
}

// stage reports whether a list is only a step on the way into another one: only later stages match
// it.
func (a *auditor) stage(list string) bool {
	accepts, leads := false, false
	rows := a.router.Rules[a.family.Filter()]
	for i := range rows {
		r := &rows[i]
		if of, how := favours(r); of == list && (how == spares || r.Action() == "accept") {
			accepts = true
		}
		if r.Attrs.Get("src-address-list") == list && !r.Disabled() {
			leads = leads || r.Action() == "add-src-to-address-list" && r.Attrs.Get("address-list") != list || r.Action() == "jump"
		}
	}
	return leads && !accepts
}

// knock finds the shortest ways into a list and says how strong they are.
func (a *auditor) knock(list string) Knock {
	k := Knock{Family: a.family, List: list}
	met := false
	for _, r := range a.admits(list) {
		k.Accepts = append(k.Accepts, r.Describe())
		met = met || a.reachable(r)
	}
	s := a.space
	from := s.And(s.And(a.outside, s.States(firewall.New)), s.Sources(routeros.AddressRange{First: a.source, Last: a.source}))
	if a.outside.Empty() {
		from = s.And(s.All(), s.States(firewall.New))
	}
	ways, complete := s.Openings(space.Search{Result: a.result, List: list, From: from})
	if len(ways) == 0 {
		ways, complete = s.Openings(space.Search{Result: a.result, List: list, From: s.States(firewall.New)})
	}
	switch {
	case !complete:
		k.Why = "there are too many ways into the list to follow"
	case len(ways) == 0:
		k.Shut, k.Why = true, "it can't be opened: no packets lead into the list "+list+a.blocked(list)
	}
	if len(ways) > 0 {
		k.Ways = len(ways)
		k.Steps, k.Rules = a.steps(ways[0])
		k.Doubles = slices.ContainsFunc(ways[0].Steps, a.doubles)
		k.Strength = a.strength(&k, from)
		if !met && len(k.Accepts) > 0 {
			k.Shut, k.Why = true, "it can't be opened: no packet arrives at the rule that accepts its list"
		}
	}
	return k
}

// admits are the rules that let the members of a list in.
func (a *auditor) admits(list string) []admit {
	var out []admit
	for _, menu := range []routeros.Menu{a.family.Raw(), a.family.Filter()} {
		rows := a.router.Rules[menu]
		for i := range rows {
			of, how := favours(&rows[i])
			if of == list && (how == spares || menu == a.family.Filter() && rows[i].Action() == "accept") {
				out = append(out, admit{menu, &rows[i], how})
			}
		}
	}
	return out
}

// doubles reports whether a packet fills a list and, by a rule that asks for that list, another
// one.
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

// reachable reports whether some packet meets a rule, over the whole space: it may let in any port.
func (a *auditor) reachable(r admit) bool {
	s := a.space
	result := s.Walk(a.router, s.And(s.Asks(a.router, r.menu, r.Rule), s.States(firewall.New)))
	rows := a.router.Rules[r.menu]
	for i := range rows {
		if &rows[i] == r.Rule {
			return !result.Hits(r.menu, i).Empty()
		}
	}
	return false
}

// blocked names the first rule on the way into a list that no packet meets, with what stands in its
// way.
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

// opens lists what a member of a list reaches from outside and a stranger does not; and what the
// list's rules let members reach and a stranger reaches too.
func (a *auditor) opens(list string) (opens, open []string) {
	s := a.space
	accepted := s.Sometimes(s.And(a.result.Accepted, s.And(a.outside, s.Sources(routeros.AddressRange{First: a.source, Last: a.source}))))
	accepted = s.Minus(accepted, s.IPsec()) // who comes out of a tunnel is no stranger
	for _, t := range a.targets {
		if !t.runs() {
			continue
		}
		reached := s.And(accepted, s.And(t.packets, s.States(firewall.New)))
		as := func(member string) space.Set {
			return s.Given(reached, func(l string) bool { return l == member })
		}
		switch stranger := as(""); {
		case slices.Contains(opens, t.Name):
		case !s.Minus(as(list), stranger).Empty():
			opens = append(opens, t.Name)
		case !stranger.Empty() && !slices.Contains(open, t.Name) && !s.And(a.asked(list), t.packets).Empty():
			open = append(open, t.Name)
		}
	}
	return append(opens, a.sendsOn(list)...), open
}

// sendsOn lists where destination NAT sends members of a list from outside, and no strangers:
// tcp/33890 to 192.168.88.10:3389.
func (a *auditor) sendsOn(list string) []string {
	s, menu := a.space, a.family.NAT()
	var out []string
	for i := range a.router.Rules[menu] {
		r := &a.router.Rules[menu][i]
		if r.Disabled() || r.Attrs.Get("src-address-list") != list || r.Action() != "dst-nat" || r.Attrs.Get("to-addresses") == "" {
			continue
		}
		from := s.And(a.outside, s.Sources(routeros.AddressRange{First: a.source, Last: a.source}))
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

// asked are the packets that the rules which let a list in are about.
func (a *auditor) asked(list string) space.Set {
	var out space.Set
	for _, r := range a.admits(list) {
		out = a.space.Or(out, a.about(r))
	}
	return out
}

// about are the packets that a rule is about, whatever list they come from.
func (a *auditor) about(r admit) space.Set {
	bare := *r.Rule
	bare.Attrs = bare.Attrs.Without("src-address-list")
	return a.space.Asks(a.router, r.menu, &bare)
}

// detects reports whether a rule detects port scans.
func (a *auditor) detects() bool {
	return slices.ContainsFunc(a.router.Rules[a.family.Filter()], func(r routeros.Rule) bool { return r.Attrs.Has("psd") && !r.Disabled() })
}

// letsIn reports whether a member of a list is let in anywhere where a stranger is not.
func (a *auditor) letsIn(list string) bool {
	s := a.space
	for _, r := range a.admits(list) {
		result := s.Walk(a.router, s.And(a.about(r), s.States(firewall.New)))
		as := func(member string) space.Set {
			return s.Given(result.Accepted, func(l string) bool { return l == member })
		}
		if !s.Minus(as(list), as("")).Empty() {
			return true
		}
	}
	return slices.ContainsFunc(a.router.Rules[a.family.NAT()], func(r routeros.Rule) bool { return r.Attrs.Get("src-address-list") == list })
}
