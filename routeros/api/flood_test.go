package api_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/wire"
)

const (
	floodMemory = 16 << 20 // what the sessions below may hold
	// floodSlack is what a session needs besides: a sentence under way in every form that it takes,
	// and what was read while the collector looked, which counts as live until it looks again.
	floodSlack = 64 << 20
	soon       = 300 * time.Millisecond // of the calls that have to run into their time-out
	never      = time.Minute            // of those that have to end before
	hanging    = 20 * time.Second       // more than a time-out: a call that takes so long hangs
)

// flood is a router that answers so many sentences, login excepted, by pouring out others.
type flood struct {
	commands int                         // 0: it pours at once, in answer to the login
	say      func(tag string) [][]string // over and over, for each command
	times    int                         // 0: until the connection ends
	last     func(tag string) [][]string // in the end, for each command
}

// serve plays the router on one end of a connection.
func (f flood) serve(conn net.Conn) {
	r := wire.NewReader(conn, wire.DefaultLimits())
	if _, err := r.Read(); err != nil {
		return
	}
	tags := []string{".tag=1"} // a login has none
	if f.commands > 0 {
		tags = nil
		if _, err := conn.Write(encoded([]string{"!done"})); err != nil {
			return
		}
	}
	for range f.commands {
		words, err := r.Read()
		if err != nil {
			return
		}
		tags = append(tags, tagOf(words))
	}
	go func() { // nobody may have to wait until the flood is over
		for err := error(nil); err == nil; {
			_, err = r.Read()
		}
	}()
	for n := 0; f.times == 0 || n < f.times; n++ {
		for _, tag := range tags { // one after the other, for the router's own sake: its memory counts in the tests too
			if _, err := conn.Write(encoded(f.say(tag)...)); err != nil {
				return
			}
			runtime.Gosched() // else both ends of a pipe keep the only processor to themselves, and a collection takes minutes
		}
	}
	for _, tag := range tags {
		if f.last == nil {
			return
		}
		if _, err := conn.Write(encoded(f.last(tag)...)); err != nil {
			return
		}
	}
}

