package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/plans/inventory"
	"github.com/rosknock/rosknock/plans/inventory/foreign"
	"github.com/rosknock/rosknock/plans/lint"
	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

func newCompletion(e env) *cobra.Command {
	var bare bool
	shells := []string{"bash", "zsh", "fish", "powershell"}
	c := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Generate shell completion",
		Long: `Print a script for bash, zsh, fish or powershell. With it, Tab completes commands,
flags, plans, the routers and groups of an inventory, doors and changes. No router is contacted. The
packages include these scripts.

For one session:

  bash        source <(rosknock completion bash)
  zsh         source <(rosknock completion zsh)
  fish        rosknock completion fish | source
  powershell  rosknock completion powershell | Out-String | Invoke-Expression

To keep it, write the output to where the shell looks:

  bash        ~/.local/share/bash-completion/completions/rosknock
  zsh         a folder of $fpath, as _rosknock
  fish        ~/.config/fish/completions/rosknock.fish
  powershell  a line like the one above in $PROFILE`,
		Example: `  rosknock completion bash > ~/.local/share/bash-completion/completions/rosknock
  rosknock completion fish | source`,
		Args:      exactly(1, "completion takes one shell: "+either(shells)),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(shells, args[0]) {
				return usagef("completion: there is none for %q: choose %s", args[0], either(shells))
			}
			format, err := e.format(c)
			if err != nil {
				return err
			}
			if !view.IsJSON(format) {
				return completionScript(e.out, c.Root(), args[0], bare)
			}
			var script strings.Builder
			if err := completionScript(&script, c.Root(), args[0], bare); err != nil {
				return err
			}
			return view.Text(e.out, format, "completion", script.String())
		},
	}
	c.Flags().BoolVar(&bare, "no-descriptions", false, "complete words without descriptions")
	return c
}

// completionScript writes the script for a shell, bare of descriptions where that is wanted.
func completionScript(w io.Writer, root *cobra.Command, shell string, bare bool) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, !bare)
	case "zsh":
		if bare {
			return root.GenZshCompletionNoDesc(w)
		}
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, !bare)
	}
	if bare {
		return root.GenPowerShellCompletion(w)
	}
	return root.GenPowerShellCompletionWithDesc(w)
}

// setCompletion sets for every argument and flag of the tree what may follow. Completion reads
// plans, inventories and the journal of this machine. It never contacts a router and makes no file.
// On an error it offers nothing.
func setCompletion(c *cobra.Command, e env) {
	if c.ValidArgsFunction == nil && c.ValidArgs == nil {
		c.ValidArgsFunction = completer{e}.arguments(c)
	}
	known := func(f *pflag.Flag) {
		if _, has := c.GetFlagCompletionFunc(f.Name); !has && f.Value.Type() != "bool" {
			_ = c.RegisterFlagCompletionFunc(f.Name, completer{e}.flagValues(f)) // which fails for a flag that is not there
		}
	}
	c.PersistentFlags().VisitAll(known)
	c.LocalNonPersistentFlags().VisitAll(known)
	for _, sub := range c.Commands() {
		setCompletion(sub, e)
	}
}

// completer finds the words that may follow.
type completer struct{ env }

// arguments completes the arguments of a command, by what its usage calls them.
func (e completer) arguments(c *cobra.Command) cobra.CompletionFunc {
	switch {
	case c.CommandPath() == "rosknock undo":
		return first(offered(e.undoable))
	case c.CommandPath() == "rosknock trace":
		return first(offered(words("tcp", "udp", "icmp", "icmpv6")))
	case c.CommandPath() == "rosknock inventory accept":
		return offered(e.routerNames)
	case c.CommandPath() == "rosknock help":
		return commandsBelow
	case strings.Contains(c.Use, "PLAN..."):
		return files("yaml", "yml")
	case strings.Contains(c.Use, "PLAN"), strings.Contains(c.Use, "CASES"):
		return first(files("yaml", "yml"))
	case strings.Contains(c.Use, "FILE"):
		return first(files())
	case strings.Contains(c.Use, "DIR"):
		return first(folders)
	}
	return cobra.NoFileCompletions
}

