package operate

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// mostDifferences is how many lines of a difference are shown.
const mostDifferences = 12

// unmoved refuses a router that is not as it was when the changes were saved.
func unmoved(now routeros.Snapshot, saved *state.SavedRouter) error {
	switch {
	case saved == nil:
		return nil
	case saved.Serial != "" && saved.Serial != now.Serial:
		return Refusef("%s: the changes were saved for the box with the serial number %s, and this one has %s: find out which of them is meant, and make the changes again",
			OtherHardware, saved.Serial, cmp.Or(now.Serial, "not told"))
	case now.Digest() == saved.Snapshot:
		return nil
	}
	if version := now.Version.String(); saved.Version != "" && saved.Version != version {
		return &MovedError{fmt.Sprintf("the changes were saved for RouterOS %s, and the router has %s now: nothing was sent; look again with rosknock diff", saved.Version, version)}
	}
	lines := state.Difference(saved.Rows, state.Rows(now), mostDifferences)
	return &MovedError{"the router changed since the changes were saved: nothing was sent; look again with rosknock diff; " + strings.Join(lines, "; ")}
}

// sameSteps refuses saved steps that are not what the saved plan gives on this router.
func sameSteps(r Result, saved *state.SavedRouter) error {
	if saved == nil || r.Changes == nil || reflect.DeepEqual(state.Steps(*r.Changes), saved.Steps) {
		return nil
	}
	return invalidf("the saved steps are not those of the saved plan: the file was made by another version, or changed; make it again with rosknock diff --save")
}
