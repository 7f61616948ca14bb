package plans

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Lengths of a payload. Eight characters are 64 bits on the wire; the kernel's own matcher, on
// which RouterOS's content rests, takes 128.
const (
	ShortestPayload = 8
	LongestPayload  = 100
)

// Resolve returns the plan with the texts of its payloads, which find looks up. It does not change
// the plan itself. No error repeats a text.
func (p Plan) Resolve(find func(Credential) (string, error)) (Plan, error) {
	p.Doors = slices.Clone(p.Doors)
	for i, d := range p.Doors {
		d.Knock = slices.Clone(d.Knock)
		for n, s := range d.Knock {
			if s.PayloadFrom == (Credential{}) {
				continue
			}
			text, err := find(s.PayloadFrom)
			if err == nil {
				err = checkPayload(text, s)
			}
			if err != nil {
				return p, fmt.Errorf("plan %s: door %s: the payload of stage %d: %w", p.Name, d.Name, n+1, err)
			}
			d.Knock[n].Payload = text
		}
		p.Doors[i] = d
	}
	return p, nil
}

// Credentials lists where the plan's secrets are kept, door by door: those of payloads, and those
// from which rotating knocks follow.
func (p Plan) Credentials() []Credential {
	var out []Credential
	for _, d := range p.Doors {
		if d.Rotate != nil && d.Rotate.Secret != (Credential{}) {
			out = append(out, d.Rotate.Secret)
		}
		for _, s := range d.Knock {
			if s.PayloadFrom != (Credential{}) {
				out = append(out, s.PayloadFrom)
			}
		}
	}
	return out
}

// Unresolved reports whether a payload of the plan was not looked up yet.
func (p Plan) Unresolved() bool {
	return slices.ContainsFunc(p.Doors, func(d Door) bool {
		return slices.ContainsFunc(d.Knock, func(s Stage) bool { return s.PayloadFrom != (Credential{}) && s.Payload == "" })
	})
}

func checkPayload(text string, s Stage) error {
	const largestHeaders = 40 + 8
	switch {
	case len(text) < ShortestPayload || len(text) > LongestPayload:
		return fmt.Errorf("its length in characters is %d: choose %d to %d", len(text), ShortestPayload, LongestPayload)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("it holds a character that is not printable ASCII, or a space: choose letters and digits")
	case s.Protocol == "icmp" && int(s.Size) < largestHeaders+len(text):
		return fmt.Errorf("it does not fit into the size of its stage: %d bytes at least", largestHeaders+len(text))
	}
	return nil
}
