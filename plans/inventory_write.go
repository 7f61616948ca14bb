package plans

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/routeros"
)

// Draft is an inventory to be written, such as one made from another program's list.
type Draft struct {
	// Groups are the variables of each group.
	Groups  map[string]map[string]string
	Routers []DraftRouter
}

// DraftRouter is one router of a draft. Note becomes a comment.
type DraftRouter struct {
	Name, Site, Address, User string
	Groups, Tags              []string
	Vars                      map[string]string
	Note                      string
}

// WriteInventory prints an inventory as YAML, as [ReadInventory] reads it.
func WriteInventory(d Draft) []byte {
	root := &yaml.Node{Kind: yaml.MappingNode}
	put(root, "version", integer(1))
	groups := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(d.Groups)) {
		n := fields("vars", varsNode(d.Groups[name]))
		n.Style = yaml.FlowStyle
		groups.Content = append(groups.Content, text(name), n) // put leaves out what is empty, and a group has to be there
	}
	if len(groups.Content) > 0 {
		put(root, "groups", groups)
	}
	routers := &yaml.Node{Kind: yaml.MappingNode}
	for _, r := range d.Routers {
		n := fields("address", text(r.Address))
		if r.Site != "" {
			put(n, "site", text(r.Site))
		}
		if r.User != "" {
			put(n, "user", text(r.User))
		}
		for _, list := range []struct {
			key   string
			words []string
		}{{"groups", r.Groups}, {"tags", r.Tags}} {
			if len(list.words) > 0 {
				put(n, list.key, texts(list.words))
			}
		}
		if len(r.Vars) > 0 {
			put(n, "vars", varsNode(r.Vars))
		}
		n.Style = yaml.FlowStyle
		n.LineComment = comment(r.Note)
		put(routers, r.Name, n)
	}
	put(root, "routers", routers)
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	// A tree of plain nodes always encodes, and a buffer takes every write.
	_ = e.Encode(root)
	_ = e.Close()
	return b.Bytes()
}

// varsNode prints variables as text, so that 010 stays what it is.
func varsNode(vars map[string]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		put(n, name, text(vars[name]))
	}
	return n
}

// mostNote is how many characters of a note are written.
const mostNote = 1000

// comment makes a YAML comment of a note: one line.
func comment(note string) string {
	line := strings.TrimSpace(routeros.Visible(note, mostNote))
	if line == "" {
		return ""
	}
	return "# " + line
}
