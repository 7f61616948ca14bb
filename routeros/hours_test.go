package routeros_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

func TestHours(t *testing.T) {
	const week = ",sun,mon,tue,wed,thu,fri,sat"
	for text, want := range map[string]string{
		"0s-1d" + week:           "0s-1d" + week,
		"08:50:00-10:10:00":      "8h50m-10h10m" + week,
		"8h-18h,fri,mon":         "8h-18h,mon,fri",
		"23h50m-10m,sat":         "23h50m-10m,sat",
		"22h-4h,sun,sun":         "22h-4h,sun",
		"28800-64800,mon":        "8h-18h,mon",
		"8h-18h,sat,sun,tue,wed": "8h-18h,sun,tue,wed,sat",
	} {
		h, err := routeros.ParseHours(text)
		if err != nil || h.String() != want || routeros.Canonical("time", text) != want {
			t.Errorf("%s: %s, %v; want %s", text, h, err, want)
		}
	}
	for _, text := range []string{"", "8h", "8h-8h", "8h-25h", "-8h-9h", "8h-9h,noday", "8h-9h,Mon", "8h-9h,", "8h-9h,mon tue", "x-9h"} {
		if h, err := routeros.ParseHours(text); err == nil {
			t.Errorf("%q is taken, as %s", text, h)
		}
		if routeros.Canonical("time", text) != text {
			t.Errorf("%q is changed", text)
		}
	}
}

func TestHoursMeet(t *testing.T) {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) } // the 22nd is a Sunday
	for _, test := range []struct {
		hours       string
		from, until time.Time
		want        bool
	}{
		{"8h-18h", at(21, 8, 0), at(21, 8, 0), true},
		{"8h-18h", at(21, 18, 0), at(21, 19, 0), true}, // its last second may belong to it
		{"8h-18h", at(21, 18, 1), at(21, 19, 0), false},
		{"8h-18h", at(21, 7, 0), at(21, 7, 59), false},
		{"8h-18h", at(21, 19, 0), at(22, 7, 59), false},
		{"8h-18h", at(21, 19, 0), at(22, 8, 0), true},
		{"22h-4h", at(21, 3, 0), at(21, 3, 1), true},
		{"22h-4h", at(21, 4, 1), at(21, 21, 59), false},
		{"22h-4h,sat", at(22, 3, 0), at(22, 3, 1), true}, // whose night it is, is not known
		{"22h-4h,sat", at(21, 3, 0), at(21, 3, 1), true},
		{"22h-4h,sat", at(23, 3, 0), at(23, 3, 1), false},
		{"8h-18h,mon", at(22, 9, 0), at(22, 10, 0), false},
		{"8h-18h,sun", at(22, 9, 0), at(22, 10, 0), true},
		{"0s-1d,sun", at(21, 23, 0), at(21, 23, 59), false},
		{"0s-1d,sun", at(22, 23, 0), at(22, 23, 59), true},
	} {
		h, err := routeros.ParseHours(test.hours)
		if err != nil || h.Meets(test.from, test.until) != test.want {
			t.Errorf("%s from %s until %s: not %v (%v)", test.hours, test.from, test.until, test.want, err)
		}
	}
}

// TestHoursRoundTrip: what is printed reads as the same.
func TestHoursRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		second := rapid.Map(rapid.IntRange(0, 86400), func(n int) time.Duration { return time.Duration(n) * time.Second })
		h := routeros.Hours{From: second.Draw(t, "from"), Until: second.Draw(t, "until")}
		if h.From == h.Until {
			return
		}
		for day := range h.Days {
			h.Days[day] = rapid.Bool().Draw(t, "day")
		}
		again, err := routeros.ParseHours(h.String())
		if err != nil || again.String() != h.String() || again.From != h.From || again.Until != h.Until {
			t.Fatalf("%s: %s, %v", h, again, err)
		}
		for day := range h.Days {
			if again.On(time.Weekday(day)) != h.On(time.Weekday(day)) {
				t.Fatalf("%s: %s", h, again)
			}
		}
	})
}

func FuzzHours(f *testing.F) {
	for _, text := range []string{"8h-18h,mon,tue", "0s-1d", "22h-4h", "08:00:00-09:00:00,sat", "1w-2w", "-", ","} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := routeros.ParseHours(text)
		if err != nil {
			return
		}
		again, err := routeros.ParseHours(h.String())
		if err != nil || again.String() != h.String() {
			t.Fatalf("%q: %s, then %s (%v)", text, h, again, err)
		}
	})
}
