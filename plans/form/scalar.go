package form

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rosknock/rosknock/routeros"
)

// LongestText is how many bytes a name or comment may have.
const LongestText = 100

var numberText = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})$`)

// IsNumber reports whether a text is a whole number of at most ten digits, without leading zeros.
func IsNumber(text string) bool { return numberText.MatchString(text) }

// TextScalar is text that the router keeps unchanged. Control characters and line breaks would let
// a name look like another one.
func TextScalar(what string) Scalar {
	return Scalar{What: what, Pattern: `^[^!\s]([^\t\r\n]*[^\s])?$`, Check: func(text string) (string, string) {
		switch {
		case text == "":
			return "it is empty", ""
		case len(text) > LongestText:
			return "it is longer than 100 bytes", ""
		case text != strings.TrimSpace(text):
			return "it begins or ends with a space", ""
		case text[0] == '!':
			return "the router reads a leading ! as \"not\"", ""
		case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
			return "it holds a character that can't be printed", ""
		}
		return "", ""
	}}
}

// DurationScalar is a time as the router writes it, whole seconds within what its lists accept.
func DurationScalar() Scalar {
	return Scalar{What: "a time", Pattern: `^[0-9]+[0-9wdhms:]*$`, Check: CheckDuration}
}

// CheckDuration is the check of a [DurationScalar].
func CheckDuration(text string) (why, remedy string) {
	if IsNumber(text) {
		return "it has no unit", "write " + text + "s for seconds"
	}
	d, err := routeros.ParseDuration(text)
	switch {
	case err != nil:
		return "it is not a time of the router", "write 10s, 1m30s or 7d"
	case d <= 0:
		return "it must be more than zero", "write 10s or more"
	case d > routeros.MaxListTimeout:
		return "the router accepts at most " + routeros.FormatDuration(routeros.MaxListTimeout), ""
	case d%time.Second != 0:
		return "the router's lists count whole seconds", ""
	}
	return "", ""
}

// DidYouMean is the remedy for a word that was probably meant to be another one.
func DidYouMean(word string) string { return "did you mean " + strconv.Quote(word) + "?" }
