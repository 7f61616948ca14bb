package plans

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// kind holds the texts for messages about a kind of file.
type kind struct {
	what   string // "a plan"
	plural string
	most   int // bytes of the largest file that is parsed
	large  string
	empty  string
	// whole hides a secret value completely: unlike a knock, a password does not consist of digits
	// alone.
	whole bool
}

// planKind: a plan with a hundred doors takes 40 KiB.
func planKind() kind {
	return kind{what: "a plan", plural: "plans", most: 1 << 20,
		large: "the file is larger than 1 MiB", empty: "the smallest plan has a version, a name and one door; rosknock init writes one"}
}

// walker holds a file while it is checked. It never decodes values: nodes have their positions and
// their raw text, which decoding would lose (010 would become 8).
type walker struct {
	kind     kind
	file     string
	lines    []string
	problems Problems
	bad      map[*yaml.Node]bool // values that nothing is built from
	secret   map[int]bool        // lines whose digits are masked in excerpts
	cut      map[int]int         // columns from which on a line is not shown at all
	stages   map[*yaml.Node]Stage
	named    []string // what the plan's forwards are called
}

func newWalker(file string, data []byte, k kind) *walker {
	return &walker{kind: k, file: file, lines: strings.Split(string(data[:min(len(data), k.most)]), "\n"),
		bad: map[*yaml.Node]bool{}, secret: map[int]bool{}, cut: map[int]int{}, stages: map[*yaml.Node]Stage{}}
}

// at notes a problem at a place; the excerpt is added at the end, when all secrets are known.
func (w *walker) at(line, column int, message, remedy string) {
	p := Problem{File: w.file, Line: max(line, 1), Column: max(column, 1), Message: maskPassword(message), Remedy: maskPassword(remedy)}
	w.problems = append(w.problems, p)
}

func (w *walker) add(n *yaml.Node, message, remedy string) {
	w.bad[n] = true
	w.at(n.Line, n.Column, message, remedy)
}

// result returns the problems in order of place with their excerpts, or nil.
func (w *walker) result() error {
	if len(w.problems) == 0 {
		return nil
	}
	w.problems.sort()
	text := strings.Join(w.lines, "\n")
	for i := range w.problems {
		p := &w.problems[i]
		if p.Line <= len(w.lines) && strings.TrimSpace(w.lines[p.Line-1]) != "" {
			line := w.shown(p.Line)
			p.Excerpt = excerpt(line, p.Line, p.Column, w.secret[p.Line] && !w.kind.whole)
			if !w.kind.whole && (w.secret[p.Line] || sequenceText.MatchString(line)) {
				p.Message, p.Remedy = maskNumbersOf(text, p.Message), maskNumbersOf(text, p.Remedy)
			}
		}
	}
	return w.problems
}

// shown is the visible part of a line of the file.
func (w *walker) shown(number int) string {
	line := w.lines[number-1]
	column, cut := w.cut[number]
	if text := []rune(strings.ToValidUTF8(line, "?")); cut && column-1 <= len(text) {
		return string(text[:column-1]) + "•••••"
	}
	return line
}

// parse returns the mapping at the top of the file, or nil after noting why there is none.
func (w *walker) parse(data []byte) *yaml.Node {
	if len(data) > w.kind.most {
		w.lines = nil
		w.at(1, 1, w.kind.large, w.kind.what+" is a short text; is this the right file?")
		return nil
	}
	if i := firstJunk(data); i >= 0 {
		before := data[:i]
		start := bytes.LastIndexByte(before, '\n') + 1
		w.at(bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[start:])+1,
			"the file is not UTF-8 text", "save it as UTF-8 without control characters")
		return nil
	}
	return w.document(yaml.NewDecoder(bytes.NewReader(data)))
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

