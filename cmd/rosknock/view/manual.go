package view

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Command is one command of a program, as its manual tells it: in a terminal, as a page in
// Markdown, as a man page.
type Command struct {
	Path    string   // the words that call it: rosknock trusted list
	Usage   []string // ways to call it, each a whole line
	Short   string   // one line
	Long    string   // paragraphs; lines that begin with a blank stay as they are
	Example string
	Groups  []CommandGroup // of the commands below it
	Flags   []FlagGroup    // its own
	Matters []FlagGroup    // those of every command that matter most here
	Shared  []FlagGroup    // those that every command has
	Exits   []Exit
}

// CommandGroup is what belongs together among the commands.
type CommandGroup struct {
	Title    string
	Commands []Command
}

// FlagGroup is what belongs together among the flags.
type FlagGroup struct {
	Title string
	Flags []Flag
}

// Flag is one flag.
type Flag struct {
	Letter  string // of the short form
	Name    string
	Value   string // what is given to it; nothing for a switch
	Usage   string
	Default string
}

// Exit is an exit code and its meaning.
type Exit struct {
	Code    int
	Meaning string
}

// Name is the last word of the command's path.
func (c Command) Name() string { return c.Path[strings.LastIndexByte(c.Path, ' ')+1:] }

// spelled is how a flag is typed.
func (f Flag) spelled() string {
	text := "--" + f.Name
	if f.Letter != "" {
		text = "-" + f.Letter + ", " + text
	}
	if f.Value != "" {
		text += " " + f.Value
	}
	return text
}

// explained is what a flag means, with its default.
func (f Flag) explained() string {
	if f.Default == "" || strings.Contains(f.Usage, "default") {
		return f.Usage
	}
	return f.Usage + " (default: " + f.Default + ")"
}

// each visits a command and all below it.
func (c Command) each(visit func(Command)) {
	visit(c)
	for _, g := range c.Groups {
		for _, sub := range g.Commands {
			sub.each(visit)
		}
	}
}

// paragraph is a piece of a long text; what is set as it stands is not to be wrapped.
type paragraph struct {
	text string
	set  bool
}

// ManualPage is the manual of a program as one page in Markdown.
func ManualPage(root Command) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# The commands of %[1]s\n\nGenerated from the commands themselves: `%[1]s COMMAND --help` and `man %[1]s-COMMAND` say the same.\n\n", root.Name())
	markdownText(&b, root.Long)
	for _, g := range root.Groups {
		fmt.Fprintf(&b, "\n## %s\n\n| command | does |\n|---|---|\n", g.Title)
		for _, c := range g.Commands {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.Name(), anchor(c.Path), cell(c.Short))
		}
	}
	fmt.Fprint(&b, "\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, e := range root.Exits {
		fmt.Fprintf(&b, "| %d | %s |\n", e.Code, cell(e.Meaning))
	}
	if len(flagsOf(root.Flags)) > 0 {
		fmt.Fprintf(&b, "\n## Flags of %s alone\n", root.Name())
		markdownFlags(&b, root.Flags)
	}
	fmt.Fprint(&b, "\n## Flags of every command\n")
	markdownFlags(&b, root.Shared)
	root.each(func(c Command) {
		if c.Path != root.Path {
			markdownCommand(&b, c)
		}
	})
	return []byte(b.String())
}

func markdownCommand(b *strings.Builder, c Command) {
	fmt.Fprintf(b, "\n## %s\n\n", c.Path)
	fmt.Fprintf(b, "%s.\n\n```text\n%s\n```\n\n", markdownWords(strings.TrimSuffix(c.Short, ".")), strings.Join(c.Usage, "\n"))
	markdownText(b, c.Long)
	if c.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", undented(c.Example))
	}
	if len(c.Groups) > 0 {
		fmt.Fprint(b, "\n")
		for _, g := range c.Groups {
			for _, sub := range g.Commands {
				fmt.Fprintf(b, "- [`%s`](#%s): %s\n", sub.Path, anchor(sub.Path), markdownWords(sub.Short))
			}
		}
	}
	markdownFlags(b, c.Flags)
	markdownFlags(b, c.Matters)
}

// undented takes off the blanks with which every line of an example begins.
func undented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	least := len(text)
	for _, line := range lines {
		if body := strings.TrimLeft(line, " "); body != "" {
			least = min(least, len(line)-len(body))
		}
	}
	for i, line := range lines {
		lines[i] = line[min(least, len(line)):]
	}
	return strings.Join(lines, "\n")
}

func markdownText(b *strings.Builder, text string) {
	for i, p := range paragraphs(text) {
		if i > 0 {
			b.WriteByte('\n')
		}
		if p.set {
			fmt.Fprintf(b, "```text\n%s\n```\n", undented(p.text))
			continue
		}
		fmt.Fprintln(b, markdownWords(p.text))
	}
}

// paragraphs takes a long text apart.
func paragraphs(text string) []paragraph {
	var out []paragraph
	for p := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.Contains("\n"+p, "\n ") {
			out = append(out, paragraph{strings.Trim(p, "\n"), true})
		} else if p != "" {
			out = append(out, paragraph{strings.Join(strings.Fields(p), " "), false})
		}
	}
	return out
}

func markdownFlags(b *strings.Builder, groups []FlagGroup) {
	for _, g := range groups {
		if len(g.Flags) == 0 {
			continue
		}
		title := g.Title
		if title == "" {
			title = "flag"
		}
		fmt.Fprintf(b, "\n| %s | |\n|---|---|\n", strings.ToLower(title))
		for _, f := range g.Flags {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(f.spelled(), "|", "\\|"), cell(f.explained()))
		}
	}
}

// markdownWords escapes what Markdown would take for markup. Between backquotes everything stays.
func markdownWords(text string) string {
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "<", "\\<", "[", "\\[", "]", "\\]", "_", "\\_", "~", "\\~").Replace(text)
}

func cell(text string) string { return strings.ReplaceAll(markdownWords(text), "|", "\\|") }

// anchor is how a page on the web links to a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-':
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// flagsOf are all flags of some groups, by name.
func flagsOf(groups []FlagGroup) []Flag {
	var out []Flag
	for _, g := range groups {
		out = append(out, g.Flags...)
	}
	slices.SortFunc(out, func(a, b Flag) int { return strings.Compare(a.Name, b.Name) })
	return out
}
