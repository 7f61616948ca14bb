package sim

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// checker checks the values that a client writes into a row of a menu.
type checker struct {
	menu    routeros.Menu
	options *Options
	tables  tables
}

// value checks a client's value and returns it in the router's form (routeros-facts § 2.3).
func (c checker) value(name, text string) (string, *trap) {
	switch {
	case c.menu.IsRuleTable():
		return c.ruleValue(name, text)
	case name == "disabled" || name == "dynamic" || name == "dont-require-permissions":
		return boolean(name, text)
	case c.menu == routeros.AddressList || c.menu == routeros.AddressList6:
		return listValue(c.menu, name, text)
	case c.menu == routeros.ServiceMenu:
		return serviceValue(name, text)
	case c.menu == routeros.Scheduler && name == "interval":
		d, err := routeros.ParseDuration(text)
		if err != nil {
			return "", invalidValue(name)
		}
		return routeros.FormatDuration(d), nil
	case c.menu == routeros.Scheduler && name == "start-date":
		return strings.ToLower(text), c.options.checkDate(text)
	case c.menu == routeros.Scheduler && name == "start-time":
		return startTime(text)
	case (c.menu == routeros.Address || c.menu == routeros.Address6) && name == "address":
		return interfaceAddress(c.menu.Family(), text)
	case name == "interface" || name == "bridge":
		return text, c.tables.reference(routeros.InterfaceMenu, text, "interface")
	case c.menu == routeros.ListMembers && name == "list":
		return text, c.tables.reference(routeros.InterfaceLists, text, "interface-list")
	case c.menu == routeros.User && name == "group":
		return text, c.tables.reference(routeros.UserGroup, text, "group")
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

func (c checker) ruleValue(name, text string) (string, *trap) {
	bare, negated := strings.CutPrefix(text, "!")
	switch name {
	case "disabled", "log", "hw-offload", "same-not-by-dst", "randomise-ports":
		return boolean(name, text)
	case "action":
		return oneOf(name, text, actions(c.menu))
	case "reject-with":
		return oneOf(name, text, rejects(c.menu))
	case "in-interface", "out-interface", "in-bridge-port", "out-bridge-port":
		if firewall.IsInterfaceKind(bare) {
			return text, nil
		}
		return text, c.tables.reference(routeros.InterfaceMenu, bare, "interface")
	case "in-interface-list", "out-interface-list", "in-bridge-port-list", "out-bridge-port-list":
		return text, c.tables.reference(routeros.InterfaceLists, bare, "interface-list")
	case "layer7-protocol":
		return text, c.tables.reference(routeros.Layer7Protocols, bare, "layer7-protocol")
	case "address-list-timeout":
		return listTimeout(name, text)
	case "chain":
		if text == "" || negated {
			return "", invalidValue(name)
		}
	case "log-prefix":
		if len(text) > 31 && c.options.Version.AtLeast(7, 21) {
			return "", invalidValue(name)
		}
	}
	return condition(c.menu, name, text)
}

// condition checks the value of a matcher. Some are kept in their canonical form; a port list keeps
// its written order (routeros-facts § 2.2).
func condition(m routeros.Menu, name, text string) (string, *trap) {
	c, _, err := firewall.ReadCondition(name, text)
	if err != nil {
		return "", unreadable(name, err)
	}
	switch t := c.Test.(type) {
	case firewall.Addresses:
		if t.Range.Family() != m.Family() {
			return "", invalidValue("address")
		}
		return routeros.Canonical(name, text), nil
	case firewall.Numbers:
		if t.Field == firewall.FieldProtocol || t.Field == firewall.FieldState {
			return routeros.Canonical(name, text), nil
		}
	case firewall.During, firewall.Is: // exports name every day: time=0s-1d,sun,mon,tue,wed,thu,fri,sat
		return routeros.Canonical(name, text), nil
	}
	return text, nil
}

// unreadable is the router's word for a value that it does not take. It names the type of the
// argument (routeros-facts § 1.6).
func unreadable(name string, err error) *trap {
	var wrong *firewall.ValueError
	switch known := errors.As(err, &wrong); {
	case known && wrong.Reason == firewall.OutOfRange:
		return outOfRange(name, "0", strconv.Itoa(wrong.Most))
	case name == "tcp-flags" && known && wrong.Reason == firewall.UnknownWord:
		return noValueOf("flag")
	case name == "tcp-flags":
		return &trap{"ambiguous value of flag", "1"}
	case name == "connection-state":
		return invalidValue("state")
	case name == "src-address", name == "dst-address":
		return invalidValue("address")
	}
	return invalidValue(name)
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

// whole checks conditions on several columns: ports need a protocol that has them (routeros-facts §
// 2.2).
func whole(m routeros.Menu, attrs routeros.Attributes) *trap {
	if !m.IsRuleTable() || !attrs.Has("src-port") && !attrs.Has("dst-port") && !attrs.Has("port") {
		return nil
	}
	c, _, _ := firewall.ReadCondition("protocol", attrs.Get("protocol"))
	if t, ok := c.Test.(firewall.Numbers); ok && !c.Negated && slices.ContainsFunc(firewall.NeedPorts.Protocols(m.Family()), func(p uint8) bool { return t.Values.Contain(int(p)) }) {
		return nil
	}
	return failure("ports can be specified if proto is tcp,udp,udp-lite,dccp,sctp")
}
