package routeros

import (
	"slices"
	"strings"
)

// Command is one sentence to the router: a command word, attributes, queries. Attributes keep
// their order, since a person reads them; the router doesn't care (routeros-facts § 1.1). The
// order of queries has meaning.
type Command struct {
	Path    string // the command word: /ip/firewall/filter/add
	Attrs   []Attribute
	Queries []string // without the question mark: "list=trusted", "-comment", "#!"
}

// NewCommand returns a command with attributes from alternating names and values.
func NewCommand(path string, pairs ...string) Command {
	if len(pairs)%2 != 0 {
		panic("routeros: a command needs a value for every attribute")
	}
	c := Command{Path: path}
	for i := 0; i < len(pairs); i += 2 {
		c.Attrs = append(c.Attrs, Attribute{pairs[i], pairs[i+1]})
	}
	return c
}

// Print returns a print of a menu. With names, it requests only these columns; .id has to be
// named too (routeros-facts § 1.5).
func Print(m Menu, names ...string) Command {
	c := Command{Path: m.Verb("print")}
	if len(names) > 0 {
		c.Attrs = []Attribute{{".proplist", strings.Join(names, ",")}}
	}
	return c
}

// Where returns the command with queries added; consecutive queries must all hold.
func (c Command) Where(queries ...string) Command {
	c.Queries = slices.Concat(c.Queries, queries)
	return c
}

// Menu returns the command's menu, the path without its verb.
func (c Command) Menu() Menu {
	if i := strings.LastIndexByte(c.Path, '/'); i > 0 {
		return Menu(c.Path[:i])
	}
	return ""
}

// Verb returns the last element of the path: print, add, set.
func (c Command) Verb() string { return c.Path[strings.LastIndexByte(c.Path, '/')+1:] }

// Get returns the value of an attribute, or "".
func (c Command) Get(name string) string {
	for _, a := range c.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Words returns the words of the sentence, without the empty word that ends it.
func (c Command) Words() []string {
	words := make([]string, 0, 1+len(c.Attrs)+len(c.Queries))
	words = append(words, c.Path)
	for _, a := range c.Attrs {
		words = append(words, "="+a.Name+"="+a.Value)
	}
	for _, q := range c.Queries {
		words = append(words, "?"+q)
	}
	return words
}

// Redacted prints the command for logs and errors: names of all attributes, values only of those
// that can't hold a secret. Knock sequences (ports, sizes, contents) and passwords are secrets.
func (c Command) Redacted() string {
	var b strings.Builder
	b.WriteString(c.Path)
	for _, a := range c.Attrs {
		b.WriteByte(' ')
		b.WriteString(a.Name)
		b.WriteByte('=')
		if slices.Contains(openAttributes(), a.Name) {
			b.WriteString(Quote(a.Value))
		} else {
			b.WriteString("•••")
		}
	}
	for _, q := range c.Queries {
		name, _, _ := strings.Cut(strings.TrimLeft(q, "=-<>"), "=")
		b.WriteString(" ?" + name)
	}
	return b.String()
}

// openAttributes are the names whose values may be shown. It is an allow-list: unexpected
// attributes stay hidden.
func openAttributes() []string {
	return []string{
		".id", ".proplist", ".tag", "numbers", "destination", "place-before", "chain", "action", "jump-target",
		"disabled", "list", "address-list", "connection-state", "in-interface-list", "in-interface", "on-error", "count-only", "tag", "value-name",
	}
}
