package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// documents are the JSON documents of a text, each of which names its format.
func documents(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var one map[string]any
		err := d.Decode(&one)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		if one["format"] == nil && one["$schema"] == nil {
			t.Errorf("a document without a format:\n%s", text)
		}
		out = append(out, one)
	}
}

// TestJSONOfEveryCommand: with -o json, every command writes one JSON document and nothing else to
// standard output.
func TestJSONOfEveryCommand(t *testing.T) {
	for path, line := range printing() {
		switch path {
		case "rosknock __complete": // of the shell
			continue
		case "rosknock trusted watch": // TestWatchUnread and the scripts: a line for each event
			continue
		case "rosknock sim":
			line = []string{"sim", "--listen", "127.0.0.1:0", "--count", "2"}
		}
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			u := newUnread(t, line)
			var out bytes.Buffer
			if path == "rosknock sim" || path == "rosknock help" {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				e := env{streams: streams{in: strings.NewReader(""), out: &out, err: &u.said, width: 80}, now: time.Now, getenv: func(string) string { return "" }}
				_ = run(ctx, e, append(line, "-o", "json"))
			} else {
				_ = u.run(&out, "json")
			}
			if got := documents(t, out.String()); len(got) != 1 || got[0]["error"] != nil {
				t.Errorf("%d documents: %s\n%s", len(got), out.String(), u.said.String())
			}
		})
	}
}

// TestJSONOfEveryError: with -o json, every command that ends without a result writes one JSON
// document with the exit code and the message, which stands on standard error as ever.
func TestJSONOfEveryError(t *testing.T) {
	failed := func(t *testing.T, want exitCode, args ...string) map[string]any {
		t.Helper()
		code, stdout, stderr := called(t, args...)
		got := documents(t, stdout)
		if code != int(want) || len(got) != 1 || got[0]["format"] != "rosknock.error/1" {
			t.Fatalf("%q: exit code %d, want %d: %s%s", args, code, want, stdout, stderr)
		}
		e, _ := got[0]["error"].(map[string]any)
		if message, _ := e["message"].(string); e["code"] != float64(want) || message == "" || !strings.Contains(stderr, message) {
			t.Errorf("%q: %v, and standard error says %s", args, e, stderr)
		}
		return e
	}
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		path := strings.Fields(c.CommandPath())[1:]
		failed(t, exitUsage, append(append([]string{}, path...), "-o", "json", "--nonsense")...)
		failed(t, exitUsage, append(append([]string{}, path...), "--nonsense", "--output=json")...)
	})
	for _, line := range []string{"diff -o json", "apply -o json --yes", "knock -o json", "aply -o json", "trusted -o json", "schema -o json nonsense", "lint -o json", "audit -ojson", "diff -o json -l a"} {
		failed(t, exitUsage, strings.Fields(line)...)
	}
	t.Setenv("ROSKNOCK_OUTPUT", "jsonl")
	failed(t, exitUsage, "diff", "--nonsense")
	t.Setenv("ROSKNOCK_OUTPUT", "")
	if _, stdout, _ := called(t, "knock", "p.yaml", "--connect", "192.0.2.1", "-o", "json"); stdout != "" {
		t.Errorf("the connection is given %s", stdout)
	}

	file := filepath.Join(t.TempDir(), "plan.yaml")
	check(t, os.WriteFile(file, []byte("version: 1\nname: m\ndors: {}\nallow: 7\n"), 0o600))
	e := failed(t, exitInvalid, "diff", file, "-r", "192.0.2.1", "-o", "json")
	problems, _ := e["problems"].([]any)
	if len(problems) < 2 {
		t.Fatalf("%v", e)
	}
	first, _ := problems[0].(map[string]any)
	if first["file"] != file || first["line"] == nil || first["remedy"] == nil {
		t.Errorf("%v", first)
	}
}
