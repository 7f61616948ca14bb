package space

import (
	"slices"
	"strings"
)

// inParts searches each part for itself. Where a knock may not be needed, one way without is
// enough.
func (k *seeker) inParts() (found []Opening, complete bool) {
	for _, part := range k.parts() {
		one := &seeker{Search: &part, space: k.space}
		if !one.prepare() {
			return found, false
		}
		ways, whole := one.openings()
		found = append(found, ways...)
		if !whole || k.Knocks != nil && len(found) > 0 {
			return found, whole
		}
	}
	if len(found) == 0 {
		return nil, true
	}
	shortest := slices.MinFunc(found, func(a, b Opening) int { return len(a.Steps) - len(b.Steps) })
	found = slices.DeleteFunc(found, func(o Opening) bool { return len(o.Steps) > len(shortest.Steps) })
	return found[:min(len(found), mostOpening)], true
}

// parts takes a search apart by the rules that fill the sought list: one for all that hang, by way
// of the lists that they ask for and of those that fill these, on the same lists.
//
// Nothing is lost by that. Of a way into the list, take the steps that change one of the lists on
// which its last rule hangs, and the last step. Each of them does what it did, since what a rule
// that fills such a list asks for is such a list too; so they are a way in the part of that rule.
// It is a part of the whole way, so where that contains no knock it contains none. Of the knocks,
// those are left out of a part that don't end with a packet which the part's rules take: then more
// ways count as ways without a knock, never fewer.
func (k *seeker) parts() []Search {
	asked := map[string][]string{} // by the rules that fill a list
	uses := make([][]string, len(k.Result.Fills))
	for i, f := range k.Result.Fills {
		if f.Source {
			uses[i] = k.space.Uses(f.Packets)
			asked[f.List] = append(asked[f.List], uses[i]...)
		}
	}
	var out []Search
	at := map[string]int{}
	for i, f := range k.Result.Fills {
		if !f.Source || f.List != k.List {
			continue
		}
		lists := closure(uses[i], asked, k.List)
		key := strings.Join(lists, "\x00")
		if _, known := at[key]; !known {
			at[key] = len(out)
			part := *k.Search
			part.Result.Fills = slices.DeleteFunc(slices.Clone(k.Result.Fills), func(o Fill) bool { return !slices.Contains(lists, o.List) || o.List == k.List })
			out = append(out, part)
		}
		part := &out[at[key]]
		part.Result.Fills = append(part.Result.Fills, f)
	}
	for i := range out {
		k.ending(&out[i])
	}
	return out
}

// closure lists the lists that a rule depends on when it asks for some lists: those lists, and the
// lists that the rules which fill them ask for. The sought list itself is not among them: its
// members are in it already.
func closure(lists []string, asked map[string][]string, sought string) []string {
	out := slices.DeleteFunc(slices.Clone(lists), func(list string) bool { return list == sought })
	for at := 0; at < len(out); at++ {
		for _, list := range asked[out[at]] {
			if list != sought && !slices.Contains(out, list) {
				out = append(out, list)
			}
		}
	}
	slices.Sort(out)
	return out
}

// ending leaves a part the knocks that end with a packet by which its rules fill the sought list.
func (k *seeker) ending(part *Search) {
	if part.Knocks == nil {
		return
	}
	last := none
	for _, f := range part.Result.Fills {
		if f.List == part.List {
			last = k.space.diagram.or(last, f.Packets.node)
		}
	}
	part.Knocks = slices.DeleteFunc(slices.Clone(part.Knocks), func(knock []Set) bool {
		return len(knock) == 0 || k.space.diagram.and(knock[len(knock)-1].node, last) == none
	})
	if part.Knocks == nil {
		part.Knocks = [][]Set{}
	}
}
