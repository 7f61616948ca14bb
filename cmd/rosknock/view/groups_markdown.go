package view

import (
	"bytes"
	"fmt"
	"io"
	"iter"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
	"github.com/rosknock/rosknock/plans/operate"
)

// changesMarkdown writes the steps of a fleet as a table in which equal change sets are once, and
// above it who has which.
type changesMarkdown struct {
	changesText
	header []string
}

// markdownRows are what the table has of a router: its own rows, and those that equal routers share.
type markdownRows struct {
	Line        changesLine
	Own, Shared [][]string
}

func (m changesMarkdown) piece(_ int, results []operate.Result) ([]byte, error) {
	kept := make([]markdownRows, len(results))
	for i, r := range results {
		l := changesLine{Name: string(short(r.Name)), Says: r.Says(), Equal: equalCells(r), Like: m.likenessOf(r)}
		kept[i] = markdownRows{l, m.stepCells(r), m.stepCells(newNamer(r).common(r))}
	}
	return keep(kept)
}

func (m changesMarkdown) write(w io.Writer, pieces iter.Seq[[]byte]) error {
	return lines[operate.Result, markdownRows]{all: m.all}.write(w, pieces)
}

func (m changesMarkdown) all(w io.Writer, all iter.Seq[markdownRows]) error {
	rows := map[string]markdownRows{} // of the first router of each group
	found := groups(func(yield func(changesLine) bool) {
		for r := range all {
			if key := r.Line.Like.key(); rows[key].Own == nil {
				rows[key] = r
			}
			if !yield(r.Line) {
				return
			}
		}
	})
	f := fold{changesText: m.changesText, groups: found}
	main := f.main()
	t := table{header: m.header}
	var above bytes.Buffer
	for _, g := range found {
		one := rows[g.key()]
		told := one.Own
		if len(g.routers) > 1 {
			told = one.Shared
			fmt.Fprintf(&above, "- **%s:** %s\n", m.title(g), markdownCell(page.Runs(g.routers, 0)))
		} else if main != nil && g.Rank == changing {
			fmt.Fprintf(&above, "- **1 differs:** %s%s\n", markdownCell(g.routers[0]), stepsThatDiffer(differences(main.Passage, g.Passage)))
		}
		for _, row := range told {
			if len(g.routers) > 1 {
				row[0] = page.Runs(g.routers, mostRuns)
			}
			t.rows = append(t.rows, row)
		}
	}
	if above.Len() > 0 {
		above.WriteByte('\n')
	}
	if err := put(w, above.String()); err != nil {
		return err
	}
	return t.write(w, "markdown", m.Width)
}

// title says what the routers of a group have in common.
func (m changesMarkdown) title(g *group) string {
	if n := len(g.Passage.Steps); n > 0 {
		return fmt.Sprintf("%s, the same on %d routers", Plural(n, "step"), len(g.routers))
	}
	return fmt.Sprintf("%s on %d routers", markdownCell(g.first.Says), len(g.routers))
}

// stepsThatDiffer counts what a router has otherwise.
func stepsThatDiffer(d difference) string {
	switch without, with := len(d.without), len(d.with); {
	case without > 0 && with > 0:
		return fmt.Sprintf(", by %s and without %d", Plural(with, "step"), without)
	case with > 0:
		return fmt.Sprintf(", by %s", Plural(with, "step"))
	case without > 0:
		return fmt.Sprintf(", without %s", Plural(without, "step"))
	}
	return ", not in its steps"
}
