package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros/sim"
)

// consoleServer is the SSH server of a simulated router: what is executed runs at its console.
type consoleServer struct {
	router  *sim.Router
	address string
	known   string // the line for known_hosts
	say     string // it answers this instead, when it is not empty
}

func serveConsole(t *testing.T, r *sim.Router) *consoleServer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	host, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil }}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &consoleServer{router: r, address: l.Addr().String()}
	s.known = knownhosts.Line([]string{knownhosts.Normalize(s.address)}, host.PublicKey()) + "\n"
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c, config)
		}
	}()
	return s
}

func (s *consoleServer) serve(c net.Conn, config *ssh.ServerConfig) {
	defer c.Close()
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for one := range channels {
		channel, asked, err := one.Accept()
		if err != nil {
			return
		}
		for a := range asked {
			_ = a.Reply(a.Type == "exec", nil)
			if a.Type == "exec" {
				var command struct{ Line string }
				_ = ssh.Unmarshal(a.Payload, &command)
				out := s.say
				if out == "" {
					out = s.router.Console(conn.User(), command.Line)
				}
				_, _ = channel.Write([]byte(out))
				channel.Close()
			}
		}
	}
}

// TestBootstrap prepares a router over SSH twice, does with the new user what rosknock does, and
// takes the preparation off. With and without safe mode: the dead-man needs the scheduler.
func TestBootstrap(t *testing.T) {
	for _, version := range []string{"6.49", "7.10", "7.20", "7.24"} {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			sshKey(t, filepath.Join(dir, "user"))
			s, target := bootstrapped(t, version)
			writeTest(t, filepath.Join(dir, "known"), s.known)
			plan, err := fixtures.Plan("seed.yaml")
			if err != nil {
				t.Fatal(err)
			}
			writeTest(t, filepath.Join(dir, "branch.yaml"), string(plan))
			var all strings.Builder
			rosknock := func(code int, want string, args ...string) {
				t.Helper()
				var out bytes.Buffer
				e := env{streams: streams{out: &out, err: &out, width: 100}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "planted password"}[name] }}
				got := run(t.Context(), e, append(args, "-r", "rosknock@"+target.listener.Addr().String(), "--yes", "--state-dir", filepath.Join(dir, "state"), "--ssh-key", filepath.Join(dir, "user"), "--timeout", "20s"))
				if text := strings.Join(strings.Fields(out.String()), " "); got != code || !strings.Contains(text, want) {
					t.Fatalf("%v: exit code %d, not %d with %q\n%s", args, got, code, want, out.String())
				}
				all.WriteString(out.String())
			}
			file := filepath.Join(dir, "branch.yaml")
			prepare := []string{"bootstrap", "--from", "127.0.0.0/8", "--ssh", "admin@" + s.address, "--ssh-known-hosts"}
			writeTest(t, filepath.Join(dir, "nobody"), "")
			rosknock(1, "SHA256:", append(prepare, filepath.Join(dir, "nobody"))...)
			rosknock(1, "not trusted", "audit") // nothing is prepared yet
			prepare = append(prepare, filepath.Join(dir, "known"))
			rosknock(0, target.pin, prepare...)
			rosknock(0, "is prepared", prepare...)
			rosknock(0, "to add", "diff", file)
			rosknock(0, "", "apply", file)
			rosknock(0, "", "diff", file)
			rosknock(0, "", "trusted", "add", "203.0.113.9", "--for", "1h")
			rosknock(0, "203.0.113.9", "trusted", "list")
			rosknock(0, "", "trusted", "revoke", "203.0.113.9")
			rosknock(0, "", "audit")
			rosknock(0, "", "undo")
			rosknock(0, "", "apply", file)
			rosknock(0, "", "remove", file, "--accept-risk=exposure")
			rosknock(0, "is removed", "bootstrap", "--remove", "--ssh", "admin@"+s.address, "--ssh-known-hosts", filepath.Join(dir, "known"))
			rosknock(1, "login", "audit")
			s.say = hostile + "planted password"
			rosknock(1, "refused a command", prepare...)
			if strings.Contains(all.String(), "planted password") || strings.Contains(all.String(), "\x1b") {
				t.Error("it tells the password, or what a router says as it is")
			}
		})
	}
}

// bootstrapped is a router over TLS with its console; the user admin alone is on it.
func bootstrapped(t *testing.T, version string) (*consoleServer, simulated) {
	t.Helper()
	var out bytes.Buffer
	e := env{streams: streams{out: &out, err: &out}, now: time.Now, getenv: func(string) string { return "admin's own" }}
	routers, err := openRouters(access{e, settings{login: login{User: "admin"}}}, simOptions{listen: "127.0.0.1:0", version: version, count: 1, tls: true, silence: time.Minute, zone: "UTC", mode: "advanced"})
	if err != nil {
		t.Fatal(fmt.Errorf("%w: %s", err, out.String()))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = routers[0].router.Serve(t.Context(), routers[0].listener)
	}()
	t.Cleanup(func() { <-done })
	return serveConsole(t, routers[0].router), routers[0]
}

// TestBootstrapScript writes the script for its owner alone, and shows it only when asked to.
func TestBootstrapScript(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "b.rsc")
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{64, "--out FILE", []string{"--from", "192.0.2.1"}}, {64, "--from is missing", nil}, {64, "exclude each other", []string{"--from", "192.0.2.1", "--remove"}},
		{64, "an address or a network", []string{"--from", "x", "--reveal"}}, {3, "is everybody", []string{"--from", "0.0.0.0/0", "--reveal"}}, {64, "leave --transport api out", []string{"--from", "192.0.2.1", "--reveal", "--transport", "api"}},
		{64, "there is no terminal", []string{"--from", "192.0.2.1", "--ssh", "admin@192.0.2.1"}},
		{0, "is written, for you alone", []string{"--from", "192.0.2.1", "--out", file}}, {1, "is there already", []string{"--from", "192.0.2.1", "--out", file}},
		{0, `password="planted password"`, []string{"--from", "192.0.2.1", "--reveal"}}, {0, "rosknock.bootstrap/1", []string{"--remove", "-o", "json"}},
	} {
		var out bytes.Buffer
		e := env{streams: streams{out: &out, err: &out, width: 100}, now: time.Now, getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "planted password"}[name] }}
		code := run(t.Context(), e, append([]string{"bootstrap", "-r", "rosknock@192.0.2.1", "--state-dir", filepath.Join(dir, "state")}, c.args...))
		if code != c.code || !strings.Contains(out.String(), c.want) || c.code == 0 && c.want[0] == 'i' && strings.Contains(out.String(), "planted") {
			t.Errorf("%v: exit code %d\n%s", c.args, code, out.String())
		}
	}
}
