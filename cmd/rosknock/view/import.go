package view

import (
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/routeros"
)

// Imported is a router with the knocks that were recognised on it.
type Imported struct {
	operate.Result
	Found discover.Result
	// File is where the plan was written to; "" for nowhere.
	File string
}

// number is a run of digits, or the id of a row, which is none.
var number = regexp.MustCompile(`\*[0-9A-F]+|[0-9]+`)

// ImportedPlan writes the plan that describes what was recognised, with the knock masked unless it
// is to be shown.
func ImportedPlan(w io.Writer, i Imported, s Style) error {
	text := i.hide(s, string(plans.Write(i.Found.Plan)))
	if !s.Reveal {
		text = "# The knock is masked: --reveal shows it, --out writes it into a file.\n" + text
	}
	_, err := io.WriteString(w, text)
	return err
}

// hide masks the ports and sizes of knocks wherever they stand in a text: the names of lists and
// comments often tell them.
func (i Imported) hide(s Style, text string) string {
	if s.Reveal {
		return text
	}
	secrets := i.Found.Secrets()
	return number.ReplaceAllStringFunc(text, func(digits string) string {
		if slices.Contains(secrets, digits) {
			return masked
		}
		return digits
	})
}

// Import writes what was recognised.
func Import(w io.Writer, format string, i Imported, s Style) error {
	switch format {
	case "json", "jsonl":
		return document(w, format, envelope{formatOf("import"), []jsonImport{i.json(s)}})
	case "csv", "markdown":
		t := table{header: []string{"router", "path", "id", "slot", "why"}}
		for _, d := range i.Found.Doors {
			for _, r := range d.Rules {
				t.rows = append(t.rows, []string{i.Name, string(d.Family.Filter()), r.ID, r.Slot, ""})
			}
		}
		for _, m := range i.Found.Missing {
			t.rows = append(t.rows, []string{i.Name, string(m.Menu), m.Rule.ID, "", i.hide(s, m.Why)})
		}
		return t.write(w, format, s.Width)
	}
	head(w, i.Result, s)
	if i.Err != nil {
		Say(w, "%s\n", wrap(visiblef("%s: %v", s.outcome(i.Outcome), i.Err), s.Width, 2))
	}
	if i.Snapshot != nil {
		i.text(w, s)
	}
	return nil
}

func (i Imported) text(w io.Writer, s Style) {
	section(w, "knocks", len(i.Found.Doors), "no knock that a plan could describe", s)
	for _, d := range i.Found.Doors {
		i.door(w, d, s)
	}
	section(w, "not in the plan", len(i.Found.Missing), "nothing", s)
	for _, m := range i.Found.Missing {
		Say(w, "%s\n", wrap(visiblef("%s %s: %s", m.Menu, m.Rule.ID, i.hide(s, m.Why)), s.Width, 2))
	}
	for _, note := range i.Found.Notes {
		Say(w, "%s\n", wrap(clean("note: "+i.hide(s, note)), s.Width, 2))
	}
	if len(i.Found.Doors) == 0 {
		return
	}
	section(w, "findings about the plan", len(i.Findings), "nothing", s)
	for _, f := range i.Findings {
		f.What = i.hide(s, f.What)
		s.finding(w, "  ", f, "")
	}
	i.adoption(w, s)
}

// door writes what a door is and of which rules it is made.
func (i Imported) door(w io.Writer, d discover.Door, s Style) {
	var opens []string
	for _, t := range d.Opens {
		opens = append(opens, t.String())
	}
	line := visiblef("door %s, %s: %s, each remembered for %s; list %s for %s; opens %s", s.bold(short(d.Name)), d.Family, joined(s.stages(d.Knock), ", "),
		routeros.FormatDuration(d.StageTimeout), i.hide(s, d.Trusted.List), d.Trusted.For, joined(opens, ", "))
	Say(w, "%s\n", wrap(line, s.Width, 2))
	for _, r := range d.Rules {
		Say(w, "    %-4s %s\n", r.ID, r.Slot)
	}
}

