package undo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/script"
)

// Script returns the undo as a script for the router. It undoes the part of the change set that has
// been done when it runs, and then removes the scheduler entries of the given names, including its
// own. A row that exists from beginning to end is named by its id; a row that comes or goes by its
// chain and comment, which a change set keeps unique. A script can't see how often a row was moved.
// So if a change set that moves rows was interrupted in the middle, not all states during the
// script are ones that were proved.
//
// The language is the part that routeros/script knows, and the simulated router runs; paths are
// written with blanks: RouterOS 6 requires them and 7 accepts them. The error, if any, is a
// *[diff.MisfitError].
func Script(before routeros.Snapshot, done change.ChangeSet, plan string, entries []string) (string, error) {
	w, err := newWriter(before, done)
	if err != nil {
		return "", err
	}
	text := w.write(plan, entries)
	if len(text) > longScript {
		w.b.Reset()
		w.brief = true
		text = w.write(plan, entries)
	}
	return text, nil
}

// longScript is the number of steps from which on a script may be too long for a router. A long
// script logs less about each failed step, and leaves out rows that no packet meets.
const longScript = 50_000

func (w *writer) write(plan string, entries []string) string {
	w.line(`:log warning %s`, script.Quoted("rosknock: the change for the plan "+plan+" was not confirmed in time and is rolled back"))
	failed := func(i int) string {
		return fmt.Sprintf("rosknock: step %d of the plan %s could not be rolled back", i+1, plan)
	}
	if w.brief {
		failed = func(i int) string { return fmt.Sprintf("rosknock: step %d stays", i+1) }
	}
	for i, step := range slices.Backward(w.done.Steps) {
		if chain := step.Set.Get("chain"); step.Op == change.Add && w.fresh(step.Menu, chain) {
			if !w.anyAfter(i, step.Menu, chain) {
				w.line(`:do {%s remove [find chain=%s]} on-error={:log error %s}`, script.Path(step.Menu), script.Quoted(chain), script.Quoted(fmt.Sprintf("rosknock: the chain %s could not be removed", chain)))
			}
			continue
		}
		if w.brief && w.unmet(step) {
			continue
		}
		for _, command := range w.undo(w.states[i], step) {
			w.line(`:do {%s} on-error={:log error %s}`, command, script.Quoted(failed(i)))
		}
	}
	for _, command := range w.order(plan) {
		w.line(":do {%s} on-error={}", command)
	}
	for _, command := range w.untag() {
		w.line("%s", command)
	}
	for _, name := range entries {
		w.line(`/system scheduler remove [find name=%s]`, script.Quoted(name))
	}
	w.line(`:log warning %s`, script.Quoted("rosknock: the change for the plan "+plan+" is rolled back"))
	return w.b.String()
}

// unmet reports whether a step removes a row of a chain of ours that no packet ever reaches: for
// packets the row makes no difference.
func (w *writer) unmet(step change.Step) bool {
	if step.Op != change.Remove || !step.Menu.IsRuleTable() || !strings.HasPrefix(step.Was.Get("chain"), "rosknock-") {
		return false
	}
	if w.met[step.Menu] == nil {
		w.met[step.Menu] = met(w.states, step.Menu)
	}
	return !w.met[step.Menu][step.Was.Get("chain")]
}

// met are the chains of a table that packets reach in one of some states, through rules that jump
// there from other such chains. Disabled jumps count too: somebody may enable them.
func met(states []routeros.Snapshot, menu routeros.Menu) map[string]bool {
	leads := map[string]map[string]bool{} // from chain to chain
	out := map[string]bool{}
	var todo []string
	for _, s := range states {
		for _, r := range s.Rules[menu] {
			chain, to := r.Chain(), r.Attrs.Get("jump-target")
			if !strings.HasPrefix(chain, "rosknock-") && !out[chain] { // the router's own, or somebody else's
				out[chain], todo = true, append(todo, chain)
			}
			if to != "" && leads[chain] == nil {
				leads[chain] = map[string]bool{}
			}
			if to != "" {
				leads[chain][to] = true
			}
		}
	}
	for len(todo) > 0 {
		chain := todo[0]
		todo = todo[1:]
		for to := range leads[chain] {
			if !out[to] {
				out[to], todo = true, append(todo, to)
			}
		}
	}
	return out
}

// fresh reports whether the change set creates a chain: there was none of that name before, so it
// is removed as a whole. Such chains can have hundreds of rules.
func (w *writer) fresh(menu routeros.Menu, chain string) bool {
	return strings.HasPrefix(chain, "rosknock-") && menu.IsRuleTable() &&
		!slices.ContainsFunc(w.states[0].Rules[menu], func(r routeros.Rule) bool { return r.Chain() == chain })
}

