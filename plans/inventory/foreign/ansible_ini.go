package foreign

import (
	"errors"
	"regexp"
	"strings"
)

var (
	section   = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	groupName = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
	// literal is a quoted value or a number, which a comment may follow.
	literal = regexp.MustCompile(`^(?:"([^"\\]*)"|'([^'\\]*)'|(-?[0-9]+))\s*(?:#.*)?$`)
)

// iniReader reads an inventory line by line. Lines are never quoted in messages: each may hold a
// password.
type iniReader struct {
	inv      *inventory
	group    *group
	state    string // hosts, vars, children, or empty when lines can't be used
	declared map[*group]bool
	pending  []pending // groups that are named before they are declared, or never
	line     int
}

type pending struct {
	group *group
	place string
	why   string
}

// readAnsibleINI reads an inventory as Ansible's ini plugin does. Ansible gives up at the first
// mistake; here the line is left out.
func readAnsibleINI(c *collector, data []byte) error {
	text, guessed, err := decodeText(data)
	if err != nil {
		return err
	}
	if guessed {
		c.skip(c.at(1), "the encoding", guessedWhy)
	}
	r := &iniReader{inv: newInventory(c), state: "hosts", declared: map[*group]bool{}}
	r.group = r.inv.group(ungrouped, c.at(1))
	for line := range strings.SplitSeq(text, "\n") {
		r.line++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		r.read(line)
		if err := r.inv.full(); err != nil {
			return err
		}
	}
	for _, p := range r.pending {
		if !r.declared[p.group] && p.group.name != all && p.group.name != ungrouped {
			c.skip(p.place, "group "+cleanName(p.group.name), p.why)
		}
	}
	return r.inv.finish()
}

func (r *iniReader) place() string { return r.inv.c.at(r.line) }

func (r *iniReader) read(line string) {
	if m := section.FindStringSubmatch(line); m != nil {
		r.section(m[1], m[2])
		return
	}
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		r.state = ""
		r.skipLine("not a section: [group], [group:vars] or [group:children] without spaces")
		return
	}
	switch r.state {
	case "hosts":
		r.host(line)
	case "vars":
		r.variable(line)
	case "children":
		r.child(line)
	default:
		r.skipLine("it belongs to a section that could not be read")
	}
}

func (r *iniReader) skipLine(why string) { r.inv.c.skip(r.place(), "this line", why) }

func (r *iniReader) section(name, state string) {
	switch state {
	case "", "hosts":
		state = "hosts"
	case "vars", "children":
	default:
		r.state = ""
		r.skipLine("a section is [group], [group:vars] or [group:children], and this is none of them")
		return
	}
	r.state, r.group = state, r.inv.group(name, r.place())
	if state == "vars" {
		r.pending = append(r.pending, pending{r.group, r.place(), "it has variables and is declared nowhere: Ansible would refuse the file"})
		return
	}
	r.declared[r.group] = true
}

func (r *iniReader) child(line string) {
	m := groupName.FindStringSubmatch(line)
	if m == nil || strings.ContainsAny(m[1], "=\"'") {
		r.skipLine("it is not the name of a group")
		return
	}
	g := r.inv.group(m[1], r.place())
	r.inv.child(r.group, g)
	r.pending = append(r.pending, pending{g, r.place(), "it is a child and is declared nowhere: Ansible would refuse the file"})
}

func (r *iniReader) variable(line string) {
	name, value, ok := strings.Cut(line, "=")
	if !ok {
		r.skipLine("it is not name=value")
		return
	}
	r.inv.set(r.group.vars, r.place(), r.group.name, strings.TrimSpace(name), iniValue(strings.TrimSpace(value)), false)
}

// host reads a line of hosts: a pattern and its variables.
func (r *iniReader) host(line string) {
	words, err := shellWords(line)
	if err != nil {
		r.skipLine(err.Error())
		return
	}
	if len(words) == 0 {
		return
	}
	hosts, port, err := r.inv.expand(words[0])
	if err != nil {
		r.skipLine(err.Error())
		return
	}
	if port {
		r.skipLine("the port behind a host is that of SSH, not of the API: write api_port to set that one")
	}
	for _, word := range words[1:] {
		if !strings.Contains(word, "=") {
			r.skipLine("a word behind the host is not name=value: it was left out")
		}
	}
	if !r.inv.afford(len(hosts), len(words)) {
		r.skipLine(errWork.Error())
		return
	}
	for i, name := range hosts {
		h := r.inv.host(name, r.place(), r.group)
		owner := name
		if len(hosts) > 1 {
			owner = hosts[0] + " and more"
		}
		r.hostVars(h, words[1:], owner, i == 0)
		if r.inv.full() != nil {
			return
		}
	}
}

// hostVars sets the variables of a host. Only the first host of a range speaks of what is left out.
func (r *iniReader) hostVars(h *host, words []string, owner string, speak bool) {
	before, dropped := len(r.inv.c.skipped), r.inv.c.dropped
	for _, word := range words {
		if name, value, ok := strings.Cut(word, "="); ok {
			r.inv.set(h.vars, r.place(), owner, name, iniValue(value), false)
		}
	}
	if !speak {
		r.inv.c.skipped, r.inv.c.dropped = r.inv.c.skipped[:before], dropped
	}
}

// iniValue takes the quotes off a value, as Ansible does by reading it as a literal of Python.
func iniValue(value string) string {
	m := literal.FindStringSubmatch(value)
	if m == nil {
		return value
	}
	return m[1] + m[2] + m[3]
}

var errQuote = errors.New("a quote is opened and never closed, or a backslash stands at the end")

// shellWords splits a line as a shell does: at spaces outside quotes, up to a # outside quotes.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case quote != 0 && b == quote:
			quote = 0
		case b == '\\' && (quote == 0 || quote == '"' && i+1 < len(line) && (line[i+1] == '"' || line[i+1] == '\\')):
			if i++; i == len(line) {
				return nil, errQuote
			}
			word.WriteByte(line[i])
			inWord = true
		case quote != 0:
			word.WriteByte(b)
		case b == '"' || b == '\'':
			quote, inWord = b, true
		case b == ' ' || b == '\t' || b == '\r' || b == '\v' || b == '\f' || b == '#':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			if inWord = false; b == '#' {
				return words, nil
			}
		default:
			word.WriteByte(b)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errQuote
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
