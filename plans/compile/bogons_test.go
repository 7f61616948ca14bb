package compile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// TestBogons: what knocks from a forged source is dropped above the stages, by protocol for all
// doors and decoys together, and what has a size or carries bytes as its stage asks for it; trust
// begins behind the way out for forged sources. No mark tells a port.
func TestBogons(t *testing.T) {
	p := plan(t, "hygiene.yaml")
	p.Firewall.Bogons.InterfaceLists = append(p.Firewall.Bogons.InterfaceLists, "LAN")
	p.Doors[0].Knock[1].Payload, p.Doors[0].Knock[1].PayloadFrom = "c0ffee-c0ffee", plans.Credential{Kind: plans.FromEnv, Value: "X"}
	p.Doors[0].Decoys = append(p.Doors[0].Decoys, plans.Stage{Protocol: "icmp", Size: 245})
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range rs.Tables {
		var slots []string
		for _, r := range table.Rules {
			mark, _ := r.Mark()
			slots = append(slots, mark.Slot)
			if strings.HasPrefix(mark.Slot, "bogons/") && !routeros.TellsKnock(mark.Plan+"/"+mark.Slot) {
				t.Errorf("%s would be shown", mark.Slot)
			}
		}
		want := "bogons/knock-1-tcp bogons/knock-1-udp bogons/knock-1-udp-single-1 bogons/knock-1-icmp-single-2 " +
			"bogons/knock-2-tcp bogons/knock-2-udp bogons/knock-2-udp-single-1 bogons/knock-2-icmp-single-2 admin/jump admin.open/jump allow/addresses-tcp allow/interfaces-1-tcp gate/tcp"
		echo := "8:0"
		if table.Family == routeros.IPv6 {
			want, echo = strings.Replace(want, "allow/addresses-tcp ", "", 1), "128:0"
		}
		if got := strings.Join(slots, " "); got != want {
			t.Errorf("%s: got  %s\nwant %s", table.Family, got, want)
			continue
		}
		from := []string{"action", "drop", "in-interface-list", "WAN", "src-address-list", "rosknock-hygiene-bogons", "connection-state", "new"}
		for i, match := range [][]string{
			{"protocol", "tcp", "dst-port", "17741,33517,37250,41923"}, {"protocol", "udp", "dst-port", "29074,30112"}, {"protocol", "udp", "dst-port", "22860", "content", "c0ffee-c0ffee"},
			{"protocol", table.Family.ICMP(), "icmp-options", echo, "packet-size", "245"},
		} {
			if drop := routeros.NewRule(slices.Concat(from, match)...); !table.Rules[i].SameMeaning(drop) {
				t.Errorf("got  %s\nwant %s", table.Rules[i].Attrs, drop.Attrs)
			}
		}
		if !table.Rules[slices.Index(slots, "admin.open/jump")].SameMeaning(routeros.NewRule("action", "jump", "jump-target", "admin.open", "src-address-list", "admins")) {
			t.Errorf("%v", table.Rules)
		}
		open := table.Chains[0]
		trust := []routeros.Rule{
			routeros.NewRule("action", "return", "in-interface-list", "WAN", "src-address-list", "rosknock-hygiene-bogons"),
			routeros.NewRule("action", "return", "in-interface-list", "LAN", "src-address-list", "rosknock-hygiene-bogons"),
			routeros.NewRule("action", "accept", "src-address-list", "admins", "protocol", "tcp", "dst-port", "22,8291"),
		}
		if open.Name != "admin.open" || !slices.EqualFunc(open.Rules, trust, routeros.Rule.SameMeaning) {
			t.Errorf("%s: %v", open.Name, open.Rules)
		}
	}
	listed := map[routeros.Menu]int{}
	for _, e := range rs.Entries {
		if mark, _ := e.Entry.Mark(); e.Entry.List == compile.BogonList("hygiene") && mark.Slot == "bogons" {
			listed[e.Menu]++
		}
	}
	if fmt.Sprint(listed) != "map[/ip/firewall/address-list:13 /ipv6/firewall/address-list:13]" {
		t.Errorf("%v", listed)
	}
}

// TestBogonsElsewhere: an interface list that the router lacks is refused; where all is excepted
// that is reserved in a family, nothing is done about it there.
func TestBogonsElsewhere(t *testing.T) {
	p := plan(t, "hygiene.yaml")
	p.Firewall.Bogons.InterfaceLists = []string{"UPLINK"}
	_, err := compile.Compile(p, defconf(t))
	if refused, ok := errors.AsType[*change.RefusalError](err); !ok || refused.Risk != "missing-interface-list" || !strings.Contains(refused.What, `"UPLINK"`) {
		t.Errorf("%v", err)
	}
	p.Firewall.Bogons = &plans.Bogons{InterfaceLists: []string{"UPLINK"}, Except: (&plans.Bogons{}).Ranges(routeros.IPv4)}
	p.Firewall.Families = []routeros.Family{routeros.IPv4}
	rs, err := compile.Compile(p, defconf(t))
	if err != nil || rs.Tables[0].Bogons != nil || slices.ContainsFunc(rs.Tables[0].Rules, func(r routeros.Rule) bool { return strings.Contains(r.Comment(), "forged") }) {
		t.Errorf("%v, %v", err, rs.Tables)
	}
}
