package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// TestShiftClock: what a jump of the clock does to the scheduler, to what has a date, and to what
// has a time-out.
func TestShiftClock(t *testing.T) {
	tests := []struct {
		name  string
		more  []string
		shift time.Duration // 50 seconds after the add
		at    []int         // seconds after the add at which the entry ran, up to 300
	}{
		{"none", []string{"=interval=1m"}, 0, []int{60, 120, 180, 240}},
		{"forward over next-run", []string{"=interval=1m"}, 20 * time.Second, []int{50, 100, 160, 220, 280}},
		{"forward over many", []string{"=interval=1m"}, 365 * 24 * time.Hour, []int{50, 60, 120, 180, 240}},
		{"forward, not that far", []string{"=interval=1m"}, 5 * time.Second, []int{55, 115, 175, 235, 295}},
		{"back", []string{"=interval=1m"}, -100 * time.Second, []int{160, 220, 280}},
		{"back by a day", []string{"=interval=1m"}, -24 * time.Hour, nil},
		{"a single run, forward", []string{"=start-date=2000-01-01", "=start-time=00:01:00"}, time.Hour, []int{50}},
		{"a single run, back", []string{"=start-date=2000-01-01", "=start-time=00:01:00"}, -time.Minute, []int{120}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which begins at midnight of 2000-01-01
				r := New(Options{})
				c := login(t, r)
				c.run("/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1", "=timeout=1m40s")
				c.job(`:log info "ran"`, test.more...)
				var at []int
				for second := range 300 {
					if second == 50 {
						r.ShiftClock(test.shift)
						if got := r.Snapshot().Clock; !got.Equal(time.Now().Add(test.shift)) {
							t.Errorf("the clock shows %s", got)
						}
					}
					entries := len(r.Snapshot().Entries[routeros.AddressList])
					if (entries == 1) != (second < 100) {
						t.Fatalf("%d entries after %d s", entries, second)
					}
					for range len(logged(r)) - len(at) {
						at = append(at, second)
					}
					time.Sleep(time.Second)
				}
				if !slices.Equal(at, test.at) {
					t.Errorf("ran at %v, want %v", at, test.at)
				}
			})
		})
	}
}

// TestSetClock: over the API and by an administrator, in each version's form.
func TestSetClock(t *testing.T) {
	for _, tt := range []struct{ version, date, other, printed string }{
		{"6.49", "feb/03/2026", "2026-02-03", "feb/03/2026 04:05:06"},
		{"7.20", "2026-02-03", "feb/03/2026", "2026-02-03 04:05:06"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{Version: version(tt.version), Zone: time.FixedZone("east", 2*3600)})
			c := login(t, r)
			c.expect("!trap =message=invalid date | !done", "/system/clock/set", "=date="+tt.other)
			c.expect("!trap =message=invalid date | !done", "/system/clock/set", "=date=tomorrow")
			c.expect("!trap =category=1 =message=invalid value for argument time | !done", "/system/clock/set", "=time=25:00:00")
			c.expect("!done", "/system/clock/set", "=date="+tt.date, "=time=04:05:06")
			c.expect("!done =ret=*1", "/ip/firewall/address-list/add", "=list=l", "=address=192.0.2.1")
			c.expect("!re =creation-time="+tt.printed+" | !done", "/ip/firewall/address-list/print", "=.proplist=creation-time")
			c.run(add("input")...)
			c.expect("!re =time="+tt.printed+" | !done", "/system/history/print", "=.proplist=time", "?action=filter rule added")
			time.Sleep(time.Hour)
			if err := r.AdminAs("other", routeros.NewCommand("/system/clock/set", "time", "23:59:59")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			c.expect(fmt.Sprintf("!re =date=%s =time=00:00:01 | !done", map[string]string{"6.49": "feb/04/2026", "7.20": "2026-02-04"}[tt.version]), "/system/clock/print", "=.proplist=date,time")
			if got := r.Snapshot().Clock; got.Format(time.RFC3339) != "2026-02-04T00:00:01+02:00" {
				t.Error(got)
			}
			c.expect("!re =uptime=1h2s | !done", "/system/resource/print", "=.proplist=uptime")
		})
	}
}

// TestOrderInTime: what a script does after a delay and what other entries do happen in the order
// of their times, however late somebody looks.
func TestOrderInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		c := login(t, r)
		c.run("/system/scheduler/add", "=name=first", "=interval=1h", "=start-time=00:00:10", "=on-event=:delay 30s\n:log info \"third\"")
		c.run("/system/scheduler/add", "=name=second", "=interval=1h", "=start-time=00:00:20", "=on-event=:log info \"second\"")
		time.Sleep(10 * time.Minute)
		r.Snapshot()
		if got := logged(r); !slices.Equal(got, []string{"second", "third"}) {
			t.Error(got)
		}
	})
}

