package packet

import "time"

// Matches holds a packet against one matcher of a rule, by the name and value that it has there. The
// answer is known only where the packet, the lists and the time settle it. What is no matcher
// matches.
func (w *World) Matches(name, value string, p Packet, lists Lists, at time.Time) (matches, known bool) {
	m, ok := w.matcher(name, value)
	if !ok {
		return true, true
	}
	a := m.test(&walk{world: w, packet: p, family: p.Family(), lists: lists, at: at, toRouter: true})
	return a == yes, a != unknown
}

// IsMatcher reports whether an attribute of a rule decides which packets it matches.
func IsMatcher(name string) bool { return !notMatcher(name) }

// Knowledge is what is known of a matcher.
type Knowledge uint8

// A matcher that nobody has heard of is taken both ways, like one that is known to be undecidable.
const (
	Unheard     Knowledge = iota
	Decidable             // by the packet, the lists and the time
	Undecidable           // rates, marks, layer 7, state of the bridge or the hotspot, chance
)

// Known says what is known of a matcher by its name in RouterOS up to 7.24.
func Known(name string) Knowledge {
	switch name {
	case "protocol", "src-address", "dst-address", "src-address-list", "dst-address-list", "src-address-type", "dst-address-type",
		"src-port", "dst-port", "port", "in-interface", "out-interface", "in-interface-list", "out-interface-list",
		"connection-state", "connection-nat-state", "time", "tcp-flags", "icmp-options", "packet-size", "dscp", "ttl", "hop-limit",
		"fragment", "content", "src-mac-address", "ipsec-policy", "ipv4-options":
		return Decidable
	case "connection-bytes", "connection-limit", "connection-mark", "connection-rate", "connection-type", "dst-limit", "headers", "hotspot",
		"in-bridge-port", "in-bridge-port-list", "out-bridge-port", "out-bridge-port-list", "ingress-priority", "layer7-protocol", "limit",
		"nth", "p2p", "packet-mark", "per-connection-classifier", "priority", "psd", "random", "realm", "routing-mark", "tcp-mss", "tls-host", "tos":
		return Undecidable
	}
	return Unheard
}
