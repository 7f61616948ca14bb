package view

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/trusted"
	"github.com/rosknock/rosknock/routeros"
)

// Trusted is one router's part of the trusted ledger.
type Trusted struct {
	Name       string
	Address    string
	Entries    []trusted.Entry
	Revocation trusted.Revocation
	Outcome    apply.Outcome
	Err        error
}

// table is what every tabular format is made of.
type table struct {
	header []string
	rows   [][]string
	whole  []string // columns that are never cut
}

// text writes the table for a terminal. Where it does not fit, columns that can be done without go, and then cells
// are cut; whole columns, such as addresses that people copy, never are.
func (t table) text(w io.Writer, width int) error {
	var padded strings.Builder
	tw := tablewriter.NewTable(&padded,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithTrimSpace(tw.Off),
	)
	t = t.cleaned(mostName)
	for _, name := range []string{"SINCE", "LIST"} {
		if at := slices.Index(t.header, name); at >= 0 && total(t.widths()) > width {
			t = t.without(at)
		}
	}
	fitted := t.fit(width)
	tw.Header(fitted.header)
	if err := tw.Bulk(fitted.rows); err != nil {
		return err
	}
	if err := tw.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(padded.String()) {
		Say(w, "%s\n", visible(strings.TrimRight(line, " \n")))
	}
	return nil
}

