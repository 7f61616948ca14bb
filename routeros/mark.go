package routeros

import (
	"regexp"
	"strings"
)

// Mark is our tag at the end of a comment: [rosknock branch/admin/stage-2]. It says which plan
// owns a row and which place in that plan's rule set the row fills. Marks carry names only,
// never ports or sequences: whoever may read the router may read its comments.
type Mark struct {
	Plan string // the plan's name
	Slot string // the place within the plan: admin/stage-2
}

// markPattern is strict on purpose: nothing of ours is ever found by likeness.
var markPattern = regexp.MustCompile(`(?:^| )\[rosknock ([a-z0-9-]{1,24})/([a-z0-9][a-z0-9/._-]*)\]$`)

// FindMark returns the mark at the end of a comment.
func FindMark(comment string) (Mark, bool) {
	if !strings.HasSuffix(comment, "]") {
		return Mark{}, false
	}
	m := markPattern.FindStringSubmatch(comment)
	if m == nil {
		return Mark{}, false
	}
	return Mark{Plan: m[1], Slot: m[2]}, true
}

// TellsKnock reports whether a rule with this slot, with or without its plan before it, holds a part of a knock in its matchers: a
// stage, the logging of the last one, a stage out of turn, a decoy, and the drop of any of them from forged sources.
func TellsKnock(slot string) bool {
	return strings.Contains(slot, "/stage-") || strings.HasSuffix(slot, "/log") || strings.Contains(slot, "/log-w") ||
		strings.Contains(slot, "/quarantine-") || strings.Contains(slot, "/decoy-") ||
		strings.HasPrefix(slot, "bogons/knock-") || strings.Contains(slot, "/bogons/knock-")
}

// String prints the mark as it stands in a comment.
func (m Mark) String() string { return "[rosknock " + m.Plan + "/" + m.Slot + "]" }

// Comment returns a comment of the text followed by the mark.
func (m Mark) Comment(text string) string {
	if text == "" {
		return m.String()
	}
	return text + " " + m.String()
}
