package main

import (
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

func newJournal(e env) *cobra.Command {
	var verify bool
	var which selection
	c := &cobra.Command{
		Use:   "journal",
		Short: "Show what was done to which router, by whom",
		Long: `Show the journal: each change with its outcome, also those that were refused or
failed; who was trusted by hand, and who was revoked; and each risk that was accepted. The journal
is kept in the state folder of this machine and user. Reading it needs no right to write there.

The newest 20 records are shown, the newest last. --all shows everything, --since what is not older
than a time. Times are in UTC.

Each record carries the hash of the one before. --verify reads all records and tells whether one was
changed, removed or inserted.`,
		Example: `  rosknock journal
  rosknock journal --since 12h
  rosknock journal --since "2026-11-21 22:00" -o csv
  rosknock journal -r 192.0.2.1 --all -o json
  rosknock journal --run last
  rosknock journal --verify`,
		Args: exactly(0, "journal takes no argument"),
		RunE: withSettings(e, func(_ *cobra.Command, e access, _ []string) error {
			history, err := e.history()
			if err != nil {
				return err
			}
			if verify {
				n, err := history.Verify()
				if err != nil {
					return err
				}
				if view.IsJSON(e.Output) {
					return view.Verified(e.out, e.Output, n)
				}
				view.Say(e.out, "%s, the chain is whole\n", view.Plural(n, "record"))
				return nil
			}
			which.routers = e.routers
			if which.from, err = sinceTime(which.since, e.now()); err != nil {
				return err
			}
			records, more, err := which.of(history)
			if broken, ok := errors.AsType[*state.BrokenError](err); ok {
				view.Say(e.err, "rosknock: warning: %v\n", broken)
			} else if err != nil {
				return err
			}
			if err := view.Journal(e.out, e.Output, records, e.style()); err != nil {
				return err
			}
			if more {
				e.remark("these are the newest %d; --all shows everything, --since 7d those of the last 7 days\n", newestShown)
			}
			return nil
		}),
	}
	c.Flags().StringVar(&which.run, "run", "", "only one `RUN` over a fleet, or the last")
	c.Flags().StringVar(&which.since, "since", "", "only what is not older than a `TIME`: 12h, 7d, 2026-11-21 or \"2026-11-21 22:00\"")
	c.Flags().BoolVar(&which.all, "all", false, "everything, not only the newest 20")
	c.Flags().BoolVar(&verify, "verify", false, "check that the chain of hashes is whole; exit code 1 when it is not")
	return c
}

// newestShown is how many entries are shown when nothing else is asked for.
const newestShown = 20

// selection is which part of the journal is asked for.
type selection struct {
	all        bool
	since, run string
	from       time.Time
	routers    []string
}

// of reads the part that is asked for, the oldest first. more says that there is more before it.
func (w selection) of(history *state.History) (records []state.Record, more bool, err error) {
	var names []string
	for _, name := range w.routers {
		if _, host, ok := cutLast(name, "@"); ok {
			name = host
		}
		names = append(names, name)
	}
	if w.run != "" {
		records, err = history.Run(w.run)
		if len(records) > 0 {
			w.run = records[0].Run
		}
		records = slices.DeleteFunc(records, func(r state.Record) bool { return r.Run != w.run || !w.takes(r, names) })
		return records, false, err
	}
	most := newestShown
	if w.all || !w.from.IsZero() {
		most = -1
	}
	ended, n, old := map[string]bool{}, 0, 0
	err = history.Newest(names, func(r state.Record) bool {
		if r.Time.Before(w.from) {
			old++ // clocks are set back, too
			return old < oldInARow
		}
		old = 0
		if !w.takes(r, names) {
			return true
		}
		if pair := view.JournalPair(r); r.Event == state.End || r.Event == state.RunEnd || !ended[pair] {
			if n == most {
				more = true
				return false
			}
			n++
			ended[pair] = pair != ""
		}
		records = append(records, r)
		return true
	})
	slices.Reverse(records)
	return records, more, err
}

// oldInARow is the number of records in a row that are too old, after which the search ends.
const oldInARow = 10_000

// takes reports whether a record belongs to the wanted time and routers.
func (w selection) takes(r state.Record, names []string) bool {
	if r.Time.Before(w.from) {
		return false
	}
	return len(names) == 0 || slices.ContainsFunc(names, func(name string) bool {
		host, _, _ := net.SplitHostPort(r.Address)
		return r.Router == name || r.Key() == name || r.Address == name || r.Identity == name || host != "" && host == name
	})
}

// sinceTime reads --since: how long ago, or a time on this machine's clock.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := routeros.ParseDuration(text); err == nil && strings.Trim(text, "0123456789") != "" {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usagef("--since %q: a time such as 12h, 7d, 2026-11-21 or \"2026-11-21 22:00\" is expected", text)
}

// history opens the journal for reading only.
func (e access) history() (*state.History, error) {
	path, err := e.stateDir()
	if err != nil {
		return nil, err
	}
	dir := state.OpenReading(path)
	if err := dir.Exposed(); err != nil {
		view.Say(e.err, "rosknock: warning: %v\n", err)
	}
	return dir.History()
}
