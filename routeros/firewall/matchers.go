package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// matcher is an entry of the table of matchers: how the values of one are read.
type matcher struct {
	// read makes a test of a value without its negation. Nil is a test that no packet settles; an
	// error, a value that the router does not take.
	read func(name, value string) (Test, error)
	// counts says that the matcher counts the packets of its own rule, so that two rules with the
	// same value can differ.
	counts bool
	cost   int // cheap and deciding ones are tried first
}

// matcherOf is the table of matchers: every argument of add in the filter, nat and raw tables of
// both families up to RouterOS 7.24 by which packets are told apart (routeros-facts § 2.1). How a
// test is decided for a packet stands beside its type.
func matcherOf(name string) (matcher, bool) {
	switch name {
	case "protocol":
		return matcher{read: readProtocol}, true
	case "connection-state":
		return matcher{read: readStates}, true
	case "dst-port":
		return matcher{read: readPorts}, true
	case "src-port":
		return matcher{read: readPorts, cost: 1}, true
	case "port":
		return matcher{read: readEitherPort, cost: 1}, true
	case "src-address", "dst-address":
		return matcher{read: readAddresses, cost: 1}, true
	case "src-address-type", "dst-address-type":
		return matcher{read: readTypes, cost: 1}, true
	case "src-address-list", "dst-address-list":
		return matcher{read: readList, cost: 2}, true
	case "in-interface", "out-interface":
		return matcher{read: readInterface, cost: 1}, true
	case "in-interface-list", "out-interface-list":
		return matcher{read: readInterfaceList, cost: 1}, true
	case "connection-nat-state":
		return matcher{read: readNATStates, cost: 1}, true
	case "connection-bytes":
		return matcher{read: readBytes, cost: 1, counts: true}, true
	case "time":
		return matcher{read: readHours, cost: 1}, true
	}
	return contentMatcher(name)
}

// contentMatcher holds the matchers on the packet's own bytes.
func contentMatcher(name string) (matcher, bool) {
	switch name {
	case "tcp-flags":
		return matcher{read: readFlags, cost: 1}, true
	case "tcp-mss":
		return matcher{read: readRange, cost: 1}, true
	case "icmp-options":
		return matcher{read: readICMP, cost: 1}, true
	case "packet-size":
		return matcher{read: readRange, cost: 1}, true
	case "dscp":
		return matcher{read: readRange, cost: 1}, true
	case "ttl", "hop-limit":
		return matcher{read: readTTL, cost: 1}, true
	case "fragment":
		return matcher{read: readFragment, cost: 1}, true
	case "content":
		return matcher{read: readContent, cost: 1}, true
	case "src-mac-address":
		return matcher{read: readMAC, cost: 1}, true
	case "ipsec-policy":
		return matcher{read: readPolicy, cost: 1}, true
	case "ipv4-options":
		return matcher{read: readOptions, cost: 1}, true
	}
	return undecidable(name)
}

// undecidable holds the matchers that no packet settles. Those on earlier packets of the rule, or
// on chance: limit is a bucket that begins full, and how full it is no snapshot shows; the hash of
// per-connection-classifier begins with a random number (routeros-facts § 15.1). Of psd and
// connection-limit it is known which packets they never match. Those
// on what other parts of the router made of the packet: marks of the mangle table, no-mark
// included, the hotspot, the bridge, queues and routes. And those of which the meaning is not known
// well enough: p2p does nothing from RouterOS 7 on; of tos, new in 7.21, the form of the values is
// not documented; headers=none can mean a packet without extension headers or the protocol
// ipv6-nonxt; tls-host depends on how the client cuts its greeting into packets.
func undecidable(name string) (matcher, bool) {
	switch name {
	case "limit", "dst-limit", "nth", "connection-rate", "per-connection-classifier":
		return matcher{read: unread, cost: 1, counts: true}, true
	case "psd":
		return matcher{read: readPortScan, cost: 1, counts: true}, true
	case "connection-limit":
		return matcher{read: readConnections, cost: 1, counts: true}, true
	case "random":
		return matcher{read: readChance, cost: 1, counts: true}, true
	case "connection-type", "layer7-protocol":
		return matcher{read: unread, cost: 1}, true
	case "connection-mark", "packet-mark", "routing-mark", "realm", "hotspot", "priority", "ingress-priority",
		"in-bridge-port", "in-bridge-port-list", "out-bridge-port", "out-bridge-port-list":
		return matcher{read: unread, cost: 1}, true
	case "p2p", "tos", "headers", "tls-host":
		return matcher{read: unread, cost: 1}, true
	}
	return matcher{cost: 1}, false
}

// describes are the arguments that say what a rule does, or describe it: they match nothing.
// hw-offload went with RouterOS 7.21.
func describes(name string) bool {
	switch name {
	case "chain", "comment", "disabled", "copy-from", "place-before",
		"action", "address-list", "address-list-timeout", "jump-target", "log", "log-prefix", "reject-with",
		"to-addresses", "to-ports", "passthrough", "same-not-by-dst", "randomise-ports", "hw-offload",
		"socks5-server", "socks5-port", "socksify-service":
		return true
	}
	return strings.HasPrefix(name, ".")
}

