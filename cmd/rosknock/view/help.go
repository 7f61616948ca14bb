package view

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Help writes what a command says about itself on a terminal. The flags that every command has are explained by the root, and named
// by the others.
func Help(w io.Writer, c Command, width int) {
	for i, p := range paragraphs(c.Long) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if p.set {
			fmt.Fprintln(w, p.text)
			continue
		}
		fmt.Fprintln(w, wrap(strings.Fields(p.text), width, 0))
	}
	fmt.Fprintln(w)
	HelpUsage(w, c, width)
}

// HelpUsage writes how a command is called.
func HelpUsage(w io.Writer, c Command, width int) {
	fmt.Fprint(w, "Usage:\n")
	for _, line := range c.Usage {
		fmt.Fprintf(w, "  %s\n", line)
	}
	if c.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", indented(undented(c.Example), "  "))
	}
	for _, g := range c.Groups {
		fmt.Fprintf(w, "\n%s:\n", g.Title)
		for _, sub := range g.Commands {
			entry(w, sub.Name(), sub.Short, 14, width)
		}
	}
	helpFlags(w, c.Flags, width)
	root, _, below := strings.Cut(c.Path, " ")
	if !below {
		helpFlags(w, c.Shared, width)
	} else if shared := flagsOf(c.Shared); len(shared) > 0 {
		fmt.Fprintf(w, "\nFlags of every command, which %s --help explains:\n", root)
		fmt.Fprintln(w, named(shared, width))
	}
	if len(c.Exits) > 0 {
		fmt.Fprint(w, "\nExit codes:\n")
		for _, e := range c.Exits {
			fmt.Fprintf(w, "  %3d  %s\n", e.Code, e.Meaning)
		}
	}
	if len(c.Groups) > 0 {
		fmt.Fprintf(w, "\n%s COMMAND --help says more about a command.\n", c.Path)
	}
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
		fmt.Fprintf(w, "\n%s:\n", title)
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
	body := wrap(strings.Fields(meaning), width, column)
	if n := utf8.RuneCountInString(term); n+3 < column {
		body = "  " + term + strings.Repeat(" ", column-n-2) + strings.TrimLeft(body, " ")
	} else {
		body = "  " + term + "\n" + body
	}
	fmt.Fprintln(w, body)
}

// named is a list of flags by name alone.
func named(flags []Flag, width int) string {
	var words []string
	for _, f := range flags {
		word := "--" + f.Name
		if f.Letter != "" {
			word = "-" + f.Letter + "/" + word
		}
		words = append(words, word)
	}
	return wrap(words, width, 2)
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
