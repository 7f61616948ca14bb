package state

import (
	"slices"
	"time"
)

// NewRun makes the name of a run over a fleet.
func NewRun(at time.Time) string { return "run-" + NewChange(at) }

// Finished returns the records of the routers of a run that need no further turn, by their address and the plan's name: those that were
// changed, or had nothing to change. A router whose change was taken back since is not finished. found says whether there was such a
// run. Who goes on has to compare the fingerprint of the plan: it may have been edited meanwhile.
func Finished(records []Record, run string) (done map[string]Record, found bool) {
	done = map[string]Record{}
	for _, r := range records {
		key := r.Address + " " + r.Plan
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

// LastRun returns the name of the newest run, or "".
func LastRun(records []Record) string {
	for _, r := range slices.Backward(records) {
		if r.Event == RunBegin {
			return r.Run
		}
	}
	return ""
}
