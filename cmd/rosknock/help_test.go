package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
)

// called runs a command line in a world without routers: to dial fails the test.
func called(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	e := env{
		streams: streams{in: strings.NewReader(""), out: &out, err: &errs, width: 80},
		getenv:  os.Getenv,
		now:     time.Now,
		dial: func(_ context.Context, _, address string) (net.Conn, error) {
			t.Errorf("%q dials %s", args, address)
			return nil, net.ErrClosed
		},
		keyring: func(string, string) (string, error) {
			t.Errorf("%q asks the keyring", args)
			return "", os.ErrNotExist
		},
	}
	code = run(t.Context(), e, args)
	return code, out.String(), errs.String()
}

// everyCommand visits the tree, hidden commands too.
func everyCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		everyCommand(sub, visit)
	}
}

// TestExamples: every command has examples, and every one of them is a command line that this
// program understands.
func TestExamples(t *testing.T) {
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: a short text, a long one and examples are expected", c.CommandPath())
		}
		own := false
		for line := range strings.SplitSeq(c.Example, "\n") {
			for _, words := range commandLines(t, line) {
				path, err := understood(words)
				if err != nil {
					t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
				}
				own = own || path == c.CommandPath() || strings.HasPrefix(path, c.CommandPath()+" ")
			}
		}
		if !own {
			t.Errorf("%s: no example shows it", c.CommandPath())
		}
	})
}

// understood finds the command of a command line and reads its flags and arguments, and does
// nothing.
func understood(words []string) (path string, err error) {
	c, args, err := newRoot(env{}).Find(words[1:])
	if err != nil {
		return "", err
	}
	if err := c.ParseFlags(args); err != nil {
		return c.CommandPath(), err
	}
	if c.HasSubCommands() {
		return c.CommandPath(), fmt.Errorf("%s does nothing by itself", c.CommandPath())
	}
	return c.CommandPath(), c.ValidateArgs(c.Flags().Args())
}

// commandLines finds rosknock's command lines in a line of shell, also one that another program is
// told to run.
func commandLines(t *testing.T, line string) [][]string {
	t.Helper()
	var out [][]string
	words := shellWords(t, line)
	if len(words) > 0 && words[0] == "rosknock" {
		out = append(out, words)
	}
	for _, word := range words {
		if _, inner, ok := strings.Cut(word, "rosknock "); ok {
			out = append(out, shellWords(t, "rosknock "+inner))
		}
	}
	if len(out) == 0 {
		t.Errorf("example %q does not call rosknock", line)
	}
	return out
}

// shellWords splits a line as a shell does, up to where its output goes elsewhere.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`(?:[^\s'"]|'[^']*'|"[^"]*")+`).FindAllString(line, -1) {
		if m == ">" || m == "|" {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(m))
	}
	return words
}

// TestHelp: every command explains itself within 80 columns, and names every flag that it takes.
func TestHelp(t *testing.T) {
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		words := strings.Fields(c.CommandPath())[1:]
		code, stdout, stderr := called(t, append(words, "--help")...)
		if code != 0 || stderr != "" {
			t.Errorf("%s --help: exit code %d, %s", c.CommandPath(), code, stderr)
		}
		for line := range strings.SplitSeq(stdout, "\n") {
			if n := utf8.RuneCountInString(line); n > helpColumns && !strings.HasPrefix(line, "  rosknock ") && !strings.HasPrefix(line, "  ssh ") {
				t.Errorf("%s --help: %d columns: %s", c.CommandPath(), n, line)
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(stdout, "--"+f.Name) {
				t.Errorf("%s --help does not name --%s", c.CommandPath(), f.Name)
			}
		})
		if _, asked, _ := called(t, append([]string{"help"}, words...)...); asked != stdout {
			t.Errorf("help %s says something else than --help", strings.Join(words, " "))
		}
	})
}

// TestSections: every command and every flag that all commands have stands under a heading of its
// own choice, each once.
func TestSections(t *testing.T) {
	root := newRoot(env{})
	for _, c := range root.Commands() {
		if n := places(commandSections(), c.Name()); n != 1 && !c.Hidden {
			t.Errorf("%s stands in %d sections of commandSections", c.Name(), n)
		}
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if n := places(flagSections(), f.Name); n != 1 {
			t.Errorf("--%s stands in %d sections of flagSections", f.Name, n)
		}
	})
}

