package sim

import (
	"net/netip"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// arrives sends the first packet of an API connection through the filter, addressed to the router's
// own address on the arrival interface and to the service's port, whatever the listener is bound
// to.
func (r *Router) arrives(s *session, port string) bool {
	number, _ := routeros.ParsePort(port)
	p := firewall.Packet{
		Protocol: 6, Src: s.remote.Addr(), SrcPort: s.remote.Port(), Dst: r.own(s.remote.Addr()), DstPort: number,
		InInterface: r.options.Arrival, TCPFlags: firewall.SYN, MSS: 1460, TTL: 64, Size: 60,
	}
	key := keyOf(p)
	s.arrival = &key
	return r.input(p).Verdict == firewall.Accept
}

// passes sends a later packet of the connection through the filter.
func (r *Router) passes(s *session) bool {
	return r.input(firewall.Packet{
		Protocol: 6, Src: s.arrival.src.Addr(), SrcPort: s.arrival.src.Port(), Dst: s.arrival.dst.Addr(), DstPort: s.arrival.dst.Port(),
		InInterface: r.options.Arrival, TCPFlags: firewall.ACK, TTL: 64, Size: 100,
	}).Verdict == firewall.Accept
}

// own is the router's address on the arrival interface, of the family of the client.
func (r *Router) own(client netip.Addr) netip.Addr {
	family := routeros.IPv4
	if client.Is6() {
		family = routeros.IPv6
	}
	for _, a := range r.tables.addresses(family) {
		if a.Interface == r.options.Arrival && !a.Disabled {
			return a.Prefix.Addr()
		}
	}
	return client
}