// dial connects to the router.
func (f flood) dial(t *testing.T, timeout time.Duration) (*api.Session, error) {
	t.Helper()
	client, server := net.Pipe()
	over := make(chan struct{})
	go func() { defer close(over); f.serve(server) }()
	t.Cleanup(func() { client.Close(); server.Close(); <-over })
	target := api.Target{Address: "192.0.2.1", User: "admin", Transport: api.Plain, Timeout: timeout}
	return api.Dial(t.Context(), target, "sesame", api.Options{Memory: floodMemory, Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
}

func (f flood) session(t *testing.T, timeout time.Duration) *api.Session {
	t.Helper()
	s, err := f.dial(t, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// times is a sentence so many times, for its tag.
func times(n int, words ...string) func(string) [][]string {
	return func(tag string) [][]string {
		return slices.Repeat([][]string{append([]string{words[0], tag}, words[1:]...)}, n)
	}
}

func done(tag string) [][]string { return [][]string{{"!done", tag}} }

// survives runs a call and reports how it ended: it has to end, in bounded memory, with a short
// text.
func survives(t *testing.T, timeout time.Duration, most uint64, call func() error) error {
	t.Helper()
	ended := make(chan error, 1)
	before := live()
	var peak uint64
	go func() { ended <- call() }()
	for late := time.After(timeout + hanging); ; {
		select {
		case err := <-ended:
			t.Logf("%d kB at most, %T: %.200v", peak>>10, err, err)
			if peak > most {
				t.Errorf("%d MiB in memory, at most %d may be", peak>>20, most>>20)
			}
			if err != nil && len(err.Error()) >= 1<<10 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return err
		case <-late:
			t.Fatalf("it hangs, with %d MiB in memory", peak>>20)
		case <-time.After(5 * time.Millisecond):
			if now := live(); now > before {
				peak = max(peak, now-before)
			}
		}
	}
}

// live is how much of the heap is in use, garbage left out.
func live() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func limited(err error) bool { _, ok := errors.AsType[*wire.LimitError](err); return ok }
func late(err error) bool    { _, ok := errors.AsType[*api.TimeoutError](err); return ok }
func cut(err error) bool     { _, ok := errors.AsType[*api.LostError](err); return ok }

// pour is one way to flood, and how the call ends that waits for the end of it.
type pour struct {
	say func(tag string) [][]string
	end func(error) bool
}

func floods() map[string]pour {
	tiny := slices.Repeat([]string{"="}, 4000)
	giant := "=comment=" + strings.Repeat("\xff", 1<<20-100)
	return map[string]pour{
		"traps":                {times(500, "!trap", "=message=no"), late},
		"giant traps":          {times(1, "!trap", "=message="+giant, giant), late},
		"bare traps":           {times(2, append([]string{"!trap"}, tiny...)...), late},
		"rows of nothing":      {times(500, "!re"), limited},
		"rows":                 {times(200, "!re", "=.id=*1", "=chain=input", "=action=accept"), limited},
		"rows of tiny words":   {times(2, append([]string{"!re"}, tiny...)...), limited},
		"rows of no meaning":   {times(2, append([]string{"!re"}, slices.Repeat([]string{"x"}, 4000)...)...), limited},
		"rows of equal names":  {times(2, append([]string{"!re"}, slices.Repeat([]string{"=a=b"}, 4000)...)...), limited},
		"rows of giant words":  {times(1, "!re", giant, "=a"+giant, "=b"+giant), limited},
		"empty":                {times(500, "!empty"), late},
		"unknown reply words":  {times(500, "!more", "=a=b"), late},
		"no reply words":       {times(500, "=a=b"), late},
		"empty sentences":      {func(string) [][]string { return slices.Repeat([][]string{{}}, 5000) }, late},
		"unknown tags":         {func(string) [][]string { return slices.Repeat([][]string{{"!re", ".tag=77777", "=a=b"}}, 500) }, late},
		"giants without a tag": {func(string) [][]string { return [][]string{{"!re", giant, giant, giant}} }, late},
		"done without a tag":   {func(string) [][]string { return slices.Repeat([][]string{{"!done"}}, 500) }, late},
		"giant fatal":          {func(string) [][]string { return [][]string{{"!fatal", giant, giant}} }, cut},
		"a word beyond limits": {func(string) [][]string { return [][]string{{"!re", giant + giant}} }, limited},
	}
}

// timeout is one that the call has to run into, or must not.
func (p pour) timeout() time.Duration {
	if p.end(&api.TimeoutError{}) {
		return soon
	}
	return never
}

// TestFlood: whatever a router pours out, for however long, a call ends in time and in bounded
// memory.
func TestFlood(t *testing.T) {
	for name, p := range floods() {
		for _, n := range []int{1, 18} {
			t.Run(map[int]string{1: "run: ", 18: "batch: "}[n]+name, func(t *testing.T) {
				s := flood{commands: n, say: p.say}.session(t, p.timeout())
				err := survives(t, p.timeout(), floodMemory+floodSlack, func() error {
					if n == 1 {
						_, err := s.Run(t.Context(), show(routeros.Identity))
						return err
					}
					_, err := s.Batch(t.Context(), slices.Repeat([]routeros.Command{show(routeros.Filter)}, n))
					return err
				})
				if !p.end(err) {
					t.Errorf("%T: %v", err, err)
				}
			})
		}
		t.Run("snapshot: "+name, func(t *testing.T) {
			s := flood{commands: 18, say: p.say}.session(t, p.timeout())
			err := survives(t, p.timeout(), floodMemory+floodSlack, func() error { _, err := s.Snapshot(t.Context()); return err })
			if !p.end(err) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

// TestFloodedListen: so does a listen, which has no time-out of its own.
func TestFloodedListen(t *testing.T) {
	for name, p := range floods() {
		t.Run("never looks: "+name, func(t *testing.T) {
			s := flood{commands: 1, say: p.say}.session(t, never)
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			if !p.end(&api.TimeoutError{}) {
				ctx = t.Context()
			}
			over := make(chan struct{})
			err := survives(t, never, floodMemory+floodSlack, func() error {
				go func() { // the listener is stuck until the session is over
					defer close(over)
					select {
					case <-ctx.Done():
					case <-gone(s):
					}
				}()
				return s.Listen(ctx, routeros.NewCommand("/x/listen"), func(routeros.Attributes) error { <-over; return nil })
			})
			if err != nil && !p.end(err) || err == nil && ctx.Err() == nil {
				t.Errorf("%T: %v", err, err)
			}
		})
		t.Run("looks slowly: "+name, func(t *testing.T) {
			s := flood{commands: 1, say: p.say}.session(t, never)
			ctx, cancel := context.WithTimeout(t.Context(), soon)
			defer cancel()
			err := survives(t, soon, floodMemory+floodSlack, func() error {
				return s.Listen(ctx, routeros.NewCommand("/x/listen"), func(routeros.Attributes) error { time.Sleep(10 * time.Millisecond); return nil })
			})
			if err != nil && !p.end(err) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

// gone is closed when a session has ended: a call that nobody answers hears of it at once.
func gone(s *api.Session) <-chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = s.Run(context.Background(), show(routeros.Identity))
	}()
	return over
}

// TestFloodedLogin: before authentication, a peer can fill almost no memory.
func TestFloodedLogin(t *testing.T) {
	for name, p := range floods() {
		t.Run(name, func(t *testing.T) {
			end := limited
			switch name {
			case "empty sentences":
				end = late
			case "done without a tag": // that is how a login succeeds
				end = func(err error) bool { return err == nil }
			}
			timeout := never
			if end(&api.TimeoutError{}) {
				timeout = soon
			}
			err := survives(t, timeout, floodSlack, func() error {
				s, err := flood{say: p.say}.dial(t, timeout)
				if err == nil {
					_ = s.Close()
				}
				return err
			})
			if !end(err) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

// TestLoginLimits: a few sentences more than a router needs are taken, and large answers after the
// login.
func TestLoginLimits(t *testing.T) {
	large := strings.Repeat("x", 500_000)
	s := session(t, peer(t, func(_ []string, tag string) ([][]string, error) {
		return [][]string{{"!re", tag, "=source=" + large}, {"!done", tag}}, nil
	}), api.Options{})
	if reply, err := s.Run(t.Context(), show("/system/script")); err != nil || reply.Rows[0].Get("source") != large {
		t.Error(err)
	}
	f := flood{say: func(string) [][]string {
		return append(slices.Repeat([][]string{{"!re", "=note=" + strings.Repeat("x", 500)}}, 40), []string{"!done"})
	}, times: 1}
	f.session(t, never)
}

// TestManyTraps: of 200,000 traps a few are told and the others counted, at once.
func TestManyTraps(t *testing.T) {
	s := flood{commands: 1, say: times(200, "!trap", "=category=4", "=message=failure: already have such entry"), times: 1000, last: done}.session(t, never)
	err := survives(t, never, floodSlack, func() error { _, err := s.Run(t.Context(), add()); return err })
	trap := is[*api.TrapError](t, err)
	if !trap.Duplicate() || trap.Category != "4" || !strings.HasSuffix(trap.Message, "; and 199992 more") || strings.Count(trap.Message, "already have") != 8 {
		t.Errorf("%+v", trap)
	}
}

// TestLongTrap: a text of a megabyte is quoted by its beginning, wherever it comes.
func TestLongTrap(t *testing.T) {
	long := strings.Repeat("no\r\n\xff", 10_000)
	for name, say := range map[string]func(string) [][]string{
		"message":  times(1, "!trap", "=message="+long),
		"bare":     times(1, "!trap", long),
		"category": times(1, "!trap", "=category="+long, "=message=no"),
		"several":  times(20, "!trap", "=message="+long),
	} {
		s := flood{commands: 1, say: say, times: 1, last: done}.session(t, never)
		_, err := s.Run(t.Context(), add())
		trap := is[*api.TrapError](t, err)
		if !strings.Contains(trap.Message, "no") || len(trap.Message)+len(trap.Category) > 900 || strings.Contains(trap.Message, "\r\n") {
			t.Errorf("%s: %d bytes and %d", name, len(trap.Message), len(trap.Category))
		}
	}
	for name, say := range map[string]string{"password": "invalid user name or password ", "other": "no "} {
		_, err := flood{say: func(string) [][]string {
			return [][]string{{"!trap", "=message=" + say + long}, {"!done"}}
		}, times: 1}.dial(t, never)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(say)) || len(err.Error()) > 1000 {
			t.Errorf("%s: %.2000v", name, err)
		}
	}
}

// TestAccount: what was handed over counts no more, whether the call was answered, refused, or
// forgotten.
func TestAccount(t *testing.T) { synctest.Test(t, account) }

func account(t *testing.T) {
	half := strings.Repeat("x", 500_000)
	s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
		row := []string{"!re", tag, "=a=" + half}
		switch words[0] {
		case "/silent/print":
			return [][]string{row}, nil
		case "/trap/print":
			return [][]string{row, {"!trap", tag, "=message=no"}, {"!done", tag, "=ret=" + half}}, nil
		case "/cancel":
			return willing(words, tag)
		case "/x/listen":
			return append(slices.Repeat([][]string{row}, 3), []string{"!done", tag}), nil
		}
		return [][]string{row, row, {"!done", tag}}, nil
	}), api.Options{Memory: 2 << 20})
	for range 20 {
		if reply, err := s.Run(t.Context(), show("/a")); err != nil || len(reply.Rows) != 2 {
			t.Fatal(err)
		}
		_, err := s.Run(t.Context(), show("/trap"))
		is[*api.TrapError](t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond) // of the bubble: the row has come
		if _, err := s.Run(ctx, show("/silent")); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		stop := errors.New("enough")
		rows := 0
		err = s.Listen(t.Context(), routeros.NewCommand("/x/listen"), func(routeros.Attributes) error {
			if rows++; rows == 2 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	}
	_, err := s.Batch(t.Context(), []routeros.Command{show("/a"), show("/b")})
	if !limited(err) {
		t.Errorf("two answers of 1 MB in 2 MiB: %v", err)
	}
}

// TestListenAccount: a listener who keeps up may listen for ever.
func TestListenAccount(t *testing.T) {
	row := times(1, "!re", "=a="+strings.Repeat("x", 500_000))
	next := make(chan struct{}, 1)
	next <- struct{}{}
	f := flood{commands: 1, times: 200, last: done, say: func(tag string) [][]string {
		select {
		case <-next:
		case <-t.Context().Done():
		}
		return row(tag)
	}}
	rows := 0
	err := f.session(t, never).Listen(t.Context(), routeros.NewCommand("/x/listen"), func(routeros.Attributes) error {
		rows++
		next <- struct{}{}
		return nil
	})
	if err != nil || rows != 200 {
		t.Errorf("%d rows of half a megabyte, %v", rows, err)
	}
}

// TestForgottenCall: what still comes for a call that is over is not kept.
func TestForgottenCall(t *testing.T) {
	s := flood{commands: 1, say: times(1, "!re", "=comment="+strings.Repeat("x", 100_000))}.session(t, never)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, show(routeros.Filter)); !errors.Is(err, context.DeadlineExceeded) && !limited(err) {
		t.Fatal(err)
	}
	_ = survives(t, soon, floodSlack, func() error { time.Sleep(2 * soon); return nil })
}

// TestListenObeys: a slow listener still learns at once that its context is over.
func TestListenObeys(t *testing.T) {
	s := flood{commands: 1, say: times(5000, "!re", "=a=b"), times: 1}.session(t, never)
	ctx, cancel := context.WithCancel(t.Context())
	rows := 0
	err := s.Listen(ctx, routeros.NewCommand("/x/listen"), func(routeros.Attributes) error {
		if rows++; rows == 1 {
			time.Sleep(soon) // until all has come
		}
		if rows > 10 {
			cancel()
		}
		return nil
	})
	if err != nil || rows != 11 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// TestHostileSnapshot: values that unfold to many times their size are refused before they do.
func TestHostileSnapshot(t *testing.T) {
	for menu, name := range map[routeros.Menu]string{routeros.InterfaceLists: "include", routeros.ServiceMenu: "address"} {
		commas := "=" + name + "=" + strings.Repeat(",", 1_000_000)
		s := session(t, peer(t, func(words []string, tag string) ([][]string, error) {
			switch words[0] {
			case menu.Verb("print"):
				return append(slices.Repeat([][]string{{"!re", tag, commas}}, 10), []string{"!done", tag}), nil
			case "/system/resource/print":
				return [][]string{{"!re", tag, "=version=7.20 (stable)"}, {"!done", tag}}, nil
			}
			return willing(words, tag)
		}), api.Options{Memory: floodMemory})
		err := survives(t, never, floodMemory+floodSlack, func() error { snapshot, err := s.Snapshot(t.Context()); runtime.KeepAlive(&snapshot); return err })
		if !limited(err) {
			t.Errorf("%s: %v", menu, err)
		}
	}
	s := session(t, peer(t, func(_ []string, tag string) ([][]string, error) {
		return [][]string{{"!re", tag, "=version=" + string(bytes.Repeat([]byte("x"), 1<<19))}, {"!done", tag}}, nil
	}), api.Options{})
	if _, err := s.Snapshot(t.Context()); err == nil || len(err.Error()) > 1000 {
		t.Errorf("%.2000v", err)
	}
}

// TestLargeRouter: 100,000 rules and 500,000 entries of an address list could be read at once
// within the bound that a session has by default; to save time, it is a fiftieth of both.
func TestLargeRouter(t *testing.T) {
	rule := []string{
		"!re", "=.id=*1869F", "=chain=input", "=action=add-src-to-address-list", "=protocol=tcp", "=dst-port=54321", "=src-address-list=knock-stage-1", "=in-interface-list=WAN",
		"=address-list=knock-stage-2", "=address-list-timeout=15s", "=connection-state=established,related,untracked", "=src-address=10.11.12.0/24", "=log=false", "=log-prefix=",
		"=bytes=1234567890", "=packets=12345678", "=invalid=false", "=dynamic=false", "=disabled=false", "=comment=rule number 99999 of a table that somebody wrote by hand",
	}
	entry := []string{
		"!re", "=.id=*7A11F", "=list=blocklist", "=address=192.168.255.255", "=creation-time=2026-09-21 08:50:30", "=timeout=23h59m55s", "=dynamic=true", "=disabled=false", "=comment=seen by the sensor",
	}
	f := flood{commands: 2, times: 20, last: done, say: func(tag string) [][]string {
		if tag == ".tag=1" {
			return times(100, rule...)(tag)
		}
		return times(500, entry...)(tag)
	}}
	client, server := net.Pipe()
	over := make(chan struct{})
	go func() { defer close(over); f.serve(server) }()
	defer func() { client.Close(); server.Close(); <-over }()
	s, err := api.Dial(t.Context(), api.Target{Address: "192.0.2.1", Transport: api.Plain, Timeout: never}, "", api.Options{Memory: 512 << 20 / 50, Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	results, err := s.Batch(t.Context(), []routeros.Command{show(routeros.Filter), show(routeros.AddressList)})
	if err != nil || len(results[0].Rows) != 2_000 || len(results[1].Rows) != 10_000 {
		t.Fatal(err)
	}
}
