package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/state"
)

// Journal writes records of the journal, the oldest first.
func Journal(w io.Writer, format string, records []state.Record, s Style) error {
	if format == "json" {
		return encode(w, struct {
			Format  string         `json:"format"`
			Records []state.Record `json:"records"`
		}{"rosknock.journal/1", append([]state.Record{}, records...)}, "  ")
	}
	t := table{header: []string{"CHANGE", "ROUTER", "WHAT", "PLAN", "OUTCOME", "STEPS", "ACCEPTED", "BY"}, whole: []string{"CHANGE", "OUTCOME"}}
	accepted := slices.ContainsFunc(records, func(r state.Record) bool { return len(r.Accepted) > 0 })
	if !accepted {
		t.header = slices.DeleteFunc(t.header, func(name string) bool { return name == "ACCEPTED" })
	}
	ended := map[string]bool{}
	for _, r := range records {
		if r.Event == state.End {
			ended[r.Address+" "+r.Change] = true
		}
	}
	for _, r := range records {
		if r.Event == state.Begin && ended[r.Address+" "+r.Change] {
			continue // its end says all that it says
		}
		steps := ""
		if r.Steps > 0 {
			steps = fmt.Sprintf("%d/%d", r.Done, r.Steps)
		}
		name := cmp.Or(r.Change, r.Run)
		if name == "" || r.Event == state.End && r.Change == "" {
			name = r.Time.Format(time.DateTime)
		}
		row := []string{name, r.Router, r.Command, r.Plan, outcomeOf(r), steps}
		if accepted {
			row = append(row, strings.Join(r.Accepted, " "))
		}
		t.rows = append(t.rows, append(row, r.Actor))
	}
	if len(records) == 0 && format == "text" {
		Say(w, "the journal is empty\n")
		return nil
	}
	return t.write(w, format, s.Width)
}

// outcomeOf is how a record ended; of a change without an end, that nobody knows.
func outcomeOf(r state.Record) string {
	switch r.Event {
	case state.End:
		return r.Outcome
	case state.Begin:
		return "not ended"
	case state.RunBegin:
		return Plural(r.Routers, "router")
	}
	return r.Event
}
