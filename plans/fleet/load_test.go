package fleet

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// TestLoad: one wait of ten that is long makes a machine busy, until the waits are short again; the
// waits before the last answer count no more, and a few say nothing.
func TestLoad(t *testing.T) {
	var load Load
	waits := &metrics.Float64Histogram{Buckets: []float64{math.Inf(-1), 0, 0.0005, 0.004, 0.1, math.Inf(1)}, Counts: make([]uint64, 5)}
	for _, step := range []struct {
		name                 string
		short, long, longest uint64
		busy                 bool
	}{
		{"nothing yet", 0, 0, 0, false},
		{"short waits", 10_000, 0, 0, false},
		{"too few long ones", 0, 150, 0, false},
		{"more of them", 0, 50, 0, true},
		{"too few short ones", 199, 0, 0, true},
		{"more of them", 2_000, 0, 0, false},
		{"a tenth", 900, 100, 0, false},
		{"more than a tenth", 890, 55, 55, true},
	} {
		waits.Counts[1] += step.short
		waits.Counts[3] += step.long
		waits.Counts[4] += step.longest
		if load.read(waits); load.busy != step.busy {
			t.Errorf("%s: busy %v", step.name, load.busy)
		}
	}
}

// TestMemory: where memory is scarce, no CPU that is idle helps.
func TestMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 20))
	if load := new(Load); !load.Busy() {
		t.Error("a megabyte is enough")
	}
}
