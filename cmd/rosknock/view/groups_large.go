package view

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/operate"
)

// How many lines of a large fleet go to each part, so that all fit on 100: what failed, the steps
// that most routers share, what differs from these, and the table.
const (
	mostFailureLines = 24
	mostSharedLines  = 34
	mostOtherLines   = 16
	mostTableRows    = 14
)

// large writes so many routers that people want the gist: what failed, the steps that most share,
// and a table of equal routers.
func (t changesText) large(w io.Writer, all iter.Seq[changesLine], routers int) error {
	f := fold{changesText: t, groups: groups(all), most: mostRuns}
	main := f.main()
	var failed, others []*group
	for _, g := range f.groups {
		switch {
		case g == main:
		case g.Rank <= notBegun:
			failed = append(failed, g)
		default:
			others = append(others, g)
		}
	}
	left, err := f.some(w, failed, nil, mostFailureLines)
	if err != nil {
		return err
	}
	if main != nil {
		var b bytes.Buffer
		if err := f.tell(&b, main, main, ""); err != nil {
			return err
		}
		text, cut := f.briefly(main, b.String(), mostSharedLines)
		left = left || cut
		if err := put(w, text, "\n"); err != nil {
			return err
		}
	}
	more, err := f.some(w, others, main, mostOtherLines)
	if err != nil {
		return err
	}
	if cut, err := t.equalRows(w, f.groups); err != nil || cut {
		more = true
	}
	if left || more {
		t.LeftOut(routers)
	}
	Say(w, "\n%s\n", t.outcomes(all, routers))
	return nil
}

// some writes as many groups as there are lines for, and counts the others.
func (f fold) some(w io.Writer, groups []*group, main *group, most int) (left bool, err error) {
	for i, g := range groups {
		var b bytes.Buffer
		if err := f.tell(&b, g, main, f.heading(g)+f.only(g)); err != nil {
			return left, err
		}
		text, cut := f.briefly(g, b.String(), max(most, 4))
		lines := strings.Count(text, "\n")
		if i > 0 && lines > most {
			n := 0
			for _, g := range groups[i:] {
				n += len(g.routers)
			}
			Say(w, "and %s in %s\n\n", Plural(n, "other router"), Plural(len(groups)-i, "group"))
			return true, nil
		}
		left = left || cut
		if err := put(w, text, "\n"); err != nil {
			return left, err
		}
		most -= lines + 1
	}
	return left, nil
}

// only is what is told of the one router of a group.
func (f fold) only(g *group) string {
	var b strings.Builder
	g.first.Told.write(&b)
	return b.String()
}

// briefly leaves out of a text what does not go on so many lines: what the steps set, then steps.
func (f fold) briefly(g *group, text string, most int) (string, bool) {
	if strings.Count(text, "\n") <= most {
		return text, false
	}
	if len(g.Passage.Steps) == 0 || f.Reads != "" {
		lines := strings.SplitAfter(text, "\n")
		return strings.Join(lines[:most-1], "") + "  …\n", true
	}
	var b strings.Builder
	b.WriteString(f.heading(g) + f.remarks(g) + g.Passage.Above)
	below := g.Passage.Below
	room := max(1, most-strings.Count(b.String()+below, "\n")-1)
	for n, step := range g.Passage.Steps {
		if n == room {
			Say(&b, "  … and %s\n", Plural(len(g.Passage.Steps)-n, "more step"))
			break
		}
		first, _, _ := strings.Cut(step.Text, "\n")
		fmt.Fprintf(&b, "%4d %s\n", n+1, first)
	}
	b.WriteString(below)
	lines := strings.SplitAfter(b.String(), "\n")
	if len(lines) > most+1 {
		return strings.Join(lines[:most-1], "") + "  …\n", true
	}
	return b.String(), true
}

// equalRows writes the table of a large fleet: routers with equal cells have one row.
func (t changesText) equalRows(w io.Writer, all []*group) (cut bool, err error) {
	at := map[string]int{}
	var rows []tableRow
	for _, g := range all {
		for i, cells := range g.cells {
			key := strings.Join(cells, "\x00")
			if n, known := at[key]; known {
				rows[n].routers = append(rows[n].routers, g.routers[i])
				continue
			}
			at[key] = len(rows)
			rows = append(rows, tableRow{g.Rank, cells, []string{g.routers[i]}})
		}
	}
	slices.SortStableFunc(rows, func(a, b tableRow) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(b.routers), len(a.routers)))
	})
	out := table{header: []string{"COUNT", "OUTCOME", "VERSION", "STEPS", "PROOF", "ROUTERS"}, whole: []string{"COUNT", "OUTCOME", "STEPS"}}
	for i, row := range rows {
		if i == mostTableRows-1 && len(rows) > mostTableRows {
			n := 0
			for _, more := range rows[i:] {
				n += len(more.routers)
			}
			out.rows, cut = append(out.rows, []string{fmt.Sprint(n), "…", "", "", "", ""}), true
			break
		}
		out.rows = append(out.rows, append(append([]string{fmt.Sprint(len(row.routers))}, row.cells...), page.Runs(row.routers, 3)))
	}
	for i, filled := range slices.Backward(out.filled()) {
		if !filled {
			out = out.without(i)
		}
	}
	return cut, out.text(w, t.Width)
}

type tableRow struct {
	rank    int
	cells   []string
	routers []string
}

// equalCells are what the table of a large fleet shows of a router.
func equalCells(r operate.Result) []string {
	return []string{r.Says(), string(short(r.Version())), stepsText(r), proofText(r)}
}
