// Package audit says what a router's firewall does, without any plan: who can reach its services
// and VPN ports, which knocks it has and how strong they are, and which of its rules do nothing.
// Every answer is computed over all packets with package space, not guessed from the rules' text.
//
//	report := audit.Router(snapshot)
//
// It is about packets to the router itself. VPNs are checked at their usual ports: a snapshot does
// not show whether a VPN runs.
package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Report is what was found.
type Report struct {
	Reach  []Reach
	Knocks []Knock
	Dead   []Dead
	// Breaks says by family which rule stops packets of running connections from outside, if one
	// does.
	Breaks map[routeros.Family]string
	// Notes say what could not be decided.
	Notes []string
}

// Reach is who can reach one service or VPN in one family.
type Reach struct {
	Name     string
	Protocol string
	Ports    string
	Family   routeros.Family
	VPN      bool
	Disabled bool // a service that is off
	// By says who gets through, the most open first; empty means nobody.
	By []By
}

// By is one kind of sources that get through, with details: interfaces, addresses, a list.
type By struct {
	Who    Who
	Detail []string
}

// Who is a kind of sources.
type Who string

// Who can reach something.
const (
	Anyone    Who = "anyone"
	LAN       Who = "LAN"
	AllowList Who = "allow-list"
	Tunnel    Who = "IPsec peers"
	Trusted   Who = "trusted after a knock"
)

// Router reports on one router.
func Router(s routeros.Snapshot) Report {
	r := Report{Breaks: map[routeros.Family]string{}}
	for _, f := range routeros.Families() {
		if !s.HasMenu(f.Filter()) {
			continue
		}
		if f == routeros.IPv6 && len(s.Rules[f.Filter()]) == 0 && !has6(s) {
			r.Notes = append(r.Notes, "no IPv6 rule and no IPv6 address: with an address, everything would be open to anyone over IPv6")
			continue
		}
		a := newAuditor(s, f)
		r.Knocks = append(r.Knocks, a.knocks()...)
		r.Reach = append(r.Reach, a.reach()...)
		r.Dead = append(r.Dead, a.dead()...)
		if rule := a.breaks(); rule != "" {
			r.Breaks[f] = rule
		}
		r.Notes = append(r.Notes, a.notes...)
	}
	if !s.HasMenu(routeros.IPv4.Filter()) {
		r.Notes = append(r.Notes, "no IPv4 filter table was read")
	}
	r.Notes = append(r.Notes, unknown(s)...)
	return r
}

// unknown says what the text of an export leaves open.
func unknown(s routeros.Snapshot) []string {
	var notes []string
	if rows := s.Unread; len(rows) > 0 {
		lines := make([]string, len(rows))
		for i, row := range rows {
			lines[i] = "line " + strconv.Itoa(row.Line)
		}
		notes = append(notes, "these rows decide who gets in and can't be read, so the answers hold only without them: "+strings.Join(lines, ", "))
	}
	if s.Partial != "" {
		notes = append(notes, fmt.Sprintf("the export shows only %s: nothing is known of what stands outside it, such as interfaces, which are taken as they come from the factory", s.Partial))
	}
	return notes
}

// has6 reports whether the router has an IPv6 address besides those of its links.
func has6(s routeros.Snapshot) bool {
	return slices.ContainsFunc(s.Addresses, func(a routeros.InterfaceAddress) bool {
		return a.Prefix.Addr().Is6() && !a.Prefix.Addr().IsLinkLocalUnicast() && !a.Disabled
	})
}

// Open lists the services and VPNs of a family that anyone reaches: the firewall gates nothing
// there.
func (r Report) Open(f routeros.Family) []string {
	var out []string
	for _, reach := range r.Reach {
		if reach.Family == f && len(reach.By) > 0 && reach.By[0].Who == Anyone {
			out = append(out, reach.Name)
		}
	}
	return out
}

// Families returns the families that were looked at.
func (r Report) Families() []routeros.Family {
	var out []routeros.Family
	for _, reach := range r.Reach {
		if !slices.Contains(out, reach.Family) {
			out = append(out, reach.Family)
		}
	}
	return out
}

// auditor looks at one family of one router.
type auditor struct {
	router   routeros.Snapshot
	family   routeros.Family
	space    *space.Space
	result   space.Result
	nat      space.Result
	stranger space.Set // packets of a source that no rule names
	outside  space.Set // packets that may come from the internet
	outer    []string
	inner    []string
	opened   []Knock // that work
	notes    []string
}

