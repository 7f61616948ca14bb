package sequence

import (
	"cmp"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// Standing returns a plan with the knocks that belong on a router at a time, which is in the
// router's time zone. For a door with knocks in advance, these are the knocks of a whole day or
// week, each with its hours; for others, the valid ones. The result stays the same until an overlap
// after the end of the current window; then one window's knock changes.
func Standing(p plans.Plan, router string, at time.Time, secret func(plans.Credential) (string, error)) (plans.Plan, error) {
	return unroll(p, router, func(r plans.Rotate) []standing {
		s := ScheduleOf(r)
		if r.Provisioned() == 0 {
			var out []standing
			for _, window := range s.Valid(at) {
				out = append(out, standing{window: window, name: place(window, suffixes)})
			}
			return out
		}
		var out []standing
		first := s.At(at.Add(-s.Overlap))
		begins, _ := s.shown(first, at.Location())
		for n := range int64(r.Provisioned()) {
			low, high := s.shown(first+n, at.Location())
			if n == int64(r.Provisioned())-1 && high.Before(begins.Add(r.Ahead)) {
				high = begins.Add(r.Ahead) // the clock is set back in between, and the hour that occurs twice is missing at the end
			}
			out = append(out, standing{window: first + n, name: place(first+n, r.Provisioned()), hours: hours(low, high, r.Ahead)})
		}
		// A window takes the place of the window that it replaces: unchanged rules need no step.
		slices.SortFunc(out, func(a, b standing) int { return cmp.Compare(a.name, b.name) })
		return out
	}, secret)
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// hours returns the local time span in which a sequence is accepted, as hours that repeat every day
// or every week.
func hours(low, high time.Time, ahead time.Duration) []routeros.Hours {
	var out []routeros.Hours
	for midnight := low.Truncate(day); midnight.Before(high); midnight = midnight.Add(day) {
		h := routeros.Hours{From: max(0, low.Sub(midnight)), Until: min(day, high.Sub(midnight))}
		if ahead >= week {
			h.Days[midnight.Weekday()] = true
		}
		same := func(o routeros.Hours) bool { return o.From == h.From && o.Until == h.Until }
		if at := slices.IndexFunc(out, same); at >= 0 {
			out[at].Days[midnight.Weekday()] = h.Days[midnight.Weekday()]
			continue
		}
		out = append(out, h)
	}
	return out
}

// shown returns the local time span in which a window's sequence is accepted, from an Overlap
// before it begins until one after its end, written as times of UTC. If the clock is set forward or
// back in between, it is the earliest and the latest time that the clock shows.
func (s Schedule) shown(window int64, zone *time.Location) (low, high time.Time) {
	from, until := s.Begin(window).Add(-s.Overlap).In(zone), s.End(window).Add(s.Overlap).In(zone)
	low, high = reading(from), reading(until)
	if _, change := from.ZoneBounds(); !change.IsZero() && change.Before(until) {
		before := reading(change.Add(-time.Nanosecond).In(from.Location()))
		after := reading(change.In(from.Location()))
		if before.After(high) {
			high = before.Add(time.Nanosecond)
		}
		if after.Before(low) {
			low = after
		}
	}
	return low, high
}

func reading(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// Before returns the window whose sequence a router still has in place of a window's, a number of
// rounds after the last rotation.
func Before(r plans.Rotate, window int64, rounds int) int64 {
	return window - int64(rounds)*int64(r.Provisioned())
}
