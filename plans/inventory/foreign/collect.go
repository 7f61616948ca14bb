package foreign

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// collector gathers a list while a file is read, and holds what all formats have in common.
type collector struct {
	file    string
	routers []Router
	groups  map[string]map[string]string
	skipped []Skip
	dropped int // skips beyond maxSkipped
	names   namer
	labels  namer // names of groups
}

func newCollector(file string) *collector {
	return &collector{file: file, groups: map[string]map[string]string{}, names: newNamer(), labels: newNamer()}
}

// at returns the place of a line.
func (c *collector) at(line int) string { return c.file + ":" + strconv.Itoa(line) }

// add appends a router under the first of the names of which something is left, made unique. The
// other name of a duplicate is noted.
func (c *collector) add(r Router, foreignNames ...string) error {
	if len(c.routers) >= maxRouters {
		return errTooMany
	}
	wanted := ""
	for _, name := range foreignNames {
		wanted = cmp.Or(wanted, cleanName(name))
	}
	r.Name = c.names.take(wanted)
	if wanted != "" && r.Name != wanted {
		c.skip(r.Place, r.Name, "another router is called "+wanted+" already: this one got a suffix")
	}
	for _, text := range slices.Concat(r.Groups, r.Tags) {
		if strings.TrimSpace(text) != "" && cleanName(text) == "" {
			c.skip(r.Place, r.Name, "the name of a group or tag has no letter from a to z and no digit: it was left out")
		}
	}
	r.Groups, r.Tags = tidy(r.Groups), tidy(r.Tags)
	r.Note = oneLine(r.Note)
	if !plainUser(r.User) {
		c.skip(r.Place, r.Name, "its user name has control characters or is longer than 255: write it by hand")
		r.User = ""
	}
	c.routers = append(c.routers, r)
	return nil
}

// skip notes what is left out. What must be safe to print: the name of a thing, never its value.
func (c *collector) skip(place, what, why string) {
	if len(c.skipped) >= maxSkipped {
		c.dropped++
		return
	}
	c.skipped = append(c.skipped, Skip{Place: place, What: what, Why: why})
}

// variable keeps a variable of a router or group, unless its name says that it is a password.
func (c *collector) variable(into map[string]string, place, owner, name, value string) {
	key := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", "_"))
	what := of(owner, key)
	switch {
	case value == "":
	case isSecretName(key) || isVault(value):
		c.secret(place, what)
	case !isVariable(key):
		c.skip(place, of(owner, "a variable"), "its name is not made of letters, digits, _ and -: rename it to keep it")
	case isTemplate(value):
		c.skip(place, what, "a template, which only Ansible can fill in")
	default:
		if before, taken := into[key]; taken && before != oneLine(value) {
			c.skip(place, what, "it stands there twice: the last one counts")
		}
		into[key] = oneLine(value)
	}
}

// secret notes a password that is left out.
func (c *collector) secret(place, what string) { c.skip(place, what, passwordsStay) }

// of names a variable with its owner; a name that could be anything is not repeated.
func of(owner, name string) string {
	if !isVariable(name) || len(name) > maxName {
		name = "a variable"
	}
	if owner == "" {
		return name
	}
	return owner + " " + name
}

func (c *collector) list() (List, error) {
	c.byLine()
	if c.dropped > 0 {
		c.skipped = append(c.skipped, Skip{Place: c.file, What: "the rest",
			Why: fmt.Sprintf("left out and not listed one by one: %d more", c.dropped)})
	}
	out := List{Routers: c.routers, Skipped: c.skipped}
	if len(c.groups) > 0 {
		out.Groups = c.groups
	}
	return out, nil
}

// byLine sorts skips by the line they stand on: some only show when the file has been read whole.
func (c *collector) byLine() {
	line := func(s Skip) int {
		n, _ := strconv.Atoi(s.Place[strings.LastIndexByte(s.Place, ':')+1:])
		return n
	}
	slices.SortStableFunc(c.skipped, func(a, b Skip) int { return cmp.Compare(line(a), line(b)) })
}

// namer makes names unique.
type namer struct {
	taken map[string]bool
	next  map[string]int // the suffix to try next
}

func newNamer() namer { return namer{taken: map[string]bool{}, next: map[string]int{}} }

// take returns the name, or the name with the first suffix that is free.
func (n namer) take(name string) string {
	if name == "" {
		name = "router"
	}
	if !n.taken[name] {
		n.taken[name] = true
		return name
	}
	for i := max(n.next[name], 2); ; i++ {
		suffix := "-" + strconv.Itoa(i)
		candidate := name[:min(len(name), maxName-len(suffix))] + suffix
		if !n.taken[candidate] {
			n.taken[candidate], n.next[name] = true, i+1
			return candidate
		}
	}
}

const maxName = 63

// cleanName makes a name of any text: what doesn't belong becomes one hyphen, and is dropped at the
// ends. A name begins with neither a hyphen, which would make it an option of a command, nor a dot.
// It is empty when nothing is left.
func cleanName(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range text {
		if b.Len() >= maxName {
			break
		}
		if r < 0x80 && isNameByte(byte(r)) && (b.Len() > 0 || r != '-' && r != '.') {
			if gap && b.Len() > 0 && b.Len() < maxName-1 {
				b.WriteByte('-')
			}
			b.WriteRune(r)
			gap = false
			continue
		}
		gap = true
	}
	if !strings.ContainsFunc(b.String(), isAlphanumeric) {
		return ""
	}
	return b.String()
}

func isNameByte(b byte) bool { return isAlphanumeric(rune(b)) || strings.IndexByte("._-", b) >= 0 }

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// slug makes a name as NetBox makes its slugs: lower case, hyphens between.
func slug(text string) string { return strings.ToLower(cleanName(text)) }

// tidy makes a sorted list of names without repetitions.
func tidy(list []string) []string {
	var out []string
	for _, text := range list {
		if name := cleanName(text); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// oneLine turns what can't be shown into spaces, and drops those at the ends.
func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if routeros.IsVisible(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "?")))
}

func plainUser(user string) bool { return len(user) <= 255 && oneLine(user) == user }

func isVariable(name string) bool {
	for i, r := range name {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r != '_' && r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return name != ""
}