// Reason is why a value can't be read.
type Reason uint8

// The reasons.
const (
	Unreadable Reason = iota
	OutOfRange
	UnknownWord
)

// ValueError is a value that the router does not take for a matcher.
type ValueError struct {
	Matcher, Value string
	Reason         Reason
	Most           int // of what is out of range, which begins at 0
}

// Error implements error.
func (e *ValueError) Error() string {
	switch e.Reason {
	case OutOfRange:
		return fmt.Sprintf("%s %q: out of range, 0 to %d", e.Matcher, e.Value, e.Most)
	case UnknownWord:
		return fmt.Sprintf("%s %q: a word that RouterOS has not", e.Matcher, e.Value)
	}
	return fmt.Sprintf("%s %q: it can't be read", e.Matcher, e.Value)
}

// unread is for matchers that no packet settles.
func unread(string, string) (Test, error) { return nil, nil }

func readChance(_, value string) (Test, error) {
	_, err := number(value, 99)
	return nil, err
}

// number reads a number without sign or leading zeros.
func number(text string, most int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > uint64(most):
		return 0, &ValueError{Reason: OutOfRange, Most: most}
	case err != nil, len(text) > 1 && text[0] == '0':
		return 0, unreadable()
	}
	return int(n), nil
}

func unreadable() error { return &ValueError{} }

func readRange(name, value string) (Test, error) {
	f := FieldSize
	switch name {
	case "tcp-mss":
		f = FieldMSS
	case "dscp":
		f = FieldDSCP
	}
	s, err := span(value, f.Highest())
	return Numbers{f, Spans{s}}, err
}

// span reads 5 or 5-9.
func span(text string, most int) (Span, error) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err1 := number(low, most)
	last, err2 := number(high, most)
	if err := firstOf(err1, err2); err != nil {
		return Span{}, err
	}
	if first > last {
		return Span{}, unreadable()
	}
	return Span{first, last}, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func readProtocol(_, value string) (Test, error) {
	n, err := routeros.ParseProtocol(value)
	return Numbers{FieldProtocol, Spans{{int(n), int(n)}}}, err
}

func readStates(_, value string) (Test, error) {
	var states Spans
	for word := range strings.SplitSeq(value, ",") {
		s, ok := parseState(word)
		if !ok {
			return nil, &ValueError{Reason: UnknownWord}
		}
		states = append(states, Span{int(s), int(s)})
	}
	return Numbers{FieldState, states.normal()}, nil
}

// normal sorts runs and joins those that meet.
func (s Spans) normal() Spans {
	slices.SortFunc(s, func(a, b Span) int { return a.First - b.First })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.First <= out[n-1].Last+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out = append(out, r)
	}
	return out
}

func readPorts(name, value string) (Test, error) {
	f := FieldDstPort
	if name == "src-port" {
		f = FieldSrcPort
	}
	ports, err := portSpans(value)
	return Numbers{f, ports}, err
}

// portSpans reads a port list.
func portSpans(value string) (Spans, error) {
	ports, err := routeros.ParsePorts(value)
	if err != nil {
		for item := range strings.SplitSeq(value, ",") {
			if _, other := span(item, 65535); other != nil {
				return nil, other
			}
		}
		return nil, err
	}
	out := make(Spans, len(ports))
	for i, p := range ports {
		out[i] = Span{int(p.First), int(p.Last)}
	}
	return out, nil
}

func readEitherPort(_, value string) (Test, error) {
	ports, err := portSpans(value)
	return EitherPort{ports}, err
}

func readAddresses(name, value string) (Test, error) {
	r, err := routeros.ParseAddressRange(value)
	return Addresses{endOf(name), r}, err
}

func endOf(name string) End {
	if strings.HasPrefix(name, "src-") {
		return Source
	}
	return Destination
}

func readTypes(name, value string) (Test, error) {
	types := strings.Split(value, ",")
	for _, word := range types {
		if !slices.Contains([]string{"unicast", "local", "broadcast", "multicast"}, word) && !slices.Contains(routedTypes(), word) {
			return nil, &ValueError{Reason: UnknownWord}
		}
	}
	return AddressTypes{endOf(name), types}, nil
}

// routedTypes are the types of addresses that only the routing table knows.
func routedTypes() []string { return []string{"blackhole", "anycast", "unreachable", "prohibit"} }

func readList(name, value string) (Test, error) { return Listed{endOf(name), value}, nil }

// IsGone reports whether the value of a matcher is the bare id of an interface or interface list
// that was removed (routeros-facts § 11.17).
func IsGone(value string) bool { return strings.HasPrefix(value, "*") }

func readInterface(name, value string) (Test, error) {
	return OnInterface{wayOf(name), value, kindTest(value)}, nil
}

func wayOf(name string) Way {
	if strings.HasPrefix(name, "in-") {
		return In
	}
	return Out
}

