package form

import "go.yaml.in/yaml/v3"

// Place is a position in a file; lines and columns count from 1, columns in characters.
type Place struct{ Line, Column int }

// Places finds the positions of the keys of a file, by their path: doors.admin.knock. A file that
// is not YAML, or too large, has none.
func (d Document) Places(data []byte) map[string]Place {
	var root yaml.Node
	if len(data) > d.MaxBytes || yaml.Unmarshal(data, &root) != nil {
		return nil
	}
	places := map[string]Place{}
	var walk func(path string, n *yaml.Node, depth int)
	walk = func(path string, n *yaml.Node, depth int) {
		const deepest = 8 // no key is nested deeper
		if n.Kind != yaml.MappingNode || depth > deepest {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, name := n.Content[i], n.Content[i].Value
			if path != "" {
				name = path + "." + name
			}
			places[name] = Place{key.Line, key.Column}
			walk(name, n.Content[i+1], depth+1)
		}
	}
	if len(root.Content) > 0 {
		walk("", root.Content[0], 0)
	}
	return places
}
