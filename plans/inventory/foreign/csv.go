package foreign

import (
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

var (
	errColumns  = errors.New("it has more than 1,000 columns")
	errLine     = errors.New("it has a line longer than 1 MiB")
	errNoTable  = errors.New("it is empty")
	errNoColumn = errors.New("its first line names no column of addresses, such as address or ip: a table begins with the names of its columns")
)

const (
	maxColumns = 1000
	maxLine    = 1 << 20
)

// table is CSV that has been cut into rows.
type table struct {
	c      *collector
	header []string // lower case, words separated by one space
	rows   []row
}

type row struct {
	place string
	cells []string
}

// read cuts a text into rows; the first that is not blank is the header.
func (t *table) read(text string) error {
	text, delimiter, offset := dialect(text)
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comma, reader.FieldsPerRecord = delimiter, -1
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			t.broken(err, offset)
			continue
		}
		line, _ := reader.FieldPos(0)
		switch {
		case blank(cells):
		case t.header == nil && len(cells) > maxColumns:
			return errColumns
		case t.header == nil:
			for _, cell := range cells {
				t.header = append(t.header, columnName(cell))
			}
		case len(t.rows) >= maxRouters:
			return errTooMany
		default:
			t.rows = append(t.rows, row{place: t.c.at(line + offset), cells: cells})
		}
	}
}

// broken notes a row that can't be read. The text of it is not repeated.
func (t *table) broken(err error, offset int) {
	var at *csv.ParseError
	if !errors.As(err, &at) {
		t.c.skip(t.c.file, "the rest", "it could not be read")
		return
	}
	why := "a quote stands where none may: write a quote in a field twice, and quote the field"
	if at.Line > at.StartLine {
		why = "a quote is opened here and never closed rightly: the lines from here to " + t.c.at(at.Line+offset) + " are lost"
	}
	t.c.skip(t.c.at(at.StartLine+offset), "this row", why)
}

// dialect finds out what separates the fields: what Excel says in a first line sep=;, or what makes
// the header hold the most columns that are known.
func dialect(text string) (rest string, delimiter rune, offset int) {
	first, after, _ := strings.Cut(text, "\n")
	if sep := strings.TrimSpace(strings.ToLower(first)); len(sep) == 5 && strings.HasPrefix(sep, "sep=") && strings.Contains(",;|", sep[4:]) {
		return after, rune(sep[4]), 1
	}
	best, delimiter := -1, ','
	for _, candidate := range []rune{',', ';', '\t', '|'} {
		header := headerOf(text, candidate)
		score := len(header)
		for _, name := range header {
			if isKnownColumn(name) {
				score += 1000
			}
		}
		if score > best {
			best, delimiter = score, candidate
		}
	}
	return text, delimiter, 0
}

// headerOf returns the names of the columns, cut at a delimiter.
func headerOf(text string, delimiter rune) []string {
	for line := range strings.SplitSeq(text[:min(len(text), 64<<10)], "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var out []string
		for cell := range strings.SplitSeq(line, string(delimiter)) {
			out = append(out, columnName(cell))
		}
		return out
	}
	return nil
}

// columnName makes IP-Address, ip_address and "IP  Address" the same.
func columnName(cell string) string {
	cell = strings.Trim(strings.TrimSpace(cell), `"`)
	return strings.Join(strings.FieldsFunc(strings.ToLower(cell), func(r rune) bool {
		return r == ' ' || r == '_' || r == '-' || r == '.' || r == '\t' || r == '\r' || r == 0xa0
	}), " ")
}

