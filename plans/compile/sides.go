package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// Allowed are the sources of the allow-list beside its addresses.
type Allowed struct {
	InterfaceLists, Interfaces, AddressLists []string
}

// allowances refuses a plan that lets in what the router does not have.
func (c *compiler) allowances() error {
	for _, list := range c.plan.Allow.InterfaceLists {
		if !c.router.HasInterfaceList(list) {
			return c.missingList(fmt.Sprintf("the plan allows the interface list %q", list), list, "remove it from allow.interface-lists")
		}
	}
	for _, d := range c.plan.Doors {
		for _, list := range d.On {
			if !c.router.HasInterfaceList(list) {
				return c.missingList(fmt.Sprintf("door %s has to open on the interface list %q", d.Name, list), list, "remove it from doors."+d.Name+".on")
			}
		}
	}
	for _, name := range c.plan.Allow.Interfaces {
		switch i, ok := c.router.Interface(name); {
		case !ok:
			return &change.RefusalError{
				Risk: "missing-interface", What: fmt.Sprintf("the plan allows the interface %q, which the router doesn't have", name),
				Remedy: "create it on the router, or remove it from allow.interfaces",
			}
		case i.Slave:
			return &change.RefusalError{
				Risk: "missing-interface", What: fmt.Sprintf("the plan allows the interface %q, a port of a bridge or a bond: no packet comes in by it", name),
				Remedy: "name the bridge or the bond in allow.interfaces",
			}
		}
	}
	return nil
}

// inside reports whether the plan lets in everybody on an interface.
func (s subject) inside(w *firewall.Firewall, in string) bool {
	return slices.Contains(s.plan.Allow.Interfaces, in) ||
		slices.ContainsFunc(s.plan.Allow.InterfaceLists, func(list string) bool { return w.InInterfaceList(in, list) })
}

// outer lists the interfaces on which a door has to open: those of the lists that it names; else
// those by which strangers come in, which have a default route or are masqueraded. If none is known,
// those are all that are not inside, seen or not.
func (c *compiler) outer(on []string) []string {
	key := strings.Join(on, "\x00")
	known, ok := c.faces[key]
	if !ok {
		known = c.findOuter(without(c.router, c.family.Filter(), c.plan.Name), on)
		if c.faces == nil {
			c.faces = map[string][]string{}
		}
		c.faces[key] = known
	}
	return known
}

func (c *compiler) findOuter(bare routeros.Snapshot, on []string) []string {
	w := firewall.NewFirewall(bare)
	receives := func(name string) bool {
		i, ok := bare.Interface(name)
		return ok && i.Receives()
	}
	var out []string
	add := func(name string) {
		if receives(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if len(on) > 0 {
		for _, i := range bare.Interfaces {
			if slices.ContainsFunc(on, func(list string) bool { return w.InInterfaceList(i.Name, list) }) {
				add(i.Name)
			}
		}
		if out == nil { // nobody is in it yet
			out = []string{traffic.UnseenIn(on[0])}
		}
		return out
	}
	for _, u := range bare.Uplinks {
		if u.Family == c.family && !c.inside(w, u.Interface) {
			add(u.Interface)
		}
	}
	for _, name := range masqueraded(bare, c.family, w) {
		if !c.inside(w, name) {
			add(name)
		}
	}
	if out == nil {
		return c.notInside(bare, w)
	}
	return out
}

// masqueraded are the interfaces behind which a family hides its own addresses.
func masqueraded(s routeros.Snapshot, f routeros.Family, w *firewall.Firewall) []string {
	var out []string
	for i := range s.Rules[f.NAT()] {
		r := &s.Rules[f.NAT()][i]
		if r.Disabled() || r.Chain() != "srcnat" || r.Action() != "masquerade" {
			continue
		}
		by, named := firewall.ConditionOf(r, "out-interface")
		in, listed := firewall.ConditionOf(r, "out-interface-list")
		if by.Negated || in.Negated || !named && !listed {
			continue
		}
		for _, one := range s.Interfaces {
			if (!named || one.Name == by.Value) && (!listed || w.InInterfaceList(one.Name, in.Value)) {
				out = append(out, one.Name)
			}
		}
	}
	return out
}

// notInside are one of each group of interfaces that are not inside, and one that the router does
// not show: in no interface list, and in each of those that rules ask for and of which no member is
// known.
func (c *compiler) notInside(bare routeros.Snapshot, w *firewall.Firewall) []string {
	var out []string
	for _, name := range traffic.NewProbes(bare, c.family).Interfaces {
		if !c.inside(w, name) {
			out = append(out, name)
		}
	}
	out = append(out, firewall.AnyOther)
	for _, m := range []routeros.Menu{c.family.Filter(), c.family.NAT(), c.family.Raw()} {
		for i := range bare.Rules[m] {
			asked, asks := firewall.ConditionOf(&bare.Rules[m][i], "in-interface-list")
			if !asks || firewall.IsGone(asked.Value) || slices.Contains([]string{"all", "none", "dynamic", "static"}, asked.Value) || slices.Contains(c.plan.Allow.InterfaceLists, asked.Value) {
				continue
			}
			known := slices.ContainsFunc(bare.Interfaces, func(i routeros.Interface) bool { return w.InInterfaceList(i.Name, asked.Value) })
			if name := traffic.UnseenIn(asked.Value); !known && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// voidNotes tell of rules that the router passes over because of the interface that they name.
func voidNotes(s routeros.Snapshot, f routeros.Family) []string {
	w := firewall.NewFirewall(s)
	var out []string
	for _, m := range []routeros.Menu{f.Raw(), f.NAT(), f.Filter()} {
		for i := range s.Rules[m] {
			r := &s.Rules[m][i]
			if r.Disabled() || r.Dynamic {
				continue
			}
			c, void := w.Void(firewall.Compile(r))
			if !void {
				continue
			}
			why := fmt.Sprintf("%s is a port of a bridge or a bond", routeros.Quote(c.Value))
			if firewall.IsGone(c.Value) {
				why = "the interface " + c.Value + " is gone"
			}
			out = append(out, fmt.Sprintf("the router passes over %s %s: %s", m, r.Describe(), why))
		}
	}
	return out
}
