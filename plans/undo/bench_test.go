package undo_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/fixtures"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/plans/diff"
	"github.com/rosknock/rosknock/routeros/rsc"
)

// BenchmarkUndo is the way back from the installation of a large plan, as a script and as steps, on
// tables of other people's rules.
func BenchmarkUndo(b *testing.B) {
	text, err := fixtures.Plan("branch.yaml")
	if err != nil {
		b.Fatal(err)
	}
	p, err := plans.Read("branch.yaml", text)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{300, 10_000} {
		var table strings.Builder
		table.WriteString("/interface list\nadd name=LAN\n/interface list member\nadd list=LAN interface=bridge\n/ip address\nadd address=192.0.2.1/24 interface=ether1\n/ip firewall filter\nadd chain=input connection-state=established,related\n")
		for i := range n - 1 {
			fmt.Fprintf(&table, "add chain=forward action=drop protocol=tcp dst-port=%d comment=\"rule %d\"\n", 1+i%60000, i)
		}
		s, _ := rsc.Read([]byte(table.String())).Snapshot(rsc.Options{})
		want, err := compile.Compile(p, s)
		if err != nil {
			b.Fatal(err)
		}
		c, err := diff.Compute(s, want, change.Management{})
		if err != nil {
			b.Fatal(err)
		}
		after, err := change.Rehearse(s, c, len(c.Steps))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("script, %d rules", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				text := scriptOf(b, s, c, p.Name, nil)
				b.ReportMetric(float64(len(text)), "bytes")
			}
		})
		b.Run(fmt.Sprintf("steps, %d rules", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(changes(b, after, s, c, p.Name).Steps) != len(c.Steps) {
					b.Fatal("not everything is rolled back")
				}
			}
		})
	}
}
