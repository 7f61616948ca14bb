package sim

import (
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// arrives sends the first packet of an API connection through the filter, addressed to the router's
// own address on the arrival interface and to the service's port, whatever the listener is bound
// to.
func (s *session) arrives(port string) bool {
	number, _ := routeros.ParsePort(port)
	p := firewall.Packet{
		Protocol: 6, Src: s.remote.Addr(), SrcPort: s.remote.Port(), Dst: s.router.tables.ownAddress(s.router.options.Arrival, s.remote.Addr()), DstPort: number,
		InInterface: s.router.options.Arrival, TCPFlags: firewall.SYN, MSS: 1460, TTL: 64, Size: 60,
	}
	key := keyOf(p)
	s.arrival = &key
	return s.router.input(p).Verdict == firewall.Accept
}

// passes sends a later packet of the connection through the filter.
func (s *session) passes() bool {
	return s.router.input(firewall.Packet{
		Protocol: 6, Src: s.arrival.src.Addr(), SrcPort: s.arrival.src.Port(), Dst: s.arrival.dst.Addr(), DstPort: s.arrival.dst.Port(),
		InInterface: s.router.options.Arrival, TCPFlags: firewall.ACK, TTL: 64, Size: 100,
	}).Verdict == firewall.Accept
}
