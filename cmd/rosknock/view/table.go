package view

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/operate"
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
	// kept yields rows that are too many to be held, after the others; it can be asked again.
	kept  iter.Seq[[]string]
	whole []string // columns that are never cut
}

// trimmed takes the blanks off the ends of lines, which come whole.
type trimmed struct{ to io.Writer }

// Write implements [io.Writer].
func (t trimmed) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		Say(t.to, "%s\n", visible(strings.TrimRight(line, " \n")))
	}
	return len(p), nil
}

// filled says which columns have anything in them.
func (t table) filled() []bool {
	filled := make([]bool, len(t.header))
	for row := range t.all() {
		for i, cell := range row {
			filled[i] = filled[i] || cell != ""
		}
	}
	return filled
}

// all yields the rows.
func (t table) all() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for _, row := range t.rows {
			if !yield(row) {
				return
			}
		}
		if t.kept != nil {
			t.kept(yield)
		}
	}
}

// narrowest is how far a column is cut at most.
const narrowest = 8

// folded wraps the cells of a column at a width: what does not fit goes on below, beside empty cells.
func (t table) folded(column, width int) table {
	all := t.all()
	return table{header: t.header, whole: t.whole, kept: func(yield func([]string) bool) {
		for row := range all {
			for i, line := range foldedCell(row[column], width) {
				part := make([]string, len(row))
				if i == 0 {
					part = slices.Clone(row)
				}
				if part[column] = line; !yield(part) {
					return
				}
			}
		}
	}}
}

// lastFolded wraps the last column at what the others leave of a width.
func (t table) lastFolded(width int) table {
	widths := t.widths(utf8.RuneCountInString)
	last := len(widths) - 1
	return t.folded(last, max(24, width-total(widths[:last])-gap))
}

// foldedCell breaks a cell into lines, between words where it can be.
func foldedCell(cell string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(routeros.Visible(cell, mostCell)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		for line += word; utf8.RuneCountInString(line) > width; {
			runes := []rune(line)
			lines, line = append(lines, string(runes[:width])), string(runes[width:])
		}
	}
	return append(lines, line)
}

// gap is how many blanks stand behind each cell.
const gap = 2

// mostCell is how many characters of a cell are written for another program: spreadsheets take
// 32,767.
const mostCell = 32_000

// cells returns the table with something done to every cell below the header.
func (t table) cells(do func(string) string) table {
	return t.each(func(row []string) []string {
		out := make([]string, len(row))
		for i, cell := range row {
			out[i] = do(cell)
		}
		return out
	})
}

// each returns the table with something done to every row below the header, whenever it is asked
// for.
func (t table) each(do func(row []string) []string) table {
	all := t.all()
	return table{header: t.header, whole: t.whole, kept: func(yield func([]string) bool) {
		for row := range all {
			if !yield(do(row)) {
				return
			}
		}
	}}
}

func (t table) write(w io.Writer, format string, width int) error {
	if format != "csv" && format != "markdown" {
		return t.text(w, width)
	}
	var b bytes.Buffer
	if err := errors.Join(t.head(&b, format), t.body(&b, format)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// text writes the table for a terminal. Where it does not fit, columns that can be done without go,
// and then cells are cut; whole columns, such as addresses that people copy, never are.
func (t table) text(w io.Writer, width int) error {
	t = t.cleaned(mostName)
	for _, name := range []string{"SINCE", "LIST"} {
		if at := slices.Index(t.header, name); at >= 0 && total(t.widths(utf8.RuneCountInString)) > width {
			t = t.without(at)
		}
	}
	fitted := t.fit(width)
	columns := tw.NewMapper[int, int]()
	for i, n := range fitted.widths(twwidth.Width) {
		columns.Set(i, n+gap)
	}
	out := tablewriter.NewTable(trimmed{w},
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:   tw.BorderNone,
			Settings:  tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
			Streaming: true,
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: strings.Repeat(" ", gap), Overwrite: true}),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithStreaming(tw.StreamConfig{Enable: true}), // a row at a time
		tablewriter.WithColumnWidths(columns),
	)
	if err := out.Start(); err != nil {
		return err
	}
	out.Header(fitted.header)
	for row := range fitted.all() {
		if err := out.Append(row); err != nil {
			return err
		}
	}
	return out.Close()
}

// widths are the columns' widths, by what measures a cell.
func (t table) widths(measure func(string) int) []int {
	widths := make([]int, len(t.header))
	widen := func(row []string) {
		for i, cell := range row {
			widths[i] = max(widths[i], measure(cell))
		}
	}
	widen(t.header)
	for row := range t.all() {
		widen(row)
	}
	return widths
}

// total is the width of a line.
func total(widths []int) int {
	n := 0
	for _, w := range widths {
		n += w + gap
	}
	return n
}

// fit cuts cells of the widest columns until a line fits.
func (t table) fit(width int) table {
	widths := t.widths(utf8.RuneCountInString)
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
	fitted := t.each(cut)
	fitted.header = cut(t.header)
	return fitted
}

