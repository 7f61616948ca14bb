package sim

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// tables are the rows of a router, by menu.
type tables map[routeros.Menu]*table

// policyOf is what a group may do; nothing when it is gone.
func (t tables) policyOf(group string) string {
	if w := t.named(routeros.UserGroup, group); w != nil {
		return w.get("policy")
	}
	return ""
}

// named returns the row of this name; nil when there is none.
func (t tables) named(m routeros.Menu, name string) *row {
	for _, w := range t.of(m).rows {
		if w.get("name") == name {
			return w
		}
	}
	return nil
}

// of returns the table of a menu, made when first asked for.
func (t tables) of(m routeros.Menu) *table {
	if t[m] == nil {
		t[m] = &table{menu: m, next: 1}
	}
	return t[m]
}

// reference checks that a named row exists: these references are hard (routeros-facts § 2.2).
func (t tables) reference(m routeros.Menu, name, kind string) *trap {
	if t.named(m, name) == nil {
		return noValueOf(kind)
	}
	return nil
}

// invalid is true for jumps to an empty chain and rules without an action, as they were seen
// (routeros-facts § 2.3).
func (t tables) invalid(m routeros.Menu, w *row) bool {
	target, jumps := w.attrs.Lookup("jump-target")
	return !w.attrs.Has("action") ||
		jumps && !slices.ContainsFunc(t.of(m).rows, func(x *row) bool { return x.get("chain") == target })
}

// showAddress adds to an address what follows from it and from its interface (routeros-facts § 15).
func (t tables) showAddress(a routeros.Attributes, v routeros.Version) routeros.Attributes {
	name := a.Get("interface")
	bridge := t.bridgeOf(name)
	w := t.named(routeros.InterfaceMenu, name)
	out := routeros.MakeAttributes("actual-interface", cmp.Or(bridge, name), "invalid", routeros.FormatBool(w == nil), "dynamic", "false", "disabled", "false").Merge(a)
	if prefix, err := netip.ParsePrefix(a.Get("address")); err == nil && prefix.Addr().Is4() && !a.Has("network") {
		out = out.With("network", prefix.Masked().Addr().String())
	}
	if v.AtLeast(7, 23) {
		out = out.With("slave", routeros.FormatBool(bridge != "")).With("vrf", "main")
	}
	return out
}

// bridgeOf is the bridge of which an interface is a port; nothing when it is none.
func (t tables) bridgeOf(name string) string {
	for _, w := range t.of(routeros.BridgePorts).rows {
		if w.get("interface") == name && !w.attrs.Bool("disabled") {
			return w.get("bridge")
		}
	}
	return ""
}

// filtered is what of a snapshot decides about packets, but for address lists.
func (t tables) filtered(o *Options) routeros.Snapshot {
	s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}}
	for _, f := range routeros.Families() {
		for _, m := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			if _, ok := o.schema(m); ok {
				s.Rules[m] = t.rules(m)
			}
		}
		s.Addresses = append(s.Addresses, t.addresses(f)...)
	}
	for _, w := range t.of(routeros.InterfaceMenu).rows {
		s.Interfaces = append(s.Interfaces, routeros.Interface{Name: w.get("name"), Type: w.get("type"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic"), Slave: t.slave(w)})
	}
	for _, w := range t.of(routeros.InterfaceLists).rows {
		if !w.builtin {
			s.InterfaceLists = append(s.InterfaceLists, routeros.InterfaceList{Name: w.get("name"), Include: routeros.SplitPrefixes(w.get("include")), Exclude: routeros.SplitPrefixes(w.get("exclude")), Dynamic: w.attrs.Bool("dynamic")})
		}
	}
	for _, w := range t.of(routeros.ListMembers).rows {
		s.ListMembers = append(s.ListMembers, routeros.ListMember{List: w.get("list"), Interface: w.get("interface"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic")})
	}
	return s
}

func (t tables) rules(m routeros.Menu) []routeros.Rule {
	rows := t.of(m).rows
	out := make([]routeros.Rule, len(rows))
	for i, w := range rows {
		out[i] = routeros.ReadRule(w.attrs)
		out[i].ID, out[i].Dynamic = formatID(w.id), w.dynamic
	}
	return out
}

func (t tables) addresses(f routeros.Family) []routeros.InterfaceAddress {
	var out []routeros.InterfaceAddress
	for _, w := range t.of(f.Address()).rows {
		if p, err := netip.ParsePrefix(w.get("address")); err == nil {
			out = append(out, routeros.InterfaceAddress{Prefix: p, Interface: w.get("interface"), Disabled: w.attrs.Bool("disabled"), Dynamic: w.attrs.Bool("dynamic")})
		}
	}
	return out
}

// slave reports whether an interface is a port: of a bridge, or as it was loaded.
func (t tables) slave(w *row) bool {
	return w.attrs.Bool("slave") || t.bridgeOf(w.get("name")) != ""
}

// ownAddress is the router's address on an interface, of the family of the client.
func (t tables) ownAddress(on string, client netip.Addr) netip.Addr {
	family := routeros.IPv4
	if client.Is6() {
		family = routeros.IPv6
	}
	for _, a := range t.addresses(family) {
		if a.Interface == on && !a.Disabled {
			return a.Prefix.Addr()
		}
	}
	return client
}

// appear shows the interface that a row makes, such as a client's, among all interfaces.
func (t tables) appear(m routeros.Menu, w *row) {
	kind, made := strings.CutPrefix(string(m), "/interface/")
	name := w.get("name")
	if !made || strings.Contains(kind, "/") || !slices.Contains(routeros.NetworkMenus(), m) || t.named(routeros.InterfaceMenu, name) != nil {
		return
	}
	if client, ok := strings.CutSuffix(kind, "-client"); ok {
		kind = client + "-out"
	}
	t.of(routeros.InterfaceMenu).append("name", name, "type", strings.Replace(kind, "wireguard", "wg", 1), "disabled", "false", "dynamic", "false", "running", "true")
}
