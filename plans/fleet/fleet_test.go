package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/fleet"
)

// TestRun draws runs and holds their result against what the options promise.
func TestRun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(rt, "routers")
		verdicts := rapid.SliceOfN(rapid.SampledFrom([]fleet.Verdict{fleet.Done, fleet.Done, fleet.Done, fleet.Failed, fleet.Lockout}), n, n).Draw(rt, "verdicts")
		forks := rapid.IntRange(0, 8).Draw(rt, "forks")
		grown := rapid.IntRange(0, 20).Draw(rt, "most")
		busy := rapid.SliceOfN(rapid.Bool(), 60, 60).Draw(rt, "busy")
		limit, err := fleet.ParseLimit(rapid.SampledFrom([]string{"", "0", "3", "10%"}).Draw(rt, "max-fail"))
		if err != nil {
			rt.Fatal(err)
		}
		var waves fleet.Waves
		if text := rapid.SampledFrom([]string{"", "1,10%,100%", "2", "50%"}).Draw(rt, "waves"); text != "" {
			if waves, err = fleet.ParseWaves(text); err != nil {
				rt.Fatal(err)
			}
		}
		synctest.Test(t, func(*testing.T) {
			var atOnce, most atomic.Int64
			var ended []int
			stops := 0
			asked := 0
			o := fleet.Options{Forks: forks, Most: grown, Busy: func() bool { asked++; return busy[asked-1] }, MaxFail: limit, Waves: waves, Pause: time.Minute, Observe: func(e fleet.Event) {
				switch e.Kind {
				case fleet.Ended:
					ended = append(ended, e.Index)
				case fleet.Stopped:
					stops++
				}
			}}
			results := fleet.Run(context.Background(), n, o, func(_ context.Context, i int) fleet.Verdict {
				now := atOnce.Add(1)
				for old := most.Load(); now > old; old = most.Load() {
					if most.CompareAndSwap(old, now) {
						break
					}
				}
				time.Sleep(time.Duration(i%7) * time.Second)
				atOnce.Add(-1)
				return verdicts[i]
			})
			checkRun(rt, results, verdicts, ended, limit, waves, max(forks, grown, 1))
			if int(most.Load()) > max(forks, grown, 1) {
				rt.Fatalf("%d at once, %d forks that grow to %d", most.Load(), forks, grown)
			}
			if stopped := slices.ContainsFunc(results, func(err error) bool { return err != nil }); stopped && stops != 1 {
				rt.Fatalf("stopped, and told %d times", stops)
			}
		})
	})
}

func checkRun(t *rapid.T, results []error, verdicts []fleet.Verdict, ended []int, limit fleet.Limit, waves fleet.Waves, forks int) {
	failed, lockouts := 0, 0
	for i, err := range results {
		if (err == nil) != slices.Contains(ended, i) {
			t.Fatalf("router %d: %v, and ended says otherwise", i, err)
		}
		if err == nil && verdicts[i] != fleet.Done {
			failed++
		}
		if err == nil && verdicts[i] == fleet.Lockout {
			lockouts++
		}
	}
	slices.Sort(ended)
	if len(slices.Compact(slices.Clone(ended))) != len(ended) {
		t.Fatalf("a router came twice: %v", ended)
	}
	// What stands beside the failure that stops a run may still fail: forks-1 at most.
	if lockouts > forks {
		t.Fatalf("%d lockouts with %d forks", lockouts, forks)
	}
	for over := 0; over <= failed-forks; over++ {
		if limit.Exceeded(over, len(results)) {
			t.Fatalf("%d failed, %d forks, too many are %d", failed, forks, over)
		}
	}
	allDone := !slices.ContainsFunc(verdicts, func(v fleet.Verdict) bool { return v != fleet.Done })
	if allDone && len(ended) != len(verdicts) {
		t.Fatalf("nothing failed, and %d of %d came", len(ended), len(verdicts))
	}
	if first := waves.Sizes(len(results)); len(waves) > 0 && len(first) > 1 {
		all := !slices.ContainsFunc(verdicts[:first[0]], func(v fleet.Verdict) bool { return v == fleet.Done })
		if all && len(ended) > first[0] {
			t.Fatalf("the first wave failed whole, and the next began")
		}
	}
}

