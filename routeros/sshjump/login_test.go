package sshjump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// serveAgent runs an agent; serve nil lets it answer nothing.
func serveAgent(t testing.TB, keyring agent.Agent) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") //nolint:usetesting // the path of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", dir+"/agent")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if keyring == nil {
					for b := make([]byte, 100); err == nil; {
						_, err = c.Read(b)
					}
					return
				}
				agent.ServeAgent(keyring, c)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait(); os.RemoveAll(dir) })
	return dir + "/agent"
}

// agentWith adds new keys to an agent, and returns their public halves.
func agentWith(t testing.TB, n int) (agent.Agent, []ssh.PublicKey) {
	t.Helper()
	keyring := agent.NewKeyring()
	for range n {
		text, err := os.ReadFile(newKeyFile(t, "key", "").file)
		if err != nil {
			t.Fatal(err)
		}
		private, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := keyring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			t.Fatal(err)
		}
	}
	var public []ssh.PublicKey
	signers, err := keyring.Signers()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signers {
		public = append(public, s.PublicKey())
	}
	return keyring, public
}

func TestWrongKey(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	wrong := newKeyFile(t, "wrong", "")
	o.Keys = []string{wrong.file}
	w := open(t, o, s)
	err := refused(t, w, "10.0.0.1:1")
	var auth *AuthError
	var hop *HopError
	if !errors.As(err, &auth) || !errors.As(err, &hop) || len(auth.Tried) != 1 || auth.User != "ann" ||
		!strings.Contains(err.Error(), ssh.FingerprintSHA256(wrong.public)) || strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	before := s.accepted.Load()
	refused(t, w, "10.0.0.1:1")
	if s.accepted.Load() != before {
		t.Error("knocked again with keys that are not taken")
	}
}

// TestManyKeys meets a server that counts the tries.
func TestManyKeys(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	for range 10 {
		o.Keys = append([]string{newKeyFile(t, "wrong", "").file}, o.Keys...)
	}
	if err := refused(t, open(t, o, s), "10.0.0.1:1"); !strings.Contains(err.Error(), "MaxAuthTries") {
		t.Error(err)
	}
	// A key that is a file goes before all the others of the agent.
	keyring, public := agentWith(t, 10)
	last := newKeyFile(t, "named", "")
	text, _ := os.ReadFile(last.file)
	private, _ := ssh.ParseRawPrivateKey(text)
	keyring.Add(agent.AddedKey{PrivateKey: private})
	s.allowed = []ssh.PublicKey{last.public}
	o.Keys, o.AgentSocket = []string{last.file}, serveAgent(t, keyring)
	exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
	// But without a name, all are tried in turn.
	s.allowed = public[1:2]
	o.Keys = []string{newKeyFile(t, "other", "").file}
	exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
}

func TestPassphrase(t *testing.T) {
	noLeaks(t)
	a, b, target := new(server).start(t), new(server).start(t), echo(t)
	o := files(t, a, b)
	sealed := newKeyFile(t, "sealed", "correct horse")
	a.allowed, b.allowed = []ssh.PublicKey{sealed.public}, []ssh.PublicKey{sealed.public}
	useless := newKeyFile(t, "useless", "x")
	o.Keys = []string{useless.file, sealed.file}
	var asked []string
	o.Timeout = time.Second
	o.Passphrase = func(_ context.Context, file string) (string, error) {
		time.Sleep(o.Timeout + o.Timeout/2) // typing takes longer than a host may
		asked = append(asked, file)
		return "correct horse", nil
	}
	w := open(t, o, a, b)
	exchange(t, dial(t, w, target), "hello")
	b.breakAll()
	exchange(t, dial(t, w, target), "hello again")
	if len(asked) != 1 || asked[0] != sealed.file {
		t.Errorf("asked for %q", asked)
	}
}

