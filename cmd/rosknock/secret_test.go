package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/fleet"
	"github.com/rosknock/rosknock/routeros/api"
)

// TestPassword: where a password comes from, and what goes before what.
func TestPassword(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pw")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring := map[string]string{"provision@r1": "ring-of-r1", "provision": "ring-of-all", "named": "ring-named"}
	credential := func(text string) plans.Credential {
		c, err := plans.ParseCredential(text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	tests := []struct {
		name       string
		s          settings
		credential plans.Credential
		env        map[string]string
		router     string
		want, err  string
	}{
		{"the flag goes first", settings{login: login{PasswordFile: file}}, plans.Credential{}, map[string]string{"ROSKNOCK_PASSWORD": "env"}, "r1", "from-file", ""},
		{"a command", settings{login: login{PasswordCommand: "echo from-command"}}, plans.Credential{}, nil, "r1", "from-command", ""},
		{"the inventory", settings{}, credential("env:OTHER"), map[string]string{"ROSKNOCK_PASSWORD": "env", "OTHER": "other"}, "r1", "other", ""},
		{"the inventory's file", settings{}, credential("file:" + file), nil, "r1", "from-file", ""},
		{"the router's name in a command", settings{}, credential("command:echo pw-${router}"), nil, "r1", "pw-r1", ""},
		{"the environment", settings{}, plans.Credential{}, map[string]string{"ROSKNOCK_PASSWORD": "env"}, "r1", "env", ""},
		{"the keyring, of this router", settings{}, plans.Credential{}, nil, "r1", "ring-of-r1", ""},
		{"the keyring, of all", settings{}, plans.Credential{}, nil, "r2", "ring-of-all", ""},
		{"the keyring by name", settings{}, credential("keyring:named"), nil, "r2", "ring-named", ""},
		{"a missing variable", settings{}, credential("env:NONE"), nil, "r1", "", "the environment has no NONE"},
		{"a command that fails", settings{}, credential("command:exit 3"), nil, "r1", "", "exit status 3"},
		{"a missing entry", settings{}, credential("keyring:none"), nil, "r1", "", "under the service rosknock and the account none"},
		{"a missing file", settings{}, credential("file:" + file + "x"), nil, "r1", "", "no such file"},
		{"nobody to ask", settings{}, credential("prompt"), nil, "r1", "", "no terminal"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var said bytes.Buffer
			e := env{streams: streams{err: &said, asking: &sync.Mutex{}}, secrets: &secrets{}, memory: &memory{}, getenv: func(name string) string {
				if name == "DBUS_SESSION_BUS_ADDRESS" {
					return "somewhere"
				}
				return test.env[name]
			}, keyring: func(service, account string) (string, error) {
				if p := ring[account]; p != "" && service == "rosknock" {
					return p, nil
				}
				return "", errors.New("not found")
			}}
			got, err := access{e, test.s}.password(t.Context(), router{Member: fleet.Member{Name: test.router}, target: api.Target{User: "provision"}, credential: test.credential})
			if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q, %v; want %q, %q", got, err, test.want, test.err)
			}
		})
	}
}

// TestPasswordOnce: a command runs once for all routers that its answer is for.
func TestPasswordOnce(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	e := env{streams: streams{err: &bytes.Buffer{}, asking: &sync.Mutex{}}, secrets: &secrets{}, getenv: func(string) string { return "" }}
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			p, err := access{e, settings{login: login{PasswordCommand: "echo x >> " + count + "; echo pw"}}}.password(context.Background(), router{target: api.Target{User: "u"}})
			if p != "pw" || err != nil {
				t.Error(p, err)
			}
		})
	}
	wait.Wait()
	if text, _ := os.ReadFile(count); string(text) != "x\n" {
		t.Errorf("it ran %d times", strings.Count(string(text), "x"))
	}
}

// TestUnknownCertificate: who is asked says yes, no, or yes for all; what was accepted is
// remembered, and a certificate that changed is refused whatever is answered.
func TestUnknownCertificate(t *testing.T) {
	b := newBranches(t, 3, true)
	b.write("state/known_routers", "")
	ask := func(answers string, args ...string) (int, string) {
		var said bytes.Buffer
		e := env{streams: streams{in: strings.NewReader(answers), inTerminal: true, out: &said, err: &said, width: 100}, now: time.Now, dial: b.dial, getenv: func(name string) string {
			return map[string]string{"ROSKNOCK_PASSWORD": "planted-password"}[name]
		}}
		code := run(t.Context(), e, append(args, "-i", filepath.Join(b.dir, "fleet.yaml"), "--state-dir", filepath.Join(b.dir, "state"), "--forks", "1", "--retries", "0"))
		return code, said.String()
	}
	known := func() int {
		text, err := os.ReadFile(filepath.Join(b.dir, "state", "known_routers"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "sha256:")
	}
	if code, said := ask("n\ny\nno\n", "inventory", "check"); code != int(exitSome) || known() != 1 || strings.Count(said, "Is it the same?") != 3 {
		t.Errorf("exit code %d, %d known\n%s", code, known(), said)
	}
	if code, said := ask("all\n", "inventory", "check"); code != 0 || known() != 3 || strings.Count(said, "Is it the same?") != 1 {
		t.Errorf("exit code %d, %d known\n%s", code, known(), said)
	}
	if code, said := ask("", "inventory", "check"); code != 0 || strings.Contains(said, "Is it the same?") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	b.write("state/known_routers", b.order[0].address+" sha256:"+strings.Repeat("ab", 32)+"\n")
	if code, said := ask("y\ny\ny\n", "inventory", "check", "-l", "r0000", "--tls-accept-new"); code != int(exitFailed) || !strings.Contains(said, "known_routers:1") || !strings.Contains(said, "man in the middle") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	b.write("state/known_routers", "what is this\n")
	if code, said := ask("y\n", "inventory", "check", "-l", "r0000"); code == 0 || !strings.Contains(said, "known_routers:1: this is not") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}
