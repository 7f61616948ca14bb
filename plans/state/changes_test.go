package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/state"
)

// savedChanges are changes of two routers with something in every field.
func savedChanges() state.Saved {
	steps := smallBackup().Steps
	return state.Saved{
		Time: time.Date(2026, 11, 21, 16, 15, 0, 0, time.UTC), Actor: "ada@desk", Plan: "version: 1\nname: m\n", PlanDigest: "sha256:00", Accepted: []string{"exposure"},
		Routers: []state.SavedRouter{
			{
				Key: "pop1/r1", Name: "r1", Groups: []string{"branches"}, Tags: []string{"lab"}, Address: "192.0.2.1:8729", User: "admin", Transport: "api-ssl", Pin: "sha256:" + strings.Repeat("ab", 32),
				SSHJump: "bob@jump", Password: "keyring:${router}", Identity: "gw", Serial: "HE108NABCDE", Version: "7.20", Plan: "version: 1\nname: m\n# r1\n", Snapshot: "sha256:11", Rows: []state.Text{"one", "caf\xe9"}, Steps: steps, States: 3,
			},
			{Key: "-/192.0.2.2:8728", Name: "192.0.2.2", Address: "192.0.2.2:8728", User: "admin", Transport: "api", Authorities: "-----BEGIN…", Snapshot: "sha256:22", Steps: steps},
		},
	}
}

func changesKey(t testing.TB, secret string) state.Key {
	t.Helper()
	k, err := state.NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// knowing finds the keys that are known.
func knowing(keys ...state.Key) func(string) (state.Key, error) {
	return func(id string) (state.Key, error) {
		for _, k := range keys {
			if k.ID() == id {
				return k, nil
			}
		}
		return state.Key{}, nil
	}
}

// sealedChanges are saved changes in a file, and its bytes.
func sealedChanges(t testing.TB, k state.Key) (file string, data []byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "changes.json")
	if err := state.Save(file, savedChanges(), k); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, data
}

