package state_test

import (
	"testing"

	"github.com/rosknock/rosknock/plans/state"
)

// BenchmarkAppend is what a run over a fleet pays for its journal: many routers at once, each
// record on disk before it goes on.
func BenchmarkAppend(b *testing.B) {
	dir, err := state.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := dir.Append(state.Record{Command: "apply", Event: state.Begin, Router: "r0001", Address: "192.0.2.1:8729", Plan: "branch", Before: "sha256:0123456789"}); err != nil {
				b.Error(err)
			}
		}
	})
}