func newAuditor(s routeros.Snapshot, f routeros.Family) *auditor {
	a := &auditor{router: s, family: f}
	probes := traffic.NewProbes(s, f)
	var cuts space.Cuts
	cuts.Sources = []routeros.AddressRange{{First: probes.Source, Last: probes.Source}}
	for _, name := range plans.VPNs() {
		for _, m := range plans.VPNMatches(name, f) {
			ports, _ := routeros.ParsePorts(m.Ports)
			cuts.Ports = append(cuts.Ports, ports...)
		}
	}
	a.space = space.New(f, cuts, s)
	a.nat = traffic.Translated(a.space, s)
	a.result = a.space.Walk(s, a.looked())
	a.stranger = a.space.And(a.space.Sources(cuts.Sources[0]), a.space.Stranger())
	a.outer, a.inner = sides(s, f, a.space.Interfaces())
	for _, in := range a.outer {
		a.outside = a.space.Or(a.outside, a.space.In(in))
	}
	if !a.space.Complete() || a.result.Incomplete {
		a.notes = append(a.notes, f.String()+": the rules are too complex to follow, or chains jump in circles; this report may be incomplete")
	}
	return a
}

// breaks names the rule that stops a running connection from outside, or is empty.
func (a *auditor) breaks() string {
	s := a.space
	running := s.And(s.And(s.Protocol(6), s.States(firewall.Established)), s.And(a.outside, a.stranger))
	stopped := s.Minus(running, s.Or(s.Walk(a.router, running).Accepted, space.Set{}))
	e, ok := s.Pick(s.And(stopped, s.All()))
	if !ok {
		return ""
	}
	if fate := s.Replay(a.router, e); fate.Rule != nil {
		return name(fate.Rule)
	}
	return "dst-nat"
}

// looked are the packets that are followed: first packets, to services, to VPNs, and those that
// fill a list.
func (a *auditor) looked() space.Set {
	s := a.space
	var out space.Set
	for _, t := range a.targets() {
		out = s.Or(out, t.packets)
	}
	for _, menu := range []routeros.Menu{a.family.Raw(), a.family.NAT(), a.family.Filter()} {
		rows := a.router.Rules[menu]
		for i := range rows {
			if !rows[i].Disabled() && strings.HasPrefix(rows[i].Action(), "add-src") {
				out = s.Or(out, s.Asks(a.router, menu, &rows[i]))
			}
		}
	}
	return s.And(out, s.States(firewall.New))
}

// target is something that can be reached.
type target struct {
	Reach
	packets space.Set
}

// targets are the services of the router and the ports of the VPNs.
func (a *auditor) targets() []target {
	var out []target
	for _, svc := range a.router.Services {
		if svc.Dynamic || svc.Connection {
			continue
		}
		ports := routeros.Ports{{First: svc.Port, Last: svc.Port}}
		set := a.space.And(a.space.Protocol(6), a.space.Arriving(a.nat, ports))
		if from := a.answered(svc); len(svc.From) > 0 {
			set = a.space.And(set, from)
		}
		out = append(out, target{Reach{Name: svc.Name, Protocol: "tcp", Ports: ports.String(), Family: a.family, Disabled: svc.Disabled}, set})
	}
	for _, name := range plans.VPNs() {
		m := plans.VPNMatches(name, a.family)[0] // without its first port none of them connects
		ports, _ := routeros.ParsePorts(m.Ports)
		set := traffic.Packets(a.space, a.nat, []traffic.Match{{Protocol: m.Protocol, Ports: ports}})
		out = append(out, target{Reach{Name: name, Protocol: m.Protocol, Ports: m.Ports, Family: a.family, VPN: true}, set})
	}
	return out
}

func (a *auditor) answered(svc routeros.Service) space.Set {
	var out space.Set
	for _, prefix := range svc.From {
		if r, err := routeros.ParseAddressRange(prefix); err == nil {
			out = a.space.Or(out, a.space.Sources(r))
		}
	}
	return out
}

// reach says for each target who gets through.
func (a *auditor) reach() []Reach {
	var out []Reach
	for _, t := range a.targets() {
		if !t.Disabled {
			t.By = a.by(t)
		}
		out = append(out, t.Reach)
	}
	return out
}

