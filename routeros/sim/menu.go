package sim

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// schema says what a menu accepts. Arguments and columns are lists of words, each with the versions
// that know it: tos@7.21 from 7.21 on, hw-offload@-7.21 before. They are text, not maps, so that
// every router of a process shares them.
type schema struct {
	menu     routeros.Menu
	version  routeros.Version
	verbs    string
	args     string // what add and set take
	addOnly  string // what only add takes
	readOnly string // columns of print that can't be written
	required string // what add can't do without
	name     string // the column that names an item
	since    string // the menu's versions, in the same notation
}

// The arguments of the rule tables (routeros-facts § 2.1).
const (
	ruleVerbs = "print getall listen get find add set unset remove move enable disable comment reset-counters reset-counters-all reset export edit"
	listVerbs = "print getall listen get find add set remove enable disable comment"
	tableVerb = "print getall listen get find add set remove comment"

	commonRuleArgs = "action address-list address-list-timeout chain comment content disabled dscp dst-address dst-address-list dst-address-type " +
		"dst-limit dst-port icmp-options in-bridge-port in-bridge-port-list in-interface in-interface-list ingress-priority ipsec-policy " +
		"jump-target limit log log-prefix nth out-bridge-port out-bridge-port-list out-interface out-interface-list packet-mark packet-size " +
		"per-connection-classifier port priority protocol random src-address src-address-list src-address-type src-mac-address src-port tcp-mss time tos@7.21 "
	ip4Args        = "fragment hotspot ipv4-options psd ttl "
	connectionArgs = "connection-bytes connection-limit connection-mark connection-rate connection-type routing-mark "
	filterArgs     = commonRuleArgs + connectionArgs + "connection-nat-state connection-state reject-with tcp-flags tls-host "
	natArgs        = commonRuleArgs + connectionArgs + "to-addresses to-ports tls-host@-7.16 randomise-ports@7.10 same-not-by-dst socks5-port@7.20 socks5-server@7.20 socksify-service@7.20 "
	rawArgs        = commonRuleArgs + "tcp-flags tls-host "
	ruleReadOnly   = "bytes packets dynamic invalid about"
	ruleAddOnly    = "copy-from place-before"
)

// schemaOf returns what a menu accepts, on any version.
func schemaOf(m routeros.Menu) (schema, bool) {
	if m.IsRuleTable() {
		return schema{verbs: ruleVerbs, args: ruleArgs(m), addOnly: ruleAddOnly, readOnly: ruleReadOnly, required: "chain", since: ruleSince(m)}, true
	}
	switch m {
	case routeros.AddressList, routeros.AddressList6:
		return schema{verbs: listVerbs, args: "address comment disabled dynamic list timeout", addOnly: "copy-from", readOnly: "creation-time about", required: "list address"}, true
	case routeros.Connection, routeros.Connection6:
		return schema{verbs: "print getall listen get find remove", readOnly: "protocol src-address dst-address src-port dst-port reply-src-address reply-dst-address tcp-state timeout assured confirmed seen-reply"}, true
	case routeros.Layer7Protocols:
		return schema{verbs: tableVerb, args: "name regexp comment", addOnly: "copy-from", required: "name", name: "name"}, true
	case routeros.ServiceMenu:
		return schema{verbs: "print getall listen get find set enable disable reset", name: "name", readOnly: "name proto dynamic invalid connection local remote",
			args: "address certificate disabled port tls-version vrf@7.0 max-sessions@7.16 available-from@7.24"}, true
	case routeros.Address, routeros.Address6:
		return schema{verbs: listVerbs, args: "address interface network comment disabled advertise", addOnly: "copy-from", readOnly: "actual-interface invalid dynamic slave@7.23 vrf@7.23", required: "address interface"}, true
	case routeros.InterfaceMenu:
		return schema{verbs: "print getall listen get find set enable disable comment", args: "name comment disabled mtu", readOnly: "type running dynamic slave default-name actual-mtu", name: "name"}, true
	case routeros.BridgePorts:
		return schema{verbs: listVerbs, args: "bridge interface comment disabled", addOnly: "copy-from", readOnly: "dynamic", required: "bridge interface"}, true
	case routeros.InterfaceLists:
		return schema{verbs: tableVerb, args: "name comment include exclude", addOnly: "copy-from", readOnly: "builtin dynamic", required: "name", name: "name"}, true
	case routeros.ListMembers:
		return schema{verbs: listVerbs, args: "list interface comment disabled", addOnly: "copy-from", readOnly: "dynamic", required: "list interface"}, true
	}
	if s, ok := networkSchema(m); ok {
		return s, true
	}
	if s, ok := serverSchema(m); ok {
		return s, true
	}
	return systemSchema(m)
}

