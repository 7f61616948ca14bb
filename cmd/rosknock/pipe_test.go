package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
)

// joined is rosknock knock --connect as a program of its own, with the connection's other end.
type joined struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	said   bytes.Buffer
	server *net.TCPConn
}

// knockPlan writes a plan with one door that wants no right to be knocked at.
func knockPlan(t *testing.T) string {
	t.Helper()
	text, err := fixtures.Plan("minimal.yaml")
	check(t, err)
	name := filepath.Join(t.TempDir(), "plan.yaml")
	check(t, os.WriteFile(name, text, 0o600))
	return name
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newJoined(t *testing.T) *joined {
	t.Helper()
	return newJoinedBy(t, func(j *joined) {
		var err error
		j.in, err = j.cmd.StdinPipe()
		check(t, err)
		j.out, err = j.cmd.StdoutPipe()
		check(t, err)
	})
}

// newJoinedBy starts the program with streams that a function chooses.
func newJoinedBy(t *testing.T, streams func(*joined)) *joined {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(t, err)
	defer l.Close()
	j := &joined{t: t}
	j.cmd = exec.CommandContext(t.Context(), "rosknock", "knock", knockPlan(t), "--connect", l.Addr().String(), "--delay", "5ms")
	j.cmd.Stderr = &j.said
	streams(j)
	check(t, j.cmd.Start())
	check(t, l.SetDeadline(time.Now().Add(20*time.Second)))
	j.server, err = l.AcceptTCP()
	check(t, err)
	check(t, j.server.SetDeadline(time.Now().Add(20*time.Second)))
	t.Cleanup(func() { j.server.Close(); _ = j.cmd.Process.Kill() })
	return j
}

// ends waits for the program to end with a code.
func (j *joined) ends(want exitCode) {
	j.t.Helper()
	err := j.cmd.Wait()
	if got := j.cmd.ProcessState.ExitCode(); got != int(want) {
		j.t.Errorf("exit code %d (%v), want %d: %s", got, err, want, j.said.String())
	}
}

// reads wants the next bytes of a stream, and its end if nothing is left.
func reads(t *testing.T, from io.Reader, want string, end bool) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
	if !end {
		return
	}
	if n, err := from.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("%d bytes, %v, want the end", n, err)
	}
}

func writes(t *testing.T, to io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(to, text)
	check(t, err)
}

// TestConnectBytes: each byte goes through at once, both ways, while nothing else is on standard
// output.
func TestConnectBytes(t *testing.T) {
	j := newJoined(t)
	for _, b := range []string{"a", "\x00", "\xff\r\n", "\x04"} {
		writes(t, j.in, b)
		reads(t, j.server, b, false)
		writes(t, j.server, b)
		reads(t, j.out, b, false)
	}
	check(t, j.in.Close())
	reads(t, j.server, "", true)
	check(t, j.server.Close())
	reads(t, j.out, "", true)
	j.ends(exitDone)
}

// TestConnectClientFirst: the end of standard input is passed on, and what comes after it from the
// other side still arrives.
func TestConnectClientFirst(t *testing.T) {
	j := newJoined(t)
	writes(t, j.in, "question")
	check(t, j.in.Close())
	reads(t, j.server, "question", true)
	time.Sleep(50 * time.Millisecond)
	writes(t, j.server, "answer")
	check(t, j.server.Close())
	reads(t, j.out, "answer", true)
	j.ends(exitDone)
}

// TestConnectServerFirst: the end of the connection is passed on, and what is typed after it still
// arrives.
func TestConnectServerFirst(t *testing.T) {
	j := newJoined(t)
	writes(t, j.server, "greeting")
	check(t, j.server.CloseWrite())
	reads(t, j.out, "greeting", true)
	time.Sleep(50 * time.Millisecond)
	writes(t, j.in, "late")
	check(t, j.in.Close())
	reads(t, j.server, "late", true)
	j.ends(exitDone)
}

// TestConnectServerGone: a server that has hung up for good is noticed, whatever is typed.
func TestConnectServerGone(t *testing.T) {
	j := newJoined(t)
	check(t, j.server.Close())
	reads(t, j.out, "", true)
	for range 100 { // until the other end says that it takes nothing any more
		if _, err := j.in.Write([]byte("anybody?")); err != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	j.ends(exitDone)
}

// TestConnectReset: a connection that breaks is no clean end.
func TestConnectReset(t *testing.T) {
	j := newJoined(t)
	writes(t, j.in, "x")
	reads(t, j.server, "x", false)
	check(t, j.server.SetLinger(0))
	check(t, j.server.Close())
	reads(t, j.out, "", true)
	j.ends(exitFailed)
	if !strings.Contains(j.said.String(), "the connection broke") || regexp.MustCompile(`127\.0\.0\.1:\d`).MatchString(j.said.String()) {
		t.Error(j.said.String())
	}
}

// TestConnectMuch: 10 MB both ways at once, byte for byte.
func TestConnectMuch(t *testing.T) {
	j := newJoined(t)
	const size = 10 << 20
	random := func(seed uint64) []byte {
		b := make([]byte, size)
		source := rand.NewChaCha8([32]byte{byte(seed)})
		_, _ = source.Read(b)
		return b
	}
	up, down := random(1), random(2)
	errs := make(chan error, 2)
	go func() {
		_, err := j.in.Write(up)
		errs <- errors.Join(err, j.in.Close())
	}()
	go func() {
		_, err := j.server.Write(down)
		errs <- errors.Join(err, j.server.CloseWrite())
	}()
	arrived := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(j.server)
		arrived <- b
	}()
	got, err := io.ReadAll(j.out)
	check(t, err)
	if !bytes.Equal(got, down) {
		t.Errorf("%d bytes came out, not those that were sent", len(got))
	}
	if got := <-arrived; !bytes.Equal(got, up) {
		t.Errorf("%d bytes arrived, not those that were typed", len(got))
	}
	check(t, errors.Join(<-errs, <-errs))
	j.ends(exitDone)
}

// TestConnectInterrupted: a signal ends it without a word, though both sides are still there. ssh
// sends its ProxyCommand SIGHUP when it is done, and the person has their prompt again by then.
func TestConnectInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals there")
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(s) { // as under nohup, where a run goes on
			continue
		}
		for _, typed := range []bool{true, false} { // until the end of standard input, or beyond it
			j := newJoined(t)
			writes(t, j.server, "x")
			reads(t, j.out, "x", false)
			if !typed {
				check(t, j.in.Close())
				reads(t, j.server, "", true)
			}
			check(t, j.cmd.Process.Signal(s))
			reads(t, j.server, "", true)
			j.ends(exitInterrupted)
			if strings.Contains(j.said.String(), "rosknock:") {
				t.Errorf("%v: it says %q", s, j.said.String())
			}
		}
	}
}

// TestConnectReaderGone: nothing is said to a person whose ssh has ended, whatever the server still
// sends.
func TestConnectReaderGone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a pipe without a reader is another error there")
	}
	j := newJoined(t)
	writes(t, j.server, "x")
	reads(t, j.out, "x", false)
	check(t, j.out.(io.Closer).Close())
	writes(t, j.server, "anybody?")
	reads(t, j.server, "", true)
	j.ends(exitFailed)
	if strings.Contains(j.said.String(), "rosknock:") {
		t.Errorf("it says %q", j.said.String())
	}
}
