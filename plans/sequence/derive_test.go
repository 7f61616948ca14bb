package sequence_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
)

// question is what testdata/derive.py is asked; with a stage, for a token.
type question struct {
	Secret    string   `json:"secret"`
	Plan      string   `json:"plan"`
	Door      string   `json:"door"`
	Router    string   `json:"router"`
	User      string   `json:"user"`
	Window    int64    `json:"window"`
	Stages    int      `json:"stages"`
	Low       uint16   `json:"low"`
	High      uint16   `json:"high"`
	Protocols []string `json:"protocols"`
	Avoid     []uint16 `json:"avoid"`
	Stage     int      `json:"stage"`
	Size      int      `json:"size"`
}

func (q question) scope() sequence.Scope {
	return sequence.Scope{Plan: q.Plan, Door: q.Door, Router: q.Router, User: q.User}
}

func (q question) spec() sequence.Spec {
	return sequence.Spec{Stages: q.Stages, Low: q.Low, High: q.High, Protocols: q.Protocols, Avoid: q.Avoid}
}

func (q question) answer() (string, error) {
	secret, err := hex.DecodeString(q.Secret)
	if err != nil {
		return "", err
	}
	if q.Stage > 0 {
		token, err := sequence.Token(secret, q.scope(), q.Window, q.Stage, q.Size)
		return string(token), err
	}
	knock, err := sequence.Derive(secret, q.scope(), q.Window, q.spec())
	return short(knock), err
}

func short(knock []plans.Stage) string {
	var out []string
	for _, s := range knock {
		out = append(out, s.Reveal())
	}
	return strings.Join(out, " ")
}

// questions are drawn ones, and corners.
func questions() []question {
	random := rand.New(rand.NewPCG(7, 11))
	out := []question{
		{Secret: "000102030405060708090a0b0c0d0e0f", Plan: "branch", Door: "admin", Router: "r1", Window: 0, Stages: 4, Low: 20000, High: 60000, Protocols: []string{"tcp", "udp"}},
		{Secret: strings.Repeat("ff", 100), Plan: "branch", Door: "admin", Router: "Büro-1", User: "anna", Window: -1, Stages: 16, Low: 1024, High: 65535, Protocols: []string{"icmp", "udp", "tcp"}},
		{Secret: strings.Repeat("a5", 64), Plan: "p", Door: "d", Router: "r", Window: 1 << 62, Stages: 3, Low: 30000, High: 31009, Protocols: []string{"udp"}, Avoid: []uint16{30500, 30400, 30500, 1}},
	}
	for range 60 {
		secret := make([]byte, 16+random.IntN(100))
		for i := range secret {
			secret[i] = byte(random.Uint32())
		}
		low := 1024 + random.IntN(60000)
		q := question{
			Secret: hex.EncodeToString(secret), Plan: fmt.Sprint("plan", random.IntN(9)), Door: "door", Router: fmt.Sprint("r", random.Uint32()), Window: int64(random.Uint64()),
			Stages: 3 + random.IntN(5), Low: uint16(low), High: uint16(min(65535, low+1500+random.IntN(40000))),
			Protocols: [][]string{{"tcp"}, {"udp", "tcp"}, {"tcp", "udp", "icmp"}, {"icmp", "udp"}}[random.IntN(4)],
		}
		for range random.IntN(4) {
			q.Avoid = append(q.Avoid, uint16(low+random.IntN(1000)))
		}
		if random.IntN(2) == 0 {
			q.User = "ben"
		}
		out = append(out, q)
		q.Stage, q.Size = 1+random.IntN(16), 16+random.IntN(49)
		out = append(out, q)
	}
	return out
}

// TestDeriveAgainstPython: a second program, which shares nothing with this one but the
// description, comes to the same.
func TestDeriveAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here; the frozen vectors are tested nevertheless")
	}
	var asked bytes.Buffer
	for _, q := range questions() {
		if err := json.NewEncoder(&asked).Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), python, "testdata/derive.py")
	command.Stdin = &asked
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != len(questions()) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions()))
	}
	for i, q := range questions() {
		if got, err := q.answer(); err != nil || got != answers[i] {
			t.Errorf("%+v:\n here %s (%v)\nthere %s", q, got, err, answers[i])
		}
	}
}

