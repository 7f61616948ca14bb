package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/routeros"
	"github.com/rosknock/rosknock/routeros/firewall"
)

// The order of a change set. What packets can't meet is separated from what they can, so that a
// change that is rolled back, or that the router itself rolls back, never has to bring rows back:
//
//   - first go rows that an earlier run has left in chains into which no packet comes;
//   - then the change proper, under protection: rows that are disabled or in chains into which no
//     packet comes are added, what packets meet is switched to them;
//   - then, under a protection of its own, what closes ways that are open until then;
//   - last go the rows into which no packet comes any more.
//
// [PartsOf] finds these parts again in a change set.

// added is the id that a row has in states once step i has added it.
func added(i int) string { return fmt.Sprintf("+%d", i) }

// Part is a run of steps of a change set, those from From up to but without To, that are carried
// out together. Where packets meet what they do, they go under a protection of their own, which is
// given up when they stand and are confirmed. The others only remove rows that no packet meets.
type Part struct {
	From, To int
	Met      bool
}

// PartsOf finds the parts of a change set, in their order. The error, if any, is a *[MisfitError].
//
// At any moment a protection may roll everything back that was done under it: somebody else unrolls
// safe mode, or the dead-man runs early. The step that is on its way then still arrives, at a
// router that is as it was at the beginning of the part. The router refuses a step that names a row
// of the same part. One that names an older row and closes something, or shuts somebody out, would
// stand there without what makes it harmless: an accept rule would go while the old gate is back.
// So what such a step counts on is in a part before it.
func PartsOf(before routeros.Snapshot, c ChangeSet) ([]Part, error) {
	states, err := States(before, c)
	if err != nil {
		return nil, err
	}
	change, sweep := 0, len(c.Steps)
	for change < len(c.Steps) && idleRemoval(states[change], c.Steps[change]) {
		change++
	}
	for sweep > change && idleRemoval(states[sweep-1], c.Steps[sweep-1]) {
		sweep--
	}
	var out []Part
	if change > 0 {
		out = append(out, Part{From: 0, To: change})
	}
	out = append(out, protected(states, c.Steps, change, sweep)...)
	if sweep < len(c.Steps) {
		out = append(out, Part{From: sweep, To: len(c.Steps)})
	}
	return out, nil
}

// Halve divides a part that packets meet in two, or more where steps of the second half count on
// some of it. The error, if any, is a *[MisfitError].
func Halve(before routeros.Snapshot, c ChangeSet, p Part) ([]Part, error) {
	states, err := States(before, c)
	if err != nil {
		return nil, err
	}
	half := (p.From + p.To) / 2
	return append(protected(states, c.Steps, p.From, half), protected(states, c.Steps, half, p.To)...), nil
}

// protected divides steps that packets meet into parts, so that none that closes or shuts stands
// with what it counts on.
func protected(states []routeros.Snapshot, steps []Step, from, to int) []Part {
	var out []Part
	seen := harmless
	for i := from; i < to; i++ {
		is := riskOf(states[from], states[i], steps[i])
		if counts := is == closing || is == shutting; counts && seen != harmless && seen != is {
			out = append(out, Part{from, i, true})
			from, seen = i, harmless
			is = riskOf(states[from], states[i], steps[i])
		}
		if is != harmless {
			seen = is
		}
	}
	if from < to {
		out = append(out, Part{from, to, true})
	}
	return out
}

// risk is what a step may do on a router that was rolled back.
type risk int

const (
	harmless risk = iota // no packet is let in or stopped by it
	refused              // the router refuses it, or it lets somebody in who is let in anyway, or by a gate that others count on
	closing              // it takes away what lets packets in
	shutting             // it stops packets by a row that was there before
)

// riskOf tells what a step may do: start is the state to which the router may be rolled back, and s
// the one in which the step is carried out.
func riskOf(start, s routeros.Snapshot, step Step) risk {
	if Unmet(s, step) {
		return harmless
	}
	row, old := FindRow(start, step.Menu, step.ID)
	switch {
	case step.Op == Add || !old || step.Menu == routeros.ServiceMenu:
		return refused
	case !step.Menu.IsRuleTable():
		if step.Op == Remove || step.Op == Disable {
			return closing
		}
		return refused
	case step.Menu != step.Menu.Family().Filter() && step.Menu != step.Menu.Family().Raw():
		return refused
	}
	was := routeros.Rule{Attrs: row.Attrs}
	is := routeros.Rule{Attrs: was.Attrs.Merge(Written(step))}
	switch {
	case Looks(was) && Looks(is):
		return harmless
	case step.Op == Set && wider(was, is):
		if Shuts(is) {
			return shutting
		}
	case step.Op == Remove || step.Op == Disable || step.Op == Set && !wider(is, was):
		if was.Action() == "accept" {
			return closing
		}
		if step.Op == Set && Shuts(is) {
			return shutting
		}
	case (step.Op == Set || step.Op == Move) && was.Action() == "accept":
		return closing // the router moves it to the end of the table when the row before which it belongs is gone
	case (step.Op == Enable || step.Op == Move) && Shuts(is):
		return shutting
	}
	return refused
}

