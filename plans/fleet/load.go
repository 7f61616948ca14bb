package fleet

import (
	"cmp"
	"math"
	"runtime/debug"
	"runtime/metrics"
)

// Load measures whether this process has as much to do as the machine allows. The zero value is
// ready; it is for one goroutine at a time.
type Load struct {
	// Memory is what the process may hold of memory, in bytes, where no GOMEMLIMIT is set; 0 is half
	// a gigabyte.
	Memory uint64

	counts []uint64 // how many goroutines waited how long for a CPU, until the last answer
	busy   bool
}

const (
	// latency is how long a goroutine that could go on may wait for a CPU, in seconds: a fifth of a
	// round trip to a router nearby.
	latency = 0.004
	// enough are the waits after which an answer is worth something.
	enough = 200
	// mostMemory is what the process may hold where nothing else is said, in bytes.
	mostMemory = 512 << 20
)

// Busy reports whether more work at once would not help: one of ten goroutines that could go on
// waited long for a CPU since the last answer, or memory is scarce.
func (l *Load) Busy() bool {
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	if samples[0].Value.Kind() == metrics.KindFloat64Histogram {
		l.read(samples[0].Value.Float64Histogram())
	}
	return l.busy || samples[1].Value.Uint64()-samples[2].Value.Uint64() > l.memoryLimit()
}

// read takes in how long goroutines have waited since the process began.
func (l *Load) read(waits *metrics.Float64Histogram) {
	all, long := uint64(0), uint64(0)
	for i, n := range waits.Counts {
		if l.counts != nil {
			n -= l.counts[i]
		}
		all += n
		if waits.Buckets[i] >= latency {
			long += n
		}
	}
	if all < enough {
		return // too few to tell
	}
	l.busy = long*10 > all
	l.counts = append(l.counts[:0], waits.Counts...)
}

// memoryLimit is three quarters of GOMEMLIMIT, or else what may be held.
func (l *Load) memoryLimit() uint64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return uint64(limit) / 4 * 3 // #nosec G115 -- a limit is not negative
	}
	return cmp.Or(l.Memory, mostMemory)
}
