package packet

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// matcher compiles one attribute of a rule. Attributes that are no matchers give none. A value that
// can't be read, and every matcher whose answer lies outside the packet (rates, marks, layer 7,
// hotspot and bridge state, chance), is undecided: never silently yes or no.
func (w *World) matcher(name, value string) (matcher, bool) {
	if notMatcher(name) {
		return matcher{}, false
	}
	bare, negated := strings.CutPrefix(value, "!")
	if name == "tcp-flags" {
		bare, negated = value, false // there each flag has a ! of its own
	}
	test := w.test(name, bare)
	if test == nil {
		return matcher{name, func(*walk) answer { return unknown }}, true
	}
	if !negated {
		return matcher{name, test}, true
	}
	return matcher{name, func(k *walk) answer { return test(k).negate(true) }}, true
}

func notMatcher(name string) bool {
	switch name {
	case "chain", "action", "comment", "disabled", "log", "log-prefix", "address-list", "address-list-timeout", "jump-target", "reject-with",
		"to-addresses", "to-ports", "hw-offload", "passthrough", "same-not-by-dst", "randomise-ports", "copy-from", "place-before",
		"socks5-server", "socks5-port", "socksify-service":
		return true
	}
	return strings.HasPrefix(name, ".")
}

// test returns the test of a matcher without its negation, or nil when it can't be decided.
func (w *World) test(name, value string) func(*walk) answer {
	switch name {
	case "protocol":
		return protocolTest(value)
	case "src-address":
		return addressTest(value, func(k *walk) netip.Addr { return k.packet.Src })
	case "dst-address":
		return addressTest(value, func(k *walk) netip.Addr { return k.packet.Dst })
	case "src-address-list":
		return func(k *walk) answer { return is(k.listed(value, k.packet.Src)) }
	case "dst-address-list":
		return func(k *walk) answer { return is(k.listed(value, k.packet.Dst)) }
	case "src-address-type":
		return w.typeTest(value, func(k *walk) (netip.Addr, bool) { return k.packet.Src, false })
	case "dst-address-type":
		return w.typeTest(value, func(k *walk) (netip.Addr, bool) { return k.packet.Dst, k.toRouter })
	case "src-port", "dst-port", "port":
		return portTest(name, value)
	case "in-interface":
		return w.interfaceTest(value, func(k *walk) string { return k.packet.InInterface })
	case "out-interface":
		return w.interfaceTest(value, func(k *walk) string { return k.packet.OutInterface })
	case "in-interface-list":
		return func(k *walk) answer { return is(w.InInterfaceList(k.packet.InInterface, value)) }
	case "out-interface-list":
		return func(k *walk) answer { return is(w.InInterfaceList(k.packet.OutInterface, value)) }
	case "connection-state":
		return stateTest(value)
	case "connection-nat-state":
		return natStateTest(value)
	case "time":
		return timeTest(value)
	}
	return contentTest(name, value)
}

// contentTest covers the matchers on the packet's own bytes.
func contentTest(name, value string) func(*walk) answer {
	switch name {
	case "tcp-flags":
		return flagsTest(value)
	case "icmp-options":
		return icmpTest(value)
	case "packet-size":
		return rangeTest(value, func(k *walk) int { return k.packet.Size })
	case "dscp":
		return rangeTest(value, func(k *walk) int { return int(k.packet.DSCP) })
	case "ttl", "hop-limit":
		return ttlTest(value)
	case "fragment":
		want, ok := routeros.ParseBool(value)
		if !ok {
			return nil
		}
		return func(k *walk) answer { return is(k.packet.Fragment == want) }
	case "content":
		return func(k *walk) answer { return is(bytes.Contains(k.packet.Payload, []byte(value))) }
	case "src-mac-address":
		return macTest(value)
	case "ipsec-policy":
		return ipsecTest(value)
	case "ipv4-options":
		if value != "none" {
			return nil
		}
		return func(*walk) answer { return yes }
	}
	return nil
}

