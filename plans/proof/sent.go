package proof

import (
	"errors"
	"fmt"
	"slices"

	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// sentAwayError says that destination NAT sends away what a door opens, before any rule of ours.
type sentAwayError struct {
	in, what string // what: a service, or protocol/port
	service  bool
	fate     firewall.Disposition
}

// Error implements error.
func (e *sentAwayError) Error() string {
	return fmt.Sprintf("on %s %s sends %s to another host, so it never reaches the router", e.in, decidedBy(e.fate), e.what)
}

// stopped says why a packet to what a door opens does not get through.
func (t trial) stopped(in string, p firewall.Packet, fate firewall.Disposition) error {
	if fate.Verdict != firewall.Forwarded {
		return fmt.Errorf("on %s a trusted source is stopped by %s", in, decidedBy(fate))
	}
	protocol := routeros.ProtocolName(p.Protocol)
	e := &sentAwayError{in: in, what: fmt.Sprintf("%s/%d", protocol, p.DstPort), fate: fate}
	if p.DstPort == 0 {
		e.what = protocol
	}
	for _, s := range t.snapshot.Services {
		if protocol == "tcp" && s.Port == p.DstPort && !s.Dynamic && !s.Connection {
			e.what, e.service = s.Name, true
		}
	}
	return e
}

// arriving are a source's packets to a match. Everything means what reaches the router: if some of
// it does, what is sent to another host is left out.
func (t trial) arriving(in string, m traffic.Match, lists firewall.Lists) []firewall.Packet {
	probes := t.probes.To(in, m)
	if m.Protocol != "" {
		return probes
	}
	rest := slices.DeleteFunc(slices.Clone(probes), func(p firewall.Packet) bool { return t.decide(p, lists).Verdict == firewall.Forwarded })
	if len(rest) == 0 {
		return probes
	}
	return rest
}

// remedy says what helps where a door does not open: usual, unless what it opens is sent away.
func (t trial) remedy(door string, why error, usual string) string {
	var away *sentAwayError
	if !errors.As(why, &away) {
		return usual
	}
	text := fmt.Sprintf("leave %s out of doors.%s.opens", away.what, door)
	if away.service {
		text += ", or move it to another port with services.ports"
	}
	return text + ", or name the interface lists on which the door has to open, with doors." + door + ".on"
}
