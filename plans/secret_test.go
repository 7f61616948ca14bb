package plans_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// TestPlantedPortsStaySecret: ports of any knock, in a plan that is broken outside of them, never
// show in a message.
func TestPlantedPortsStaySecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ports := rapid.SliceOfNDistinct(rapid.IntRange(10000, 64999), 3, 3, rapid.ID[int]).Draw(t, "ports")
		text := fmt.Sprintf("version: 1\nname: p\ndoors:\n  d:\n    knock:\n      - tcp/%d\n      - {protocol: udp, port: %d}\n      - udp/%d\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n", ports[0], ports[1], ports[2])
		at := rapid.IntRange(0, len(text)-1).Filter(func(at int) bool { return text[at] < '0' || text[at] > '9' }).Draw(t, "at")
		junk := rapid.SampledFrom([]string{"", "\t", ":", "{", "]", "x", "\n", "&a ", "'", "#", "!", "- "}).Draw(t, "junk")
		_, err := plans.Read("p.yaml", []byte(text[:at]+junk+text[at+1:]))
		if err == nil {
			return
		}
		for _, port := range ports {
			if strings.Contains(err.Error(), fmt.Sprint(port)) {
				t.Fatalf("%d shows in\n%v", port, err)
			}
		}
	})
}

// TestVPNPorts: what each VPN needs (routeros-facts § 5), the same in both families.
func TestVPNPorts(t *testing.T) {
	want := map[string]string{
		"wireguard":  "udp 13231",
		"l2tp-ipsec": "udp 500,4500; ipsec-esp; ipsec-ah; udp 1701 in,ipsec",
		"ikev2":      "udp 500,4500; ipsec-esp; ipsec-ah",
		"openvpn":    "tcp 1194; udp 1194",
		"sstp":       "tcp 443",
		"pptp":       "tcp 1723; gre",
	}
	for _, name := range plans.VPNs() {
		for _, f := range routeros.Families() {
			var got []string
			for _, m := range plans.VPNMatches(name, f) {
				got = append(got, strings.Join(strings.Fields(m.Protocol+" "+m.Ports+" "+m.IPsecPolicy), " "))
			}
			if text := strings.Join(got, "; "); text != want[name] {
				t.Errorf("%s over %s: %s, want %s", name, f, text, want[name])
			}
		}
	}
}

// TestFixtures: the plans that come along read as they are meant.
func TestFixtures(t *testing.T) {
	read := func(name string) plans.Plan {
		t.Helper()
		p, err := plans.Read(name, fixture(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	seed, inline := read("seed.yaml"), read("inline.yaml")
	if inline.Firewall.Layout != plans.Inline {
		t.Error("inline.yaml is not inline")
	}
	inline.Firewall.Layout = plans.Chain
	if plain(inline) != plain(seed) {
		t.Error("inline.yaml differs from seed.yaml in more than the layout")
	}
	b := read("branch.yaml")
	d := b.Doors[0]
	if len(d.Knock) != 5 || d.Knock[4] != (plans.Stage{Protocol: "icmp", Size: 245}) || len(d.Opens) != 4 || d.Log == nil || d.Log.Count != 10 {
		t.Errorf("the door of branch.yaml: %+v", d)
	}
	if len(b.Allow.Addresses) != 2 || len(b.Allow.InterfaceLists) != 1 || len(b.Gate.Services) != 4 || len(b.Gate.VPNs) != 3 || len(b.Firewall.Families) != 2 {
		t.Errorf("branch.yaml: %+v %+v", b.Allow, b.Gate)
	}
	if len(b.Services.Disable) != 3 || b.Services.Ports[0].Port != 2222 || len(b.Services.From[0].Prefixes) != 2 {
		t.Errorf("services of branch.yaml: %+v", b.Services)
	}
}
