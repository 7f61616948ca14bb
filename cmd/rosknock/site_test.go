package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// sites are two customers whose routers have one address, each behind a jump host of its own: a
// real OpenSSH server.
type sites struct {
	t       *testing.T
	dir     string
	daemons []sshDaemon
	routers []*sim.Router
	configs []*tls.Config
	down    atomic.Int32 // 1 + which router does not answer

	mu   sync.Mutex
	seen []int // connections that each daemon has made
}

// newSites builds them, with the inventories all.yaml, acme.yaml and umbrella.yaml.
func newSites(t *testing.T) *sites {
	t.Helper()
	s := &sites{t: t, dir: t.TempDir(), seen: make([]int, 2)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var served sync.WaitGroup
	t.Cleanup(func() { cancel(); listener.Close(); served.Wait() })
	var lines []string
	for i, site := range []string{"acme", "umbrella"} {
		s.daemons = append(s.daemons, newSSHDaemon(t, s.dir, site))
		s.routers = append(s.routers, sim.New(sim.Options{Identity: site, Users: []sim.User{{Name: "admin", Password: "x"}}}))
		certificate, err := selfSigned()
		check(t, err)
		s.configs = append(s.configs, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
		line := fmt.Sprintf("  %s-gw: {address: %q, site: %s, ssh-jump: %q}\n", site, listener.Addr(), site, s.daemons[i].hop)
		writeTest(t, s.file(site+".yaml"), "version: 1\nrouters:\n"+line)
		lines = append(lines, line)
	}
	writeTest(t, s.file("all.yaml"), "version: 1\nrouters:\n"+strings.Join(lines, ""))
	writeTest(t, s.file("plan.yaml"), `version: 1
name: m
doors:
  a:
    knock: [tcp/41873, udp/17259, tcp/52614]
    trusted: {list: t, for: 1h}
    opens: [ssh]
allow: {addresses: [198.51.100.7, 127.0.0.1]}
gate: {services: [ssh]}
firewall: {families: [ipv4]}
`)
	served.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close()
				if i := s.from(ctx); i >= 0 && s.down.Load() != int32(i)+1 {
					s.routers[i].ServeConn(ctx, tls.Server(c, s.configs[i]))
				}
			})
		}
	})
	return s
}

func (s *sites) file(name string) string { return filepath.Join(s.dir, name) }

// from tells which daemon has made the connection that came in: it said so before.
func (s *sites) from(ctx context.Context) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ctx.Err() == nil {
		for i, d := range s.daemons {
			if strings.Count(d.said.text(), "server_request_direct_tcpip: ") > s.seen[i] {
				s.seen[i]++
				return i
			}
		}
		time.Sleep(time.Millisecond)
	}
	return -1
}

// run runs a command line; connections come one after the other, so that it can be told whose they
// are.
func (s *sites) run(args ...string) (int, string) {
	var out bytes.Buffer
	e := env{streams: streams{out: &out, err: &out, in: strings.NewReader(""), width: 200}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "x"}[name] }}
	args = append(args, "--state-dir", s.file("state"), "--ssh-key", s.file("user"), "--ssh-known-hosts", s.daemons[0].known, "--tls-accept-new")
	code := run(s.t.Context(), e, args)
	return code, out.String()
}

// must runs a command line that ends with a code, and says something.
func (s *sites) must(code exitCode, says string, args ...string) {
	s.t.Helper()
	got, out := s.run(args...)
	for _, d := range s.daemons {
		d.skipWhereClosed(s.t)
	}
	if got != int(code) || !strings.Contains(out, says) {
		s.t.Fatalf("rosknock %s: exit code %d, want %d and %q\n%s", strings.Join(args, " "), got, code, says, out)
	}
}

// ours reports on which routers the plan is.
func (s *sites) ours() (on [2]bool) {
	for i, r := range s.routers {
		for _, rule := range r.Snapshot().Rules[routeros.Filter] {
			_, marked := rule.Mark()
			on[i] = on[i] || marked
		}
	}
	return on
}

func (s *sites) standing(acme, umbrella bool) {
	s.t.Helper()
	if got := s.ours(); got != [2]bool{acme, umbrella} {
		s.t.Fatalf("the plan is on %v", got)
	}
}

