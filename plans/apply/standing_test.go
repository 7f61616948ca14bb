package apply

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// shown are the answers to prints of a router that shows this next-run at this moment.
func shown(nextRun, date, clock, zone string) []api.Result {
	entry := func(id, name string) routeros.Attributes {
		return routeros.MakeAttributes(".id", id, "name", name, "run-count", "0")
	}
	name, offset, _ := strings.Cut(zone, " ")
	return []api.Result{
		{Reply: api.Reply{Rows: []routeros.Attributes{entry("*1", deadMan).With("next-run", nextRun), entry("*2", deadManAtStart)}}},
		{Reply: api.Reply{Rows: []routeros.Attributes{routeros.MakeAttributes("date", date, "time", clock, "time-zone-name", name, "gmt-offset", offset)}}},
	}
}

const utc = "UTC +00:00"

// TestStanding: a dead-man that was armed for five minutes is read in every form of every version,
// and the harder case counts: less time is believed, more time means that the protection comes
// late.
func TestStanding(t *testing.T) {
	for _, test := range []struct {
		nextRun, date, clock, zone string
		left                       time.Duration
		says                       string // of the error; nothing: it stands
	}{
		{"2026-09-21 15:05:00", "2026-09-21", "15:00:00", utc, 5 * time.Minute, ""},
		{"sep/21/2026 15:05:00", "sep/21/2026", "15:00:00", utc, 5 * time.Minute, ""},
		{"sep/21 15:05:00", "sep/21/2026", "15:00:00", utc, 5 * time.Minute, ""},
		{"09-21 15:05:00", "2026-09-21", "15:00:00", utc, 5 * time.Minute, ""},
		{"15:05:00", "sep/21/2026", "15:00:00", utc, 5 * time.Minute, ""},
		{"00:02:00", "sep/21/2026", "23:57:00", utc, 5 * time.Minute, ""},
		{"sep/22 00:02:00", "sep/21/2026", "23:57:00", utc, 5 * time.Minute, ""},
		{"jan/01 00:02:00", "dec/31/2026", "23:57:00", utc, 5 * time.Minute, ""},
		{"01-01 00:02:00", "2026-12-31", "23:57:00", utc, 5 * time.Minute, ""},
		{"jan/01/1970 00:05:10", "jan/01/1970", "00:00:10", utc, 5 * time.Minute, ""},
		// Shorter than expected.
		{"15:01:00", "sep/21/2026", "15:00:00", utc, time.Minute, ""},
		{"15:00:29", "sep/21/2026", "15:00:00", utc, 29 * time.Second, "too soon to go on (next-run \"15:00:29\", clock \"sep/21/2026 15:00:00\"): give it more time with --undo-after"},
		{"2026-09-21 15:05:00", "2026-09-21", "15:05:00", utc, 0, "too soon to go on"},
		{"2026-09-21 15:04:59", "2026-09-21", "15:05:00", utc, 5 * time.Minute, "should have run already"},
		// Longer than expected: by what clocks drift, and by more.
		{"2026-09-21 15:06:00", "2026-09-21", "15:00:00", utc, 5 * time.Minute, ""},
		{"2026-09-21 15:06:01", "2026-09-21", "15:00:00", utc, 5 * time.Minute, "1m1s later than it should"},
		{"15:06:01", "sep/21/2026", "15:00:00", utc, 5 * time.Minute, "later than it should"},
		{"14:59:59", "sep/21/2026", "15:00:00", utc, 5 * time.Minute, "later than it should"}, // tomorrow's
		{"sep/21/2026 15:05:00", "jan/01/1970", "00:00:10", utc, 5 * time.Minute, "the router's clock was set back"},
		// Unread.
		{"", "2026-09-21", "15:00:00", utc, 5 * time.Minute, "no next-run"},
		{"soon", "2026-09-21", "15:00:00", utc, 5 * time.Minute, "can't be read (next-run \"soon\""},
		{"5m", "2026-09-21", "15:00:00", utc, 5 * time.Minute, "can't be read"},
		{"2026-09-21T15:05:00", "2026-09-21", "15:00:00", utc, 5 * time.Minute, "can't be read"},
		{"15:05:00", "", "15:00:00", utc, 5 * time.Minute, "the router's clock can't be read"},
		{"2026-09-21 15:05:00", "21.9.2026", "15:00:00", utc, 5 * time.Minute, "the router's clock can't be read"},
		// Daylight saving begins at 02:00 of the 29th of March 2026, which is 03:00 then, and ends
		// at 03:00 of the 25th of October.
		{"2026-03-29 03:03:00", "2026-03-29", "01:58:00", "Europe/Berlin +01:00", 5 * time.Minute, ""},
		{"03:03:00", "mar/29/2026", "01:58:00", "Europe/Berlin +01:00", 5 * time.Minute, ""},
		{"2026-03-29 02:03:00", "2026-03-29", "01:58:00", "Europe/Berlin +01:00", 2 * time.Minute, ""}, // no such time: due at the change
		{"2026-10-25 02:03:00", "2026-10-25", "02:58:00", "Europe/Berlin +02:00", 5 * time.Minute, ""},
		{"02:03:00", "oct/25/2026", "02:58:00", "Europe/Berlin +02:00", 5 * time.Minute, ""},
		{"2026-10-25 03:03:00", "2026-10-25", "02:58:00", "Europe/Berlin +02:00", 5 * time.Minute, ""},
		{"2026-10-25 02:03:00", "2026-10-25", "02:01:00", "Europe/Berlin +01:00", 2 * time.Minute, ""},
		{"2026-10-25 03:03:00", "2026-10-25", "02:01:00", "Europe/Berlin +01:00", 5 * time.Minute, "57m0s later than it should"}, // the change is over
		{"2026-03-28 03:03:00", "2026-03-28", "01:58:00", "Europe/Berlin +01:00", 5 * time.Minute, "1h0m0s later than it should"},
		{"2026-03-29 03:03:00", "2026-03-29", "01:58:00", "manual +01:00", 5 * time.Minute, "1h0m0s later than it should"},
		{"2026-10-04 02:33:00", "2026-10-04", "01:58:00", "Australia/Lord_Howe +10:30", 5 * time.Minute, ""},
		{"2026-04-05 01:33:00", "2026-04-05", "01:58:00", "Australia/Lord_Howe +11:00", 5 * time.Minute, ""},
	} {
		name := fmt.Sprintf("%q at %s %s %s", test.nextRun, test.date, test.clock, test.zone)
		now := time.Date(2026, 9, 21, 0, 0, 0, 0, time.UTC)
		g := &scheduled{delay: 5 * time.Minute, ids: []string{"*1", "*2"}, fires: now.Add(5 * time.Minute)}
		err := g.standing(shown(test.nextRun, test.date, test.clock, test.zone), now)
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v; want %q", name, err, test.says)
		}
		if left := g.fires.Sub(now); left != test.left {
			t.Errorf("%s: runs in %s, not in %s", name, left, test.left)
		}
		if _, gone := errors.AsType[*GoneError](err); gone {
			t.Errorf("%s: taken for gone: %v", name, err)
		}
	}
}