// widths are the columns' widths in characters.
func (t table) widths() []int {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// narrowest is how far a column is cut at most.
const narrowest = 8

// fit cuts cells of the widest columns until a line fits.
func (t table) fit(width int) table {
	widths := t.widths()
	for total(widths) > width {
		widest := -1
		for i, w := range widths {
			if w > narrowest && !slices.Contains(t.whole, t.header[i]) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	cut := func(row []string) []string {
		out := make([]string, len(row))
		for i, cell := range row {
			if r := []rune(cell); len(r) > widths[i] {
				cell = string(r[:widths[i]-1]) + "…"
			}
			out[i] = cell
		}
		return out
	}
	fitted := table{header: cut(t.header)}
	for _, row := range t.rows {
		fitted.rows = append(fitted.rows, cut(row))
	}
	return fitted
}

// without drops a column.
func (t table) without(column int) table {
	out := table{header: slices.Delete(slices.Clone(t.header), column, column+1), whole: t.whole}
	for _, row := range t.rows {
		out.rows = append(out.rows, slices.Delete(slices.Clone(row), column, column+1))
	}
	return out
}

// total is the width of a line: two blanks stand behind each cell.
func total(widths []int) int {
	n := 0
	for _, w := range widths {
		n += w + 2
	}
	return n
}

// mostCell is how many characters of a cell are written for another program: spreadsheets take
// 32,767.
const mostCell = 32_000

// cleaned makes every cell visible, and cuts what is longer.
func (t table) cleaned(most int) table {
	return t.each(func(cell string) string { return routeros.Visible(cell, most) })
}

// each returns the table with something done to every cell below the header.
func (t table) each(do func(string) string) table {
	out := table{header: t.header, whole: t.whole, rows: make([][]string, len(t.rows))}
	for i, row := range t.rows {
		out.rows[i] = make([]string, len(row))
		for j, cell := range row {
			out.rows[i][j] = do(cell)
		}
	}
	return out
}

// csv writes the table for spreadsheets and programs. A cell that a spreadsheet would take for a
// formula gets an apostrophe in front, as OWASP says under "CSV injection".
func (t table) csv(w io.Writer) error {
	t = t.cleaned(mostCell).each(noFormula)
	c := csv.NewWriter(w)
	if err := c.Write(t.header); err != nil {
		return err
	}
	if err := c.WriteAll(t.rows); err != nil {
		return err
	}
	c.Flush()
	return c.Error()
}

// noFormula puts an apostrophe before a cell that begins as a formula does, in letters of either
// width. Tabs and line ends, which OWASP names too, are escaped already; blanks in front are
// ignored by some programs, so they are here.
func noFormula(cell string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(cell, unicode.IsSpace))
	if strings.ContainsRune("=+-@＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// markdown writes the table for a ticket or a page. Tablewriter's own renderer escapes nothing.
func (t table) markdown(w io.Writer) error {
	t = t.cleaned(mostCell).each(markdownCell)
	line := func(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }
	var text strings.Builder
	text.WriteString(line(t.header) + "|" + strings.Repeat(" --- |", len(t.header)) + "\n")
	for _, row := range t.rows {
		text.WriteString(line(row))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// markdownCell escapes what is more than text in Markdown: the border of a cell, HTML, entities,
// code, links, pictures and emphasis. So a cell shows what it says and nothing else.
func markdownCell(cell string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "\\`", "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "~", `\~`,
	).Replace(cell)
}

func (t table) write(w io.Writer, format string, width int) error {
	switch format {
	case "csv":
		return t.csv(w)
	case "markdown":
		return t.markdown(w)
	default:
		return t.text(w, width)
	}
}

// TrustedTable writes the ledgers as text, csv or markdown.
func TrustedTable(w io.Writer, format string, routers []Trusted, s Style) error {
	t := table{header: []string{"ROUTER", "ADDRESS", "DOOR", "LIST", "SINCE", "EXPIRES IN", "KIND", "CONN"}, whole: []string{"ADDRESS", "EXPIRES IN", "KIND", "CONN"}}
	if format == "csv" {
		t.header = []string{"router", "address", "door", "list", "since", "expires-in", "kind", "connections"}
	}
	failed := 0
	for _, r := range routers {
		if r.Err != nil {
			failed++
		}
		for _, e := range r.Entries {
			t.rows = append(t.rows, []string{r.Name, e.Address, e.Plan + "/" + e.Name, e.List, e.Since, expires(e), string(e.Kind), connections(e)})
		}
	}
	if format != "text" {
		return t.write(w, format, s.Width)
	}
	if len(t.rows) == 0 {
		switch {
		case failed == 0:
			Say(w, "nobody is trusted\n")
		case failed < len(routers):
			Say(w, "nobody is trusted on the %d routers that answer\n", len(routers)-failed)
		}
		return nil
	}
	if !slices.ContainsFunc(t.rows, func(row []string) bool { return row[len(row)-1] != "" }) {
		t = t.without(len(t.header) - 1)
	}
	if len(routers) == 1 {
		t = t.without(0) // one router needs no column, and the width is dear
	}
	return t.text(w, s.Width)
}

// connections is how many are open; empty where they were not counted.
func connections(e trusted.Entry) string {
	if !e.Counted {
		return ""
	}
	return strconv.Itoa(e.Connections)
}

func expires(e trusted.Entry) string {
	if !e.Expires {
		return "never"
	}
	return routeros.FormatDuration(e.ExpiresIn)
}

// ChangesTable writes the steps of a diff or apply as csv or markdown, a line each.
func ChangesTable(w io.Writer, format string, routers []Router, s Style) error {
	t := table{header: []string{"router", "outcome", "step", "op", "path", "id", "slot", "before", "set", "error"}}
	for _, r := range routers {
		problem := ""
		if r.Err != nil {
			problem = reason(r.Err)
		}
		if r.Changes == nil || !r.Changes.Changed() {
			t.rows = append(t.rows, []string{r.Name, string(r.Outcome), "", "", "", "", "", "", "", problem})
			continue
		}
		for i, step := range r.Changes.Steps {
			t.rows = append(t.rows, []string{r.Name, string(r.Outcome), fmt.Sprint(i + 1), string(step.Op), string(step.Menu), step.ID, step.Slot, step.Before,
				strings.Join(attributes(step, s), " "), problem})
		}
	}
	return t.write(w, format, s.Width)
}
