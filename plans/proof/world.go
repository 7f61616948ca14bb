package proof

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// TrackingOff is the name of the failure that nobody can accept: without connection tracking no
// packet is new or established.
const TrackingOff = "tracking-off"

// untracked: where connections are not tracked, no knock and no accept of established traffic works
// (routeros-facts § 15.1).
func (p *prover) untracked() bool {
	if p.before.Tracking != routeros.TrackingOff || p.want.Removes {
		return false
	}
	p.proof.Failures = append(p.proof.Failures, Failure{
		Promise: NotVoid, Risk: TrackingOff,
		What:   "connection tracking is switched off: no packet is new, so no knock counts and no door opens",
		Remedy: "switch it on with /ip firewall connection tracking set enabled=auto",
	})
	for _, promise := range []Promise{KeepOperator, NoExposure, OnlyByKnock} {
		p.unasked(promise, "connection tracking is switched off")
	}
	return true
}

// door plays each knock on the router's final state, on every interface on which the door has to
// open. Others on which it does not are named.
func (f *table) door() {
	t := f.trial()
	for _, d := range f.Doors {
		outer, others := t.play(d, d.Outer), t.play(d, f.elsewhere(t, d))
		why := cmp.Or(outer.why, others.why, outer.same, others.same)
		switch {
		case why != nil && len(outer.opens)+len(others.opens) == 0 && (d.AsFound || len(outer.shut) == 0 || slices.Contains(d.Outer, firewall.AnyOther)):
			f.fail(Failure{
				Promise: NotVoid, Risk: VoidDoor, After: len(f.states) - 1,
				What:   fmt.Sprintf("door %s would not open to a knock: %s", d.Name, why),
				Remedy: "move that rule, or name the place with firewall.place",
			})
		case len(outer.shut) > 0 && !d.AsFound:
			f.fail(Failure{
				Promise: NotVoid, Risk: DoorShut, After: len(f.states) - 1,
				What:   fmt.Sprintf("door %s would not open on %s, where strangers come in: %s", d.Name, traffic.Names(outer.shut), outer.why),
				Remedy: fmt.Sprintf("move or narrow that rule, or name the interface lists on which the door has to open, with doors.%s.on", d.Name),
			})
		case len(outer.shut)+len(others.shut) > 0:
			f.note(fmt.Sprintf("over %s door %s does not open on %s", f.Family, d.Name, traffic.Names(append(outer.shut, others.shut...))))
		}
	}
}

func (f *table) note(text string) {
	if !slices.Contains(f.proof.Notes, text) {
		f.proof.Notes = append(f.proof.Notes, text)
	}
}

// tried is what came of a door's knock on some interfaces, of those on which it makes a difference.
type tried struct {
	opens, shut []string
	same        error // why it does not open on an interface where that makes no difference
	why         error // why it does not open on the first of shut
}

func (t trial) play(d compile.Door, interfaces []string) tried {
	var out tried
	for _, in := range interfaces {
		switch differs, err := t.door(d, in); {
		case err == nil:
			out.opens = append(out.opens, in)
		case !differs:
			out.same = cmp.Or(out.same, err)
		default:
			out.shut, out.why = append(out.shut, in), cmp.Or(out.why, err)
		}
	}
	return out
}

// trial is the router's final state, with the interfaces that it does not show and on which a door
// has to open.
func (f *table) trial() trial {
	var outer []string
	for _, d := range f.Doors {
		for _, name := range d.Outer {
			if traffic.Unseen(name) && !slices.Contains(outer, name) {
				outer = append(outer, name)
			}
		}
	}
	state := traffic.WithUnseen(f.after, outer)
	return trial{snapshot: state, world: firewall.NewFirewall(state), table: f.Table, probes: traffic.NewProbes(state, f.Family), plan: f.want.Plan}
}

// elsewhere are the interfaces on which a door need not open, and on which somebody may have to
// knock.
func (f *table) elsewhere(t trial, d compile.Door) []string {
	var out []string
	for _, in := range append(slices.Clone(t.probes.Interfaces), firewall.AnyOther) {
		inside := slices.Contains(f.want.Allowed.Interfaces, in) ||
			slices.ContainsFunc(f.want.Allowed.InterfaceLists, func(list string) bool { return t.world.InInterfaceList(in, list) })
		if !inside && !slices.Contains(d.Outer, in) {
			out = append(out, in)
		}
	}
	return out
}

