package routeros

import (
	"slices"
	"strings"
	"time"
)

// Hours is what the matcher time of a rule holds: a time of day of the router's own clock, on some
// days of the week.
type Hours struct {
	// From and Until are since midnight, Until at most 24 hours. If Until is before From, the hours
	// cross midnight.
	From, Until time.Duration
	// Days are those on which it holds, Sunday first; none are all.
	Days [7]bool
}

// ParseHours reads 8h-18h,mon,tue and 08:00:00-18:00:00.
func ParseHours(text string) (Hours, error) {
	var h Hours
	words := strings.Split(text, ",")
	low, high, ok := strings.Cut(words[0], "-")
	from, err1 := ParseDuration(low)
	until, err2 := ParseDuration(high)
	if !ok || err1 != nil || err2 != nil || from == until || from < 0 || until < 0 || from > 24*time.Hour || until > 24*time.Hour {
		return h, badValue("time of day", text, "8h-18h,mon,tue is expected")
	}
	h.From, h.Until = from, until
	for _, word := range words[1:] {
		day := slices.Index(dayNames(), word)
		if day < 0 {
			return h, badValue("time of day", text, "a day is one of "+strings.Join(dayNames(), ", "))
		}
		h.Days[day] = true
	}
	return h, nil
}

// dayNames are the router's words, in its order: an export has
// time=0s-1d,sun,mon,tue,wed,thu,fri,sat.
func dayNames() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// String prints the hours as the router exports them, with every day named.
func (h Hours) String() string {
	var b strings.Builder
	b.WriteString(FormatDuration(h.From) + "-" + FormatDuration(h.Until))
	for day, name := range dayNames() {
		if h.On(time.Weekday(day)) {
			b.WriteString("," + name)
		}
	}
	return b.String()
}

// On reports whether the hours hold on a day.
func (h Hours) On(day time.Weekday) bool { return h.Days == [7]bool{} || h.Days[day] }

// Meets reports whether the hours may hold at some moment from one time until another, which are
// less than a day apart and in the router's zone. Unknown cases count as yes: the very end of the
// hours, and the time after midnight.
func (h Hours) Meets(from, until time.Time) bool {
	midnight := time.Date(from.Year(), from.Month(), from.Day()-1, 0, 0, 0, 0, from.Location())
	for range 3 {
		ends := h.Until
		if ends < h.From {
			ends += 24 * time.Hour
		}
		reaches := h.On(midnight.Weekday()) || ends > 24*time.Hour && h.On((midnight.Weekday()+1)%7)
		if reaches && !until.Before(wall(midnight, h.From)) && !from.After(wall(midnight, ends).Add(time.Second)) {
			return true
		}
		midnight = time.Date(midnight.Year(), midnight.Month(), midnight.Day()+1, 0, 0, 0, 0, midnight.Location())
	}
	return false
}

// wall is the moment at which local time shows a time of a day.
func wall(midnight time.Time, since time.Duration) time.Time {
	return time.Date(midnight.Year(), midnight.Month(), midnight.Day(), 0, 0, int(since/time.Second), 0, midnight.Location())
}
