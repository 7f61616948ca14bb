package routeros_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rosknock/rosknock/routeros"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.DateTime, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestParseMoment: every form in which a router prints a moment is read, and what it leaves out is
// completed by its clock: the day or the year that comes closest, also around midnight and New
// Year.
func TestParseMoment(t *testing.T) {
	for _, test := range []struct{ text, now, want string }{
		{"2026-09-21 15:04:05", "2026-01-01 00:00:00", "2026-09-21 15:04:05"},
		{"sep/21/2026 15:04:05", "2020-01-01 00:00:00", "2026-09-21 15:04:05"},
		{"Sep/21/2026 15:04:05", "2020-01-01 00:00:00", "2026-09-21 15:04:05"},
		{"SEP/21/2026 15:04:05", "2020-01-01 00:00:00", "2026-09-21 15:04:05"},
		{"jan/01/1970 00:05:10", "1970-01-01 00:00:10", "1970-01-01 00:05:10"},
		{"sep/21 15:04:05", "2026-09-21 15:00:00", "2026-09-21 15:04:05"},
		{"Sep/22 00:01:00", "2026-09-21 23:58:00", "2026-09-22 00:01:00"},
		{"09-21 15:04:05", "2026-09-21 15:00:00", "2026-09-21 15:04:05"},
		{"15:04:05", "2026-09-21 15:00:00", "2026-09-21 15:04:05"},
		{"14:59:00", "2026-09-21 15:00:00", "2026-09-21 14:59:00"}, // it has passed
		{"00:01:00", "2026-09-21 23:58:00", "2026-09-22 00:01:00"},
		{"23:58:00", "2026-09-22 00:01:00", "2026-09-21 23:58:00"},
		{"00:01:00", "2026-12-31 23:58:00", "2027-01-01 00:01:00"},
		{"jan/01 00:01:00", "2026-12-31 23:58:00", "2027-01-01 00:01:00"},
		{"01-01 00:01:00", "2026-12-31 23:58:00", "2027-01-01 00:01:00"},
		{"dec/31 23:58:00", "2027-01-01 00:01:00", "2026-12-31 23:58:00"},
		{"feb/29 12:00:00", "2028-02-28 12:00:00", "2028-02-29 12:00:00"},
		{"feb/29 12:00:00", "2027-12-31 12:00:00", "2028-02-29 12:00:00"},
	} {
		if got, ok := routeros.ParseMoment(test.text, at(t, test.now)); !ok || !got.Equal(at(t, test.want)) {
			t.Errorf("%q at %s: %v, %v; want %s", test.text, test.now, got, ok, test.want)
		}
	}
}

// TestParseMomentRefuses: what no router prints is no moment; nor is a text that needs a clock,
// without one.
func TestParseMomentRefuses(t *testing.T) {
	now := at(t, "2026-09-21 15:00:00")
	for _, text := range []string{
		"", " ", "never", "startup", "15:04", "5:04:05", "15:04:5", "15:04:05.5", "15:04:05 ", " 15:04:05", "24:00:00", "15:60:00", "15:04:60",
		"2026-09-21", "2026-9-21 15:04:05", "2026-13-01 15:04:05", "2026-02-29 15:04:05", "2026-09-21T15:04:05", "2026-09-21 15:04:05Z",
		"sept/21/2026 15:04:05", "21/sep/2026 15:04:05", "sep/31/2026 15:04:05", "sep/1/2026 15:04:05", "sep/21/26 15:04:05",
		"feb/29 12:00:00", "feb/30 12:00:00", "13-01 15:04:05", "09/21 15:04:05", "1d00:00:05", "5m", "ſep/21/2026 15:04:05",
	} {
		if got, ok := routeros.ParseMoment(text, now); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for _, text := range []string{"15:04:05", "sep/21 15:04:05", "09-21 15:04:05"} {
		if got, ok := routeros.ParseMoment(text, time.Time{}); ok {
			t.Errorf("%q without a clock is read as %v", text, got)
		}
	}
	if _, ok := routeros.ParseMoment("2026-09-21 15:04:05", time.Time{}); !ok {
		t.Error("a whole date needs no clock")
	}
}

// TestReadClock: both forms of the date are read in the zone of that name, where the offset agrees;
// a clock without a date is none.
func TestReadClock(t *testing.T) {
	row := func(date, clock, offset, zone string) routeros.Attributes {
		return routeros.MakeAttributes("date", date, "time", clock, "gmt-offset", offset, "time-zone-name", zone)
	}
	want := time.Date(2026, 9, 21, 13, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		row  routeros.Attributes
		zone string
	}{
		{row("2026-09-21", "15:04:05", "+02:00", "Europe/Berlin"), "Europe/Berlin"},
		{row("sep/21/2026", "15:04:05", "+02:00", "Europe/Berlin"), "Europe/Berlin"},
		{row("sep/21/2026", "14:04:05", "+01:00", "Europe/Berlin"), ""},
		{row("2026-09-21", "15:04:05", "+02:00", "manual"), ""},
		{row("2026-09-21", "15:04:05", "+02:00", strings.Repeat("x", 9999)), ""},
		{row("2026-09-21", "13:04:05", "", ""), ""},
	} {
		if got, ok := routeros.ReadClock(test.row); !ok || !got.Equal(want) || got.Location().String() != test.zone {
			t.Errorf("%s: %v in %q, %v", test.row, got, got.Location(), ok)
		}
	}
	for _, r := range []routeros.Attributes{nil, row("", "15:04:05", "", ""), row("sep/21", "15:04:05", "", ""), row("2026-09-21", "", "", "")} {
		if got, ok := routeros.ReadClock(r); ok {
			t.Errorf("%s: is read as %v", r, got)
		}
	}
}

// FuzzParseMoment: whatever a router says, a moment that is read is what its text says, and as
// close to the clock as the text allows.
func FuzzParseMoment(f *testing.F) {
	for _, text := range []string{"15:04:05", "jan/02 15:04:05", "Jan/02/2006 15:04:05", "01-02 15:04:05", "2006-01-02 15:04:05", "feb/29 00:00:00"} {
		f.Add(text, int64(1_790_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, clock int64) {
		now := time.Unix(clock%4_000_000_000, 0).UTC()
		got, ok := routeros.ParseMoment(text, now)
		if !ok {
			return
		}
		layout := map[int]string{8: "15:04:05", 14: "01-02 15:04:05", 15: "Jan/02 15:04:05", 19: "2006-01-02 15:04:05", 20: "Jan/02/2006 15:04:05"}[len(text)]
		if !strings.EqualFold(got.Format(layout), text) {
			t.Errorf("%q at %s is read as %s", text, now, got)
		}
		far := got.Sub(now).Abs()
		if layout == "15:04:05" && far > 12*time.Hour || strings.HasPrefix(layout, "01-02 ") && far > 2*366*24*time.Hour {
			t.Errorf("%q at %s is read as %s", text, now, got)
		}
	})
}
