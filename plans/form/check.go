package form

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Check compares a value with its form. what names the value in messages.
func (r *Reader) Check(n *yaml.Node, f Form, what string) {
	if f.secret {
		r.Hide(n)
	}
	if f.private {
		r.bury(n)
	}
	if r.bad[n] {
		return
	}
	switch f.kind {
	case mappingKind:
		r.mapping(n, f, what)
	case tableKind:
		r.table(n, f, what)
	case listKind:
		r.list(n, f, what)
	case choiceKind:
		if n.Kind == yaml.MappingNode && f.long.kind == mappingKind {
			r.mapping(n, *f.long, what)
			return
		}
		if n.Kind == yaml.SequenceNode && f.long.kind == listKind {
			r.list(n, *f.long, what)
			return
		}
		r.scalar(n, f.scalar, what)
	case scalarKind:
		r.scalar(n, f.scalar, what)
	}
}

func (r *Reader) mapping(n *yaml.Node, f Form, what string) {
	if !r.isKind(n, yaml.MappingNode, "a mapping", what) {
		return
	}
	present := map[string]bool{}
	r.keys(n, func(key, value *yaml.Node) {
		present[key.Value] = true
		k, known := f.Field(key.Value)
		if !known {
			r.bury(value) // it may be a knock or a password under a misspelt key
			r.Unknown(key, "unknown key %q", f.fieldNames())
			return
		}
		r.Check(value, k.Value, k.Name)
	})
	r.either(n, f, present, what)
	for _, k := range f.fields {
		if k.Required && !present[k.Name] {
			r.Note(n, fmt.Sprintf("%s lacks the key %q", what, k.Name), strings.ToLower(k.About[:1])+strings.TrimSuffix(k.About[1:], "."))
		}
	}
}

func (r *Reader) isKind(n *yaml.Node, want yaml.Kind, name, what string) bool {
	if n.Kind != want {
		r.Reject(n, fmt.Sprintf("%s is %s, and this is %s", what, name, describe(n)), "")
	}
	return n.Kind == want
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "a number"
	case n.ShortTag() == "!!bool":
		return "true or false"
	}
	return "text"
}

