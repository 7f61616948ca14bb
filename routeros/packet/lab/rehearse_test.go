//go:build linux

package lab_test

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
