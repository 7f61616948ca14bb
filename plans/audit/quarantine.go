package audit

import (
	"slices"

	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// strength rates a knock of which the steps are known, with the quarantine that it notes.
func (a *auditor) strength(k *Knock, from space.Set) sequence.Strength {
	k.Quarantine = a.quarantine(k.List)
	if k.Quarantine == "" {
		return sequence.Rate(k.Steps, sequence.DefaultRate, 0)
	}
	var decoys []sequence.Step
	for _, fill := range a.result.Fills {
		if fill.Source && fill.List == k.Quarantine {
			decoys = append(decoys, a.decoys(k, fill, from)...)
		}
	}
	for _, d := range decoys {
		k.Decoys += int(d.Last) - int(d.First) + 1
	}
	return sequence.RateGuarded(k.Steps, decoys, sequence.DefaultRate)
}

// quarantine returns a list that packets get a source into and whose members get into the list of a knock by no packet.
func (a *auditor) quarantine(list string) string {
	s := a.space
	var in space.Set
	for _, fill := range a.result.Fills {
		if fill.Source && fill.List == list {
			in = s.Or(in, fill.Packets)
		}
	}
	for _, fill := range a.result.Fills {
		if fill.Source && fill.List != list && !fill.Packets.Empty() && slices.Contains(s.Uses(in), fill.List) && s.And(in, s.Member(fill.List)).Empty() {
			return fill.List
		}
	}
	return ""
}

// decoys are the packets that get a source of which nobody knows into a quarantine by one rule, whatever limits and the like answer,
// without those that are a step of the knock.
func (a *auditor) decoys(k *Knock, fill space.Fill, from space.Set) []sequence.Step {
	s := a.space
	stranger := s.And(from, s.Stranger())
	certain := s.Minus(stranger, s.Sometimes(s.Minus(stranger, fill.Packets)))
	var out []sequence.Step
	for _, seen := range s.Look(certain) {
		for _, port := range seen.Ports {
			out = append(out, without(stepOf(space.Seen{Protocol: seen.Protocol, Ports: routeros.Ports{port}}), k.Steps)...)
		}
		if len(seen.Ports) == 0 {
			out = append(out, without(stepOf(seen), k.Steps)...)
		}
	}
	return out
}

// without cuts the steps of a knock out of a run of ports or sizes.
func without(run sequence.Step, steps []sequence.Step) []sequence.Step {
	out := []sequence.Step{run}
	for _, step := range steps {
		var rest []sequence.Step
		for _, r := range out {
			if step.Protocol != r.Protocol || step.Last < r.First || r.Last < step.First {
				rest = append(rest, r)
				continue
			}
			if r.First < step.First {
				rest = append(rest, sequence.Step{Protocol: r.Protocol, First: r.First, Last: step.First - 1})
			}
			if step.Last < r.Last {
				rest = append(rest, sequence.Step{Protocol: r.Protocol, First: step.Last + 1, Last: r.Last})
			}
		}
		out = rest
	}
	return out
}
