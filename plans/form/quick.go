package form

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// QuickYAML reads the part of YAML that long files are written in: block mappings of plain
// or quoted keys, lists, and flow mappings and lists on one line, of scalars on one line. It makes
// the nodes that the YAML library would make, in a tenth of the time, with their lines, and the
// columns of what follows a key in a block; values are parts of the text. At anything else it gives
// up, and the library has to read the file: so it never says what is wrong.
type QuickYAML struct {
	text string
	at   int // where the next line begins
	line int // its number, from 1
	pool []*yaml.Node
	used int

	// The line that was peeked, where peeked is at.
	peeked  int
	indent  int
	content string
}

// NewQuickYAML returns a reader of a text; false where the text holds characters that may mean more
// to YAML than themselves.
func NewQuickYAML(text string) (*QuickYAML, bool) {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < ' ' && c != '\n' || c == 0x7f {
				return nil, false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError || r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufeff' || r >= 0xfffe && r <= 0xffff {
			return nil, false
		}
		i += size
	}
	return QuickYAMLAt(text, 0, 1), true
}

// QuickYAMLAt returns a reader that begins in the middle of a text, where a line begins.
func QuickYAMLAt(text string, at, line int) *QuickYAML {
	return &QuickYAML{text: text, at: at, line: line, peeked: -1}
}

// Place returns where the next line begins, in bytes, and its number, from 1.
func (q *QuickYAML) Place() (at, line int) { return q.at, q.line }

// Mark returns what [QuickYAML.Reset] goes back to.
func (q *QuickYAML) Mark() int { return q.used }

// Reset lets go of the nodes made since a mark: they are used again for those to come.
func (q *QuickYAML) Reset(mark int) { q.used = mark }

// Peek returns the next line that holds anything, from its first character on, and how far that is
// indented; -1 at the end of the text.
func (q *QuickYAML) Peek() (indent int, content string) {
	if q.peeked == q.at {
		return q.indent, q.content
	}
	for q.at < len(q.text) {
		line := q.text[q.at:]
		if end := strings.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		for indent = 0; indent < len(line) && line[indent] == ' '; {
			indent++
		}
		if indent < len(line) && line[indent] != '#' {
			q.peeked, q.indent, q.content = q.at, indent, line[indent:]
			return indent, line[indent:]
		}
		q.Skip(len(line))
	}
	return -1, ""
}

// Skip goes on behind a line of so many bytes.
func (q *QuickYAML) Skip(length int) {
	q.at += length + 1
	q.line++
}

// Mapping reads the entries of a block mapping and hands each on. It returns false where it gives
// up, or visit does.
func (q *QuickYAML) Mapping(indent int, visit func(key, value *yaml.Node) bool) bool {
	for {
		in, content := q.Peek()
		switch {
		case in < indent:
			return true
		case in > indent:
			return false
		}
		key, value := q.Entry(indent, content)
		if value == nil || !visit(key, value) {
			return false
		}
	}
}

// block reads a block mapping as a node; nil where it gives up.
func (q *QuickYAML) block(indent int) *yaml.Node {
	n := q.node(yaml.MappingNode, "!!map", "", 0, q.line)
	n.Column = indent + 1
	if !q.Mapping(indent, func(key, value *yaml.Node) bool {
		n.Content = append(n.Content, key, value)
		return true
	}) {
		return nil
	}
	return n
}

func (q *QuickYAML) node(k yaml.Kind, tag, value string, style yaml.Style, line int) *yaml.Node {
	if q.used == len(q.pool) {
		chunk := make([]yaml.Node, min(8+len(q.pool), 256))
		for i := range chunk {
			q.pool = append(q.pool, &chunk[i])
		}
	}
	n := q.pool[q.used]
	q.used++
	*n = yaml.Node{Kind: k, Tag: tag, Value: value, Style: style, Line: line, Content: n.Content[:0]}
	return n
}

// Entry reads a key, which stands in the line that was peeked, and its value; nil where it gives
// up.
func (q *QuickYAML) Entry(indent int, content string) (key, value *yaml.Node) {
	key, rest := q.key(content)
	if key == nil || rest != "" && rest[0] != ' ' {
		return nil, nil
	}
	line := q.line
	q.Skip(indent + len(content))
	if text := strings.TrimLeft(rest, " "); text != "" && text[0] != '#' {
		value = q.inline(text, line)
		if in, _ := q.Peek(); value == nil || in > indent { // it may go on there
			return nil, nil
		}
		value.Column = indent + utf8.RuneCountInString(content[:len(content)-len(text)]) + 1
		return key, value
	}
	switch in, content := q.Peek(); {
	case in >= indent && strings.HasPrefix(content, "- "):
		return key, q.list(in, in == indent)
	case in > indent:
		return key, q.block(in)
	}
	return nil, nil // nothing, which YAML has a value for
}

