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
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// installedOn is a router with a plan applied.
func installedOn(t *testing.T, table, plan string) routeros.Snapshot {
	t.Helper()
	s, c := changeTo(t, table, plan)
	return changetest.After(t, s, c)
}

// changeTo is a router without a plan, and the change that puts it there.
func changeTo(t *testing.T, table, plan string) (routeros.Snapshot, change.ChangeSet) {
	t.Helper()
	s, _ := rsc.Read([]byte(table)).Snapshot(rsc.Options{})
	p, err := plans.Read("m.yaml", []byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	want, err := compile.Compile(p, s)
	if err != nil {
		t.Fatal(err)
	}
	c, err := diff.Compute(s, want, change.Management{})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

const (
	twoSides = `/interface bridge add name=bridge
/interface list
add name=LAN
/interface list member
add interface=bridge list=LAN
/ip address
add address=192.168.88.1/24 interface=bridge
add address=203.0.113.1/24 interface=ether1
/ip firewall filter
add action=accept chain=input connection-state=established,related,untracked
`
	gating = "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/4711, udp/4712, tcp/4713]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\nallow: {addresses: [192.168.88.10]}\n" +
		"gate: {services: [ssh, winbox, api]}\nservices: {from: {winbox: [192.168.88.0/24]}}\nfirewall: {families: [ipv4], layout: inline}\n"
)

// TestRemovalProof: the proof finds and reports what a removal opens. What it opens only in
// between, and a lockout of the operator, are separate risks.
func TestRemovalProof(t *testing.T) {
	session := change.Management{Service: "api", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.10")}}
	last := func(c change.ChangeSet, slot string) change.ChangeSet { // the step comes last
		is := func(s change.Step) bool { return s.Slot == slot }
		at := slices.IndexFunc(c.Steps, is)
		c.Steps = append(slices.Delete(slices.Clone(c.Steps), at, at+1), c.Steps[at])
		return c
	}
	for name, tt := range map[string]struct {
		more   string
		change func(change.ChangeSet) change.ChangeSet
		risks  []string
		opens  string
	}{
		"nothing stands behind": {
			risks: []string{proof.Exposure}, opens: "tcp/22 (ssh) is open to anyone on every interface again; tcp/8291 (winbox) is open to anyone on every interface again; tcp/8728 (api) is open to anyone on every interface again",
		},
		"a drop for one side": {
			more: "add action=drop chain=input in-interface=bridge src-address=!192.168.88.10\n", risks: []string{proof.Exposure}, opens: "tcp/22 (ssh) is open to anyone on ether1 again",
		},
		"a drop for all but some": {
			more: "add action=drop chain=input src-address=!192.168.88.0/24\n", risks: []string{proof.Exposure}, opens: "tcp/22 (ssh) is open to some sources, such as 192.168.88.",
		},
		"all is shut behind, but for the operator": {more: "add action=accept chain=input src-address=192.168.88.10\nadd action=drop chain=input\n"},
		"the operator is in by the allow-list":     {more: "add action=drop chain=input\n", risks: []string{proof.LoseSession}},
		"the drop goes last": {
			more: "add action=drop chain=input src-address=!192.168.88.10\n", change: func(c change.ChangeSet) change.ChangeSet { return last(c, "m/gate/tcp") }, risks: []string{proof.LoseSession},
		},
		"a service goes over to others too late": {
			change: func(c change.ChangeSet) change.ChangeSet { return last(c, "winbox") }, risks: []string{proof.Exposure, proof.Passing}, opens: "tcp/8291",
		},
		"a step is missing": {
			more: "add action=accept chain=input src-address=192.168.88.10\nadd action=drop chain=input\n", change: func(c change.ChangeSet) change.ChangeSet { c.Steps = c.Steps[:len(c.Steps)-1]; return c }, risks: []string{proof.VoidRule},
		},
		"a step too many": {
			more: "add action=accept chain=input src-address=192.168.88.10\nadd action=drop chain=input\n", risks: []string{proof.ForeignRule},
			change: func(c change.ChangeSet) change.ChangeSet {
				c.Steps = append(slices.Clone(c.Steps), change.Step{Op: change.Remove, Menu: routeros.Filter, ID: "*1", Slot: "m/x"})
				return c
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := installedOn(t, twoSides+tt.more, gating)
			want := compile.Removal("m", s)
			want.Services = []compile.Service{{Name: "winbox", WantFrom: true, From: []string{"10.0.0.0/8"}}}
			c, err := diff.Compute(s, want, session)
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				c = tt.change(c)
			}
			p := proof.Prove(s, want, c, session)
			var risks, opens []string
			for _, f := range p.Failures {
				risks = append(risks, f.Risk)
			}
			for _, o := range p.Opens {
				opens = append(opens, o.String())
			}
			slices.Sort(risks)
			if !slices.Equal(risks, tt.risks) {
				t.Errorf("risks %v, want %v: %+v", risks, tt.risks, p.Failures)
			}
			if text := strings.Join(opens, "; "); !strings.Contains(text, tt.opens) || tt.opens == "" && text != "" {
				t.Errorf("opens %q, want %q", text, tt.opens)
			}
		})
	}
}
