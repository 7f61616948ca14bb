package view_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

// knocks are a strong one, a long one, one that no sweep opens, and one that each does.
func knocks() (out []view.Rated) {
	for _, text := range []string{
		"tcp/40961 udp/12346 tcp/51077 icmp/245 udp/23410", strings.Repeat("tcp/40961 udp/12346 tcp/51077 udp/23410 ", 8), "tcp/40961 tcp/40961", "tcp/40961", "tcp/12346 tcp/23410 tcp/40961",
	} {
		knock, err := plans.ParseKnock(text)
		if err != nil {
			panic(err)
		}
		out = append(out, view.Rated{
			File: "caf\xe9.yaml", Door: "admin", Knock: knock, Timeout: 10 * time.Second, Speed: 1e8, Decoys: 2,
			Strength: sequence.Rate(sequence.Steps(knock, 10*time.Second), 1e8, 2),
		})
	}
	return out
}

// TestSequences: each format is what it claims, fits a terminal, and keeps the ports to itself.
func TestSequences(t *testing.T) {
	for _, format := range []string{"text", "json", "csv", "markdown"} {
		var out bytes.Buffer
		if err := view.Sequences(&out, format, knocks(), view.Style{Width: 80}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		for _, port := range []string{"40961", "12346", "51077", "23410", "245"} {
			if strings.Contains(text, "/"+port) {
				t.Errorf("%s: a port is shown", format)
			}
		}
		if !utf8.ValidString(text) || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: %s", format, text)
		}
		if format == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("no JSON: %s", text)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, "…") && format == "text" {
				t.Errorf("cut off: %s", line)
			}
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); format == "text" && n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		var shown bytes.Buffer
		if err := view.Sequences(&shown, format, knocks(), view.Style{Width: 80, Reveal: true}); err != nil || !strings.Contains(shown.String(), "icmp/245") {
			t.Errorf("%s: what is revealed is not shown (%v)", format, err)
		}
	}
}

// TestGenerated: a new knock is shown, and reads back.
func TestGenerated(t *testing.T) {
	var out bytes.Buffer
	if err := view.Generated(&out, "text", knocks()[0], view.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if knock, err := plans.ParseKnock(out.String()); err != nil || len(knock) != 5 || out.String() != "[tcp/40961, udp/12346, tcp/51077, icmp/245, udp/23410]\n" {
		t.Errorf("%q: %v", out.String(), err)
	}
}
