package firewall_test

import (
	"slices"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestAsks: what a compiled rule tells of the packets that it takes, with a ! and where it can't be
// read.
func TestAsks(t *testing.T) {
	compile := func(pairs ...string) *firewall.Rule {
		r := routeros.NewRule(append([]string{"chain", "input"}, pairs...)...)
		return firewall.Compile(&r)
	}
	for _, test := range []struct {
		matcher, value string
		field          firewall.Field
		takes, not     []int
	}{
		{"connection-state", "established,related", firewall.FieldState, []int{1, 2}, []int{0, 3, 4}},
		{"connection-state", "!established", firewall.FieldState, []int{0, 2, 3, 4}, []int{1}},
		{"connection-state", "odd", firewall.FieldState, []int{0, 1, 2, 3, 4}, nil},
		{"protocol", "tcp", firewall.FieldProtocol, []int{6}, []int{0, 17, 255}},
		{"protocol", "!tcp", firewall.FieldProtocol, []int{0, 5, 7, 255}, []int{6}},
		{"dst-port", "22,8000-8100", firewall.FieldDstPort, []int{22, 8000, 8100}, []int{0, 21, 23, 65535}},
		{"dst-port", "!0-65534", firewall.FieldDstPort, []int{65535}, []int{0, 65534}},
		{"packet-size", "0-100", firewall.FieldSize, []int{0, 90, 100}, []int{101}},
		{"dscp", "!0-63", firewall.FieldDSCP, nil, []int{0, 63}},
		{"ttl", "not-equal:64", firewall.FieldTTL, []int{63, 65, 255, 0}, []int{64}},
		{"ttl", "less-than:0", firewall.FieldTTL, nil, []int{0, 255}},
		{"icmp-options", "8:0", firewall.FieldICMP, []int{8 << 8}, []int{8<<8 | 1, 0}},
		{"comment", "x", firewall.FieldSize, []int{0, 65535}, nil},
	} {
		r := compile(test.matcher, test.value)
		for _, n := range test.takes {
			if !r.Takes(test.field, n) {
				t.Errorf("%s=%s takes no %d", test.matcher, test.value, n)
			}
		}
		for _, n := range test.not {
			if r.Takes(test.field, n) {
				t.Errorf("%s=%s takes %d", test.matcher, test.value, n)
			}
		}
	}
	r := compile("action", "add-src-to-address-list", "address-list", "in", "src-address-list", "!out", "dst-address", "!10.0.0.0/8", "protocol", "udp", "dst-port", "!53", "psd", "21,3s,3,1")
	if list, negated, ok := r.List(firewall.Source); list != "out" || !negated || !ok {
		t.Errorf("list %q, %v, %v", list, negated, ok)
	}
	if _, _, ok := r.List(firewall.Destination); ok {
		t.Error("it asks for no list of destinations")
	}
	if lists := r.Lists(); !slices.Equal(lists, []string{"out", "in"}) {
		t.Errorf("lists %q", lists)
	}
	if a, negated, ok := r.Addresses(firewall.Destination); a.String() != "10.0.0.0/8" || !negated || !ok {
		t.Errorf("addresses %s, %v, %v", a, negated, ok)
	}
	if _, ok := r.Ports(); ok {
		t.Error("a negated port list is not one to which all packets go")
	}
	if n, ok := r.Protocol(); n != 17 || !ok || !r.Has("psd") || r.Has("limit") || r.Action.Stops() {
		t.Errorf("protocol %d, %v", n, ok)
	}
	if _, ok := compile("protocol", "!udp").Protocol(); ok {
		t.Error("all protocols but one are not one")
	}
}

// TestRules: a row is compiled once, whatever copy of it asks.
func TestRules(t *testing.T) {
	var rules firewall.Rules
	r := routeros.NewRule("chain", "input", "action", "drop")
	again := r
	if rules.Have(&r) || rules.Of(&r) != rules.Of(&again) || !rules.Have(&again) {
		t.Error("a row was compiled twice")
	}
	if rules.Of(&routeros.Rule{}).Action.Verdict != firewall.Accept {
		t.Error("a row without attributes accepts")
	}
}
