package view

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// Rated is a knock with what it withstands.
type Rated struct {
	File string // where it stands
	Door string // of a plan
	// Knock, and how long each of its stages is remembered.
	Knock   []plans.Stage
	Timeout time.Duration
	// Speed is the packets per second of the sweeps, Decoys how many the door has.
	Speed    float64
	Decoys   int
	Strength sequence.Strength
}

// Generated writes a new knock: as text, as it goes into a plan. It is shown in clear, which is
// what it is made for.
func Generated(w io.Writer, format string, r Rated, s Style) error {
	s.Reveal = true
	if format != "text" {
		return Sequences(w, format, []Rated{r}, s)
	}
	Say(w, "[%s]\n", strings.Join(s.stages(r.Knock), ", "))
	return nil
}

// Sequences writes what knocks withstand.
func Sequences(w io.Writer, format string, rated []Rated, s Style) error {
	switch format {
	case "json", "jsonl":
		return s.sequencesJSON(w, format, rated)
	case "csv", "markdown":
		return s.sequencesTable(rated).write(w, format, s.Width)
	}
	for i, r := range rated {
		if i > 0 {
			Say(w, "\n")
		}
		if err := r.text(w, s); err != nil {
			return err
		}
	}
	return nil
}

// stages are those of a knock, masked unless they are to be shown.
func (s Style) stages(knock []plans.Stage) []string {
	out := make([]string, len(knock))
	for i, stage := range knock {
		out[i] = stage.Masked()
		if s.Reveal {
			out[i] = stage.Reveal()
		}
	}
	return out
}

func (r Rated) text(w io.Writer, s Style) error {
	name := r.File
	if r.Door != "" {
		name += ", door " + r.Door
	}
	Say(w, "%s: %s, remembered for %s each\n", s.bold(clean(name)), Plural(len(r.Knock), "stage"), routeros.FormatDuration(r.Timeout))
	Say(w, "%s\n", wrap(clean(strings.Join(s.stages(r.Knock), ", ")), s.Width, 2))
	Say(w, "\n")
	t := table{header: []string{"AGAINST", "RESULT AT " + thousands(r.Speed) + " PACKETS/S"}, rows: r.rows(), whole: []string{"AGAINST"}}
	if err := t.text(w, s.Width); err != nil {
		return err
	}
	Say(w, "\n")
	verdict := "good: " + r.verdict()
	if r.Strength.Weak() {
		verdict = "weak: " + r.verdict()
	}
	Say(w, "%s\n", wrap(clean(verdict), s.Width, 0))
	return nil
}

// rows are the measures in words.
func (r Rated) rows() [][]string {
	st := r.Strength
	decoys := Plural(r.Decoys, "decoy")
	if r.Decoys == 0 {
		decoys = "no decoys"
	}
	rows := [][]string{
		{"guessing", fmt.Sprintf("%.0f bits of ports and sizes, %.1f of protocols", st.Bits, st.ProtocolBits)},
		{"a sweep in random order", opens(st.Random)},
		{"with a quarantine, " + decoys, opens(st.Quarantined)},
	}
	if st.Random > 0 {
		rows = append(rows, []string{"such sweeps, with pauses", fmt.Sprintf("%s on average, %s for a chance of 50 %%", thousands(st.Sweeps()), thousands(st.Half()))})
	}
	rows = append(rows,
		[]string{"ascending sweeps", inRow(st.AscendingRow)},
		[]string{"descending sweeps", inRow(st.DescendingRow)})
	if st.Fast > 0 {
		rows = append(rows, []string{"the same sweep repeated", inRow(len(r.Knock)) + fmt.Sprintf(", from %s packets/s on", thousands(math.Ceil(st.Fast)))})
	}
	return rows
}

func opens(chance float64) string {
	switch {
	case chance <= 0:
		return "never opens it"
	case chance >= 1:
		return "opens it"
	}
	return fmt.Sprintf("opens 1 time in %s (%s)", thousands(1/chance), percent(chance))
}

func inRow(n int) string {
	switch n {
	case 0:
		return "never open it, however many"
	case 1:
		return "one opens it"
	}
	return fmt.Sprintf("%d in a row open it", n)
}

