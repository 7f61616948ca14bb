package operate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/apply"
	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/plans/remove"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// sayLost notes on the change set that rows of the plan are gone from a router on which rosknock put
// them: another program or person removes them, and will do so again. Entries that rules fill are not
// among them; a reboot empties those.
func (a *attempt) sayLost() {
	c := a.out.Changes
	if c == nil || !a.familiar || !slices.ContainsFunc(c.Steps, func(s change.Step) bool { return s.Op == change.Add }) {
		return
	}
	last, ok := a.standsSince()
	if !ok {
		return
	}
	what := ""
	switch after, _, err := change.After(*a.out.Snapshot, *c); {
	case !remove.Installed(a.plan.Name, *a.out.Snapshot):
		what = "no row of this plan is left on the router"
	case err == nil && a.sameAs(last):
		what = lost(a.plan, *a.out.Snapshot, after)
	}
	if what != "" {
		c.Notes = append(c.Notes, fmt.Sprintf("%s: somebody else has removed them since the change %s (%s, %s), and may do so again: "+
			"a tool that removes what it does not know, such as Ansible with handle_absent_entries: remove, a restored backup, or a reset; let such a tool pass over rows whose comment holds \"[rosknock \"",
			what, last.Change, last.Command, last.Time.UTC().Format("2006-01-02 15:04 UTC")))
	}
}

// standsSince returns the record of the last change of the plan on the router; false where the journal
// does not say that the plan stands there.
func (a *attempt) standsSince() (state.Record, bool) {
	records, _ := a.records()
	all := state.Undoable(records, a.router.Key)
	at := slices.IndexFunc(all, func(r state.Record) bool { return r.Plan == a.plan.Name })
	if at < 0 || all[at].Event != state.End || all[at].Command == state.Removal || all[at].Outcome != string(apply.Changed) {
		return state.Record{}, false
	}
	return all[at], true
}

// sameAs reports whether the plan is the one of a record: then what is to be added was there.
func (a *attempt) sameAs(r state.Record) bool {
	if r.Fingerprint == "" {
		return false
	}
	dir, err := a.State()
	if err != nil {
		return false
	}
	known, err := dir.Fingerprint(plans.Write(a.plan))
	return err == nil && known == r.Fingerprint
}

// lost says which rows of a plan a router lacks, if it lacks all of a menu, or half of them; "" for
// fewer. Of a plan that rotates many come and go by themselves, so that half of them is no sign.
func lost(p plans.Plan, before, after routeros.Snapshot) string {
	is, want := marked(p.Name, before), marked(p.Name, after)
	var menus []string
	total, gone := 0, 0
	for _, m := range markedMenus() {
		n := 0
		for slot := range want[m] {
			if !is[m][slot] {
				n++
			}
		}
		if n > 0 && len(is[m]) == 0 {
			menus = append(menus, string(m))
		}
		total, gone = total+len(want[m]), gone+n
	}
	switch {
	case len(menus) > 0:
		return "all rows of this plan in " + strings.Join(menus, " and ") + " are gone"
	case 2*gone >= total && gone > 0 && !p.Rotates():
		return fmt.Sprintf("%d of the %d rows of this plan are gone", gone, total)
	}
	return ""
}

// markedMenus are the menus in which rows of a plan stand, in an order for people.
func markedMenus() []routeros.Menu {
	var out []routeros.Menu
	for _, f := range routeros.Families() {
		out = append(out, f.Filter(), f.NAT(), f.Raw(), f.AddressList())
	}
	return out
}

// marked returns the slots of a plan's rows in each menu.
func marked(plan string, s routeros.Snapshot) map[routeros.Menu]map[string]bool {
	out := map[routeros.Menu]map[string]bool{}
	note := func(m routeros.Menu, comment string, dynamic bool) {
		mark, ok := routeros.FindMark(comment)
		if !ok || dynamic || mark.Plan != plan {
			return
		}
		if out[m] == nil {
			out[m] = map[string]bool{}
		}
		out[m][mark.Slot] = true
	}
	for m, rows := range s.Rules {
		for _, r := range rows {
			note(m, r.Comment(), r.Dynamic)
		}
	}
	for m, rows := range s.Entries {
		for _, e := range rows {
			note(m, e.Comment, e.Dynamic)
		}
	}
	return out
}
