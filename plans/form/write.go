package form

import (
	"bytes"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Encode prints a tree of plain nodes as YAML.
func Encode(root *yaml.Node) []byte {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// A tree of plain nodes always encodes, and a buffer takes every write.
	_ = e.Encode(root)
	_ = e.Close()
	return b.Bytes()
}

// Put adds a key to a mapping, unless its value is an empty list or mapping: a key without a value
// is a mistake.
func Put(n *yaml.Node, name string, value *yaml.Node) {
	if value.Kind != yaml.ScalarNode && len(value.Content) == 0 {
		return
	}
	n.Content = append(n.Content, Text(name), value)
}

// Keys makes a mapping from alternating names (string) and values (*yaml.Node), as [Put] adds them.
func Keys(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for pair := range slices.Chunk(pairs, 2) {
		Put(n, pair[0].(string), pair[1].(*yaml.Node)) //nolint:forcetypeassert // pairs of our own source
	}
	return n
}

// Text makes a scalar that is read as text: the encoder quotes it if YAML would read something
// else.
func Text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// Integer makes a number.
func Integer(i int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(i)}
}

// Texts makes a list of texts on one line.
func Texts(list []string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, s := range list {
		n.Content = append(n.Content, Text(s))
	}
	return n
}