// verdict is the sentence below the table.
func (r Rated) verdict() string {
	st := r.Strength
	switch {
	case st.Ascending && st.Descending:
		return "any sweep opens it; use more than one stage, and ports that neither rise nor fall"
	case st.Ascending:
		return "one ascending sweep opens it; use ports that neither rise nor fall"
	case st.Descending:
		return "one descending sweep opens it; use ports that neither rise nor fall"
	case st.Random > sequence.Budget:
		if n, err := sequence.StagesFor(sequence.Budget, 0); err == nil && n > len(r.Knock) {
			return fmt.Sprintf("a sweep in random order opens it more often than 1 time in %.0f; use %d stages, or a shorter stage-timeout", 1/sequence.Budget, n)
		}
		return fmt.Sprintf("a sweep in random order opens it more often than 1 time in %.0f; use one port a stage, and each once", 1/sequence.Budget)
	}
	text := fmt.Sprintf("no sweep by itself opens it more often than 1 time in %.0f", 1/sequence.Budget)
	if st.Random > 0 {
		text += "; fast sweeps without a pause open it in time, unless there is a quarantine"
	}
	return text
}

// thousands writes a whole number with commas, and from a billion on its power of ten.
func thousands(f float64) string {
	const billion = 1e9
	if math.IsInf(f, 0) || f >= billion {
		return fmt.Sprintf("%.1e", f)
	}
	text := strconv.FormatInt(int64(math.Round(f)), 10)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// sequencesTable has a line for each knock.
func (s Style) sequencesTable(rated []Rated) table {
	t := table{header: []string{"file", "door", "knock", "stage-timeout", "packets-per-second", "decoys", "bits", "protocol-bits", "random-sweep", "quarantined-sweep",
		"sweeps-average", "sweeps-half", "ascending-sweeps", "descending-sweeps", "fast", "weak"}}
	number := func(f float64) string {
		if math.IsInf(f, 0) {
			return ""
		}
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	for _, r := range rated {
		st := r.Strength
		t.rows = append(t.rows, []string{r.File, r.Door, strings.Join(s.stages(r.Knock), " "), routeros.FormatDuration(r.Timeout), number(r.Speed), strconv.Itoa(r.Decoys),
			number(st.Bits), number(st.ProtocolBits), number(st.Random), number(st.Quarantined), number(st.Sweeps()), number(st.Half()),
			strconv.Itoa(st.AscendingRow), strconv.Itoa(st.DescendingRow), number(st.Fast), strconv.FormatBool(st.Weak())})
	}
	return t
}

type jsonSequence struct {
	File         string   `json:"file,omitempty"`
	Door         string   `json:"door,omitempty"`
	Stages       []string `json:"stages"` // masked unless revealed
	StageTimeout string   `json:"stage-timeout"`
	Speed        float64  `json:"packets-per-second"` // of the sweeps below
	Decoys       int      `json:"decoys"`
	Bits         float64  `json:"bits"`
	ProtocolBits float64  `json:"protocol-bits"`
	Random       float64  `json:"random-sweep"`
	Quarantined  float64  `json:"quarantined-sweep"`
	Average      *float64 `json:"sweeps-average"` // null where no sweep opens it
	Half         *float64 `json:"sweeps-half"`
	// AscendingRow and DescendingRow are how many sweeps without a pause open it; 0 where no number
	// does.
	AscendingRow  int     `json:"ascending-sweeps"`
	DescendingRow int     `json:"descending-sweeps"`
	Fast          float64 `json:"fast-packets-per-second"`
	Weak          bool    `json:"weak"`
}

func (s Style) sequencesJSON(w io.Writer, format string, rated []Rated) error {
	finite := func(f float64) *float64 {
		if math.IsInf(f, 0) {
			return nil
		}
		return &f
	}
	out := []jsonSequence{}
	for _, r := range rated {
		st := r.Strength
		out = append(out, jsonSequence{r.File, r.Door, s.stages(r.Knock), routeros.FormatDuration(r.Timeout), r.Speed, r.Decoys, st.Bits, st.ProtocolBits, st.Random, st.Quarantined,
			finite(st.Sweeps()), finite(st.Half()), st.AscendingRow, st.DescendingRow, st.Fast, st.Weak()})
	}
	return document(w, format, struct {
		Format    string         `json:"format"`
		Sequences []jsonSequence `json:"sequences"`
	}{"rosknock.sequence/1", out})
}
