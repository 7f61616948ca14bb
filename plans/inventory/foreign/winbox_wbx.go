package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
)

var errNoWBX = errors.New("it is not an address book exported by WinBox, which begins with the bytes 0F 10 C0 BE")

// readWBX reads what Tools → Export of WinBox writes. MikroTik does not document it; what is known:
// the bytes 0F 10 C0 BE, then fields, each the length of what follows in two bytes, little endian,
// the length of its name in one byte, the name and the value. A length of zero ends a record. The
// names of a router's record (type=addr) are host, login, pwd, note, group, secure-mode and
// keep-pwd.
//
// Sources, which agree: localloop.co.za/2008/10/reading-mikrotiks-winbox-addresseswbx-file-format
// with github.com/simeonmiteff/junkbox, wbx.py; github.com/YATV/WBX-tools; a Kaitai description at
// gist.github.com/jabb3rd/a66ba26dc34ebbc6fb285452ce57f52e.
func readWBX(c *collector, data []byte) error {
	data, ok := bytes.CutPrefix(data, []byte(magicWBX))
	if !ok {
		return errNoWBX
	}
	unknown := map[string]bool{}
	number, entry := 1, &exported{}
	for len(data) > 0 {
		name, value, rest, ok := cutField(data)
		if !ok {
			c.skip(c.record(number), "the rest", "it is cut off here, or not written as other records are")
			break
		}
		data = rest
		if name != "" {
			c.field(number, entry, name, value, unknown)
			continue
		}
		if err := c.exported(number, entry); err != nil {
			return err
		}
		if entry.fields > 0 {
			number, entry = number+1, &exported{}
		}
	}
	return c.exported(number, entry)
}

// exported is one record.
type exported struct {
	saved
	kind   string
	fields int
}

// cutField returns one field; the name is empty at the end of a record.
func cutField(data []byte) (name string, value, rest []byte, ok bool) {
	if len(data) < 2 {
		return "", nil, nil, false
	}
	size := int(binary.LittleEndian.Uint16(data))
	data = data[2:]
	if size == 0 {
		return "", nil, data, true
	}
	if size > len(data) || data[0] == 0 {
		return "", nil, nil, false
	}
	end := 1 + int(data[0]) // of the name
	if end > size {
		return "", nil, nil, false
	}
	return string(data[1:end]), data[end:size], data[size:], true
}

func (c *collector) field(number int, e *exported, name string, value []byte, unknown map[string]bool) {
	e.fields++
	switch name {
	case "type":
		e.kind = string(value)
	case "host":
		e.host = string(value)
	case "login":
		e.login = string(value)
	case "pwd":
		e.password = len(value) > 0
	case "note":
		e.note = string(value)
	case "group":
		e.group = string(value)
	case "session":
		e.session = string(value)
	case "romon-agent":
		e.agent = string(value)
	case "secure-mode", "keep-pwd":
	default:
		if e.kind != "" && e.kind != "addr" || unknown[name] || len(unknown) > 100 {
			return
		}
		unknown[name] = true
		what := "a field"
		if len(name) <= maxName && isVariable(strings.ToLower(name)) {
			what = "the field " + name
		}
		c.skip(c.record(number), what, "its meaning is not known; it is left out here and in the records behind")
	}
}

func (c *collector) exported(number int, e *exported) error {
	switch {
	case e.fields == 0:
		return nil
	case e.kind != "" && e.kind != "addr":
		c.skip(c.record(number), "this entry", "it holds settings of WinBox itself, no router")
		return nil
	}
	return c.saved(number, e.saved)
}
