package foreign

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"
)

// saved is one router of a WinBox address book. It has no field for the password, which is passed
// over where it stands.
type saved struct {
	host, login, note, group, session, agent string
	password                                 bool // there was one
}

// saved adds a router of an address book to the list, or says why not.
func (c *collector) saved(number int, s saved) error {
	place := c.record(number)
	for _, field := range []*string{&s.host, &s.login, &s.note, &s.group, &s.session, &s.agent} {
		if !utf8.ValidString(*field) {
			c.skip(place, "a text", "it is not UTF-8, and the file doesn't say what it is: it was left out")
			*field = ""
		}
		*field = oneLine(*field)
	}
	label := cmp.Or(cleanName(s.note), "this entry")
	if s.password {
		c.secret(place, "the password of "+label)
	}
	if s.agent != "" && s.agent != "<none>" {
		c.skip(place, label, "it is reached through a RoMON agent: rosknock needs an address of its own")
		return nil
	}
	where, err := parseAddress(s.host)
	if err != nil {
		c.skip(place, label, err.Error())
		return nil
	}
	if where.port != 0 {
		c.skip(place, label, "the port in its address is that of WinBox, not of the API: it was left out")
		where.port = 0
	}
	r := Router{Address: where.String(), User: s.login, Note: s.note, Place: place}
	if s.group != "" {
		r.Groups = []string{s.group}
	}
	if session := strings.Trim(s.session, "<>"); session != "" && session != "none" && session != "own" {
		r.Vars = map[string]string{"session": session}
	}
	return c.add(r, s.note, where.host)
}

// record returns the place of a record: these files have no lines.
func (c *collector) record(number int) string { return fmt.Sprintf("%s: record %d", c.file, number) }
