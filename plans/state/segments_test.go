package state_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/state"
)

func november(day int) time.Time { return time.Date(2026, 11, day, 3, 0, 0, 0, time.UTC) }

func add(t interface {
	Helper()
	Fatal(...any)
}, d state.Dir, records ...state.Record) {
	t.Helper()
	for _, r := range records {
		if err := d.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func history(t interface {
	Helper()
	Fatal(...any)
}, d state.Dir) *state.History {
	t.Helper()
	h, err := d.History()
	if err != nil {
		t.Fatal(err)
	}
	return h.IndexAll()
}

// files are the segments of the journal, the oldest first.
func files(t *testing.T, d state.Dir) []string {
	t.Helper()
	full, err := filepath.Glob(filepath.Join(d.Path(), "journal.d", "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return append(full, file(d))
}

// TestLongTexts: what a router says of itself, and of what failed, may be of any length and
// hold any byte: the chain stays whole, and the record is found again as the last.
func TestLongTexts(t *testing.T) {
	for name, text := range map[string]string{
		"long": strings.Repeat("x", 70_000), "long without end of a character": strings.Repeat("ä", 35_001), "not UTF-8": "r\xff\xc3(\x80",
		"cut off": strings.Repeat("x", 300) + "\xe2\x82", "controls": "\x1b]0;x\a\r\n\u2028<&>", "both": strings.Repeat("\xff", 70_000),
	} {
		d := open(t)
		add(t, d, state.Record{Identity: "r1"},
			state.Record{Identity: text, Router: text, Plan: text, Error: text, Actor: text, Address: "r", Accepted: []string{text}, Event: state.End},
			state.Record{Identity: "r1", Address: "r"})
		if n, err := history(t, d).Verify(); n != 3 || err != nil {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
		records, err := history(t, d).Records("r")
		if err != nil || len(records) != 2 || records[1].Seq != 3 {
			t.Errorf("%s: %+v, %v", name, records, err)
		}
		for line := range strings.SplitSeq(read(t, file(d)), "\n") {
			if len(line) > 40_000 {
				t.Errorf("%s: a line has %d bytes", name, len(line))
			}
		}
	}
}

// TestLongLine: what has to be put back is kept whole, however long it is, and the line is found as
// the last.
func TestLongLine(t *testing.T) {
	d := open(t)
	add(t, d, state.Record{Address: "r", Event: state.Begin, Touched: []state.Touched{{Was: state.Text(strings.Repeat("y", 3<<20))}}}, state.Record{Address: "r"})
	records, err := d.Journal()
	if err != nil || len(records) != 2 || records[1].Seq != 2 || len(records[0].Touched[0].Was) != 3<<20 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// oldJournal writes a journal as rosknock wrote it before there were segments: one file, each line
// with the hash over itself with an empty hash.
func oldJournal(t *testing.T, d state.Dir, n int, router func(int) string) {
	t.Helper()
	var text bytes.Buffer
	prev := ""
	for i := range n {
		line := fmt.Sprintf(`{"seq":%d,"time":"2026-10-%02dT01:02:03.456Z","actor":"noc@desk","command":"apply","event":"begin","router":"x","address":%q,"plan":"branch","change":"20261101-000000-%04x","steps":%d,"before":"sha256:%064d","prev":%q,"hash":""}`,
			i+1, 1+i*20/n, router(i), i%0x10000, i, i, prev)
		prev = fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(line)))
		text.WriteString(strings.TrimSuffix(line, `"}`) + prev + "\"}\n")
	}
	if err := os.WriteFile(file(d), text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOldJournal: a journal of an older rosknock, also one longer than a segment, is read, found in
// and gone on with; nothing is lost, and the chain is whole from its first record to the newest.
func TestOldJournal(t *testing.T) {
	for n, last := range map[int]time.Time{3: november(1), 23_000: november(1).AddDate(0, 0, -10)} { // another month; 9 MB
		d := open(t)
		oldJournal(t, d, n, func(i int) string { return fmt.Sprintf("192.0.2.%d:8729", i%100) })
		if count, err := history(t, state.OpenReading(d.Path())).Verify(); count != n || err != nil {
			t.Errorf("before: %d, %v", count, err)
		}
		add(t, d, state.Record{Time: last, Address: "192.0.2.1:8729", Change: "new"}, state.Record{Time: last, Address: "192.0.2.2:8729"})
		records, err := d.Journal()
		if err != nil || len(records) != n+2 || records[n].Seq != int64(n+1) || records[n].Prev != records[n-1].Hash {
			t.Errorf("%d records, %v", len(records), err)
		}
		if got := files(t, d); len(got) != 2 || filepath.Base(got[0]) != "000001-2026-10.ndjson" {
			t.Errorf("%v", got)
		}
		mine, err := history(t, d).Records("192.0.2.1:8729")
		if want := (n+98)/100 + 1; err != nil || len(mine) != want || mine[len(mine)-1].Change != "new" {
			t.Errorf("%d records, want %d, %v", len(mine), want, err)
		}
	}
}

// TestLostByItself: a journal that an older rosknock broke by itself, since the line before was
// longer than it looked back, is not called tampered with.
func TestLostByItself(t *testing.T) {
	d := open(t)
	line := func(seq int, router, prev string) string {
		text := fmt.Sprintf(`{"seq":%d,"time":"2026-11-01T01:02:03Z","actor":"noc","command":"apply","event":"end","identity":%q,"prev":%q,"hash":""}`, seq, router, prev)
		return strings.TrimSuffix(text, `"}`) + fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) + "\"}\n"
	}
	if err := os.WriteFile(file(d), []byte(line(1, strings.Repeat("x", 70_000), "")+line(1, "r1", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := history(t, d).Verify()
	broken, ok := errors.AsType[*state.BrokenError](err)
	if !ok || broken.Line != 2 || !strings.Contains(broken.What, "older rosknock") || strings.Contains(broken.What, "taken out") {
		t.Errorf("%v", err)
	}
}

// TestSegments: whatever is appended, in whichever month, and whatever becomes of the index
// meanwhile: the records of each router are those that a reading of the whole journal finds, and
// the newest come first.
func TestSegments(t *testing.T) {
	quick(t)
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d, err := state.Open(filepath.Join(base, fmt.Sprint(n)))
		if err != nil {
			t.Fatal(err)
		}
		index := filepath.Join(d.Path(), "journal.d", "index")
		key := rapid.SampledFrom([]string{"", "r", "s", "pop1/r", "ключ\n", "\xff"})
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				if err := os.Remove(index); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
			case 1:
				if err := os.MkdirAll(filepath.Dir(index), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(index, rapid.SliceOf(rapid.Byte()).Draw(t, "garbage"), 0o600); err != nil {
					t.Fatal(err)
				}
			default:
				add(t, d, state.Record{Address: key.Draw(t, "key"), Time: time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)})
				if rapid.Bool().Draw(t, "look") {
					if _, err := history(t, d).Records("r"); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		all, err := d.Journal()
		if err != nil {
			t.Fatal(err)
		}
		var back []state.Record
		h := history(t, d)
		if err := h.Newest(nil, func(r state.Record) bool { back = append([]state.Record{r}, back...); return true }); err != nil || !reflect.DeepEqual(back, all) {
			t.Fatalf("%v", err)
		}
		for _, key := range []string{"r", "s", "pop1/r", "ключ\n", "none", "\uFFFD"} {
			var want []state.Record
			for _, r := range all {
				if r.Key() == key {
					want = append(want, r)
				}
			}
			got, err := h.Records(key)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %v, %d records, want %d", key, err, len(got), len(want))
			}
		}
	})
}

// TestAnotherJournal: an index of another journal, of one that was changed, or of one of which a
// part was taken away, is not believed.
func TestAnotherJournal(t *testing.T) {
	router := func(i int) string { return fmt.Sprint("r", i%10) }
	for name, change := range map[string]func(d state.Dir) error{
		"another": func(d state.Dir) error { oldJournal(t, d, 190, func(int) string { return "r7" }); return nil },
		"shorter": func(d state.Dir) error { return os.Truncate(file(d), 2_000) },
		"gone":    func(d state.Dir) error { return os.Remove(file(d)) },
		"a line taken out": func(d state.Dir) error {
			text := read(t, file(d))
			_, rest, _ := strings.Cut(text, "\n")
			return os.WriteFile(file(d), []byte(rest), 0o600)
		},
		"two lines exchanged": func(d state.Dir) error {
			lines := strings.SplitAfter(read(t, file(d)), "\n")
			lines[10], lines[11] = lines[11], lines[10]
			return os.WriteFile(file(d), []byte(strings.Join(lines, "")), 0o600)
		},
	} {
		d := open(t)
		oldJournal(t, d, 200, router)
		if records, err := history(t, d).Records("r3"); err != nil || len(records) != 20 {
			t.Fatal(len(records), err)
		}
		if _, err := os.Stat(filepath.Join(d.Path(), "journal.d", "index")); err != nil {
			t.Fatal(err)
		}
		if err := change(d); err != nil {
			t.Fatal(err)
		}
		all, _ := d.Journal() // which may be broken
		for i := range 10 {
			n := 0
			for _, r := range all {
				if r.Key() == router(i) {
					n++
				}
			}
			if got, err := history(t, d).Records(router(i)); err != nil || len(got) != n {
				t.Errorf("%s: %s: %d records, want %d: %v", name, router(i), len(got), n, err)
			}
		}
	}
}

// TestWhereItBreaks: a break in a full segment is named with its file, and a segment that is
// missing is noticed, from whichever end it is read.
func TestWhereItBreaks(t *testing.T) {
	for name, change := range map[string]func(full []string) error{
		"changed": func(full []string) error {
			return os.WriteFile(full[1], []byte(strings.Replace(read(t, full[1]), `"r"`, `"R"`, 1)), 0o600)
		},
		"missing": func(full []string) error { return os.Remove(full[1]) },
		"first":   func(full []string) error { return os.Remove(full[0]) },
	} {
		d := open(t)
		for month := time.August; month <= time.November; month++ {
			at := time.Date(2026, month, 3, 0, 0, 0, 0, time.UTC)
			add(t, d, state.Record{Address: "r", Time: at}, state.Record{Address: "r", Time: at})
		}
		full := files(t, d)
		if len(full) != 4 {
			t.Fatal(full)
		}
		if err := change(full); err != nil {
			t.Fatal(err)
		}
		_, err := history(t, d).Verify()
		back := history(t, d).Newest(nil, func(state.Record) bool { return true })
		broken, ok := errors.AsType[*state.BrokenError](err)
		if !ok || !strings.HasPrefix(broken.File, "journal.d") || back == nil || back.Error() != err.Error() {
			t.Errorf("%s: %v; backward: %v", name, err, back)
		}
	}
}

// TestReading: to look into the journal makes and changes nothing in the state folder, and works
// where nothing can be written.
func TestReading(t *testing.T) {
	d := open(t)
	oldJournal(t, d, 200, func(i int) string { return fmt.Sprint("r", i%10) })
	if err := errors.Join(os.Remove(filepath.Join(d.Path(), "locks")), os.Chmod(d.Path(), 0o500)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(d.Path(), 0o700) })
	before := listing(t, d.Path())
	h := history(t, state.OpenReading(d.Path()))
	records, err := h.Records("r3")
	n, broken := h.Verify()
	if err != nil || len(records) != 20 || n != 200 || broken != nil {
		t.Errorf("%d, %v, %d, %v", len(records), err, n, broken)
	}
	if after := listing(t, d.Path()); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	nowhere := filepath.Join(d.Path(), "none")
	if n, err := history(t, state.OpenReading(nowhere)).Verify(); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := os.Stat(nowhere); err == nil {
		t.Error("it was made")
	}
}

func listing(t *testing.T, path string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		fmt.Fprintln(&out, name, info.Size(), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestOthers: a state folder, or a journal, that others can write, and a journal that is a link,
// are refused.
func TestOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it has no such modes")
	}
	for _, mode := range []fs.FileMode{0o777, 0o775, 0o702} {
		path := t.TempDir()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := state.Open(path); err == nil || !strings.Contains(err.Error(), "chmod go-w") {
			t.Errorf("%o: %v", mode, err)
		}
	}
	d := open(t)
	add(t, d, state.Record{})
	if err := os.Chmod(file(d), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := d.Append(state.Record{}); err == nil || !strings.Contains(err.Error(), "by others") {
		t.Error(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := errors.Join(os.Chmod(file(d), 0o600), os.Rename(file(d), elsewhere), os.Symlink(elsewhere, file(d))); err != nil {
		t.Fatal(err)
	}
	if err := d.Append(state.Record{}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Error(err)
	}
	if _, err := d.Journal(); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Error(err)
	}
	if n := strings.Count(read(t, elsewhere), "\n"); n != 1 {
		t.Errorf("%d lines were written through the link", n)
	}
}

// TestReadWhileWritten: who reads while others write and segments fill sees whole records in an
// unbroken chain, and never less than before.
func TestReadWhileWritten(t *testing.T) {
	d := open(t)
	add(t, d, state.Record{Address: "r", Time: november(1)})
	var group sync.WaitGroup
	for w := range 4 {
		group.Go(func() {
			for i := range 12 {
				if err := d.Append(state.Record{Address: "r", Time: november(1).AddDate(0, i, w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := 0
	for seen < 49 {
		h, err := d.History()
		if err != nil {
			t.Fatal(err)
		}
		records, err := h.Records("r")
		n, broken := h.Verify()
		if err != nil || broken != nil || len(records) != n || n < seen {
			t.Fatalf("%d records, %d before, %d of the router: %v, %v", n, seen, len(records), err, broken)
		}
		seen = n
		if t.Failed() {
			return
		}
	}
	group.Wait()
}

// TestRun: a run is found by its name, or as the last, from its beginning on.
func TestRun(t *testing.T) {
	d := open(t)
	for _, run := range []string{"run-1", "run-2"} {
		add(t, d, state.Record{Address: "before"}, state.Record{Event: state.RunBegin, Run: run}, state.Record{Event: state.End, Run: run, Address: "r", Outcome: "changed"})
	}
	for run, want := range map[string]int64{state.LastRun: 5, "run-2": 5, "run-1": 2, "run-3": 0} {
		records, err := history(t, d).Run(run)
		if err != nil || want == 0 != (len(records) == 0) || want > 0 && (records[0].Seq != want || records[len(records)-1].Seq != 6) {
			t.Errorf("%s: %+v, %v", run, records, err)
		}
	}
}
