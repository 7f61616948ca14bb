package form

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Reader holds a file while it is checked, and collects its problems.
type Reader struct {
	document Document
	file     string
	data     []byte
	lines    []string
	problems Problems
	bad      map[*yaml.Node]bool // values that nothing is built from
	secret   map[int]bool        // lines whose digits are masked in excerpts
	cut      map[int]int         // columns from which on a line is not shown at all
	defined  []string            // names that the file gives to things
}

// NewReader returns a reader of a file, whose name is only for messages.
func NewReader(file string, data []byte, d Document) *Reader {
	return &Reader{document: d, file: file, data: data, lines: strings.Split(string(data[:min(len(data), d.MaxBytes)]), "\n"),
		bad: map[*yaml.Node]bool{}, secret: map[int]bool{}, cut: map[int]int{}}
}

// File returns the name of the file.
func (r *Reader) File() string { return r.file }

// Define tells the names that the file itself gives to things, for scalars that are
// [Scalar.Defined].
func (r *Reader) Define(names []string) { r.defined = names }

// Defines reports whether the file gives a name to something.
func (r *Reader) Defines(name string) bool { return slices.Contains(r.defined, name) }

// Note notes a problem at a value. The value itself remains usable.
func (r *Reader) Note(n *yaml.Node, message, remedy string) { r.at(n.Line, n.Column, message, remedy) }

// at notes a problem at a place; the excerpt is added at the end, when all secrets are known.
func (r *Reader) at(line, column int, message, remedy string) {
	p := Problem{File: r.file, Line: max(line, 1), Column: max(column, 1), Message: maskPassword(message), Remedy: maskPassword(remedy)}
	r.problems = append(r.problems, p)
}

// Reject notes a problem with a value, from which nothing is built any more.
func (r *Reader) Reject(n *yaml.Node, message, remedy string) {
	r.bad[n] = true
	r.Note(n, message, remedy)
}

// Rejected reports whether a value has a problem.
func (r *Reader) Rejected(n *yaml.Node) bool { return r.bad[n] }

// Sound reports whether no problem was noted so far.
func (r *Reader) Sound() bool { return len(r.problems) == 0 }

// Problems returns the problems in order of place with their excerpts, or nil.
func (r *Reader) Problems() Problems {
	if r.Sound() {
		return nil
	}
	r.problems.sort()
	text := strings.Join(r.lines, "\n")
	for i := range r.problems {
		p := &r.problems[i]
		if p.Line <= len(r.lines) && strings.TrimSpace(r.lines[p.Line-1]) != "" {
			line := r.shown(p.Line)
			p.Excerpt = excerpt(line, p.Line, p.Column, r.secret[p.Line] && !r.document.HideWhole)
			if !r.document.HideWhole && (r.secret[p.Line] || sequenceText.MatchString(line)) {
				p.Message, p.Remedy = maskNumbersOf(text, p.Message), maskNumbersOf(text, p.Remedy)
			}
		}
	}
	return r.problems
}

// shown is the visible part of a line of the file.
func (r *Reader) shown(number int) string {
	line := r.lines[number-1]
	column, cut := r.cut[number]
	if text := []rune(strings.ToValidUTF8(line, "?")); cut && column-1 <= len(text) {
		return string(text[:column-1]) + "•••••"
	}
	return line
}

// Parse returns the mapping at the top of the file, or nil after noting why there is none. Anchors,
// aliases, merge keys and tags are noted as problems.
func (r *Reader) Parse() *yaml.Node {
	data := r.data
	if len(data) > r.document.MaxBytes {
		r.lines = nil
		r.at(1, 1, r.document.TooLarge, r.document.What+" is a short text; is this the right file?")
		return nil
	}
	if i := firstJunk(data); i >= 0 {
		before := data[:i]
		start := bytes.LastIndexByte(before, '\n') + 1
		r.at(bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[start:])+1,
			"the file is not UTF-8 text", "save it as UTF-8 without control characters")
		return nil
	}
	return r.firstDocument(yaml.NewDecoder(bytes.NewReader(data)))
}

// firstJunk returns the offset of the first byte that is not UTF-8 text, or -1.
func firstJunk(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		control := r < ' ' && r != '\n' && r != '\r' && r != '\t'
		if control || r == 0x7f || (r == utf8.RuneError && size == 1) {
			return i
		}
		i += size
	}
	return -1
}

func (r *Reader) firstDocument(decoder *yaml.Decoder) *yaml.Node {
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		r.at(1, 1, "the file is empty", r.document.Empty)
		return nil
	}
	if err != nil {
		r.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		r.Reject(&second, "the file holds a second document", "write "+r.document.What+" per file")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.Reject(root, r.document.What+" is a mapping, and this is "+describe(root), "begin with version: 1")
		return nil
	}
	r.plain(root)
	return root
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)`)

// syntax notes an error of the YAML parser. Its text can quote the file only where it names an
// unknown anchor or a tag, never a stage.
func (r *Reader) syntax(err error) {
	for i, line := range r.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && strings.TrimSpace(line) != "" {
			r.conceal(i+1, 1)
			r.at(i+1, tab+1, "a tab in the indentation", "indent with spaces")
			return
		}
	}
	line, message := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = min(n, len(r.lines))
		}
	}
	r.conceal(line, 1) // an unreadable line may hold anything
	remedy := ""
	if slices.ContainsFunc(r.lines, func(line string) bool { return strings.Contains(line, "${") }) {
		remedy = "inside [ ] and { } a value with a variable needs quotes, \"${name}\""
	}
	r.at(line, 1, "this is not YAML: "+strings.ReplaceAll(message, "\n", " "), remedy)
}

// plain reports YAML features with hidden effects: anchors, aliases, merge keys, tags. No file
// needs them, and refusing them leaves no expansion to bound.
func (r *Reader) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.Reject(n, "aliases are not read in "+r.document.Plural, "write the value out")
		return
	case n.Anchor != "":
		r.Reject(n, "anchors are not read in "+r.document.Plural, "leave it out")
	case n.Tag == "!!merge":
		r.Reject(n, "merge keys are not read in "+r.document.Plural, "write the keys out")
	case n.Style&yaml.TaggedStyle != 0:
		r.Reject(n, "tags are not read in "+r.document.Plural, "leave it out")
	}
	for _, c := range n.Content {
		r.plain(c)
	}
}

// Hide masks the lines of a value in excerpts.
func (r *Reader) Hide(n *yaml.Node) {
	last := n.Line + strings.Count(n.Value, "\n")
	for line, column := n.Line, n.Column; line <= last; line++ {
		r.conceal(line, column)
		column = 1
	}
	for _, c := range n.Content {
		r.Hide(c)
	}
}

// bury keeps a value out of excerpts completely.
func (r *Reader) bury(n *yaml.Node) {
	r.Hide(n)
	column := n.Column
	for line := n.Line; line <= n.Line+strings.Count(n.Value, "\n"); line++ {
		if before, cut := r.cut[line]; !cut || column < before {
			r.cut[line] = max(column, 1)
		}
		column = 1
	}
	for _, c := range n.Content {
		r.bury(c)
	}
}

// conceal keeps a line out of excerpts from a column on: its digits, or all of it.
func (r *Reader) conceal(line, column int) {
	r.secret[line] = true
	if before, cut := r.cut[line]; r.document.HideWhole && (!cut || column < before) {
		r.cut[line] = max(column, 1)
	}
}
