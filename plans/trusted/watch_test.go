package trusted_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// TestWatch follows a router through additions by hand and by knock, a renewal, a removal, an expiry, and two sessions.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "branch.yaml")
		w := trusted.NewWatch(func() time.Time { return *b.now })
		var seen []string
		each := func(e trusted.Event) error {
			seen = append(seen, fmt.Sprintf("%s %s %s/%s", e.What, e.Entry.Address, e.Entry.Plan, e.Entry.Name))
			return nil
		}
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(seen, want) {
				t.Errorf("seen %q, want %q", seen, want)
			}
			seen = nil
		}
		admin := func(verb string, pairs ...string) {
			t.Helper()
			if err := b.router.Admin(routeros.NewCommand("/ip/firewall/address-list/"+verb, pairs...)); err != nil {
				t.Fatal(err)
			}
		}
		watching := func() (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			over := make(chan error)
			ready := make(chan int, 1)
			session := b.session
			go func() { over <- w.On(ctx, session, func(n int) { ready <- n }, each) }()
			<-ready
			return func() {
				cancel()
				if err := <-over; err != nil {
					t.Error(err)
				}
			}
		}
		admin("add", "list", "trusted", "address", "198.51.100.44", "timeout", "10m")
		stop := watching()
		expect()
		admin("add", "list", "trusted", "address", "203.0.113.9", "timeout", "1h")
		admin("add", "list", "elsewhere", "address", "203.0.113.10", "timeout", "1h")
		expect("added 203.0.113.9 branch/admin")
		id := func(address string) string {
			for _, e := range b.router.Snapshot().Entries[routeros.AddressList] {
				if e.Address == address {
					return e.ID
				}
			}
			t.Fatalf("no entry for %s", address)
			return ""
		}
		admin("set", ".id", id("203.0.113.9"), "timeout", "2h")
		expect("renewed 203.0.113.9 branch/admin")
		admin("remove", ".id", id("203.0.113.9"))
		expect("removed 203.0.113.9 branch/admin")
		*b.now = b.now.Add(10*time.Minute + time.Second)
		b.router.Packet(firewall.Packet{}) // the router looks at its clock
		expect("expired 198.51.100.44 branch/admin")
		admin("add", "list", "trusted", "address", "192.0.2.5")
		expect("added 192.0.2.5 branch/admin")
		for _, address := range []string{"192.0.2.9", "192.0.2.8", "192.0.2.7"} {
			admin("add", "list", "trusted", "address", address)
			expect("added " + address + " branch/admin")
		}
		stop()
		_ = b.session.Close()
		for _, address := range []string{"192.0.2.6", "192.0.2.11", "192.0.2.10"} {
			admin("add", "list", "trusted", "address", address, "timeout", "1h")
		}
		for _, address := range []string{"192.0.2.5", "192.0.2.7", "192.0.2.9"} {
			admin("remove", ".id", id(address))
		}
		b.connect()
		stop = watching()
		expect("removed 192.0.2.5 branch/admin", "removed 192.0.2.9 branch/admin", "removed 192.0.2.7 branch/admin", // as they came
			"added 192.0.2.6 branch/admin", "added 192.0.2.11 branch/admin", "added 192.0.2.10 branch/admin")
		stop()
		_ = b.session.Close()
		synctest.Wait()
	})
}

func TestFilter(t *testing.T) {
	door := trusted.Door{Plan: "p", Name: "d"}
	entries := []trusted.Entry{
		{Door: door, Address: "203.0.113.9", Expires: true, ExpiresIn: time.Minute, Age: time.Hour, Aged: true},
		{Door: door, Address: "203.0.113.0/28", Age: 48 * time.Hour, Aged: true},
		{Door: trusted.Door{Plan: "p", Name: "other"}, Address: "2001:db8::7", Expires: true, ExpiresIn: time.Hour},
		{Door: door, Address: "office.example"},
	}
	tests := []struct {
		name   string
		filter trusted.Filter
		want   []int
	}{
		{"all", trusted.Filter{}, []int{0, 1, 2, 3}},
		{"old", trusted.Filter{OlderThan: 24 * time.Hour}, []int{1}},
		{"ending", trusted.Filter{ExpiresWithin: 2 * time.Minute}, []int{0}},
		{"one address, with what covers it", trusted.Filter{Address: netip.MustParsePrefix("203.0.113.9/32")}, []int{0, 1}},
		{"a prefix", trusted.Filter{Address: netip.MustParsePrefix("203.0.112.0/22")}, []int{0, 1}},
		{"IPv6", trusted.Filter{Address: netip.MustParsePrefix("2001:db8::/32")}, []int{2}},
		{"a door", trusted.Filter{Door: "p/other"}, []int{2}},
		{"both", trusted.Filter{Door: "d", ExpiresWithin: time.Hour}, []int{0}},
	}
	for _, test := range tests {
		got := test.filter.Choose(entries)
		var want []trusted.Entry
		for _, i := range test.want {
			want = append(want, entries[i])
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// TestCount: the connections of those who are listed are counted, by address and by prefix.
func TestCount(t *testing.T) {
	b := newBench(t, "branch.yaml")
	for _, address := range []string{"203.0.113.9", "203.0.113.0/28", "198.51.100.1"} {
		if err := b.router.Admin(routeros.NewCommand("/ip/firewall/address-list/add", "list", "trusted", "address", address, "timeout", "1h")); err != nil {
			t.Fatal(err)
		}
	}
	for i, source := range []string{"203.0.113.9", "203.0.113.9", "203.0.113.3"} {
		b.router.Packet(firewall.Packet{Protocol: 6, Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr("192.168.88.1"), SrcPort: uint16(40000 + i), DstPort: 8443, TCPFlags: firewall.SYN, InInterface: "ether1"})
	}
	ledger, err := trusted.Read(t.Context(), b.session)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Count(t.Context(), b.session); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range ledger.Entries {
		if !e.Counted || !e.Aged {
			t.Errorf("%+v", e)
		}
		got[e.Address] = e.Connections
	}
	if fmt.Sprint(got) != "map[198.51.100.1:0 203.0.113.0/28:3 203.0.113.9:2]" {
		t.Error(got)
	}
}
