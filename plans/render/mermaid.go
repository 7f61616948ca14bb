package render

import (
	"fmt"
	"strings"
)

// Mermaid returns a state diagram of the doors, as GitHub, GitLab and other places show it from a
// fenced block.
func Mermaid(p Picture) string {
	var b strings.Builder
	b.WriteString(comment("%%", "The doors of the plan "+p.Plan+" of rosknock: what the router remembers of a source."))
	b.WriteString("stateDiagram-v2\n    direction TB\n")
	for i, d := range p.Doors {
		mermaidDoor(&b, fmt.Sprintf("d%d", i+1), p.automaton(d))
	}
	return b.String()
}

func mermaidDoor(b *strings.Builder, id string, a automaton) {
	line := func(depth int, format string, args ...any) {
		b.WriteString(strings.Repeat("    ", depth))
		fmt.Fprintf(b, format, args...)
		b.WriteByte('\n')
	}
	at := func(n int) string { return fmt.Sprintf("%s_%d", id, n) }
	last := len(a.states) - 1
	line(1, "state %q as %s {", mermaidText("door "+a.door), id)
	line(2, "[*] --> %s", at(0))
	for n, s := range a.states {
		text := s.name
		if n == last {
			text += ", " + s.sub
		}
		line(2, "state %q as %s", mermaidText(text), at(n))
	}
	for n, knock := range a.knocks {
		line(2, "%s --> %s : %s", at(n), at(n+1), mermaidText(knock))
	}
	for n := 1; n < last; n++ {
		line(2, "%s --> %s : %s", at(n), at(0), mermaidText(a.forgets))
	}
	if a.leaves != "" {
		line(2, "%s --> %s : %s", at(last), at(0), mermaidText(a.leaves))
	}
	if a.trap != "" {
		line(2, "state %q as %s_quarantine", "quarantine", id)
		for n := range last {
			line(2, "%s --> %s_quarantine : %s", at(n), id, mermaidText(a.trap))
		}
		line(2, "%s_quarantine --> %s : %s", id, at(0), mermaidText(a.release))
	}
	line(1, "}")
	if a.remark != "" {
		line(1, "note right of %s : %s", id, mermaidText(a.remark))
	}
}

// mermaidText escapes characters with a meaning to Mermaid, or to the page around it, as numeric
// entities.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune(" ,./-•", r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
