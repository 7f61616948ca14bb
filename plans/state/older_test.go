package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

const oldAddress = "192.168.88.1:8729"

// ref is a router of an inventory in which so many have the address.
func ref(key string, sharing ...string) state.Ref {
	_, name, _ := strings.Cut(key, "/")
	return state.Ref{Key: key, Name: name, Address: oldAddress, Sharing: func() []string { return append([]string{key}, sharing...) }}
}

// TestOlderRecords: records that know an address alone go to the only router that has it, and to
// nobody when several do, when the router had another name then, or when another one has taken them
// over.
func TestOlderRecords(t *testing.T) {
	byAddress := state.Ref{Key: "-/" + oldAddress, Name: "192.168.88.1", Address: oldAddress}
	tests := []struct {
		name    string
		was     string // what the older records call the router
		takenBy string
		who     state.Ref
		want    string // the changes that are found
		takes   bool
		why     string
	}{
		{"the only one with the address", "gw", "", ref("acme/gw"), "old new", true, ""},
		{"named by the address then", oldAddress, "", ref("acme/gw"), "old new", true, ""},
		{"named by the host then", "192.168.88.1", "", ref("acme/gw"), "old new", true, ""},
		{"two have the address", "gw", "", ref("acme/gw", "umbrella/gw"), "new", false, "acme/gw, umbrella/gw have that address"},
		{"many have the address", "gw", "", ref("acme/gw", "b/gw", "c/gw", "d/gw"), "new", false, "acme/gw, b/gw, c/gw and 1 more have that address"},
		{"another name then", "gw-umbrella", "", ref("acme/gw"), "new", false, "its router was called gw-umbrella then"},
		{"named by the address now", "gw-umbrella", "", byAddress, "old", true, ""},
		{"taken over", "gw", "acme/gw", ref("acme/gw", "umbrella/gw"), "old new", false, ""},
		{"another has taken it over", "gw", "umbrella/gw", ref("acme/gw"), "new", false, ""},
		{"another has taken it over, named by the address", "gw", "umbrella/gw", byAddress, "", false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := open(t)
			add(t, d, state.Record{Event: state.Begin, Router: test.was, Address: oldAddress, Change: "old"},
				state.Record{Event: state.Begin, Router: "else", Address: "192.168.88.2:8729", Change: "else"},
				state.Record{Event: state.Begin, RouterKey: "acme/gw", Router: "gw", Address: oldAddress, Change: "new"})
			if test.takenBy != "" {
				add(t, d, state.Record{Event: state.TakeOver, Address: oldAddress, TakenBy: test.takenBy})
			}
			h, err := d.History()
			if err != nil {
				t.Fatal(err)
			}
			records, takes, err := h.Of(test.who)
			var found []string
			for _, r := range slices.Backward(state.Undoable(records, test.who.Key)) {
				found = append(found, r.Change)
				if want := map[string]string{"old": oldAddress, "new": test.who.Key}[r.Change]; r.BackupKey() != want {
					t.Errorf("the backup of %s is that of %s", r.Change, r.BackupKey())
				}
			}
			var shared *state.SharedError
			if got := strings.Join(found, " "); got != test.want || takes != test.takes || errors.As(err, &shared) != (test.why != "") || err != nil && !strings.Contains(err.Error(), test.why) {
				t.Errorf("%q, %t, %v", got, takes, err)
			}
			if err != nil && !strings.Contains(err.Error(), "--router "+oldAddress) {
				t.Errorf("no remedy: %v", err)
			}
		})
	}
}