// TestDeriveFrozen: vectors that testdata/derive.py gave. They may never change: routers and
// clients of different versions have to agree.
func TestDeriveFrozen(t *testing.T) {
	want := []string{
		"udp/27859 udp/58392 tcp/54682 tcp/54968",
		"udp/6793 udp/43543 tcp/11252 icmp/947 tcp/31081 udp/13382 udp/48935 icmp/997 udp/23513 udp/34106 udp/23683 udp/52447 udp/34966 udp/51016 icmp/925 udp/45129",
		"udp/30229 udp/30424 udp/30076",
	}
	for i, q := range questions()[:len(want)] {
		if got, err := q.answer(); err != nil || got != want[i] {
			t.Errorf("vector %d: %s (%v)", i, got, err)
		}
	}
	for _, test := range []struct {
		size int
		want string
	}{{16, "dab51ea1589e8925"}, {64, "b82809ff6342737333da3290b4735f14782d1889662e94c1313710a37bc60ffa"}} {
		q := questions()[0]
		q.Stage, q.Size = 2, test.size
		if got, err := q.answer(); err != nil || got != test.want {
			t.Errorf("token of %d digits: %s (%v)", test.size, got, err)
		}
	}
}

func secretOf(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.Byte(), sequence.LeastSecret, 80).Draw(t, "secret")
}

func scopeOf(t *rapid.T) sequence.Scope {
	name := rapid.StringN(1, 30, 60)
	return sequence.Scope{Plan: name.Draw(t, "plan"), Door: name.Draw(t, "door"), Router: name.Draw(t, "router"), User: rapid.StringN(0, 10, 20).Draw(t, "user")}
}

func specOf(t *rapid.T) sequence.Spec {
	low := rapid.Uint16Range(1024, 60000).Draw(t, "low")
	return sequence.Spec{
		Stages: rapid.IntRange(sequence.FewestStages, 8).Draw(t, "stages"), Low: low, High: rapid.Uint16Range(low+2000, 65535).Draw(t, "high"),
		Protocols: rapid.SampledFrom([][]string{nil, {"tcp"}, {"udp"}, {"tcp", "udp"}, {"icmp", "tcp"}, {"icmp", "tcp", "udp"}}).Draw(t, "protocols"),
		Avoid:     rapid.SliceOfN(rapid.Uint16Range(low, low+2000), 0, 200).Draw(t, "avoid"),
	}
}

// TestDerive: a derived sequence is sound, in its range, avoids what it has to, and is the same
// every time.
func TestDerive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret, scope, spec, window := secretOf(t), scopeOf(t), specOf(t), rapid.Int64().Draw(t, "window")
		knock, err := sequence.Derive(secret, scope, window, spec)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := sequence.Derive(slices.Clone(secret), scope, window, spec)
		if !slices.Equal(knock, again) {
			t.Fatal("the same is not the same")
		}
		holds(t, spec, knock)
	})
}

// holds checks a sequence one by one against what is promised, without asking the package.
func holds(t *rapid.T, spec sequence.Spec, knock []plans.Stage) {
	if len(knock) != spec.Stages || !spec.Sound(knock) {
		t.Fatal("not sound")
	}
	var ports []uint16
	for _, s := range knock {
		if s.Protocol == "icmp" {
			if s.Size < 64 || s.Size > 1200 || s.Size%100 == 0 || slices.Contains([]uint16{64, 84, 60, 28, 1500, 128, 92}, s.Size) {
				t.Fatal("a usual size")
			}
			continue
		}
		ports = append(ports, s.Port)
		if s.Port < spec.Low || s.Port > spec.High || slices.Contains(spec.Avoid, s.Port) || slices.Contains([]uint16{1433, 1434, 1900, 5060, 8291, 8728, 8729, 13231, 51820, 33333}, s.Port) {
			t.Fatal("a port that no stage may have")
		}
	}
	for i := 2; i < len(ports); i++ {
		if (ports[i-2] < ports[i-1]) == (ports[i-1] < ports[i]) {
			t.Fatal("three ports rise or fall")
		}
	}
}

