package routeros

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ListReading says what was read of a menu of address lists that is too large to be read whole. Who
// is in the other lists is not known: it may be anybody.
type ListReading struct {
	// Lists are the names of the lists whose entries were read, sorted.
	Lists []string
	// Unread is how many entries are in the others, without those that come and go; negative where
	// that is not known.
	Unread int
	// Brief is how many of the entries that were read are in lists of other people. Their comments
	// were not read, and later readings take them over where their number is the same.
	Brief int
}

// ListScope says which lists of a large menu are read.
type ListScope struct {
	// Names are lists to read in any case, such as those of a plan.
	Names []string
	// InputOnly leaves out lists that only rules about other hosts' packets name. A router on which
	// rosknock has rules about those is read with these lists.
	InputOnly bool
}

// ReadsList reports whether the entries of an address list were read. Of one that was not, nobody
// may say that it is empty.
func (s Snapshot) ReadsList(f Family, list string) bool {
	reading, partly := s.PartlyRead[f.AddressList()]
	if !partly {
		return true
	}
	_, read := slices.BinarySearch(reading.Lists, list)
	return read
}

// ListNotes say what is not known of address lists that were not read whole.
func (s Snapshot) ListNotes() []string {
	var out []string
	for _, f := range Families() {
		m := f.AddressList()
		reading := s.PartlyRead[m]
		if reading.Unread > 0 {
			out = append(out, fmt.Sprintf("%s: %d entries are in lists that no rule on the way to the router names: they were counted and not read, and anybody may be in those lists", m, reading.Unread))
		}
		if reading.Brief > 0 {
			out = append(out, fmt.Sprintf("%s: %d entries of other people's lists were read without their comments; later in a run they are compared by their number, not one by one", m, reading.Brief))
		}
	}
	return out
}

// Needed returns the lists of a family that a scope asks for, sorted: own are those that are read
// with all that the router tells, others what rules name besides.
func (s Snapshot) Needed(f Family, scope ListScope) (own, others []string) {
	ours, named := map[string]bool{}, map[string]bool{}
	for _, list := range scope.Names {
		ours[list] = true
	}
	reached := s.onTheWay(f, scope.InputOnly)
	for _, m := range []Menu{f.Raw(), f.NAT(), f.Filter()} {
		for i := range s.Rules[m] {
			r := &s.Rules[m][i]
			into := named
			if _, marked := r.Mark(); marked {
				into = ours
			} else if r.Disabled() || !reached[m][r.Chain()] {
				continue
			}
			for _, name := range []string{"src-address-list", "dst-address-list", "address-list"} {
				if list := strings.TrimPrefix(r.Attrs.Get(name), "!"); list != "" {
					into[list] = true
				}
			}
		}
	}
	maps.DeleteFunc(named, func(list string, _ bool) bool { return ours[list] })
	return slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(named))
}

// onTheWay are the chains of each table that packets may pass; with inputOnly those to the router
// itself alone, unless rosknock's own rules are about others.
func (s Snapshot) onTheWay(f Family, inputOnly bool) map[Menu]map[string]bool {
	out := map[Menu]map[string]bool{}
	for _, m := range []Menu{f.Raw(), f.NAT(), f.Filter()} {
		if inputOnly && slices.ContainsFunc(s.Rules[m], func(r Rule) bool {
			_, marked := r.Mark()
			return marked && (r.Chain() == "forward" || m == f.NAT())
		}) {
			inputOnly = false
		}
	}
	for _, m := range []Menu{f.Raw(), f.NAT(), f.Filter()} {
		from := []string{"prerouting", "input", "dstnat", "srcnat"}
		if !inputOnly {
			from = append(from, "forward", "output", "postrouting")
		}
		out[m] = ChainsFrom(s.Rules[m], from...)
	}
	return out
}

// ChainsFrom returns chains of a table with all to which enabled rules lead from there.
func ChainsFrom(rows []Rule, chains ...string) map[string]bool {
	out, leads := map[string]bool{}, map[string][]string{}
	for i := range rows {
		if target := rows[i].Attrs.Get("jump-target"); target != "" && !rows[i].Disabled() {
			leads[rows[i].Chain()] = append(leads[rows[i].Chain()], target)
		}
	}
	for len(chains) > 0 {
		chain := chains[0]
		if chains = chains[1:]; !out[chain] {
			out[chain] = true
			chains = append(chains, leads[chain]...)
		}
	}
	return out
}