func (w *walker) document(decoder *yaml.Decoder) *yaml.Node {
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		w.at(1, 1, "the file is empty", w.kind.empty)
		return nil
	}
	if err != nil {
		w.syntax(err)
		return nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		w.add(&second, "the file holds a second document", "write "+w.kind.what+" per file")
	case !errors.Is(err, io.EOF):
		w.syntax(err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		w.add(root, w.kind.what+" is a mapping, and this is "+describe(root), "begin with version: 1")
		return nil
	}
	return root
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)`)

// syntax notes an error of the YAML parser. Its text can quote the file only where it names an
// unknown anchor or a tag, never a stage.
func (w *walker) syntax(err error) {
	for i, line := range w.lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 && strings.TrimSpace(line) != "" {
			w.conceal(i+1, 1)
			w.at(i+1, tab+1, "a tab in the indentation", "indent with spaces")
			return
		}
	}
	line, message := 1, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = min(n, len(w.lines))
		}
	}
	w.conceal(line, 1) // an unreadable line may hold anything
	remedy := ""
	if slices.ContainsFunc(w.lines, func(line string) bool { return strings.Contains(line, "${") }) {
		remedy = "inside [ ] and { } a value with a variable needs quotes, \"${name}\""
	}
	w.at(line, 1, "this is not YAML: "+strings.ReplaceAll(message, "\n", " "), remedy)
}

// plain reports YAML features with hidden effects: anchors, aliases, merge keys, tags. Plans don't
// need them, and refusing them leaves no expansion to bound.
func (w *walker) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		w.add(n, "aliases are not read in "+w.kind.plural, "write the value out")
		return
	case n.Anchor != "":
		w.add(n, "anchors are not read in "+w.kind.plural, "leave it out")
	case n.Tag == "!!merge":
		w.add(n, "merge keys are not read in "+w.kind.plural, "write the keys out")
	case n.Style&yaml.TaggedStyle != 0:
		w.add(n, "tags are not read in "+w.kind.plural, "leave it out")
	}
	for _, c := range n.Content {
		w.plain(c)
	}
}

// hide masks the lines of a value in excerpts.
func (w *walker) hide(n *yaml.Node) {
	last := n.Line + strings.Count(n.Value, "\n")
	for line, column := n.Line, n.Column; line <= last; line++ {
		w.conceal(line, column)
		column = 1
	}
	for _, c := range n.Content {
		w.hide(c)
	}
}

// bury keeps a value out of excerpts completely.
func (w *walker) bury(n *yaml.Node) {
	w.hide(n)
	column := n.Column
	for line := n.Line; line <= n.Line+strings.Count(n.Value, "\n"); line++ {
		if before, cut := w.cut[line]; !cut || column < before {
			w.cut[line] = max(column, 1)
		}
		column = 1
	}
	for _, c := range n.Content {
		w.bury(c)
	}
}

// conceal keeps a line out of excerpts from a column on: its digits, or all of it.
func (w *walker) conceal(line, column int) {
	w.secret[line] = true
	if before, cut := w.cut[line]; w.kind.whole && (!cut || column < before) {
		w.cut[line] = max(column, 1)
	}
}

// check compares a value with its form. what names the value in messages.
func (w *walker) check(n *yaml.Node, f form, what string) {
	if f.secret {
		w.hide(n)
	}
	if f.private {
		w.bury(n)
	}
	if w.bad[n] {
		return
	}
	switch f.kind {
	case mappingForm:
		w.mapping(n, f, what)
	case tableForm:
		w.table(n, f, what)
	case listForm:
		w.list(n, f, what)
	case choiceForm:
		if n.Kind == yaml.MappingNode && f.long.kind == mappingForm {
			w.mapping(n, *f.long, what)
			return
		}
		if n.Kind == yaml.SequenceNode && f.long.kind == listForm {
			w.list(n, *f.long, what)
			return
		}
		w.scalar(n, f.scalar, what)
	case scalarForm:
		w.scalar(n, f.scalar, what)
	}
}

func (w *walker) isKind(n *yaml.Node, want yaml.Kind, name, what string) bool {
	if n.Kind != want {
		w.add(n, fmt.Sprintf("%s is %s, and this is %s", what, name, describe(n)), "")
	}
	return n.Kind == want
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "empty"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "a number"
	case n.ShortTag() == "!!bool":
		return "true or false"
	}
	return "text"
}

// keys calls visit for each key that can be read and comes for the first time.
func (w *walker) keys(n *yaml.Node, visit func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if w.bad[key] {
			continue
		}
		if key.Kind != yaml.ScalarNode {
			w.add(key, "a key is one word, and this is "+describe(key), "")
			continue
		}
		if line, again := seen[key.Value]; again {
			w.add(key, fmt.Sprintf("key %q is repeated", key.Value), fmt.Sprintf("it is already in line %d", line))
			continue
		}
		seen[key.Value] = key.Line
		visit(key, value)
	}
}

func (w *walker) mapping(n *yaml.Node, f form, what string) {
	if !w.isKind(n, yaml.MappingNode, "a mapping", what) {
		return
	}
	present := map[string]bool{}
	w.keys(n, func(key, value *yaml.Node) {
		present[key.Value] = true
		k, known := f.field(key.Value)
		if !known {
			w.bury(value) // it may be a knock or a password under a misspelt key
			w.unknown(key, "unknown key %q", f.fieldNames())
			return
		}
		w.check(value, k.value, k.name)
	})
	w.either(n, f, present, what)
	for _, k := range f.fields {
		if k.required && !present[k.name] {
			w.at(n.Line, n.Column, fmt.Sprintf("%s lacks the key %q", what, k.name), strings.ToLower(k.about[:1])+strings.TrimSuffix(k.about[1:], "."))
		}
	}
}

// either requires exactly one of some keys.
func (w *walker) either(n *yaml.Node, f form, present map[string]bool, what string) {
	var given []string
	for _, name := range f.one {
		if present[name] {
			given = append(given, name)
		}
	}
	names := strings.Join(f.one, " or ")
	switch {
	case f.one == nil || len(given) == 1:
	case len(given) == 0:
		w.at(n.Line, n.Column, fmt.Sprintf("%s lacks the key %q", what, f.one[0]), "write "+names)
	default:
		w.at(n.Line, n.Column, fmt.Sprintf("%s has %s", what, strings.Join(given, " and ")), "write "+names)
	}
}

func (w *walker) unknown(n *yaml.Node, format string, words []string) {
	remedy := "write one of " + strings.Join(words, ", ")
	if near, ok := nearest(n.Value, words); ok {
		remedy = didYouMean(near)
	}
	w.add(n, fmt.Sprintf(format, n.Value), remedy)
}

func (w *walker) table(n *yaml.Node, f form, what string) {
	if !w.isKind(n, yaml.MappingNode, "a mapping of names", what) {
		return
	}
	w.keys(n, func(key, value *yaml.Node) {
		w.scalar(key, *f.names, "a name in "+what)
		w.check(value, *f.items, strings.TrimSuffix(what, "s")+" "+key.Value)
	})
	w.least(n, len(n.Content)/2, f.least, what)
}

func (w *walker) list(n *yaml.Node, f form, what string) {
	if !w.isKind(n, yaml.SequenceNode, "a list", what) {
		return
	}
	if f.most > 0 && len(n.Content) > f.most {
		w.add(n.Content[f.most], fmt.Sprintf("%s has %d items, and %d are the most", what, len(n.Content), f.most), "leave out what is from here on")
	}
	seen := map[string]bool{}
	for _, item := range n.Content {
		w.check(item, *f.items, "an item of "+what)
		if item.Kind != yaml.ScalarNode || w.bad[item] || f.secret {
			continue
		}
		if seen[item.Value] {
			w.add(item, fmt.Sprintf("%q is repeated", item.Value), "leave it out")
		}
		seen[item.Value] = true
	}
	w.least(n, len(n.Content), f.least, what)
}

func (w *walker) least(n *yaml.Node, count, least int, what string) {
	if count < least {
		w.add(n, what+" is empty", "it needs at least one")
	}
}

func (w *walker) scalar(n *yaml.Node, s scalar, what string) {
	switch {
	case w.bad[n]:
	case n.Kind != yaml.ScalarNode:
		w.add(n, fmt.Sprintf("%s is %s, and this is %s", what, s.what, describe(n)), "")
	case s.number:
		w.number(n, s, what)
	case s.any && n.ShortTag() != "!!null":
		w.text(n, s, what)
	case n.ShortTag() != "!!str" && s.check != nil && n.ShortTag() == "!!int":
		w.text(n, s, what) // its own message says what a bare number lacks
	case n.ShortTag() != "!!str":
		w.add(n, fmt.Sprintf("%s is %s, and this is %s", what, s.what, describe(n)), "")
	default:
		w.text(n, s, what)
	}
}

func (w *walker) number(n *yaml.Node, s scalar, what string) {
	switch digits := strings.TrimLeft(n.Value, "0123456789"); {
	case n.ShortTag() != "!!int" && (n.ShortTag() != "!!str" || digits != "" || n.Value == ""):
		w.add(n, fmt.Sprintf("%s is a number, and this is %s", what, describe(n)), "")
		return
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		w.add(n, what+" is a number, and this is text", "write it without quotes")
		return
	case len(n.Value) > 1 && n.Value[0] == '0' && digits == "":
		w.add(n, what+" is written with a leading zero", "many programs read that as octal: remove the zero")
		return
	}
	if v, err := strconv.Atoi(n.Value); err == nil && numberText.MatchString(n.Value) && v >= s.min && v <= s.max {
		return
	}
	if s.min == s.max {
		w.add(n, fmt.Sprintf("%s %q is unknown", what, n.Value), fmt.Sprintf("write %d", s.min))
		return
	}
	w.add(n, fmt.Sprintf("%s is out of range", what), fmt.Sprintf("write %s from %d to %d", s.what, s.min, s.max))
}

// hints are words that may have been meant.
func (w *walker) hints(s scalar) []string {
	if s.forward {
		return slices.Concat(s.hints, w.named)
	}
	return s.hints
}

func (w *walker) text(n *yaml.Node, s scalar, what string) {
	switch {
	case s.enum != nil && !slices.Contains(s.enum, n.Value):
		w.unknown(n, what+" can't be %q", s.enum)
	case s.check != nil:
		why, remedy := s.check(n.Value)
		if s.forward && why != "" && slices.Contains(w.named, n.Value) {
			return
		}
		if why == "" && n.ShortTag() != "!!str" && !s.any {
			why, remedy = "YAML reads it as a number", "write it in quotes"
		}
		if why == "" {
			return
		}
		if near, ok := nearest(n.Value, w.hints(s)); ok {
			remedy = didYouMean(near)
		}
		subject := strconv.Quote(n.Value) + " is not " + s.what
		if s.secret {
			subject = "this is not " + s.what
		}
		w.add(n, subject+": "+why, remedy)
	}
}
