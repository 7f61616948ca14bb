package discover_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/discover"
	"github.com/rosknock/rosknock/routeros"
)

const (
	vpnStages = "add chain=input action=accept connection-state=established,related\n" +
		"add chain=input action=add-src-to-address-list address-list=a address-list-timeout=30s protocol=tcp dst-port=4711\n" +
		"add chain=input action=add-src-to-address-list address-list=b address-list-timeout=1h protocol=tcp dst-port=4712 src-address-list=a\n"
	wireguard = "/interface wireguard\nadd listen-port=51820 name=wg0\n"
	openvpn   = "/interface ovpn-server server\nset enabled=yes\n"
	sstp      = "/interface sstp-server server\nset enabled=yes port=4443\n"
	l2tp      = "/interface l2tp-server server\nset enabled=yes use-ipsec=required\n"
	ikev2     = "/ip ipsec peer\nadd name=p1 passive=yes\n"
	pptp      = "/interface pptp-server server\nset enabled=yes\n"
	whole     = "/system identity\nset name=r\n/ip dns\nset servers=1.1.1.1\n" // an export of everything
)

// vpnRows are rows of an action for matchers, one for each line.
func vpnRows(action string, matchers ...string) string {
	var out strings.Builder
	for _, m := range matchers {
		out.WriteString("add chain=input action=" + action + " " + m + "\n")
	}
	return out.String()
}

// opensOf are the targets of a plan's one door, as its file has them.
func opensOf(p plans.Plan) string {
	var out []string
	for _, d := range p.Doors {
		for _, t := range d.Opens {
			out = append(out, t.String())
		}
	}
	return strings.Join(out, " ")
}