// anyAfter reports whether a later step adds to a chain: that step is rolled back first.
func (w *writer) anyAfter(i int, menu routeros.Menu, chain string) bool {
	return slices.ContainsFunc(w.done.Steps[i+1:], func(s change.Step) bool {
		return s.Op == change.Add && s.Menu == menu && s.Set.Get("chain") == chain
	})
}

type writer struct {
	b      strings.Builder
	brief  bool
	done   change.ChangeSet
	states []routeros.Snapshot
	own    map[routeros.Menu][][]routeros.Rule // the marked rules of each state
	met    map[routeros.Menu]map[string]bool   // chains into which packets come in some state
	// doubles are the rows that share their chain and their comment with another at some time.
	doubles map[routeros.Menu]map[string]bool
}

func newWriter(before routeros.Snapshot, done change.ChangeSet) (*writer, error) {
	states, err := change.States(before, done)
	if err != nil {
		return nil, err
	}
	w := &writer{done: done, states: states, own: map[routeros.Menu][][]routeros.Rule{}, met: map[routeros.Menu]map[string]bool{}, doubles: map[routeros.Menu]map[string]bool{}}
	for _, menu := range done.Menus() {
		for _, s := range w.states {
			w.own[menu] = append(w.own[menu], slices.DeleteFunc(slices.Clone(s.Rules[menu]), func(r routeros.Rule) bool {
				_, ours := r.Mark()
				return !ours
			}))
		}
	}
	return w, nil
}

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

// undo returns the commands that undo one step; was is the state before it.
func (w *writer) undo(was routeros.Snapshot, step change.Step) []string {
	menu := script.Path(step.Menu)
	switch step.Op {
	case change.Add:
		remove := fmt.Sprintf("%s remove [%s]", menu, Conditions(step.Menu, step.Set))
		for _, renamed := range w.renamed(was, step) {
			guarded := ""
			for _, name := range slices.Backward(renamed) {
				otherwise := ""
				if guarded != "" {
					otherwise = " else={" + guarded + "}"
				}
				guarded = fmt.Sprintf(":if ([:len [%s %s]] > 0) do={%s}%s", menu, name, remove, otherwise)
			}
			remove = guarded
		}
		return []string{remove}
	case change.Remove:
		return []string{w.addAgain(was, step)}
	case change.Move:
		return []string{w.moveBack(was, step)}
	}
	old, ok := change.FindRow(was, step.Menu, step.ID)
	if !ok {
		return nil
	}
	changed := old
	changed.Attrs = old.Attrs.Merge(change.Written(step))
	rows := w.refer(step.Menu, changed)
	var out []string
	values, comment := "", " comment="+routeros.Quote(old.Attrs.Get("comment"))
	for name := range change.Written(step).All() {
		value, had := old.Attrs.Lookup(name)
		switch {
		case name == "disabled":
			values += " disabled=" + script.YesNo(old.Attrs.Bool(name))
		case !had && step.Menu.IsRuleTable() && name != "comment":
			for _, row := range rows {
				out = append(out, fmt.Sprintf("%s unset %s value-name=%s", menu, row, name))
			}
		default:
			values += " " + script.Assign(name, value)
		}
	}
	for i, row := range rows {
		if i > 0 {
			values = strings.ReplaceAll(values, comment, "") // a row with a temporary comment keeps it until the end
		}
		if values != "" {
			out = append(out, fmt.Sprintf("%s set %s%s", menu, row, values))
		}
	}
	return w.ifReplaced(step, changed, out)
}

// ifReplaced guards commands for a row that the change set added in place of another. As long as
// the old row exists, the comment belongs to it, and the new row was never added.
func (w *writer) ifReplaced(step change.Step, r change.Row, commands []string) []string {
	if !strings.HasPrefix(step.ID, "+") || !step.Menu.IsRuleTable() {
		return commands
	}
	for _, old := range w.states[0].Rules[step.Menu] {
		if old.Dynamic || old.Chain() != r.Attrs.Get("chain") || old.Comment() != r.Attrs.Get("comment") {
			continue
		}
		for i, command := range commands {
			commands[i] = fmt.Sprintf(":do {%s get %s chain} on-error={%s}", script.Path(step.Menu), old.ID, command)
		}
	}
	return commands
}