// TestOneAddress: two routers that have one address behind two jump hosts have nothing in common:
// no pin, no change that could be rolled back, no place in a run, no lock.
func TestOneAddress(t *testing.T) {
	s := newSites(t)
	plan, all, acme, umbrella := s.file("plan.yaml"), s.file("all.yaml"), s.file("acme.yaml"), s.file("umbrella.yaml")

	s.must(exitDone, "1 of 1 router", "inventory", "check", "-i", acme)
	s.must(exitDone, "1 of 1 router", "inventory", "check", "-i", umbrella) // which shows another certificate
	known, err := os.ReadFile(s.file("state/known_routers"))
	check(t, err)
	if text := string(known); !strings.Contains(text, "acme/acme-gw sha256:") || !strings.Contains(text, "umbrella/umbrella-gw sha256:") || strings.Count(text, "sha256:") != 2 {
		t.Errorf("the pins:\n%s", text)
	}

	s.must(exitDone, "changed", "apply", plan, "-i", acme, "--yes")
	s.standing(true, false)
	s.must(exitRefused, "umbrella/umbrella-gw: the journal", "undo", "-i", umbrella, "--yes")
	s.must(exitRefused, "umbrella/umbrella-gw: the journal", "undo", "-i", all, "-l", "site:umbrella", "--yes")
	s.must(exitDone, "changed", "undo", "-i", acme, "--yes")
	s.standing(false, false)

	s.down.Store(2)
	s.must(exitSome, "acme-gw", "apply", plan, "-i", all, "--yes", "--forks", "1", "--retries", "0")
	s.standing(true, false)
	s.down.Store(0)
	s.must(exitDone, "nothing is left to do", "apply", plan, "-i", all, "--yes", "--forks", "1", "--resume", "last")
	s.standing(true, true)

	// What a run has done counts only as long as it stands.
	s.must(exitDone, "changed", "apply", plan, "-i", all, "--yes", "--forks", "1", "--resume", "last", "-o", "json")
	for _, rule := range s.routers[0].Snapshot().Rules[routeros.Filter] {
		if _, marked := rule.Mark(); marked {
			check(t, s.routers[0].Admin(routeros.NewCommand("/ip/firewall/filter/remove", "numbers", rule.ID)))
		}
	}
	s.standing(false, true)
	s.must(exitDone, "changed", "apply", plan, "-i", all, "--yes", "--forks", "1", "--resume", "last")
	s.standing(true, true)

	dir, err := state.Open(s.file("state"))
	check(t, err)
	lock, err := dir.Lock("acme/acme-gw", state.Holder{PID: 1, Actor: "anna@desk", Command: "apply m"})
	check(t, err)
	s.must(exitDone, "changed", "undo", "-i", all, "-l", "umbrella-gw", "--yes")
	s.must(exitRefused, "is at work on it", "undo", "-i", all, "-l", "acme-gw", "--yes")
	check(t, lock.Release())
	s.standing(true, false)
}

// TestOlderState: what a version that knew routers by their address has left is taken over by the
// one router that has the address: its change can be rolled back, once, and by nobody else after
// that.
func TestOlderState(t *testing.T) {
	router := sim.New(sim.Options{Users: []sim.User{{Name: "admin", Password: "x"}}})
	address := simtest.Listen(t, router, nil)
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	for name, sites := range map[string][]string{"acme": {"acme"}, "umbrella": {"umbrella"}, "both": {"acme", "umbrella"}} {
		text := "version: 1\ndefaults: {transport: api}\nrouters:\n"
		for i, site := range sites {
			text += fmt.Sprintf("  %s: {address: %q, site: %s, ssh-jump: %q}\n", []string{"gw", "gw2"}[i], address, site, []string{"", "a@192.0.2.1"}[i])
		}
		writeTest(t, file(name+".yaml"), strings.ReplaceAll(text, ", ssh-jump: \"\"", ""))
	}
	rosknock := func(want exitCode, says string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		e := env{streams: streams{out: &out, err: &out, in: strings.NewReader(""), width: 400}, now: time.Now, dial: new(net.Dialer).DialContext, getenv: func(name string) string { return map[string]string{"ROSKNOCK_PASSWORD": "x"}[name] }}
		if code := run(t.Context(), e, append(args, "--state-dir", file("state"), "--yes")); code != int(want) || !strings.Contains(out.String(), says) {
			t.Fatalf("rosknock %s: exit code %d, want %d and %q\n%s", strings.Join(args, " "), code, want, says, out.String())
		}
	}
	rosknock(exitDone, "changed", "apply", "../../fixtures/plans/minimal.yaml", "-i", file("acme.yaml"))
	age(t, file("state"))

	rosknock(exitRefused, "acme/gw, umbrella/gw2 have that address", "undo", "-i", file("both.yaml"), "-l", "gw")
	rosknock(exitRefused, "--router "+address, "undo", "-i", file("both.yaml"), "-l", "gw")
	rosknock(exitDone, "changed", "undo", "-i", file("acme.yaml"))
	rosknock(exitRefused, "umbrella/gw: the journal", "undo", "-i", file("umbrella.yaml"))
	rosknock(exitRefused, "acme/gw: the journal", "undo", "-i", file("acme.yaml"))
	rosknock(exitRefused, "-/"+address+": the journal", "undo", "-r", address, "--transport", "api")
	rosknock(exitDone, "are those of acme/gw", "journal", "--all")
	rosknock(exitDone, "the chain is whole", "journal", "--verify")
}

// age makes a state folder what an older version would have left: journal and backups know routers
// by their address.
func age(t *testing.T, folder string) {
	t.Helper()
	old, err := state.Open(folder)
	check(t, err)
	records, err := old.Journal()
	check(t, err)
	check(t, os.Remove(filepath.Join(folder, "journal.ndjson")))
	for _, r := range records {
		if r.RouterKey != "" && r.Event == state.Begin {
			b, err := old.LoadBackup(r.BackupKey(), r.Change)
			check(t, err)
			b.Key = ""
			check(t, old.SaveBackup(b))
		}
		r.RouterKey = ""
		check(t, old.Append(r))
	}
	check(t, os.Remove(filepath.Join(folder, "known_routers")))
	folders, err := filepath.Glob(filepath.Join(folder, "backups", "acme_2f*"))
	check(t, err)
	for _, name := range folders {
		check(t, os.RemoveAll(name))
	}
}
