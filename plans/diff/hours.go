package diff

import (
	"slices"

	"github.com/rosknock/rosknock/plans/change"
	"github.com/rosknock/rosknock/routeros"
)

// heavy counts the steps but those of stages that are laid down ahead. When a window is over, its stages alone get the ports of another, row
// by row, where they stand: no packet counts for them at that time. Where the window is not over, since nobody laid down others for a
// day, a knocker in the middle of his knock has to begin anew, as after a switch to another chain. Between two such steps a window's knock
// is one that nobody knows, and no shorter.
func (e *editor) heavy() int {
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
