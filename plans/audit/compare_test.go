package audit_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// both is a router that a plan changes, before and after; edit makes the router before it.
func both(t *testing.T, edit func(*routeros.Snapshot)) (before, after routeros.Snapshot) {
	t.Helper()
	text, err := fixtures.Router("no-drop.rsc")
	before = read(t, text, err)
	edit(&before)
	text, err = fixtures.Plan("minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := plans.Read("minimal.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := compile.Compile(plan, before)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := diff.Compute(before, wanted, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	return before, changetest.After(t, before, changes)
}

// TestCompareFamilies: a family is in both reports or in neither, and no name of one report is
// missing in the other, whatever the router shows of IPv6.
func TestCompareFamilies(t *testing.T) {
	table := routeros.IPv6.Filter()
	for name, test := range map[string]struct {
		edit func(*routeros.Snapshot)
		ipv6 bool
		note bool
	}{
		"no rule and no address": {func(s *routeros.Snapshot) { s.Rules[table] = []routeros.Rule{} }, true, true},
		"an address": {func(s *routeros.Snapshot) {
			s.Rules[table] = []routeros.Rule{}
			s.Addresses = append(s.Addresses, routeros.InterfaceAddress{Interface: "ether1", Prefix: netip.MustParsePrefix("2001:db8::1/64")})
		}, true, false},
		"switched off": {func(s *routeros.Snapshot) { s.Rules[table], s.IPv6Off = []routeros.Rule{}, true }, false, false},
		"no table":     {func(s *routeros.Snapshot) { delete(s.Rules, table) }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := both(t, test.edit)
			c := audit.Compare(before, after)
			first, then := names(c.Before), names(c.After)
			if !slices.Equal(first, then) {
				t.Errorf("before %q\nafter %q", first, then)
			}
			if got := slices.Contains(c.Before.Families(), routeros.IPv6); got != test.ipv6 {
				t.Errorf("IPv6 is looked at: %v", got)
			}
			if got := len(c.Notes) > 0; got != test.note {
				t.Errorf("notes %q", c.Notes)
			}
		})
	}
}

// names are what a report says something of, without ports: a plan may move a service.
func names(r audit.Report) []string {
	var out []string
	for _, one := range r.Reach {
		out = append(out, one.Name+" "+one.Protocol+" "+one.Family.String())
	}
	slices.Sort(out)
	return out
}

// TestCompareUntold: what an export does not show of IPv6 is not known after the change either.
func TestCompareUntold(t *testing.T) {
	text, err := fixtures.Router("no-drop.rsc")
	before := read(t, text, err)
	before.Untold = []routeros.Menu{routeros.IPv6.Filter()}
	after := before
	after.Rules = maps.Clone(before.Rules)
	after.Rules[routeros.IPv6.Filter()] = changetest.Rules("chain=input action=drop")
	if c := audit.Compare(before, after); !slices.Equal(names(c.Before), names(c.After)) {
		t.Errorf("before %q\nafter %q", names(c.Before), names(c.After))
	}
}
