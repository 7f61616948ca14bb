// Package rsc reads and writes RouterOS export text, the form of /export and of .rsc files. [Read]
// accepts exports as they are found in practice: sections and one-line commands, lines continued
// with a backslash in the middle of a word, quotes and escapes, CRLF, a byte order mark, paths of
// RouterOS 6 and of 7. It never fails and never runs anything: what it doesn't understand is
// reported with its line number and left out. [Export.Snapshot] replays the statements on an empty
// router.
//
//	export := rsc.Read(data)
//	snapshot, skipped := export.Snapshot(rsc.Options{})
//
// The package is pure: it works on bytes that somebody else has read.
package rsc

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Export is a text that has been read.
type Export struct {
	// Version is what the header says, if HasVersion.
	Version    routeros.Version
	HasVersion bool
	Model      string
	Statements []Statement
	// Skipped lists what was not understood, in order of lines.
	Skipped []Skip
}

// Statement is one command of an export.
type Statement struct {
	Line int // where it starts, from 1
	Menu routeros.Menu
	Verb string // add, set, remove, …
	// Target is a bare selector: a name such as ftp, a position, or *1F.
	Target string
	// Find are the conditions of [ find … ], when HasFind. None of them selects every row.
	Find    []routeros.Attribute
	HasFind bool
	Attrs   []routeros.Attribute
	// Unset are the attributes that were written as !name.
	Unset []string

	bare string // a word behind the selector that is neither name=value nor !name
}

// Skip is a piece of text that was left out.
type Skip struct {
	Line int
	Menu routeros.Menu // where it stands
	Text string        // the beginning of it
	Why  string
	// Decides says that it stands in a menu that decides who reaches the router, so that without it
	// nobody can say what the router does.
	Decides bool
}

var (
	versionLine = regexp.MustCompile(`by RouterOS (\d[0-9a-z._]*)`)
	// otherVersion is how people and other programs name the version.
	otherVersion = regexp.MustCompile(`(?i)^#\s*(?:.*\brouteros(?:\s+version)?|(?:\w+\s+)?version)\s*[:=]?\s*v?(\d+\.\d[0-9a-z._]*)`)
	modelLine    = regexp.MustCompile(`^# *model *= *(.+)$`)
)

// Read reads an export. It returns what it understood, whatever the bytes are.
func Read(data []byte) Export {
	var e Export
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	r := reader{export: &e}
	for _, piece := range split(data) {
		r.piece(piece)
	}
	return e
}

// piece is the text of one statement or comment with its first line.
type piece struct {
	line    int
	text    string
	comment bool
	broken  string // why it can't be read
}

// split cuts a text into statements: at line ends and semicolons outside quotes and brackets. A
// backslash at the end of a line joins the next one, whose indentation goes, also within words and
// quotes.
func split(data []byte) []piece {
	var out []piece
	s := splitter{data: data, line: 1}
	for s.at < len(s.data) {
		if p, ok := s.next(); ok {
			out = append(out, p)
		}
	}
	return out
}

type splitter struct {
	data []byte
	at   int
	line int
	// failed counts the statements that never closed. Each shortens the look-ahead of the next, so
	// that a text full of open brackets is not read to its end for every line.
	failed int
}

func (s *splitter) next() (piece, bool) {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n;", s.data[s.at]) >= 0 {
		s.step()
	}
	start := piece{line: s.line}
	if s.at == len(s.data) {
		return start, false
	}
	if s.data[s.at] == '#' {
		start.text, start.comment = s.restOfLine(), true
		return start, true
	}
	from, line := s.at, s.line
	text, ok := s.statement()
	if ok {
		start.text = text
		return start, true
	}
	// A quote or bracket that never closes would swallow the rest: skip only this line.
	s.failed++
	s.at, s.line = from, line
	start.text, start.broken = s.restOfLine(), "a quote or bracket is opened here but never closed"
	return start, true
}

func (s *splitter) step() {
	if s.data[s.at] == '\n' {
		s.line++
	}
	s.at++
}

