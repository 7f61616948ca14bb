package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/plans/operate"
)

// TestBar: the bar is there from the start, counts failures and says what its times are.
func TestBar(t *testing.T) {
	var screen bytes.Buffer
	now := time.Unix(1795000000, 0)
	run := fleetRun{verb: "apply", access: access{env: env{now: func() time.Time { return now }, streams: streams{err: io.Discard, screen: &screen, errTerminal: true, outTerminal: true, width: 120}}}}
	results := make([][]operate.Result, 4)
	p := run.progress(results)
	defer p.done()
	said := func(want string) {
		t.Helper()
		p.mu.Lock()
		defer p.mu.Unlock()
		if text := screen.String(); !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
		screen.Reset()
	}
	said("(0/4)")
	p.mu.Lock()
	now = now.Add(10 * time.Second)
	p.mu.Unlock()
	results[0] = []operate.Result{{Name: "r1", Outcome: apply.Failed, Err: errors.New("no answer")}}
	p.observe(fleet.Event{Kind: fleet.Ended, Verdict: fleet.Failed})
	if text := p.describe(); text != "apply, 1 failed, about 30s left, 10s so far" { // the bar shows it when 100 ms have passed
		t.Errorf("the bar says %q", text)
	}
	p.run.width = 50
	if text := p.describe(); len(text) > 28 || !strings.Contains(text, "1 failed") {
		t.Errorf("too long for 50 columns: %q", text)
	}
}

// TestNotBegun: one line says how many routers were not begun.
func TestNotBegun(t *testing.T) {
	var said bytes.Buffer
	p := &progress{w: &said}
	p.run.Output = "json"
	p.notBegun([]error{nil, &fleet.NotBegunError{Why: interruptedError{}}, &fleet.NotBegunError{Why: interruptedError{}}})
	if said.String() != "rosknock: 2 routers were not begun: interrupted\n" {
		t.Errorf("%q", said.String())
	}
}
