package view_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// example is one step of each kind, with a knock and with comments of any bytes.
func example() []operate.Result {
	stage := routeros.MakeAttributes("chain", "rosknock-p-a", "action", "add-src-to-address-list", "protocol", "tcp", "dst-port", "54321",
		"address-list", "l_1", "address-list-timeout", "1m", "comment", "knock 1 of 3 at door d [rosknock p/d/stage-1]")
	changes := change.ChangeSet{
		Notes: []string{"the router has no /ipv6/firewall/filter: ipv6 is skipped"},
		Steps: []change.Step{
			{Op: change.Add, Menu: routeros.Filter, Slot: "p/d/stage-1", Set: stage, Before: "*5", BeforeText: `"r` + "\uFFFD" + `ponses | only" (*5)`},
			{Op: change.Set, Menu: routeros.Filter, ID: "*9", Slot: "p/d/stage-2", Set: routeros.MakeAttributes("dst-port", "54322"), Was: routeros.MakeAttributes("dst-port", "54323")},
			{Op: change.Set, Menu: routeros.Filter, ID: "*A", Slot: "p/jump", Set: routeros.MakeAttributes("jump-target", "rosknock-p-b"), Was: routeros.MakeAttributes("jump-target", "rosknock-p-a")},
			{Op: change.Move, Menu: routeros.Filter, ID: "*B", Slot: "p/d/open", Before: "*5", BeforeText: `"final" (*5)`},
			{Op: change.Enable, Menu: routeros.AddressList, ID: "*1", Slot: "p/allow", Set: routeros.MakeAttributes("disabled", "false")},
			{Op: change.Disable, Menu: routeros.ServiceMenu, ID: "*0", Slot: "telnet", Set: routeros.MakeAttributes("disabled", "true")},
			{Op: change.Remove, Menu: routeros.Filter, ID: "*C", Slot: "p/d/stage-3", Was: stage.With("comment", "caf\xe9 [rosknock p/d/stage-3]")},
		},
	}
	snapshot := routeros.Snapshot{Identity: "caf\xe9", Version: routeros.Version{Major: 7, Minor: 20, Patch: 1}, Board: "RB5009UG+S+"}
	return []operate.Result{
		{Name: "192.0.2.1", Address: "192.0.2.1:8729", Snapshot: &snapshot, Changes: &changes},
		{Name: "192.0.2.2", Address: "192.0.2.2:8729", Snapshot: &snapshot, Changes: &change.ChangeSet{}},
		{Name: "192.0.2.3", Address: "192.0.2.3:8729", Outcome: apply.Failed, Err: errors.New("192.0.2.3:8729: connection refused: enable the service api-ssl on the router")},
	}
}

// golden compares with a file in fixtures/golden; ROSKNOCK_UPDATE=1 writes it anew.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "fixtures", "golden", name)
	if os.Getenv("ROSKNOCK_UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %v\ngot:\n%s\nwant:\n%s", name, err, got, want)
	}
}

func render(t *testing.T, format string, s view.Style) []byte {
	t.Helper()
	text := written(t, format, s, changesOf("diff", len(example())), example()...)
	if format == "text" { // without the table of the fleet below
		text = text[:bytes.LastIndex(text, []byte("\n\nROUTER"))+1]
	}
	return text
}

// TestFormats: what people and programs see, and that it is text whatever bytes a comment holds.
func TestFormats(t *testing.T) {
	for format, file := range map[string]string{"text": "changes.txt", "json": "changes.json", "csv": "changes.csv", "markdown": "changes.md"} {
		got := render(t, format, view.Style{Width: 80})
		golden(t, file, got)
		if !utf8.Valid(got) {
			t.Errorf("%s: not UTF-8", format)
		}
		for _, port := range []string{"54321", "54322", "54323"} {
			if bytes.Contains(got, []byte(port)) {
				t.Errorf("%s shows the knock port %s", format, port)
			}
			if !bytes.Contains(render(t, format, view.Style{Width: 80, Reveal: true}), []byte(port)) && port != "54323" {
				t.Errorf("%s hides %s even when told to show it", format, port)
			}
		}
		if bytes.Contains(got, []byte("\x1b")) {
			t.Errorf("%s: colour without being asked", format)
		}
	}
}