func blank(cells []string) bool {
	return !slices.ContainsFunc(cells, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// The names of columns, those that say it best first.
func addressColumns() []string {
	return []string{"address", "ip address", "ip", "management ip", "management address", "mgmt ip", "mgmt address", "ipv4 address", "ipv4",
		"primary ip", "primary ip4", "ipaddress", "host", "hostname", "fqdn", "dns name", "ipv6 address", "ipv6", "primary ip6"}
}
func nameColumns() []string {
	return []string{"name", "identity", "hostname", "router", "router name", "device", "device name", "host", "system name"}
}
func portColumns() []string  { return []string{"api port", "port"} }
func userColumns() []string  { return []string{"user", "username", "user name", "login"} }
func groupColumns() []string { return []string{"groups", "group", "device group"} }
func tagColumns() []string   { return []string{"tags", "tag", "labels"} }
func noteColumns() []string {
	return []string{"note", "notes", "comment", "comments", "description"}
}

func isKnownColumn(name string) bool {
	for _, list := range [][]string{addressColumns(), nameColumns(), portColumns(), userColumns(), groupColumns(), tagColumns(), noteColumns()} {
		if slices.Contains(list, name) {
			return true
		}
	}
	return slices.Contains([]string{"site", "role", "status", "manufacturer", "location", "device type", "platform"}, name) || isSecretName(name)
}

func (r row) cell(i int) string {
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

// columns are where the fields of a router stand; -1 for those that are not there.
type columns struct {
	name, address, port, user, groups, tags, note int
	used                                          map[int]bool
}

func (t *table) columns() columns {
	used := map[int]bool{}
	cols := columns{used: used}
	cols.address = t.column(used, addressColumns())
	cols.name = t.column(used, nameColumns())
	cols.port = t.column(used, portColumns())
	cols.user = t.column(used, userColumns())
	cols.groups = t.column(used, groupColumns())
	cols.tags = t.column(used, tagColumns())
	cols.note = t.column(used, noteColumns())
	for i, name := range t.header {
		if isSecretName(name) {
			used[i] = true
			t.c.secret(t.c.at(1), of("column", strings.ReplaceAll(name, " ", "_")))
		}
	}
	return cols
}

// column returns where the first of the names stands in the header, -1 when none does. Columns in
// use are left alone.
func (t *table) column(used map[int]bool, names []string) int {
	for _, name := range names {
		if i := slices.Index(t.header, name); i >= 0 && !used[i] {
			used[i] = true
			return i
		}
	}
	return -1
}

// readCSV reads a table with one router in each row.
func readCSV(c *collector, data []byte) error {
	t, err := readTable(c, data)
	if err != nil {
		return err
	}
	cols := t.columns()
	if cols.address < 0 {
		return errNoColumn
	}
	for _, row := range t.rows {
		if err := t.router(cols, row); err != nil {
			return err
		}
	}
	return nil
}

// readTable reads CSV with its header. Rows that can't be read are noted.
func readTable(c *collector, data []byte) (*table, error) {
	text, guessed, err := decodeText(data)
	if err != nil {
		return nil, err
	}
	if guessed {
		c.skip(c.at(1), "the encoding", guessedWhy)
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > maxLine {
			return nil, errLine
		}
	}
	t := &table{c: c}
	if err := t.read(text); err != nil {
		return nil, err
	}
	if t.header == nil {
		return nil, errNoTable
	}
	return t, nil
}

func (t *table) router(cols columns, row row) error {
	label := cmp.Or(cleanName(row.cell(cols.name)), "this row")
	where, err := parseAddress(row.cell(cols.address))
	if err != nil {
		t.c.skip(row.place, label, err.Error())
		return nil
	}
	if text := row.cell(cols.port); text != "" {
		port, ok := parsePort(text)
		switch {
		case !ok:
			t.c.skip(row.place, label, "its port is not a number between 1 and 65535: it was left out")
		case where.port != 0 && where.port != port:
			t.c.skip(row.place, label, "its address has another port than its column of ports: that of the address counts")
		default:
			where.port = port
		}
	}
	if len(row.cells) > len(t.header) && !blank(row.cells[len(t.header):]) {
		t.c.skip(row.place, label, "the row has more fields than the header: the last ones were left out")
	}
	r := Router{Address: where.String(), User: row.cell(cols.user), Groups: items(row.cell(cols.groups)), Tags: items(row.cell(cols.tags)),
		Note: row.cell(cols.note), Place: row.place, Vars: t.rest(cols, row, label)}
	return t.c.add(r, row.cell(cols.name), where.host)
}

// rest keeps the columns that are not read otherwise as variables.
func (t *table) rest(cols columns, row row, label string) map[string]string {
	out := map[string]string{}
	for i, name := range t.header[:min(len(t.header), len(row.cells))] {
		if value := row.cell(i); !cols.used[i] && value != "" {
			if name == "" {
				t.c.skip(row.place, label, "a field in a column without a name was left out")
				continue
			}
			t.c.variable(out, row.place, label, name, value)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// items splits a list of groups or tags in one field.
func items(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(",;|\n", r) })
}
