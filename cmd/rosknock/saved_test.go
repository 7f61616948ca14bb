package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros/sim"
)

// window is a router with TLS, and the folder of who saves changes for it and carries them out.
type window struct {
	t      *testing.T
	dir    string
	router *sim.Router
	shown  atomic.Pointer[tls.Certificate] // which certificate the router shows
	file   string                          // of the changes

	mu    sync.Mutex
	dials []string
}

// newWindow has a router whose certificate an authority has signed for the name r1.example.net.
func newWindow(t *testing.T, ca authority) *window {
	t.Helper()
	w := &window{t: t, dir: t.TempDir(), router: sim.New(sim.Options{Users: []sim.User{{Name: "admin", Password: "sesame"}}})}
	w.file = filepath.Join(w.dir, "tonight.json")
	w.shows(ca.signs("r1.example.net"))
	text, err := fixtures.Plan("seed.yaml")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(w.dir, "seed.yaml"), text, 0o600))
	check(t, os.WriteFile(filepath.Join(w.dir, "key"), []byte("3f9a1c77e0b2d4589f21a6c07d3be845\n"), 0o600))
	return w
}

func (w *window) shows(c tls.Certificate) { w.shown.Store(&c) }

// dial is every way out of this machine.
func (w *window) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, address)
	if !strings.HasPrefix(address, "r1.") {
		return nil, fmt.Errorf("%s is not there", address)
	}
	near, far := net.Pipe()
	go w.router.ServeConn(w.t.Context(), tls.Server(far, &tls.Config{MaxVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.shown.Load(), nil }}))
	return near, nil
}

// run runs a command line with a state folder, with somebody at the terminal where there is an
// answer, and returns its exit code, what it said, and whom it called.
func (w *window) run(folder, answer string, args ...string) (exitCode, string, []string) {
	w.t.Helper()
	w.mu.Lock()
	w.dials = nil
	w.mu.Unlock()
	var out bytes.Buffer
	e := env{streams: streams{in: strings.NewReader(answer), inTerminal: answer != "", out: &out, err: &out, width: 1000}, now: time.Now, dial: w.dial, getenv: func(string) string { return "" }}
	code := run(w.t.Context(), e, append(args, "--state-dir", filepath.Join(w.dir, folder), "--config", os.DevNull, "--retries", "0"))
	w.mu.Lock()
	defer w.mu.Unlock()
	return exitCode(code), out.String(), slices.Clone(w.dials)
}

// save keeps the changes that the plan asks for.
func (w *window) save(args ...string) {
	w.t.Helper()
	code, said, _ := w.run("desk", "", append([]string{"diff", filepath.Join(w.dir, "seed.yaml"), "--save", w.file, "--password-command", w.command()}, args...)...)
	if code != exitDone {
		w.t.Fatalf("%d\n%s", code, said)
	}
	check(w.t, os.Remove(filepath.Join(w.dir, "ran")))
}

// command prints the password, and leaves a trace.
func (w *window) command() string { return "touch " + filepath.Join(w.dir, "ran") + "; echo sesame" }

func (w *window) ran() bool {
	_, err := os.Stat(filepath.Join(w.dir, "ran"))
	return err == nil
}

// changed reports whether the router is another than at first.
func (w *window) changed() bool {
	return len(w.router.Snapshot().Rules["/ip/firewall/filter"]) > 0
}

