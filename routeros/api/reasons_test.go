package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/wire"
)

// ending is one way in which a session ends in the middle of its work, and how everybody hears of
// it.
type ending struct {
	last   []byte // the router's last words
	stall  bool   // it takes no byte after them
	hangUp bool   // it closes the connection after them
	here   func(*api.Session, context.CancelFunc)
	is     func(error) bool
}

func unknown(err error) bool { _, ok := errors.AsType[*api.NotLoggedInError](err); return ok }
func refused(err error) bool { _, ok := errors.AsType[*api.BadPasswordError](err); return ok }

// endings are all reasons for which a session ends. The tag 1 is that of a command which waits for
// its answer.
func endings() map[string]ending {
	row := encoded([]string{"!re", ".tag=1", "=a=" + strings.Repeat("x", 5_000)})
	said := func(text string) func(error) bool {
		return func(err error) bool { return cut(err) && strings.Contains(err.Error(), text) }
	}
	return map[string]ending{
		"budget":           {last: append(row, row...), is: limited},
		"budget, hung up":  {last: append(row, row...), hangUp: true, is: limited},
		"long word":        {last: []byte{0xE7, 0xFF, 0xFF, 0xFF}, is: limited},
		"many words":       {last: encoded(append([]string{"!re"}, strings.Fields(strings.Repeat("=a ", 5000))...)), is: limited},
		"garbage":          {last: []byte("\xFF\xFF"), is: limited},
		"garbage, hung up": {last: []byte("\xFF\xFF"), hangUp: true, is: limited},
		"garbage, stalled": {last: []byte("\xFF\xFF"), stall: true, is: limited},
		"fatal":            {last: encoded([]string{"!fatal", "shutting down"}), is: said("the router ended the session: shutting down")},
		"fatal, hung up":   {last: encoded([]string{"!fatal", "shutting down"}), hangUp: true, is: said("the router ended the session: shutting down")},
		"not logged in":    {last: encoded([]string{"!fatal", "not logged in"}), hangUp: true, is: unknown},
		"hung up":          {hangUp: true, is: said("the connection was lost")},
		"half a sentence":  {last: encoded([]string{"!re", ".tag=1"})[:5], hangUp: true, is: said("the connection was lost")},
		"closed here":      {here: func(s *api.Session, _ context.CancelFunc) { _ = s.Close() }, is: func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		"interrupted": {stall: true, here: func(_ *api.Session, cancel context.CancelFunc) {
			synctest.Wait() // until one of them is being sent
			cancel()
		}, is: func(err error) bool { return errors.Is(err, context.Canceled) }},
		"time-out": {stall: true, is: late},
	}
}

// serve answers the login and so many sentences with !done, the first three with nothing, and then
// ends.
func (e ending) serve(conn net.Conn, sentences int, asked, last chan<- struct{}) {
	defer close(last)
	r := wire.NewReader(conn, wire.DefaultLimits())
	for n := range sentences {
		words, err := r.Read()
		if err != nil {
			return
		}
		if n > 0 && n < 4 {
			asked <- struct{}{}
			continue
		}
		if _, err := conn.Write(encoded([]string{"!done", cmp.Or(tagOf(words), "=a=b")})); err != nil {
			return
		}
	}
	if !e.stall { // others may send meanwhile
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
	_, _ = conn.Write(e.last)
	if e.hangUp {
		conn.Close()
	}
}

// holds ends a session while three calls wait for their answers and others are being sent, and says
// who heard of another reason.
func (e ending) holds(t *testing.T, client, server net.Conn) {
	t.Helper()
	asked, last := make(chan struct{}, 3), make(chan struct{})
	go e.serve(server, 20, asked, last)
	defer server.Close()
	s := session(t, client, api.Options{Memory: 8 << 10})
	heard := make(chan string, 10)
	hear := func(who string, err error) {
		if e.is(err) {
			err = nil
		}
		heard <- fmt.Sprintf("%s: %T: %v", who, err, err)
	}
	waiting := []func() error{
		func() error { _, err := s.Run(t.Context(), show("/waiting")); return err },
		func() error {
			_, err := s.Run(t.Context(), add())
			if late, ok := errors.AsType[*api.TimeoutError](err); ok && late.Unknown {
				return err
			}
			if lost, ok := errors.AsType[*api.LostError](err); ok && lost.Unknown {
				return err
			}
			return fmt.Errorf("a write under way is not unknown: %v", err) //nolint:errorlint // it is to match nothing
		},
		func() error {
			return s.Listen(t.Context(), routeros.NewCommand("/x/listen"), func(routeros.Attributes) error { return nil })
		},
	}
	var all sync.WaitGroup
	for i, call := range waiting {
		all.Go(func() { hear(fmt.Sprintf("waiting %d", i), call()) })
		<-asked
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 4 {
		all.Go(func() {
			var err error
			for err == nil {
				_, err = s.Run(ctx, show("/sending"))
			}
			hear(fmt.Sprintf("sending %d", i), err)
		})
	}
	<-last
	if e.here != nil {
		e.here(s, cancel)
	}
	all.Wait()
	_, err := s.Run(t.Context(), show("/later"))
	hear("later", err)
	close(heard)
	for who := range heard {
		if !strings.HasSuffix(who, ": <nil>: <nil>") {
			t.Error(who)
		}
	}
}

// TestReasons: whatever ends a session, every call under way and every later one hears of that
// reason, whichever of the goroutines that read and write notices first.
func TestReasons(t *testing.T) {
	for name, e := range endings() {
		t.Run("pipe/"+name, func(t *testing.T) {
			for range 20 {
				synctest.Test(t, func(t *testing.T) {
					client, server := net.Pipe()
					e.holds(t, client, server)
				})
			}
		})
		t.Run("tcp/"+name, func(t *testing.T) {
			if e.stall {
				t.Skip("only a pipe takes no byte at once")
			}
			for range 20 {
				client, server := connected(t)
				e.holds(t, client, server)
			}
		})
	}
}

// connected are the two ends of a connection on loopback.
func connected(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

// lastMoment is a connection whose caller gives up while the router's message is on its way.
type lastMoment struct {
	net.Conn
	words  []byte
	giveUp context.CancelFunc
}

func (c *lastMoment) Write(p []byte) (int, error) { return len(p), nil }

func (c *lastMoment) Read(p []byte) (int, error) {
	c.giveUp()
	n := copy(p, c.words)
	c.words = c.words[n:]
	if n == 0 {
		return 0, io.ErrClosedPipe
	}
	return n, nil
}

// TestLoginReasons: what the router said to a login counts, also when the caller gives up at that
// moment.
func TestLoginReasons(t *testing.T) {
	for words, is := range map[string]func(error) bool{
		"\xFF\xFF": limited,
		string(encoded([]string{"!fatal", "not logged in"})):                                                unknown,
		string(encoded([]string{"!trap", "=message=invalid user name or password (6)"}, []string{"!done"})): refused,
		string(encoded([]string{"!more"})):                                                                  limited,
		"":                                                                                                  func(err error) bool { return errors.Is(err, context.Canceled) },
	} {
		client, server := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := api.NewSession(ctx, &lastMoment{client, []byte(words), cancel}, "admin", "sesame", api.Options{})
		if !is(err) {
			t.Errorf("%q: %T: %v", words, err, err)
		}
		server.Close()
	}
}
