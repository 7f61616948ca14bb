package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// TestUndoable: which changes of a router there is something to take back of, and which did not come to an end.
func TestUndoable(t *testing.T) {
	tests := []struct{ name, journal, undoable, unfinished string }{
		{"nothing", "", "", ""},
		{"done", "begin a, end a changed", "a", ""},
		{"two", "begin a, end a changed, begin b, end b changed", "b a", ""},
		{"refused and taken back at once", "begin a, end a refused, begin b, end b reverted", "", ""},
		{"failed, unknown and killed", "begin a, end a failed, begin b, end b unknown, begin c", "c b a", "c"},
		{"undone", "begin a, end a changed, begin b, end b changed, begin c b, end c changed b", "a", ""},
		{"an undo that failed", "begin a, end a changed, begin b a, end b failed a", "a", ""},
		{"an undo that found nothing", "begin a, begin b a, end b unchanged a", "", ""},
		{"killed long ago", "begin a, begin b, end b changed", "b a", ""},
		{"another router's", "elsewhere a, end a changed", "", ""},
	}
	for _, test := range tests {
		var records []state.Record
		for line := range strings.SplitSeq(test.journal, ", ") {
			words := append(strings.Fields(line), "", "", "", "")
			r := state.Record{Event: words[0], Address: "r", Change: words[1], Undoes: words[2]}
			switch r.Event {
			case "":
				continue
			case "elsewhere":
				r.Event, r.Address = state.Begin, "s"
			case state.End:
				r.Outcome, r.Undoes = words[2], words[3]
			}
			records = append(records, r)
		}
		names := func(records []state.Record) string {
			var out []string
			for _, r := range records {
				out = append(out, r.Change)
			}
			return strings.Join(out, " ")
		}
		if got := names(state.Undoable(records, "r")); got != test.undoable {
			t.Errorf("%s: undoable %q, want %q", test.name, got, test.undoable)
		}
		if got := names(state.Unfinished(records, "r")); got != test.unfinished {
			t.Errorf("%s: unfinished %q, want %q", test.name, got, test.unfinished)
		}
	}
}

// TestBackup: what was there comes back from a backup byte for byte, comments that are not UTF-8 included, and names that are none are
// refused.
func TestBackup(t *testing.T) {
	rule := routeros.Rule{ID: "*1F", Attrs: routeros.MakeAttributes("chain", "input", "action", "drop", "comment", "\xe9quipe \"x\" [rosknock m/x]")}
	before := routeros.Snapshot{
		Identity: "r", Version: routeros.Version{Major: 7, Minor: 20},
		Rules:    map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule, {ID: "*2", Dynamic: true}}, routeros.NAT: {rule}},
		Entries:  map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{ID: "*3", List: "l", Address: "192.0.2.1", Comment: "\xff"}, {ID: "*4", List: "l", Address: "192.0.2.2", Dynamic: true}}},
		Services: []routeros.Service{{ID: "*0", Name: "telnet", Port: 23, FromName: "available-from", From: []string{"10.0.0.0/8"}}},
	}
	changes := diff.ChangeSet{Steps: []diff.Step{
		{Op: diff.Remove, Menu: routeros.Filter, ID: "*1F", Slot: "m/x", Was: rule.Attrs},
		{Op: diff.Add, Menu: routeros.AddressList, Slot: "m/allow", Set: routeros.MakeAttributes("list", "l", "address", "192.0.2.3")},
		{Op: diff.Disable, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet", Set: routeros.MakeAttributes("disabled", "true")},
	}}
	d := open(t)
	b := state.NewBackup(before, changes)
	b.Change, b.Address, b.Plan = "20261121-041500-3fa9", "[2001:db8::1]:8729", "m"
	if err := d.SaveBackup(b); err != nil {
		t.Fatal(err)
	}
	read, err := d.LoadBackup(b.Address, b.Change)
	if err != nil {
		t.Fatal(err)
	}
	is := read.Before()
	if rules := is.Rules[routeros.Filter]; len(rules) != 1 || rules[0].ID != "*1F" || !rules[0].Attrs.Equal(rule.Attrs) {
		t.Errorf("rules %+v", rules)
	}
	if _, kept := is.Rules[routeros.NAT]; kept {
		t.Error("a menu that is not touched was kept")
	}
	if entries := is.Entries[routeros.AddressList]; len(entries) != 1 || entries[0].Comment != "\xff" {
		t.Errorf("entries %+v", entries)
	}
	if s, ok := is.Service("telnet"); !ok || s.Port != 23 || s.FromName != "available-from" || len(s.From) != 1 {
		t.Errorf("service %+v", s)
	}
	got := read.Changes()
	for i, step := range changes.Steps {
		if g := got.Steps[i]; g.Op != step.Op || g.Menu != step.Menu || g.ID != step.ID || g.Slot != step.Slot || !g.Set.Equal(step.Set) || !g.Was.Equal(step.Was) {
			t.Errorf("step %d: %+v, want %+v", i, g, step)
		}
	}
	for _, name := range []string{"", "../../x", "20261121-041500-0000"} {
		if _, err := d.LoadBackup(b.Address, name); err == nil {
			t.Errorf("%q was loaded", name)
		}
	}
}

// FuzzFiles: whatever a file in the state folder holds, it is read or refused.
func FuzzFiles(f *testing.F) {
	d, err := state.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	const change = "20261121-041500-3fa9"
	b := state.NewBackup(routeros.Snapshot{}, diff.ChangeSet{Steps: []diff.Step{{Op: diff.Add, Menu: routeros.Filter, Set: routeros.MakeAttributes("chain", "input", "comment", "\xff")}}})
	b.Change, b.Address = change, "r"
	if err := errors.Join(d.SaveBackup(b), d.Append(state.Record{Event: state.Begin, Change: change})); err != nil {
		f.Fatal(err)
	}
	backup, journal := filepath.Join(d.Path(), "backups", "r", change+".json"), filepath.Join(d.Path(), "journal.ndjson")
	for _, name := range []string{backup, journal} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{backup, journal} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := d.LoadBackup("r", change); err == nil {
			b.Before().Digest()
			_ = len(b.Changes().Steps)
		}
		records, _ := d.Journal() // a broken one says where
		_ = state.Unfinished(records, "r")
		_, _ = state.Load(backup)
	})
}
