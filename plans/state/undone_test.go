package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
)

// TestUndoable: which changes of a router can be rolled back, and which did not come to an end.
func TestUndoable(t *testing.T) {
	tests := []struct{ name, journal, undoable, unfinished string }{
		{"nothing", "", "", ""},
		{"done", "begin a, end a changed", "a", ""},
		{"two", "begin a, end a changed, begin b, end b changed", "b a", ""},
		{"refused and rolled back at once", "begin a, end a refused, begin b, end b reverted", "", ""},
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

// TestBackup: what was there comes back from a backup byte for byte, comments that are not UTF-8
// included, and names that are none are refused.
func TestBackup(t *testing.T) {
	rule := routeros.Rule{ID: "*1F", Attrs: routeros.MakeAttributes("chain", "input", "action", "drop", "comment", "\xe9quipe \"x\" [rosknock m/x]")}
	before := routeros.Snapshot{
		Identity: "r", Version: routeros.Version{Major: 7, Minor: 20},
		Rules:    map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule, {ID: "*2", Dynamic: true}}, routeros.NAT: {rule}},
		Entries:  map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{ID: "*3", List: "l", Address: "192.0.2.1", Comment: "\xff"}, {ID: "*4", List: "l", Address: "192.0.2.2", Dynamic: true}}},
		Services: []routeros.Service{{ID: "*0", Name: "telnet", Port: 23, FromName: "available-from", From: []string{"10.0.0.0/8"}}},
	}
	changes := change.ChangeSet{Steps: []change.Step{
		{Op: change.Remove, Menu: routeros.Filter, ID: "*1F", Slot: "m/x", Was: rule.Attrs},
		{Op: change.Add, Menu: routeros.AddressList, Slot: "m/allow", Set: routeros.MakeAttributes("list", "l", "address", "192.0.2.3")},
		{Op: change.Disable, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet", Set: routeros.MakeAttributes("disabled", "true")},
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

// TestInconsistentBackup: a backup whose parts do not fit together is refused, with its file and
// all that is wrong.
func TestInconsistentBackup(t *testing.T) {
	rule := routeros.NewRule("chain", "input", "action", "drop", "comment", "[rosknock m/x]")
	rule.ID = "*1F"
	entry := routeros.ListEntry{ID: "*3", List: "l", Address: "192.0.2.1"}
	before := routeros.Snapshot{
		Version:  routeros.Version{Major: 7, Minor: 20},
		Rules:    map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule}},
		Entries:  map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {entry}},
		Services: []routeros.Service{{ID: "*0", Name: "telnet", Port: 23, FromName: "address"}},
	}
	sound := func() state.Backup {
		b := state.NewBackup(before, change.ChangeSet{Steps: []change.Step{
			{Op: change.Add, Menu: routeros.Filter, Slot: "m/y", Before: "*1F", Set: routeros.MakeAttributes("chain", "input", "comment", "[rosknock m/y]")},
			{Op: change.Move, Menu: routeros.Filter, Slot: "m/x", ID: "*1F", Before: "+0"},
			{Op: change.Remove, Menu: routeros.Filter, ID: "*1F", Slot: "m/x", Was: rule.Attrs},
			{Op: change.Disable, Menu: routeros.AddressList, ID: "*3", Slot: "m/allow"},
			{Op: change.Set, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet", Set: routeros.MakeAttributes("port", "24", "address", "10.0.0.0/8")},
		}})
		b.Change, b.Address, b.Plan = "20261121-041500-3fa9", "r", "m"
		return b
	}
	tests := map[string]struct {
		spoil func(*state.Backup)
		want  []string
	}{
		"sound":                      {func(*state.Backup) {}, nil},
		"a row that is not there":    {func(b *state.Backup) { b.Menus[0].Rows = nil }, []string{`step 1 names the row "*1F"`, `step 2 names the row "*1F"`, `step 3 names`}},
		"a row that is not yet":      {func(b *state.Backup) { b.Steps[0].Before = "+3" }, []string{`step 1 names the row "+3"`}},
		"a step of another menu":     {func(b *state.Backup) { b.Steps[3].ID = "+0" }, []string{`step 4 names the row "+0" of /ip/firewall/address-list`}},
		"a row that is gone":         {func(b *state.Backup) { b.Steps[1] = b.Steps[2] }, []string{`step 3 names the row "*1F"`}},
		"a number below nothing":     {func(b *state.Backup) { b.Steps[1].ID = "+-1" }, []string{`step 2 names the row "+-1"`}},
		"no id":                      {func(b *state.Backup) { b.Steps[2].ID = "" }, []string{`step 3 names the row ""`}},
		"an id that is given":        {func(b *state.Backup) { b.Steps[0].ID = "*1F" }, []string{`step 1 adds a row that has the id "*1F"`}},
		"an unknown verb":            {func(b *state.Backup) { b.Steps[0].Op = "reset" }, []string{`step 1 is to "reset"`}},
		"an unknown menu":            {func(b *state.Backup) { b.Steps[0].Path = "/user" }, []string{`no menu "/user"`}},
		"a menu without rows":        {func(b *state.Backup) { b.Menus = b.Menus[1:] }, []string{"step 1 is for /ip/firewall/filter, of which there are no rows"}},
		"a menu twice":               {func(b *state.Backup) { b.Menus = append(b.Menus, b.Menus[0]) }, []string{"/ip/firewall/filter is there twice"}},
		"a row twice":                {func(b *state.Backup) { b.Menus[0].Rows = append(b.Menus[0].Rows, b.Menus[0].Rows[0]) }, []string{"the row *1F of /ip/firewall/filter is there twice"}},
		"a row without an id":        {func(b *state.Backup) { delete(b.Menus[1].Rows[0], ".id") }, []string{`row 1 of /ip/firewall/address-list has the id ""`}},
		"a rule in no chain":         {func(b *state.Backup) { delete(b.Menus[0].Rows[0], "chain") }, []string{"row 1 of /ip/firewall/filter is in no chain"}},
		"an entry of no list":        {func(b *state.Backup) { delete(b.Menus[1].Rows[0], "list") }, []string{"is no entry of a list"}},
		"a negative port":            {func(b *state.Backup) { b.Menus[2].Rows[0]["port"] = "-23" }, []string{"row 1 of /ip/service is no service with a port"}},
		"a step to a negative port":  {func(b *state.Backup) { b.Steps[4].Set["port"] = "-1" }, []string{`step 5 sets "port" of a service to "-1"`}},
		"a step to an odd attribute": {func(b *state.Backup) { b.Steps[4].Set["certificate"] = "x" }, []string{`step 5 sets "certificate"`}},
		"a word in an attribute":     {func(b *state.Backup) { b.Steps[0].Set["x=y"] = "z" }, []string{`step 1 has an attribute "x=y"`}},
		"a service that goes":        {func(b *state.Backup) { b.Steps[4].Op = "remove" }, []string{"step 5 removes a service"}},
		"an entry that moves":        {func(b *state.Backup) { b.Steps[3].Op = "move" }, []string{"step 4 moves a row of /ip/firewall/address-list"}},
		"nothing to set":             {func(b *state.Backup) { b.Steps[4].Set = nil }, []string{"step 5 sets nothing"}},
		"a place for a service":      {func(b *state.Backup) { b.Steps[4].Before = "*0" }, []string{`step 5 has a place before "*0"`}},
		"a place for what stays":     {func(b *state.Backup) { b.Steps[2].Before = "*1F" }, []string{`step 3 has a place before "*1F"`}},
		"no plan":                    {func(b *state.Backup) { b.Plan = "M/" }, []string{`"M/" is not the name of a plan`}},
		"no version":                 {func(b *state.Backup) { b.Version = "new" }, []string{`version "new"`}},
		"another router":             {func(b *state.Backup) { b.Address = "s" }, nil}, // no file of this router's
		"many at once":               {func(b *state.Backup) { b.Steps[0].Op, b.Steps[4].Op, b.Plan = "x", "y", "" }, []string{`step 1 is to "x"`, `step 5 is to "y"`, `"" is not the name`}},
	}
	for name, test := range tests {
		d := open(t)
		b := sound()
		test.spoil(&b)
		if err := d.SaveBackup(b); err != nil {
			t.Fatal(err)
		}
		_, err := d.LoadBackup("r", b.Change)
		if name == "sound" && err != nil || name != "sound" && err == nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), b.Change+".json") {
				t.Errorf("%s: %v, and not %s", name, err, want)
			}
		}
	}
}

