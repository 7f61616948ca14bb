package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
)

// answer is a person at the terminal who says yes, after something has happened.
type answer struct {
	meanwhile func()
	text      *strings.Reader
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.meanwhile != nil {
		a.meanwhile()
		a.meanwhile = nil
	}
	return a.text.Read(p)
}

// TestChangedWhileAsking: a router that somebody else changes while the question stands gets
// nothing sent, and the exit code says why; one that nobody touched is brought to the plan.
func TestChangedWhileAsking(t *testing.T) {
	text, err := fixtures.Plan("seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := env{streams: streams{out: &out, err: &out, width: 80}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string {
		return map[string]string{"ROSKNOCK_PASSWORD": "x"}[name]
	}}
	routers, err := openRouters(access{e, settings{login: login{User: "admin"}}}, simOptions{listen: "127.0.0.1:0", count: 1, version: "7.20"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- routers[0].router.Serve(ctx, routers[0].listener) }()
	defer func() { cancel(); <-served }()
	apply := func(e env, more ...string) int {
		return run(ctx, e, append([]string{"apply", file, "--state-dir", filepath.Dir(file), "-r", routers[0].listener.Addr().String(), "--transport", "api"}, more...))
	}
	digest := func() string { return routers[0].router.Snapshot().Digest() }
	var settled string
	asked := e
	asked.inTerminal = true
	asked.in = &answer{text: strings.NewReader("yes\n"), meanwhile: func() {
		if code := apply(e, "--yes"); code != int(exitRefused) {
			t.Errorf("another run on this machine: exit code %d", code)
		}
		if code := apply(e, "--yes", "--state-dir", t.TempDir()); code != 0 {
			t.Errorf("the other one: exit code %d", code)
		}
		settled = digest()
	}}
	if code := apply(asked); code != int(exitMoved) {
		t.Errorf("exit code %d, want %d\n%s", code, exitMoved, out.String())
	}
	if digest() != settled {
		t.Error("something was sent all the same")
	}
	untouched := e
	untouched.inTerminal = true
	untouched.in = &answer{text: strings.NewReader("yes\n")}
	if code := apply(untouched); code != 0 || !strings.Contains(out.String(), "unchanged") {
		t.Errorf("exit code %d\n%s", code, out.String())
	}
}