// list reads a block list of scalars and flows; nil where it gives up. Below a key of the same
// indentation it ends where the next key begins.
func (q *QuickYAML) list(indent int, sameAsKey bool) *yaml.Node {
	n := q.node(yaml.SequenceNode, "!!seq", "", 0, q.line)
	for {
		in, content := q.Peek()
		switch item := strings.HasPrefix(content, "- "); {
		case in > indent, in == indent && !item && !sameAsKey:
			return nil
		case in < indent, !item:
			return n
		}
		text, line := strings.TrimLeft(content[2:], " "), q.line
		q.Skip(indent + len(content))
		if text == "" {
			return nil
		}
		value := q.inline(text, line)
		if value == nil {
			return nil
		}
		n.Content = append(n.Content, value)
	}
}

// key reads a key up to its colon and returns what stands behind.
func (q *QuickYAML) key(text string) (key *yaml.Node, rest string) {
	if text[0] == '"' || text[0] == '\'' {
		key, rest = q.quoted(text, q.line)
	} else {
		end := 0
		for end < len(text) && (isWord(text[end]) || end > 0 && strings.IndexByte("./-", text[end]) >= 0) {
			end++
		}
		if end > 0 {
			key, rest = q.node(yaml.ScalarNode, "", text[:end], 0, q.line), text[end:]
		}
	}
	const longest = 1000 // of a key, for YAML
	rest, colon := strings.CutPrefix(rest, ":")
	if key == nil || !colon || len(key.Value) > longest {
		return nil, ""
	}
	return key, rest
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// inline reads a value on one line; nil where it gives up.
func (q *QuickYAML) inline(text string, line int) *yaml.Node {
	var n *yaml.Node
	var rest string
	switch text[0] {
	case '{', '[':
		n, rest = q.flow(text, line, 0)
	case '"', '\'':
		n, rest = q.quoted(text, line)
	default:
		return q.plain(text, line)
	}
	if behind := strings.TrimLeft(rest, " "); behind != "" && (behind[0] != '#' || rest[0] != ' ') {
		return nil
	}
	return n
}

// plain reads a plain scalar of a block.
func (q *QuickYAML) plain(text string, line int) *yaml.Node {
	if comment := strings.Index(text, " #"); comment >= 0 {
		text = text[:comment]
	}
	text = strings.TrimRight(text, " ")
	if strings.IndexByte("-?:,[]{}#&*!|>'\"%@`", text[0]) >= 0 || strings.Contains(text, ": ") || text[len(text)-1] == ':' {
		return nil
	}
	return q.node(yaml.ScalarNode, "", text, 0, line)
}

// quoted reads a scalar in quotes that has no escapes in it.
func (q *QuickYAML) quoted(text string, line int) (n *yaml.Node, rest string) {
	style := yaml.SingleQuotedStyle
	if text[0] == '"' {
		style = yaml.DoubleQuotedStyle
	}
	end := strings.IndexByte(text[1:], text[0]) + 1
	if end == 0 || style == yaml.DoubleQuotedStyle && strings.IndexByte(text[:end], '\\') >= 0 {
		return nil, ""
	}
	if rest = text[end+1:]; rest != "" && rest[0] == text[0] {
		return nil, ""
	}
	return q.node(yaml.ScalarNode, "!!str", text[1:end], style, line), rest
}

// deepest is how deep flows are read.
const deepest = 8

// flow reads a flow mapping or list and returns what stands behind it.
func (q *QuickYAML) flow(text string, line, depth int) (n *yaml.Node, rest string) {
	closing := byte('}')
	if text[0] == '[' {
		n, closing = q.node(yaml.SequenceNode, "!!seq", "", yaml.FlowStyle, line), ']'
	} else {
		n = q.node(yaml.MappingNode, "!!map", "", yaml.FlowStyle, line)
	}
	text = strings.TrimLeft(text[1:], " ")
	for first := true; ; first = false {
		if text == "" || depth > deepest {
			return nil, ""
		}
		if first && text[0] == closing {
			return n, text[1:]
		}
		if closing == '}' {
			key, behind := q.key(text)
			value := strings.TrimLeft(behind, " ")
			if key == nil || value == "" || value == behind {
				return nil, ""
			}
			n.Content, text = append(n.Content, key), value
		}
		value, behind := q.flowValue(text, line, depth)
		if value == nil || behind == "" {
			return nil, ""
		}
		n.Content = append(n.Content, value)
		switch behind = strings.TrimLeft(behind, " "); {
		case behind == "":
			return nil, ""
		case behind[0] == closing:
			return n, behind[1:]
		case behind[0] != ',':
			return nil, ""
		}
		text = strings.TrimLeft(behind[1:], " ")
	}
}

func (q *QuickYAML) flowValue(text string, line, depth int) (n *yaml.Node, rest string) {
	switch c := text[0]; {
	case c == '{', c == '[':
		return q.flow(text, line, depth+1)
	case c == '"', c == '\'':
		return q.quoted(text, line)
	case !isWord(c) && strings.IndexByte("./~", c) < 0:
		return nil, ""
	}
	end := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case isWord(c), strings.IndexByte("./~+@=-", c) >= 0:
			end = i + 1
		case c == ':' && i+1 < len(text) && isWord(text[i+1]):
		case c == ' ':
		case c == ',', c == ']', c == '}':
			return q.node(yaml.ScalarNode, "", text[:end], 0, line), text[end:]
		default:
			return nil, ""
		}
	}
	return nil, ""
}