func TestPassphraseFails(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	sealed := newKeyFile(t, "sealed", "correct horse")
	s.allowed = []ssh.PublicKey{sealed.public}
	o.Keys = []string{sealed.file}
	var auth *AuthError
	err := refused(t, open(t, o, s), "10.0.0.1:1")
	if !errors.As(err, &auth) || len(auth.Skipped) != 1 || !strings.Contains(err.Error(), sealed.file) {
		t.Error(err)
	}
	asked := 0
	o.Passphrase = func(context.Context, string) (string, error) { asked++; return "hunter2", nil }
	w := open(t, o, s)
	for range 2 {
		err = refused(t, w, "10.0.0.1:1")
		if !errors.As(err, &auth) || len(auth.Skipped) != 1 || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
	// A key after the one that cannot be opened still counts.
	good := newKeyFile(t, "good", "")
	s.allowed = append(s.allowed, good.public)
	o.Keys = append(o.Keys, good.file)
	exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
	if asked != 2 {
		t.Errorf("asked %d times for two ways", asked)
	}
	// Nobody answers, and the way is closed meanwhile.
	o.Passphrase = func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	w = open(t, o, s)
	if _, err := w.DialContext(within(t, 300*time.Millisecond), "tcp", "10.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "passphrase of "+sealed.file) {
		t.Error(err)
	}
}

func TestAgent(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	keyring, public := agentWith(t, 2)
	s.allowed = public[1:]
	o.Keys = []string{newKeyFile(t, "sealed", "x").file}
	o.Passphrase = func(context.Context, string) (string, error) { t.Error("asked for a passphrase"); return "", nil }
	o.AgentSocket = serveAgent(t, keyring)
	exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
	s.allowed = nil
	var auth *AuthError
	if err := refused(t, open(t, o, s), "10.0.0.1:1"); !errors.As(err, &auth) || len(auth.Tried) != 3 || !strings.HasPrefix(auth.Tried[0], "agent SHA256:") {
		t.Error(err)
	}
}

// TestAgentFails goes on with files when the agent is locked, stalls, or is not there.
func TestAgentFails(t *testing.T) {
	noLeaks(t)
	s, target := new(server).start(t), echo(t)
	o := files(t, s)
	o.AgentSocket = "/nowhere/agent"
	exchange(t, dial(t, open(t, o, s), target), "hello")
	locked, _ := agentWith(t, 1)
	locked.Lock([]byte("x"))
	o.AgentSocket = serveAgent(t, locked)
	exchange(t, dial(t, open(t, o, s), target), "hello")
	s.allowed = nil
	o.AgentSocket = "/nowhere/agent"
	if err := refused(t, open(t, o, s), target); !strings.Contains(err.Error(), "/nowhere/agent") {
		t.Error(err)
	}
	o.AgentSocket = serveAgent(t, nil)
	o.Timeout = 300 * time.Millisecond
	if err := refused(t, open(t, o, s), target); !errors.Is(err, errTimeout) {
		t.Error(err)
	}
}

func TestBadKeyFile(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	for _, file := range []string{"/nowhere/id", write(t, "id.pub", line(newKey(t).PublicKey()))} {
		o.Keys = []string{file}
		if err := refused(t, open(t, o, s), "10.0.0.1:1"); !strings.Contains(err.Error(), file) {
			t.Error(err)
		}
	}
	if s.accepted.Load() != 0 {
		t.Error("connected")
	}
}

// TestReadableKey: a key that others can read is not used, as with ssh: one that is named is an
// error, one in the usual place is left alone, with a warning.
func TestReadableKey(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	noLeaks(t)
	s := new(server).start(t)
	o := files(t, s)
	var warned []string
	o.Warn = func(text string) { warned = append(warned, text) }
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o610} {
		os.Chmod(o.Keys[0], mode)
		if err := refused(t, open(t, o, s), "10.0.0.1:1"); !strings.Contains(err.Error(), o.Keys[0]) || !strings.Contains(err.Error(), fmt.Sprintf("%04o", mode)) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%v: %v", mode, err)
		}
	}
	if s.accepted.Load() != 0 {
		t.Error("connected")
	}
	for _, mode := range []os.FileMode{0o600, 0o400} {
		os.Chmod(o.Keys[0], mode)
		exchange(t, dial(t, open(t, o, s), echo(t)), "hello")
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	os.Mkdir(filepath.Join(home, ".ssh"), 0o700)
	usual := filepath.Join(home, ".ssh", "id_ed25519")
	os.Rename(o.Keys[0], usual)
	os.Chmod(usual, 0o644)
	o.Keys = nil
	w := open(t, o, s)
	for range 2 {
		if err := refused(t, w, "10.0.0.1:1"); !strings.Contains(err.Error(), usual+" (others can read it, its mode is 0644, and so it is not used)") {
			t.Error(err)
		}
	}
	if len(warned) != 1 || !strings.Contains(warned[0], usual+" is not used") || !strings.Contains(warned[0], "chmod 600") {
		t.Errorf("%q", warned)
	}
}
