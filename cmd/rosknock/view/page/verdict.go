package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// verdict counts routers for the one sentence at the top of the page.
type verdict struct {
	total  int
	n      map[string]int
	unread int // of those that failed
	steps  int
}

func (v *verdict) add(f facts) {
	if v.n == nil {
		v.n = map[string]int{}
	}
	v.total++
	v.n[f.Outcome]++
	v.steps += f.Steps
	if f.Outcome == "failed" && f.Version == "" && !f.Tried {
		v.unread++
	}
}

// answer says what became of the routers, or would, the worst that there is in its mood: an outcome.
func (v verdict) answer(would bool) Answer {
	if v.total == 0 {
		return Answer{"No router was looked at.", "skipped"}
	}
	var worst string
	for name := range v.n {
		if worst == "" || rank(name) < rank(worst) {
			worst = name
		}
	}
	parts := []string{v.first(would)}
	add := func(n int, one, many string) {
		switch {
		case n == 1 && v.total == 1:
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	if v.n["changed"] > 0 {
		add(v.n["unchanged"], "needs no change", "need no change")
	}
	add(v.n["refused"], "is refused", "are refused")
	add(v.n["reverted"], "was rolled back", "were rolled back")
	add(v.unread, "could not be read", "could not be read")
	add(v.n["failed"]-v.unread, "failed", "failed")
	add(v.n["unknown"], "is in a state that is not known", "are in a state that is not known")
	add(v.n["skipped"], "was not begun", "were not begun")
	return Answer{strings.Join(parts, "; ") + ".", worst}
}

// first says how many routers change; of one router, whatever became of it.
func (v verdict) first(would bool) string {
	if v.total == 1 {
		return v.alone(would)
	}
	n := v.n["changed"]
	switch {
	case v.n["unchanged"] == v.total:
		return fmt.Sprintf("All %d routers need no change", v.total)
	case n == v.total && would:
		return fmt.Sprintf("All %d routers would change", n)
	case n == v.total:
		return fmt.Sprintf("All %d routers were changed", n)
	case n == 0 && v.n["unchanged"] > 0:
		return fmt.Sprintf("%d of %d routers need no change", v.n["unchanged"], v.total)
	case n == 0 && would:
		return fmt.Sprintf("None of %d routers would change", v.total)
	case n == 0:
		return fmt.Sprintf("None of %d routers was changed", v.total)
	case would:
		return fmt.Sprintf("%d of %d routers would change", n, v.total)
	case n == 1:
		return fmt.Sprintf("1 of %d routers was changed", v.total)
	}
	return fmt.Sprintf("%d of %d routers were changed", n, v.total)
}

func (v verdict) alone(would bool) string {
	switch {
	case v.n["changed"] == 1 && would:
		return "The router would change, in " + number(v.steps, "step")
	case v.n["changed"] == 1:
		return "The router was changed, in " + number(v.steps, "step")
	case v.n["unchanged"] == 1:
		return "The router needs no change"
	case v.n["refused"] == 1:
		return "The change is refused"
	case v.n["reverted"] == 1:
		return "The change failed and was rolled back"
	case v.unread == 1:
		return "The router could not be read"
	case v.n["failed"] == 1:
		return "The change failed"
	case v.n["skipped"] == 1:
		return "Nothing was begun"
	}
	return "The router is in a state that is not known"
}

// meaning is what a change means for some routers: who reaches what before and after.
type meaning struct {
	Count, Routers string
	Rows           []Reach
	names          []string
}

// meanings gather what differs by the routers on which it does.
type meanings struct {
	order []Reach
	on    map[Reach][]string
}

// means is what differs on a router on which the change is made, or may have been.
func means(r Router) []Reach {
	if r.Outcome == "refused" || r.Outcome == "skipped" {
		return nil
	}
	return r.Means
}

func (m *meanings) add(f facts) {
	if m.on == nil {
		m.on = map[Reach][]string{}
	}
	for _, row := range f.Means {
		if m.on[row] == nil {
			m.order = append(m.order, row)
		}
		m.on[row] = append(m.on[row], cmp.Or(f.Name, f.Address))
	}
}

// ordered puts together what differs on the same routers, that of most routers first.
func (m *meanings) ordered() []meaning {
	var out []*meaning
	at := map[string]*meaning{}
	for _, row := range m.order {
		names := m.on[row]
		key := strings.Join(names, "\x00")
		if at[key] == nil {
			at[key] = &meaning{names: names, Count: "On " + number(len(names), "router"), Routers: Runs(names, 0)}
			out = append(out, at[key])
		}
		at[key].Rows = append(at[key].Rows, row)
	}
	slices.SortStableFunc(out, func(a, b *meaning) int { return cmp.Compare(len(b.names), len(a.names)) })
	all := make([]meaning, len(out))
	for i, one := range out {
		all[i] = *one
	}
	return all
}
