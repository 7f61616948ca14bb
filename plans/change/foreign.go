package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
)

// Foreign compares everything on two snapshots of one router that is not the plan's: static rules
// in content and order, static list entries. It returns a sentence for each difference, none when
// all is as it was. Ids count: a rule that was removed and added again is not the same rule. A rule
// that one of the steps hands over, by its mark and nothing else, may be as it was or as that step
// makes it.
func Foreign(before, after routeros.Snapshot, plan string, steps ...Step) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			handed := handedOver(before.Rules[menu], menu, plan, steps)
			was, is := foreignRules(before.Rules[menu], plan, handed), foreignRules(after.Rules[menu], plan, handed)
			if d := compareRows(menu, was, is); d != "" {
				out = append(out, d)
			}
		}
		if d := compareEntries(before, after, f, plan); d != "" {
			out = append(out, d)
		}
	}
	return out
}

// row is what is compared; only one that differs is named.
type row struct {
	id    string
	attrs routeros.Attributes
	name  func() string
}

func (r row) same(o row) bool { return r.id == o.id && r.attrs.Equal(o.attrs) }

func foreignRules(rows []routeros.Rule, plan string, handed map[string]handing) []row {
	out := make([]row, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		h, passed := handed[r.ID]
		if _, ours := Owned(*r, plan); r.Dynamic || ours && !passed {
			continue
		}
		attrs := r.Attrs
		if passed && attrs.Equal(h.is) {
			attrs = h.was
		}
		out = append(out, row{r.ID, attrs, r.Describe})
	}
	return out
}

// handing is a row that changes hands: what it is before and after.
type handing struct{ was, is routeros.Attributes }

// handedOver lists by their ids the rows of a menu that steps hand over: to the plan or by it.
func handedOver(rows []routeros.Rule, menu routeros.Menu, plan string, steps []Step) map[string]handing {
	var out map[string]handing
	for _, step := range steps {
		at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.ID == step.ID })
		if step.Menu != menu || at < 0 || !HandsOver(step, plan) {
			continue
		}
		if out == nil {
			out = map[string]handing{}
		}
		after := rehearseRule(slices.Clone(rows), step, 0)
		out[step.ID] = handing{rows[at].Attrs, after[at].Attrs}
	}
	return out
}

// HandsOver reports whether a step gives a rule the plan's mark or takes it away, and does nothing
// else: then the rule changes hands.
func HandsOver(step Step, plan string) bool {
	if step.Op != Set || !step.Menu.IsRuleTable() || len(step.Set) != 1 || !step.Set.Has("comment") {
		return false
	}
	return Marked(step.Was.Get("comment"), plan) != Marked(step.Set.Get("comment"), plan)
}

// Marked reports whether a comment carries the mark of a plan.
func Marked(comment, plan string) bool {
	mark, ok := routeros.FindMark(comment)
	return ok && mark.Plan == plan
}

// compareEntries compares the lists that both snapshots have read, and the number of the rest.
func compareEntries(before, after routeros.Snapshot, f routeros.Family, plan string) string {
	m := f.AddressList()
	if b, a := before.Entries[m], after.Entries[m]; len(a) > 0 && len(b) == len(a) && &a[0] == &b[0] && before.PartlyRead[m].Unread == after.PartlyRead[m].Unread {
		return "" // one table, as between two steps about something else
	}
	_, partly := after.PartlyRead[m]
	if _, was := before.PartlyRead[m]; !partly && !was {
		return compareRows(m, foreignEntries(before.Entries[m], plan, nil), foreignEntries(after.Entries[m], plan, nil))
	}
	both := func(list string) bool { return before.ReadsList(f, list) && after.ReadsList(f, list) }
	was, is := foreignEntries(before.Entries[m], plan, both), foreignEntries(after.Entries[m], plan, both)
	if d := compareRows(m, byList(was), byList(is)); d != "" {
		return d
	}
	ofOthers := func(s routeros.Snapshot) int {
		return s.PartlyRead[m].Unread + len(foreignEntries(s.Entries[m], plan, nil))
	}
	if a, b := ofOthers(before), ofOthers(after); a != b {
		return fmt.Sprintf("%s: there were %d entries that are not rosknock's, and there are %d now; those of lists that no rule on the way names were only counted", m, a, b)
	}
	return ""
}

// byList orders the rows of several lists: a menu that is read in parts has them in another order.
func byList(rows []row) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return strings.Compare(a.attrs.Get("list"), b.attrs.Get("list")) })
	return rows
}

// foreignEntries are the static entries that are not the plan's, of some lists or all. Their comments
// are compared where the menu was read whole.
func foreignEntries(rows []routeros.ListEntry, plan string, of func(list string) bool) []row {
	var out []row
	for i := range rows {
		e := rows[i]
		if mark, ours := e.Mark(); e.Dynamic || ours && mark.Plan == plan || of != nil && !of(e.List) {
			continue
		}
		if of != nil {
			e.Comment = ""
		}
		out = append(out, row{e.ID, e.Attributes(), func() string { return e.List + " " + e.Address }})
	}
	return out
}

func compareRows(menu routeros.Menu, was, is []row) string {
	for i := range max(len(was), len(is)) {
		switch {
		case i >= len(is):
			return fmt.Sprintf("%s: %s, which is not rosknock's, is gone", menu, was[i].name())
		case i >= len(was):
			return fmt.Sprintf("%s: %s, which is not rosknock's, is new", menu, is[i].name())
		case !was[i].same(is[i]):
			return fmt.Sprintf("%s: where %s stood there is now %s, and neither is rosknock's", menu, was[i].name(), is[i].name())
		}
	}
	return ""
}
