package space_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// TestInParts: a search that is taken apart finds ways as short as the whole one does, and none
// where there are none. Where a knock is meant to lead there, no other way is ever missed.
func TestInParts(t *testing.T) {
	several, others := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := knockTable(t)
		ports := []routeros.PortRange{{First: 1, Last: 1}, {First: 2, Last: 2}, {First: 3, Last: 3}}
		classes := space.New(routeros.IPv4, space.Cuts{Ports: ports}, s)
		search := space.Search{Result: classes.Walk(s), List: "c", From: classes.States(firewall.New)}
		whole, ok := classes.Openings(search)
		parts, complete := classes.InParts(search)
		if !ok || !complete {
			t.Fatal("a small table is not followed to its end")
		}
		if len(whole) > 0 != (len(parts) > 0) || len(whole) > 0 && len(whole[0].Steps) != len(parts[0].Steps) {
			t.Fatalf("%d ways, and in parts %d%s", len(whole), len(parts), show(s))
		}
		for _, way := range parts {
			several++
			if !plays(s, way) {
				t.Fatalf("%d packets that are said to lead into the list don't%s", len(way.Steps), show(s))
			}
		}
		tcp := func(port uint16) space.Set {
			return classes.And(classes.And(classes.Protocol(6), classes.States(firewall.New)), classes.Ports(routeros.Ports{{First: port, Last: port}}))
		}
		for range rapid.IntRange(0, 2).Draw(t, "knocks") {
			var knock []space.Set
			for range rapid.IntRange(1, 3).Draw(t, "stages") {
				knock = append(knock, tcp(uint16(rapid.IntRange(1, 3).Draw(t, "stage")))) // #nosec G115 -- up to 3
			}
			search.Knocks = append(search.Knocks, knock)
		}
		if search.Knocks == nil {
			return
		}
		whole, _ = classes.Openings(search)
		if parts, complete = classes.InParts(search); len(whole) > 0 && (len(parts) == 0 || !complete) {
			t.Fatalf("a way without a knock is missed%s", show(s))
		}
		if len(parts) > 0 {
			others++
		}
	})
	t.Logf("%d ways, %d without a knock", several, others)
}

// TestManyDoors: many knocks into one list, each with lists of its own, are all followed; and one
// of them that mixes with another is found among them, also behind a list into which anybody may
// get.
func TestManyDoors(t *testing.T) {
	const doors, stages = 84, 5
	table := func(change func(door, stage int, pairs []string) []string) (routeros.Snapshot, []routeros.PortRange) {
		rows := []routeros.Rule{
			{ID: "*A1", Attrs: routeros.MakeAttributes("chain", "input", "src-address-list", "blocked", "action", "drop")},
			{ID: "*A2", Attrs: routeros.MakeAttributes("chain", "input", "protocol", "tcp", "dst-port", "23", "action", "add-src-to-address-list", "address-list", "blocked", "address-list-timeout", "1d")},
		}
		var ports []routeros.PortRange
		for door := range doors {
			for stage := stages; stage > 0; stage-- {
				port := uint16(20000 + 100*door + stage) // #nosec G115 -- below 30000
				ports = append(ports, routeros.PortRange{First: port, Last: port})
				pairs := []string{"chain", "input", "protocol", "tcp", "dst-port", fmt.Sprint(port), "time", fmt.Sprintf("%dm-%dm", door, door+2),
					"action", "add-src-to-address-list", "address-list", fmt.Sprintf("d%d_%d", door, stage), "address-list-timeout", "10s"}
				if stage > 1 {
					pairs = append(pairs, "src-address-list", fmt.Sprintf("d%d_%d", door, stage-1))
				}
				if stage == stages {
					pairs[11] = "open"
				}
				if change != nil {
					pairs = change(door, stage, pairs)
				}
				r := routeros.NewRule(pairs...)
				r.ID = fmt.Sprintf("*%X", len(rows)+1)
				rows = append(rows, r)
			}
		}
		return routeros.Snapshot{Rules: map[routeros.Menu][]routeros.Rule{routeros.Filter: rows}, Interfaces: []routeros.Interface{{Name: "ether1", Type: "ether"}}}, ports
	}
	look := func(change func(door, stage int, pairs []string) []string) (found []space.Opening, complete bool) {
		s, ports := table(change)
		classes := space.New(routeros.IPv4, space.Cuts{Ports: ports}, s)
		search := space.Search{Result: classes.Walk(s), List: "open", From: classes.States(firewall.New)}
		for door := range doors {
			var knock []space.Set
			for stage := 1; stage <= stages; stage++ {
				port := uint16(20000 + 100*door + stage) // #nosec G115 -- below 30000
				knock = append(knock, classes.And(classes.And(classes.Protocol(6), classes.States(firewall.New)), classes.Ports(routeros.Ports{{First: port, Last: port}})))
			}
			search.Knocks = append(search.Knocks, knock)
		}
		return classes.Openings(search)
	}
	if found, complete := look(nil); len(found) > 0 || !complete {
		t.Errorf("%d ways without a knock, complete %v", len(found), complete)
	}
	for name, change := range map[string]func(door, stage int, pairs []string) []string{
		"a stage that asks for a list of the door before": func(door, stage int, pairs []string) []string {
			if door == 40 && stage == 4 {
				pairs[15] = "d39_3"
			}
			return pairs
		},
		"a stage that asks for nothing": func(door, stage int, pairs []string) []string {
			if door == 70 && stage == 3 {
				return pairs[:14]
			}
			return pairs
		},
		"a stage with another port": func(door, stage int, pairs []string) []string {
			if door == 0 && stage == 5 {
				pairs[5] = "22"
			}
			return pairs
		},
		"a stage that is open to any port": func(door, stage int, pairs []string) []string {
			if door == 83 && stage == 1 {
				return append(pairs[:4:4], pairs[6:]...)
			}
			return pairs
		},
	} {
		if found, complete := look(change); len(found) == 0 || !complete {
			t.Errorf("%s: %d ways without a knock, complete %v", name, len(found), complete)
		}
	}
}
