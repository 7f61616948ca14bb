package inventory

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rosknock/rosknock/plans/form"
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

// Write prints an inventory as YAML, as [Read] reads it.
func Write(d Draft) []byte {
	root := &yaml.Node{Kind: yaml.MappingNode}
	form.Put(root, "version", form.Integer(1))
	groups := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(d.Groups)) {
		n := form.Keys("vars", varsNode(d.Groups[name]))
		n.Style = yaml.FlowStyle
		groups.Content = append(groups.Content, form.Text(name), n) // put leaves out what is empty, and a group has to be there
	}
	if len(groups.Content) > 0 {
		form.Put(root, "groups", groups)
	}
	routers := &yaml.Node{Kind: yaml.MappingNode}
	for _, r := range d.Routers {
		n := form.Keys("address", form.Text(r.Address))
		if r.Site != "" {
			form.Put(n, "site", form.Text(r.Site))
		}
		if r.User != "" {
			form.Put(n, "user", form.Text(r.User))
		}
		for _, list := range []struct {
			key   string
			words []string
		}{{"groups", r.Groups}, {"tags", r.Tags}} {
			if len(list.words) > 0 {
				form.Put(n, list.key, form.Texts(list.words))
			}
		}
		if len(r.Vars) > 0 {
			form.Put(n, "vars", varsNode(r.Vars))
		}
		n.Style = yaml.FlowStyle
		n.LineComment = comment(r.Note)
		form.Put(routers, r.Name, n)
	}
	form.Put(root, "routers", routers)
	return form.Encode(root)
}

// varsNode prints variables as text, so that 010 stays what it is.
func varsNode(vars map[string]string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		form.Put(n, name, form.Text(vars[name]))
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
