package diff

import (
	"fmt"

	"github.com/rosknock/rosknock/routeros"
)

// Foreign compares everything on two snapshots of one router that is not the plan's: static rules in
// content and order, static list entries. It returns a sentence for each difference, none when all is
// as it was. Ids count: a rule that was removed and added again is not the same rule.
func Foreign(before, after routeros.Snapshot, plan string) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			was, is := foreignRules(before.Rules[menu], plan), foreignRules(after.Rules[menu], plan)
			if d := compareRows(menu, was, is); d != "" {
				out = append(out, d)
			}
		}
		was, is := foreignEntries(before.Entries[f.AddressList()], plan), foreignEntries(after.Entries[f.AddressList()], plan)
		if d := compareRows(f.AddressList(), was, is); d != "" {
			out = append(out, d)
		}
	}
	return out
}

// row is what is compared, and how it is called.
type row struct{ key, name string }

func foreignRules(rows []routeros.Rule, plan string) []row {
	var out []row
	for _, r := range rows {
		if _, ours := owned(r, plan); !ours && !r.Dynamic {
			out = append(out, row{r.ID + " " + r.Attrs.String(), r.Describe()})
		}
	}
	return out
}

func foreignEntries(rows []routeros.ListEntry, plan string) []row {
	var out []row
	for _, e := range rows {
		if mark, ours := e.Mark(); !e.Dynamic && (!ours || mark.Plan != plan) {
			out = append(out, row{e.ID + " " + e.Attributes().String(), e.List + " " + e.Address})
		}
	}
	return out
}

func compareRows(menu routeros.Menu, was, is []row) string {
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(is):
			return fmt.Sprintf("%s: %s, which is not rosknock's, is gone", menu, was[i].name)
		case i >= len(was):
			return fmt.Sprintf("%s: %s, which is not rosknock's, is new", menu, is[i].name)
		case was[i].key != is[i].key:
			return fmt.Sprintf("%s: where %s stood there is now %s, and neither is rosknock's", menu, was[i].name, is[i].name)
		}
	}
	return ""
}
