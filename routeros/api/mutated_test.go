package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/rsc"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
	"github.com/rosknock/rosknock/routeros/wire"
)

// The phases of the conversation that is recorded, and then played with changes.
const (
	phaseLogin = iota
	phaseSnapshot
	phaseAdd
	phaseSet
	phaseMove
	phaseBatch
	phaseListen
	phaseCancel
	phaseRemove
	phases
)

// script is a conversation: what the router says in each phase, and how many sentences the client
// says before.
type script struct {
	said      [phases][]byte
	sentences [phases]int
}

// recorder keeps what a router says to a client, by phases.
type recorder struct {
	net.Conn
	*recording
}

type recording struct {
	mu    sync.Mutex
	phase int
	script
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[r.phase] = append(r.said[r.phase], p[:n]...)
	return n, err
}

func (r *recording) begin(phase int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase = phase
}

func (r *recording) heard(sim.Request) sim.Action {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sentences[r.phase]++
	return sim.Action{}
}

// genuine has the conversation with a simulated router and keeps what it said.
func genuine(t *testing.T) script {
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		t.Fatal(err)
	}
	var said script
	synctest.Test(t, func(t *testing.T) {
		record := new(recording)
		ctx := t.Context()
		snapshot, _ := rsc.Read(text).Snapshot(rsc.Options{})
		router := simtest.New(t, sim.Options{Users: []sim.User{{Name: "admin", Password: "sesame"}}, Fault: record.heard}, snapshot)
		s, err := api.NewSession(ctx, recorder{simtest.Pipe(t, router), record}, "admin", "sesame", api.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, o := range converse(ctx, s, func(phase int) {
			record.begin(phase)
			if phase == phaseListen {
				go func() { // once the client listens and nothing else happens, something changes
					time.Sleep(time.Second)
					if err := router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "l", "address", "192.0.2.1")); err != nil {
						t.Error(err)
					}
				}()
			}
		}) {
			if o.err != nil {
				t.Errorf("phase %d, %s: %v", o.phase, o.command.Path, o.err)
			}
		}
		synctest.Wait()
		said = record.script
	})
	for phase, b := range said.said {
		if len(b) == 0 || said.sentences[phase] == 0 {
			t.Fatalf("phase %d: %d bytes after %d sentences", phase, len(b), said.sentences[phase])
		}
	}
	return said
}

// outcome is how a client fared with a command.
type outcome struct {
	phase   int
	command routeros.Command
	err     error
	took    time.Duration
}

// converse says all that the client has to say after the login, however it fares.
func converse(ctx context.Context, s *api.Session, begin func(phase int)) []outcome {
	var all []outcome
	batch := func(phase int, commands ...routeros.Command) []api.Result {
		begin(phase)
		start := time.Now()
		results, err := s.Batch(ctx, commands)
		for i, c := range commands {
			o := outcome{phase, c, err, time.Since(start)}
			if err == nil {
				o.err = results[i].Err
			}
			all = append(all, o)
		}
		return results
	}
	begin(phaseSnapshot)
	start := time.Now()
	snapshot, err := s.Snapshot(ctx)
	all = append(all, outcome{phaseSnapshot, show(routeros.Filter), err, time.Since(start)})
	anchor, id := "*1", "*FF"
	if rules := snapshot.Rules[routeros.Filter]; len(rules) > 1 {
		anchor = rules[1].ID
	}
	if results := batch(phaseAdd, write()); len(results) > 0 && results[0].Err == nil {
		id = results[0].Ret
	}
	batch(phaseSet, routeros.NewCommand(routeros.Filter.Verb("set"), ".id", id, "comment", "mine"))
	batch(phaseMove, routeros.NewCommand(routeros.Filter.Verb("move"), "numbers", id, "destination", anchor))
	batch(phaseBatch, routeros.NewCommand(routeros.Filter.Verb("set"), ".id", id, "disabled", "yes"), show(routeros.Identity), routeros.NewCommand(routeros.AddressList.Verb("add"), "list", "m", "address", "192.0.2.2"))
	all = append(all, hear(ctx, s, begin))
	batch(phaseRemove, routeros.NewCommand(routeros.Filter.Verb("remove"), ".id", id))
	return all
}

// hear listens for one change, and then cancels.
func hear(ctx context.Context, s *api.Session, begin func(phase int)) outcome {
	begin(phaseListen)
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	listen := routeros.NewCommand(routeros.AddressList.Verb("listen"))
	err := s.Listen(ctx, listen, func(routeros.Attributes) error {
		begin(phaseCancel)
		cancel()
		return nil
	})
	synctest.Wait() // until the cancel has left, before what comes next
	return outcome{phaseListen, listen, err, time.Since(start)}
}

const playTimeout = 10 * time.Second

// stage is a router that says what a script says.
type stage struct {
	conn  net.Conn
	heard []wire.Sentence // what the client really said
	over  chan struct{}
}

