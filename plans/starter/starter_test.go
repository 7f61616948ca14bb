package starter_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/starter"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// head is a router with a bridge inside, and ether1 outside.
const head = "# by RouterOS 7.20\n/interface bridge\nadd name=bridge\n/ip dhcp-client\nadd interface=ether1\n/ip address\nadd address=192.168.88.1/24 interface=bridge\n/ipv6 settings\nset disable-ipv6=yes\n"

const established = "/ip firewall filter\nadd chain=input action=accept connection-state=established,related,untracked\n"

func router(text string) routeros.Snapshot {
	s, _ := rsc.Read([]byte(text)).Snapshot(rsc.Options{})
	return s
}

func written(t *testing.T, text string, session change.Management) starter.Plan {
	t.Helper()
	p, err := starter.For(router(text), starter.Options{Name: "main", Knock: knock(), Decoys: decoys(), Session: session})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFor: what the plan says about routers of each kind, and whether it holds.
func TestFor(t *testing.T) {
	const drop = "add chain=input action=drop\n"
	for _, c := range []struct {
		name, text string
		gated      string // "" is none
		allow      string // all of it, as Go prints it
		refused    string // "" holds
	}{
		{"no rules", head, "ssh api winbox api-ssl", "{[] [] [bridge] []}", ""},
		{"a bridge, and no list", head + established + "add chain=input action=accept in-interface=bridge\n" + drop, "ssh api winbox api-ssl", "{[] [] [bridge] []}", ""},
		{"nobody gets in", head + established + drop, "ssh api winbox api-ssl", "{[] [] [] []}", ""},
		{"a VLAN that a rule names", head + established + "add chain=input action=accept in-interface=bridge\nadd chain=input action=accept in-interface=vlan7\n" + drop, "ssh api winbox api-ssl", "{[] [] [bridge vlan7] []}", ""},
		{"an address", head + established + "add chain=input action=accept src-address=198.51.100.7\n" + drop, "ssh api winbox api-ssl", "{[198.51.100.7] [] [] []}", ""},
		{"an address that reaches one service", head + established + "add chain=input action=accept in-interface=bridge\nadd chain=input action=accept src-address=198.51.100.7 protocol=tcp dst-port=22\n" + drop, "api winbox api-ssl", "{[] [] [bridge] []}", ""},
		{"a list of addresses", head + "/ip firewall address-list\nadd list=office address=198.51.100.0/24\n" + established + "add chain=input action=accept src-address-list=office\n" + drop, "ssh api winbox api-ssl", "{[] [] [] [office]}", ""},
		{"a list that holds everybody", head + "/ip firewall address-list\nadd list=office address=0.0.0.0/0\n" + established + "add chain=input action=accept src-address-list=office\n" + drop, "ssh api winbox api-ssl", "{[] [] [bridge] []}", "overrides-accept"},
		{"the outside, by its name", head + established + "add chain=input action=accept in-interface=ether1 protocol=tcp dst-port=22\nadd chain=input action=accept in-interface=bridge\n" + drop, "ssh api winbox api-ssl", "{[] [] [bridge] []}", ""},
		{"a source on one interface", head + established + "add chain=input action=accept src-address=192.168.88.0/24 in-interface=bridge\n" + drop, "", "{[] [] [] []}", ""},
		{"a raw drop of everything", head + "/ip firewall raw\nadd chain=prerouting action=drop in-interface=ether1\n", "ssh api winbox api-ssl", "{[] [] [bridge] []}", "door-shut"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := written(t, c.text, change.Management{})
			risks := []string{}
			for _, r := range p.Refusals {
				risks = append(risks, r.Risk)
			}
			allow := fmt.Sprint(p.Plan.Allow)
			if strings.Join(p.Gated, " ") != c.gated || allow != c.allow || strings.Join(risks, " ") != c.refused {
				t.Errorf("gates %v, allows %s, refused %v:\n%s", p.Gated, allow, risks, p.Text)
			}
		})
	}
}

// TestOperator: the address of the session stays let in, from wherever it comes.
func TestOperator(t *testing.T) {
	session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("203.0.113.50")}}
	p := written(t, head+established+"add chain=input action=accept protocol=tcp dst-port=8729\nadd chain=input action=drop\n", session)
	if !p.Holds() || fmt.Sprint(p.Plan.Allow.Addresses) != "[203.0.113.50]" {
		t.Errorf("%v:\n%s", p.Refusals, p.Text)
	}
}

// TestForwardedService: a service whose port is another host's is gated, and not opened.
func TestForwardedService(t *testing.T) {
	p := written(t, head+established+"add chain=input action=accept in-interface=bridge\n/ip firewall nat\nadd chain=dstnat action=dst-nat in-interface=ether1 protocol=tcp dst-port=22 to-addresses=192.168.88.10\n", change.Management{})
	if !p.Holds() || slices.Contains(p.Opened, "ssh") || !slices.Contains(p.Gated, "ssh") {
		t.Errorf("%v, opens %v, gates %v:\n%s", p.Refusals, p.Opened, p.Gated, p.Text)
	}
}

