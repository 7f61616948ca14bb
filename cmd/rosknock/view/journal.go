package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/state"
)

// Journal writes records of the journal, the oldest first.
func Journal(w io.Writer, format string, records []state.Record, s Style) error {
	switch format {
	case "json":
		return document(w, format, journalJSON{formatOf("journal"), append([]state.Record{}, records...)})
	case "jsonl":
		for i := range records {
			if err := document(w, format, journalJSON{formatOf("journal"), records[i : i+1]}); err != nil {
				return err
			}
		}
		return nil
	}
	t := table{
		header: []string{"TIME", "ROUTER", "WHAT", "PLAN", "OUTCOME", "STEPS", "ACCEPTED", "CHANGE", "RUN", "BY", "DETAIL"},
		whole:  []string{timeColumn, "ROUTER", "OUTCOME", "CHANGE", "RUN"},
	}
	layout := time.RFC3339
	if format == "text" {
		t.header[0], layout = timeColumn, "2006-01-02 15:04"
	}
	ended := map[string]bool{}
	for _, r := range records {
		if r.Event == state.End || r.Event == state.RunEnd {
			ended[JournalPair(r)] = true
		}
	}
	for _, r := range records {
		if (r.Event == state.Begin || r.Event == state.RunBegin) && ended[JournalPair(r)] {
			continue // its end says all that it says
		}
		steps := ""
		if r.Steps > 0 {
			steps = fmt.Sprintf("%d/%d", r.Done, r.Steps)
		}
		row := []string{
			r.Time.UTC().Format(layout), routerOf(r), r.Command, r.Plan, outcomeOf(r), steps, strings.Join(r.Accepted, " "), r.Change, r.Run, r.Actor, detailOf(r),
		}
		for i := range row {
			row[i] = strings.Join(strings.Fields(row[i]), " ")
		}
		t.rows = append(t.rows, row)
	}
	for _, name := range []string{"ACCEPTED", "RUN", "DETAIL"} { // which are mostly empty
		at := slices.Index(t.header, name)
		if !t.filled()[at] {
			t = t.without(at)
		}
	}
	if format != "text" {
		return t.write(w, format, s.Width)
	}
	if len(records) == 0 {
		Say(w, "the journal is empty\n")
		return nil
	}
	if total(t.widths(utf8.RuneCountInString)) > s.Width { // what happened comes before who did it
		t = t.without(slices.Index(t.header, "BY"))
	}
	return t.write(w, format, s.Width)
}

type journalJSON struct {
	Format  string         `json:"format"`
	Records []state.Record `json:"records"`
}

const timeColumn = "TIME (UTC)"

// JournalPair is what the two records have in common that say how one thing began and how it ended;
// "" for a record that stands alone.
func JournalPair(r state.Record) string {
	switch id := cmp.Or(r.Change, r.Act); {
	case r.Event == state.RunBegin, r.Event == state.RunEnd:
		return "run " + r.Run
	case id != "":
		return r.Key() + " " + id
	}
	return ""
}

// routerOf is the router of a record, with its site where it has one: two customers may have a gw.
func routerOf(r state.Record) string {
	if site, _, ok := strings.Cut(r.RouterKey, "/"); ok && site != inventory.NoSite {
		return r.RouterKey
	}
	return r.Router
}

// outcomeOf is how a record ended; of what has no end, that nobody knows.
func outcomeOf(r state.Record) string {
	switch r.Event {
	case state.End, state.RunEnd:
		return r.Outcome
	case state.Begin, state.RunBegin:
		return "not ended"
	}
	return r.Event
}

// detailOf is what else is to be known: whom it was about, what became of the routers of a run, why
// it failed.
func detailOf(r state.Record) string {
	var parts []string
	if r.Routers > 0 {
		parts = append(parts, Plural(r.Routers, "router")+counted(r.Outcomes))
	}
	if r.Source != "" {
		text := r.Source
		if r.Door != "" {
			text += " at " + r.Door
		}
		if r.For != "" {
			text += " for " + r.For
		}
		parts = append(parts, text)
	}
	if r.TakenBy != "" {
		parts = append(parts, "older records of "+r.Address+" are those of "+r.TakenBy)
	}
	if r.Undoes != "" {
		parts = append(parts, "of "+r.Undoes)
	}
	if r.Error != "" {
		parts = append(parts, r.Error)
	}
	return strings.Join(parts, "; ")
}

func counted(outcomes map[string]int) string {
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", outcomes[outcome], outcome))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
