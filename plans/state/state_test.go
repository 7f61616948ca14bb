package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// quick puts the temporary folders of a test into memory, where there is a place for that: what is
// on disk when Append returns takes its time.
func quick(t *testing.T) {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

func open(t *testing.T) state.Dir {
	t.Helper()
	quick(t)
	d, err := state.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func file(d state.Dir) string { return filepath.Join(d.Path(), "journal.ndjson") }

// TestJournal: what is appended is read back in order, chained, in a file for its owner alone.
func TestJournal(t *testing.T) {
	d := open(t)
	if records, err := d.Journal(); err != nil || records != nil {
		t.Errorf("an empty journal: %v, %v", records, err)
	}
	for _, outcome := range []string{"changed", "failed", "unknown"} {
		if err := d.Append(state.Record{Time: time.Now(), Command: "apply", Event: state.End, Outcome: outcome, Accepted: []string{"lose-session"}}); err != nil {
			t.Fatal(err)
		}
	}
	records, err := d.Journal()
	if err != nil || len(records) != 3 || records[2].Outcome != "unknown" || records[2].Seq != 3 || records[2].Prev != records[1].Hash {
		t.Errorf("%v, %+v", err, records)
	}
	info, err := os.Stat(file(d))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", err, info.Mode())
	}
}

// TestTampering: each kind of change is noticed, with its line.
func TestTampering(t *testing.T) {
	for name, change := range map[string]func(lines []string) []string{
		"changed":   func(l []string) []string { l[1] = strings.Replace(l[1], "changed", "CHANGED", 1); return l },
		"taken out": func(l []string) []string { return append(l[:1], l[2:]...) },
		"swapped":   func(l []string) []string { l[1], l[2] = l[2], l[1]; return l },
		"twice":     func(l []string) []string { return append(l[:2], l[1:]...) },
		"by hand":   func(l []string) []string { l[1] = "{}"; return l },
		"nonsense":  func(l []string) []string { l[1] = "nonsense"; return l },
	} {
		d := open(t)
		for range 4 {
			if err := d.Append(state.Record{Command: "apply", Outcome: "changed"}); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(file(d))
		if err != nil {
			t.Fatal(err)
		}
		lines := change(strings.Split(strings.TrimSpace(string(data)), "\n"))
		if err := os.WriteFile(file(d), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = d.Journal()
		if broken, ok := errors.AsType[*state.BrokenError](err); !ok || broken.Line < 2 || broken.Line > 3 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTorn: a line that a crash cut short is reported, and what comes after it is kept.
func TestTorn(t *testing.T) {
	d := open(t)
	if err := d.Append(state.Record{Command: "apply"}); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file(d), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq": 2, "comm`); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), d.Append(state.Record{Command: "undo"})); err != nil {
		t.Fatal(err)
	}
	records, err := d.Journal()
	broken, ok := errors.AsType[*state.BrokenError](err)
	if len(records) != 2 || records[1].Command != "undo" || !ok || broken.Line != 2 {
		t.Errorf("%+v, %v", records, err)
	}
}

// TestTogether: many writers at once make one unbroken chain.
func TestTogether(t *testing.T) {
	d := open(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := d.Append(state.Record{Command: "apply"}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if records, err := d.Journal(); err != nil || len(records) != 20 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// TestLock: one run at a time has a router; the other hears who it is. Other routers are free.
func TestLock(t *testing.T) {
	d := open(t)
	lock, err := d.Lock("[2001:db8::1]:8729", state.Holder{PID: 42, Actor: "noc@desk", Command: "apply branch"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Lock("[2001:db8::1]:8729", state.Holder{PID: 43})
	if held, ok := errors.AsType[*state.HeldError](err); !ok || held.Holder.PID != 42 || !strings.Contains(err.Error(), "noc@desk") {
		t.Errorf("%v", err)
	}
	other, err := d.Lock("192.0.2.1:8729", state.Holder{})
	if err != nil {
		t.Error(err)
	}
	if err := errors.Join(lock.Release(), other.Release()); err != nil {
		t.Error(err)
	}
	again, err := d.Lock("[2001:db8::1]:8729", state.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

// TestNowhere: a folder that can't be made says what to do.
func TestNowhere(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(filepath.Join(blocked, "state")); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Error(err)
	}
}

// TestBackupsEnd: a router that changes every hour does not fill the disk, and its newest changes
// can be rolled back.
func TestBackupsEnd(t *testing.T) {
	dir, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	var names []string
	for n := range 105 {
		b := state.NewBackup(routeros.Snapshot{}, change.ChangeSet{})
		b.Change, b.Address, b.Plan = state.NewChange(at.Add(time.Duration(n)*time.Hour)), "192.0.2.1:8729", "m"
		if err := dir.SaveBackup(b); err != nil {
			t.Fatal(err)
		}
		names = append(names, b.Change)
	}
	for n, name := range names {
		if _, err := dir.LoadBackup("192.0.2.1:8729", name); (err == nil) != (n >= 5) {
			t.Errorf("backup %d: %v", n, err)
		}
	}
}

// TestPinsThatAreNone: every line of the known pins that can't be meant is named.
func TestPinsThatAreNone(t *testing.T) {
	d := open(t)
	pin := func(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }
	text := "# known\nr1 " + pin("a") + "\nr2 " + pin("b") + "\nr1 " + pin("A") + "\nr2 " + pin("c") + "\nr3 sha256:1\n"
	if err := os.WriteFile(filepath.Join(d.Path(), "known_routers"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := d.Known()
	if err == nil || strings.Count(err.Error(), "known_routers:") != 2 || !strings.Contains(err.Error(), ":5: the router has another pin in line 3") || !strings.Contains(err.Error(), ":6: ") {
		t.Errorf("%v", err)
	}
}
