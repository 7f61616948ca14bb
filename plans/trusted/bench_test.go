package trusted_test

import (
	"fmt"
	"testing"

	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
)

// BenchmarkRead reads the ledger of a router whose address lists hold 50,000 entries of others.
func BenchmarkRead(b *testing.B) {
	s := newBench(b, "branch.yaml")
	for i := range 50_000 {
		c := routeros.NewCommand("/ip/firewall/address-list/add", "list", "blocklist", "address", fmt.Sprintf("198.%d.%d.%d", 18+i>>16, i>>8&255, i&255))
		if err := s.router.Admin(c); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "trusted", "address", "203.0.113.9", "timeout", "1h")); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		ledger, err := trusted.Read(b.Context(), s.session)
		if err != nil || len(ledger.Entries) != 1 {
			b.Fatal(ledger.Entries, err)
		}
	}
}
