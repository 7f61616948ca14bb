package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Window is a maintenance window that repeats every week.
type Window struct {
	text     string
	days     []time.Weekday // on which it begins
	from, to int            // minutes of the day; to is past midnight when it is not after from
	zone     *time.Location
}

// ParseWindow reads "Sat 02:00-04:00 Europe/Berlin": days, from and to, zone. Days are Mon,
// Mon-Fri, Sat,Sun or daily; a window that ends before it begins ends on the next day. Without a
// zone it is UTC.
func ParseWindow(text string) (Window, error) {
	w := Window{text: text, zone: time.UTC}
	words := strings.Fields(text)
	if len(words) < 2 || len(words) > 3 {
		return w, fmt.Errorf("%q is not a window: write it as \"Sat 02:00-04:00 Europe/Berlin\"", text)
	}
	var err error
	if w.days, err = parseDays(words[0]); err != nil {
		return w, err
	}
	from, to, ok := strings.Cut(words[1], "-")
	begin, err1 := time.Parse("15:04", from)
	end, err2 := time.Parse("15:04", to)
	if to == "24:00" {
		end, err2 = time.Time{}, nil
	}
	if !ok || err1 != nil || err2 != nil || from == to {
		return w, fmt.Errorf("%q is not a time of a window: write it as 02:00-04:00", words[1])
	}
	w.from, w.to = begin.Hour()*60+begin.Minute(), end.Hour()*60+end.Minute()
	if len(words) == 3 {
		if w.zone, err = time.LoadLocation(words[2]); err != nil || words[2] == "Local" {
			return w, fmt.Errorf("%q is not a time zone: write it as Europe/Berlin", words[2])
		}
	}
	return w, nil
}

func parseDays(text string) ([]time.Weekday, error) {
	if strings.EqualFold(text, "daily") {
		return []time.Weekday{0, 1, 2, 3, 4, 5, 6}, nil
	}
	var out []time.Weekday
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, okA := weekday(first)
		b, okB := weekday(last)
		if !okA || !okB {
			return nil, fmt.Errorf("%q is not a day of a window: write Mon, Mon-Fri, Sat,Sun or daily", part)
		}
		for d := a; ; d = (d + 1) % 7 {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
			if d == b {
				break
			}
		}
	}
	return out, nil
}

func weekday(text string) (time.Weekday, bool) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.EqualFold(text, d.String()[:3]) || strings.EqualFold(text, d.String()) {
			return d, true
		}
	}
	return 0, false
}

// Set reports whether there is a window.
func (w Window) Set() bool { return w.zone != nil && len(w.days) > 0 }

// Open reports whether the window is open at a time, and until when.
func (w Window) Open(t time.Time) (until time.Time, open bool) {
	for _, shift := range []int{-1, 0} {
		from, to, ok := w.at(t, shift)
		if ok && !t.Before(from) && t.Before(to) && to.After(until) {
			until, open = to, true
		}
	}
	return until, open
}

// at returns the window that begins on the day of t, shifted by days. Clocks that are put forward
// or back are followed.
func (w Window) at(t time.Time, shift int) (from, to time.Time, ok bool) {
	y, m, d := t.In(w.zone).Date()
	day := time.Date(y, m, d+shift, 12, 0, 0, 0, w.zone)
	from = time.Date(y, m, d+shift, w.from/60, w.from%60, 0, 0, w.zone)
	next := 0
	if w.to <= w.from {
		next = 1
	}
	to = time.Date(y, m, d+shift+next, w.to/60, w.to%60, 0, 0, w.zone)
	return from, to, slices.Contains(w.days, day.Weekday())
}

// Next returns when the window opens next after a time.
func (w Window) Next(t time.Time) time.Time {
	for shift := range 9 {
		if from, _, ok := w.at(t, shift); ok && from.After(t) {
			return from
		}
	}
	return time.Time{}
}

// WindowError says that a change would run outside the window.
type WindowError struct{ problem string }

// Error implements error.
func (e *WindowError) Error() string { return e.problem }

// Admit says why a change with a given duration can't begin now. The zero window admits everything.
func (w Window) Admit(now time.Time, lasting time.Duration) error {
	if !w.Set() {
		return nil
	}
	until, open := w.Open(now)
	const form = "Mon 2006-01-02 15:04 MST"
	switch {
	case !open:
		return &WindowError{fmt.Sprintf("the window %q is shut: it opens next on %s", w.text, w.Next(now).Format(form))}
	case now.Add(lasting).After(until):
		return &WindowError{fmt.Sprintf("the window %q ends on %s, and a change begun now may be rolled back up to %s after that: shorten --undo-after, or begin earlier",
			w.text, until.Format(form), now.Add(lasting).Sub(until).Round(time.Second))}
	}
	return nil
}