func (s *splitter) restOfLine() string {
	end := bytes.IndexByte(s.data[s.at:], '\n')
	if end < 0 {
		end = len(s.data) - s.at
	}
	text := string(s.data[s.at : s.at+end])
	s.at += end
	return strings.TrimRight(text, "\r")
}

// statement reads up to the end of a statement. It fails when something stays open at the end of
// the text.
func (s *splitter) statement() (string, bool) {
	var b strings.Builder
	var open []byte
	for end := s.at + s.lookAhead(); s.at < len(s.data); {
		if s.at > end {
			return "", false
		}
		c := s.data[s.at]
		quoted := len(open) > 0 && open[len(open)-1] == '"'
		switch {
		case c == '\\':
			if !s.joined() {
				b.WriteByte(c)
				s.step()
				if s.at < len(s.data) && s.data[s.at] != '\n' && s.data[s.at] != '\r' {
					b.WriteByte(s.data[s.at])
					s.step()
				}
			}
			continue
		case len(open) == 0 && (c == '\n' || c == ';'):
			return strings.TrimRight(b.String(), " \t\r"), true
		case c == '"' && quoted:
			open = open[:len(open)-1]
		case c == '"', !quoted && strings.IndexByte("[{(", c) >= 0:
			if len(open) == maxDepth {
				return "", false
			}
			open = append(open, c)
		case !quoted && len(open) > 0 && closes(open[len(open)-1], c):
			open = open[:len(open)-1]
		}
		b.WriteByte(c)
		s.step()
	}
	return strings.TrimRight(b.String(), " \t\r"), len(open) == 0
}

// lookAhead is how long a statement may be: script sources reach 64 kB.
func (s *splitter) lookAhead() int { return max(1<<20>>min(s.failed, 20), 4<<10) }

// maxDepth bounds how deep quotes and brackets may nest.
const maxDepth = 64

func closes(opened, c byte) bool {
	return opened == '[' && c == ']' || opened == '{' && c == '}' || opened == '(' && c == ')'
}

// joined skips a backslash at the end of a line together with the line end and the next line's
// indentation.
func (s *splitter) joined() bool {
	rest := s.data[s.at+1:]
	end := 0
	if len(rest) > end && rest[end] == '\r' {
		end++
	}
	if len(rest) <= end || rest[end] != '\n' {
		return false
	}
	s.at += 1 + end
	s.step()
	for s.at < len(s.data) && (s.data[s.at] == ' ' || s.data[s.at] == '\t') {
		s.at++
	}
	return true
}

// reader turns pieces into statements.
type reader struct {
	export    *Export
	section   []string
	ownHeader bool // the version is that of the router's own header
}

func (r *reader) piece(p piece) {
	switch {
	case p.text == "": // nothing but joined lines
	case p.comment:
		r.comment(p.text)
	case p.broken != "":
		path, _, _ := r.path(fields(p.text))
		r.skip(p, path, p.broken)
	case strings.IndexByte(":{}$", p.text[0]) >= 0:
		r.script(p)
	default:
		r.statement(p)
	}
}

// skip leaves a piece out that stands in the menu of this path.
func (r *reader) skip(p piece, path []string, why string) {
	text := p.text
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	menu := menuOf(path)
	r.export.Skipped = append(r.export.Skipped, Skip{p.line, menu, strings.ToValidUTF8(text, "\uFFFD"), why, decides(menu)})
}

// script leaves a statement of a script out. It may make rows of the section that it stands in, or
// of a menu that it names.
func (r *reader) script(p piece) {
	path := r.section
	if command, _, _ := strings.Cut(p.text[1:], " "); p.text[0] == ':' && idle(command) && !strings.ContainsAny(p.text, "[{") {
		path = nil
	} else if named := namedMenu(p.text); named != nil {
		path = named
	}
	r.skip(p, path, "a script statement; scripts are not run")
}

