package plans

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

// What a rotating door gets when it doesn't say.
const (
	defaultRotateStages  = 5
	defaultRotateEvery   = time.Hour
	defaultRotateOverlap = 10 * time.Minute
	longestWindow        = 7 * 24 * time.Hour
)

func portsScalar() scalar {
	return scalar{what: "a range of ports", pattern: `^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$`, check: func(text string) (string, string) {
		_, why, remedy := parsePortRange(text)
		return why, remedy
	}}
}

func parsePortRange(text string) (r routeros.PortRange, why, remedy string) {
	const write = "write 20000-60000"
	low, high, ok := strings.Cut(text, "-")
	if !ok {
		return r, "it is no range", write
	}
	if r.First, why = parsePort(low); why != "" {
		return r, why, write
	}
	if r.Last, why = parsePort(high); why != "" {
		return r, why, write
	}
	if r.First < 1024 || int(r.Last)-int(r.First) < 5000 {
		return r, "it begins below 1024, or has fewer than 5000 ports to choose from", write
	}
	return r, "", ""
}

// rotate reads how the knock of a door changes with time.
func (w *walker) rotate(door *yaml.Node) *Rotate {
	n := w.child(door, "rotate")
	if n == nil {
		return nil
	}
	for _, other := range []string{"knock", "wrong-knock", "decoys", "quarantine-for"} {
		given := w.child(door, other)
		if given == nil || other == "wrong-knock" && given.Value == Ignore.String() {
			continue
		}
		if other == "knock" {
			w.add(given, "the door has a knock and rotates", "leave one of them out")
			continue
		}
		w.add(given, "a door that rotates has no "+other+": while two knocks are valid, a stage of one is out of turn for the other", "leave it out")
	}
	r := &Rotate{Stages: defaultRotateStages, Ports: routeros.PortRange{First: 10000, Last: 60000}, Every: defaultRotateEvery, Overlap: defaultRotateOverlap}
	r.Secret, _ = ParseCredential(w.string(n, "secret"))
	if v := w.child(n, "stages"); v != nil {
		r.Stages, _ = strconv.Atoi(v.Value)
	}
	if v := w.child(n, "ports"); v != nil {
		r.Ports, _, _ = parsePortRange(v.Value)
	}
	every, overlap := w.child(n, "every"), w.child(n, "overlap")
	if every != nil {
		r.Every, _ = routeros.ParseDuration(every.Value)
	}
	if overlap != nil {
		r.Overlap, _ = routeros.ParseDuration(overlap.Value)
	}
	if every != nil && (r.Every%time.Minute != 0 || r.Every > longestWindow) {
		w.add(every, "a window is whole minutes, and 7d at most", "write 1h")
	}
	if 2*r.Overlap >= r.Every {
		place := n
		if overlap != nil {
			place = overlap
		} else if every != nil {
			place = every
		}
		w.add(place, "the overlap is half of a window or more", "make overlap shorter, or every longer")
	}
	return r
}

// Rotates reports whether a door of the plan rotates and its knock was not derived yet.
func (p Plan) Rotates() bool {
	for _, d := range p.Doors {
		if d.Rotate != nil && d.Window == 0 {
			return true
		}
	}
	return false
}