// renamed finds the rows to which earlier steps gave another comment, so that the added row could
// have theirs. Until that is done for all of them, the comment names an old row, and nothing has
// been added.
func (w *writer) renamed(was routeros.Snapshot, step change.Step) [][]string {
	var out [][]string
	for i, earlier := range w.done.Steps {
		row, ok := change.FindRow(w.states[i], earlier.Menu, earlier.ID)
		named, comments := earlier.Set.Lookup("comment")
		if !ok || !comments || earlier.Op != change.Set || earlier.Menu != step.Menu || row.Attrs.Get("chain") != step.Set.Get("chain") || row.Attrs.Get("comment") != step.Set.Get("comment") {
			continue
		}
		if _, there := change.FindRow(was, earlier.Menu, earlier.ID); there {
			names := []string{Conditions(step.Menu, row.Attrs.With("comment", named))}
			if w.twice(step.Menu, row) {
				names = append(names, Conditions(step.Menu, row.Attrs.With("comment", tagged(row))))
			}
			out = append(out, names)
		}
	}
	return out
}

// refer names a row in a command, in the forms that have to be tried one after the other.
func (w *writer) refer(menu routeros.Menu, r change.Row) []string {
	switch {
	case w.stays(menu, r.ID):
		return []string{r.ID}
	case strings.HasPrefix(r.ID, "+"):
		// A row that the change set added itself; the console would not accept such an id.
	case w.twice(menu, r):
		return []string{r.ID, "[" + Conditions(menu, r.Attrs.With("comment", tagged(r))) + "]"}
	}
	return []string{"[" + Conditions(menu, r.Attrs) + "]"}
}

// stays reports whether a row exists from before the change set until after it, so that its id
// names it all the time.
func (w *writer) stays(menu routeros.Menu, id string) bool {
	return !strings.HasPrefix(id, "+") && !slices.ContainsFunc(w.done.Steps, func(s change.Step) bool {
		return s.Op == change.Remove && s.Menu == menu && s.ID == id
	})
}

// twice reports whether a row that comes or goes shares its chain and comment with another at some
// time: somebody has copied a rule of ours. It is restored with a temporary comment, and gets its
// old one at the end.
func (w *writer) twice(menu routeros.Menu, r change.Row) bool {
	if !menu.IsRuleTable() {
		return false
	}
	if w.doubles[menu] == nil {
		w.doubles[menu] = doubles(w.own[menu])
	}
	return w.doubles[menu][r.ID]
}

// doubles are the rows of a table that share their chain and their comment with another in one of
// some states.
func doubles(states [][]routeros.Rule) map[string]bool {
	type name struct{ chain, comment string }
	out := map[string]bool{}
	for _, rules := range states {
		seen := make(map[name]string, len(rules))
		for _, r := range rules {
			n := name{r.Chain(), r.Comment()}
			if other, again := seen[n]; again {
				out[other], out[r.ID] = true, true
			}
			seen[n] = r.ID
		}
	}
	return out
}

// tagged is the temporary comment of such a row.
func tagged(r change.Row) string {
	mark, _ := routeros.FindMark(r.Attrs.Get("comment"))
	return mark.Comment("(back " + strings.TrimPrefix(r.ID, "*") + ")")
}

// untag returns the commands that give such rows their original comments.
func (w *writer) untag() []string {
	var out []string
	for i, step := range w.done.Steps {
		r, ok := change.FindRow(w.states[i], step.Menu, step.ID)
		if step.Op != change.Remove || !ok || !w.twice(step.Menu, r) {
			continue
		}
		first, _ := change.FindRow(w.states[0], step.Menu, step.ID)
		out = append(out, fmt.Sprintf("%s set [%s] comment=%s", script.Path(step.Menu), Conditions(step.Menu, r.Attrs.With("comment", tagged(r))), routeros.Quote(first.Attrs.Get("comment"))))
	}
	return out
}

// Conditions is the find that matches a row.
func Conditions(menu routeros.Menu, a routeros.Attributes) string {
	if menu.IsRuleTable() {
		return fmt.Sprintf("find chain=%s comment=%s", script.Quoted(a.Get("chain")), script.Quoted(a.Get("comment")))
	}
	return fmt.Sprintf("find list=%s address=%s comment=%s", script.Quoted(a.Get("list")), script.Quoted(printed(menu, a.Get("address"))), script.Quoted(a.Get("comment")))
}

// printed is an address as the router keeps it in a list: IPv6 hosts as prefixes (routeros-facts §
// 3).
func printed(menu routeros.Menu, address string) string {
	r, err := routeros.ParseAddressRange(address)
	switch {
	case err != nil:
		return address
	case menu.Family() == routeros.IPv6 && r.First == r.Last:
		return r.First.String() + "/128"
	}
	return r.String()
}

