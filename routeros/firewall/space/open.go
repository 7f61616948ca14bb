package space

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// face is what an example's interface is, where it is one that the router does not show.
type face struct {
	lists   []string // of interfaces, of which it is a member itself
	kind    string   // all-ppp or the like; "" for none of them
	dynamic bool
}

// faces sorts the interfaces of a router into the cells of their axis. Dynamic ones that no rule
// tells apart share one: there may be thousands of clients.
func (cs *conditions) faces(r routeros.Snapshot, open bool) {
	cs.faced = map[string]int{}
	looks, dynamic := cs.probe.Looks(r, cs.Family), map[string]int{}
	for _, i := range r.Interfaces {
		look, receives := looks[i.Name]
		if !receives {
			continue
		}
		at, known := dynamic[look]
		if !known || !i.Dynamic {
			at = len(cs.interfaces)
			cs.interfaces = append(cs.interfaces, i.Name)
		}
		if i.Dynamic {
			dynamic[look] = at
		}
		cs.faced[i.Name] = at
	}
	switch {
	case open:
		cs.faced[firewall.AnyOther] = len(cs.interfaces)
		cs.interfaces = append(cs.interfaces, firewall.AnyOther)
		cs.lists = r.InterfaceLists
	case len(cs.interfaces) == 0:
		cs.faced["ether1"] = 0
		cs.interfaces = []string{"ether1"} // made up
	}
}

// onOther answers a condition about the interface for one that the router does not show. It may be
// in any list, of any kind, and dynamic.
func (cs *conditions) onOther(t firewall.Test, ask func() ref) ref {
	switch t := t.(type) {
	case firewall.OnInterface:
		if t.Way == firewall.In && firewall.IsInterfaceKind(t.Name) {
			return cs.ofKind(t.Name)
		}
	case firewall.OnInterfaceList:
		switch {
		case t.Way != firewall.In || firewall.IsGone(t.List):
		case !cs.probe.HasList(t.List):
			return ask()
		default:
			return cs.joined(t.List, nil)
		}
	}
	return none
}

// ofKind are the packets of such an interface if it is of a kind. It is of one kind at most: the
// first that says yes.
func (cs *conditions) ofKind(word string) ref {
	out := all
	for _, kind := range []string{"all-ethernet", "all-ppp", "all-vlan", "all-wireless"} {
		is := cs.boolean(variable{kind: isOfKind, name: kind})
		if kind == word {
			return cs.diagram.and(out, is)
		}
		out = cs.diagram.minus(out, is)
	}
	return none
}

// joined are the packets of such an interface if it is in a list: as a member, or by what the list
// includes and does not exclude.
func (cs *conditions) joined(list string, within []string) ref {
	switch list {
	case "all":
		return all
	case "none":
		return none
	case "dynamic":
		return cs.boolean(variable{kind: isDynamic})
	case "static":
		return cs.diagram.not(cs.boolean(variable{kind: isDynamic}))
	}
	if slices.Contains(within, list) { // lists that lead back to themselves
		return none
	}
	within = append(slices.Clone(within), list)
	out := none
	for _, l := range cs.lists {
		if l.Name != list {
			continue
		}
		for _, name := range l.Include {
			out = cs.diagram.or(out, cs.joined(name, within))
		}
		for _, name := range l.Exclude {
			out = cs.diagram.minus(out, cs.joined(name, within))
		}
	}
	return cs.diagram.or(out, cs.boolean(variable{kind: joins, name: list}))
}

// shown is a state in which the interface of an example is one that the router shows.
func shown(state routeros.Snapshot, e Example) routeros.Snapshot {
	if e.Packet.InInterface != firewall.AnyOther {
		return state
	}
	kinds := map[string]string{"all-ppp": "ppp-in", "all-vlan": "vlan", "all-ethernet": "ether", "all-wireless": "wlan"}
	one := routeros.Interface{Name: firewall.AnyOther, Type: kinds[e.face.kind], Dynamic: e.face.dynamic}
	if one.Type == "" {
		one.Type = "other"
	}
	state.Interfaces = append(slices.Clone(state.Interfaces), one)
	state.ListMembers = slices.Clone(state.ListMembers)
	for _, list := range e.face.lists {
		state.ListMembers = append(state.ListMembers, routeros.ListMember{List: list, Interface: firewall.AnyOther, Dynamic: true})
	}
	return state
}

// Joins are the interface lists of which the example's interface is taken for a member, where it is
// one that the router does not show.
func (e Example) Joins() []string { return e.face.lists }
