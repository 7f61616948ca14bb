package view

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
	"github.com/rosknock/rosknock/plans/proof"
)

// likeness is what decides whether routers are told together: they are when all that is told of them
// is the same, but for what a [namer] names.
type likeness struct {
	Passage passage  // with shared names
	Unknown []string // the promises that could not be checked, and why
	Exact   uint64   // of what is told with the router's own names
	Secrets uint64   // of what is masked
	Version string
	Rank    int // the smaller, the sooner somebody has to look
}

// key is the same for routers that are told together.
func (l likeness) key() string { return fmt.Sprint(l.Passage, l.Unknown, l.Rank) }

// ranks of outcomes: failures come first, and routers whose turn never came after them.
const (
	failing = iota
	notBegun
	changing
	nothingToDo
)

func rankOf(r operate.Result) int {
	switch {
	case r.Outcome == apply.Skipped:
		return notBegun
	case r.Err != nil || r.Proof != nil && !r.Proof.Holds():
		return failing
	case r.Changes != nil && r.Changes.Changed():
		return changing
	}
	return nothingToDo
}

// likenessOf looks at a router as [Telling] tells it.
func (t changesText) likenessOf(r operate.Result) likeness {
	n := newNamer(r)
	shared := t
	shared.names = n
	return likeness{
		Passage: shared.passage(n.common(r), false), Unknown: unknown(r, n), Version: r.Version(), Rank: rankOf(r),
		Exact: maphash.String(t.seed, fmt.Sprint(t.passage(r, false))), Secrets: t.secrets(r),
	}
}

// passage tells of a router below or behind its name.
func (t changesText) passage(r operate.Result, alone bool) passage {
	if t.Reads == "" {
		return t.changesOf(r)
	}
	return t.appliedTo(r, alone, t.Style)
}

// unknown are the promises that could not be checked.
func unknown(r operate.Result, n *namer) []string {
	if r.Proof == nil {
		return nil
	}
	var out []string
	for _, p := range proof.Promises() {
		if why := r.Proof.Unasked[p]; why != "" && r.Proof.Kept(p) {
			out = append(out, fmt.Sprintf("not checked: %s: %s", p, n.text(why)))
		}
	}
	return out
}

// secrets is a number for what is masked, which only this run can make.
func (t changesText) secrets(r operate.Result) uint64 {
	if r.Changes == nil {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, step := range r.Changes.Steps {
		for name, value := range step.Set.All() {
			if t.Value(step.Slot, name, value) != value {
				_, _ = h.WriteString(value + "\x00")
			}
		}
	}
	return h.Sum64()
}

// group are routers of which the same is told.
type group struct {
	likeness
	routers  []string
	versions []string // as often as they occur
	cells    [][]string
	first    changesLine
	own      bool // what is told differs in what a namer names
	secret   bool // and in what is masked
}

// groups puts routers together: failures first, then those with most routers.
func groups(all iter.Seq[changesLine]) []*group {
	var out []*group
	at := map[string]*group{}
	for l := range all {
		key := l.Like.key()
		g := at[key]
		if g == nil {
			g = &group{likeness: l.Like, first: l}
			at[key] = g
			out = append(out, g)
		}
		g.routers, g.versions = append(g.routers, l.Name), append(g.versions, l.Like.Version)
		g.cells = append(g.cells, l.Equal)
		g.own = g.own || g.Exact != l.Like.Exact
		g.secret = g.secret || g.Secrets != l.Like.Secrets
	}
	slices.SortStableFunc(out, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(len(b.routers), len(a.routers)))
	})
	return out
}

// fold writes groups of routers.
type fold struct {
	changesText
	groups []*group
	most   int // runs of names in a line; 0 for all
}

// main is the group of which the steps are told in full: the largest with steps. The others are told
// by what differs.
func (f fold) main() *group {
	for _, g := range f.groups {
		if g.Rank == changing && len(g.Passage.Steps) > 0 && len(g.routers) > 1 {
			return g
		}
	}
	return nil
}

// heading names the routers of a group.
func (f fold) heading(g *group) string {
	var b strings.Builder
	names := page.Runs(g.routers, f.most)
	switch n := len(g.Passage.Steps); {
	case g.Rank == notBegun && strings.Contains(g.Passage.Above, "not begun: "):
		_, why, _ := strings.Cut(g.Passage.Above, "not begun: ")
		Say(&b, "%s\n", wrap(visiblef("%s not begun: %s: %s", were(len(g.routers)), strings.Join(strings.Fields(why), " "), names), f.Width, 0))
	case f.Reads != "":
		Say(&b, "%s", f.bold(wrap(visiblef("%s: %s", Plural(len(g.routers), "router"), names), f.Width, 0)))
	case n > 0:
		Say(&b, "%s\n", f.bold(wrap(visiblef("%s, the same on %s: %s", Plural(n, "step"), Plural(len(g.routers), "router"), names), f.Width, 0)))
	default:
		Say(&b, "%s\n", f.bold(wrap(visiblef("%s: %s", Plural(len(g.routers), "router"), names), f.Width, 0)))
	}
	return b.String()
}

func were(n int) string {
	if n == 1 {
		return "1 router was"
	}
	return fmt.Sprintf("%d routers were", n)
}