// TestOlderBackup: a backup that an older version wrote is found by the address, also where its
// folder had upper-case letters.
func TestOlderBackup(t *testing.T) {
	d := open(t)
	b := state.NewBackup(routeros.Snapshot{}, change.ChangeSet{})
	b.Change, b.Address, b.Plan = "20261121-041500-3fa9", "GW.example:8729", "m"
	if err := d.SaveBackup(b); err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob(filepath.Join(d.Path(), "backups", "*"))
	if err != nil || len(folders) != 1 {
		t.Fatal(folders, err)
	}
	if err := os.Rename(folders[0], filepath.Join(d.Path(), "backups", "GW.example_3a8729")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LoadBackup(b.Address, b.Change); err != nil {
		t.Error(err)
	}
	if _, err := d.LoadBackup("-/"+b.Address, b.Change); err == nil {
		t.Error("found by another key")
	}
}

func pin(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// TestKnown: pins and serial numbers are remembered by key, an older pin is one router's once it
// has taken it over, and both are forgotten together.
func TestKnown(t *testing.T) {
	d := open(t)
	file := filepath.Join(d.Path(), "known_routers")
	if err := os.WriteFile(file, []byte("# by hand\n"+oldAddress+" "+pin("a")+"\n192.0.2.9:8729 "+pin("9")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	known := func() *state.Known {
		t.Helper()
		k, err := d.Known()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	writer := known()
	if p, place := known().OlderPin(oldAddress); p != pin("a") || place != file+":2" {
		t.Errorf("%s at %s", p, place)
	}
	if p, _ := known().Pin("acme/gw"); p != "" {
		t.Errorf("by key: %s", p)
	}
	for _, err := range []error{
		writer.AddPin("acme/gw", pin("A"), oldAddress), writer.AddPin("acme/gw", pin("a"), ""), writer.AddPin("umbrella/gw", pin("b"), ""), writer.AddSerial("acme/gw", "HX1"), writer.AddSerial("acme/gw", "HX1"), writer.AddSerial("umbrella/gw", "software-id/AB-CD"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"another pin": writer.AddPin("acme/gw", pin("c"), ""), "another serial number": writer.AddSerial("acme/gw", "HX2"), "no key": writer.AddSerial("", "HX"), "a key with a space": writer.AddSerial("a b", "HX"),
		"no pin": writer.AddPin("a/b", "sha256:1", ""), "no serial number": writer.AddSerial("a/b", ""), "a serial number with a line": writer.AddSerial("a/b", "x\ny"),
	} {
		if err == nil {
			t.Errorf("%s is remembered", what)
		}
	}
	if err := known().AddSerial("third/gw", "HX3"); err != nil { // by another program
		t.Fatal(err)
	}
	if err := writer.AddSerial("third/gw", "HX4"); err == nil || !strings.Contains(err.Error(), "HX3 stands in "+file+":8") {
		t.Errorf("%v", err)
	}
	if got, _ := writer.Serial("third/gw"); got != "HX3" {
		t.Errorf("what others have added is %q", got)
	}
	k := known()
	p, place := k.Pin("acme/gw")
	serial, _ := k.Serial("acme/gw")
	older, _ := k.OlderPin(oldAddress)
	if p != pin("a") || place != file+":4" || serial != "HX1" || older != "" {
		t.Errorf("%s at %s, %s; older: %s", p, place, serial, older)
	}
	if was, err := writer.Forget("acme/gw", ""); err != nil || was != (state.Forgotten{Pin: pin("a"), Serial: "HX1"}) {
		t.Fatal(was, err)
	}
	k = known()
	p, _ = k.Pin("acme/gw")
	serial, _ = k.Serial("acme/gw")
	older, _ = k.OlderPin(oldAddress) // else it would be compared again
	other, _ := k.Serial("umbrella/gw")
	if p+serial+older != "" || other != "software-id/AB-CD" {
		t.Errorf("%s, %s, %s, %s", p, serial, older, other)
	}
	if was, err := writer.Forget("-/192.0.2.9:8729", "192.0.2.9:8729"); err != nil || was.Pin != pin("9") {
		t.Fatal(was, err)
	}
	if err := writer.AddSerial("acme/gw", "HX2"); err != nil {
		t.Error(err)
	}
	if older, _ := known().OlderPin("192.0.2.9:8729"); older != "" {
		t.Errorf("an older pin stays: %s", older)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(text), "# by hand\n") {
		t.Errorf("%s, %v", text, err)
	}
}