func places(sections []section, name string) int {
	n := 0
	for _, s := range sections {
		for _, other := range s.names {
			if other == name {
				n++
			}
		}
	}
	return n
}

// TestMistyped: what was mistyped is answered with what may have been meant, and exit code 64.
func TestMistyped(t *testing.T) {
	tests := []struct{ line, want string }{
		{"aply", `unknown command "aply": did you mean apply?`},
		{"aply branch.yaml --dry-run", `unknown command "aply": did you mean apply?`},
		{"inv", `unknown command "inv": did you mean inventory?`},
		{"help aply", `unknown command "aply": did you mean apply?`},
		{"help trusted lst", `trusted: unknown command "lst": did you mean list?`},
		{"trusted revok 192.0.2.1 --keep-connections", `trusted: unknown command "revok": did you mean revoke?`},
		{"revoke 203.0.113.9 -i fleet.yaml", `unknown command "revoke": did you mean trusted revoke?`},
		{"revok", "did you mean trusted revoke?"},
		{"Revoke", "did you mean trusted revoke?"},
		{"plan", "did you mean diff?"},
		{"status", "did you mean diff, audit or trusted list?"},
		{"check", "did you mean lint, diff or inventory check?"},
		{"rollback", "did you mean undo?"},
		{"destroy", "did you mean remove?"},
		{"doctor", "did you mean inventory check?"},
		{"list", "did you mean inventory list or trusted list?"},
		{"rollbak --yes", "did you mean undo?"},
		{"remov", "did you mean remove?"},
		{"trusted remove", `trusted: unknown command "remove": did you mean revoke?`},
		{"inventory ping", `inventory: unknown command "ping": choose accept, check, import or list`},
		{"nonsense", `unknown command "nonsense"`},
		{"diff --exitcode", "unknown flag: --exitcode: did you mean --exit-code?"},
		{"diff -exit-code", "did you mean --exit-code?"},
		{"diff --roter 192.0.2.1", "did you mean --router?"},
		{"diff --nonsense", "unknown flag: --nonsense; see rosknock diff --help"},
	}
	for _, test := range tests {
		code, stdout, stderr := called(t, strings.Fields(test.line)...)
		if code != int(exitUsage) || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %s%s", test.line, code, stdout, stderr)
		}
	}
	if code, stdout, stderr := called(t); code != 0 || !strings.Contains(stdout, "Usage:") || stderr != "" {
		t.Errorf("rosknock alone: exit code %d, %s%s", code, stdout, stderr)
	}
}

// TestElsewhere: what other programs call so leads to commands that there are, and no word for
// taking trust away leads to the command that takes a plan off.
func TestElsewhere(t *testing.T) {
	root := newRoot(env{})
	for word, paths := range elsewhere() {
		if c, _, err := root.Find([]string{word}); err == nil && c != root {
			t.Errorf("%s is a command of its own", word)
		}
		for _, path := range paths {
			if c, rest, err := root.Find(strings.Fields(path)); err != nil || len(rest) > 0 || c.HasSubCommands() {
				t.Errorf("%s: there is no command %s", word, path)
			}
		}
	}
	for _, word := range []string{"revoke", "revok", "revoek", "revke", "rvoke", "revo", "revokes", "REVOKE", "ban", "block", "deny", "kick"} {
		if got := meant(root, word); slices.Contains(got, "remove") || !slices.Contains(got, "trusted revoke") {
			t.Errorf("%s leads to %q", word, got)
		}
	}
}

// TestVersionFlag: the flag says what the command says.
func TestVersionFlag(t *testing.T) {
	_, want, _ := called(t, "version")
	if code, got, stderr := called(t, "--version"); code != 0 || got != want || stderr != "" {
		t.Errorf("exit code %d, %q, %q, want %q", code, got, stderr, want)
	}
}

// TestValues: what a flag takes is named by its kind, in capitals, and never by one of its values.
func TestValues(t *testing.T) {
	kind := regexp.MustCompile(`^[A-Z]+([=:][A-Z]+)?(\.[a-z]+)?$`)
	root := newRoot(env{})
	everyCommand(root, func(c *cobra.Command) {
		m := manual(c)
		for _, g := range slices.Concat(m.Flags, m.Shared, m.Matters) {
			for _, f := range g.Flags {
				if f.Value != "" && f.Value != "[user@]host[:port]" && !kind.MatchString(f.Value) {
					t.Errorf("%s: --%s %s", c.CommandPath(), f.Name, f.Value)
				}
			}
		}
	})
}

