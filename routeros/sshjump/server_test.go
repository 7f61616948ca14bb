package sshjump

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// server is an SSH server that forwards.
type server struct {
	address string
	hosts   []ssh.Signer // host keys
	allowed []ssh.PublicKey
	stall   string                                            // the stage at which it says nothing more
	refuse  func(target string) (ssh.RejectionReason, string) // "" lets it through
	dial    func(target string) string                        // what a name stands for

	mu       sync.Mutex
	conns    []net.Conn
	logins   atomic.Int32
	accepted atomic.Int32
	stop     chan struct{}
	all      sync.WaitGroup
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// start lets a server run until the test ends.
func (s *server) start(t testing.TB) *server {
	t.Helper()
	if s.hosts == nil {
		s.hosts = []ssh.Signer{newKey(t)}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.stop = listener.Addr().String(), make(chan struct{})
	s.all.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.all.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		close(s.stop)
		listener.Close()
		s.breakAll()
		s.all.Wait()
	})
	return s
}

// breakAll cuts every connection.
func (s *server) breakAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *server) config() *ssh.ServerConfig {
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if s.stall == "auth" {
			<-s.stop
		}
		for _, k := range s.allowed {
			if same(k, key) {
				return &ssh.Permissions{}, nil
			}
		}
		return nil, os.ErrPermission
	}}
	for _, h := range s.hosts {
		config.AddHostKey(h)
	}
	return config
}

func (s *server) serve(c net.Conn) {
	defer c.Close()
	switch s.stall {
	case "banner":
		<-s.stop
		return
	case "kex":
		io.WriteString(c, "SSH-2.0-stalled\r\n")
		<-s.stop
		return
	case "hangup":
		return
	case "noise":
		io.WriteString(c, strings.Repeat("HTTP/1.1 400 \x1b[31mconnection refused\r\n", 50))
		return
	}
	conn, channels, requests, err := ssh.NewServerConn(c, s.config())
	if err != nil {
		return
	}
	s.logins.Add(1)
	defer conn.Close()
	s.all.Go(func() {
		for r := range requests {
			if s.stall != "open" {
				r.Reply(false, nil)
			}
		}
	})
	for n := range channels {
		s.all.Go(func() { s.forward(n) })
	}
}

func (s *server) forward(n ssh.NewChannel) {
	var to struct {
		Host string
		Port uint32
		From string
		By   uint32
	}
	if err := ssh.Unmarshal(n.ExtraData(), &to); err != nil || n.ChannelType() != "direct-tcpip" {
		n.Reject(ssh.UnknownChannelType, "unknown")
		return
	}
	target := net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port)))
	if s.stall == "open" {
		<-s.stop
		return
	}
	if s.refuse != nil {
		if reason, message := s.refuse(target); reason != 0 {
			n.Reject(reason, message)
			return
		}
	}
	if s.dial != nil {
		target = s.dial(target)
	}
	if s.stall == "data" {
		ch, requests, err := n.Accept()
		if err == nil {
			s.all.Go(func() { ssh.DiscardRequests(requests) })
			<-s.stop
			ch.Close()
		}
		return
	}
	c, err := net.Dial("tcp", target)
	if err != nil {
		n.Reject(ssh.ConnectionFailed, "Connection refused")
		return
	}
	defer c.Close()
	ch, requests, err := n.Accept()
	if err != nil {
		return
	}
	s.all.Go(func() { ssh.DiscardRequests(requests) })
	var both sync.WaitGroup
	both.Go(func() { io.Copy(ch, c); ch.CloseWrite() })
	both.Go(func() { io.Copy(c, ch); c.(*net.TCPConn).CloseWrite() })
	both.Wait()
	ch.Close()
}

func (s *server) hop() Hop {
	host, port, _ := net.SplitHostPort(s.address)
	n, _ := strconv.Atoi(port)
	return Hop{"ann", host, uint16(n)}
}

// echo is a destination that sends back what it gets, and hangs up when the other side has.
func echo(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
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
				io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); all.Wait() })
	return listener.Addr().String()
}

// files makes known_hosts and a key file that the servers take.
func files(t testing.TB, servers ...*server) Options {
	t.Helper()
	var lines []string
	user := newKeyFile(t, "id", "")
	for _, s := range servers {
		s.allowed = append(s.allowed, user.public)
		for _, h := range s.hosts {
			lines = append(lines, knownhosts.Line([]string{s.address}, h.PublicKey()))
		}
	}
	return Options{KnownHosts: []string{write(t, "known_hosts", strings.Join(lines, "\n")+"\n")}, Keys: []string{user.file}, Timeout: 5 * time.Second}
}

func newKeyFile(t testing.TB, name, passphrase string) *key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return &key{file: write(t, name, string(pem.EncodeToMemory(block))), signer: signer, public: signer.PublicKey()}
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func open(t testing.TB, o Options, servers ...*server) *Way {
	t.Helper()
	var hops []Hop
	for _, s := range servers {
		hops = append(hops, s.hop())
	}
	w := Open(hops, o)
	t.Cleanup(func() { w.Close() })
	return w
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, w *Way, address string) net.Conn {
	t.Helper()
	c, err := w.DialContext(within(t, 20*time.Second), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// refused returns the error of a dial that must fail.
func refused(t testing.TB, w *Way, address string) error {
	t.Helper()
	c, err := w.DialContext(within(t, 20*time.Second), "tcp", address)
	if err == nil {
		c.Close()
		t.Fatal("it went through")
	}
	if strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("%q shows control characters", err)
	}
	t.Log(err)
	return err
}

// exchange sends and wants the same back.
func exchange(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Error(err)
		return
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// noLeaks fails when goroutines are left once everything else of the test has been cleaned up. Call
// it first.
func noLeaks(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 500 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	})
}
