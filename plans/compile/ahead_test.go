package compile_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/sequence"
	"github.com/rosknock/rosknock/routeros"
)

// TestAhead: a door that is pre-provisioned has one chain, behind one jump, in which each stage of
// each window has its hours and lists of its own; what it opens is there once.
func TestAhead(t *testing.T) {
	p, err := plans.Read("p.yaml", []byte(`version: 1
name: p
doors:
  admin:
    rotate: {secret: "env:X", stages: 4, every: 2h, ahead: 1d}
    trusted: {list: in, for: 1h}
    opens: [ssh]
    log: {prefix: knocked}
gate: {services: [ssh]}
firewall: {families: [ipv4]}
`))
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		clock time.Time
		note  string
	}{
		{time.Date(2026, 11, 21, 10, 30, 0, 0, berlin), ""},
		{time.Date(2026, 10, 23, 10, 30, 0, 0, berlin), "changes its offset at 2026-10-25 02:00 +01:00"},
		{time.Date(2026, 11, 21, 10, 30, 0, 0, time.FixedZone("", 3600)), "unknown on this machine, only its present offset +01:00"},
		{time.Date(2026, 11, 21, 10, 30, 0, 0, time.UTC), ""},
		{time.Time{}, "knocks are UTC"},
	} {
		s := routeros.Snapshot{
			Clock: test.clock, Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: {}}, Services: []routeros.Service{{Name: "ssh", Port: 22}},
			Interfaces: []routeros.Interface{{Name: "ether1", Type: "ether"}},
		}
		at := time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC).In(test.clock.Location())
		now, err := sequence.Standing(p, "r1", at, func(plans.Credential) (string, error) { return "0123456789abcdef", nil })
		if err != nil {
			t.Fatal(err)
		}
		rs, err := compile.Compile(now, s)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(rs.Notes, " "); test.note == "" && said != "" || !strings.Contains(said, test.note) {
			t.Errorf("%s: %q, want %q", test.clock, said, test.note)
		}
		table := rs.Tables[0]
		var slots []string
		for _, r := range table.Rules {
			mark, _ := r.Mark()
			slots = append(slots, mark.Slot)
		}
		if want := []string{"established", "admin/jump", "admin/open-tcp", "gate/tcp"}; !slices.Equal(slots, want) {
			t.Errorf("%v, want %v", slots, want)
		}
		if len(table.Chains) != 1 || len(table.Doors) != 12 {
			t.Fatalf("%d chains, %d doors", len(table.Chains), len(table.Doors))
		}
		seen := map[string]bool{}
		split := 0
		for _, r := range table.Chains[0].Rules {
			mark, _ := r.Mark()
			_, err := routeros.ParseHours(r.Attrs.Get("time"))
			if err != nil || seen[mark.Slot] || !routeros.TellsKnock(mark.Slot) || r.Attrs.Get("connection-state") != "new" {
				t.Errorf("%s: %v, %v", mark.Slot, r.Attrs, err)
			}
			seen[mark.Slot] = true
			if strings.HasSuffix(mark.Slot, "-2") {
				split++
			}
		}
		if split != 5 && split != 10 || len(seen) != 60+split { // one window goes over midnight, or two do with their overlaps
			t.Errorf("%d rules, %d of them behind midnight", len(seen), split)
		}
	}
}
