package proof_test

import (
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// failing is a test of whichever kind.
type failing interface {
	Helper()
	Fatal(...any)
}

// rehearsed is a router after all steps of a change set.
func rehearsed(t failing, s routeros.Snapshot, c diff.ChangeSet) routeros.Snapshot {
	t.Helper()
	after, err := diff.Rehearse(s, c, len(c.Steps))
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// statesOf are the states of a router before, between and after the steps of a change set.
func statesOf(t failing, s routeros.Snapshot, c diff.ChangeSet) []routeros.Snapshot {
	t.Helper()
	states, err := diff.States(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return states
}
