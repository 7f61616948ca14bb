package routeros_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

func TestVisible(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		most             int
	}{
		{"plain", "café | 東京 ❤", "café | 東京 ❤", 100},
		{"a terminal title", "\x1b]0;owned\x07", `\x1b]0;owned\x07`, 100},
		{"line ends", "a\r\nb\tc\vd", `a\r\nb\tc\x0bd`, 100},
		{"C1", "a\u009b31mb\u0085c", `a\x9b31mb\x85c`, 100},
		{"other line ends", "a\u2028b\u2029c", `a\u2028b\u2029c`, 100},
		{"direction", "a\u202eb\u2066c\u200fd\u061ce", `a\u202eb\u2066c\u200fd\u061ce`, 100},
		{"nobody sees them", "a\u200bb\u200dc\u2060d\ufeffe\u00adf\u034fg\ufe0fh\u3164i\U000e0041j", `a\u200bb\u200dc\u2060d\ufeffe\xadf\u034fg\ufe0fh\u3164i\U000e0041j`, 100},
		{"blanks", "10\u00a0%\u3000", "10\u00a0%\u3000", 100},
		{"no UTF-8", "a\xff\xfeb\xc3", "a\uFFFDb\uFFFD", 100},
		{"a delete", "a\x7f", `a\x7f`, 100},
		{"means nothing", "\ue000\U0010ffff", `\ue000\U0010ffff`, 100},
		{"just fits", "abcd", "abcd", 4},
		{"too long", "abcde", "abc…", 4},
		{"too long with wide ones", "éééée", "ééé…", 4},
		{"an escape that does not fit", "abc\x1b", "abc…", 4},
		{"nothing", "", "", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := routeros.Visible(c.text, c.most); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := routeros.Visible(strings.Repeat("\x1b\xff", 450_000), 256); utf8.RuneCountInString(got) > 256 || !strings.HasSuffix(got, "…") {
		t.Errorf("of 900 kB %d characters are left: %q", utf8.RuneCountInString(got), got)
	}
}

// hostileText draws texts with much in them that must not be shown.
func hostileText() *rapid.Generator[string] {
	bad := rapid.SampledFrom([]string{"\x1b", "\x07", "\r", "\n", "\t", "\u009b", "\u202e", "\u200b", "\xff", "\xc3", "\u2028", "\x00", "\x7f"})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.String(), bad), 0, 20).Draw(t, "parts"), "")
	})
}

// TestVisibleAlways: whatever comes in, what comes out is short, valid, on one line and harmless,
// and stays as it is when it comes in again.
func TestVisibleAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, most := hostileText().Draw(t, "text"), rapid.IntRange(1, 60).Draw(t, "most")
		got := routeros.Visible(text, most)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > most {
			t.Fatalf("%q of at most %d", got, most)
		}
		for _, r := range got {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
		if again := routeros.Visible(got, most); again != got {
			t.Fatalf("%q becomes %q", got, again)
		}
	})
}