// Looks reports whether a rule passes every packet on that it matches.
func Looks(r routeros.Rule) bool {
	switch r.Action() {
	case "add-src-to-address-list", "add-dst-to-address-list", "log", "passthrough":
		return true
	}
	return false
}

// wider reports whether a rule is known to match all that it matched before: its ports are at least
// those, and nothing else is different.
func wider(was, is routeros.Rule) bool {
	if !was.Attrs.Without("dst-port", "comment").Equal(is.Attrs.Without("dst-port", "comment")) {
		return false
	}
	few, asked := firewall.Compile(&was).Ports()
	many, asks := firewall.Compile(&is).Ports()
	if !asked || !asks {
		return false
	}
	return !slices.ContainsFunc(few, func(r routeros.PortRange) bool {
		return !slices.ContainsFunc(many, func(o routeros.PortRange) bool { return o.First <= r.First && r.Last <= o.Last })
	})
}

// Arrange puts the steps of a change set into their parts. Within a part they keep their order. The
// error, if any, is a *[MisfitError].
func Arrange(before routeros.Snapshot, steps []Step) ([]Step, error) {
	steps = Number(steps)
	states, err := States(before, ChangeSet{Steps: steps})
	if err != nil {
		return nil, err
	}
	end := states[len(steps)]
	var first, middle, last, sweep []int
	for i, step := range steps {
		switch {
		case away(end, step) || step.Op == Remove && disabledRule(states[i], step) && !disabledRule(before, step):
			sweep = append(sweep, i)
		case away(before, step):
			first = append(first, i)
		case (step.Op == Remove || step.Op == Disable) && riskOf(before, states[i], step) == closing,
			len(last) > 0 && step.Menu == routeros.ServiceMenu: // it may be open to those only who don't get in any more then
			last = append(last, i)
		default:
			middle = append(middle, i)
		}
	}
	return permuted(steps, slices.Concat(first, middle, last, sweep)), nil
}

// permuted returns steps in another order; order lists their present places. Names of rows that
// steps add go with them.
func permuted(steps []Step, order []int) []Step {
	ids := make(map[string]string, len(steps))
	for to, from := range order {
		ids[added(from)] = added(to)
	}
	out := make([]Step, len(steps))
	for to, from := range order {
		out[to] = steps[from].renamed(ids)
	}
	return out
}

// Number gives the rows that steps add their names for good. Until then an Add bears a name of its
// own as its ID.
func Number(steps []Step) []Step {
	ids := map[string]string{}
	for i, step := range steps {
		if step.Op == Add && step.ID != "" {
			ids[step.ID] = added(i)
		}
	}
	out := make([]Step, len(steps))
	for i, step := range steps {
		out[i] = step.renamed(ids)
		if step.Op == Add {
			out[i].ID = ""
		}
	}
	return out
}

// renamed is a step that names rows by other ids.
func (s Step) renamed(ids map[string]string) Step {
	for _, id := range []*string{&s.ID, &s.Before} {
		if to, ok := ids[*id]; ok {
			*id = to
		}
	}
	return s
}

// Unmet reports whether no packet fares differently for a step, in a state and as long as only such
// steps follow.
func Unmet(s routeros.Snapshot, step Step) bool {
	switch {
	case step.Menu.IsRuleTable():
		switch step.Op {
		case Add:
			return step.Set.Bool("disabled") || !Reached(s.Rules[step.Menu])[step.Set.Get("chain")]
		case Set:
			return len(step.Set) == 1 && step.Set.Has("comment")
		}
		return idleRemoval(s, step)
	case step.Menu == routeros.AddressList || step.Menu == routeros.AddressList6:
		return step.Op == Add && !asked(s, step.Set.Get("list")) || idleRemoval(s, step)
	}
	return false
}

