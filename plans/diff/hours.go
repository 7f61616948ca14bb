package diff

import (
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// countsAsRebuild counts the steps that a rebuilt chain would spare. Steps of pre-provisioned
// stages do not count. When a window is over, its stages get the ports of a later one, rule by
// rule, where they stand: at that time no packet counts for them. Before the first window was
// pre-provisioned, somebody in the middle of a knock has to begin again, as after a switch to
// another chain. Between two such steps the window's knock is one that nobody knows, and no
// shorter.
func (e *editor) countsAsRebuild() int {
	n := 0
	for _, step := range e.met() {
		row := step.Set
		if at := slices.IndexFunc(e.rows, func(r routeros.Rule) bool { return r.ID == step.ID }); step.Op != change.Add && at >= 0 {
			row = e.rows[at].Attrs
		}
		if !row.Has("time") || row.Get("action") == "drop" {
			n++
		}
	}
	return n
}
