package packet

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// test is a matcher without its negation.
type test func(*walk) answer

// matcher compiles one attribute of a rule. Attributes that are no matchers give none. A value that can't
// be read, and every matcher whose answer lies outside the packet, is undecided: never silently yes or no.
func (w *World) matcher(name, value string) (matcher, bool) {
	kind := classify(name)
	if kind == notMatcher {
		return matcher{}, false
	}
	bare, negated := strings.CutPrefix(value, "!")
	if name == "tcp-flags" {
		bare, negated = value, false // there each flag has a ! of its own
	}
	var compiled test
	if kind == decided {
		compiled = w.test(name, bare)
	}
	compiled = sentAway(name, bare, compiled)
	switch {
	case compiled == nil:
		return matcher{name, func(*walk) answer { return unknown }}, true
	case negated:
		return matcher{name, func(k *walk) answer { return compiled(k).negate() }}, true
	}
	return matcher{name, compiled}, true
}

// sentAway leaves undecided what is not known of a packet that destination NAT has sent away.
func sentAway(name, value string, t test) test {
	var hidden func(*walk) bool
	switch name {
	case "dst-address":
		return sentWithin(value, t)
	case "dst-address-list", "dst-address-type":
		hidden = func(k *walk) bool { return k.vague }
	case "dst-port", "port":
		hidden = func(k *walk) bool { return k.anyPort }
	case "out-interface", "out-interface-list":
		hidden = func(k *walk) bool { return k.sent && !k.leaves }
	case "ttl", "hop-limit":
		hidden = func(k *walk) bool { return k.sent }
	}
	if t == nil || hidden == nil {
		return t
	}
	return func(k *walk) answer {
		if a := t(k); a == absent || !hidden(k) {
			return a
		}
		return unknown
	}
}

// sentWithin is dst-address of a packet that went to one of several hosts: it is decided where all of them match, or none.
func sentWithin(value string, t test) test {
	r, err := routeros.ParseAddressRange(value)
	if t == nil || err != nil {
		return nil
	}
	return func(k *walk) answer {
		switch {
		case !k.vague:
			return t(k)
		case k.hosts.First.IsValid() && !r.Overlaps(k.hosts):
			return no
		case k.hosts.First.IsValid() && r.Contains(k.hosts.First) && r.Contains(k.hosts.Last):
			return yes
		}
		return unknown
	}
}

// test compiles a matcher on where a packet comes from and goes to; nil means that the value can't be
// decided.
func (w *World) test(name, value string) test {
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
		return leaving(w.interfaceTest(value, func(k *walk) string { return k.packet.OutInterface }))
	case "in-interface-list":
		return w.interfaceListTest(value, func(k *walk) bool { return w.InInterfaceList(k.packet.InInterface, value) })
	case "out-interface-list":
		return leaving(w.interfaceListTest(value, func(k *walk) bool { return w.InInterfaceList(k.packet.OutInterface, value) }))
	}
	return flowTest(name, value)
}

// flowTest compiles a matcher on the connection and on the time.
func flowTest(name, value string) test {
	switch name {
	case "connection-state":
		return stateTest(value)
	case "connection-nat-state":
		return natStateTest(value)
	case "connection-bytes":
		return bytesTest(value)
	case "time":
		return timeTest(value)
	}
	return contentTest(name, value)
}

func protocolTest(value string) test {
	number, err := routeros.ParseProtocol(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer { return is(k.packet.Protocol == number) }
}

func addressTest(value string, of func(*walk) netip.Addr) test {
	r, err := routeros.ParseAddressRange(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer { return is(r.Contains(of(k))) }
}

// typeTest is src-address-type and dst-address-type. A packet on its way into input is local unless it
// is a broadcast or multicast. Of the other addresses only the routing table knows whether they are
// unicast or, say, blackhole: a rule that names such a kind is undecided for them.
func (w *World) typeTest(value string, of func(*walk) (netip.Addr, bool)) test {
	kinds := strings.Split(value, ",")
	routed := false
	for _, kind := range kinds {
		switch kind {
		case "unicast", "local", "broadcast", "multicast":
		case "blackhole", "anycast", "unreachable", "prohibit":
			routed = true
		default:
			return nil
		}
	}
	return func(k *walk) answer {
		kind := w.addressType(of(k))
		switch {
		case kind == "" || kind == "unicast" && routed && !slices.Contains(kinds, kind):
			return unknown
		default:
			return is(slices.Contains(kinds, kind))
		}
	}
}

// addressType is empty for the unspecified address, which systems without an address send from.
func (w *World) addressType(a netip.Addr, arrived bool) string {
	switch {
	case a.IsMulticast():
		return "multicast"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}), w.bcast[a]:
		return "broadcast"
	case arrived, w.local[a], a.IsLoopback():
		return "local"
	case a.IsUnspecified():
		return ""
	}
	return "unicast"
}

