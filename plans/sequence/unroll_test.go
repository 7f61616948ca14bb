package sequence_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

func rotatingPlan(t testing.TB) plans.Plan {
	t.Helper()
	p, err := plans.Read("p.yaml", []byte(`version: 1
name: p
doors:
  fixed:
    knock: [tcp/41873, udp/17259, tcp/52614]
    trusted: {list: fixed, for: 1h}
  turning:
    rotate: {secret: "env:X", every: 1h, overlap: 10m}
    trusted: {list: turning, for: 1h}
    opens: [ssh, tcp/30000-30010]
services: {ports: {ssh: 22022}}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func secret(plans.Credential) (string, error) { return "0123456789abcdef0123456789abcdef", nil }

// TestUnroll: at every moment the client's knock is one of those that the router takes, also when
// its clock is off by less than the overlap; and names never meet.
func TestUnroll(t *testing.T) {
	p := rotatingPlan(t)
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(1_700_000_000, 2_000_000_000).Draw(t, "at"), 0)
		off := time.Duration(rapid.Int64Range(-599, 599).Draw(t, "off")) * time.Second
		router, err := sequence.Unroll(p, "r1", func(s sequence.Schedule) []int64 { return s.Valid(at) }, secret)
		if err != nil {
			t.Fatal(err)
		}
		client, err := sequence.Unroll(p, "r1", func(s sequence.Schedule) []int64 { return []int64{s.At(at.Add(off))} }, secret)
		if err != nil || len(client.Doors) != 2 || client.Rotates() || router.Rotates() {
			t.Fatal(err, len(client.Doors))
		}
		found := 0
		lists := map[string]bool{}
		for _, d := range router.Doors[1:] {
			if lists[d.StageListOf(1)] || d.Name != "turning" || d.Trusted.List != "turning" {
				t.Fatalf("%s, %s", d.Name, d.StageListOf(1))
			}
			lists[d.StageListOf(1)] = true
			if fmt.Sprint(reveal(d.Knock)) == fmt.Sprint(reveal(client.Doors[1].Knock)) {
				found++
			}
			for _, s := range d.Knock {
				if s.Port == 22022 || s.Port >= 30000 && s.Port <= 30010 {
					t.Fatal("a stage is a port that the plan uses")
				}
			}
		}
		if found != 1 {
			t.Fatalf("the client's knock is %d of the router's %d", found, len(lists))
		}
		if !p.Rotates() {
			t.Fatal("the plan itself was changed")
		}
	})
}

func reveal(knock []plans.Stage) (out []string) {
	for _, s := range knock {
		out = append(out, s.Reveal())
	}
	return out
}

func TestUnrollMistakes(t *testing.T) {
	p := rotatingPlan(t)
	now := func(sequence.Schedule) []int64 { return []int64{1} }
	if _, err := sequence.Unroll(p, "r1", now, func(plans.Credential) (string, error) { return "short", nil }); err == nil {
		t.Error("a short secret is taken")
	}
	if _, err := sequence.Unroll(p, "r1", now, func(plans.Credential) (string, error) { return "", errors.New("no such") }); err == nil {
		t.Error("a missing secret is taken")
	}
	if example := sequence.Example(p); example.Rotates() || len(example.Doors[1].Knock) != 5 {
		t.Error("there is no example")
	}
	if shortest, ok := sequence.Overlap(p); !ok || shortest != 10*time.Minute {
		t.Error(shortest, ok)
	}
}
