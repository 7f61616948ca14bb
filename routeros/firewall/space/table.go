package space

import "github.com/rosknock/rosknock/routeros"

// table is a rule table of one state, made ready for the walk.
type table struct {
	menu   routeros.Menu
	rows   []routeros.Rule
	in     []int   // the number of the chain of each row, -1 for disabled ones
	ready  []*row  // made when packets first come to it
	chains [][]int // the rows of each chain, by its number
}

// table returns a rule table. What it has in common with that of the state before is taken from
// there.
func (cs *conditions) table(menu routeros.Menu, rows []routeros.Rule) *table {
	last := cs.tables[menu]
	if last == nil {
		last = &table{}
	}
	first, end := routeros.Differing(last.rows, rows)
	if first == end && len(rows) == len(last.rows) && len(rows) > 0 && &rows[0] == &last.rows[0] {
		return last
	}
	t := &table{menu: menu, rows: rows, in: make([]int, len(rows)), ready: make([]*row, len(rows))}
	below := end + len(last.rows) - len(rows) // where the common end began
	copy(t.in, last.in[:first])
	copy(t.in[end:], last.in[below:])
	copy(t.ready, last.ready[:first])
	copy(t.ready[end:], last.ready[below:])
	for i := first; i < end; i++ {
		t.in[i] = cs.chainOf(&rows[i])
	}
	t.chains = make([][]int, len(cs.chains))
	for i, chain := range t.in {
		if chain >= 0 {
			t.chains[chain] = append(t.chains[chain], i)
		}
	}
	cs.tables[menu] = t
	return t
}

// chainOf returns the number of a row's chain, -1 if the row is disabled.
func (cs *conditions) chainOf(r *routeros.Rule) int {
	if r.Disabled() {
		return -1
	}
	number, known := cs.chains[r.Chain()]
	if !known {
		number = len(cs.chains)
		cs.chains[r.Chain()] = number
	}
	return number
}

// chain returns the positions of the enabled rows of a chain.
func (t *table) chain(s *Space, name string) []int {
	number, known := s.chains[name]
	if !known || number >= len(t.chains) {
		return nil
	}
	return t.chains[number]
}

// row returns a row made ready.
func (t *table) row(s *Space, i int) *row {
	if t.ready[i] == nil {
		t.ready[i] = s.row(t.menu, &t.rows[i])
	}
	return t.ready[i]
}