// adoption says whether the rules can be adopted, or were.
func (i Imported) adoption(w io.Writer, s Style) {
	section(w, "adopting", 1, "", s)
	say := func(text string) { Say(w, "%s\n", wrap(clean(i.hide(s, text)), s.Width, 2)) }
	switch {
	case i.Found.Adoption.Clean() && i.Outcome == "":
		say(fmt.Sprintf("possible: the comments of %s get marks, nothing else changes, and diff finds nothing to do then", Plural(len(i.Found.Adoption.Changes.Steps), "rule")))
	case i.Found.Adoption.Clean():
		Say(w, "  %s: the comments of %s\n", s.outcome(i.Outcome), Plural(len(i.Found.Adoption.Changes.Steps), "rule"))
	default:
		say("not possible; apply would put the plan's rules beside these, if the proof lets it:")
		for _, why := range i.Found.Adoption.Why() {
			say("- " + why)
		}
	}
	if i.Change != "" {
		say("rosknock undo " + i.Change + " removes the marks again")
	}
}

type jsonImport struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Identity string `json:"identity"`
	Version  string `json:"version"`
	// Plan is the plan's text, with the knock masked unless it is to be shown; empty where there is
	// none.
	Plan      string           `json:"plan"`
	File      string           `json:"file,omitempty"`
	Doors     []jsonImportDoor `json:"doors"`
	Missing   []jsonMissing    `json:"not-expressed"`
	Adoptable bool             `json:"adoptable"`
	Reasons   []string         `json:"reasons"` // why not
	Notes     []string         `json:"notes,omitempty"`
	Lint      []jsonFinding    `json:"lint"`
	Change    string           `json:"change,omitempty"`
	Changed   bool             `json:"changed"`
	Outcome   string           `json:"outcome"`
	Error     string           `json:"error"`
}

type jsonImportDoor struct {
	Name         string           `json:"name"`
	Family       string           `json:"family"`
	Stages       []string         `json:"stages"`
	StageTimeout string           `json:"stage-timeout"`
	List         string           `json:"list"`
	For          string           `json:"for"`
	Opens        []string         `json:"opens"`
	Rules        []jsonImportRule `json:"rules"`
}

type jsonImportRule struct {
	Path string `json:"path"`
	ID   string `json:"id"`
	Slot string `json:"slot"`
}

type jsonMissing struct {
	Path string `json:"path"`
	ID   string `json:"id"`
	List string `json:"list,omitempty"`
	Why  string `json:"why"`
}

func (i Imported) json(s Style) jsonImport {
	out := jsonImport{
		Name: i.Name, Address: i.Address, Identity: i.Identity(), Version: i.Version(), File: i.File, Doors: []jsonImportDoor{}, Missing: []jsonMissing{},
		Adoptable: i.Found.Adoption.Clean(), Reasons: []string{}, Lint: []jsonFinding{}, Change: i.Change, Outcome: string(i.Outcome),
	}
	if i.Err != nil {
		out.Error = i.hide(s, i.Err.Error())
	}
	if i.Applied != nil {
		out.Changed = i.Done() > 0
	}
	for _, d := range i.Found.Doors {
		out.Doors = append(out.Doors, i.doorJSON(d, s))
	}
	for _, m := range i.Found.Missing {
		out.Missing = append(out.Missing, jsonMissing{string(m.Menu), m.Rule.ID, i.hide(s, m.List), i.hide(s, m.Why)})
	}
	for _, note := range i.Found.Notes {
		out.Notes = append(out.Notes, i.hide(s, note))
	}
	if len(i.Found.Doors) == 0 {
		return out
	}
	out.Plan = i.hide(s, string(plans.Write(i.Found.Plan)))
	for _, why := range i.Found.Adoption.Why() {
		out.Reasons = append(out.Reasons, i.hide(s, why))
	}
	for _, f := range i.Findings {
		f.What = i.hide(s, f.What)
		out.Lint = append(out.Lint, findingJSON(f))
	}
	return out
}

func (i Imported) doorJSON(d discover.Door, s Style) jsonImportDoor {
	out := jsonImportDoor{
		Name: d.Name, Family: d.Family.String(), Stages: s.stages(d.Knock), StageTimeout: routeros.FormatDuration(d.StageTimeout), List: i.hide(s, d.Trusted.List),
		For: d.Trusted.For.String(), Opens: []string{}, Rules: []jsonImportRule{},
	}
	for _, t := range d.Opens {
		out.Opens = append(out.Opens, t.String())
	}
	for _, r := range d.Rules {
		out.Rules = append(out.Rules, jsonImportRule{string(d.Family.Filter()), r.ID, r.Slot})
	}
	return out
}
