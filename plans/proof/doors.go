package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall/space"
)

// door is one door of a family.
type door struct {
	*family
	compile.Door
}

// checkDoors checks that only its knock leads into the trusted list of a door, and that no stage
// remembers a source longer than the plan says.
func (fam *family) checkDoors() {
	for i, one := range fam.Doors {
		d, first := door{fam, one}, fam.firstOfName(i) == i
		if first && d.sharing()[0].Name == d.Name {
			d.checkOtherWays()
		}
		d.checkTimeouts()
		d.checkHours()
		if d.Quarantine != nil {
			quarantine{d}.check()
		}
		d.checkFills()
		if first {
			d.checkNetworks()
			d.count()
		}
	}
}

// count notes how many packets open the door.
func (d door) count() {
	openings, _ := d.space.Openings(space.Search{Result: d.final(), List: d.Trusted, From: d.domain, Bare: true})
	if len(openings) > 0 {
		d.proof.Doors = append(d.proof.Doors, Door{Name: d.Name, Family: d.Family, Packets: len(openings[0].Steps)})
	}
}

// checkOtherWays looks for a way into the trusted list that does not contain the knock. If doors
// share a list, each of their knocks counts.
func (d door) checkOtherWays() {
	var knocks [][]space.Set
	for _, o := range d.sharing() {
		knocks = append(knocks, d.packetsOfKnock(o))
	}
	ways, complete := d.space.Openings(space.Search{Result: d.final(), List: d.Trusted, From: d.domain, Knocks: knocks})
	switch {
	case len(ways) > 0:
		d.failOtherWay(ways[0])
	case !complete:
		d.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(d.states) - 1,
			What:   fmt.Sprintf("door %s: there are too many ways into the list %s to follow", d.Name, d.Trusted),
			Remedy: "give the door a list of its own",
		})
	}
}

// sharing are the doors that fill the same list as this one.
func (d door) sharing() []compile.Door {
	return slices.DeleteFunc(slices.Clone(d.Doors), func(o compile.Door) bool { return o.Trusted != d.Trusted })
}

// failOtherWay records the packets of a way into the trusted list without the knock.
func (d door) failOtherWay(way space.Opening) {
	failure := Failure{Promise: OnlyByKnock, Risk: OtherWay, After: len(d.states) - 1}
	var rule string
	for _, step := range way.Steps {
		if step.Expires+step.Joins == "" {
			failure.Packets = append(failure.Packets, Packet{step.Example, true})
		}
		for _, fill := range step.Fills {
			if foreign := !d.isOurs(fill.Rule); foreign || rule == "" {
				rule = fill.Rule.Describe()
			}
		}
	}
	failure.What = fmt.Sprintf("door %s would open without its knock: a source gets into the list %s by %s (packets: %d)", d.Name, d.Trusted, rule, len(failure.Packets))
	failure.Remedy = "remove that rule, or give the door a list of its own"
	if list := d.permanentIn(way); list != "" {
		failure.What = fmt.Sprintf("door %s would open to %s without its knock, since the list %s holds it permanently", d.Name, failure.Packets[0].Packet.Src, list)
		failure.Remedy = "remove the entry, or put the address under allow.addresses"
	}
	d.fail(failure)
}

// permanentIn names the stage list that holds the source of a way by a permanent entry.
func (d door) permanentIn(way space.Opening) string {
	var lists []string
	for _, o := range d.sharing() {
		lists = append(lists, o.StageLists...)
	}
	for _, list := range lists {
		for _, e := range d.after.Entries[d.Family.AddressList()] {
			r, ok := e.Range()
			if e.List == list && !e.Dynamic && !e.Disabled && ok && r.Contains(way.Steps[len(way.Steps)-1].Example.Packet.Src) {
				return list
			}
		}
	}
	return ""
}

// checkTimeouts checks that a stage does not count when it comes later than the plan allows.
func (d door) checkTimeouts() {
	for _, fill := range d.final().Fills {
		stage := slices.Contains(d.StageLists, fill.List)
		if !fill.Source || !stage && fill.List != d.Trusted || d.space.And(fill.Packets, d.domain).Empty() {
			continue
		}
		limit := d.For
		if stage {
			limit = routeros.ListTimeout{Kind: routeros.Timed, For: d.StageTimeout}
		}
		if longer(fill.Timeout, limit) {
			d.fail(Failure{
				Promise: OnlyByKnock, Risk: OtherWay, After: len(d.states) - 1,
				What:   fmt.Sprintf("door %s: the list %s would remember a source for %s instead of %s, by %s", d.Name, fill.List, fill.Timeout, limit, fill.Rule.Describe()),
				Remedy: "remove that rule, or give the door lists of its own",
			})
		}
	}
}

// longer reports whether a time-out outlasts another.
func longer(a, b routeros.ListTimeout) bool {
	if a.Kind != routeros.Timed || b.Kind != routeros.Timed {
		return a.Kind != b.Kind && b.Kind == routeros.Timed
	}
	return a.For > b.For
}

// checkHours checks that each stage of a window that is installed in advance counts only during its
// hours. It does not matter which rule checks the clock, so this looks at the packets that advance.
// checkOtherWays shows for any time that each window's knock has to be complete. Together it
// follows that the knocks of other hours are no way in.
func (d door) checkHours() {
	if len(d.Hours) == 0 {
		return
	}
	var during space.Set
	for _, h := range d.Hours {
		during = d.space.Or(during, d.space.During(h))
	}
	last := d.StageLists[len(d.StageLists)-1]
	for _, fill := range d.final().Fills {
		stage := slices.Contains(d.StageLists, fill.List) || fill.List == d.Trusted && slices.Contains(d.space.Uses(fill.Packets), last)
		if !fill.Source || !stage {
			continue
		}
		d.checkEmptyMasked(d.space.Minus(d.space.And(fill.Packets, d.domain), during), Failure{
			Risk:   OtherWay,
			What:   fmt.Sprintf("door %s: a knock would count outside its hours, by %s", d.Name, fill.Rule.Describe()),
			Remedy: "remove that rule, or give the door lists of its own",
		})
	}
}

// checkFills checks that no foreign rule fills a door's lists from packets that are not addressed
// to the router, or with the destination of packets. Such packets are not followed, so any such
// rule is refused.
func (d door) checkFills() {
	entered := map[string]bool{"input": true, "prerouting": true, "dstnat": true}
	for before := 0; before < len(entered); {
		before = len(entered)
		eachRule(d.after, d.Family, func(_ routeros.Menu, r *routeros.Rule) {
			if r.Action() == "jump" && entered[r.Chain()] {
				entered[r.Attrs.Get("jump-target")] = true
			}
		})
	}
	eachRule(d.after, d.Family, func(menu routeros.Menu, r *routeros.Rule) {
		list := r.Attrs.Get("address-list")
		filled := list == d.Trusted || slices.Contains(d.StageLists, list)
		if d.isOurs(r) || !filled || !strings.HasPrefix(r.Action(), "add-") || entered[r.Chain()] && fills(r) {
			return
		}
		d.fail(Failure{
			Promise: OnlyByKnock, Risk: OtherWay, After: len(d.states) - 1,
			What:   fmt.Sprintf("door %s would open without its knock: %s %s fills the list %s with packets that are not addressed to the router", d.Name, menu, r.Describe(), list),
			Remedy: "remove that rule, or give the door a list of its own",
		})
	})
}
