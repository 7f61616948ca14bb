package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
)

// The types below are the JSON output, apart from the program's own types so that neither has to
// follow the other. A change that breaks readers raises the number in the format.

type envelope struct {
	Format  string `json:"format"`
	Routers any    `json:"routers"`
}

type jsonRouter struct {
	Name     string        `json:"name"`
	Address  string        `json:"address"`
	Identity string        `json:"identity"`
	Version  string        `json:"version"`
	Groups   []string      `json:"groups,omitempty"`
	Plan     string        `json:"plan,omitempty"`
	Changed  bool          `json:"changed"`
	Changes  []jsonChange  `json:"changes"`
	Proof    *jsonProof    `json:"proof"` // null where there is no change set
	Notes    []string      `json:"notes,omitempty"`
	Lint     []jsonFinding `json:"lint,omitempty"`
	// Protection is what stood by during an apply, Change the name under which it can be rolled
	// back.
	Protection string `json:"protection,omitempty"`
	Change     string `json:"change,omitempty"`
	Outcome    string `json:"outcome"`
	Error      string `json:"error"`
}

type jsonChange struct {
	Op     string            `json:"op"`
	Path   string            `json:"path"`
	ID     string            `json:"id"`
	Slot   string            `json:"slot"`
	Before string            `json:"before"`
	Set    map[string]string `json:"set"`
	Was    map[string]string `json:"was"`
	Why    string            `json:"why,omitempty"`
	Done   *bool             `json:"done,omitempty"`
	Error  string            `json:"error,omitempty"`
}

// document writes a JSON document: on one line as JSON Lines, else for people too.
func document(w io.Writer, format string, value any) error {
	if format == "jsonl" {
		return encode(w, value, "", "")
	}
	return encode(w, value, "", "  ")
}

// encode writes a value as JSON. What routers say stays what it is, with U+FFFD for what is no
// UTF-8; characters that nobody sees are written as \u escapes, which mean the same.
func encode(w io.Writer, value any, prefix, indent string) error {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetIndent(prefix, indent)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	var text []byte
	rest := plain.Bytes()
	for {
		i := bytes.IndexFunc(rest, func(r rune) bool { return r != '\n' && !routeros.IsVisible(r) })
		if i < 0 {
			break
		}
		r, size := utf8.DecodeRune(rest[i:])
		text = append(text, rest[:i]...)
		for _, unit := range utf16.AppendRune(nil, r) {
			text = fmt.Appendf(text, `\u%04x`, unit)
		}
		rest = rest[i+size:]
	}
	_, err := w.Write(append(text, rest...))
	return err
}

func (s Style) router(r operate.Result, applied bool) jsonRouter {
	out := jsonRouter{
		Name: r.Name, Address: r.Address, Identity: r.Identity(), Version: r.Version(), Outcome: string(r.Outcome),
		Groups: r.Groups, Plan: r.Plan, Changes: []jsonChange{},
	}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	if r.Note != "" {
		out.Notes = append(out.Notes, r.Note)
	}
	out.Proof = s.proof(r)
	for _, f := range r.Findings {
		out.Lint = append(out.Lint, findingJSON(f))
	}
	if r.Changes == nil {
		return out
	}
	out.Notes = append(out.Notes, r.Changes.Notes...)
	// In a diff changed says that something would change, in an apply that something has.
	out.Changed = r.Changes.Changed()
	if r.Applied != nil {
		out.Protection, out.Change = string(r.Applied.Protection), r.Change
	}
	if applied {
		out.Changed = r.Applied != nil && r.Done() > 0
	} else if r.Outcome == "" {
		out.Outcome = string(operate.WouldBe(out.Changed))
	}
	for i, step := range r.Changes.Steps {
		row := s.change(step)
		row.ID, row.Before = given(r, row.ID), given(r, row.Before)
		if receipt, tried := r.Receipt(i); tried {
			ok := receipt.Err == nil
			row.Done = &ok
			if step.Op == change.Add && ok {
				row.ID = receipt.ID
			}
			if !ok {
				row.Error = receipt.Err.Error()
			}
		}
		out.Changes = append(out.Changes, row)
	}
	return out
}

