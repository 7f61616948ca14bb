package space

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
)

// axis is one dimension of a packet, cut into cells: no rule tells two values of one cell apart.
// The number of the cell is coded in bits, the most significant first.
type axis struct {
	levels []int32
	cells  int
}

// span is a run of cells, both ends included.
type span struct{ first, last int }

func bitsFor(cells int) int { return bits.Len(uint(cells - 1)) }

// spans returns the set of packets whose cell lies in one of the runs, which are sorted and apart.
func (d *diagram) spans(a axis, runs []span) ref {
	var build func(bit, low int, runs []span) ref
	build = func(bit, low int, runs []span) ref {
		high := low + 1<<(len(a.levels)-bit) - 1
		for len(runs) > 0 && runs[0].last < low {
			runs = runs[1:]
		}
		switch {
		case len(runs) == 0 || runs[0].first > high:
			return none
		case runs[0].first <= low && (runs[0].last >= high || runs[0].last >= a.cells-1):
			return all // codes beyond the last cell stand for nothing, so they may be in any set
		}
		middle := low + 1<<(len(a.levels)-bit-1)
		below := build(bit+1, low, runs)
		return d.make(a.levels[bit], below, build(bit+1, middle, runs))
	}
	return build(0, 0, runs)
}

// ordinal is an axis of values that have an order.
type ordinal[V any] struct {
	axis
	starts  []V // the first value of each cell
	compare func(a, b V) int
}

// cells returns the run of cells from a value to another.
func (o *ordinal[V]) run(first, last V) span { return span{o.cell(first), o.cell(last)} }

func (o *ordinal[V]) cell(v V) int {
	at, found := slices.BinarySearchFunc(o.starts, v, o.compare)
	if found {
		return at
	}
	return at - 1
}

// joined sorts runs and joins those that meet.
func joined(runs []span) []span {
	slices.SortFunc(runs, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	var out []span
	for _, r := range runs {
		if n := len(out); n > 0 && r.first <= out[n-1].last+1 {
			out[n-1].last = max(out[n-1].last, r.last)
			continue
		}
		out = append(out, r)
	}
	return out
}

// cutter gathers where an axis has to be cut.
type cutter[V any] struct {
	starts  []V
	compare func(a, b V) int
	next    func(V) (V, bool) // the value after, if there is one
}

func (c *cutter[V]) cut(first, last V) {
	c.starts = append(c.starts, first)
	if after, ok := c.next(last); ok {
		c.starts = append(c.starts, after)
	}
}

func (c *cutter[V]) ordinal() ordinal[V] {
	slices.SortFunc(c.starts, c.compare)
	c.starts = slices.CompactFunc(c.starts, func(a, b V) bool { return c.compare(a, b) == 0 })
	return ordinal[V]{axis: axis{cells: len(c.starts)}, starts: c.starts, compare: c.compare}
}

func addressCutter(lowest netip.Addr) cutter[netip.Addr] {
	return cutter[netip.Addr]{starts: []netip.Addr{lowest}, compare: netip.Addr.Compare, next: func(a netip.Addr) (netip.Addr, bool) {
		after := a.Next()
		return after, after.IsValid()
	}}
}

func numberCutter(highest int) cutter[int] {
	return cutter[int]{starts: []int{0}, compare: cmp.Compare[int], next: func(n int) (int, bool) { return n + 1, n < highest }}
}
