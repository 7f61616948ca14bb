package audit

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// reach says for each target who gets through.
func (a *auditor) reach() []Reach {
	var out []Reach
	for _, t := range a.targets {
		if !t.Off() {
			t.By = a.by(t)
		}
		out = append(out, t.Reach)
	}
	return out
}

// asked is one target with the packets that get through to it.
type asked struct {
	*auditor
	target
	clear, tunnelled space.Set // by whether they came out of an IPsec tunnel
	unlisted         space.Set // in clear, of sources that are in no list but for good
	faces            []face
}

// verdict is whether some of a set of packets get through.
type verdict struct {
	sure, perhaps bool
	packets       space.Set
}

func (a *auditor) by(t target) []By {
	s := a.space
	through := s.And(s.And(a.result.Accepted, t.packets), a.begins)
	q := asked{auditor: a, target: t, clear: s.Minus(through, s.IPsec()), tunnelled: s.And(through, s.IPsec())}
	q.unlisted = s.And(q.clear, s.Stranger())
	for _, f := range a.faces {
		if t.on == nil || f.in == "" && t.on(firewall.AnyOther) || f.in != "" && t.on(f.in) {
			q.faces = append(q.faces, f)
		}
	}
	anyone := q.anyone()
	out := anyone
	if len(anyone) == 0 || anyone[0].Perhaps {
		out = append(q.lan(), out...)
	}
	out = append(out, q.allowed(len(anyone) > 0 && !anyone[0].Perhaps)...)
	out = append(out, q.peers()...)
	out = append(out, q.trusted()...)
	for i := range out {
		if t.hinge != "" {
			out[i].Perhaps, out[i].Detail = true, append(out[i].Detail, t.hinge)
		}
	}
	slices.SortStableFunc(out, func(x, y By) int { return rank(x) - rank(y) })
	return out
}

// rank orders who gets through: facts first, the most open first.
func rank(b By) int {
	at := slices.Index([]Who{Anyone, Neighbors, LAN, AllowList, Tunnel, Trusted}, b.Who)
	if b.Perhaps {
		at += 10
	}
	return at
}

// anyone says whether strangers get through: as a fact by interfaces that lead to the internet, or,
// where none is known to, by every one that may; else perhaps.
func (q asked) anyone() []By {
	var sure, perhaps, open []face
	all := len(q.faces) == len(q.auditor.faces) && !q.sided(outside) && (q.sided(unsided) || !q.sided(inside))
	for _, f := range q.faces {
		v := verdict{}
		if f.side != inside {
			v = q.strangers(f)
		}
		switch {
		case f.side == inside:
		case v.sure && f.side == outside:
			sure = append(sure, f)
		case v.sure:
			open = append(open, f)
		case v.perhaps:
			perhaps = append(perhaps, f)
			all = false
		default:
			all = false
		}
	}
	switch {
	case len(sure) > 0:
		return []By{q.told(Anyone, false, sure)}
	case all && len(open) > 0:
		shown := slices.DeleteFunc(slices.Clone(open), func(f face) bool { return f.in == "" })
		if len(shown) > 0 {
			open = shown
		}
		return []By{q.told(Anyone, false, open)}
	case len(open)+len(perhaps) > 0:
		return []By{q.told(Anyone, true, append(perhaps, open...))}
	}
	return nil
}

// stranger says whether strangers get through by a face.
func (q asked) strangers(f face) verdict {
	return q.of(q.unlisted, q.space.And(f.packets, q.stranger))
}

// of says whether some of the packets that get through are in a set.
func (q asked) of(set, of space.Set) verdict {
	s := q.space
	both := s.And(set, of)
	if sure := s.Surely(both); !s.And(sure, s.All()).Empty() {
		return verdict{sure: true, perhaps: true, packets: sure}
	}
	perhaps := s.And(s.Perhaps(both), s.All())
	return verdict{perhaps: !perhaps.Empty(), packets: perhaps}
}