// offer is what completes a value: words, each with what it means behind a tab.
type offer func(c *cobra.Command, args []string, typed string) []cobra.Completion

// flagValues completes the value of a flag: by its name, or by what its usage calls the value.
func (e completer) flagValues(f *pflag.Flag) cobra.CompletionFunc {
	value, _ := pflag.UnquoteUsage(f)
	switch name, what, _ := strings.Cut(value, "."); {
	case name == "FILE" && what != "":
		return files(what)
	case name == "FILE" && f.Name == "inventory":
		return files("yaml", "yml")
	case name == "FILE" && f.Name == "changes":
		return files("json")
	case name == "FILE":
		return files()
	case name == "DIR":
		return folders
	}
	o, ok := map[string]offer{
		"transport":    words("api-ssl\tthe API over TLS", "api\tthe API in clear"),
		"output":       outputs,
		"color":        words("auto", "always", "never"),
		"protect":      words("auto\tsafe mode, or a dead-man before RouterOS 7.18", "safe-mode\tthe router rolls back what no session confirmed", "dead-man\tan entry in the router's scheduler rolls it back", "none\tnothing rolls it back"),
		"state":        words("new", "established", "related", "invalid", "untracked"),
		"device-mode":  words("advanced", "home\tthe scheduler is off"),
		"waves":        words("1,10%,100%"),
		"max-exposure": words(lint.Audiences()...),
		"accept-risk":  riskNames,
		"then":         serviceNames,
		"opens":        serviceNames,
		"format":       formats,
		"source":       interfaces,
		"router":       e.routersSeen,
		"limit":        e.limits,
		"door":         e.doors,
		"var":          e.variables,
		"resume":       e.runs,
		"run":          e.runs,
		"notify":       receivers,
	}[f.Name]
	if !ok {
		return cobra.NoFileCompletions
	}
	return offered(o)
}

// offered makes a completion of an offer: words that begin with what is typed, and no files. A word
// that continues, such as NAME= or env:, gets no blank after it.
func offered(o offer) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var out []cobra.Completion
		directive := cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		for _, word := range o(c, args, typed) {
			if bare, _, _ := strings.Cut(word, "\t"); routeros.Visible(bare, len(bare)) != bare {
				continue // nobody can see what they would accept
			}
			if strings.HasPrefix(word, typed) || strings.HasPrefix(word, activeHelp) {
				out = append(out, word)
			}
			if bare, _, _ := strings.Cut(word, "\t"); strings.HasSuffix(bare, "=") || strings.HasSuffix(bare, ":") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		return out, directive
	}
}

// activeHelp is how cobra marks a message to the person, which is no word to complete.
const activeHelp = "_activeHelp_ "

// first completes the first argument only.
func first(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, typed)
	}
}

// files completes files with one of some endings, or any.
func files(endings ...string) cobra.CompletionFunc {
	directive := cobra.ShellCompDirectiveFilterFileExt
	if len(endings) == 0 {
		directive = cobra.ShellCompDirectiveDefault
	}
	return cobra.FixedCompletions(endings, directive)
}

