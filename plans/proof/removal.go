package proof

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// Opening is something on the router that more sources can reach after a plan is removed, or a
// change of it is rolled back.
type Opening struct {
	Family routeros.Family
	// What is the protocol and the port, and the service that listens there: tcp/22 (ssh).
	What string
	// Interfaces are where packets come in, none for everywhere.
	Interfaces []string
	// From is one source to which it opens, if it does not open to anybody.
	From string
}

// String returns it as a sentence, the same for both families.
func (o Opening) String() string {
	who, where := "anyone", "every interface"
	if o.From != "" {
		who = "some sources, such as " + o.From + ","
	}
	if len(o.Interfaces) > 0 {
		where = strings.Join(o.Interfaces, ", ")
	}
	return fmt.Sprintf("%s is open to %s on %s again", o.What, who, where)
}

// removal shows what has to hold while a plan is removed from a router, for the packets of one
// family: the operator stays in; what opens in the end is reported, and has to be accepted by name;
// and no intermediate state opens anything that is open neither before nor after.
func (p *prover) removal(t compile.Table) {
	f := p.walk(t)
	f.operator()
	f.tunnels()
	f.reopens()
	f.followed("simplify the chains that input jumps to")
}

func (f *table) reopens() {
	s, last := f.space, len(f.states)-1
	const remedy = "add a rule of your own in its place first"
	end := f.fresh(last)
	f.openings(end)
	f.broken(Failure{
		Promise: NoExposure, Risk: Exposure, After: last,
		What: "without the plan, gated services are open again", Remedy: remedy,
	}, "is accepted by", end, s.Stranger())
	f.services(last, remedy)
	for n := 1; n < last; n++ {
		f.broken(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   f.state(n) + " a packet would be accepted that is accepted neither before nor after the change",
			Remedy: remedy,
		}, "is accepted by", s.Minus(f.fresh(n), f.results[last].Accepted), s.Stranger())
		f.between(n)
	}
	f.resent(remedy)
}

// fresh are the packets that are accepted in a state and were not before, and that reach a service.
func (f *table) fresh(n int) space.Set {
	s := f.space
	before := s.And(s.NotIn(f.results[0].Accepted, f.unfilled()...), f.domain)
	return s.And(s.Minus(s.Minus(s.Minus(f.results[n].Accepted, before), f.opened), s.Or(f.vacated(n), f.returned(n))), f.domain)
}

// between: no intermediate state exposes a changing service, at any port, to a source that reaches
// it neither before nor after.
func (f *table) between(n int) {
	s, last := f.space, len(f.states)-1
	for i, now := range f.states[n].Services {
		if now.Dynamic || now.Connection || i >= len(f.before.Services) {
			continue
		}
		then, end := f.before.Services[i], f.after.Services[i]
		if sameService(then, end) {
			continue
		}
		is := f.reaches(n, now)
		may := s.Or(s.Or(s.Anywhere(f.reaches(0, then)), s.Anywhere(f.reaches(last, end))), s.Anywhere(f.opened))
		f.broken(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   fmt.Sprintf("%s the service %s would be exposed to a source that reaches it neither before nor after the change", f.state(n), now.Name),
			Remedy: "keep that service as it is with --restore-services, and restore it afterwards",
		}, "is accepted by", s.And(is, s.Minus(s.Anywhere(is), may)), s.Stranger())
	}
}

func sameService(a, b routeros.Service) bool {
	return a.Port == b.Port && a.Disabled == b.Disabled && routeros.SameFrom(a.From, b.From)
}

// openings lists what a set of packets reaches: what the plan's own rules shut, and services that
// are restored.
func (f *table) openings(fresh space.Set) {
	said := map[string]bool{}
	for _, m := range f.shut() {
		what := cmp.Or(m.Protocol, "everything")
		if m.Ports != nil {
			what += "/" + m.Ports.String() + f.listening(m)
		}
		if said[what] {
			continue
		}
		said[what] = true
		asked := f.space.And(traffic.Packets(f.space, f.nat, []traffic.Match{m}), f.space.States(firewall.New))
		f.opening(what, f.space.And(fresh, asked))
	}
	for i, now := range f.after.Services {
		if i >= len(f.before.Services) || now.Dynamic || now.Connection {
			continue
		}
		what := fmt.Sprintf("tcp/%d (%s)", now.Port, now.Name)
		if then := f.before.Services[i]; !said[what] && !sameService(now, then) {
			was, is := f.reaches(0, then), f.reaches(len(f.states)-1, now)
			f.opening(what, f.space.And(f.space.And(is, f.space.Minus(f.space.Anywhere(is), f.space.Anywhere(was))), f.space.States(firewall.New)))
		}
	}
}

// opening records what a set of packets reaches, and from where.
func (f *table) opening(what string, set space.Set) {
	s := f.space
	if len(s.Interfaces()) > 1 { // what the router does not show is as it was without the plan
		set = s.Minus(set, s.Unseen())
	}
	e, ok := s.Pick(set, s.Stranger())
	if !ok {
		return
	}
	o := Opening{Family: f.Family, What: what}
	if !f.anybody(s.And(set, s.Stranger())) {
		o.From = e.Packet.Src.String()
	}
	seen := slices.DeleteFunc(slices.Clone(s.Interfaces()), traffic.Unseen)
	for _, in := range seen {
		if !s.And(s.And(set, s.In(in)), s.All()).Empty() {
			o.Interfaces = append(o.Interfaces, in)
		}
	}
	if len(o.Interfaces) == len(seen) {
		o.Interfaces = nil
	}
	f.proof.Opens = append(f.proof.Opens, o)
}

// anybody reports whether a set holds packets of a source that no rule and no list names.
func (f *table) anybody(set space.Set) bool {
	stranger := traffic.NewProbes(f.before, f.Family).Source
	one := f.space.Sources(routeros.AddressRange{First: stranger, Last: stranger})
	return !f.space.And(f.space.And(set, one), f.space.All()).Empty()
}

// shut are the matches of the plan's rules that stop packets, a port range each.
func (f *table) shut() []traffic.Match {
	var out []traffic.Match
	rows := f.before.Rules[f.Menu]
	for i := range rows {
		c := f.space.Rule(&rows[i])
		if !f.ours(&rows[i]) || !c.Action.Stops() {
			continue
		}
		var m traffic.Match
		number, one := c.Protocol()
		if one {
			m.Protocol = routeros.ProtocolName(number)
		}
		ports, asks := c.Ports()
		if !one || !asks {
			out = append(out, m)
			continue
		}
		for _, one := range ports {
			m.Ports = routeros.Ports{one}
			out = append(out, m)
		}
	}
	return out
}

// listening names the service behind a match, if one listens there.
func (f *table) listening(m traffic.Match) string {
	for _, service := range f.after.Services {
		if m.Protocol == "tcp" && m.Ports.Contains(service.Port) && !service.Disabled && !service.Dynamic && !service.Connection {
			return " (" + service.Name + ")"
		}
	}
	return ""
}
