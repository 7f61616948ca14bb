package form

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const variablePattern = `^[a-z][a-z0-9_-]{0,31}$`

var (
	variableName = regexp.MustCompile(variablePattern)
	variableUse  = regexp.MustCompile(`\$\{([^{}]*)\}`)
)

// VariableScalar is the name of a variable.
func VariableScalar() Scalar {
	return Scalar{What: "a variable", Pattern: variablePattern, Check: func(text string) (string, string) {
		return CheckVariable(text), ""
	}}
}

// CheckVariable says what is wrong with the name of a variable; "" if it is valid.
func CheckVariable(name string) string {
	if variableName.MatchString(name) {
		return ""
	}
	return "the name of a variable is made of a-z, 0-9, _ and -, and begins with a letter"
}

// Variables returns the names of the variables that a file uses, sorted, each once; none if the
// file can't be read.
func (d Document) Variables(data []byte) []string {
	var names []string
	visit(NewReader("", data, d).Parse(), func(n *yaml.Node) {
		for _, m := range variableUse.FindAllStringSubmatch(n.Value, -1) {
			names = append(names, m[1])
		}
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// visit calls f for every scalar.
func visit(n *yaml.Node, f func(*yaml.Node)) {
	if n == nil {
		return
	}
	if n.Kind == yaml.ScalarNode {
		f(n)
	}
	for _, c := range n.Content {
		visit(c, f)
	}
}

// Expand inserts the values of variables, written ${name}, as text in their places: a value can't
// add keys or items. Keys allow none: the names of doors would differ from router to router. remedy
// says how to give a variable a value.
func (r *Reader) Expand(n *yaml.Node, vars map[string]string, remedy func(name string) string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; strings.Contains(key.Value, "${") {
				r.Reject(key, "a key takes no variable", "write the full name")
			}
			r.Expand(n.Content[i+1], vars, remedy)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			r.Expand(c, vars, remedy)
		}
	case yaml.ScalarNode:
		r.expandScalar(n, vars, remedy)
	}
}

func (r *Reader) expandScalar(n *yaml.Node, vars map[string]string, remedy func(name string) string) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	text := variableUse.ReplaceAllStringFunc(n.Value, func(use string) string {
		name := use[2 : len(use)-1]
		value, known := vars[name]
		switch {
		case known:
		case !variableName.MatchString(name):
			r.Reject(n, fmt.Sprintf("%q is not a variable", use), "the name of one is made of a-z, 0-9, _ and -, and begins with a letter")
		default:
			r.Reject(n, fmt.Sprintf("the variable %q has no value", name), nearestOr(name, vars, remedy))
		}
		return value
	})
	if strings.Contains(variableUse.ReplaceAllString(n.Value, ""), "${") {
		r.Reject(n, "a variable is not closed", "write ${name}")
	}
	n.Value = text
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		n.Tag = "" // an inserted number is a number
	}
}

// nearestOr is the remedy for a variable without a value: a name that was probably meant, or
// another.
func nearestOr(name string, vars map[string]string, remedy func(name string) string) string {
	names := make([]string, 0, len(vars))
	for known := range vars {
		names = append(names, known)
	}
	slices.Sort(names)
	if near, ok := Nearest(name, names); ok {
		return DidYouMean(near)
	}
	return remedy(name)
}
