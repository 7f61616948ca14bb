package starter

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// draft is a plan that is being written.
type draft struct {
	Options
	router     routeros.Snapshot
	families   []routeros.Family
	services   []service
	allow      []allowed
	rejected   map[source]string // sources that are not let in, and why
	aside      map[source]bool   // those of them that reach nothing today
	disable    []string
	inner      []string              // interfaces that lead to the operator's own network
	outer      []string              // those by which strangers come in, of either family; nil where none is known
	on         string                // the interface list on which the door has to open; "" for the usual ones
	tried      []string              // those of which the proof says that it can't
	refusals   []change.RefusalError // that remain
	noTraps    []string              // what the door does without, and why
	quarantine bool                  // of wrong knocks
}

// allowed is an entry of the allow-list of the draft.
type allowed struct {
	source
	why  string   // found: the rule that lets it in today; "" of the router's own networks
	said bool     // the operator named it
	lost []string // what it reaches by that rule
}

// service is a service that runs and that a plan can gate.
type service struct {
	name string
	port uint16
	left string // why it is not gated; "" where it is
	// closed is why the door does not open it, though it is gated; "" where it does.
	closed string
	// unwanted says that the operator did not choose it for the door.
	unwanted bool
}

// source is an entry of the allow-list: the key under allow, and a value.
type source struct{ key, value string }

// The keys under allow.
const (
	interfaceLists = "interface-lists"
	interfaces     = "interfaces"
	addressLists   = "address-lists"
	addresses      = "addresses"
)

// begin is the first draft: it gates all that runs, and lets in the router's own networks.
func begin(s routeros.Snapshot, o Options) *draft {
	d := &draft{Options: o, router: s, quarantine: o.Decoys != nil, rejected: map[source]string{}, aside: map[source]bool{}}
	for _, f := range routeros.Families() {
		if s.HasMenu(f.Filter()) && (f == routeros.IPv4 || !s.IPv6Off) {
			d.families = append(d.families, f)
		}
	}
	off := []string{"telnet", "ftp", "www"}
	if d.RenewsByHTTP = o.RenewsByHTTP || renews(s); d.RenewsByHTTP {
		off = off[:2]
	}
	for _, known := range routeros.Services() {
		row, has := s.Service(known.Name)
		switch {
		case !has || row.Disabled || row.Untold:
		case slices.Contains(off, row.Name):
			d.disable = append(d.disable, row.Name)
		case row.Name == "www":
		default:
			one := service{name: row.Name, port: row.Port}
			if one.unwanted = o.Opens != nil && !slices.Contains(o.Opens, row.Name); one.unwanted {
				one.closed = "you left it out"
			}
			d.services = append(d.services, one)
		}
	}
	d.inner = d.innerInterfaces()
	d.findOuter()
	d.allow = d.inside()
	d.admitNamed()
	return d
}

// admitNamed lets in the sources that the operator named.
func (d *draft) admitNamed() {
	for _, prefix := range d.Allow {
		own := source{addresses, prefix.String()}
		if prefix.IsSingleIP() {
			own.value = prefix.Addr().String()
		}
		switch {
		case d.allows(own):
		case !slices.Contains(d.families, routeros.AddressRange{First: prefix.Addr()}.Family()):
			d.rejected[own] = "this router filters no packets of its family"
		default:
			d.allow = append(d.allow, allowed{source: own, why: own.value + ": you named it", said: true})
		}
	}
}

// unwanted lists gated services that the operator left out of the door.
func (d *draft) unwanted() []string {
	var out []string
	for _, s := range d.services {
		if s.unwanted && s.left == "" {
			out = append(out, s.name)
		}
	}
	return out
}

// findOuter keeps by which interfaces strangers come in while nobody is allowed. What one family
// tells counts for the other: many routers have default routes of IPv4 alone.
func (d *draft) findOuter() {
	p, err := plans.Read("the plan", d.text())
	if err != nil {
		return
	}
	want, err := compile.Compile(p, d.router)
	if err != nil {
		return
	}
	for _, table := range want.Tables {
		for _, door := range table.Doors {
			if !slices.Contains(door.Outer, firewall.AnyOther) {
				d.outer = append(d.outer, door.Outer...)
			}
		}
	}
}

