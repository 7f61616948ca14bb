package routeros

import (
	"strings"
	"time"
)

// ParseMoment reads a date and a time as a router prints them (routeros-facts § 8, § 15):
// "2006-01-02 15:04:05" from 7.10 on, "jan/02/2006 15:04:05" before, where the year of a date in
// this year, and today's date, may be left out. Some versions of RouterOS 7 print "01-02 15:04:05".
// Missing parts are completed from the router's own clock, now, with the day or the year that is
// closest to it. The router leaves out what is the same as on its clock, but the clock may have
// advanced since: a minute before midnight, 00:01:00 can only mean tomorrow, and at New Year jan/01
// means the next year. Without a clock (a zero now) such a text can't be read. The moment is in the
// zone of now. It is a local time: in the hour that a change of daylight saving repeats or skips,
// it may be off by that hour.
func ParseMoment(text string, now time.Time) (time.Time, bool) {
	at, form, ok := parseForm(text)
	if !ok {
		return time.Time{}, false
	}
	year, month, day := at.Date()
	if form.dated && form.years {
		return onWall(year, month, day, at, now.Location()), true
	}
	if now.IsZero() {
		return time.Time{}, false
	}
	var best time.Time
	for _, by := range []int{0, -1, 1} {
		var other time.Time
		if form.dated {
			other = onWall(now.Year()+by, month, day, at, now.Location())
		} else {
			other = onWall(now.Year(), now.Month(), now.Day()+by, at, now.Location())
		}
		lacks := month == time.February && day == 29 && other.Month() == time.March // the year has no such day
		if !(form.dated && lacks) && (best.IsZero() || other.Sub(now).Abs() < best.Sub(now).Abs()) {
			best = other
		}
	}
	return best, !best.IsZero()
}

// momentForm is a way in which a router prints a moment.
type momentForm struct {
	layout       string
	dated, years bool
}

// parseForm reads a text that matches one of the forms exactly, except for upper and lower case:
// package time also accepts fractions of a second and hours of one digit, which no router prints.
func parseForm(text string) (time.Time, momentForm, bool) {
	for _, form := range []momentForm{
		{"2006-01-02 15:04:05", true, true},
		{"Jan/02/2006 15:04:05", true, true},
		{"Jan/02 15:04:05", true, false},
		{"01-02 15:04:05", true, false},
		{"15:04:05", false, false},
	} {
		layout, padded := form.layout, text
		if form.dated && !form.years { // in a leap year, else there is no 29 February
			layout, padded = "2006 "+layout, "2000 "+text
		}
		if at, err := time.Parse(layout, padded); err == nil && strings.EqualFold(at.Format(layout), padded) {
			return at, form, true
		}
	}
	return time.Time{}, momentForm{}, false
}

// onWall is the time of day of one moment on another day.
func onWall(year int, month time.Month, day int, at time.Time, zone *time.Location) time.Time {
	return time.Date(year, month, day, at.Hour(), at.Minute(), at.Second(), 0, zone)
}

// longestZone bounds the name of a time zone that is looked up.
const longestZone = 64

// ReadClock reads the row of /system/clock. The time is in the router's zone where that is known by
// its name, else at its present offset, in a zone without a name.
func ReadClock(row Attributes) (time.Time, bool) {
	zone := time.FixedZone("", 0)
	if offset, err := time.Parse("-07:00", row.Get("gmt-offset")); err == nil {
		_, seconds := offset.Zone()
		zone = time.FixedZone("", seconds)
	}
	at, form, ok := parseForm(row.Get("date") + " " + row.Get("time"))
	if !ok || !form.years {
		return time.Time{}, false
	}
	year, month, day := at.Date()
	return inZone(onWall(year, month, day, at, zone), row.Get("time-zone-name")), true
}

// inZone puts a time into the zone of that name, if it has the router's offset there: the router
// may have other rules, and its zone "manual" is user-defined.
func inZone(at time.Time, name string) time.Time {
	if name == "" || name == "Local" || len(name) > longestZone {
		return at
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return at
	}
	_, here := at.In(zone).Zone()
	if _, there := at.Zone(); here != there {
		return at
	}
	return at.In(zone)
}