// TestVPNNames: what a door opens has the name of a VPN where it is just what that VPN needs as it
// runs on the router, and otherwise stays ports.
func TestVPNNames(t *testing.T) {
	const list = " src-address-list=b"
	ipsec := []string{"protocol=udp dst-port=500,4500" + list, "protocol=ipsec-esp" + list, "protocol=ipsec-ah" + list}
	inside := "protocol=udp dst-port=1701 ipsec-policy=in,ipsec" + list
	for _, test := range []struct {
		name, router string
		rows         []string
		opens        string
		note         string
		missing      int // rows of the list that no door describes
	}{
		{"wireguard", wireguard, []string{"protocol=udp dst-port=51820" + list}, "wireguard", "", 0},
		{"wireguard and others", wireguard, []string{"protocol=tcp dst-port=22,8443" + list, "protocol=udp dst-port=53,51820" + list}, "ssh tcp/8443 udp/53 wireguard", "", 0},
		{"wireguard in a range", wireguard, []string{"protocol=udp dst-port=51819-51821" + list}, "udp/51819 wireguard udp/51821", "", 0},
		{"wireguard on another port", wireguard, []string{"protocol=udp dst-port=13231" + list}, "udp/13231", "", 0},
		{"wireguard by tcp", wireguard, []string{"protocol=tcp dst-port=51820" + list}, "tcp/51820", "", 0},
		{"wireguard off", strings.Replace(wireguard, "add ", "add disabled=yes ", 1), []string{"protocol=udp dst-port=51820" + list}, "udp/51820", "", 0},
		{"wireguard without a port", "/interface wireguard\nadd name=wg0\n", []string{"protocol=udp dst-port=13231" + list}, "udp/13231", "does not tell", 0},
		{"no wireguard", "", []string{"protocol=udp dst-port=13231" + list}, "udp/13231", "", 0},
		{"two interfaces", wireguard + "add listen-port=51821 name=wg1\n", []string{"protocol=udp dst-port=51820,51821" + list}, "wireguard", "", 0},
		{"one interface of two", wireguard + "add listen-port=51900 name=wg1\n", []string{"protocol=udp dst-port=51820" + list}, "udp/51820", "not open all the ports and protocols of wireguard", 0},
		{"one interface, the other off", wireguard + "add disabled=yes listen-port=51900 name=wg1\n", []string{"protocol=udp dst-port=51820" + list}, "udp/51820", "not open all", 0},
		{"openvpn", openvpn, []string{"protocol=tcp dst-port=1194" + list}, "openvpn", "", 0},
		{"openvpn by udp", strings.Replace(openvpn, "enabled=yes", "enabled=yes protocol=udp", 1), []string{"protocol=udp dst-port=1194" + list}, "openvpn", "", 0},
		{"openvpn by the other protocol", openvpn, []string{"protocol=udp dst-port=1194" + list}, "udp/1194", "", 0},
		{"openvpn by both, and one runs", openvpn, []string{"protocol=tcp dst-port=1194" + list, "protocol=udp dst-port=1194" + list}, "openvpn udp/1194", "", 0},
		{"openvpn on another port", strings.Replace(openvpn, "enabled=yes", "enabled=yes port=1200", 1), []string{"protocol=tcp dst-port=1200" + list}, "openvpn", "", 0},
		{"openvpn off", strings.Replace(openvpn, "yes", "no", 1), []string{"protocol=tcp dst-port=1194" + list}, "tcp/1194", "", 0},
		{"sstp", sstp, []string{"protocol=tcp dst-port=22,4443" + list}, "ssh sstp", "", 0},
		{"sstp on another port", sstp, []string{"protocol=tcp dst-port=443" + list}, "tcp/443", "", 0},
		{"sstp off", strings.Replace(sstp, "yes", "no", 1), []string{"protocol=tcp dst-port=4443" + list}, "tcp/4443", "", 0},
		{"pptp", pptp, []string{"protocol=tcp dst-port=1723" + list, "protocol=gre" + list}, "pptp", "", 0},
		{"pptp and ssh", pptp, []string{"protocol=gre" + list, "protocol=tcp dst-port=22,1723" + list}, "ssh pptp", "", 0},
		{"pptp without gre", pptp, []string{"protocol=tcp dst-port=1723" + list}, "tcp/1723", "not open all the ports and protocols of pptp", 0},
		{"pptp off", "", []string{"protocol=tcp dst-port=1723" + list, "protocol=gre" + list}, "tcp/1723", "", 1},
		{"ikev2", ikev2, ipsec, "ikev2", "", 0},
		{"ikev2 in another order", ikev2, []string{ipsec[2], ipsec[0], ipsec[1]}, "ikev2", "", 0},
		{"ikev2 without AH", ikev2, ipsec[:2], "udp/500 udp/4500", "not open all the ports and protocols of ikev2", 1},
		{"ikev2 off", "", ipsec, "udp/500 udp/4500", "", 2},
		{"l2tp", l2tp, append(slices.Clone(ipsec), inside), "l2tp-ipsec", "", 0},
		{"l2tp and ikev2", l2tp + ikev2, append(slices.Clone(ipsec), inside), "l2tp-ipsec ikev2", "", 0},
		{"ikev2 in the rows of l2tp", l2tp + ikev2, ipsec, "ikev2", "", 0},
		{"l2tp in clear", l2tp, []string{"protocol=udp dst-port=500,1701,4500" + list, ipsec[1], ipsec[2]}, "udp/500 udp/1701 udp/4500", "not open all the ports and protocols of l2tp-ipsec", 2},
		{"l2tp without IPsec", strings.Replace(l2tp, "required", "no", 1), append(slices.Clone(ipsec), inside), "udp/500 udp/4500", "", 3},
		{"a tunnel's other port", l2tp, append(slices.Clone(ipsec), strings.Replace(inside, "1701", "1701,1702", 1)), "udp/500 udp/4500", "l2tp-ipsec", 3},
		{"two VPNs and one in part", wireguard + openvpn + pptp, []string{"protocol=udp dst-port=51820" + list, "protocol=tcp dst-port=1194,1723" + list}, "wireguard openvpn tcp/1723", "pptp", 0},
		{"everything", wireguard + pptp, []string{"src-address-list=b"}, "everything", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := snapshot([]byte(whole + test.router + head + vpnStages + vpnRows("accept", test.rows...) + "add chain=input action=drop\n"))
			r := look(s)
			if !r.Adoption.Clean() || opensOf(r.Plan) != test.opens || len(r.Missing) != test.missing {
				t.Fatalf("opens %s, not %s: %q %+v", opensOf(r.Plan), test.opens, r.Adoption.Why(), r.Missing)
			}
			if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, test.note) || test.note == "" && notes != "" {
				t.Errorf("notes %q", notes)
			}
			holdAdoption(t, s, r)
			sameAsPorts(t, s, r)
		})
	}
}