// TestDeriveDiffers: whatever part of what goes in changes, another sequence and another token come
// out. Three stages are 45 bits at least here, so two never meet by chance.
func TestDeriveDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret, scope, window := secretOf(t), scopeOf(t), rapid.Int64().Draw(t, "window")
		spec := sequence.Spec{Stages: rapid.IntRange(4, 8).Draw(t, "stages"), Low: 10000, High: 60000}
		knock := must(sequence.Derive(secret, scope, window, spec))
		token := must(sequence.Token(secret, scope, window, 1, 32))
		other := slices.Clone(secret)
		other[rapid.IntRange(0, len(other)-1).Draw(t, "byte")] ^= 1
		moved := scope
		moved.Plan, moved.Door = scope.Plan+scope.Door[:1], scope.Door[1:]+"x"
		for name, change := range map[string]func() ([]plans.Stage, []byte){
			"secret": func() ([]plans.Stage, []byte) { return both(other, scope, window, spec) },
			"longer": func() ([]plans.Stage, []byte) { return both(append(slices.Clone(secret), 1), scope, window, spec) },
			"window": func() ([]plans.Stage, []byte) { return both(secret, scope, window+1, spec) },
			"plan":   func() ([]plans.Stage, []byte) { s := scope; s.Plan += "x"; return both(secret, s, window, spec) },
			"door":   func() ([]plans.Stage, []byte) { s := scope; s.Door += "x"; return both(secret, s, window, spec) },
			"router": func() ([]plans.Stage, []byte) { s := scope; s.Router += "x"; return both(secret, s, window, spec) },
			"user":   func() ([]plans.Stage, []byte) { s := scope; s.User += "x"; return both(secret, s, window, spec) },
			"moved":  func() ([]plans.Stage, []byte) { return both(secret, moved, window, spec) },
		} {
			k, tok := change()
			if slices.Equal(k, knock) || bytes.Equal(tok, token) {
				t.Fatalf("another %s, the same result", name)
			}
		}
		for name, change := range map[string]sequence.Spec{
			"stages": {Stages: spec.Stages + 1}, "low": {Stages: spec.Stages, Low: 10001, High: 60000}, "high": {Stages: spec.Stages, Low: 10000, High: 59999},
			"protocols": {Stages: spec.Stages, Protocols: []string{"tcp"}}, "avoid": {Stages: spec.Stages, Avoid: []uint16{10001}},
		} {
			k := must(sequence.Derive(secret, scope, window, change))
			if slices.Equal(k[:4], knock[:4]) {
				t.Fatalf("another %s, the same sequence", name)
			}
		}
		if bytes.HasPrefix(must(sequence.Token(secret, scope, window, 2, 32)), token) || bytes.HasPrefix(must(sequence.Token(secret, scope, window, 1, 33)), token) {
			t.Fatal("another stage or size, the same token")
		}
	})
}

