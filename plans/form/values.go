package form

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Child returns the value under a path of keys, or nil if there is none that can be used.
func (r *Reader) Child(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		n = r.value(n, name)
	}
	return n
}

func (r *Reader) value(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode || r.bad[n] {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name && !r.bad[n.Content[i]] && !r.bad[n.Content[i+1]] {
			return n.Content[i+1]
		}
	}
	return nil
}

// Text returns the text of the scalar under a path of keys, or "".
func (r *Reader) Text(n *yaml.Node, path ...string) string {
	if n = r.Child(n, path...); n == nil {
		return ""
	}
	return n.Value
}

// Items returns the usable items of the list under a path of keys.
func (r *Reader) Items(n *yaml.Node, path ...string) []*yaml.Node {
	n = r.Child(n, path...)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(n.Content), func(c *yaml.Node) bool { return r.bad[c] })
}

// Texts returns the texts of the usable items of a list.
func (r *Reader) Texts(n *yaml.Node, path ...string) []string {
	var out []string
	for _, item := range r.Items(n, path...) {
		out = append(out, item.Value)
	}
	return out
}

// Entry is one key of a mapping or table with its value.
type Entry struct{ Key, Value *yaml.Node }

// Entries returns the usable entries of the mapping or table under a path of keys.
func (r *Reader) Entries(n *yaml.Node, path ...string) []Entry {
	n = r.Child(n, path...)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []Entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		if e := (Entry{n.Content[i], n.Content[i+1]}); !r.bad[e.Key] && !r.bad[e.Value] {
			out = append(out, e)
		}
	}
	return out
}

// HasKey reports whether a mapping has a key, usable or not.
func HasKey(n *yaml.Node, name string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return true
		}
	}
	return false
}
