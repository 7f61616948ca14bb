package routeros

import (
	"fmt"
	"strings"
)

// Quote prints a value as the console takes it: bare where that is unambiguous, in
// double quotes with backslash escapes otherwise. Bytes outside printable ASCII become
// \XX escapes, as /export writes them, so the result is always plain ASCII.
func Quote(s string) string {
	if s == "" {
		return `""`
	}
	if strings.IndexFunc(s, needsQuote) < 0 {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		b.WriteString(quoteByte(s[i]))
	}
	b.WriteByte('"')
	return b.String()
}

func needsQuote(r rune) bool {
	switch {
	case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return false
	}
	return !strings.ContainsRune("-._:,/!*@%+", r)
}

func quoteByte(c byte) string {
	switch c {
	case '"', '\\', '$', '?':
		return `\` + string(c)
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	if c < 0x20 || c >= 0x7f {
		return fmt.Sprintf(`\%02X`, c)
	}
	return string(c)
}