// TestSavedEdited: whatever is changed in a file of changes, and whatever is accepted, nothing is
// called, no command runs, and the exit code says that the file is at fault. What only makes it
// somebody else's is asked for.
func TestSavedEdited(t *testing.T) {
	w := newWindow(t, newAuthority(t))
	w.save("-r", "r1.example.net", "--tls-accept-new")
	data, err := os.ReadFile(w.file)
	check(t, err)
	id := bytes.LastIndex(data, []byte(`"key": "`)) + len(`"key": "`)
	apply := func(what string, changed []byte, want exitCode, args ...string) {
		t.Helper()
		check(t, os.WriteFile(w.file, changed, 0o600))
		code, said, dials := w.run("desk", "", append([]string{"apply", "--changes", w.file, "--yes"}, args...)...)
		if code != want || len(dials) > 0 || w.ran() || strings.Contains(said, "33333") {
			t.Errorf("%s: exit code %d and not %d, called %v, ran a command: %t\n%s", what, code, want, dials, w.ran(), said)
		}
	}
	const some = 149 // bytes apart: the reader's own test turns all of them
	for at := 0; at < len(data); at += some {
		if at < id || at >= id+16 {
			changed := bytes.Clone(data)
			changed[at] ^= 0x01
			apply(fmt.Sprintf("byte %d", at), changed, exitInvalid, "--accept-risk=foreign-changes")
		}
	}
	stranger := bytes.Clone(data)
	if stranger[id] = '0'; data[id] == '0' {
		stranger[id] = '1'
	}
	apply("another key", stranger, exitRefused)
	apply("cut off", data[:len(data)/2], exitInvalid, "--accept-risk=foreign-changes")
	check(t, os.WriteFile(w.file, data, 0o600))
	if code, said, dials := w.run("desk", "", "apply", "--changes", w.file, "--yes"); code != exitDone || len(dials) == 0 || !w.ran() || !w.changed() {
		t.Errorf("as it was saved: exit code %d, called %v\n%s", code, dials, said)
	}
}

// TestSavedTrust: what a file says of a router's certificate is held against what is shown and what
// is known; only what has a known key can make a certificate trusted.
func TestSavedTrust(t *testing.T) {
	ca := newAuthority(t)
	impostor := newAuthority(t).signs("r1.example.net")
	key := func(w *window) []string { return []string{"--changes-key", "file:" + filepath.Join(w.dir, "key")} }
	accept := []string{"--accept-risk=foreign-changes", "--password-file", os.DevNull}
	for _, c := range []struct {
		what    string
		pinned  bool // else an authority vouches for the router
		shared  bool // the key of the file is known elsewhere
		shows   *tls.Certificate
		args    []string
		code    exitCode
		changed bool
		says    string
	}{
		{"the pin of the file", true, true, nil, nil, exitDone, true, "changed"},
		{"and an impostor", true, true, &impostor, nil, exitFailed, false, "a man in the middle may intercept"},
		{"an impostor, and anything goes", true, true, &impostor, []string{"--tls-insecure"}, exitFailed, false, "a man in the middle may intercept"},
		{"another pin that is named", true, true, nil, []string{"--tls-pin", "sha256:" + strings.Repeat("0", 64)}, exitRefused, false, "its changes were computed over the certificate"},
		{"the authority of the file", false, true, nil, nil, exitDone, true, "changed"},
		{"and an impostor of another authority", false, true, &impostor, nil, exitFailed, false, "the certificate is not trusted"},
		{"a stranger's pin", true, false, nil, accept, exitFailed, false, "the certificate is not trusted"},
		{"a stranger's pin, and another certificate", true, false, &impostor, append(accept, "--tls-accept-new"), exitFailed, false, "and it is another one"},
		{"a stranger's pin, another certificate, and anything goes", true, false, &impostor, append(accept, "--tls-insecure"), exitFailed, false, "a man in the middle may intercept"},
		{"a stranger's authority", false, false, nil, accept, exitFailed, false, "the certificate is not trusted"},
	} {
		w := newWindow(t, ca)
		way := []string{"--tls-accept-new"}
		if !c.pinned {
			way = []string{"--tls-ca", ca.file}
		}
		w.save(append(append(way, "-r", "r1.example.net"), key(w)...)...)
		if c.shows != nil {
			w.shown.Store(c.shows)
		}
		args := append([]string{"apply", "--changes", w.file, "--yes"}, c.args...)
		if c.shared {
			args = append(args, key(w)...)
		}
		code, said, _ := w.run("night", "", args...)
		if code != c.code || w.changed() != c.changed || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit code %d and not %d\n%s", c.what, code, c.code, said)
		}
		if w.ran() != (c.shared && c.code != exitRefused) {
			t.Errorf("%s: the file's command ran: %t", c.what, w.ran())
		}
	}
}

