package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Saved is a set of changes that was looked at and is to be carried out later, with all that this
// takes but the passwords. It holds the plan, knock sequences included: the file is for its owner
// alone.
type Saved struct {
	Format string    `json:"format"`
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor"`
	// Plan is the plan's canonical text, PlanDigest its digest.
	Plan       string        `json:"plan"`
	PlanDigest string        `json:"plan-digest"`
	Accepted   []string      `json:"accepted-risks,omitempty"`
	Routers    []SavedRouter `json:"routers"`
	// Key names the key that the file was made with, by what the file says.
	Key string `json:"-"`
	// Authentic says that the file was made with a key that is known here, and is as it was then.
	// Without, everything in it may be anybody's.
	Authentic bool `json:"-"`
}

// SavedRouter is the part of one router.
type SavedRouter struct {
	// Key is what the router is known by, SITE/NAME.
	Key       string   `json:"router"`
	Name      string   `json:"name"`
	Groups    []string `json:"groups,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Address   string   `json:"address"`
	User      string   `json:"user"`
	Transport string   `json:"transport"`
	// Pin is that of the certificate that was known when the changes were saved; Authorities are
	// certificates in PEM form that vouch for it instead.
	Pin         string `json:"tls-pin,omitempty"`
	Authorities string `json:"tls-ca,omitempty"`
	SSHJump     string `json:"ssh-jump,omitempty"`
	// Password is the place where the password is kept, as an inventory writes it; "" where that
	// was not said.
	Password string `json:"password,omitempty"`
	Identity string `json:"identity"`
	// Serial is which box the steps were computed for, where it told.
	Serial string `json:"serial,omitempty"`
	// Version is the RouterOS that the steps were computed for.
	Version string `json:"version,omitempty"`
	// Plan is the router's own plan, where it is not that of the file: variables differ.
	Plan string `json:"plan,omitempty"`
	// Snapshot is the digest of the router as it was, Rows what that digest is over, so that a
	// difference can be told.
	Snapshot string      `json:"snapshot"`
	Rows     []Text      `json:"rows"`
	Steps    []SavedStep `json:"steps"`
	// States is over how many states the proof went; it held.
	States int `json:"proved-states"`
}

// SavedStep is a [diff.Step].
type SavedStep struct {
	Op     string          `json:"op"`
	Path   string          `json:"path"`
	ID     string          `json:"id,omitempty"`
	Slot   string          `json:"slot"`
	Before string          `json:"before,omitempty"`
	Set    map[string]Text `json:"set,omitempty"`
	Was    map[string]Text `json:"was,omitempty"`
}

const (
	changesFormat = "rosknock.changes/2"
	// unprovedFormat is that of versions that made files which anybody could change.
	unprovedFormat = "rosknock.changes/1"
)

// Steps turns the steps of a change set into what is saved of them.
func Steps(c change.ChangeSet) []SavedStep {
	out := make([]SavedStep, len(c.Steps))
	for i, s := range c.Steps {
		out[i] = SavedStep{Op: string(s.Op), Path: string(s.Menu), ID: s.ID, Slot: s.Slot, Before: s.Before, Set: attributes(s.Set), Was: attributes(s.Was)}
	}
	return out
}

func attributes(a routeros.Attributes) map[string]Text {
	if len(a) == 0 {
		return nil
	}
	out := map[string]Text{}
	for name, value := range a.All() {
		out[name] = Text(value)
	}
	return out
}

// Rows lists what the digest of a snapshot is over, a line each, for people.
func Rows(s routeros.Snapshot) []Text {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range s.Rules[menu] {
				if !r.Dynamic {
					out = append(out, fmt.Sprintf("%s %s %s", menu, r.ID, r.Canonical()))
				}
			}
		}
		if reading, partly := s.PartlyRead[f.AddressList()]; partly {
			out = append(out, fmt.Sprintf("%s, not read: %d entries", f.AddressList(), reading.Unread))
		}
		for _, e := range s.Entries[f.AddressList()] {
			if !e.Dynamic {
				out = append(out, fmt.Sprintf("%s %s %s", f.AddressList(), e.ID, e.Attributes()))
			}
		}
	}
	for _, svc := range s.Services {
		if !svc.Dynamic && !svc.Connection {
			from := routeros.Canonical("available-from", routeros.JoinPrefixes(svc.From))
			out = append(out, fmt.Sprintf("/ip/service %s port=%d disabled=%t from=%s certificate=%s", svc.Name, svc.Port, svc.Disabled, from, svc.Certificate))
		}
	}
	out = append(out, interfaceRows(s)...)
	texts := make([]Text, len(out))
	for i, row := range out {
		texts[i] = Text(row)
	}
	return texts
}

func interfaceRows(s routeros.Snapshot) []string {
	var out []string
	for _, i := range s.Interfaces {
		if !i.Dynamic {
			out = append(out, fmt.Sprintf("interface %s type=%s disabled=%t", i.Name, i.Type, i.Disabled))
		}
	}
	for _, l := range s.InterfaceLists {
		if !l.Dynamic {
			out = append(out, fmt.Sprintf("interface list %s include=%s exclude=%s", l.Name, strings.Join(l.Include, ","), strings.Join(l.Exclude, ",")))
		}
	}
	for _, m := range s.ListMembers {
		if !m.Dynamic {
			out = append(out, fmt.Sprintf("member %s of the interface list %s disabled=%t", m.Interface, m.List, m.Disabled))
		}
	}
	for _, a := range s.Addresses {
		if !a.Dynamic {
			out = append(out, fmt.Sprintf("address %s on %s disabled=%t", a.Prefix, a.Interface, a.Disabled))
		}
	}
	return out
}

// Difference says what is gone and what is new between two lists of rows, at most so many lines;
// then how many more there are. What may be part of a knock is masked: a difference is shown to
// people.
func Difference(before, after []Text, most int) []string {
	var out []string
	for _, row := range before {
		if !slices.Contains(after, row) {
			out = append(out, "gone: "+mask(string(row)))
		}
	}
	for _, row := range after {
		if !slices.Contains(before, row) {
			out = append(out, "new:  "+mask(string(row)))
		}
	}
	if len(out) == 0 {
		return []string{"the order of the rows"}
	}
	if len(out) > most {
		return append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}

// mask hides the ports and sizes of rules that fill lists.
func mask(row string) string {
	if !strings.Contains(row, "action=add-src-to-address-list") && !strings.Contains(row, "action=log") {
		return row
	}
	words := strings.Split(row, " ")
	for i, word := range words {
		if name, _, ok := strings.Cut(word, "="); ok && slices.Contains([]string{"dst-port", "src-port", "port", "packet-size", "content"}, name) {
			words[i] = name + "=•••••"
		}
	}
	return strings.Join(words, " ")
}

// Save writes a set of changes into a file for its owner alone, whole or not at all, and closes it
// with a key.
func Save(path string, s Saved, k Key) error {
	s.Format, s.Time = changesFormat, s.Time.UTC().Truncate(time.Second)
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(path, withTrailer(data, k)); err != nil {
		return fmt.Errorf("the changes can't be saved: %w", err)
	}
	return nil
}

// mostSaved is the largest file of changes that is read, in bytes: thousands of routers.
const mostSaved = 1 << 30

// Load reads a set of changes. find returns the key of an id, or the zero Key for one that is not
// known here; then the result is not authentic. A file that was damaged, or changed without its
// key, is an error, before anything in it is looked at.
func Load(path string, find func(id string) (Key, error)) (Saved, error) {
	file, err := os.Open(path)
	if err != nil {
		return Saved{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostSaved+1))
	switch {
	case err != nil:
		return Saved{}, err
	case len(data) > mostSaved:
		return Saved{}, fmt.Errorf("%s is larger than %d MiB: is it a file of changes?", path, mostSaved>>20)
	}
	return readSaved(path, data, find)
}

// readSaved reads the bytes of a file.
func readSaved(path string, data []byte, find func(id string) (Key, error)) (Saved, error) {
	end, ok := readTrailer(data)
	if !ok {
		return Saved{}, unproved(path, data)
	}
	changed := fmt.Errorf("%s: the file was changed after it was saved: make it again with rosknock diff --save", path)
	if !end.undamaged() {
		return Saved{}, changed
	}
	key, err := find(end.Key)
	if err != nil {
		return Saved{}, err
	}
	if key.secret != nil && !end.by(key) {
		return Saved{}, changed
	}
	var read struct {
		Saved
		trailer
	}
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	err = strict.Decode(&read)
	if err == nil {
		if _, more := strict.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something stands behind the changes")
		}
	}
	s := read.Saved
	if err == nil && s.Format != changesFormat {
		err = fmt.Errorf("its format is %q, and this version reads %s", s.Format, changesFormat)
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return Saved{}, fmt.Errorf("%s: these changes can't be used, another version of rosknock may have written them: make them again with rosknock diff --save: %w", path, err)
	}
	s.Key, s.Authentic = end.Key, key.secret != nil
	return s, nil
}

// unproved says what a file without a trailer is.
func unproved(path string, data []byte) error {
	var old struct {
		Format string `json:"format"`
	}
	what := "this is no file of changes as rosknock diff --save writes it, or it is cut off"
	if err := json.Unmarshal(data, &old); err == nil && old.Format == unprovedFormat {
		what = "an older version of rosknock wrote this file, and anybody could have changed it: make it again with rosknock diff --save"
	}
	return fmt.Errorf("%s: %s", path, what)
}
