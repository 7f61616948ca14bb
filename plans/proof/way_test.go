package proof_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/plans/undo"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// An undo is judged by the router before the change: a verdict that could not be decided then is no
// reason to refuse; one that could, and rules that were added since, are.
func TestWayIsJudgedByWhatWas(t *testing.T) {
	const (
		head = `/interface list
add name=LAN
/interface list member
add interface=bridge list=LAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=203.0.113.1/24 interface=ether1
/ip firewall filter
`
		doubt  = "add action=drop chain=input protocol=tcp connection-limit=100,32\n"
		accept = "add action=accept chain=input src-address=192.168.88.0/24\n"
		drop   = "add action=drop chain=input\n"
		plan   = "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, udp/4712, tcp/4713]\n    trusted: {list: t, for: 1h}\n    opens: [api]\nallow: {addresses: [192.168.88.10]}\n" +
			"gate: {services: [api]}\nfirewall: {families: [ipv4], layout: chain}\n"
	)
	operator := change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.10")}}
	// since is what somebody does to the router after the change.
	added := func(s *routeros.Snapshot) {
		rule := routeros.NewRule("chain", "input", "action", "drop", "protocol", "tcp", "connection-limit", "100,32")
		rule.ID = "*77"
		at := slices.IndexFunc(s.Rules[routeros.Filter], func(r routeros.Rule) bool { return r.Action() == "jump" })
		s.Rules[routeros.Filter] = slices.Insert(slices.Clone(s.Rules[routeros.Filter]), at+1, rule)
	}
	edited := func(s *routeros.Snapshot) {
		rows := slices.Clone(s.Rules[routeros.Filter])
		at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.Attrs.Has("connection-limit") })
		rows[at].Attrs = rows[at].Attrs.With("connection-limit", "1,0")
		s.Rules[routeros.Filter] = rows
	}
	for name, test := range map[string]struct {
		table string
		place string // in the plan
		since func(*routeros.Snapshot)
		lost  bool // the operator would be
		doubt bool // a note says that they may be
	}{
		"nothing doubtful":                            {table: accept},
		"a doubtful drop":                             {table: doubt + accept, doubt: true},
		"a doubtful drop, and nothing behind it":      {table: doubt, doubt: true},
		"an undecidable rule is carried":              {table: strings.ReplaceAll(doubt, "connection-limit=100,32", "content=x comment=x") + accept, place: ", place: {before: x}", doubt: true},
		"a doubtful drop, and shut behind it":         {table: doubt + drop, lost: true},
		"shut, and no doubt":                          {table: drop, lost: true},
		"a doubtful accept, and shut behind it":       {table: strings.ReplaceAll(doubt, "drop", "accept") + drop, doubt: true},
		"a doubtful drop that has come since":         {table: accept, since: added, lost: true},
		"a doubtful drop that was another one before": {table: doubt + accept, since: edited, lost: true},
	} {
		before, _ := rsc.Read([]byte(head + test.table)).Snapshot(rsc.Options{})
		p, err := plans.Read("m.yaml", []byte(strings.Replace(plan, ", layout: chain", ", layout: chain"+test.place, 1)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := compile.Compile(p, before)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		done, err := diff.Compute(before, want, operator)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		now := changetest.After(t, before, done)
		if test.since != nil {
			test.since(&now)
		}
		back, err := undo.Changes(now, before, done, "m")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		way := proof.Way(now, before, "m", back, operator)
		lost := slices.ContainsFunc(way.Failures, func(f proof.Failure) bool { return f.Risk == proof.LoseSession })
		if lost != test.lost || len(way.Failures) > 0 && !lost {
			t.Errorf("%s: %+v", name, way.Failures)
		}
		if doubt := strings.Contains(strings.Join(way.Notes, " "), "may stop packets of this session"); doubt != test.doubt {
			t.Errorf("%s: notes %q", name, way.Notes)
		}
	}
}

// TestWaySaysWhatItOpens: a stranger who gets in again is reported, and not a reason to refuse.
func TestWaySaysWhatItOpens(t *testing.T) {
	before, done := changeTo(t, twoSides, gating)
	now := changetest.After(t, before, done)
	back, err := undo.Changes(now, before, done, "m")
	if err != nil {
		t.Fatal(err)
	}
	way := proof.Way(now, before, "m", back, change.Management{})
	var said []string
	for _, o := range way.Opens {
		if !slices.Contains(said, o.String()) { // of either family
			said = append(said, o.String())
		}
	}
	const opens = "tcp/22 (ssh) is open to anyone on every interface again; tcp/8291 (winbox) is open to anyone on every interface again; tcp/8728 (api) is open to anyone on every interface again"
	if got := strings.Join(said, "; "); got != opens || !way.Holds() {
		t.Errorf("%s: %v", got, way.Err())
	}
	// The other way round nothing opens.
	if forth := proof.Way(before, now, "m", done, change.Management{}); len(forth.Opens) > 0 {
		t.Errorf("%+v", forth.Opens)
	}
}
