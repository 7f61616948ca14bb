// Package audit says what a router's firewall does, without any plan: who can reach its services
// and VPN ports, which knocks it has and how strong they are, and which of its rules do nothing.
// Every answer is computed over all packets with package space, not guessed from the rules' text.
//
//	report := audit.Router(snapshot)
//
// It is about packets to the router itself. What hangs on something that neither packet nor
// configuration tells is said with a doubt, never as a fact.
package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

// Reach is who can reach one service, VPN or other server of the router in one family.
type Reach struct {
	Name     string
	Kind     Kind
	Protocol string // tcp or udp; "" of layer 2
	Ports    string
	Family   routeros.Family // 0 of layer 2
	State    routeros.ServerState
	// By says who gets through, the most open first; empty means nobody. Of what is off it is empty.
	By []By
}

// Kind is a kind of what can be reached.
type Kind string

// The kinds.
const (
	Service Kind = "service" // of /ip/service
	VPN     Kind = "vpn"
	Server  Kind = "server"  // another one: DNS, SNMP, a proxy
	Layer2  Kind = "layer-2" // below IP, where no IP firewall stops it
)

// Off reports whether it is off, so that nobody reaches it.
func (r Reach) Off() bool { return r.State == routeros.ServerOff }

// Anyone reports whether strangers reach it, as a fact.
func (r Reach) Anyone() bool {
	return slices.ContainsFunc(r.By, func(by By) bool { return by.Who == Anyone && !by.Perhaps })
}

// By is one kind of sources that get through, with details: interfaces, addresses, a list, the port
// that they use where it is not the server's own, what it hangs on.
type By struct {
	Who    Who
	Detail []string
	// Perhaps says that it hangs on something that neither packet nor configuration tells.
	Perhaps bool
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
	// Neighbors are those on the wire of an interface, of layer 2.
	Neighbors Who = "neighbors"
)

// Router reports on one router.
func Router(s routeros.Snapshot) Report {
	return router(s, func(f routeros.Family) silence { return silent(s, f) })
}

// router reports on one router. why says for which reason a family is left out, or nothing.
func router(s routeros.Snapshot, why func(routeros.Family) silence) Report {
	r := Report{Breaks: map[routeros.Family]string{}}
	for _, f := range routeros.Families() {
		if reason := why(f); reason != "" {
			if reason != noTable {
				r.Notes = append(r.Notes, string(reason))
			}
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
	r.Reach = append(r.Reach, layer2(s)...)
	if !s.HasMenu(routeros.IPv4.Filter()) {
		r.Notes = append(r.Notes, "no IPv4 filter table was read")
	}
	r.Notes = append(r.Notes, unknown(s)...)
	return r
}

// silence is why a report says nothing of a family; empty where it does.
type silence string

const (
	noTable  silence = "no filter table"
	off      silence = "IPv6 is switched off on this router"
	untold   silence = "nothing is known of IPv6: its rules and addresses are not shown"
	bare     silence = "no IPv6 rule and no IPv6 address: with an address, everything would be open to anyone over IPv6"
	bareThen         = "the router has no IPv6 address: what is said of IPv6 is so as soon as it has one"
)

// silent says why nothing is said of a family of a router.
func silent(s routeros.Snapshot, f routeros.Family) silence {
	switch {
	case !s.HasMenu(f.Filter()):
		return noTable
	case f != routeros.IPv6:
		return ""
	case s.IPv6Off:
		return off
	case len(s.Rules[f.Filter()]) > 0 || has6(s):
		return ""
	case !s.Tells(f.Filter()):
		return untold
	}
	return bare
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

// Open lists what anyone reaches in a family: the firewall gates nothing there. Of what may be off,
// the services of /ip/service are among them.
func (r Report) Open(f routeros.Family) []string {
	return r.names(f, func(reach Reach) bool {
		return reach.Anyone() && (reach.State == routeros.ServerOn || reach.Kind == Service)
	})
}

// Doubtful lists what anyone may reach in a family, and what may run and is not shown.
func (r Report) Doubtful(f routeros.Family) (reached, untold []string) {
	reached = r.names(f, func(reach Reach) bool {
		return !reach.Anyone() && reach.runs() && slices.ContainsFunc(reach.By, func(by By) bool { return by.Who == Anyone })
	})
	untold = r.names(f, func(reach Reach) bool { return reach.State == routeros.ServerUnknown })
	return reached, untold
}

// runs reports whether it counts as running: services about which nothing is known do.
func (r Reach) runs() bool {
	return r.State == routeros.ServerOn || r.State == routeros.ServerUnknown && r.Kind != Server
}

func (r Report) names(f routeros.Family, of func(Reach) bool) []string {
	var out []string
	for _, reach := range r.Reach {
		if reach.Family == f && of(reach) && !slices.Contains(out, reach.Name) {
			out = append(out, reach.Name)
		}
	}
	return out
}

// Families returns the families that were looked at.
func (r Report) Families() []routeros.Family {
	var out []routeros.Family
	for _, reach := range r.Reach {
		if reach.Family != 0 && !slices.Contains(out, reach.Family) {
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
	source   netip.Addr // of a stranger
	stranger space.Set  // packets of a source that no rule names
	begins   space.Set  // packets that begin a connection with the router
	faces    []face
	outside  space.Set // packets that may come from the internet
	targets  []target
	opened   []Knock // that work
	notes    []string
}

func newAuditor(s routeros.Snapshot, f routeros.Family) *auditor {
	a := &auditor{router: s, family: f, source: traffic.NewProbes(s, f).Source}
	listed := listeners(s, f)
	cuts := space.Cuts{Open: true, Sources: []routeros.AddressRange{{First: a.source, Last: a.source}}}
	for _, l := range listed {
		cuts.Ports = append(cuts.Ports, l.ports...)
		cuts.Apart = append(cuts.Apart, ranges(l.from)...)
	}
	a.space = space.New(f, cuts, s)
	a.targets = a.aims(listed)
	a.result = a.space.Walk(s, a.looked())
	a.stranger = a.space.And(a.space.Sources(cuts.Sources[0]), a.space.Stranger())
	a.begins = a.space.And(a.space.First(), a.space.Ordinary(s))
	a.faces = a.seen()
	for _, face := range a.faces {
		if face.side == outside || face.side == unsided && !a.sided(outside) {
			a.outside = a.space.Or(a.outside, face.packets)
		}
	}
	if !a.space.Complete() || a.result.Incomplete {
		a.notes = append(a.notes, f.String()+": the rules are too complex to follow, or chains jump in circles; this report may be incomplete")
	}
	return a
}

// breaks names the rule that stops a running connection to a service, though a packet can begin one;
// or is empty.
func (a *auditor) breaks() string {
	s := a.space
	var running space.Set
	for _, t := range a.targets {
		if t.Kind == Service && !t.Off() {
			direct := s.And(s.And(t.packets, s.Ports(t.ports)), a.begins)
			running = s.Or(running, s.Continued(s.And(a.result.Accepted, direct)))
		}
	}
	running = s.And(running, s.Stranger())
	stopped := s.Minus(running, s.Perhaps(s.Walk(a.router, running).Accepted))
	e, ok := s.Pick(s.And(stopped, s.All()))
	if !ok {
		return ""
	}
	if fate := s.Replay(a.router, e); fate.Rule != nil {
		return name(fate.Rule)
	}
	return "dst-nat"
}

// looked are the packets that are followed: first packets, to what can be reached, and those that fill
// a list.
func (a *auditor) looked() space.Set {
	s := a.space
	var out space.Set
	for _, t := range a.targets {
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
