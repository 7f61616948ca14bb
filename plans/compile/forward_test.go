package compile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// behind is a router with a network behind it; rules of its tables follow.
const behind = "# by RouterOS 7.20\n/interface bridge\nadd name=bridge\n/interface ethernet\nset [ find default-name=ether1 ]\n/interface list\nadd name=LAN\n/interface list member\nadd interface=bridge list=LAN\n" +
	"/ip address\nadd address=192.168.88.1/24 interface=bridge\nadd address=192.0.2.1/24 interface=ether1\n/ip firewall filter\n" +
	"add chain=input action=accept connection-state=established,related,untracked\nadd chain=input action=drop in-interface-list=!LAN\n"

// TestForward: the example's forward in the tables of the default configuration.
func TestForward(t *testing.T) {
	rs, err := compile.Compile(plan(t, "forward.yaml"), defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	f := rs.Tables[0].Forwarding
	sent := func(who ...string) routeros.Rule {
		return routeros.NewRule(append(who, "action", "dst-nat", "protocol", "tcp", "dst-port", "33890", "dst-address-type", "local", "to-addresses", "192.168.88.10", "to-ports", "3389")...)
	}
	through := func(action ...string) routeros.Rule {
		return routeros.NewRule(append(action, "protocol", "tcp", "dst-address", "192.168.88.10", "dst-port", "3389", "connection-nat-state", "dstnat")...)
	}
	nat := []routeros.Rule{sent("src-address-list", "desk"), sent("src-address-list", "rosknock-desk-allow"), sent("in-interface-list", "LAN")}
	filter := []routeros.Rule{
		through("action", "accept", "src-address-list", "desk"), through("action", "accept", "src-address-list", "rosknock-desk-allow"), through("action", "accept", "in-interface-list", "LAN"),
		through("action", "drop", "connection-state", "new"),
	}
	if !slices.EqualFunc(f.NAT, nat, routeros.Rule.SameMeaning) || !slices.EqualFunc(f.Filter, filter, routeros.Rule.SameMeaning) {
		t.Errorf("got  %v\n     %v\nwant %v\n     %v", f.NAT, f.Filter, nat, filter)
	}
	if last := rs.Tables[0].Rules[len(rs.Tables[0].Rules)-1]; last.Action() != "drop" || last.Attrs.Get("dst-port") != "33890" {
		t.Errorf("the router's own port: %v", last)
	}
	if f.NATPlace.Anchor != "" || !strings.Contains(f.FilterPlace.AnchorText, "accept in ipsec policy") || f.FilterPlace.NeedsEstablished {
		t.Errorf("places: %+v, %+v", f.NATPlace, f.FilterPlace)
	}
	for _, table := range rs.Tables[1:] {
		if len(table.Forwarding.NAT)+len(table.Forwarding.Filter)+len(table.Forwarding.Outer) > 0 || len(table.Doors) != 1 {
			t.Errorf("%s: %+v", table.Family, table.Forwarding)
		}
	}
}

// TestForwardPlaces: before the first rule that decides about forwarded packets, of any source;
// running connections are let through where the router does not do so.
func TestForwardPlaces(t *testing.T) {
	tests := []struct {
		name, rules string
		nat, filter string // comments of the anchors
		established bool
	}{
		{"empty tables", "", "", "", false},
		{"no rule for running connections", "add chain=forward action=drop comment=all\n", "", "all", true},
		{"only what goes there is let through", "add chain=forward action=accept dst-address=192.168.88.0/24 comment=in\nadd chain=forward action=drop comment=all\n", "", "in", true},
		{"running connections", "add chain=forward action=accept connection-state=established,related comment=est\nadd chain=forward action=drop comment=all\n", "", "all", false},
		{"what limits stop", "add chain=forward action=drop connection-state=established limit=5,5:packet comment=some\n", "", "", true},
		{"an accept of everybody", "add chain=forward action=accept protocol=tcp comment=tcp\nadd chain=forward action=drop comment=all\n", "", "tcp", false},
		{"an accept of the allowed", "add chain=forward action=accept in-interface=bridge comment=lan\nadd chain=forward action=drop comment=all\n", "", "all", true},
		{"another host, another port, another protocol", "add chain=forward action=drop dst-address=192.168.88.20 comment=a\nadd chain=forward action=drop protocol=tcp dst-port=33890 comment=b\nadd chain=forward action=drop protocol=udp comment=c\n", "", "", false},
		{"what is not translated", "add chain=forward action=drop connection-nat-state=!dstnat comment=fwd\n", "", "", false},
		{"by where it leaves", "add chain=forward action=drop out-interface=ether1 connection-state=new comment=out\nadd chain=forward action=drop out-interface=bridge connection-state=new comment=in\n", "", "in", false},
		{"a list that only the plan fills", "add chain=forward action=drop src-address-list=desk connection-state=new comment=fwd\n/ip firewall nat\nadd chain=dstnat action=accept src-address-list=desk comment=nat\n", "nat", "fwd", false},
		{"a jump", "add chain=forward action=jump jump-target=guests comment=away\nadd chain=guests action=drop connection-state=new\n", "", "away", false},
		{"a jump that comes back", "add chain=forward action=jump jump-target=guests comment=away\nadd chain=guests action=return\n", "", "", false},
		{"somebody else forwards the port", "/ip firewall nat\nadd chain=srcnat action=masquerade comment=out\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=80 to-addresses=192.168.88.20 comment=web\n" +
			"add chain=dstnat action=dst-nat protocol=tcp dst-port=33000-34000 to-addresses=192.168.88.10 comment=range\n", "range", "", false},
		{"somebody keeps all on the router", "/ip firewall nat\nadd chain=dstnat action=return in-interface=ether1 comment=keep\n", "keep", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := router(t, behind+test.rules)
			rs, err := compile.Compile(plan(t, "forward.yaml"), s)
			if err != nil {
				t.Fatal(err)
			}
			comment := func(menu routeros.Menu, id string) string {
				for _, r := range s.Rules[menu] {
					if id != "" && r.ID == id {
						return r.Comment()
					}
				}
				return ""
			}
			f := rs.Tables[0].Forwarding
			if comment(routeros.NAT, f.NATPlace.Anchor) != test.nat || comment(routeros.Filter, f.FilterPlace.Anchor) != test.filter || f.FilterPlace.NeedsEstablished != test.established {
				t.Errorf("%+v, %+v", f.NATPlace, f.FilterPlace)
			}
			brought := slices.ContainsFunc(f.Filter, func(r routeros.Rule) bool {
				return strings.Contains(r.Comment(), "established/back-rdp") && r.Attrs.Get("src-port") == "3389"
			})
			if brought != test.established {
				t.Errorf("%v", f.Filter)
			}
		})
	}
}

