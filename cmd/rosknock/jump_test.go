package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// TestSSHJump reaches a router through two hops of a real OpenSSH, from the inventory and from the
// command line.
func TestSSHJump(t *testing.T) {
	dir := t.TempDir()
	d := newSSHDaemon(t, dir, "gate")
	known, hop := d.known, d.hop
	address := simtest.Listen(t, sim.New(sim.Options{Identity: "behind", Users: []sim.User{{Name: "admin", Password: "x"}}}), nil)
	writeTest(t, filepath.Join(dir, "fleet.yaml"), fmt.Sprintf("version: 1\ndefaults: {transport: api, ssh-jump: %q}\nrouters:\n  a: {address: %q}\n  b: {address: %q, ssh-jump: %q}\n", hop+","+hop, address, address, hop))
	rosknock := func(args ...string) (int, string) {
		var out bytes.Buffer
		e := env{streams: streams{out: &out, err: &out, width: 100}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "x"}[name] }}
		code := run(t.Context(), e, append(args, "--state-dir", filepath.Join(dir, "state"), "--ssh-key", filepath.Join(dir, "user")))
		return code, out.String()
	}
	if code, out := rosknock("inventory", "check", "-i", filepath.Join(dir, "fleet.yaml"), "--ssh-known-hosts", known); code != 0 || !strings.Contains(out, "2 of 2 routers answered") || !strings.Contains(out, "behind") {
		d.skipWhereClosed(t)
		t.Errorf("exit code %d\n%s", code, out)
	}
	writeTest(t, filepath.Join(dir, "nobody"), "")
	code, out := rosknock("inventory", "check", "-o", "json", "-r", address, "--transport", "api", "--ssh-jump", hop, "--ssh-known-hosts", filepath.Join(dir, "nobody"))
	if code != int(exitFailed) || !strings.Contains(out, "SHA256:") {
		t.Errorf("an unknown host: exit code %d\n%s", code, out)
	}
	if code, out := rosknock("diff", "x.yaml", "-r", "192.0.2.1", "--ssh-jump", "a b"); code != int(exitInvalid) || !strings.Contains(out, "--ssh-jump") {
		t.Errorf("no hop: exit code %d\n%s", code, out)
	}
}

// sshDaemon is a real OpenSSH server.
type sshDaemon struct {
	hop, known string // how it is named as a jump host, and the file with its key
	said       *screen
}

// newSSHDaemon starts one with a name of its own; or it skips the test where OpenSSH is missing,
// which the CI has to have. The key of the client is dir/user. It says on standard error each
// connection that it makes for others, before it does.
func newSSHDaemon(t *testing.T, dir, name string) sshDaemon {
	t.Helper()
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no sshd: apt-get install openssh-server")
		}
		t.Skip("there is no sshd: apt-get install openssh-server")
	}
	file := func(what string) string { return filepath.Join(dir, name+"-"+what) }
	host := sshKey(t, file("host"))
	if _, err := os.Stat(filepath.Join(dir, "user")); err != nil {
		writeTest(t, filepath.Join(dir, "authorized"), sshKey(t, filepath.Join(dir, "user")))
	}
	port := freePort(t)
	writeTest(t, file("config"), fmt.Sprintf("LogLevel DEBUG1\nPort %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nUsePAM no\nStrictModes no\nPidFile none\nAllowTcpForwarding yes\nPermitRootLogin yes\n",
		port, file("host"), filepath.Join(dir, "authorized")))
	_ = os.MkdirAll("/run/sshd", 0o755) // #nosec G301 -- where sshd wants it
	ctx, cancel := context.WithCancel(t.Context())
	server := exec.CommandContext(ctx, sshd, "-D", "-e", "-f", file("config"))
	d := sshDaemon{known: filepath.Join(dir, "known_hosts"), said: new(screen)}
	server.Stderr = d.said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", d.said.text())
		}
	})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	waitFor(t, address)
	before, _ := os.ReadFile(d.known) // of another daemon
	writeTest(t, d.known, string(before)+fmt.Sprintf("[127.0.0.1]:%d %s", port, host))
	me, err := osuser.Current()
	if err != nil {
		t.Fatal(err)
	}
	d.hop = me.Username + "@" + address
	return d
}

// skipWhereClosed skips the test where OpenSSH lets nobody in.
func (d sshDaemon) skipWhereClosed(t *testing.T) {
	t.Helper()
	if strings.Contains(d.said.text(), "not allowed because") {
		t.Skip("OpenSSH lets nobody log in as this user: ", d.said.text())
	}
}

// sshKey writes a private key and returns its public line.
func sshKey(t *testing.T, file string) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	writeTest(t, file, string(pem.EncodeToMemory(block)))
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(line))
}

func writeTest(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

// waitFor waits until a port answers.
func waitFor(t *testing.T, address string) {
	t.Helper()
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("sshd does not come up")
}
