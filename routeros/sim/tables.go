package sim

import (
	"net/netip"
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// tables are the rows of a router, by menu.
type tables map[routeros.Menu]*table

// of returns the table of a menu, made when first asked for.
func (t tables) of(m routeros.Menu) *table {
	if t[m] == nil {
		t[m] = &table{menu: m, next: 1}
	}
	return t[m]
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

// policyOf is what a group may do; nothing when it is gone.
func (t tables) policyOf(group string) string {
	if w := t.named(routeros.UserGroup, group); w != nil {
		return w.get("policy")
	}
	return ""
}

// reference checks that a named row exists: these references are hard (routeros-facts § 2.2).
func (t tables) reference(m routeros.Menu, name, kind string) *trap {
	if t.named(m, name) == nil {
		return noValueOf(kind)
	}
	return nil
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

// bridgeOf is the bridge of which an interface is a port; nothing when it is none.
func (t tables) bridgeOf(name string) string {
	for _, w := range t.of(routeros.BridgePorts).rows {
		if w.get("interface") == name && !w.attrs.Bool("disabled") {
			return w.get("bridge")
		}
	}
	return ""
}

// invalid is true for jumps to an empty chain and rules without an action, as they were seen
// (routeros-facts § 2.3).
func (t tables) invalid(m routeros.Menu, w *row) bool {
	target, jumps := w.attrs.Lookup("jump-target")
	return !w.attrs.Has("action") ||
		jumps && !slices.ContainsFunc(t.of(m).rows, func(x *row) bool { return x.get("chain") == target })
}
