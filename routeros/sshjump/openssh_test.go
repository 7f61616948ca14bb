package sshjump

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshd is a server of OpenSSH.
type sshd struct {
	dir     string
	address string
	process *exec.Cmd
}

func needSSHD(t testing.TB) string {
	t.Helper()
	for _, program := range []string{"/usr/sbin/sshd", "/usr/bin/sshd"} {
		if _, err := os.Stat(program); err == nil {
			if _, err := exec.LookPath("ssh-keygen"); err == nil {
				return program
			}
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("sshd and ssh-keygen are not here: install openssh-server")
	}
	t.Skip("sshd and ssh-keygen are not here: install openssh-server to hold this against OpenSSH")
	return ""
}

func run(t testing.TB, name string, words ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, words...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, words, err, out)
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startSSHD runs a server with host keys of all kinds that takes a key, until the test ends.
func startSSHD(t testing.TB, allowed string, lines ...string) *sshd {
	t.Helper()
	program := needSSHD(t)
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where a privileged one wants to be confined
	}
	s := &sshd{dir: t.TempDir(), address: freePort(t)}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		run(t, "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", filepath.Join(s.dir, kind))
		lines = append(lines, "HostKey "+filepath.Join(s.dir, kind))
	}
	keys := filepath.Join(s.dir, "authorized_keys")
	if err := os.WriteFile(keys, []byte(allowed), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(s.address)
	config := strings.Join(append(lines, "ListenAddress "+host, "Port "+port, "AuthorizedKeysFile "+keys, "UsePAM no", "StrictModes no",
		"PidFile none", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes", "LogLevel VERBOSE"), "\n") + "\n"
	config = strings.ReplaceAll(config, "DIR", s.dir)
	s.start(t, program, config)
	return s
}

func (s *sshd) start(t testing.TB, program, config string) {
	t.Helper()
	file := filepath.Join(s.dir, "sshd_config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s.process = exec.CommandContext(context.WithoutCancel(t.Context()), program, "-D", "-e", "-f", file)
	s.process.Stdout, s.process.Stderr = &log, &log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.process.Process.Signal(syscall.SIGTERM)
		s.process.Wait()
		if t.Failed() {
			t.Logf("sshd at %s:\n%s", s.address, log.String())
		}
	})
	for range 500 {
		if c, err := net.Dial("tcp", s.address); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("sshd does not listen")
}

func (s *sshd) hop(t testing.TB) Hop {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(s.address)
	n, _ := strconv.Atoi(port)
	return Hop{me.Username, host, uint16(n)}
}

// knownAs returns a line of known_hosts with the server's key of a kind.
func (s *sshd) knownAs(t testing.TB, kind string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, kind+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return knownhosts.Normalize(s.address) + " " + string(text)
}

// userKey makes a key file with ssh-keygen, and returns it with its public half.
func userKey(t testing.TB, words ...string) (file, public string) {
	t.Helper()
	needSSHD(t)
	file = filepath.Join(t.TempDir(), "id")
	run(t, "ssh-keygen", append([]string{"-q", "-f", file}, words...)...)
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, string(text)
}

// TestOpenSSH goes through two servers of OpenSSH, whose other kinds of host key are not known,
// with 60 connections at once.
func TestOpenSSH(t *testing.T) {
	file, public := userKey(t, "-t", "ed25519", "-N", "")
	for _, kinds := range [][2]string{{"ed25519", "rsa"}, {"ecdsa", "ed25519"}} {
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			noLeaks(t)
			a, b, target := startSSHD(t, public), startSSHD(t, public), echo(t)
			known := write(t, "known_hosts", a.knownAs(t, kinds[0])+b.knownAs(t, kinds[1]))
			run(t, "ssh-keygen", "-q", "-H", "-f", known) // hashed
			w := Open([]Hop{a.hop(t), b.hop(t)}, Options{KnownHosts: []string{known}, Keys: []string{file}, KeepAlive: time.Second})
			defer w.Close()
			var all sync.WaitGroup
			for range 60 {
				all.Go(func() {
					c, err := w.DialContext(within(t, 30*time.Second), "tcp", target)
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					exchange(t, c, strings.Repeat("x", 10_000))
				})
			}
			all.Wait()
			c := dial(t, w, target)
			time.Sleep(1500 * time.Millisecond) // more than one sign of life
			exchange(t, c, strings.Repeat("big", 1<<20)[:32<<10])
		})
	}
}

