package proof_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// mutants are the possible faults of one rule.
func mutants(r routeros.Rule) map[string]routeros.Rule {
	out := map[string]routeros.Rule{"disabled": {Attrs: r.Attrs.With("disabled", "true")}}
	for name := range r.Attrs.All() {
		switch name {
		case "comment", "chain", "action", "address-list", "log-prefix", "limit", "jump-target":
			continue
		case "address-list-timeout":
			out["never forgets"] = routeros.Rule{Attrs: r.Attrs.With(name, "none-dynamic")}
			continue
		}
		out["without "+name] = routeros.Rule{Attrs: r.Attrs.Without(name)}
	}
	switch {
	case r.Action() == "drop":
		out["accepts"] = routeros.Rule{Attrs: r.Attrs.With("action", "accept")}
	case r.Action() == "accept":
		out["drops"] = routeros.Rule{Attrs: r.Attrs.With("action", "drop")}
	case r.Attrs.Has("address-list"):
		out["fills another list"] = routeros.Rule{Attrs: r.Attrs.With("address-list", "elsewhere")}
	}
	if port := r.Attrs.Get("dst-port"); port != "" {
		out["other port"] = routeros.Rule{Attrs: r.Attrs.With("dst-port", "9")}
	}
	return out
}

// TestMutants: when any single rule of a good rule set is removed, disabled or weakened, the proof
// fails. A mutant that accepts the same packets and fills the same lists with the same packets does
// not count.
func TestMutants(t *testing.T) {
	tried, same := 0, 0
	for _, router := range []string{"defconf.rsc", "no-drop.rsc", "winbox-open.rsc"} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			for _, p := range []plans.Plan{gatedPlan(t, layout, ""), gatedPlan(t, layout, quarantine)} {
				n, void := tryMutants(t, fmt.Sprintf("%s, %v, quarantine %v", router, layout, p.Doors[0].Quarantines()), fixture(t, router), p)
				tried, same = tried+n, same+void
			}
		}
	}
	t.Logf("%d mutants, %d of them without any effect", tried, same)
	if tried < 100 || same*3 > tried {
		t.Errorf("%d mutants, %d of them without any effect: the rule sets don't suit the test", tried, same)
	}
}

// tryMutants proves every mutant of a plan's rule set, and counts them and those that do the same
// as the good one.
func tryMutants(t *testing.T, name string, s routeros.Snapshot, p plans.Plan) (tried, same int) {
	t.Helper()
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.7")}, Accepted: []string{proof.Overrides}}
	good, changes := proved(t, s, want, session)
	if err := good.Err(); err != nil {
		t.Fatalf("%s: the good one fails: %v", name, err)
	}
	for at, rule := range places(want) {
		mark, _ := rule.Mark()
		if strings.HasSuffix(mark.Slot, "/log") {
			continue // it decides nothing
		}
		cases := mutants(rule)
		cases["removed"] = routeros.Rule{}
		for change, mutant := range cases {
			result, wrong := proved(t, s, mutated(want, at, mutant), session)
			tried++
			switch {
			case !result.Holds():
			case equal(want.Tables[at.table].Family, changetest.After(t, s, changes), changetest.After(t, s, wrong)):
				if same++; change == "removed" {
					t.Errorf("%s: %s does nothing", name, mark.Slot)
				}
			default:
				t.Errorf("%s, %s: %s, and the proof holds", name, mark.Slot, change)
			}
		}
	}
	return tried, same
}

// where is the place of a rule in a rule set: in a table's chain, in that of a door, or of
// destination NAT or forward.
type where struct{ table, chain, row int }

// The chains that are of no door.
const (
	inInput = -1 - iota
	inNAT
	inForward
)

// places returns every rule with its place.
func places(want compile.RuleSet) map[where]routeros.Rule {
	out := map[where]routeros.Rule{}
	for n, table := range want.Tables {
		for i, r := range table.Rules {
			out[where{n, inInput, i}] = r
		}
		for i, r := range table.Forwarding.NAT {
			out[where{n, inNAT, i}] = r
		}
		for i, r := range table.Forwarding.Filter {
			out[where{n, inForward, i}] = r
		}
		for c, chain := range table.Chains {
			for i, r := range chain.Rules {
				out[where{n, c, i}] = r
			}
		}
	}
	return out
}

