package diff

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/compile"
	"github.com/rosknock/rosknock/routeros"
)

// removalOf takes everything of a plan off a router: its rows in every menu, by their mark. What
// makes the router more open comes as late as it can. Services that move go first, while the plan
// still shuts their present port; then the rules, those that shut before those that let in, so that
// nobody who may pass is stopped meanwhile; last the services that open. A jump into a chain of the
// plan takes the whole chain away in one step.
func removalOf(s routeros.Snapshot, want compile.RuleSet, c change.ChangeSet) (change.ChangeSet, error) {
	var opening []change.Step
	for _, step := range serviceSteps(s, want, &c.Notes) {
		first, last := phases(s, step)
		c.Steps, opening = append(c.Steps, first...), append(opening, last...)
	}
	var letIn, rest, returned []change.Step
	for _, menu := range ruleTables(s) {
		e := &editor{rows: s.Rules[menu], claimed: map[string]bool{}}
		returned = append(returned, e.giveBack(menu, want)...)
		c.Notes = append(c.Notes, e.stranded(want.Plan)...)
		if menu == menu.Family().NAT() {
			// What is translated no more is not at its destination any more, whatever lets it pass there.
			letIn = append(letIn, e.translations(menu, want.Plan)...)
		}
		e.sweep(menu, want.Plan)
		rest = append(rest, e.all()...)
	}
	c.Steps = slices.Concat(c.Steps, letIn, rest, returned)
	lists := listsOf(s, want)
	entries, err := entrySteps(s, want)
	if err != nil {
		return change.ChangeSet{}, err
	}
	for _, step := range entries.removeOpen {
		if users := lists.foreign[List{step.Menu.Family(), step.Was.Get("list")}]; users == "" {
			c.Steps = append(c.Steps, step)
		}
	}
	c.Steps = append(c.Steps, opening...)
	for i := range c.Steps {
		if c.Steps[i].Op == change.Remove || c.Steps[i].Op == change.Disable && c.Steps[i].Menu.IsRuleTable() {
			c.Steps[i].Why = "the plan is removed"
		}
	}
	c.Notes = append(c.Notes, lists.notes(s, want.Plan)...)
	return arranged(s, c, c.Steps)
}

// ruleTables lists the rule tables of a router, the filters first.
func ruleTables(s routeros.Snapshot) []routeros.Menu {
	rank := func(m routeros.Menu) string {
		if m == m.Family().Filter() {
			return " " + string(m)
		}
		return string(m)
	}
	return slices.SortedFunc(maps.Keys(s.Rules), func(a, b routeros.Menu) int { return strings.Compare(rank(a), rank(b)) })
}

// phases splits the step of a service into what moves or closes it and what opens it: switching on,
// and answering more sources. A service that is to answer others than now goes over to them while
// the plan still shuts it.
func phases(s routeros.Snapshot, step change.Step) (first, last []change.Step) {
	at := slices.IndexFunc(s.Services, func(row routeros.Service) bool { return row.ID == step.ID })
	row := s.Services[at]
	step.Op, step.Why = change.Set, "as it was before the plan"
	early, late := step, step
	early.Set, late.Set, early.Was, late.Was = nil, nil, nil, nil
	for name, value := range step.Set.All() {
		opens := name == "disabled" && value == "false" || name == row.FromName && narrows(routeros.SplitPrefixes(value), row.From)
		to := &early
		if opens {
			to = &late
		}
		to.Set, to.Was = to.Set.With(name, value), to.Was.With(name, step.Was.Get(name))
	}
	for _, one := range []*change.Step{&early, &late} {
		if disabled, ok := one.Set.Lookup("disabled"); ok && len(one.Set) == 1 {
			one.Op = map[string]change.Op{"true": change.Disable, "false": change.Enable}[disabled]
		}
	}
	if len(early.Set) > 0 {
		first = append(first, early)
	}
	if len(late.Set) > 0 {
		last = append(last, late)
	}
	return first, last
}

// narrows reports whether a service that answers some prefixes answers no other sources by
// answering those of another list.
func narrows(from, to []string) bool {
	if len(to) == 0 {
		return len(from) == 0
	}
	return !slices.ContainsFunc(to, func(p string) bool {
		r, err := routeros.ParseAddressRange(p)
		return err != nil || !together(from, r)
	})
}

// together reports whether one prefix of a list covers a whole range; an empty list covers all.
func together(from []string, r routeros.AddressRange) bool {
	return len(from) == 0 || slices.ContainsFunc(from, func(p string) bool {
		o, err := routeros.ParseAddressRange(p)
		return err == nil && o.Contains(r.First) && o.Contains(r.Last)
	})
}

