package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// TestSpool: pieces come back as they were, in the order of the run, whatever stays in memory, and
// where no file can be made.
func TestSpool(t *testing.T) {
	folders := []string{t.TempDir(), filepath.Join(t.TempDir(), "none")}
	rapid.Check(t, func(rt *rapid.T) {
		t.Setenv("TMPDIR", rapid.SampledFrom(folders).Draw(rt, "folder"))
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 0, 60).Draw(rt, "pieces")
		order := make([]int, len(pieces))
		for i := range order {
			order[i] = i
		}
		s := &spool{most: rapid.SampledFrom([]int{0, 10, 100, 10_000}).Draw(rt, "in memory")}
		defer s.close()
		for _, i := range rapid.Permutation(order).Draw(rt, "order") {
			s.Put(i, pieces[i])
		}
		want := slices.DeleteFunc(slices.Clone(pieces), func(p []byte) bool { return len(p) == 0 })
		for range 2 {
			n := 0
			for piece := range s.All() {
				if n >= len(want) || !bytes.Equal(piece, want[n]) {
					rt.Fatalf("piece %d is %q", n, piece)
				}
				n++
			}
			if err := s.Err(); err != nil || n != len(want) {
				rt.Fatalf("%d pieces of %d, %v", n, len(want), err)
			}
		}
	})
}

// madeRun is a run over routers that are not there: their results are made.
func madeRun(tb testing.TB, routers int, output string, files reportFiles, made func(i int) operate.Result) *results {
	tb.Helper()
	e := env{
		streams:  streams{out: io.Discard, err: io.Discard, screen: io.Discard, width: 80},
		now:      time.Now,
		getenv:   func(string) string { return "" },
		memory:   &memory{},
		underway: &underway{},
	}
	s := settings{display: display{Output: output}, StateDir: filepath.Join(tb.TempDir(), "state"), pace: fleetFlags{forks: 1}}
	t := fleetRun{access: access{e, s}, verb: "diff", silent: true}
	for i := range routers {
		t.routers = append(t.routers, router{Member: fleet.Member{Name: fmt.Sprint(i)}})
	}
	to := access{e, s}.changes(changeRun{command: "diff", files: files})
	t.over(context.Background(), to, func(_ context.Context, _ access, r router) []operate.Result {
		var i int
		_, _ = fmt.Sscan(r.Name, &i)
		out := made(i)
		out.Name = r.Name
		return []operate.Result{out}
	})
	return to
}

// TestResultsHeld: when a router has ended, nothing is held of what was read of it, in whatever
// formats the run is written.
func TestResultsHeld(t *testing.T) {
	const routers = 40 // more than are shown in full
	dir := t.TempDir()
	files := reportFiles{report: filepath.Join(dir, "r.html"), junit: filepath.Join(dir, "r.xml"), metrics: filepath.Join(dir, "r.prom")}
	for _, output := range []string{"text", "json", "jsonl", "csv", "markdown", "html"} {
		t.Run(output, func(t *testing.T) {
			var read []weak.Pointer[routeros.Snapshot]
			held := 0
			to := madeRun(t, routers, output, files, func(i int) operate.Result {
				if i == routers-1 {
					runtime.GC()
					for _, p := range read {
						if p.Value() != nil {
							held++
						}
					}
				}
				s := &routeros.Snapshot{Identity: fmt.Sprint("router ", i), Version: routeros.Version{Major: 7, Minor: 20}}
				read = append(read, weak.Make(s))
				return operate.Result{Snapshot: s, Outcome: apply.Failed, Err: fmt.Errorf("why %d", i)}
			})
			if held > 1 { // the one before may still stand somewhere
				t.Errorf("%d of %d routers are held", held, routers-1)
			}
			check(t, to.end())
			if to.total != routers || to.bad != routers {
				t.Errorf("%d results, %d bad", to.total, to.bad)
			}
		})
	}
}

// BenchmarkResults says how much memory a run keeps for each router until its end.
func BenchmarkResults(b *testing.B) {
	p, _, after, session := installedRouter(b, sixtyRules())
	for _, output := range []string{"text", "json", "jsonl", "csv"} {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/routers=%d", output, n), func(b *testing.B) {
				one := operate.Compare(operate.Result{Snapshot: &after}, p, session)
				for b.Loop() {
					heap := func() uint64 {
						var m runtime.MemStats
						runtime.GC()
						runtime.ReadMemStats(&m)
						return m.HeapAlloc
					}
					before := heap()
					to := madeRun(b, n, output, reportFiles{}, func(int) operate.Result { return one })
					b.ReportMetric(float64(heap()-before)/float64(n), "held-B/router")
					if err := to.end(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// lineOutput hands on lines as they are written.
type lineOutput struct {
	lines chan string
	open  string
}

func (o *lineOutput) Write(p []byte) (int, error) {
	o.open += string(p)
	for {
		line, rest, whole := strings.Cut(o.open, "\n")
		if !whole {
			return len(p), nil
		}
		o.open = rest
		o.lines <- line
	}
}

// TestFleetLines: with JSON Lines a router is written as it ends, before those that take longer,
// and what was not begun is said; each line is a whole document.
func TestFleetLines(t *testing.T) {
	b := newBranches(t, 6, true)
	others := make(chan struct{})
	b.order[0].hold = others
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.order[4].onJump = cancel
	b.order[5].hold = ctx.Done() // otherwise it may be changed by then
	out := &lineOutput{lines: make(chan string, 100)}
	e := env{streams: streams{out: out, err: io.Discard, width: 100}, now: time.Now, dial: b.dial, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "planted-password"}[name]
	}}
	code := make(chan int)
	go func() {
		code <- run(ctx, e, []string{"apply", "--yes", "-o", "jsonl", "--forks", "2", "-i", filepath.Join(b.dir, "fleet.yaml"), "--state-dir", filepath.Join(b.dir, "state")})
		close(out.lines)
	}()
	var names []string
	outcomes := map[string]string{}
	take := func() {
		var d struct {
			Format  string
			Routers []routerJSON
		}
		if err := json.Unmarshal([]byte(<-out.lines), &d); err != nil || d.Format != "rosknock.apply/1" || len(d.Routers) != 1 {
			t.Fatalf("%v, %+v", err, d)
		}
		names = append(names, d.Routers[0].Name)
		outcomes[d.Routers[0].Name] = d.Routers[0].Outcome
	}
	for range 3 { // while the first router is still held
		take()
	}
	close(others)
	if got := <-code; got != int(exitInterrupted) {
		t.Errorf("exit code %d", got)
	}
	for len(names) < 6 {
		take()
	}
	// How far the last one comes after the interrupt is left to chance: it is not begun, or
	// refused, or rolled back.
	if !slices.Equal(names[:3], []string{"r0001", "r0002", "r0003"}) || outcomes["r0005"] == "changed" || outcomes["r0001"] != "changed" {
		t.Errorf("%v %v", names, outcomes)
	}
}
