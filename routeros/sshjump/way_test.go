package sshjump

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestOneHop(t *testing.T) {
	noLeaks(t)
	s, target := new(server).start(t), echo(t)
	w := open(t, files(t, s), s)
	c := dial(t, w, target)
	exchange(t, c, "hello")
	if c.RemoteAddr().String() != target || c.LocalAddr().Network() != "tcp" {
		t.Error(c.RemoteAddr(), c.LocalAddr())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestNames lets the last host resolve the name of the destination.
func TestNames(t *testing.T) {
	noLeaks(t)
	target := echo(t)
	s := (&server{dial: func(name string) string {
		if name != "router.lan:8729" {
			t.Errorf("the host was asked for %s", name)
		}
		return target
	}}).start(t)
	c := dial(t, open(t, files(t, s), s), "router.lan:8729")
	exchange(t, c, "hello")
	if c.RemoteAddr().String() != "router.lan:8729" {
		t.Error(c.RemoteAddr())
	}
}

func TestThreeHops(t *testing.T) {
	noLeaks(t)
	a, b, c, target := new(server).start(t), new(server).start(t), new(server).start(t), echo(t)
	w := open(t, files(t, a, b, c), a, b, c)
	conn := dial(t, w, target)
	exchange(t, conn, strings.Repeat("through all of them ", 100_000)[:64<<10])
	big := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB, more than a window
	var all sync.WaitGroup
	all.Go(func() {
		_, err := conn.Write(big)
		if err != nil {
			t.Error(err)
		}
		conn.(interface{ CloseWrite() error }).CloseWrite()
	})
	got, err := io.ReadAll(conn)
	all.Wait()
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d bytes of %d, %v", len(got), len(big), err)
	}
	for _, s := range []*server{a, b, c} {
		if s.logins.Load() != 1 {
			t.Errorf("%d logins", s.logins.Load())
		}
	}
}

func TestNoHops(t *testing.T) {
	noLeaks(t)
	w := Open(nil, Options{})
	exchange(t, dial(t, w, echo(t)), "straight")
	w.Close()
	if _, err := w.DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// TestConcurrent opens 200 connections at once, from the first moment on, over a single chain.
func TestConcurrent(t *testing.T) {
	noLeaks(t)
	a, b, target := new(server).start(t), new(server).start(t), echo(t)
	w := open(t, files(t, a, b), a, b)
	ctx := within(t, 60*time.Second)
	var all, opened sync.WaitGroup
	opened.Add(200)
	for range 200 {
		all.Go(func() {
			c, err := w.DialContext(ctx, "tcp", target)
			opened.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			opened.Wait()
			for range 3 {
				exchange(t, c, strings.Repeat("x", 3000))
			}
		})
	}
	all.Wait()
	if a.logins.Load() != 1 || b.logins.Load() != 1 {
		t.Errorf("%d and %d logins", a.logins.Load(), b.logins.Load())
	}
}

func TestDestination(t *testing.T) {
	noLeaks(t)
	s := (&server{refuse: func(target string) (ssh.RejectionReason, string) {
		switch target {
		case "10.0.0.1:1":
			return ssh.Prohibited, "connection refused by policy"
		case "10.0.0.1:2":
			return ssh.ConnectionFailed, "Connection refused"
		case "10.0.0.1:3":
			return ssh.ConnectionFailed, "No route to host"
		case "10.0.0.1:4":
			return ssh.ConnectionFailed, "Connection timed out"
		case "10.0.0.1:5":
			return ssh.ConnectionFailed, "Network is unreachable"
		case "10.0.0.1:6":
			return ssh.ResourceShortage, "full"
		}
		return ssh.ConnectionFailed, "Name or service not known\x1b[31m"
	}}).start(t)
	w := open(t, files(t, s), s)
	var prohibited *ProhibitedError
	var hop *HopError
	err := refused(t, w, "10.0.0.1:1")
	if !errors.As(err, &prohibited) || !errors.As(err, &hop) || errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	for address, want := range map[string]error{"10.0.0.1:2": syscall.ECONNREFUSED, "10.0.0.1:3": syscall.EHOSTUNREACH, "10.0.0.1:4": syscall.ETIMEDOUT, "10.0.0.1:5": syscall.ENETUNREACH, "nowhere:1": nil} {
		var far *DestinationError
		if err := refused(t, w, address); !errors.As(err, &far) || (want == nil) != (far.errno == nil) || want != nil && !errors.Is(err, want) {
			t.Error(err)
		}
	}
	if err := refused(t, w, "10.0.0.1:6"); !errors.As(err, &hop) || errors.As(err, &prohibited) {
		t.Error(err)
	}
	if s.logins.Load() != 1 {
		t.Error("a refusal cost the chain")
	}
}

// TestMistakes names mistakes in the call before anything is connected.
func TestMistakes(t *testing.T) {
	noLeaks(t)
	s := new(server).start(t)
	w := open(t, files(t, s), s)
	for _, address := range []string{"", "host", "host:", "host:http", "host:0", ":80", "host:65536"} {
		refused(t, w, address)
	}
	if _, err := w.DialContext(t.Context(), "udp", "10.0.0.1:1"); err == nil {
		t.Error("UDP")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.DialContext(over, "tcp", "10.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s.accepted.Load() != 0 {
		t.Error("connected")
	}
}

// TestHopClosed says which hop's port is closed, and never as if it were the destination's.
func TestHopClosed(t *testing.T) {
	noLeaks(t)
	a := new(server).start(t)
	gone := new(server).start(t)
	o := files(t, a, gone)
	closed := gone.hop()
	closed.Port = 1
	for number, hops := range map[int][]Hop{1: {closed}, 2: {a.hop(), closed}} {
		w := Open(hops, o)
		err := refused(t, w, "10.0.0.1:1")
		var hop *HopError
		if !errors.As(err, &hop) || hop.Number != number || hop.Of != len(hops) || !strings.Contains(err.Error(), "port is closed") ||
			errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(err.Error(), "refused") {
			t.Error(err)
		}
		w.Close()
	}
	a.refuse = func(string) (ssh.RejectionReason, string) { return ssh.Prohibited, "no" }
	if err := refused(t, open(t, o, a, gone), "10.0.0.1:1"); !strings.Contains(err.Error(), "jump host 2 of 2") || !strings.Contains(err.Error(), "does not permit") {
		t.Error(err)
	}
}

func TestNotSSH(t *testing.T) {
	for _, kind := range []string{"hangup", "noise"} {
		t.Run(kind, func(t *testing.T) {
			noLeaks(t)
			s := (&server{stall: kind}).start(t)
			var hop *HopError
			if err := refused(t, open(t, files(t, s), s), "10.0.0.1:1"); !errors.As(err, &hop) || strings.Contains(err.Error(), "refused") {
				t.Error(err)
			}
		})
	}
}

// TestStalled lets a host stop answering at each stage: the caller's context ends the wait, and so
// does the time-out of the hop.
func TestStalled(t *testing.T) {
	const short = 800 * time.Millisecond // enough for the first hop on a busy machine
	for _, stage := range []string{"banner", "kex", "auth", "open"} {
		t.Run(stage, func(t *testing.T) {
			noLeaks(t)
			a, b := new(server).start(t), (&server{stall: stage}).start(t)
			w := open(t, files(t, a, b), a, b)
			_, err := w.DialContext(within(t, short), "tcp", "10.0.0.1:1")
			var hop *HopError
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &hop) || hop.Number != 2 {
				t.Error(err)
			}
			t.Log(err)
		})
		if stage == "open" { // there, the context alone bounds
			continue
		}
		t.Run(stage+" without a deadline", func(t *testing.T) {
			noLeaks(t)
			a, b := new(server).start(t), (&server{stall: stage}).start(t)
			o := files(t, a, b)
			o.Timeout = short
			err := refused(t, open(t, o, a, b), "10.0.0.1:1")
			var hop *HopError
			if !errors.Is(err, errTimeout) || !errors.As(err, &hop) || hop.Number != 2 {
				t.Error(err)
			}
		})
	}
}

// TestCloseWhileStalled ends a wait that has no deadline by closing the way.
func TestCloseWhileStalled(t *testing.T) {
	for _, stage := range []string{"banner", "kex", "auth", "open"} {
		t.Run(stage, func(t *testing.T) {
			noLeaks(t)
			s := (&server{stall: stage}).start(t)
			w := open(t, files(t, s), s)
			time.AfterFunc(200*time.Millisecond, func() { w.Close() })
			if _, err := w.DialContext(t.Context(), "tcp", "10.0.0.1:1"); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			if _, err := w.DialContext(t.Context(), "tcp", "10.0.0.1:1"); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
}

// TestOwnWait ends the context of the call that began to build the chain: the others get it all the
// same.
func TestOwnWait(t *testing.T) {
	noLeaks(t)
	s, target := new(server).start(t), echo(t)
	o := files(t, s)
	begun, proceed := make(chan struct{}), make(chan struct{})
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		close(begun)
		<-proceed
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	w := open(t, o, s)
	first, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := w.DialContext(first, "tcp", target); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	<-begun
	var others sync.WaitGroup
	for range 32 {
		others.Go(func() { exchange(t, dial(t, w, target), "hello") })
	}
	cancel()
	all.Wait()
	close(proceed)
	others.Wait()
	if s.logins.Load() != 1 {
		t.Errorf("%d logins", s.logins.Load())
	}
}

// TestReconnect loses the chain at each of its hosts.
func TestReconnect(t *testing.T) {
	noLeaks(t)
	a, b, target := new(server).start(t), new(server).start(t), echo(t)
	w := open(t, files(t, a, b), a, b)
	for i, cut := range []*server{a, b, a} {
		c := dial(t, w, target)
		exchange(t, c, "hello")
		cut.breakAll()
		_, err := c.Read(make([]byte, 1))
		var hop *HopError
		if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &hop) {
			t.Errorf("a broken chain reads as %v", err)
		}
		again := dial(t, w, target) // at once, maybe before the loss is known
		exchange(t, again, "hello")
		if got := int(b.logins.Load()); got != i+2 {
			t.Errorf("%d logins after %d losses", got, i+1)
		}
	}
}

// TestLostUnseen finds out by opening a connection that the chain is lost.
func TestLostUnseen(t *testing.T) {
	noLeaks(t)
	s, target := new(server).start(t), echo(t)
	w := open(t, files(t, s), s)
	exchange(t, dial(t, w, target), "hello")
	for range 20 {
		s.breakAll()
		exchange(t, dial(t, w, target), "hello")
	}
}

// TestKeepAlive drops a chain whose host answers nothing any more.
func TestKeepAlive(t *testing.T) {
	noLeaks(t)
	s := (&server{stall: "open"}).start(t)
	o := files(t, s)
	o.KeepAlive = 100 * time.Millisecond
	w := open(t, o, s)
	_, err := w.DialContext(within(t, 5*time.Second), "tcp", "10.0.0.1:1")
	if errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, io.ErrUnexpectedEOF) || s.logins.Load() != 2 {
		t.Error(err, s.logins.Load())
	}
}

// TestAlive keeps a chain whose host does answer.
func TestAlive(t *testing.T) {
	noLeaks(t)
	s, target := new(server).start(t), echo(t)
	o := files(t, s)
	o.KeepAlive = 300 * time.Millisecond
	w := open(t, o, s)
	c := dial(t, w, target)
	time.Sleep(1000 * time.Millisecond)
	exchange(t, c, "hello")
}
