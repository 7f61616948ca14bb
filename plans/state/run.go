package state

import (
	"slices"
	"time"
)

// NewRun makes the name of a run over a fleet.
func NewRun(at time.Time) string { return "run-" + NewChange(at) }

// Finished returns the records of the routers of a run that need no further turn, by their key and
// the plan's name: those that were changed, or had nothing to change. A router whose change was
// rolled back since is not finished. found says whether there was such a run. Who goes on has to
// compare the fingerprint of the plan: it may have been edited meanwhile.
func Finished(records []Record, run string) (done map[string]Record, found bool) {
	done = map[string]Record{}
	for _, r := range records {
		key := r.Key() + " " + r.Plan
		switch {
		case r.Run == run && r.Event == RunBegin:
			found = true
		case r.Run == run && r.Event == End && slices.Contains([]string{"changed", "unchanged"}, r.Outcome):
			done[key] = r
		case r.Event == End && r.Undoes != "" && r.Outcome == "changed":
			delete(done, key)
		}
	}
	return done, found
}

// LastRun is what stands for the newest run in place of its name.
const LastRun = "last"

// Run returns the records of the journal from the beginning of a run over a fleet on, the oldest
// first; none where there was no such run. What comes before tells nothing about it.
func (h *History) Run(run string) ([]Record, error) {
	var records []Record
	found := false
	err := h.Newest(nil, func(r Record) bool {
		records = append(records, r)
		found = r.Event == RunBegin && (run == LastRun || r.Run == run)
		return !found
	})
	if !found {
		records = nil
	}
	slices.Reverse(records)
	return records, err
}
