package main

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/form"
)

// section is a heading of the help and what stands under it, by name.
type section struct {
	title string
	names []string
}

// helpColumns is a width that every terminal has.
const helpColumns = 80

// fitHelp gives the tree its help: commands and flags in sections, and hints for mistyped words.
func fitHelp(root *cobra.Command, e env) {
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		if format := e.helpFormat(c); view.IsJSON(format) {
			_ = view.HelpJSON(c.OutOrStdout(), format, manual(c)) // standard output keeps its own error
			return
		}
		view.Help(c.OutOrStdout(), manual(c), helpColumns)
	})
	root.SetHelpCommand(newHelp(e))
	root.InitDefaultHelpCmd()
	root.SetFlagErrorFunc(flagError)
	root.Args = cobra.ArbitraryArgs
	version := root.Flags().Bool("version", false, "print the version, as rosknock version does")
	root.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return unknownCommand(c, args[0])
		case *version:
			return printVersion(c, e)
		}
		return c.Help()
	}
}

func newHelp(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show help for a command",
		Long: `Show what a command does, how it is called and which flags it takes, as COMMAND
--help does.`,
		Example: `  rosknock help apply
  rosknock help trusted revoke`,
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil {
				return usagef("help: %w", err)
			}
			if len(rest) > 0 && of.HasSubCommands() {
				return unknownCommand(of, rest[0])
			}
			format, err := e.format(c)
			if err != nil {
				return err
			}
			_ = of.Flags().Set("output", format)
			return of.Help()
		},
	}
}

// helpFormat is the format in which a command shows its help: whatever else is wrong, there is help.
func (e env) helpFormat(c *cobra.Command) string {
	format, err := e.format(c)
	if err != nil {
		return "text"
	}
	return format
}

// unknownCommand says that there is no such command below another, and which one may have been
// meant.
func unknownCommand(c *cobra.Command, word string) error {
	hint := ""
	if paths := meant(c, word); paths != nil {
		hint = ": did you mean " + either(paths) + "?"
	} else if c.HasParent() {
		hint = ": choose " + either(commandNames(c))
	}
	return usagef("%sunknown command %q%s", below(c), word, hint)
}

// commandNames are the names of the commands below another.
func commandNames(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			names = append(names, sub.Name())
		}
	}
	return names
}

// below is the command's path without the program, before a message.
func below(c *cobra.Command) string {
	if _, path, ok := strings.Cut(c.CommandPath(), " "); ok {
		return path + ": "
	}
	return ""
}

// either joins words with commas, and with an or before the last.
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// flagError says what is wrong with a flag, and which one may have been meant. A mistyped command
// is reported first.
func flagError(c *cobra.Command, err error) error {
	if words := c.Flags().Args(); len(words) > 0 && c.HasSubCommands() {
		if err := c.RunE(c, words); err != nil {
			return err
		}
	}
	hint := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		hint = flagHint(c, unknown)
	}
	return usagef("%s: %w%s; see %s --help", c.CommandPath(), err, hint, c.CommandPath())
}