// TestOpenSSHRefuses reads the words with which OpenSSH says no.
func TestOpenSSHRefuses(t *testing.T) {
	noLeaks(t)
	file, public := userKey(t, "-t", "ed25519", "-N", "")
	target, closed := echo(t), freePort(t)
	s := startSSHD(t, public, "PermitOpen "+target+" "+closed+" nowhere.invalid:1")
	o := Options{KnownHosts: []string{write(t, "known_hosts", s.knownAs(t, "ed25519"))}, Keys: []string{file}}
	w := Open([]Hop{s.hop(t)}, o)
	defer w.Close()
	exchange(t, dial(t, w, target), "hello")
	var far *DestinationError
	var prohibited *ProhibitedError
	if err := refused(t, w, closed); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &far) {
		t.Error(err)
	}
	if err := refused(t, w, "nowhere.invalid:1"); !errors.As(err, &far) || errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	if err := refused(t, w, "127.0.0.1:1"); !errors.As(err, &prohibited) {
		t.Error(err)
	}
	shut := startSSHD(t, public, "AllowTcpForwarding no")
	o.KnownHosts = []string{write(t, "known_hosts", shut.knownAs(t, "ed25519"))}
	w2 := Open([]Hop{shut.hop(t)}, o)
	defer w2.Close()
	if err := refused(t, w2, target); !errors.As(err, &prohibited) {
		t.Error(err)
	}
}

// TestOpenSSHKeys logs in with keys of other kinds and formats, and fails with the wrong one.
func TestOpenSSHKeys(t *testing.T) {
	noLeaks(t)
	target := echo(t)
	for name, words := range map[string][]string{
		"RSA with a passphrase":         {"-t", "rsa", "-N", "correct horse"},
		"RSA in the old format, sealed": {"-t", "rsa", "-m", "PEM", "-N", "correct horse"},
		"ECDSA":                         {"-t", "ecdsa", "-N", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file, public := userKey(t, words...)
			s := startSSHD(t, public)
			asked := 0
			o := Options{KnownHosts: []string{write(t, "known_hosts", s.knownAs(t, "ed25519"))}, Keys: []string{file},
				Passphrase: func(context.Context, string) (string, error) { asked++; return "correct horse", nil }}
			w := Open([]Hop{s.hop(t)}, o)
			defer w.Close()
			exchange(t, dial(t, w, target), "hello")
			if sealed := words[len(words)-1] != ""; sealed != (asked == 1) {
				t.Errorf("asked %d times", asked)
			}
			o.Keys = []string{newKeyFile(t, "wrong", "").file}
			w2 := Open([]Hop{s.hop(t)}, o)
			defer w2.Close()
			var auth *AuthError
			if err := refused(t, w2, target); !errors.As(err, &auth) {
				t.Error(err)
			}
			for range 8 {
				o.Keys = append(o.Keys, newKeyFile(t, "wrong", "").file)
			}
			w3 := Open([]Hop{s.hop(t)}, o)
			defer w3.Close()
			if err := refused(t, w3, target); !errors.As(err, &auth) || !strings.Contains(err.Error(), "MaxAuthTries") {
				t.Error(err)
			}
		})
	}
}

// TestOpenSSHCertificate trusts a host by its authority, and one without by nothing.
func TestOpenSSHCertificate(t *testing.T) {
	noLeaks(t)
	file, public := userKey(t, "-t", "ed25519", "-N", "")
	ca, authority := userKey(t, "-t", "ed25519", "-N", "")
	s := startSSHD(t, public)
	run(t, "ssh-keygen", "-q", "-s", ca, "-I", "gate", "-h", "-n", "127.0.0.1", filepath.Join(s.dir, "ecdsa.pub"))
	text, err := os.ReadFile(filepath.Join(s.dir, "sshd_config"))
	if err != nil {
		t.Fatal(err)
	}
	certified := &sshd{dir: t.TempDir(), address: freePort(t)}
	_, was, _ := net.SplitHostPort(s.address)
	_, is, _ := net.SplitHostPort(certified.address)
	certified.start(t, needSSHD(t), strings.ReplaceAll(string(text), "Port "+was, "Port "+is)+"HostCertificate "+filepath.Join(s.dir, "ecdsa-cert.pub")+"\n")
	o := Options{KnownHosts: []string{write(t, "known_hosts", "@cert-authority [127.0.0.1]:"+is+",[127.0.0.1]:"+was+" "+authority)}, Keys: []string{file}}
	w := Open([]Hop{certified.hop(t)}, o)
	defer w.Close()
	exchange(t, dial(t, w, echo(t)), "hello")
	w2 := Open([]Hop{s.hop(t)}, o)
	defer w2.Close()
	var unknown *UnknownHostError
	if err := refused(t, w2, "127.0.0.1:1"); !errors.As(err, &unknown) {
		t.Fatal(err)
	}
	ed, err := os.ReadFile(filepath.Join(s.dir, "ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if key, _, _, _, err := ssh.ParseAuthorizedKey(ed); err != nil || ssh.FingerprintSHA256(key) != unknown.Fingerprint {
		t.Error("not the key that ssh would show first")
	}
}