// play says each phase once the client has said all that it has to say before, and hangs up at the
// end or falls silent.
func (p *stage) play(said script, hangUp bool) {
	defer close(p.over)
	r := wire.NewReader(p.conn, wire.DefaultLimits())
	listen := func() bool {
		sentence, err := r.Read()
		p.heard = append(p.heard, sentence)
		return err == nil
	}
	for phase, answer := range said.said {
		for range said.sentences[phase] {
			if !listen() {
				return
			}
		}
		if _, err := p.conn.Write(answer); err != nil {
			return
		}
	}
	if hangUp {
		p.conn.Close()
		return
	}
	for more := true; more; {
		more = listen()
	}
}

// played lets a client talk to a router that says a script, and checks how it fares. It runs in a
// bubble.
func played(t *testing.T, said script, hangUp bool, ends map[string]int) {
	client, server := net.Pipe()
	p := &stage{conn: server, over: make(chan struct{})}
	go p.play(said, hangUp)
	var all []outcome
	target := api.Target{Address: "192.0.2.1", User: "admin", Transport: api.Plain, Timeout: playTimeout}
	start := time.Now()
	s, err := api.Dial(t.Context(), target, "sesame", api.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return client, nil }})
	if err == nil {
		all = converse(t.Context(), s, func(int) {})
		_ = s.Close()
	} else {
		all = []outcome{{phaseLogin, routeros.NewCommand("/login"), err, time.Since(start)}}
	}
	client.Close()
	server.Close()
	<-p.over
	said.judge(t, all, p.heard, ends)
}

// judge checks that every call ended in time, with a short error of a known type, and that nothing
// counts as done, or refused, unless the router said so.
func (s script) judge(t *testing.T, all []outcome, heard []wire.Sentence, ends map[string]int) {
	confirmed := confirmations(slices.Concat(s.said[:]...))
	for _, o := range all {
		how := kind(o.err)
		ends[how]++
		if o.took > playTimeout {
			t.Errorf("phase %d took %s", o.phase, o.took)
		}
		if how == "other error" && o.phase != phaseSnapshot || o.err != nil && len(o.err.Error()) >= 1<<10 {
			t.Errorf("phase %d: %T: %.2000v", o.phase, o.err, o.err)
		}
		if how != "done" && how != "trap" || o.phase == phaseListen || o.phase == phaseLogin {
			continue // a listen is over when its context is
		}
		tag, later, found := asked(heard, o.command)
		heard = later
		if !found || !confirmed[tag] {
			t.Errorf("phase %d: %s counts as %s (%v), and nobody said so", o.phase, o.command.Path, how, o.err)
		}
	}
}

// asked returns with which tag a router heard a command, and what it heard later.
func asked(heard []wire.Sentence, c routeros.Command) (string, []wire.Sentence, bool) {
	words := c.Words()
	for i, sentence := range heard {
		if len(sentence) == len(words)+1 && slices.Equal(sentence[:len(words)], words) {
			return lastTag(sentence), heard[i+1:], true
		}
	}
	return "", heard, false
}

// confirmations are the tags for which there is a whole !done. Of several tags in a sentence the
// last counts, as it does for the client.
func confirmations(answers []byte) map[string]bool {
	all := map[string]bool{}
	for r := wire.NewReader(bytes.NewReader(answers), wire.DefaultLimits()); ; {
		words, err := r.Read()
		if err != nil {
			return all
		}
		if words[0] == "!done" {
			all[lastTag(words)] = true
		}
	}
}

func lastTag(words []string) string {
	for _, word := range slices.Backward(words[1:]) {
		if strings.HasPrefix(word, ".tag=") {
			return word
		}
	}
	return ""
}

// mutate changes one phase: its bytes, or its sentences, or both.
func mutate(r *rand.Rand, said script) script {
	phase := r.IntN(phases)
	how := r.IntN(3)
	if how != 0 {
		said.said[phase] = mutateSentences(r, said.said[phase])
	}
	if how != 1 {
		said.said[phase] = mutateBytes(r, said.said[phase])
	}
	return said
}

func mutateBytes(r *rand.Rand, said []byte) []byte {
	b := slices.Clone(said)
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
			b = slices.Insert(b, at, encoded(foreign(r))...)
		case 8: // two halves change places
			b = append(slices.Clone(b[at:]), b[:at]...)
		}
	}
	return b
}

func mutateSentences(r *rand.Rand, said []byte) []byte {
	sentences := decoded(said)
	for range 1 + r.IntN(4) {
		if len(sentences) == 0 {
			break
		}
		at, other := r.IntN(len(sentences)), r.IntN(len(sentences))
		switch r.IntN(8) {
		case 0:
			sentences[at], sentences[other] = sentences[other], sentences[at]
		case 1:
			sentences = slices.Delete(sentences, at, at+1)
		case 2:
			sentences = slices.Insert(sentences, other, sentences[at])
		case 3:
			sentences[at] = retagged(r, sentences[at])
		case 4:
			sentences = slices.Insert(sentences, at, foreign(r))
		case 5: // volume
			sentences = slices.Insert(sentences, at, slices.Repeat([][]string{sentences[at]}, 1+r.IntN(100))...)
		case 6:
			sentences = slices.Insert(sentences, at, slices.Repeat([][]string{foreign(r)}, 1+r.IntN(600))...)
		case 7: // another kind of reply
			sentences[at] = append([]string{[]string{"!re", "!done", "!trap", "!empty", "!fatal", "!more", "x"}[r.IntN(7)]}, sentences[at][1:]...)
		}
	}
	return encoded(sentences...)
}