// told says who gets through by some faces, with the port that they use and what it hangs on.
func (q asked) told(who Who, perhaps bool, faces []face) By {
	out := By{Who: who, Perhaps: perhaps}
	var packets, doubts space.Set
	for _, f := range faces {
		from := q.from(f)
		v := q.of(q.unlisted, q.space.And(f.packets, from))
		packets = q.space.Or(packets, v.packets)
		if !v.sure {
			doubts = q.space.Or(doubts, q.space.And(q.unlisted, q.space.And(f.packets, from)))
		}
		if !slices.Contains(out.Detail, f.name) {
			out.Detail = append(out.Detail, f.name)
		}
	}
	out.Detail = append(out.Detail, q.through(packets)...)
	for _, matcher := range q.space.Hinges(doubts) {
		out.Detail = append(out.Detail, "if "+matcher+" matches")
	}
	return out
}

// from are the packets of the usual sources at a face: strangers, or hosts of its networks.
func (q asked) from(f face) space.Set {
	if f.side != inside {
		return q.stranger
	}
	var out space.Set
	for _, host := range f.hosts {
		out = q.space.Or(out, q.space.From(host))
	}
	return out
}

// through names the ports by which packets get there, where the server's own are not among them.
func (q asked) through(packets space.Set) []string {
	s := q.space
	if !s.And(packets, s.Ports(q.ports)).Empty() {
		return nil
	}
	var out []string
	for _, seen := range s.Look(packets) {
		if len(seen.Ports) > 0 {
			out = append(out, "through "+routeros.ProtocolName(seen.Protocol)+"/"+seen.Ports.String())
		}
	}
	return out
}

// lan says whether the hosts of the operator's own networks get through.
func (q asked) lan() []By {
	var sure, perhaps []face
	for _, f := range q.faces {
		if f.side != inside {
			continue
		}
		switch v := q.of(q.unlisted, q.space.And(f.packets, q.from(f))); {
		case v.sure && f.in != "":
			sure = append(sure, f)
		case v.perhaps:
			perhaps = append(perhaps, f)
		}
	}
	switch {
	case len(sure) > 0:
		return []By{q.told(LAN, false, sure)}
	case len(perhaps) > 0:
		return []By{q.told(LAN, true, perhaps)}
	}
	return nil
}

// allowed says whether sources that rules or the service name get through, beside those that need no
// name.
func (q asked) allowed(open bool) []By {
	s := q.space
	var special, others space.Set
	own, doubtful := q.ownNetworks(), false
	for _, f := range q.faces {
		got := s.And(q.unlisted, f.packets)
		v := q.of(got, q.from(f))
		usual := v.sure
		doubtful = doubtful || v.perhaps && !v.sure
		got = s.Minus(got, q.from(f))
		if f.side != inside || usual {
			got = s.Minus(got, own)
		}
		if usual && f.side == inside && q.strangers(f).sure { // any source gets in there: no name is needed
			continue
		}
		if usual {
			others = s.Or(others, got)
			continue
		}
		special = s.Or(special, got)
	}
	lists := q.outsiders()
	names, packets := q.named(s.Or(special, others))
	nameless := !s.And(s.Surely(special), s.All()).Empty() || !doubtful && !s.And(s.Perhaps(special), s.All()).Empty()
	if len(names)+len(lists) == 0 && (open || !nameless) {
		return nil
	}
	out := By{Who: AllowList, Detail: append(names, lists...)}
	if len(names) > 0 && lists == nil {
		out.Perhaps = s.And(s.Surely(packets), s.All()).Empty()
	}
	if out.Perhaps {
		for _, matcher := range s.Hinges(packets) {
			out.Detail = append(out.Detail, "if "+matcher+" matches")
		}
	}
	return []By{out}
}

// ownNetworks are the sources that the operator's own networks have: outside nobody answers to them.
func (q asked) ownNetworks() space.Set {
	var out space.Set
	for _, r := range networks(q.router, q.family, func(in string) bool {
		return slices.ContainsFunc(q.auditor.faces, func(f face) bool { return f.in == in && f.side == inside })
	}) {
		out = q.space.Or(out, q.space.Sources(r))
	}
	return out
}