func TestTextFits(t *testing.T) {
	for _, width := range []int{80, 120} {
		for line := range strings.SplitSeq(string(render(t, "text", view.Style{Width: width})), "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
	}
	if !bytes.Contains(render(t, "text", view.Style{Width: 80, Color: true}), []byte("\x1b[32m")) {
		t.Error("no colour where it was asked for")
	}
}

func TestJSONShape(t *testing.T) {
	var out struct {
		Format  string
		Routers []map[string]any
	}
	if err := json.Unmarshal(render(t, "json", view.Style{}), &out); err != nil {
		t.Fatal(err)
	}
	if out.Format != "rosknock.diff/1" || len(out.Routers) != 3 {
		t.Fatalf("%s, %d routers", out.Format, len(out.Routers))
	}
	for _, key := range []string{"name", "address", "identity", "version", "changed", "changes", "proof", "outcome", "error"} {
		for i, r := range out.Routers {
			if _, ok := r[key]; !ok {
				t.Errorf("router %d has no %s", i, key)
			}
		}
	}
	change := out.Routers[0]["changes"].([]any)[0].(map[string]any)
	for _, key := range []string{"op", "path", "id", "slot", "before", "set", "was"} {
		if _, ok := change[key]; !ok {
			t.Errorf("a change has no %s", key)
		}
	}
}

// prepared is a change of plan in its three parts: a rule that is added disabled and goes live
// later, one that is put before a rule of the same change, and rules that go before and after it.
func prepared(t *testing.T) operate.Result {
	t.Helper()
	snapshot, skipped := rsc.Read([]byte("# by RouterOS 7.20\n/ip firewall filter\nadd chain=rosknock-p-b action=drop comment=\"[rosknock p/left]\"\n" +
		"add chain=input action=jump jump-target=rosknock-p-c comment=\"[rosknock p/old]\"\nadd chain=rosknock-p-c action=drop comment=\"[rosknock p/gate]\"\n")).Snapshot(rsc.Options{})
	if len(skipped) > 0 {
		t.Fatal(skipped)
	}
	rows := snapshot.Rules[routeros.Filter]
	on, off := routeros.MakeAttributes("disabled", "false"), routeros.MakeAttributes("disabled", "true")
	changes := change.ChangeSet{Steps: []change.Step{
		{Op: change.Remove, Menu: routeros.Filter, ID: rows[0].ID, Slot: "p/left", Was: rows[0].Attrs},
		{Op: change.Add, Menu: routeros.Filter, Slot: "p/jump", Set: routeros.MakeAttributes("chain", "input", "action", "jump", "disabled", "true", "jump-target", "rosknock-p-a")},
		{Op: change.Add, Menu: routeros.Filter, Slot: "p/gate", Set: routeros.MakeAttributes("chain", "rosknock-p-a", "action", "drop")},
		{Op: change.Add, Menu: routeros.Filter, Slot: "p/open", Set: routeros.MakeAttributes("chain", "rosknock-p-a", "action", "accept"), Before: "+2", BeforeText: "a rule"},
		{Op: change.Enable, Menu: routeros.Filter, ID: "+1", Slot: "p/jump", Set: on, Was: off},
		{Op: change.Disable, Menu: routeros.Filter, ID: rows[1].ID, Slot: "p/old", Set: off, Was: on},
		{Op: change.Remove, Menu: routeros.Filter, ID: rows[1].ID, Slot: "p/old", Was: rows[1].Attrs.With("disabled", "true")},
		{Op: change.Remove, Menu: routeros.Filter, ID: rows[2].ID, Slot: "p/gate", Was: rows[2].Attrs},
	}}
	return operate.Result{Name: "r1", Snapshot: &snapshot, Changes: &changes}
}

// TestParts: people see where the parts of a change begin, from which step on a rule has an effect,
// and rules of the same change by their step.
func TestParts(t *testing.T) {
	r := prepared(t)
	var b bytes.Buffer
	view.Changes(&b, r, view.Style{Width: 80})
	if want := `r1  MikroTik, RouterOS 7.20
  first, remove what nothing uses:
   1 - remove  /ip/firewall/filter p/left (IPv4) *1
  then, the change itself:
   2 + add     /ip/firewall/filter p/jump (IPv4)
               chain=input action=jump disabled=true jump-target=rosknock-p-a
               has no effect until step 5 enables it
   3 + add     /ip/firewall/filter p/gate (IPv4)
               chain=rosknock-p-a action=drop
   4 + add     /ip/firewall/filter p/open (IPv4)
               chain=rosknock-p-a action=accept
               before the rule of step 3
   5 ~ enable  /ip/firewall/filter p/jump (IPv4) (of step 2)
   6 ~ disable /ip/firewall/filter p/old (IPv4) *2
  once that is confirmed, remove what nothing uses any more:
   7 - remove  /ip/firewall/filter p/old (IPv4) *2
   8 - remove  /ip/firewall/filter p/gate (IPv4) *3
  3 to add, 2 to change, 0 to move, 3 to remove
`; b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	one := r.Changes.Part(change.Part{From: 1, To: 5, Met: true}, nil) // nothing to tell apart
	r.Changes = &one
	b.Reset()
	if view.Changes(&b, r, view.Style{Width: 80}); strings.Contains(b.String(), "first") || strings.Contains(b.String(), "confirmed") {
		t.Errorf("%s", b.String())
	}
}

// TestIDsGiven: after a run the JSON names rows that were added by the ids that the router gave
// them, and tells of each step whether it was done by its own receipt, in whatever order receipts
// came.
func TestIDsGiven(t *testing.T) {
	r := prepared(t)
	steps := r.Changes.Steps
	r.Applied = &apply.Result{Receipts: []apply.Receipt{
		{Index: 0, Step: steps[0]}, {Index: 2, Step: steps[2], ID: "*8"}, {Index: 1, Step: steps[1], ID: "*9"}, {Index: 3, Step: steps[3], Err: errors.New("no")},
	}}
	b := written(t, "json", view.Style{}, changesOf("apply", 1), r)
	var out struct {
		Routers []struct {
			Changes []struct {
				ID, Before, Error string
				Done              *bool
			}
		}
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	is := out.Routers[0].Changes
	if is[1].ID != "*9" || is[2].ID != "*8" || is[3].Before != "*8" || is[3].Error != "no" || is[3].Done == nil || *is[3].Done || is[4].ID != "*9" || is[4].Done != nil {
		t.Errorf("%s", b)
	}
}

func TestTables(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(render(t, "csv", view.Style{}))).ReadAll()
	if err != nil || len(rows) != 1+7+2 {
		t.Errorf("%d lines of CSV, %v", len(rows), err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(render(t, "markdown", view.Style{}))), "\n") {
		if n := strings.Count(line, "|") - strings.Count(line, `\|`); n != 11 {
			t.Errorf("%d cells in %s", n-1, line)
		}
	}
}

func TestTrusted(t *testing.T) {
	door := trusted.Door{Family: routeros.IPv4, Plan: "branch-with-a-long-name", Name: "administrators", List: "trusted-administrators"}
	entries := []trusted.Entry{
		{Door: door, In: door.List, Address: "203.0.113.9", Since: "2026-09-25 08:50:30", Expires: true, ExpiresIn: 6*24*time.Hour + time.Second, Kind: trusted.Knocked},
		{Door: door, In: door.List, Address: "198.51.100.0/24", Since: "2026-09-25 08:50:30", Kind: trusted.Static},
	}
	ledgers := []view.Trusted{{Name: "192.0.2.1:8729", Entries: entries}, {Name: "r2", Entries: entries[:1]}}
	for format, file := range map[string]string{"text": "trusted.txt", "csv": "trusted.csv", "markdown": "trusted.md"} {
		text := written(t, format, view.Style{Width: 80}, ledgersOf, ledgers...)
		golden(t, file, text)
		for line := range strings.SplitSeq(string(text), "\n") {
			if n := utf8.RuneCountInString(line); format == "text" && n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
	}
	golden(t, "trusted.json", written(t, "json", view.Style{}, ledgersOf, ledgers...))
}

func ledgersOf(sink view.Sink) *view.Flow[view.Trusted] { return view.Ledgers(sink, "trusted-list") }