func (a *auditor) by(t target) []By {
	s := a.space
	accepted := s.Sometimes(s.And(s.And(a.result.Accepted, t.packets), s.States(firewall.New)))
	accepted, tunnelled := s.Minus(accepted, s.IPsec()), s.And(accepted, s.IPsec())
	unlisted := s.And(accepted, s.Stranger())
	var out []By
	if open := a.interfaces(s.And(unlisted, a.stranger), a.outer); len(open) > 0 {
		return []By{{Anyone, open}}
	}
	if open := a.interfaces(unlisted, a.inner); len(open) > 0 {
		out = append(out, By{LAN, open})
	}
	if special := s.And(unlisted, a.outside); !special.Empty() {
		out = append(out, By{AllowList, a.named(t, special)})
	}
	if s.And(s.And(unlisted, a.stranger), a.outside).Empty() && !s.And(s.And(tunnelled, a.stranger), a.outside).Empty() {
		out = append(out, By{Tunnel, nil})
	}
	for _, k := range a.opened {
		member := s.Given(s.And(accepted, a.outside), func(list string) bool { return list == k.List })
		if !s.And(member, s.Sources(routeros.AddressRange{First: a.source(), Last: a.source()})).Empty() {
			out = append(out, By{Trusted, []string{"list " + k.List}})
		}
	}
	return out
}

func (a *auditor) source() netip.Addr { return traffic.NewProbes(a.router, a.family).Source }

// interfaces lists those of some interfaces on which packets of the set arrive.
func (a *auditor) interfaces(set space.Set, of []string) []string {
	var out []string
	for _, in := range of {
		if !a.space.And(set, a.space.In(in)).Empty() {
			out = append(out, in)
		}
	}
	return out
}

// named lists the addresses and lists by which rules let packets of a set in.
func (a *auditor) named(t target, set space.Set) []string {
	var out []string
	add := func(text string) {
		if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, menu := range []routeros.Menu{a.family.Raw(), a.family.Filter()} {
		rows := a.router.Rules[menu]
		for i := range rows {
			list, how := favours(&rows[i])
			if how == spares && !a.space.And(a.about(admit{menu, &rows[i], how}), set).Empty() {
				add("list " + list)
			}
		}
	}
	rows := a.router.Rules[a.family.Filter()]
	for i := range rows {
		if rows[i].Action() != "accept" || a.space.And(a.space.Sometimes(a.result.Hits(a.family.Filter(), i)), set).Empty() {
			continue
		}
		add(rows[i].Attrs.Get("src-address"))
		if list := rows[i].Attrs.Get("src-address-list"); list != "" {
			add("list " + list)
		}
	}
	for _, svc := range a.router.Services {
		if svc.Name == t.Name && !t.VPN && len(out) == 0 {
			for _, from := range svc.From {
				add(from)
			}
		}
	}
	return out
}

// sides sorts the interfaces into those towards the internet and those towards the operator's own
// network. An unknown interface counts as outside.
func sides(s routeros.Snapshot, f routeros.Family, names []string) (outer, inner []string) {
	world := firewall.NewFirewall(s)
	for _, name := range names {
		if inside(s, f, world, name) {
			inner = append(inner, name)
		} else {
			outer = append(outer, name)
		}
	}
	return outer, inner
}

// tunnel reports whether an interface leads to peers that the router knows. Clients of PPTP, L2TP
// and the like don't count: some providers connect lines that way.
func tunnel(s routeros.Snapshot, name string) bool {
	return slices.ContainsFunc(s.Interfaces, func(i routeros.Interface) bool {
		return i.Name == name && slices.ContainsFunc([]string{"wg", "wireguard", "gre", "eoip", "ipip", "vxlan", "l2tp-in", "l2tp-server", "ovpn-in", "ovpn-server", "sstp-in", "sstp-server", "pptp-in", "pptp-server"},
			func(kind string) bool { return strings.HasPrefix(i.Type, kind) })
	})
}

func inside(s routeros.Snapshot, f routeros.Family, world *firewall.Firewall, name string) bool {
	switch {
	case world.InInterfaceList(name, "WAN"):
		return false
	case world.InInterfaceList(name, "LAN"), tunnel(s, name):
		return true
	}
	private := false
	for _, a := range s.Addresses {
		if a.Interface != name || a.Disabled {
			continue
		}
		addr := a.Prefix.Addr()
		if !addr.IsPrivate() && !addr.IsLinkLocalUnicast() {
			return false
		}
		private = private || addr.IsPrivate() || f == routeros.IPv6
	}
	return private
}
