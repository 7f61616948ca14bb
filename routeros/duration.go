package routeros

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ValueError says which text could not be read as which kind of value, and why.
type ValueError struct {
	Kind string // what was expected: "duration", "port list", …
	Text string // the text that was found
	Why  string // what is wrong with it, without a full stop
}

// Error implements error.
func (e *ValueError) Error() string { return fmt.Sprintf("%s %q: %s", e.Kind, e.Text, e.Why) }

// MaxListTimeout is the longest time-out that an address-list entry can have,
// 35w3d13h13m56s: a 32-bit count of hundredths of a second, less one and a half
// (routeros-facts § 3; the router refuses more with "value of timeout is out of range").
const MaxListTimeout = 35*7*24*time.Hour + 3*24*time.Hour + 13*time.Hour + 13*time.Minute + 56*time.Second

// ParseDuration reads a RouterOS time: 1w2d3h4m5s, 250ms, 14ms612us, 00:01:00, 1d00:01:00,
// 1w2d03:04:05.5, or a bare number of seconds. Units go from large to small, each once.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, badValue("duration", s, "empty")
	}
	d, rest, err := parseUnits(s)
	if err != nil {
		return 0, err
	}
	if rest == "" {
		return d, nil
	}
	clock, err := parseClock(s, rest, d != 0 || rest != s)
	if err != nil {
		return 0, err
	}
	return addDuration(s, d, clock)
}

func badValue(kind, text, why string) error { return &ValueError{Kind: kind, Text: text, Why: why} }

// longest is the longest time that a time.Duration holds, about 292 years.
const longest = 1<<63 - 1

type unit struct {
	suffix string
	length time.Duration
}

// parseUnits eats number-unit pairs from the front, units in descending order, and
// returns what is left: nothing, a clock time, or a bare number.
func parseUnits(s string) (d time.Duration, rest string, err error) {
	rest = s
	order := units()
	for rest != "" {
		digits := leadingDigits(rest)
		if digits == "" {
			return 0, "", badValue("duration", s, "a number with a unit of w, d, h, m, s, ms is expected")
		}
		after := rest[len(digits):]
		if after == "" || after[0] == ':' || after[0] == '.' {
			return d, rest, nil
		}
		suffix := after[:len(after)-len(strings.TrimLeft(after, "wdhmsun"))]
		at := indexUnit(order, suffix)
		if at < 0 {
			return 0, "", badValue("duration", s, fmt.Sprintf("%q is no unit here; units are w d h m s ms us, from large to small", firstWord(after)))
		}
		n, convErr := strconv.ParseInt(digits, 10, 64)
		if convErr != nil || n > longest/int64(order[at].length) {
			return 0, "", badValue("duration", s, "too long")
		}
		if d, err = addDuration(s, d, time.Duration(n)*order[at].length); err != nil {
			return 0, "", err
		}
		order = order[at+1:]
		rest = after[len(suffix):]
	}
	return d, "", nil
}

func units() []unit {
	return []unit{
		{"w", 7 * 24 * time.Hour},
		{"d", 24 * time.Hour},
		{"h", time.Hour},
		{"m", time.Minute},
		{"s", time.Second},
		{"ms", time.Millisecond},
		{"us", time.Microsecond},
		{"ns", time.Nanosecond},
	}
}

func firstWord(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return r >= '0' && r <= '9' })
	if end < 0 {
		return s
	}
	return s[:end]
}

func indexUnit(order []unit, suffix string) int {
	for i, u := range order {
		if u.suffix == suffix {
			return i
		}
	}
	return -1
}

// parseClock reads what follows weeks and days: hh:mm, hh:mm:ss, either with a fraction
// behind the seconds, or a bare number of seconds where nothing stood before it.
func parseClock(whole, s string, behindUnits bool) (time.Duration, error) {
	main, fraction, hasFraction := strings.Cut(s, ".")
	parts := strings.Split(main, ":")
	if len(parts) > 3 || (len(parts) == 1 && behindUnits) {
		return 0, badValue("duration", whole, "hh:mm:ss is expected behind weeks and days")
	}
	var total time.Duration
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 40)
		if err != nil || leadingDigits(part) != part {
			return 0, badValue("duration", whole, "hh:mm:ss or a number of seconds is expected")
		}
		if len(parts) > 1 && len(part) > 5 {
			return 0, badValue("duration", whole, "too long")
		}
		if n > uint64(longest/int64(time.Second)) {
			return 0, badValue("duration", whole, "too long")
		}
		total = total*60 + time.Duration(n)
	}
	switch len(parts) {
	case 2:
		total *= 60 * time.Second
	default:
		total *= time.Second
	}
	if hasFraction {
		if leadingDigits(fraction) != fraction || fraction == "" || len(fraction) > 9 {
			return 0, badValue("duration", whole, "a fraction of a second has one to nine digits")
		}
		n, _ := strconv.Atoi((fraction + "000000000")[:9])
		return addDuration(whole, total, time.Duration(n))
	}
	return total, nil
}

func addDuration(whole string, a, b time.Duration) (time.Duration, error) {
	if b > 0 && a > longest-b {
		return 0, badValue("duration", whole, "too long")
	}
	return a + b, nil
}

func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// FormatDuration prints a time as the router does: 1w2d3h4m5s, largest unit first, units
// that are zero left out, 0s for nothing. Negative times print as 0s.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range units() {
		if n := d / u.length; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.suffix)
			d -= n * u.length
		}
	}
	return b.String()
}

// ListTimeout is the address-list-timeout of a rule: a time, or one of two words.
type ListTimeout struct {
	// Kind tells which of the three it is.
	Kind TimeoutKind
	// For is the time, when Kind is Timed.
	For time.Duration
}

// TimeoutKind is the kind of a [ListTimeout].
type TimeoutKind uint8

// The three kinds. NoneDynamic is the router's default: the entry stays until a reboot.
// NoneStatic entries are written to the configuration.
const (
	NoneDynamic TimeoutKind = iota
	NoneStatic
	Timed
)

// ParseListTimeout reads a duration, none-dynamic or none-static. Zero is none-dynamic
// (routeros-facts § 2.6).
func ParseListTimeout(s string) (ListTimeout, error) {
	switch s {
	case "none-dynamic", "":
		return ListTimeout{}, nil
	case "none-static":
		return ListTimeout{Kind: NoneStatic}, nil
	}
	d, err := ParseDuration(s)
	if err != nil {
		return ListTimeout{}, err
	}
	if d == 0 {
		return ListTimeout{}, nil
	}
	return ListTimeout{Kind: Timed, For: d}, nil
}

// String prints the time-out as the router does.
func (t ListTimeout) String() string {
	switch t.Kind {
	case NoneStatic:
		return "none-static"
	case Timed:
		return FormatDuration(t.For)
	default:
		return "none-dynamic"
	}
}