func both(secret []byte, scope sequence.Scope, window int64, spec sequence.Spec) ([]plans.Stage, []byte) {
	return must(sequence.Derive(secret, scope, window, spec)), must(sequence.Token(secret, scope, window, 1, 32))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestDeriveSame: what is left out, and the order of lists, make no difference.
func TestDeriveSame(t *testing.T) {
	secret, scope := bytes.Repeat([]byte{7}, 32), sequence.Scope{Plan: "p", Door: "d", Router: "r"}
	want := must(sequence.Derive(secret, scope, 5, sequence.Spec{Stages: 5}))
	for _, spec := range []sequence.Spec{
		{Stages: 5, Low: sequence.Lowest, High: sequence.Highest, Protocols: []string{"udp", "tcp", "udp"}, Avoid: []uint16{}},
		{Stages: 5, Protocols: []string{"tcp", "udp"}},
	} {
		if got := must(sequence.Derive(secret, scope, 5, spec)); !slices.Equal(got, want) {
			t.Error("the same Spec, written otherwise, gives another sequence")
		}
	}
	a := must(sequence.Derive(secret, scope, 5, sequence.Spec{Stages: 5, Avoid: []uint16{30001, 20001, 30001}}))
	if b := must(sequence.Derive(secret, scope, 5, sequence.Spec{Stages: 5, Avoid: []uint16{20001, 30001}})); !slices.Equal(a, b) {
		t.Error("the order of what is avoided matters")
	}
}

// TestDeriveRefuses: secrets that can be tried out, scopes that would be shared, and tokens that
// are too short. No error tells the secret.
func TestDeriveRefuses(t *testing.T) {
	scope := sequence.Scope{Plan: "p", Door: "d", Router: "r"}
	var short *sequence.ShortSecretError
	secret := []byte("hunter2hunter2!")
	_, err := sequence.Derive(secret, scope, 0, sequence.Spec{Stages: 4})
	if !errors.As(err, &short) || !strings.Contains(err.Error(), "openssl rand") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := sequence.Token(secret, scope, 0, 1, 32); !errors.As(err, &short) {
		t.Errorf("a token of a short secret: %v", err)
	}
	secret = bytes.Repeat([]byte{1}, 16)
	for _, s := range []sequence.Scope{{Door: "d", Router: "r"}, {Plan: "p", Router: "r"}, {Plan: "p", Door: "d"}} {
		if _, err := sequence.Derive(secret, s, 0, sequence.Spec{Stages: 4}); err == nil {
			t.Errorf("%+v: derived", s)
		}
	}
	for _, c := range [][2]int{{1, 15}, {1, 65}, {0, 32}, {17, 32}, {-1, 32}} {
		if _, err := sequence.Token(secret, scope, 0, c[0], c[1]); err == nil {
			t.Errorf("stage %d, %d digits: a token was made", c[0], c[1])
		}
	}
	if token := must(sequence.Token(secret, scope, 0, 1, 16)); strings.Trim(string(token), "0123456789abcdef") != "" || len(token) != 16 {
		t.Errorf("a token of other than hex digits: %q", token)
	}
}

// TestDeriveSpreads: over many windows of one secret all ports come up alike, both protocols, and
// every order that is sound. The secret is fixed, and so is what comes out; the margins are wide of
// what is seen once in a million.
func TestDeriveSpreads(t *testing.T) {
	const windows, cells = 6000, 40
	secret, scope := bytes.Repeat([]byte{0x42}, 32), sequence.Scope{Plan: "p", Door: "d", Router: "r"}
	ports, orders, protocols, seen := map[int]float64{}, map[int]float64{}, map[int]float64{}, map[string]bool{}
	for window := range int64(windows) {
		knock := must(sequence.Derive(secret, scope, window, sequence.Spec{Stages: 3, Low: 20000, High: 59999}))
		seen[short(knock)] = true
		order, mix := 0, 0
		for i, s := range knock {
			ports[int(s.Port-20000)*cells/40000]++
			mix = 2*mix + len(strings.TrimPrefix(s.Protocol, "tcp"))/3
			order = 2*order + map[bool]int{true: 1}[s.Port > knock[(i+1)%3].Port]
		}
		orders[order]++
		protocols[mix]++
	}
	// Below these lie 99.9999 %: 95 for 39 degrees of freedom, 36 for 5, 31 for 3. The ports that
	// no sequence has take a tenth out of a cell at most, which adds some 5.
	for _, of := range []struct {
		name   string
		counts map[int]float64
		cells  int
		most   float64
	}{{"ports", ports, cells, 120}, {"protocols", protocols, 6, 40}, {"orders", orders, 4, 40}} {
		if got := chiSquare(of.counts); got > of.most || len(of.counts) != of.cells {
			t.Errorf("%s: %d kinds, chi-square %.1f", of.name, len(of.counts), got)
		}
	}
	if len(seen) != windows {
		t.Errorf("%d sequences in %d windows", len(seen), windows)
	}
}

// chiSquare is how far counts are from being all the same.
func chiSquare(counts map[int]float64) (square float64) {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	mean := sum / float64(len(counts))
	for _, n := range counts {
		square += (n - mean) * (n - mean) / mean
	}
	return square
}

// FuzzDerive: nothing that goes in makes it panic, or makes an unsound sequence.
func FuzzDerive(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "p", "d", "r", "u", int64(3), 5, uint16(0), uint16(0), "tcp,udp")
	f.Add([]byte("0123456789abcdef"), "p", "d", "r", "", int64(-3), 3, uint16(1024), uint16(2100), "icmp")
	f.Fuzz(func(t *testing.T, secret []byte, plan, door, router, user string, window int64, stages int, low, high uint16, protocols string) {
		spec := sequence.Spec{Stages: stages, Low: low, High: high, Protocols: strings.Split(protocols, ",")}
		knock, err := sequence.Derive(secret, sequence.Scope{Plan: plan, Door: door, Router: router, User: user}, window, spec)
		if err == nil && !spec.Sound(knock) {
			t.Error("not sound")
		}
	})
}

func BenchmarkDerive(b *testing.B) {
	secret, scope := bytes.Repeat([]byte{1}, 32), sequence.Scope{Plan: "p", Door: "d", Router: "r"}
	for window := int64(0); b.Loop(); window++ {
		if _, err := sequence.Derive(secret, scope, window, sequence.Spec{Stages: 5}); err != nil {
			b.Fatal(err)
		}
	}
}