// idleRemoval reports whether a step removes a row that no packet meets in a state.
func idleRemoval(s routeros.Snapshot, step Step) bool {
	return away(s, step) || step.Op == Remove && disabledRule(s, step)
}

// away reports whether a step removes a row of a chain into which no packet comes in a state, or of
// a list that is not asked for.
func away(s routeros.Snapshot, step Step) bool {
	switch {
	case step.Op != Remove:
		return false
	case step.Menu.IsRuleTable():
		return !Reached(s.Rules[step.Menu])[step.Was.Get("chain")]
	case step.Menu == routeros.AddressList || step.Menu == routeros.AddressList6:
		return !asked(s, step.Was.Get("list"))
	}
	return false
}

func disabledRule(s routeros.Snapshot, step Step) bool {
	return step.Menu.IsRuleTable() && slices.ContainsFunc(s.Rules[step.Menu], func(r routeros.Rule) bool { return r.ID == step.ID && r.Disabled() })
}

// ownChain begins the name of every chain that plans make.
const ownChain = "rosknock-"

// Reached returns the chains of a table into which packets can come: those of the router and of
// others, and of ours those to which an enabled jump leads from there.
func Reached(rows []routeros.Rule) map[string]bool {
	out, leads := map[string]bool{}, map[string][]string{}
	var todo []string
	come := func(chain string) {
		if !out[chain] {
			out[chain], todo = true, append(todo, chain)
		}
	}
	for _, chain := range []string{"input", "forward", "output", "prerouting", "postrouting", "srcnat", "dstnat"} {
		come(chain)
	}
	for i := range rows {
		chain := rows[i].Chain()
		if !strings.HasPrefix(chain, ownChain) {
			come(chain)
		}
		if target := rows[i].Attrs.Get("jump-target"); target != "" && !rows[i].Disabled() {
			leads[chain] = append(leads[chain], target)
		}
	}
	for len(todo) > 0 {
		chain := todo[0]
		todo = todo[1:]
		for _, to := range leads[chain] {
			come(to)
		}
	}
	return out
}

// asked reports whether a rule that packets meet names an address list in a matcher, in whichever
// family: those of rules that fill it don't count.
func asked(s routeros.Snapshot, list string) bool {
	for _, rows := range s.Rules {
		var reached map[string]bool
		for i := range rows {
			if !names(rows[i], list) || rows[i].Disabled() {
				continue
			}
			if reached == nil {
				reached = Reached(rows)
			}
			if reached[rows[i].Chain()] {
				return true
			}
		}
	}
	return false
}

func names(r routeros.Rule, list string) bool {
	return slices.ContainsFunc([]string{"src-address-list", "dst-address-list"}, func(matcher string) bool {
		c, asks := firewall.ConditionOf(&r, matcher)
		return asks && c.Value == list
	})
}

// Prepared returns the step by which a rule goes live that is first added disabled: one that stops
// packets or leads them elsewhere, where packets come. It is nil for what may be added as it is.
func Prepared(s routeros.Snapshot, step Step) *Step {
	r := routeros.Rule{Attrs: step.Set}
	if step.Op != Add || !step.Menu.IsRuleTable() || r.Disabled() || !Shuts(r) && r.Action() != "jump" || !Reached(s.Rules[step.Menu])[r.Chain()] {
		return nil
	}
	return &Step{
		Op: Enable, Menu: step.Menu, Slot: step.Slot, Why: step.Why,
		Set: routeros.MakeAttributes("disabled", "false"), Was: routeros.MakeAttributes("disabled", "true"),
	}
}

// Met returns what packets meet of a plan on a router, a line for each rule and list entry, in the
// router's order.
func Met(s routeros.Snapshot, plan string) []string {
	var out []string
	for _, f := range routeros.Families() {
		for _, menu := range []routeros.Menu{f.Filter(), f.NAT(), f.Raw()} {
			reached := Reached(s.Rules[menu])
			for _, r := range s.Rules[menu] {
				if _, ours := Owned(r, plan); ours && reached[r.Chain()] && !r.Disabled() {
					out = append(out, fmt.Sprintf("%s %s", menu, r.Canonical().Without("comment", "disabled")))
				}
			}
		}
		for _, e := range s.Entries[f.AddressList()] {
			if mark, ours := e.Mark(); ours && mark.Plan == plan && !e.Dynamic && !e.Disabled && asked(s, e.List) {
				out = append(out, fmt.Sprintf("%s %s %s", f.AddressList(), e.List, e.Address))
			}
		}
	}
	return out
}