// smallBackup has a step of each kind.
func smallBackup() state.Backup {
	rule := routeros.NewRule("chain", "input", "action", "drop", "comment", "\xff [rosknock m/x]")
	rule.ID = "*1"
	before := routeros.Snapshot{
		Version:  routeros.Version{Major: 7, Minor: 20},
		Rules:    map[routeros.Menu][]routeros.Rule{routeros.Filter: {rule}},
		Services: []routeros.Service{{ID: "*0", Name: "telnet", Port: 23, FromName: "address"}},
	}
	b := state.NewBackup(before, change.ChangeSet{Steps: []change.Step{
		{Op: change.Add, Menu: routeros.Filter, Before: "*1", Set: routeros.MakeAttributes("chain", "input", "comment", "[rosknock m/y]")},
		{Op: change.Set, Menu: routeros.Filter, ID: "+0", Set: routeros.MakeAttributes("protocol", "tcp")},
		{Op: change.Move, Menu: routeros.Filter, ID: "*1", Before: "+0"},
		{Op: change.Remove, Menu: routeros.Filter, ID: "*1", Was: rule.Attrs},
		{Op: change.Disable, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet"},
	}})
	b.Plan = "m"
	return b
}

// workWith does with a backup what an undo does.
func workWith(t interface{ Fatal(...any) }, b state.Backup) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	before, done := undo.Carried(routeros.Snapshot{}, b.Before(), b.Changes())
	states, err := change.States(before, done)
	must(err)
	bare := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}}
	for _, now := range []routeros.Snapshot{bare, before, numbered(states[len(states)-1])} {
		back, err := undo.Changes(now, before, done, b.Plan)
		must(err)
		_, err = change.States(now, back)
		must(err)
		_ = undo.Left(now, before, done, b.Plan)
	}
	_, err = undo.Script(before, done, b.Plan, nil)
	must(err)
}