// giveBack files the steps that take the plan's mark off rows that were somebody's before.
func (e *editor) giveBack(menu routeros.Menu, want compile.RuleSet) []change.Step {
	var out []change.Step
	for _, back := range want.Returned {
		at := slices.IndexFunc(e.rows, func(r routeros.Rule) bool { return r.ID == back.ID })
		if back.Menu != menu || at < 0 {
			continue
		}
		mark, ours := change.Owned(e.rows[at], want.Plan)
		if !ours || change.Marked(back.Comment, want.Plan) {
			continue
		}
		e.claimed[back.ID] = true
		out = append(out, change.Step{
			Op: change.Set, Menu: menu, ID: back.ID, Slot: mark.Plan + "/" + mark.Slot, Why: "given back: it was there before the plan",
			Set: routeros.MakeAttributes("comment", back.Comment), Was: routeros.MakeAttributes("comment", e.rows[at].Comment()),
		})
	}
	return out
}

// stranded tells of other people's rules in chains to which only the plan leads: no packet comes to
// them any more.
func (e *editor) stranded(plan string) []string {
	var notes, seen []string
	for _, r := range e.rows {
		target := r.Attrs.Get("jump-target")
		if _, ours := change.Owned(r, plan); !ours || target == "" || slices.Contains(seen, target) {
			continue
		}
		seen = append(seen, target)
		if !slices.ContainsFunc(e.rows, func(o routeros.Rule) bool {
			_, ours := change.Owned(o, plan)
			return !ours && o.Attrs.Get("jump-target") == target
		}) {
			notes = append(notes, foreignNotes(e.rows, plan, target)...)
		}
	}
	return notes
}

// translations files the removal of the plan's rules that send packets elsewhere.
func (e *editor) translations(menu routeros.Menu, plan string) []change.Step {
	var out []change.Step
	for _, r := range e.rows {
		mark, ours := change.Owned(r, plan)
		if ours && !e.claimed[r.ID] && slices.Contains([]string{"dst-nat", "redirect", "netmap"}, r.Action()) {
			e.claimed[r.ID] = true
			out = append(out, removal(menu, r, mark, ""))
		}
	}
	return out
}

// List is an address list that rules of a plan fill.
type List struct {
	Family routeros.Family
	Name   string
}

// OwnLists returns the lists that a plan's rules fill, and those of networks, that nobody else's rule
// names, of those that were read: once the plan is removed, what is in them means nothing to anybody.
func OwnLists(s routeros.Snapshot, want compile.RuleSet) []List {
	lists := listsOf(s, want)
	var out []List
	for _, k := range lists.filled {
		if lists.foreign[k] == "" {
			out = append(out, k)
		}
	}
	return out
}

// listUse says which lists a plan's rules fill, or let in as lists of networks, in their order, and
// which lists other rules name, with one of these.
type listUse struct {
	filled  []List
	foreign map[List]string
}

func listsOf(s routeros.Snapshot, want compile.RuleSet) listUse {
	out := listUse{foreign: map[List]string{}}
	for _, menu := range ruleTables(s) {
		for _, r := range s.Rules[menu] {
			back := slices.ContainsFunc(want.Returned, func(b compile.Returned) bool { return b.Menu == menu && b.ID == r.ID })
			if _, ours := change.Owned(r, want.Plan); ours && !back {
				k := List{menu.Family(), compile.NetworksOf(r, want.Plan)}
				if strings.HasPrefix(r.Action(), "add-") {
					k.Name = r.Attrs.Get("address-list")
				}
				if k.Name != "" && !slices.Contains(out.filled, k) {
					out.filled = append(out.filled, k)
				}
				continue
			}
			for _, name := range []string{"src-address-list", "dst-address-list", "address-list"} {
				if list := strings.TrimPrefix(r.Attrs.Get(name), "!"); list != "" && !r.Dynamic {
					out.foreign[List{menu.Family(), list}] = r.Describe()
				}
			}
		}
	}
	return out
}

// notes say which lists stay as they are, and why.
func (l listUse) notes(s routeros.Snapshot, plan string) []string {
	var out []string
	for _, f := range routeros.Families() {
		byHand, inUse := map[string]int{}, map[string]int{}
		for _, e := range s.Entries[f.AddressList()] {
			k := List{f, e.List}
			mark, ours := e.Mark()
			mine := ours && mark.Plan == plan && !e.Dynamic
			switch {
			case l.foreign[k] != "" && (mine || slices.Contains(l.filled, k)):
				inUse[e.List]++
			case !mine && !e.Dynamic && slices.Contains(l.filled, k):
				byHand[e.List]++
			}
		}
		for _, list := range slices.Sorted(maps.Keys(inUse)) {
			out = append(out, fmt.Sprintf("the %s list %s keeps its entries (%d): the rule %s, which is not the plan's, uses it too", f, list, inUse[list], l.foreign[List{f, list}]))
		}
		for _, list := range slices.Sorted(maps.Keys(byHand)) {
			out = append(out, fmt.Sprintf("the %s list %s keeps its permanent entries (%d): they do not carry the plan's mark; no rule asks for that list any more", f, list, byHand[list]))
		}
	}
	return out
}
