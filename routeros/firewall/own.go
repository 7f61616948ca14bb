package firewall

import (
	"net/netip"

	"github.com/rosknock/rosknock/routeros"
)

// Own are the addresses of a router itself.
type Own struct {
	local   map[netip.Addr]bool
	primary map[onInterface]netip.Addr // the first address of an interface, which redirect sends to
}

type onInterface struct {
	family routeros.Family
	name   string
}

// OwnOf returns the addresses of a router that are not switched off.
func OwnOf(s routeros.Snapshot) Own {
	o := Own{map[netip.Addr]bool{}, map[onInterface]netip.Addr{}}
	for _, a := range s.Addresses {
		if a.Disabled {
			continue
		}
		o.local[a.Prefix.Addr()] = true
		at := onInterface{familyOf(a.Prefix.Addr()), a.Interface}
		if _, known := o.primary[at]; !known {
			o.primary[at] = a.Prefix.Addr()
		}
	}
	return o
}

// Primary returns the address to which redirect sends what came in on an interface; ok is false
// where it has none.
func (o Own) Primary(f routeros.Family, in string) (a netip.Addr, ok bool) {
	a, ok = o.primary[onInterface{f, in}]
	return a, ok
}

// Among returns the first of the router's own addresses in a range, or none.
func (o Own) Among(r routeros.AddressRange) netip.Addr {
	var first netip.Addr
	for a := range o.local {
		if r.First.IsValid() && r.Contains(a) && (!first.IsValid() || a.Less(first)) {
			first = a
		}
	}
	return first
}

// Stay is whether packets of a translation stay on the router. Without an address, and with
// redirect, they do, and only the port changes. Which of several addresses a packet gets is the
// router's choice.
type Stay uint8

// The ways to stay.
const (
	Leaves   Stay = iota // to another host
	Stays                // on the router
	MayLeave             // to one of several, one of which is the router's own
)

// Stays tells whether packets of a translation stay on the router, and at which of its addresses
// where that changes; redirect's depends on the interface, see [Own.Primary].
func (o Own) Stays(t Translation) (Stay, netip.Addr) {
	if t.Redirect || !t.Given {
		return Stays, netip.Addr{}
	}
	switch own := o.Among(t.To); {
	case !own.IsValid():
		return Leaves, own
	case t.To.First != t.To.Last:
		return MayLeave, own
	default:
		return Stays, own
	}
}