// keys calls visit for each key that can be read and comes for the first time.
func (r *Reader) keys(n *yaml.Node, visit func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if r.bad[key] {
			continue
		}
		if key.Kind != yaml.ScalarNode {
			r.Reject(key, "a key is one word, and this is "+describe(key), "")
			continue
		}
		if line, again := seen[key.Value]; again {
			r.Reject(key, fmt.Sprintf("key %q is repeated", key.Value), fmt.Sprintf("it is already in line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

// either requires exactly one of some keys.
func (r *Reader) either(n *yaml.Node, f Form, present map[string]bool, what string) {
	var given []string
	for _, name := range f.one {
		if present[name] {
			given = append(given, name)
		}
	}
	names := strings.Join(f.one, " or ")
	switch {
	case f.one == nil || len(given) == 1:
	case len(given) == 0:
		r.Note(n, fmt.Sprintf("%s lacks the key %q", what, f.one[0]), "write "+names)
	default:
		r.Note(n, fmt.Sprintf("%s has %s", what, strings.Join(given, " and ")), "write "+names)
	}
}

// Unknown rejects a word that is not among those allowed, and proposes the nearest of them. format
// has one %q, for the word.
func (r *Reader) Unknown(n *yaml.Node, format string, words []string) {
	remedy := "write one of " + strings.Join(words, ", ")
	if near, ok := Nearest(n.Value, words); ok {
		remedy = DidYouMean(near)
	}
	r.Reject(n, fmt.Sprintf(format, n.Value), remedy)
}

func (r *Reader) table(n *yaml.Node, f Form, what string) {
	if !r.isKind(n, yaml.MappingNode, "a mapping of names", what) {
		return
	}
	r.keys(n, func(key, value *yaml.Node) {
		r.scalar(key, *f.names, "a name in "+what)
		r.Check(value, *f.items, strings.TrimSuffix(what, "s")+" "+key.Value)
	})
	r.least(n, len(n.Content)/2, f.least, what)
}

func (r *Reader) list(n *yaml.Node, f Form, what string) {
	if !r.isKind(n, yaml.SequenceNode, "a list", what) {
		return
	}
	if f.most > 0 && len(n.Content) > f.most {
		r.Reject(n.Content[f.most], fmt.Sprintf("%s has %d items, and %d are the most", what, len(n.Content), f.most), "leave out what is from here on")
	}
	seen := map[string]bool{}
	for _, item := range n.Content {
		r.Check(item, *f.items, "an item of "+what)
		if item.Kind != yaml.ScalarNode || r.bad[item] || f.secret {
			continue
		}
		if seen[item.Value] {
			r.Reject(item, fmt.Sprintf("%q is repeated", item.Value), "leave it out")
		}
		seen[item.Value] = true
	}
	r.least(n, len(n.Content), f.least, what)
}

func (r *Reader) least(n *yaml.Node, count, least int, what string) {
	if count < least {
		r.Reject(n, what+" is empty", "it needs at least one")
	}
}

func (r *Reader) scalar(n *yaml.Node, s Scalar, what string) {
	switch {
	case r.bad[n]:
	case n.Kind != yaml.ScalarNode:
		r.Reject(n, fmt.Sprintf("%s is %s, and this is %s", what, s.What, describe(n)), "")
	case s.Number:
		r.number(n, s, what)
	case s.Any && n.ShortTag() != "!!null":
		r.text(n, s, what)
	case n.ShortTag() != "!!str" && s.Check != nil && n.ShortTag() == "!!int":
		r.text(n, s, what) // its own message says what a bare number lacks
	case n.ShortTag() != "!!str":
		r.Reject(n, fmt.Sprintf("%s is %s, and this is %s", what, s.What, describe(n)), "")
	default:
		r.text(n, s, what)
	}
}

func (r *Reader) number(n *yaml.Node, s Scalar, what string) {
	switch digits := strings.TrimLeft(n.Value, "0123456789"); {
	case n.ShortTag() != "!!int" && (n.ShortTag() != "!!str" || digits != "" || n.Value == ""):
		r.Reject(n, fmt.Sprintf("%s is a number, and this is %s", what, describe(n)), "")
		return
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		r.Reject(n, what+" is a number, and this is text", "write it without quotes")
		return
	case len(n.Value) > 1 && n.Value[0] == '0' && digits == "":
		r.Reject(n, what+" is written with a leading zero", "many programs read that as octal: remove the zero")
		return
	}
	if v, err := strconv.Atoi(n.Value); err == nil && IsNumber(n.Value) && v >= s.Min && v <= s.Max {
		return
	}
	if s.Min == s.Max {
		r.Reject(n, fmt.Sprintf("%s %q is unknown", what, n.Value), fmt.Sprintf("write %d", s.Min))
		return
	}
	r.Reject(n, fmt.Sprintf("%s is out of range", what), fmt.Sprintf("write %s from %d to %d", s.What, s.Min, s.Max))
}

func (r *Reader) text(n *yaml.Node, s Scalar, what string) {
	switch {
	case s.Enum != nil && !slices.Contains(s.Enum, n.Value):
		r.Unknown(n, what+" can't be %q", s.Enum)
	case s.Check != nil:
		why, remedy := s.Check(n.Value)
		if s.Defined && why != "" && r.Defines(n.Value) {
			return
		}
		if why == "" && n.ShortTag() != "!!str" && !s.Any {
			why, remedy = "YAML reads it as a number", "write it in quotes"
		}
		if why == "" {
			return
		}
		if near, ok := Nearest(n.Value, r.hints(s)); ok {
			remedy = DidYouMean(near)
		}
		subject := strconv.Quote(n.Value) + " is not " + s.What
		if s.Secret {
			subject = "this is not " + s.What
		}
		r.Reject(n, subject+": "+why, remedy)
	}
}

// hints are words that may have been meant.
func (r *Reader) hints(s Scalar) []string {
	if s.Defined {
		return slices.Concat(s.Hints, r.defined)
	}
	return s.Hints
}