// TestSavedWay: the file says through which hosts a router is reached, and as whom; what is typed
// goes before it.
func TestSavedWay(t *testing.T) {
	w := newWindow(t, newAuthority(t))
	w.save("-r", "r1.example.net", "--tls-accept-new")
	data, err := os.ReadFile(w.file)
	check(t, err)
	var saved state.Saved
	strict := json.NewDecoder(bytes.NewReader(data))
	check(t, strict.Decode(&saved))
	one := &saved.Routers[0]
	if one.Key != "-/r1.example.net:8729" || one.User != "admin" || one.Transport != "api-ssl" || len(one.Pin) != 71 || one.Password != "command:"+w.command() || one.SSHJump != "" {
		t.Errorf("%+v", one)
	}
	one.SSHJump = "bob@jump.example.net"
	dir, err := state.Open(filepath.Join(w.dir, "desk"))
	check(t, err)
	own, err := dir.ChangesKey()
	check(t, err)
	check(t, state.Save(w.file, saved, own))
	for jump, args := range map[string][]string{
		"jump.example.net:22":     nil,
		"elsewhere.example.net:2": {"--ssh-jump", "bob@elsewhere.example.net:2"},
	} {
		_, said, dials := w.run("desk", "", append([]string{"apply", "--changes", w.file, "--yes", "--ssh-known-hosts", os.DevNull}, args...)...)
		if len(dials) == 0 || slices.ContainsFunc(dials, func(a string) bool { return a != jump }) {
			t.Errorf("%v are called, and not %s\n%s", dials, jump, said)
		}
	}
}

// TestSavedBox: changes are for the very box that they were computed for, also where nothing is
// known of it and it has the same rules.
func TestSavedBox(t *testing.T) {
	ca := newAuthority(t)
	w := newWindow(t, ca)
	key := []string{"--changes-key", "file:" + filepath.Join(w.dir, "key")}
	w.save(append(key, "-r", "r1.example.net", "--tls-ca", ca.file)...)
	w.router = sim.New(sim.Options{Serial: "ANOTHERBOX", Users: []sim.User{{Name: "admin", Password: "sesame"}}})
	code, said, _ := w.run("night", "", append(key, "apply", "--changes", w.file, "--yes")...)
	if code != exitRefused || w.changed() || !strings.Contains(said, "other-hardware: the changes were saved for the box with the serial number") {
		t.Errorf("exit code %d\n%s", code, said)
	}
}

// TestAcceptedAgain: on a terminal the risks of a file are asked for before anything is sent, and
// an answer to that is no answer to the question whether to go on.
func TestAcceptedAgain(t *testing.T) {
	for _, c := range []struct {
		answers string
		args    []string
		code    exitCode
		changed bool
	}{
		{"no\n", nil, exitRefused, false},
		{"yes\nno\n", nil, exitDone, false},
		{"yes\nyes\n", nil, exitDone, true},
		{"yes\n", []string{"--accept-risk=exposure"}, exitDone, true},
		{"yes\n", []string{"--yes"}, exitRefused, false},
	} {
		w := newWindow(t, newAuthority(t))
		w.save("-r", "r1.example.net", "--tls-accept-new", "--accept-risk=Exposure")
		code, said, dials := w.run("desk", c.answers, append([]string{"apply", "--changes", w.file}, c.args...)...)
		if code != c.code || w.changed() != c.changed || c.code == exitRefused && len(dials) > 0 || !strings.Contains(said, "exposure") && len(c.args) == 0 {
			t.Errorf("%q %v: exit code %d, called %v\n%s", c.answers, c.args, code, dials, said)
		}
	}
}
