package view

import (
	"fmt"
	"strings"
)

// ManPage is the page of one command for man, in the macros of man(7). The root is the program's
// command, to which the others point.
func ManPage(c, root Command, version string) []byte {
	var b strings.Builder
	name := manName(c)
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q %q\n", strings.ToUpper(name), root.Name()+" "+version, root.Name())
	fmt.Fprintf(&b, ".nh\n.ad l\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n", roff(name), roff(c.Short))
	for _, line := range c.Usage {
		fmt.Fprintf(&b, "%s\n", roffLine(line))
	}
	b.WriteString(".fi\n.SH DESCRIPTION\n")
	for i, p := range paragraphs(c.Long) {
		switch {
		case p.set:
			fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roffLines(p.text))
		case i == 0:
			fmt.Fprintln(&b, roffLine(p.text))
		default:
			fmt.Fprintf(&b, ".PP\n%s\n", roffLine(p.text))
		}
	}
	manCommands(&b, c)
	if len(flagsOf(c.Flags)) > 0 {
		b.WriteString(".SH OPTIONS\n")
		manFlags(&b, c.Flags)
	}
	if len(flagsOf(c.Matters)) > 0 {
		b.WriteString(".SH OPTIONS THAT MATTER HERE\n")
		manFlags(&b, c.Matters)
	}
	if c.Path == root.Path {
		b.WriteString(".SH OPTIONS OF EVERY COMMAND\n")
		manFlags(&b, root.Shared)
	}
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(undented(c.Example)))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range root.Exits {
		fmt.Fprintf(&b, ".TP\n\\fB%d\\fR\n%s\n", e.Code, roffLine(e.Meaning))
	}
	manSeeAlso(&b, c, root)
	return []byte(b.String())
}

// ManPages are the pages of a program by the names of their files.
func ManPages(root Command, version string) map[string][]byte {
	out := map[string][]byte{}
	root.each(func(c Command) { out[manName(c)+".1"] = ManPage(c, root, version) })
	return out
}

// manName is the name of a command's page: its words with dashes.
func manName(c Command) string { return strings.ReplaceAll(c.Path, " ", "-") }

func manCommands(b *strings.Builder, c Command) {
	if len(c.Groups) == 0 {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, g := range c.Groups {
		if len(c.Groups) > 1 {
			fmt.Fprintf(b, ".SS %q\n", roff(g.Title))
		}
		for _, sub := range g.Commands {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR(1)\n%s\n", roff(manName(sub)), roffLine(sub.Short))
		}
	}
}

func manFlags(b *strings.Builder, groups []FlagGroup) {
	for _, g := range groups {
		if g.Title != "" && len(g.Flags) > 0 {
			fmt.Fprintf(b, ".SS %q\n", roff(g.Title))
		}
		for _, f := range g.Flags {
			fmt.Fprintf(b, ".TP\n")
			if f.Letter != "" {
				fmt.Fprintf(b, "\\fB\\-%s\\fR, ", f.Letter)
			}
			fmt.Fprintf(b, "\\fB%s\\fR", roff("--"+f.Name))
			if f.Value != "" {
				fmt.Fprintf(b, " \\fI%s\\fR", roff(f.Value))
			}
			fmt.Fprintf(b, "\n%s\n", roffLine(f.explained()))
		}
	}
}

// manSeeAlso points to the commands around one.
func manSeeAlso(b *strings.Builder, c, root Command) {
	var others []string
	root.each(func(o Command) {
		parent := c.Path[:max(0, strings.LastIndexByte(c.Path, ' '))]
		if o.Path != c.Path && (o.Path == root.Path || o.Path == parent) {
			others = append(others, fmt.Sprintf("\\fB%s\\fR(1)", roff(manName(o))))
		}
	})
	if len(others) > 0 {
		fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(others, ",\n"))
	}
}

// roff escapes what troff would take for its own: backslashes, and dashes and quotes that it would
// make typographic.
func roff(text string) string {
	return strings.NewReplacer("\\", "\\e", "-", "\\-", "'", "\\(aq", "`", "\\(ga", "^", "\\(ha", "~", "\\(ti", "\"", "\\(dq", "\u2026", "...").Replace(text)
}

// roffLine escapes a line of text, also where it begins like a request.
func roffLine(text string) string {
	text = roff(text)
	if strings.HasPrefix(text, ".") {
		text = "\\&" + text
	}
	return text
}

func roffLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = roffLine(line)
	}
	return strings.Join(lines, "\n")
}
