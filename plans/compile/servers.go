package compile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// running says whether a router runs a VPN.
type running int

const (
	unknown running = iota
	off
	on
)

// serverNotes say what the router runs of the VPNs that a plan is about. What is off is gated all
// the same: it may be switched on later.
func serverNotes(p plans.Plan, s routeros.Snapshot) []string {
	var out []string
	gated := vpnNames(p.Gate.Targets())
	if names := withState(s, gated, off); names != nil {
		out = append(out, fmt.Sprintf("the router does not run %s now: gated all the same, for when that is switched on", strings.Join(names, ", ")))
	}
	if names := slices.DeleteFunc(withState(s, gated, unknown), plans.MovesPort); len(names) > 0 { // where the port is unknown, that is said already
		out = append(out, fmt.Sprintf("whether the router runs %s is unknown: nothing shows it", strings.Join(names, ", ")))
	}
	said := map[string]bool{}
	for _, d := range p.Doors {
		opened := vpnNames(d.Opens)
		for _, name := range withState(s, opened, off) {
			out = append(out, once(said, fmt.Sprintf("door %s opens %s, which the router does not run now", d.Name, name))...)
		}
		if slices.Contains(opened, "l2tp-ipsec") && slices.ContainsFunc(s.Servers("l2tp"), func(v routeros.VPNServer) bool { return !v.Disabled && v.Secured == "no" }) {
			out = append(out, once(said, fmt.Sprintf("door %s opens L2TP in IPsec alone, and the router's L2TP server does not use IPsec (use-ipsec=no): its clients stay outside", d.Name))...)
		}
	}
	return out
}

// once is a text that was not said before.
func once(said map[string]bool, text string) []string {
	if said[text] {
		return nil
	}
	said[text] = true
	return []string{text}
}

func vpnNames(targets []plans.Target) []string {
	var out []string
	for _, t := range targets {
		if t.Kind == plans.VPNTarget && !slices.Contains(out, t.Name) {
			out = append(out, t.Name)
		}
	}
	return out
}

// withState are the VPNs of a state. RouterOS 6 has no WireGuard; it is named so.
func withState(s routeros.Snapshot, names []string, state running) []string {
	var out []string
	for _, name := range names {
		if runs(s, name) != state {
			continue
		}
		if name == "wireguard" && s.Version.Major == 6 && !s.VersionAssumed {
			name = "wireguard (RouterOS 6 has none; an upgrade brings it)"
		}
		out = append(out, name)
	}
	return out
}

// runs reports whether the router runs a VPN. A server that is not shown is off only where its menu
// is.
func runs(s routeros.Snapshot, name string) running {
	kind := vpnKind(name)
	servers := s.Servers(kind)
	switch {
	case slices.ContainsFunc(servers, func(v routeros.VPNServer) bool { return !v.Disabled }):
		return on
	case servers == nil && !s.Tells(routeros.ServerMenu(kind)):
		return unknown
	}
	return off
}

// vpnKind is the kind of server of a VPN that a plan names.
func vpnKind(name string) string {
	switch name {
	case "l2tp-ipsec":
		return "l2tp"
	case "ikev2":
		return "ipsec"
	}
	return name
}
