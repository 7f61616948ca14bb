package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// Saved is a set of changes that was looked at and is to be carried out later. It holds the plan, knock sequences included: the file is
// for its owner alone.
type Saved struct {
	Format string    `json:"format"`
	Time   time.Time `json:"time"`
	Actor  string    `json:"actor"`
	// Plan is the plan's canonical text, PlanDigest its digest.
	Plan       string        `json:"plan"`
	PlanDigest string        `json:"plan-digest"`
	Accepted   []string      `json:"accepted-risks,omitempty"`
	Routers    []SavedRouter `json:"routers"`
	// Digest is over everything else in the file.
	Digest string `json:"digest"`
}

// SavedRouter is the part of one router.
type SavedRouter struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	User      string `json:"user"`
	Transport string `json:"transport"`
	Identity  string `json:"identity"`
	// Version is the RouterOS that the steps were computed for.
	Version string `json:"version,omitempty"`
	// Plan is the router's own plan, where it is not that of the file: variables differ.
	Plan string `json:"plan,omitempty"`
	// Snapshot is the digest of the router as it was, Rows what that digest is over, so that a difference can be told.
	Snapshot string      `json:"snapshot"`
	Rows     []string    `json:"rows"`
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

const changesFormat = "rosknock.changes/1"

// Steps turns the steps of a change set into what is saved of them.
func Steps(c diff.ChangeSet) []SavedStep {
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
func Rows(s routeros.Snapshot) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			for _, r := range s.Rules[menu] {
				if !r.Dynamic {
					out = append(out, fmt.Sprintf("%s %s %s", menu, r.ID, r.Canonical()))
				}
			}
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
	return append(out, interfaceRows(s)...)
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

// Difference says what is gone and what is new between two lists of rows, at most so many lines; then how many more there are. What
// may be part of a knock is masked: a difference is shown to people.
func Difference(before, after []string, most int) []string {
	var out []string
	for _, row := range before {
		if !slices.Contains(after, row) {
			out = append(out, "gone: "+mask(row))
		}
	}
	for _, row := range after {
		if !slices.Contains(before, row) {
			out = append(out, "new:  "+mask(row))
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

// Save writes a set of changes into a file for its owner alone, whole or not at all.
func Save(path string, s Saved) error {
	s.Format, s.Time = changesFormat, s.Time.UTC().Truncate(time.Second)
	sum, err := s.sum()
	if err != nil {
		return err
	}
	s.Digest = sum
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := writeWhole(path, append(data, '\n')); err != nil {
		return fmt.Errorf("the changes can't be saved: %w", err)
	}
	return nil
}

// Load reads a set of changes. A file that was changed since it was saved is an error.
func Load(path string) (Saved, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Saved{}, err
	}
	var s Saved
	if err := json.Unmarshal(data, &s); err != nil || s.Format != changesFormat {
		return Saved{}, fmt.Errorf("%s: this is no file of changes as rosknock diff --save writes it", path)
	}
	sum, err := s.sum()
	if err != nil || sum != s.Digest {
		return Saved{}, fmt.Errorf("%s: the file was changed after it was saved: make it anew with rosknock diff --save", path)
	}
	if err := s.check(); err != nil {
		return Saved{}, fmt.Errorf("%s: these changes can't be used, another version of rosknock may have written them: make them anew with rosknock diff --save: %w", path, err)
	}
	return s, nil
}

func (s Saved) sum() (string, error) {
	s.Digest = ""
	data, err := json.Marshal(s)
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), err
}
