package api_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/wire"
)

// phases are what a router answers to a login, to a snapshot, and to an add, as bytes.
type phases [3][]byte

// script is a conversation: what the router says, and how many sentences the client says in each phase; last is the tag of its last.
type script struct {
	phases
	sentences [3]int
	last      string
}

// recorder counts and keeps what a router says to a client.
type recorder struct {
	net.Conn
	at   *int
	said *script
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.said.phases[*r.at] = append(r.said.phases[*r.at], p[:n]...)
	return n, err
}

// genuine plays the three phases with a simulated router and keeps what it said.
func genuine(t testing.TB) script {
	var said script
	at := 0
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	router := sim.New(sim.Options{Users: []sim.User{{Name: "admin", Password: "sesame"}}, Fault: func(q sim.Request) sim.Action {
		said.sentences[at]++
		said.last = tagOf(q.Words)
		return sim.Action{}
	}})
	snapshot, _ := rsc.Read(text).Snapshot(rsc.Options{})
	if err := router.Load(snapshot); err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { router.ServeConn(ctx, server); close(over) }()
	defer func() { client.Close(); cancel(); <-over }()
	s, err := api.NewSession(ctx, recorder{Conn: client, at: &at, said: &said}, "admin", "sesame", api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	at = 1
	if _, err := s.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	at = 2
	if reply, err := s.Run(ctx, write()); err != nil || reply.Ret == "" {
		t.Fatal(reply, err)
	}
	return said
}

// play lets a client talk to a router that says these bytes, each phase once the client has said all that it has to say in it, and
// hangs up at the end or falls silent. It returns how the client fared with the add.
func play(t testing.TB, said script, hangUp bool, timeout time.Duration) (ret string, err error) {
	client, server := net.Pipe()
	over := make(chan struct{})
	go func() {
		defer close(over)
		r := wire.NewReader(server, wire.DefaultLimits())
		for i, answer := range said.phases {
			for range said.sentences[i] {
				if _, err := r.Read(); err != nil {
					return
				}
			}
			if _, err := server.Write(answer); err != nil {
				return
			}
		}
		if hangUp {
			server.Close()
			return
		}
		_, _ = r.Read()
	}()
	defer func() { client.Close(); server.Close(); <-over }()
	start := time.Now()
	defer func() {
		if took := time.Since(start); took > 4*timeout+time.Second { // four calls at most
			t.Errorf("it took %s", took)
		}
	}()
	target := api.Target{Address: "192.0.2.1", User: "admin", Transport: api.Plain, Timeout: timeout}
	s, err := api.Dial(context.Background(), target, "sesame", api.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
	if err != nil {
		return "", err
	}
	defer s.Close()
	if _, err := s.Snapshot(context.Background()); err != nil {
		if _, alive := s.Run(context.Background(), routeros.Print(routeros.Identity)); alive == nil {
			return "", err
		}
		return "", err
	}
	reply, err := s.Run(context.Background(), write())
	return reply.Ret, err
}

// mutate changes bytes of one phase.
func mutate(r *rand.Rand, said script) script {
	i := r.IntN(len(said.phases))
	b := slices.Clone(said.phases[i])
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			break
		}
		at := r.IntN(len(b))
		switch r.IntN(9) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(20)))
		case 2:
			b = slices.Insert(b, at, byte(r.UintN(256)))
		case 3:
			b = b[:at]
		case 4: // a length of up to gigabytes
			b = slices.Insert(b, at, []byte{0xF0, byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256)), byte(r.UintN(256))}...)
		case 5:
			b[at] = []byte{0xFF, 0xE0, 0xC0, 0x80, 0x00, 0x7F}[r.IntN(6)]
		case 6: // a piece twice
			end := min(len(b), at+1+r.IntN(200))
			b = slices.Insert(b, end, b[at:end]...)
		case 7: // a sentence of somebody else's making
			b = slices.Insert(b, at, sentence([][]string{{"!done"}, {"!trap", "=message=no"}, {"!fatal", "bye"}, {"!empty"}, {"!re"}, {"!done", ".tag=1"}, {"!done", said.last}, {"!re", said.last}, {"!trap", said.last}}[r.IntN(9)]...)...)
		case 8: // two sentences change places, as far as bytes know of sentences
			from := r.IntN(len(b))
			b = append(slices.Clone(b[from:]), b[:from]...)
		}
	}
	said.phases[i] = b
	return said
}

func sentence(words ...string) []byte {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	_ = w.Write(words...)
	_ = w.Flush()
	return b.Bytes()
}

// confirms reports whether the bytes of a phase hold a whole !done for a tag.
func confirms(answer []byte, tag string) bool {
	r := wire.NewReader(bytes.NewReader(answer), wire.DefaultLimits())
	for {
		words, err := r.Read()
		if err != nil {
			return false
		}
		if words[0] == "!done" && slices.Contains(words, tag) {
			return true
		}
	}
}

// mostPerCase bounds what a client may allocate for answers of a few kilobytes.
const mostPerCase = 8 << 20

// TestMutatedReplies: whatever a router answers, there is no panic, no call outlives its time-out, memory stays bounded, and a write that
// was not confirmed is never taken for done.
func TestMutatedReplies(t *testing.T) {
	cases := 10_000
	if testing.Short() {
		cases = 1_000
	}
	said := genuine(t)
	ends := map[string]int{}
	var most uint64
	for n := range cases {
		r := rand.New(rand.NewPCG(uint64(n), 77))
		broken, hangUp := mutate(r, said), r.IntN(2) == 0
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		synctest.Test(t, func(t *testing.T) {
			ret, err := play(t, broken, hangUp, 10*time.Second)
			if err == nil && !confirms(broken.phases[2], said.last) && !confirms(slices.Concat(broken.phases[1], broken.phases[2]), said.last) {
				t.Errorf("case %d: the add counts as done (%s), and nobody said so", n, ret)
			}
			ends[kind(err)]++
		})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > mostPerCase {
			t.Errorf("case %d allocated %d bytes", n, took)
		} else {
			most = max(most, took)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d mutated conversations: %v; at most %d kB allocated for one", cases, ends, most>>10)
}

func kind(err error) string {
	var lost *api.LostError
	var late *api.TimeoutError
	var trap *api.TrapError
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &lost):
		return "lost"
	case errors.As(err, &late):
		return "time-out"
	case errors.As(err, &trap):
		return "trap"
	}
	return "other error"
}

// FuzzSession feeds a logged-in client with arbitrary answers.
func FuzzSession(f *testing.F) {
	said := genuine(f)
	f.Add(said.phases[1], said.phases[2])
	f.Add(said.phases[2], said.phases[1])
	f.Add([]byte{0xF0, 0xFF, 0xFF, 0xFF, 0xFF}, []byte("!done"))
	f.Fuzz(func(t *testing.T, snapshot, reply []byte) {
		broken := said
		broken.phases[1], broken.phases[2] = snapshot, reply
		ret, err := play(t, broken, true, 3*time.Millisecond)
		if err == nil && !confirms(slices.Concat(snapshot, reply), said.last) {
			t.Errorf("the add counts as done (%s), and nobody said so", ret)
		}
	})
}

func write() routeros.Command {
	return routeros.NewCommand(routeros.Filter.Verb("add"), "chain", "input", "action", "accept")
}
