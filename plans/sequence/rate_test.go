package sequence_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/sequence"
)

func tcp(timeout time.Duration, ports ...uint16) []sequence.Step {
	var out []sequence.Step
	for _, p := range ports {
		out = append(out, sequence.Step{Protocol: "tcp", First: p, Last: p, Timeout: timeout})
	}
	return out
}

// TestRate: what is known of some knocks.
func TestRate(t *testing.T) {
	for _, test := range []struct {
		name                  string
		steps                 []sequence.Step
		random                float64
		ascending, descending bool
	}{
		{"MikroTik's example", tcp(30*time.Second, 888, 555, 222), 1.0 / 6, false, true},
		{"ascending", tcp(time.Minute, 7000, 8000, 9000), 1.0 / 6, true, false},
		{"four", tcp(30*time.Second, 4000, 9000, 1000, 3000), 1.0 / 24, false, false},
		{"six", tcp(30*time.Second, 4000, 9000, 1000, 3000, 8, 70), 1.0 / 720, false, false},
		{"ascending, too far apart for the time", tcp(time.Second, 1000, 20000), 0.5 * (1 - (1-10000.0/65535)*(1-10000.0/65535)), false, false},
		{"the same port twice", tcp(time.Minute, 98, 98), 0, false, false},
		{"one", tcp(time.Minute, 98), 1, true, true},
	} {
		got := sequence.Rate(test.steps, sequence.DefaultRate, 0)
		if math.Abs(got.Random-test.random) > 1e-9 || got.Ascending != test.ascending || got.Descending != test.descending {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
	if decoys := sequence.Rate(tcp(time.Minute, 5000, 4000, 6000), sequence.DefaultRate, 2); math.Abs(decoys.Quarantined-2.0/120) > 1e-9 {
		t.Errorf("two decoys: %+v", decoys)
	}
}

// TestRateGuarded: a decoy on the way stops a sweep in order, one behind the knock or of another
// protocol does not.
func TestRateGuarded(t *testing.T) {
	knock := tcp(time.Minute, 5000, 6000, 7000)
	udp := []sequence.Step{{Protocol: "udp", First: 5500, Last: 5500}}
	for _, test := range []struct {
		decoys    []sequence.Step
		ascending bool
		random    float64
	}{
		{nil, true, 1.0 / 6}, {tcp(0, 4000), false, 1.0 / 24}, {tcp(0, 6500), false, 1.0 / 24}, {tcp(0, 7001), true, 1.0 / 24}, {udp, true, 1.0 / 6},
	} {
		got := sequence.RateGuarded(knock, test.decoys, sequence.DefaultRate)
		if got.Ascending != test.ascending || got.Descending || math.Abs(got.Random-test.random) > 1e-9 {
			t.Errorf("%v: %+v", test.decoys, got)
		}
	}
}

// TestRateAgainstSweeps holds the formula against sweeps that are really drawn.
func TestRateAgainstSweeps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		ports   []uint16
		timeout time.Duration
		decoys  int
	}{
		{[]uint16{888, 555, 222}, 30 * time.Second, 0},
		{[]uint16{888, 555, 222}, 2 * time.Second, 0},
		{[]uint16{888, 555, 222, 9}, 3 * time.Second, 0},
		{[]uint16{888, 555}, 1 * time.Second, 3},
	} {
		const sweeps = 200_000
		length, opened := 65535.0/sequence.DefaultRate, 0
		for range sweeps {
			at := make([]float64, len(test.ports)+test.decoys)
			for i := range at {
				at[i] = random.Float64() * length
			}
			ok := true
			last := at[len(test.ports)-1]
			for i := range test.ports {
				if i > 0 {
					ok = ok && at[i] > at[i-1] && at[i]-at[i-1] <= test.timeout.Seconds()
				}
			}
			for _, decoy := range at[len(test.ports):] {
				ok = ok && decoy > last
			}
			if ok {
				opened++
			}
		}
		got := sequence.Rate(tcp(test.timeout, test.ports...), sequence.DefaultRate, test.decoys).Quarantined
		if want := float64(opened) / sweeps; math.Abs(got-want) > 0.004 {
			t.Errorf("%v, %s, %d decoys: computed %.4f, drawn %.4f", test.ports, test.timeout, test.decoys, got, want)
		}
	}
}

// TestRateOfWideSteps: a knock of wide ranges is opened by nearly every sweep.
func TestRateOfWideSteps(t *testing.T) {
	wide := []sequence.Step{{Protocol: "tcp", First: 1000, Last: 9000, Timeout: time.Minute}, {Protocol: "tcp", First: 20000, Last: 30000, Timeout: time.Minute}}
	if got := sequence.Rate(wide, sequence.DefaultRate, 0); got.Random < 0.95 || !got.Ascending || got.Descending {
		t.Errorf("%+v", got)
	}
}
