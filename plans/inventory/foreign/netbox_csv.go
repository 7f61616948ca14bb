package foreign

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

var errNoDevices = errors.New("it is not a device table of NetBox: that has at least the columns Name, Status and IP Address")

// readNetBoxCSV reads an export of NetBox's device list: that of the table as it is shown, whose
// header has labels such as "IP Address", and that of all data, in older versions with names such
// as primary_ip4.
func readNetBoxCSV(c *collector, data []byte) error {
	t, err := readTable(c, data)
	if err != nil {
		return err
	}
	cols := netBoxColumns(t)
	if cols.name < 0 || cols.status < 0 || len(cols.addresses) == 0 {
		return errNoDevices
	}
	for i, row := range t.rows {
		d := device{place: row.place, name: row.cell(cols.name), status: row.cell(cols.status), manufacturer: row.cell(cols.manufacturer),
			platform: row.cell(cols.platform), site: row.cell(cols.site), role: row.cell(cols.role), tags: items(row.cell(cols.tags)),
			vars: map[string]string{}}
		for _, column := range cols.addresses {
			if d.address == "" {
				d.address = row.cell(column)
			}
		}
		for _, column := range cols.notes {
			if d.note == "" {
				d.note = row.cell(column)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(cols.vars)) {
			c.variable(d.vars, row.place, "", name, row.cell(cols.vars[name]))
		}
		if err := c.device(d, i+1); err != nil {
			return err
		}
	}
	return nil
}

// netBoxTable is where the columns stand.
type netBoxTable struct {
	name, status, manufacturer, platform, site, role, tags int
	addresses, notes                                       []int
	vars                                                   map[string]int
}

func netBoxColumns(t *table) netBoxTable {
	used := map[int]bool{}
	find := func(names ...string) int { return t.column(used, names) }
	cols := netBoxTable{
		name: find("name"), status: find("status"), manufacturer: find("manufacturer"), platform: find("platform"),
		site: find("site"), role: find("role", "device role"), tags: find("tags"), vars: map[string]int{},
	}
	for _, name := range []string{"ip address", "primary ip", "primary ip4", "ipv4 address", "primary ip6", "ipv6 address"} {
		if i := find(name); i >= 0 {
			cols.addresses = append(cols.addresses, i)
		}
	}
	for _, name := range []string{"description", "comments"} {
		if i := find(name); i >= 0 {
			cols.notes = append(cols.notes, i)
		}
	}
	for key, names := range netBoxVars() {
		if i := find(names...); i >= 0 {
			cols.vars[key] = i
		}
	}
	if cols.platform >= 0 {
		cols.vars["platform"] = cols.platform
	}
	for i, name := range t.header {
		switch {
		case isSecretName(name):
			t.c.secret(t.c.at(1), of("column", strings.ReplaceAll(name, " ", "_")))
		case !used[i] && name != "":
			t.c.skip(t.c.at(1), of("column", strings.ReplaceAll(name, " ", "_")), "a column that has no meaning for a router here")
		}
	}
	return cols
}

// netBoxVars are the other columns that are kept.
func netBoxVars() map[string][]string {
	return map[string][]string{
		"location": {"location"}, "rack": {"rack"}, "tenant": {"tenant"}, "region": {"region"}, "serial": {"serial number", "serial"},
		"model": {"type", "device type"},
	}
}
