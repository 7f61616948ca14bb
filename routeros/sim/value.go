package sim

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// value checks a client's value and returns it in the router's form (routeros-facts § 2.3).
func (r *Router) value(m routeros.Menu, name, text string) (string, *trap) {
	switch {
	case m.IsRuleTable():
		return r.ruleValue(m, name, text)
	case name == "disabled" || name == "dynamic" || name == "dont-require-permissions":
		return boolean(name, text)
	case m == routeros.AddressList || m == routeros.AddressList6:
		return listValue(m, name, text)
	case m == routeros.ServiceMenu:
		return serviceValue(name, text)
	case m == routeros.Scheduler && name == "interval":
		d, err := routeros.ParseDuration(text)
		if err != nil {
			return "", invalidValue(name)
		}
		return routeros.FormatDuration(d), nil
	case m == routeros.Scheduler && name == "start-date":
		return strings.ToLower(text), r.checkDate(text)
	case m == routeros.Scheduler && name == "start-time":
		return startTime(text)
	case (m == routeros.Address || m == routeros.Address6) && name == "address":
		return interfaceAddress(m.Family(), text)
	case name == "interface" || name == "bridge":
		return text, r.reference(routeros.InterfaceMenu, text, "interface")
	case m == routeros.ListMembers && name == "list":
		return text, r.reference(routeros.InterfaceLists, text, "interface-list")
	case m == routeros.User && name == "group":
		return text, r.reference(routeros.UserGroup, text, "group")
	}
	return text, nil
}

// startTime reads a scheduler's start-time: a time of the day, or the router's start.
func startTime(text string) (string, *trap) {
	if text == "startup" {
		return text, nil
	}
	d, err := routeros.ParseDuration(text)
	if err != nil || d >= 24*time.Hour {
		return "", invalidValue("start-time")
	}
	return time.Time{}.Add(d).Format("15:04:05"), nil
}

// interfaceAddress reads an address with the length of its network; without one it is the whole
// network.
func interfaceAddress(family routeros.Family, text string) (string, *trap) {
	prefix, err := netip.ParsePrefix(text)
	if a, alone := netip.ParseAddr(text); alone == nil {
		prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || prefix.Addr().Is4() != (family == routeros.IPv4) {
		return "", invalidValue("address")
	}
	return prefix.String(), nil
}

func boolean(name, text string) (string, *trap) {
	b, ok := routeros.ParseBool(text)
	if !ok {
		return "", invalidValue(name)
	}
	return routeros.FormatBool(b), nil
}

// reference checks that a named row exists: these references are hard (routeros-facts § 2.2).
func (r *Router) reference(m routeros.Menu, name, kind string) *trap {
	if r.named(m, name) == nil {
		return noValueOf(kind)
	}
	return nil
}

func (r *Router) ruleValue(m routeros.Menu, name, text string) (string, *trap) {
	bare, negated := strings.CutPrefix(text, "!")
	sign := text[:len(text)-len(bare)]
	switch name {
	case "disabled", "log", "fragment", "hw-offload", "same-not-by-dst", "randomise-ports":
		return boolean(name, text)
	case "action":
		return oneOf(name, text, actions(m))
	case "reject-with":
		return oneOf(name, text, rejects(m))
	case "in-interface", "out-interface", "in-bridge-port", "out-bridge-port":
		if slices.Contains([]string{"all-ethernet", "all-ppp", "all-vlan", "all-wireless"}, bare) {
			return text, nil
		}
		return text, r.reference(routeros.InterfaceMenu, bare, "interface")
	case "in-interface-list", "out-interface-list", "in-bridge-port-list", "out-bridge-port-list":
		return text, r.reference(routeros.InterfaceLists, bare, "interface-list")
	case "layer7-protocol":
		return text, r.reference(routeros.Layer7Protocols, bare, "layer7-protocol")
	case "protocol":
		n, err := routeros.ParseProtocol(bare)
		if err != nil {
			return "", invalidValue(name)
		}
		return sign + routeros.ProtocolName(n), nil
	case "src-address", "dst-address":
		a, err := routeros.ParseAddressRange(bare)
		if err != nil || a.Family() != m.Family() {
			return "", invalidValue("address")
		}
		return sign + a.String(), nil
	case "src-port", "dst-port", "port":
		return text, portList(name, bare)
	case "connection-state":
		return states(sign, bare)
	case "address-list-timeout":
		return listTimeout(name, text)
	case "tcp-flags":
		return text, flags(text)
	case "packet-size":
		return text, numbers(name, bare, 65535)
	case "dscp":
		return text, numbers(name, bare, 63)
	case "time": // exports name every day: time=0s-1d,sun,mon,tue,wed,thu,fri,sat
		h, err := routeros.ParseHours(text)
		if err != nil {
			return "", invalidValue(name)
		}
		return h.String(), nil
	case "random":
		return text, numbers(name, bare, 99)
	case "chain":
		if text == "" || negated {
			return "", invalidValue(name)
		}
	case "log-prefix":
		if len(text) > 31 && r.options.Version.AtLeast(7, 21) {
			return "", invalidValue(name)
		}
	}
	return text, nil
}

func oneOf(name, text, values string) (string, *trap) {
	if !slices.Contains(strings.Fields(values), text) {
		return "", noValueOf(name)
	}
	return text, nil
}

func actions(m routeros.Menu) string {
	const common = "accept add-dst-to-address-list add-src-to-address-list jump log passthrough return "
	switch m {
	case routeros.Filter:
		return common + "drop fasttrack-connection reject tarpit"
	case routeros.Filter6:
		return common + "drop fasttrack-connection reject"
	case routeros.NAT, routeros.NAT6:
		return common + "dst-nat endpoint-independent-nat masquerade netmap redirect same socksify src-nat"
	default:
		return common + "drop notrack"
	}
}

func rejects(m routeros.Menu) string {
	if m.Family() == routeros.IPv6 {
		return "icmp-no-route icmp-admin-prohibited icmp-not-neighbour icmp-address-unreachable icmp-port-unreachable tcp-reset icmp-err-src-routing-header icmp-headers-too-long"
	}
	return "icmp-admin-prohibited icmp-host-prohibited icmp-host-unreachable icmp-net-prohibited icmp-network-unreachable icmp-port-unreachable icmp-protocol-unreachable tcp-reset"
}

// portList checks a list, whose written order is kept (routeros-facts § 2.2).
func portList(name, text string) *trap {
	if _, err := routeros.ParsePorts(text); err == nil {
		return nil
	}
	for item := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(item, "-")
		if t := numbers(name, low, 65535); t != nil {
			return t
		}
		if isRange {
			if t := numbers(name, high, 65535); t != nil {
				return t
			}
		}
	}
	return invalidValue(name)
}

