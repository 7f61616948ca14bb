package foreign

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	errYAMLSize  = errors.New("larger than 16 MiB, the most that is read of YAML: split the file")
	errAliases   = errors.New("its aliases stand for more than 100,000 values, or for themselves: write them out")
	errYAMLDepth = errors.New("its values are nested more than 200 deep")
	errNoGroups  = errors.New("it is not an Ansible inventory: one is a mapping of groups such as all")
	errPlugin    = errors.New("it configures an inventory plugin and holds no hosts itself: run ansible-inventory -i FILE --list --yaml and read what that prints")
	errScript    = errors.New("it is the answer of an inventory script: run ansible-inventory -i FILE --list --yaml and read what that prints")
	errTag       = errors.New("a value with a tag that is not known")
)

// yamlReader walks the nodes of an inventory. Values are never decoded: nodes know their lines and
// tags.
type yamlReader struct {
	inv *inventory
}

// readAnsibleYAML reads an inventory as Ansible's yaml plugin does. JSON of the same shape is YAML
// too.
func readAnsibleYAML(c *collector, data []byte) error {
	if len(data) > maxYAML {
		return errYAMLSize
	}
	root, more, err := parseYAML(data)
	if err != nil {
		return err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return errNoGroups
	}
	if err := measure(root); err != nil {
		return err
	}
	if more {
		c.skip(c.at(1), "the second document", "Ansible reads only the first of a file")
	}
	r := &yamlReader{inv: newInventory(c)}
	pairs := r.pairs(root)
	for _, p := range pairs {
		switch p.key.Value {
		case "plugin":
			return errPlugin
		case "_meta":
			return errScript
		}
	}
	for _, p := range pairs {
		r.group(p.key, p.value, nil)
		if err := r.inv.full(); err != nil {
			return err
		}
	}
	return r.inv.finish()
}

// parseYAML returns the first document, and whether another one follows. Messages of the parser
// that could quote the file are replaced.
func parseYAML(data []byte) (root *yaml.Node, more bool, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, false, nil
	case err != nil && strings.Contains(err.Error(), "anchor"):
		return nil, false, errors.New("an alias has no anchor")
	case err != nil:
		return nil, false, err
	case len(doc.Content) == 0:
		return nil, false, nil
	}
	return doc.Content[0], !errors.Is(decoder.Decode(&second), io.EOF), nil
}