// gated lists the services that the draft gates.
func (d *draft) gated() []string {
	var out []string
	for _, s := range d.services {
		if s.left == "" {
			out = append(out, s.name)
		}
	}
	return out
}

// opens lists what the door opens: all that runs, whether it is gated or the router's own rules shut
// it, but for what it can't open, or what would let in others too.
func (d *draft) opens() []string {
	var out []string
	for _, s := range d.services {
		if s.closed == "" {
			out = append(out, s.name)
		}
	}
	if out == nil {
		return []string{"ssh", "winbox"}
	}
	return out
}

// inside are the sources of the router's own networks: interface lists with no member that leads
// elsewhere, and the interfaces that are in none of them.
func (d *draft) inside() []allowed {
	faces, w := d.inner, firewall.NewFirewall(d.router)
	var out []allowed
	covered := map[string]bool{}
	for _, list := range d.lists() {
		members, others, more := 0, 0, false
		for _, i := range d.router.Interfaces {
			if !i.Receives() || !w.InInterfaceList(i.Name, list) {
				continue
			}
			if slices.Contains(faces, i.Name) {
				members, more = members+1, more || !covered[i.Name]
			} else {
				others++
			}
		}
		if members == 0 || others > 0 || !more || !writable(list) {
			continue
		}
		out = append(out, allowed{source: source{interfaceLists, list}})
		for _, name := range faces {
			covered[name] = covered[name] || w.InInterfaceList(name, list)
		}
	}
	for _, name := range faces {
		if !covered[name] && writable(name) {
			out = append(out, allowed{source: source{interfaces, name}})
		}
	}
	return out
}

// innerInterfaces are those that stay, and lead to the operator's own network.
func (d *draft) innerInterfaces() []string {
	var names []string
	for _, i := range d.router.Interfaces {
		if i.Receives() && !i.Dynamic {
			names = append(names, i.Name)
		}
	}
	outside := audit.Outside(d.router, routeros.IPv4, names)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(outside, name) })
}

// lists are the interface lists of the router: LAN first, then those that rules ask for.
func (d *draft) lists() []string {
	asked := func(list string) int {
		if list == "LAN" {
			return 0
		}
		for _, f := range d.families {
			for i := range d.router.Rules[f.Filter()] {
				c, asks := firewall.ConditionOf(&d.router.Rules[f.Filter()][i], "in-interface-list")
				if asks && c.Value == list {
					return 1
				}
			}
		}
		return 2
	}
	var out []string
	for _, l := range d.router.InterfaceLists {
		if !slices.Contains([]string{"all", "none", "dynamic", "static"}, l.Name) && !slices.Contains(out, l.Name) {
			out = append(out, l.Name)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return asked(a) - asked(b) })
	return out
}

// outerLists are the interface lists that have members, and none that leads inside; WAN first.
func (d *draft) outerLists() []string {
	w := firewall.NewFirewall(d.router)
	var out []string
	for _, list := range d.lists() {
		members, inside := 0, false
		for _, i := range d.router.Interfaces {
			if i.Receives() && w.InInterfaceList(i.Name, list) {
				members, inside = members+1, inside || slices.Contains(d.inner, i.Name)
			}
		}
		switch {
		case members == 0 || inside || !writable(list):
		case list == "WAN":
			out = slices.Insert(out, 0, list)
		default:
			out = append(out, list)
		}
	}
	return out
}

// writable reports whether a name of the router can stand in a plan.
func writable(name string) bool {
	why, _ := form.TextScalar("a name").Check(name)
	return why == "" && !strings.Contains(name, "${") && !firewall.IsGone(name)
}

// leave takes a service out of the gate and the door, with the reason.
func (d *draft) leave(name, why string) {
	for i := range d.services {
		if d.services[i].name == name {
			d.services[i].left = why
		}
	}
	if d.gated() == nil { // nothing is shut, so nobody has to be let in
		d.allow = nil
	}
}

// vpns are the VPNs that run on the router, by the names that plans have for them.
func (d *draft) vpns() []string {
	var out []string
	for _, v := range d.router.VPNServers {
		name := v.Kind
		switch name {
		case "l2tp":
			name = "l2tp-ipsec"
		case "ipsec":
			name = "ikev2"
		}
		if !v.Disabled && slices.Contains(plans.VPNs(), name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
