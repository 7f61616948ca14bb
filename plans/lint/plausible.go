package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

const (
	// Nobody has a network with a shorter prefix: every /8 of IPv4 was assigned long ago, and
	// nobody got more than a /16 of IPv6.
	shortestAllowed4 = 8
	shortestAllowed6 = 16
)

// forgedAllowed: the allow-list comes first, so packets that count as forged get in if their source
// is on it.
func (f *finder) forgedAllowed(p plans.Plan) {
	b := p.Firewall.Bogons
	for _, a := range p.Allow.Addresses {
		if b != nil && slices.ContainsFunc(b.Ranges(a.Family()), a.Overlaps) {
			f.add("L37", "allow.addresses", fmt.Sprintf("%s is allowed, but counts as forged on %s", a, strings.Join(b.InterfaceLists, " and ")),
				"the allow-list comes first, so packets from outside with a forged source of that range get in", "name the interface list of these hosts under allow.interface-lists instead, or its network under firewall.bogons.except")
		}
	}
}

// forgedNeighbours: the router itself has an address that counts as forged on the same interface.
func (f *finder) forgedNeighbours(p plans.Plan, s routeros.Snapshot) {
	b := p.Firewall.Bogons
	if b == nil {
		return
	}
	for _, a := range s.Addresses {
		network := routeros.PrefixRange(a.Prefix)
		link := a.Prefix.Addr().IsLinkLocalUnicast() // every interface has one over IPv6, and no knock comes from there
		if a.Disabled || link || !slices.Contains(p.Firewall.Families, network.Family()) || !slices.ContainsFunc(b.Ranges(network.Family()), network.Overlaps) {
			continue
		}
		if at := slices.IndexFunc(b.InterfaceLists, func(list string) bool { return lists(s, list, a.Interface) }); at >= 0 {
			f.add("L37", "firewall.bogons", fmt.Sprintf("%s of the list %s has the address %s itself, so packets from its neighbours count as forged", a.Interface, b.InterfaceLists[at], a.Prefix),
				"no door opens to them, and they get no answer", "put "+a.Prefix.Masked().String()+" under firewall.bogons.except, if any of them should knock")
		}
	}
}

// lists reports whether an interface is in an interface list by being named there, or in one that
// it includes. Excluded lists are not considered: the finding is a remark about addresses, and at
// worst wrong by one list.
func lists(s routeros.Snapshot, list, name string) bool {
	seen := []string{}
	for next := []string{list}; len(next) > 0; next = next[1:] {
		if slices.Contains(seen, next[0]) {
			continue
		}
		seen = append(seen, next[0])
		if next[0] == "all" || slices.ContainsFunc(s.ListMembers, func(m routeros.ListMember) bool { return m.List == next[0] && m.Interface == name && !m.Disabled }) {
			return true
		}
		for _, l := range s.InterfaceLists {
			if l.Name == next[0] {
				next = append(next, l.Include...)
			}
		}
	}
	return false
}

// everybody: an allow-list that makes knocks and gate pointless.
func (f *finder) everybody(p plans.Plan) {
	for _, a := range p.Allow.Addresses {
		prefix, ok := a.Prefix()
		shortest := shortestAllowed4
		if a.Family() == routeros.IPv6 {
			shortest = shortestAllowed6
		}
		if ok && prefix.Bits() < shortest && !prefix.Addr().IsPrivate() { // fc00::/7 is private, short as it is
			f.add("L38", "allow.addresses", a.String()+" is allowed, and is a large part of the internet", "nobody there needs to knock, and the gate protects nothing", "name your own networks")
		}
	}
	if slices.Contains(p.Allow.InterfaceLists, "all") {
		f.add("L38", "allow.interface-lists", "the list all is allowed, which holds every interface", "nobody needs to knock, and the gate protects nothing", "name the lists of the inside")
	}
}

// unanswered: a door opens a service that answers only some addresses, which clients that knock
// rarely have.
func (f *finder) unanswered(p plans.Plan, d plans.Door) {
	for _, from := range p.Services.From {
		if !slices.Contains(d.Opens, plans.Target{Kind: plans.ServiceTarget, Name: from.Name}) || slices.ContainsFunc(from.Prefixes, everywhere) {
			continue
		}
		var prefixes []string
		for _, r := range from.Prefixes {
			prefixes = append(prefixes, r.String())
		}
		f.add("L39", "services.from."+from.Name, fmt.Sprintf("door %s opens %s, and the service answers %s only", d.Name, from.Name, strings.Join(prefixes, ", ")),
			"a client from elsewhere gets through the firewall after a knock, but the service does not answer", "remove it from services.from, or from the door")
	}
}

func everywhere(r routeros.AddressRange) bool {
	prefix, ok := r.Prefix()
	return ok && prefix.Bits() == 0
}
