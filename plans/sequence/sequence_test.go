package sequence_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

func TestGenerate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		n := rapid.IntRange(sequence.FewestStages, sequence.MostStages).Draw(t, "stages")
		knock, err := sequence.Generate(rand.NewChaCha8(seed), n)
		if err != nil || len(knock) != n {
			t.Fatalf("%v, %d stages", err, len(knock))
		}
		if !sequence.Sound(knock) {
			t.Fatal("an unsound sequence")
		}
		for _, s := range knock {
			if s.Port < 10000 || s.Port > 60000 {
				t.Fatal("a port out of the range")
			}
		}
	})
}

func TestSound(t *testing.T) {
	stage := func(protocol string, port uint16) plans.Stage { return plans.Stage{Protocol: protocol, Port: port} }
	tests := map[string][]plans.Stage{
		"rises":        {stage("tcp", 20100), stage("udp", 30100), stage("tcp", 40100)},
		"falls":        {stage("tcp", 40100), stage("udp", 30100), stage("tcp", 20100)},
		"neighbours":   {stage("tcp", 40100), stage("udp", 20100), stage("tcp", 40101)},
		"one protocol": {stage("tcp", 40100), stage("tcp", 20100), stage("tcp", 30100)},
		"a known port": {stage("tcp", 40100), stage("udp", 13231), stage("tcp", 30100)},
	}
	for name, knock := range tests {
		if sequence.Sound(knock) {
			t.Errorf("%s: called sound", name)
		}
	}
	if !sequence.Sound([]plans.Stage{stage("tcp", 40100), stage("udp", 20100), stage("tcp", 30100)}) {
		t.Error("a sound sequence is called unsound")
	}
}

func TestGenerateFails(t *testing.T) {
	if _, err := sequence.Generate(bytes.NewReader(nil), 4); err == nil || !strings.Contains(err.Error(), "randomness") {
		t.Errorf("no randomness: %v", err)
	}
	for _, n := range []int{0, 2, 17} {
		if _, err := sequence.Generate(rand.NewChaCha8([32]byte{}), n); err == nil {
			t.Errorf("%d stages were made", n)
		}
	}
}

// TestDraw: whatever is asked for within the bounds is made, and is sound.
func TestDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		spec := specOf(t)
		knock, err := spec.Draw(rand.NewChaCha8(seed))
		if err != nil {
			t.Fatal(err)
		}
		holds(t, spec, knock)
		wide := spec.High-spec.Low > 7000 // enough that ports are as far apart as ever
		if wide && slices.Contains(spec.Protocols, "tcp") && slices.Contains(spec.Protocols, "udp") && !sequence.Sound(knock) {
			t.Fatal("sound by its spec, and not by itself")
		}
	})
}

