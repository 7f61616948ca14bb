package proof_test

import (
	"errors"
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
	"github.com/rosknock/rosknock/routeros/rsc"
)

const head = "# by RouterOS 7.20\n/interface list\nadd name=LAN\n/interface list member\nadd interface=bridge list=LAN\n" +
	"/ip address\nadd address=192.0.2.1/24 interface=ether1\nadd address=192.168.88.1/24 interface=bridge\n/ip firewall filter\n"

const established = "add chain=input action=accept connection-state=established,related,untracked comment=est\n"

func table(rules string) routeros.Snapshot {
	return router(head + rules)
}

func router(text string) routeros.Snapshot {
	s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
	return s
}

// plan is the smallest one with more lines at its end.
func plan(t *testing.T, more string) plans.Plan {
	t.Helper()
	text, err := fixtures.Plan("minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plans.Read("p.yaml", append(text, more...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compute(s routeros.Snapshot, p plans.Plan, session change.Management) (change.ChangeSet, error) {
	rules, err := compile.Compile(p, s)
	if err != nil {
		return change.ChangeSet{}, err
	}
	c, err := diff.Compute(s, rules, session)
	if err != nil {
		return c, err
	}
	return c, proof.Prove(s, rules, c, session).Err()
}

// TestRefusals: a change that would lock out the operator, or not do what the plan says, is refused
// with the reason, a remedy and the name of the risk.
func TestRefusals(t *testing.T) {
	outside, inside := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("192.168.88.5")
	final := established + "add chain=input action=drop in-interface-list=!LAN comment=final\n"
	tests := []struct {
		name, rules, more string
		operator          netip.Addr
		risk, what        string // empty: not refused
	}{
		{"nothing wrong", final, "", inside, "", ""},
		{"its own service off", final, "services: {disable: [api]}\n", inside, "lose-session", "disables the service api"},
		{"another service off", final, "services: {disable: [api-ssl]}\n", inside, "", ""},
		{"its own service moved", final, "services: {ports: {api: 8730}}\n", inside, "lose-session", "another port"},
		{"its own service narrowed", final, "services: {from: {api: [198.51.100.0/24]}}\n", inside, "lose-session", "limits the service api"},
		{"its own service narrowed, with unknown effect", final, "services: {from: {api: [198.51.100.0/24]}}\n", netip.Addr{}, "lose-session", "limits the service api"},
		{"its own service narrowed to its own source", final, "services: {from: {api: [192.168.88.0/24]}}\n", inside, "", ""},
		{"a gate that stops the operator", final, "gate: {services: [api]}\n", inside, "lose-session", "gate/tcp"},
		{"a gate that lets the operator in", final, "gate: {services: [api]}\nallow: {interface-lists: [LAN]}\n", inside, "", ""},
		{"an address on the allow-list", final, "gate: {services: [api]}\nallow: {addresses: [192.168.88.5]}\n", inside, "", ""},
		{"an operator from an unknown interface", final, "gate: {services: [api]}\n", outside, "lose-session", "on bridge"},
		{"the operator could not get in before either", established + "add chain=input action=drop comment=final\n", "gate: {services: [api]}\n", outside, "", ""},
		{"a raw drop takes the knock", final + "/ip firewall raw\nadd chain=prerouting action=drop protocol=udp comment=raw\n", "", netip.Addr{}, "void-door", "raw"},
		{"dst-nat takes the knock", final + "/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp to-addresses=192.168.88.9 comment=nat\n", "", netip.Addr{}, "void-door", "nat"},
		{"everything is accepted above", "add chain=input action=accept comment=all\n", "", netip.Addr{}, "void-door", "all"},
		{"a gated service is accepted above the named place", established + "add chain=input action=accept protocol=tcp dst-port=8291 comment=winbox\nadd chain=input action=drop comment=here\n", "gate: {services: [winbox]}\nfirewall: {place: {before: here}, families: [ipv4]}\n", netip.Addr{}, "open-gate", "winbox"},
		{"a foreign rule fills the trusted list", final + "add chain=input action=add-src-to-address-list address-list=trusted protocol=udp dst-port=7 comment=theirs\n", "", netip.Addr{}, "other-way", "theirs"},
		{"a foreign rule fills the trusted list from what passes through", final + "add chain=forward action=add-src-to-address-list address-list=trusted comment=theirs\n", "", netip.Addr{}, "other-way", "not addressed to the router"},
		{"redirected to what is gated, and accepted above", "add chain=input action=accept connection-nat-state=dstnat comment=redirected\nadd chain=input action=drop comment=here\n/ip firewall nat\nadd chain=dstnat action=redirect protocol=tcp dst-port=2222 to-ports=22\n", "gate: {services: [ssh]}\nfirewall: {place: {before: here}, families: [ipv4]}\n", netip.Addr{}, "open-gate", "redirected"},
		{"redirected to what is gated, and the gate above", established + "add chain=input action=accept connection-nat-state=dstnat comment=redirected\nadd chain=input action=drop in-interface=ether1\n/ip firewall nat\nadd chain=dstnat action=redirect protocol=tcp dst-port=2222 to-ports=22\n", "gate: {services: [ssh]}\n", netip.Addr{}, "", ""},
		{"a foreign rule trusts whom others list", final + "add chain=input action=add-src-to-address-list address-list=trusted address-list-timeout=1h src-address-list=leases comment=theirs\n/ip firewall address-list\nadd list=leases address=host.example.net\n", "", netip.Addr{}, "other-way", "theirs"},
		{"a foreign rule lets a stage list in", established + "add chain=input action=accept protocol=tcp dst-port=9999 src-address-list=rosknock-minimal-admin_1 comment=theirs\nadd chain=input action=drop\n", "", netip.Addr{}, "exposure", "theirs"},
		{"a foreign rule fills a stage list", "add chain=input action=add-src-to-address-list address-list=rosknock-minimal-admin_2 address-list-timeout=1h protocol=udp dst-port=7 comment=theirs\n" + final, "", netip.Addr{}, "other-way", "theirs"},
		{"somebody is in a stage list for good", final + "/ip firewall address-list\nadd list=rosknock-minimal-admin_2 address=203.0.113.99\n", "", netip.Addr{}, "other-way", "203.0.113.99"},
		{"a rule of the router's own stands first", "", "firewall: {place: {before: gone}}\n", netip.Addr{}, "no-place", "gone"},
		{"a foreign rule in both of our chains", final + "add chain=rosknock-minimal-a action=accept comment=mine\nadd chain=rosknock-minimal-b action=accept comment=mine\n", "", netip.Addr{}, "foreign-rule", "mine"},
		{"somebody jumps into our chain", final + "add chain=forward action=jump jump-target=rosknock-minimal-a comment=in\n", "", netip.Addr{}, "foreign-rule", "jumps into"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := plan(t, test.more)
			session := change.Management{Service: "api"}
			if test.operator.IsValid() {
				session.Operators = []netip.Addr{test.operator}
			}
			_, err := compute(table(test.rules), p, session)
			refused, ok := errors.AsType[*change.RefusalError](err)
			switch {
			case test.risk == "" && err != nil:
				t.Fatal(err)
			case test.risk == "":
				return
			case !ok:
				t.Fatalf("%v", err)
			case refused.Risk != test.risk || !strings.Contains(refused.What, test.what) || refused.Remedy == "":
				t.Errorf("%s: %v", refused.Risk, err)
			}
			session.Accepted = []string{change.LoseSession}
			if _, err := compute(table(test.rules), p, session); test.risk == change.LoseSession && err != nil {
				t.Errorf("accepted by name, and refused: %v", err)
			}
		})
	}
}

