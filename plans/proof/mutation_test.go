package proof_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/classes"
	"github.com/rosknock/rosknock/routeros/packet"
)

// mutants are what can go wrong with one rule.
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

// TestMutants: whatever is removed from a good rule set, disabled or weakened, one rule at a time, the proof fails. A mutant
// that accepts the same packets and fills the same lists by the same packets is no mutant.
func TestMutants(t *testing.T) {
	tried, same := 0, 0
	for _, router := range []string{"defconf.rsc", "no-drop.rsc", "winbox-open.rsc"} {
		for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
			s := fixture(t, router)
			p := gatedPlan(t, layout)
			want, err := compile.Compile(p, s)
			if err != nil {
				t.Fatal(err)
			}
			session := diff.Session{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
			good, changes := proved(t, s, want, session)
			if err := good.Err(); err != nil {
				t.Fatalf("%s: the good one fails: %v", router, err)
			}
			for n := range want.Tables {
				for i, rule := range want.Tables[n].Rules {
					if mark, _ := rule.Mark(); strings.HasSuffix(mark.Slot, "/log") {
						continue // it decides nothing
					}
					cases := mutants(rule)
					cases["removed"] = routeros.Rule{}
					for name, mutant := range cases {
						bad := mutated(want, n, i, mutant)
						result, wrong := proved(t, s, bad, session)
						tried++
						if !result.Holds() {
							continue
						}
						if equal(want.Tables[n].Family, diff.Rehearse(s, changes, len(changes.Steps)), diff.Rehearse(s, wrong, len(wrong.Steps))) {
							same++
							continue
						}
						t.Errorf("%s, %v, %s: %s, and the proof holds", router, layout, rule.Describe(), name)
					}
				}
			}
		}
	}
	t.Logf("%d mutants, %d of them without any effect", tried, same)
	if tried < 100 || same*3 > tried {
		t.Errorf("%d mutants, %d of them without any effect: the rule sets don't suit the test", tried, same)
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

func gatedPlan(t *testing.T, layout plans.Layout) plans.Plan {
	t.Helper()
	p, err := plans.Read("mutants.yaml", []byte(`version: 1
name: m
doors:
  admin:
    knock: [tcp/4711, udp/4712, {protocol: icmp, size: 245}]
    stage-timeout: 10s
    trusted: {list: m_trusted, for: 1d}
    opens: [ssh, winbox]
allow: {addresses: [198.51.100.7]}
gate: {services: [ssh, winbox, api, api-ssl], vpns: [wireguard]}
firewall: {families: [ipv4], layout: `+layout.String()+`}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func proved(t *testing.T, s routeros.Snapshot, want compile.RuleSet, session diff.Session) (proof.Proof, diff.ChangeSet) {
	t.Helper()
	changes, err := diff.Compute(s, want, session)
	if err != nil {
		t.Fatal(err)
	}
	return proof.Prove(s, want, changes, session), changes
}

// mutated is the rule set with another rule in one place, or none.
func mutated(want compile.RuleSet, table, i int, rule routeros.Rule) compile.RuleSet {
	want.Tables = slices.Clone(want.Tables)
	rules := slices.Clone(want.Tables[table].Rules)
	if rule.Attrs == nil {
		rules = slices.Delete(rules, i, i+1)
	} else {
		rules[i] = rule
	}
	want.Tables[table].Rules = rules
	return want
}

// equal reports whether two states do the same with all packets.
func equal(f routeros.Family, a, b routeros.Snapshot) bool {
	space := classes.New(f, classes.Cuts{}, a, b)
	tracked := space.Minus(space.All(), space.States(packet.Untracked))
	one, two := space.Walk(a, tracked), space.Walk(b, tracked)
	fills := func(r classes.Result) map[string]classes.Set {
		out := map[string]classes.Set{}
		for _, fill := range r.Fills {
			key := fmt.Sprint(fill.List, fill.Source, fill.Timeout)
			out[key] = space.Or(out[key], fill.Packets)
		}
		return out
	}
	x, y := fills(one), fills(two)
	for key := range y {
		if x[key] != y[key] {
			return false
		}
	}
	return one.Accepted == two.Accepted && len(x) == len(y)
}
