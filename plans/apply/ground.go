package apply

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/api"
)

// joining says for each step whether it may be sent in one batch with the step before it. Any part
// of a batch may take effect. Whatever part does, packets have to be treated as in one of the
// states that were proved. Steps that no packet meets may be sent together. A disabled service is
// reached by fewer sources, whatever the rules are meanwhile. So disabling one may be sent with any
// step before it that needs no ground, and no step that could depend on it is sent with it.
func joining(states []routeros.Snapshot, steps []change.Step) []bool {
	out := make([]bool, len(steps))
	grounds := grounded(states, steps)
	for i, step := range steps {
		unmet := func(n int) bool { return change.Unmet(states[n], steps[n]) }
		out[i] = i > 0 && (unmet(i-1) && unmet(i) || closes(step) && !grounds[i-1])
	}
	return out
}

// grounded says for each step whether an answer has to show, before it is sent, that all steps so
// far are there. That is so for all steps except those that no packet meets, those that pass every
// packet on, and services that are disabled.
func grounded(states []routeros.Snapshot, steps []change.Step) []bool {
	out := make([]bool, len(steps))
	for i, step := range steps {
		out[i] = !change.Unmet(states[i], step) && !looks(states[i], step) && !closes(step)
	}
	return out
}

func closes(step change.Step) bool {
	return step.Op == change.Disable && step.Menu == routeros.ServiceMenu
}

// looks reports whether a step only concerns a rule that passes every packet on.
func looks(s routeros.Snapshot, step change.Step) bool {
	if !step.Menu.IsRuleTable() || step.Op == change.Remove {
		return false
	}
	attrs := step.Set
	if step.Op != change.Add {
		row, _ := change.FindRow(s, step.Menu, step.ID)
		attrs = row.Attrs
	}
	return change.Looks(routeros.Rule{Attrs: attrs})
}

// ground is what is read before a step that depends on it: the protection, and our own rows.
type ground struct {
	plan     string
	state    routeros.Snapshot // the state that the steps so far lead to
	commands []routeros.Command
	menus    []routeros.Menu // of the commands behind those of the protection
}

// groundAt is the ground after some steps.
func (r *run) groundAt(n int) ground {
	g := ground{plan: r.options.Plan, state: r.states[n], commands: r.guard.prints()}
	for _, menu := range r.changes.Menus() {
		if menu == routeros.ServiceMenu {
			continue
		}
		where := named(slices.Concat(ownRows(r.states[0], menu, g.plan), ownRows(g.state, menu, g.plan)), menu)
		if len(where) == 0 {
			continue
		}
		g.menus = append(g.menus, menu)
		g.commands = append(g.commands, routeros.Print(menu).Where(where...))
	}
	return g
}

// named are the queries that find rows: those in chains of ours by the chain, others by their
// comments.
func named(rows []change.Row, menu routeros.Menu) []string {
	var out []string
	for _, row := range rows {
		query := "comment=" + row.Attrs.Get("comment")
		if chain := row.Attrs.Get("chain"); menu.IsRuleTable() && strings.HasPrefix(chain, "rosknock-") {
			query = "chain=" + chain
		}
		if !slices.Contains(out, query) {
			out = append(out, query)
		}
	}
	for range len(out) - 1 {
		out = append(out, "#|")
	}
	return out
}

// ownRows are the plan's rows of a menu in a state.
func ownRows(s routeros.Snapshot, menu routeros.Menu, plan string) []change.Row {
	return slices.DeleteFunc(change.Rows(s, menu), func(row change.Row) bool { return !owned(row, plan) })
}

func owned(row change.Row, plan string) bool {
	mark, ok := routeros.FindMark(row.Attrs.Get("comment"))
	return ok && !row.Dynamic && mark.Plan == plan
}

// onGround returns nil while the protection is in place and our rows are as expected after n steps.
func (r *run) onGround(n int, g ground, results []api.Result) error {
	guards := len(g.commands) - len(g.menus)
	if err := r.guard.standing(results[:guards], time.Now()); err != nil {
		return r.lostGround(n, err)
	}
	for i, menu := range g.menus {
		if err := g.same(menu, results[guards+i], r.ids); err != nil {
			return err
		}
	}
	return nil
}

// lostGround says at which step the protection or a row was missing.
func (r *run) lostGround(n int, err error) error {
	if _, gone := errors.AsType[*GoneError](err); !gone {
		return err
	}
	return fmt.Errorf("protection lost at step %d of %d: %w", r.part.From+n, len(r.all.Steps), err)
}

// same compares the plan's rows of a menu that were read with those that are expected, under the
// ids that the router gave them.
func (g ground) same(menu routeros.Menu, read api.Result, ids []string) error {
	if read.Err != nil {
		return fmt.Errorf("the plan's rows in %s could not be read: %w", menu, read.Err)
	}
	text := func(row change.Row) string {
		if menu.IsRuleTable() {
			return row.ID + " " + routeros.Rule{Attrs: row.Attrs}.Canonical().String()
		}
		e := routeros.ReadListEntry(row.Attrs)
		return fmt.Sprintf("%s %q %t %s", row.ID, e.Key(), e.Disabled, e.Comment)
	}
	var want, is []string
	for _, row := range ownRows(g.state, menu, g.plan) {
		var of int
		if _, err := fmt.Sscanf(row.ID, "+%d", &of); err == nil && of < len(ids) {
			row.ID = ids[of]
		}
		want = append(want, text(row))
	}
	for _, attrs := range read.Rows {
		if row := change.ReadRow(menu, attrs); owned(row, g.plan) {
			is = append(is, text(row))
		}
	}
	if !menu.IsRuleTable() {
		slices.Sort(want)
		slices.Sort(is)
	}
	if slices.Equal(want, is) {
		return nil
	}
	return &GoneError{What: fmt.Sprintf("the plan's rows in %s are not as the steps so far have left them: somebody else changed them, or rolled them back", menu)}
}
