package script

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// maxDepth is how deep blocks may be nested: far deeper than anything that is written here.
const maxDepth = 32

// Parse reads a script. The error is a *[SyntaxError].
func Parse(text string) ([]Statement, error) {
	p := &parser{text: text, line: 1}
	out := p.block(0)
	if p.err == nil && p.at < len(p.text) {
		p.fail("a } without a {")
	}
	if p.err != nil {
		return nil, p.err
	}
	return out, nil
}

// parser stops at its first error: after it every method returns its zero value.
type parser struct {
	text  string
	at    int
	line  int
	depth int
	err   error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = &SyntaxError{p.line, what}
	}
	p.at = len(p.text)
}

// block reads statements up to the closing brace, or to the end of the text on the outside.
func (p *parser) block(depth int) []Statement {
	if depth > maxDepth {
		p.fail("blocks are nested too deep")
		return nil
	}
	p.depth = depth
	var out []Statement
	for p.err == nil {
		p.gap()
		if p.at >= len(p.text) || p.peek() == '}' {
			return out
		}
		out = append(out, p.statement())
		p.end()
	}
	return nil
}

func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// gap skips the space between two statements.
func (p *parser) gap() {
	for p.at < len(p.text) {
		switch p.peek() {
		case ' ', '\t', '\r', '\n', ';':
			p.step()
		case '#':
			for p.at < len(p.text) && p.peek() != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *parser) step() {
	if p.peek() == '\n' {
		p.line++
	}
	p.at++
}

// end makes sure that a statement ends where it should.
func (p *parser) end() {
	p.spaces()
	if p.err == nil && p.at < len(p.text) && strings.IndexByte("\r\n;}", p.peek()) < 0 {
		p.fail("expected end of command before " + strconv.Quote(p.rest()))
	}
}

// spaces skips blanks within a line.
func (p *parser) spaces() {
	for p.at < len(p.text) && (p.peek() == ' ' || p.peek() == '\t') {
		p.at++
	}
}

// rest is the beginning of what could not be read.
func (p *parser) rest() string {
	text, _, _ := strings.Cut(p.text[p.at:], "\n")
	return text[:min(len(text), 20)]
}

func (p *parser) statement() Statement {
	line := p.line
	switch p.peek() {
	case '/':
		if p.ahead("/put ") {
			p.expect("/put ")
			return p.put(line)
		}
		return p.command("")
	case '{':
		return &Block{Line: line, Body: p.braced()}
	case ':':
		p.at++
		switch word := p.word(); word {
		case "if":
			return p.conditional(line)
		case "do":
			return p.do(line)
		case "log":
			return p.log(line)
		case "delay":
			return p.delay(line)
		case "put":
			return p.put(line)
		case "error":
			p.spaces()
			return &Error{Line: line, Message: p.message()}
		case "local", "set":
			return p.count(line, word == "local")
		default:
			p.fail("no command :" + word + " is known here")
		}
	default:
		p.fail("a statement begins with / or :, not with " + strconv.Quote(p.rest()))
	}
	return nil
}

func (p *parser) word() string {
	from := p.at
	for p.at < len(p.text) && isWord(p.peek()) {
		p.at++
	}
	return p.text[from:p.at]
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.'
}

// expect reads exactly this text.
func (p *parser) expect(text string) {
	p.spaces()
	if !strings.HasPrefix(p.text[min(p.at, len(p.text)):], text) {
		p.fail("expected " + text)
		return
	}
	p.at += len(text)
}

func (p *parser) ahead(text string) bool {
	p.spaces()
	return p.err == nil && strings.HasPrefix(p.text[p.at:], text)
}

// braced reads {…}.
func (p *parser) braced() []Statement {
	p.expect("{")
	depth := p.depth
	out := p.block(depth + 1)
	p.depth = depth
	p.expect("}")
	return out
}

func (p *parser) do(line int) Statement {
	d := &Do{Line: line, Body: p.braced()}
	p.expect("on-error=")
	d.OnError = p.braced()
	return d
}

func (p *parser) conditional(line int) Statement {
	s := &If{Line: line, Condition: p.condition()}
	p.expect("do=")
	s.Then = p.braced()
	if p.ahead("else=") {
		p.expect("else=")
		s.Else = p.braced()
	}
	return s
}

func (p *parser) condition() Condition {
	var c Condition
	p.expect("(")
	if p.ahead("$") {
		p.expect("$")
		c.Variable = p.variable()
	} else {
		p.expect("[:len ")
		c.Find = p.found("")
		p.expect("]")
	}
	p.spaces()
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.ahead(op) {
			c.Operator = op
			p.at += len(op)
			break
		}
	}
	if c.Operator == "" {
		p.fail("a comparison is expected")
	}
	p.spaces()
	c.Number = p.number()
	p.expect(")")
	return c
}

func (p *parser) log(line int) Statement {
	p.spaces()
	l := &Log{Line: line, Topic: p.word()}
	if !slices.Contains([]string{"debug", "info", "warning", "error"}, l.Topic) {
		p.fail("a topic of the log is expected: debug, info, warning or error")
	}
	p.spaces()
	l.Message = p.message()
	return l
}

func (p *parser) put(line int) Statement {
	p.spaces()
	if p.peek() == '[' {
		return &Put{Line: line, Get: p.got()}
	}
	return &Put{Line: line, Message: p.message()}
}

// got reads [/menu get item attribute].
func (p *parser) got() *Command {
	p.expect("[")
	c := p.command("")
	p.expect("]")
	if p.err == nil && (c.Verb != "get" || c.Menu == "" || len(c.Bare) != 2 || len(c.Args) > 0) {
		p.fail("[/menu get item attribute] is expected")
	}
	return c
}

func (p *parser) message() string {
	if p.peek() != '"' {
		p.fail("a message in quotes is expected")
		return ""
	}
	return p.quoted()
}

// count reads :local name 0, or :set name 1.
func (p *parser) count(line int, local bool) Statement {
	c := &Count{Line: line, Local: local, Name: p.variable()}
	p.spaces()
	c.Number = p.number()
	return c
}

// variable reads a name of letters.
func (p *parser) variable() string {
	p.spaces()
	from := p.at
	for c := p.peek(); c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'; c = p.peek() {
		p.at++
	}
	if p.at == from {
		p.fail("a variable's name of letters is expected")
	}
	return p.text[min(from, len(p.text)):min(p.at, len(p.text))]
}

