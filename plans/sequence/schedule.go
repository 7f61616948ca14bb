package sequence

import (
	"fmt"
	"time"
)

// Schedule is how time is cut into windows, of which each has its own sequence. Windows have
// numbers: window 0 begins with the Unix epoch, 1970-01-01 00:00 UTC, whatever the length, so that
// both ends agree by their clocks alone. Unix time has no leap seconds and no summer time. A window
// holds its beginning and not its end.
//
//	hourly := sequence.Schedule{Every: time.Hour, Overlap: 10 * time.Minute}
//	for _, window := range hourly.Valid(at) { … }
//
// The methods below expect a Schedule that [Schedule.Check] accepts.
type Schedule struct {
	Every time.Duration
	// Overlap is how long a sequence is accepted before its window begins and after it has ended,
	// for clocks that differ.
	Overlap time.Duration
}

// The bounds of the length of a window.
const (
	ShortestWindow = time.Minute
	LongestWindow  = 7 * 24 * time.Hour
)

// Check refuses lengths that are not whole minutes from 1 minute to 7 days, and an overlap of half
// a window or more, with which three sequences would hold at once.
func (s Schedule) Check() error {
	if s.Every < ShortestWindow || s.Every > LongestWindow || s.Every%time.Minute != 0 {
		return fmt.Errorf("a sequence can't change every %s: choose whole minutes from 1m to 7d", s.Every)
	}
	if s.Overlap < 0 || s.Overlap >= s.Every/2 {
		return fmt.Errorf("an overlap of %s is not possible with a change every %s: choose 0s or more, and less than half of it", s.Overlap, s.Every)
	}
	return nil
}

// At returns the window in which a time lies.
func (s Schedule) At(t time.Time) int64 {
	every, at := int64(s.Every/time.Second), t.Unix()
	n := at / every
	if at%every < 0 { // before 1970
		n--
	}
	return n
}

// Begin returns the first moment of a window, in UTC.
func (s Schedule) Begin(n int64) time.Time { return time.Unix(n*int64(s.Every/time.Second), 0).UTC() }

// End returns the first moment after a window, in UTC.
func (s Schedule) End(n int64) time.Time { return s.Begin(n + 1) }

// Valid returns the windows whose sequences are accepted at a time, in order: the one in which it
// lies, the one before until an Overlap after its end, and the one after from an Overlap before its
// beginning.
func (s Schedule) Valid(t time.Time) []int64 {
	now := s.At(t)
	switch {
	case t.Before(s.Begin(now).Add(s.Overlap)):
		return []int64{now - 1, now}
	case !t.Before(s.End(now).Add(-s.Overlap)):
		return []int64{now, now + 1}
	}
	return []int64{now}
}