// networkSchema are the menus of uplinks, VPN servers and connection tracking (routeros-facts § 15).
func networkSchema(m routeros.Menu) (schema, bool) {
	switch m {
	case routeros.DHCPClient:
		return schema{verbs: listVerbs, args: "interface add-default-route default-route-distance use-peer-dns comment disabled", readOnly: "dynamic invalid status", required: "interface"}, true
	case routeros.DHCPClient6:
		return schema{verbs: listVerbs, args: "interface add-default-route request pool-name comment disabled", readOnly: "dynamic invalid status", required: "interface"}, true
	case routeros.PPPClient, routeros.PPPoEClient, routeros.PPTPClient, routeros.L2TPClient, routeros.SSTPClient, routeros.OVPNClient:
		return schema{verbs: listVerbs, args: "name add-default-route interface connect-to user password profile comment disabled", readOnly: "dynamic running", required: "name", name: "name"}, true
	case routeros.LTE:
		return schema{verbs: "print getall listen get find set enable disable comment", args: "name apn-profiles comment disabled", readOnly: "running", name: "name"}, true
	case routeros.WireGuard:
		return schema{verbs: listVerbs, args: "name listen-port private-key mtu comment disabled", readOnly: "public-key running dynamic", required: "name", name: "name", since: "7.1"}, true
	case routeros.VRFMenu:
		return schema{verbs: listVerbs, args: "name interfaces comment disabled", required: "name", name: "name", since: "7.0"}, true
	case routeros.LTEAPN:
		return schema{verbs: listVerbs, args: "name apn add-default-route default-route-distance", name: "name"}, true
	case routeros.IPv6Settings:
		return schema{verbs: "print getall get set", args: "forward accept-router-advertisements disable-ipv6"}, true
	case routeros.DetectInternet:
		return schema{verbs: "print getall get set", args: "detect-interface-list lan-interface-list wan-interface-list internet-interface-list"}, true
	case routeros.BGPConnection:
		return schema{verbs: listVerbs, args: "name remote.address remote.as disabled comment", name: "name", since: "7.0"}, true
	case routeros.BGPPeer:
		return schema{verbs: listVerbs, args: "name remote-address remote-as disabled comment", name: "name", since: "-7.0"}, true
	case routeros.OSPFNetwork:
		return schema{verbs: listVerbs, args: "network area disabled comment", since: "-7.0"}, true
	case routeros.OSPFInstance:
		return schema{verbs: listVerbs, args: "name router-id disabled comment", name: "name"}, true
	case routeros.WireGuardPeers:
		return schema{verbs: listVerbs, args: "interface allowed-address endpoint-address endpoint-port public-key private-key preshared-key persistent-keepalive name comment disabled",
			readOnly: "current-endpoint-address current-endpoint-port last-handshake rx tx dynamic", required: "interface", since: "7.1"}, true
	case routeros.PPPActive:
		return schema{verbs: "print getall listen get find remove", readOnly: "name service caller-id address encoding uptime session-id radius"}, true
	case routeros.IPsecActive:
		return schema{verbs: "print getall listen get find", readOnly: "id local-address remote-address dynamic-address port state side uptime responder natt-peer last-seen", since: "6.44"}, true
	case routeros.OVPNServer:
		return schema{verbs: listVerbs, args: "name port protocol enabled auth certificate comment disabled", readOnly: "dynamic", name: "name"}, true
	case routeros.SSTPServer, routeros.L2TPServer, routeros.PPTPServer:
		return schema{verbs: "print getall get set", args: "enabled port use-ipsec ipsec-secret authentication default-profile"}, true
	case routeros.IPsecPeer:
		return schema{verbs: listVerbs, args: "name address exchange-mode passive comment disabled", readOnly: "dynamic", name: "name"}, true
	case routeros.ConnectionTracking:
		return schema{verbs: "print getall get set", args: "enabled", readOnly: "active-ipv4 active-ipv6"}, true
	case routeros.Route, routeros.Route6:
		return schema{verbs: listVerbs, args: "dst-address gateway distance comment disabled", readOnly: "static active dynamic immediate-gw", required: "gateway"}, true
	}
	return schema{}, false
}

