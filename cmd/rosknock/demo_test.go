package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
)

// TestDemo: the demo is short enough to be read, and tells of a mistake and of an undo.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	e := env{streams: streams{out: &out, err: &out, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(string) string { return "" }}
	if code := run(t.Context(), e, []string{"demo"}); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines >= 150 {
		t.Errorf("the demo has %d lines", lines)
	}
	for _, want := range []string{"  refused\n", "$ rosknock undo", "as it was before the change", "\nRouterOS 6.49", "\nRouterOS 7.14", "→ accept, by"} {
		if !strings.Contains(text, want) {
			t.Errorf("the demo does not say %q:\n%s", want, text)
		}
	}
}
