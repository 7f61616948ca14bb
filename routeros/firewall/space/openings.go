package space

import (
	"slices"

	"github.com/rosknock/rosknock/routeros"
)

// Step is one packet of a sequence by which a source gets from list to list.
type Step struct {
	// Packets are those that do the same here, Example is one of them.
	Packets Set
	Example Example
	// Adds are the lists that the source comes into by it, sorted; Fills the rules that add.
	Adds  []string
	Fills []Fill
	// Expires is the list whose entry has to run out instead, Joins the one into which somebody
	// else than a rule puts the source; the step then has no packet.
	Expires, Joins string
}

// Opening is a sequence of packets after which their source is in a list.
type Opening struct {
	List  string
	Steps []Step
}

// Search looks for the ways by which one source gets into an address list of a [Result].
type Search struct {
	Result Result
	List   string
	// From are the packets that the source may send.
	From Set
	// Knocks, when set, are the sequences that are meant to lead into the list: sought is then a
	// way that contains none of them in its order. Entries may also run out meanwhile, and lists
	// that no rule fills may hold the source.
	Knocks [][]Set
	// Bare says that only the number of steps, their lists and rules are wanted, without packets.
	Bare bool
}

// Bounds of a search: beyond them it says that it is not complete.
const (
	mostLists   = 24
	mostVisits  = 20_000
	mostOpening = 16
	mostKnocks  = 8
	mostMoves   = 2_000
)

// Openings returns the shortest ways into the list, those of equal length all, up to 16; with
// knocks the shortest way that does without them. None means that there is no such way. When
// complete is false, the rules allow more ways than are followed.
//
// A search that is too wide is taken apart, see parts.go.
func (s *Space) Openings(search Search) (found []Opening, complete bool) {
	k := &seeker{Search: &search, space: s}
	if k.prepare() {
		return k.openings()
	}
	return k.inParts()
}

// seeker is a search under way.
type seeker struct {
	*Search
	space   *Space
	lists   []string // that matter, the sought one first
	fills   []Fill   // of those lists
	moves   []move
	lasting []bool // of lists that only ever help: nobody wins by leaving them
	ignored uint64 // lists that are left out of account, and with them the packets that do nothing but fill these
	timed   []bool // whether entries of a list run out
	others  []bool // whether a list is filled by others than rules
	visited map[visit]bool
	queue   []*visitor
}

// visit is how far a source has come.
type visit struct {
	members  uint64
	progress [mostKnocks]uint8
	who      ref // sources that can have come here
}

// visitor is a visit with the way to it, backwards.
type visitor struct {
	visit
	from *visitor
	move int    // of moves; -1 for an entry that runs out
	gone string // the list of that entry
	join string // a list into which somebody put the source
	far  int    // steps so far
}

// move is a set of packets that all do the same, wherever their source has come.
type move struct {
	packets  ref // with the memberships under which they do it
	relation ref // of sources and memberships alone
	adds     uint64
	stages   []stage
	fills    []Fill
}

// stage is one packet of one of the knocks.
type stage struct{ knock, at int }

// openings is the search itself, once it was prepared.
func (k *seeker) openings() (found []Opening, complete bool) {
	search := k.Search
	// For the proof, lists that can only hinder are left out at first: a source that can't get in
	// without them can't get in with them.
	hindering := k.hindering()
	if search.Knocks != nil {
		if found, complete = k.seek(hindering); len(found) == 0 && complete {
			return nil, true
		}
	}
	if found, complete = k.seek(0); complete || search.Knocks != nil {
		return found, complete
	}
	return k.seek(hindering)
}

// seek walks breadth first from a source in no list, leaving some lists out of account.
func (k *seeker) seek(ignored uint64) (found []Opening, complete bool) {
	s, search := k.space, k.Search
	k.ignored = ignored
	k.lasting = make([]bool, len(k.lists))
	for i := range k.lists {
		k.lasting[i], _ = k.bearing(i)
	}
	k.visited = map[visit]bool{}
	start := visit{who: k.whoIs(search.From.node)}
	k.queue = []*visitor{{visit: start}}
	k.visited[start] = true
	for len(k.queue) > 0 && len(k.visited) < mostVisits && len(found) < mostOpening {
		v := k.queue[0]
		k.queue = k.queue[1:]
		if len(found) > 0 && v.far > len(found[0].Steps) {
			break
		}
		if v.members&1 != 0 {
			if search.Knocks == nil || !k.finished(v.progress) {
				found = append(found, Opening{search.List, k.steps(v)})
				if search.Knocks != nil {
					break
				}
			}
			continue
		}
		k.next(v)
	}
	return found, s.Complete() && len(k.visited) < mostVisits
}

