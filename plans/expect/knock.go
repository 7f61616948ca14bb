package expect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/traffic"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// history is what one source has done before its packet, and the lists in which it is then.
type history struct {
	lists   *firewall.AddressLists
	lasting *firewall.AddressLists // with the entries alone that never end
	hangs   string                 // on what it hangs into which lists the source came
	short   string                 // why a knock did not reach its list
}

// held reports whether the source is in a list, and not for good.
func (f *table) held(h history, src netip.Addr) func(list string) bool {
	at := f.router.Clock
	return func(list string) bool {
		return h.lists.Contains(f.family, list, src, at) && !h.lasting.Contains(f.family, list, src, at)
	}
}

// knocked plays the whole knock of a door, packet by packet.
func (f *table) knocked(d plans.Door, src netip.Addr, in string) history {
	h, at := f.present(), f.router.Clock
	probes := traffic.NewProbes(f.router, f.family)
	probes.Source = src
	for i, stage := range d.Knock {
		fates := f.world.Dispositions(probes.Stage(in, stage), h.lists, at)
		best := fates[0]
		for _, fate := range fates {
			if len(fate.Additions) > len(best.Additions) {
				best = fate
			}
			if !slices.Equal(fate.Additions, fates[0].Additions) && h.hangs == "" {
				h.hangs = fmt.Sprintf("stage %d of the knock %s", i+1, hangsOn(fate))
			}
		}
		if len(best.Additions) == 0 && h.short == "" {
			h.short = fmt.Sprintf("on %s stage %d of the knock fills no list", traffic.Names([]string{in}), i+1)
		}
		h.lists.Apply(best.Additions, at)
	}
	if h.short == "" && !h.lists.Contains(f.family, d.Trusted.List, src, at) {
		h.short = fmt.Sprintf("on %s the knock does not reach the list %s", traffic.Names([]string{in}), routeros.Quote(d.Trusted.List))
	}
	return h
}

// present is the history of a source that does nothing first.
func (f *table) present() history {
	return history{lists: firewall.NewAddressLists(f.router, f.router.Clock), lasting: f.lasting}
}

// hangsOn says what could not be decided of a packet.
func hangsOn(fate firewall.Disposition) string {
	var out []string
	for _, look := range fate.Undecided {
		text := fmt.Sprintf("%s of %s %s", strings.Join(look.Undecided, " and "), look.Table, look.Rule.Describe())
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if out == nil {
		return "hangs on what a packet does not tell"
	}
	return "hangs on " + strings.Join(out, ", and on ")
}

// presentDoor is the door of a name whose knock counts now: one that rotates has several.
func (f *table) presentDoor(name string) (plans.Door, bool) {
	var doors []plans.Door
	for _, p := range f.plans {
		for _, d := range p.Doors {
			if d.Name == name && len(d.Knock) > 0 {
				doors = append(doors, d)
			}
		}
	}
	for _, d := range doors {
		if slices.ContainsFunc(d.Hours, func(h routeros.Hours) bool { return h.Meets(f.router.Clock, f.router.Clock) }) {
			return d, true
		}
	}
	if doors == nil {
		return plans.Door{}, false
	}
	return doors[0], true
}
