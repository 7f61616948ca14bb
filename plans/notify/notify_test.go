package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestParse: what --notify takes, and that its errors never repeat what was written.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"env:HOOK":                         "json env:HOOK",
		"slack+env:HOOK":                   "slack env:HOOK",
		"teams+file:/a+b":                  "teams file:/a+b",
		"file:/a+b/c":                      "json file:/a+b/c",
		"ntfy+keyring:topic":               "ntfy keyring:topic",
		"json+command:pass show hook":      "json command:pass show hook",
		"ntfy+https://ntfy.example.com/t1": "ntfy https://ntfy.example.com/t1",
		"http://127.0.0.1:8080/hook":       "json http://127.0.0.1:8080/hook",
		"http://[::1]/hook":                "json http://[::1]/hook",
		"/usr/local/bin/tell --all":        "json run /usr/local/bin/tell --all",
		"./tell":                           "json run ./tell",
		"run:mail -s told ops+x@a":         "json run mail -s told ops+x@a",
	} {
		got, err := Parse(text)
		said := string(got.Form) + " " + got.URL
		switch {
		case got.Run != "":
			said += "run " + got.Run
		case got.URL == "":
			said += got.Place.String()
		}
		if err != nil || said != want {
			t.Errorf("%s: %q, %v, want %q", text, said, err, want)
		}
	}
	for _, text := range []string{"", "s3cret", "s3cret+env:X", "prompt", "env:", "run:", "slack+run:s3cret", "http://s3cret.example.com/x", "https://", "https:///s3cret", "https://[s3cret", "ftp://s3cret", "slack+", "slack+s3cret", "https://a b/s3cret"} {
		if got, err := Parse(text); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// hostile is a message whose names try to be more than names.
func hostile() Message {
	return Message{
		Command: "apply", Run: "run-1", Plans: []string{"branch"}, Routers: 3, Outcomes: map[string]int{"changed": 2, "failed": 1},
		Failed: []string{"<!channel> [click](https://evil.example) & *b*"}, MoreFailed: 4, Begun: time.Unix(100, 0),
		Ended:  &End{Code: 5, Meaning: "some routers failed", At: time.Unix(112, 0)},
		Events: []Event{{Text: "r1 added 203.0.113.9", JSON: json.RawMessage(`{"event":"added"}`)}}, Dropped: 7,
	}
}

// TestForms: each form is what its receiver takes, and a name in it stays a name.
func TestForms(t *testing.T) {
	for _, form := range Forms() {
		body, header, err := encode(form, hostile())
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		for _, part := range []string{"2 changed, 1 failed", "and 4 more", "exit code 5", "took 12s", "run-1", "203.0.113.9", "and 7 more"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not tell %q: %s", form, part, text)
			}
		}
		if form != Ntfy && (header["Content-Type"] != "application/json" || !json.Valid(body)) {
			t.Errorf("%s: %v, %s", form, header, text)
		}
	}
	body, _, _ := encode(Slack, hostile())
	var slack struct{ Text string }
	if err := json.Unmarshal(body, &slack); err != nil || strings.Contains(slack.Text, "<") || !strings.Contains(slack.Text, "&lt;!channel&gt;") {
		t.Errorf("%q, %v", slack.Text, err)
	}
	body, _, _ = encode(Teams, hostile())
	var teams struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &teams); err != nil || teams.Type != "message" || teams.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || teams.Attachments[0].Content.Type != "AdaptiveCard" {
		t.Errorf("%s, %v", body, err)
	}
	for _, block := range teams.Attachments[0].Content.Body {
		if block.Type != "RichTextBlock" || block.Inlines[0].Type != "TextRun" || block.Inlines[0].Text == "" {
			t.Errorf("%+v: a block whose text would be read as Markdown, or none", block)
		}
	}
	_, header, _ := encode(Ntfy, hostile())
	if header["Title"] != "rosknock apply: exit code 5" || header["Priority"] != "high" {
		t.Errorf("%v", header)
	}
	body, _, _ = encode(JSON, hostile())
	var own jsonMessage
	if err := json.Unmarshal(body, &own); err != nil || own.Format != "rosknock.notify/1" || *own.Exit != 5 || own.Outcomes["changed"] != 2 || len(own.Events) != 1 || own.Failed[0] != hostile().Failed[0] {
		t.Errorf("%s, %v", body, err)
	}
}

// TestShort: a message is never longer than a receiver takes, and its headers are ASCII on one line.
func TestShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Message{Command: "trusted watch", Failed: rapid.SliceOfN(rapid.String(), 0, 30).Draw(t, "failed")}
		for _, text := range rapid.SliceOfN(rapid.StringN(0, 200, -1), 0, 200).Draw(t, "events") {
			m.Events = append(m.Events, Event{Text: text, JSON: json.RawMessage(`{}`)})
		}
		if text := m.Text(); len(text) > mostText || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %q", len(text), text)
		}
		_, header, err := encode(Ntfy, m)
		for name, value := range header {
			if err != nil || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%s: %q, %v", name, value, err)
			}
		}
	})
}