func folders(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// commandsBelow completes the words of a command.
func commandsBelow(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	of, rest, err := c.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, sub := range of.Commands() {
		if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), typed) {
			out = append(out, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// words offers the same words always.
func words(fixed ...string) offer {
	return func(*cobra.Command, []string, string) []cobra.Completion { return fixed }
}

func outputs(c *cobra.Command, _ []string, _ string) []cobra.Completion { return outputsOf(c) }

func riskNames(*cobra.Command, []string, string) []cobra.Completion {
	out := namedRisks()
	for _, r := range lint.Rules() {
		out = append(out, cobra.CompletionWithDesc(r.ID, r.Title))
	}
	return out
}

func serviceNames(*cobra.Command, []string, string) []cobra.Completion {
	var out []cobra.Completion
	for _, s := range routeros.Services() {
		out = append(out, cobra.CompletionWithDesc(s.Name, fmt.Sprintf("tcp/%d, where the plan does not move it", s.Port)))
	}
	return out
}

func formats(c *cobra.Command, _ []string, _ string) []cobra.Completion {
	var out []cobra.Completion
	if c.CommandPath() == "rosknock inventory import" {
		for _, f := range foreign.Formats() {
			out = append(out, string(f))
		}
	}
	return out
}

func interfaces(*cobra.Command, []string, string) []cobra.Completion {
	found, _ := net.Interfaces()
	var out []cobra.Completion
	for _, i := range found {
		out = append(out, i.Name)
	}
	return out
}

// mostSeen is how many records completion looks back: it must answer at once.
const mostSeen = 4000

// routersSeen offers the routers that were changed from here. Those of an inventory are chosen with
// --limit.
func (e completer) routersSeen(c *cobra.Command, _ []string, _ string) []cobra.Completion {
	history, a := e.journalled(c)
	if a.said["inventory"] == onLine && c.Name() != "journal" {
		return cobra.AppendActiveHelp(nil, "--router and --inventory exclude each other: choose routers of an inventory with --limit")
	}
	var out []string
	seen := map[string]bool{}
	for _, r := range newest(history) {
		if bare := inventory.NoSite + "/" + r.Address; r.RouterKey != "" && r.RouterKey != bare && c.Name() != "journal" { // of an inventory
			continue
		}
		if r.Address != "" && !seen[r.Address] {
			seen[r.Address] = true
			out = append(out, completed(r.Address, r.Router))
		}
	}
	return out
}

// journalled is the journal of this machine, and the settings of the command line. Nothing is made
// or written.
func (e completer) journalled(c *cobra.Command) (*state.History, access) {
	a, err := load(c, e.env)
	if err != nil {
		return nil, a
	}
	path, err := a.stateDir()
	if err != nil {
		return nil, a
	}
	history, err := state.OpenReading(path).History()
	if err != nil {
		return nil, a
	}
	return history, a
}

// newest are the newest records, the newest first.
func newest(history *state.History) []state.Record {
	var records []state.Record
	if history != nil {
		_ = history.Newest(nil, func(r state.Record) bool { // as far as it can be read
			records = append(records, r)
			return len(records) < mostSeen
		})
	}
	return records
}

// routerNames offers the names of an inventory that were not typed yet.
func (e completer) routerNames(c *cobra.Command, typed []string, _ string) []cobra.Completion {
	var out []cobra.Completion
	for _, r := range e.inventoryOfLine(c) {
		if !slices.Contains(typed, r.Name) {
			out = append(out, completed(r.Name, r.Key()))
		}
	}
	return out
}

// inventoryOfLine are the routers of the inventories that the command would take; none where one
// can't be read.
func (e completer) inventoryOfLine(c *cobra.Command) []inventory.Router {
	a, err := load(c, e.env)
	if err != nil || len(a.inventories) == 0 {
		return nil
	}
	known, err := readInventory(a.inventories)
	if err != nil {
		return nil
	}
	return slices.Collect(known.All())
}

// limits offers names, groups, tags and sites of an inventory, behind what is typed already:
// branches,!r0
func (e completer) limits(c *cobra.Command, _ []string, typed string) []cobra.Completion {
	before := typed[:strings.LastIndex(typed, ",")+1]
	if rest := typed[len(before):]; strings.HasPrefix(rest, "!") {
		before += "!"
	}
	routers := e.inventoryOfLine(c)
	members := map[string]int{}
	kinds := map[string]string{}
	var groups, names []string
	for _, r := range routers {
		names = append(names, completed(before+r.Name, r.Address))
		if r.Site != "" {
			members["site:"+r.Site]++
			kinds["site:"+r.Site] = "site"
		}
		for _, name := range r.Tags {
			members[name]++
			kinds[name] = "tag"
		}
		for _, name := range r.Groups { // a name may be both
			members[name]++
			kinds[name] = "group"
		}
	}
	for name, n := range members {
		groups = append(groups, completed(before+name, fmt.Sprintf("%s of %d", kinds[name], n)))
	}
	slices.Sort(groups)
	return append(groups, names...)
}

// doors offers the doors of the plans, for the ledger with the plan's name before it.
func (e completer) doors(c *cobra.Command, args []string, _ string) []cobra.Completion {
	var out []cobra.Completion
	ledger := strings.HasPrefix(c.CommandPath(), "rosknock trusted ")
	e.plansOf(c, args, func(file string, vars map[string]string) {
		data, err := readFile(file, maxPlan)
		if err != nil {
			return
		}
		p, err := plans.ReadWith(file, data, vars)
		if err != nil {
			return
		}
		for _, d := range p.Doors {
			word := d.Name
			if ledger {
				word = p.Name + "/" + d.Name
			}
			if word = completed(word, "plan "+p.Name); !slices.Contains(out, word) {
				out = append(out, word)
			}
		}
	})
	return out
}

// plansOf are the plans that a command line is about: the one that it names, or those of its
// inventory, each once.
func (e completer) plansOf(c *cobra.Command, args []string, read func(file string, vars map[string]string)) {
	given, err := readVars(c.Flags(), settings{})
	if err != nil {
		return
	}
	if len(args) > 0 && strings.Contains(c.Use, "PLAN") {
		read(args[0], given)
		return
	}
	seen := map[string]bool{}
	for _, r := range e.inventoryOfLine(c) {
		maps.Copy(r.Vars, given)
		for _, file := range r.Plans {
			if !seen[file] {
				seen[file] = true
				read(file, r.Vars)
			}
		}
	}
}

// variables offers the variables that the plans use.
func (e completer) variables(c *cobra.Command, args []string, _ string) []cobra.Completion {
	var out []cobra.Completion
	e.plansOf(c, args, func(file string, _ map[string]string) {
		data, err := readFile(file, maxPlan)
		if err != nil {
			return
		}
		for _, name := range plans.Variables(data) {
			if !slices.Contains(out, name+"=") {
				out = append(out, name+"=")
			}
		}
	})
	return out
}

// runs offers the runs over a fleet, the newest first.
func (e completer) runs(c *cobra.Command, _ []string, _ string) []cobra.Completion {
	history, _ := e.journalled(c)
	out := []cobra.Completion{state.LastRun}
	for _, r := range newest(history) {
		if r.Event == state.RunBegin {
			out = append(out, completed(r.Run, fmt.Sprintf("%s, routers: %d, %s", r.Command, r.Routers, r.Time.Format(time.DateTime))))
		}
	}
	return out
}

// undoable offers the changes that can be rolled back: of the routers that are named, or of all.
func (e completer) undoable(c *cobra.Command, _ []string, _ string) []cobra.Completion {
	history, a := e.journalled(c)
	if history == nil {
		return nil
	}
	known := map[string]state.Ref{} // cobra reads the flags twice
	a.alters, a.err = false, io.Discard
	if routers, err := a.routersOf(); err == nil {
		for _, r := range routers {
			known[r.key()] = a.ref(r)
		}
	} else {
		for _, r := range newest(history) {
			known[r.Key()] = state.Ref{Key: r.Key()}
		}
	}
	var found []state.Record
	for key, ref := range known {
		records, _, _ := history.Of(ref) // as far as they can be read
		found = append(found, state.Undoable(records, key)...)
	}
	slices.SortStableFunc(found, func(a, b state.Record) int { return b.Time.Compare(a.Time) })
	var out []cobra.Completion
	for _, r := range found {
		out = append(out, completed(r.Change, fmt.Sprintf("plan %s on %s, %s", r.Plan, r.Address, r.Time.Format(time.DateTime))))
	}
	return out
}

// mostMeaning is how many characters of the meaning of a word are shown.
const mostMeaning = 200

// completed is a word that may follow, with what it means.
func completed(word, meaning string) cobra.Completion {
	if meaning == "" {
		return word
	}
	return cobra.CompletionWithDesc(word, routeros.Visible(meaning, mostMeaning))
}

// receivers are how a value of --notify begins.
func receivers(*cobra.Command, []string, string) []cobra.Completion {
	out := []cobra.Completion{"run:\ta command that reads JSON"}
	for _, form := range []string{"", "slack+", "teams+", "ntfy+"} {
		out = append(out, form+"env:\tthe variable that holds the URL", form+"file:\tthe file that holds the URL", form+"command:\twhat prints the URL", form+"keyring:\tthe entry that holds the URL")
	}
	return out
}
