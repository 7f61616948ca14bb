package main

import (
	"html"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rosknock/rosknock/plans/state"
	"github.com/rosknock/rosknock/routeros"
)

// linesOnPage are the command lines that a page gives people to copy, by what it says of them.
func linesOnPage(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(name)
	check(t, err)
	out := map[string][]string{}
	for _, m := range regexp.MustCompile(`<dt>([^<]*)</dt><dd><code class="run">([^<]*)</code>`).FindAllStringSubmatch(string(text), -1) {
		about := html.UnescapeString(m[1])
		out[about] = append(out[about], html.UnescapeString(m[2]))
	}
	return out
}

// wordsOfShell takes a line apart as a shell does.
func wordsOfShell(line string) []string {
	var words []string
	word, quoted, some := "", false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted, some = !quoted, true
		case c == '\\' && !quoted:
			i++
			word += line[i : i+1]
		case c == ' ' && !quoted:
			if some || word != "" {
				words = append(words, word)
			}
			word, some = "", false
		default:
			word += line[i : i+1]
		}
	}
	return append(words, word)
}

// TestShellWords: whatever a router or a file is called, a shell reads the same word back.
func TestShellWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z '"$;&|<>()*?\[\]!~#\\-]{0,9}`)), 1, 5).Draw(t, "words")
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, shellWord(w))
		}
		if got := wordsOfShell(strings.Join(quoted, " ")); !slices.Equal(got, words) {
			t.Fatalf("%q is read as %q", quoted, got)
		}
	})
}

// line carries out a command line of a page.
func (b *branches) line(line string) int {
	b.t.Helper()
	words := wordsOfShell(line)
	if words[0] != "rosknock" {
		b.t.Fatalf("%q is no command line", line)
	}
	words = slices.DeleteFunc(words[1:], func(w string) bool { return w == "-i" || w == "--state-dir" || strings.HasPrefix(w, b.dir) })
	if words[0] == "undo" {
		words = append(words, "--yes")
	}
	return b.rosknock(words...)
}