// outsiders names the lists that no rule fills, whose members nobody can tell from here: those of host
// names, and of entries for a time.
func (q asked) outsiders() []string {
	s := q.space
	var out []string
	for _, list := range s.Lists() {
		if slices.ContainsFunc(q.result.Fills, func(f space.Fill) bool { return f.List == list }) {
			continue
		}
		for _, f := range q.faces {
			if f.side == inside || q.strangers(f).sure {
				continue
			}
			from := s.And(f.packets, s.From(q.source))
			member := s.Given(s.And(q.clear, from), func(l string) bool { return l == list })
			if !s.And(s.Surely(member), s.All()).Empty() && !slices.Contains(out, "list "+list) {
				out = append(out, "list "+list)
			}
		}
	}
	return out
}

// peers says whether only what comes out of an IPsec tunnel gets through.
func (q asked) peers() []By {
	s := q.space
	strange := s.And(q.stranger, q.outside)
	if q.of(q.unlisted, strange).sure || !q.of(q.tunnelled, strange).sure {
		return nil
	}
	return []By{{Who: Tunnel}}
}

// trusted says after which knocks sources get through.
func (q asked) trusted() []By {
	s := q.space
	var out []By
	from := s.And(q.outside, s.From(q.source))
	if q.of(q.unlisted, from).sure {
		return nil
	}
	for _, k := range q.opened {
		member := s.Given(s.And(q.clear, from), func(list string) bool { return list == k.List })
		if v := q.of(member, s.All()); v.perhaps {
			out = append(out, By{Who: Trusted, Detail: []string{"list " + k.List}, Perhaps: !v.sure})
		}
	}
	return out
}

// members are the sources that are on a list for good, or all where the list was not read.
func (q asked) members(list string) space.Set {
	s := q.space
	if !q.router.ReadsList(q.family, list) || !q.router.Tells(q.family.AddressList()) {
		return s.All()
	}
	var out space.Set
	for _, e := range q.router.Entries[q.family.AddressList()] {
		if r, ok := e.Range(); ok && e.List == list && !e.Disabled && !e.Timed && !e.Dynamic {
			out = s.Or(out, s.Sources(r))
		}
	}
	return out
}

// named lists the addresses and lists by which rules let packets of a set in, with those packets.
func (q asked) named(set space.Set) (out []string, packets space.Set) {
	s := q.space
	add := func(text string, by space.Set) {
		host, err := netip.ParseAddr(text)
		if text == "" || strings.HasPrefix(text, "!") || by.Empty() || err == nil && host.IsUnspecified() { // a host that has no address yet
			return
		}
		packets = s.Or(packets, by)
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, menu := range []routeros.Menu{q.family.Raw(), q.family.Filter()} {
		rows := q.router.Rules[menu]
		for i := range rows {
			if list, how := favours(&rows[i]); how == spares {
				add("list "+list, s.And(q.about(admit{menu, &rows[i], how}), s.And(set, q.members(list))))
			}
			// Of a rule that stops all others, those are let on whom it names.
			if from, others := strings.CutPrefix(rows[i].Attrs.Get("src-address"), "!"); others && !rows[i].Disabled() && s.Rule(&rows[i]).Action.Stops() {
				bare := rows[i]
				bare.Attrs = bare.Attrs.Without("src-address")
				add(from, s.And(s.Asks(q.router, menu, &bare), s.And(set, q.answered([]string{from}))))
			}
		}
	}
	rows := q.router.Rules[q.family.Filter()]
	for i := range rows {
		if rows[i].Action() != "accept" {
			continue
		}
		by := s.And(q.result.Hits(q.family.Filter(), i), set)
		add(rows[i].Attrs.Get("src-address"), by)
		if list := rows[i].Attrs.Get("src-address-list"); list != "" && !strings.HasPrefix(list, "!") {
			add("list "+list, by)
		}
	}
	if len(out) == 0 {
		for _, from := range q.target.from {
			if p, err := netip.ParsePrefix(from); err != nil || p.Bits() > 0 {
				add(from, set)
			}
		}
	}
	return out, packets
}
