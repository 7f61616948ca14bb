package proof_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/plans/proof"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// BenchmarkProve proves the change sets of some plans on tables of other people's rules: blocked
// sources, port rules, jumps, limits.
func BenchmarkProve(b *testing.B) {
	for _, name := range []string{"seed.yaml", "branch.yaml", "quarantine.yaml", "hygiene.yaml", "forward.yaml"} {
		text, err := fixtures.Plan(name)
		if err != nil {
			b.Fatal(err)
		}
		p, err := plans.Read(name, text)
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{60, 300, 5000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := manyRules(n)
				rules, err := compile.Compile(p, s)
				if err != nil {
					b.Fatal(err)
				}
				session := change.Management{Service: "api-ssl", Operators: []netip.Addr{netip.MustParseAddr("192.168.88.5")}}
				changes, err := diff.Compute(s, rules, session)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := proof.Prove(s, rules, changes, session).Err(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(changes.Steps)+1), "states")
			})
		}
	}
}

func manyRules(n int) routeros.Snapshot {
	var text strings.Builder
	text.WriteString("/interface list\nadd name=LAN\nadd name=WAN\n/interface list member\nadd list=LAN interface=bridge\nadd list=WAN interface=ether1\n/ip address\nadd address=192.0.2.1/24 interface=ether1\nadd address=192.168.88.1/24 interface=bridge\n" +
		"/ip firewall filter\nadd chain=input action=accept connection-state=established,related,untracked\nadd chain=input action=drop connection-state=invalid\n")
	for i := range n - 3 {
		switch i % 6 {
		case 0:
			fmt.Fprintf(&text, "add chain=input action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d\n", i/256%256, i%256, 1+i*7%60000)
		case 1:
			fmt.Fprintf(&text, "add chain=input action=drop src-address=%d.%d.0.0/16\n", 11+i%80, i*3%256)
		case 2:
			fmt.Fprintf(&text, "add chain=input action=accept protocol=udp dst-port=%d in-interface=ether1\n", 10000+i)
		case 3:
			fmt.Fprintf(&text, "add chain=input action=add-src-to-address-list address-list=scan%d address-list-timeout=1h protocol=tcp dst-port=%d limit=5,5:packet\n", i%7, 20000+i)
		case 4:
			fmt.Fprintf(&text, "add chain=input action=drop src-address-list=scan%d protocol=tcp dst-port=%d\n", i%7, 30000+i)
		default:
			fmt.Fprintf(&text, "add chain=forward action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d\n", i/256%256, i%256, 1+i%60000)
		}
	}
	text.WriteString("add chain=input action=drop in-interface-list=!LAN\n")
	s, _ := rsc.Read([]byte(text.String())).Snapshot(rsc.Options{})
	return s
}

// BenchmarkAhead lays a week down, 84 windows.
func BenchmarkAhead(b *testing.B) {
	text, err := fixtures.Router("defconf.rsc")
	if err != nil {
		b.Fatal(err)
	}
	s := router(string(text))
	s.Clock = time.Date(2026, 11, 21, 10, 15, 0, 0, time.UTC)
	for _, layout := range []plans.Layout{plans.Chain, plans.Inline} {
		want := laidDown(b, aheadPlan(b, layout, 2*time.Hour, 7*24*time.Hour), s)
		changes, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(layout.String(), func(b *testing.B) {
			for b.Loop() {
				if p := proof.Prove(s, want, changes, change.Management{}); !p.Holds() {
					b.Fatal(p.Err())
				}
			}
		})
	}
}