// without drops a column.
func (t table) without(column int) table {
	drop := func(row []string) []string { return slices.Delete(slices.Clone(row), column, column+1) }
	out := t.each(drop)
	out.header = drop(t.header)
	return out
}

// cleaned makes every cell visible, and cuts what is longer.
func (t table) cleaned(most int) table {
	return t.cells(func(cell string) string { return routeros.Visible(cell, most) })
}

// head writes what stands above the rows of CSV or Markdown.
func (t table) head(w io.Writer, format string) error {
	if format == "csv" {
		return csvLine(w, t.header)
	}
	_, err := io.WriteString(w, markdownLine(t.header)+"|"+strings.Repeat(" --- |", len(t.header))+"\n")
	return err
}

func csvLine(w io.Writer, row []string) error { return csvLines(w, slices.Values([][]string{row})) }

// csvLines writes rows for spreadsheets and programs. A cell that a spreadsheet would take for a
// formula has an apostrophe in front, as OWASP says under "CSV injection".
func csvLines(w io.Writer, rows iter.Seq[[]string]) error {
	c := csv.NewWriter(w)
	for row := range rows {
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// markdownLine is a line of a table for a ticket or a page. Tablewriter's own renderer escapes
// nothing.
func markdownLine(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// body writes the rows of CSV or Markdown.
func (t table) body(w io.Writer, format string) error {
	if t = t.cleaned(mostCell); format == "csv" {
		return csvLines(w, t.cells(noFormula).all())
	}
	for row := range t.cells(markdownCell).all() {
		if _, err := io.WriteString(w, markdownLine(row)); err != nil {
			return err
		}
	}
	return nil
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

// markdownCell escapes what is more than text in Markdown: the border of a cell, HTML, entities,
// code, links, pictures and emphasis. So a cell shows what it says and nothing else.
func markdownCell(cell string) string {
	return strings.NewReplacer(
		`\`, `\\`, "|", `\|`, "&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "\\`", "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "~", `\~`,
	).Replace(cell)
}

// Ledgers takes the trusted ledgers of routers.
func Ledgers(sink Sink, command string) *Flow[Trusted] {
	header := ledgerHeader()
	if sink.Format == "csv" {
		header = []string{"router", "address", "door", "list", "since", "expires-in", "kind", "connections"}
	}
	return newFlow(sink, kind[Trusted]{
		command: command,
		json:    func(t Trusted) any { return t.json() },
		header:  header,
		cells:   Trusted.cells,
		text: lines[Trusted, ledgerLine]{
			line: func(t Trusted) ledgerLine { return ledgerLine{t.cells(), t.Err != nil} },
			all:  sink.ledgers,
		},
	})
}

func ledgerHeader() []string {
	return []string{"ROUTER", "ADDRESS", "DOOR", "LIST", "SINCE", "EXPIRES IN", "KIND", "CONN"}
}

// ledgerLine is what people see of a ledger.
type ledgerLine struct {
	Rows   [][]string
	Failed bool
}

func (t Trusted) cells() [][]string {
	var rows [][]string
	for _, e := range t.Entries {
		rows = append(rows, []string{t.Name, e.Address, e.Plan + "/" + e.Name, e.In, e.Since, expires(e), string(e.Kind), connections(e)})
	}
	return rows
}

func (s Style) ledgers(w io.Writer, all iter.Seq[ledgerLine]) error {
	t := table{header: ledgerHeader(), whole: []string{"ADDRESS", "EXPIRES IN", "KIND", "CONN"}}
	t.kept = func(yield func([]string) bool) {
		for l := range all {
			for _, row := range l.Rows {
				if !yield(row) {
					return
				}
			}
		}
	}
	routers, failed, entries := 0, 0, 0
	for l := range all {
		if routers++; l.Failed {
			failed++
		}
		entries += len(l.Rows)
	}
	if entries == 0 {
		switch {
		case failed == 0:
			Say(w, "nobody is trusted\n")
		case failed < routers:
			Say(w, "nobody is trusted on the %s that answered\n", Plural(routers-failed, "router"))
		}
		return nil
	}
	if last := len(t.header) - 1; !t.filled()[last] {
		t = t.without(last)
	}
	if routers == 1 {
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

// stepCells are the steps of a diff or apply for CSV or Markdown, a row each.
func (s Style) stepCells(r operate.Result) [][]string {
	problem := ""
	if r.Err != nil {
		problem = reason(r.Err)
	}
	if r.Changes == nil || !r.Changes.Changed() {
		return [][]string{{r.Name, string(r.Outcome), "", "", "", "", "", "", "", problem}}
	}
	var rows [][]string
	for i, step := range r.Changes.Steps {
		rows = append(rows, []string{r.Name, string(r.Outcome), fmt.Sprint(i + 1), string(step.Op), string(step.Menu), step.ID, step.Slot, step.Before,
			strings.Join(attributes(step, s), " "), problem})
	}
	return rows
}
