package sim

import (
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// print answers with the rows that the queries match.
func (q *request) print() *trap {
	if entries := q.menu == routeros.AddressList || q.menu == routeros.AddressList6; entries && !q.has("from") && !q.has("interval") {
		return q.printEntries()
	}
	rows := q.rows()
	q.tables.of(q.menu).uncover()
	if from, ok := q.attrs["from"]; ok {
		at, t := q.targets(from)
		if t != nil {
			return t
		}
		rows = pick(rows, q.tables.of(q.menu), at)
	}
	var shown []routeros.Attributes
	for _, row := range rows {
		if matches(q.queries, row) {
			shown = append(shown, row)
		}
	}
	if _, ok := q.attrs["count-only"]; ok {
		q.done("=ret=" + itoa(len(shown)))
		return nil
	}
	columns, all := q.columns()
	for _, row := range shown {
		if !all {
			row = withOIDs(q.menu, row, columns).Only(columns...)
		}
		q.re(row)
	}
	if len(shown) == 0 && q.options.Version.AtLeast(7, 18) {
		q.replies = append(q.replies, []string{"!empty"})
	}
	q.done()
	return nil
}

func pick(rows []routeros.Attributes, t *table, at []int) []routeros.Attributes {
	var out []routeros.Attributes
	for _, i := range at {
		id := formatID(t.rows[i].id)
		if at := slices.IndexFunc(rows, func(r routeros.Attributes) bool { return r.Get(".id") == id }); at >= 0 {
			out = append(out, rows[at])
		}
	}
	return out
}

// columns returns the columns that were asked for. RouterOS 6 stops at the first name that it does
// not know and drops all that follow (routeros-facts § 1.5).
func (q *request) columns() (names []string, all bool) {
	list, ok := q.attrs[".proplist"]
	if !ok {
		return nil, true
	}
	names = strings.Split(list, ",")
	if q.options.Version.Major >= 7 {
		return names, false
	}
	for i, name := range names {
		if !q.schema.hasColumn(name) && !q.isFact(name) && oid(q.menu, name) == "" {
			return names[:i], false
		}
	}
	return names, false
}

// withOIDs adds the object identifiers under which SNMP has a property, where they are asked for
// (routeros-facts § 12 T13).
func withOIDs(menu routeros.Menu, row routeros.Attributes, columns []string) routeros.Attributes {
	for _, name := range columns {
		if oid := oid(menu, name); oid != "" {
			row = row.With(name, oid)
		}
	}
	return row
}

func oid(menu routeros.Menu, column string) string {
	switch string(menu) + " " + column {
	case "/system/resource uptime.oid":
		return ".1.3.6.1.2.1.1.3.0"
	case "/system/resource cpu-load.oid":
		return ".1.3.6.1.2.1.25.3.3.1.2.1"
	case "/system/identity name.oid":
		return ".1.3.6.1.2.1.1.5.0"
	}
	return ""
}

// isFact reports whether a menu of one computed row has the column.
func (q *request) isFact(name string) bool {
	rows := q.rows()
	return len(rows) == 1 && slices.Contains([]routeros.Menu{routeros.Resource, routeros.Clock, routeros.NTPMenu, routeros.License, routeros.RouterBoard}, q.menu) && rows[0].Has(name)
}

func (q *request) get() *trap {
	rows := q.rows()
	if selector := q.selector(); selector != "" {
		at, t := q.targets(selector)
		if t != nil {
			return t
		}
		rows = pick(rows, q.tables.of(q.menu), at)
	}
	if len(rows) == 0 {
		return noSuchItem()
	}
	if name, ok := q.attrs["value-name"]; ok {
		if !q.schema.hasColumn(name) && !rows[0].Has(name) {
			return noValueOf("value-name")
		}
		q.done("=ret=" + rows[0].Get(name))
		return nil
	}
	var all []string // as the console prints an array with names
	for name, value := range rows[0].All() {
		all = append(all, name+"="+value)
	}
	q.done("=ret=" + strings.Join(all, ";"))
	return nil
}
