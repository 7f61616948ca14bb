package undo_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
)

// TestLeftOfServices: a service is as it was when it means the same, however the router prints it;
// what somebody else has made of it since is not ours to put back.
func TestLeftOfServices(t *testing.T) {
	const was, wrote = "10.0.0.0/8,192.0.2.1", "192.168.88.0/24,198.51.100.7"
	with := func(from, port string) routeros.Snapshot {
		return routeros.Snapshot{Services: []routeros.Service{routeros.ReadService(routeros.MakeAttributes(".id", "*8", "name", "winbox", "port", port, "address", from))}}
	}
	set := func(pairs ...string) change.Step {
		return change.Step{Op: change.Set, Menu: routeros.ServiceMenu, ID: "*8", Slot: "winbox", Set: routeros.MakeAttributes(pairs...)}
	}
	done := change.ChangeSet{Steps: []change.Step{set("address", wrote, "port", "8291"), set("port", "18291")}}
	said := []string{"the service winbox is not as it was before"}
	for _, test := range []struct {
		name, from, port string
		want             []string
	}{
		{"to the byte", was, "8291", nil},
		{"a host as a prefix", "10.0.0.0/8,192.0.2.1/32", "8291", nil},
		{"in another order", "192.0.2.1/32,10.0.0.0/8", "8291", nil},
		{"what was written", wrote, "8291", said},
		{"what was written, in the router's words", "198.51.100.7/32,192.168.88.0/24", "8291", said},
		{"one of two values", was, "18291", said},
		{"somebody else's", "203.0.113.0/24", "8292", nil},
	} {
		if got := undo.Left(with(test.from, test.port), with(was, "8291"), done, "m"); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
