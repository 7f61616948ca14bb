package space

import "slices"

// The sets are reduced ordered binary decision diagrams: each set of packets has exactly one
// diagram, so that comparing two is comparing two numbers, and each operation on two diagrams is
// done once and remembered.
// See R. E. Bryant, Graph-Based Algorithms for Boolean Function Manipulation, 1986.

// ref is a node of the diagram: the empty set, the full set, or a decision.
type ref int32

const (
	none ref = iota
	all
)

// node decides by one variable: to low where it is false, to high where it is true.
type node struct {
	level     int32
	low, high ref
}

type operation uint8

const (
	opAnd operation = iota + 1
	opOr
	opMinus
	opForget // b is a set of levels, as a chain of nodes
)

type cached struct {
	a, b   ref
	op     operation
	result ref
}

// diagram holds the nodes of all sets of one space.
type diagram struct {
	nodes []node
	table []ref // open addressing; 0 is free, since the terminals are never looked up
	cache []cached
	limit int
	full  bool // the limit was reached: nothing computed since can be relied on
	// memo holds what the walk under way, the turn-th, has computed for a node.
	memo []remembered
	turn uint32
}

type remembered struct {
	turn   uint32
	result ref
}

// mostNodes bounds the memory of one space to some 100 MiB.
const mostNodes = 4_000_000

const noLevel = int32(1) << 30 // of the terminals: below every variable

func newDiagram() *diagram {
	const usual = 1 << 11 // nodes; the spaces of most routers hold one to three thousand
	d := &diagram{limit: mostNodes, table: make([]ref, 2*usual), cache: make([]cached, usual), nodes: make([]node, 2, usual+1)}
	d.nodes[none], d.nodes[all] = node{level: noLevel}, node{level: noLevel}
	return d
}

func hash(a, b, c uint32) uint32 {
	h := a*0x9e3779b1 ^ b*0x85ebca6b ^ c*0xc2b2ae35
	h ^= h >> 15
	h *= 0x2c1b3c6d
	return h ^ h>>13
}

// make returns the node of a decision, the same one for the same decision.
func (d *diagram) make(level int32, low, high ref) ref {
	if low == high {
		return low
	}
	mask := uint32(len(d.table) - 1)
	at := hash(uint32(level), uint32(low), uint32(high)) & mask
	for ; d.table[at] != 0; at = (at + 1) & mask {
		if n := &d.nodes[d.table[at]]; n.level == level && n.low == low && n.high == high {
			return d.table[at]
		}
	}
	if len(d.nodes) >= d.limit {
		d.full = true
		return none
	}
	r := ref(len(d.nodes))
	d.nodes = append(d.nodes, node{level, low, high})
	d.table[at] = r
	if len(d.nodes)*2 > len(d.table) {
		d.grow()
	}
	return r
}

func (d *diagram) grow() {
	d.table = make([]ref, 2*len(d.table))
	mask := uint32(len(d.table) - 1)
	for r := ref(2); int(r) < len(d.nodes); r++ {
		n := d.nodes[r]
		at := hash(uint32(n.level), uint32(n.low), uint32(n.high)) & mask
		for d.table[at] != 0 {
			at = (at + 1) & mask
		}
		d.table[at] = r
	}
	if len(d.cache) < 1<<20 {
		d.cache = make([]cached, 2*len(d.cache))
	}
}

// settled answers an operation that needs no look at the nodes.
func settled(op operation, a, b ref) (ref, bool) {
	switch op {
	case opAnd:
		switch {
		case a == none || b == none:
			return none, true
		case a == all || a == b:
			return b, true
		case b == all:
			return a, true
		}
	case opOr:
		switch {
		case a == all || b == all:
			return all, true
		case a == none || a == b:
			return b, true
		case b == none:
			return a, true
		}
	case opMinus:
		switch {
		case a == none || b == all || a == b:
			return none, true
		case b == none:
			return a, true
		}
	}
	return none, false
}

