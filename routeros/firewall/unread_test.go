package firewall_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// TestUnreadList takes a list that was not read for one that may hold anybody: it is never empty.
func TestUnreadList(t *testing.T) {
	rules := []routeros.Rule{
		{ID: "*1", Attrs: routeros.MakeAttributes("chain", "input", "action", "accept", "src-address-list", "unread")},
		{ID: "*2", Attrs: routeros.MakeAttributes("chain", "input", "action", "drop")},
	}
	s := routeros.Snapshot{
		Version:   routeros.Version{Major: 7, Minor: 20},
		Rules:     map[routeros.Menu][]routeros.Rule{routeros.Filter: rules},
		Entries:   map[routeros.Menu][]routeros.ListEntry{},
		Addresses: []routeros.InterfaceAddress{{Prefix: netip.MustParsePrefix("192.0.2.1/24"), Interface: "ether1"}},
	}
	packet := firewall.Packet{Protocol: 6, Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 50000, DstPort: 22, Size: 60, TCPFlags: firewall.SYN}
	for _, c := range []struct {
		name  string
		read  []string
		fates int
	}{{"read, and empty", []string{"unread"}, 1}, {"not read", nil, 2}} {
		s.PartlyRead = map[routeros.Menu]routeros.ListReading{routeros.AddressList: {Lists: c.read, Unread: 50_000}}
		lists := firewall.NewAddressLists(s, time.Time{})
		if fates := firewall.NewFirewall(s).Dispositions(packet, lists, time.Time{}); len(fates) != c.fates {
			t.Errorf("%s: the packet has %d fates, want %d", c.name, len(fates), c.fates)
		}
		all := space.New(routeros.IPv4, space.Cuts{}, s)
		if may := !all.Listed(s, "unread").Empty(); may != (c.fates == 2) {
			t.Errorf("%s: somebody may be in the list: %t", c.name, may)
		}
	}
}
