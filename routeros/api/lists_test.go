package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
	"github.com/rosknock/rosknock/routeros/sim"
	"github.com/rosknock/rosknock/routeros/sim/simtest"
)

// crowded is a router with large address lists, of both families: blocked, which input drops by a
// jump, behind, which only forward names, and loose, which no rule names.
func crowded(t *testing.T, each int) *sim.Router {
	t.Helper()
	s := routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{}, Entries: map[routeros.Menu][]routeros.ListEntry{}}
	rule := func(m routeros.Menu, pairs ...string) {
		s.Rules[m] = append(s.Rules[m], routeros.Rule{ID: fmt.Sprintf("*%X", 1+len(s.Rules[m])), Attrs: routeros.MakeAttributes(pairs...)})
	}
	for _, f := range routeros.Families() {
		rule(f.Filter(), "chain", "input", "action", "jump", "jump-target", "screen")
		rule(f.Filter(), "chain", "screen", "action", "drop", "src-address-list", "blocked")
		rule(f.Filter(), "chain", "forward", "action", "drop", "dst-address-list", "behind")
		rule(f.Filter(), "chain", "input", "action", "drop", "src-address-list", "off", "disabled", "true")
		rule(f.Filter(), "chain", "input", "action", "accept", "src-address-list", "ours", "comment", "[rosknock branch/x]")
		for _, list := range []string{"blocked", "behind", "loose", "off"} {
			for i := range each {
				address := fmt.Sprintf("10.%d.%d.%d", len(list), i/256, i%256)
				if f == routeros.IPv6 {
					address = fmt.Sprintf("2001:db8:%x::%x/128", len(list), i)
				}
				s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], routeros.ListEntry{List: list, Address: address, Comment: "abuse"})
			}
		}
		s.Entries[f.AddressList()] = append(s.Entries[f.AddressList()], routeros.ListEntry{List: "ours", Address: map[routeros.Family]string{routeros.IPv4: "192.0.2.7", routeros.IPv6: "2001:db8::7/128"}[f], Comment: "[rosknock branch/allow]"})
	}
	return simtest.New(t, sim.Options{Version: routeros.Version{Major: 7, Minor: 20}}, s)
}

func entered(t *testing.T, router *sim.Router) *api.Session {
	t.Helper()
	s, err := api.NewSession(t.Context(), simtest.Pipe(t, router), "admin", "", api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t *testing.T, s *api.Session) routeros.Snapshot {
	t.Helper()
	out, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func held(s routeros.Snapshot, f routeros.Family, list string) (n int) {
	for _, e := range s.Entries[f.AddressList()] {
		if e.List == list {
			n++
		}
	}
	return n
}

// enter runs a command on the router over a session of its own.
func enter(t *testing.T, router *sim.Router, path string, pairs ...string) {
	t.Helper()
	if _, err := entered(t, router).Run(t.Context(), routeros.NewCommand(path, pairs...)); err != nil {
		t.Fatal(err)
	}
}

// TestLargeLists reads what decides and says what it has not read.
func TestLargeLists(t *testing.T) {
	const each = 1500
	router := crowded(t, each)
	for _, c := range []struct {
		name  string
		scope routeros.ListScope
		want  map[string]int
	}{
		{"input", routeros.ListScope{InputOnly: true}, map[string]int{"blocked": each, "ours": 1}},
		{"all that rules name", routeros.ListScope{}, map[string]int{"blocked": each, "behind": each, "ours": 1}},
		{"a plan's own", routeros.ListScope{InputOnly: true, Names: []string{"loose", "nobody"}}, map[string]int{"blocked": each, "loose": each, "ours": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			session := entered(t, router)
			session.UseLists(&api.Lists{Scope: c.scope})
			s := read(t, session)
			for _, f := range routeros.Families() {
				total := 0
				for _, list := range []string{"blocked", "behind", "loose", "off", "ours"} {
					n, read := c.want[list]
					if got := held(s, f, list); got != n || s.ReadsList(f, list) != read {
						t.Errorf("%s %s: %d entries, read: %t; want %d, %t", f, list, got, s.ReadsList(f, list), n, read)
					}
					total += n
				}
				if unread := s.PartlyRead[f.AddressList()].Unread; unread != 4*each+1-total {
					t.Errorf("%s: %d entries are not read", f, unread)
				}
			}
			if notes := strings.Join(s.ListNotes(), "\n"); !strings.Contains(notes, "counted and not read") {
				t.Errorf("the notes say %q", notes)
			}
		})
	}
}

// TestSmallLists are read whole, in the router's order.
func TestSmallLists(t *testing.T) {
	router := crowded(t, 400)
	s, want := read(t, entered(t, router)), router.Snapshot()
	for _, f := range routeros.Families() {
		if s.PartlyRead != nil || !slices.EqualFunc(s.Entries[f.AddressList()], want.Entries[f.AddressList()], func(a, b routeros.ListEntry) bool { return a.ID == b.ID && a.Comment == b.Comment }) {
			t.Errorf("%s: %d entries, partly read: %v", f, len(s.Entries[f.AddressList()]), s.PartlyRead)
		}
	}
}

// TestListsAgain reads other people's lists once: later by their number, until that changes or a rule
// begins to name another one.
func TestListsAgain(t *testing.T) {
	const each = 1500
	router := crowded(t, each)
	lists := &api.Lists{Scope: routeros.ListScope{InputOnly: true}}
	again := func() routeros.Snapshot {
		session := entered(t, router)
		session.UseLists(lists)
		return read(t, session)
	}
	first := again()
	if again().Digest() != first.Digest() {
		t.Error("two readings of a router that nobody touched have two digests")
	}
	other := entered(t, router)
	other.UseLists(&api.Lists{Scope: routeros.ListScope{Names: []string{"loose"}}})
	if read(t, other).Digest() != first.Digest() {
		t.Error("readings for two plans have two digests")
	}

	enter(t, router, "/ip/firewall/address-list/add", "list", "blocked", "address", "192.0.2.99")
	second := again()
	if held(second, routeros.IPv4, "blocked") != each+1 || second.Digest() == first.Digest() {
		t.Error("a new entry of a list that decides is not read")
	}
	enter(t, router, "/ip/firewall/address-list/add", "list", "loose", "address", "192.0.2.98")
	third := again()
	if third.PartlyRead[routeros.AddressList].Unread != first.PartlyRead[routeros.AddressList].Unread+1 || third.Digest() == second.Digest() {
		t.Error("a new entry of a list that was not read is not counted")
	}
	enter(t, router, "/ip/firewall/address-list/add", "list", "ours", "address", "192.0.2.97")
	if held(again(), routeros.IPv4, "ours") != 2 {
		t.Error("a new entry of a plan's list is not read")
	}
	enter(t, router, "/ip/firewall/filter/add", "chain", "input", "action", "drop", "src-address-list", "!loose")
	if s := again(); !s.ReadsList(routeros.IPv4, "loose") || held(s, routeros.IPv4, "loose") != each+1 {
		t.Error("a list that a rule has begun to name is not read")
	}
	before := again().Digest()
	enter(t, router, "/ip/firewall/address-list/add", "list", "blocked", "address", "192.0.2.96", "timeout", "1h")
	if again().Digest() != before {
		t.Error("an entry that goes by itself changes the digest")
	}
}