func (p *parser) number() int {
	n, err := strconv.ParseUint(p.word(), 10, 31)
	if err != nil {
		p.fail("a number is expected")
	}
	return int(n) // #nosec G115 -- of 31 bits
}

func (p *parser) delay(line int) Statement {
	p.spaces()
	d, err := routeros.ParseDuration(p.word())
	if err != nil {
		p.fail("a time is expected, such as 2s")
	}
	return &Delay{Line: line, For: d}
}

// command reads a path with its arguments. Within brackets, menu is that of the command around.
func (p *parser) command(menu routeros.Menu) *Command {
	c := &Command{Line: p.line, Menu: menu}
	if p.peek() == '/' {
		c.Menu = ""
		p.path(c)
	} else {
		c.Verb = p.word()
	}
	for p.err == nil {
		p.spaces()
		if p.at >= len(p.text) || strings.IndexByte("\r\n;]}", p.peek()) >= 0 {
			return c
		}
		p.argument(c)
	}
	return c
}

// path reads /ip firewall filter remove, or the same with slashes. The last word is the verb.
func (p *parser) path(c *Command) {
	var words []string
	p.at++
	for p.err == nil {
		from := p.at
		word := p.word()
		if word == "" || strings.IndexByte("=~", p.peek()) >= 0 && p.at < len(p.text) {
			p.at = from
			break
		}
		words = append(words, word)
		if p.peek() == '/' {
			p.at++
			continue
		}
		p.spaces()
	}
	if len(words) < 2 {
		p.fail("a menu and a command are expected")
		return
	}
	c.Verb = words[len(words)-1]
	c.Menu = routeros.Menu("/" + strings.Join(words[:len(words)-1], "/"))
}

func (p *parser) argument(c *Command) {
	from := p.at
	name := p.word()
	switch {
	case name != "" && p.peek() == '=':
		p.at++
		c.Args = append(c.Args, Argument{Name: name, Value: p.value(c.Menu)})
	case name != "" && p.peek() == '~':
		p.at++
		c.Args = append(c.Args, Argument{Name: name, Like: true, Value: p.value(c.Menu)})
	default:
		p.at = from
		c.Bare = append(c.Bare, p.value(c.Menu))
	}
}

// value reads a quoted text, a bare one, or [find …].
func (p *parser) value(menu routeros.Menu) Value {
	switch p.peek() {
	case '"':
		return Value{Text: p.quoted()}
	case '[':
		return Value{Find: p.found(menu)}
	}
	from := p.at
	for p.at < len(p.text) && isBare(p.peek()) {
		p.at++
	}
	if p.at == from {
		p.fail("a value is expected before " + strconv.Quote(p.rest()))
	}
	return Value{Text: p.text[from:p.at]}
}

// isBare lists what may stand in a value without quotes, as routeros.Quote writes it.
func isBare(c byte) bool {
	return isWord(c) || c >= 'A' && c <= 'Z' || strings.IndexByte("_:,/!*@%+", c) >= 0
}

// found reads [find …], or [/menu find …].
func (p *parser) found(menu routeros.Menu) *Command {
	p.expect("[")
	p.spaces()
	c := p.command(menu)
	p.expect("]")
	switch {
	case p.err != nil:
	case c.Verb != "find":
		p.fail("only find may stand in brackets, not " + c.Verb)
	case c.Menu == "":
		p.fail("find needs its menu here")
	case len(c.Bare) > 0:
		p.fail("find takes name=value only")
	}
	return c
}

// quoted reads a text in quotes with the escapes of the console (routeros-facts § 6.3).
func (p *parser) quoted() string {
	var b strings.Builder
	p.at++
	for p.at < len(p.text) {
		switch c := p.peek(); c {
		case '"':
			p.at++
			return b.String()
		case '\n', '\r':
			p.fail("a quote is not closed")
			return ""
		case '$':
			p.fail("variables are not known here: write \\$")
			return ""
		case '\\':
			p.at++
			b.WriteByte(p.escape())
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	p.fail("a quote is not closed")
	return ""
}

func (p *parser) escape() byte {
	c := p.peek()
	p.at++
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '"', '\\', '$', '?':
		return c
	}
	if p.at < len(p.text) {
		if n, err := strconv.ParseUint(p.text[p.at-1:p.at+1], 16, 8); err == nil && strings.ToUpper(p.text[p.at-1:p.at+1]) == p.text[p.at-1:p.at+1] {
			p.at++
			return byte(n)
		}
	}
	p.fail("no such escape in quotes")
	return 0
}
