// Package changetest follows change sets in tests, where steps always fit their router, and reads
// and writes rules and steps as text.
package changetest

import (
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// Failing is a test, a benchmark, or a property's draw.
type Failing interface {
	Helper()
	Fatal(args ...any)
}

// After is a router after all steps of a change set, with ids of the router's own for the rows that
// were added. The test fails where the steps do not fit it.
func After(t Failing, before routeros.Snapshot, c change.ChangeSet) routeros.Snapshot {
	t.Helper()
	after, _, err := change.After(before, c)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// States are the states of a router before, between and after the steps of a change set. The test
// fails where they do not fit it.
func States(t Failing, before routeros.Snapshot, c change.ChangeSet) []routeros.Snapshot {
	t.Helper()
	states, err := change.States(before, c)
	if err != nil {
		t.Fatal(err)
	}
	return states
}