// idle reports whether a command of a script changes no menu by itself.
func idle(command string) bool {
	switch command {
	case "global", "local", "set", "put", "log", "delay", "beep", "error", "environment", "return":
		return true
	}
	return false
}

func (r *reader) comment(text string) {
	m, own := versionLine.FindStringSubmatch(text), true
	if m == nil {
		m, own = otherVersion.FindStringSubmatch(text), false
	}
	if m != nil && (!r.export.HasVersion || own && !r.ownHeader) {
		if v, err := routeros.ParseVersion(m[1]); err == nil {
			r.export.Version, r.export.HasVersion, r.ownHeader = v, true, own
		}
	}
	if m := modelLine.FindStringSubmatch(text); m != nil {
		r.export.Model = strings.TrimSpace(m[1])
	}
}

func (r *reader) statement(p piece) {
	words := fields(p.text)
	path, verb, rest := r.path(words)
	if len(path) > maxMenu {
		r.skip(p, path, "a menu deeper than any of the router")
		return
	}
	if verb == "" {
		if len(rest) > 0 {
			r.skip(p, path, "no command: attributes without add or set")
			return
		}
		r.section = path
		return
	}
	st := Statement{Line: p.line, Menu: menuOf(path), Verb: verb}
	computes := decides(st.Menu)
	for _, w := range rest {
		why := st.word(w)
		if why == "" && computes {
			why = computed(w)
		}
		if why != "" {
			r.skip(p, path, why)
			return
		}
	}
	r.export.Statements = append(r.export.Statements, st)
}

func menuOf(path []string) routeros.Menu { return routeros.Menu("/" + strings.Join(path, "/")) }

// maxMenu and maxMenuWord bound the menus, which every statement below them repeats.
const (
	maxMenu     = 16
	maxMenuWord = 128
)

// path reads the words of a menu up to the verb. Without a leading slash they continue the section.
func (r *reader) path(words []string) (path []string, verb string, rest []string) {
	path = r.section
	for i, w := range words {
		if len(path) > maxMenu || len(w) > maxMenuWord {
			return path, "", words[i:]
		}
		if i == 0 && strings.HasPrefix(w, "/") {
			path = nil
			w = strings.TrimPrefix(w, "/")
		}
		if strings.ContainsAny(w, "=[]!\"~{}()$*") {
			return path, "", words[i:]
		}
		for part := range strings.SplitSeq(w, "/") {
			switch {
			case part == "":
			case part == ".." && len(path) > 0:
				path = path[:len(path)-1]
			case isVerb(part):
				return path, part, words[i+1:]
			default:
				path = append(slices.Clip(path), part)
			}
		}
	}
	return path, "", nil
}

func isVerb(w string) bool {
	switch w {
	case "add", "set", "remove", "print", "enable", "disable", "move", "unset", "comment", "reset", "edit", "export", "find", "get":
		return true
	}
	return false
}

// word reads one word behind the verb; the result says what is wrong with it.
func (st *Statement) word(w string) string {
	name, value, hasValue := cutWord(w)
	switch {
	case strings.HasPrefix(w, "[") && st.Verb == "move" && (st.HasFind || st.Target != ""):
		st.Attrs = append(st.Attrs, routeros.Attribute{Name: "destination", Value: w})
	case strings.HasPrefix(w, "[") && st.HasFind:
		return "a second [ find … ]"
	case strings.HasPrefix(w, "["):
		return st.find(w)
	case strings.HasPrefix(w, "!") && !hasValue:
		st.Unset = append(st.Unset, w[1:])
	case hasValue && isName(name):
		st.Attrs = append(st.Attrs, routeros.Attribute{Name: name, Value: attributeValue(value)})
	case hasValue:
		return "a value without the name of an attribute"
	case st.Target == "" && !st.HasFind && st.Verb != "add":
		st.Target = Unquote(w)
	default:
		st.bare = Unquote(w)
		st.Attrs = append(st.Attrs, routeros.Attribute{Name: st.bare})
	}
	return ""
}

