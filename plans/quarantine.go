package plans

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
	"github.com/rosknock/rosknock/routeros"
)

// quarantine reads how a door handles wrong knocks.
func (rd *reader) quarantine(d *Door, n *yaml.Node) {
	if rd.Text(n, "wrong-knock") == Quarantine.String() {
		d.WrongKnock = Quarantine
		rd.inTurn(rd.Child(n, "knock"))
	}
	d.Decoys = rd.decoys(n)
	given := rd.Child(n, "quarantine-for")
	if !d.Quarantines() {
		if given != nil && !form.HasKey(n, "decoys") {
			rd.Reject(given, "nothing at this door leads into a quarantine", "add wrong-knock: quarantine, or leave it out")
		}
		return
	}
	d.QuarantineFor = min(max(DefaultQuarantine, 2*d.StageTimeout), routeros.MaxListTimeout)
	place := rd.Child(n, "stage-timeout")
	if given != nil {
		d.QuarantineFor, _ = routeros.ParseDuration(given.Value)
		place = given
	}
	if d.QuarantineFor <= d.StageTimeout && place != nil {
		rd.Reject(place, "the quarantine would end before a stage forgets the source",
			"make quarantine-for longer than stage-timeout, which is "+routeros.FormatDuration(d.StageTimeout))
	}
}

// inTurn refuses repeated stages: with one list, a rule can't tell which of them a packet is meant
// for, and so not whether it is out of order.
func (rd *reader) inTurn(knock *yaml.Node) {
	if knock == nil || knock.Kind != yaml.SequenceNode {
		return
	}
	seen := map[Stage]int{}
	for i, n := range knock.Content {
		s := rd.stage(n)
		before, again := seen[s]
		if s == (Stage{}) {
			continue
		}
		if again && before < i-1 { // a direct repetition is reported already
			rd.Reject(n, fmt.Sprintf("this stage is stage %d again, and with wrong-knock: quarantine the router can't tell which of them is out of order", before+1),
				"write another, or leave wrong-knock out")
		}
		seen[s] = i
	}
}

// decoys reads a door's decoys.
func (rd *reader) decoys(door *yaml.Node) []Stage {
	list := rd.Child(door, "decoys")
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var out []Stage
	for _, n := range list.Content {
		s := rd.stage(n)
		if s == (Stage{}) {
			continue
		}
		if slices.Contains(out, s) {
			rd.Reject(n, "this decoy is repeated", "remove it")
			continue
		}
		out = append(out, s)
	}
	return out
}

// compareDecoys finds decoys that clients have a reason to touch: a stage of any door, and gated or
// opened ports.
func (rd *reader) compareDecoys(root *yaml.Node, p Plan) {
	for i, e := range rd.Entries(root, "doors") {
		list := rd.Child(e.Value, "decoys")
		if list == nil || list.Kind != yaml.SequenceNode || i >= len(p.Doors) {
			continue
		}
		for _, n := range list.Content {
			s := rd.stage(n)
			if s == (Stage{}) {
				continue
			}
			if use := p.uses(s); use != "" {
				rd.Reject(n, "this decoy is "+use, "clients with a reason to go there would be quarantined: choose another")
			}
		}
	}
}

// uses says which other use of a decoy's port is in the plan, "" for none.
func (p Plan) uses(s Stage) string {
	for _, d := range p.Doors {
		if slices.Contains(d.Knock, s) {
			return "a stage of door " + d.Name
		}
		if target, ok := p.covering(d.Opens, s); ok {
			return fmt.Sprintf("a port of %s, which door %s opens", target, d.Name)
		}
	}
	if target, ok := p.covering(p.Gate.Targets(), s); ok {
		return fmt.Sprintf("a port of %s, which is gated", target)
	}
	return ""
}

// covering returns the target that covers packets of a stage. Everything covers only ports that
// nothing else names, so it does not count.
func (p Plan) covering(targets []Target, s Stage) (Target, bool) {
	at := slices.IndexFunc(targets, func(t Target) bool { return s.Port != 0 && p.covers(t, s) })
	if at < 0 {
		return Target{}, false
	}
	return targets[at], true
}

func (p Plan) covers(t Target, s Stage) bool {
	switch t.Kind {
	case ServiceTarget:
		return s.Protocol == "tcp" && s.Port == p.servicePort(t.Name)
	case VPNTarget:
		return slices.ContainsFunc(slices.Concat(VPNMatches(t.Name, routeros.IPv4), VPNMatches(t.Name, routeros.IPv6)), func(m VPNMatch) bool {
			ports, err := routeros.ParsePorts(m.Ports)
			return err == nil && m.Protocol == s.Protocol && ports.Contains(s.Port)
		})
	case PortTarget:
		return t.Protocol == s.Protocol && t.Port.First <= s.Port && s.Port <= t.Port.Last
	case ForwardTarget:
		return slices.ContainsFunc(p.Gate.Forwards, func(f Forward) bool { return f.Name == t.Name && f.Protocol == s.Protocol && f.Port == s.Port })
	case Everything:
	}
	return false
}

// servicePort is the port of a service by the plan, or its default one: if the router has another,
// compiling finds out.
func (p Plan) servicePort(name string) uint16 {
	for _, moved := range p.Services.Ports {
		if moved.Name == name {
			return moved.Port
		}
	}
	port, _ := routeros.KnownService(name)
	return port
}
