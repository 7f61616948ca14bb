package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// What is known of Addresses.cdb, the address book of WinBox 3 and 4, which MikroTik does not
// document:
//
//   - The file begins with 0D F0 1D C0; with a master password with 0D F0 11 40, and is encrypted.
//     Each record is its length in four bytes, little endian, and a message that begins with "M2".
//     (github.com/tikoci/centrs, src/data/winbox-cdb.ts and its notes on encryption, tested there
//     with files that WinBox wrote and against WinBox itself; the magic also stands in Wikipedia's
//     list of file signatures.)
//   - A message is a sequence of fields: a key in three bytes and a type in one, then the value,
//     which depends on the type. (github.com/tenable/routeros, common/winbox_message.cpp, for the
//     same messages on the wire.)
//   - The text under key 1 is the address as it was typed, 2 the login, 3 the password in clear
//     text, 4 the note, 6 the session, 8 the group, 11 (0x0b) the RoMON agent. Readers by four
//     authors agree on 1 to 4 and 8. A second copy of the note stands under 0xfe0009.
const (
	keyAddress  = 1
	keyLogin    = 2
	keyPassword = 3
	keyNote     = 4
	keySession  = 6
	keyGroup    = 8
	keyAgent    = 11
	keyNoteToo  = 0xfe0009
)

const (
	magicCDB       = "\x0d\xf0\x1d\xc0"
	magicEncrypted = "\x0d\xf0\x11\x40"
	magicWBX       = "\x0f\x10\xc0\xbe"
)

var (
	errNoCDB     = errors.New("it is not WinBox's Addresses.cdb, which begins with the bytes 0D F0 1D C0")
	errEncrypted = errors.New("WinBox has encrypted it with a master password: take that off in WinBox, copy the file, and set the password again; or write the routers into a CSV file")
	errMessage   = errors.New("it is not written as other records are, so nothing of it is taken over")
)

// readCDB reads Addresses.cdb.
func readCDB(c *collector, data []byte) error {
	if bytes.HasPrefix(data, []byte(magicEncrypted)) {
		return errEncrypted
	}
	if !bytes.HasPrefix(data, []byte(magicCDB)) {
		return errNoCDB
	}
	data = data[len(magicCDB):]
	for number := 1; len(data) > 0; number++ {
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			c.skip(c.record(number), "the rest", "the file was cut off here")
			return nil
		}
		size := int(binary.LittleEndian.Uint32(data))
		message := data[4 : 4+size]
		data = data[4+size:]
		entry, err := readMessage(message)
		if err != nil {
			c.skip(c.record(number), "this entry", err.Error())
			continue
		}
		if err := c.saved(number, entry); err != nil {
			return err
		}
	}
	return nil
}

// readMessage reads the fields of a record that are known. The rest is stepped over.
func readMessage(data []byte) (saved, error) {
	var s saved
	data, ok := bytes.CutPrefix(data, []byte("M2"))
	if !ok {
		return s, errMessage
	}
	for len(data) > 0 {
		if len(data) < 4 {
			return s, errMessage
		}
		key := int(data[0]) | int(data[1])<<8 | int(data[2])<<16
		kind := data[3]
		value, rest, ok := cutValue(kind, data[4:])
		if !ok {
			return s, errMessage
		}
		data = rest
		if kind&^shortForm == kindText {
			s.take(key, value)
		}
	}
	return s, nil
}

func (s *saved) take(key int, value []byte) {
	switch key {
	case keyAddress:
		s.host = string(value)
	case keyLogin:
		s.login = string(value)
	case keyPassword:
		s.password = len(value) > 0
	case keyNote:
		s.note = string(value)
	case keyNoteToo:
		if s.note == "" {
			s.note = string(value)
		}
	case keySession:
		s.session = string(value)
	case keyGroup:
		s.group = string(value)
	case keyAgent:
		s.agent = string(value)
	}
}

// The types of values. The lowest bit says that a number or a length takes only one byte, and is
// the value of a yes or no; the highest bit says that a count and that many values follow.
const (
	kindBool    = 0x00
	kindU32     = 0x08
	kindU64     = 0x10
	kindAddress = 0x18
	kindText    = 0x20
	kindMessage = 0x28
	kindRaw     = 0x30
	shortForm   = 0x01
	listForm    = 0x80
)

// cutValue returns the bytes of a value and what follows it. ok is false when the type is not known
// or the value is cut off.
func cutValue(kind byte, data []byte) (value, rest []byte, ok bool) {
	if kind&listForm != 0 {
		return cutList(kind&^listForm, data)
	}
	size := 0
	switch kind {
	case kindBool, kindBool | shortForm:
	case kindU32:
		size = 4
	case kindU32 | shortForm:
		size = 1
	case kindU64:
		size = 8
	case kindAddress:
		size = 16
	case kindText | shortForm, kindMessage | shortForm, kindRaw | shortForm:
		if len(data) < 1 {
			return nil, nil, false
		}
		size, data = int(data[0]), data[1:]
	case kindText, kindMessage, kindRaw:
		if len(data) < 2 {
			return nil, nil, false
		}
		size, data = int(binary.LittleEndian.Uint16(data)), data[2:]
	default:
		return nil, nil, false
	}
	if size > len(data) {
		return nil, nil, false
	}
	return data[:size], data[size:], true
}

// cutList steps over a list: a count in two bytes and the values, texts with lengths of two bytes.
func cutList(kind byte, data []byte) (value, rest []byte, ok bool) {
	if len(data) < 2 {
		return nil, nil, false
	}
	count := int(binary.LittleEndian.Uint16(data))
	data = data[2:]
	if kind == kindBool { // in lists each takes a byte
		kind = kindU32 | shortForm
	} else if kind&shortForm != 0 {
		return nil, nil, false
	}
	for range count {
		if _, data, ok = cutValue(kind, data); !ok {
			return nil, nil, false
		}
	}
	return nil, data, true
}