// remarks say what the routers of a group do not share.
func (f fold) remarks(g *group) string {
	var b strings.Builder
	if f.Reads == "" {
		if text := onVersions(g.versions); text != "" {
			Say(&b, "%s\n", f.faint(wrap(clean("RouterOS "+text), f.Width, 2)))
		}
	}
	told := fmt.Sprint(g.Passage)
	var others []string
	if g.own && strings.Contains(told, "row ") {
		others = append(others, "ids (row 1, row 2)")
	}
	if g.own && strings.Contains(told, itsAddress) {
		others = append(others, "their own addresses (its address)")
	}
	if g.secret {
		others = append(others, "knocks (masked)")
	}
	if len(others) > 0 {
		Say(&b, "%s\n", f.faint(wrap(clean("not the same on all: "+strings.Join(others, ", ")), f.Width, 2)))
	}
	return b.String()
}

// onVersions counts texts: 7.18 on 20, 7.20 on 38.
func onVersions(of []string) string {
	counts := map[string]int{}
	var order []string
	for _, text := range of {
		if text == "" {
			continue
		}
		if counts[text] == 0 {
			order = append(order, text)
		}
		counts[text]++
	}
	if len(order) < 2 {
		return strings.Join(order, "")
	}
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(counts[b], counts[a]) })
	for i, text := range order {
		order[i] = fmt.Sprintf("%s on %d", text, counts[text])
	}
	return strings.Join(order, ", ")
}

// tell writes a group: a router that is like no other by itself, as if it were alone.
func (f fold) tell(w io.Writer, g *group, main *group, text string) error {
	switch {
	case g.Rank == notBegun && len(g.routers) > 1 && strings.Contains(g.Passage.Above, "not begun: "):
		return put(w, f.heading(g))
	case main != nil && g != main && g.Rank == changing:
		d := differences(main.Passage, g.Passage)
		if d.few(main.Passage) && (d.any() || !slices.Equal(g.Unknown, main.Unknown)) {
			f.differing(w, g, main, d)
			return nil
		}
	}
	if len(g.routers) == 1 {
		if err := put(w, text); err != nil {
			return err
		}
		f.unknown(w, g)
		return nil
	}
	p := g.Passage
	if !g.own {
		p = g.first.Told
	}
	if err := put(w, f.heading(g)); err != nil {
		return err
	}
	if f.Reads == "" {
		p.Above = f.remarks(g) + p.Above
	}
	p.write(w)
	f.unknown(w, g)
	return nil
}

// unknown tells which promises could not be checked, where that differs between groups.
func (f fold) unknown(w io.Writer, g *group) {
	for _, other := range f.groups {
		if other.Rank != notBegun && len(other.Passage.Steps) > 0 && !slices.Equal(other.Unknown, g.Unknown) {
			for _, text := range g.Unknown {
				Say(w, "%s\n", f.faint(wrap(clean(text), f.Width, 2)))
			}
			return
		}
	}
}

// differing tells of a group by what differs from the main one.
func (f fold) differing(w io.Writer, g, main *group, d difference) {
	verb := "differ"
	if len(g.routers) == 1 {
		verb = "differs"
	}
	Say(w, "%s\n", f.bold(wrap(visiblef("%d %s from these %d: %s", len(g.routers), verb, len(main.routers), page.Runs(g.routers, f.most)), f.Width, 0)))
	_ = put(w, f.remarks(g))
	for _, part := range []struct {
		word  string
		steps []numberedStep
	}{{"without", d.without}, {"with", d.with}} {
		if len(part.steps) > 0 {
			Say(w, "  %s %s:\n", part.word, Plural(len(part.steps), "step"))
		}
		for _, step := range part.steps {
			_ = put(w, fmt.Sprintf("%4d %s", step.n, step.Text))
		}
	}
	if d.above {
		_ = put(w, g.Passage.Above)
	}
	if d.below || len(d.with)+len(d.without) > 0 {
		_ = put(w, g.Passage.Below)
	}
	f.unknown(w, g)
}

// difference is what one passage has and another has not.
type difference struct {
	without, with []numberedStep
	above, below  bool
}

type numberedStep struct {
	n int
	toldStep
}

func (d difference) any() bool { return d.above || d.below || len(d.with)+len(d.without) > 0 }

// few reports whether what differs is shorter to tell than all of it.
func (d difference) few(of passage) bool {
	return len(d.with)+len(d.without) <= len(of.Steps)/2
}

var stepNumber = regexp.MustCompile(`\b(step|row)\s+\d+`)

// differences compares steps in their order; the numbers of other steps in them may be others.
func differences(from, to passage) difference {
	alike := func(a, b toldStep) bool {
		return stepNumber.ReplaceAllString(a.Text, "$1") == stepNumber.ReplaceAllString(b.Text, "$1")
	}
	a, b := from.Steps, to.Steps
	longest := make([][]int, len(a)+1) // common subsequence of a[i:] and b[j:]
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if longest[i][j] = max(longest[i+1][j], longest[i][j+1]); alike(x, y) {
				longest[i][j] = longest[i+1][j+1] + 1
			}
		}
	}
	d := difference{above: from.Above != to.Above, below: from.Below != to.Below}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && alike(a[i], b[j]):
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && longest[i+1][j] >= longest[i][j+1]:
			d.without = append(d.without, numberedStep{i + 1, a[i]})
			i++
		default:
			d.with = append(d.with, numberedStep{j + 1, b[j]})
			j++
		}
	}
	return d
}
