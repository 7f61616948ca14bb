package view

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Help writes what a command says about itself on a terminal. The flags that every command has are
// explained by the root, and named by the others.
func Help(w io.Writer, c Command, width int) {
	for i, p := range paragraphs(c.Long) {
		if i > 0 {
			Say(w, "\n")
		}
		if p.set {
			Say(w, "%s\n", visible(p.text))
			continue
		}
		Say(w, "%s\n", wrap(clean(p.text), width, 0))
	}
	Say(w, "\n")
	HelpUsage(w, c, width)
}

// HelpUsage writes how a command is called.
func HelpUsage(w io.Writer, c Command, width int) {
	Say(w, "Usage:\n")
	for _, line := range c.Usage {
		Say(w, "  %s\n", line)
	}
	if c.Example != "" {
		Say(w, "\nExamples:\n%s\n", visible(indented(undented(c.Example), "  ")))
	}
	for _, g := range c.Groups {
		Say(w, "\n%s:\n", g.Title)
		for _, sub := range g.Commands {
			entry(w, sub.Name(), sub.Short, 14, width)
		}
	}
	helpFlags(w, c.Flags, width)
	helpFlags(w, c.Matters, width)
	root, _, below := strings.Cut(c.Path, " ")
	if !below {
		helpFlags(w, c.Shared, width)
	} else if shared := without(flagsOf(c.Shared), flagsOf(c.Matters)); len(shared) > 0 {
		title := "Flags of every command"
		if len(c.Matters) > 0 {
			title = "More flags of every command"
		}
		Say(w, "\n%s, which %s --help explains:\n", title, root)
		Say(w, "%s\n", named(shared, width))
	}
	if len(c.Exits) > 0 {
		Say(w, "\nExit codes:\n")
		for _, e := range c.Exits {
			Say(w, "  %3d  %s\n", e.Code, e.Meaning)
		}
	}
	if len(c.Groups) > 0 {
		Say(w, "\n%s COMMAND --help says more about a command.\n", c.Path)
	}
}

// without leaves flags out by their names.
func without(flags, others []Flag) []Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f Flag) bool {
		return slices.ContainsFunc(others, func(o Flag) bool { return o.Name == f.Name })
	})
}

func helpFlags(w io.Writer, groups []FlagGroup, width int) {
	for _, g := range groups {
		if len(g.Flags) == 0 {
			continue
		}
		title := g.Title
		if title == "" {
			title = "Flags"
		}
		Say(w, "\n%s:\n", title)
		for _, f := range g.Flags {
			text := f.spelled()
			if f.Letter == "" {
				text = "    " + text
			}
			entry(w, text, f.explained(), 30, width)
		}
	}
}

// entry writes a term, and what it means in a column of its own; a long term gets its own line.
func entry(w io.Writer, term, meaning string, column, width int) {
	body, between := string(wrap(clean(meaning), width, column)), "\n"
	if n := utf8.RuneCountInString(term); n+3 < column {
		body, between = strings.TrimLeft(body, " "), strings.Repeat(" ", column-n-2)
	}
	Say(w, "  %s%s%s\n", term, visible(between), visible(body))
}

// named is a list of flags by name alone.
func named(flags []Flag, width int) visible {
	var words []visible
	for _, f := range flags {
		word := "--" + f.Name
		if f.Letter != "" {
			word = "-" + f.Letter + "/" + word
		}
		words = append(words, visible(word))
	}
	return wrapWords(words, width, 2)
}

func indented(text, by string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = by + line
		}
	}
	return strings.Join(lines, "\n")
}
