package plans_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

func TestRotate(t *testing.T) {
	p, err := plans.Read("p.yaml", []byte(door("rotate: {secret: \"keyring:branch\", stages: 4, ports: 20000-60000, every: 30m, overlap: 5m}\ntrusted: {list: t, for: 1h}")))
	if err != nil {
		t.Fatal(err)
	}
	want := plans.Rotate{Secret: plans.Credential{Kind: plans.FromKeyring, Value: "branch"}, Stages: 4, Ports: routeros.PortRange{First: 20000, Last: 60000}, Every: 30 * time.Minute, Overlap: 5 * time.Minute}
	if got := p.Doors[0].Rotate; got == nil || *got != want || !p.Rotates() || len(p.Doors[0].Knock) != 0 {
		t.Errorf("%+v", got)
	}
	again, err := plans.Read("p.yaml", plans.Write(p))
	if err != nil || *again.Doors[0].Rotate != want {
		t.Errorf("%v\n%s", err, plans.Write(p))
	}
	p, err = plans.Read("p.yaml", []byte(door("rotate: {secret: \"env:X\"}\ntrusted: {list: t, for: 1h}")))
	if err != nil || p.Doors[0].Rotate.Every != time.Hour || p.Doors[0].Rotate.Overlap != 10*time.Minute || p.Doors[0].Rotate.Stages != 5 {
		t.Errorf("%v, %+v", err, p.Doors[0].Rotate)
	}
}

func TestRotateMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"{secret: \"env:X\", every: 90s}":                        "whole minutes",
		"{secret: \"env:X\", every: 8d}":                         "7d at most",
		"{secret: \"env:X\", every: 10m, overlap: 5m}":           "half of a window",
		"{secret: \"env:X\", every: 15m}":                        "half of a window",
		"{secret: \"env:X\", stages: 2}":                         "out of range",
		"{secret: \"env:X\", ports: 500-60000}":                  "begins below 1024",
		"{secret: \"env:X\", ports: 20000-21000}":                "fewer than 5000",
		"{secret: \"env:X\", ports: 20000}":                      "no range",
		"{secret: hunter2hunter2hunter2}":                        "not written out",
		"{}":                                                     `lacks the key "secret"`,
		"{secret: \"env:X\", secrets: hunter2}":                  "unknown key",
		"{secret: \"env:X\"}\nwrong-knock: quarantine":           "has no wrong-knock",
		"{secret: \"env:X\"}\ndecoys: [tcp/3389]":                "has no decoys",
		"{secret: \"env:X\"}\nknock: [tcp/41873]":                "has a knock and rotates",
		"{secret: \"env:X\"}\nwrong-knock: ignore\nopens: [ssh]": "",
	} {
		_, err := plans.Read("p.yaml", []byte(door("rotate: "+text+"\ntrusted: {list: t, for: 1h}")))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
