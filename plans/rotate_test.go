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
	p, err = plans.Read("p.yaml", []byte(door("rotate: {secret: \"env:X\", every: 4h, ahead: 7d}\ntrusted: {list: t, for: 1h}")))
	if err != nil || p.Ahead() != 7*24*time.Hour || p.Doors[0].Rotate.Provisioned() != 42 {
		t.Errorf("%v, %+v", err, p.Doors[0].Rotate)
	}
	if again, err = plans.Read("p.yaml", plans.Write(p)); err != nil || *again.Doors[0].Rotate != *p.Doors[0].Rotate {
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
		"{secret: \"env:X\", ports: 20000}":                      "not a range",
		"{secret: hunter2hunter2hunter2}":                        "must not be written",
		"{}":                                                     "rotate lacks the key \"secret\"",
		"{secret: \"env:X\", secrets: hunter2}":                  "unknown key",
		"{secret: \"env:X\"}\nwrong-knock: quarantine":           "has no wrong-knock",
		"{secret: \"env:X\"}\ndecoys: [tcp/3389]":                "has no decoys",
		"{secret: \"env:X\"}\nknock: [tcp/41873]":                "door d has knock and rotate",
		"{secret: \"env:X\"}\nwrong-knock: ignore\nopens: [ssh]": "",

		"{secret: \"env:X\", ahead: 1d}":                                 "",
		"{secret: \"env:X\", every: 12h, ahead: 1d}":                     "",
		"{secret: \"env:X\", every: 4h, ahead: 7d}":                      "",
		"{secret: \"env:X\", every: 1d, ahead: 7d}":                      "",
		"{secret: \"env:X\", ahead: 2d}":                                 "1d",
		"{secret: \"env:X\", every: 7h, ahead: 1d}":                      "windows of 7h don't fill 1d",
		"{secret: \"env:X\", every: 1d, ahead: 1d}":                      "windows of 1d don't fill 1d",
		"{secret: \"env:X\", ahead: 7d}":                                 "1680 rules would be installed",
		"{users: {a: \"env:A\", b: \"env:B\", c: \"env:C\"}, ahead: 1d}": "720 rules would be installed",
	} {
		_, err := plans.Read("p.yaml", []byte(door("rotate: "+text+"\ntrusted: {list: t, for: 1h}")))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestUsers: a door with users becomes one for each of them, with a list of its own.
func TestUsers(t *testing.T) {
	text := door("rotate: {users: {alice: \"keyring:alice\", bob: \"env:BOB\"}, payload: 32}\ntrusted: {list: t, for: 1h}\nopens: [ssh]")
	p, err := plans.Read("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Doors) != 2 {
		t.Fatalf("%d doors", len(p.Doors))
	}
	for i, want := range []struct{ name, list, user, secret string }{{"d-alice", "t-alice", "alice", "keyring:alice"}, {"d-bob", "t-bob", "bob", "env:BOB"}} {
		d := p.Doors[i]
		if d.Name != want.name || d.Trusted.List != want.list || d.Rotate.User != want.user || d.Rotate.Secret.String() != want.secret || d.Rotate.Payload != 32 || d.StageListOf(1) == p.Doors[1-i].StageListOf(1) {
			t.Errorf("%+v %+v", d, d.Rotate)
		}
	}
	again, err := plans.Read("p.yaml", plans.Write(p))
	if err != nil || string(plans.Write(again)) != string(plans.Write(p)) {
		t.Errorf("%v\n%s", err, plans.Write(p))
	}
	for text, want := range map[string]string{
		door("rotate: {users: {alice: \"env:A\"}, secret: \"env:B\"}\ntrusted: {list: t, for: 1h}"):                                                                                                      "secret and users",
		door("rotate: {users: {alice: \"env:A\"}, user: bob}\ntrusted: {list: t, for: 1h}"):                                                                                                              "a user of its own",
		door("rotate: {users: {}}\ntrusted: {list: t, for: 1h}"):                                                                                                                                         "is empty",
		door("rotate: {users: {alice: hunter2}}\ntrusted: {list: t, for: 1h}"):                                                                                                                           "must not be written",
		door("rotate: {secret: \"env:A\", payload: 8}\ntrusted: {list: t, for: 1h}"):                                                                                                                     "out of range",
		door("rotate: {users: {alice: \"env:A\"}}\ntrusted: {list: t, for: 1h}") + "  d-alice:\n    knock: [tcp/41873, udp/23019]\n    trusted: {list: other, for: 1h}\n":                                "two doors would be d-alice",
		door("rotate: {users: {alice: \"env:A\"}}\ntrusted: {list: t, for: 1h}") + "  e:\n    knock: [tcp/41873, udp/23019]\n    trusted: {list: t-alice, for: 1h}\n":                                    "",
		door("rotate: {users: {alice: \"env:A\", b: \"env:B\"}}\ntrusted: {list: t, networks: t-alice, for: 1h}") + "  e:\n    knock: [tcp/41873, udp/23019]\n    trusted: {list: t-alice-b, for: 1h}\n": `the list "t-alice-b"`,
	} {
		_, err := plans.Read("p.yaml", []byte(text))
		if want == "" {
			want = "t-alice"
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}