// addAgain restores a removed row, unless it exists: with its old id if it was never removed, or
// restored by a run of this script that a reboot interrupted.
func (w *writer) addAgain(was routeros.Snapshot, step change.Step) string {
	menu := script.Path(step.Menu)
	old, _ := change.FindRow(was, step.Menu, step.ID)
	double := w.twice(step.Menu, old)
	back := old.Attrs
	if double {
		back = back.With("comment", tagged(old))
	}
	words := []string{menu, "add"}
	for _, a := range first(back, "chain", "action") {
		words = append(words, script.Assign(a.Name, a.Value))
	}
	plain := strings.Join(words, " ")
	add := plain
	for _, anchor := range slices.Backward(w.anchors(was, step)) {
		add = fmt.Sprintf(":do {%s get %s chain; %s place-before=%s} on-error={%s}", menu, anchor, plain, anchor, add)
	}
	live := ""
	if change.Prepared(was, change.Step{Op: change.Add, Menu: step.Menu, Set: back}) != nil { // an interrupted undo may have left it disabled
		live = fmt.Sprintf(" else={%s set [%s] disabled=no}", menu, Conditions(step.Menu, back))
	}
	add = fmt.Sprintf(":if ([:len [%s %s]] = 0) do={%s}%s", menu, Conditions(step.Menu, back), add, live)
	if strings.HasPrefix(step.ID, "+") {
		return add // its id could not be known beforehand
	}
	name := "chain"
	if !step.Menu.IsRuleTable() {
		name = "list"
	}
	return fmt.Sprintf(":do {%s get %s %s} on-error={%s}", menu, step.ID, name, add)
}

// first lists attributes with some of them in front.
func first(a routeros.Attributes, names ...string) []routeros.Attribute {
	return append(slices.Clone(a.Only(names...)), a.Without(names...)...)
}

// mostAnchors is how many anchors a script tries for one row: some may be removed while it waits.
const mostAnchors = 3

// anchors are the next rows of the chain after a row of a state, as commands name them.
func (w *writer) anchors(was routeros.Snapshot, step change.Step) []string {
	rows := was.Rules[step.Menu]
	at := slices.IndexFunc(rows, func(r routeros.Rule) bool { return r.ID == step.ID })
	var out []string
	for _, next := range rows[at+1:] {
		if next.Chain() == rows[at].Chain() && !next.Dynamic && len(out) < mostAnchors {
			out = append(out, w.refer(step.Menu, change.Row{ID: next.ID, Attrs: next.Attrs})...)
		}
	}
	return out
}

// moveBack puts a row before the next existing one of its chain. The router treats a vanished
// anchor as the end of the table (routeros-facts § 2.4), so each is looked up first.
func (w *writer) moveBack(was routeros.Snapshot, step change.Step) string {
	menu := script.Path(step.Menu)
	old, _ := change.FindRow(was, step.Menu, step.ID)
	row := w.refer(step.Menu, old)[0] // a row that moves stays, or goes later and was there until then
	return w.moveTo(menu, row, w.anchors(was, step))
}

// moveTo moves a row before the first anchor that exists, otherwise to the end.
func (w *writer) moveTo(menu, row string, anchors []string) string {
	move := fmt.Sprintf("%s move %s", menu, row)
	for _, anchor := range slices.Backward(anchors) {
		move = fmt.Sprintf(":do {%s get %s chain; %s move %s destination=%s} on-error={%s}", menu, anchor, menu, row, anchor, move)
	}
	return move
}

// order returns the commands that restore the old order of the plan's rows in a chain, the last
// first. A script can't know whether a row has been moved yet. So if the change set moves rows, and
// only then, it restores the order at the end.
func (w *writer) order(plan string) []string {
	var out []string
	before := w.states[0]
	var settled []string
	for i, step := range w.done.Steps {
		moved, _ := change.FindRow(w.states[i], step.Menu, step.ID)
		chain := moved.Attrs.Get("chain")
		if step.Op != change.Move || slices.Contains(settled, key(step.Menu, chain)) {
			continue
		}
		settled = append(settled, key(step.Menu, chain))
		for _, r := range slices.Backward(before.Rules[step.Menu]) {
			mark, ours := r.Mark()
			if !ours || r.Dynamic || mark.Plan != plan || r.Chain() != chain {
				continue
			}
			at := change.Step{Menu: step.Menu, ID: r.ID}
			for _, ref := range w.refer(step.Menu, change.Row{ID: r.ID, Attrs: r.Attrs}) {
				out = append(out, w.moveTo(script.Path(step.Menu), ref, w.anchors(before, at)))
			}
		}
	}
	return out
}