func systemSchema(m routeros.Menu) (schema, bool) {
	switch m {
	case routeros.Scheduler:
		return schema{verbs: listVerbs + " unset@7.24", args: "name on-event interval start-date start-time policy disabled comment days@7.24", addOnly: "copy-from", readOnly: "next-run owner run-count", name: "name"}, true
	case routeros.Script:
		return schema{verbs: tableVerb + " run", args: "name source policy dont-require-permissions comment owner", addOnly: "copy-from", readOnly: "run-count invalid last-started", name: "name"}, true
	case routeros.Identity:
		return schema{verbs: "print getall get set", args: "name"}, true
	case routeros.Clock:
		return schema{verbs: "print getall get set", args: "date time"}, true
	case routeros.Resource, routeros.NTPMenu, routeros.License, routeros.RouterBoard:
		return schema{verbs: "print getall get"}, true
	case routeros.DeviceMode:
		return schema{verbs: "print getall get", since: "7.0"}, true
	case routeros.User:
		return schema{verbs: listVerbs, args: "name group address password disabled comment", addOnly: "copy-from", required: "name group", name: "name", readOnly: "last-logged-in"}, true
	case routeros.UserGroup:
		return schema{verbs: tableVerb, args: "name policy comment skin", addOnly: "copy-from", required: "name", name: "name"}, true
	case routeros.Certificates:
		return schema{verbs: "print getall listen get find add set remove sign", args: "name common-name days-valid key-size key-usage subject-alt-name", addOnly: "copy-from", required: "name common-name", name: "name", readOnly: "fingerprint private-key"}, true
	case routeros.UserActive:
		return schema{verbs: "print getall listen get find remove@7.20 request-logout@-7.20", readOnly: "when name address via group"}, true
	case routeros.Log:
		return schema{verbs: "print getall listen get find", readOnly: "time topics message"}, true
	case routeros.History:
		return schema{verbs: "print getall listen get find", readOnly: "action by policy time undoable redoable floating-undo"}, true
	case routeros.SafeMode:
		return schema{verbs: "print getall get take release unroll", since: "7.18"}, true
	}
	return schema{}, false
}

func ruleArgs(m routeros.Menu) string {
	switch m {
	case routeros.Filter:
		return filterArgs + ip4Args + "layer7-protocol p2p realm hw-offload@-7.21"
	case routeros.Filter6:
		return filterArgs + "headers hop-limit"
	case routeros.NAT:
		return natArgs + ip4Args + "layer7-protocol realm"
	case routeros.NAT6:
		return natArgs + "headers hop-limit"
	case routeros.Raw:
		return rawArgs + ip4Args
	default:
		return rawArgs + "headers hop-limit"
	}
}

func ruleSince(m routeros.Menu) string {
	if m == routeros.NAT6 {
		return "7.1"
	}
	return ""
}