// TestSaved: what is saved is read, as one's own with its key, and as a stranger's without.
func TestSaved(t *testing.T) {
	k := changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845")
	file, _ := sealedChanges(t, k)
	for name, tt := range map[string]struct {
		keys      []state.Key
		authentic bool
	}{
		"the same key":  {[]state.Key{k}, true},
		"one of two":    {[]state.Key{changesKey(t, "another"), k}, true},
		"no key":        {nil, false},
		"another's key": {[]state.Key{changesKey(t, "another")}, false},
	} {
		got, err := state.Load(file, knowing(tt.keys...))
		if err != nil || got.Authentic != tt.authentic || got.Key != k.ID() {
			t.Errorf("%s: %v, authentic: %t, by %s", name, err, got.Authentic, got.Key)
		}
		want := savedChanges()
		want.Format, want.Key, want.Authentic = "rosknock.changes/2", k.ID(), tt.authentic
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestSavedFile: the file is for its owner alone, and takes the place of what had its name: nothing
// is written where a link leads.
func TestSavedFile(t *testing.T) {
	dir := t.TempDir()
	theirs, file := filepath.Join(dir, "theirs"), filepath.Join(dir, "changes.json")
	if err := errors.Join(os.WriteFile(theirs, []byte("theirs"), 0o600), os.Symlink(theirs, file)); err != nil {
		t.Skip(err)
	}
	if err := state.Save(file, savedChanges(), changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(file)
	if err != nil || !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", err, info.Mode())
	}
	if text, err := os.ReadFile(theirs); err != nil || string(text) != "theirs" {
		t.Errorf("%v, %q", err, text)
	}
}

// TestEveryByte: whatever is done to one place of a file, it is refused, or, where its key's name
// was touched, a stranger's. Nothing of it is ever taken for one's own.
func TestEveryByte(t *testing.T) {
	k := changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845")
	_, data := sealedChanges(t, k)
	id := bytes.LastIndex(data, []byte(k.ID()))
	refused, strange := 0, 0
	try := func(what string, at int, changed []byte) {
		s, err := state.ReadSaved(changed, knowing(k))
		switch inID := at >= id && at < id+len(k.ID()); {
		case err != nil:
			refused++
		case s.Authentic || !inID:
			t.Fatalf("byte %d of %d %s: it is read, authentic: %t", at, len(data), what, s.Authentic)
		default:
			strange++
		}
	}
	for at := range data {
		for _, bit := range []byte{0x01, 0x20, 0x80} {
			changed := bytes.Clone(data)
			changed[at] ^= bit
			try(fmt.Sprintf("with the bit %#x turned", bit), at, changed)
		}
		try("cut off before it", at, data[:at])
		try("left out", at, append(bytes.Clone(data[:at]), data[at+1:]...))
		try("with a blank before it", at, append(append(bytes.Clone(data[:at]), ' '), data[at:]...))
	}
	try("with a line behind", len(data), append(bytes.Clone(data), '\n'))
	if refused == 0 || strange == 0 {
		t.Errorf("%d refused, %d of a stranger", refused, strange)
	}
}

// withEndOf puts the key and what it gives of one file behind another text and its digest.
func withEndOf(text, of []byte) []byte {
	end := []byte(",\n  \"key\"")
	return append(bytes.Clone(text[:bytes.LastIndex(text, end)]), of[bytes.LastIndex(of, end):]...)
}

// TestForged: a person who knows the format and has every tool but the key edits a file.
func TestForged(t *testing.T) {
	k, theirs := changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845"), changesKey(t, "theirs")
	_, data := sealedChanges(t, k)
	body := state.WithoutTrailer(data)
	edit := func(old, now string) []byte {
		if !bytes.Contains(body, []byte(old)) {
			t.Fatalf("%s is not in %s", old, body)
		}
		return bytes.Replace(body, []byte(old), []byte(now), 1)
	}
	underOurName := func(text []byte) []byte {
		return bytes.Replace(state.WithTrailer(text, theirs), []byte(theirs.ID()), []byte(k.ID()), 1)
	}
	const changed = "was changed after it was saved"
	for name, tt := range map[string]struct {
		data []byte
		says string // "" for a stranger's
	}{
		"another address, under our name":     {underOurName(edit("192.0.2.1:8729", "192.0.2.9:8729")), changed},
		"another address, under theirs":       {state.WithTrailer(edit("192.0.2.1:8729", "192.0.2.9:8729"), theirs), ""},
		"a risk more":                         {underOurName(edit(`"exposure"`, `"exposure", "lose-session"`)), changed},
		"nothing but a digest made anew":      {withEndOf(state.WithTrailer(edit(`"op": "add"`, `"op": "set"`), theirs), data), changed},
		"our own trailer behind another text": {append(bytes.TrimSuffix(edit("ada@desk", "eve@desk"), []byte("\n}")), data[len(body)-2:]...), changed},
		"a key that nobody knows":             {state.WithTrailer(edit(`"actor"`, `"command": "x", "actor"`), theirs), `unknown field "command"`},
		"a key of a router":                   {state.WithTrailer(edit(`"user"`, `"Run": "x", "user"`), theirs), `unknown field "Run"`},
		"two objects":                         {state.WithTrailer(append(append(bytes.Clone(body), '\n'), body...), theirs), "something stands behind"},
		"another transport":                   {state.WithTrailer(edit(`"api-ssl"`, `"telnet"`), theirs), "telnet"},
		"a pin that is none":                  {state.WithTrailer(edit("sha256:abab", "sha256:xxab"), theirs), "which is none"},
		"no key of a router at all":           {state.WithTrailer(edit("pop1/r1", ""), theirs), "has no name"},
		"an older format":                     {[]byte(`{"format": "rosknock.changes/1", "digest": "sha256:00"}`), "an older version"},
		"a newer format":                      {state.WithTrailer(edit("rosknock.changes/2", "rosknock.changes/3"), theirs), "rosknock.changes/3"},
		"no JSON":                             {state.WithTrailer([]byte("{ hello\n}"), theirs), "can't be used"},
		"the trailer alone":                   {data[len(body)-2:], changed},
		"empty":                               {nil, "no file of changes"},
	} {
		s, err := state.ReadSaved(tt.data, knowing(k))
		switch {
		case tt.says == "" && (err != nil || s.Authentic):
			t.Errorf("%s: %v, authentic: %t", name, err, s.Authentic)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNobodyElsesKey: a key is only asked for by the name that the file has, and of a damaged file
// not at all.
func TestNobodyElsesKey(t *testing.T) {
	k := changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845")
	file, data := sealedChanges(t, k)
	var asked []string
	find := func(id string) (state.Key, error) {
		asked = append(asked, id)
		return state.Key{}, errors.New("the keyring is locked")
	}
	if _, err := state.Load(file, find); err == nil || !strings.Contains(err.Error(), "locked") || len(asked) != 1 || asked[0] != k.ID() {
		t.Errorf("%v, asked for %v", err, asked)
	}
	if _, err := state.ReadSaved(bytes.Replace(data, []byte("ada"), []byte("eve"), 1), find); err == nil || len(asked) != 1 {
		t.Errorf("%v, asked for %v", err, asked)
	}
}

// TestChangesKey: the state folder's key is its own, lasts, and is for one purpose; one that others
// can read proves nothing.
func TestChangesKey(t *testing.T) {
	d := open(t)
	if k, err := d.KnownChangesKey(); err != nil || k.ID() != "" {
		t.Errorf("%v, %q", err, k.ID())
	}
	first, err := d.ChangesKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.OpenReading(d.Path()).KnownChangesKey()
	if err != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("%v, %s and %s", err, first.ID(), again.ID())
	}
	other, err := open(t).ChangesKey()
	if err != nil || other.ID() == first.ID() {
		t.Errorf("%v, %s twice", err, other.ID())
	}
	secret, err := os.ReadFile(filepath.Join(d.Path(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if named := changesKey(t, string(secret)); named.ID() == first.ID() {
		t.Error("a named key of the same secret is the folder's own")
	}
	if runtime.GOOS == "windows" {
		return // which has no such modes
	}
	if err := os.Chmod(filepath.Join(d.Path(), "key"), 0o640); err != nil { // #nosec G302 -- as a careless copy leaves it
		t.Fatal(err)
	}
	var exposed *state.ExposedError
	if _, err := d.ChangesKey(); !errors.As(err, &exposed) || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
}

// TestNoKeyNoForgery: no edits make a file authentic but those that change nothing.
func TestNoKeyNoForgery(t *testing.T) {
	k := changesKey(t, "3f9a1c77e0b2d4589f21a6c07d3be845")
	_, data := sealedChanges(t, k)
	rapid.Check(t, func(t *rapid.T) {
		changed := bytes.Clone(data)
		for range rapid.IntRange(1, 4).Draw(t, "edits") {
			at := rapid.IntRange(0, len(changed)).Draw(t, "at")
			end := min(len(changed), at+rapid.IntRange(0, 40).Draw(t, "length"))
			from := rapid.IntRange(0, len(data)-1).Draw(t, "from")
			piece := data[from:min(len(data), from+rapid.IntRange(0, 40).Draw(t, "piece"))]
			changed = append(append(bytes.Clone(changed[:at]), piece...), changed[end:]...)
		}
		if s, err := state.ReadSaved(changed, knowing(k)); err == nil && s.Authentic && !bytes.Equal(changed, data) {
			t.Fatalf("%q is taken for the file that was saved", changed)
		}
	})
}

// FuzzSaved: whatever a file of changes holds, it is refused or read, and never taken for one's
// own.
func FuzzSaved(f *testing.F) {
	k, theirs := changesKey(f, "3f9a1c77e0b2d4589f21a6c07d3be845"), changesKey(f, "theirs")
	_, data := sealedChanges(f, k)
	f.Add(data)
	f.Add(state.WithoutTrailer(data))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, one := range [][]byte{text, state.WithTrailer(text, theirs)} { // of who can make trailers
			s, err := state.ReadSaved(one, knowing(k))
			if err == nil && s.Authentic && !bytes.Equal(one, data) {
				t.Fatalf("%q is taken for one's own", one)
			}
		}
	})
}