// TestStandingLong: a dead-man that was armed for more than half a day is read in the short form
// too.
func TestStandingLong(t *testing.T) {
	now := time.Date(2026, 9, 21, 0, 0, 0, 0, time.UTC)
	g := &scheduled{delay: 17 * time.Hour, ids: []string{"*1", "*2"}, fires: now.Add(17 * time.Hour)}
	if err := g.standing(shown("23:00:00", "sep/21/2026", "06:00:00", utc), now); err != nil || g.fires.Sub(now) != 17*time.Hour {
		t.Errorf("runs in %s: %v", g.fires.Sub(now), err)
	}
}

// TestStandingLater: small delays must not add up unnoticed.
func TestStandingLater(t *testing.T) {
	now := time.Date(2026, 9, 21, 0, 0, 0, 0, time.UTC)
	g := &scheduled{delay: 5 * time.Minute, fires: now.Add(5 * time.Minute)}
	for range 2 {
		if err := g.standing(shown("15:05:40", "sep/21/2026", "15:00:00", utc), now); err != nil || g.fires.Sub(now) != 5*time.Minute {
			t.Errorf("runs in %s: %v", g.fires.Sub(now), err)
		}
	}
	if err := g.standing(shown("15:05:20", "sep/21/2026", "15:00:00", utc), now.Add(90*time.Second)); err == nil {
		t.Error("110 seconds more are taken for none")
	}
}

// TestStandingGone: an entry that is missing, disabled, has run or is somebody else's is no
// protection, and a missing answer shows nothing.
func TestStandingGone(t *testing.T) {
	refused := &api.TrapError{Command: "/system/scheduler/print", Message: "no"}
	for name, test := range map[string]struct {
		change func(entries, clock *api.Result)
		gone   bool
	}{
		"both gone":       {func(e, _ *api.Result) { e.Rows = nil }, true},
		"the first gone":  {func(e, _ *api.Result) { e.Rows = e.Rows[1:] }, true},
		"the twin gone":   {func(e, _ *api.Result) { e.Rows = e.Rows[:1] }, true},
		"disabled":        {func(e, _ *api.Result) { e.Rows[0] = e.Rows[0].With("disabled", "true") }, true},
		"twin disabled":   {func(e, _ *api.Result) { e.Rows[1] = e.Rows[1].With("disabled", "yes") }, true},
		"has run":         {func(e, _ *api.Result) { e.Rows[0] = e.Rows[0].With("run-count", "1") }, true},
		"another one":     {func(e, _ *api.Result) { e.Rows[0] = e.Rows[0].With(".id", "*3") }, true},
		"another twin":    {func(e, _ *api.Result) { e.Rows[1] = e.Rows[1].With(".id", "*4") }, true},
		"no clock":        {func(_, c *api.Result) { c.Rows = nil }, false},
		"clock refused":   {func(_, c *api.Result) { c.Rows, c.Err = nil, refused }, false},
		"entries refused": {func(e, _ *api.Result) { e.Rows, e.Err = nil, refused }, false},
	} {
		now := time.Date(2026, 9, 21, 0, 0, 0, 0, time.UTC)
		g := &scheduled{delay: 5 * time.Minute, ids: []string{"*1", "*2"}, fires: now.Add(5 * time.Minute)}
		results := shown("15:05:00", "sep/21/2026", "15:00:00", utc)
		test.change(&results[0], &results[1])
		err := g.standing(results, now)
		if _, gone := errors.AsType[*GoneError](err); err == nil || gone != test.gone {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(g.hope(), armedWhenRead) {
			t.Errorf("%s, and yet it says%s", name, g.hope())
		}
	}
	if err := (&scheduled{}).standing(nil, time.Now()); err == nil {
		t.Error("no answers are taken for a dead-man that stands")
	}
}