// TestVPNNamesInBothFamilies: a VPN has its name where both families open all of it.
func TestVPNNamesInBothFamilies(t *testing.T) {
	tcp, gre, udp := "protocol=tcp dst-port=1723 src-address-list=b", "protocol=gre src-address-list=b", "protocol=udp dst-port=51820 src-address-list=b"
	for _, test := range []struct {
		name, four, six string
		opens           string
		missing         int
	}{
		{"alike", vpnRows("accept", udp, tcp, gre), vpnRows("accept", udp, tcp, gre), "wireguard pptp", 0},
		{"whole in IPv4 alone", vpnRows("accept", udp, tcp, gre), vpnRows("accept", udp, tcp), "wireguard tcp/1723", 1},
		{"whole in IPv6 alone", vpnRows("accept", udp, tcp), vpnRows("accept", udp, tcp, gre), "wireguard tcp/1723", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := snapshot([]byte(bothFamilies(wireguard+pptp, test.four, test.six)))
			r := look(s)
			if !r.Adoption.Clean() || len(r.Plan.Firewall.Families) != 2 || opensOf(r.Plan) != test.opens || len(r.Missing) != test.missing {
				t.Fatalf("%q %+v\n%s", r.Adoption.Why(), r.Missing, plans.Write(r.Plan))
			}
			if one := strings.Contains(strings.Join(r.Notes, " "), "all of pptp in one address family only"); one != (test.missing > 0) {
				t.Errorf("%q", r.Notes)
			}
			holdAdoption(t, s, r)
			sameAsPorts(t, s, r)
		})
	}
}

// bothFamilies is a router with a knock and these rows in each family.
func bothFamilies(router, four, six string) string {
	const drop = "add chain=input action=drop\n"
	return whole + router + head + vpnStages + four + drop + "/ipv6 address\nadd address=2001:db8::1/64 interface=bridge\n/ipv6 firewall filter\n" + vpnStages + six + drop
}

// TestGateOfVPNs: rows that shut whole VPNs are the gate, others stay as they are.
func TestGateOfVPNs(t *testing.T) {
	for _, test := range []struct {
		name, router string
		rows         []string
		services     []string
		vpns         []string
	}{
		{"wireguard", wireguard, []string{"protocol=udp dst-port=51820"}, nil, []string{"wireguard"}},
		{"with services", wireguard + sstp, []string{"protocol=tcp dst-port=22,4443", "protocol=udp dst-port=51820"}, []string{"ssh"}, []string{"sstp", "wireguard"}},
		{"pptp", pptp, []string{"protocol=tcp dst-port=22,1723", "protocol=gre"}, []string{"ssh"}, []string{"pptp"}},
		{"pptp without gre", pptp, []string{"protocol=tcp dst-port=1723"}, nil, nil},
		{"pptp without gre, and services", pptp, []string{"protocol=tcp dst-port=1723", "protocol=tcp dst-port=22"}, []string{"ssh"}, nil},
		{"l2tp", l2tp, []string{"protocol=udp dst-port=500,1701,4500", "protocol=ipsec-esp", "protocol=ipsec-ah"}, nil, []string{"l2tp-ipsec"}},
		{"ikev2", ikev2, []string{"protocol=udp dst-port=500,4500", "protocol=ipsec-esp", "protocol=ipsec-ah"}, nil, []string{"ikev2"}},
		{"ikev2 and more", ikev2, []string{"protocol=udp dst-port=500,1701,4500", "protocol=ipsec-esp", "protocol=ipsec-ah"}, nil, nil},
		{"one interface of two", wireguard + "add listen-port=51900 name=wg1\n", []string{"protocol=udp dst-port=51820"}, nil, nil},
		{"off", "", []string{"protocol=tcp dst-port=22", "protocol=udp dst-port=51820"}, []string{"ssh"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := snapshot([]byte(whole + test.router + head + vpnStages + vpnRows("accept", "protocol=tcp dst-port=22 src-address-list=b") + vpnRows("drop", test.rows...)))
			r := look(s)
			if !r.Adoption.Clean() || !slices.Equal(r.Plan.Gate.Services, test.services) || !slices.Equal(r.Plan.Gate.VPNs, test.vpns) || len(r.Plan.Gate.Ports) > 0 {
				t.Fatalf("%q\n%s", r.Adoption.Why(), plans.Write(r.Plan))
			}
			holdAdoption(t, s, r)
		})
	}
}