// TestAvoid: a knock keeps away from where the router listens, and from what it forwards.
func TestAvoid(t *testing.T) {
	got := starter.Avoid(router(head + "/interface wireguard\nadd name=wg0 listen-port=51820\n/ip service\nset ssh port=22022\n/ip firewall nat\nadd chain=dstnat action=dst-nat protocol=tcp dst-port=33000-33002,40000-60000 to-addresses=192.168.88.10\n"))
	for _, port := range []uint16{51820, 22022, 33000, 33001, 33002} {
		if !slices.Contains(got, port) {
			t.Errorf("%d is not avoided", port)
		}
	}
	if slices.Contains(got, 50000) {
		t.Error("a wide range is avoided, and leaves too few ports")
	}
}

// TestComments: no line of a comment is longer than a screen, and no text of the router begins one.
func TestComments(t *testing.T) {
	p := written(t, head+established+`add chain=input action=accept in-interface=vlan7 comment="a\0Aname: injected\1B[31m"`+"\nadd chain=input action=drop\n", change.Management{})
	for line := range strings.Lines(string(p.Text)) {
		if len(line) > 101 || strings.HasPrefix(line, "name: injected") || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("%q", line)
		}
	}
	if !strings.Contains(string(p.Text), `name: injected`) || !p.Holds() {
		t.Errorf("%v:\n%s", p.Refusals, p.Text)
	}
}

// decoys are traps of the door.
func decoys() []plans.Stage {
	return []plans.Stage{{Protocol: "tcp", Port: 26001}, {Protocol: "udp", Port: 26002}, {Protocol: "tcp", Port: 37250}}
}

// TestTraps: the door has a quarantine and decoys, and goes without where the router would make them
// void, with the reason; the knock, the gate and everything else stay.
func TestTraps(t *testing.T) {
	inside := "add chain=input action=accept in-interface=bridge\n"
	for _, c := range []struct {
		name, rules string
		quarantine  bool
		decoys      int
		says        string
	}{
		{"nothing in the way", inside, true, 3, ""},
		{"rules drop what goes to a decoy", "add chain=input action=drop protocol=tcp dst-port=26001\nadd chain=input action=drop protocol=tcp dst-port=37250\nadd chain=input action=drop protocol=udp dst-port=26002\n" + inside, true, 0, "has no decoys: the plan would be refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := written(t, head+established+c.rules+"add chain=input action=drop\n", change.Management{})
			door := p.Plan.Doors[0]
			if !p.Holds() || door.Quarantines() != c.quarantine || len(door.Decoys) != c.decoys || len(p.Gated) != 4 || len(door.Knock) != len(knock()) {
				t.Errorf("%v:\n%s", p.Refusals, p.Text)
			}
			if said := strings.Join(p.Remarks, "\n"); c.says == "" && strings.Contains(said, "decoy") || !strings.Contains(said, c.says) {
				t.Errorf("it says %s", said)
			}
		})
	}
}

// TestAnswers: who was named is allowed, also where they reach nothing today, and the door opens what
// was chosen, for as long as was chosen; all that runs is gated all the same.
func TestAnswers(t *testing.T) {
	o := starter.Options{Name: "main", Knock: knock(), Decoys: decoys(), Opens: []string{"ssh"}, For: "2d",
		Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/48")}}
	p, err := starter.For(router(head+established+"add chain=input action=accept in-interface=bridge\nadd chain=input action=drop\n"), o)
	if err != nil || !p.Holds() {
		t.Fatalf("%v, %v:\n%s", err, p.Refusals, p.Text)
	}
	door := p.Plan.Doors[0]
	if fmt.Sprint(p.Plan.Allow) != "{[198.51.100.7 203.0.113.0/24] [] [bridge] []}" || fmt.Sprint(p.Opened, p.Closed, p.Gated) != "[ssh] [api winbox api-ssl] [ssh api winbox api-ssl]" || fmt.Sprint(door.Trusted.For) != "2d" {
		t.Errorf("%v, %v, %v, %v, %s:\n%s", p.Plan.Allow, p.Opened, p.Closed, p.Gated, door.Trusted.For, p.Text)
	}
	for _, says := range []string{"# 198.51.100.7: you named it.", `# Left out: addresses: ["2001:db8::/48"]: this router filters no packets of its family.`, "# winbox is not among it: you left it out.", ", but for whom you named."} {
		if !strings.Contains(strings.Join(strings.Fields(string(p.Text)), " "), strings.Join(strings.Fields(says), " ")) {
			t.Errorf("the plan does not say %q:\n%s", says, p.Text)
		}
	}
}
