package foreign

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decodeText turns what editors and Excel write into UTF-8: a byte order mark goes, UTF-16 with one
// is converted, and what is no UTF-8 is taken as Windows-1252, which guessed says.
func decodeText(data []byte) (text string, guessed bool, err error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		text = fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		text = fromUTF16(data[2:], binary.BigEndian)
	default:
		data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
		if utf8.Valid(data) {
			text = string(data)
			break
		}
		text, guessed = fromWindows(data), true
	}
	if strings.ContainsFunc(text, isJunk) {
		return "", false, errBinary
	}
	return text, guessed, nil
}

// isJunk reports characters that no text file holds.
func isJunk(r rune) bool {
	return r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' && r != '\v'
}

func fromUTF16(data []byte, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	return string(utf16.Decode(units))
}

// windows are the characters of Windows-1252 from 0x80 to 0x9f; the rest is Latin 1.
const windows = "€?‚ƒ„…†‡ˆ‰Š‹Œ?Ž??‘’“”•–—˜™š›œ?žŸ"

func fromWindows(data []byte) string {
	table := []rune(windows)
	var b strings.Builder
	b.Grow(len(data) + len(data)/8)
	for _, c := range data {
		if c >= 0x80 && c < 0xa0 {
			b.WriteRune(table[c-0x80])
			continue
		}
		b.WriteRune(rune(c))
	}
	return b.String()
}

const guessedWhy = "the file is not UTF-8: it was read as Windows-1252, so check the letters with accents"
