package routeros_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

func TestParseDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
	}{
		{"0", 0},
		{"0s", 0},
		{"90", 90 * time.Second},
		{"1.5", 1500 * time.Millisecond},
		{"1w2d3h4m5s", week + 2*day + 3*time.Hour + 4*time.Minute + 5*time.Second},
		{"7d", week},
		{"1000m", 1000 * time.Minute},
		{"3024000", 5 * week},
		{"15250w", 15250 * week},
		{"250ms", 250 * time.Millisecond},
		{"14ms612us", 14*time.Millisecond + 612*time.Microsecond},
		{"5ns", 5},
		{"00:01:00", time.Minute},
		{"00:30", 30 * time.Minute},
		{"1d00:01:00", day + time.Minute},
		{"35w3d13:13:56", routeros.MaxListTimeout},
		{"1w2d03:04:05.5", week + 2*day + 3*time.Hour + 4*time.Minute + 5500*time.Millisecond},
		{"0d00:00:05", 5 * time.Second},
	}
	for _, test := range tests {
		got, err := routeros.ParseDuration(test.text)
		if err != nil || got != test.want {
			t.Errorf("%q is %v (%v), want %v", test.text, got, err, test.want)
		}
	}
}

func TestParseDurationRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "s", "d1", "-1s", "+1", "1 s", "5x", "5mm", "1s1m", "1s1s", "1m1h", "1d5", "1:", ":1", "1:2:3:4", "1..5", "1.", ".5",
		"1.1234567890", "1:-2", "９s", "99999999999999999999s", "15251w", "9223372036.9", "9223372037", "15250w15250d99999999h", "9223372036854775807", "2562048:00:00",
		"99999999:00:00", "1e3", "1ms1s", "none",
	} {
		got, err := routeros.ParseDuration(text)
		var bad *routeros.ValueError
		if err == nil || !errors.As(err, &bad) || bad.Text != text {
			t.Errorf("%q is read as %v (%v)", text, got, err)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{-time.Second, "0s"},
		{week, "1w"},
		{routeros.MaxListTimeout, "35w3d13h13m56s"},
		{time.Hour + time.Second, "1h1s"},
		{1500 * time.Millisecond, "1s500ms"},
	}
	for _, test := range tests {
		if got := routeros.FormatDuration(test.d); got != test.want {
			t.Errorf("%v is %q, want %q", test.d, got, test.want)
		}
	}
}

// TestDurationInverse: what is printed reads back, over the whole range.
func TestDurationInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<63-1).Draw(t, "ns"))
		back, err := routeros.ParseDuration(routeros.FormatDuration(d))
		if err != nil || back != d {
			t.Fatalf("%d became %d (%v) by way of %s", d, back, err, routeros.FormatDuration(d))
		}
	})
}

func TestParseListTimeout(t *testing.T) {
	tests := []struct {
		text string
		want routeros.ListTimeout
	}{
		{"", routeros.ListTimeout{}},
		{"none-dynamic", routeros.ListTimeout{}},
		{"0s", routeros.ListTimeout{}},
		{"00:00:00", routeros.ListTimeout{}},
		{"none-static", routeros.ListTimeout{Kind: routeros.NoneStatic}},
		{"7d", routeros.ListTimeout{Kind: routeros.Timed, For: week}},
	}
	for _, test := range tests {
		got, err := routeros.ParseListTimeout(test.text)
		if err != nil || got != test.want {
			t.Errorf("%q is %+v (%v), want %+v", test.text, got, err, test.want)
		}
		if again, err := routeros.ParseListTimeout(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q, which is %+v (%v)", test.text, got, again, err)
		}
	}
	if _, err := routeros.ParseListTimeout("none"); err == nil {
		t.Error("none alone is no time-out")
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"1w2d3h4m5s", "14ms612us", "1d00:01:00", "90", "1.5", "99999999999w", "1:2:3", strings.Repeat("1", 400)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := routeros.ParseDuration(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is %d", text, d)
		}
		if back, err := routeros.ParseDuration(routeros.FormatDuration(d)); err != nil || back != d {
			t.Errorf("%q is %d, which comes back as %d (%v)", text, d, back, err)
		}
	})
}
