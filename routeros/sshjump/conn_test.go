package sshjump

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a channel in memory that ends only as an SSH channel does: when the other side agrees.
type fake struct {
	io.Reader
	io.Writer
	halves, closes int
	hangUp         func()
}

func (f *fake) CloseWrite() error { f.halves++; return nil }
func (f *fake) Close() error      { f.closes++; f.hangUp(); return nil }

func faked() (c *conn, f *fake, feed *io.PipeWriter, taken *io.PipeReader) {
	in, feed := io.Pipe()
	taken, out := io.Pipe()
	f = &fake{Reader: in, Writer: out, hangUp: func() { feed.Close(); taken.Close() }}
	return newConn(f, "10.0.0.1:1", func() error { return nil }), f, feed, taken
}

// TestDeadlines holds reads and writes against the clock, to the nanosecond.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, feed, _ := faked()
		defer c.Close()
		for _, d := range []time.Duration{time.Nanosecond, time.Second, time.Hour} {
			start := time.Now()
			c.SetReadDeadline(start.Add(d))
			_, err := c.Read(make([]byte, 1))
			var timeout net.Error
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != d {
				t.Error(err, time.Since(start))
			}
		}
		// A deadline that is removed leaves the conn as it was.
		c.SetReadDeadline(time.Time{})
		go func() { time.Sleep(time.Hour); io.WriteString(feed, "late") }()
		if got, err := io.ReadAll(io.LimitReader(c, 4)); err != nil || string(got) != "late" {
			t.Error(string(got), err)
		}
		// One that is set meanwhile ends a read that waits.
		start := time.Now()
		time.AfterFunc(time.Second, func() { c.SetDeadline(time.Now().Add(-time.Second)) })
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Error(err)
		}
	})
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _, taken := faked()
		defer c.Close()
		start := time.Now()
		c.SetDeadline(start.Add(3 * time.Second))
		// The far side takes nothing: what the copier holds has left, the rest has not.
		n, err := c.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second || n > 64<<10 {
			t.Error(n, err, time.Since(start))
		}
		c.SetWriteDeadline(time.Time{})
		go io.Copy(io.Discard, taken)
		if n, err := c.Write(make([]byte, 1<<20)); n != 1<<20 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestCloseUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, _, _ := faked()
		start := time.Now()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		all.Go(func() {
			if _, err := c.Write(make([]byte, 1<<20)); !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
		synctest.Wait()
		c.Close()
		c.Close()
		all.Wait()
		if time.Since(start) != 0 || !errors.Is(c.SetDeadline(time.Now()), net.ErrClosed) {
			t.Error("it waited")
		}
		time.Sleep(linger) // what the copier holds may still leave
		synctest.Wait()
		if f.closes != 1 {
			t.Errorf("the channel was closed %d times", f.closes)
		}
	})
}

// TestLastWords lets what was written before Close leave.
func TestLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, _, taken := faked()
		var got []byte
		var all sync.WaitGroup
		all.Go(func() {
			time.Sleep(linger / 2)
			b := make([]byte, 100)
			n, _ := taken.Read(b)
			got = b[:n]
		})
		io.WriteString(c, "bye")
		c.Close()
		all.Wait()
		synctest.Wait()
		if string(got) != "bye" || f.closes != 1 {
			t.Errorf("%q, closed %d times", got, f.closes)
		}
	})
}

func TestHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, feed, _ := faked()
		c.CloseWrite()
		c.CloseWrite()
		synctest.Wait()
		if f.halves != 1 || f.closes != 0 {
			t.Error(f)
		}
		if _, err := io.WriteString(c, "x"); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
		go func() { io.WriteString(feed, "answer"); feed.Close() }()
		if got, err := io.ReadAll(c); string(got) != "answer" || err != nil {
			t.Error(string(got), err)
		}
		c.Close()
		synctest.Wait()
		if f.closes != 1 {
			t.Error("not closed")
		}
	})
}

// TestExactTimeout waits the default time for a host that says nothing.
func TestExactTimeout(t *testing.T) {
	known := write(t, "known_hosts", "")
	id := newKeyFile(t, "id", "")
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		w := Open([]Hop{{"ann", "gate", 0}}, Options{KnownHosts: []string{known}, Keys: []string{id.file},
			Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		defer w.Close()
		start := time.Now()
		_, err := w.DialContext(t.Context(), "tcp", "10.0.0.1:1")
		if !errors.Is(err, errTimeout) || time.Since(start) != 10*time.Second || !strings.Contains(err.Error(), "within 10s") {
			t.Error(err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		near2, far2 := net.Pipe()
		defer far2.Close()
		near = near2
		if _, err = w.DialContext(ctx, "tcp", "10.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Error(err)
		}
	})
}

// TestStalledData sets deadlines on a connection through a real chain whose host takes and sends
// nothing.
func TestStalledData(t *testing.T) {
	noLeaks(t)
	s := (&server{stall: "data"}).start(t)
	w := open(t, files(t, s), s)
	c := dial(t, w, "10.0.0.1:1")
	start := time.Now()
	c.SetReadDeadline(start.Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := c.Write(make([]byte, 16<<20)); !errors.Is(err, os.ErrDeadlineExceeded) { // more than the window
		t.Error(err)
	}
	c.SetDeadline(time.Time{})
	time.AfterFunc(100*time.Millisecond, func() { c.Close() })
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	other := dial(t, w, "10.0.0.1:1")
	time.AfterFunc(100*time.Millisecond, func() { w.Close() })
	if _, err := other.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("closing the way reads as %v", err)
	}
}
