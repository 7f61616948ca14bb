//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkProgram runs commands over a fleet in this process, so that -cpuprofile and -memprofile
// show all that a run computes: TLS, reading, the decision, the result. The routers are a program of
// their own. Run it with -benchtime 1x or more.
func BenchmarkProgram(b *testing.B) {
	for _, n := range []int{200, 1000} {
		b.Run(fmt.Sprintf("no-op diff/routers=%d", n), func(b *testing.B) {
			f := provision(b, n, 50*time.Millisecond, sixtyRules())
			defer f.end()
			f.run(b, 0, "apply", "--yes")
			f.profiled(b, n, func() {}, "diff", "--exit-code")
		})
		b.Run(fmt.Sprintf("first apply/routers=%d", n), func(b *testing.B) {
			f := provision(b, n, 50*time.Millisecond, sixtyRules())
			f.profiled(b, n, func() {
				f.end()
				f = provision(b, n, 50*time.Millisecond, sixtyRules())
			}, "apply", "--yes")
			f.end()
		})
	}
}

// profiled runs a command again and again, with something before each time that is not measured.
func (f *distant) profiled(b *testing.B, n int, before func(), args ...string) {
	b.Helper()
	b.ReportAllocs()
	var spent time.Duration
	for b.Loop() {
		b.StopTimer()
		before()
		from := cpuTime()
		b.StartTimer()
		f.within(b, args...)
		spent += cpuTime() - from
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N*n), "cpu-µs/router")
}

// within runs rosknock in this process.
func (f *distant) within(b *testing.B, args ...string) {
	b.Helper()
	e := env{
		streams: streams{in: os.Stdin, out: io.Discard, err: io.Discard, width: unlimited},
		getenv:  os.Getenv, now: time.Now, dial: new(net.Dialer).DialContext,
	}
	if code := run(context.Background(), e, append(args, filepath.Join(f.dir, "plan.yaml"), "-i", f.inventory, "-o", "csv")); code != 0 {
		b.Fatalf("%v: exit code %d", args, code)
	}
}