// TestQuarantineMutants: of the example, over both families and in both layouts, every rule of the
// quarantine is needed.
func TestQuarantineMutants(t *testing.T) {
	text, err := fixtures.Plan("quarantine.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		p, err := plans.Read("quarantine.yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		p.Firewall.Layout = layout
		s := fixture(t, "defconf.rsc")
		want, err := compile.Compile(p, s)
		if err != nil {
			t.Fatal(err)
		}
		session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
		if good, _ := proved(t, s, want, session); good.Err() != nil || len(good.Doors) != 2 || good.Doors[0].Packets != 4 {
			t.Fatalf("%v: the good one fails: %v, %+v", layout, good.Err(), good.Doors)
		}
		tried := 0
		for at, rule := range places(want) {
			mark, _ := rule.Mark()
			if at.chain < 0 && !strings.HasSuffix(mark.Slot, "/jump") {
				continue
			}
			tried++
			if bad, _ := proved(t, s, mutated(want, at, routeros.Rule{}), session); bad.Holds() {
				t.Errorf("%v: without %s in table %d the proof holds", layout, mark.Slot, at.table)
			}
			if at.chain >= 0 {
				continue
			}
			open := routeros.Rule{Attrs: rule.Attrs.Without("src-address-list")}
			if bad, _ := proved(t, s, mutated(want, at, open), session); bad.Holds() || !strings.Contains(bad.Err().Error(), "a source in quarantine would get") {
				t.Errorf("%v: quarantine does not keep anybody out of the stages: %v", layout, bad.Err())
			}
		}
		if tried != 2*(1+4+3+3+3)-1 { // over IPv6 there is no address on the allow-list
			t.Errorf("%v: %d rules", layout, tried)
		}
	}
}

func fixture(t *testing.T, name string) routeros.Snapshot {
	t.Helper()
	text, err := fixtures.Router(name)
	if err != nil {
		t.Fatal(err)
	}
	return router(string(text))
}

// quarantine are the lines by which a door quarantines.
const quarantine = "\n    wrong-knock: quarantine\n    decoys: [tcp/4720, {protocol: icmp, size: 300}]"

func gatedPlan(t *testing.T, layout plans.Layout, door string) plans.Plan {
	t.Helper()
	p, err := plans.Read("mutants.yaml", []byte(`version: 1
name: m
doors:
  admin:
    knock: [tcp/4711, udp/4712, {protocol: icmp, size: 245}]
    stage-timeout: 10s
    trusted: {list: m_trusted, for: 1d}
    opens: [ssh, winbox]`+door+`
allow: {addresses: [198.51.100.7]}
gate: {services: [ssh, winbox, api, api-ssl], vpns: [wireguard]}
firewall: {families: [ipv4], layout: `+layout.String()+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func proved(t *testing.T, s routeros.Snapshot, want compile.RuleSet, session change.Management) (proof.Proof, change.ChangeSet) {
	t.Helper()
	changes, err := diff.Compute(s, want, session)
	if err != nil {
		t.Fatal(err)
	}
	return proof.Prove(s, want, changes, session), changes
}

// mutated is the rule set with another rule in one place, or none.
func mutated(want compile.RuleSet, at where, rule routeros.Rule) compile.RuleSet {
	want.Tables = slices.Clone(want.Tables)
	table := &want.Tables[at.table]
	rules := &table.Rules
	switch {
	case at.chain == inNAT:
		rules = &table.Forwarding.NAT
	case at.chain == inForward:
		rules = &table.Forwarding.Filter
	case at.chain >= 0:
		table.Chains = slices.Clone(table.Chains)
		rules = &table.Chains[at.chain].Rules
	}
	*rules = slices.Clone(*rules)
	if rule.Attrs == nil {
		*rules = slices.Delete(*rules, at.row, at.row+1)
	} else {
		(*rules)[at.row] = rule
	}
	return want
}

// equal reports whether two states do the same with all packets.
func equal(f routeros.Family, a, b routeros.Snapshot) bool {
	classes := space.New(f, space.Cuts{}, a, b)
	tracked := classes.Minus(classes.All(), classes.States(firewall.Untracked))
	one, two := classes.Walk(a, tracked), classes.Walk(b, tracked)
	fills := func(r space.Result) map[string]space.Set {
		out := map[string]space.Set{}
		for _, fill := range r.Fills {
			key := fmt.Sprint(fill.List, fill.Source, fill.Timeout)
			out[key] = classes.Or(out[key], fill.Packets)
		}
		return out
	}
	x, y := fills(one), fills(two)
	for key := range y {
		if x[key] != y[key] {
			return false
		}
	}
	there := netip.MustParseAddr("192.168.88.10")
	sent := func(r space.Result) space.Set { return classes.And(r.Forwarded, classes.Sent(r, there, 3389)) }
	return one.Accepted == two.Accepted && one.Forwarded == two.Forwarded && sent(one) == sent(two) && len(x) == len(y)
}