func readInterfaceList(name, value string) (Test, error) {
	return OnInterfaceList{wayOf(name), value}, nil
}

func readContent(_, value string) (Test, error) { return Carries{value}, nil }

func readNATStates(_, value string) (Test, error) {
	var t NATStates
	for word := range strings.SplitSeq(value, ",") {
		switch word {
		case "srcnat":
			t.Src = true
		case "dstnat":
			t.Dst = true
		case "ein-snat":
			t.IndependentSrc = true
		case "ein-dnat":
			t.IndependentDst = true
		default:
			return nil, &ValueError{Reason: UnknownWord}
		}
	}
	return t, nil
}

// readBytes reads connection-bytes=from-to.
func readBytes(_, value string) (Test, error) {
	low, high, ok := strings.Cut(value, "-")
	from, err1 := strconv.ParseUint(low, 10, 64)
	to, err2 := strconv.ParseUint(high, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return nil, unreadable()
	}
	return Transferred{from, to}, nil
}

// readHours reads 8h-18h,mon,tue,wed: the router's own time of day on these days.
func readHours(_, value string) (Test, error) {
	h, err := routeros.ParseHours(value)
	return During(h), err
}

func readFlags(_, value string) (Test, error) {
	var t TCPFlags
	for word := range strings.SplitSeq(value, ",") {
		name, negated := strings.CutPrefix(word, "!")
		flag, ok := ParseFlag(name)
		switch {
		case name == "":
			return nil, unreadable()
		case !ok:
			return nil, &ValueError{Reason: UnknownWord}
		case negated:
			t.Unset |= flag
		default:
			t.Set |= flag
		}
	}
	return t, nil
}

// readICMP reads type, type:code and type:code-code.
func readICMP(_, value string) (Test, error) {
	kind, codes, _ := strings.Cut(routeros.Canonical("icmp-options", value), ":")
	n, err1 := number(kind, 255)
	s, err2 := span(codes, 255)
	return Numbers{FieldICMP, Spans{{n<<8 | s.First, n<<8 | s.Last}}}, firstOf(err1, err2)
}

// readTTL reads equal:64, not-equal:64, less-than:64 and greater-than:64; a bare number is equal.
func readTTL(_, value string) (Test, error) {
	how, text, found := strings.Cut(value, ":")
	if !found {
		how, text = "equal", value
	}
	n, err := number(text, 255)
	if err != nil {
		return nil, err
	}
	one := Spans{{n, n}}
	switch how {
	case "equal":
		return Numbers{FieldTTL, one}, nil
	case "not-equal":
		return Numbers{FieldTTL, one.others(255)}, nil
	case "less-than":
		return Numbers{FieldTTL, Spans{{0, n}}.cutLast()}, nil
	case "greater-than":
		return Numbers{FieldTTL, Spans{{0, n}}.others(255)}, nil
	}
	return nil, &ValueError{Reason: UnknownWord}
}

// cutLast is the runs without their last number.
func (s Spans) cutLast() Spans {
	if last := &s[len(s)-1]; last.Last > last.First {
		last.Last--
		return s
	}
	return s[:len(s)-1]
}

func readFragment(_, value string) (Test, error) {
	want, ok := routeros.ParseBool(value)
	if !ok {
		return nil, unreadable()
	}
	return Is{IsFragment, want}, nil
}

func readMAC(_, value string) (Test, error) {
	parts := strings.Split(value, ":")
	if len(parts) != 6 || slices.ContainsFunc(parts, func(part string) bool {
		_, err := strconv.ParseUint(part, 16, 8)
		return err != nil || len(part) != 2
	}) {
		return nil, unreadable()
	}
	return SentBy{strings.ToUpper(value)}, nil
}

// readPolicy decides in,ipsec and in,none; the outgoing direction is not part of a packet that
// arrives.
func readPolicy(_, value string) (Test, error) {
	switch value {
	case "in,ipsec", "in,none":
		return Is{IsFromTunnel, value == "in,ipsec"}, nil
	case "out,ipsec", "out,none":
		return nil, nil
	}
	return nil, unreadable()
}

// readOptions reads any, none, router-alert, no-router-alert and so on.
func readOptions(_, value string) (Test, error) {
	switch value {
	case "none", "any":
		return HasOption{AnyOption, value == "any"}, nil
	case "no-source-routing":
		return HasOption{LooseSource | StrictSource, false}, nil
	case "no-record-route", "no-router-alert", "no-timestamp":
		one, _ := ParseOption(strings.TrimPrefix(value, "no-"))
		return HasOption{one, false}, nil
	}
	one, ok := ParseOption(value)
	if !ok || one == OtherOption {
		return nil, &ValueError{Reason: UnknownWord}
	}
	return HasOption{one, true}, nil
}

// readPortScan reads psd=21,3s,3,1. What it counts is in one table of 256 sources for all rules of
// the router, so no snapshot shows it (routeros-facts § 15.1).
func readPortScan(string, string) (Test, error) { return Counted{CountPorts}, nil }

func readConnections(string, string) (Test, error) { return Counted{CountConnections}, nil }
