package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Detect finds out which format a file has: by what is in it, and by the extension of its name
// where that fits more than one format or none. The error says which formats there are to choose
// from with --format.
func Detect(name string, data []byte) (Format, error) {
	fits := contents(data)
	if len(fits) == 1 {
		return fits[0], nil
	}
	guess := extension(name)
	if len(fits) == 0 && len(bytes.TrimSpace(data)) == 0 {
		return "", fmt.Errorf("%s: it is empty", name)
	}
	for _, f := range guess {
		if len(fits) == 0 || slices.Contains(fits, f) {
			return f, nil
		}
	}
	if len(fits) == 0 {
		return "", fmt.Errorf("%s: its format is unknown: choose it with --format %s", name, words(Formats()))
	}
	return "", fmt.Errorf("%s: it could be %s: choose it with --format %s", name, words(fits), words(fits))
}

func words(formats []Format) string {
	var out []string
	for _, f := range formats {
		out = append(out, string(f))
	}
	if len(out) == 1 {
		return out[0]
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

// extension returns what a name promises. Binary formats always show in their first bytes.
func extension(name string) []Format {
	base := path.Base(strings.ReplaceAll(strings.ToLower(name), `\`, "/"))
	switch path.Ext(base) {
	case ".ini", ".cfg", ".inventory":
		return []Format{AnsibleINI}
	case ".yml", ".yaml":
		return []Format{AnsibleYAML}
	case ".csv", ".tsv":
		return []Format{CSV, NetBoxCSV}
	case ".json":
		return []Format{NetBoxJSON, AnsibleYAML}
	case "":
		if base == "hosts" || base == "inventory" {
			return []Format{AnsibleINI}
		}
	}
	return nil
}

// contents returns the formats that a content fits.
func contents(data []byte) []Format {
	switch {
	case bytes.HasPrefix(data, []byte(magicCDB)), bytes.HasPrefix(data, []byte(magicEncrypted)):
		return []Format{WinBoxCDB}
	case bytes.HasPrefix(data, []byte(magicWBX)):
		return []Format{WinBoxWBX}
	}
	// The beginning is enough to tell, except for JSON and YAML, which are looked at whole.
	text, _, err := decodeText(data[:min(len(data), maxYAML)])
	if err != nil {
		return nil
	}
	if f, ok := jsonFormat(text); ok {
		return []Format{f}
	}
	var out []Format
	if looksLikeINI(text) {
		out = append(out, AnsibleINI)
	}
	if f, ok := tableFormat(text); ok {
		out = append(out, f)
	}
	// A file that is one of the others can hardly be an inventory in YAML, and parsing is dear.
	if len(out) == 0 && looksLikeYAML(text) {
		out = append(out, AnsibleYAML)
	}
	return out
}

// jsonFormat tells NetBox's answers from inventories in JSON form. The text may have been cut off.
func jsonFormat(text string) (Format, bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	switch start, _ := decoder.Token(); start {
	case json.Delim('['):
		first, _ := decoder.Token()
		return NetBoxJSON, first == json.Delim('{') || first == json.Delim(']')
	case json.Delim('{'):
	default:
		return "", false
	}
	for decoder.More() {
		key, err := decoder.Token()
		if key == "results" {
			return NetBoxJSON, true
		}
		var raw json.RawMessage
		if err != nil || decoder.Decode(&raw) != nil {
			break
		}
		group := object(raw)
		for _, part := range groupKeys() {
			if _, ok := group[part]; ok || key == "_meta" {
				return AnsibleYAML, true
			}
		}
	}
	return "", false
}

func groupKeys() []string { return []string{"hosts", "vars", "children"} }

// looksLikeINI looks for a line that is a section.
func looksLikeINI(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] == '[' && section.MatchString(line) {
			return true
		}
	}
	return false
}

// tableFormat looks at the first line: a table names a column of addresses and one more that is
// known.
func tableFormat(text string) (Format, bool) {
	rest, delimiter, _ := dialect(text)
	header := headerOf(rest, delimiter)
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(header, name) })
	}
	known := 0
	for _, name := range header {
		if isKnownColumn(name) {
			known++
		}
	}
	switch {
	case len(header) < 2 || known < 2 || !has(addressColumns()...):
		return "", false
	case has("name") && has("status") && has("manufacturer", "device type", "role", "device role", "tenant") && has("site"):
		return NetBoxCSV, true
	}
	return CSV, true
}

var errNotYAML = errors.New("not YAML")

// looksLikeYAML looks for groups in the first document.
func looksLikeYAML(text string) bool {
	root, err := yamlRoot(text)
	if err != nil {
		return false
	}
	for i := 1; i < len(root.Content); i += 2 {
		group := follow(root.Content[i])
		if group.Kind != yaml.MappingNode {
			continue
		}
		for j := 0; j < len(group.Content); j += 2 {
			if slices.Contains(groupKeys(), group.Content[j].Value) {
				return true
			}
		}
	}
	return false
}

func yamlRoot(text string) (*yaml.Node, error) {
	root, _, err := parseYAML([]byte(text))
	if err != nil {
		return nil, err
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, errNotYAML
	}
	return root, nil
}
