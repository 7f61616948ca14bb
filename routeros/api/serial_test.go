package api_test

import (
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/sim"
)

// TestSnapshotSerial: which box it is comes with the snapshot, for each kind of box, is the same in
// every session, and changes nothing about what the digest says. Another box has another one; where
// a router will not tell, there is none, and the snapshot is read all the same.
func TestSnapshotSerial(t *testing.T) {
	read := func(o sim.Options) routeros.Snapshot {
		t.Helper()
		router := sim.New(o)
		var first routeros.Snapshot
		for i := range 2 {
			session := dialSimulated(router)(t)
			s, err := session.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = s
			}
			if s.Serial != first.Serial || s.Serial != router.Snapshot().Serial {
				t.Errorf("%q in one session, %q in the next, %q is true", first.Serial, s.Serial, router.Snapshot().Serial)
			}
		}
		return first
	}
	for board, want := range map[string]string{"RB5009": "HX1", "x86": "software-id/HX1", "CHR": "system-id/HX1"} {
		one, other := read(sim.Options{Board: board, Serial: "HX1"}), read(sim.Options{Board: board})
		if one.Serial != want || other.Serial == one.Serial || other.Serial == "" {
			t.Errorf("%s: %q and %q", board, one.Serial, other.Serial)
		}
		if one.Digest() != other.Digest() {
			t.Errorf("%s: the digest hangs on the serial number", board)
		}
		if none := read(sim.Options{Board: board, Serial: sim.NoSerial}); none.Serial != "" {
			t.Errorf("%s: %q", board, none.Serial)
		}
	}
	silent := sim.Options{Fault: func(q sim.Request) sim.Action {
		if q.Words[0] == "/system/license/print" {
			return sim.Action{Kind: sim.Trap, Message: "failure: it will not say"}
		}
		return sim.Action{}
	}}
	session := dialSimulated(sim.New(silent))(t)
	if s, err := session.Snapshot(t.Context()); err != nil || s.Serial != "" {
		t.Errorf("%q, %v", s.Serial, err)
	}
}
