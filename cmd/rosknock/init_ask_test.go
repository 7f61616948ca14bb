package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// asking runs init with somebody at the terminal, and returns what was asked and said.
func asking(ctx context.Context, in io.Reader, terminal bool, args ...string) (int, string) {
	var out bytes.Buffer
	e := env{
		streams: streams{in: in, inTerminal: terminal, out: &out, err: &out, width: 200}, now: time.Now, dial: new(net.Dialer).DialContext,
		getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "secret"}[name] },
	}
	code := run(ctx, e, append([]string{"init"}, args...))
	return code, out.String()
}

// startedPlan reads the plan that init wrote.
func startedPlan(t *testing.T, name string) plans.Plan {
	t.Helper()
	text, err := os.ReadFile(name)
	check(t, err)
	p, err := plans.Read(name, text)
	check(t, err)
	if d := p.Doors[0]; d.WrongKnock != plans.Quarantine || len(d.Decoys) != decoyCount || len(d.Knock) != 5 {
		t.Errorf("%d stages, %d decoys, wrong knock: %s", len(d.Knock), len(d.Decoys), d.WrongKnock)
	}
	return p
}

// TestInitAsks: on a terminal init asks for the name, who never has to knock, what the door opens and
// for how long, again where an answer can't be taken; what a flag says is not asked. The plan that it
// writes for a router can be applied as it is, and its tests hold there.
func TestInitAsks(t *testing.T) {
	s := newSite(t, "7.20", 0)
	t.Chdir(s.dir)
	at := s.args("--file", "home.yaml")
	code, said := asking(t.Context(), strings.NewReader("Home\nhome\n0.0.0.0/0\n127.0.0.1, 203.0.113.0/24\nssh, gopher\nssh winbox\nsoon\n2d\n"), true, at...)
	if code != 0 || strings.Count(said, "]") < 8 || !strings.Contains(said, "is everybody") || !strings.Contains(said, "gopher is none of them: choose from ") || !strings.Contains(said, "a time is expected") || !strings.Contains(said, "the router sees you come from 127.0.0.1") {
		t.Fatalf("%d: %s", code, said)
	}
	p := startedPlan(t, filepath.Join(s.dir, "home.yaml"))
	if d := p.Doors[0]; p.Name != "home" || len(d.Opens) != 2 || d.Trusted.For.For != 48*time.Hour || len(p.Allow.Addresses) != 2 || len(p.Gate.Services) < 3 {
		t.Errorf("%+v %+v %+v", p, p.Allow, p.Gate)
	}
	for _, command := range [][]string{{"apply", "home.yaml", "--yes"}, {"test", "home-tests.yaml"}} {
		if code := s.rosknock(command...); code != 0 {
			t.Errorf("%q: %d: %s", command, code, s.out.String())
		}
	}
	applied := s.router.Snapshot()
	if rows := applied.Rules[routeros.Filter]; len(rows) == 0 {
		t.Error("nothing was applied")
	}

	// Enter takes what stands in brackets, and so does --yes, without a question.
	code, said = asking(t.Context(), strings.NewReader("\n\n\n\n"), true, "--file", filepath.Join(s.dir, "a.yaml"))
	if code != 0 || strings.Count(said, "?") != 4 {
		t.Errorf("%d: %s", code, said)
	}
	for i, none := range []struct {
		terminal bool
		args     []string
	}{{true, []string{"--yes"}}, {false, nil}, {true, []string{"--name", "b", "--allow", "none", "--opens", "ssh", "--for", "1h"}}, {true, []string{"-o", "json"}}} {
		file := filepath.Join(s.dir, string(rune('b'+i))+".yaml")
		code, said := asking(t.Context(), strings.NewReader(""), none.terminal, append(none.args, "--file", file)...)
		if code != 0 || strings.Contains(said, "?") {
			t.Errorf("%q: %d: %s", none.args, code, said)
		}
		startedPlan(t, file)
	}
}

// TestInitUnanswered: when nobody answers, or somebody presses Ctrl-C, nothing is written; and nothing
// is asked for a plan that is there already.
func TestInitUnanswered(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	if code, said := asking(t.Context(), strings.NewReader("p\nnone\n"), true, "--file", file); code != int(exitFailed) || !strings.Contains(said, "nothing was written") {
		t.Errorf("%d: %s", code, said)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never, _ := io.Pipe()
	if code, said := asking(ctx, never, true, "--file", file); code == 0 {
		t.Errorf("%d: %s", code, said)
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
	writeTest(t, file, "mine")
	if code, said := asking(t.Context(), strings.NewReader(""), true, "--name", "p", "--file", file); code != int(exitFailed) || strings.Contains(said, "?") || !strings.Contains(said, "never overwritten") {
		t.Errorf("%d: %s", code, said)
	}
	for _, args := range [][]string{{"--allow", "somewhere"}, {"--opens", "gopher"}, {"--for", "soon"}, {"--allow", "::/0"}} {
		if code, said := asking(t.Context(), strings.NewReader(""), false, append(args, "--file", filepath.Join(dir, "q.yaml"))...); code != int(exitUsage) {
			t.Errorf("%q: %d: %s", args, code, said)
		}
	}
}
