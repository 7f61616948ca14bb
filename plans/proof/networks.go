package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// checkNetworks checks that no rule adds to a door's list of networks, and notes which networks come
// in without a knock.
func (d door) checkNetworks() {
	for _, note := range networkNotes(d.after, d.Family, d.Door) {
		d.note(note)
	}
	eachRule(d.after, d.Family, func(menu routeros.Menu, r *routeros.Rule) {
		if d.Networks == "" || r.Attrs.Get("address-list") != d.Networks || !strings.HasPrefix(r.Action(), "add-") {
			return
		}
		d.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(d.states) - 1,
			What:   fmt.Sprintf("door %s would open without its knock: %s %s fills its list of networks %s", d.Name, menu, r.Describe(), d.Networks),
			Remedy: "remove that rule, or name another list of networks",
		})
	})
}

// networkNotes say which networks come in at a door without a knock, or with a part of it. A knock
// from inside such an entry of the door's own lists updates it and adds none (routeros-facts §
// 15.1).
func networkNotes(s routeros.Snapshot, f routeros.Family, d compile.Door) []string {
	var ways []networkWay
	held := map[networkWay][]string{} // addresses
	for _, e := range s.Entries[f.AddressList()] {
		way, of := networkWayOf(d, e)
		if r, ok := e.Range(); !of || e.Disabled || !ok || r.First == r.Last {
			continue
		}
		if held[way] == nil {
			ways = append(ways, way)
		}
		held[way] = append(held[way], e.Address)
	}
	var notes []string
	for _, way := range ways {
		some := held[way]
		text := strings.Join(some[:min(len(some), mostNamed)], ", ")
		if more := len(some) - mostNamed; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		notes = append(notes, fmt.Sprintf("door %s %s %s %s", d.Name, way.does, text, way.how))
	}
	return notes
}

// mostNamed is how many networks a note names.
const mostNamed = 5

// networkWay is what a door does for some networks, and how they get there.
type networkWay struct{ does, how string }

// networkWayOf returns the way in that an entry's list is for a network; false for lists that are
// not the door's.
func networkWayOf(d compile.Door, e routeros.ListEntry) (networkWay, bool) {
	lasting := " holds it permanently, and nobody inside gets an entry of their own"
	if e.Dynamic {
		lasting = " holds it for a time, and a knock from inside extends it for everybody in it"
	}
	switch {
	case d.Networks != "" && e.List == d.Networks:
		return networkWay{"lets in", "without a knock, by its list of networks " + e.List}, true
	case e.List == d.Trusted:
		return networkWay{"lets in", "without a knock: the list " + e.List + lasting}, true
	case slices.Contains(d.StageLists, e.List):
		return networkWay{"opens to", "after a part of its knock: the list " + e.List + lasting}, true
	}
	return networkWay{}, false
}
