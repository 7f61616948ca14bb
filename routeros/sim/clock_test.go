package sim

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// TestShiftClock: what a jump of the clock does to the scheduler, to what has a date, and to what has a time-out.
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

// TestOrderInTime: what a script does after a delay and what other entries do happen in the order of their times, however late
// somebody looks.
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
