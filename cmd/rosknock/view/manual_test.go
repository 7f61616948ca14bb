package view_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/cmd/rosknock/view"
)

// awkward is a command whose texts hold whatever Markdown and troff would take for their own.
func awkward() view.Command {
	return view.Command{
		Path: "tool do", Usage: []string{"tool do [FILE] [flags]"}, Short: "Do *it* | or <not>",
		Long:    "'tis a \"word\" -- and `another`, 50 % of C:\\path.\n\n.profile begins with a dot, and\n_this_ goes on\n\n  as  it\n  stands",
		Example: "  tool do -x 'a|b' \\\n    > out",
		Flags:   []view.FlagGroup{{Flags: []view.Flag{{Letter: "x", Name: "either", Value: "a|b", Usage: "a | or b", Default: "a"}}}},
		Exits:   []view.Exit{{Code: 0, Meaning: "done"}},
	}
}

// TestManPage: a reader that is not ours shows an awkward page as it was written.
func TestManPage(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("no mandoc here")
	}
	c := awkward()
	show := exec.CommandContext(t.Context(), "mandoc", "-T", "ascii", "-O", "width=200")
	show.Stdin = strings.NewReader(string(view.ManPage(c, view.Command{Path: "tool", Groups: []view.CommandGroup{{Commands: []view.Command{c}}}, Exits: c.Exits}, "1.0")))
	out, err := show.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := string(out)
	for i := strings.IndexByte(text, '\b'); i > 0; i = strings.IndexByte(text, '\b') {
		text = text[:i-1] + text[i+1:] // what is struck twice is bold
	}
	for _, want := range []string{
		"tool-do - Do *it* | or <not>", "'tis a \"word\" -- and `another`, 50 % of C:\\path.", ".profile begins with a dot, and _this_ goes on",
		"  as  it\n", "tool do -x 'a|b' \\\n", "  > out", "-x, --either a|b", "a | or b (default: a)", "tool(1)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
}

// TestManualPage: Markdown shows awkward texts as they were written, and a table keeps its columns.
func TestManualPage(t *testing.T) {
	page := string(view.ManualPage(view.Command{Path: "tool", Long: "A tool.", Groups: []view.CommandGroup{{Title: "All", Commands: []view.Command{awkward()}}}}))
	for _, want := range []string{
		`| [` + "`do`" + `](#tool-do) | Do \*it\* \| or \<not> |`, "```text\nas  it\nstands\n```", "```sh\ntool do -x 'a|b' \\\n  > out\n```",
		"| `-x, --either a\\|b` | a \\| or b (default: a) |", "## tool do\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q:\n%s", want, page)
		}
	}
}

// TestHelpColumns: help stays within its columns, and a long flag gets a line of its own.
func TestHelpColumns(t *testing.T) {
	c := awkward()
	c.Long = strings.Repeat("word ", 100)
	c.Flags[0].Flags = append(c.Flags[0].Flags, view.Flag{Name: "a-rather-long-name", Value: "[user@]host[:port]", Usage: strings.Repeat("meaning ", 30)})
	var b strings.Builder
	view.Help(&b, c, 60)
	for line := range strings.SplitSeq(b.String(), "\n") {
		if len(line) > 60 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if !strings.Contains(b.String(), "--a-rather-long-name [user@]host[:port]\n") {
		t.Errorf("the long flag has no line of its own:\n%s", b.String())
	}
}
