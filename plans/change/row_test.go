package change_test

import (
	"testing"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// TestRows: the rows of every kind of menu, and how one is found. Of services it is the static one.
func TestRows(t *testing.T) {
	s := three()
	for menu, want := range map[routeros.Menu]int{routeros.Filter: 3, routeros.NAT: 0, routeros.AddressList: 2, routeros.AddressList6: 0, routeros.ServiceMenu: 2} {
		if got := change.Rows(s, menu); len(got) != want {
			t.Errorf("%s: %d rows, want %d", menu, len(got), want)
		}
	}
	for _, test := range []struct {
		menu  routeros.Menu
		id    string
		there bool
		name  string // an attribute
		value string
	}{
		{routeros.Filter, "*2", true, "action", "drop"},
		{routeros.Filter, "*9", false, "", ""},
		{routeros.NAT, "*2", false, "", ""},
		{routeros.AddressList, "*2", true, "address", "192.0.2.2"},
		{routeros.AddressList6, "*2", false, "", ""},
		{routeros.ServiceMenu, "*7", true, "address", "10.0.0.0/8"},
	} {
		row, there := change.FindRow(s, test.menu, test.id)
		if there != test.there || row.Attrs.Get(test.name) != test.value {
			t.Errorf("%s %s: %+v, %v", test.menu, test.id, row, there)
		}
		if test.menu == routeros.ServiceMenu && (row.Dynamic || row.Attrs.Get("name") != "api") {
			t.Errorf("the service is %+v", row)
		}
	}
}

// TestReadRow: a row of a print, as each kind of menu has it.
func TestReadRow(t *testing.T) {
	printed := routeros.MakeAttributes(".id", "*5", "chain", "input", "dynamic", "true", "bytes", "7", "list", "l")
	rule := change.ReadRow(routeros.Filter, printed)
	if rule.ID != "*5" || !rule.Dynamic || rule.Attrs.Has("bytes") || rule.Attrs.Has(".id") {
		t.Errorf("%+v", rule)
	}
	if entry := change.ReadRow(routeros.AddressList, printed); entry.ID != "*5" || !entry.Dynamic || !entry.Attrs.Equal(printed) {
		t.Errorf("%+v", entry)
	}
}