func flagHint(c *cobra.Command, unknown *pflag.NotExistError) string {
	// One dash where two belong: -exit-code is read as -e -x -i and so on.
	if whole := unknown.GetSpecifiedShortnames(); len(whole) > 1 && c.Flags().Lookup(whole) != nil {
		return ": did you mean --" + whole + "?"
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near, ok := form.Nearest(unknown.GetSpecifiedName(), names); ok && unknown.GetSpecifiedShortnames() == "" {
		return ": did you mean --" + near + "?"
	}
	return ""
}

// newManual writes the manual pages for those who build packages.
func newManual(e env) *cobra.Command {
	return &cobra.Command{
		Use:   "manual [DIR]",
		Short: "Print the command manual, or write the man pages",
		Long: `Print the manual of all commands in Markdown. With DIR, write the man pages into
that folder instead.`,
		Hidden: true,
		Example: `  rosknock manual > docs/commands.md
  rosknock manual dist/man1`,
		Args: atMost(1, "manual takes a folder"),
		RunE: func(c *cobra.Command, args []string) error {
			root := manual(c.Root())
			format, err := e.format(c)
			switch {
			case err != nil:
				return err
			case len(args) == 0 && view.IsJSON(format):
				return view.Text(e.out, format, "manual", string(view.ManualPage(root)))
			case len(args) == 0:
				_, err := e.out.Write(view.ManualPage(root))
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil { // #nosec G301 -- manuals are for everybody
				return err
			}
			pages := view.ManPages(root, buildVersion())
			var files []view.File
			for _, name := range slices.Sorted(maps.Keys(pages)) {
				file := filepath.Join(args[0], name)
				if err := replaceFile(file, pages[name], forOthers); err != nil {
					return err
				}
				files = append(files, view.File{Name: file, Holds: "manual", Written: true})
			}
			if view.IsJSON(format) {
				return view.Files(e.out, format, "manual", files)
			}
			return nil
		},
	}
}

// manual is what the manual says of a command and those below it.
func manual(c *cobra.Command) view.Command {
	out := view.Command{Path: c.CommandPath(), Usage: usageLines(c), Short: c.Short, Long: c.Long, Example: c.Example, Shared: sharedFlags(c.Root())}
	out.Matters = matters(c)
	own := view.FlagGroup{}
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { own.Flags = appendFlag(own.Flags, f) })
	out.Flags = []view.FlagGroup{own}
	if !c.HasParent() {
		for _, row := range exitTable() {
			out.Exits = append(out.Exits, view.Exit{Code: int(row.code), Meaning: row.meaning})
		}
	}
	out.Groups = commandGroups(c)
	return out
}

func usageLines(c *cobra.Command) []string {
	if c.HasSubCommands() {
		return []string{c.CommandPath() + " COMMAND [flags]"}
	}
	var out []string
	for part := range strings.SplitSeq(strings.TrimPrefix(c.Use, c.Name()), " | "+c.Name()) {
		out = append(out, c.CommandPath()+part+" [flags]")
	}
	return out
}

// commandGroups are the commands below another; only the program's own are many enough for
// sections.
func commandGroups(c *cobra.Command) []view.CommandGroup {
	sections := []section{{title: "Commands"}}
	if !c.HasParent() {
		sections = commandSections()
	}
	var out []view.CommandGroup
	for i, s := range sections {
		g := view.CommandGroup{Title: s.title}
		for _, sub := range c.Commands() {
			if at := sectionOf(sections, sub.Name()); !sub.Hidden && at == i {
				g.Commands = append(g.Commands, manual(sub))
			}
		}
		slices.SortStableFunc(g.Commands, func(a, b view.Command) int {
			return slices.Index(s.names, a.Name()) - slices.Index(s.names, b.Name())
		})
		if len(g.Commands) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// commandSections groups the commands, in the order in which a new user meets them.
func commandSections() []section {
	return []section{
		{"Write and check plans", []string{"bootstrap", "init", "import", "lint", "sequence", "render"}},
		{"Bring routers to a plan", []string{"diff", "prove", "apply", "rotate", "undo", "remove"}},
		{"Look at routers", []string{"audit", "trace", "test"}},
		{"Knock, and see who is trusted", []string{"knock", "trusted"}},
		{"Fleets and records", []string{"inventory", "journal"}},
		{"Rehearse", []string{"sim", "demo"}},
		{"This program", []string{"schema", "completion", "version", "help"}},
	}
}

// sectionOf finds where a name stands; what has no place comes last.
func sectionOf(sections []section, name string) int {
	at := slices.IndexFunc(sections, func(s section) bool { return slices.Contains(s.names, name) })
	if at < 0 {
		return len(sections) - 1
	}
	return at
}

func sharedFlags(root *cobra.Command) []view.FlagGroup {
	sections := flagSections()
	out := make([]view.FlagGroup, len(sections))
	for i, s := range sections {
		out[i].Title = s.title
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		at := sectionOf(sections, f.Name)
		out[at].Flags = appendFlag(out[at].Flags, f)
	})
	last := &out[len(out)-1].Flags
	*last = append(*last, view.Flag{Letter: "h", Name: "help", Usage: "show help for a command"})
	for i, s := range sections {
		slices.SortStableFunc(out[i].Flags, func(a, b view.Flag) int { return slices.Index(s.names, a.Name) - slices.Index(s.names, b.Name) })
	}
	return out
}

// flagSections groups the flags of every command.
func flagSections() []section {
	return []section{
		{"Which routers", []string{"router", "inventory", "limit"}},
		{"Logging in", []string{"user", "password-file", "password-command", "transport", "tls-pin", "tls-ca", "tls-accept-new", "tls-insecure", "ssh-jump", "ssh-key", "ssh-known-hosts"}},
		{"Plans", []string{"var", "at", "accept-risk", "yes"}},
		{"Pace", []string{"forks", "retries", "timeout", "router-timeout", "total-timeout"}},
		{"What is shown and kept", []string{"output", "color", "reveal", "quiet", "verbose", "notify", "state-dir", "config", "help"}},
	}
}

// appendFlag adds what the manual says of a flag.
func appendFlag(flags []view.Flag, f *pflag.Flag) []view.Flag {
	if f.Hidden || f.Name == "help" {
		return flags
	}
	value, usage := pflag.UnquoteUsage(f)
	if word, ok := map[string]string{"string": "TEXT", "stringArray": "TEXT", "int": "N", "float": "NUMBER", "duration": "TIME", "time": "TIME"}[value]; ok {
		value = word
	}
	standard := f.DefValue
	switch {
	case slices.Contains([]string{"", "0", "0s", "false", "[]"}, standard):
		standard = ""
	case f.Value.Type() == "duration":
		standard = strings.TrimSuffix(strings.Replace(standard, "m0s", "m", 1), "0m")
	}
	return append(flags, view.Flag{Letter: f.Shorthand, Name: f.Name, Value: value, Usage: usage, Default: standard})
}
