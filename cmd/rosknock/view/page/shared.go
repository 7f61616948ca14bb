package page

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"html/template"
	"io"
	"iter"
	"maps"
	"slices"
)

// set is what several routers share.
type set struct {
	ID, Label string
	Routers   string
	HTML      template.HTML
	names     []string
	steps     int
	bad       bool
	first     int // the place of its first router
}

// sets are what routers share, by the hash of its text.
type sets map[[sha256.Size]byte]*set

// add counts a router. What one router has is told with the router.
func (of sets) add(s Section, place int) {
	if s.Shared == "" {
		return
	}
	key := sha256.Sum256([]byte(s.Shared))
	if of[key] == nil {
		of[key] = &set{steps: s.Steps, first: place}
	}
	of[key].names = append(of[key].names, cmp.Or(s.Name, s.Address))
	of[key].bad = of[key].bad || s.Problem != ""
}

// of returns what a router shares with others; nil when it does not.
func (of sets) of(s Section) *set {
	if one := of[sha256.Sum256([]byte(s.Shared))]; s.Shared != "" && one != nil && len(one.names) > 1 {
		return one
	}
	return nil
}

// ordered names the sets: those with a failure first, then those of most routers.
func (of sets) ordered() []*set {
	out := slices.DeleteFunc(slices.Collect(maps.Values(of)), func(s *set) bool { return len(s.names) < 2 })
	slices.SortFunc(out, func(a, b *set) int {
		if a.bad != b.bad {
			return map[bool]int{true: -1, false: 1}[a.bad]
		}
		return cmp.Or(cmp.Compare(len(b.names), len(a.names)), cmp.Compare(a.first, b.first))
	})
	for i, s := range out {
		s.ID = fmt.Sprintf("c%d", i+1)
		s.Label = fmt.Sprintf("%s, the same on %d routers", stepsText(0, s.steps, false), len(s.names))
		s.Routers = Runs(s.names, 0)
	}
	return out
}

// shared writes what routers share.
func (l Layout) shared(w io.Writer, of sets, sections iter.Seq[Section]) error {
	all := of.ordered()
	if len(all) == 0 {
		return nil
	}
	for s := range sections {
		if one := of.of(s); one != nil && one.HTML == "" {
			one.HTML = template.HTML(s.Shared) //nolint:gosec // the template has written it
		}
	}
	return l.template.ExecuteTemplate(w, "sets", all)
}

// section writes a router, with a link to what it shares with others.
func (l Layout) section(w io.Writer, of sets, s Section) error {
	one := of.of(s)
	if one == nil {
		_, err := io.WriteString(w, s.HTML)
		return err
	}
	if _, err := io.WriteString(w, s.Brief); err != nil {
		return err
	}
	return l.template.ExecuteTemplate(w, "link", one)
}