// hindering returns the lists that only ever hinder.
func (k *seeker) hindering() (lists uint64) {
	for i := 1; i < len(k.lists); i++ {
		if helps, hinders := k.bearing(i); hinders && !helps {
			lists |= 1 << i
		}
	}
	return lists
}

// bearing says whether being in a list only ever helps, and whether it only ever hinders, to make
// the moves that count.
func (k *seeker) bearing(list int) (helps, hinders bool) {
	d := k.space.diagram
	level, used := k.space.named[inList(k.lists[list])]
	helps, hinders = true, true
	for _, m := range k.moves {
		if !used {
			break
		}
		if m.adds&^k.ignored == 0 {
			continue
		}
		in, out := d.given(m.relation, map[int32]bool{level: true}), d.given(m.relation, map[int32]bool{level: false})
		helps, hinders = helps && d.minus(out, in) == none, hinders && d.minus(in, out) == none
	}
	return helps, hinders
}

// finished reports whether one of the knocks has been played to its end.
func (k *seeker) finished(progress [mostKnocks]uint8) bool {
	for i, knock := range k.Knocks {
		if int(progress[i]) == len(knock) {
			return true
		}
	}
	return false
}

// prepare finds the lists that have a say: those on which additions to the sought one depend, and
// so on.
func (k *seeker) prepare() bool {
	if len(k.Knocks) > mostKnocks {
		return false
	}
	k.lists = []string{k.List}
	for at := 0; at < len(k.lists); at++ {
		timed, filled := true, len(k.fills)
		for _, f := range k.Result.Fills {
			if !f.Source || f.List != k.lists[at] {
				continue
			}
			k.fills = append(k.fills, f)
			timed = timed && f.Timeout.Kind == routeros.Timed
			for _, used := range k.space.Uses(f.Packets) {
				if !slices.Contains(k.lists, used) {
					k.lists = append(k.lists, used)
				}
			}
		}
		k.timed = append(k.timed, timed)
		k.others = append(k.others, len(k.fills) == filled && k.space.fillable[k.lists[at]])
		if len(k.lists) > mostLists {
			return false
		}
	}
	return k.split()
}

// split finds the sets of packets that do the same: fill the same lists by the same rules, and be
// the same stages.
func (k *seeker) split() bool {
	d := k.space.diagram
	k.moves = []move{{packets: k.From.node}}
	by := func(set ref, change func(*move)) {
		var out []move
		for _, m := range k.moves {
			in := d.and(m.packets, set)
			if rest := d.minus(m.packets, in); rest != none {
				other := m
				other.packets = rest
				out = append(out, other)
			}
			if in != none {
				m.packets, m.fills, m.stages = in, slices.Clone(m.fills), slices.Clone(m.stages)
				change(&m)
				out = append(out, m)
			}
		}
		k.moves = out
	}
	for _, f := range k.fills {
		by(f.Packets.node, func(m *move) {
			m.adds |= 1 << slices.Index(k.lists, f.List)
			m.fills = append(m.fills, f)
		})
		if len(k.moves) > mostMoves {
			return false
		}
	}
	k.moves = slices.DeleteFunc(k.moves, func(m move) bool { return m.adds == 0 })
	for i, knock := range k.Knocks {
		for at, packets := range knock {
			by(packets.node, func(m *move) { m.stages = append(m.stages, stage{i, at}) })
		}
	}
	rest := d.chain(k.levelsBut(func(level int32, v variable) bool { return k.isSource(level) || k.isList(v) }))
	for i := range k.moves {
		k.moves[i].relation = d.forget(k.moves[i].packets, rest)
	}
	return true
}

func (k *seeker) isList(v variable) bool {
	return v.kind == holdsSource && slices.Contains(k.lists, v.name)
}

