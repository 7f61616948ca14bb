package sequence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/sequence"
)

func TestScheduleValid(t *testing.T) {
	hour := sequence.Schedule{Every: time.Hour, Overlap: 10 * time.Minute}
	sharp := sequence.Schedule{Every: time.Hour}
	for _, test := range []struct {
		schedule sequence.Schedule
		at       string
		want     []int64
	}{
		{hour, "1970-01-01T00:00:00Z", []int64{-1, 0}},
		{hour, "1970-01-01T00:09:59.999999999Z", []int64{-1, 0}},
		{hour, "1970-01-01T00:10:00Z", []int64{0}},
		{hour, "1970-01-01T00:49:59.999999999Z", []int64{0}},
		{hour, "1970-01-01T00:50:00Z", []int64{0, 1}},
		{hour, "1970-01-01T00:59:59.999999999Z", []int64{0, 1}},
		{hour, "1970-01-01T01:00:00Z", []int64{0, 1}},
		{hour, "1970-01-01T01:10:00Z", []int64{1}},
		{hour, "1969-12-31T23:59:59.5Z", []int64{-1, 0}},
		{hour, "1969-12-31T23:00:00Z", []int64{-2, -1}},
		{hour, "1969-12-31T22:59:59.999999999Z", []int64{-2, -1}},
		{hour, "1970-01-01T02:30:00+02:00", []int64{0}}, // another zone is the same moment
		{hour, "2016-12-31T23:59:59Z", []int64{412007, 412008}},
		{hour, "2017-01-01T00:00:00Z", []int64{412007, 412008}}, // the leap second before counts in no window
		{hour, "2026-03-29T01:30:00Z", []int64{492985}},         // in the hour that summer time leaves out
		{sharp, "1970-01-01T00:00:00Z", []int64{0}},
		{sharp, "1970-01-01T00:59:59.999999999Z", []int64{0}},
		{sharp, "1970-01-01T01:00:00Z", []int64{1}},
		{sharp, "1969-12-31T23:00:00Z", []int64{-1}},
		{sequence.Schedule{Every: time.Minute, Overlap: 29 * time.Second}, "1970-01-01T00:00:30Z", []int64{0}},
		{sequence.Schedule{Every: 7 * time.Minute}, "1970-01-02T00:00:00Z", []int64{205}}, // no whole number of windows makes a day
		{sequence.Schedule{Every: sequence.LongestWindow}, "1970-01-08T00:00:00Z", []int64{1}},
	} {
		at, err := time.Parse(time.RFC3339Nano, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := test.schedule.Valid(at); !slices.Equal(got, test.want) {
			t.Errorf("%+v at %s: %v, not %v", test.schedule, test.at, got, test.want)
		}
	}
}

// TestScheduleProperties: windows follow on each other without a gap, and a sequence is accepted
// exactly from an overlap before its window to an overlap after it.
func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.IntRange(1, 7*24*60).Draw(t, "minutes")) * time.Minute
		s := sequence.Schedule{Every: every, Overlap: time.Duration(rapid.Int64Range(0, int64(every/2)-1).Draw(t, "overlap"))}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
		n := s.At(at)
		if at.Before(s.Begin(n)) || !at.Before(s.End(n)) || !s.End(n).Equal(s.Begin(n+1)) || s.End(n).Sub(s.Begin(n)) != every || s.Begin(n).Location() != time.UTC {
			t.Fatalf("window %d from %s to %s does not hold %s", n, s.Begin(n), s.End(n), at)
		}
		var want []int64
		for w := n - 2; w <= n+2; w++ {
			if !at.Before(s.Begin(w).Add(-s.Overlap)) && at.Before(s.End(w).Add(s.Overlap)) {
				want = append(want, w)
			}
		}
		if got := s.Valid(at); !slices.Equal(got, want) {
			t.Fatalf("%v, not %v", got, want)
		}
	})
}

func TestScheduleCheck(t *testing.T) {
	for _, test := range []struct {
		every, overlap time.Duration
		ok             bool
	}{
		{time.Minute, 0, true},
		{time.Minute, 29 * time.Second, true},
		{time.Minute, 30 * time.Second, false},
		{7 * 24 * time.Hour, time.Hour, true},
		{7 * time.Minute, 0, true},
		{7*24*time.Hour + time.Minute, 0, false},
		{59 * time.Second, 0, false},
		{90 * time.Second, 0, false},
		{0, 0, false},
		{-time.Hour, 0, false},
		{time.Hour, -1, false},
		{time.Hour, 30 * time.Minute, false},
		{time.Hour, 30*time.Minute - 1, true},
	} {
		if err := (sequence.Schedule{Every: test.every, Overlap: test.overlap}).Check(); (err == nil) != test.ok {
			t.Errorf("%s, %s: %v", test.every, test.overlap, err)
		}
	}
}

func ExampleSchedule() {
	hourly := sequence.Schedule{Every: time.Hour, Overlap: 10 * time.Minute}
	at := time.Date(2026, 1, 2, 3, 55, 0, 0, time.UTC)
	for _, window := range hourly.Valid(at) {
		fmt.Println(window, hourly.Begin(window).Format(time.TimeOnly))
	}
	// Output:
	// 490923 03:00:00
	// 490924 04:00:00
}