// Override is a rule of somebody else that accepts named sources, and that the gate makes void for
// them.
type Override struct {
	Family routeros.Family
	Rule   string // its id
	Who    string // the sources that it names
	What   string // what they reach by it, such as ssh
	Allow  string // the key of the plan that lets them in, with its value; "" where none does
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
	return text
}

// overrides: an accept of others that names its sources is not made void unseen.
func (f *table) overrides() {
	if len(f.states) == 1 {
		return
	}
	s := f.space
	var present []string
	gated := s.And(s.And(traffic.Packets(s, f.nat, traffic.Shut(f.Gate)), s.States(firewall.New)), f.domain)
	lost := s.Minus(s.Minus(s.And(gated, f.results[0].Accepted), f.results[len(f.results)-1].Accepted), f.opened)
	if lost.Empty() {
		return
	}
	inside := s.Minus(lost, f.outer())
	rows := f.states[0].Rules[f.Menu]
	for i := range rows {
		r := &rows[i]
		if f.ours(r) || r.Disabled() || r.Action() != "accept" && r.Chain() != "input" {
			continue
		}
		o, names := f.override(r, f.overridden(i, lost, inside))
		if !names {
			continue
		}
		f.proof.Overrides = append(f.proof.Overrides, o)
		if o.Present {
			present = append(present, o.String())
			continue
		}
		f.note(o.String())
	}
	if present != nil {
		f.fail(Failure{
			Promise: OnlyByKnock, Risk: Overrides, After: len(f.states) - 1,
			What:   "the gate would stand above rules that let in certain sources: " + strings.Join(present, "; "),
			Remedy: "let them in with these keys of the plan, or let them knock",
		})
	}
}

// overridden are those of some packets that a rule lets in now. Where it only names by what they
// come in, those from outside are strangers, and no sources that it names.
func (f *table) overridden(row int, lost, inside space.Set) space.Set {
	r := &f.states[0].Rules[f.Menu][row]
	now := f.results[0].Hits(f.Menu, row)
	if r.Action() != "accept" {
		now = f.results[0].Accepts(f.Menu, row)
	}
	c := f.space.Rule(r)
	if !asksFor(c, "src-address") && !asksFor(c, "src-address-list") && !asksFor(c, "src-mac-address") {
		lost = inside
	}
	return f.space.And(now, lost)
}

// outer are the packets from outside, where that is known.
func (f *table) outer() space.Set {
	var out space.Set
	for _, d := range f.Doors {
		if slices.Contains(d.Outer, firewall.AnyOther) {
			continue
		}
		for _, in := range d.Outer {
			out = f.space.Or(out, f.space.In(in))
		}
	}
	return out
}

// asksFor reports whether a rule names a source: all but some names none.
func asksFor(r *firewall.Rule, matcher string) bool {
	return slices.ContainsFunc(r.Conditions, func(c firewall.Condition) bool { return c.Matcher == matcher && !c.Negated })
}

// override describes what a rule loses; ok is false where it loses nothing, or names no source.
func (f *table) override(r *routeros.Rule, lost space.Set) (o Override, ok bool) {
	s := f.space
	if s.And(lost, s.All()).Empty() {
		return Override{}, false
	}
	seen := s.Minus(lost, s.Unseen())
	o = Override{Family: f.Family, Rule: r.Describe(), Present: !s.And(seen, s.All()).Empty(), What: f.gatedNames(lost)}
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
			case by.key != "" && !firewall.IsInterfaceKind(asked.Value):
				o.Allow = by.key + ": [" + name + "]"
			}
			if by.matcher == "src-address-list" {
				o.Present = o.Present && f.inhabited(asked.Value)
			}
		}
	}
	return o, o.Who != ""
}

// inhabited reports whether anybody is in an address list now.
func (f *table) inhabited(list string) bool {
	return slices.ContainsFunc(f.before.Entries[f.Family.AddressList()], func(e routeros.ListEntry) bool { return e.List == list && !e.Disabled })
}

// gatedNames lists what is gated of a set of packets.
func (f *table) gatedNames(set space.Set) string {
	var out []string
	for _, m := range traffic.Shut(f.Gate) {
		single := traffic.Match{Protocol: m.Protocol, Ports: m.Ports}
		ports := m.Ports
		if ports == nil {
			ports = routeros.Ports{{}}
		}
		for _, p := range ports {
			if single.Ports = nil; m.Ports != nil {
				single.Ports = routeros.Ports{p}
			}
			if f.space.And(f.space.And(set, traffic.Packets(f.space, f.nat, []traffic.Match{single})), f.space.All()).Empty() {
				continue
			}
			name := strings.Trim(f.listening(single), " ()")
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
