package space_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// knockTable draws rules that fill lists by way of other lists, in any order, with drops and
// returns between them.
func knockTable(t *rapid.T) routeros.Snapshot {
	var rows []routeros.Rule
	for i := range rapid.IntRange(1, 9).Draw(t, "rules") {
		pairs := []string{"chain", pick(t, "chain", "input", "input", "input", "c"), "protocol", "tcp"}
		if rapid.IntRange(0, 4).Draw(t, "port") > 0 {
			pairs = append(pairs, "dst-port", pick(t, "ports", "1", "2", "3", "1-2", "2,3"))
		}
		if rapid.Bool().Draw(t, "asks") {
			pairs = append(pairs, "src-address-list", pick(t, "asked", "a", "b", "c", "!a", "!b", "s"))
		}
		if rapid.IntRange(0, 5).Draw(t, "from") == 0 {
			pairs = append(pairs, "src-address", pick(t, "address", "10.0.0.1", "!10.0.0.1"))
		}
		action := pick(t, "action", "add-src-to-address-list", "add-src-to-address-list", "add-src-to-address-list", "drop", "accept", "return", "jump")
		if pairs[1] == "c" && action == "jump" {
			action = "drop"
		}
		pairs = append(pairs, "action", action)
		switch action {
		case "add-src-to-address-list":
			pairs = append(pairs, "address-list", pick(t, "fills", "a", "b", "c"), "address-list-timeout", "1h")
		case "jump":
			pairs = append(pairs, "jump-target", "c")
		}
		r := routeros.NewRule(pairs...)
		r.ID = fmt.Sprintf("*%X", i+1)
		rows = append(rows, r)
	}
	return routeros.Snapshot{
		Rules:      map[routeros.Menu][]routeros.Rule{routeros.Filter: rows},
		Entries:    map[routeros.Menu][]routeros.ListEntry{routeros.AddressList: {{List: "s", Address: "10.0.0.2"}}},
		Interfaces: []routeros.Interface{{Name: "ether1", Type: "ether"}},
	}
}

// TestOpenings: every way that is found leads into the list when its packets are sent; and no
// packets lead there where no way, or only longer ones, are found.
func TestOpenings(t *testing.T) {
	found, none := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := knockTable(t)
		classes := space.New(routeros.IPv4, space.Cuts{Ports: []routeros.PortRange{{First: 1, Last: 1}, {First: 2, Last: 2}, {First: 3, Last: 3}}}, s)
		result := classes.Walk(s)
		src := netip.MustParseAddr(pick(t, "source", "10.0.0.1", "10.0.0.2", "10.0.0.3"))
		from := classes.And(classes.Sources(routeros.AddressRange{First: src, Last: src}), classes.States(firewall.New))
		ways, complete := classes.Openings(space.Search{Result: result, List: "c", From: from})
		if !complete {
			t.Fatal("a small table is not followed to its end")
		}
		bare, _ := classes.Openings(space.Search{Result: result, List: "c", From: from, Bare: true})
		if !slices.EqualFunc(bare, ways, func(a, b space.Opening) bool { return len(a.Steps) == len(b.Steps) }) {
			t.Fatalf("without examples, other ways are found: %v, %v%s", bare, ways, show(s))
		}
		for _, way := range ways {
			found++
			if !plays(s, way) {
				t.Fatalf("%d packets that are said to lead into the list don't%s", len(way.Steps), show(s))
			}
		}
		shortest := bruteForce(s, src, 4)
		switch {
		case len(ways) == 0 && shortest > 0:
			t.Fatalf("%d packets lead into the list, and no way is found%s", shortest, show(s))
		case len(ways) > 0 && shortest > 0 && shortest != len(ways[0].Steps):
			t.Fatalf("%d packets lead into the list, the shortest way found has %d%s", shortest, len(ways[0].Steps), show(s))
		case len(ways) > 0 && len(ways[0].Steps) <= 4 && shortest == 0:
			t.Fatalf("a way of %d packets is found, and none leads there%s", len(ways[0].Steps), show(s))
		case len(ways) == 0:
			none++
		}
	})
	t.Logf("%d ways, %d tables without one", found, none)
}

// plays sends the packets of a way.
func plays(s routeros.Snapshot, way space.Opening) bool {
	world, lists := firewall.NewFirewall(s), firewall.NewAddressLists(s, time.Time{})
	var src netip.Addr
	for _, step := range way.Steps {
		p := step.Example.Packet
		src = p.Src
		lists.Apply(world.Input(p, lists, time.Time{}).Additions, time.Time{})
	}
	return lists.Contains(routeros.IPv4, way.List, src, time.Time{})
}

// bruteForce tries all sequences of a few packets and returns the length of the shortest that leads
// into list c; 0 for none.
func bruteForce(s routeros.Snapshot, src netip.Addr, most int) int {
	world := firewall.NewFirewall(s)
	type place struct{ a, b, c bool }
	reached := []place{{}}
	for n := 1; n <= most; n++ {
		var next []place
		for _, at := range reached {
			for _, port := range []uint16{1, 2, 3, 9} {
				lists := firewall.NewAddressLists(s, time.Time{})
				in := func(list string, member bool) {
					if member {
						lists.Apply([]firewall.Addition{{Family: routeros.IPv4, List: list, Address: src}}, time.Time{})
					}
				}
				in("a", at.a)
				in("b", at.b)
				p := firewall.Packet{Protocol: 6, Src: src, Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 51077, DstPort: port, InInterface: "ether1", Size: 60, TTL: 64, TCPFlags: firewall.SYN}
				lists.Apply(world.Input(p, lists, time.Time{}).Additions, time.Time{})
				to := place{lists.Contains(routeros.IPv4, "a", src, time.Time{}), lists.Contains(routeros.IPv4, "b", src, time.Time{}), lists.Contains(routeros.IPv4, "c", src, time.Time{})}
				if to.c {
					return n
				}
				if !slices.Contains(next, to) {
					next = append(next, to)
				}
			}
		}
		reached = next
	}
	return 0
}