// computed says why only the router could tell what a word name=value stands for, or "". What is
// only shown to people does not count.
func computed(w string) string {
	name, value, ok := cutWord(w)
	switch {
	case !ok || name == "comment" || name == "log-prefix" || value == "":
		return ""
	case strings.HasPrefix(value, "[find ") || strings.HasPrefix(value, "[ find "):
		return "" // a place, which is looked for
	case strings.IndexByte("[{(", value[0]) >= 0:
		return "the value of " + name + " is computed by a script"
	}
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '$':
			return "the value of " + name + " is a variable of a script"
		case value[i] != '\\':
		case i+1 == len(value) || strings.IndexByte("\"\\nrt$?_abfv", value[i+1]) < 0 && !isHex(value[i+1]):
			return "a backslash in the value of " + name + " that stands for nothing"
		default:
			i++
		}
	}
	return ""
}

// isName reports whether a word can be the name of an attribute: letters, digits, and - . _
func isName(w string) bool {
	return w != "" && strings.IndexFunc(w, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '.' && r != '_'
	}) < 0
}

// attributeValue reads a value. Scripts, commands and expressions in brackets are left as they are:
// their escapes belong to the text within.
func attributeValue(s string) string {
	if s != "" && strings.IndexByte("[{(", s[0]) >= 0 {
		return s
	}
	return Unquote(s)
}

func cutWord(w string) (name, value string, ok bool) {
	i := strings.IndexByte(w, '=')
	if i < 0 || strings.ContainsAny(w[:i], "\"[{(") {
		return w, "", false
	}
	return w[:i], w[i+1:], true
}

// find reads [ find name=value … ] or [find where name=value].
func (st *Statement) find(w string) string {
	inner, closed := strings.CutSuffix(strings.TrimPrefix(w, "["), "]")
	words := fields(inner)
	if !closed || len(words) == 0 || words[0] != "find" {
		return "a command in brackets; only [ find … ] is understood"
	}
	st.HasFind = true
	for _, word := range words[1:] {
		if word == "where" || word == "and" {
			continue
		}
		name, value, ok := cutWord(word)
		if !ok || name == "" || strings.ContainsAny(name, "~<>!") {
			return "a condition of find other than name=value"
		}
		st.Find = append(st.Find, routeros.Attribute{Name: name, Value: Unquote(value)})
	}
	return ""
}

// fields cuts a statement into words at blanks outside quotes and brackets.
func fields(s string) []string {
	var out []string
	var b strings.Builder
	var open []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		quoted := len(open) > 0 && open[len(open)-1] == '"'
		switch {
		case c == '\\' && i+1 < len(s):
			b.WriteByte(c)
			i++
			c = s[i]
		case (c == ' ' || c == '\t' || c == '\r' || c == '\n') && len(open) == 0:
			if b.Len() > 0 {
				out = append(out, b.String())
				b.Reset()
			}
			continue
		case c == '"' && quoted:
			open = open[:len(open)-1]
		case c == '"', !quoted && strings.IndexByte("[{(", c) >= 0:
			open = append(open, c)
		case !quoted && len(open) > 0 && closes(open[len(open)-1], c):
			open = open[:len(open)-1]
		}
		b.WriteByte(c)
	}
	if b.Len() > 0 {
		out = append(out, b.String())
	}
	return out
}

// Unquote returns the bytes that a written value stands for: quotes dropped, escapes resolved. A
// value without quotes may hold escapes too. \XX is one byte, \_ a blank.
func Unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b.WriteByte(hexValue(s[i+1])<<4 | hexValue(s[i+2]))
			i += 2
			continue
		}
		i++
		b.WriteByte(escaped(s[i]))
	}
	return b.String()
}

func escaped(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '_':
		return ' '
	case 'a':
		return '\a'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'v':
		return '\v'
	}
	return c
}

// isHex accepts upper case only, as exports write it: \FF is a byte, \ff an escaped f.
func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c - 'A' + 10
}
