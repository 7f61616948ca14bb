package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestPasswordInTarget: a password that is written with a router or a user is refused, and no part
// of it comes out, whatever it is made of.
func TestPasswordInTarget(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, args := range [][]string{
		{"-r", "admin:hunter2@192.0.2.1"}, {"-r", "admin:hunter2@192.0.2.1:8729"}, {"-r", "admin:hun@ter2@192.0.2.1"}, {"-r", "admin:hun:ter2@h"},
		{"-r", "admin:hunter2@bad host"}, {"-r", "admin:hunter2@h:99999"}, {"-r", "admin:hunter2"}, {"-r", "admin:hunter2@"}, {"-r", "admin:hunter2@[2001:db8::1]"},
		{"-r", "192.0.2.1", "--user", "admin:hunter2"}, {"-r", "ok@192.0.2.1", "-r", "admin:hunter2@192.0.2.2"},
	} {
		for _, command := range [][]string{{"diff", "../../fixtures/plans/seed.yaml"}, {"trusted", "list"}, {"audit"}, {"apply", "../../fixtures/plans/seed.yaml", "--yes"}} {
			var out bytes.Buffer
			e := env{in: strings.NewReader(""), out: &out, err: &out, getenv: func(string) string { return "" }, now: time.Now}
			code := run(t.Context(), e, append(command, args...))
			text := out.String()
			if code != int(exitUsage) || strings.Contains(text, "hun") || strings.Contains(text, "ter2") || !strings.Contains(text, "•••••") {
				t.Errorf("%s %s: %d, %s", command, args, code, text)
			}
		}
	}
	var out bytes.Buffer
	e := env{in: strings.NewReader(""), out: &out, err: &out, getenv: func(string) string { return "" }, now: time.Now}
	if code := run(t.Context(), e, []string{"knock", "../../fixtures/plans/branch.yaml", "admin:hunter2@192.0.2.1"}); code != int(exitUsage) || strings.Contains(out.String(), "hunter2") {
		t.Errorf("knock: %d, %s", code, out.String())
	}
	for text, want := range map[string]string{"192.0.2.1:99999": "192.0.2.1:99999", "2001:db8::zz": "2001:db8::zz", "a b": "a b"} {
		if got := maskedTarget(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
