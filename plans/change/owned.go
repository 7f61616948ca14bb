package change

import (
	"github.com/rosknock/rosknock/routeros"
)

// Owned returns the mark of a row that belongs to the plan. Dynamic rows are never ours.
func Owned(r routeros.Rule, plan string) (routeros.Mark, bool) {
	mark, ok := r.Mark()
	return mark, ok && !r.Dynamic && mark.Plan == plan
}

// Shuts reports whether a rule stops what was let in before. The drop of forged knocks does not:
// nobody waits for them, and it belongs above the stages.
func Shuts(r routeros.Rule) bool {
	if mark, _ := r.Mark(); IsForged(mark.Slot) {
		return false
	}
	switch r.Action() {
	case "drop", "reject", "tarpit":
		return !r.Disabled()
	}
	return false
}
