package routeros

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsVisible reports whether a character may reach a terminal as it is: letters, marks, digits,
// punctuation, symbols and blanks. Control characters (C0 and C1, so also escape sequences and line
// ends), marks that change the writing direction, other invisible characters, and unassigned code
// points are not visible.
func IsVisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r < 0x7f
	}
	if unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
		return false
	}
	return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r)
}

// Visible returns a text as it may stand within one line that people read, wherever the text comes
// from: an identity, a comment, a trap, a banner. What [IsVisible] refuses is written as Go writes
// it in a string (\n, \x1b, \u202e), bytes that are no UTF-8 become U+FFFD, and of a longer text
// the first characters remain, with an ellipsis: most characters in all. A text that is visible
// comes back as it is, so that nothing is escaped twice.
func Visible(text string, most int) string {
	if len(text) <= most && visibleASCII(text) {
		return text
	}
	// A character has at most four bytes. Cut first: a router may send a megabyte.
	cut := len(text) > (most+1)*utf8.UTFMax
	if cut {
		text = text[:(most+1)*utf8.UTFMax]
	}
	var b strings.Builder
	n, end := 0, 0 // characters so far; where the text ends if an ellipsis has to follow
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		shown := string(r)
		if !IsVisible(r) {
			shown = escaped(r)
		}
		if n += utf8.RuneCountInString(shown); n > most {
			cut = true
			break
		}
		b.WriteString(shown)
		if n < most {
			end = b.Len()
		}
	}
	if cut {
		return b.String()[:end] + "…"
	}
	return b.String()
}

func visibleASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// escaped writes a character as Go does in a string.
func escaped(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
