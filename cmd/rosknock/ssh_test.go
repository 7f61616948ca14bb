package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshSite is an OpenSSH server on loopback, with keys and settings of its own.
type sshSite struct {
	dir, program string
	port         string
	user         string
}

// newSSHSite starts one, or skips the test where OpenSSH is missing. The CI has to have it.
func newSSHSite(t *testing.T) sshSite {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") == "true" {
		missing = t.Fatalf
	}
	sshd := "/usr/sbin/sshd" // which wants to be called by its full name
	if _, err := os.Stat(sshd); err != nil {
		missing("OpenSSH's server is not here: %v", err)
	}
	for _, name := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			missing("OpenSSH's client is not here: %v", err)
		}
	}
	who, err := user.Current()
	check(t, err)
	program, err := exec.LookPath("rosknock")
	check(t, err)
	s := sshSite{dir: t.TempDir(), program: program, user: who.Username}
	for _, key := range []string{"host", "client"} {
		out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.file(key)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	s.serve(t, sshd)
	return s
}

func (s sshSite) file(name string) string { return filepath.Join(s.dir, name) }

// serve starts the server at a port that was free a moment ago.
func (s *sshSite) serve(t *testing.T, sshd string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	_, s.port, err = net.SplitHostPort(l.Addr().String())
	check(t, err)
	check(t, l.Close())
	config := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nUsePAM no\nPasswordAuthentication no\n"+
		"PermitRootLogin prohibit-password\nStrictModes no\n", s.port, s.file("host"), s.file("client.pub"))
	check(t, os.WriteFile(s.file("sshd_config"), []byte(config), 0o600))
	if os.Geteuid() == 0 {
		check(t, os.MkdirAll("/run/sshd", 0o755)) // where the server locks itself in
	}
	var said bytes.Buffer
	server := exec.CommandContext(t.Context(), sshd, "-D", "-e", "-f", s.file("sshd_config"))
	server.Stderr = &said
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", said.String())
		}
	})
	for range 200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+s.port); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the server does not start")
}

// ssh runs a command over the proxy.
func (s sshSite) ssh(t *testing.T, proxy, in string, command ...string) (out, said string, err error) {
	t.Helper()
	args := append([]string{
		"-F", "none", "-i", s.file("client"), "-p", s.port, "-o", "ProxyCommand=" + proxy, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + s.file("known"), s.user + "@127.0.0.1",
	}, command...)
	c := exec.CommandContext(t.Context(), "ssh", args...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(in), &stdout, &stderr
	err = c.Run()
	return stdout.String(), stderr.String(), err
}

// TestProxyCommand: a real ssh gets through to a real server over rosknock knock --connect, small
// and large, and with --if-shut.
func TestProxyCommand(t *testing.T) {
	s := newSSHSite(t)
	proxy := s.program + " knock " + knockPlan(t) + " --door admin --connect %h:%p --delay 5ms"
	out, said, err := s.ssh(t, proxy, "", "echo", "hello")
	if err != nil || out != "hello\n" {
		t.Fatalf("%v: %q\n%s", err, out, said)
	}
	if !strings.Contains(said, "stage 3 of 3 sent") || !strings.Contains(said, "door admin is open") {
		t.Errorf("nothing is said of the knock: %s", said)
	}
	text := strings.Repeat("all work and no play\n", 200_000)
	out, said, err = s.ssh(t, proxy+" --if-shut --quiet", text, "cat")
	if err != nil || out != text || strings.Contains(said, "stage") {
		t.Errorf("%v: %d of %d bytes came back\n%s", err, len(out), len(text), said)
	}
	if _, _, err = s.ssh(t, proxy, "", "exit", "7"); err == nil || err.Error() != "exit status 7" {
		t.Errorf("the remote command's exit code: %v", err)
	}
}
