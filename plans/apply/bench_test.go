package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change/changetest"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// BenchmarkDiff measures plan and snapshot to change set, on tables of foreign rules; the proof has
// a benchmark of its own.
func BenchmarkDiff(b *testing.B) {
	text, err := fixtures.Plan("seed.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p, err := plans.Read("seed.yaml", text)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{60, 300, 10_000} {
		b.Run(fmt.Sprintf("%d rules", n), func(b *testing.B) {
			s := bigTable(n)
			for b.Loop() {
				if _, err := steps(s, p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d rules, nothing to do", n), func(b *testing.B) {
			s := bigTable(n)
			c, err := steps(s, p)
			if err != nil {
				b.Fatal(err)
			}
			s = changetest.After(b, s, c)
			for b.Loop() {
				if c, err := steps(s, p); err != nil || c.Changed() {
					b.Fatal(err, c.Steps)
				}
			}
		})
	}
}

// bigTable is a router with n rules between the accept of established traffic and the final drop.
func bigTable(n int) routeros.Snapshot {
	var text strings.Builder
	text.WriteString("/interface list\nadd name=LAN\n/interface list member\nadd list=LAN interface=bridge\n/ip address\nadd address=192.0.2.1/24 interface=ether1\n/ip firewall filter\nadd chain=input connection-state=established,related\n")
	for i := range n - 2 {
		fmt.Fprintf(&text, "add chain=%s action=drop protocol=tcp src-address=198.51.%d.%d dst-port=%d comment=\"rule %d\"\n", []string{"input", "forward"}[i%2], i/256%256, i%256, 1+i%60000, i)
	}
	text.WriteString("add chain=input action=drop in-interface-list=!LAN\n")
	s, _ := rsc.Read([]byte(text.String())).Snapshot(rsc.Options{})
	return s
}
