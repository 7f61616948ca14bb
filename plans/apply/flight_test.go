package apply

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// TestPartOfAFlight: whatever part of a batch takes effect, all packets are treated as in a state
// that was proved, and reach no additional service.
func TestPartOfAFlight(t *testing.T) {
	parts := 0
	rapid.Check(t, func(t *rapid.T) {
		s, _ := rsc.Read([]byte(drawnTable(t))).Snapshot(rsc.Options{})
		s.Services = []routeros.Service{{ID: "*0", Name: "telnet", Port: 23}, {ID: "*1", Name: "ftp", Port: 21}, {ID: "*2", Name: "ssh", Port: 22}}
		if rapid.Bool().Draw(t, "a change") {
			if first, ok := drawnChange(t, s); ok {
				s = changetest.After(t, s, first)
			}
		}
		c, ok := drawnChange(t, s)
		if !ok {
			return
		}
		states := changetest.States(t, s, c)
		joins := joining(states, c.Steps)
		for at := 0; at < len(c.Steps); {
			end := at + 1
			for end < len(joins) && joins[end] {
				end++
			}
			if end > at+1 {
				parts++
				partOf(t, states, c, at, end)
			}
			at = end
		}
	})
	if parts == 0 {
		t.Error("no flight had two steps: the plans don't suit the test")
	}
}

// partOf lets some of the steps of a flight take effect.
func partOf(t *rapid.T, states []routeros.Snapshot, c change.ChangeSet, at, end int) {
	part := states[at]
	var done []string
	for i := at; i < end; i++ {
		if rapid.Bool().Draw(t, fmt.Sprint("step ", i)) {
			next, err := change.RehearseStep(part, c.Steps[i], i)
			if err != nil { // what it depends on is missing: the router refuses it
				continue
			}
			part = next
			done = append(done, fmt.Sprint(c.Steps[i].Op, " ", c.Steps[i].Slot))
		}
	}
	for i, service := range part.Services {
		if !service.Disabled && states[at].Services[i].Disabled {
			t.Fatalf("%s is on after %s", service.Name, done)
		}
	}
	for _, f := range routeros.Families() {
		classes := space.New(f, space.Cuts{}, append(slices.Clone(states[at:end+1]), part)...)
		is := fares(classes, part)
		if !slices.ContainsFunc(states[at:end+1], func(o routeros.Snapshot) bool { return fares(classes, o) == is }) {
			t.Fatalf("after %s alone packets fare as in no state that was proved", done)
		}
	}
}

// fares is how all packets are treated in a state.
func fares(classes *space.Space, s routeros.Snapshot) string {
	result := classes.Walk(s)
	fills := map[string]space.Set{}
	for _, fill := range result.Fills {
		key := fmt.Sprint(fill.List, fill.Source, fill.Timeout)
		fills[key] = classes.Or(fills[key], fill.Packets)
	}
	return fmt.Sprint(result.Accepted, result.Forwarded, fills)
}

// drawnTable draws foreign rules, some of which match lists of the plan.
func drawnTable(t *rapid.T) string {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var b strings.Builder
	for _, family := range []string{"ip", "ipv6"} {
		fmt.Fprintf(&b, "/%s firewall filter\n", family)
		for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
			fmt.Fprintf(&b, "add chain=%s comment=r%d action=%s %s %s\n", one("chain", "input", "input", "rosknock-m-a", "forward"), i, one("action", "accept", "drop", "log"),
				one("list", "", "src-address-list=rosknock-m-allow", "src-address-list=!rosknock-m-allow", "dst-address-list=rosknock-m-allow", "src-address-list=t"), one("matcher", "", "protocol=tcp dst-port=22", "protocol=udp"))
		}
		fmt.Fprintf(&b, "/%s firewall raw\nadd chain=prerouting action=%s src-address-list=%s\n", family, one("raw", "drop", "notrack", "accept"), one("raw list", "x", "x", "rosknock-m-allow", "!rosknock-m-allow"))
	}
	return b.String()
}

// drawnChange is the change to a plan, where there is one.
func drawnChange(t *rapid.T, s routeros.Snapshot) (change.ChangeSet, bool) {
	one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	p, err := plans.Read("m.yaml", []byte("version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, "+one("stage", "udp/4712", "udp/4722")+", tcp/4713]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n"+
		one("quarantine", "", "    wrong-knock: quarantine\n")+"allow: {addresses: "+one("allow", "[10.0.0.7]", "[10.0.0.7, 10.1.0.0/16, 2001:db8::7]", "[10.1.0.0/16, 10.0.0.8]")+"}\ngate: {services: [ssh]}\nservices: {disable: "+
		one("disable", "[telnet]", "[telnet, ftp]")+"}\nfirewall: {families: [ipv4, ipv6], layout: "+one("layout", "chain", "chain", "inline")+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile.Compile(p, s)
	if err != nil {
		return change.ChangeSet{}, false
	}
	c, err := diff.Compute(s, want, change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr("10.0.0.9")}})
	return c, err == nil
}
