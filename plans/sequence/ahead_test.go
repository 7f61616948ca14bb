package sequence_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

func laidPlan(t interface {
	Helper()
	Fatal(args ...any)
}, every, overlap, ahead string) plans.Plan {
	t.Helper()
	p, err := plans.Read("p.yaml", fmt.Appendf(nil, `version: 1
name: p
doors:
  turning:
    rotate: {secret: "env:X", stages: 3, every: %s, overlap: %s, ahead: %s}
    trusted: {list: turning, for: 1h}
    opens: [ssh]
`, every, overlap, ahead))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// open lists the knocks that a router takes at a time, by the clock on its wall, of those that were
// provisioned before.
func open(laid plans.Plan, at time.Time) (out []string) {
	for _, d := range laid.Doors {
		for _, h := range d.Hours {
			if h.Meets(at, at) {
				out = append(out, fmt.Sprint(reveal(d.Knock)))
				break
			}
		}
	}
	return out
}

func knockOf(t *rapid.T, p plans.Plan, at time.Time, rounds int) string {
	client, err := sequence.Unroll(p, "r1", func(s sequence.Schedule) []int64 {
		return []int64{sequence.Before(*p.Doors[0].Rotate, s.At(at), rounds)}
	}, secret)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(reveal(client.Doors[0].Knock))
}

// TestStanding: from the installation of a day or a week until its end, a client whose clock is off
// by less than the overlap gets in, at any time and in any zone. Afterwards it gets in with the
// knock of some rounds before, or with one an hour earlier or later if the clock was set forward or
// back. Never do more than three knocks count, and names and lists never collide.
func TestStanding(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati"}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([][3]string{{"1h", "10m", "1d"}, {"30m", "14m", "1d"}, {"12h", "3h", "1d"}, {"8h", "1s", "1d"}, {"6h", "10m", "7d"}, {"7h", "3h", "7d"}, {"84h", "40h", "7d"}, {"1d", "10m", "7d"}}).Draw(t, "kind")
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		p := laidPlan(fatal{t}, kind[0], kind[1], kind[2])
		r := *p.Doors[0].Rotate
		// Seconds are not of interest, and in the very last one of some hours it is open whether
		// they are over.
		at := time.Unix(60*rapid.Int64Range(28_400_000, 33_000_000).Draw(t, "at")+30, 0).In(zone)
		laid, err := sequence.Standing(p, "r1", at, secret)
		if err != nil || len(laid.Doors) != r.Provisioned() || laid.Rotates() {
			t.Fatal(err, len(laid.Doors))
		}
		names := map[string]bool{}
		for _, d := range laid.Doors {
			if names[d.StageListOf(1)] || len(d.Hours) == 0 || len(d.Hours) > 3 {
				t.Fatalf("%s, %v", d.StageListOf(1), d.Hours)
			}
			names[d.StageListOf(1)] = true
		}
		rounds := rapid.IntRange(0, 3).Draw(t, "rounds")
		later := at.Add(time.Duration(rapid.Int64Range(0, int64((r.Ahead-r.Every-2*r.Overlap)/time.Minute)).Draw(t, "later")) * time.Minute)
		then := later.Add(time.Duration(rounds) * r.Ahead)
		off := time.Duration(0)
		if limit := int64(r.Overlap/time.Second) - 31; limit > 0 {
			off = time.Duration(rapid.Int64Range(-limit, limit).Draw(t, "off")) * time.Second
		}
		_, changes := at.ZoneBounds()
		changed := !changes.IsZero() && !changes.After(then.Add(r.Every))
		taken := open(laid, then)
		if len(taken) == 0 || len(taken) > 3 || len(taken) > 2 && (changes.IsZero() || changes.After(at.Add(r.Ahead+r.Every))) {
			t.Fatalf("at %s %d knocks are taken", then, len(taken))
		}
		shifts := []time.Duration{0}
		if rounds > 0 && changed { // the same hours come at others
			shifts = []time.Duration{-time.Hour, -30 * time.Minute, 0, 30 * time.Minute, time.Hour}
		}
		found := false
		for _, shift := range shifts {
			found = found || slices.Contains(taken, knockOf(t, p, then.Add(off+shift), rounds))
		}
		if !found {
			t.Fatalf("provisioned at %s, at %s the client's knock is none of the %d that are taken", at, then, len(taken))
		}
	})
}

// fatal lets helpers of tests fail a property.
type fatal struct{ *rapid.T }

func (fatal) Helper() {}

// TestStandingStays: within a window nothing that was provisioned changes, and from one to the next
// one door does.
func TestStandingStays(t *testing.T) {
	p := laidPlan(t, "1h", "10m", "1d")
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 23, 10, 1, 0, zone)
	stand := func(at time.Time) map[string]string {
		laid, err := sequence.Standing(p, "r1", at, secret)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, d := range laid.Doors {
			out[d.Suffix()] = fmt.Sprint(reveal(d.Knock), d.Hours)
		}
		return out
	}
	now := stand(at)
	if same := stand(at.Add(59*time.Minute + 58*time.Second)); fmt.Sprint(same) != fmt.Sprint(now) {
		t.Error("within a window it changes")
	}
	changed := 0
	for name, next := range stand(at.Add(time.Hour)) {
		if now[name] != next {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d windows are others an hour later", changed)
	}
}

// TestHoursAtTheChange: in the night in which the clock goes forward or back, no hour on the wall
// is without a window.
func TestHoursAtTheChange(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, night := range []time.Time{time.Date(2026, 3, 28, 20, 0, 0, 0, zone), time.Date(2026, 10, 24, 20, 0, 0, 0, zone)} {
		for _, kind := range [][2]string{{"1h", "1s"}, {"1h", "10m"}, {"2h", "10m"}, {"30m", "10m"}} {
			laid, err := sequence.Standing(laidPlan(t, kind[0], kind[1], "1d"), "r1", night, secret)
			if err != nil {
				t.Fatal(err)
			}
			for minute := range 24 * 60 {
				wall := time.Date(2026, 7, 1, 0, minute, 30, 0, time.UTC)
				if len(open(laid, wall)) == 0 {
					t.Errorf("%s, every %s: at %s nobody gets in the days after", night.Format(time.DateOnly), kind[0], wall.Format(time.TimeOnly))
					break
				}
			}
		}
	}
}