// TestGrowth: while routers are done and the machine is not busy, their number at once doubles with
// each round; otherwise it stays.
func TestGrowth(t *testing.T) {
	for _, test := range []struct {
		name    string
		most    int
		busy    func(at int) bool
		verdict fleet.Verdict
		seconds time.Duration
	}{
		{"it doubles: 4, 8, 16, 32, 40", 1000, func(int) bool { return false }, fleet.Done, 5},
		{"up to a limit: 4, 8, 10 nine times", 10, func(int) bool { return false }, fleet.Done, 11},
		{"a busy machine", 1000, func(int) bool { return true }, fleet.Done, 25},
		{"busy from 16 on: 4, 8, 16, and so on", 1000, func(at int) bool { return at >= 16 }, fleet.Done, 8},
		{"routers that fail", 1000, func(int) bool { return false }, fleet.Failed, 25},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun, forks := time.Now(), 4
			o := fleet.Options{Forks: forks, Most: test.most, Busy: func() bool {
				busy := test.busy(forks)
				if !busy {
					forks++
				}
				return busy
			}}
			fleet.Run(t.Context(), 100, o, func(context.Context, int) fleet.Verdict {
				time.Sleep(time.Second)
				return test.verdict
			})
			if took := time.Since(begun); took != test.seconds*time.Second {
				t.Errorf("%s: %s", test.name, took)
			}
		})
	}
}

// TestRunOrder: with one at a time, routers come in their order, and a pause stands between waves.
func TestRunOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []int
		start := time.Now()
		waves, _ := fleet.ParseWaves("1,2")
		fleet.Run(context.Background(), 6, fleet.Options{Waves: waves, Pause: time.Minute}, func(_ context.Context, i int) fleet.Verdict {
			order = append(order, i)
			return fleet.Done
		})
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5}) || time.Since(start) != 3*time.Minute {
			t.Error(order, time.Since(start))
		}
	})
}

func TestRunInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		why := errors.New("Ctrl-C")
		var finished atomic.Int64
		results := fleet.Run(ctx, 10, fleet.Options{Forks: 3}, func(ctx context.Context, i int) fleet.Verdict {
			if i == 2 {
				cancel(why)
			}
			<-ctx.Done()
			time.Sleep(time.Second) // the rollback
			finished.Add(1)
			return fleet.Failed
		})
		if finished.Load() != 3 || results[2] != nil || !errors.Is(results[3], why) {
			t.Error(finished.Load(), results)
		}
	})
}

func TestRunTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet.Run(context.Background(), 2, fleet.Options{RouterTimeout: 5 * time.Second}, func(ctx context.Context, _ int) fleet.Verdict {
			start := time.Now()
			<-ctx.Done()
			if time.Since(start) != 5*time.Second || context.Cause(ctx) == nil {
				t.Error(time.Since(start), context.Cause(ctx))
			}
			return fleet.Failed
		})
	})
}

func TestAdmit(t *testing.T) {
	shut := errors.New("shut")
	n := 0
	results := fleet.Run(context.Background(), 5, fleet.Options{Admit: func() error {
		if n++; n > 2 {
			return shut
		}
		return nil
	}}, func(context.Context, int) fleet.Verdict { return fleet.Done })
	if results[1] != nil || !errors.Is(results[2], shut) || !errors.Is(results[4], shut) {
		t.Error(results)
	}
}

func TestSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "n")
		w, err := fleet.ParseWaves(rapid.StringMatching(`([1-9][0-9]?%?)(,[1-9][0-9]{0,2}){0,3}`).Draw(t, "waves"))
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, size := range w.Sizes(n) {
			if size < 1 {
				t.Fatal("an empty wave")
			}
			sum += size
		}
		if sum != n {
			t.Fatalf("%d of %d", sum, n)
		}
	})
	w, _ := fleet.ParseWaves("1,10%,100%")
	if got := w.Sizes(300); !slices.Equal(got, []int{1, 30, 269}) {
		t.Error(got)
	}
}