// numbered gives rows that a rehearsal added ids such as a router gives.
func numbered(s routeros.Snapshot) routeros.Snapshot {
	id := func(id string) string { return strings.Replace(id, "+", "*A", 1) }
	rules, entries := map[routeros.Menu][]routeros.Rule{}, map[routeros.Menu][]routeros.ListEntry{}
	for menu, rows := range s.Rules {
		for _, r := range rows {
			r.ID = id(r.ID)
			rules[menu] = append(rules[menu], r)
		}
	}
	for menu, rows := range s.Entries {
		for _, e := range rows {
			e.ID = id(e.ID)
			entries[menu] = append(entries[menu], e)
		}
	}
	s.Rules, s.Entries = rules, entries
	return s
}

// TestSpoiltBackups: however the parts of a backup are mixed up, it is refused, or can be worked
// with.
func TestSpoiltBackups(t *testing.T) {
	d := open(t)
	workWith(t, smallBackup())
	rapid.Check(t, func(t *rapid.T) {
		b := smallBackup()
		b.Change, b.Address = "20261121-041500-3fa9", "r"
		for range rapid.IntRange(1, 3).Draw(t, "spoilt") {
			at := rapid.IntRange(0, len(b.Steps)-1).Draw(t, "step")
			s := &b.Steps[at]
			id := rapid.SampledFrom([]string{"", "*0", "*1", "*2", "+0", "+1", "+9", "+-1", "-1", "0"})
			switch rapid.SampledFrom([]string{"op", "menu", "id", "before", "set", "swap", "twice", "rows", "row"}).Draw(t, "what") {
			case "op":
				s.Op = rapid.SampledFrom([]string{"add", "set", "move", "remove", "enable", "disable", "reset"}).Draw(t, "op")
			case "menu":
				s.Path = string(rapid.SampledFrom([]routeros.Menu{routeros.Filter, routeros.NAT, routeros.AddressList, routeros.ServiceMenu, "/user"}).Draw(t, "menu"))
			case "id":
				s.ID = id.Draw(t, "id")
			case "before":
				s.Before = id.Draw(t, "before")
			case "set":
				s.Set = map[string]state.Text{rapid.SampledFrom([]string{"chain", "list", "address", "port", "comment"}).Draw(t, "set"): rapid.SampledFrom([]state.Text{"", "1", "x"}).Draw(t, "value")}
			case "swap":
				b.Steps[0], b.Steps[at] = b.Steps[at], b.Steps[0]
			case "twice":
				b.Steps = append(b.Steps, *s)
			case "rows":
				b.Menus = b.Menus[:rapid.IntRange(0, len(b.Menus)).Draw(t, "menus")]
			case "row":
				if len(b.Menus) > 0 && len(b.Menus[0].Rows) > 0 {
					b.Menus[0].Rows[0][rapid.SampledFrom([]string{".id", "chain", "comment"}).Draw(t, "column")] = state.Text(id.Draw(t, "cell"))
				}
			}
		}
		if err := d.SaveBackup(b); err != nil {
			t.Fatal(err)
		}
		if read, err := d.LoadBackup("r", b.Change); err == nil {
			workWith(t, read)
		}
	})
}

// FuzzFiles: whatever a file in the state folder holds, it is read or refused, and what is read can
// be worked with.
func FuzzFiles(f *testing.F) {
	d, err := state.Open(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	const change = "20261121-041500-3fa9"
	b := smallBackup()
	b.Change, b.Address = change, "r"
	if err := errors.Join(d.SaveBackup(b), d.Append(state.Record{Event: state.Begin, Change: change, Address: "r"})); err != nil {
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
		for _, name := range []string{backup, journal, filepath.Join(d.Path(), "known_routers")} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if b, err := d.LoadBackup("r", change); err == nil {
			workWith(t, b)
		}
		records, _ := d.Journal() // a broken one says where
		_ = state.Unfinished(records, "r")
		_ = state.Origin(records, "r", "m")
		_, _ = state.Finished(records, "run")
		if h, err := d.History(); err == nil {
			_, _ = h.Records("r")
			_, _ = h.Run(state.LastRun)
			_ = h.Newest(nil, func(state.Record) bool { return true })
			_, _ = h.Verify()
		}
		_, _ = d.Known()
		_, _ = state.Load(backup, func(string) (state.Key, error) { return state.Key{}, nil })
	})
}
