package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Override is a rule of somebody else that accepts named sources, and that the gate makes void for
// them.
type Override struct {
	Family routeros.Family
	Rule   string // its id
	Who    string // the sources that it names
	What   string // what they reach by it, such as ssh
	Allow  string // the key of the plan that lets them in, with its value; "" where none does
	Way    string // what helps where no key names these sources
	// Present says that there are such sources now; an interface list may be empty until somebody
	// dials in.
	Present bool
}

// String says what changes for these sources.
func (o Override) String() string {
	text := fmt.Sprintf("%s reaches %s by %s today and would have to knock", o.Who, o.What, o.Rule)
	if !o.Present {
		text = fmt.Sprintf("nobody is in %s now; a client that joins it would reach %s by %s today, and will have to knock", o.Who, o.What, o.Rule)
	}
	if o.Allow != "" {
		text += ": " + o.Allow + " lets them in"
	}
	if o.Way != "" {
		text += ": " + o.Way
	}
	return text
}

// overrides is the rules of others that the gate makes void.
type overrides struct{ *family }

// check checks that no accept of others that names its sources is made void unseen.
func (v overrides) check() {
	if len(v.states) == 1 {
		return
	}
	s := v.space
	var present []string
	gated := s.And(s.And(traffic.Packets(s, v.nat, traffic.Shut(v.Gate)), s.States(firewall.New)), v.domain)
	lost := s.Minus(s.Minus(s.And(gated, v.results[0].Accepted), v.results[len(v.results)-1].Accepted), v.opened)
	if lost.Empty() {
		return
	}
	inside := s.Minus(lost, v.packetsFromOutside())
	rows := v.states[0].Rules[v.Menu]
	for i := range rows {
		r := &rows[i]
		if v.isOurs(r) || r.Disabled() || r.Action() != "accept" && r.Chain() != "input" {
			continue
		}
		o, names := v.describe(r, v.packetsLost(i, lost, inside))
		if !names {
			continue
		}
		v.proof.Overrides = append(v.proof.Overrides, o)
		if o.Present {
			present = append(present, o.String())
			continue
		}
		v.note(o.String())
	}
	if present != nil {
		v.fail(Failure{
			Promise: OnlyByKnock, Risk: Overrides, After: len(v.states) - 1,
			What:   "the gate would stand above rules that let in certain sources: " + strings.Join(present, "; "),
			Remedy: "let them in as said there (allow.interfaces, allow.interface-lists, allow.address-lists, allow.addresses), or let them knock",
		})
	}
}

// packetsLost are those of some packets that a rule lets in now. Where it only names by what they
// come in, those from outside are strangers, and no sources that it names.
func (v overrides) packetsLost(row int, lost, inside space.Set) space.Set {
	r := &v.states[0].Rules[v.Menu][row]
	now := v.results[0].Hits(v.Menu, row)
	if r.Action() != "accept" {
		now = v.results[0].Accepts(v.Menu, row)
	}
	c := v.space.Rule(r)
	if !asksFor(c, "src-address") && !asksFor(c, "src-address-list") && !asksFor(c, "src-mac-address") {
		lost = inside
	}
	return v.space.And(now, lost)
}

// packetsFromOutside are the packets from outside, where that is known.
func (v overrides) packetsFromOutside() space.Set {
	var out space.Set
	for _, d := range v.Doors {
		if slices.Contains(d.Outer, firewall.AnyOther) {
			continue
		}
		for _, in := range d.Outer {
			out = v.space.Or(out, v.space.In(in))
		}
	}
	return out
}

// asksFor reports whether a rule names a source: all but some names none.
func asksFor(r *firewall.Rule, matcher string) bool {
	return slices.ContainsFunc(r.Conditions, func(c firewall.Condition) bool { return c.Matcher == matcher && !c.Negated })
}

// describe describes what a rule loses; ok is false where it loses nothing, or names no source.
func (v overrides) describe(r *routeros.Rule, lost space.Set) (o Override, ok bool) {
	s := v.space
	if s.And(lost, s.All()).Empty() {
		return Override{}, false
	}
	seen := s.Minus(lost, s.Unseen())
	o = Override{Family: v.Family, Rule: r.Describe(), Present: !s.And(seen, s.All()).Empty(), What: v.gatedNames(lost)}
	c := s.Rule(r)
	for _, by := range []struct{ matcher, who, key string }{
		{"src-address-list", "the address list ", "allow.address-lists"}, {"src-address", "", "allow.addresses"},
		{"in-interface", "", "allow.interfaces"}, {"in-interface-list", "the interface list ", "allow.interface-lists"},
		{"src-mac-address", "", ""},
	} {
		for _, asked := range c.Conditions {
			where := strings.HasPrefix(by.matcher, "in-")
			if asked.Matcher != by.matcher || o.Who != "" || asked.Negated && !where {
				continue
			}
			name := routeros.Quote(asked.Value)
			switch o.Who = by.who + name; {
			case asked.Negated:
				o.Who = "whatever comes in by another interface than " + name
				o.Way = "make an interface list of those that need no knock, and write allow.interface-lists with its name"
			case firewall.IsInterfaceKind(asked.Value):
				o.Way = "make an interface list of them (a PPP profile fills one with its interface-list), and write allow.interface-lists with its name"
			case by.matcher == "src-mac-address":
				o.Who = "the hardware address " + name
				o.Way = "no key names a hardware address: write allow.interfaces with the interface by which it comes in, or give it a fixed address and write allow.addresses with that"
			default:
				o.Allow = by.key + ": [" + name + "]"
			}
			if by.matcher == "src-address-list" {
				o.Present = o.Present && v.hasEntries(asked.Value)
			}
		}
	}
	return o, o.Who != ""
}

// hasEntries reports whether anybody is in an address list now, as far as it was read.
func (v overrides) hasEntries(list string) bool {
	return !v.before.ReadsList(v.Family, list) || slices.ContainsFunc(v.before.Entries[v.Family.AddressList()], func(e routeros.ListEntry) bool { return e.List == list && !e.Disabled })
}

// gatedNames lists what is gated of a set of packets.
func (v overrides) gatedNames(set space.Set) string {
	var out []string
	for _, m := range traffic.Shut(v.Gate) {
		single := traffic.Match{Protocol: m.Protocol, Ports: m.Ports}
		ports := m.Ports
		if ports == nil {
			ports = routeros.Ports{{}}
		}
		for _, p := range ports {
			if single.Ports = nil; m.Ports != nil {
				single.Ports = routeros.Ports{p}
			}
			if v.space.And(v.space.And(set, traffic.Packets(v.space, v.nat, []traffic.Match{single})), v.space.All()).Empty() {
				continue
			}
			name := strings.Trim(services(v).listening(single), " ()")
			if name == "" {
				name = strings.TrimSuffix(m.Protocol+"/"+single.Ports.String(), "/")
			}
			out = append(out, name)
		}
	}
	if out == nil {
		return "what is gated"
	}
	return strings.Join(out, ", ")
}