// schema returns what a menu accepts on this router; false if this router has no such menu.
func (o *Options) schema(m routeros.Menu) (schema, bool) {
	s, ok := schemaOf(m)
	s.menu, s.version = m, o.Version
	if m == routeros.RouterBoard && o.Board == cloudRouter { // routeros-facts § 8
		return s, false
	}
	if !ok || !within(s.since, s.version) {
		return s, false
	}
	if m.Family() == routeros.IPv6 && s.version.Major < 7 && !o.IPv6Package {
		return s, false
	}
	return s, true
}

// within reads 7.21 (from there on), -7.21 (before that) and nothing (always).
func within(versions string, v routeros.Version) bool {
	text, before := strings.CutPrefix(versions, "-")
	major, minor, _ := strings.Cut(text, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return versions == "" || v.AtLeast(a, b) != before
}

// hasColumn reports whether print knows a column.
func (s schema) hasColumn(name string) bool {
	return name == ".id" || s.knows(s.args, name) || s.knows(s.readOnly, name)
}

// knows reports whether a word of a list is known to the router's version.
func (s schema) knows(list, name string) bool { return known(list, name, s.version) }

// known reports whether a word of a list is known to a version.
func known(list, name string, v routeros.Version) bool {
	for word := range strings.FieldsSeq(list) {
		bare, versions, _ := strings.Cut(word, "@")
		if bare == name {
			return within(versions, v)
		}
	}
	return false
}

// takes reports whether a verb of the menu accepts an argument.
func (s schema) takes(verb, name string) bool {
	const target = ".id numbers"
	switch verb {
	case "add":
		return s.accepts(true, name) || s.unsets(name)
	case "set":
		return s.knows(target, name) || s.accepts(false, name) || s.unsets(name)
	case "move":
		return s.knows(target+" destination", name)
	case "comment":
		return s.knows(target+" comment", name)
	case "unset":
		return s.knows(target+" value-name", name)
	case "get":
		return s.knows(target+" number value-name", name)
	case "take":
		return name == "on-error"
	case "run":
		return s.knows(target+" number use-script-permissions@7.15", name)
	case "print", "getall", "listen":
		return s.knows(".proplist proplist count-only detail stats follow follow-only interval from all static dynamic terse brief chain without-paging value-list as-value show-ids file append group-by@7.17 order-by@7.24 .oid", name)
	}
	return s.knows(target, name)
}

// accepts reports whether add (or set) accepts an argument.
func (s schema) accepts(add bool, name string) bool {
	return s.knows(s.args, name) || add && s.knows(s.addOnly, name)
}

// unsets reports whether a name is that of an attribute to unset, written with an exclamation mark
// in front as other clients do (routeros-facts § 15). Which attributes can be unset is inferred.
func (s schema) unsets(name string) bool {
	bare, off := strings.CutPrefix(name, "!")
	return off && s.accepts(false, bare) && s.optional(bare)
}

// optional reports whether a row can do without an attribute.
func (s schema) optional(name string) bool {
	return name == "comment" || s.menu.IsRuleTable() && name != "chain" && name != "action"
}

// clears reports whether an empty value removes the attribute, as it does for comments and
// matchers.
func (s schema) clears(a routeros.Attribute) bool {
	return a.Value == "" && (a.Name == "comment" || s.menu.IsRuleTable() && a.Name != "log-prefix" && a.Name != "chain" && a.Name != "content")
}

// leadsToMenu reports whether the command word is itself a menu or a part of the way to one, so
// that only the verb is missing (routeros-facts § 12 T19).
func (o *Options) leadsToMenu(command string) bool {
	_, isMenu := o.schema(routeros.Menu(command))
	return isMenu || isMenuPrefix(command)
}

// isMenuPrefix reports whether a path leads towards a menu, such as /ip/firewall.
func isMenuPrefix(path string) bool {
	menus := []routeros.Menu{routeros.Filter, routeros.Filter6, routeros.Identity, routeros.ServiceMenu, routeros.InterfaceLists, routeros.UserActive}
	return slices.ContainsFunc(menus, func(m routeros.Menu) bool { return path == "" || strings.HasPrefix(string(m), path+"/") })
}
