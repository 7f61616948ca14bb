package render

import (
	"fmt"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// Picture is doors to be drawn.
type Picture struct {
	Plan  string
	Doors []plans.Door
	// Reveal shows the knocks; otherwise they are masked, and a rotating door need not be derived.
	Reveal  bool
	Windows map[string]*Window // of the doors that are derived, by name
}

// automaton is what a router remembers of a source at one door: its state, and what leads to other
// states.
type automaton struct {
	door   string
	states []station // outside, one for each stage but the last, trusted
	knocks []string  // knocks[i] leads from states[i] to states[i+1]
	// forgets is when a stage is forgotten, leaves when a trusted source is; "" for never.
	forgets, leaves string
	// trap is what leads into the quarantine from every state but trusted, and release when it
	// ends; "" without a quarantine.
	trap, release string
	remark        string
}

// station is one state: its name, and what it means.
type station struct{ name, sub string }

func (p Picture) automaton(d plans.Door) automaton {
	knocks := p.knocks(d)
	a := automaton{door: d.Name, knocks: knocks, states: []station{{"outside", "a source that has not knocked"}}, leaves: lasting(d.Trusted.For)}
	for n := range len(knocks) - 1 {
		a.states = append(a.states, station{fmt.Sprintf("stage %d", n+1), fmt.Sprintf("%d of %d knocks heard", n+1, len(knocks))})
	}
	a.states = append(a.states, station{"trusted", "may reach " + opened(d)})
	if len(knocks) > 1 {
		a.forgets = "after " + routeros.FormatDuration(d.StageTimeout)
	}
	if d.Quarantines() {
		var traps []string
		if d.WrongKnock == plans.Quarantine && len(knocks) > 1 {
			traps = append(traps, "a knock out of order")
		}
		switch n := len(d.Decoys); {
		case n == 1:
			traps = append(traps, "the decoy")
		case n > 1:
			traps = append(traps, fmt.Sprintf("one of %d decoys", n))
		}
		a.trap, a.release = strings.Join(traps, ", or "), "after "+routeros.FormatDuration(d.QuarantineFor)
	}
	if w := p.Windows[d.Name]; w != nil {
		a.remark = fmt.Sprintf("these knocks are valid from %s until %s", stamp(w.From), stamp(w.Until))
	} else if d.Rotate != nil {
		a.remark = "the knocks change every " + routeros.FormatDuration(d.Rotate.Every)
	}
	return a
}

// knocks are the labels of a door's stages.
func (p Picture) knocks(d plans.Door) []string {
	if d.Rotate != nil && (d.Window == 0 || !p.Reveal) {
		out := make([]string, d.Rotate.Stages)
		for n := range out {
			out[n] = fmt.Sprintf("knock %d", n+1)
		}
		return out
	}
	var out []string
	for n, s := range d.Knock {
		text := s.Masked()
		if p.Reveal {
			text = s.Reveal()
		}
		if s.PayloadFrom != (plans.Credential{}) || s.Payload != "" {
			text += ", with a payload"
		}
		out = append(out, fmt.Sprintf("knock %d: %s", n+1, text))
	}
	return out
}

func lasting(t routeros.ListTimeout) string {
	switch t.Kind {
	case routeros.Timed:
		return "after " + routeros.FormatDuration(t.For)
	case routeros.NoneStatic:
		return ""
	}
	return "at a reboot"
}

// opened names what a door opens, the first few of it.
func opened(d plans.Door) string {
	var names []string
	for _, t := range d.Opens {
		switch t.Kind {
		case plans.Everything:
			return "everything"
		case plans.PortTarget:
			port := fmt.Sprint(t.Port.First)
			if t.Port.Last != t.Port.First {
				port += fmt.Sprintf("-%d", t.Port.Last)
			}
			names = append(names, t.Protocol+"/"+port)
		default:
			names = append(names, t.Name)
		}
	}
	const most = 4
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
	}
	return strings.Join(names, ", ")
}