// portTest matches neither way round where there is no port: the router takes ports only together with a
// protocol that has them, and a later fragment does not carry them.
func portTest(name, value string) test {
	ports, err := routeros.ParsePorts(value)
	if err != nil {
		return nil
	}
	return func(k *walk) answer {
		if !k.packet.hasPorts() {
			return absent
		}
		switch name {
		case "src-port":
			return is(ports.Contains(k.packet.SrcPort))
		case "dst-port":
			return is(ports.Contains(k.packet.DstPort))
		default:
			return is(ports.Contains(k.packet.SrcPort) || ports.Contains(k.packet.DstPort))
		}
	}
}

// dangling reports whether a value is the bare id of an interface or list that is gone. What the router
// makes of such a rule is not known.
func dangling(value string) bool { return strings.HasPrefix(value, "*") }

// interfaceTest matches an interface by name, or by one of the router's words for a kind.
func (w *World) interfaceTest(value string, of func(*walk) string) test {
	kind := kindTest(value)
	switch {
	case dangling(value):
		return nil
	case kind == nil:
		return func(k *walk) answer { return is(of(k) == value) }
	}
	return func(k *walk) answer {
		if w.ifaces[of(k)].Type == "" {
			return unknown
		}
		return is(kind(w.ifaces[of(k)].Type))
	}
}

// leaving makes a test of the interface that a packet leaves by: one for the router itself leaves by none,
// not by one of all either.
func leaving(t test) test {
	if t == nil {
		return nil
	}
	return func(k *walk) answer {
		if k.packet.OutInterface == "" {
			return no
		}
		return t(k)
	}
}

// kindTest returns what belongs to one of the words for a kind of interfaces, or nil for a name.
func kindTest(word string) func(kind string) bool {
	switch word {
	case "all-ethernet":
		return func(kind string) bool { return kind == "ether" }
	case "all-vlan":
		return func(kind string) bool { return kind == "vlan" }
	case "all-ppp":
		return func(kind string) bool {
			return slices.ContainsFunc([]string{"ppp", "pptp", "l2tp", "sstp", "ovpn"}, func(s string) bool { return strings.HasPrefix(kind, s) })
		}
	case "all-wireless":
		return func(kind string) bool { return kind == "wlan" || kind == "wifi" || kind == "cap" }
	}
	return nil
}

// interfaceListTest is undecided for a list that the snapshot lacks: on the router it must be there, so what
// was read is only a part.
func (w *World) interfaceListTest(list string, in func(*walk) bool) test {
	if _, ok := w.members[list]; !ok || dangling(list) {
		return nil
	}
	return func(k *walk) answer { return is(in(k)) }
}

func stateTest(value string) test {
	states := strings.Split(value, ",")
	for _, s := range states {
		if !slices.Contains([]string{"new", "established", "related", "invalid", "untracked"}, s) {
			return nil
		}
	}
	return func(k *walk) answer { return is(slices.Contains(states, k.packet.State.String())) }
}

// natStateTest takes any of the states. A translated connection does not show whether it is one of
// endpoint-independent NAT; an untranslated one surely is not.
func natStateTest(value string) test {
	var src, dst, einSrc, einDst bool
	for state := range strings.SplitSeq(value, ",") {
		switch state {
		case "srcnat":
			src = true
		case "dstnat":
			dst = true
		case "ein-snat":
			einSrc = true
		case "ein-dnat":
			einDst = true
		default:
			return nil
		}
	}
	return func(k *walk) answer {
		switch p := k.packet; {
		case p.SrcNAT && src || p.DstNAT && dst:
			return yes
		case p.SrcNAT && einSrc || p.DstNAT && einDst:
			return unknown
		}
		return no
	}
}

// bytesTest is connection-bytes=from-to, where a to of 0 has no end. It is decided for the first packet of a
// connection, when it makes no difference whether that packet is counted already.
func bytesTest(value string) test {
	low, high, ok := strings.Cut(value, "-")
	from, err1 := strconv.ParseUint(low, 10, 64)
	to, err2 := strconv.ParseUint(high, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return nil
	}
	in := func(n uint64) bool { return from <= n && (to == 0 || n <= to) }
	return func(k *walk) answer {
		size := uint64(max(k.packet.Size, 0))
		if k.packet.State != New || in(0) != in(size) {
			return unknown
		}
		return is(in(size))
	}
}