// TestVPNNamesOfAny: whatever runs and whatever rows accept and shut, names mean the same as the
// ports, and nothing that is adopted without names can't be adopted with them.
func TestVPNNamesOfAny(t *testing.T) {
	named, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		router := strings.Join(rapid.SliceOfDistinct(rapid.SampledFrom([]string{wireguard, openvpn, sstp, l2tp, ikev2, pptp}), rapid.ID[string]).Draw(t, "runs"), "")
		rows := func(label, action, list string) string {
			drawn := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"udp dst-port=51820", "udp dst-port=500,4500", "udp dst-port=500,1701,4500,51820", "ipsec-esp", "ipsec-ah", "gre",
				"tcp dst-port=22,1723", "tcp dst-port=1194", "tcp dst-port=4443,8291", "udp dst-port=1701 ipsec-policy=in,ipsec"}), 1, 7, rapid.ID[string]).Draw(t, label)
			for i := range drawn {
				drawn[i] = "protocol=" + drawn[i] + list
			}
			return vpnRows(action, drawn...)
		}
		text := whole + router + head + vpnStages + rows("opens", "accept", " src-address-list=b") + rows("shuts", "drop", "")
		if four := rows("opens in IPv4", "accept", " src-address-list=b"); rapid.Bool().Draw(t, "both") {
			text = bothFamilies(router, four, rapid.SampledFrom([]string{four, rows("opens in IPv6", "accept", " src-address-list=b")}).Draw(t, "six"))
		}
		s := snapshot([]byte(text))
		r := look(s)
		off := s
		off.VPNServers = nil
		if plain := look(off); plain.Adoption.Clean() && !r.Adoption.Clean() {
			t.Fatalf("not adopted with names: %q\n%s\n%s", r.Adoption.Why(), plans.Write(r.Plan), text)
		}
		all++
		if !r.Adoption.Clean() {
			return
		}
		if vpn := func(name string) bool { return slices.Contains(strings.Fields(opensOf(r.Plan)), name) }; slices.ContainsFunc(plans.VPNs(), vpn) || r.Plan.Gate.VPNs != nil {
			named++
		}
		holdAdoption(t, s, r)
		sameAsPorts(t, s, r)
	})
	t.Logf("%d of %d with names", named, all)
	if named*5 < all {
		t.Errorf("%d of %d with names: the rules don't suit the test", named, all)
	}
}

// sameAsPorts holds that the plan opens the same with the ports in place of the names.
func sameAsPorts(t failer, s routeros.Snapshot, r discover.Result) {
	t.Helper()
	want, err := compile.Compile(r.Plan, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range want.Tables {
		at := slices.IndexFunc(r.Doors, func(d discover.Door) bool { return d.Family == table.Family })
		var opened, found []string
		for _, m := range table.Doors[0].Opens {
			opened = append(opened, routeros.MakeAttributes(m.Attributes()...).String())
		}
		for _, rule := range r.Doors[at].Rules {
			if strings.Contains(rule.Slot, "/open") {
				found = append(found, rule.Canonical().Without("chain", "action", "src-address-list", "comment").String())
			}
		}
		slices.Sort(opened)
		slices.Sort(found)
		if !reflect.DeepEqual(opened, found) {
			t.Fatalf("opens %q, and the rules accept %q", opened, found)
		}
	}
}
