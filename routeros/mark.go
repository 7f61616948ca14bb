package routeros

import "strings"

// Mark is our tag at the end of a comment: [rosknock branch/admin/stage-2]. It says which plan
// owns a row and which place in that plan's rule set the row fills. Marks carry names only,
// never ports or sequences: everybody who may read the router may read its comments.
type Mark struct {
	Plan string // the plan's name
	Slot string // the place within the plan: admin/stage-2
}

// FindMark returns the mark at the end of a comment, alone or after a space. It is strict on
// purpose: no row counts as ours because it looks similar. It is not a regular expression, since it
// runs many times for every rule.
func FindMark(comment string) (Mark, bool) {
	inside, closed := strings.CutSuffix(comment, "]")
	at := strings.LastIndex(inside, markOpens)
	if !closed || at < 0 || at > 0 && inside[at-1] != ' ' {
		return Mark{}, false
	}
	plan, slot, ok := strings.Cut(inside[at+len(markOpens):], "/")
	if !ok || plan == "" || len(plan) > 24 || slot == "" || strings.IndexByte("/._-", slot[0]) >= 0 || !spelled(plan, "-") || !spelled(slot, "/._-") {
		return Mark{}, false
	}
	return Mark{Plan: plan, Slot: slot}, true
}

const markOpens = "[rosknock "

// spelled reports whether a text consists of small letters, digits and the other characters given.
func spelled(text, others string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

// TellsKnock reports whether the matchers of a rule with this slot, with or without its plan before
// it, reveal a part of a knock: a stage, the log of the last one, a stage out of order, a decoy,
// and the drop of any of them from forged sources.
func TellsKnock(slot string) bool {
	return strings.Contains(slot, "/stage-") || strings.HasSuffix(slot, "/log") || strings.Contains(slot, "/log-w") || strings.Contains(slot, "/log-t") ||
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