// anyTag is a tag of some command of the conversation, or of none.
func anyTag(r *rand.Rand) string {
	return []string{"", ".tag=", ".tag=x", fmt.Sprintf(".tag=%d", r.IntN(30)), fmt.Sprintf(".tag=%d", 19+r.IntN(9))}[min(r.IntN(8), 4)]
}

// retagged gives a sentence another tag, or two.
func retagged(r *rand.Rand, sentence []string) []string {
	words := slices.Clone(sentence)
	if r.IntN(4) > 0 {
		words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, ".tag=") })
	}
	if tag := anyTag(r); tag != "" && len(words) > 0 {
		words = slices.Insert(words, 1+r.IntN(len(words)), tag)
	}
	return words
}

// foreign is a reply of somebody else's making.
func foreign(r *rand.Rand) []string {
	return retagged(r, [][]string{
		{"!done"}, {"!done", "=ret=*7"}, {"!trap", "=message=no"}, {"!trap", "=message=failure: " + strings.Repeat("no ", 400)}, {"!fatal", "bye"}, {"!empty"}, {"!re"},
		{"!re", "=.id=*1", "=list=l"}, {"!more", "=a=b"}, slices.Repeat([]string{"!re"}, 100), {"!re", "=comment=" + strings.Repeat("\xff", 3000)},
	}[r.IntN(11)])
}

func decoded(said []byte) [][]string {
	var all [][]string
	for r := wire.NewReader(bytes.NewReader(said), wire.DefaultLimits()); ; {
		words, err := r.Read()
		if err != nil {
			return all
		}
		all = append(all, words)
	}
}

// allocates runs a conversation and checks that what it allocates is in proportion to what the
// router says.
func allocates(t *testing.T, said script, run func()) uint64 {
	t.Helper()
	most := uint64(8 << 20) // two words of a megabyte that are announced and never come, and more
	for _, b := range said.said {
		most += 80 * uint64(len(b)) // the smallest word, twice: the judge reads it too
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	took := after.TotalAlloc - before.TotalAlloc
	if took > most {
		t.Errorf("%d bytes allocated, at most %d may be", took, most)
	}
	return took
}

// TestMutatedReplies: whatever a router answers, there is no panic, no call outlives its time-out,
// memory stays bounded, and nothing that was not confirmed is ever taken for done.
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
		most = max(most, allocates(t, broken, func() {
			synctest.Test(t, func(t *testing.T) { played(t, broken, hangUp, ends) })
		}))
		if t.Failed() {
			t.Fatalf("in case %d", n)
		}
	}
	t.Logf("%d mutated conversations: %v; at most %d kB allocated for one", cases, ends, most>>10)
}

// TestPlayed: the conversation as it was recorded goes well in every phase.
func TestPlayed(t *testing.T) {
	said := genuine(t)
	synctest.Test(t, func(t *testing.T) {
		ends := map[string]int{}
		played(t, said, false, ends)
		if ends["done"] != 9 || len(ends) != 1 {
			t.Errorf("%v", ends)
		}
	})
}

func kind(err error) string {
	var lost *api.LostError
	var late *api.TimeoutError
	var trap *api.TrapError
	var limit *wire.LimitError
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &limit):
		return "limit"
	case errors.As(err, &lost):
		return "lost"
	case errors.As(err, &late):
		return "time-out"
	case errors.As(err, &trap):
		return "trap"
	}
	return "other error"
}

// FuzzSession feeds a logged-in client with arbitrary answers to two phases.
func FuzzSession(f *testing.F) {
	var said script
	var once sync.Once
	f.Add([]byte("\x03!re\x06.tag=1\x00\x05!done\x06.tag=1\x00"), []byte("\x05!done\x07.tag=19\x07=ret=*1\x00"))
	f.Add([]byte{0xF0, 0xFF, 0xFF, 0xFF, 0xFF}, []byte("!done"))
	f.Fuzz(func(t *testing.T, snapshot, reply []byte) {
		once.Do(func() { said = genuine(t) })
		for _, phase := range []int{phaseSnapshot, phaseBatch} {
			broken := said
			broken.said[phase], broken.said[phase+1] = snapshot, reply
			allocates(t, broken, func() {
				synctest.Test(t, func(t *testing.T) { played(t, broken, true, map[string]int{}) })
			})
		}
	})
}

func write() routeros.Command {
	return routeros.NewCommand(routeros.Filter.Verb("add"), "chain", "input", "action", "accept")
}
