package space_test

import (
	"fmt"
	"testing"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// BenchmarkWalk follows all packets through tables of many rules.
func BenchmarkWalk(b *testing.B) {
	for _, n := range []int{300, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := routeros.Snapshot{Interfaces: []routeros.Interface{{Name: "ether1"}, {Name: "ether2"}}}
			var rows []routeros.Rule
			for i := range n {
				pairs := []string{"chain", "input", "action", []string{"accept", "drop"}[i%2], "src-address", fmt.Sprintf("%d.%d.%d.0/24", i%97+1, i*7%256, i*31%256)}
				if i%3 == 0 {
					pairs = append(pairs, "protocol", "tcp", "dst-port", fmt.Sprint(1+i*13%60000))
				}
				if i%7 == 0 {
					pairs = append(pairs, "in-interface", "ether1")
				}
				r := routeros.NewRule(pairs...)
				r.ID = fmt.Sprintf("*%X", i+1)
				rows = append(rows, r)
			}
			s.Rules = map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}
			b.ReportAllocs()
			for b.Loop() {
				classes := space.New(routeros.IPv4, space.Cuts{}, s)
				if classes.Walk(s).Accepted.Empty() || !classes.Complete() {
					b.Fatal("nothing is accepted")
				}
			}
		})
	}
}