// TestDrawLongest: the longest sequences with the fewest ports are found too.
func TestDrawLongest(t *testing.T) {
	for _, protocols := range [][]string{{"tcp"}, {"tcp", "udp", "icmp"}, {"icmp", "udp"}} {
		spec := sequence.Spec{Stages: sequence.MostStages, Low: 30100, High: 30630, Protocols: protocols}
		for seed := range byte(20) {
			if knock, err := spec.Draw(rand.NewChaCha8([32]byte{seed})); err != nil || !spec.Sound(knock) {
				t.Errorf("%v: %v", protocols, err)
			}
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	var all []uint16
	for port := uint16(30000); port < 31500; port++ {
		all = append(all, port)
	}
	for name, spec := range map[string]sequence.Spec{
		"too short":           {Stages: 2},
		"too long":            {Stages: 17},
		"well-known ports":    {Stages: 4, Low: 1000, High: 5000},
		"ports upside down":   {Stages: 4, Low: 40000, High: 30000},
		"few ports":           {Stages: 4, Low: 30000, High: 30499},
		"ports that are used": {Stages: 4, Low: 30000, High: 31700, Avoid: all},
		"no such protocol":    {Stages: 4, Protocols: []string{"tcp", "sctp"}},
		"pings alone":         {Stages: 4, Protocols: []string{"icmp"}},
	} {
		if _, err := spec.Draw(rand.NewChaCha8([32]byte{})); err == nil {
			t.Errorf("%s: drawn", name)
		} else {
			t.Log(err)
		}
	}
}

func TestSpecSound(t *testing.T) {
	tcp := func(port uint16) plans.Stage { return plans.Stage{Protocol: "tcp", Port: port} }
	udp := func(port uint16) plans.Stage { return plans.Stage{Protocol: "udp", Port: port} }
	ping := func(size uint16) plans.Stage { return plans.Stage{Protocol: "icmp", Size: size} }
	pings := sequence.Spec{Protocols: []string{"tcp", "udp", "icmp"}}
	if !pings.Sound([]plans.Stage{tcp(20100), ping(245), udp(30100)}) {
		t.Error("two ports and a ping are called unsound")
	}
	for name, test := range map[string]struct {
		spec  sequence.Spec
		knock []plans.Stage
	}{
		"three rise":          {sequence.Spec{}, []plans.Stage{tcp(20100), udp(30100), tcp(40100), udp(11100)}},
		"three fall":          {sequence.Spec{}, []plans.Stage{tcp(20100), udp(45100), tcp(40100), udp(11200)}},
		"no such port":        {sequence.Spec{Low: 30000, High: 40000}, []plans.Stage{tcp(30100), udp(40100), tcp(31100)}},
		"a port to avoid":     {sequence.Spec{Avoid: []uint16{40100}}, []plans.Stage{tcp(30100), udp(40100), tcp(31100)}},
		"a filtered port":     {sequence.Spec{Low: 1024, High: 50000}, []plans.Stage{tcp(30100), udp(5060), tcp(31100)}},
		"RouterOS":            {sequence.Spec{Low: 1024, High: 50000}, []plans.Stage{tcp(30100), tcp(8291), udp(31100)}},
		"a round port":        {sequence.Spec{}, []plans.Stage{tcp(30100), udp(17000), tcp(31100)}},
		"counting up":         {sequence.Spec{}, []plans.Stage{tcp(30100), udp(23456), tcp(31100)}},
		"a ping unasked":      {sequence.Spec{}, []plans.Stage{tcp(20100), ping(245), udp(30100)}},
		"no ping":             {pings, []plans.Stage{tcp(20100), udp(30100), udp(15100)}},
		"a usual ping":        {pings, []plans.Stage{tcp(20100), ping(84), udp(30100)}},
		"Cisco's ping":        {pings, []plans.Stage{tcp(20100), ping(100), udp(30100)}},
		"a thousand bytes":    {pings, []plans.Stage{tcp(20100), ping(1028), udp(30100)}},
		"a large ping":        {pings, []plans.Stage{tcp(20100), ping(1205), udp(30100)}},
		"half of it pings":    {pings, []plans.Stage{tcp(20100), ping(245), udp(30100), ping(345)}},
		"the same ping twice": {pings, []plans.Stage{tcp(20100), ping(245), udp(30100), ping(245), udp(11333), tcp(40404)}},
	} {
		if test.spec.Sound(test.knock) {
			t.Errorf("%s: called sound", name)
		}
	}
}

// TestStagesFor: the number is enough, and one fewer is not.
func TestStagesFor(t *testing.T) {
	for _, test := range []struct {
		chance float64
		decoys int
		want   int
	}{
		{0.5, 0, 3}, {1.0 / 6, 0, 3}, {0.16, 0, 4}, {0.01, 0, 5}, {1.0 / 120, 0, 5}, {0.001, 0, 7}, {1e-13, 0, 16}, {0.01, 1, 4}, {0.001, 3, 5}, {0.002, 3, 4}, {0.01, 50, 3},
	} {
		got, err := sequence.StagesFor(test.chance, test.decoys)
		if err != nil || got != test.want {
			t.Errorf("%v, %d decoys: %d stages, not %d (%v)", test.chance, test.decoys, got, test.want, err)
			continue
		}
		knock, _ := sequence.Generate(rand.NewChaCha8([32]byte{1}), got)
		if rated := sequence.Rate(sequence.Steps(knock, 0), sequence.DefaultRate, test.decoys).Quarantined; rated > test.chance*(1+1e-9) {
			t.Errorf("%v, %d decoys: rated %v", test.chance, test.decoys, rated)
		}
		if got > sequence.FewestStages {
			if rated := sequence.Rate(sequence.Steps(knock[1:], 0), sequence.DefaultRate, test.decoys).Quarantined; rated <= test.chance {
				t.Errorf("%v, %d decoys: %d stages would do", test.chance, test.decoys, got-1)
			}
		}
	}
	for _, chance := range []float64{0, 1, -1, 2, 1e-20, math.NaN(), math.Inf(1)} {
		if n, err := sequence.StagesFor(chance, 0); err == nil {
			t.Errorf("%v: %d stages", chance, n)
		}
	}
	if _, err := sequence.StagesFor(0.5, -1); err == nil {
		t.Error("fewer than no decoys")
	}
}

// TestDrawHasNoBias: a number that a remainder would favour is passed over, as if it had not come.
func TestDrawHasNoBias(t *testing.T) {
	plain := make([]byte, 1<<16)
	_, _ = rand.NewChaCha8([32]byte{9}).Read(plain)
	protocol, rest := plain[:4], plain[4:]
	high := []byte{0xff, 0xff, 0xff, 0xff} // at or above the largest multiple of 50001
	want, err := sequence.Generate(bytes.NewReader(plain), 5)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sequence.Generate(bytes.NewReader(slices.Concat(protocol, high, high, rest)), 5)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("a number that has to be passed over counts (%v)", err)
	}
}