// next files where a source can go from here.
func (k *seeker) next(v *visitor) {
	settled := k.memberships(v.members)
	for i, m := range k.moves {
		next := v.visit
		if m.adds&^k.ignored == 0 {
			continue
		}
		if next.members |= m.adds &^ k.ignored; next.members == v.members && k.Knocks == nil {
			continue
		}
		if next.who = k.space.diagram.and(v.who, k.space.diagram.given(m.relation, settled)); next.who == none {
			continue
		}
		for n, knock := range k.Knocks {
			if at := int(v.progress[n]); at < len(knock) && slices.Contains(m.stages, stage{n, at}) {
				next.progress[n]++
			}
		}
		k.file(&visitor{visit: next, from: v, move: i, far: v.far + 1})
	}
	if k.Knocks == nil {
		return
	}
	for i, others := range k.others {
		if next := v.visit; i > 0 && others && k.ignored&(1<<i) == 0 {
			next.members |= 1 << i
			k.file(&visitor{visit: next, from: v, move: -1, join: k.lists[i], far: v.far + 1})
		}
	}
	for i, timed := range k.timed {
		if i > 0 && timed && !k.lasting[i] && v.members&(1<<i) != 0 {
			next := v.visit
			next.members &^= 1 << i
			k.file(&visitor{visit: next, from: v, move: -1, gone: k.lists[i], far: v.far + 1})
		}
	}
}

func (k *seeker) file(v *visitor) {
	// Of equal places several ways are kept only while all shortest ones are sought.
	last := k.Knocks == nil && v.members&1 != 0
	if v.visit == v.from.visit || !last && k.visited[v.visit] {
		return
	}
	k.visited[v.visit] = true
	k.queue = append(k.queue, v)
}

// memberships settles the variables of the lists for a source that is in some of those that matter,
// and in no other.
func (k *seeker) memberships(members uint64) map[int32]bool {
	settled := map[int32]bool{}
	for level, v := range k.space.names {
		if v.kind == holdsSource {
			settled[level] = false
		}
	}
	for i, list := range k.lists {
		if level, ok := k.space.named[inList(list)]; ok {
			settled[level] = members&(1<<i) != 0
		}
	}
	return settled
}

// steps writes out the way to a visit, with an example of each packet; all of them come from one
// source.
func (k *seeker) steps(v *visitor) []Step {
	who := v.who
	var out []Step
	for ; v.from != nil; v = v.from {
		step := Step{Expires: v.gone, Joins: v.join}
		if v.move >= 0 {
			if step = k.step(v, who); !k.Bare {
				who = k.space.diagram.and(who, k.sourcesOf(step.Example))
			}
		}
		out = append(out, step)
	}
	slices.Reverse(out)
	return out
}

func (k *seeker) step(v *visitor, who ref) Step {
	m := k.moves[v.move]
	step := Step{Fills: m.fills}
	for i, list := range k.lists {
		if m.adds&(1<<i) != 0 && v.from.members&(1<<i) == 0 {
			step.Adds = append(step.Adds, list)
		}
	}
	slices.Sort(step.Adds)
	if k.Bare {
		return step
	}
	step.Packets = Set{k.space.diagram.given(m.packets, k.memberships(v.from.members))}
	step.Example, _ = k.space.Pick(Set{k.space.diagram.and(step.Packets.node, who)}, k.space.Stranger())
	for i, list := range k.lists {
		if v.from.members&(1<<i) != 0 {
			step.Example.Lists = append(step.Example.Lists, list)
		}
	}
	return step
}

// sourcesOf returns the packets from the source of an example.
func (k *seeker) sourcesOf(e Example) ref {
	at := k.space.source.cell(e.Packet.Src)
	return k.space.diagram.spans(k.space.source.axis, []span{{at, at}})
}

// whoIs returns the packets of all sources of which one is in the set.
func (k *seeker) whoIs(a ref) ref {
	return k.space.diagram.forget(a, k.space.diagram.chain(k.levelsBut(func(level int32, _ variable) bool { return k.isSource(level) })))
}

func (k *seeker) isSource(level int32) bool { return slices.Contains(k.space.source.levels, level) }

// levelsBut lists the variables less some, in rising order.
func (k *seeker) levelsBut(keep func(level int32, v variable) bool) []int32 {
	var out []int32
	for level := range k.space.levels {
		if !keep(level, k.space.names[level]) {
			out = append(out, level)
		}
	}
	return out
}
