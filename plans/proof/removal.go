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

// checkRemoval shows what has to hold while a plan is removed from a router, for the packets of one
// family: the operator stays in; what opens in the end is reported, and has to be accepted by name;
// and no intermediate state opens anything that is open neither before nor after.
func (p *prover) checkRemoval(t compile.Table) {
	fam := p.walk(t)
	operators{fam}.check()
	tunnels{operators{fam}}.check()
	removal{fam}.check()
	fam.checkFollowed("simplify the chains that input jumps to")
}

// removal is what opens when a plan is removed, or a change of it is rolled back.
type removal struct{ *family }

// check lists what opens, and checks that nothing opens on the way alone.
func (rm removal) check() {
	s, last := rm.space, len(rm.states)-1
	const remedy = "add a rule of your own in its place first"
	end := rm.packetsNewlyAccepted(last)
	rm.list(end)
	rm.checkEmpty(Failure{
		Promise: NoExposure, Risk: Exposure, After: last,
		What: "without the plan, gated services are open again", Remedy: remedy,
	}, "is accepted by", end, s.Stranger())
	services(rm).checkExposure(last, remedy)
	for n := 1; n < last; n++ {
		rm.checkEmpty(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   rm.state(n) + " a packet would be accepted that is accepted neither before nor after the change",
			Remedy: remedy,
		}, "is accepted by", s.Minus(rm.packetsNewlyAccepted(n), rm.results[last].Accepted), s.Stranger())
		services(rm).checkPassing(n)
	}
	forwards(rm).checkRemoval(remedy)
}

// packetsNewlyAccepted are the packets that are accepted in a state and were not before, and that
// reach a service.
func (rm removal) packetsNewlyAccepted(n int) space.Set {
	s := rm.space
	before := s.And(s.NotIn(rm.results[0].Accepted, rm.unfilledLists()...), rm.domain)
	return s.And(s.Minus(s.Minus(s.Minus(rm.results[n].Accepted, before), rm.opened), s.Or(rm.packetsToLeftPorts(n), rm.packetsNoLongerSent(n))), rm.domain)
}

// list lists what a set of packets reaches: what the plan's own rules shut, and services that
// are restored.
func (rm removal) list(fresh space.Set) {
	said := map[string]bool{}
	for _, m := range rm.matchesShut() {
		what := cmp.Or(m.Protocol, "everything")
		if m.Ports != nil {
			what += "/" + m.Ports.String() + services(rm).listening(m)
		}
		if said[what] {
			continue
		}
		said[what] = true
		asked := rm.space.And(traffic.Packets(rm.space, rm.nat, []traffic.Match{m}), rm.space.States(firewall.New))
		rm.add(what, rm.space.And(fresh, asked))
	}
	for i, now := range rm.after.Services {
		if i >= len(rm.before.Services) || now.Dynamic || now.Connection {
			continue
		}
		what := fmt.Sprintf("tcp/%d (%s)", now.Port, now.Name)
		if then := rm.before.Services[i]; !said[what] && !sameService(now, then) {
			was, is := services(rm).packetsReaching(0, then), services(rm).packetsReaching(len(rm.states)-1, now)
			rm.add(what, rm.space.And(rm.space.And(is, rm.space.Minus(rm.space.Anywhere(is), rm.space.Anywhere(was))), rm.space.States(firewall.New)))
		}
	}
}

// add records what a set of packets reaches, and from where.
func (rm removal) add(what string, set space.Set) {
	s := rm.space
	if len(s.Interfaces()) > 1 { // what the router does not show is as it was without the plan
		set = s.Minus(set, s.Unseen())
	}
	e, ok := s.Pick(set, s.Stranger())
	if !ok {
		return
	}
	o := Opening{Family: rm.Family, What: what}
	if !rm.holdsAnybody(s.And(set, s.Stranger())) {
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
	rm.proof.Opens = append(rm.proof.Opens, o)
}

// holdsAnybody reports whether a set holds packets of a source that no rule and no list names.
func (rm removal) holdsAnybody(set space.Set) bool {
	stranger := traffic.NewProbes(rm.before, rm.Family).Source
	one := rm.space.Sources(routeros.AddressRange{First: stranger, Last: stranger})
	return !rm.space.And(rm.space.And(set, one), rm.space.All()).Empty()
}

// matchesShut are the matches of the plan's rules that stop packets, a port range each.
func (rm removal) matchesShut() []traffic.Match {
	var out []traffic.Match
	rows := rm.before.Rules[rm.Menu]
	for i := range rows {
		c := rm.space.Rule(&rows[i])
		if !rm.isOurs(&rows[i]) || !c.Action.Stops() {
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