// measure refuses documents whose aliases stand for more than a list of routers needs. Everything
// after it may follow aliases freely.
func measure(root *yaml.Node) error {
	aliased := 0
	var visit func(n *yaml.Node, depth int, within bool) error
	visit = func(n *yaml.Node, depth int, within bool) error {
		if depth > maxDepth {
			if within {
				return errAliases
			}
			return errYAMLDepth
		}
		if n.Kind == yaml.AliasNode {
			n, within = n.Alias, true
		}
		if within {
			if aliased++; aliased > maxAliased {
				return errAliases
			}
		}
		for _, child := range n.Content {
			if err := visit(child, depth+1, within); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(root, 0, false)
}

// pair is one entry of a mapping, with its alias followed.
type pair struct{ key, value *yaml.Node }

// pairs returns the entries of a mapping with those of merge keys. An entry of the mapping itself
// hides merged ones, and the last of two equal keys counts.
func (r *yamlReader) pairs(n *yaml.Node) []pair {
	var own, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := follow(n.Content[i]), follow(n.Content[i+1])
		if key.Tag != "!!merge" {
			own = append(own, pair{key, value})
			continue
		}
		sources := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, source := range sources {
			if source = follow(source); source.Kind == yaml.MappingNode {
				merged = append(merged, r.pairs(source)...)
			}
		}
	}
	last := map[string]int{}
	for i, p := range own {
		if _, twice := last[p.key.Value]; twice {
			r.skip(p.key, "a key", "it stands there twice: the last one counts")
		}
		last[p.key.Value] = i
	}
	var out []pair
	for i, p := range own {
		if last[p.key.Value] == i {
			out = append(out, p)
		}
	}
	for _, p := range merged {
		if _, hidden := last[p.key.Value]; !hidden {
			last[p.key.Value] = -1
			out = append(out, p)
		}
	}
	return out
}

func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (r *yamlReader) skip(n *yaml.Node, what, why string) { r.inv.c.skip(r.place(n), what, why) }

func (r *yamlReader) place(n *yaml.Node) string { return r.inv.c.at(n.Line) }

// group reads a group and what is in it.
func (r *yamlReader) group(key, value *yaml.Node, parent *group) {
	if key.Kind != yaml.ScalarNode || key.Value == "" {
		r.skip(key, "a group", "its name is not a text")
		return
	}
	name := "group " + cleanName(key.Value)
	if value.Kind != yaml.MappingNode && !isNull(value) {
		r.skip(key, name, "it is not a mapping of hosts, vars and children")
		return
	}
	g := r.inv.group(key.Value, r.place(key))
	if parent != nil {
		r.inv.child(parent, g)
	}
	if isNull(value) {
		return
	}
	for _, p := range r.pairs(value) {
		switch p.key.Value {
		case "vars", "hosts", "children":
			r.part(g, p)
		default:
			r.skip(p.key, name, "a key of it is neither hosts, vars nor children: Ansible leaves it out too")
		}
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// part reads the hosts, vars or children of a group.
func (r *yamlReader) part(g *group, p pair) {
	entries := []pair{{p.value, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}}}
	switch {
	case isNull(p.value):
		return
	case p.value.Kind == yaml.MappingNode:
		entries = r.pairs(p.value)
	case p.value.Kind != yaml.ScalarNode || p.key.Value == "vars":
		r.skip(p.key, "the "+p.key.Value+" of group "+cleanName(g.name), "they are not a mapping: write each as name: with a colon behind it")
		return
	}
	for _, e := range entries {
		switch p.key.Value {
		case "vars":
			r.variable(g.vars, g.name, e)
		case "children":
			r.group(e.key, e.value, g)
		default:
			r.host(g, e)
		}
		if r.inv.full() != nil {
			return
		}
	}
}

func (r *yamlReader) host(g *group, p pair) {
	if p.key.Kind != yaml.ScalarNode {
		r.skip(p.key, "a host", "its name is not a text")
		return
	}
	hosts, port, err := r.inv.expand(p.key.Value)
	if err != nil {
		r.skip(p.key, "a host", err.Error())
		return
	}
	if port {
		r.skip(p.key, "a host", "the port behind its name is that of SSH, not of the API: write api_port to set that one")
	}
	var entries []pair
	switch {
	case p.value.Kind == yaml.MappingNode:
		entries = r.pairs(p.value)
	case !isNull(p.value):
		r.skip(p.key, cleanName(hosts[0]), "its variables are not a mapping: they were left out")
	}
	if !r.inv.afford(len(hosts), len(entries)) {
		r.skip(p.key, "a host", errWork.Error())
		return
	}
	for i, name := range hosts {
		before, dropped := len(r.inv.c.skipped), r.inv.c.dropped
		h := r.inv.host(name, r.place(p.key), g)
		for _, e := range entries {
			r.variable(h.vars, hosts[0], e)
		}
		if i > 0 { // only the first host of a range speaks of what is left out
			r.inv.c.skipped, r.inv.c.dropped = r.inv.c.skipped[:before], dropped
		}
		if r.inv.full() != nil {
			return
		}
	}
}

// variable takes a scalar. What is encrypted, nested or made by a tag is left out.
func (r *yamlReader) variable(into vars, owner string, p pair) {
	name, what := p.key.Value, of(cleanName(owner), p.key.Value)
	switch {
	case p.key.Kind != yaml.ScalarNode || name == "":
		r.skip(p.key, what, "its name is not a text")
	case isSecretName(name) || strings.HasPrefix(p.value.Tag, "!vault"):
		r.inv.c.secret(r.place(p.key), what)
	case p.value.Kind != yaml.ScalarNode:
		r.skip(p.key, what, "a list or mapping: only texts and numbers are taken over")
	case isNull(p.value):
	case p.value.Tag != "!unsafe" && !strings.HasPrefix(p.value.Tag, "!!"):
		r.skip(p.key, what, errTag.Error())
	default:
		r.inv.set(into, r.place(p.key), owner, name, p.value.Value, p.value.Tag == "!unsafe")
	}
}