// TestShortTimes: a log of RouterOS before 7.10 leaves out what is the same now.
func TestShortTimes(t *testing.T) {
	for _, tt := range []struct {
		version string
		want    string
	}{
		{"6.49", "dec/31/1999 23:59:58 jan/01 10:00:00 09:00:00"},
		{"7.9", "dec/31/1999 23:59:58 jan/01 10:00:00 09:00:00"},
		{"7.10", "1999-12-31 23:59:58 2000-01-01 10:00:00 2000-01-02 09:00:00"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := New(Options{Version: version(tt.version)})
			r.ShiftClock(-2 * time.Second)
			c := login(t, r)
			c.run("/system/script/add", "=name=log", "=source=:log info \"now\"")
			for _, wait := range []time.Duration{0, 10*time.Hour + 2*time.Second, 23 * time.Hour} {
				time.Sleep(wait)
				c.run("/system/script/run", "=number=log")
			}
			got := strings.ReplaceAll(c.run("/log/print", "=.proplist=time", "?message=now"), "!re =time=", "")
			if got = strings.ReplaceAll(got, " | ", " "); got != tt.want+" !done" {
				t.Errorf("%s: %s", tt.version, got)
			}
		})
	}
}

// TestStartDate: a version takes its own form of a date only, and prints the moment of add where
// none is given.
func TestStartDate(t *testing.T) {
	for _, tt := range []struct{ version, right, wrong, today string }{{"6.49", "mar/04/2026", "2026-03-04", "jan/01/2000"}, {"7.9", "mar/04/2026", "2026-03-04", "jan/01/2000"}, {"7.20", "2026-03-04", "mar/04/2026", "2000-01-01"}} {
		synctest.Test(t, func(t *testing.T) {
			c := login(t, New(Options{Version: version(tt.version)}))
			for _, wrong := range []string{tt.wrong, "soon", "", "2026-13-01", "2026-02-30"} {
				c.expect("!trap =message=invalid date | !done", "/system/scheduler/add", "=name=a", "=start-date="+wrong)
			}
			for _, wrong := range []string{"soon", "24:00:00", "25:00:00"} {
				c.expect("!trap =category=1 =message=invalid value for argument start-time | !done", "/system/scheduler/add", "=name=a", "=start-time="+wrong)
			}
			time.Sleep(5 * time.Hour)
			c.run("/system/scheduler/add", "=name=a", "=start-date="+tt.right, "=start-time=3:4:5")
			c.run("/system/scheduler/add", "=name=b")
			c.run("/system/scheduler/set", "=.id=*1", "=start-date="+tt.wrong) // refused
			c.expect("!re =interval=0s =start-date="+tt.right+" =start-time=03:04:05 | !re =interval=0s =start-date="+tt.today+" =start-time=05:00:00 | !done",
				"/system/scheduler/print", "=.proplist=start-date,start-time,interval")
		})
	}
}

// TestNextRunForms: how long the text of next-run is depends on the version and on how far away it
// is, by the router's clock.
func TestNextRunForms(t *testing.T) {
	for _, tt := range []struct {
		version string
		short   bool
		want    []string // in a minute, in a day, in twelve days
	}{
		{"6.49", false, []string{"23:51:00", "dec/21 23:50:00", "jan/01/2026 23:50:00"}},
		{"7.9", true, []string{"23:51:00", "dec/21 23:50:00", "jan/01/2026 23:50:00"}},
		{"7.10", false, []string{"2025-12-20 23:51:00", "2025-12-21 23:50:00", "2026-01-01 23:50:00"}},
		{"7.20", true, []string{"12-20 23:51:00", "12-21 23:50:00", "2026-01-01 23:50:00"}},
	} {
		now := time.Date(2025, 12, 20, 21, 50, 0, 0, time.UTC)
		r := New(Options{Version: version(tt.version), Knobs: Knobs{NextRunShort: tt.short}, Zone: time.FixedZone("east", 2*3600), Now: func() time.Time { return now }})
		c := login(t, r)
		for i, every := range []string{"1m", "1d", "1w5d"} {
			c.run("/system/scheduler/add", "=name="+every, "=interval="+every)
			c.expect("!re =next-run="+tt.want[i]+" | !done", "/system/scheduler/print", "=.proplist=next-run", "?name="+every)
		}
	}
}
