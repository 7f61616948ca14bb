package diff_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
)

// refuses is the refusal that an error is; nil for another, or none.
func refuses(err error) *change.RefusalError {
	var refusal *change.RefusalError
	errors.As(err, &refusal)
	return refusal
}

// TestForeignInOurChain: a chain in which others have rules, or into which they jump, is not built.
// One that is used as it is stays; what they have in one that is left is said.
func TestForeignInOurChain(t *testing.T) {
	for _, test := range []struct {
		name    string
		rows    []string
		refused string
		note    string
	}{
		{"a rule in the chain that is to be built", append(without("*4", "*3")(atRest(plans.Chain)), "*A rosknock-p-b accept #mine"), `the rule "mine" (*A) stands in our chain rosknock-p-b`, ""},
		{"a jump into it", append(without("*4", "*3")(atRest(plans.Chain)), "*A input jump jump-target=rosknock-p-b #mine"), `the rule "mine" (*A) jumps into our chain rosknock-p-b`, ""},
		{"another plan's rule in it", append(without("*4", "*3")(atRest(plans.Chain)), "*A rosknock-p-b accept [x@q]"), "stands in our chain", ""},
		{"a rule in the chain that is left", append(atRest(plans.Chain), "*A rosknock-p-a accept #mine"), "", `the rule "mine" (*A) stands in our chain rosknock-p-a, which is about to be left: move it where you want it`},
		{"a rule in the idle chain, which is not needed", append(atRest(plans.Chain), "*A rosknock-p-b accept #mine"), "", ""},
	} {
		s := changetest.Filter(test.rows...)
		c, err := diff.Compute(s, door(plans.Chain), change.Management{})
		refusal := refuses(err)
		switch {
		case test.refused != "" && (refusal == nil || refusal.Risk != "foreign-rule" || !strings.Contains(refusal.What, test.refused) || refusal.Remedy == ""):
			t.Errorf("%s: %v", test.name, err)
		case test.refused == "" && (err != nil || strings.Join(c.Notes, "\n") != test.note):
			t.Errorf("%s: %v, %q", test.name, err, c.Notes)
		}
		if test.refused != "" && (c.Changed() || c.Snapshot != "") {
			t.Errorf("%s: refused, and a change set all the same", test.name)
		}
	}
	inline := door(plans.Inline)
	inline.Tables[0].Chains = []compile.Chain{{Name: "x", Rules: changetest.Rules("- accept [x/open]")}}
	inline.Tables[0].Rules = append(inline.Tables[0].Rules, changetest.Rule("- jump jump-target=x [x/jump]"))
	s := changetest.Filter(append(atRest(plans.Inline), "*A rosknock-p-c-x accept #mine")...)
	if _, err := diff.Compute(s, inline, change.Management{}); refuses(err) == nil {
		t.Errorf("a door's own chain: %v", err)
	}
	forward := door(plans.Chain)
	forward.Tables[0].Forwarding.Filter = changetest.Rules("- accept [d/forward]")
	s = changetest.Filter(append(atRest(plans.Chain), "*A rosknock-p.forward-a accept #mine")...)
	if _, err := diff.Compute(s, forward, change.Management{}); refuses(err) == nil {
		t.Errorf("a chain of forwards: %v", err)
	}
}

// TestThrough: a service that moves to another port is gated at both meanwhile; in the end rules
// give the old one back in place, those that open before those that shut. Where more has to be
// done, it is done straight away.
func TestThrough(t *testing.T) {
	gated := func(ports string) compile.RuleSet {
		want := door(plans.Inline)
		want.PlanDigest = "at " + ports
		want.Tables[0].Rules = changetest.Rules(
			"- accept protocol=tcp dst-port="+ports+" src-address-list=l [d/open]",
			"- drop protocol=tcp dst-port="+ports+" [gate/tcp]")
		return want
	}
	moving := gated("2222")
	port := uint16(2222)
	moving.Services = []compile.Service{{Name: "ssh", Port: &port}}
	both := gated("22,2222")
	both.Services = moving.Services
	s := changetest.Filter("*1 input accept connection-state=established", "*3 input accept protocol=tcp dst-port=22 src-address-list=l [d/open]", "*4 input drop protocol=tcp dst-port=22 [gate/tcp]", "*9 input drop in-interface-list=!LAN")
	s.Services = []routeros.Service{{ID: "*7", Name: "ssh", Port: 22, FromName: "address"}}
	c, err := diff.ComputeThrough(s, []compile.RuleSet{both, moving}, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	changetest.Expect(t, "steps", changetest.Written(c.Steps), []string{
		`set *4 comment="(old) [rosknock p/gate/tcp]"`,
		"add input drop disabled=true dst-port=22,2222 protocol=tcp [gate/tcp] before *9",
		"set *3 dst-port=22,2222",
		"enable +1",
		"remove *4",
		"set service *7 port=2222",
		"set *3 dst-port=2222",
		"set +1 dst-port=2222",
	})
	if c.Plan != "at 2222" || c.Snapshot != s.Digest() {
		t.Errorf("from %q to %q", c.Snapshot, c.Plan)
	}
	end, _, err := change.After(s, c)
	if err != nil {
		t.Fatal(err)
	}
	if rest, err := diff.Left(end, moving, change.Management{}); err != nil || len(rest) > 0 {
		t.Errorf("%v, there is something left to do: %v", err, changetest.Written(rest))
	}
	moving.Tables[0].Rules = append(moving.Tables[0].Rules, changetest.Rule("- drop protocol=udp dst-port=9 [gate/udp]"))
	straight, err := diff.ComputeThrough(s, []compile.RuleSet{both, moving}, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	one, err := diff.Compute(s, moving, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	changetest.Expect(t, "straight away", changetest.Written(straight.Steps), changetest.Written(one.Steps))
	for _, sets := range [][]compile.RuleSet{{both, moving}, {moving}} {
		session := change.Management{Service: "ssh"}
		if _, err := diff.ComputeThrough(s, sets, session); refuses(err) == nil {
			t.Errorf("the service of the session is moved: %v", err)
		}
	}
}

// TestElsewhere: rules that were found in a chain of the router's own stay in it.
func TestElsewhere(t *testing.T) {
	want := compile.RuleSet{Plan: "p", Layout: plans.Inline, Tables: []compile.Table{{
		Family: routeros.IPv4, Menu: routeros.Filter,
		Rules: changetest.Rules("- accept protocol=tcp [d/open]", "guest accept protocol=udp [e/one]", "guest accept protocol=gre [e/two]", "other drop [gate/tcp]"),
	}}}
	c := converges(t, changetest.Filter("*1 guest accept protocol=gre [e/two]", "*2 other drop [gate/tcp]"), want)
	changetest.Expect(t, "steps", changetest.Written(c.Steps), []string{"add input accept protocol=tcp [d/open] at the end", "add guest accept protocol=udp [e/one] before *1"})
}