func (d *diagram) apply(op operation, a, b ref) ref {
	if r, ok := settled(op, a, b); ok {
		return r
	}
	if op != opMinus && a > b {
		a, b = b, a
	}
	at := hash(uint32(op), uint32(a), uint32(b))
	if c := &d.cache[at&uint32(len(d.cache)-1)]; c.op == op && c.a == a && c.b == b {
		return c.result
	}
	na, nb := d.nodes[a], d.nodes[b]
	level := min(na.level, nb.level)
	lowA, highA, lowB, highB := a, a, b, b
	if na.level == level {
		lowA, highA = na.low, na.high
	}
	if nb.level == level {
		lowB, highB = nb.low, nb.high
	}
	low := d.apply(op, lowA, lowB)
	r := d.make(level, low, d.apply(op, highA, highB))
	if !d.full {
		d.cache[at&uint32(len(d.cache)-1)] = cached{a, b, op, r}
	}
	return r
}

func (d *diagram) and(a, b ref) ref   { return d.apply(opAnd, a, b) }
func (d *diagram) or(a, b ref) ref    { return d.apply(opOr, a, b) }
func (d *diagram) minus(a, b ref) ref { return d.apply(opMinus, a, b) }
func (d *diagram) not(a ref) ref      { return d.apply(opMinus, all, a) }

// variable is the set where one variable is true.
func (d *diagram) variable(level int32) ref { return d.make(level, none, all) }

// forget returns what a becomes when nothing is known of some variables any more: everything
// that is in a for at least one of their values. The variables are given as a chain of their nodes.
func (d *diagram) forget(a, variables ref) ref {
	for variables > all && d.nodes[variables].level < d.nodes[a].level {
		variables = d.nodes[variables].high
	}
	if a <= all || variables <= all {
		return a
	}
	at := hash(uint32(opForget), uint32(a), uint32(variables))
	if c := &d.cache[at&uint32(len(d.cache)-1)]; c.op == opForget && c.a == a && c.b == variables {
		return c.result
	}
	n := d.nodes[a]
	low, high := d.forget(n.low, variables), d.forget(n.high, variables)
	var r ref
	if d.nodes[variables].level == n.level {
		r = d.or(low, high)
	} else {
		r = d.make(n.level, low, high)
	}
	if !d.full {
		d.cache[at&uint32(len(d.cache)-1)] = cached{a, variables, opForget, r}
	}
	return r
}

// given returns what a becomes once some variables are settled; the result no longer mentions them.
func (d *diagram) given(a ref, settled map[int32]bool) ref {
	d.turn++
	if len(d.memo) < len(d.nodes) {
		d.memo = make([]remembered, 2*len(d.nodes))
	}
	var walk func(ref) ref
	walk = func(a ref) ref {
		if a <= all {
			return a
		}
		if known := d.memo[a]; known.turn == d.turn {
			return known.result
		}
		n := d.nodes[a]
		var r ref
		if value, ok := settled[n.level]; ok {
			r = walk(n.low)
			if value {
				r = walk(n.high)
			}
		} else {
			low := walk(n.low)
			r = d.make(n.level, low, walk(n.high))
		}
		d.memo[a] = remembered{d.turn, r}
		return r
	}
	return walk(a)
}

// chain returns the conjunction of variables, the form in which [diagram.forget] takes them. Levels
// are given in rising order.
func (d *diagram) chain(levels []int32) ref {
	r := all
	for _, level := range slices.Backward(levels) {
		r = d.make(level, none, r)
	}
	return r
}

// support calls f for each variable that a depends on.
func (d *diagram) support(a ref, f func(level int32)) {
	seen := map[ref]bool{}
	var walk func(ref)
	walk = func(a ref) {
		if a <= all || seen[a] {
			return
		}
		seen[a] = true
		f(d.nodes[a].level)
		walk(d.nodes[a].low)
		walk(d.nodes[a].high)
	}
	walk(a)
}
