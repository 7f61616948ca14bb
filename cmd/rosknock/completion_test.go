package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/plans/state"
)

// offers completes the last word of a command line, as a shell does. Nothing may be said on
// standard error besides the directive.
func offers(t *testing.T, line ...string) (words []string, directive string) {
	t.Helper()
	code, stdout, stderr := called(t, append([]string{"__complete"}, line...)...)
	if rest, ok := strings.CutPrefix(stderr, "Completion ended with directive: "); code != 0 || !ok || strings.Count(rest, "\n") != 1 {
		t.Errorf("%q: exit code %d, %s", line, code, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	for _, l := range lines[:len(lines)-1] {
		word, _, _ := strings.Cut(l, "\t")
		words = append(words, word)
	}
	return words, lines[len(lines)-1]
}

// The directives, as the scripts of the shells read them.
const (
	anyFile   = ":0"
	noFile    = ":4"
	goesOn    = ":38" // no blank, no file, in this order
	endings   = ":8"
	onlyDirs  = ":16"
	inOrder   = ":36" // no file, in this order
	oneRouter = "192.0.2.1:8729"
)

// workplace is a folder with plans, inventories and a journal, where completion finds its words.
func workplace(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "settings"))
	t.Setenv("ROSKNOCK_STATE_DIR", filepath.Join(dir, "state"))
	for name, text := range map[string]string{
		"branch.yaml": "version: 1\nname: branch\ndoors:\n  admin: {knock: [tcp/33333, tcp/22222, tcp/11111], opens: [ssh], trusted: {list: admins, for: 1d}}\n  ops: {knock: [tcp/31333, tcp/29222, tcp/17111], opens: [winbox], trusted: {list: ops, for: 1d}}\nallow: {interface-lists: [\"${lan}\"]}\n",
		"broken.yaml": "version: 1\nname: [\n",
		"fleet.yaml": "version: 1\ngroups:\n  branches: {plans: [branch.yaml], vars: {lan: LAN}}\n  lab: {}\nrouters:\n" +
			"  r0001: {address: 192.0.2.1, groups: [branches], tags: [canary]}\n  r0002: {address: 192.0.2.2, groups: [branches]}\n  bench: {address: 192.0.2.3, groups: [lab]}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// journal writes two changes of one router and a run over a fleet into the desk's journal.
func journal(t *testing.T) {
	t.Helper()
	dir, err := state.Open("state")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 4, 15, 0, 0, time.UTC)
	for i, r := range []state.Record{
		{Event: state.RunBegin, Command: "apply", Run: "run-20261120-041500-1a2b", Routers: 2},
		{Event: state.Begin, Command: "apply", Router: "r0001", Address: oneRouter, Identity: "caf\xe9", Plan: "branch", Change: "20261120-041500-aaaa"},
		{Event: state.End, Command: "apply", Router: "r0001", Address: oneRouter, Plan: "branch", Change: "20261120-041500-aaaa", Outcome: "changed"},
		{Event: state.Begin, Command: "apply", Router: "r0002", Address: "192.0.2.2:8729", Plan: "branch", Change: "20261120-041600-bbbb"},
		{Event: state.End, Command: "apply", Router: "r0002", Address: "192.0.2.2:8729", Plan: "branch", Change: "20261120-041600-bbbb", Outcome: "changed"},
		{Event: state.Begin, Command: "apply", Router: "r0002", Address: "192.0.2.2:8729", Plan: "branch", Change: "20261120-041700-cccc"},
		{Event: state.End, Command: "apply", Router: "r0002", Address: "192.0.2.2:8729", Plan: "branch", Change: "20261120-041700-cccc", Outcome: "reverted"},
	} {
		r.Time, r.Actor = at.Add(time.Duration(i)*time.Minute), "anna@desk"
		if err := dir.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCompletion: what Tab offers where.
func TestCompletion(t *testing.T) {
	workplace(t)
	journal(t)
	tests := []struct {
		line      string // its last word, which may be empty, is completed
		want      string
		directive string
	}{
		{"ap", "apply", noFile},
		{"trusted ", "add list revoke watch", noFile},
		{"help trusted re", "revoke", noFile},
		{"completion ", "bash zsh fish powershell", noFile},
		{"schema ", "plan inventory tests accept", noFile},
		{"diff ", "yaml yml", endings},
		{"apply ", "yaml yml", endings},
		{"diff branch.yaml ", "", noFile},
		{"lint branch.yaml ", "yaml yml", endings},
		{"inventory import ", "", anyFile},
		{"trace ", "tcp udp icmp icmpv6", inOrder},
		{"diff --export ", "rsc", endings},
		{"diff --report ", "html", endings},
		{"diff --save ", "", anyFile},
		{"apply --changes ", "json", endings},
		{"diff -i ", "yaml yml", endings},
		{"diff --password-file ", "", anyFile},
		{"diff --state-dir ", "", onlyDirs},
		{"diff --timeout ", "", noFile},
		{"diff --transport ", "api-ssl api", inOrder},
		{"diff --transport=api-", "api-ssl", inOrder},
		{"diff -o ", "text json jsonl csv markdown html", inOrder},
		{"audit -o ", "text json jsonl csv markdown html", inOrder},
		{"diff --color a", "auto always", inOrder},
		{"apply --protect ", "auto safe-mode dead-man none", inOrder},
		{"trace --state e", "established", inOrder},
		{"sim --device-mode ", "advanced home", inOrder},
		{"inventory import --format net", "netbox-csv netbox-json", inOrder},
		{"knock --then win", "winbox", inOrder},
		{"diff --accept-risk lose", "lose-session", inOrder},
		{"lint --accept-risk L20", "L20", inOrder},
		{"diff --notify ru", "run:", goesOn},
		{"diff --notify slack+e", "slack+env:", goesOn},
		{"diff -r ", "192.0.2.2:8729 " + oneRouter, inOrder},
		{"diff -i fleet.yaml -r ", "_activeHelp_ --router and --inventory exclude each other: choose routers of an inventory with --limit", inOrder},
		{"diff -i fleet.yaml -l ", "branches canary lab r0001 r0002 bench", inOrder},
		{"diff -i fleet.yaml -l branches,!r000", "branches,!r0001 branches,!r0002", inOrder},
		{"diff -l ", "", inOrder},
		{"inventory accept -i fleet.yaml r0001 ", "r0002 bench", inOrder},
		{"diff -i nowhere.yaml -l ", "", inOrder},
		{"knock branch.yaml --var lan=LAN --door ", "admin ops", inOrder},
		{"knock broken.yaml --door ", "", inOrder},
		{"knock -i fleet.yaml --door a", "admin", inOrder},
		{"trusted add 203.0.113.9 -i fleet.yaml --door ", "branch/admin branch/ops", inOrder},
		{"diff branch.yaml --var ", "lan=", goesOn},
		{"undo ", "20261120-041600-bbbb 20261120-041500-aaaa", inOrder},
		{"undo -r 192.0.2.1 ", "20261120-041500-aaaa", inOrder},
		{"undo -i fleet.yaml -l r0002 ", "20261120-041600-bbbb", inOrder},
		{"apply --resume ", "last run-20261120-041500-1a2b", inOrder},
		{"journal --run run", "run-20261120-041500-1a2b", inOrder},
	}
	for _, test := range tests {
		words, directive := offers(t, strings.Split(test.line, " ")...)
		if got := strings.Join(words, " "); got != test.want || directive != test.directive {
			t.Errorf("%q: %q %s, want %q %s", test.line, got, directive, test.want, test.directive)
		}
	}
}

// TestCompletionLeavesNothing: completing makes no files, also where there is no state folder yet.
func TestCompletionLeavesNothing(t *testing.T) {
	workplace(t)
	before := entries(t)
	offers(t, "undo", "")
	offers(t, "apply", "--resume", "")
	offers(t, "diff", "-r", "")
	if after := entries(t); !slices.Equal(before, after) {
		t.Errorf("completion left %q where there was %q", after, before)
	}
}

func entries(t *testing.T) []string {
	t.Helper()
	found, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range found {
		out = append(out, e.Name())
	}
	return out
}

// TestCompletionEverywhere: every flag of every command completes something, or nothing, without an
// error and without dialling.
func TestCompletionEverywhere(t *testing.T) {
	workplace(t)
	everyCommand(newRoot(env{getenv: os.Getenv, dial: nil}), func(c *cobra.Command) {
		words := strings.Fields(c.CommandPath())[1:]
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "bool" {
				offers(t, slices.Concat(words, []string{"-i", "fleet.yaml", "--" + f.Name, ""})...)
			}
		})
		if len(words) > 0 {
			offers(t, append(words, "")...)
		}
	})
}
