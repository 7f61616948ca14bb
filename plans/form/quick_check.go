package form

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// QuickCheck compares values with their forms as [Reader.Check] does, and says yes or no.
type QuickCheck struct {
	reader *Reader
	sound  map[soundScalar]bool
}

// NewQuickCheck returns a check of the values of one file. The reader serves to compare scalars; it
// needs no text.
func NewQuickCheck(r *Reader) *QuickCheck {
	return &QuickCheck{reader: r, sound: map[soundScalar]bool{}}
}

// HoldsEntry reports whether one entry of a table fits the table's form.
func (c *QuickCheck) HoldsEntry(key, value *yaml.Node, table *Form) bool {
	return c.scalar(key, table.names) && c.Holds(value, table.items)
}

// soundScalar is a scalar that has been compared with what it has to be.
type soundScalar struct {
	as    *Scalar
	style yaml.Style
	value string
}

// mostSound is how many are remembered: those that come again and again come early.
const mostSound = 4096

// Holds reports whether a value fits its form. false says nothing: a [Reader] finds out why.
func (c *QuickCheck) Holds(n *yaml.Node, f *Form) bool {
	switch f.kind {
	case scalarKind:
		return c.scalar(n, &f.scalar)
	case listKind:
		return c.list(n, f)
	case tableKind:
		return c.table(n, f)
	case mappingKind:
		return c.mapping(n, f)
	}
	return false // choices are left to the reader
}

func (c *QuickCheck) mapping(n *yaml.Node, f *Form) bool {
	if n.Kind != yaml.MappingNode || f.one != nil || !distinct(n.Content, 2) {
		return false
	}
	required := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		at := slices.IndexFunc(f.fields, func(k Field) bool { return k.Name == n.Content[i].Value })
		if at < 0 || !c.Holds(n.Content[i+1], &f.fields[at].Value) {
			return false
		}
		if f.fields[at].Required {
			required++
		}
	}
	for i := range f.fields {
		if f.fields[i].Required {
			required--
		}
	}
	return required == 0
}

func (c *QuickCheck) table(n *yaml.Node, f *Form) bool {
	if n.Kind != yaml.MappingNode || len(n.Content)/2 < f.least || !distinct(n.Content, 2) {
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !c.scalar(n.Content[i], f.names) || !c.Holds(n.Content[i+1], f.items) {
			return false
		}
	}
	return true
}

func (c *QuickCheck) list(n *yaml.Node, f *Form) bool {
	if n.Kind != yaml.SequenceNode || len(n.Content) < f.least || f.most > 0 && len(n.Content) > f.most || !distinct(n.Content, 1) {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool { return !c.Holds(item, f.items) })
}

func (c *QuickCheck) scalar(n *yaml.Node, s *Scalar) bool {
	of := soundScalar{s, n.Style, n.Value}
	if c.sound[of] {
		return true
	}
	if n.Tag == "" {
		n.Tag = n.ShortTag() // which is asked for again and again
	}
	if c.reader.scalar(n, *s, ""); !c.reader.Sound() {
		return false
	}
	if len(c.sound) < mostSound {
		c.sound[of] = true
	}
	return true
}

// distinct reports whether no value comes twice among every step-th of some nodes.
func distinct(nodes []*yaml.Node, step int) bool {
	const few = 32
	if len(nodes) > few*step {
		seen := map[string]bool{}
		for i := 0; i < len(nodes); i += step {
			if seen[nodes[i].Value] {
				return false
			}
			seen[nodes[i].Value] = true
		}
		return true
	}
	for i := 0; i < len(nodes); i += step {
		for j := 0; j < i; j += step {
			if nodes[i].Value == nodes[j].Value {
				return false
			}
		}
	}
	return true
}