// TestEveryPlace: if the session may come from several addresses, each of them has to stay
// accepted.
func TestEveryPlace(t *testing.T) {
	s := table(established + "add chain=input action=drop in-interface-list=!LAN\n")
	p := plan(t, "gate: {services: [api]}\nallow: {addresses: [192.168.88.5]}\n")
	allowed, other := netip.MustParseAddr("192.168.88.5"), netip.MustParseAddr("192.168.88.6")
	if _, err := compute(s, p, change.Management{Service: "api", Operators: []netip.Addr{allowed}}); err != nil {
		t.Errorf("allowed, and refused: %v", err)
	}
	_, err := compute(s, p, change.Management{Service: "api", Operators: []netip.Addr{allowed, other}})
	if _, refused := errors.AsType[*change.RefusalError](err); !refused || !strings.Contains(err.Error(), other.String()) {
		t.Errorf("the second place: %v", err)
	}
}

// TestNoGateIsSaid: if the router drops nothing of what a door opens, a note says so.
func TestNoGateIsSaid(t *testing.T) {
	c, err := compute(table(established), plan(t, ""), change.Management{})
	if err != nil || !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.Contains(n, "nobody needs to knock") }) {
		t.Errorf("%v, %q", err, c.Notes)
	}
}

// TestOpensBeforeItShuts: in both layouts no gate goes live before all the accepts that it needs
// are there, and the jump goes live last.
func TestOpensBeforeItShuts(t *testing.T) {
	for _, layout := range []string{"chain", "inline"} {
		p := plan(t, "gate: {services: [ssh]}\nallow: {interface-lists: [LAN], addresses: [198.51.100.7]}\nfirewall: {families: [ipv4], layout: "+layout+"}\n")
		before := table(established + "add chain=input action=drop\n")
		c, err := compute(before, p, change.Management{})
		if err != nil {
			t.Fatal(err)
		}
		states := changetest.States(t, before, c)
		last := len(states) - 1
		accepts := func(s routeros.Snapshot) (n int) {
			for _, r := range s.Rules[routeros.Filter] {
				if r.Action() == "accept" && !r.Disabled() {
					n++
				}
			}
			return n + len(s.Entries[routeros.AddressList])
		}
		lives := 0
		for i, s := range states {
			met := change.Met(s, p.Name)
			live := slices.ContainsFunc(met, func(row string) bool { return strings.Contains(row, "action=drop") })
			if live && accepts(s) < accepts(states[last]) {
				t.Errorf("%s: after step %d a gate is live, and some of those are missing whom it has to let through", layout, i)
			}
			if live {
				lives++
			}
		}
		if lives != 1 {
			t.Errorf("%s: a gate is live in %d of %d states, want the last only", layout, lives, len(states))
		}
		if step := c.Steps[last-1]; layout == "chain" && (step.Op != change.Enable || !strings.HasSuffix(step.Slot, "/jump")) {
			t.Errorf("the jump does not go live last: %s %s", step.Op, step.Slot)
		}
	}
}
