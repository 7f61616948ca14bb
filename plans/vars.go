package plans

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const varPattern = `^[a-z][a-z0-9_-]{0,31}$`

var (
	varName = regexp.MustCompile(varPattern)
	varUse  = regexp.MustCompile(`\$\{([^{}]*)\}`)
)

// Variables returns the names of the variables that a plan uses, sorted, each once; none if the
// plan can't be read.
func Variables(data []byte) []string {
	w := newWalker("", data, planKind())
	root := w.parse(data)
	var names []string
	visit(root, func(n *yaml.Node) {
		for _, m := range varUse.FindAllStringSubmatch(n.Value, -1) {
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

// expand inserts the values of variables. Keys allow none: the names of doors would differ from
// router to router.
func (w *walker) expand(n *yaml.Node, vars map[string]string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; strings.Contains(key.Value, "${") {
				w.add(key, "a key takes no variable", "write the full name")
			}
			w.expand(n.Content[i+1], vars)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			w.expand(c, vars)
		}
	case yaml.ScalarNode:
		w.expandScalar(n, vars)
	}
}

func (w *walker) expandScalar(n *yaml.Node, vars map[string]string) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	text := varUse.ReplaceAllStringFunc(n.Value, func(use string) string {
		name := use[2 : len(use)-1]
		value, known := vars[name]
		switch {
		case known:
		case !varName.MatchString(name):
			w.add(n, fmt.Sprintf("%q is not a variable", use), "the name of one is made of a-z, 0-9, _ and -, and begins with a letter")
		default:
			w.add(n, fmt.Sprintf("the variable %q has no value", name), missing(name, vars))
		}
		return value
	})
	if strings.Contains(varUse.ReplaceAllString(n.Value, ""), "${") {
		w.add(n, "a variable is not closed", "write ${name}")
	}
	n.Value = text
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		n.Tag = "" // an inserted number is a number
	}
}

func missing(name string, vars map[string]string) string {
	names := make([]string, 0, len(vars))
	for known := range vars {
		names = append(names, known)
	}
	slices.Sort(names)
	if near, ok := nearest(name, names); ok {
		return didYouMean(near)
	}
	return fmt.Sprintf("give it one in the vars of the inventory, or with --var %s=VALUE", name)
}