// TestPageOfRun: what the page of a run says can be done, can be done. Its undo rolls back what this
// run did and nothing else, its refusals show again, and it names the run as the journal does.
func TestPageOfRun(t *testing.T) {
	b := newBranches(t, 4, true)
	page := filepath.Join(b.dir, "page.html")
	if code := b.rosknock("apply", "--yes"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, b.err.String())
	}
	first := b.allowed()
	fleet, err := os.ReadFile(filepath.Join(b.dir, "fleet.yaml"))
	check(t, err)
	text := strings.ReplaceAll(string(fleet), "198.51.100.0/28", "203.0.113.99") // shuts the operator out of the south
	b.write("fleet.yaml", strings.ReplaceAll(text, "office: 198.51.100.7", "office: 198.51.100.0/24"))
	if code := b.rosknock("apply", "--yes", "--report", page, "--max-fail", "90%"); code != int(exitSome) {
		t.Fatalf("exit code %d\n%s", code, b.err.String())
	}
	made, err := os.ReadFile(page)
	check(t, err)
	for _, want := range []string{"2 of 4 routers were changed; 2 are refused.", "90%", "fleet.yaml", "branch.yaml"} {
		if !strings.Contains(html.UnescapeString(string(made)), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, secret := range []string{"planted-password", "41873", "17259", "52614"} {
		if regexp.MustCompile(`(^|[^0-9a-f])` + secret + `([^0-9a-f]|$)`).Match(made) {
			t.Errorf("the page tells %s", secret)
		}
	}
	dir, err := state.Open(filepath.Join(b.dir, "state"))
	check(t, err)
	records, err := dir.Journal()
	check(t, err)
	if run := records[len(records)-1].Run; run == "" || !strings.Contains(string(made), run) {
		t.Errorf("the journal's run %q is not on the page", run)
	}
	onPage := linesOnPage(t, page)
	for _, about := range slices.Sorted(maps.Keys(onPage)) { // the fleet is rolled back before each router alone
		for _, line := range onPage[about] {
			code, said := b.line(line), b.out.String()
			switch {
			case strings.HasPrefix(about, "see the refusal again"):
				if code != int(exitRefused) || !strings.Contains(said, "lose-session") || !strings.Contains(about, "branch.yaml") {
					t.Errorf("%s: %s: exit code %d\n%s", about, line, code, said)
				}
			case strings.HasPrefix(about, "follow this packet"):
				if code != 0 || !strings.Contains(said, "accept") {
					t.Errorf("%s: exit code %d\n%s", line, code, said)
				}
			case about == "roll it back":
				if code != int(exitRefused) || !strings.Contains(b.out.String()+b.err.String(), "was rolled back already") {
					t.Errorf("%s: a second time: exit code %d\n%s", line, code, b.err.String())
				}
			case strings.HasPrefix(about, "roll back what this run did"):
				if code != 0 {
					t.Errorf("%s: exit code %d\n%s", line, code, b.err.String())
				}
				if got := b.allowed(); !slices.Equal(got, first) {
					t.Errorf("%s does not lead back to what was before this run: %q, not %q", line, got, first)
				}
			}
		}
	}
}

// allowed is what the plan lets in without a knock, by router.
func (b *branches) allowed() []string {
	var out []string
	for _, r := range b.order {
		for _, entry := range r.Snapshot().Entries[routeros.IPv4.AddressList()] {
			out = append(out, r.name+" "+entry.Address)
		}
	}
	return out
}

// TestPageOfExport: refusals of an export are shown again with the file of the plan and the export,
// whatever these and the interfaces are called; packets of a knock are on no page.
func TestPageOfExport(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file := func(name, text string) string {
		writeTest(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	const plan = "version: 1\nname: m\ndoors:\n  a:\n    knock: [tcp/41873, udp/17259, tcp/52614, tcp/13377]\n    trusted: {list: t, for: 1h}\n    opens: [ssh]\n    wrong-knock: quarantine\n    decoys: [tcp/2000]\nallow: {addresses: [198.51.100.7]}\ngate: {services: [ssh, winbox, api-ssl]}\nfirewall: {families: [ipv4]}\n"
	shut := file("it's shut.rsc", `# 2026-11-01 10:00:00 by RouterOS 7.20
/interface ethernet
set [ find default-name=ether1 ] name="guest wifi"
/ip address
add address=203.0.113.2/30 interface="guest wifi"
/ip firewall raw
add action=drop chain=prerouting in-interface="guest wifi" protocol=udp
/ip firewall filter
add action=accept chain=input connection-state=established,related
/ip route
add dst-address=0.0.0.0/0 gateway=203.0.113.1
`)
	for name, operator := range map[string]string{"a door that is shut": "198.51.100.7", "a session that is lost": "198.51.100.99"} {
		t.Run(name, func(t *testing.T) {
			page, plan := filepath.Join(dir, "page.html"), file("my plan.yaml", plan)
			code, out, errs := called(t, "diff", plan, "--export", shut, "--operator", operator, "--report", page, "--state-dir", filepath.Join(dir, "state"))
			if code != int(exitRefused) {
				t.Fatalf("exit code %d\n%s%s", code, out, errs)
			}
			lines, again := linesOnPage(t, page), false
			for about, all := range lines {
				for _, line := range all {
					code, out, errs := called(t, wordsOfShell(line)[1:]...)
					if strings.HasPrefix(about, "see the refusal again") {
						again = true
						if code != int(exitRefused) {
							t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
						}
					} else if code != 0 {
						t.Errorf("%s: exit code %d\n%s%s", line, code, out, errs)
					}
				}
			}
			if !again || len(lines) < 2 && operator == "198.51.100.99" {
				t.Errorf("the page has these command lines: %q", lines)
			}
			made, err := os.ReadFile(page)
			check(t, err)
			for _, port := range []string{"41873", "17259", "52614", "13377"} {
				if regexp.MustCompile(`(^|[^0-9a-f])` + port + `([^0-9a-f]|$)`).Match(made) {
					t.Errorf("the page tells %s", port)
				}
			}
		})
	}
}