func TestShares(t *testing.T) {
	for _, text := range []string{"", "0", "-1", "x", "0%", "101%", "1.5", "01", "5 %"} {
		if _, err := fleet.ParseWaves(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, test := range []struct {
		text   string
		failed int
		too    bool
	}{{"", 1000, false}, {"0", 0, false}, {"0", 1, true}, {"3", 3, false}, {"3", 4, true}, {"5%", 5, false}, {"5%", 6, true}} {
		l, err := fleet.ParseLimit(test.text)
		if err != nil || l.Exceeded(test.failed, 100) != test.too {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func TestSelect(t *testing.T) {
	members := []fleet.Member{{Name: "r1", Site: "pop1", Groups: []string{"branches"}}, {Name: "r2", Site: "pop2", Groups: []string{"branches", "north"}, Tags: []string{"lab"}}, {Name: "core", Tags: []string{"edge"}}}
	tests := []struct {
		patterns []string
		want     string
	}{
		{nil, "[0 1 2]"}, {[]string{"r1"}, "[0]"}, {[]string{"branches"}, "[0 1]"}, {[]string{"r*"}, "[0 1]"}, {[]string{"core,r2"}, "[1 2]"},
		{[]string{"!north"}, "[0 2]"}, {[]string{"branches,!north"}, "[0]"}, {[]string{"!r2", "branches"}, "[0]"}, {[]string{"edge"}, "[2]"}, {[]string{"r[2-9]"}, "[1]"},
		{[]string{"site:pop1"}, "[0]"}, {[]string{"site:pop*,core"}, "[0 1 2]"}, {[]string{"!site:pop1"}, "[1 2]"}, {[]string{"site:-"}, "[2]"}, {[]string{"site:pop?,!north"}, "[0]"},
		{[]string{"pop1"}, `"pop1" matches no router`}, {[]string{"site:"}, "not a pattern"}, {[]string{"site:pop3"}, `"site:pop3" matches no router`}, {[]string{"site:[p"}, "not a pattern"},
		{[]string{"r9"}, `"r9" matches no router`}, {[]string{"r1,,r2"}, "not a pattern"}, {[]string{"[r"}, "not a pattern"}, {[]string{"r1,!r*"}, "leaves no router"},
	}
	for _, test := range tests {
		got, err := fleet.Select(members, test.patterns)
		text := fmt.Sprint(got)
		if err != nil {
			text = err.Error()
		}
		if text != test.want && (err == nil || !strings.Contains(text, test.want)) {
			t.Errorf("%v: %s, want %s", test.patterns, text, test.want)
		}
	}
}

func TestWindow(t *testing.T) {
	tests := []struct {
		window, now string
		lasting     time.Duration
		want        string // "" is admitted
	}{
		{"Sat 02:00-04:00 Europe/Berlin", "2026-11-21T01:30:00Z", 0, ""}, // 02:30 there
		{"Sat 02:00-04:00 Europe/Berlin", "2026-11-21T00:59:59Z", 0, "opens next on Sat 2026-11-21 02:00 CET"},
		{"Sat 02:00-04:00 Europe/Berlin", "2026-11-21T03:00:00Z", 0, "opens next on Sat 2026-11-28 02:00 CET"},
		{"Sat 02:00-04:00 Europe/Berlin", "2026-07-18T00:30:00Z", 0, ""}, // summer
		{"Sat 02:00-04:00 Europe/Berlin", "2026-11-21T02:55:00Z", 5 * time.Minute, ""},
		{"Sat 02:00-04:00 Europe/Berlin", "2026-11-21T02:55:01Z", 5 * time.Minute, "1s after that"},
		{"Mon-Fri 22:00-05:00 UTC", "2026-11-21T04:00:00Z", 0, ""}, // Friday's
		{"Mon-Fri 22:00-05:00 UTC", "2026-11-22T04:00:00Z", 0, "opens next on Mon 2026-11-23 22:00 UTC"},
		{"Fri-Mon 10:00-11:00", "2026-11-22T10:00:00Z", 0, ""},
		{"daily 00:00-24:00", "2026-11-22T23:59:59Z", 0, ""},
		{"daily 00:00-24:00", "2026-11-22T23:59:59Z", time.Hour, "ends on"},
		{"Sun 01:00-03:30 Europe/Berlin", "2026-03-29T01:15:00Z", 0, ""}, // clocks go from 02:00 to 03:00
	}
	for _, test := range tests {
		w, err := fleet.ParseWindow(test.window)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.RFC3339, test.now)
		err = w.Admit(now, test.lasting)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s at %s: %v, want %q", test.window, test.now, err, test.want)
		}
	}
	for _, text := range []string{"", "Sat", "Sat 02:00", "Sat 2-4", "Say 02:00-04:00", "Sat 02:00-02:00", "Sat 02:00-04:00 Berlin/Europe", "Sat 02:00-04:00 Local", "Sat 25:00-26:00", "Sat 02:00-04:00 UTC x"} {
		if _, err := fleet.ParseWindow(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct{ failures, retries, want int }{{0, 3, 1}, {2, 3, 3}, {9, 3, 4}, {9, 0, 1}} {
			tries := 0
			err := fleet.Backoff{Retries: test.retries, First: time.Second}.Retry(t.Context(), func() error {
				if tries++; tries <= test.failures {
					return errors.New("no answer")
				}
				return nil
			}, func(error) bool { return false })
			if tries != test.want || (err == nil) != (test.failures < tries) {
				t.Errorf("%+v: %d tries, %v", test, tries, err)
			}
		}
		tries := 0
		_ = fleet.Backoff{Retries: 3}.Retry(t.Context(), func() error { tries++; return errors.New("wrong password") }, func(error) bool { return true })
		if tries != 1 {
			t.Errorf("a final error was tried %d times", tries)
		}
	})
}

func FuzzWindow(f *testing.F) {
	f.Add("Sat 02:00-04:00 Europe/Berlin", int64(1795000000))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		w, err := fleet.ParseWindow(text)
		if err != nil {
			return
		}
		now := time.Unix(at%4e9, 0)
		next := w.Next(now)
		if _, open := w.Open(next); !open && !next.IsZero() {
			// A window that lies in the hour which a change of clocks leaves out may have no length
			// on that day.
			t.Logf("%q is not open at %s, when it opens", text, next)
		}
		if !next.IsZero() && !next.After(now) {
			t.Errorf("%q: next %s is not after %s", text, next, now)
		}
	})
}