// TestMatters: a command that goes over routers explains how they are named, one that asks how to
// agree, and each risk is named by the help of a command that may meet it.
func TestMatters(t *testing.T) {
	named := map[string]bool{}
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		_, help, _ := called(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
		for _, risk := range risksOf(c) {
			named[risk] = true
			if !strings.Contains(strings.Join(strings.Fields(help), " "), risk) {
				t.Errorf("%s --help does not name the risk %s", c.CommandPath(), risk)
			}
		}
		if overRouters(c) && (!strings.Contains(help, "-r, --router [user@]host[:port]") || !strings.Contains(help, "-i, --inventory FILE")) {
			t.Errorf("%s --help does not say how to name routers", c.CommandPath())
		}
		if c.Flags().Lookup("dry-run") != nil && !strings.Contains(help, "--yes  ") {
			t.Errorf("%s --help does not explain --yes", c.CommandPath())
		}
	})
	for _, risk := range namedRisks() {
		if !named[risk] {
			t.Errorf("no help names the risk %s", risk)
		}
	}
}

// TestManual fails when docs/commands.md is not what the commands say. ROSKNOCK_UPDATE=1 writes it
// anew.
func TestManual(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "commands.md")
	_, want, _ := called(t, "manual")
	if os.Getenv("ROSKNOCK_UPDATE") != "" {
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("docs/commands.md is out of date (%v): run ROSKNOCK_UPDATE=1 go test ./cmd/rosknock -run TestManual", err)
	}
}

// TestManPages: each command has a page, which man shows as it was meant, and an independent reader
// of man pages finds no fault with it.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := called(t, "manual", dir); code != 0 {
		t.Fatal(stderr)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "rosknock*.1"))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	everyCommand(newRoot(env{}), func(c *cobra.Command) {
		if !c.Hidden {
			commands++
		}
	})
	if len(pages) != commands {
		t.Errorf("%d pages for %d commands", len(pages), commands)
	}
	if _, err := exec.LookPath("mandoc"); err == nil {
		out, _ := exec.CommandContext(t.Context(), "mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "missing date") { // a date would be another one in each build
				t.Errorf("mandoc: %s", line)
			}
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("no groff here: the pages are not rendered")
	}
	groff := exec.CommandContext(t.Context(), "groff", "-man", "-Tascii", "-ww", "-P-c", filepath.Join(dir, "rosknock-knock.1"))
	text, err := groff.CombinedOutput()
	if err != nil {
		t.Fatalf("groff: %v, %s", err, text)
	}
	plain := regexp.MustCompile(`.\x08`).ReplaceAllString(string(text), "")
	for _, want := range []string{"ssh -o ProxyCommand='rosknock knock branch.yaml --connect %h:%p' admin@192.0.2.1", "-4, --ipv4", "rosknock-knock - Knock at a door"} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page as man shows it has no %q:\n%s", want, plain)
		}
	}
}

// TestCompletionScripts: the scripts are ones that their shells can read.
func TestCompletionScripts(t *testing.T) {
	for shell, check := range map[string][]string{"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "powershell": nil} {
		code, script, stderr := called(t, "completion", shell)
		if code != 0 || stderr != "" || !strings.Contains(script, "__complete") {
			t.Errorf("completion %s: exit code %d, %s", shell, code, stderr)
		}
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			t.Logf("no %s here: its script is not checked", check[0])
			continue
		}
		name := filepath.Join(t.TempDir(), "rosknock")
		if err := os.WriteFile(name, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), check[0], append(check[1:], name)...).CombinedOutput(); err != nil {
			t.Errorf("%s does not read its script: %v, %s", shell, err, out)
		}
	}
	if code, _, stderr := called(t, "completion", "csh"); code != int(exitUsage) || !strings.Contains(stderr, "bash, zsh, fish or powershell") {
		t.Errorf("completion csh: exit code %d, %s", code, stderr)
	}
}

// TestManualLinks: what the page links to is there.
func TestManualLinks(t *testing.T) {
	page := string(view.ManualPage(manual(newRoot(env{}))))
	var headings []string
	for line := range strings.SplitSeq(page, "\n") {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			headings = append(headings, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(page, -1) {
		if !slices.Contains(headings, m[1]) {
			t.Errorf("there is no heading for the link #%s", m[1])
		}
	}
}
