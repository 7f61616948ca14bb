package routeros

import (
	"fmt"
	"strings"
)

// Quote prints a value as the console takes it: bare where that is unambiguous, in
// double quotes with backslash escapes otherwise. Bytes outside printable ASCII become
// \XX escapes, as /export writes them, so the result is always plain ASCII.
func Quote(s string) string {
	if s != "" && strings.IndexFunc(s, needsQuote) < 0 {
		return s
	}
	return string(appendQuoted(nil, s))
}

func appendQuoted(out []byte, s string) []byte {
	if s != "" && strings.IndexFunc(s, needsQuote) < 0 {
		return append(out, s...)
	}
	out = append(out, '"')
	for i := range len(s) {
		out = appendByte(out, s[i])
	}
	return append(out, '"')
}

func needsQuote(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("-._:,/!*@%+", r)
}

func appendByte(out []byte, c byte) []byte {
	switch c {
	case '"', '\\', '$', '?':
		return append(out, '\\', c)
	case '\n':
		return append(out, `\n`...)
	case '\r':
		return append(out, `\r`...)
	case '\t':
		return append(out, `\t`...)
	}
	if c < 0x20 || c >= 0x7f {
		return fmt.Appendf(out, `\%02X`, c)
	}
	return append(out, c)
}
