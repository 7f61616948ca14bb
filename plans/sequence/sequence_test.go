package sequence_test

import (
	"bytes"
	"math/rand/v2"
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
