package audit_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/audit"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestReachAgainstPackets: what the audit says of a service is what happens to packets: a stranger
// from outside gets through where it says anyone, and nobody at all where it says nobody.
func TestReachAgainstPackets(t *testing.T) {
	said := map[audit.Who]int{}
	rapid.Check(t, func(t *rapid.T) {
		one := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		var b strings.Builder
		b.WriteString(sides)
		for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
			fmt.Fprintf(&b, "add chain=%s comment=r%d action=%s", one("chain", "input", "input", "c"), i, one("action", "accept", "drop", "accept", "drop", "jump jump-target=c", "return", "reject"))
			for _, values := range [][]string{
				{"protocol=tcp dst-port=22", "protocol=tcp", "protocol=udp", "protocol=tcp dst-port=8000-9000"}, {"in-interface=ether1", "in-interface-list=LAN", "in-interface-list=!LAN"},
				{"src-address=198.51.100.0/24", "src-address=!198.51.100.0/24", "src-address-list=admins"}, {"connection-state=new", "limit=5,5:packet"},
			} {
				if rapid.IntRange(0, 2).Draw(t, "matcher") == 0 {
					b.WriteString(" " + one("value", values...))
				}
			}
			b.WriteString("\n")
		}
		b.WriteString("/ip firewall address-list\nadd list=admins address=203.0.113.50\n")
		text := strings.ReplaceAll(b.String(), "chain=c comment=r", "chain=c comment=c")
		s := read(t, []byte(text), nil)
		if slices.ContainsFunc(s.Rules[routeros.Filter], func(r routeros.Rule) bool { return r.Chain() == "c" && r.Action() == "jump" }) {
			return // in circles
		}
		for _, r := range audit.Router(s).Reach {
			if r.Kind != audit.Service || r.Off() || r.Family != routeros.IPv4 {
				continue
			}
			holdsReach(t, s, r, text)
			if len(r.By) == 0 {
				said["nobody"]++
			}
			for _, by := range r.By {
				said[by.Who]++
			}
		}
	})
	t.Logf("%v", said)
}

func holdsReach(t *rapid.T, s routeros.Snapshot, r audit.Reach, text string) {
	service, _ := s.Service(r.Name)
	probes := traffic.NewProbes(s, routeros.IPv4)
	world, lists := firewall.NewFirewall(s), firewall.NewAddressLists(s, s.Clock)
	through := func(in, src string) bool {
		p := probes.New(in, "tcp", service.Port)
		if src != "" {
			p.Src = netip.MustParseAddr(src)
		}
		return slices.ContainsFunc(world.Dispositions(p, lists, s.Clock), func(f firewall.Disposition) bool { return f.Verdict == firewall.Accept })
	}
	is := func(who audit.Who, perhaps bool) bool {
		return slices.ContainsFunc(r.By, func(by audit.By) bool { return by.Who == who && by.Perhaps == perhaps })
	}
	anyone, other, lan := through("ether1", ""), through(firewall.AnyOther, ""), through("bridge", "192.168.88.77")
	if anyone != is(audit.Anyone, false) {
		t.Fatalf("%s: a stranger gets through: %v; the audit says %v\n%s", r.Name, anyone, r.By, text)
	}
	if !anyone && other != is(audit.Anyone, true) {
		t.Fatalf("%s: somebody on another interface gets through: %v; the audit says %v\n%s", r.Name, other, r.By, text)
	}
	if !anyone && lan != is(audit.LAN, false) {
		t.Fatalf("%s: somebody of the LAN gets through: %v; the audit says %v\n%s", r.Name, lan, r.By, text)
	}
	known := false
	for _, in := range []string{"ether1", firewall.AnyOther, "bridge"} {
		gets := through(in, "198.51.100.7") || through(in, "203.0.113.50")
		known = known || gets
		if gets && in == "ether1" && !anyone && !is(audit.AllowList, false) {
			t.Fatalf("%s: a known address gets through; the audit says %v\n%s", r.Name, r.By, text)
		}
	}
	if is(audit.AllowList, false) && !known {
		t.Fatalf("%s: no known address gets through; the audit says %v\n%s", r.Name, r.By, text)
	}
	if len(r.By) == 0 && (known || other || lan) {
		t.Fatalf("%s: somebody gets through; the audit says nobody\n%s", r.Name, text)
	}
}
