package proof

import (
	"fmt"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// services is the router's own services, as far as the change moves them.
type services struct{ *family }

// checkExposure checks that a service that moves to another port, or answers more sources, is not
// exposed to a source that could not reach it before.
func (sv services) checkExposure(n int, remedy string) {
	s := sv.space
	for i, now := range sv.states[n].Services {
		if now.Dynamic || now.Connection || i >= len(sv.before.Services) {
			continue
		}
		then := sv.before.Services[i]
		if sameService(now, then) {
			continue
		}
		was, is := sv.packetsReaching(0, then), sv.packetsReaching(n, now)
		fresh := s.Minus(s.Minus(s.Anywhere(is), s.Anywhere(was)), s.Anywhere(sv.packetsOpenedIn(n)))
		sv.checkEmpty(Failure{
			Promise: NoExposure, Risk: Exposure, After: n,
			What:   fmt.Sprintf("%s the service %s would be exposed to a source that could not reach it before", sv.state(n), now.Name),
			Remedy: remedy,
		}, "is accepted by", s.And(is, fresh), s.Stranger())
	}
}

// checkPassing checks that no intermediate state exposes a changing service, at any port, to a
// source that reaches it neither before nor after.
func (sv services) checkPassing(n int) {
	s, last := sv.space, len(sv.states)-1
	for i, now := range sv.states[n].Services {
		if now.Dynamic || now.Connection || i >= len(sv.before.Services) {
			continue
		}
		then, end := sv.before.Services[i], sv.after.Services[i]
		if sameService(then, end) {
			continue
		}
		is := sv.packetsReaching(n, now)
		may := s.Or(s.Or(s.Anywhere(sv.packetsReaching(0, then)), s.Anywhere(sv.packetsReaching(last, end))), s.Anywhere(sv.opened))
		sv.checkEmpty(Failure{
			Promise: NoExposure, Risk: Passing, After: n,
			What:   fmt.Sprintf("%s the service %s would be exposed to a source that reaches it neither before nor after the change", sv.state(n), now.Name),
			Remedy: "keep that service as it is with --restore-services, and restore it afterwards",
		}, "is accepted by", s.And(is, s.Minus(s.Anywhere(is), may)), s.Stranger())
	}
}

// packetsReaching returns the packets by which a service is reached in a state: the firewall lets
// them in, and the service answers their source (routeros-facts § 4).
func (sv services) packetsReaching(n int, service routeros.Service) space.Set {
	s := sv.space
	if service.Disabled {
		return space.Set{}
	}
	set := s.And(s.Protocol(6), s.Arriving(sv.nat, routeros.Ports{{First: service.Port, Last: service.Port}}))
	set = s.And(s.And(set, sv.domain), sv.results[n].Accepted)
	if len(service.From) == 0 {
		return set
	}
	var from space.Set
	for _, prefix := range service.From {
		if r, err := routeros.ParseAddressRange(prefix); err == nil {
			from = s.Or(from, s.Sources(r))
		}
	}
	return s.And(set, from)
}

// listening names the service behind a match, if one listens there.
func (sv services) listening(m traffic.Match) string {
	for _, service := range sv.after.Services {
		if m.Protocol == "tcp" && m.Ports.Contains(service.Port) && !service.Disabled && !service.Dynamic && !service.Connection {
			return " (" + service.Name + ")"
		}
	}
	return ""
}

// sameService reports whether a service answers the same sources at the same port.
func sameService(a, b routeros.Service) bool {
	return a.Port == b.Port && a.Disabled == b.Disabled && routeros.SameFrom(a.From, b.From)
}