// TestForwardOnly: a door that opens nothing but a forward is none over IPv6, and what everything
// opens are the forwards too.
func TestForwardOnly(t *testing.T) {
	p := plan(t, "forward.yaml")
	p.Gate.Services = nil
	p.Doors[0].Opens = []plans.Target{{Kind: plans.ForwardTarget, Name: "rdp"}}
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	if six := rs.Tables[1]; len(six.Rules)+len(six.Doors) > 0 || rs.Tables[0].Place.Anchor == "" {
		t.Errorf("%+v\n%+v", six, rs.Tables[0].Place)
	}
	p.Doors[0].Opens = []plans.Target{{Kind: plans.Everything}}
	if rs, err = compile.Compile(p, defconf(t)); err != nil || len(rs.Tables[0].Forwarding.NAT) != 3 || len(rs.Tables[1].Doors) != 1 {
		t.Errorf("%v, %+v", err, rs.Tables)
	}
	p.Doors[0].Opens = []plans.Target{{Kind: plans.ServiceTarget, Name: "ssh"}}
	if rs, err = compile.Compile(p, defconf(t)); err != nil || len(rs.Tables[0].Forwarding.NAT) != 2 {
		t.Errorf("a door that does not open it: %v, %+v", err, rs.Tables[0].Forwarding.NAT)
	}
}

// TestForwardRefusals: forwards that this router can't have.
func TestForwardRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		change func(p *plans.Plan, s *routeros.Snapshot)
		risk   string
	}{
		"the port of a service": {func(_ *plans.Plan, s *routeros.Snapshot) { s.Services = []routeros.Service{{Name: "ssh", Port: 33890}} }, "forward-in-use"},
		"the router itself":     {func(p *plans.Plan, s *routeros.Snapshot) { p.Gate.Forwards[0].To = s.Addresses[0].Prefix.Addr() }, "forward-to-router"},
		"no table":              {func(_ *plans.Plan, s *routeros.Snapshot) { delete(s.Rules, routeros.NAT) }, "no-table"},
		"under a rule that the router made": {func(_ *plans.Plan, s *routeros.Snapshot) {
			s.Rules[routeros.NAT] = []routeros.Rule{{ID: "*1", Dynamic: true, Attrs: routeros.MakeAttributes("chain", "dstnat", "action", "redirect", "protocol", "tcp", "to-ports", "64872")}}
		}, "no-place"},
		"a service that is off": {func(_ *plans.Plan, s *routeros.Snapshot) {
			s.Services = []routeros.Service{{Name: "ssh", Port: 33890, Disabled: true}}
		}, ""},
	} {
		p, s := plan(t, "forward.yaml"), router(t, behind+"/ip firewall nat\nadd chain=srcnat action=masquerade\n")
		p.Gate.Forwards = slices.Clone(p.Gate.Forwards)
		test.change(&p, &s)
		_, err := compile.Compile(p, s)
		refused, ok := errors.AsType[*change.RefusalError](err)
		if ok != (test.risk != "") || ok && (refused.Risk != test.risk || refused.Remedy == "") || err != nil && !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForwardsOfOneHost: two forwards lead to one port, for others each; nobody is shut out behind
// the first.
func TestForwardsOfOneHost(t *testing.T) {
	p := plan(t, "forward.yaml")
	again := p.Gate.Forwards[0]
	again.Name, again.Port = "again", 33891
	p.Gate.Forwards = append(slices.Clone(p.Gate.Forwards), again)
	rs, err := compile.Compile(p, defconf(t))
	if err != nil {
		t.Fatal(err)
	}
	shut := false
	for _, r := range rs.Tables[0].Forwarding.Filter {
		if shut && r.Action() != "drop" {
			t.Errorf("%v stands behind a drop", r)
		}
		shut = shut || r.Action() == "drop"
	}
}
