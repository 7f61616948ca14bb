package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
)

// TestQuiet: -q hides progress and remarks, and neither the result nor warnings nor errors.
func TestQuiet(t *testing.T) {
	s := newSite(t, "7.20", 0)
	said := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		e := env{streams: streams{in: strings.NewReader(""), out: &out, err: &errs, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
			return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name]
		}}
		return run(t.Context(), e, s.args(args...)), out.String(), errs.String()
	}
	for _, line := range [][]string{
		{"apply", "first.yaml", "--yes"}, {"trusted", "add", "203.0.113.9", "--for", "1h"}, {"trusted", "revoke", "203.0.113.9"}, {"diff", "first.yaml"}, {"undo", "--yes"},
	} {
		code, stdout, stderr := said(append(line, "-q")...)
		if code != 0 || stdout == "" {
			t.Errorf("%q: exit code %d, %s%s", line, code, stdout, stderr)
		}
		for at := range strings.Lines(stderr) {
			if !strings.HasPrefix(at, "rosknock: warning: ") {
				t.Errorf("%q says %s", line, at)
			}
		}
	}
	if code, _, stderr := said("undo", "nonsense", "--yes", "-q"); code == 0 {
		t.Error(stderr)
	}
	if code, _, stderr := said("diff", "missing.yaml", "-q"); code != int(exitInvalid) || !strings.Contains(stderr, "missing.yaml") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if code, _, stderr := said("diff", "first.yaml", "-q", "-v"); code != int(exitUsage) || !strings.Contains(stderr, "exclude each other") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
