package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/state"
)

// Journal writes records of the journal, the oldest first.
func Journal(w io.Writer, format string, records []state.Record, s Style) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			Format  string         `json:"format"`
			Records []state.Record `json:"records"`
		}{"rosknock.journal/1", append([]state.Record{}, records...)})
	}
	t := table{header: []string{"TIME", "ROUTER", "WHAT", "PLAN", "OUTCOME", "STEPS", "ACCEPTED", "BY"}, whole: []string{"TIME", "OUTCOME"}}
	for _, r := range records {
		steps := ""
		if r.Steps > 0 {
			steps = fmt.Sprintf("%d/%d", r.Done, r.Steps)
		}
		t.rows = append(t.rows, []string{r.Time.Format(time.DateTime), r.Router, r.Command, r.Plan, outcomeOf(r), steps, strings.Join(r.Accepted, " "), r.Actor})
	}
	if len(records) == 0 && format == "text" {
		fmt.Fprintln(w, "the journal is empty")
		return nil
	}
	return t.write(w, format, s.Width)
}

func outcomeOf(r state.Record) string {
	if r.Event != state.End {
		return r.Event
	}
	return r.Outcome
}
