package change_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// TestHalve: a gate that an earlier part has added, disabled, does not go live in one part with
// those whom it has to let through. The router would not refuse it when the part is rolled back:
// they would be gone, and the gate live.
func TestHalve(t *testing.T) {
	add := func(slot string, pairs ...string) change.Step {
		return change.Step{Op: change.Add, Menu: routeros.Filter, Slot: slot, Set: routeros.MakeAttributes(append([]string{"chain", "input"}, pairs...)...)}
	}
	accept := func(port string) change.Step {
		step := add("m/"+port, "action", "accept", "protocol", "tcp", "dst-port", port)
		step.Before = "+0"
		return step
	}
	c := change.ChangeSet{Steps: []change.Step{
		add("m/gate", "action", "drop", "protocol", "tcp", "dst-port", "22,23", "disabled", "true"), accept("22"), accept("23"),
		{Op: change.Enable, Menu: routeros.Filter, ID: "+0", Slot: "m/gate", Set: routeros.MakeAttributes("disabled", "false")},
	}}
	before := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {}}}
	whole, err := change.PartsOf(before, c)
	if err != nil || !slices.Equal(whole, []change.Part{{From: 0, To: 4, Met: true}}) {
		t.Fatalf("%v, %v: all of it is new, so the router refuses what has lost its ground", whole, err)
	}
	halves, err := change.Halve(before, c, whole[0])
	if want := []change.Part{{From: 0, To: 2, Met: true}, {From: 2, To: 3, Met: true}, {From: 3, To: 4, Met: true}}; err != nil || !slices.Equal(halves, want) {
		t.Errorf("%v, %v, want %v", halves, err, want)
	}
}

// TestMoveOfAnAccept: an accept is not moved in front of a row that the same part has added. When
// that is rolled back, the router takes the row that is gone for the end of the table, below every
// gate.
func TestMoveOfAnAccept(t *testing.T) {
	old := routeros.Rule{ID: "*1", Attrs: routeros.MakeAttributes("chain", "input", "action", "accept", "protocol", "tcp", "dst-port", "22")}
	before := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {old}}}
	c := change.ChangeSet{Steps: []change.Step{
		{Op: change.Add, Menu: routeros.Filter, Slot: "m/new", Set: old.Attrs.With("dst-port", "23")},
		{Op: change.Move, Menu: routeros.Filter, ID: "*1", Before: "+0", Slot: "m/old"},
	}}
	parts, err := change.PartsOf(before, c)
	if want := []change.Part{{From: 0, To: 1, Met: true}, {From: 1, To: 2, Met: true}}; err != nil || !slices.Equal(parts, want) {
		t.Errorf("%v, %v, want %v", parts, err, want)
	}
}
