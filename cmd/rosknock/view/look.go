package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans/operate"
)

// Look is what would become of one router, before anybody agreed.
type Look struct {
	Name  string
	Group string // of routers that need alike steps: the plan, and how many of which kind; "" for none
	Says  string // of the others, why there is nothing to do
}

// LookOf sums a router up.
func LookOf(r operate.Result) Look {
	out := Look{Name: r.Name}
	switch {
	case r.Err != nil:
		out.Says = fmt.Sprintf("%s: %v", r.Says(), r.Err)
	case r.Changes == nil || !r.Changes.Changed():
		out.Says = "nothing to do"
	default:
		out.Group = summary(*r.Changes)
		if r.Plan != "" {
			out.Group = "plan " + r.Plan + ": " + out.Group
		}
		if risks := r.Risks(); len(risks) > 0 {
			slices.Sort(risks)
			out.Group += "; accepted: " + strings.Join(slices.Compact(risks), ", ")
		}
	}
	return out
}

// mostNamed is how many routers of a group are named.
const mostNamed = 8

// Looks shows how many routers would change, which of them need other steps than most, and asks
// whether to go on.
func Looks(w io.Writer, looks []Look, s Style) {
	groups := map[string][]string{}
	changing := map[string]bool{}
	var order []string
	for _, l := range looks {
		key := l.Group
		if key == "" {
			key = l.Says
		} else {
			changing[l.Name] = true
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], l.Name)
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(groups[b]) - len(groups[a]) })
	for _, key := range order {
		names := groups[key]
		slices.Sort(names)
		more := ""
		if len(names) > mostNamed+1 {
			more = fmt.Sprintf(" and %d more", len(names)-mostNamed)
			names = names[:mostNamed]
		}
		Say(w, "%s: %s\n", Plural(len(groups[key]), "router"), key)
		Say(w, "%s\n", wrap(clean(strings.Join(names, ", ")+more), s.Width, 2))
	}
	Say(w, "--dry-run shows every step. carry this out on %s? ", Plural(len(changing), "router"))
}