// numbers checks a number or a range of them.
func numbers(name, text string, most uint64) *trap {
	for part := range strings.SplitSeq(text, "-") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return invalidValue(name)
		}
		if n > most {
			return outOfRange(name, "0", strconv.FormatUint(most, 10))
		}
	}
	return nil
}

// states reads connection-state, which is kept in the order of its bits; only the whole set can be
// negated (routeros-facts § 2.2).
func states(sign, bare string) (string, *trap) {
	for word := range strings.SplitSeq(bare, ",") {
		if !slices.Contains([]string{"invalid", "established", "related", "new", "untracked"}, word) {
			return "", invalidValue("state")
		}
	}
	return sign + routeros.Canonical("connection-state", bare), nil
}

func flags(text string) *trap {
	for word := range strings.SplitSeq(text, ",") {
		bare := strings.TrimPrefix(word, "!")
		switch {
		case bare == "":
			return &trap{"ambiguous value of flag", "1"}
		case !slices.Contains([]string{"ack", "cwr", "ece", "fin", "psh", "rst", "syn", "urg"}, bare):
			return noValueOf("flag")
		}
	}
	return nil
}

func listTimeout(name, text string) (string, *trap) {
	t, err := routeros.ParseListTimeout(text)
	switch {
	case err != nil:
		return "", invalidValue(name)
	case t.For > routeros.MaxListTimeout:
		return "", outOfRange(name, "00:00:00", "35w3d13:13:56")
	}
	return t.String(), nil
}

// listValue reads the columns of an address list (routeros-facts § 3): host bits are dropped, and
// what is no address is a DNS name.
func listValue(m routeros.Menu, name, text string) (string, *trap) {
	switch name {
	case "timeout":
		d, err := routeros.ParseDuration(text)
		if err != nil {
			return "", invalidValue(name)
		}
		if d > routeros.MaxListTimeout {
			return "", outOfRange(name, "00:00:00", "35w3d13:13:56")
		}
		return routeros.FormatDuration(d), nil
	case "list":
		if text == "" {
			return "", invalidValue(name)
		}
	case "address":
		return listAddress(m.Family(), text)
	}
	return text, nil
}

func listAddress(family routeros.Family, text string) (string, *trap) {
	if text == "" {
		return "", invalidValue("address")
	}
	a, err := routeros.ParseAddressRange(text)
	if err != nil {
		return text, nil
	}
	_, exact := a.Prefix()
	switch {
	case a.Family() != family:
		return "", invalidValue("address")
	case family == routeros.IPv6 && !exact:
		return "", failure(text + " is not a valid dns name")
	case family == routeros.IPv6 && a.First == a.Last:
		return a.String() + "/128", nil
	}
	return a.String(), nil
}

func serviceValue(name, text string) (string, *trap) {
	switch name {
	case "port":
		if t := numbers(name, text, 65535); t != nil {
			return "", t
		}
	case "max-sessions":
		if n, err := strconv.Atoi(text); err != nil || n < 1 || n > 1000 {
			return "", outOfRange(name, "1", "1000")
		}
	case "tls-version":
		return oneOf(name, text, "any only-1.2")
	case "address", "available-from":
		prefixes := routeros.SplitPrefixes(text)
		for i, p := range prefixes {
			a, err := routeros.ParseAddressRange(p)
			if err != nil {
				return "", invalidValue("address")
			}
			prefix, exact := a.Prefix()
			if !exact {
				return "", invalidValue("address")
			}
			prefixes[i] = prefix.String()
		}
		return routeros.JoinPrefixes(prefixes), nil
	}
	return text, nil
}

// whole checks conditions on several columns: ports need a protocol that has them (routeros-facts §
// 2.2).
func whole(m routeros.Menu, attrs routeros.Attributes) *trap {
	if !m.IsRuleTable() || !attrs.Has("src-port") && !attrs.Has("dst-port") && !attrs.Has("port") {
		return nil
	}
	switch attrs.Get("protocol") {
	case "tcp", "udp", "udp-lite", "dccp", "sctp":
		return nil
	}
	return failure("ports can be specified if proto is tcp,udp,udp-lite,dccp,sctp")
}