// given is the id that the router gave to a row which a step has added; other ids, and those of
// rows that were not added, stay.
func given(r operate.Result, id string) string {
	if n := adder(id); n > 0 {
		if receipt, tried := r.Receipt(n - 1); tried && receipt.ID != "" {
			return receipt.ID
		}
	}
	return id
}

func (s Style) change(step change.Step) jsonChange {
	return jsonChange{
		Op: string(step.Op), Path: string(step.Menu), ID: step.ID, Slot: step.Slot, Before: step.Before,
		Set: s.attributes(step.Slot, step.Set), Was: s.attributes(step.Slot, step.Was), Why: step.Why,
	}
}

func (s Style) attributes(slot string, row routeros.Attributes) map[string]string {
	out := map[string]string{}
	for name, value := range row.All() {
		out[name] = s.Value(slot, name, value)
	}
	return out
}

type jsonEntry struct {
	Address   string  `json:"address"`
	Plan      string  `json:"plan"`
	Door      string  `json:"door"`
	List      string  `json:"list"`
	Family    string  `json:"family"`
	Kind      string  `json:"kind"`
	Since     string  `json:"since"`
	ExpiresIn *string `json:"expires-in"`
	Seconds   *int64  `json:"expires-seconds"`
	Comment   string  `json:"comment,omitempty"`
	// Connections is null where they were not counted.
	Connections *int `json:"connections"`
}

type jsonTrusted struct {
	Name    string      `json:"name"`
	Address string      `json:"address"`
	Entries []jsonEntry `json:"entries"`
	Left    []string    `json:"left,omitempty"`
	Removed int         `json:"removed,omitempty"`
	Cut     int         `json:"connections-cut,omitempty"`
	Outcome string      `json:"outcome,omitempty"`
	Error   string      `json:"error,omitempty"`
}

func (t Trusted) json() jsonTrusted {
	out := jsonTrusted{Name: t.Name, Address: t.Address, Entries: []jsonEntry{}, Outcome: string(t.Outcome), Left: t.Revocation.Left, Removed: t.Revocation.Entries, Cut: t.Revocation.Connections}
	if t.Err != nil {
		out.Error = t.Err.Error()
	}
	for _, e := range t.Entries {
		out.Entries = append(out.Entries, entryJSON(e))
	}
	return out
}

func entryJSON(e trusted.Entry) jsonEntry {
	out := jsonEntry{
		Address: e.Address, Plan: e.Plan, Door: e.Name, List: e.In, Family: e.Family.String(), Kind: string(e.Kind), Since: e.Since,
		Comment: Style{}.Value("", "comment", e.Comment),
	}
	if e.Counted {
		out.Connections = &e.Connections
	}
	if e.Expires {
		text, seconds := routeros.FormatDuration(e.ExpiresIn), int64(e.ExpiresIn.Seconds())
		out.ExpiresIn, out.Seconds = &text, &seconds
	}
	return out
}

type jsonEvent struct {
	Format string `json:"format"`
	Time   string `json:"time"`
	Router string `json:"router"`
	Event  string `json:"event"`
	jsonEntry
}

// TrustedEvent writes a change of a trusted list on one line, as text or as JSON.
func TrustedEvent(w io.Writer, format, router string, event trusted.Event, s Style) error {
	at := event.Time.UTC().Format(time.RFC3339)
	if format != "text" {
		return encode(w, jsonEvent{"rosknock.trusted-watch/1", at, router, string(event.What), entryJSON(event.Entry)}, "", "")
	}
	e := event.Entry
	line := visiblef("%s %s %s %s %s/%s %s", at, router, s.happened(event.What), e.Address, e.Plan, e.Name, e.Kind)
	if e.Expires && (event.What == trusted.Added || event.What == trusted.Renewed) {
		line += visible(" for " + routeros.FormatDuration(e.ExpiresIn))
	}
	_, err := io.WriteString(w, string(line)+"\n")
	return err
}

// happened colours what happened to an entry.
func (s Style) happened(what trusted.Change) visible {
	switch what {
	case trusted.Added, trusted.Renewed:
		return s.color("32", visible(what))
	default:
		return s.color("33", visible(what))
	}
}
