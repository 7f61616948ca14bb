package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-routeros/routeros/v3/proto"
	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros/wire"
)

func encode(t testing.TB, sentences ...[]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	for _, s := range sentences {
		if err := w.Write(s...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLengths: the prefix at each boundary, as MikroTik documents it.
func TestLengths(t *testing.T) {
	for n, want := range map[int][]byte{
		1: {0x01}, 0x7F: {0x7F}, 0x80: {0x80, 0x80}, 0x3FFF: {0xBF, 0xFF}, 0x4000: {0xC0, 0x40, 0x00},
		0x1FFFFF: {0xDF, 0xFF, 0xFF}, 0x200000: {0xE0, 0x20, 0x00, 0x00},
	} {
		word := strings.Repeat("x", n)
		got := encode(t, []string{word})
		if !bytes.Equal(got[:len(want)], want) {
			t.Errorf("%d bytes: prefix % x, want % x", n, got[:len(want)], want)
		}
		limits := wire.Limits{Word: 4 << 20, Words: 4, Sentence: 8 << 20}
		back, err := wire.NewReader(bytes.NewReader(got), limits).Read()
		if err != nil || len(back) != 1 || back[0] != word {
			t.Errorf("%d bytes don't come back: %v", n, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 300), func(b []byte) string { return string(b) })
		sentences := rapid.SliceOf(rapid.SliceOfN(word, 1, 8)).Draw(t, "sentences")
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		for _, s := range sentences {
			if err := w.Write(s...); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r := wire.NewReader(&b, wire.DefaultLimits())
		for _, want := range sentences {
			if got, err := r.Read(); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q, %v, want %q", got, err, want)
			}
		}
		if _, err := r.Read(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}

// TestHostile: what can't be framing is refused before anything is set aside for it.
func TestHostile(t *testing.T) {
	for name, data := range map[string][]byte{
		"12 GiB":          {0xF0, 0xFF, 0xFF, 0xFF, 0xFF},
		"over the bound":  {0xE0, 0x20, 0x00, 0x00},
		"a reserved byte": {0xF8, 0x01},
		"too many words":  bytes.Repeat([]byte{1, 'x'}, 5000),
		"too many bytes":  bytes.Repeat(append([]byte{0xCF, 0x00, 0x00}, make([]byte, 0xF0000)...), 6),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := wire.NewReader(bytes.NewReader(data), wire.DefaultLimits()).Read()
		runtime.ReadMemStats(&after)
		if _, ok := errors.AsType[*wire.LimitError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; len(data) < 10 && allocated > 1<<20 {
			t.Errorf("%s: %d bytes allocated before the refusal", name, allocated)
		}
	}
}

// TestLimit: limits hold from the next sentence on, in both directions.
func TestLimit(t *testing.T) {
	small, large := wire.Limits{Word: 10, Words: 2, Sentence: 15}, wire.DefaultLimits()
	long := []string{"!re", "=source=" + strings.Repeat("x", 100)}
	r := wire.NewReader(bytes.NewReader(encode(t, []string{"!done"}, long, long)), small)
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	r.Limit(large)
	if s, err := r.Read(); err != nil || !slices.Equal(s, long) {
		t.Errorf("%q, %v", s, err)
	}
	r.Limit(small)
	if _, err := r.Read(); err == nil {
		t.Error("a word of 108 bytes was taken for one of ten")
	}
}

func TestCutOff(t *testing.T) {
	whole := encode(t, []string{"!re", "=name=value"})
	for n := range whole {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := wire.NewReader(bytes.NewReader(whole[:n]), wire.DefaultLimits()).Read(); !errors.Is(err, want) {
			t.Errorf("after %d bytes: %v, want %v", n, err, want)
		}
	}
	if s, err := wire.NewReader(bytes.NewReader(append([]byte{0, 0}, whole...)), wire.DefaultLimits()).Read(); err != nil || len(s) != 2 {
		t.Errorf("empty sentences before one: %q, %v", s, err)
	}
	if err := wire.NewWriter(io.Discard).Write("a", "", "b"); err == nil {
		t.Error("a word that would end the sentence was written")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x03!re\x05=a=bc\x00\x05!done\x00"))
	f.Add([]byte{0xF0, 1, 2, 3, 4, 5})
	f.Add([]byte{0x80, 0x01, 'x', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := wire.NewReader(bytes.NewReader(data), wire.Limits{Word: 1 << 10, Words: 64, Sentence: 1 << 12})
		for {
			s, err := r.Read()
			if err != nil {
				return
			}
			back, err := wire.NewReader(bytes.NewReader(encode(t, s)), wire.DefaultLimits()).Read()
			if err != nil || !slices.Equal(back, s) {
				t.Fatalf("%q came back as %q, %v", s, back, err)
			}
		}
	})
}

// table is a reply of 10,000 rows of 20 words.
func table(b *testing.B) []byte {
	b.Helper()
	var rows [][]string
	for i := range 10_000 {
		row := []string{"!re"}
		for j := range 19 {
			row = append(row, fmt.Sprintf("=column-%d=value-%d", j, i))
		}
		rows = append(rows, row)
	}
	return encode(b, rows...)
}

func BenchmarkTable(b *testing.B) {
	data := table(b)
	b.Run("wire", func(b *testing.B) {
		for b.Loop() {
			r := wire.NewReader(bytes.NewReader(data), wire.DefaultLimits())
			for range 10_000 {
				if _, err := r.Read(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("go-routeros", func(b *testing.B) {
		for b.Loop() {
			r := proto.NewReader(bytes.NewReader(data))
			for range 10_000 {
				if _, err := r.ReadSentence(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
