package packet

import "strings"

// class says what an argument of a rule is to the evaluator.
type class uint8

const (
	// unheard is an argument of a RouterOS that is newer than this program, or a misspelling. It may
	// be a matcher, so it is undecided.
	unheard class = iota
	// notMatcher says what a rule does, or describes it.
	notMatcher
	// decided is settled by the packet, the lists and the time. Single values can be undecided still.
	decided
	// undecidable hangs on what no packet shows.
	undecidable
)

// classify knows every argument that add takes in the filter, nat and raw tables of both families up to
// RouterOS 7.24 (routeros-facts § 2.1).
func classify(name string) class {
	switch {
	case strings.HasPrefix(name, "."), describes(name), directs(name):
		return notMatcher
	case decides(name):
		return decided
	case remembers(name), elsewhere(name), unclear(name):
		return undecidable
	}
	return unheard
}

// describes are arguments about the row.
func describes(name string) bool {
	switch name {
	case "chain", "comment", "disabled", "copy-from", "place-before":
		return true
	}
	return false
}

// directs are the action and what it needs. hw-offload went with RouterOS 7.21.
func directs(name string) bool {
	switch name {
	case "action", "address-list", "address-list-timeout", "jump-target", "log", "log-prefix", "reject-with",
		"to-addresses", "to-ports", "passthrough", "same-not-by-dst", "randomise-ports", "hw-offload",
		"socks5-server", "socks5-port", "socksify-service":
		return true
	}
	return false
}

// decides are the matchers that have a test.
func decides(name string) bool {
	switch name {
	case "protocol", "src-address", "dst-address", "src-address-list", "dst-address-list", "src-address-type", "dst-address-type",
		"src-port", "dst-port", "port", "in-interface", "out-interface", "in-interface-list", "out-interface-list",
		"connection-state", "connection-nat-state", "connection-bytes", "time",
		"tcp-flags", "tcp-mss", "icmp-options", "packet-size", "dscp", "ttl", "hop-limit", "fragment", "content", "src-mac-address",
		"ipsec-policy", "ipv4-options":
		return true
	}
	return false
}

// remembers are matchers on earlier packets, on other connections, or on chance. A hash over addresses
// counts as chance: how the router computes it is not known.
func remembers(name string) bool {
	switch name {
	case "limit", "dst-limit", "nth", "random", "psd", "connection-limit", "connection-rate", "connection-type", "layer7-protocol",
		"per-connection-classifier":
		return true
	}
	return false
}

// elsewhere are matchers on what other parts of the router have made of the packet: marks of the mangle
// table, no-mark included, the hotspot, the bridge, queues and routes.
func elsewhere(name string) bool {
	switch name {
	case "connection-mark", "packet-mark", "routing-mark", "realm", "hotspot", "priority", "ingress-priority",
		"in-bridge-port", "in-bridge-port-list", "out-bridge-port", "out-bridge-port-list":
		return true
	}
	return false
}

// unclear are matchers whose meaning is not known well enough: p2p does nothing from RouterOS 7 on; of tos,
// new in 7.21, the form of the values is not documented; headers=none can mean a packet without extension headers
// or the protocol ipv6-nonxt; tls-host depends on how the client cuts its greeting into packets.
func unclear(name string) bool {
	switch name {
	case "p2p", "tos", "headers", "tls-host":
		return true
	}
	return false
}