func protocolTest(value string) func(*walk) answer {
	number, err := routeros.ParseProtocol(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer { return is(k.packet.Protocol == number) }
}

func addressTest(value string, of func(*walk) netip.Addr) func(*walk) answer {
	r, err := routeros.ParseAddressRange(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer { return is(r.Contains(of(k))) }
}

// typeTest is src-address-type and dst-address-type. A packet on its way into input is local unless it
// is a broadcast or multicast.
func (w *World) typeTest(value string, of func(*walk) (netip.Addr, bool)) func(*walk) answer {
	kinds := strings.Split(value, ",")
	if slices.ContainsFunc(kinds, func(kind string) bool {
		return !slices.Contains([]string{"unicast", "local", "broadcast", "multicast"}, kind)
	}) {
		return nil // blackhole and the like are matters of the routing table
	}
	return func(k *walk) answer {
		addr, arrived := of(k)
		kind := "unicast"
		switch {
		case addr.IsMulticast():
			kind = "multicast"
		case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), w.bcast[addr]:
			kind = "broadcast"
		case arrived, w.local[addr], addr.IsLoopback():
			kind = "local"
		}
		return is(slices.Contains(kinds, kind))
	}
}

func portTest(name, value string) func(*walk) answer {
	ports, err := routeros.ParsePorts(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer {
		if !k.packet.hasPorts() {
			return no
		}
		src, dst := ports.Contains(k.packet.SrcPort), ports.Contains(k.packet.DstPort)
		switch name {
		case "src-port":
			return is(src)
		case "dst-port":
			return is(dst)
		default:
			return is(src || dst)
		}
	}
}

// interfaceTest matches an interface by name, or by one of the router's words for a kind.
func (w *World) interfaceTest(value string, of func(*walk) string) func(*walk) answer {
	kinds := map[string]string{"all-ethernet": "ether", "all-vlan": "vlan", "all-ppp": "p", "all-wireless": "w"}
	prefix, isKind := kinds[value]
	if !isKind {
		return func(k *walk) answer { return is(of(k) == value) }
	}
	return func(k *walk) answer {
		if w.ifaces[of(k)].Type == "" {
			return unknown
		}
		kind := w.ifaces[of(k)].Type
		switch value {
		case "all-ppp":
			return is(slices.ContainsFunc([]string{"ppp", "pptp", "l2tp", "sstp", "ovpn"}, func(s string) bool { return strings.HasPrefix(kind, s) }))
		case "all-wireless":
			return is(kind == "wlan" || kind == "wifi" || kind == "cap")
		default:
			return is(kind == prefix)
		}
	}
}

func stateTest(value string) func(*walk) answer {
	states := strings.Split(value, ",")
	for _, s := range states {
		if !slices.Contains([]string{"new", "established", "related", "invalid", "untracked"}, s) {
			return nil
		}
	}
	return func(k *walk) answer { return is(slices.Contains(states, k.packet.State.String())) }
}

func natStateTest(value string) func(*walk) answer {
	states := strings.Split(value, ",")
	if slices.ContainsFunc(states, func(s string) bool { return s != "srcnat" && s != "dstnat" }) {
		return nil
	}
	return func(k *walk) answer {
		return is(k.packet.SrcNAT && slices.Contains(states, "srcnat") || k.packet.DstNAT && slices.Contains(states, "dstnat"))
	}
}

func flagsTest(value string) func(*walk) answer {
	var set, unset Flags
	for word := range strings.SplitSeq(value, ",") {
		name, negated := strings.CutPrefix(word, "!")
		flag, ok := parseFlag(name)
		switch {
		case !ok:
			return nil
		case negated:
			unset |= flag
		default:
			set |= flag
		}
	}
	return func(k *walk) answer {
		return is(k.packet.Protocol == 6 && !k.packet.Fragment && k.packet.TCPFlags&set == set && k.packet.TCPFlags&unset == 0)
	}
}

func icmpTest(value string) func(*walk) answer {
	kind, codes, _ := strings.Cut(routeros.Canonical("icmp-options", value), ":")
	first, last, ok := numbers(codes)
	want, err := strconv.ParseUint(kind, 10, 8)
	if !ok || err != nil {
		return nil
	}
	return func(k *walk) answer {
		isICMP := (k.packet.Protocol == 1 || k.packet.Protocol == 58) && !k.packet.Fragment
		return is(isICMP && uint64(k.packet.ICMPType) == want && first <= int(k.packet.ICMPCode) && int(k.packet.ICMPCode) <= last)
	}
}

func rangeTest(value string, of func(*walk) int) func(*walk) answer {
	first, last, ok := numbers(value)
	if !ok {
		return nil
	}
	return func(k *walk) answer { return is(first <= of(k) && of(k) <= last) }
}

// numbers reads 5 or 5-9.
func numbers(s string) (first, last int, ok bool) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.Atoi(low)
	last, err2 := strconv.Atoi(high)
	return first, last, err1 == nil && err2 == nil
}

func ttlTest(value string) func(*walk) answer {
	how, number, found := strings.Cut(value, ":")
	if !found {
		how, number = "equal", value
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil
	}
	compare := map[string]func(int) bool{
		"equal":        func(ttl int) bool { return ttl == n },
		"not-equal":    func(ttl int) bool { return ttl != n },
		"less-than":    func(ttl int) bool { return ttl < n },
		"greater-than": func(ttl int) bool { return ttl > n },
	}[how]
	if compare == nil {
		return nil
	}
	return func(k *walk) answer { return is(compare(int(k.packet.TTL))) }
}

func macTest(value string) func(*walk) answer {
	want := strings.ToUpper(value)
	return func(k *walk) answer {
		if k.packet.SrcMAC == "" {
			return unknown
		}
		return is(strings.ToUpper(k.packet.SrcMAC) == want)
	}
}

// ipsecTest decides in,ipsec and in,none; the outgoing direction is not part of a packet that arrives.
func ipsecTest(value string) func(*walk) answer {
	switch value {
	case "in,ipsec":
		return func(k *walk) answer { return is(k.packet.IPsec) }
	case "in,none":
		return func(k *walk) answer { return is(!k.packet.IPsec) }
	}
	return nil
}

// timeTest reads 8h-18h,mon,tue,wed: the router's own time of day, the end excluded, on these days.
func timeTest(value string) func(*walk) answer {
	words := strings.Split(value, ",")
	low, high, ok := strings.Cut(words[0], "-")
	from, err1 := routeros.ParseDuration(low)
	until, err2 := routeros.ParseDuration(high)
	if !ok || err1 != nil || err2 != nil {
		return nil
	}
	days := words[1:]
	return func(k *walk) answer {
		if k.at.IsZero() {
			return unknown
		}
		clock := time.Duration(k.at.Hour())*time.Hour + time.Duration(k.at.Minute())*time.Minute + time.Duration(k.at.Second())*time.Second
		day := strings.ToLower(k.at.Weekday().String()[:3])
		inside := from <= clock && clock < until
		if until < from {
			inside = clock >= from || clock < until
		}
		return is(inside && (len(days) == 0 || slices.Contains(days, day)))
	}
}
