package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
	"github.com/rosknock/rosknock/plans/state"
)

// commandLine is how a command was called.
type commandLine struct {
	args   []string
	values map[string][]string // of the command's own flags that were given
}

func lineOf(c *cobra.Command, args []string) commandLine {
	out := commandLine{args: args, values: map[string][]string{}}
	global := pflag.NewFlagSet("", pflag.ContinueOnError)
	globalFlags(global)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && global.Lookup(f.Name) == nil {
			out.values[f.Name] = valuesOf(f)
		}
	})
	return out
}

// valuesOf is what a flag was given.
func valuesOf(f *pflag.Flag) []string {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice()
	}
	return []string{f.Value.String()}
}

// words are flags of the command's own, as far as they were given.
func (l commandLine) words(names ...string) string {
	var text strings.Builder
	for _, name := range names {
		text.WriteString(flagWords("--"+name, l.values[name]...))
	}
	return text.String()
}

// again is the command line that shows the same once more and changes nothing; "" where there is
// none.
func (l commandLine) again(e access, command string) string {
	var given strings.Builder
	for _, arg := range l.args {
		given.WriteString(" " + shellWord(arg))
	}
	if len(e.accept) > 0 {
		given.WriteString(flagWords("--accept-risk", e.accept...))
	}
	words := given.String()
	switch {
	case command == state.Removal:
		return "rosknock remove" + words + l.words("name", "restore-services") + " --dry-run"
	case command == undoing:
		return "rosknock undo" + words + " --dry-run"
	case l.values["changes"] != nil:
		return "rosknock apply" + l.words("changes") + words + " --dry-run"
	}
	return "rosknock prove" + words + l.words("export", "operator", "ros-version")
}

// replays are the command lines of a page that are about one router.
func (l commandLine) replays(e access, run changeRun) view.Replays {
	out := view.Replays{
		Again: l.again(e, run.command), Access: e.reaching(), Ports: func(plan string) string {
			if e.memory != nil && e.memory.files[plan] != "" {
				return e.memory.files[plan]
			}
			return strings.Join(slices.Concat(l.args, l.values["changes"]), ", ")
		},
		Undo: !run.would() && run.command != undoing,
	}
	if export := l.values["export"]; export != nil {
		out.Export = strings.TrimSpace(flagWords("--export", export...) + l.words("ros-version"))
	}
	return out
}

// planFiles are the plan files that were read.
func (l commandLine) planFiles(e access) []string {
	if e.memory != nil && len(e.memory.plans) > 0 {
		return slices.Sorted(maps.Keys(e.memory.plans))
	}
	if l.values["export"] != nil {
		return l.args
	}
	return nil
}

// would reports whether nothing is changed.
func (r changeRun) would() bool { return r.dryRun || r.command == "diff" }

// selectingTurned are the flags that name the routers on which a change was made, or would be, and no
// others: an undo of another router would roll back an earlier change.
func (e access) selectingTurned(of *results) string {
	var turned, others []string
	for _, name := range slices.Sorted(maps.Keys(of.turned)) {
		if of.turned[name] {
			turned = append(turned, name)
		} else {
			others = append(others, name)
		}
	}
	if len(e.inventories) == 0 {
		return flagWords("-r", slices.DeleteFunc(slices.Clone(e.routers), func(r string) bool { return slices.Contains(others, r) })...)
	}
	limits := e.limits
	switch {
	case len(others) == 0:
	case len(turned) <= len(others):
		limits = []string{strings.Join(turned, ",")}
	default:
		limits = []string{strings.Join(append(slices.Clone(limits), "!"+strings.Join(others, ",!")), ",")}
	}
	return flagWords("-i", e.inventories...) + flagWords("-l", limits...)
}

// reaching are the flags that were typed and say how routers are reached and where the journal is,
// without secrets and what leads to them.
func (e access) reaching() string {
	var text strings.Builder
	for _, one := range []struct{ flag, value string }{
		{"state-dir", e.StateDir}, {"transport", e.Transport}, {"user", e.User}, {"tls-pin", e.TLSPin}, {"tls-ca", e.TLSCA}, {"ssh-jump", e.SSHJump},
	} {
		if e.said[one.flag] == onLine {
			text.WriteString(flagWords("--"+one.flag, one.value))
		}
	}
	if e.said["tls-insecure"] == onLine && e.TLSInsecure {
		text.WriteString(" --tls-insecure")
	}
	return text.String()
}

// flagWords are a flag with each of its values, as a shell takes them, with a blank in front of each.
func flagWords(flag string, values ...string) string {
	var text strings.Builder
	for _, v := range values {
		between := " "
		if strings.HasPrefix(v, "-") && strings.HasPrefix(flag, "--") {
			between = "="
		}
		text.WriteString(" " + flag + between + shellWord(v))
	}
	return text.String()
}

// shellWord is a word as a shell takes it, whatever is in it.
func shellWord(word string) string { return view.ShellWord(word) }
